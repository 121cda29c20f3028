/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adversarial neuron pruning (Wu and Wang, NeurIPS 2021). Channels whose
 * small change does most harm are those of a backdoor. Each channel of a norm
 * gets a mask m, and its weight and bias are seen as
 *
 *   w (m + d),  b (1 + d'),   |d|, |d'| <= eps.
 *
 * Per step, on one batch of clean records: d is drawn uniformly, then moved
 * by the sign of the loss's slope to do harm; masks take a step of SGD with
 * momentum .9 on
 *
 *   alpha CE(m) + (1 - alpha) CE(m, d),
 *
 * and are held in 0..1. Then channels with a mask of at most a threshold are
 * switched off (their weight becomes 0, as the mask would have it); the
 * threshold goes up in steps until the accuracy on held-out clean records
 * falls by more than a tolerance, and the step that broke the limit is
 * undone. (A public code takes the threshold at which the attack succeeds
 * least, which nobody who defends knows.)
 *
 * Slopes by masks and noise are those by the norm's own weight and bias,
 * times these. Batch statistics are a batch's own, as in the authors' code;
 * running ones stay. Deviation: d is kept within eps after its step, as the
 * paper writes it; the authors' code lets it end anywhere up to twice that.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "repairs/repairs.h"

enum {
    PARAM_EPS,
    PARAM_STEPS,
    PARAM_ALPHA,
    PARAM_LR,
    PARAM_BATCH,
    PARAM_ITERATIONS,
    PARAM_STEP,
    PARAM_LIMIT,
    PARAM_TOLERANCE
};

static const struct assay_setting params[] = {
    {"eps", .4, 0, 10, "largest change of a channel, as a share"},
    {"steps", 1, 1, 100, "of the search for the worst change"},
    {"alpha", .2, 0, 1, "weight of the loss without a change"},
    {"lr", .2, 1e-6, 100, "learning rate of the masks"},
    {"batch", 128, 1, 65536, "records per step"},
    {"iterations", 2000, 1, 1e6, "steps"},
    {"step", .05, .001, 1, "by which the threshold goes up"},
    {"limit", .9, 0, 1, "of the threshold"},
    {"tolerance", .05, 0, 1, "of accuracy on held-out records"},
    {NULL, 0, 0, 0, NULL}};

/* A norm with weight and bias, and the slopes of the loss by them. */
struct norm {
    assay_value param[2];
    assay_value slope[2];
    size_t n;
    size_t first; /* of its channels */
};

struct assay__anp {
    const struct assay_repair_input *in;
    assay_model *m;
    assay_graph *graph;
    assay_value labels;
    assay_value loss;
    struct norm *norm;
    int n_norms;
    size_t n; /* channels of all */
    size_t batch;
    struct assay_params params; /* with masks and noise */
    assay_plan *plan;
    float *x;
    float *y;
    double *room; /* slopes of one norm */
};

void assay__anp_close(struct assay__anp *a)
{
    if (!a)
        return;
    assay_plan_free(a->plan);
    assay_params_release(&a->params);
    assay_graph_free(a->graph);
    assay__free(a->norm);
    assay__free(a->x);
    assay__free(a->y);
    assay__free(a->room);
    assay__free(a);
}

size_t assay__anp_channels(const struct assay__anp *a)
{
    return a->n;
}

static int list_norms(struct assay__anp *a, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(a->m);
    int n = assay_graph_n_layers(g);

    a->norm = assay__calloc((size_t)n + 1, sizeof(*a->norm));
    if (!a->norm)
        return assay_error_set(err, ASSAY_NOMEM, "anp: out of memory");
    for (int i = 0; i < n; i++) {
        struct assay_layer l = assay_graph_layer_at(g, i);
        struct norm *norm = &a->norm[a->n_norms];

        if ((l.kind != ASSAY_LAYER_BATCHNORM &&
             l.kind != ASSAY_LAYER_GROUPNORM) ||
            !assay__repair_numbers(a->m, l.weight) ||
            !assay__repair_numbers(a->m, l.bias))
            continue;
        norm->param[0] = l.weight;
        norm->param[1] = l.bias;
        norm->n = assay__repair_count(a->m, l.weight);
        norm->first = a->n;
        a->n += norm->n;
        a->n_norms++;
    }
    return a->n_norms > 0
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_UNSUPPORTED,
                                 "anp: %s has no norm whose channels could be "
                                 "masked",
                                 assay_model_arch(a->m));
}

static int differentiate(struct assay__anp *a, struct assay_error *err)
{
    size_t n = 2 * (size_t)a->n_norms;
    assay_value *wrt = assay__calloc(2 * n, sizeof(*wrt));
    assay_value *d = wrt ? wrt + n : NULL;
    int rc;

    if (!wrt)
        return assay_error_set(err, ASSAY_NOMEM, "anp: out of memory");
    for (size_t i = 0; i < n; i++)
        wrt[i] = a->norm[i / 2].param[i % 2];
    rc = assay_differentiate(a->graph, a->loss, wrt, (int)n, d, err);
    for (size_t i = 0; i < n && !rc; i++) {
        a->norm[i / 2].slope[i % 2] = d[i];
        if (d[i] == ASSAY_NO_VALUE)
            rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                                 "anp: the loss of %s does not depend on one "
                                 "of its norms",
                                 assay_model_arch(a->m));
    }
    assay__free(wrt);
    return rc;
}

static int compile(struct assay__anp *a, struct assay_error *err)
{
    const struct assay_compute *c = a->in->compute;
    size_t n = 2 * (size_t)a->n_norms + 1;
    assay_value *outputs = assay__calloc(n, sizeof(*outputs));
    struct assay_plan_options o = {.backend = c->backend,
                                   .batch = (int64_t)a->batch,
                                   .mode = ASSAY_MODE_TRAIN,
                                   .threads = c->threads ? c->threads
                                                         : a->in->ctx->threads,
                                   .algorithms = c->algorithms,
                                   .compute = c->dtype,
                                   .tuning = c->tuning,
                                   .outputs = outputs,
                                   .n_outputs = (int)n};
    int rc;

    if (!outputs)
        return assay_error_set(err, ASSAY_NOMEM, "anp: out of memory");
    outputs[n - 1] = a->loss;
    for (size_t i = 0; i + 1 < n; i++)
        outputs[i] = a->norm[i / 2].slope[i % 2];
    rc = assay_plan_new(&a->plan, a->graph, &o, err);
    assay__free(outputs);
    return rc;
}

static int build(struct assay__anp *a, struct assay_error *err)
{
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    int rc = assay_graph_clone(&a->graph, assay_model_graph(a->m), err);

    if (rc)
        return rc;
    a->labels = assay_graph_input(a->graph, "labels", &rows);
    a->loss = assay_op_mean(
        a->graph,
        assay_op_softmax_xent(a->graph, assay_model_logits(a->m), a->labels));
    rc = assay_graph_check(a->graph, err);
    if (!rc)
        rc = differentiate(a, err);
    if (!rc)
        rc = compile(a, err);
    if (!rc)
        rc = assay_params_make(&a->params, assay_model_graph(a->m), err);
    return rc ? rc
              : assay_params_copy(&a->params, assay_model_weights(a->m), err);
}

static int make_room(struct assay__anp *a, struct assay_error *err)
{
    const struct assay_preprocess *pre = assay_model_preprocess(a->m);
    size_t image =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;

    a->x = assay__calloc(a->batch * image, sizeof(*a->x));
    a->y = assay__calloc(a->batch, sizeof(*a->y));
    a->room = assay__calloc(a->n, sizeof(*a->room));
    return a->x && a->y && a->room
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "anp: out of memory");
}

int assay__anp_open(struct assay__anp **out,
                    const struct assay_repair_input *in, assay_model *m,
                    size_t batch, struct assay_error *err)
{
    struct assay__anp *a = assay__calloc(1, sizeof(*a));
    size_t total = assay_view_count(in->clean);
    int rc;

    if (!a)
        return assay_error_set(err, ASSAY_NOMEM, "anp: out of memory");
    a->in = in;
    a->m = m;
    a->batch = batch < total ? batch : total;
    rc = list_norms(a, err);
    if (!rc)
        rc = make_room(a, err);
    if (!rc)
        rc = build(a, err);
    if (rc)
        assay__anp_close(a);
    else
        *out = a;
    return rc;
}

int assay__anp_draw(struct assay__anp *a, uint64_t step,
                    struct assay_error *err)
{
    const struct assay_repair_input *in = a->in;
    const struct assay_preprocess *pre = assay_model_preprocess(a->m);
    const struct assay_augment *augment =
        in->recipe ? &in->recipe->augment : NULL;
    size_t image =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    size_t total = assay_view_count(in->clean);
    struct assay_rng rng;
    int rc;

    assay_rng_init(&rng, in->ctx->seed, "anp-batch", step);
    for (size_t i = 0; i < a->batch; i++) {
        uint32_t row = (uint32_t)assay_rng_below(&rng, total);

        assay_view_fill(in->clean, &row, 1, augment, in->ctx->seed, step,
                        a->x + i * image);
        a->y[i] = (float)assay_view_label(in->clean, row);
    }
    rc = assay_plan_write(a->plan, assay_model_input(a->m), a->x, err);
    return rc ? rc : assay_plan_write(a->plan, a->labels, a->y, err);
}

/* The model's numbers of a norm's parameter, and where their changed copies
 * stand: both models have one table. */
static const float *numbers(struct assay__anp *a, const struct norm *norm,
                            int which, float **changed)
{
    const float *own = assay__repair_numbers(a->m, norm->param[which]);

    *changed = a->params.data + (own - assay_model_weights(a->m)->data);
    return own;
}

static void change(struct assay__anp *a, const double *mask,
                   const double *noise)
{
    for (int i = 0; i < a->n_norms; i++) {
        const struct norm *norm = &a->norm[i];
        float *w;
        float *b;
        const float *own_w = numbers(a, norm, 0, &w);
        const float *own_b = numbers(a, norm, 1, &b);

        for (size_t k = 0; k < norm->n; k++) {
            size_t at = norm->first + k;
            double d = noise ? noise[at] : 0;
            double e = noise ? noise[a->n + at] : 0;

            w[k] = (float)((double)own_w[k] * (mask[at] + d));
            b[k] = (float)((double)own_b[k] * (1 + e));
        }
    }
}

int assay__anp_slopes(struct assay__anp *a, const double *mask,
                      const double *noise, double *loss, double *slope,
                      struct assay_error *err)
{
    int rc;

    change(a, mask, noise);
    rc = assay_plan_load(a->plan, &a->params, err);
    if (!rc)
        rc = assay_plan_run(a->plan, err);
    if (!rc)
        rc = assay_plan_read_f64(a->plan, a->loss, loss, err);
    for (int i = 0; i < 2 * a->n_norms && !rc; i++) {
        const struct norm *norm = &a->norm[i / 2];
        float *changed;
        const float *own = numbers(a, norm, i % 2, &changed);
        double *to = slope + (i % 2 ? a->n : 0) + norm->first;

        rc = assay_plan_read_f64(a->plan, norm->slope[i % 2], a->room, err);
        for (size_t k = 0; k < norm->n && !rc; k++)
            to[k] = a->room[k] * (double)own[k];
    }
    return rc;
}

/* Masks while they are learned. */
struct masks {
    struct assay__anp *a;
    const double *param;
    double *mask;   /* [n] */
    double *moment; /* [n] */
    double *noise;  /* [2n] */
    double *slope;  /* [2n] */
    double *robust; /* [2n] */
};

static void masks_release(struct masks *s)
{
    assay__free(s->mask);
    assay__free(s->moment);
    assay__free(s->noise);
    assay__free(s->slope);
    assay__free(s->robust);
}

static int masks_init(struct masks *s, struct assay_error *err)
{
    size_t n = s->a->n;

    s->mask = assay__calloc(n, sizeof(double));
    s->moment = assay__calloc(n, sizeof(double));
    s->noise = assay__calloc(2 * n, sizeof(double));
    s->slope = assay__calloc(2 * n, sizeof(double));
    s->robust = assay__calloc(2 * n, sizeof(double));
    if (!s->mask || !s->moment || !s->noise || !s->slope || !s->robust)
        return assay_error_set(err, ASSAY_NOMEM, "anp: out of memory");
    for (size_t i = 0; i < n; i++)
        s->mask[i] = 1;
    return ASSAY_OK;
}

/* The change that does harm, for this batch. */
static int find_noise(struct masks *s, uint64_t step, struct assay_error *err)
{
    double eps = s->param[PARAM_EPS];
    double each = eps / s->param[PARAM_STEPS];
    struct assay_rng rng;
    double loss;
    int rc = ASSAY_OK;

    assay_rng_init(&rng, s->a->in->ctx->seed, "anp-noise", step);
    for (size_t i = 0; i < 2 * s->a->n; i++)
        s->noise[i] = eps * (2 * assay_rng_uniform(&rng) - 1);
    for (int k = 0; k < (int)s->param[PARAM_STEPS] && !rc; k++) {
        rc = assay__anp_slopes(s->a, s->mask, s->noise, &loss, s->slope, err);
        for (size_t i = 0; i < 2 * s->a->n && !rc; i++) {
            double d = s->slope[i];
            double moved = s->noise[i] + (d > 0 ? each : d < 0 ? -each : 0);

            s->noise[i] = fmin(fmax(moved, -eps), eps);
        }
    }
    return rc;
}

static int take_step(struct masks *s, uint64_t step, struct assay_error *err)
{
    double alpha = s->param[PARAM_ALPHA];
    double loss;
    int rc = assay_context_check(s->a->in->ctx, err);

    if (!rc)
        rc = assay__anp_draw(s->a, step, err);
    if (!rc && s->param[PARAM_EPS] > 0)
        rc = find_noise(s, step, err);
    if (!rc)
        rc = assay__anp_slopes(s->a, s->mask, s->noise, &loss, s->robust, err);
    if (!rc)
        rc = assay__anp_slopes(s->a, s->mask, NULL, &loss, s->slope, err);
    if (!rc && !isfinite(loss))
        rc = assay_error_set(err, ASSAY_NUMERIC,
                             "anp: the loss of step %llu is not finite",
                             (unsigned long long)step);
    for (size_t i = 0; i < s->a->n && !rc; i++) {
        double d = alpha * s->slope[i] + (1 - alpha) * s->robust[i];

        s->moment[i] = .9 * s->moment[i] + d;
        s->mask[i] -= s->param[PARAM_LR] * s->moment[i];
        s->mask[i] = fmin(fmax(s->mask[i], 0), 1);
    }
    return rc;
}

/* Weights of channels whose mask is at most `threshold` become 0. */
static size_t prune(struct masks *s, double threshold)
{
    size_t pruned = 0;

    for (int i = 0; i < s->a->n_norms; i++) {
        const struct norm *norm = &s->a->norm[i];
        float *w = assay__repair_numbers(s->a->m, norm->param[0]);

        for (size_t k = 0; k < norm->n; k++) {
            if (s->mask[norm->first + k] > threshold)
                continue;
            w[k] = 0;
            pruned++;
        }
    }
    return pruned;
}

/* Raise the threshold as long as held-out accuracy allows. */
static int choose_threshold(struct masks *s, float *before,
                            struct assay_repaired *out, struct assay_error *err)
{
    const struct assay_repair_input *in = s->a->in;
    struct assay_params *p = assay_model_params(s->a->m);
    size_t bytes = p->size * sizeof(float);
    double step = s->param[PARAM_STEP];
    double base = 0;
    double now = 0;
    int rc = assay__repair_accuracy(in, s->a->m, &base, err);

    for (int i = 0; !rc && i * step <= s->param[PARAM_LIMIT] + 1e-9; i++) {
        size_t pruned;

        memcpy(before, p->data, bytes);
        pruned = prune(s, i * step);
        if (pruned > out->pruned)
            rc = assay__repair_accuracy(in, s->a->m, &now, err);
        if (!rc && pruned > out->pruned &&
            now < base - s->param[PARAM_TOLERANCE]) {
            memcpy(p->data, before, bytes);
            (void)snprintf(out->note, sizeof(out->note),
                           "%zu channels would have taken held-out accuracy "
                           "from %.3f to %.3f",
                           pruned, base, now);
            break;
        }
        out->pruned = pruned;
        out->threshold = i * step;
    }
    return rc;
}

static int learn(const struct assay_repair_input *in, struct masks *s,
                 struct assay_repaired *out, struct assay_error *err)
{
    float *before =
        assay__calloc(assay_model_params(s->a->m)->size, sizeof(*before));
    int rc = before ? masks_init(s, err)
                    : assay_error_set(err, ASSAY_NOMEM, "anp: out of memory");

    for (uint64_t i = 0; i < (uint64_t)in->param[PARAM_ITERATIONS] && !rc; i++)
        rc = take_step(s, i, err);
    out->channels = s->a->n;
    if (!rc)
        rc = choose_threshold(s, before, out, err);
    masks_release(s);
    assay__free(before);
    return rc;
}

static int run(const struct assay_repair_input *in, assay_model *m,
               struct assay_repaired *out, struct assay_error *err)
{
    struct masks s = {.param = in->param};
    int rc = assay__anp_open(&s.a, in, m, (size_t)in->param[PARAM_BATCH], err);

    if (!rc)
        rc = learn(in, &s, out, err);
    assay__anp_close(s.a);
    return rc;
}

const struct assay_repair assay_repair_anp = {
    .name = "anp",
    .title = "Adversarial neuron pruning",
    .summary = "Channels whose small change does most harm are switched off.",
    .cites = "Wu and Wang, NeurIPS 2021",
    .needs = ASSAY_REPAIR_NEEDS_CLEAN,
    .params = params,
    .run = run,
};
