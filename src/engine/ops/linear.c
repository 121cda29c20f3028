/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear layers: y = x w^T + b with x [N,F], w [O,F], y [N,O]; gradients
 * dx = dy w, dw = dy^T x, db = the sum of dy over N.
 */

#include <string.h>

#include "engine/ops/common.h"

static int check(const char *op, const struct assay_shape *x,
                 const struct assay_shape *w, struct assay_error *err)
{
    int code = assay__need_rank(op, "x", x, 2, 2, err);

    if (code == ASSAY_OK)
        code = assay__need_rank(op, "the weight", w, 2, 2, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "dimension 1 of the weight", w->dim[1],
                                 x->dim[1], x->dim[1], err);
    return code;
}

static int linear_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    int code = check("linear", &in[0], &in[1], err);

    (void)attrs;
    if (code == ASSAY_OK && n_in > 2)
        code = assay__need_row("linear", "the bias", &in[2], in[1].dim[0], err);
    if (code == ASSAY_OK)
        out[0] = assay_shape_make(2, in[0].dim[0], in[1].dim[0]);
    return code;
}

static void linear_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    if (want[0])
        d_in[0] = assay__node2(g, &assay__op_linear_bwd_data, NULL, d_out[0],
                               node->in[1]);
    if (want[1] || (node->n_in > 2 && want[2])) {
        d_in[1] = assay__node2(g, &assay__op_linear_bwd_weights, NULL,
                               node->in[0], d_out[0]);
        if (node->n_in > 2 && d_in[1] != ASSAY_NO_VALUE)
            d_in[2] = d_in[1] + 1;
    }
}

static void linear_reference(const struct assay__call *call)
{
    int64_t n = call->in_shape[0].dim[0];
    int64_t features = call->in_shape[0].dim[1];
    int64_t outputs = call->in_shape[1].dim[0];
    const double *x = call->in[0];
    const double *bias = call->n_in > 2 ? call->in[2] : NULL;
    double *y = call->out[0];
    double sum;
    int64_t r;
    int64_t o;
    int64_t f;

    for (r = 0; r < n; r++, x += features) {
        const double *w = call->in[1];

        for (o = 0; o < outputs; o++, w += features) {
            sum = bias != NULL ? bias[o] : 0.0;
            for (f = 0; f < features; f++)
                sum += x[f] * w[f];
            *y++ = sum;
        }
    }
}

static double linear_flops(const struct assay_attrs *attrs,
                           const struct assay_shape *in,
                           const struct assay_shape *out)
{
    (void)attrs;
    (void)out;
    return 2.0 * (double)assay__volume(&in[1], 0);
}

static int data_shape(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    const char *op = "linear_bwd_data";
    int code = assay__need_rank(op, "dy", &in[0], 2, 2, err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_rank(op, "the weight", &in[1], 2, 2, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "dimension 1 of dy", in[0].dim[1],
                                 in[1].dim[0], in[1].dim[0], err);
    if (code == ASSAY_OK)
        out[0] = assay_shape_make(2, in[0].dim[0], in[1].dim[1]);
    return code;
}

static void data_reference(const struct assay__call *call)
{
    int64_t n = call->in_shape[0].dim[0];
    int64_t features = call->in_shape[1].dim[1];
    int64_t outputs = call->in_shape[1].dim[0];
    const double *dy = call->in[0];
    double *dx = call->out[0];
    int64_t r;
    int64_t o;
    int64_t f;

    memset(dx, 0, (size_t)(n * features) * sizeof *dx);
    for (r = 0; r < n; r++, dx += features) {
        const double *w = call->in[1];

        for (o = 0; o < outputs; o++, w += features, dy++)
            for (f = 0; f < features; f++)
                dx[f] += *dy * w[f];
    }
}

static int weights_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    const char *op = "linear_bwd_weights";
    int code = assay__need_rank(op, "x", &in[0], 2, 2, err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_rank(op, "dy", &in[1], 2, 2, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "dimension 0 of dy", in[1].dim[0],
                                 in[0].dim[0], in[0].dim[0], err);
    if (code == ASSAY_OK) {
        out[0] = assay_shape_make(2, in[1].dim[1], in[0].dim[1]);
        out[1] = assay_shape_make(1, in[1].dim[1]);
    }
    return code;
}

static void weights_reference(const struct assay__call *call)
{
    int64_t n = call->in_shape[0].dim[0];
    int64_t features = call->in_shape[0].dim[1];
    int64_t outputs = call->in_shape[1].dim[1];
    const double *x = call->in[0];
    const double *dy = call->in[1];
    double *db = call->out[1];
    int64_t r;
    int64_t o;
    int64_t f;

    memset(call->out[0], 0, (size_t)(outputs * features) * sizeof(double));
    memset(db, 0, (size_t)outputs * sizeof *db);
    for (r = 0; r < n; r++, x += features) {
        double *dw = call->out[0];

        for (o = 0; o < outputs; o++, dw += features, dy++) {
            db[o] += *dy;
            for (f = 0; f < features; f++)
                dw[f] += *dy * x[f];
        }
    }
}

enum { WEIGHTS = 1, BIAS = 2 };

static int squares_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    const char *op = "linear_bwd_squares";
    int code = assay__need_rank(op, "x", &in[0], 2, 2, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_rank(op, "dy", &in[1], 2, 2, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "dimension 0 of dy", in[1].dim[0],
                                 in[0].dim[0], in[0].dim[0], err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "index", attrs->index, 1, WEIGHTS + BIAS,
                                 err);
    if (code == ASSAY_OK)
        out[0] = assay_shape_make(1, in[0].dim[0]);
    return code;
}

/* A record's dw is the outer product of dy and x: |dw|^2 = |dy|^2 |x|^2. */
static void squares_reference(const struct assay__call *call)
{
    int64_t features = call->in_shape[0].dim[1];
    int64_t outputs = call->in_shape[1].dim[1];
    const double *x = call->in[0];
    const double *dy = call->in[1];

    for (int64_t n = 0; n < call->in_shape[0].dim[0]; n++) {
        double of_x = 0.0;
        double of_dy = 0.0;

        for (int64_t f = 0; f < features; f++, x++)
            of_x += *x * *x;
        for (int64_t o = 0; o < outputs; o++, dy++)
            of_dy += *dy * *dy;
        call->out[0][n] = (call->attrs->index & WEIGHTS ? of_x * of_dy : 0.0) +
                          (call->attrs->index & BIAS ? of_dy : 0.0);
    }
}

/* kept: squares, dy. */
static void records_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in, assay_value *kept)
{
    struct assay_attrs attrs = node->attrs;

    attrs.index =
        (want[1] ? WEIGHTS : 0) | (node->n_in > 2 && want[2] ? BIAS : 0);
    kept[1] = d_out[0];
    kept[0] = assay__node2(g, &assay__op_linear_bwd_squares, &attrs,
                           node->in[0], d_out[0]);
    if (want[0])
        d_in[0] = assay__node2(g, &assay__op_linear_bwd_data, NULL, d_out[0],
                               node->in[1]);
}

static void records_gather(assay_graph *g, const struct assay__node *node,
                           const assay_value *kept, assay_value factor,
                           const bool *want, assay_value *d_in)
{
    assay_value dy =
        assay__node2(g, &assay__op_scale_records, NULL, kept[1], factor);

    (void)want;
    d_in[1] =
        assay__node2(g, &assay__op_linear_bwd_weights, NULL, node->in[0], dy);
    if (node->n_in > 2 && d_in[1] != ASSAY_NO_VALUE)
        d_in[2] = d_in[1] + 1;
}

static const struct assay__record_rule records = {
    .params = 1u << 1 | 1u << 2,
    .backward = records_backward,
    .gather = records_gather,
};

/* clang-format off */
#define CASE(text, ...) \
    {.label = text, .n_in = 2, .in = {__VA_ARGS__}, .low = -1.0, .high = 1.0}
#define CASE_B(text, ...) \
    {.label = text, .n_in = 3, .in = {__VA_ARGS__}, .low = -1.0, .high = 1.0}

static const struct assay__op_case linear_cases[] = {
    CASE_B("3 to 5", ASSAY__D2(4, 3), ASSAY__D2(5, 3), ASSAY__D1(5)),
    CASE("without bias", ASSAY__D2(3, 17), ASSAY__D2(9, 17)),
    CASE_B("batch 1", ASSAY__D2(1, 16), ASSAY__D2(10, 16), ASSAY__D1(10)),
    CASE_B("one feature, one output", ASSAY__D2(5, 1), ASSAY__D2(1, 1),
           ASSAY__D1(1)),
    CASE_B("wide", ASSAY__D2(2, 64), ASSAY__D2(48, 64), ASSAY__D1(48)),
    {.label = NULL},
};

static const struct assay__op_case data_cases[] = {
    CASE("5 to 3", ASSAY__D2(4, 5), ASSAY__D2(5, 3)),
    CASE("one output", ASSAY__D2(4, 1), ASSAY__D2(1, 33)),
    {.label = NULL},
};

static const struct assay__op_case weights_cases[] = {
    CASE("3 to 5", ASSAY__D2(4, 3), ASSAY__D2(4, 5)),
    CASE("batch 1", ASSAY__D2(1, 20), ASSAY__D2(1, 7)),
    {.label = NULL},
};
#define CASE_S(text, what, ...) \
    {.label = text, .n_in = 2, .in = {__VA_ARGS__}, .low = -1.0, .high = 1.0, \
     .attrs = {.index = what}}

static const struct assay__op_case squares_cases[] = {
    CASE_S("3 to 5", 3, ASSAY__D2(4, 3), ASSAY__D2(4, 5)),
    CASE_S("weights only", 1, ASSAY__D2(3, 40), ASSAY__D2(3, 7)),
    CASE_S("bias only", 2, ASSAY__D2(1, 20), ASSAY__D2(1, 33)),
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_linear = {
    .name = "linear",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .fixed = 1u << 1 | 1u << 2,
    .tolerance = 1e-11,
    .cases = linear_cases,
    .shape = linear_shape,
    .backward = linear_backward,
    .reference = linear_reference,
    .records = &records,
    .flops = linear_flops,
};

const struct assay_op assay__op_linear_bwd_data = {
    .name = "linear_bwd_data",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .fixed = 1u << 1,
    .tolerance = 1e-11,
    .cases = data_cases,
    .shape = data_shape,
    .reference = data_reference,
};

const struct assay_op assay__op_linear_bwd_weights = {
    .name = "linear_bwd_weights",
    .min_in = 2,
    .max_in = 2,
    .n_out = 2,
    .tolerance = 1e-11,
    .cases = weights_cases,
    .shape = weights_shape,
    .reference = weights_reference,
};

const struct assay_op assay__op_linear_bwd_squares = {
    .name = "linear_bwd_squares",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = squares_cases,
    .shape = squares_shape,
    .reference = squares_reference,
};
