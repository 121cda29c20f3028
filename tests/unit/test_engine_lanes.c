/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers behind a grouped convolution: with 8 channels to a group the library
 * gives maps in blocks of 8 channels, also where the machine's own are of 16.
 * Values and gradients against the reference backend.
 */

#include <math.h>
#include <stdlib.h>

#include "assay/layers.h"
#include "assay/params.h"
#include "assay/plan.h"
#include "check.h"

enum { SIDE = 8, BATCH = 2 };

static struct assay_error err;

struct made {
    double *y;
    double *dx;
    size_t n_y, n_x;
};

typedef assay_value tail_fn(assay_graph *g, assay_value x);

static assay_value gap(assay_graph *g, assay_value x)
{
    return assay_op_global_avgpool(g, assay_op_relu(g, x));
}

static assay_value maximum(assay_graph *g, assay_value x)
{
    return assay_op_maxpool(g, x, 3, 2, 1);
}

static assay_value average(assay_graph *g, assay_value x)
{
    return assay_op_avgpool(g, assay_layer_batchnorm(g, x, "norm"), 2, 2, 0);
}

static assay_value joined(assay_graph *g, assay_value x)
{
    const assay_value both[] = {x, assay_op_relu(g, x)};

    return assay_op_concat(g, both, 2, 1);
}

static void run(const char *backend, int channels, int groups, tail_fn *tail,
                struct made *out)
{
    struct assay_shape in =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)channels,
                         (int64_t)SIDE, (int64_t)SIDE);
    struct assay_conv conv = {
        .out = channels, .kernel = 3, .pad = 1, .groups = groups};
    struct assay_plan_options o = {.backend = backend,
                                   .batch = BATCH,
                                   .threads = 1,
                                   .mode = ASSAY_MODE_EVAL,
                                   .algorithms = ASSAY_ALGORITHMS_DIRECT,
                                   .n_outputs = 2};
    struct assay_params params = {0};
    assay_value outputs[2];
    assay_value target;
    assay_value loss;
    assay_value x;
    assay_graph *g = NULL;
    assay_plan *plan = NULL;
    float *pixels;

    CHECK_OK(assay_graph_new(&g, &err), err);
    x = assay_graph_input(g, "input", &in);
    outputs[0] = tail(g, assay_layer_conv(g, x, "conv", &conv));
    target = assay_op_affine(g, outputs[0], 0, .3);
    loss = assay_op_mean(g, assay_op_mse(g, outputs[0], target));
    CHECK_OK(assay_differentiate(g, loss, &x, 1, &outputs[1], &err), err);
    CHECK_OK(assay_params_make(&params, g, &err), err);
    for (size_t i = 0; i < params.size; i++)
        params.data[i] = (float)(1 + sin(1.3 * (double)i)) / 2;
    out->n_x = assay_shape_count(&in, BATCH);
    out->n_y = assay_shape_count(assay_graph_shape(g, outputs[0]), BATCH);
    pixels = calloc(out->n_x, sizeof(*pixels));
    out->y = calloc(out->n_y, sizeof(*out->y));
    out->dx = calloc(out->n_x, sizeof(*out->dx));
    CHECK(pixels && out->y && out->dx);
    for (size_t i = 0; i < out->n_x; i++)
        pixels[i] = (float)sin(.7 * (double)i);
    o.outputs = outputs;
    CHECK_OK(assay_plan_new(&plan, g, &o, &err), err);
    CHECK_OK(assay_plan_load(plan, &params, &err), err);
    CHECK_OK(assay_plan_write(plan, x, pixels, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, outputs[0], out->y, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, outputs[1], out->dx, &err), err);
    assay_plan_free(plan);
    assay_params_release(&params);
    assay_graph_free(g);
    free(pixels);
}

static void check_equal(const double *got, const double *want, size_t n)
{
    double largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        CHECK_NEAR(got[i], want[i], 1e-5 * largest);
}

static void test_tail(tail_fn *tail)
{
    static const int cases[][2] = {{48, 6},  {64, 8},   {64, 4}, {64, 16},
                                   {24, 24}, {104, 13}, {48, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct made got;
        struct made want;

        run(NULL, cases[i][0], cases[i][1], tail, &got);
        run("reference", cases[i][0], cases[i][1], tail, &want);
        check_equal(got.y, want.y, want.n_y);
        check_equal(got.dx, want.dx, want.n_x);
        free(got.y);
        free(got.dx);
        free(want.y);
        free(want.dx);
    }
}

static void test_global_average_behind_groups(void)
{
    test_tail(gap);
}

static void test_maximum_behind_groups(void)
{
    test_tail(maximum);
}

static void test_norm_and_average_behind_groups(void)
{
    test_tail(average);
}

static void test_joined_maps_of_groups(void)
{
    test_tail(joined);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_global_average_behind_groups),
    CHECK_TEST(test_maximum_behind_groups),
    CHECK_TEST(test_norm_and_average_behind_groups),
    CHECK_TEST(test_joined_maps_of_groups),
};

CHECK_MAIN(tests)
