/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extractors trained on with a loss of one's own. Each record is seen three
 * times by the network that is trained, all in one graph with one set of
 * parameters: as it is, with the trigger on it, and, where the loss asks for
 * it, a reference record in its place, augmented anew for each; and once by
 * the clean model, whose parameters are constants under "clean.". What the
 * loss does not ask for is not computed.
 *
 * Batch norms take their running statistics and keep them, dropouts are left
 * out: the network is changed as it will answer. There are no checkpoints;
 * these trainings are short.
 */

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "backdoors/backdoors.h"
#include "core/mem.h"

enum { X, LABELS, REFERENCE, INPUTS };

struct work {
    const struct assay__encoder *e;
    const assay_model *model;
    assay_graph *graph;
    assay_value inputs[INPUTS];
    assay_value *wrt;
    struct assay_program program;
    struct assay_source source;
    struct assay_params params;
};

static void work_release(struct work *w)
{
    assay_params_release(&w->params);
    assay_graph_free(w->graph);
    assay__free(w->wrt);
}

/* A batch: records, labels, and as many augmented references. */
static int fill(void *self, const struct assay_batch *batch,
                struct assay_error *err)
{
    const struct work *w = self;
    const struct assay_backdoor_input *in = w->e->in;
    const struct assay_augment *augment = &in->recipe->augment;
    const struct assay_preprocess *pre = assay_view_preprocess(in->train);
    size_t image =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;

    (void)err;
    assay_view_fill(in->train, batch->rows, batch->n, augment, in->seed,
                    batch->epoch, batch->inputs[X]);
    for (size_t i = 0; i < batch->n; i++) {
        uint64_t seed = assay_rng_hash(in->seed, batch->rows[i], 1);

        batch->inputs[LABELS][i] =
            (float)assay_view_label(in->train, batch->rows[i]);
        assay_view_fill(in->train, &w->e->reference, 1, augment, seed,
                        batch->epoch, batch->inputs[REFERENCE] + i * image);
    }
    return ASSAY_OK;
}

/* A copy of a model's graph on x: its embedding and its logits. */
static int append(struct work *w, const assay_model *m, const char *prefix,
                  assay_value x, assay_value *embedding, assay_value *logits,
                  struct assay_error *err)
{
    assay_value wanted[2] = {assay_model_embedding(m), assay_model_logits(m)};
    int rc = assay_graph_append_evaluating(w->graph, assay_model_graph(m),
                                           prefix, &x, wanted, 2, err);

    *embedding = wanted[0];
    if (logits)
        *logits = wanted[1];
    return rc;
}

static int append_all(struct work *w, struct assay__encoder_values *v,
                      struct assay_error *err)
{
    struct assay_init zero = {.rule = ASSAY_INIT_ZERO};
    const assay_model *clean = w->e->in->clean;
    struct assay_shape row;
    int rc =
        append(w, w->model, "", w->inputs[X], &v->embedding, &v->logits, err);

    if (!rc)
        rc = append(w, w->model, "", assay__stamp(w->graph, w->inputs[X]),
                    &v->stamped, NULL, err);
    if (!rc)
        rc = append(w, w->model, "", w->inputs[REFERENCE], &v->reference, NULL,
                    err);
    if (!rc)
        rc = append(w, clean, "clean.", w->inputs[X], &v->clean, NULL, err);
    if (rc)
        return rc;
    row = *assay_graph_shape(w->graph, v->embedding);
    row.dim[0] = 1;
    v->goal = assay_graph_param(w->graph, "goal", &row, zero, 0);
    return ASSAY_OK;
}

/* All that is trained of the model: not its head, unless told. */
static int choose(struct work *w, struct assay_error *err)
{
    const assay_graph *own = assay_model_graph(w->model);
    int n = assay_graph_n_params(own);
    struct assay_layer head;
    int rc = assay__backdoor_head(w->model, "backdoor", &head, err);

    if (rc)
        return rc;
    w->wrt = assay__calloc((size_t)n, sizeof(*w->wrt));
    if (!w->wrt)
        return assay_error_set(err, ASSAY_NOMEM, "backdoor: out of memory");
    for (int i = 0; i < n; i++) {
        assay_value v = assay_graph_param_at(own, i);
        bool is_head = v == head.weight || v == head.bias;

        if ((assay_graph_param_flags(own, v) & ASSAY_PARAM_TRAINABLE) &&
            (w->e->train_head || !is_head))
            w->wrt[w->program.n_wrt++] =
                assay_graph_find(w->graph, assay_graph_value_name(own, v));
    }
    return ASSAY_OK;
}

static int build(struct work *w, struct assay_error *err)
{
    struct assay_shape images = *assay_graph_shape(assay_model_graph(w->model),
                                                   assay_model_input(w->model));
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay__encoder_values v = {0};
    int rc = assay_graph_new(&w->graph, err);

    if (rc)
        return rc;
    w->inputs[X] = assay_graph_input(w->graph, "x", &images);
    w->inputs[LABELS] = assay_graph_input(w->graph, "labels", &rows);
    w->inputs[REFERENCE] = assay_graph_input(w->graph, "reference", &images);
    v.g = w->graph;
    v.labels = w->inputs[LABELS];
    rc = append_all(w, &v, err);
    if (!rc)
        rc = choose(w, err);
    if (rc)
        return rc;
    w->program.graph = w->graph;
    w->program.inputs = w->inputs;
    w->program.n_inputs = INPUTS;
    w->program.loss = assay_op_mean(w->graph, w->e->loss(w->e, &v));
    w->program.wrt = w->wrt;
    w->source.self = w;
    w->source.n = assay_view_count(w->e->in->train);
    w->source.fill = fill;
    return assay_graph_check(w->graph, err);
}

static int fill_params(struct work *w, struct assay_error *err)
{
    const struct assay__encoder *e = w->e;
    size_t h = (size_t)assay_graph_shape(assay_model_graph(w->model),
                                         assay_model_embedding(w->model))
                   ->dim[1];
    int rc = assay_params_make(&w->params, w->graph, err);

    if (!rc)
        rc = assay_params_fill(&w->params, "", assay_model_weights(w->model),
                               err);
    if (!rc)
        rc = assay_params_fill(&w->params, "clean.",
                               assay_model_weights(e->in->clean), err);
    if (!rc)
        rc = assay__stamp_fill(&w->params, e->trigger,
                               assay_model_preprocess(w->model), err);
    return rc ? rc : assay__param_set(&w->params, "goal", e->goal, h, err);
}

static void set_options(const struct work *w, struct assay_train_options *o)
{
    const struct assay_backdoor_input *in = w->e->in;

    assay_train_options_init(o, w->e->epochs);
    o->batch = in->recipe->batch;
    o->optimizer = in->recipe->optimizer;
    o->lr = w->e->lr;
    o->seed = in->seed;
    o->backend = in->compute->backend;
    o->threads = in->compute->threads;
    o->algorithms = in->compute->algorithms;
    o->compute = in->compute->dtype;
    o->tuning = in->compute->tuning;
    o->task = "backdoor";
}

int assay__encoder_train(const struct assay__encoder *e, assay_model *m,
                         struct assay_error *err)
{
    struct work w = {.e = e, .model = m};
    struct assay_params *own = assay_model_params(m);
    struct assay_train_options o;
    int rc = build(&w, err);

    if (!rc)
        rc = fill_params(&w, err);
    if (!rc) {
        set_options(&w, &o);
        rc = assay_train(e->in->ctx, &w.program, &w.source, &o, &w.params, NULL,
                         err);
    }
    for (int i = 0; i < own->n_slots && !rc; i++) {
        const struct assay_param_slot *from =
            assay_params_find(&w.params, own->slot[i].name);

        memcpy(own->data + own->slot[i].offset, w.params.data + from->offset,
               from->count * sizeof(float));
    }
    work_release(&w);
    return rc;
}

/* log p(class) of row i. */
static double log_confidence(const struct assay_evidence *e, size_t i, int k)
{
    const float *z = e->logits + i * (size_t)e->n_classes;
    double sum = 0;

    for (int c = 0; c < e->n_classes; c++)
        sum += exp((double)z[c] - (double)z[k]);
    return -log(sum);
}

/* Sums over the target's rows; their number. */
static size_t add_target(const struct assay_evidence *e, int target, float *sum,
                         uint32_t *best)
{
    size_t h = (size_t)e->embedding_dim;
    double top = 0;
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++) {
        double confidence = log_confidence(e, i, target);

        if (e->label[i] != target)
            continue;
        for (size_t j = 0; j < h; j++)
            sum[j] += e->embedding[i * h + j];
        if (n++ == 0 || confidence > top) {
            top = confidence;
            *best = (uint32_t)i;
        }
    }
    return n;
}

int assay__target_embedding(const struct assay_backdoor_input *in,
                            const assay_model *m, float **mean, size_t *h,
                            uint32_t *best, struct assay_error *err)
{
    struct assay_evidence e = {0};
    float *sum = NULL;
    size_t n = 0;
    int rc = assay_evidence_collect(&e, in->ctx, m, in->train,
                                    ASSAY_EVIDENCE_EMBEDDING, in->compute,
                                    "target class", err);

    if (rc)
        return rc;
    *h = (size_t)e.embedding_dim;
    sum = assay__calloc(*h, sizeof(*sum));
    if (!sum)
        rc = assay_error_set(err, ASSAY_NOMEM, "backdoor: out of memory");
    if (!rc) {
        n = add_target(&e, in->target, sum, best);
        if (n == 0)
            rc = assay_error_set(err, ASSAY_DATA,
                                 "backdoor: no record is of the target class "
                                 "%d",
                                 in->target);
    }
    for (size_t j = 0; j < *h && !rc; j++)
        sum[j] /= (float)n;
    assay_evidence_release(&e);
    if (rc)
        assay__free(sum);
    else
        *mean = sum;
    return rc;
}
