/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extractor's graph with one loss on its embedding, compiled once and
 * run on batches of a fixed size; rows that fill up the last batch have
 * weight and probe 0, so that they add nothing. All sums across batches are
 * made here in double.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "assay/layers.h"
#include "reuse/reuse.h"

static size_t width_of(const assay_graph *g, assay_value v)
{
    struct assay_shape shape = *assay_graph_shape(g, v);

    return assay_shape_count(&shape, 1);
}

static void append_loss(struct assay__reuse_lab *lab)
{
    assay_graph *g = lab->graph;
    struct assay_shape row = *assay_graph_shape(g, lab->features);
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value f = lab->features;
    assay_value far;
    assay_value sum;

    if (lab->rectified)
        f = assay_op_relu(g, lab->features);
    lab->target = assay_graph_input(g, "reuse.target", &row);
    lab->weight = assay_graph_input(g, "reuse.weight", &row);
    lab->above = assay_graph_input(g, "reuse.above", &row);
    lab->probe = assay_graph_input(g, "reuse.probe", &row);
    far = assay_op_binary(g, ASSAY_BINARY_SUB, lab->features, lab->target);
    sum =
        assay_op_add(g, assay_op_mul(g, lab->weight, assay_op_mul(g, far, far)),
                     assay_op_mul(g, lab->probe, f));
    if (lab->rectified)
        sum = assay_op_add(g, sum,
                           assay_op_mul(g, lab->above, assay_op_mul(g, f, f)));
    sum = assay_op_reduce(g, ASSAY_REDUCE_SUM, sum, 1U << 1);
    lab->loss = assay_op_mean(g, assay_op_reshape(g, sum, &each));
}

static int build(struct assay__reuse_lab *lab, struct assay_error *err)
{
    const assay_model *m = lab->model;
    assay_value before =
        assay_graph_before_relu(assay_model_graph(m), assay_model_embedding(m));
    assay_value parameter;
    int rc = assay_graph_clone(&lab->graph, assay_model_graph(m), err);

    if (rc)
        return rc;
    parameter = assay_graph_find(lab->graph, lab->slot->name);
    lab->input = assay_model_input(m);
    lab->rectified = before != ASSAY_NO_VALUE;
    lab->features = assay_op_flatten(
        lab->graph, lab->rectified ? before : assay_model_embedding(m));
    append_loss(lab);
    rc = assay_graph_check(lab->graph, err);
    if (!rc)
        rc = assay_differentiate(lab->graph, lab->loss, &parameter, 1,
                                 &lab->gradient, err);
    if (!rc && lab->gradient == ASSAY_NO_VALUE)
        rc = assay_error_set(err, ASSAY_ARG,
                             "the embedding does not depend on '%.100s'",
                             lab->slot->name);
    return rc;
}

static int compile(struct assay__reuse_lab *lab,
                   const struct assay_context *ctx,
                   const struct assay_compute *compute, struct assay_error *err)
{
    struct assay_plan_options o = {0};
    assay_value outputs[3] = {lab->loss, lab->features, lab->gradient};

    o.backend = compute->backend;
    o.batch = (int64_t)lab->batch;
    o.mode = ASSAY_MODE_EVAL;
    o.threads = compute->threads ? compute->threads : ctx->threads;
    o.algorithms = compute->algorithms;
    o.tuning = compute->tuning;
    o.outputs = outputs;
    o.n_outputs = 3;
    return assay_plan_new(&lab->plan, lab->graph, &o, err);
}

int assay__reuse_lab_open(struct assay__reuse_lab *lab, const assay_model *m,
                          const struct assay_param_slot *slot, size_t batch,
                          const struct assay_context *ctx,
                          const struct assay_compute *compute,
                          struct assay_error *err)
{
    int rc;

    memset(lab, 0, sizeof(*lab));
    lab->model = m;
    lab->slot = slot;
    lab->batch = batch;
    rc = build(lab, err);
    if (!rc)
        rc = compile(lab, ctx, compute, err);
    if (rc)
        return rc;
    lab->pixels = width_of(lab->graph, lab->input);
    lab->dim = width_of(lab->graph, lab->features);
    lab->size = slot->count;
    lab->rows = assay__calloc(batch * lab->dim, sizeof(double));
    lab->upper = assay__calloc(batch * lab->dim, sizeof(double));
    lab->zero = assay__calloc(batch * lab->dim, sizeof(double));
    lab->x = assay__calloc(batch * lab->pixels, sizeof(double));
    lab->chunk = assay__calloc(lab->size, sizeof(double));
    if (!lab->rows || !lab->upper || !lab->zero || !lab->x || !lab->chunk)
        return assay_error_set(err, ASSAY_NOMEM,
                               "crafting: out of memory for %zu weights",
                               lab->size);
    return assay__reuse_lab_load(lab, err);
}

void assay__reuse_lab_close(struct assay__reuse_lab *lab)
{
    assay_plan_free(lab->plan);
    assay_graph_free(lab->graph);
    assay__free(lab->rows);
    assay__free(lab->upper);
    assay__free(lab->zero);
    assay__free(lab->x);
    assay__free(lab->chunk);
    memset(lab, 0, sizeof(*lab));
}

int assay__reuse_lab_load(struct assay__reuse_lab *lab, struct assay_error *err)
{
    assay_model *m = (assay_model *)(uintptr_t)lab->model;

    return assay_plan_load(lab->plan, assay_model_params(m), err);
}

/* n rows of one input, `all`, or 0; the rest is 0. */
static int write_rows(struct assay__reuse_lab *lab, assay_value v,
                      const double *all, size_t n, struct assay_error *err)
{
    if (!all)
        return assay_plan_write_f64(lab->plan, v, lab->zero, err);
    memset(lab->rows, 0, lab->batch * lab->dim * sizeof(double));
    memcpy(lab->rows, all, n * lab->dim * sizeof(double));
    return assay_plan_write_f64(lab->plan, v, lab->rows, err);
}

/* The target of row i. */
static const double *target_of(const struct assay__reuse_lab *lab,
                               const struct assay__reuse_rows *r, size_t i)
{
    return r->targets ? r->targets + i * lab->dim : r->target;
}

/* Weights of n rows: where the ReLU counts, by the sign of the target. */
static int write_weights(struct assay__reuse_lab *lab,
                         const struct assay__reuse_rows *r, size_t first,
                         size_t n, struct assay_error *err)
{
    size_t bytes = lab->batch * lab->dim * sizeof(double);
    int rc;

    memset(lab->rows, 0, bytes);
    memset(lab->upper, 0, bytes);
    for (size_t i = 0; i < n && r->weight; i++) {
        const double *target = target_of(lab, r, first + i);

        for (size_t k = 0; k < lab->dim; k++) {
            double *to =
                lab->rectified && target[k] <= 0 ? lab->upper : lab->rows;

            to[i * lab->dim + k] = r->weight[k];
        }
    }
    rc = assay_plan_write_f64(lab->plan, lab->weight, lab->rows, err);
    if (!rc && lab->rectified)
        rc = assay_plan_write_f64(lab->plan, lab->above, lab->upper, err);
    return rc;
}

static int write_targets(struct assay__reuse_lab *lab,
                         const struct assay__reuse_rows *r, size_t first,
                         size_t n, struct assay_error *err)
{
    if (!r->weight)
        return assay_plan_write_f64(lab->plan, lab->target, lab->zero, err);
    memset(lab->rows, 0, lab->batch * lab->dim * sizeof(double));
    for (size_t i = 0; i < n; i++)
        memcpy(lab->rows + i * lab->dim, target_of(lab, r, first + i),
               lab->dim * sizeof(double));
    return assay_plan_write_f64(lab->plan, lab->target, lab->rows, err);
}

/* Rows first .. first+n-1 into the plan, and run it. */
static int run_chunk(struct assay__reuse_lab *lab,
                     const struct assay__reuse_rows *r, size_t first, size_t n,
                     struct assay_error *err)
{
    const double *probe = r->probe ? r->probe + first * lab->dim : NULL;
    int rc;

    for (size_t i = 0; i < lab->batch; i++) {
        const float *from = r->x + (first + (i < n ? i : 0)) * lab->pixels;

        for (size_t k = 0; k < lab->pixels; k++)
            lab->x[i * lab->pixels + k] = (double)from[k];
    }
    rc = assay_plan_write_f64(lab->plan, lab->input, lab->x, err);
    if (!rc)
        rc = write_targets(lab, r, first, n, err);
    if (!rc)
        rc = write_weights(lab, r, first, n, err);
    if (!rc)
        rc = write_rows(lab, lab->probe, probe, n, err);
    return rc ? rc : assay_plan_run(lab->plan, err);
}

static int read_chunk(struct assay__reuse_lab *lab, size_t first, size_t n,
                      double *loss, double *features, double *gradient,
                      struct assay_error *err)
{
    double scale = (double)lab->batch; /* the loss is a mean over rows */
    double value = 0;
    int rc = assay_plan_read_f64(lab->plan, lab->loss, &value, err);

    if (!rc && !isfinite(value))
        rc = assay_error_set(err, ASSAY_NUMERIC,
                             "crafting: a loss is not finite: the model's "
                             "numbers overflow on an input");
    if (!rc && loss)
        *loss += scale * value;
    if (!rc && features) {
        rc = assay_plan_read_f64(lab->plan, lab->features, lab->rows, err);
        memcpy(features + first * lab->dim, lab->rows,
               n * lab->dim * sizeof(double));
    }
    if (!rc && gradient) {
        rc = assay_plan_read_f64(lab->plan, lab->gradient, lab->chunk, err);
        for (size_t i = 0; i < lab->size && !rc; i++)
            gradient[i] += scale * lab->chunk[i];
    }
    return rc;
}

int assay__reuse_lab_run(struct assay__reuse_lab *lab,
                         const struct assay__reuse_rows *rows, double *loss,
                         double *features, double *gradient,
                         struct assay_error *err)
{
    int rc = ASSAY_OK;

    if (loss)
        *loss = 0;
    if (gradient)
        memset(gradient, 0, lab->size * sizeof(double));
    for (size_t first = 0; first < rows->n && !rc; first += lab->batch) {
        size_t left = rows->n - first;
        size_t n = left < lab->batch ? left : lab->batch;

        rc = run_chunk(lab, rows, first, n, err);
        if (!rc)
            rc = read_chunk(lab, first, n, loss, features, gradient, err);
    }
    return rc;
}
