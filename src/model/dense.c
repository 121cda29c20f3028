/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of one or two linear layers, trained by the engine's loop. */

#include "assay/dense.h"

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "core/mem.h"
#include "model/model.h"

enum { JUDGE_BATCH = 256 };

struct head {
    const struct assay_dense_rows *train;
    const struct assay_dense_options *options;
    float *shift; /* [width] */
    float *scale; /* [width] */
    assay_graph *graph;
    assay_value input[2]; /* features, labels */
    assay_value logits;
    assay_value loss;
    struct assay_params weights;
};

static int standardise(struct head *h, struct assay_error *err)
{
    const struct assay_dense_rows *r = h->train;

    h->shift = assay__calloc(r->width, sizeof(float));
    h->scale = assay__calloc(r->width, sizeof(float));
    if (!h->shift || !h->scale)
        return assay_error_set(err, ASSAY_NOMEM, "%s: %zu features",
                               h->options->task, r->width);
    for (size_t j = 0; j < r->width; j++) {
        double sum = 0;
        double squares = 0;

        for (size_t i = 0; i < r->n; i++)
            sum += (double)r->x[i * r->width + j];
        sum /= (double)r->n;
        for (size_t i = 0; i < r->n; i++) {
            double d = (double)r->x[i * r->width + j] - sum;

            squares += d * d;
        }
        h->shift[j] = (float)sum;
        h->scale[j] =
            squares > 0 ? (float)(1 / sqrt(squares / (double)r->n)) : 0;
    }
    return ASSAY_OK;
}

static int build(struct head *h, struct assay_error *err)
{
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_shape features =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)h->train->width);
    assay_graph *g;
    assay_value x;
    int rc = assay_graph_new(&h->graph, err);

    if (rc)
        return rc;
    g = h->graph;
    h->input[0] = x = assay_graph_input(g, "features", &features);
    h->input[1] = assay_graph_input(g, "labels", &rows);
    if (h->options->hidden > 0)
        x = assay_op_relu(
            g, assay_layer_linear(g, x, "hidden", h->options->hidden));
    h->logits = assay_layer_linear(g, x, "values", h->options->n_values);
    h->loss =
        assay_op_mean(g, assay_op_softmax_xent(g, h->logits, h->input[1]));
    return assay_graph_check(g, err);
}

static void put_row(const struct head *h, const struct assay_dense_rows *r,
                    size_t row, float *out)
{
    const float *x = r->x + row * r->width;

    for (size_t j = 0; j < r->width; j++)
        out[j] = (x[j] - h->shift[j]) * h->scale[j];
}

static int fill(void *self, const struct assay_batch *b,
                struct assay_error *err)
{
    const struct head *h = self;

    (void)err;
    for (size_t i = 0; i < b->n; i++) {
        put_row(h, h->train, b->rows[i], b->inputs[0] + i * h->train->width);
        b->inputs[1][i] = (float)h->train->label[b->rows[i]];
    }
    return ASSAY_OK;
}

static int train(struct head *h, const struct assay_context *ctx,
                 const struct assay_compute *compute, struct assay_error *err)
{
    const struct assay_dense_options *d = h->options;
    struct assay_program program = {
        .graph = h->graph, .inputs = h->input, .n_inputs = 2, .loss = h->loss};
    struct assay_source source = {h, h->train->n, fill};
    struct assay_train_options o;
    int rc = assay_params_make(&h->weights, h->graph, err);

    if (!rc)
        rc = assay_params_init(&h->weights, h->graph, d->seed, err);
    if (rc)
        return rc;
    assay_train_options_init(&o, d->epochs);
    o.batch = d->batch;
    o.optimizer.kind = ASSAY_OPTIMIZER_ADAM;
    o.lr = d->lr;
    o.schedule = ASSAY_SCHEDULE_COSINE;
    o.seed = d->seed;
    o.backend = compute->backend;
    o.threads = compute->threads;
    o.algorithms = compute->algorithms;
    o.tuning = compute->tuning;
    o.task = d->task;
    return assay_train(ctx, &program, &source, &o, &h->weights, NULL, err);
}

static int judge_batch(const struct head *h, assay_plan *plan,
                       const struct assay_dense_rows *rows, size_t first,
                       float *x, float *logits, struct assay_error *err)
{
    size_t left = rows->n - first;
    size_t n = left < JUDGE_BATCH ? left : JUDGE_BATCH;
    int rc;

    for (size_t i = 0; i < JUDGE_BATCH; i++)
        put_row(h, rows, first + (i < n ? i : 0), x + i * rows->width);
    rc = assay_plan_write(plan, h->input[0], x, err);
    if (!rc)
        rc = assay_plan_run(plan, err);
    if (!rc)
        rc = assay_plan_read(plan, h->logits, logits, err);
    return rc;
}

static int judge(const struct head *h, const struct assay_compute *compute,
                 int threads, const struct assay_dense_rows *rows,
                 float *logits, struct assay_error *err)
{
    struct assay_plan_options o = {0};
    size_t k = (size_t)h->options->n_values;
    float *x = assay__calloc(JUDGE_BATCH * rows->width, sizeof(float));
    float *batch = assay__calloc(JUDGE_BATCH * k, sizeof(float));
    assay_plan *plan = NULL;
    int rc;

    if (!x || !batch) {
        rc = assay_error_set(err, ASSAY_NOMEM, "%s: out of memory",
                             h->options->task);
        goto out;
    }
    o.backend = compute->backend;
    o.batch = JUDGE_BATCH;
    o.mode = ASSAY_MODE_EVAL;
    o.threads = threads;
    o.algorithms = compute->algorithms;
    o.tuning = compute->tuning;
    o.outputs = &h->logits;
    o.n_outputs = 1;
    rc = assay_plan_new(&plan, h->graph, &o, err);
    if (!rc)
        rc = assay_plan_load(plan, &h->weights, err);
    for (size_t first = 0; first < rows->n && !rc; first += JUDGE_BATCH) {
        size_t left = rows->n - first;

        rc = judge_batch(h, plan, rows, first, x, batch, err);
        if (!rc)
            memcpy(logits + first * k, batch,
                   (left < JUDGE_BATCH ? left : JUDGE_BATCH) * k *
                       sizeof(float));
    }

out:
    assay_plan_free(plan);
    assay__free(batch);
    assay__free(x);
    return rc;
}

int assay_dense_logits(const struct assay_context *ctx,
                       const struct assay_compute *compute,
                       const struct assay_dense_rows *train_rows,
                       const struct assay_dense_rows *judge_rows,
                       const struct assay_dense_options *options, float *logits,
                       struct assay_error *err)
{
    struct head h = {.train = train_rows, .options = options};
    int threads = compute->threads ? compute->threads : ctx->threads;
    int rc;

    if (train_rows->n == 0 || train_rows->width != judge_rows->width)
        return assay_error_set(err, ASSAY_DATA,
                               "%s: %zu rows of %zu features to learn from, "
                               "%zu features to judge",
                               options->task, train_rows->n, train_rows->width,
                               judge_rows->width);
    rc = standardise(&h, err);
    if (!rc)
        rc = build(&h, err);
    if (!rc)
        rc = train(&h, ctx, compute, err);
    if (!rc)
        rc = judge(&h, compute, threads, judge_rows, logits, err);
    assay_params_release(&h.weights);
    assay_graph_free(h.graph);
    assay__free(h.shift);
    assay__free(h.scale);
    return rc;
}

int assay_dense_guess(const struct assay_context *ctx,
                      const struct assay_compute *compute,
                      const struct assay_dense_rows *train_rows,
                      const struct assay_dense_rows *judge_rows,
                      const struct assay_dense_options *options, int32_t *guess,
                      struct assay_error *err)
{
    size_t k = (size_t)options->n_values;
    float *logits = assay__calloc(judge_rows->n * k, sizeof(float));
    int rc;

    if (!logits)
        return assay_error_set(err, ASSAY_NOMEM, "%s: %zu rows to judge",
                               options->task, judge_rows->n);
    rc = assay_dense_logits(ctx, compute, train_rows, judge_rows, options,
                            logits, err);
    for (size_t i = 0; i < judge_rows->n && !rc; i++)
        guess[i] = assay__argmax(logits + i * k, (int)k);
    assay__free(logits);
    return rc;
}
