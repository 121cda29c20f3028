/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fine-pruning (Liu et al., RAID 2018). Channels of the last convolution that
 * clean records leave silent are where a backdoor can live: they are switched
 * off, those of the lowest mean |activation| on clean records first, a share
 * of them at a time, until the accuracy on held-out clean records falls by
 * more than a tolerance. The step that broke the limit is undone (a public
 * code leaves it in), the last channel always stays, and the model is then
 * fine-tuned.
 *
 * Activations are what follows the convolution, its norm and its ReLU where
 * these alone read it. A channel is off when weight and bias of the norm are
 * 0, which gives 0 for any input, or where there is no norm those of the
 * convolution. The layer that holds the zeros is frozen while tuning, so
 * that they stay.
 *
 * In a residual network this silences the last block's branch, not what
 * passes beside it. With `columns` the numbers of the embedding go instead,
 * which are the sums' channels after pooling: zeros are then the columns of
 * the last layer's weights, as in BackdoorBench's version (which prunes one
 * fewer than it says).
 *
 * The accuracy after each step is measured, so the cost is 1 / step passes
 * over the held-out records at most, and the tuning.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "core/mem.h"
#include "repairs/repairs.h"

enum { PARAM_TOLERANCE, PARAM_STEP, PARAM_EPOCHS, PARAM_LR, PARAM_COLUMNS };
enum { BATCH = 64 };

static const struct assay_setting params[] = {
    {"tolerance", .04, 0, 1, "of accuracy on held-out records"},
    {"step", .05, .0001, 1, "share of the channels that go at a time"},
    {"epochs", 20, 1, 1000, "epochs of tuning"},
    {"lr", .01, 1e-6, 10, "learning rate of tuning"},
    {"columns", 0, 0, 1, "1: numbers of the embedding, not channels"},
    {NULL, 0, 0, 0, NULL}};

struct pruning {
    const struct assay_repair_input *in;
    assay_model *m;
    struct assay_layer layer; /* that holds the zeros */
    assay_value active;       /* [N, C, H, W], or the embedding, [N, C] */
    int columns;              /* zeros are columns of the layer's weights */
    size_t n;                 /* channels */
    double *mean;             /* [n] */
    uint32_t *order;          /* [n], lowest first */
    float *before;            /* all parameters, before the last step */
};

/* The last layer, as what reads the embedding. */
static int find_head(struct pruning *p, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(p->m);
    assay_value embedding = assay_model_embedding(p->m);
    const struct assay_shape *shape = assay_graph_shape(g, embedding);

    for (int i = 0; i < assay_graph_n_layers(g); i++) {
        p->layer = assay_graph_layer_at(g, i);
        if (p->layer.kind == ASSAY_LAYER_LINEAR && shape->rank == 2 &&
            p->layer.result == assay_model_logits(p->m) &&
            p->layer.source == embedding) {
            p->columns = 1;
            p->n = (size_t)shape->dim[1];
            p->active = embedding;
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_UNSUPPORTED,
                           "fine-pruning: the logits of %s are not a linear "
                           "layer of its embedding",
                           assay_model_arch(p->m));
}

static int find_layer(struct pruning *p, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(p->m);
    struct assay_layer norm;
    int found = 0;

    if (lrint(p->in->param[PARAM_COLUMNS]))
        return find_head(p, err);
    for (int i = 0; i < assay_graph_n_layers(g); i++) {
        struct assay_layer l = assay_graph_layer_at(g, i);

        if (l.kind == ASSAY_LAYER_CONV) {
            p->layer = l;
            found = 1;
        }
    }
    if (!found)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "fine-pruning: %s has no convolution",
                               assay_model_arch(p->m));
    p->n = (size_t)assay_graph_shape(g, p->layer.result)->dim[1];
    if (assay__repair_norm_of(g, p->layer.result, &norm) &&
        norm.weight != ASSAY_NO_VALUE && norm.bias != ASSAY_NO_VALUE)
        p->layer = norm;
    p->active = p->layer.active;
    return ASSAY_OK;
}

/* Means over the rows of one batch, added. */
static int add_batch(const struct pruning *p, assay_plan *plan,
                     assay_value means, size_t first, size_t batch, float *room,
                     struct assay_error *err)
{
    const assay_view *view = p->in->clean;
    size_t total = assay_view_count(view);
    uint32_t rows[BATCH];
    float *x = room + batch * p->n;
    int rc;

    for (size_t i = 0; i < batch; i++)
        rows[i] = (uint32_t)(first + i < total ? first + i : first);
    assay_view_fill(view, rows, batch, NULL, 0, 0, x);
    rc = assay_plan_write(plan, assay_model_input(p->m), x, err);
    if (!rc)
        rc = assay_plan_run(plan, err);
    if (!rc)
        rc = assay_plan_read(plan, means, room, err);
    for (size_t i = 0; i < batch && first + i < total && !rc; i++)
        for (size_t k = 0; k < p->n; k++)
            p->mean[k] += (double)room[i * p->n + k] / (double)total;
    return rc;
}

static int run_batches(const struct pruning *p, const assay_graph *g,
                       assay_value means, struct assay_error *err)
{
    const struct assay_compute *c = p->in->compute;
    const struct assay_preprocess *pre = assay_model_preprocess(p->m);
    size_t total = assay_view_count(p->in->clean);
    size_t batch = total < BATCH ? total : BATCH;
    size_t image =
        (size_t)pre->channels * (size_t)pre->height * (size_t)pre->width;
    struct assay_plan_options o = {.backend = c->backend,
                                   .batch = (int64_t)batch,
                                   .threads = c->threads ? c->threads
                                                         : p->in->ctx->threads,
                                   .algorithms = c->algorithms,
                                   .compute = c->dtype,
                                   .tuning = c->tuning,
                                   .outputs = &means,
                                   .n_outputs = 1};
    float *room = assay__calloc(batch * (p->n + image), sizeof(*room));
    assay_plan *plan = NULL;
    int rc =
        room ? assay_plan_new(&plan, g, &o, err)
             : assay_error_set(err, ASSAY_NOMEM, "fine-pruning: out of memory");

    if (!rc)
        rc = assay_plan_load(plan, assay_model_weights(p->m), err);
    for (size_t first = 0; first < total && !rc; first += batch)
        rc = add_batch(p, plan, means, first, batch, room, err);
    assay_plan_free(plan);
    assay__free(room);
    return rc;
}

/* Mean |activation| of each channel over the clean records. */
static int measure(struct pruning *p, struct assay_error *err)
{
    assay_graph *g = NULL;
    assay_value v;
    int rc = assay_graph_clone(&g, assay_model_graph(p->m), err);

    if (rc)
        return rc;
    v = assay_op_unary(g, ASSAY_UNARY_ABS, p->active, 0, 0);
    if (!p->columns)
        v = assay_op_reduce(g, ASSAY_REDUCE_MEAN, v, 1U << 2 | 1U << 3);
    rc = assay_graph_check(g, err);
    if (!rc)
        rc = run_batches(p, g, v, err);
    assay_graph_free(g);
    return rc;
}

/* By insertion: a thousand channels at most, equal ones in their order. */
static void sort_channels(struct pruning *p)
{
    for (size_t i = 0; i < p->n; i++) {
        size_t k = i;

        for (; k > 0 && p->mean[p->order[k - 1]] > p->mean[i]; k--)
            p->order[k] = p->order[k - 1];
        p->order[k] = (uint32_t)i;
    }
}

/* Zeros for channel k of a layer, a norm or a convolution, or for what the
 * head reads there. */
static void switch_off(struct pruning *p, size_t k)
{
    float *weight = assay__repair_numbers(p->m, p->layer.weight);
    float *bias = assay__repair_numbers(p->m, p->layer.bias);
    size_t each = assay__repair_count(p->m, p->layer.weight) / p->n;

    for (size_t i = 0; i < each; i++)
        weight[p->columns ? i * p->n + k : k * each + i] = 0;
    if (bias && !p->columns)
        bias[k] = 0;
}

static int prune(struct pruning *p, struct assay_repaired *out,
                 struct assay_error *err)
{
    struct assay_params *all = assay_model_params(p->m);
    size_t bytes = all->size * sizeof(float);
    size_t step = (size_t)lrint(p->in->param[PARAM_STEP] * (double)p->n);
    double base = 0;
    double now = 0;
    int rc = assay__repair_accuracy(p->in, p->m, &base, err);

    out->channels = p->n;
    step = step < 1 ? 1 : step;
    while (!rc && out->pruned + 1 < p->n) {
        size_t end = out->pruned + step;

        end = end < p->n ? end : p->n - 1;
        memcpy(p->before, all->data, bytes);
        for (size_t i = out->pruned; i < end; i++)
            switch_off(p, p->order[i]);
        rc = assay__repair_accuracy(p->in, p->m, &now, err);
        if (!rc && now < base - p->in->param[PARAM_TOLERANCE]) {
            memcpy(all->data, p->before, bytes);
            (void)snprintf(out->note, sizeof(out->note),
                           "%zu channels would have taken held-out accuracy "
                           "from %.3f to %.3f",
                           end, base, now);
            break;
        }
        out->pruned = end;
    }
    if (!rc && out->pruned > 0)
        out->threshold = p->mean[p->order[out->pruned - 1]];
    return rc;
}

static int tune(const struct pruning *p, struct assay_repaired *out,
                struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(p->m);
    const char *frozen[2];
    struct assay__tuning tuning = {.task = "fine-pruning",
                                   .epochs = (size_t)p->in->param[PARAM_EPOCHS],
                                   .lr = p->in->param[PARAM_LR],
                                   .frozen = frozen};

    frozen[tuning.n_frozen++] = assay_graph_value_name(g, p->layer.weight);
    if (p->layer.bias != ASSAY_NO_VALUE && !p->columns)
        frozen[tuning.n_frozen++] = assay_graph_value_name(g, p->layer.bias);
    return assay__repair_tune(p->in, p->m, &tuning, out, err);
}

static int run(const struct assay_repair_input *in, assay_model *m,
               struct assay_repaired *out, struct assay_error *err)
{
    struct pruning p = {.in = in, .m = m};
    int rc = find_layer(&p, err);

    if (rc)
        return rc;
    p.mean = assay__calloc(p.n, sizeof(*p.mean));
    p.order = assay__calloc(p.n, sizeof(*p.order));
    p.before = assay__calloc(assay_model_params(m)->size, sizeof(float));
    if (!p.mean || !p.order || !p.before)
        rc = assay_error_set(err, ASSAY_NOMEM, "fine-pruning: out of memory");
    if (!rc)
        rc = measure(&p, err);
    if (!rc) {
        sort_channels(&p);
        rc = prune(&p, out, err);
    }
    if (!rc)
        rc = tune(&p, out, err);
    assay__free(p.mean);
    assay__free(p.order);
    assay__free(p.before);
    return rc;
}

const struct assay_repair assay_repair_fine_pruning = {
    .name = "fine-pruning",
    .title = "Fine-pruning",
    .summary = "Channels that clean records leave silent are switched off, "
               "then the model is fine-tuned.",
    .cites = "Liu et al., RAID 2018",
    .needs = ASSAY_REPAIR_NEEDS_CLEAN,
    .params = params,
    .run = run,
};
