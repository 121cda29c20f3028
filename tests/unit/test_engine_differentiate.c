/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Derivatives as nodes: against differences of the loss, sums over several
 * paths, and nothing computed that was not asked for. (Each op's own
 * derivative is the business of the ops' tests.)
 */

#include "assay/graph.h"

#include "engine/graph.h"
#include "tiny_net.h"

enum { BATCH = 3, MAX_COUNT = 64 };

/* The loss at the plan's parameters and inputs. */
static double loss_of(assay_plan *plan, assay_value loss)
{
    struct assay_error err = {0};
    double x;

    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, loss, &x, &err), err);
    return x;
}

/* d (values of v) against central differences, v an input or parameter. */
static void check_by_differences(assay_plan *plan, assay_value loss,
                                 assay_value v, double *at, size_t count,
                                 assay_value gradient)
{
    const double h = 1e-5;
    struct assay_error err = {0};
    double d[MAX_COUNT];

    CHECK_OK(assay_plan_write_f64(plan, v, at, &err), err);
    (void)loss_of(plan, loss);
    CHECK_OK(assay_plan_read_f64(plan, gradient, d, &err), err);
    for (size_t i = 0; i < count; i++) {
        double kept = at[i];
        double above;
        double below;

        at[i] = kept + h;
        CHECK_OK(assay_plan_write_f64(plan, v, at, &err), err);
        above = loss_of(plan, loss);
        at[i] = kept - h;
        CHECK_OK(assay_plan_write_f64(plan, v, at, &err), err);
        below = loss_of(plan, loss);
        at[i] = kept;
        CHECK_OK(assay_plan_write_f64(plan, v, at, &err), err);
        CHECK_NEAR(d[i], (above - below) / (2.0 * h), 1e-8);
    }
}

static void fill_params(assay_plan *plan, const struct tiny_net *t)
{
    struct assay_error err = {0};
    struct assay_params p;

    CHECK_OK(assay_params_make(&p, t->graph, &err), err);
    CHECK_OK(assay_params_init(&p, t->graph, 3, &err), err);
    CHECK_OK(assay_plan_load(plan, &p, &err), err);
    assay_params_release(&p);
}

static void test_gradients_match_differences(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value wrt[5];
    assay_value out[6];
    float data[BATCH * TINY_FEATURES];
    float labels[BATCH];
    double at[MAX_COUNT];
    struct assay_plan_options o;
    assay_plan *plan;

    tiny_net_make(&t, 0.0);
    for (int i = 0; i < 4; i++)
        wrt[i] = assay_graph_param_at(t.graph, i);
    wrt[4] = t.x;
    CHECK_OK(assay_differentiate(t.graph, t.loss, wrt, 5, out, &err), err);
    out[5] = t.loss;
    o = tiny_options(BATCH, out, 6);
    CHECK_OK(assay_plan_new(&plan, t.graph, &o, &err), err);
    fill_params(plan, &t);
    tiny_data(data, labels, BATCH, 8);
    CHECK_OK(assay_plan_write(plan, t.x, data, &err), err);
    CHECK_OK(assay_plan_write(plan, t.labels, labels, &err), err);
    for (int i = 0; i < 4; i++) {
        size_t count = assay_shape_count(assay_graph_shape(t.graph, wrt[i]), 1);

        CHECK_OK(assay_plan_read_f64(plan, wrt[i], at, &err), err);
        check_by_differences(plan, t.loss, wrt[i], at, count, out[i]);
    }
    for (size_t i = 0; i < BATCH * TINY_FEATURES; i++)
        at[i] = (double)data[i];
    check_by_differences(plan, t.loss, t.x, at, BATCH * TINY_FEATURES, out[4]);
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

/* Scalar graphs over one input s of rank 0 would do, but losses are means:
 * x is [N] and the loss the mean of f(x), so d = f'(x) / N. */
static void test_paths_are_summed(void)
{
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_error err = {0};
    const double at[2] = {3.0, -1.5};
    double got[2];
    assay_graph *g;
    assay_value x;
    assay_value y;
    assay_value loss;
    assay_value d;
    struct assay_plan_options o;
    assay_plan *plan;

    CHECK_OK(assay_graph_new(&g, &err), err);
    x = assay_graph_input(g, "x", &each);
    y = assay_op_mul(g, x, x);
    y = assay_op_add(g, assay_op_mul(g, y, x), x); /* x^3 + x */
    loss = assay_op_mean(g, y);
    CHECK_OK(assay_differentiate(g, loss, &x, 1, &d, &err), err);
    o = tiny_options(2, &d, 1);
    CHECK_OK(assay_plan_new(&plan, g, &o, &err), err);
    CHECK_OK(assay_plan_write_f64(plan, x, at, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, d, got, &err), err);
    for (int i = 0; i < 2; i++)
        CHECK_NEAR(got[i], (3.0 * at[i] * at[i] + 1.0) / 2.0, 1e-14);
    assay_plan_free(plan);
    assay_graph_free(g);
}

static int count_op(const assay_graph *g, const char *name)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        n += strcmp(g->node[i].op->name, name) == 0;
    return n;
}

static void test_frozen_layers_cost_nothing(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value last;
    assay_value d;

    tiny_net_make(&t, 0.0);
    last = assay_graph_find(t.graph, "fc2.weight");
    CHECK_OK(assay_differentiate(t.graph, t.loss, &last, 1, &d, &err), err);
    CHECK(d != ASSAY_NO_VALUE);
    CHECK_INT_EQ(count_op(t.graph, "linear_bwd_weights"), 1);
    CHECK_INT_EQ(count_op(t.graph, "linear_bwd_data"), 0);
    CHECK_INT_EQ(count_op(t.graph, "relu_bwd"), 0);
    assay_graph_free(t.graph);
}

static void test_input_gradient_needs_no_weights(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value d;

    tiny_net_make(&t, 0.0);
    CHECK_OK(assay_differentiate(t.graph, t.loss, &t.x, 1, &d, &err), err);
    CHECK_INT_EQ(count_op(t.graph, "linear_bwd_weights"), 0);
    CHECK_INT_EQ(count_op(t.graph, "linear_bwd_data"), 2);
    CHECK(assay_shape_equal(assay_graph_shape(t.graph, d),
                            assay_graph_shape(t.graph, t.x)));
    assay_graph_free(t.graph);
}

static void test_inner_value_stops_the_walk(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value d;

    tiny_net_make(&t, 0.0);
    CHECK_OK(assay_differentiate(t.graph, t.loss, &t.hidden, 1, &d, &err), err);
    CHECK_INT_EQ(count_op(t.graph, "linear_bwd_data"), 1);
    CHECK_INT_EQ(count_op(t.graph, "relu_bwd"), 0);
    assay_graph_free(t.graph);
}

static void test_independent_value_has_none(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value wrt[2];
    assay_value d[2] = {77, 77};
    int n_nodes;

    tiny_net_make(&t, 0.0);
    wrt[0] = wrt[1] = t.correct;
    n_nodes = t.graph->n_nodes;
    CHECK_OK(assay_differentiate(t.graph, t.loss, wrt, 2, d, &err), err);
    CHECK_INT_EQ(d[0], ASSAY_NO_VALUE);
    CHECK_INT_EQ(d[1], ASSAY_NO_VALUE);
    CHECK_INT_EQ(t.graph->n_nodes, n_nodes);
    CHECK_OK(assay_differentiate(t.graph, t.loss, wrt, 0, d, &err), err);
    assay_graph_free(t.graph);
}

static void test_loss_itself_has_one(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value d;

    tiny_net_make(&t, 0.0);
    CHECK_OK(assay_differentiate(t.graph, t.loss, &t.loss, 1, &d, &err), err);
    CHECK_STR_EQ(t.graph->node[t.graph->value[d].node].op->name, "fill");
    assay_graph_free(t.graph);
}

static void test_op_without_derivative_is_named(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value loss;
    assay_value d;

    tiny_net_make(&t, 0.0);
    loss = assay_op_mean(t.graph, t.correct);
    CHECK_FAILS(assay_differentiate(t.graph, loss, &t.x, 1, &d, &err),
                ASSAY_UNSUPPORTED, err);
    CHECK_STR_HAS(err.msg, "correct");
    assay_graph_free(t.graph);
}

static void test_wrong_arguments_are_refused(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value bad = 1000;
    assay_value d;

    tiny_net_make(&t, 0.0);
    CHECK_FAILS(assay_differentiate(t.graph, t.losses, &t.x, 1, &d, &err),
                ASSAY_SHAPE, err);
    CHECK_FAILS(assay_differentiate(t.graph, bad, &t.x, 1, &d, &err), ASSAY_ARG,
                err);
    CHECK_FAILS(assay_differentiate(t.graph, t.loss, &bad, 1, &d, &err),
                ASSAY_ARG, err);
    assay_graph_free(t.graph);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_gradients_match_differences),
    CHECK_TEST(test_paths_are_summed),
    CHECK_TEST(test_frozen_layers_cost_nothing),
    CHECK_TEST(test_input_gradient_needs_no_weights),
    CHECK_TEST(test_inner_value_stops_the_walk),
    CHECK_TEST(test_independent_value_has_none),
    CHECK_TEST(test_loss_itself_has_one),
    CHECK_TEST(test_op_without_derivative_is_named),
    CHECK_TEST(test_wrong_arguments_are_refused),
};

CHECK_MAIN(tests)
