/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Softmax along any axis of an array, or its logarithm, by subtraction of
 * the largest. Gradients are taken from the output: with s = sum(dy y) along
 * the axis, y (dy - s); of the logarithm, with s = sum(dy), dy - exp(y) s.
 */

#include <math.h>

#include "engine/ops/common.h"

static int check(const char *op, const struct assay_attrs *attrs,
                 const struct assay_shape *x, struct assay_error *err)
{
    int code = assay__need_rank(op, "x", x, 1, ASSAY_RANK_MAX, err);

    if (code == ASSAY_OK)
        code = assay__need_range(op, "axis", attrs->axis,
                                 x->dim[0] == ASSAY_BATCH, x->rank - 1, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "kind", attrs->index, 0, 1, err);
    return code;
}

static int softmax_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    (void)n_in;
    out[0] = in[0];
    return check("softmax_axis", attrs, &in[0], err);
}

static void softmax_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in)
{
    (void)want;
    d_in[0] = assay__node2(g, &assay__op_softmax_axis_bwd, &node->attrs,
                           d_out[0], node->out);
}

static void forward_line(const double *x, double *y, int64_t n, int64_t step,
                         bool log_of_it)
{
    double top = -(double)INFINITY;
    double sum = 0.0;
    int64_t i;

    for (i = 0; i < n; i++)
        top = x[i * step] > top ? x[i * step] : top;
    for (i = 0; i < n; i++)
        sum += exp(x[i * step] - top);
    for (i = 0; i < n; i++)
        y[i * step] = log_of_it ? x[i * step] - top - log(sum)
                                : exp(x[i * step] - top) / sum;
}

static void backward_line(const double *dy, const double *y, double *dx,
                          int64_t n, int64_t step, bool log_of_it)
{
    double sum = 0.0;
    int64_t i;

    for (i = 0; i < n * step; i += step)
        sum += log_of_it ? dy[i] : dy[i] * y[i];
    for (i = 0; i < n * step; i += step)
        dx[i] = log_of_it ? dy[i] - exp(y[i]) * sum : y[i] * (dy[i] - sum);
}

static void each_line(const struct assay__call *call, bool back)
{
    const struct assay_shape *s = &call->in_shape[0];
    int64_t n = s->dim[call->attrs->axis];
    int64_t step = assay__volume(s, call->attrs->axis + 1);
    int64_t outer = assay__volume(s, 0) / n / step;
    bool log_of_it = call->attrs->index != 0;
    int64_t o;
    int64_t i;

    for (o = 0; o < outer; o++) {
        for (i = 0; i < step; i++) {
            int64_t at = o * n * step + i;

            if (back)
                backward_line(call->in[0] + at, call->in[1] + at,
                              call->out[0] + at, n, step, log_of_it);
            else
                forward_line(call->in[0] + at, call->out[0] + at, n, step,
                             log_of_it);
        }
    }
}

static void softmax_reference(const struct assay__call *call)
{
    each_line(call, false);
}

static int bwd_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    int code = check("softmax_axis_bwd", attrs, &in[0], err);

    if (code != ASSAY_OK)
        return code;
    return assay__need_alike("softmax_axis_bwd", n_in, in, out, err);
}

static void bwd_reference(const struct assay__call *call)
{
    each_line(call, true);
}

/* clang-format off */
#define CASE(text, X, ...) \
    {.label = (text), .n_in = 1, .in = {X}, .attrs = {__VA_ARGS__}, \
     .low = -2.0, .high = 2.0}

static const struct assay__op_case cases[] = {
    CASE("rows", ASSAY__D2(3, 7), .axis = 1),
    CASE("channels", ASSAY__D4(2, 17, 3, 4), .axis = 1),
    CASE("heads", ASSAY__D4(2, 3, 4, 5), .axis = 3),
    CASE("log, rows", ASSAY__D2(3, 7), .axis = 1, .index = 1),
    CASE("log, channels", ASSAY__D4(2, 3, 4, 5), .axis = 1, .index = 1),
    {.label = NULL},
};

static const struct assay__op_case bwd_cases[] = {
    {.label = "rows", .n_in = 2, .in = {ASSAY__D2(3, 7), ASSAY__D2(3, 7)},
     .attrs = {.axis = 1}, .low = 0.0, .high = 1.0},
    {.label = "log, channels", .n_in = 2,
     .in = {ASSAY__D4(2, 3, 4, 5), ASSAY__D4(2, 3, 4, 5)},
     .attrs = {.axis = 1, .index = 1}, .low = -2.0, .high = 0.0},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_softmax_axis = {
    .name = "softmax_axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = cases,
    .shape = softmax_shape,
    .backward = softmax_backward,
    .reference = softmax_reference,
};

const struct assay_op assay__op_softmax_axis_bwd = {
    .name = "softmax_axis_bwd",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = bwd_cases,
    .shape = bwd_shape,
    .reference = bwd_reference,
};
