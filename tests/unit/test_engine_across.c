/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel for convolutions of few channels, against the reference backend:
 * chosen by hand, as timing would take it on some machines alone.
 */

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/params.h"
#include "assay/plan.h"
#include "core/mem.h"
#include "check.h"

static struct assay_error err;

/* A convolution, and what follows it. */
struct shape {
    int batch, in, side, out, kernel, stride, pad, dilation;
    int no_bias, norm, relu;
};

static assay_value build(assay_graph *g, const struct shape *s, assay_value x)
{
    struct assay_conv conv = {.out = s->out,
                              .kernel = s->kernel,
                              .stride = s->stride,
                              .pad = s->pad,
                              .dilation = s->dilation,
                              .no_bias = s->no_bias};
    assay_value y = assay_layer_conv(g, x, "conv", &conv);

    if (s->norm)
        y = assay_layer_batchnorm(g, y, "norm");
    return s->relu ? assay_op_relu(g, y) : y;
}

struct result {
    double *y;
    size_t n;
    bool ours; /* the kernel ran */
};

static void fill(float *x, size_t n, double phase)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)sin(phase + 1.3 * (double)i);
}

static void run(const struct shape *s, const char *backend, int threads,
                assay_tuning *tuning, struct result *out)
{
    struct assay_shape in =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)s->in,
                         (int64_t)s->side, (int64_t)(s->side + 1));
    struct assay_plan_options o = {.backend = backend,
                                   .batch = s->batch,
                                   .threads = threads,
                                   .mode = ASSAY_MODE_EVAL,
                                   .tuning = tuning,
                                   .n_outputs = 1};
    struct assay_params params = {0};
    assay_graph *g = NULL;
    assay_plan *plan = NULL;
    assay_value x;
    assay_value y;
    char *text;
    float *pixels;

    o.algorithms = tuning ? ASSAY_ALGORITHMS_TUNED : ASSAY_ALGORITHMS_DIRECT;
    CHECK_OK(assay_graph_new(&g, &err), err);
    x = assay_graph_input(g, "input", &in);
    y = build(g, s, x);
    CHECK_OK(assay_graph_check(g, &err), err);
    CHECK_OK(assay_params_make(&params, g, &err), err);
    fill(params.data, params.size, .4);
    for (int i = 0; i < params.n_slots; i++) /* variances are above 0 */
        for (size_t k = 0; k < params.slot[i].count; k++)
            if (strcmp(params.slot[i].name, "norm.running_var") == 0)
                params.data[params.slot[i].offset + k] += 1.5F;
    pixels = calloc(assay_shape_count(&in, s->batch), sizeof(*pixels));
    out->n = assay_shape_count(assay_graph_shape(g, y), s->batch);
    out->y = calloc(out->n, sizeof(*out->y));
    CHECK(pixels && out->y);
    fill(pixels, assay_shape_count(&in, s->batch), 0);
    o.outputs = &y;
    CHECK_OK(assay_plan_new(&plan, g, &o, &err), err);
    text = assay_plan_describe(plan);
    out->ours = text && strstr(text, "own:across");
    assay__free(text);
    CHECK_OK(assay_plan_load(plan, &params, &err), err);
    CHECK_OK(assay_plan_write(plan, x, pixels, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, y, out->y, &err), err);
    assay_plan_free(plan);
    assay_params_release(&params);
    assay_graph_free(g);
    free(pixels);
}

/* A tuning in which every convolution that was timed takes the kernel. */
static assay_tuning *choose_ours(const assay_tuning *timed)
{
    const char *path = check_temp_path("tuning.json");
    assay_tuning *ours = NULL;
    json_t *root;
    const char *key;
    json_t *value;

    CHECK_OK(assay_tuning_write(timed, path, &err), err);
    CHECK_OK(assay_tuning_new(&ours, &err), err);
    root = json_load_file(path, 0, NULL);
    CHECK(root != NULL);
    json_object_foreach(root, key, value) if (strncmp(key, "conv_fwd", 8) == 0)
        CHECK_OK(assay_tuning_put(ours, key, "across", &err), err);
    json_decref(root);
    return ours;
}

/* Whether the kernel ran; the machine may be none for it. */
static bool check_shape(const struct shape *s, int threads)
{
    assay_tuning *timed = NULL;
    assay_tuning *ours;
    struct result first;
    struct result got;
    struct result want;
    double largest = 0;

    CHECK_OK(assay_tuning_new(&timed, &err), err);
    run(s, NULL, threads, timed, &first);
    ours = choose_ours(timed);
    run(s, NULL, threads, ours, &got);
    run(s, "reference", 1, NULL, &want);
    for (size_t i = 0; i < want.n; i++)
        largest = fmax(largest, fabs(want.y[i]));
    CHECK(largest > .1);
    for (size_t i = 0; i < want.n; i++) {
        CHECK_NEAR(got.y[i], want.y[i], 1e-5 * largest);
        CHECK_NEAR(first.y[i], want.y[i], 1e-5 * largest);
    }
    free(first.y);
    free(got.y);
    free(want.y);
    assay_tuning_free(timed);
    assay_tuning_free(ours);
    return got.ours;
}

static void test_few_channels_across_records(void)
{
    static const struct shape shapes[] = {
        {16, 1, 12, 8, 3, 1, 1, 1, 0, 0, 1},
        {32, 3, 17, 8, 4, 2, 1, 1, 0, 0, 1},
        {19, 3, 16, 5, 5, 1, 0, 1, 0, 0, 0}, /* a set of 3 records */
        {16, 8, 9, 16, 3, 2, 1, 1, 0, 0, 1},
        {33, 2, 33, 3, 3, 1, 2, 2, 1, 0, 0}, /* rows of two turns and more */
        {16, 17, 6, 7, 3, 1, 1, 1, 1, 1, 1}, /* a batch norm folded in */
        {8, 3, 3, 33, 3, 1, 1, 1, 0, 0, 1},  /* rows shorter than a tile */
    };
    size_t n = sizeof(shapes) / sizeof(*shapes);
    size_t ours = 0;

    for (size_t i = 0; i < n; i++)
        ours += check_shape(&shapes[i], i % 2 ? 2 : 1);
    if (ours == 0)
        SKIP("no vectors of 16 numbers here");
    CHECK_UINT_EQ(ours, n);
}

static void test_other_problems_are_not_taken(void)
{
    /* Too many channels on both sides; too few records. */
    static const struct shape shapes[] = {{16, 16, 8, 16, 3, 1, 1, 1, 0, 0, 0},
                                          {4, 3, 8, 8, 3, 1, 1, 1, 0, 0, 0}};

    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        CHECK(!check_shape(&shapes[i], 1));
}

static const struct check_test tests[] = {
    CHECK_TEST(test_few_channels_across_records),
    CHECK_TEST(test_other_problems_are_not_taken),
};
CHECK_MAIN(tests)
