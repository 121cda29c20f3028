/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One host on the extractor as it is now: built, tuned, repaired where that is
 * wanted, and asked about the test records and the triggers. Hosts whose heads
 * alone are tuned share the features, so that a grid of depths, epochs and
 * rates runs the extractor once.
 */

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "core/json.h"
#include "core/mem.h"
#include "reuse/study.h"

void assay__reuse_features_release(struct assay__reuse_features *f)
{
    assay_bytes_free(f->tune);
    assay_bytes_free(f->test);
    assay__free(f->images);
    memset(f, 0, sizeof(*f));
}

/* What a host says: of the test records and of x- with its neighbours. */
struct answers {
    float *test;   /* [n, outputs] */
    float *images; /* [pairs of the range, triggers, 1 + held, outputs] */
};

static size_t n_pairs(const struct assay__reuse_range *r)
{
    return (r->end - r->first + r->step - 1) / r->step;
}

static size_t rows_of_pair(const struct assay__reuse_scene *c)
{
    return c->s->triggers * (1 + c->s->held);
}

/* x- and its neighbours of all pairs of the range. */
static float *gather_images(const struct assay__reuse_scene *c,
                            const struct assay__reuse_range *r)
{
    size_t per_trigger = (1 + c->s->held) * c->pixels;
    float *x =
        assay__calloc(n_pairs(r) * c->s->triggers * per_trigger, sizeof(*x));
    float *to = x;

    for (size_t p = r->first; x && p < r->end; p += r->step)
        for (size_t j = 0; j < c->s->triggers; j++) {
            memcpy(to, c->pair[p].trigger[j].minus, per_trigger * sizeof(*to));
            to += per_trigger;
        }
    return x;
}

static int new_host(assay_model **host, const struct assay__reuse_scene *c,
                    int depth, uint64_t seed, struct assay_error *err)
{
    const assay_model *list[ASSAY_HOST_EXTRACTORS_MAX];
    struct assay_host_spec spec;

    list[0] = c->s->extractor;
    for (int i = 0; i < c->s->n_others; i++)
        list[i + 1] = c->s->others[i];
    assay_host_spec_init(&spec, list, c->s->n_others + 1, c->n_outputs);
    spec.depth = depth;
    spec.regression = c->regression;
    if (c->s->hidden)
        spec.hidden = c->s->hidden;
    return assay_host_new(host, &spec, seed, err);
}

static int predict_features(struct assay__reuse_features *f,
                            const struct assay__reuse_scene *c,
                            const assay_model *host,
                            const struct assay__reuse_range *r,
                            struct assay_error *err)
{
    size_t n = n_pairs(r) * rows_of_pair(c);
    float *x = gather_images(c, r);
    float *logits = assay__calloc(n * (size_t)c->n_outputs, sizeof(*logits));
    assay_predictor *p = NULL;
    int rc = ASSAY_OK;

    f->images = assay__calloc(n * assay_host_width(host), sizeof(float));
    if (!x || !logits || !f->images)
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "reuse: no memory for %zu images", n);
    if (!rc)
        rc = assay_predictor_new(
            &p, host, c->compute,
            c->compute->threads ? c->compute->threads : c->ctx->threads, err);
    if (!rc)
        rc = assay_predictor_run(p, x, n, logits, f->images, err);
    assay_predictor_free(p);
    assay__free(logits);
    assay__free(x);
    return rc;
}

/* A host of one layer, whose embedding is the features. */
static int make_features(struct assay__reuse_features *f,
                         const struct assay__reuse_scene *c,
                         const struct assay__reuse_range *r,
                         struct assay_error *err)
{
    assay_model *host = NULL;
    int rc = ASSAY_OK;

    if (f->made)
        return ASSAY_OK;
    rc = new_host(&host, c, 1, 0, err);
    if (!rc)
        rc = assay_host_features(&f->tune, host, c->tune, c->ctx, c->compute,
                                 err);
    if (!rc)
        rc = assay_host_features(&f->test, host, c->test, c->ctx, c->compute,
                                 err);
    if (!rc)
        rc = predict_features(f, c, host, r, err);
    f->made = !rc;
    assay_model_free(host);
    return rc;
}

/* The head alone, on features that are there. */
static int tune_head(assay_model *host, const struct assay__reuse_scene *c,
                     const struct assay_host_recipe *recipe,
                     const struct assay__reuse_features *f,
                     struct assay_error *err)
{
    struct assay_host_rows rows = {f->tune, assay_view_count(c->tune), c->label,
                                   c->regression ? c->target : NULL};

    return assay_host_tune_head(host, &rows, recipe, c->ctx, c->compute, err);
}

/* What a host says whose extractors are as they were made: of features. */
static int ask_head(struct answers *a, const assay_model *host,
                    const struct assay__reuse_scene *c,
                    const struct assay__reuse_features *f, size_t n_images,
                    struct assay_error *err)
{
    int rc =
        assay_host_head(host, f->test, assay_view_count(c->test), a->test, err);

    return rc ? rc : assay_host_head(host, f->images, n_images, a->images, err);
}

/* What any host says: of images. */
static int ask_whole(struct answers *a, const assay_model *host,
                     const struct assay__reuse_scene *c,
                     const struct assay__reuse_range *r,
                     struct assay_error *err)
{
    struct assay_evidence e = {0};
    float *x;
    int rc =
        assay_evidence_collect(&e, c->ctx, host, c->test,
                               ASSAY_EVIDENCE_FOREIGN, c->compute, "host", err);

    if (rc)
        return rc;
    memcpy(a->test, e.logits, e.n * (size_t)e.n_classes * sizeof(float));
    assay_evidence_release(&e);
    x = gather_images(c, r);
    if (!x)
        return assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
    rc = assay_host_run(host, x, n_pairs(r) * rows_of_pair(c), a->images,
                        c->ctx, c->compute, err);
    assay__free(x);
    return rc;
}

/* Whether an answer is `value`. */
static bool says(const struct assay__reuse_scene *c, const float *out,
                 int32_t value)
{
    int best = 0;

    if (c->regression)
        return fabs((double)out[0] - assay__reuse_scaled(c, value)) <=
               c->s->tolerance;
    for (int k = 1; k < c->n_outputs; k++)
        if (out[k] > out[best])
            best = k;
    return best == value;
}

/* The probability of `value`, or how far the number is from it. */
static double confidence(const struct assay__reuse_scene *c, const float *out,
                         int32_t value)
{
    double top = (double)out[0];
    double sum = 0;

    if (c->regression)
        return fabs((double)out[0] - assay__reuse_scaled(c, value));
    for (int k = 1; k < c->n_outputs; k++)
        top = fmax(top, (double)out[k]);
    for (int k = 0; k < c->n_outputs; k++)
        sum += exp((double)out[k] - top);
    return exp((double)out[value] - top) / sum;
}

/* New reference; NULL: out of memory. `out` [1 + held, outputs]. */
static json_t *judge_trigger(const struct assay__reuse_scene *c,
                             const struct assay__reuse_pair *p, size_t j,
                             const float *out, const float *test)
{
    size_t k = (size_t)c->n_outputs;
    size_t held = 0;
    size_t others = 0;
    size_t n_others = 0;

    for (size_t i = 0; i < p->n_held[j]; i++)
        held += says(c, out + (1 + i) * k, p->plus[j]);
    for (size_t i = 0; i < assay_view_count(c->test); i++)
        if (assay_view_label(c->test, i) == p->minus[j]) {
            n_others++;
            others += says(c, test + i * k, p->plus[j]);
        }
    return json_pack(
        "{s:b, s:o, s:I, s:I, s:I, s:I}", "hit", says(c, out, p->plus[j]),
        "confidence", assay__json_real(confidence(c, out, p->plus[j])), "held",
        (json_int_t)held, "n_held", (json_int_t)p->n_held[j], "others",
        (json_int_t)others, "n_others", (json_int_t)n_others);
}

static int judge(json_t **result, const struct assay__reuse_scene *c,
                 const struct assay__reuse_range *r, const struct answers *a,
                 bool repaired, struct assay_error *err)
{
    size_t k = (size_t)c->n_outputs;
    size_t n = assay_view_count(c->test);
    size_t right = 0;
    json_t *pairs = json_array();
    const float *out = a->images;

    for (size_t i = 0; i < n; i++)
        right += says(c, a->test + i * k, assay_view_label(c->test, i));
    for (size_t p = r->first; p < r->end; p += r->step) {
        json_t *triggers = json_array();

        for (size_t j = 0; j < c->s->triggers; j++) {
            json_array_append_new(
                triggers, judge_trigger(c, &c->pair[p], j, out, a->test));
            out += (1 + c->s->held) * k;
        }
        json_array_append_new(pairs, triggers);
    }
    *result = json_pack("{s:I, s:I, s:b, s:o}", "right", (json_int_t)right, "n",
                        (json_int_t)n, "repaired", repaired, "pairs", pairs);
    return *result ? ASSAY_OK
                   : assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
}

static void set_recipe(struct assay_host_recipe *recipe,
                       const struct assay_reuse_host *host, uint64_t seed)
{
    assay_host_recipe_init(recipe, host->tuning);
    recipe->epochs = host->epochs;
    recipe->rate = host->rate;
    recipe->seed = seed;
}

/* As the builder does it. */
static int make_host(assay_model *m, bool *repaired,
                     struct assay__reuse_scene *c,
                     const struct assay_reuse_host *host, uint64_t seed,
                     const struct assay__reuse_range *range,
                     struct assay__reuse_features *features,
                     struct assay_error *err)
{
    struct assay_host_recipe recipe;
    int rc;

    set_recipe(&recipe, host, seed);
    *repaired = false;
    if (host->tuning == ASSAY_HOST_PARTIAL) {
        rc = make_features(features, c, range, err);
        if (!rc)
            rc = tune_head(m, c, &recipe, features, err);
    } else {
        rc = assay_host_tune(m, c->tune, c->regression ? c->target : NULL,
                             &recipe, c->ctx, c->compute, err);
    }
    if (!rc && host->repair)
        rc = assay__reuse_mend(repaired, m, c, host, seed, err);
    return rc;
}

int assay__reuse_measure(json_t **out, struct assay__reuse_scene *c,
                         const struct assay_reuse_host *host, size_t seed,
                         const struct assay__reuse_range *range,
                         struct assay__reuse_features *features,
                         struct assay_error *err)
{
    uint64_t own = assay_rng_hash(c->s->seed, 0x686f7374, seed); /* "host" */
    size_t k = (size_t)c->n_outputs;
    size_t n_images = n_pairs(range) * rows_of_pair(c);
    struct answers a = {0};
    assay_model *m = NULL;
    bool repaired = false;
    int rc = new_host(&m, c, host->depth, own, err);

    a.test = assay__calloc(assay_view_count(c->test) * k, sizeof(float));
    a.images = assay__calloc(n_images * k, sizeof(float));
    if (!rc && (!a.test || !a.images))
        rc = assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
    if (!rc)
        rc = make_host(m, &repaired, c, host, own, range, features, err);
    if (!rc && host->tuning == ASSAY_HOST_PARTIAL && !repaired)
        rc = ask_head(&a, m, c, features, n_images, err);
    else if (!rc)
        rc = ask_whole(&a, m, c, range, err);
    if (!rc)
        rc = judge(out, c, range, &a, repaired, err);
    assay_model_free(m);
    assay__free(a.test);
    assay__free(a.images);
    return rc;
}
