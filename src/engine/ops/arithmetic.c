/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise arithmetic of any rank: add, mul, affine (alpha x + momentum),
 * and the constant fill. Their gradients need no ops of their own.
 */

#include <math.h>

#include "engine/ops/common.h"

static int add_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    (void)attrs;
    return assay__need_alike("add", n_in, in, out, err);
}

static void add_backward(assay_graph *g, const struct assay__node *node,
                         const assay_value *d_out, const bool *want,
                         assay_value *d_in)
{
    (void)g;
    (void)node;
    (void)want;
    d_in[0] = d_out[0];
    d_in[1] = d_out[0];
}

static void add_reference(const struct assay__call *call)
{
    int64_t n = assay__volume(&call->in_shape[0], 0);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[0][i] + call->in[1][i];
}

static int mul_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    (void)attrs;
    return assay__need_alike("mul", n_in, in, out, err);
}

static void mul_backward(assay_graph *g, const struct assay__node *node,
                         const assay_value *d_out, const bool *want,
                         assay_value *d_in)
{
    if (want[0])
        d_in[0] = assay__node2(g, &assay__op_mul, NULL, d_out[0], node->in[1]);
    if (want[1])
        d_in[1] = assay__node2(g, &assay__op_mul, NULL, d_out[0], node->in[0]);
}

static void mul_reference(const struct assay__call *call)
{
    int64_t n = assay__volume(&call->in_shape[0], 0);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[0][i] * call->in[1][i];
}

static int affine_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    (void)n_in;
    out[0] = in[0];
    if (isfinite(attrs->alpha) && isfinite(attrs->momentum))
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_NUMERIC,
                           "affine: factor %g or shift %g is not finite",
                           attrs->alpha, attrs->momentum);
}

static void affine_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.momentum = 0.0;
    d_in[0] = assay__node1(g, &assay__op_affine, &attrs, d_out[0]);
}

static void affine_reference(const struct assay__call *call)
{
    int64_t n = assay__volume(&call->in_shape[0], 0);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] =
            call->attrs->alpha * call->in[0][i] + call->attrs->momentum;
}

static int fill_shape(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    (void)n_in;
    (void)in;
    out[0] = attrs->shape;
    return assay__need_size("fill", "the output", &out[0], err);
}

static void fill_reference(const struct assay__call *call)
{
    int64_t n = assay__volume(&call->out_shape[0], 0);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->attrs->alpha;
}

/* clang-format off */
#define BINARY(text, S) \
    {.label = (text), .n_in = 2, .in = {S, S}, .low = -1.0, .high = 1.0}
#define UNARY(text, S, ...) \
    {.label = (text), .n_in = 1, .in = {S}, .attrs = {__VA_ARGS__}, \
     .low = -1.0, .high = 1.0}

static const struct assay__op_case binary_cases[] = {
    BINARY("maps", ASSAY__D4(2, 3, 4, 5)),
    BINARY("16 channels", ASSAY__D4(1, 16, 3, 3)),
    BINARY("rows", ASSAY__D2(3, 7)),
    BINARY("one per record", ASSAY__D1(5)),
    BINARY("scalar", {0}),
    {.label = NULL},
};

static const struct assay__op_case affine_cases[] = {
    UNARY("factor and shift", ASSAY__D4(2, 3, 4, 5), .alpha = -2.5,
          .momentum = 0.75),
    UNARY("factor", ASSAY__D2(3, 7), .alpha = 0.5),
    UNARY("scalar", {0}, .alpha = 3.0),
    {.label = NULL},
};

static const struct assay__op_case fill_cases[] = {
    {.label = "maps", .attrs = {.alpha = 1.5, .shape = {4, {2, 3, 4, 5}}}},
    {.label = "scalar", .attrs = {.alpha = 1.0}},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_add = {
    .name = "add",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-13,
    .cases = binary_cases,
    .shape = add_shape,
    .backward = add_backward,
    .reference = add_reference,
};

const struct assay_op assay__op_mul = {
    .name = "mul",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-13,
    .cases = binary_cases,
    .shape = mul_shape,
    .backward = mul_backward,
    .reference = mul_reference,
};

const struct assay_op assay__op_affine = {
    .name = "affine",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-13,
    .cases = affine_cases,
    .shape = affine_shape,
    .backward = affine_backward,
    .reference = affine_reference,
};

const struct assay_op assay__op_fill = {
    .name = "fill",
    .min_in = 0,
    .max_in = 0,
    .n_out = 1,
    .tolerance = 1e-13,
    .cases = fill_cases,
    .shape = fill_shape,
    .reference = fill_reference,
};
