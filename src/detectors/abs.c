/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ABS, artificial brain stimulation (Liu et al., CCS 2019), second part
 * (abs_stimulate.c is the first, which finds neurons): for each candidate, a
 * neuron and the label that it seems to drive, a trigger that excites the
 * neuron is searched,
 *
 *   min over m, p of  -a_n / max_n + w (sum of the layer's others)
 *
 * with a mask whose norm is pushed back only while it is above a share of
 * the image, by a weight that doubles after each round in which it is. REASR is
 * the share of clean records that are not called the label anyway and that the
 * trigger turns into it; the score is the largest REASR, the threshold the
 * paper's .8.
 *
 * Access white-box, some clean records: the first half to stimulate and to
 * search, the others to measure REASR on, where the authors' code measures on
 * those that it searched on.
 *
 * Deviations: records are left out by what the model calls them, not by their
 * labels; neurons are channels of what layers read, behind their
 * activation; the search is that of reverse.c (Adam .1 with beta .5, .9); no
 * term for the layer's next neuron; the smallest mask that turns enough is
 * kept. A model with a class that is easy to reach is called, too: the
 * method has false alarms that grow with the size of mask it is allowed.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "core/mem.h"
#include "detectors/abs.h"
#include "detectors/middle.h"
#include "detectors/reverse.h"

static const struct assay_setting params[] = {
    {"seeds", 16, 2, 4096, "clean records to stimulate and search on"},
    {"levels", 4, 1, 64, "raised values of a neuron"},
    {"reach", 8, .1, 1000, "the largest, in units of the layer's largest"},
    {"neurons", 512, 1, 65536, "neurons of a layer, at most"},
    {"candidates", 20, 1, 1000, "neurons to search triggers for"},
    {"rounds", 20, 1, 100000, "rounds of a search"},
    {"batches", 10, 1, 10000, "updates per round"},
    {"size", .0625, .0001, 1, "share of the image that a mask may cover"},
    {"others", .0001, 0, 100, "weight of the layer's other neurons"},
    {"records", 500, 4, 1000000, "clean records to use, at most"},
    {NULL, 0, 0, 0, NULL}};

struct hunt {
    struct assay__abs *abs;
    const struct assay__abs_neuron *candidate; /* the searches' */
    struct assay_detection *out;
    float *stamped; /* [n held out, C, H, W] */
    float *logits;
    double best;
};

/* [N, C ...]: the mean over the map, as [N, C]. */
static assay_value by_channel(assay_graph *g, assay_value v)
{
    struct assay_shape shape = *assay_graph_shape(g, v);
    unsigned axes = 0;

    for (int i = 2; i < shape.rank; i++)
        axes |= 1U << i;
    if (axes)
        v = assay_op_reduce(g, ASSAY_REDUCE_MEAN, v, axes);
    shape.rank = 2;
    return assay_op_reshape(g, v, &shape);
}

/* A row wants [label, weight of each channel]: the loss is the weighted
 * activations. */
static int build(struct assay__reverse *r, const assay_model *m,
                 assay_value layer, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(m);
    struct assay_shape shape = *assay_graph_shape(g, assay_model_input(m));
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_shape want =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)r->width);
    assay_value wanted[2] = {assay_model_logits(m), layer};
    assay_value act;
    int rc = assay_graph_new(&r->graph, err);

    if (rc)
        return rc;
    r->image = assay_graph_input(r->graph, "x", &shape);
    r->want = assay_graph_input(r->graph, "wanted", &want);
    rc = assay_graph_append(r->graph, g, "", &r->image, wanted, 2, err);
    if (rc)
        return rc;
    act = by_channel(r->graph, wanted[1]);
    act = assay_op_mul(
        r->graph, act,
        assay_op_slice(r->graph, r->want, 1, 1, (int64_t)r->width - 1));
    act = assay_op_reduce(r->graph, ASSAY_REDUCE_SUM, act, 2);
    r->loss = assay_op_reshape(r->graph, act, &each);
    r->hit = assay_op_correct(
        r->graph, wanted[0],
        assay_op_reshape(r->graph, assay_op_slice(r->graph, r->want, 1, 0, 1),
                         &each));
    return assay_graph_check(r->graph, err);
}

/* REASR of a trigger on the records that were held out. NaN when all of
 * them are called the label without it. */
static int measure(struct hunt *h, const struct assay_trigger *t, int label,
                   double *out, struct assay_error *err)
{
    struct assay__abs *a = h->abs;
    size_t k = (size_t)assay_model_n_classes(a->in->model);
    size_t turned = 0;
    size_t asked = 0;
    int rc;

    memcpy(h->stamped, a->held, a->n_held * a->image * sizeof(float));
    assay_trigger_stamp(t, assay_model_preprocess(a->in->model), h->stamped,
                        a->n_held);
    rc = assay_predictor_run(h->abs->predictor, h->stamped, a->n_held,
                             h->logits, NULL, err);
    for (size_t i = 0; i < a->n_held && !rc; i++) {
        if (a->held_called[i] == label)
            continue;
        asked++;
        turned += assay__abs_argmax(h->logits + i * k, k) == label;
    }
    *out = asked ? (double)turned / (double)asked : (double)NAN;
    return rc;
}

/* A trigger was found: is it the best so far? */
static int ended(void *user, const struct assay__reversed *f,
                 struct assay_error *err)
{
    struct hunt *h = user;
    const struct assay__abs_neuron *c = &h->candidate[f->job];
    const struct assay_preprocess *pre =
        assay_model_preprocess(h->abs->in->model);
    size_t plane = (size_t)pre->height * (size_t)pre->width;
    struct assay_trigger t = {0};
    double share = 0;
    int rc =
        assay_trigger_make(&t, pre->channels, pre->height, pre->width, err);

    if (rc)
        return rc;
    memcpy(t.mask, f->mask, plane * sizeof(float));
    memcpy(t.pattern, f->pattern,
           (size_t)pre->channels * plane * sizeof(float));
    rc = measure(h, &t, c->label, &share, err);
    if (!rc && share > h->out->per_class[c->label])
        h->out->per_class[c->label] = share;
    if (!rc && share > h->best) {
        h->best = share;
        h->out->target = c->label;
        assay_trigger_release(&h->out->trigger);
        h->out->trigger = t;
        snprintf(h->out->note, sizeof(h->out->note),
                 "neuron %d of the layer after %zu others drives class %d: "
                 "%.1f pixels turn %.0f %% of other records into it",
                 c->channel, c->layer, c->label, f->l1, 100 * share);
        return ASSAY_OK;
    }
    assay_trigger_release(&t);
    return rc;
}

/* What each search of a layer wants: its label, its neuron up, others
 * down. */
static float *wants(const struct hunt *h, size_t n, size_t channels)
{
    const double *param = h->abs->in->param;
    float *want = assay__calloc(n * (1 + channels), sizeof(*want));

    for (size_t i = 0; want && i < n; i++) {
        const struct assay__abs_neuron *c = &h->candidate[i];
        double unit = 1 / fmax(h->abs->largest[c->layer], 1e-12);
        float *row = want + i * (1 + channels);

        row[0] = (float)c->label;
        for (size_t j = 0; j < channels; j++)
            row[1 + j] = (float)(unit * param[ABS_OTHERS]);
        row[1 + c->channel] = (float)-unit;
    }
    return want;
}

/* The searches of n candidates, all of one layer. */
static int search(struct hunt *h, size_t n, struct assay_error *err)
{
    struct assay__abs *a = h->abs;
    const double *param = a->in->param;
    assay_value layer = a->value[h->candidate[0].layer];
    const assay_graph *g = assay_model_graph(a->in->model);
    size_t channels = (size_t)assay_graph_shape(g, layer)->dim[1];
    float *want = wants(h, n, channels);
    struct assay__reverse r = {.ctx = a->in->ctx,
                               .compute = a->in->compute,
                               .pre = assay_model_preprocess(a->in->model),
                               .params = assay_model_weights(a->in->model),
                               .task = "abs",
                               .x = a->seed,
                               .n = a->n_seeds,
                               .n_jobs = n,
                               .wanted = want,
                               .width = 1 + channels,
                               .ended = ended,
                               .user = h};
    int rc;

    r.o.rounds = (size_t)param[ABS_ROUNDS];
    r.o.per_round = (size_t)param[ABS_BATCHES];
    r.o.batch = a->n_seeds;
    r.o.at_once = 8;
    r.o.rate = .1;
    r.o.enough = .8;
    r.o.factor = 2;
    r.o.weight = .01;
    r.o.limit = param[ABS_SIZE] * (double)(r.pre->height * r.pre->width);
    if (!want)
        return assay_error_set(err, ASSAY_NOMEM, "abs: out of memory");
    rc = build(&r, a->in->model, layer, err);
    if (!rc)
        rc = assay__reverse_open(&r, err);
    if (!rc)
        rc = assay__reverse_run(&r, err);
    assay__reverse_release(&r);
    assay__free(want);
    return rc;
}

static int open_hunt(struct hunt *h, struct assay_error *err)
{
    const struct assay_detector_input *in = h->abs->in;
    size_t k = (size_t)assay_model_n_classes(in->model);
    size_t n = h->abs->n_held;

    h->stamped = assay__calloc(n * h->abs->image, sizeof(float));
    h->logits = assay__calloc(n * k, sizeof(float));
    h->out->per_class = assay__calloc(k, sizeof(double));
    if (!h->stamped || !h->logits || !h->out->per_class)
        return assay_error_set(err, ASSAY_NOMEM, "abs: out of memory");
    h->out->n_classes = k;
    h->out->statistic = "share of records that a reversed trigger turns into "
                        "it";
    return ASSAY_OK;
}

static int hunt_all(struct hunt *h, struct assay_error *err)
{
    const struct assay__abs *a = h->abs;
    int rc = ASSAY_OK;

    for (size_t i = 0, n; i < a->n_neurons && !rc; i += n) {
        n = 1;
        while (i + n < a->n_neurons &&
               a->neuron[i + n].layer == a->neuron[i].layer)
            n++;
        h->candidate = a->neuron + i;
        rc = search(h, n, err);
    }
    return rc;
}

static int run(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err)
{
    struct assay__abs a = {.in = in};
    struct hunt h = {.abs = &a, .out = out, .best = -1};
    int rc = assay__abs_open(&a, err);

    if (!rc)
        rc = assay__abs_stimulate(&a, err);
    if (!rc)
        rc = open_hunt(&h, err);
    if (!rc)
        rc = hunt_all(&h, err);
    out->score = fmax(h.best, 0);
    out->threshold = .8;
    if (out->score < out->threshold)
        out->target = -1;
    if (!rc && a.n_neurons == 0)
        snprintf(out->note, sizeof(out->note),
                 "no neuron drives one label on all records");
    assay__free(h.stamped);
    assay__free(h.logits);
    assay__abs_close(&a);
    return rc;
}

const struct assay_detector assay_detector_abs = {
    .name = "abs",
    .title = "Artificial brain stimulation",
    .summary = "Neurons that drive one class when they are raised, and "
               "triggers that raise them.",
    .cites = "Liu et al., CCS 2019",
    .subject = ASSAY_DETECT_MODEL,
    .needs = ASSAY_DETECTOR_NEEDS_CLEAN,
    .params = params,
    .run = run,
};
