/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repairs of one model, each on a fresh copy, before and after. Records are
 * parted by one permutation: to tune on, to set thresholds by, and to
 * measure on; no repair sees the last part. Success is that of the trigger
 * that is given or, without one, of the one that a detector reverses from
 * the model: then it says what the repair does to that, which need not be a
 * planted one. With a folder, what was reversed and what each repair did are
 * kept there by key (kept.c), so a run that was killed goes on.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/rng.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "trust/repair.h"

void assay_trust_repair_options_init(struct assay_trust_repair_options *o)
{
    memset(o, 0, sizeof(*o));
    o->target = -1;
    o->reverse = "neural-cleanse";
    assay_repair_recipe_init(&o->recipe);
}

static int choose(struct assay__repairs *w, const char *name,
                  struct assay_error *err)
{
    const struct assay_repair *r = assay_repair_find(name);
    struct assay__chosen_repair *c = &w->chosen[w->n_chosen];

    if (!r)
        return assay_error_set(err, ASSAY_ARG,
                               "no repair is called \"%.60s\"; `assay repairs` "
                               "lists them",
                               name);
    if (w->n_chosen == ASSAY__REPAIRS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d repairs",
                               (int)ASSAY__REPAIRS_MAX);
    c->repair = r;
    assay_settings_init(r->params, c->param);
    w->n_chosen++;
    return ASSAY_OK;
}

static int choose_all(struct assay__repairs *w, struct assay_error *err)
{
    const struct assay_repair *const *all = assay_repair_table();
    const struct assay_trust_repair_options *o = w->o;
    struct assay_setting_owner owner[ASSAY__REPAIRS_MAX];
    int rc = ASSAY_OK;

    for (size_t i = 0; !rc && o->repairs && i < o->n_repairs; i++)
        rc = choose(w, o->repairs[i], err);
    for (size_t i = 0; !rc && !o->repairs && all[i]; i++)
        rc = choose(w, all[i]->name, err);
    for (size_t i = 0; i < w->n_chosen; i++)
        owner[i] = (struct assay_setting_owner){w->chosen[i].repair->name,
                                                w->chosen[i].repair->params,
                                                w->chosen[i].param};
    return rc ? rc
              : assay_settings_assign_all(o->params, o->n_params, owner,
                                          w->n_chosen, "repair", err);
}

/* A quarter to tune on (or n_clean), a quarter for thresholds, the rest. */
static int part_records(struct assay__repairs *w, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(w->model);
    size_t n = assay_dataset_count(w->data);
    size_t tune = w->o->n_clean ? w->o->n_clean : n / 4;
    size_t begin[ASSAY__REPAIR_PARTS + 1] = {0, tune, tune + n / 4, n};
    uint32_t *order = assay__calloc(n, sizeof(*order));
    struct assay_rng rng;
    int rc = ASSAY_OK;

    if (!order)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu "
                               "records",
                               n);
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, w->ctx->seed, "trust", 0);
    assay_rng_shuffle(&rng, order, n);
    if (n < 8 || tune > n / 2 || tune == 0)
        rc = assay_error_set(err, ASSAY_DATA,
                             "%zu records, of which %zu to tune on: 8 and at "
                             "most half are possible",
                             n, tune);
    for (int i = 0; i < ASSAY__REPAIR_PARTS && !rc; i++)
        rc = assay_view_new(&w->part[i], w->data, order + begin[i],
                            begin[i + 1] - begin[i], pre, err);
    assay__free(order);
    return rc;
}

/* Reverse a trigger from the model as it came. */
static int reverse_now(struct assay__repairs *w, const struct assay_detector *d,
                       struct assay_error *err)
{
    struct assay_detector_input in = {.ctx = w->ctx,
                                      .compute = &w->o->compute,
                                      .model = w->model,
                                      .clean = w->part[ASSAY__REPAIR_TUNE]};
    struct assay_detection found;
    int rc;

    if (assay_model_n_classes(w->model) < d->least_classes) {
        assay_log(w->ctx, ASSAY_LOG_WARNING,
                  "no trigger is reversed: %s compares classes with one "
                  "another and takes %d",
                  d->name, d->least_classes);
        return ASSAY_OK;
    }
    rc = assay_detector_run(d, &in, &found, err);
    if (rc)
        return rc;
    if (found.trigger.mask && found.target >= 0) {
        w->trigger = found.trigger;
        memset(&found.trigger, 0, sizeof(found.trigger));
        w->target = found.target;
    }
    assay_detection_release(&found);
    return ASSAY_OK;
}

static int reverse(struct assay__repairs *w, struct assay_error *err)
{
    const struct assay_detector *d = assay_detector_find(w->o->reverse);
    char *path = NULL;
    char *trigger = NULL;
    int rc = ASSAY_OK;

    if (!d)
        return assay_error_set(
            err, ASSAY_ARG, "no detector is called \"%.60s\"", w->o->reverse);
    w->trigger_from = d->name;
    if (!w->o->out)
        return reverse_now(w, d, err);
    path = assay__repairs_path(w, "reversed", d->name, "json");
    trigger = assay__repairs_path(w, "reversed", d->name, "safetensors");
    if (!path || !trigger)
        rc = assay_error_set(err, ASSAY_NOMEM, "out of memory for names");
    if (!rc && !assay__reversed_take(w, path, trigger, w->base)) {
        rc = reverse_now(w, d, err);
        if (!rc)
            rc = assay__reversed_keep(w, path, trigger, w->base, err);
    }
    assay__free(path);
    assay__free(trigger);
    return rc;
}

static int get_triggers(struct assay__repairs *w, struct assay_error *err)
{
    int rc;

    w->target = -1;
    if (!w->o->trigger)
        return w->o->reverse ? reverse(w, err) : ASSAY_OK;
    if (w->o->target < 0 || w->o->target >= assay_model_n_classes(w->model))
        return assay_error_set(err, ASSAY_ARG,
                               "target class %d of the trigger; there are 0 to "
                               "%d",
                               w->o->target,
                               assay_model_n_classes(w->model) - 1);
    rc = assay_trigger_read(&w->trigger, w->o->trigger, err);
    if (!rc && w->o->known)
        rc = assay_trigger_read(&w->known, w->o->known, err);
    w->target = w->o->target;
    w->trigger_from = "file";
    return rc;
}

static int make_folders(const struct assay_trust_repair_options *o,
                        struct assay_error *err)
{
    char *found = o->out ? assay__path_join(o->out, "found") : NULL;
    int rc;

    if (!o->out)
        return ASSAY_OK;
    rc = found ? assay__make_dir(found, err)
               : assay_error_set(err, ASSAY_NOMEM, "out of memory");
    assay__free(found);
    return rc;
}

static int open_all(struct assay__repairs *w, struct assay_error *err)
{
    const struct assay_trust_repair_options *o = w->o;
    int rc;

    if (!o->model || !o->data)
        return assay_error_set(err, ASSAY_ARG,
                               "a model and clean records are needed");
    rc = choose_all(w, err);
    if (!rc)
        rc = make_folders(o, err);
    if (!rc)
        rc = assay_model_open(&w->model, o->model, err);
    if (!rc)
        rc = assay__case_pixels(w->model, &o->pixels, err);
    if (!rc)
        rc = assay_dataset_open(&w->data, o->data, &o->dataset, err);
    if (!rc &&
        assay_dataset_n_classes(w->data) > assay_model_n_classes(w->model))
        rc = assay_error_set(
            err, ASSAY_SHAPE, "the model has %d classes, the records %d",
            assay_model_n_classes(w->model), assay_dataset_n_classes(w->data));
    if (!rc)
        rc = part_records(w, err);
    if (!rc)
        rc = assay__repairs_key(w, err);
    return rc ? rc : get_triggers(w, err);
}

/* ACC, ASR and RA of a model; the latter two null without a trigger. */
static int measure(const struct assay__repairs *w, const assay_model *m,
                   json_t **out, struct assay_error *err)
{
    struct assay_backdoor_effect e;
    struct assay_evidence ev = {0};
    int rc;

    if (w->target >= 0) {
        rc = assay_backdoor_measure(&e, w->ctx, &w->o->compute, m,
                                    w->part[ASSAY__REPAIR_MEASURE], &w->trigger,
                                    w->target, err);
        if (!rc)
            *out = json_pack("{s:o, s:o, s:o}", "accuracy",
                             assay__trust_estimate_json(&e.accuracy), "success",
                             assay__trust_estimate_json(&e.success), "restored",
                             assay__trust_estimate_json(&e.restored));
    } else {
        rc = assay_evidence_collect(&ev, w->ctx, m,
                                    w->part[ASSAY__REPAIR_MEASURE], 0,
                                    &w->o->compute, "accuracy", err);
        if (!rc) {
            e.accuracy = assay_evidence_accuracy(&ev);
            *out = json_pack("{s:o, s:n, s:n}", "accuracy",
                             assay__trust_estimate_json(&e.accuracy), "success",
                             "restored");
        }
        assay_evidence_release(&ev);
    }
    if (!rc && !*out)
        rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
    return rc;
}

static int save(const struct assay__repairs *w, const assay_model *m,
                const char *name, json_t *row, struct assay_error *err)
{
    char *path;
    int rc;

    if (!w->o->out)
        return ASSAY_OK;
    path = assay__format("%s/%s.safetensors", w->o->out, name);
    rc = path ? assay_model_save(m, path, err)
              : assay_error_set(err, ASSAY_NOMEM, "out of memory");
    if (!rc)
        json_object_set_new(row, "model", assay__json_string(path));
    if (rc == ASSAY_UNSUPPORTED) { /* of an ONNX or Keras file */
        json_object_set_new(row, "not_saved", assay__json_string(err->msg));
        rc = ASSAY_OK;
    }
    assay__free(path);
    return rc;
}

static json_t *row_json(const struct assay_repair *r, const double *param)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", r->name, "title",
                     r->title, "summary", r->summary, "cites", r->cites,
                     "params", assay__trust_params_json(r->params, param));
}

static void add_done(json_t *row, const struct assay_repaired *done)
{
    json_object_set_new(row, "status", json_string("ran"));
    json_object_set_new(row, "pruned", json_integer((json_int_t)done->pruned));
    json_object_set_new(row, "channels",
                        json_integer((json_int_t)done->channels));
    json_object_set_new(row, "threshold", assay__json_real(done->threshold));
    json_object_set_new(row, "note", assay__json_string(done->note));
    json_object_set_new(row, "seconds", assay__json_real(done->seconds));
}

static int tell_why(json_t *row, const struct assay_error *why,
                    struct assay_error *err)
{
    return json_object_set_new(row, "status", json_string("not run")) ||
                   json_object_set_new(row, "why", assay__json_string(why->msg))
               ? assay_error_set(err, ASSAY_NOMEM, "out of memory")
               : ASSAY_OK;
}

static int repair_one(const struct assay__repairs *w,
                      const struct assay__chosen_repair *c, json_t *row,
                      struct assay_error *err)
{
    struct assay_repair_input in = {.ctx = w->ctx,
                                    .compute = &w->o->compute,
                                    .clean = w->part[ASSAY__REPAIR_TUNE],
                                    .held_out = w->part[ASSAY__REPAIR_HELD_OUT],
                                    .trigger =
                                        w->known.mask ? &w->known : &w->trigger,
                                    .target = w->target,
                                    .recipe = &w->o->recipe,
                                    .param = c->param};
    struct assay_repaired done;
    assay_model *m = NULL;
    json_t *after = NULL;
    int rc = assay_model_clone(&m, w->model, err);

    if (!rc)
        rc = assay_repair_run(c->repair, &in, m, &done, err);
    if (rc == ASSAY_UNSUPPORTED || rc == ASSAY_ARG || rc == ASSAY_NUMERIC) {
        rc = tell_why(row, err, err);
    } else if (!rc) {
        add_done(row, &done);
        rc = measure(w, m, &after, err);
        if (!rc)
            rc = save(w, m, c->repair->name, row, err);
        if (!rc && json_object_set(row, "after", after))
            rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
    }
    json_decref(after);
    assay_model_free(m);
    return rc;
}

/* A repair's row: from the folder, or done and put there. */
static int repair_kept(const struct assay__repairs *w,
                       const struct assay__chosen_repair *c, json_t *row,
                       struct assay_error *err)
{
    char key[65];
    char *path = assay__repairs_path(w, "repair", c->repair->name, "json");
    json_t *found = NULL;
    int rc = path ? assay__repair_key(w, row, key, err)
                  : assay_error_set(err, ASSAY_NOMEM, "out of memory");

    if (!rc)
        found = assay__kept_read(path, key);
    if (!rc && found && assay__repair_fits(w, found, row)) {
        if (json_object_update(row, found))
            rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
    } else if (!rc) {
        rc = repair_one(w, c, row, err);
        if (!rc)
            rc = assay__kept_write(path, key, row, err);
    }
    json_decref(found);
    assay__free(path);
    return rc;
}

static int repair_all(const struct assay__repairs *w, json_t *rows,
                      struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < w->n_chosen && !rc; i++) {
        const struct assay__chosen_repair *c = &w->chosen[i];
        struct assay_progress step = {c->repair->name, "repairs", NULL, i,
                                      w->n_chosen};
        json_t *row = row_json(c->repair, c->param);

        assay_progress(w->ctx, &step);
        rc = row && !json_array_append_new(rows, row)
                 ? assay_context_check(w->ctx, err)
                 : assay_error_set(err, ASSAY_NOMEM, "out of memory");
        if (!rc)
            rc = w->o->out ? repair_kept(w, c, row, err)
                           : repair_one(w, c, row, err);
    }
    return rc;
}

static int make_document(const struct assay__repairs *w, json_t *before,
                         json_t *rows, json_t **root, struct assay_error *err)
{
    *root = json_pack(
        "{s:s, s:{s:s, s:s}, s:o, s:{s:o, s:s, s:I, s:I, s:I}, s:I, s:O, s:O}",
        "schema", "assay-repairs/1", "tool", "name", "assay", "version",
        assay_version(), "model", assay__json_string(w->o->model), "data",
        "name", assay__json_string(assay_dataset_name(w->data)), "sha256",
        assay_dataset_sha256(w->data), "tuned_on",
        (json_int_t)assay_view_count(w->part[ASSAY__REPAIR_TUNE]), "held_out",
        (json_int_t)assay_view_count(w->part[ASSAY__REPAIR_HELD_OUT]),
        "measured_on",
        (json_int_t)assay_view_count(w->part[ASSAY__REPAIR_MEASURE]), "seed",
        (json_int_t)w->ctx->seed, "before", before, "repairs", rows);
    if (!*root)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory");
    json_object_set_new(*root, "trigger",
                        w->target >= 0
                            ? json_pack("{s:s, s:i}", "from", w->trigger_from,
                                        "target", w->target)
                            : json_null());
    return ASSAY_OK;
}

static int write_document(const struct assay__repairs *w, json_t *root,
                          char **findings, struct assay_error *err)
{
    char *path;
    int rc = ASSAY_OK;

    if (w->o->out) {
        path = assay__path_join(w->o->out, "repairs.json");
        rc = path ? assay__json_write(path, root, err)
                  : assay_error_set(err, ASSAY_NOMEM, "out of memory");
        assay__free(path);
    }
    if (rc)
        return rc;
    *findings = assay__json_text(root);
    return *findings ? ASSAY_OK
                     : assay_error_set(err, ASSAY_NOMEM, "out of memory");
}

static void release_all(struct assay__repairs *w)
{
    for (int i = 0; i < ASSAY__REPAIR_PARTS; i++)
        assay_view_free(w->part[i]);
    assay_trigger_release(&w->trigger);
    assay_trigger_release(&w->known);
    assay_dataset_free(w->data);
    assay_model_free(w->model);
}

int assay_trust_repair(const struct assay_trust_repair_options *o,
                       const struct assay_context *ctx, char **findings,
                       struct assay_error *err)
{
    struct assay__repairs w = {.o = o, .ctx = ctx};
    json_t *before = NULL;
    json_t *rows = json_array();
    json_t *root = NULL;
    int rc = rows ? open_all(&w, err)
                  : assay_error_set(err, ASSAY_NOMEM, "out of memory");

    if (!rc)
        rc = measure(&w, w.model, &before, err);
    if (!rc)
        rc = repair_all(&w, rows, err);
    if (!rc)
        rc = make_document(&w, before, rows, &root, err);
    if (!rc)
        rc = write_document(&w, root, findings, err);
    json_decref(root);
    json_decref(rows);
    json_decref(before);
    release_all(&w);
    return rc;
}
