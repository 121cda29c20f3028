/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What repairs are computed from: singular values and attention maps against
 * NumPy, slopes against differences on the reference backend, and which
 * channels a bound switches off.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../golden/repairs.h"
#include "assay/layers.h"
#include "repairs/repairs.h"
#include "small_data.h"

enum { IMAGES = 2 * 3 * 2 * 4, MAPS = 2 * 2 * 4 };

static struct assay_error err;

static double entry(size_t i, int seed)
{
    return ((int)((37 * i + 11 * (size_t)seed) % 23) - 11) / 8.0;
}

static void test_singular_values_are_numpys(void)
{
    size_t n = sizeof(singular_golden) / sizeof(singular_golden[0]);

    for (size_t i = 0; i < n; i++) {
        const struct singular_row *row = &singular_golden[i];
        float a[64 * 9];

        for (size_t k = 0; k < row->rows * row->columns; k++)
            a[k] = (float)entry(k, row->seed);
        CHECK_NEAR(assay__largest_singular(a, row->rows, row->columns),
                   row->sigma, 1e-13 * row->sigma);
    }
}

static void test_singular_values_of_plain_matrices(void)
{
    static const float zero[6] = {0};
    static const float diagonal[9] = {1, 0, 0, 0, -7, 0, 0, 0, 3};
    static const float outer[6] = {1, 2, 3, 2, 4, 6}; /* rank 1 */

    CHECK_NEAR(assay__largest_singular(zero, 2, 3), 0, 0);
    CHECK_NEAR(assay__largest_singular(diagonal, 3, 3), 7, 1e-14);
    CHECK_NEAR(assay__largest_singular(outer, 2, 3), sqrt(5 * 14), 1e-13);
}

/* The map of an image, and the slope of sum_i i map_i. */
struct map_work {
    assay_graph *g;
    assay_value x, map, sum, slope;
    assay_plan *plan;
};

static void map_open(struct map_work *w)
{
    struct assay_shape shape = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)3, (int64_t)2, (int64_t)4);
    struct assay_plan_options o = {
        .backend = "reference", .batch = 2, .threads = 1, .n_outputs = 3};
    assay_value outputs[3];
    assay_value zero;

    memset(w, 0, sizeof(*w));
    CHECK_OK(assay_graph_new(&w->g, &err), err);
    w->x = assay_graph_input(w->g, "x", &shape);
    w->map = assay__attention_map(w->g, w->x);
    /* Cubed, so that the slope is not that of a constant. */
    zero = assay_op_mul(w->g, w->map, assay_op_mul(w->g, w->map, w->map));
    w->sum = assay_op_reduce(w->g, ASSAY_REDUCE_SUM, zero, 7U << 1);
    shape = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    w->sum = assay_op_mean(w->g, assay_op_reshape(w->g, w->sum, &shape));
    CHECK_OK(assay_graph_check(w->g, &err), err);
    CHECK_OK(assay_differentiate(w->g, w->sum, &w->x, 1, &w->slope, &err), err);
    outputs[0] = w->map;
    outputs[1] = w->sum;
    outputs[2] = w->slope;
    o.outputs = outputs;
    CHECK_OK(assay_plan_new(&w->plan, w->g, &o, &err), err);
}

static double map_run(struct map_work *w, const double *x)
{
    double sum = 0;

    CHECK_OK(assay_plan_write_f64(w->plan, w->x, x, &err), err);
    CHECK_OK(assay_plan_run(w->plan, &err), err);
    CHECK_OK(assay_plan_read_f64(w->plan, w->sum, &sum, &err), err);
    return sum;
}

static void test_attention_maps_are_numpys(void)
{
    double x[IMAGES];
    double map[MAPS];
    struct map_work w;

    map_open(&w);
    for (size_t i = 0; i < IMAGES; i++)
        x[i] = entry(i, 12);
    (void)map_run(&w, x);
    CHECK_OK(assay_plan_read_f64(w.plan, w.map, map, &err), err);
    for (size_t i = 0; i < MAPS; i++)
        CHECK_NEAR(map[i], attention_golden[i], 1e-12);
    /* Where nothing answers, the map is 0 and so is the slope. */
    memset(x, 0, sizeof(x));
    CHECK_NEAR(map_run(&w, x), 0, 0);
    CHECK_OK(assay_plan_read_f64(w.plan, w.slope, x, &err), err);
    for (size_t i = 0; i < IMAGES; i++)
        CHECK_NEAR(x[i], 0, 0);
    assay_plan_free(w.plan);
    assay_graph_free(w.g);
}

static void test_attention_slopes_are_differences(void)
{
    double x[IMAGES];
    double slope[IMAGES];
    struct map_work w;

    map_open(&w);
    for (size_t i = 0; i < IMAGES; i++)
        x[i] = entry(i, 12);
    (void)map_run(&w, x);
    CHECK_OK(assay_plan_read_f64(w.plan, w.slope, slope, &err), err);
    for (size_t i = 0; i < IMAGES; i++) {
        double at = x[i];
        double up;
        double down;

        x[i] = at + 1e-5;
        up = map_run(&w, x);
        x[i] = at - 1e-5;
        down = map_run(&w, x);
        x[i] = at;
        /* A smaller step than kinks are apart, a larger one than f32's. */
        CHECK_NEAR(slope[i], (up - down) / 2e-5, 1e-8);
    }
    assay_plan_free(w.plan);
    assay_graph_free(w.g);
}

static assay_model *norm_model(void)
{
    struct assay_model_spec spec = small_spec();
    assay_model *m = NULL;

    spec.arch = "resnet20-cifar-a";
    CHECK_OK(assay_model_new(&m, &spec, 4, &err), err);
    return m;
}

/* By masks and by noise, each at a few channels. */
static void check_slopes(struct assay__anp *a, double *mask, double *noise,
                         const double *slope)
{
    size_t n = assay__anp_channels(a);
    double *unused = calloc(2 * n, sizeof(*unused));

    CHECK(unused != NULL);
    for (size_t i = 0; i < 2 * n; i += 67) {
        double *at = &noise[i];
        double was = *at;
        double up = 0;
        double down = 0;

        *at = was + 2e-5;
        CHECK_OK(assay__anp_slopes(a, mask, noise, &up, unused, &err), err);
        *at = was - 2e-5;
        CHECK_OK(assay__anp_slopes(a, mask, noise, &down, unused, &err), err);
        *at = was;
        /* A smaller step than kinks are apart, a larger one than f32's. */
        CHECK_NEAR(slope[i], (up - down) / 4e-5, 2e-5 + .05 * fabs(slope[i]));
        if (i >= n)
            continue;
        /* A mask is moved as its noise is. */
        mask[i] += 2e-5;
        CHECK_OK(assay__anp_slopes(a, mask, noise, &down, unused, &err), err);
        mask[i] -= 2e-5;
        CHECK_NEAR(down, up, 1e-6);
    }
    free(unused);
}

/* Norms start with biases of 0, whose slopes would be 0. */
static void shift_biases(assay_model *m)
{
    const assay_graph *g = assay_model_graph(m);

    for (int i = 0; i < assay_graph_n_layers(g); i++) {
        struct assay_layer l = assay_graph_layer_at(g, i);
        float *b = assay__repair_numbers(m, l.bias);
        size_t n = assay__repair_count(m, l.bias);

        for (size_t k = 0; l.kind == ASSAY_LAYER_BATCHNORM && k < n; k++)
            b[k] = .1F * (float)(k % 7) - .3F;
    }
}

static void test_anp_slopes_are_differences(void)
{
    assay_dataset *data = small_records(8, 1);
    assay_view *view = small_view(data);
    struct assay_context ctx;
    struct assay_compute compute = {.backend = "reference", .threads = 1};
    struct assay_repair_input in = {
        .ctx = &ctx, .compute = &compute, .clean = view};
    struct assay__anp *a = NULL;
    assay_model *m = norm_model();
    double loss;
    size_t n;

    assay_context_init(&ctx);
    shift_biases(m);
    CHECK_OK(assay__anp_open(&a, &in, m, 8, &err), err);
    n = assay__anp_channels(a);
    CHECK_UINT_EQ(n, 688);
    CHECK_OK(assay__anp_draw(a, 0, &err), err);
    {
        double *mask = calloc(n, sizeof(*mask));
        double *noise = calloc(2 * n, sizeof(*noise));
        double *slope = calloc(2 * n, sizeof(*slope));

        CHECK(mask && noise && slope);
        for (size_t i = 0; i < n; i++)
            mask[i] = 1 - .01 * (double)(i % 7);
        for (size_t i = 0; i < 2 * n; i++)
            noise[i] = .02 * (double)(i % 5) - .04;
        CHECK_OK(assay__anp_slopes(a, mask, noise, &loss, slope, &err), err);
        CHECK(isfinite(loss));
        check_slopes(a, mask, noise, slope);
        free(mask);
        free(noise);
        free(slope);
    }
    assay__anp_close(a);
    assay_model_free(m);
    assay_view_free(view);
    assay_dataset_free(data);
}

/* The channel whose kernel was made loud, and no other, is switched off. */
static void test_clp_finds_the_channel_that_amplifies(void)
{
    const struct assay_repair *clp = assay_repair_find("clp");
    struct assay_context ctx;
    struct assay_compute compute = {.threads = 1};
    double u = 3.6;
    struct assay_repair_input in = {
        .ctx = &ctx, .compute = &compute, .param = &u};
    struct assay_repaired out;
    assay_model *m = norm_model();
    assay_model *was = NULL;
    const assay_graph *g = assay_model_graph(m);
    struct assay_layer conv = assay_graph_layer_at(g, 2);
    struct assay_layer norm;
    float *w = assay__repair_numbers(m, conv.weight);
    float *gamma;
    float *beta;
    size_t each;

    assay_context_init(&ctx);
    CHECK_INT_EQ(conv.kind, ASSAY_LAYER_CONV);
    CHECK(assay__repair_norm_of(g, conv.result, &norm));
    gamma = assay__repair_numbers(m, norm.weight);
    beta = assay__repair_numbers(m, norm.bias);
    beta[5] = .5F;
    each = assay__repair_count(m, conv.weight) / 16;
    for (size_t i = 0; i < each; i++)
        w[5 * each + i] *= 20;
    CHECK_OK(assay_model_clone(&was, m, &err), err);
    CHECK_OK(assay_repair_run(clp, &in, m, &out, &err), err);
    CHECK_UINT_EQ(out.channels, 688);
    CHECK_NEAR(out.threshold, u, 0);
    CHECK_NEAR(gamma[5], 0, 0);
    CHECK_NEAR(beta[5], 0, 0);
    CHECK_STR_EQ(out.note, "");
    CHECK_UINT_EQ(out.pruned, 1);
    gamma[5] = 1;
    beta[5] = .5F;
    CHECK_MEM_EQ(assay_model_weights(m)->data, assay_model_weights(was)->data,
                 assay_model_weights(m)->size * sizeof(float));
    assay_model_free(was);
    assay_model_free(m);
}

/* A pre-activation network: the first norm of a block reads a sum. */
static void test_clp_tells_what_it_leaves_alone(void)
{
    const struct assay_repair *clp = assay_repair_find("clp");
    struct assay_model_spec spec = small_spec();
    struct assay_context ctx;
    struct assay_compute compute = {.threads = 1};
    struct assay_repair_input in = {.ctx = &ctx, .compute = &compute};
    struct assay_repaired out;
    assay_model *m = NULL;

    assay_context_init(&ctx);
    spec.arch = "preact18-cifar";
    spec.preprocess.channels = 1;
    spec.preprocess.height = spec.preprocess.width = 16;
    CHECK_OK(assay_model_new(&m, &spec, 4, &err), err);
    CHECK_OK(assay_repair_run(clp, &in, m, &out, &err), err);
    CHECK_STR_HAS(out.note, "batch norms read a convolution");
    CHECK(out.channels > 0);
    assay_model_free(m);
    m = small_model(1);
    CHECK_FAILS(assay_repair_run(clp, &in, m, &out, &err), ASSAY_UNSUPPORTED,
                err);
    CHECK_STR_HAS(err.msg, "no batch norm of simplecnn reads a convolution");
    assay_model_free(m);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_singular_values_are_numpys),
    CHECK_TEST(test_singular_values_of_plain_matrices),
    CHECK_TEST(test_attention_maps_are_numpys),
    CHECK_TEST(test_attention_slopes_are_differences),
    CHECK_TEST(test_anp_slopes_are_differences),
    CHECK_TEST(test_clp_finds_the_channel_that_amplifies),
    CHECK_TEST(test_clp_tells_what_it_leaves_alone),
};
CHECK_MAIN(tests)
