/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops on a few numbers whose results were worked out by hand, following
 * PyTorch's definitions. Gradient checks cannot see an op and its gradient
 * wrong in the same way (a divisor, a scale); these can.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "check.h"
#include "engine/op.h"

enum { INPUTS = 5, NUMBERS = 24 };

struct value_case {
    const struct assay_op *op;
    const char *label;
    int n_in;
    struct assay_shape in[INPUTS];
    double data[INPUTS][NUMBERS];
    struct assay_attrs attrs;
    enum assay_mode mode;
    int n_want;
    double want[NUMBERS]; /* of output 0 */
};

/* clang-format off */
#define DENSE .stride = {1, 1}, .dilation = {1, 1}, .groups = 1
#define NINE {1, 2, 3, 4, 5, 6, 7, 8, 9}
#define IMAGE(n) {4, {1, 1, n, n}}

static const struct value_case cases[] = {
    {&assay__op_conv, "2x2 on 3x3", 2, {IMAGE(3), IMAGE(2)},
     {NINE, {1, 2, 3, 4}}, {DENSE}, ASSAY_MODE_EVAL, 4, {37, 47, 67, 77}},
    {&assay__op_conv, "bias", 3, {IMAGE(3), IMAGE(2), {1, {1}}},
     {NINE, {1, 2, 3, 4}, {0.5}}, {DENSE}, ASSAY_MODE_EVAL, 4,
     {37.5, 47.5, 67.5, 77.5}},
    {&assay__op_conv, "stride 2, padded at top and left", 2,
     {IMAGE(3), IMAGE(2)}, {NINE, {1, 2, 3, 4}},
     {.stride = {2, 2}, .dilation = {1, 1}, .groups = 1,
      .pad = {1, 1, 0, 0}},
     ASSAY_MODE_EVAL, 4, {4, 18, 36, 77}},
    {&assay__op_conv, "dilation 2", 2, {IMAGE(3), IMAGE(2)},
     {NINE, {1, 2, 3, 4}},
     {.stride = {1, 1}, .dilation = {2, 2}, .groups = 1}, ASSAY_MODE_EVAL, 1,
     {64}},
    {&assay__op_conv, "two groups of 1x1", 2,
     {{4, {1, 2, 1, 2}}, {4, {2, 1, 1, 1}}}, {{1, 2, 3, 4}, {10, 100}},
     {.stride = {1, 1}, .dilation = {1, 1}, .groups = 2}, ASSAY_MODE_EVAL, 4,
     {10, 20, 300, 400}},
    {&assay__op_deconv, "stride 2", 2, {IMAGE(2), IMAGE(2)},
     {{1, 2, 3, 4}, {1, 2, 3, 4}},
     {.stride = {2, 2}, .dilation = {1, 1}, .groups = 1}, ASSAY_MODE_EVAL, 16,
     {1, 2, 2, 4, 3, 4, 6, 8, 3, 6, 4, 8, 9, 12, 12, 16}},
    {&assay__op_deconv, "stride 1", 2, {IMAGE(2), IMAGE(2)},
     {{1, 2, 3, 4}, {1, 2, 3, 4}}, {DENSE}, ASSAY_MODE_EVAL, 9,
     {1, 4, 4, 6, 20, 16, 9, 24, 16}},
    {&assay__op_linear, "2 to 2", 3, {{2, {1, 2}}, {2, {2, 2}}, {1, {2}}},
     {{1, 2}, {3, 4, 5, 6}, {10, 20}}, {.axis = 0}, ASSAY_MODE_EVAL, 2,
     {21, 37}},
    {&assay__op_avgpool, "cells inside", 1, {IMAGE(3)}, {NINE},
     {.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}},
     ASSAY_MODE_EVAL, 4, {3, 4, 6, 7}},
    {&assay__op_avgpool, "padding counted", 1, {IMAGE(3)}, {NINE},
     {.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1},
      .count_include_pad = 1},
     ASSAY_MODE_EVAL, 4, {12 / 9.0, 16 / 9.0, 24 / 9.0, 28 / 9.0}},
    {&assay__op_avgpool, "ceil mode", 1, {IMAGE(3)}, {NINE},
     {.kernel = {2, 2}, .stride = {2, 2}, .ceil_mode = 1,
      .count_include_pad = 1},
     ASSAY_MODE_EVAL, 4, {3, 4.5, 7.5, 9}},
    {&assay__op_maxpool, "floor", 1, {IMAGE(3)}, {NINE},
     {.kernel = {2, 2}, .stride = {2, 2}}, ASSAY_MODE_EVAL, 1, {5}},
    {&assay__op_maxpool, "ceil mode", 1, {IMAGE(3)}, {NINE},
     {.kernel = {2, 2}, .stride = {2, 2}, .ceil_mode = 1}, ASSAY_MODE_EVAL, 4,
     {5, 6, 8, 9}},
    {&assay__op_maxpool, "ceil mode, no window in the padding", 1, {IMAGE(3)},
     {NINE},
     {.kernel = {2, 2}, .stride = {2, 2}, .pad = {1, 1, 1, 1},
      .ceil_mode = 1},
     ASSAY_MODE_EVAL, 4, {1, 3, 7, 9}},
    {&assay__op_maxpool, "padding never wins", 1, {IMAGE(2)},
     {{-1, -2, -3, -4}},
     {.kernel = {2, 2}, .stride = {2, 2}, .pad = {1, 1, 1, 1}},
     ASSAY_MODE_EVAL, 4, {-1, -2, -3, -4}},
    {&assay__op_adaptive_avgpool, "5 to 3", 1, {{4, {1, 1, 1, 5}}},
     {{1, 2, 3, 4, 5}}, {.kernel = {1, 3}}, ASSAY_MODE_EVAL, 3,
     {1.5, 3, 4.5}},
    {&assay__op_global_avgpool, "3x3", 1, {IMAGE(3)}, {NINE}, {.axis = 0},
     ASSAY_MODE_EVAL, 1, {5}},
    {&assay__op_batchnorm, "evaluation", 5,
     {{2, {2, 1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}},
     {{1, 5}, {2}, {0.5}, {3}, {3.75}}, {.eps = 0.25, .momentum = 0.1},
     ASSAY_MODE_EVAL, 2, {-1.5, 2.5}},
    {&assay__op_batchnorm, "training", 5,
     {{2, {2, 1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}},
     {{1, 4}, {2}, {0.5}, {100}, {100}}, {.eps = 4.0 / 1024, .momentum = 0.1},
     ASSAY_MODE_TRAIN, 2, {-1.498266146184704, 2.498266146184704}},
    {&assay__op_groupnorm, "two groups", 3, {{2, {1, 4}}, {1, {4}}, {1, {4}}},
     {{1, 3, 10, 20}, {1, 1, 2, 2}, {0, 0, 1, 1}},
     {.groups = 2, .eps = 1e-12}, ASSAY_MODE_EVAL, 4, {-1, 1, -1, 3}},
    {&assay__op_leaky_relu, "slope", 1, {{2, {1, 3}}}, {{-2, 0, 2}},
     {.alpha = 0.25}, ASSAY_MODE_EVAL, 3, {-0.5, 0, 2}},
    {&assay__op_relu, "sides", 1, {{2, {1, 3}}}, {{-2, 0, 2}}, {.axis = 0},
     ASSAY_MODE_EVAL, 3, {0, 0, 2}},
    {&assay__op_sigmoid, "ln 3", 1, {{2, {1, 2}}}, {{0, 1.0986122886681098}},
     {.axis = 0}, ASSAY_MODE_EVAL, 2, {0.5, 0.75}},
    {&assay__op_tanh, "ln 3", 1, {{2, {1, 2}}}, {{0, 1.0986122886681098}},
     {.axis = 0}, ASSAY_MODE_EVAL, 2, {0, 0.8}},
    {&assay__op_affine, "2x + 3", 1, {{1, {2}}}, {{1, -1}},
     {.alpha = 2, .momentum = 3}, ASSAY_MODE_EVAL, 2, {5, 1}},
    {&assay__op_unary, "gelu of 0, 1 and -1", 1, {{1, {3}}}, {{0, 1, -1}},
     {.index = ASSAY_UNARY_GELU}, ASSAY_MODE_EVAL, 3,
     {0, 0.8413447460685429, -0.1586552539314571}},
    {&assay__op_unary, "halves to even", 1, {{1, {4}}}, {{0.5, 1.5, 2.5, -0.5}},
     {.index = ASSAY_UNARY_ROUND}, ASSAY_MODE_EVAL, 4, {0, 2, 2, 0}},
    {&assay__op_unary, "cut to -1 .. 2", 1, {{1, {3}}}, {{-5, 1, 7}},
     {.index = ASSAY_UNARY_CLIP, .alpha = -1, .momentum = 2}, ASSAY_MODE_EVAL,
     3, {-1, 1, 2}},
    {&assay__op_binary, "a row to all rows", 2, {{2, {2, 3}}, {1, {3}}},
     {{1, 2, 3, 4, 5, 6}, {10, 20, 30}}, {.index = ASSAY_BINARY_SUB},
     ASSAY_MODE_EVAL, 6, {-9, -18, -27, -6, -15, -24}},
    {&assay__op_binary, "a column by a row", 2, {{2, {2, 1}}, {2, {1, 3}}},
     {{2, 3}, {1, 2, 3}}, {.index = ASSAY_BINARY_POW}, ASSAY_MODE_EVAL, 6,
     {2, 4, 8, 3, 9, 27}},
    {&assay__op_binary, "remainders of both signs", 2, {{1, {4}}, {1, {4}}},
     {{7, -7, 7, -7}, {3, 3, -3, -3}}, {.index = ASSAY_BINARY_MOD},
     ASSAY_MODE_EVAL, 4, {1, 2, -2, -1}},
    {&assay__op_select, "by sign", 3, {{1, {3}}, {1, {3}}, {0, {0}}},
     {{1, 0, -1}, {5, 6, 7}, {9}}, {.axis = 0}, ASSAY_MODE_EVAL, 3, {5, 9, 7}},
    {&assay__op_reduce, "mean of columns", 1, {{2, {2, 3}}},
     {{1, 2, 3, 5, 6, 7}}, {.index = ASSAY_REDUCE_MEAN, .axes = {1}},
     ASSAY_MODE_EVAL, 3, {3, 4, 5}},
    {&assay__op_reduce, "log sum exp", 1, {{2, {1, 2}}},
     {{0, 1.0986122886681098}}, {.index = ASSAY_REDUCE_LOG_SUM_EXP,
     .axes = {0, 1}}, ASSAY_MODE_EVAL, 1, {1.3862943611198906}},
    {&assay__op_pick, "transposed", 1, {{2, {2, 3}}}, {{1, 2, 3, 4, 5, 6}},
     {.axes = {1, 0}, .step = {1, 1}, .shape = {2, {3, 2}}}, ASSAY_MODE_EVAL,
     6, {1, 4, 2, 5, 3, 6}},
    {&assay__op_pick, "backwards", 1, {{1, {5}}}, {{1, 2, 3, 4, 5}},
     {.begin = {4}, .step = {-2}, .shape = {1, {3}}}, ASSAY_MODE_EVAL, 3,
     {5, 3, 1}},
    {&assay__op_gather, "one of range", 2, {{2, {3, 1}}, {1, {2}}},
     {{7, 8, 9}, {2, 0}}, {.axis = 0, .shape = {2, {2, 1}}}, ASSAY_MODE_EVAL,
     2, {9, 7}},
    {&assay__op_matmul, "2x2", 2, {{2, {2, 2}}, {2, {2, 2}}},
     {{1, 2, 3, 4}, {5, 6, 7, 8}}, {.index = 0}, ASSAY_MODE_EVAL, 4,
     {19, 22, 43, 50}},
    {&assay__op_matmul, "both transposed", 2, {{2, {2, 2}}, {2, {2, 2}}},
     {{1, 2, 3, 4}, {5, 6, 7, 8}}, {.index = 3}, ASSAY_MODE_EVAL, 4,
     {23, 31, 34, 46}},
    {&assay__op_softmax_axis, "columns", 1, {{2, {2, 1}}},
     {{0, 1.0986122886681098}}, {.axis = 0}, ASSAY_MODE_EVAL, 2,
     {0.25, 0.75}},
    {&assay__op_softmax_axis, "log", 1, {{2, {1, 2}}},
     {{0, 1.0986122886681098}}, {.axis = 1, .index = 1}, ASSAY_MODE_EVAL, 2,
     {-1.3862943611198906, -0.2876820724517809}},
    {&assay__op_argmax, "the first of equals", 1, {{2, {2, 3}}},
     {{1, 3, 3, 4, 0, 4}}, {.axis = 1}, ASSAY_MODE_EVAL, 2, {1, 0}},
    {&assay__op_concat, "columns", 2, {{2, {2, 1}}, {2, {2, 2}}},
     {{1, 2}, {3, 4, 5, 6}}, {.axis = 1}, ASSAY_MODE_EVAL, 6,
     {1, 3, 4, 2, 5, 6}},
    {&assay__op_slice, "columns", 1, {{2, {2, 3}}}, {{1, 2, 3, 4, 5, 6}},
     {.axis = 1, .index = 1, .shape = {2, {2, 2}}}, ASSAY_MODE_EVAL, 4,
     {2, 3, 5, 6}},
    {&assay__op_dropout, "evaluation", 1, {{2, {1, 3}}}, {{1, 2, 3}},
     {.p = 0.9}, ASSAY_MODE_EVAL, 3, {1, 2, 3}},
    {&assay__op_softmax, "ln 1, ln 3", 1, {{2, {1, 2}}},
     {{0, 1.0986122886681098}}, {.axis = 0}, ASSAY_MODE_EVAL, 2,
     {0.25, 0.75}},
    {&assay__op_softmax, "far apart", 1, {{2, {1, 2}}}, {{-1e4, 1e4}},
     {.axis = 0}, ASSAY_MODE_EVAL, 2, {0, 1}},
    {&assay__op_softmax_xent, "ln 4, ln 4/3, far off", 2,
     {{2, {3, 2}}, {1, {3}}},
     {{0, 1.0986122886681098, 0, 1.0986122886681098, 1e4, -1e4}, {0, 1, 1}},
     {.axis = 0}, ASSAY_MODE_EVAL, 3,
     {1.3862943611198906, 0.2876820724517809, 2e4}},
    {&assay__op_bce_logits, "ln 2, and far off", 2, {{1, {3}}, {1, {3}}},
     {{0, 1000, -1000}, {1, 0, 0}}, {.axis = 0}, ASSAY_MODE_EVAL, 3,
     {0.6931471805599453, 1000, 0}},
    {&assay__op_bce_logits, "mean over features", 2,
     {{2, {1, 2}}, {2, {1, 2}}}, {{0, 10}, {0.5, 1}}, {.axis = 0},
     ASSAY_MODE_EVAL, 1, {0.34659628972958106}},
    {&assay__op_mse, "rows", 2, {{2, {2, 2}}, {2, {2, 2}}},
     {{1, 2, 0, 0}, {3, 5, 0, 1}}, {.axis = 0}, ASSAY_MODE_EVAL, 2,
     {6.5, 0.5}},
    {&assay__op_kl_logits, "T of 2", 2, {{2, {1, 2}}, {2, {1, 2}}},
     {{0, 0}, {2.1972245773362196, 0}}, {.alpha = 2}, ASSAY_MODE_EVAL, 1,
     {0.5232481437645479}},
    {&assay__op_relax, "above the level, an even and an odd epoch", 3,
     {{2, {2, 2}}, {1, {2}}, {1, {2}}},
     {{0, 1.0986122886681098, 0, 1.0986122886681098}, {0, 1}, {2, 3}},
     {.alpha = 0.5}, ASSAY_MODE_TRAIN, 2,
     {0.8862943611198906, 0.2876820724517809}},
    {&assay__op_relax, "below it: ascent, flattening wrong and right", 3,
     {{2, {3, 2}}, {1, {3}}, {1, {3}}},
     {{0, 1.0986122886681098, 0, 1.0986122886681098, 0, 1.0986122886681098},
      {0, 0, 1}, {0, 1, 1}},
     {.alpha = 2}, ASSAY_MODE_TRAIN, 3,
     {0.6137056388801094, -0.8239592165010823, -0.2876820724517809}},
    {&assay__op_mean, "of three", 1, {{1, {3}}}, {{1, 2, 6}}, {.axis = 0},
     ASSAY_MODE_EVAL, 1, {3}},
    {&assay__op_weighted_sum, "of three", 2, {{1, {3}}, {1, {3}}},
     {{1, 2, 6}, {1, 10, 100}}, {.axis = 0}, ASSAY_MODE_EVAL, 1, {621}},
    {&assay__op_correct, "the first of equals", 2, {{2, {4, 2}}, {1, {4}}},
     {{1, 1, 1, 1, 0, 1, 1, 0}, {0, 1, 1, 1}}, {.axis = 0}, ASSAY_MODE_EVAL,
     4, {1, 0, 1, 0}},
};
/* clang-format on */

/* Run a case's reference kernel; the inputs may be written. */
static void call_op(const struct value_case *c, double data[INPUTS][NUMBERS],
                    double out[ASSAY__OP_OUTPUTS_MAX][NUMBERS])
{
    struct assay_shape shape[ASSAY__OP_OUTPUTS_MAX];
    struct assay_error err = {0, ""};
    struct assay__call call = {.n_in = c->n_in, .n_out = c->op->n_out};
    double *in_at[INPUTS];
    double *out_at[ASSAY__OP_OUTPUTS_MAX];
    int i;

    CHECK_OK(c->op->shape(&c->attrs, c->n_in, c->in, shape, &err), err);
    for (i = 0; i < INPUTS; i++)
        in_at[i] = data[i];
    for (i = 0; i < ASSAY__OP_OUTPUTS_MAX; i++)
        out_at[i] = out[i];
    CHECK_UINT_EQ(assay_shape_count(&shape[0], 1), (size_t)c->n_want);
    call.attrs = &c->attrs;
    call.mode = c->mode;
    call.in_shape = c->in;
    call.out_shape = shape;
    call.in = in_at;
    call.out = out_at;
    call.seed = 11;
    call.step = 3;
    call.node = 5;
    c->op->reference(&call);
}

static void test_known_values(void)
{
    double data[INPUTS][NUMBERS];
    double out[ASSAY__OP_OUTPUTS_MAX][NUMBERS];
    size_t i;
    int k;

    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct value_case *c = &cases[i];

        memcpy(data, c->data, sizeof data);
        call_op(c, data, out);
        for (k = 0; k < c->n_want; k++) {
            if (fabs(out[0][k] - c->want[k]) <= 1e-10)
                continue;
            printf("%s, case '%s', number %d: %.12g, should be %.12g\n",
                   c->op->name, c->label, k, out[0][k], c->want[k]);
            FAIL("a value is wrong");
        }
    }
}

/* Running statistics move towards the unbiased variance. */
static void test_batchnorm_moves_statistics(void)
{
    static const struct value_case four = {
        &assay__op_batchnorm,
        "four records",
        5,
        {{2, {4, 1}}, {1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}},
        {{1, 2, 3, 4}, {1}, {0}, {10}, {20}},
        {.eps = 1e-5, .momentum = 0.1},
        ASSAY_MODE_TRAIN,
        4,
        {0}};
    double data[INPUTS][NUMBERS];
    double out[ASSAY__OP_OUTPUTS_MAX][NUMBERS];

    memcpy(data, four.data, sizeof data);
    call_op(&four, data, out);
    CHECK_NEAR(data[3][0], 9.25, 1e-12);
    CHECK_NEAR(data[4][0], 18.0 + 0.1 * 5.0 / 3.0, 1e-12);
    CHECK_NEAR(out[1][0], 2.5, 1e-12);
    CHECK_NEAR(out[2][0], 1.0 / sqrt(1.25 + 1e-5), 1e-12);
}

/* The documented mask: a function of stream, node and element. */
static void test_dropout_draws_the_documented_mask(void)
{
    static const struct value_case row = {
        &assay__op_dropout, "row", 1,  {{2, {1, 24}}}, {{0}}, {.p = 0.25},
        ASSAY_MODE_TRAIN,   24,    {0}};
    double data[INPUTS][NUMBERS];
    double out[ASSAY__OP_OUTPUTS_MAX][NUMBERS];
    uint64_t e;
    int dropped = 0;

    for (e = 0; e < NUMBERS; e++)
        data[0][e] = 3.0;
    call_op(&row, data, out);
    for (e = 0; e < NUMBERS; e++) {
        uint64_t bits = assay_rng_hash(11, (uint64_t)3 << 16 | 5, e) >> 11;
        double want = (double)bits * 0x1p-53 >= 0.25 ? 4.0 : 0.0;

        CHECK_NEAR(out[0][e], want, 1e-12);
        dropped += want == 0.0;
    }
    CHECK(dropped > 0 && dropped < NUMBERS);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_known_values),
    CHECK_TEST(test_batchnorm_moves_statistics),
    CHECK_TEST(test_dropout_draws_the_documented_mask),
};
CHECK_MAIN(tests)
