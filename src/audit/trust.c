/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can one build on the model? What detectors find in it, beside what the
 * same detectors find in clean models of its family, and what repairs do to
 * the trigger that was reversed. The work is assay/trust.h's, in RUN/trust,
 * where it is kept; here it is asked for and put into words of the run.
 *
 * Clean models are those that are given and, as no evidence is to be had
 * twice, the shadow and reference models that the run trained, where their
 * architecture is the model's.
 */

#include <stdio.h>
#include <string.h>

#include "assay/scan.h"
#include "assay/trust.h"
#include "audit/audit.h"
#include "audit/detection.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

int assay__detection_wanted(const struct assay_audit_options *o)
{
    return o->detect || (o->goals & 1U << ASSAY_GOAL_BACKDOOR) != 0;
}

int assay__detection_alone(const assay_audit *a)
{
    return a->n_attacks == 0;
}

/* The first option that is of no use without detectors; NULL: none. */
static const char *idle_option(const struct assay_audit_options *o)
{
    const struct {
        int given;
        const char *what;
    } rows[] = {
        {o->upstream != NULL, "an upstream copy"},
        {o->suspects != NULL, "suspect records"},
        {o->n_clean_models > 0, "clean models"},
        {o->n_detectors > 0, "detectors"},
        {o->n_detector_params > 0, "settings of detectors"},
        {o->n_repairs > 0, "repairs"},
        {o->n_repair_params > 0, "settings of repairs"},
        {o->n_clean > 0, "a number of clean records"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].given)
            return rows[i].what;
    }
    return NULL;
}

int assay__detection_check(const struct assay_audit_options *o,
                           struct assay_error *err)
{
    int wanted = assay__detection_wanted(o);
    const char *idle = idle_option(o);

    if (!wanted && idle != NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "%s: no detection is asked for (--detect, or "
                               "the goal backdoor)",
                               idle);
    if (wanted && o->data == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "detectors look into a model; predictions "
                               "bring none");
    return ASSAY_OK;
}

/* Files that are clean models: borrowed paths, then owned ones. */
struct models {
    const char **path;
    char **owned;
    size_t n_given;
    size_t n_own;
};

static void models_release(struct models *m)
{
    size_t i;

    for (i = 0; i < m->n_own; i++)
        assay__free(m->owned[i]);
    assay__free(m->owned);
    assay__free(m->path);
}

/* A job that learnt as the model did: the shadow model or a reference. */
static int is_of_family(const assay_audit *a, int i)
{
    const struct assay__scene *s = &a->scene;
    const struct assay__job *job = &s->job[i];
    const char *arch =
        a->opened != NULL ? assay_model_arch(a->opened) : a->arch;

    return !job->teaches && i != s->target_job && i != s->evaluator_job &&
           strcmp(job->arch, arch) == 0;
}

static int collect_models(const assay_audit *a, struct models *m,
                          struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    size_t n = o->n_clean_models + (size_t)a->scene.n_jobs;
    size_t i;
    int j;

    m->path = assay__calloc(n + 1, sizeof(*m->path));
    m->owned = assay__calloc((size_t)a->scene.n_jobs + 1, sizeof(*m->owned));
    if (m->path == NULL || m->owned == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%zu clean models", n);
    for (i = 0; i < o->n_clean_models; i++)
        m->path[m->n_given++] = o->clean_models[i];
    for (j = 0; j < a->scene.n_jobs; j++) {
        if (!is_of_family(a, j))
            continue;
        m->owned[m->n_own] = assay__cache_path(&a->cache, a->scene.job[j].path);
        if (m->owned[m->n_own] == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "%zu clean models", n);
        m->path[m->n_given + m->n_own] = m->owned[m->n_own];
        m->n_own++;
    }
    return ASSAY_OK;
}

/* What the run is about, for both kinds of work. */
struct task {
    char *model;   /* owned */
    char *folder;  /* owned: RUN/trust */
    char *repairs; /* owned: RUN/trust/repaired */
    const char *data;
    struct assay_trust_pixels pixels;
    struct models clean;
};

static void task_release(struct task *t)
{
    models_release(&t->clean);
    assay__free(t->model);
    assay__free(t->folder);
    assay__free(t->repairs);
}

static int task_make(struct task *t, const assay_audit *a,
                     struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    const struct assay_pixel_options *p = &o->pixels;

    memset(t, 0, sizeof(*t));
    t->folder = assay__cache_path(&a->cache, "trust");
    t->repairs = assay__cache_path(&a->cache, "trust/repaired");
    t->model = a->opened != NULL
                   ? assay__strdup(o->model)
                   : assay__cache_path(&a->cache,
                                       a->scene.job[a->scene.target_job].path);
    if (t->folder == NULL || t->repairs == NULL || t->model == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "paths of detection");
    t->data = o->nonmember_data != NULL ? o->nonmember_data : o->data;
    /* Models that the run trained bring theirs. */
    if (a->opened != NULL) {
        t->pixels.scale = p->scale;
        t->pixels.n_mean = p->n_mean;
        t->pixels.n_std = p->n_std;
        memcpy(t->pixels.mean, p->mean, sizeof(p->mean));
        memcpy(t->pixels.std, p->std, sizeof(p->std));
    }
    return collect_models(a, &t->clean, err);
}

static int parse(const char *text, json_t **out, struct assay_error *err)
{
    *out = json_loads(text, 0, NULL);
    return *out != NULL ? ASSAY_OK
                        : assay_error_set(err, ASSAY_NOMEM,
                                          "findings of "
                                          "detectors");
}

static int detect(const assay_audit *a, const struct task *t, json_t **out,
                  struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    const char *const model = t->model;
    struct assay_trust_options d;
    char *text = NULL;
    int code;

    assay_trust_options_init(&d);
    d.models.path = &model;
    d.models.n = 1;
    d.references.path = t->clean.path;
    d.references.n = t->clean.n_given + t->clean.n_own;
    d.upstream = o->upstream;
    d.data = t->data;
    d.suspects = o->suspects;
    d.dataset = o->dataset;
    d.pixels = t->pixels;
    d.n_clean = o->n_clean;
    d.detectors = o->n_detectors > 0 ? o->detectors : NULL;
    d.n_detectors = o->n_detectors;
    d.params = o->detector_params;
    d.n_params = o->n_detector_params;
    d.out = t->folder;
    d.even_nothing = 1;
    d.compute = o->compute;
    code = assay_trust_run(&d, &a->ctx, &text, err);
    if (code == ASSAY_OK)
        code = parse(text, out, err);
    assay_bytes_free(text);
    return code;
}

/* The detection whose trigger repairs are measured by: of one that accuses,
 * else of any that names a class. NULL: there is none. */
static const json_t *find_trigger(const json_t *detectors)
{
    const json_t *best = NULL;
    const json_t *d;
    size_t i;

    json_array_foreach(detectors, i, d)
    {
        if (!json_is_string(json_object_get(d, "trigger")) ||
            !json_is_integer(json_object_get(d, "target")))
            continue;
        if (best == NULL || (!json_is_true(json_object_get(best, "accuses")) &&
                             json_is_true(json_object_get(d, "accuses"))))
            best = d;
    }
    return best;
}

static int repair_with(const assay_audit *a, const struct task *t,
                       const char *trigger, int target, json_t **out,
                       struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    struct assay_trust_repair_options r;
    char *text = NULL;
    int code;

    assay_trust_repair_options_init(&r);
    r.model = t->model;
    r.data = t->data;
    r.dataset = o->dataset;
    r.pixels = t->pixels;
    r.trigger = trigger;
    r.target = target;
    r.reverse = NULL;
    r.repairs = o->n_repairs > 0 ? o->repairs : NULL;
    r.n_repairs = o->n_repairs;
    r.params = o->repair_params;
    r.n_params = o->n_repair_params;
    r.out = t->repairs;
    r.compute = o->compute;
    code = assay_trust_repair(&r, &a->ctx, &text, err);
    if (code == ASSAY_OK)
        code = parse(text, out, err);
    assay_bytes_free(text);
    return code;
}

static int repair(const assay_audit *a, const struct task *t,
                  const json_t *detectors, json_t **out,
                  struct assay_error *err)
{
    const json_t *by = find_trigger(detectors);
    char *trigger = NULL;
    int target = -1;
    int code;

    if (by != NULL) {
        trigger = assay__path_join(
            t->folder, json_string_value(json_object_get(by, "trigger")));
        target = (int)json_integer_value(json_object_get(by, "target"));
        if (trigger == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "path of a trigger");
    }
    code = repair_with(a, t, trigger, target, out, err);
    if (code == ASSAY_OK && by != NULL &&
        json_object_set_new(json_object_get(*out, "trigger"), "from",
                            json_copy(json_object_get(by, "name"))) != 0)
        code = assay_error_set(err, ASSAY_NOMEM, "source of a trigger");
    assay__free(trigger);
    return code;
}

/* Not empty: why no repair is tried. */
static const char *no_repairs(const assay_audit *a, const json_t *detectors)
{
    const struct assay_audit_options *o = &a->options;
    const json_t *d;
    size_t i;

    if (o->n_repairs == 1 && strcmp(o->repairs[0], "none") == 0)
        return "not asked for";
    if (o->n_repairs > 0)
        return "";
    json_array_foreach(detectors, i, d)
    {
        if (json_is_true(json_object_get(d, "accuses")))
            return "";
    }
    return "no detector accuses the model, so nothing is there to be "
           "repaired; --repairs NAME tries one anyway";
}

/* Records or a model that repairs cannot work with end nothing. */
static int try_repairs(const assay_audit *a, const struct task *t,
                       const json_t *detectors, json_t **repairs, char why[240],
                       struct assay_error *err)
{
    int code;

    snprintf(why, 240, "%s", no_repairs(a, detectors));
    if (why[0] != '\0')
        return ASSAY_OK;
    code = repair(a, t, detectors, repairs, err);
    if (code != ASSAY_DATA && code != ASSAY_UNSUPPORTED && code != ASSAY_SHAPE)
        return code;
    snprintf(why, 240, "%s", err != NULL ? err->msg : "cannot be run");
    return ASSAY_OK;
}

/* How often the model is right about the clean records; where members and
 * non-members are known, the evidence says it. */
static int accuracy(const assay_audit *a, json_t **out, struct assay_error *err)
{
    struct assay_evidence e;
    struct assay_estimate share;
    assay_view *view = NULL;
    int code;

    if (!assay__detection_alone(a) || a->opened == NULL) {
        *out = json_null();
        return ASSAY_OK;
    }
    memset(&e, 0, sizeof(e));
    code = assay_view_new(&view, a->data, NULL, assay_dataset_count(a->data),
                          &a->preprocess, err);
    if (code == ASSAY_OK)
        code = assay_evidence_collect(&e, &a->ctx, a->opened, view, 0,
                                      &a->options.compute, "accuracy", err);
    if (code == ASSAY_OK) {
        share = assay_evidence_accuracy(&e);
        *out = assay__estimate_json(&share);
    }
    assay_evidence_release(&e);
    assay_view_free(view);
    return code;
}

static int scan(const struct task *t, json_t **out, struct assay_error *err)
{
    struct assay_scan s;
    int code = assay_scan_file(&s, t->model, err);

    if (code != ASSAY_OK)
        return code;
    *out = assay__detected_scan(&s);
    assay_scan_release(&s);
    return *out != NULL ? ASSAY_OK : assay_error_set(err, ASSAY_NOMEM, "scan");
}

static int make(assay_audit *a, const struct task *t, struct assay_error *err)
{
    struct assay__detected d = {.n_given = t->clean.n_given,
                                .n_own = t->clean.n_own};
    int code = scan(t, &d.scan, err);

    if (code == ASSAY_OK)
        code = accuracy(a, &d.accuracy, err);
    if (code == ASSAY_OK)
        code = detect(a, t, &d.document, err);
    if (code == ASSAY_OK)
        code =
            try_repairs(a, t, assay__detected_list(&d), &d.repairs, d.why, err);
    if (code == ASSAY_OK)
        code = assay__detected_json(&d, &a->trust, &a->trust_seconds, err);
    json_decref(d.scan);
    json_decref(d.accuracy);
    json_decref(d.document);
    json_decref(d.repairs);
    return code;
}

int assay__detection_run(assay_audit *a, struct assay_error *err)
{
    struct task t;
    int code;

    if (!assay__detection_wanted(&a->options))
        return ASSAY_OK;
    code = task_make(&t, a, err);
    if (code == ASSAY_OK)
        code = make(a, &t, err);
    if (code == ASSAY_OK)
        code = assay__cache_set(&a->cache, "trust_seconds",
                                json_incref(a->trust_seconds), err);
    task_release(&t);
    return code;
}
