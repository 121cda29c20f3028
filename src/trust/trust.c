/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of a run: options, records, upstream and shadow models; the
 * references one after another, then the models; the document.
 */

#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "trust/trust.h"

void assay_trust_options_init(struct assay_trust_options *o)
{
    memset(o, 0, sizeof(*o));
}

static int choose(struct assay__trust *t, const char *name,
                  struct assay_error *err)
{
    const struct assay_detector *d = assay_detector_find(name);
    struct assay__chosen *c = &t->chosen[t->n_chosen];

    if (!d)
        return assay_error_set(err, ASSAY_ARG,
                               "no detector is called \"%.60s\"; `assay "
                               "detectors` lists them",
                               name);
    if (t->n_chosen == ASSAY__DETECTORS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d detectors",
                               (int)ASSAY__DETECTORS_MAX);
    c->detector = d;
    assay_settings_init(d->params, c->param);
    t->n_chosen++;
    return ASSAY_OK;
}

static int choose_all(struct assay__trust *t, struct assay_error *err)
{
    const struct assay_detector *const *all = assay_detector_table();
    const struct assay_trust_options *o = t->o;
    struct assay_setting_owner owner[ASSAY__DETECTORS_MAX];
    int rc = ASSAY_OK;

    for (size_t i = 0; !rc && o->detectors && i < o->n_detectors; i++)
        rc = choose(t, o->detectors[i], err);
    for (size_t i = 0; !rc && !o->detectors && all[i]; i++)
        rc = choose(t, all[i]->name, err);
    for (size_t i = 0; i < t->n_chosen; i++)
        owner[i] = (struct assay_setting_owner){t->chosen[i].detector->name,
                                                t->chosen[i].detector->params,
                                                t->chosen[i].param};
    return rc ? rc
              : assay_settings_assign_all(o->params, o->n_params, owner,
                                          t->n_chosen, "detector", err);
}

/* Upstream: of the pixels of what it is compared with. */
static int open_upstream(struct assay__trust *t, struct assay_error *err)
{
    int rc;

    if (!t->o->upstream)
        return ASSAY_OK;
    rc = assay_model_open(&t->upstream, t->o->upstream, err);
    return rc ? rc : assay_model_sha256(t->upstream, t->upstream_sha256, err);
}

static int open_shadows(struct assay__trust *t, struct assay_error *err)
{
    const struct assay_trust_models *lists[] = {&t->o->clean_shadows,
                                                &t->o->bad_shadows};
    size_t n = lists[0]->n + lists[1]->n;
    struct assay__sha256 h;
    int rc = ASSAY_OK;

    t->shadow = assay__calloc(n, sizeof(*t->shadow));
    t->shadow_model = assay__calloc(n, sizeof(*t->shadow_model));
    if (!t->shadow || !t->shadow_model || assay__sha256_begin(&h))
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu "
                               "shadow models",
                               n);
    for (size_t i = 0; i < n && !rc; i++) {
        int bad = i >= lists[0]->n;
        assay_model **m = &t->shadow_model[i];
        char sha[65] = "";

        rc = assay_model_open(m, lists[bad]->path[bad ? i - lists[0]->n : i],
                              err);
        if (!rc)
            rc = assay__case_pixels(*m, &t->o->pixels, err);
        if (!rc)
            rc = assay_model_sha256(*m, sha, err);
        assay__sha256_add(&h, sha, sizeof(sha));
        assay__sha256_add(&h, bad ? "b" : "c", 1);
        t->shadow[i].model = *m;
        t->shadow[i].backdoored = bad;
        t->n_shadows = i + 1;
    }
    assay__sha256_end(&h, t->shadows_sha256);
    return rc;
}

static int make_folders(const struct assay__trust *t, struct assay_error *err)
{
    char *found = t->o->out ? assay__path_join(t->o->out, "found") : NULL;
    int rc;

    if (!t->o->out)
        return ASSAY_OK;
    rc = found ? assay__make_dir(found, err)
               : assay_error_set(err, ASSAY_NOMEM, "out of memory");
    assay__free(found);
    return rc;
}

static int open_all(struct assay__trust *t, struct assay_error *err)
{
    const struct assay_trust_options *o = t->o;
    int rc;

    if (o->models.n == 0 || !o->data)
        return assay_error_set(err, ASSAY_ARG,
                               "a model to judge and clean records are needed");
    rc = choose_all(t, err);
    if (!rc)
        rc = make_folders(t, err);
    if (!rc)
        rc = assay__trust_data_open(&t->data, o->data, o->suspects, &o->dataset,
                                    o->n_clean, t->ctx->seed, err);
    if (!rc)
        rc = open_upstream(t, err);
    return rc ? rc : open_shadows(t, err);
}

/* Every chosen detector on one model, as an array. */
static int detect_all(struct assay__trust *t, const struct assay__case *c,
                      int models_only, json_t *out, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < t->n_chosen && !rc; i++) {
        json_t *found = NULL;

        if (models_only && t->chosen[i].detector->subject != ASSAY_DETECT_MODEL)
            continue;
        rc = assay_context_check(t->ctx, err);
        if (!rc)
            rc = assay__trust_detect(t, c, &t->chosen[i], &found, err);
        if (!rc && json_array_append(out, found))
            rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
        json_decref(found);
    }
    return rc;
}

/* What was found in each model of a list; about[i] tells which it is. */
static int run_list(struct assay__trust *t,
                    const struct assay_trust_models *list, const char *task,
                    int models_only, json_t **found, json_t *about,
                    struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < list->n && !rc; i++) {
        struct assay_progress step = {task, "models", NULL, i, list->n};
        struct assay__case c;

        assay_progress(t->ctx, &step);
        found[i] = json_array();
        rc = assay__case_open(&c, list->path[i], &t->o->pixels, &t->data, err);
        if (!rc)
            rc = detect_all(t, &c, models_only, found[i], err);
        if (!rc &&
            json_array_append_new(
                about, json_pack("{s:o, s:s, s:s, s:i}", "name",
                                 assay__json_string(c.name), "sha256", c.sha256,
                                 "arch", assay_model_arch(c.model), "classes",
                                 assay_model_n_classes(c.model))))
            rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
        assay__case_release(&c);
        step.done = i + 1;
        if (!rc)
            assay_progress(t->ctx, &step);
    }
    return rc;
}

static int judge_all(json_t **models, size_t n_models, json_t **references,
                     size_t n_references, json_t *about,
                     struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < n_models && !rc; i++) {
        json_t *entry = json_array_get(about, i);

        for (size_t k = 0; k < json_array_size(models[i]) && !rc; k++)
            rc = assay__trust_judge(json_array_get(models[i], k), references,
                                    n_references, err);
        if (!rc && (json_object_set(entry, "detectors", models[i]) ||
                    json_object_set_new(entry, "verdict",
                                        assay__trust_verdict(models[i]))))
            rc = assay_error_set(err, ASSAY_NOMEM, "out of memory");
    }
    return rc;
}

static int write_document(const struct assay__trust *t, json_t *root,
                          char **findings, struct assay_error *err)
{
    char *path;
    int rc = ASSAY_OK;

    if (t->o->out) {
        path = assay__path_join(t->o->out, "trust.json");
        rc = path ? assay__json_write(path, root, err)
                  : assay_error_set(err, ASSAY_NOMEM, "out of memory");
        assay__free(path);
    }
    if (rc)
        return rc;
    *findings = assay__json_text(root);
    return *findings ? ASSAY_OK
                     : assay_error_set(err, ASSAY_NOMEM,
                                       "out of memory for the findings");
}

/* What was found, and where it ends up. */
struct results {
    json_t **models;
    json_t **references;
    json_t *about_models;
    json_t *about_references;
};

static int anything_ran(json_t *const *found, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *d;
        size_t k;

        json_array_foreach(found[i], k, d)
        {
            if (strcmp(json_string_value(json_object_get(d, "status")),
                       "ran") == 0)
                return 1;
        }
    }
    return 0;
}

/* What kept detectors from running, by the first model's. */
static int nothing_ran(json_t *const *found, size_t n, struct assay_error *err)
{
    char why[400] = "";
    size_t used = 0;
    const json_t *d;
    size_t k;

    json_array_foreach(n > 0 ? found[0] : NULL, k, d)
    {
        if (used + 100 < sizeof(why))
            used +=
                (size_t)snprintf(why + used, sizeof(why) - used,
                                 "%s%.40s: %.160s", k > 0 ? "; " : ": ",
                                 json_string_value(json_object_get(d, "name")),
                                 json_string_value(json_object_get(d, "why")));
        used = used < sizeof(why) ? used : sizeof(why) - 1;
    }
    return assay_error_set(err, ASSAY_NOTHING,
                           "no detector can run on these models and "
                           "records%s",
                           why);
}

static int make_document(const struct assay__trust *t, const struct results *r,
                         json_t *summary, json_t **root,
                         struct assay_error *err)
{
    *root = json_pack(
        "{s:s, s:{s:s, s:s}, s:{s:o, s:s, s:I}, s:I, s:O, s:O, s:O}", "schema",
        "assay-trust/1", "tool", "name", "assay", "version", assay_version(),
        "data", "name", assay__json_string(assay_dataset_name(t->data.clean)),
        "sha256", assay_dataset_sha256(t->data.clean), "clean",
        (json_int_t)t->data.n_each, "seed", (json_int_t)t->ctx->seed, "models",
        r->about_models, "references", r->about_references, "summary", summary);
    return *root ? ASSAY_OK
                 : assay_error_set(err, ASSAY_NOMEM, "out of memory");
}

static int run_lists(struct assay__trust *t, struct results *r, json_t **root,
                     struct assay_error *err)
{
    const struct assay_trust_options *o = t->o;
    json_t *summary = NULL;
    int rc = run_list(t, &o->references, "references", 1, r->references,
                      r->about_references, err);

    if (!rc)
        rc = run_list(t, &o->models, "models", 0, r->models, r->about_models,
                      err);
    if (!rc && !o->even_nothing && !anything_ran(r->models, o->models.n))
        rc = nothing_ran(r->models, o->models.n, err);
    if (!rc)
        rc = judge_all(r->models, o->models.n, r->references, o->references.n,
                       r->about_models, err);
    if (!rc)
        rc = assay__trust_summary(t, r->models, o->models.n, r->references,
                                  o->references.n, &summary, err);
    if (!rc)
        rc = make_document(t, r, summary, root, err);
    json_decref(summary);
    if (!rc && t->n_reused > 0)
        assay_log(t->ctx, ASSAY_LOG_INFO, "%zu results are taken from %s",
                  t->n_reused, o->out);
    return rc;
}

static int results_init(struct results *r, const struct assay_trust_options *o,
                        struct assay_error *err)
{
    r->models = assay__calloc(o->models.n, sizeof(*r->models));
    r->references = assay__calloc(o->references.n, sizeof(*r->references));
    r->about_models = json_array();
    r->about_references = json_array();
    return r->models && r->references && r->about_models && r->about_references
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "out of memory");
}

static void results_release(struct results *r,
                            const struct assay_trust_options *o)
{
    for (size_t i = 0; r->models && i < o->models.n; i++)
        json_decref(r->models[i]);
    for (size_t i = 0; r->references && i < o->references.n; i++)
        json_decref(r->references[i]);
    assay__free(r->models);
    assay__free(r->references);
    json_decref(r->about_models);
    json_decref(r->about_references);
}

static void release_all(struct assay__trust *t)
{
    for (size_t i = 0; i < t->n_shadows; i++)
        assay_model_free(t->shadow_model[i]);
    assay__free(t->shadow_model);
    assay__free(t->shadow);
    assay_model_free(t->upstream);
    assay__trust_data_release(&t->data);
}

int assay_trust_run(const struct assay_trust_options *o,
                    const struct assay_context *ctx, char **findings,
                    struct assay_error *err)
{
    struct assay__trust t = {.o = o, .ctx = ctx};
    struct results r = {0};
    json_t *root = NULL;
    int rc = open_all(&t, err);

    if (!rc)
        rc = results_init(&r, o, err);
    if (!rc)
        rc = run_lists(&t, &r, &root, err);
    if (!rc)
        rc = write_document(&t, root, findings, err);
    json_decref(root);
    results_release(&r, o);
    release_all(&t);
    return rc;
}
