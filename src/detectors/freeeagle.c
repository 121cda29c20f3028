/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FreeEagle (Fu et al., USENIX Security 2023): without any data. The network
 * is cut in two, F = g(f(x)). For each class s a dummy h_s of what the second
 * half reads is optimised until g calls it s,
 *
 *   min over h_s of  cross-entropy(g(h_s), s),  h_s from U(0, 1)
 *
 * by Adam (rate .01, weight decay .005), kept at 0 or above where the cut
 * lies behind an activation that is. A class that backdoored neurons lead to
 * gets a posterior from every dummy: V_t = mean over s != t of
 * softmax(g(h_s))_t. The score is the paper's (max V - Q3) / (Q3 - Q1).
 *
 * Access white-box, no data. Deviations: the cut is the first value, from
 * `depth` of the layers on, that all else depends on (behind skip
 * connections too); whether it is never negative is asked of noise; several
 * dummies per class are averaged on demand. The paper takes its threshold
 * from models of a development set: none is given here. The p-value is that
 * K exchangeable log-normal V have one as large (outlier.c); with at least
 * five classes and p <= .05 the class is named.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "detectors/middle.h"
#include "detectors/reverse.h"

enum { PARAM_DEPTH, PARAM_STEPS, PARAM_DUMMIES, PARAM_RATE, PARAM_DECAY };

static const struct assay_setting params[] = {
    {"depth", .5, 0, 1, "share of the layers before the cut"},
    {"steps", 1000, 1, 1000000, "updates of a dummy"},
    {"dummies", 1, 1, 1000, "dummies per class"},
    {"rate", .01, 1e-6, 10, "learning rate of Adam"},
    {"decay", .005, 0, 10, "weight decay of a dummy"},
    {NULL, 0, 0, 0, NULL}};

enum { NOISE = 16, AT_ONCE = 64 };

struct eagle {
    const struct assay_detector_input *in;
    size_t k;
    size_t rows;  /* of the plan */
    size_t width; /* numbers of a dummy */
    int positive; /* the cut is never below 0 */
    assay_graph *graph;
    assay_value x, h, labels, posterior, d;
    assay_plan *plan;
    float *at; /* [rows, width], then slopes */
    double *moment;
    float *label;
    float *said; /* [rows, K] */
    double *v;   /* [K] sums, then means */
};

static assay_value put_dummy(void *user, assay_graph *g, assay_value original)
{
    struct eagle *e = user;
    struct assay_shape shape = *assay_graph_shape(g, original);

    e->h = assay_graph_input(g, "dummy", &shape);
    return e->h;
}

/* The second half behind the cut at `at`. *ok: nothing goes around it. */
static int build(struct eagle *e, assay_value at, int *ok,
                 struct assay_error *err)
{
    const assay_model *m = e->in->model;
    const assay_graph *g = assay_model_graph(m);
    struct assay_shape shape = *assay_graph_shape(g, assay_model_input(m));
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_splice splice = {at, put_dummy, e};
    assay_value logits = assay_model_logits(m);
    assay_value loss;
    assay_value wrt[2];
    assay_value d[2] = {ASSAY_NO_VALUE, ASSAY_NO_VALUE};
    int rc;

    assay_graph_free(e->graph);
    e->graph = NULL;
    rc = assay_graph_new(&e->graph, err);
    if (rc)
        return rc;
    e->x = assay_graph_input(e->graph, "x", &shape);
    e->labels = assay_graph_input(e->graph, "labels", &each);
    rc = assay_graph_append_spliced(e->graph, g, &e->x, &splice, &logits, 1,
                                    err);
    if (rc)
        return rc;
    loss = assay_op_softmax_xent(e->graph, logits, e->labels);
    e->posterior = assay_op_softmax(e->graph, logits);
    wrt[0] = e->h;
    wrt[1] = e->x;
    rc = assay__row_slopes(e->graph, loss, wrt, 2, d, err);
    e->d = d[0];
    *ok = d[0] != ASSAY_NO_VALUE && d[1] == ASSAY_NO_VALUE;
    return rc;
}

static int find_cut(struct eagle *e, assay_value *cut, struct assay_error *err)
{
    assay_value *value = NULL;
    size_t n = 0;
    int ok = 0;
    int rc = assay__activations(e->in->model, "freeeagle", &value, &n, err);
    size_t at;

    if (rc)
        return rc;
    at = (size_t)(e->in->param[PARAM_DEPTH] * (double)n);
    for (at = at < n ? at : n - 1; at < n && !ok && !rc; at++) {
        rc = build(e, value[at], &ok, err);
        *cut = value[at];
    }
    assay__free(value);
    if (!rc && !ok)
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "freeeagle: the network cannot be cut behind a "
                             "share of %g of its layers",
                             e->in->param[PARAM_DEPTH]);
    return rc;
}

/* What noise gives at the cut: is it ever below 0? */
static int ask_noise(struct eagle *e, assay_value cut, struct assay_error *err)
{
    const assay_model *m = e->in->model;
    const assay_graph *g = assay_model_graph(m);
    struct assay_plan_options o =
        assay__evaluation(e->in->ctx, e->in->compute, NOISE);
    size_t n = assay_shape_count(assay_graph_shape(g, assay_model_input(m)),
                                 (int64_t)NOISE);
    float *x = assay__calloc(n, sizeof(*x));
    float *y = assay__calloc(NOISE * e->width, sizeof(*y));
    assay_plan *plan = NULL;
    struct assay_rng rng;
    int rc = ASSAY_OK;

    if (!x || !y)
        rc = assay_error_set(err, ASSAY_NOMEM, "freeeagle: out of memory");
    o.outputs = &cut;
    o.n_outputs = 1;
    if (!rc)
        rc = assay_plan_new(&plan, g, &o, err);
    if (!rc)
        rc = assay_plan_load(plan, assay_model_weights(m), err);
    assay_rng_init(&rng, e->in->ctx->seed, "freeeagle-noise", 0);
    for (size_t i = 0; i < n && !rc; i++)
        x[i] = (float)assay_rng_normal(&rng);
    if (!rc)
        rc = assay_plan_write(plan, assay_model_input(m), x, err);
    if (!rc)
        rc = assay_plan_run(plan, err);
    if (!rc)
        rc = assay_plan_read(plan, cut, y, err);
    e->positive = 1;
    for (size_t i = 0; i < NOISE * e->width && !rc; i++)
        e->positive = e->positive && y[i] >= 0;
    assay_plan_free(plan);
    assay__free(x);
    assay__free(y);
    return rc;
}

static int open_eagle(struct eagle *e, struct assay_error *err)
{
    struct assay_plan_options o;
    assay_value outputs[2];
    assay_value cut = ASSAY_NO_VALUE;
    int rc = find_cut(e, &cut, err);

    if (rc)
        return rc;
    e->width = assay_shape_count(assay_graph_shape(e->graph, e->h), 1);
    e->rows = e->k < AT_ONCE ? e->k : AT_ONCE;
    e->at = assay__calloc(2 * e->rows * e->width, sizeof(*e->at));
    e->moment = assay__calloc(2 * e->rows * e->width, sizeof(*e->moment));
    e->label = assay__calloc(e->rows, sizeof(*e->label));
    e->said = assay__calloc(e->rows * e->k, sizeof(*e->said));
    e->v = assay__calloc(2 * e->k, sizeof(*e->v));
    if (!e->at || !e->moment || !e->label || !e->said || !e->v)
        return assay_error_set(err, ASSAY_NOMEM,
                               "freeeagle: out of memory for %zu dummies of "
                               "%zu numbers",
                               e->rows, e->width);
    rc = ask_noise(e, cut, err);
    o = assay__evaluation(e->in->ctx, e->in->compute, e->rows);
    outputs[0] = e->posterior;
    outputs[1] = e->d;
    o.outputs = outputs;
    o.n_outputs = 2;
    if (!rc)
        rc = assay_plan_new(&e->plan, e->graph, &o, err);
    return rc ? rc
              : assay_plan_load(e->plan, assay_model_weights(e->in->model),
                                err);
}

static void close_eagle(struct eagle *e)
{
    assay_plan_free(e->plan);
    assay_graph_free(e->graph);
    assay__free(e->at);
    assay__free(e->moment);
    assay__free(e->label);
    assay__free(e->said);
    assay__free(e->v);
}

/* One step of Adam for all rows. */
static void update(struct eagle *e, size_t step)
{
    size_t n = e->rows * e->width;
    const float *slope = e->at + n;
    double fix1 = 1 - pow(.9, (double)step);
    double fix2 = 1 - pow(.999, (double)step);

    for (size_t i = 0; i < n; i++) {
        double x = (double)e->at[i];
        double g = (double)slope[i] + e->in->param[PARAM_DECAY] * x;
        double *m = &e->moment[i];
        double *v = &e->moment[n + i];

        *m = .9 * *m + .1 * g;
        *v = .999 * *v + .001 * g * g;
        x -= e->in->param[PARAM_RATE] * (*m / fix1) / (sqrt(*v / fix2) + 1e-8);
        e->at[i] = (float)(e->positive && x < 0 ? 0 : x);
    }
}

static int evaluate(struct eagle *e, struct assay_error *err)
{
    int rc = assay_plan_write(e->plan, e->h, e->at, err);

    if (!rc)
        rc = assay_plan_write(e->plan, e->labels, e->label, err);
    if (!rc)
        rc = assay_plan_run(e->plan, err);
    if (!rc)
        rc = assay_plan_read(e->plan, e->posterior, e->said, err);
    if (!rc)
        rc = assay_plan_read(e->plan, e->d, e->at + e->rows * e->width, err);
    return rc;
}

/* Dummies of the classes from `first` on, and what they say of others. A
 * last batch is filled up with classes that are not counted again. */
static int optimise(struct eagle *e, size_t first, size_t draw,
                    struct assay_error *err)
{
    size_t steps = (size_t)e->in->param[PARAM_STEPS];
    int rc = ASSAY_OK;

    for (size_t i = 0; i < e->rows; i++) {
        size_t class = (first + i) % e->k;
        struct assay_rng rng;

        e->label[i] = (float)class;
        assay_rng_init(&rng, e->in->ctx->seed, "freeeagle",
                       draw * e->k + class);
        for (size_t j = 0; j < e->width; j++)
            e->at[i * e->width + j] = (float)assay_rng_uniform(&rng);
    }
    memset(e->moment, 0, 2 * e->rows * e->width * sizeof(*e->moment));
    for (size_t s = 1; s <= steps && !rc; s++) {
        rc = assay_context_check(e->in->ctx, err);
        if (!rc)
            rc = evaluate(e, err);
        if (!rc)
            update(e, s);
    }
    if (!rc)
        rc = evaluate(e, err);
    for (size_t i = 0; i < e->rows && first + i < e->k && !rc; i++)
        for (size_t t = 0; t < e->k; t++)
            if (t != first + i)
                e->v[t] += (double)e->said[i * e->k + t];
    return rc;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Linear between order statistics, as R's default. */
static double quartile(const double *sorted, size_t n, double share)
{
    double at = share * ((double)n - 1);
    size_t low = (size_t)at;
    size_t high = low + 1 < n ? low + 1 : low;

    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

static int judge(struct eagle *e, struct assay_detection *out,
                 struct assay_error *err)
{
    double *work = e->v + e->k;
    struct assay__outlier found;
    double spread;

    out->per_class = assay__calloc(e->k, sizeof(double));
    if (!out->per_class)
        return assay_error_set(err, ASSAY_NOMEM, "freeeagle: out of memory");
    out->n_classes = e->k;
    out->statistic = "posterior that dummies of other classes give it";
    memcpy(out->per_class, e->v, e->k * sizeof(double));
    for (size_t t = 0; t < e->k; t++)
        e->v[t] = 1 / fmax(e->v[t], 1e-30);
    found = assay__outlier_small(e->v, e->k, work);
    memcpy(work, out->per_class, e->k * sizeof(double));
    qsort(work, e->k, sizeof(*work), by_size);
    spread = quartile(work, e->k, .75) - quartile(work, e->k, .25);
    out->score =
        (work[e->k - 1] - quartile(work, e->k, .75)) / fmax(spread, 1e-30);
    out->p_value = found.p;
    if (found.p <= .05)
        out->target = found.at;
    snprintf(out->note, sizeof(out->note),
             "largest: class %d, %.3g; dummies of %zu numbers%s%s", found.at,
             found.at >= 0 ? out->per_class[found.at] : (double)NAN, e->width,
             e->positive ? ", not below 0" : "",
             found.n < ASSAY__OUTLIER_LEAST ? "; too few classes to judge"
                                            : "");
    return ASSAY_OK;
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    struct eagle e = {.in = in, .k = (size_t)assay_model_n_classes(in->model)};
    size_t draws = (size_t)in->param[PARAM_DUMMIES];
    int rc = open_eagle(&e, err);

    for (size_t d = 0; d < draws && !rc; d++)
        for (size_t first = 0; first < e.k && !rc; first += e.rows)
            rc = optimise(&e, first, d, err);
    for (size_t t = 0; t < e.k && !rc; t++)
        e.v[t] /= (double)draws * fmax(1, (double)e.k - 1);
    if (!rc)
        rc = judge(&e, out, err);
    close_eagle(&e);
    return rc;
}

const struct assay_detector assay_detector_freeeagle = {
    .name = "freeeagle",
    .title = "FreeEagle",
    .summary = "Without data: which class inner values that were made for "
               "others lead to.",
    .cites = "Fu et al., USENIX Security 2023",
    .subject = ASSAY_DETECT_MODEL,
    .needs = 0,
    .least_classes = 3,
    .params = params,
    .run = run,
};
