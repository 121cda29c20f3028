/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A study from end to end: hosts on the untouched extractor first, then for
 * each setting and pair one attack and all hosts on it, as far as their cells
 * are not there yet. An attack is crafted again when one of its hosts is
 * missing; it comes out the same.
 */

#include <stdint.h>
#include <string.h>

#include "assay/rng.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "reuse/study.h"

/* A study in progress. */
struct running {
    struct assay__reuse_scene scene;
    struct assay__reuse_cells cells;
    uint64_t done;
    uint64_t total;
    int lock; /* of the folder */
};

static int no_memory(struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
}

static void tell(struct running *r)
{
    struct assay_progress step = {"reuse", "cells", NULL, ++r->done, r->total};

    assay_progress(r->scene.ctx, &step);
}

/* A cell that is there, or NULL, and its file's name. */
static int look(json_t **cell, char **path, const struct running *r,
                const struct assay_reuse_setting *setting, size_t pair,
                size_t host, size_t seed, struct assay_error *err)
{
    return assay__reuse_look_up(cell, path, &r->scene,
                                assay__reuse_inputs(&r->scene, setting, pair,
                                                    &r->scene.s->host[host],
                                                    seed),
                                err);
}

static json_t *change_json(const struct assay_reuse_change *c,
                           const struct assay__reuse_pair *p, size_t triggers)
{
    json_t *list = json_array();

    for (size_t j = 0; j < triggers; j++)
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:i, s:i}", "minus",
                                        (json_int_t)p->record_minus[j], "plus",
                                        (json_int_t)p->record_plus[j], "value",
                                        p->minus[j], "target", p->plus[j]));
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:s, s:I, s:I, s:o}", "layer",
        c->layer, "n_weights", (json_int_t)c->n_weights, "n_layer",
        (json_int_t)c->n_layer, "n_touched", (json_int_t)c->n_touched,
        "max_change", assay__json_real(c->max_change), "first_distance",
        assay__json_real(c->first_distance), "last_distance",
        assay__json_real(c->last_distance), "steps", (json_int_t)c->steps,
        "stop", assay_reuse_stop_name(c->stop), "neighbours",
        (json_int_t)c->neighbours, "n_salient", (json_int_t)c->n_salient,
        "triggers", list);
}

/* Write a cell's file, and hand the cell on. */
static int keep(json_t **cell, const char *path, json_t *inputs, json_t *said,
                json_t *change, struct assay_error *err)
{
    json_t *content = json_pack("{s:o, s:o*}", "said", said, "change", change);
    int rc;

    if (!inputs || !content) {
        json_decref(inputs);
        json_decref(content);
        return no_memory(err);
    }
    rc = assay__reuse_keep(path, inputs, json_incref(content), err);
    if (rc)
        json_decref(content);
    else
        *cell = content;
    return rc;
}

static int run_untouched(struct running *r, size_t host, size_t seed,
                         struct assay__reuse_features *features,
                         struct assay_error *err)
{
    const struct assay_reuse_study *s = r->scene.s;
    struct assay__reuse_range range = {seed, s->seeds, s->pairs};
    json_t **cell = &r->cells.untouched[host * s->seeds + seed];
    json_t *said = NULL;
    char *path = NULL;
    int rc = look(cell, &path, r, NULL, SIZE_MAX, host, seed, err);

    if (!rc && !*cell) {
        if (range.first > range.end)
            range.first = range.end;
        rc = assay__reuse_measure(&said, &r->scene, &s->host[host], seed,
                                  &range, features, err);
        if (!rc)
            rc = keep(cell, path,
                      assay__reuse_inputs(&r->scene, NULL, SIZE_MAX,
                                          &s->host[host], seed),
                      said, NULL, err);
    }
    assay__free(path);
    tell(r);
    return rc;
}

static int run_controls(struct running *r, struct assay_error *err)
{
    const struct assay_reuse_study *s = r->scene.s;
    int rc = ASSAY_OK;

    for (size_t seed = 0; seed < s->seeds && !rc; seed++) {
        struct assay__reuse_features features = {0};

        for (size_t h = 0; h < s->n_hosts && !rc; h++)
            rc = run_untouched(r, h, seed, &features, err);
        assay__reuse_features_release(&features);
    }
    return rc;
}

/* The altered model does not keep what the untouched one's training promised;
 * the untouched one does. */
static int save_without_note(assay_model *m, const char *path,
                             struct assay_error *err)
{
    const char *noted = assay_model_note(m, ASSAY_NOTE_DEFENSE);
    char *kept = noted ? assay__strdup(noted) : NULL;
    int rc;

    if (noted && !kept)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for a note");
    rc = assay_model_set_note(m, ASSAY_NOTE_DEFENSE, NULL, err);
    if (!rc)
        rc = assay_model_save(m, path, err);
    if (kept &&
        assay_model_set_note(m, ASSAY_NOTE_DEFENSE, kept, rc ? NULL : err) &&
        !rc)
        rc = ASSAY_NOMEM;
    assay__free(kept);
    return rc;
}

static int save_model(const struct running *r, size_t setting, size_t pair,
                      struct assay_error *err)
{
    const struct assay_reuse_study *s = r->scene.s;
    char *path;
    int rc;

    if (!s->keep_models)
        return ASSAY_OK;
    path = assay__format("%s/models/%s-%g-%zu.safetensors", s->folder,
                         s->setting[setting].layer ? s->setting[setting].layer
                                                   : "last",
                         s->setting[setting].theta, pair);
    if (!path)
        return no_memory(err);
    rc = save_without_note(s->extractor, path, err);
    assay__free(path);
    return rc;
}

static int craft(struct assay_reuse_change *change, struct running *r,
                 size_t setting, size_t pair, struct assay_error *err)
{
    const struct assay_reuse_study *s = r->scene.s;
    struct assay_reuse_options o = s->options;
    struct assay_reuse_material material = {r->scene.pair[pair].trigger,
                                            s->triggers, r->scene.reference,
                                            s->natural};
    int rc;

    o.layer = s->setting[setting].layer;
    o.theta = s->setting[setting].theta;
    o.seed = assay_rng_hash(s->seed, 0x6372616674, pair); /* "craft" */
    rc = assay_reuse_craft(change, s->extractor, &material, &o, r->scene.ctx,
                           r->scene.compute, err);
    if (rc)
        return assay_error_prefix(err, rc, "pair %zu", pair);
    return save_model(r, setting, pair, err);
}

/* Measure the hosts of one attack whose cells are missing. */
static int run_missing(struct running *r, size_t setting, size_t pair,
                       json_t **cell, char *const *path,
                       struct assay_error *err)
{
    const struct assay_reuse_study *s = r->scene.s;
    struct assay__reuse_range range = {pair, 1, pair + 1};
    struct assay__reuse_features features = {0};
    struct assay_reuse_change change;
    size_t seed = pair % s->seeds;
    int rc = craft(&change, r, setting, pair, err);

    for (size_t h = 0; h < s->n_hosts && !rc; h++) {
        json_t *said = NULL;

        if (cell[h])
            continue;
        rc = assay__reuse_measure(&said, &r->scene, &s->host[h], seed, &range,
                                  &features, err);
        if (!rc)
            rc = keep(&cell[h], path[h],
                      assay__reuse_inputs(&r->scene, &s->setting[setting], pair,
                                          &s->host[h], seed),
                      said,
                      change_json(&change, &r->scene.pair[pair], s->triggers),
                      err);
    }
    assay__reuse_restore(&r->scene);
    assay__reuse_features_release(&features);
    return rc;
}

static int run_attack(struct running *r, size_t setting, size_t pair,
                      struct assay_error *err)
{
    const struct assay_reuse_study *s = r->scene.s;
    json_t **cell = r->cells.altered + (setting * s->pairs + pair) * s->n_hosts;
    char **path = assay__calloc(s->n_hosts, sizeof(*path));
    bool missing = false;
    int rc = path ? ASSAY_OK : no_memory(err);

    for (size_t h = 0; h < s->n_hosts && !rc; h++) {
        rc = look(&cell[h], &path[h], r, &s->setting[setting], pair, h,
                  pair % s->seeds, err);
        missing = missing || !cell[h];
    }
    if (!rc && missing)
        rc = run_missing(r, setting, pair, cell, path, err);
    for (size_t h = 0; path && h < s->n_hosts; h++) {
        assay__free(path[h]);
        tell(r);
    }
    assay__free(path);
    return rc;
}

static int make_folders(const struct assay_reuse_study *s,
                        struct assay_error *err)
{
    static const char *const names[] = {"cells", "models"};
    int rc = ASSAY_OK;

    for (int i = 0; i < (s->keep_models ? 2 : 1) && !rc; i++) {
        char *path = assay__path_join(s->folder, names[i]);

        rc = path ? assay__make_dir(path, err) : no_memory(err);
        assay__free(path);
    }
    return rc;
}

static int open_run(struct running *r, const struct assay_reuse_study *s,
                    const struct assay_context *ctx,
                    const struct assay_compute *compute,
                    struct assay_error *err)
{
    size_t n_altered = s->n_settings * s->pairs * s->n_hosts;
    int rc = make_folders(s, err);

    if (!rc)
        rc = assay__lock_dir(s->folder, "assay reuse", &r->lock, err);
    if (!rc)
        rc = assay__reuse_scene_open(&r->scene, s, ctx, compute, err);
    if (rc)
        return rc;
    r->total = n_altered + s->n_hosts * s->seeds;
    r->cells.altered = assay__calloc(n_altered, sizeof(json_t *));
    r->cells.untouched = assay__calloc(s->n_hosts * s->seeds, sizeof(json_t *));
    return r->cells.altered && r->cells.untouched ? ASSAY_OK : no_memory(err);
}

static void close_run(struct running *r, const struct assay_reuse_study *s)
{
    size_t n_altered = s->n_settings * s->pairs * s->n_hosts;

    for (size_t i = 0; r->cells.altered && i < n_altered; i++)
        json_decref(r->cells.altered[i]);
    for (size_t i = 0; r->cells.untouched && i < s->n_hosts * s->seeds; i++)
        json_decref(r->cells.untouched[i]);
    assay__free(r->cells.altered);
    assay__free(r->cells.untouched);
    if (r->scene.s)
        assay__reuse_scene_close(&r->scene);
    assay__unlock_dir(r->lock);
}

int assay_reuse_run(struct assay_reuse_finding **out,
                    const struct assay_reuse_study *study,
                    const struct assay_context *ctx,
                    const struct assay_compute *compute,
                    struct assay_error *err)
{
    size_t n = study->n_settings * study->n_hosts;
    struct assay_reuse_finding *found = NULL;
    struct running r = {.lock = -1};
    int rc = open_run(&r, study, ctx, compute, err);

    if (!rc)
        rc = run_controls(&r, err);
    for (size_t i = 0; i < study->n_settings && !rc; i++)
        for (size_t p = 0; p < study->pairs && !rc; p++)
            rc = run_attack(&r, i, p, err);
    if (!rc) {
        found = assay__calloc(n, sizeof(*found));
        rc = found ? assay__reuse_summarise(found, &r.scene, &r.cells, err)
                   : no_memory(err);
    }
    if (!rc)
        rc = assay__reuse_write(found, &r.scene, err);
    close_run(&r, study);
    if (rc)
        assay__free(found);
    else
        *out = found;
    return rc;
}
