/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs inside graphs, and what a graph says of its layers: a network
 * appended as it is in evaluation answers so in a plan for training, too,
 * and its running statistics stay.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "check.h"

enum { N = 3, SIDE = 6, IMAGE = 2 * SIDE * SIDE, OUT = 4 };

static struct assay_error err;

/* conv - batch norm - relu - dropout - pool - linear - batch norm. */
struct net {
    assay_graph *g;
    assay_value x, conv, active, pooled, linear, y;
};

static void net_open(struct net *n)
{
    struct assay_shape shape = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)2, (int64_t)SIDE, (int64_t)SIDE);
    struct assay_conv conv = {.out = 3, .kernel = 3, .pad = 1};

    CHECK_OK(assay_graph_new(&n->g, &err), err);
    n->x = assay_graph_input(n->g, "x", &shape);
    n->conv = assay_layer_conv(n->g, n->x, "conv", &conv);
    n->active = assay_op_relu(n->g, assay_layer_batchnorm(n->g, n->conv, "bn"));
    n->pooled =
        assay_op_maxpool(n->g, assay_op_dropout(n->g, n->active, .5), 2, 2, 0);
    n->linear =
        assay_layer_linear(n->g, assay_op_flatten(n->g, n->pooled), "fc", OUT);
    n->y = assay_layer_batchnorm(n->g, n->linear, "bn2");
    CHECK_OK(assay_graph_check(n->g, &err), err);
}

static void fill(struct assay_params *p)
{
    struct assay_rng rng;

    assay_rng_init(&rng, 2, "test-append", 0);
    for (int i = 0; i < p->n_slots; i++)
        for (size_t k = 0; k < p->slot[i].count; k++)
            p->data[p->slot[i].offset + k] =
                (float)(.2 + assay_rng_uniform(&rng)); /* variances too */
}

static void run(const char *backend, const assay_graph *g, enum assay_mode mode,
                struct assay_params *p, assay_value x, assay_value y,
                const float *from, float *to)
{
    struct assay_plan_options o = {.backend = backend,
                                   .batch = N,
                                   .mode = mode,
                                   .threads = 1,
                                   .algorithms = ASSAY_ALGORITHMS_DIRECT,
                                   .outputs = &y,
                                   .n_outputs = 1};
    assay_plan *plan = NULL;

    CHECK_OK(assay_plan_new(&plan, g, &o, &err), err);
    CHECK_OK(assay_plan_load(plan, p, &err), err);
    CHECK_OK(assay_plan_write(plan, x, from, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, y, to, &err), err);
    CHECK_OK(assay_plan_save(plan, p, &err), err);
    assay_plan_free(plan);
}

static void test_appended_in_evaluation(void)
{
    static const char *const backends[] = {"reference", "onednn"};

    for (int b = 0; b < 2; b++) {
        struct assay_params own = {0};
        struct assay_params joined = {0};
        float images[N * IMAGE];
        float want[N * OUT];
        float got[N * OUT];
        assay_graph *g = NULL;
        assay_value x;
        assay_value y;
        struct net n;

        net_open(&n);
        CHECK_OK(assay_params_make(&own, n.g, &err), err);
        fill(&own);
        for (size_t i = 0; i < N * IMAGE; i++)
            images[i] = sinf((float)i);
        run(backends[b], n.g, ASSAY_MODE_EVAL, &own, n.x, n.y, images, want);
        CHECK_OK(assay_graph_new(&g, &err), err);
        x = assay_graph_input(g, "x", assay_graph_shape(n.g, n.x));
        y = n.y;
        CHECK_OK(assay_graph_append_evaluating(g, n.g, "t.", &x, &y, 1, &err),
                 err);
        CHECK_OK(assay_params_make(&joined, g, &err), err);
        CHECK_OK(assay_params_fill(&joined, "t.", &own, &err), err);
        run(backends[b], g, ASSAY_MODE_TRAIN, &joined, x, y, images, got);
        for (size_t i = 0; i < N * OUT; i++)
            CHECK_NEAR(got[i], want[i], 2e-5);
        for (int i = 0; i < own.n_slots; i++)
            CHECK_MEM_EQ(joined.data + joined.slot[i].offset,
                         own.data + own.slot[i].offset,
                         own.slot[i].count * sizeof(float));
        assay_params_release(&joined);
        assay_params_release(&own);
        assay_graph_free(g);
        assay_graph_free(n.g);
    }
}

static void test_filling_says_what_is_missing(void)
{
    struct assay_params own = {0};
    struct net n;

    net_open(&n);
    CHECK_OK(assay_params_make(&own, n.g, &err), err);
    CHECK_FAILS(assay_params_fill(&own, "other.", &own, &err), ASSAY_SHAPE,
                err);
    CHECK_STR_HAS(err.msg, "'other.conv.weight'");
    assay_params_release(&own);
    assay_graph_free(n.g);
}

static const char *name(const assay_graph *g, assay_value v)
{
    return assay_graph_value_name(g, v);
}

static void test_layers_are_told_in_order(void)
{
    static const enum assay_layer_kind kinds[] = {
        ASSAY_LAYER_CONV, ASSAY_LAYER_BATCHNORM, ASSAY_LAYER_LINEAR,
        ASSAY_LAYER_BATCHNORM};
    struct assay_layer l;
    struct net n;

    net_open(&n);
    CHECK_INT_EQ(assay_graph_n_layers(n.g), 4);
    for (int i = 0; i < 4; i++)
        CHECK_INT_EQ(assay_graph_layer_at(n.g, i).kind, kinds[i]);
    l = assay_graph_layer_at(n.g, 0);
    CHECK_INT_EQ(l.source, n.x);
    CHECK_INT_EQ(l.result, n.conv);
    CHECK_INT_EQ(l.active, n.conv);
    CHECK_INT_EQ(l.groups, 1);
    CHECK_STR_EQ(name(n.g, l.weight), "conv.weight");
    CHECK_STR_EQ(name(n.g, l.bias), "conv.bias");
    CHECK_INT_EQ(l.mean, ASSAY_NO_VALUE);
    l = assay_graph_layer_at(n.g, 1);
    CHECK_INT_EQ(l.source, n.conv);
    CHECK_INT_EQ(l.active, n.active);
    CHECK_NEAR(l.eps, 1e-5, 0);
    CHECK_STR_EQ(name(n.g, l.weight), "bn.weight");
    CHECK_STR_EQ(name(n.g, l.mean), "bn.running_mean");
    CHECK_STR_EQ(name(n.g, l.variance), "bn.running_var");
    l = assay_graph_layer_at(n.g, 3);
    CHECK_INT_EQ(l.source, n.linear);
    CHECK_INT_EQ(l.active, l.result);
    CHECK_INT_EQ((int)assay_graph_layer_at(n.g, 4).kind, -1);
    CHECK_INT_EQ((int)assay_graph_layer_at(n.g, -1).kind, -1);
    assay_graph_free(n.g);
}

static void test_a_relu_that_shares_its_input_is_no_activation(void)
{
    struct assay_shape shape =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)3);
    assay_graph *g = NULL;
    assay_value x;

    CHECK_OK(assay_graph_new(&g, &err), err);
    x = assay_layer_linear(g, assay_graph_input(g, "x", &shape), "fc", 3);
    (void)assay_op_add(g, assay_op_relu(g, x), x);
    CHECK_INT_EQ(assay_graph_layer_at(g, 0).active, x);
    assay_graph_free(g);
}

static void test_maps_are_the_last_of_each_size(void)
{
    assay_value map[3];
    struct net n;

    net_open(&n);
    CHECK_INT_EQ(assay_graph_maps(n.g, map, 3), 2);
    /* The dropout comes after what is active. */
    CHECK(map[0] > n.active && map[0] < n.pooled);
    CHECK_INT_EQ(map[1], n.pooled);
    CHECK_INT_EQ(assay_graph_maps(n.g, map, 1), 1);
    CHECK_INT_EQ(map[0], n.pooled);
    CHECK_INT_EQ(assay_graph_maps(n.g, map, 0), 0);
    assay_graph_free(n.g);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_appended_in_evaluation),
    CHECK_TEST(test_filling_says_what_is_missing),
    CHECK_TEST(test_layers_are_told_in_order),
    CHECK_TEST(test_a_relu_that_shares_its_input_is_no_activation),
    CHECK_TEST(test_maps_are_the_last_of_each_size),
};
CHECK_MAIN(tests)
