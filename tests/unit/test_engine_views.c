/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that look at a value as maps, behind a reshape: the layout in which
 * its numbers come may have other dimensions than the value has. Each
 * network is computed by both backends, outputs and gradients.
 */

#include <stdlib.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "check.h"

enum { N = 6, IN = 12, MAPS = 16, SIDE = 4, ALL = MAPS * SIDE * SIDE };

/* x [N, IN] - linear - maps [N, MAPS, SIDE, SIDE] - `op` - mean square. */
struct net {
    assay_graph *graph;
    assay_value x;
    assay_value y;
    assay_value d;
};

typedef assay_value build(assay_graph *g, assay_value maps);

static assay_value by_batch(assay_graph *g, assay_value maps)
{
    return assay_layer_batchnorm(g, maps, "norm");
}

static assay_value by_group(assay_graph *g, assay_value maps)
{
    return assay_layer_groupnorm(g, maps, "norm", 4);
}

static assay_value by_average(assay_graph *g, assay_value maps)
{
    return assay_op_global_avgpool(g, maps);
}

static assay_value by_maximum(assay_graph *g, assay_value maps)
{
    return assay_op_maxpool(g, maps, 2, 2, 0);
}

static void make(struct net *t, build *op)
{
    struct assay_shape rows =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)IN);
    struct assay_shape maps = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)MAPS, (int64_t)SIDE, (int64_t)SIDE);
    struct assay_error err = {0};
    assay_value loss;
    assay_value v;

    CHECK_OK(assay_graph_new(&t->graph, &err), err);
    t->x = assay_graph_input(t->graph, "x", &rows);
    v = assay_layer_linear(t->graph, t->x, "fc", ALL);
    t->y = op(t->graph, assay_op_reshape(t->graph, v, &maps));
    v = assay_op_mul(t->graph, t->y, t->y);
    loss = assay_op_mean(
        t->graph,
        assay_op_mse(t->graph, v, assay_op_affine(t->graph, v, .5, 1)));
    CHECK_OK(assay_differentiate(t->graph, loss, &t->x, 1, &t->d, &err), err);
}

/* y, then the gradient. */
static void compute(const struct net *t, const char *backend,
                    enum assay_mode mode, const float *x, float *y, float *d)
{
    assay_value outputs[2] = {t->y, t->d};
    struct assay_plan_options o = {.backend = backend,
                                   .batch = N,
                                   .mode = mode,
                                   .threads = 1,
                                   .algorithms = ASSAY_ALGORITHMS_DIRECT,
                                   .outputs = outputs,
                                   .n_outputs = 2};
    struct assay_params p = {0};
    struct assay_error err = {0};
    assay_plan *plan = NULL;

    CHECK_OK(assay_params_make(&p, t->graph, &err), err);
    CHECK_OK(assay_params_init(&p, t->graph, 3, &err), err);
    CHECK_OK(assay_plan_new(&plan, t->graph, &o, &err), err);
    CHECK_OK(assay_plan_load(plan, &p, &err), err);
    CHECK_OK(assay_plan_write(plan, t->x, x, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, t->y, y, &err), err);
    CHECK_OK(assay_plan_read(plan, t->d, d, &err), err);
    assay_plan_free(plan);
    assay_params_release(&p);
}

static void check_op(build *op, enum assay_mode mode)
{
    static float y[2][N * ALL];
    static float d[2][N * IN];
    float x[N * IN];
    struct assay_rng rng;
    struct net t;

    make(&t, op);
    assay_rng_init(&rng, 1, "test", 0);
    for (size_t i = 0; i < N * IN; i++)
        x[i] = (float)assay_rng_normal(&rng);
    memset(y, 0, sizeof(y));
    compute(&t, "reference", mode, x, y[0], d[0]);
    compute(&t, "onednn", mode, x, y[1], d[1]);
    for (size_t i = 0; i < N * ALL; i++)
        CHECK_NEAR(y[1][i], y[0][i], 1e-4);
    for (size_t i = 0; i < N * IN; i++)
        CHECK_NEAR(d[1][i], d[0][i], 1e-4);
    assay_graph_free(t.graph);
}

static void test_batchnorm_behind_a_reshape(void)
{
    check_op(by_batch, ASSAY_MODE_TRAIN);
    check_op(by_batch, ASSAY_MODE_EVAL);
}

static void test_groupnorm_behind_a_reshape(void)
{
    check_op(by_group, ASSAY_MODE_TRAIN);
}

static void test_pooling_behind_a_reshape(void)
{
    check_op(by_average, ASSAY_MODE_EVAL);
    check_op(by_maximum, ASSAY_MODE_EVAL);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_batchnorm_behind_a_reshape),
    CHECK_TEST(test_groupnorm_behind_a_reshape),
    CHECK_TEST(test_pooling_behind_a_reshape),
};

CHECK_MAIN(tests)
