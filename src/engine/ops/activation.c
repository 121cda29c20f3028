/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activations: relu, leaky_relu, sigmoid, tanh, of any rank. Their
 * gradients are taken from the output: y > 0 tells as much as x > 0, and
 * the derivatives of sigmoid and tanh are polynomials of y. At the kink the
 * derivative is that of the left side, as in PyTorch.
 */

#include <math.h>

#include "engine/ops/common.h"

static int64_t count(const struct assay__call *call)
{
    return assay__volume(&call->in_shape[0], 0);
}

/* Append `op`(dy, y). */
static void from_output(assay_graph *g, const struct assay_op *op,
                        const struct assay__node *node,
                        const assay_value *d_out, assay_value *d_in)
{
    d_in[0] = assay__node2(g, op, &node->attrs, d_out[0], node->out);
}

/* clang-format off */
#define RANGE .low = -2.0, .high = 2.0, .away = 0.05
#define UNARY(text, ...) \
    {.label = (text), .n_in = 1, .in = {__VA_ARGS__}, RANGE}
#define BINARY(text, S) \
    {.label = (text), .n_in = 2, .in = {S, S}, RANGE}

static const struct assay__op_case cases[] = {
    UNARY("maps", ASSAY__D4(2, 3, 4, 5)),
    UNARY("16 channels", ASSAY__D4(1, 16, 3, 3)),
    UNARY("rows", ASSAY__D2(3, 7)),
    UNARY("one per record", ASSAY__D1(9)),
    {.label = NULL},
};

static const struct assay__op_case bwd_cases[] = {
    BINARY("maps", ASSAY__D4(2, 3, 4, 5)),
    BINARY("rows", ASSAY__D2(3, 7)),
    {.label = NULL},
};

static const struct assay__op_case leaky_cases[] = {
    {.label = "maps", .n_in = 1, .in = {ASSAY__D4(2, 3, 4, 5)},
     .attrs = {.alpha = 0.2}, RANGE},
    {.label = "rows", .n_in = 1, .in = {ASSAY__D2(3, 7)},
     .attrs = {.alpha = 0.01}, RANGE},
    {.label = NULL},
};

static const struct assay__op_case leaky_bwd_cases[] = {
    {.label = "maps", .n_in = 2,
     .in = {ASSAY__D4(2, 3, 4, 5), ASSAY__D4(2, 3, 4, 5)},
     .attrs = {.alpha = 0.2}, RANGE},
    {.label = NULL},
};
/* clang-format on */

static void relu_backward(assay_graph *g, const struct assay__node *node,
                          const assay_value *d_out, const bool *want,
                          assay_value *d_in)
{
    (void)want;
    from_output(g, &assay__op_relu_bwd, node, d_out, d_in);
}

static void relu_reference(const struct assay__call *call)
{
    const double *x = call->in[0];
    int64_t n = count(call);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = x[i] > 0.0 || isnan(x[i]) ? x[i] : 0.0;
}

static int relu_bwd_shape(const struct assay_attrs *attrs, int n_in,
                          const struct assay_shape *in, struct assay_shape *out,
                          struct assay_error *err)
{
    (void)attrs;
    return assay__need_alike("relu_bwd", n_in, in, out, err);
}

static void relu_bwd_reference(const struct assay__call *call)
{
    int64_t n = count(call);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[1][i] > 0.0 ? call->in[0][i] : 0.0;
}

static int need_slope(const char *op, const struct assay_attrs *attrs,
                      struct assay_error *err)
{
    if (attrs->alpha > 0.0 && isfinite(attrs->alpha))
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_SHAPE,
                           "%s: slope is %g, must be finite and above 0", op,
                           attrs->alpha);
}

static int leaky_shape(const struct assay_attrs *attrs, int n_in,
                       const struct assay_shape *in, struct assay_shape *out,
                       struct assay_error *err)
{
    (void)n_in;
    out[0] = in[0];
    return need_slope("leaky_relu", attrs, err);
}

static void leaky_backward(assay_graph *g, const struct assay__node *node,
                           const assay_value *d_out, const bool *want,
                           assay_value *d_in)
{
    (void)want;
    from_output(g, &assay__op_leaky_relu_bwd, node, d_out, d_in);
}

static void leaky_reference(const struct assay__call *call)
{
    const double *x = call->in[0];
    int64_t n = count(call);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = x[i] > 0.0 ? x[i] : call->attrs->alpha * x[i];
}

static int leaky_bwd_shape(const struct assay_attrs *attrs, int n_in,
                           const struct assay_shape *in,
                           struct assay_shape *out, struct assay_error *err)
{
    int code = need_slope("leaky_relu_bwd", attrs, err);

    if (code != ASSAY_OK)
        return code;
    return assay__need_alike("leaky_relu_bwd", n_in, in, out, err);
}

static void leaky_bwd_reference(const struct assay__call *call)
{
    const double *dy = call->in[0];
    int64_t n = count(call);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] =
            call->in[1][i] > 0.0 ? dy[i] : call->attrs->alpha * dy[i];
}

static void sigmoid_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in)
{
    (void)want;
    from_output(g, &assay__op_sigmoid_bwd, node, d_out, d_in);
}

static void sigmoid_reference(const struct assay__call *call)
{
    int64_t n = count(call);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = 1.0 / (1.0 + exp(-call->in[0][i]));
}

static int sigmoid_bwd_shape(const struct assay_attrs *attrs, int n_in,
                             const struct assay_shape *in,
                             struct assay_shape *out, struct assay_error *err)
{
    (void)attrs;
    return assay__need_alike("sigmoid_bwd", n_in, in, out, err);
}

static void sigmoid_bwd_reference(const struct assay__call *call)
{
    const double *y = call->in[1];
    int64_t n = count(call);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[0][i] * y[i] * (1.0 - y[i]);
}

static void tanh_backward(assay_graph *g, const struct assay__node *node,
                          const assay_value *d_out, const bool *want,
                          assay_value *d_in)
{
    (void)want;
    from_output(g, &assay__op_tanh_bwd, node, d_out, d_in);
}

static void tanh_reference(const struct assay__call *call)
{
    int64_t n = count(call);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = tanh(call->in[0][i]);
}

static int tanh_bwd_shape(const struct assay_attrs *attrs, int n_in,
                          const struct assay_shape *in, struct assay_shape *out,
                          struct assay_error *err)
{
    (void)attrs;
    return assay__need_alike("tanh_bwd", n_in, in, out, err);
}

static void tanh_bwd_reference(const struct assay__call *call)
{
    const double *y = call->in[1];
    int64_t n = count(call);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[0][i] * (1.0 - y[i] * y[i]);
}

#define FORWARD(op, shape_fn, test_cases, prefix) \
    const struct assay_op assay__op_##op = {      \
        .name = #op,                              \
        .min_in = 1,                              \
        .max_in = 1,                              \
        .n_out = 1,                               \
        .tolerance = 1e-12,                       \
        .cases = (test_cases),                    \
        .shape = (shape_fn),                      \
        .backward = prefix##_backward,            \
        .reference = prefix##_reference,          \
    }
#define BACKWARD(op, test_cases, prefix)     \
    const struct assay_op assay__op_##op = { \
        .name = #op,                         \
        .min_in = 2,                         \
        .max_in = 2,                         \
        .n_out = 1,                          \
        .tolerance = 1e-12,                  \
        .cases = (test_cases),               \
        .shape = prefix##_bwd_shape,         \
        .reference = prefix##_bwd_reference, \
    }

FORWARD(relu, assay__shape_same, cases, relu);
BACKWARD(relu_bwd, bwd_cases, relu);
FORWARD(leaky_relu, leaky_shape, leaky_cases, leaky);
BACKWARD(leaky_relu_bwd, leaky_bwd_cases, leaky);
FORWARD(sigmoid, assay__shape_same, cases, sigmoid);
BACKWARD(sigmoid_bwd, bwd_cases, sigmoid);
FORWARD(tanh, assay__shape_same, cases, tanh);
BACKWARD(tanh_bwd, bwd_cases, tanh);
