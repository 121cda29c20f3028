/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Witnesses: the models of a scene, asked for evidence on the audited
 * records. What a model says is collected in one go, so a model is loaded
 * at most once, and only when some of its evidence is not in the folder.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/thread.h"

/* One piece of evidence to have: of one model on one list of records. */
struct wanted {
    const struct assay__rows *rows; /* NULL: all of the pool */
    const char *what;               /* "members" */
    unsigned flags;
    struct assay_evidence *to;
    char path[112];
    json_t *inputs;
    int there; /* the file can be used */
};

enum { WANTED_MAX = ASSAY__SUBSETS + 4 };

/* A model whose evidence is wanted. */
struct witness {
    const char *name; /* "shadow" */
    const char *task; /* for progress */
    const char *key;  /* of the model */
    const char *path; /* its file in the folder, or NULL: `opened` */
    struct wanted wanted[WANTED_MAX];
    int n_wanted;
};

static int want(struct witness *w, const assay_audit *a,
                const struct assay__rows *rows, const char *what,
                unsigned flags, struct assay_evidence *to,
                struct assay_error *err)
{
    struct wanted *x = &w->wanted[w->n_wanted++];

    memset(x, 0, sizeof(*x));
    x->rows = rows;
    x->what = what;
    x->flags = flags;
    x->to = to;
    snprintf(x->path, sizeof(x->path), "evidence/%s-%s.safetensors", w->name,
             what);
    x->inputs = assay__audit_inputs(a);
    if (x->inputs == NULL ||
        json_object_set_new(x->inputs, "kind", json_string("evidence")) ||
        json_object_set_new(x->inputs, "model", json_string(w->key)) ||
        json_object_set_new(x->inputs, "records",
                            json_string(rows != NULL
                                            ? rows->sha256
                                            : assay_dataset_sha256(a->pool))) ||
        json_object_set_new(
            x->inputs, "embedding",
            json_boolean((flags & ASSAY_EVIDENCE_EMBEDDING) != 0)) ||
        json_object_set_new(
            x->inputs, "queries",
            json_boolean((flags & ASSAY_EVIDENCE_QUERIES) != 0)))
        return assay_error_set(err, ASSAY_NOMEM, "inputs of %s", x->path);
    if ((flags & ASSAY_EVIDENCE_LAYER) != 0 &&
        json_object_set_new(x->inputs, "layer",
                            assay__json_string(a->options.layer)))
        return assay_error_set(err, ASSAY_NOMEM, "inputs of %s", x->path);
    x->there = assay__cache_has(&a->cache, x->path, x->inputs);
    return ASSAY_OK;
}

static int collect(assay_audit *a, const struct witness *w, struct wanted *x,
                   const assay_model *m, struct assay_error *err)
{
    char *path = assay__cache_path(&a->cache, x->path);
    char *task = assay__format("%s: %s", w->task, x->what);
    double started = assay__clock_seconds();
    assay_view *view = NULL;
    int code;

    if (path == NULL || task == NULL) {
        code = assay_error_set(err, ASSAY_NOMEM, "%s", x->path);
        goto out;
    }
    if (x->rows != NULL)
        code = assay_view_new(&view, a->data, x->rows->index, x->rows->n,
                              &a->preprocess, err);
    else
        code = assay_view_new(&view, a->pool, NULL, 0, &a->preprocess, err);
    if (code == ASSAY_OK)
        code = assay_evidence_collect(x->to, &a->ctx, m, view, x->flags,
                                      &a->options.compute, task, err);
    if (code == ASSAY_OK)
        code = assay_evidence_write(x->to, path, err);
    if (code == ASSAY_OK)
        code = assay__cache_record(&a->cache, x->path, x->inputs,
                                   assay__clock_seconds() - started, err);

out:
    assay_view_free(view);
    assay__free(task);
    assay__free(path);
    return code;
}

static int read_back(const assay_audit *a, struct wanted *x,
                     struct assay_error *err)
{
    char *path = assay__cache_path(&a->cache, x->path);
    size_t n = x->rows != NULL ? x->rows->n : assay_dataset_count(a->pool);
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%s", x->path);
    code = assay_evidence_read(x->to, path, err);
    if (code == ASSAY_OK && x->to->n != n)
        code = assay_error_set(err, ASSAY_DATA, "%s: %zu records, not %zu",
                               x->path, x->to->n, n);
    assay__free(path);
    return code;
}

/* With the layer that its evidence is to have. */
static int ready_model(const assay_audit *a, const struct wanted *x,
                       assay_model *m, struct assay_error *err)
{
    if ((x->flags & ASSAY_EVIDENCE_LAYER) == 0)
        return ASSAY_OK;
    return assay_model_choose_layer(m, a->options.layer, err);
}

static int hear(assay_audit *a, struct witness *w, struct assay_error *err)
{
    assay_model *loaded = NULL;
    int code = ASSAY_OK;
    int i;

    for (i = 0; i < w->n_wanted && code == ASSAY_OK; i++) {
        struct wanted *x = &w->wanted[i];
        assay_model *m;

        if (x->there) {
            code = read_back(a, x, err);
            continue;
        }
        if (w->path != NULL && loaded == NULL)
            code = assay__folder_model(a, w->path, &loaded, err);
        m = loaded != NULL ? loaded : a->opened;
        if (code == ASSAY_OK)
            code = ready_model(a, x, m, err);
        if (code == ASSAY_OK)
            code = collect(a, w, x, m, err);
    }
    assay_model_free(loaded);
    return code;
}

static void witness_release(struct witness *w)
{
    int i;

    for (i = 0; i < w->n_wanted; i++)
        json_decref(w->wanted[i].inputs);
}

/* Whether attribute attacks read another layer than the last. */
static bool reads_layer(const assay_audit *a)
{
    return a->options.layer != NULL &&
           (assay__audit_needs(a) & ASSAY_NEED_ATTRIBUTE) != 0;
}

static unsigned evidence_flags(const assay_audit *a)
{
    unsigned needs = assay__audit_needs(a);

    return (needs & ASSAY_NEED_EMBEDDING ? ASSAY_EVIDENCE_EMBEDDING : 0U) |
           (needs & ASSAY_NEED_QUERIES ? ASSAY_EVIDENCE_QUERIES : 0U);
}

/* The three audited lists, as far as they are needed. */
static int want_audited(struct witness *w, const assay_audit *a,
                        const struct assay__scene *scene,
                        struct assay_evidence *to, const char *suffix[],
                        unsigned flags, struct assay_error *err)
{
    int code = ASSAY_OK;
    int i;

    for (i = 0; i < ASSAY__SUBSETS && code == ASSAY_OK; i++) {
        if (i == ASSAY__POPULATION && !scene->with_population)
            continue;
        code = want(w, a, &scene->audited[i], suffix[i],
                    i == ASSAY__POPULATION ? 0 : flags, &to[i], err);
    }
    return code;
}

static const char *plain_names[] = {"members", "nonmembers", "population"};
static const char *control_names[] = {"control-members", "control-nonmembers",
                                      "control-population"};

static void witness_of_job(struct witness *w, const struct assay__job *job)
{
    memset(w, 0, sizeof(*w));
    w->name = job->name;
    w->task = job->title;
    w->key = job->key;
    w->path = job->path;
}

static int hear_target(struct assay__scene *scene, assay_audit *a,
                       struct assay_error *err)
{
    unsigned flags = evidence_flags(a) |
                     (reads_layer(a) ? (unsigned)ASSAY_EVIDENCE_LAYER : 0U);
    struct witness w;
    int code;

    if (scene->target_job >= 0) {
        witness_of_job(&w, &scene->job[scene->target_job]);
    } else {
        memset(&w, 0, sizeof(w));
        w.name = "target";
        w.task = "target";
        w.key = a->opened_sha256;
    }
    code = want_audited(&w, a, scene, scene->target, plain_names, flags, err);
    if (code == ASSAY_OK && scene->with_auxiliary)
        code = want(&w, a, &scene->auxiliary, "auxiliary",
                    flags & ~(unsigned)ASSAY_EVIDENCE_QUERIES,
                    &scene->target_auxiliary, err);
    if (code == ASSAY_OK && a->pool != NULL &&
        (assay__audit_needs(a) & ASSAY_NEED_POOL) != 0 &&
        scene->prefix[0] == '\0')
        code = want(&w, a, NULL, "pool", ASSAY_EVIDENCE_FOREIGN,
                    &scene->target_pool, err);
    if (code == ASSAY_OK)
        code = hear(a, &w, err);
    witness_release(&w);
    return code;
}

static int hear_shadow(struct assay__scene *scene, assay_audit *a,
                       struct assay_error *err)
{
    static const char *own[] = {"members", "nonmembers"};
    struct witness w;
    int code = ASSAY_OK;
    int i;

    witness_of_job(&w, &scene->job[scene->shadow_job]);
    for (i = 0; i < 2 && code == ASSAY_OK; i++)
        code = want(&w, a, &scene->shadow[i], own[i], evidence_flags(a),
                    &scene->shadow_own[i], err);
    if (code == ASSAY_OK && scene->with_control)
        code = want_audited(&w, a, scene, scene->control, control_names,
                            evidence_flags(a), err);
    if (code == ASSAY_OK)
        code = hear(a, &w, err);
    witness_release(&w);
    return code;
}

static int hear_evaluator(struct assay__scene *scene, assay_audit *a,
                          struct assay_error *err)
{
    static const char *own[] = {"members", "nonmembers"};
    struct witness w;
    int code = ASSAY_OK;
    int i;

    witness_of_job(&w, &scene->job[scene->evaluator_job]);
    for (i = 0; i < 2 && code == ASSAY_OK; i++)
        code = want(&w, a, &scene->audited[i], own[i], ASSAY_EVIDENCE_EMBEDDING,
                    &scene->evaluator_evidence[i], err);
    if (code == ASSAY_OK)
        code = hear(a, &w, err);
    witness_release(&w);
    return code;
}

static int hear_references(struct assay__scene *scene, assay_audit *a,
                           struct assay_error *err)
{
    int code = ASSAY_OK;
    int i;

    for (i = 0; i < scene->n_references && code == ASSAY_OK; i++) {
        struct assay_evidence *e =
            &scene->reference_evidence[i * ASSAY__SUBSETS];
        struct assay_reference *r = &scene->reference[i];
        struct witness w;

        witness_of_job(&w, &scene->job[scene->first_reference + i]);
        code = want_audited(&w, a, scene, e, plain_names, 0, err);
        if (code == ASSAY_OK)
            code = hear(a, &w, err);
        witness_release(&w);
        r->members = &e[ASSAY__MEMBERS];
        r->nonmembers = &e[ASSAY__NONMEMBERS];
        r->population = scene->with_population ? &e[ASSAY__POPULATION] : NULL;
        r->trained_on_member = scene->trained_on[i];
        r->trained_on_nonmember = scene->trained_on[i] + scene->audited[0].n;
    }
    return code;
}

static size_t count_parameters(assay_model *m)
{
    const struct assay_params *p = assay_model_params(m);
    size_t n = 0;
    int i;

    for (i = 0; i < p->n_slots; i++) {
        if (p->slot[i].flags & ASSAY_PARAM_TRAINABLE)
            n += p->slot[i].count;
    }
    return n;
}

/* What the report tells of a model: its curve, size and hash. */
static int look_at(struct assay__scene *scene, const assay_audit *a, int job,
                   struct assay_curve *curve, struct assay_error *err)
{
    int is_target = job == scene->target_job;
    assay_model *m = a->opened;
    assay_model *loaded = NULL;
    struct witness w;
    const char *text;
    int code = ASSAY_OK;

    if (job >= 0) {
        witness_of_job(&w, &scene->job[job]);
        code = assay__folder_model(a, w.path, &loaded, err);
        m = loaded;
    }
    if (code == ASSAY_OK && is_target) {
        code = assay_model_sha256(m, scene->target_sha256, err);
        scene->target_parameters = count_parameters(m);
    }
    if (code == ASSAY_OK) {
        text = assay_model_note(m, ASSAY_NOTE_CURVE);
        if (text != NULL)
            code = assay_curve_from_text(curve, text, err);
    }
    assay_model_free(loaded);
    return code;
}

int assay__scene_look(struct assay__scene *scene, const assay_audit *a,
                      struct assay_error *err)
{
    return look_at(scene, a, scene->target_job, &scene->target_curve, err);
}

int assay__scene_collect(struct assay__scene *scene, assay_audit *a,
                         struct assay_error *err)
{
    int code;

    code = assay__jobs_train(a, scene->job, scene->n_jobs, err);
    if (code == ASSAY_OK)
        code = look_at(scene, a, scene->target_job, &scene->target_curve, err);
    if (code == ASSAY_OK && scene->shadow_job >= 0)
        code = look_at(scene, a, scene->shadow_job, &scene->shadow_curve, err);
    if (code == ASSAY_OK)
        code = hear_target(scene, a, err);
    if (code == ASSAY_OK && scene->shadow_job >= 0)
        code = hear_shadow(scene, a, err);
    if (code == ASSAY_OK && scene->evaluator_job >= 0)
        code = hear_evaluator(scene, a, err);
    if (code == ASSAY_OK && scene->with_generator)
        code = assay__generator_ready(a, scene, err);
    if (code == ASSAY_OK)
        code = hear_references(scene, a, err);
    if (code == ASSAY_OK && scene->prefix[0] == '\0')
        code = assay__defense_answer(scene, a, err);
    return code;
}
