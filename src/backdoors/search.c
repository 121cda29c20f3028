/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns that drive an embedding somewhere. The pattern is an input of the
 * graph,
 *
 *   x' = (1 - mask) x + mask pattern,
 *
 * the network behind it is as it is in evaluation, and Adam (.9, .999) moves
 * the pixels under the mask by the slope of the loss; each step sees another
 * batch. The pattern lives in numbers that the model reads and is held
 * within those of pixels of 0..255: nothing wraps around.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "backdoors/backdoors.h"
#include "core/mem.h"

enum { BATCH = 32 };

struct hunt {
    const struct assay__trigger_search *s;
    const struct assay_preprocess *pre;
    assay_graph *graph;
    assay_value x;
    assay_value pattern;
    assay_value loss;
    assay_value slope;
    struct assay_params params;
    assay_plan *plan;
    uint32_t *rows; /* of in->train that are not the target's */
    size_t n_rows;
    size_t batch;
    size_t plane;
    size_t n;      /* numbers of a pattern */
    float *images; /* [batch, C, H, W] */
    float *value;  /* [C, H, W] */
    float *d;
    double *first; /* Adam's moments */
    double *second;
};

static void hunt_release(struct hunt *h)
{
    assay_plan_free(h->plan);
    assay_params_release(&h->params);
    assay_graph_free(h->graph);
    assay__free(h->rows);
    assay__free(h->images);
    assay__free(h->value);
    assay__free(h->d);
    assay__free(h->first);
    assay__free(h->second);
}

static int list_rows(struct hunt *h, struct assay_error *err)
{
    const assay_view *view = h->s->in->train;
    size_t n = assay_view_count(view);

    h->rows = assay__calloc(n, sizeof(*h->rows));
    if (!h->rows)
        return assay_error_set(err, ASSAY_NOMEM, "trigger: out of memory");
    for (size_t i = 0; i < n; i++)
        if (assay_view_label(view, i) != h->s->in->target)
            h->rows[h->n_rows++] = (uint32_t)i;
    if (h->n_rows == 0)
        return assay_error_set(err, ASSAY_DATA,
                               "trigger: all records are of the target class "
                               "%d",
                               h->s->in->target);
    h->batch = h->n_rows < BATCH ? h->n_rows : BATCH;
    return ASSAY_OK;
}

static int make_room(struct hunt *h, struct assay_error *err)
{
    h->plane = (size_t)h->pre->height * (size_t)h->pre->width;
    h->n = h->plane * (size_t)h->pre->channels;
    h->images = assay__calloc(h->batch * h->n, sizeof(float));
    h->value = assay__calloc(h->n, sizeof(float));
    h->d = assay__calloc(h->n, sizeof(float));
    h->first = assay__calloc(h->n, sizeof(double));
    h->second = assay__calloc(h->n, sizeof(double));
    return h->images && h->value && h->d && h->first && h->second
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "trigger: out of memory");
}

/* weight (f - goal)^2 summed over the embedding, its mean over records. */
static void append_loss(struct hunt *h, assay_value embedding)
{
    struct assay_init zero = {.rule = ASSAY_INIT_ZERO};
    struct assay_shape row = *assay_graph_shape(h->graph, embedding);
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_graph *g = h->graph;
    assay_value goal;
    assay_value weight;
    assay_value d;

    row.dim[0] = 1;
    goal = assay_graph_param(g, "search.goal", &row, zero, 0);
    weight = assay_graph_param(g, "search.weight", &row, zero, 0);
    d = assay_op_binary(g, ASSAY_BINARY_SUB, embedding, goal);
    d = assay_op_binary(g, ASSAY_BINARY_MUL, assay_op_mul(g, d, d), weight);
    d = assay_op_reduce(g, ASSAY_REDUCE_SUM, d, 1U << 1);
    h->loss = assay_op_mean(g, assay_op_reshape(g, d, &rows));
}

static int build(struct hunt *h, struct assay_error *err)
{
    const assay_model *m = h->s->model;
    struct assay_init zero = {.rule = ASSAY_INIT_ZERO};
    struct assay_shape shape =
        *assay_graph_shape(assay_model_graph(m), assay_model_input(m));
    assay_value wanted = assay_model_embedding(m);
    assay_value mask;
    assay_value x;
    int rc = assay_graph_new(&h->graph, err);

    if (rc)
        return rc;
    h->x = assay_graph_input(h->graph, "x", &shape);
    shape.dim[0] = 1;
    h->pattern = assay_graph_input(h->graph, "pattern", &shape);
    shape.dim[1] = 1;
    mask = assay_graph_param(h->graph, "search.mask", &shape, zero, 0);
    x = assay_op_binary(h->graph, ASSAY_BINARY_SUB, h->pattern, h->x);
    x = assay_op_binary(h->graph, ASSAY_BINARY_MUL, x, mask);
    x = assay_op_add(h->graph, h->x, x);
    rc = assay_graph_append_evaluating(h->graph, assay_model_graph(m), "", &x,
                                       &wanted, 1, err);
    if (rc)
        return rc;
    append_loss(h, wanted);
    rc = assay_graph_check(h->graph, err);
    return rc ? rc
              : assay_differentiate(h->graph, h->loss, &h->pattern, 1,
                                    &h->slope, err);
}

static int compile(struct hunt *h, const struct assay_trigger *t,
                   struct assay_error *err)
{
    const struct assay_backdoor_input *in = h->s->in;
    const struct assay_compute *c = in->compute;
    assay_value outputs[2] = {h->loss, h->slope};
    struct assay_plan_options o = {.backend = c->backend,
                                   .batch = (int64_t)h->batch,
                                   .mode = ASSAY_MODE_EVAL,
                                   .threads = c->threads ? c->threads
                                                         : in->ctx->threads,
                                   .algorithms = c->algorithms,
                                   .compute = c->dtype,
                                   .tuning = c->tuning,
                                   .outputs = outputs,
                                   .n_outputs = 2};
    size_t width = (size_t)assay_graph_shape(assay_model_graph(h->s->model),
                                             assay_model_embedding(h->s->model))
                       ->dim[1];
    int rc = assay_params_make(&h->params, h->graph, err);

    if (!rc)
        rc = assay_params_fill(&h->params, "", assay_model_weights(h->s->model),
                               err);
    if (!rc)
        rc =
            assay__param_set(&h->params, "search.mask", t->mask, h->plane, err);
    if (!rc)
        rc =
            assay__param_set(&h->params, "search.goal", h->s->goal, width, err);
    if (!rc)
        rc = assay__param_set(&h->params, "search.weight", h->s->weight, width,
                              err);
    if (!rc)
        rc = assay_plan_new(&h->plan, h->graph, &o, err);
    return rc ? rc : assay_plan_load(h->plan, &h->params, err);
}

/* The number that a pixel is for the model, and back. */
static double to_number(const struct hunt *h, size_t i, double pixel)
{
    size_t c = i / h->plane;

    return (pixel * h->pre->scale - h->pre->mean[c]) / h->pre->std[c];
}

static double to_pixel(const struct hunt *h, size_t i)
{
    size_t c = i / h->plane;

    return ((double)h->value[i] * h->pre->std[c] + h->pre->mean[c]) /
           h->pre->scale;
}

static void move(struct hunt *h, const struct assay_trigger *t, size_t step)
{
    double first = 1 - pow(.9, (double)(step + 1));
    double second = 1 - pow(.999, (double)(step + 1));

    for (size_t i = 0; i < h->n; i++) {
        double d = (double)h->d[i];
        double low = to_number(h, i, 0);
        double high = to_number(h, i, 255);
        double v = (double)h->value[i];

        if (!(t->mask[i % h->plane] > 0))
            continue;
        h->first[i] = .9 * h->first[i] + .1 * d;
        h->second[i] = .999 * h->second[i] + .001 * d * d;
        v -= h->s->rate * (high - low) * (h->first[i] / first) /
             (sqrt(h->second[i] / second) + 1e-12);
        h->value[i] = (float)fmin(fmax(v, low), high);
    }
}

static int take_step(struct hunt *h, const struct assay_trigger *t, size_t step,
                     struct assay_error *err)
{
    uint32_t rows[BATCH];
    struct assay_rng rng;
    int rc = assay_context_check(h->s->in->ctx, err);

    if (rc)
        return rc;
    assay_rng_init(&rng, h->s->in->seed, "trigger-search", step);
    for (size_t i = 0; i < h->batch; i++)
        rows[i] = h->rows[assay_rng_below(&rng, h->n_rows)];
    assay_view_fill(h->s->in->train, rows, h->batch, NULL, 0, 0, h->images);
    rc = assay_plan_write(h->plan, h->x, h->images, err);
    if (!rc)
        rc = assay_plan_write(h->plan, h->pattern, h->value, err);
    if (!rc)
        rc = assay_plan_run(h->plan, err);
    if (!rc)
        rc = assay_plan_read(h->plan, h->slope, h->d, err);
    if (!rc)
        move(h, t, step);
    return rc;
}

static int search(struct hunt *h, struct assay_trigger *t,
                  struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < h->n; i++)
        h->value[i] = (float)to_number(h, i, (double)t->pattern[i]);
    for (size_t step = 0; step < h->s->steps && !rc; step++)
        rc = take_step(h, t, step, err);
    for (size_t i = 0; i < h->n && !rc; i++)
        t->pattern[i] = t->mask[i % h->plane] > 0
                            ? (float)fmin(fmax(rint(to_pixel(h, i)), 0), 255)
                            : 0;
    return rc;
}

int assay__trigger_search(const struct assay__trigger_search *s,
                          struct assay_trigger *t, struct assay_error *err)
{
    struct hunt h = {.s = s, .pre = assay_model_preprocess(s->model)};
    int rc = list_rows(&h, err);

    if (!rc)
        rc = make_room(&h, err);
    if (!rc)
        rc = build(&h, err);
    if (!rc && h.slope == ASSAY_NO_VALUE)
        rc = assay_error_set(err, ASSAY_UNSUPPORTED,
                             "trigger: the embedding does not depend on the "
                             "input");
    if (!rc)
        rc = compile(&h, t, err);
    if (!rc)
        rc = search(&h, t, err);
    hunt_release(&h);
    return rc;
}
