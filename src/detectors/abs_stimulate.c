/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ABS, first part: which neurons drive one label?
 *
 * A neuron (a channel of what a layer reads) is set to i reach / levels times
 * the layer's largest activation on clean records, i = 0 .. levels, all over
 * its map, and nothing else is changed. A label's elevation is its largest
 * logit over the raised values less that at 0. The neuron's label is the one
 * that is elevated most on all records but one in eight; its score the
 * smallest lead of that label over the next one, over the records that the
 * model does not call so anyway. The best neurons are the candidates.
 *
 * Cost: (levels + 1) x seeds forward passes per neuron.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/layers.h"
#include "core/mem.h"
#include "detectors/abs.h"
#include "detectors/middle.h"
#include "detectors/reverse.h"

enum { ROWS = 128 };

/* A layer's network: what it reads, with one channel of each row replaced. */
struct probe {
    struct assay__abs *a;
    size_t layer;
    size_t channels;
    size_t k;
    size_t batch; /* of the plan: a neuron's rows, up to ROWS */
    assay_graph *graph;
    assay_value x, keep, put, act, logits;
    assay_plan *plan;
    float *rows;  /* [batch, image] */
    float *mask;  /* [batch, channels]: 1 keeps, 0 replaces */
    float *level; /* [batch, channels]: what replaces */
    float *act_rows;
    float *said;       /* [batch, K] */
    double *elevation; /* [seeds, K]: largest so far */
    float *base;       /* [seeds, K]: at 0 */
};

/* Rows that are asked for one neuron. */
static size_t questions(const struct assay__abs *a)
{
    return a->n_seeds * (1 + (size_t)a->in->param[ABS_LEVELS]);
}

int assay__abs_argmax(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return (int)best;
}

/* What the model calls each record now, instead of its label: a record that
 * it calls the suspected class anyway says nothing of what drives it. */
static int call(struct assay__abs *a, size_t n, struct assay_error *err)
{
    const struct assay_detector_input *in = a->in;
    size_t k = (size_t)assay_model_n_classes(in->model);
    float *logits = assay__calloc(n * k, sizeof(*logits));
    int rc;

    if (!logits)
        return assay_error_set(err, ASSAY_NOMEM, "abs: out of memory");
    rc = assay_predictor_new(
        &a->predictor, in->model, in->compute,
        in->compute->threads ? in->compute->threads : in->ctx->threads, err);
    if (!rc)
        rc = assay_predictor_run(a->predictor, a->x, n, logits, NULL, err);
    for (size_t i = 0; i < n && !rc; i++)
        a->called[i] = assay__abs_argmax(logits + i * k, k);
    assay__free(logits);
    return rc;
}

int assay__abs_open(struct assay__abs *a, struct assay_error *err)
{
    const double *param = a->in->param;
    const struct assay_preprocess *pre = assay_model_preprocess(a->in->model);
    size_t n = 0;
    int rc = assay__gather_images(a->in->clean, (size_t)param[ABS_RECORDS],
                                  a->in->ctx->seed, "abs", &a->x, &a->called,
                                  &n, err);

    if (rc)
        return rc;
    if (n < 4)
        return assay_error_set(err, ASSAY_DATA,
                               "abs: %zu clean records; 4 are the least", n);
    a->image = (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    a->n_seeds =
        (size_t)param[ABS_SEEDS] < n / 2 ? (size_t)param[ABS_SEEDS] : n / 2;
    a->seed = a->x;
    a->held = a->x + a->n_seeds * a->image;
    a->held_called = a->called + a->n_seeds;
    a->n_held = n - a->n_seeds;
    a->cap_neurons = (size_t)param[ABS_CANDIDATES];
    rc = assay__activations(a->in->model, "abs", &a->value, &a->n_values, err);
    if (rc)
        return rc;
    a->largest = assay__calloc(a->n_values, sizeof(*a->largest));
    a->neuron = assay__calloc(a->cap_neurons + 1, sizeof(*a->neuron));
    if (!a->largest || !a->neuron)
        return assay_error_set(err, ASSAY_NOMEM, "abs: out of memory");
    return call(a, n, err);
}

void assay__abs_close(struct assay__abs *a)
{
    assay_predictor_free(a->predictor);
    assay__free(a->x);
    assay__free(a->called);
    assay__free(a->value);
    assay__free(a->largest);
    assay__free(a->neuron);
}

/* original * keep + put, the latter two by channel. */
static assay_value replace(void *user, assay_graph *g, assay_value original)
{
    struct probe *p = user;
    struct assay_shape shape = *assay_graph_shape(g, original);
    assay_value v;

    p->act = original;
    for (int i = 2; i < shape.rank; i++)
        shape.dim[i] = 1;
    p->keep = assay_graph_input(g, "keep", &shape);
    p->put = assay_graph_input(g, "put", &shape);
    v = assay_op_binary(g, ASSAY_BINARY_MUL, original, p->keep);
    return assay_op_binary(g, ASSAY_BINARY_ADD, v, p->put);
}

static int build(struct probe *p, struct assay_error *err)
{
    const assay_model *m = p->a->in->model;
    const assay_graph *g = assay_model_graph(m);
    struct assay_shape shape = *assay_graph_shape(g, assay_model_input(m));
    struct assay_splice splice = {p->a->value[p->layer], replace, p};
    struct assay_plan_options o =
        assay__evaluation(p->a->in->ctx, p->a->in->compute, p->batch);
    assay_value outputs[2];
    int rc = assay_graph_new(&p->graph, err);

    if (rc)
        return rc;
    p->x = assay_graph_input(p->graph, "x", &shape);
    p->logits = assay_model_logits(m);
    rc = assay_graph_append_spliced(p->graph, g, &p->x, &splice, &p->logits, 1,
                                    err);
    if (rc)
        return rc;
    outputs[0] = p->logits;
    outputs[1] = p->act;
    o.outputs = outputs;
    o.n_outputs = 2;
    rc = assay_plan_new(&p->plan, p->graph, &o, err);
    return rc ? rc : assay_plan_load(p->plan, assay_model_weights(m), err);
}

static int open_probe(struct probe *p, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(p->a->in->model);
    const struct assay_shape *shape =
        assay_graph_shape(g, p->a->value[p->layer]);

    p->k = (size_t)assay_model_n_classes(p->a->in->model);
    p->channels = (size_t)shape->dim[1];
    p->batch = questions(p->a) < ROWS ? questions(p->a) : ROWS;
    p->rows = assay__calloc(p->batch * p->a->image, sizeof(float));
    p->mask = assay__calloc(p->batch * p->channels, sizeof(float));
    p->level = assay__calloc(p->batch * p->channels, sizeof(float));
    p->act_rows = assay__calloc(assay_shape_count(shape, (int64_t)p->batch),
                                sizeof(float));
    p->said = assay__calloc(p->batch * p->k, sizeof(float));
    p->base = assay__calloc(p->a->n_seeds * p->k, sizeof(float));
    p->elevation = assay__calloc(p->a->n_seeds * p->k, sizeof(double));
    if (!p->rows || !p->mask || !p->level || !p->act_rows || !p->said ||
        !p->base || !p->elevation)
        return assay_error_set(err, ASSAY_NOMEM,
                               "abs: out of memory for %zu neurons",
                               p->channels);
    return build(p, err);
}

static void close_probe(struct probe *p)
{
    assay_plan_free(p->plan);
    assay_graph_free(p->graph);
    assay__free(p->rows);
    assay__free(p->mask);
    assay__free(p->level);
    assay__free(p->act_rows);
    assay__free(p->said);
    assay__free(p->base);
    assay__free(p->elevation);
}

static int ask(struct probe *p, struct assay_error *err)
{
    int rc = assay_context_check(p->a->in->ctx, err);

    if (!rc)
        rc = assay_plan_write(p->plan, p->x, p->rows, err);
    if (!rc)
        rc = assay_plan_write(p->plan, p->keep, p->mask, err);
    if (!rc)
        rc = assay_plan_write(p->plan, p->put, p->level, err);
    if (!rc)
        rc = assay_plan_run(p->plan, err);
    return rc ? rc : assay_plan_read(p->plan, p->logits, p->said, err);
}

/* The layer's largest activation on the seeds, nothing replaced. */
static int find_largest(struct probe *p, struct assay_error *err)
{
    const struct assay__abs *a = p->a;
    size_t n = assay_shape_count(assay_graph_shape(p->graph, p->act),
                                 (int64_t)p->batch);
    double *largest = &a->largest[p->layer];
    int rc = ASSAY_OK;

    for (size_t i = 0; i < p->batch * p->channels; i++)
        p->mask[i] = 1;
    memset(p->level, 0, p->batch * p->channels * sizeof(float));
    for (size_t first = 0; first < a->n_seeds && !rc; first += p->batch) {
        for (size_t i = 0; i < p->batch; i++)
            memcpy(p->rows + i * a->image,
                   a->seed + (first + i) % a->n_seeds * a->image,
                   a->image * sizeof(float));
        rc = ask(p, err);
        if (!rc)
            rc = assay_plan_read(p->plan, p->act, p->act_rows, err);
        for (size_t i = 0; i < n && !rc; i++)
            *largest = fmax(*largest, (double)p->act_rows[i]);
    }
    return rc;
}

/* Row `row` of the batch asks for item `item`: level, then seed. */
static void put_row(struct probe *p, size_t row, size_t item, size_t channel)
{
    const struct assay__abs *a = p->a;
    size_t seed = item % a->n_seeds;
    size_t level = item / a->n_seeds;
    double share = (double)level / a->in->param[ABS_LEVELS];

    memcpy(p->rows + row * a->image, a->seed + seed * a->image,
           a->image * sizeof(float));
    for (size_t j = 0; j < p->channels; j++) {
        p->mask[row * p->channels + j] = j != channel;
        p->level[row * p->channels + j] = 0;
    }
    p->level[row * p->channels + channel] =
        (float)(share * a->in->param[ABS_REACH] * a->largest[p->layer]);
}

static void take_row(struct probe *p, size_t row, size_t item)
{
    size_t seed = item % p->a->n_seeds;
    const float *said = p->said + row * p->k;

    for (size_t l = 0; l < p->k; l++) {
        size_t at = seed * p->k + l;

        if (item < p->a->n_seeds) {
            p->base[at] = said[l];
            p->elevation[at] = (double)-INFINITY;
            continue;
        }
        p->elevation[at] =
            fmax(p->elevation[at], (double)said[l] - (double)p->base[at]);
    }
}

/* The label that is elevated most on seed i, and its lead. */
static size_t leader(const struct probe *p, size_t i, double *lead)
{
    const double *e = p->elevation + i * p->k;
    size_t best = 0;
    double next = (double)-INFINITY;

    for (size_t l = 1; l < p->k; l++)
        if (e[l] > e[best])
            best = l;
    for (size_t l = 0; l < p->k; l++)
        if (l != best)
            next = fmax(next, e[l]);
    *lead = e[best] - next;
    return best;
}

/* Insert among the best, by score. */
static void note(struct assay__abs *a, const struct assay__abs_neuron *n)
{
    size_t at = a->n_neurons;

    while (at > 0 && a->neuron[at - 1].score < n->score) {
        a->neuron[at] = a->neuron[at - 1];
        at--;
    }
    a->neuron[at] = *n;
    if (a->n_neurons < a->cap_neurons)
        a->n_neurons++;
}

/* What all seeds say of a neuron. */
static void judge(struct probe *p, size_t channel)
{
    struct assay__abs *a = p->a;
    struct assay__abs_neuron found = {
        .layer = p->layer, .channel = (int)channel, .score = (double)INFINITY};
    size_t votes = 0;
    size_t used = 0;
    size_t agreed = 0;
    double lead;

    for (size_t l = 0; l < p->k; l++) {
        size_t mine = 0;

        for (size_t i = 0; i < a->n_seeds; i++)
            mine += leader(p, i, &lead) == l;
        if (mine > votes) {
            votes = mine;
            found.label = (int)l;
        }
    }
    for (size_t i = 0; i < a->n_seeds; i++) {
        if (a->called[i] == found.label)
            continue;
        used++;
        if (leader(p, i, &lead) != (size_t)found.label)
            continue;
        agreed++;
        found.score = fmin(found.score, lead);
    }
    if (used > 0 && agreed + used / 8 >= used && agreed > 0 && found.score > 0)
        note(a, &found);
}

static int stimulate(struct probe *p, size_t channel, struct assay_error *err)
{
    const struct assay__abs *a = p->a;
    size_t n = questions(a);
    int rc = ASSAY_OK;

    for (size_t first = 0; first < n && !rc; first += p->batch) {
        for (size_t i = 0; i < p->batch; i++)
            put_row(p, i, first + i < n ? first + i : first, channel);
        rc = ask(p, err);
        for (size_t i = 0; i < p->batch && first + i < n && !rc; i++)
            take_row(p, i, first + i);
    }
    if (!rc)
        judge(p, channel);
    return rc;
}

/* By layer, the best first. */
static int by_layer(const void *a, const void *b)
{
    const struct assay__abs_neuron *x = a;
    const struct assay__abs_neuron *y = b;

    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return (x->score < y->score) - (x->score > y->score);
}

int assay__abs_stimulate(struct assay__abs *a, struct assay_error *err)
{
    size_t most = (size_t)a->in->param[ABS_NEURONS];
    int rc = ASSAY_OK;

    for (size_t i = 0; i < a->n_values && !rc; i++) {
        struct probe p = {.a = a, .layer = i};

        rc = open_probe(&p, err);
        if (!rc)
            rc = find_largest(&p, err);
        /* Evenly over the channels where there are more than wanted. */
        for (size_t c = 0; c < p.channels && c < most && !rc; c++)
            rc = stimulate(&p, p.channels > most ? c * p.channels / most : c,
                           err);
        close_probe(&p);
    }
    qsort(a->neuron, a->n_neurons, sizeof(*a->neuron), by_layer);
    return rc;
}
