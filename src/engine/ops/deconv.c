/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transposed convolution: the data gradient of the convolution with the
 * same weights, so each of its three directions is one of conv.c's with
 * small and big map exchanged. Weights are [C, O/groups, kh, kw].
 *
 *   y[n,o, i s - p + u d, j s - p + v d] += w[c,o,u,v] x[n,c,i,j]
 */

#include "engine/ops/conv.h"

static int out_side(const char *op, const struct assay_attrs *a, int i,
                    int64_t in, int64_t kernel, int64_t *out,
                    struct assay_error *err)
{
    struct assay__window w = assay__conv_window(a, i, in, kernel);
    int64_t limit =
        a->stride[i] > a->dilation[i] ? a->stride[i] : a->dilation[i];
    int code = assay__window_check(op, &w, err);

    if (code == ASSAY_OK)
        code = assay__need_range(op, "output padding", a->output_pad[i], 0,
                                 limit - 1, err);
    if (code != ASSAY_OK)
        return code;
    *out = (in - 1) * w.stride - w.before - w.after +
           w.dilation * (kernel - 1) + a->output_pad[i] + 1;
    if (*out < 1)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: output side would be %lld, below 1", op,
                               (long long)*out);
    return ASSAY_OK;
}

static int infer(const char *op, const struct assay_attrs *a,
                 const struct assay_shape *x, const struct assay_shape *w,
                 struct assay_shape *y, struct assay_error *err)
{
    int code;
    int i;

    code = assay__need_rank(op, "x", x, 4, 4, err);
    if (code == ASSAY_OK)
        code = assay__need_rank(op, "the weight", w, 4, 4, err);
    if (code == ASSAY_OK)
        code = assay__need_size(op, "the weight", w, err);
    if (code == ASSAY_OK)
        code =
            assay__need_groups(op, "input channels", x->dim[1], a->groups, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "dimension 0 of the weight", w->dim[0],
                                 x->dim[1], x->dim[1], err);
    if (code != ASSAY_OK)
        return code;
    y->rank = 4;
    y->dim[0] = x->dim[0];
    y->dim[1] = w->dim[1] * a->groups;
    for (i = 0; i < 2; i++) {
        code = out_side(op, a, i, x->dim[2 + i], w->dim[2 + i], &y->dim[2 + i],
                        err);
        if (code != ASSAY_OK)
            return code;
    }
    return assay__need_size(op, "the output", y, err);
}

static int deconv_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    int code = infer("deconv", attrs, &in[0], &in[1], &out[0], err);

    if (code == ASSAY_OK && n_in > 2)
        code =
            assay__need_row("deconv", "the bias", &in[2], out[0].dim[1], err);
    return code;
}

static void deconv_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    static const struct assay__conv_gradients gradients = {
        &assay__op_deconv_bwd_data, &assay__op_deconv_bwd_weights};

    assay__conv_backward(g, node, &gradients, d_out[0], want, d_in);
}

static void deconv_reference(const struct assay__call *call)
{
    struct assay__conv_map m;

    assay__conv_map(&m, call->attrs, &call->out_shape[0], &call->in_shape[0],
                    &call->in_shape[1]);
    assay__conv_to_big(&m, call->out[0], call->in[0], call->in[1]);
    if (call->n_in > 2)
        assay__bias_add(&call->out_shape[0], call->out[0], call->in[2]);
}

static double deconv_flops(const struct assay_attrs *attrs,
                           const struct assay_shape *in,
                           const struct assay_shape *out)
{
    (void)attrs;
    (void)out;
    return 2.0 * (double)assay__volume(&in[0], 1) *
           (double)assay__volume(&in[1], 1);
}

static int data_shape(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    struct assay_shape dy;
    int code;

    (void)n_in;
    code = infer("deconv_bwd_data", attrs, &attrs->shape, &in[1], &dy, err);
    if (code == ASSAY_OK)
        code = assay__need_shape("deconv_bwd_data", "dy", &in[0], &dy, err);
    out[0] = attrs->shape;
    return code;
}

static void data_reference(const struct assay__call *call)
{
    struct assay__conv_map m;

    assay__conv_map(&m, call->attrs, &call->in_shape[0], &call->out_shape[0],
                    &call->in_shape[1]);
    assay__conv_to_small(&m, call->in[0], call->out[0], call->in[1]);
}

static int weights_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    struct assay_shape dy;
    int code;

    (void)n_in;
    code = infer("deconv_bwd_weights", attrs, &in[0], &attrs->shape, &dy, err);
    if (code == ASSAY_OK)
        code = assay__need_shape("deconv_bwd_weights", "dy", &in[1], &dy, err);
    out[0] = attrs->shape;
    if (code == ASSAY_OK)
        out[1] = assay_shape_make(1, dy.dim[1]);
    return code;
}

static void weights_reference(const struct assay__call *call)
{
    struct assay__conv_map m;

    assay__conv_map(&m, call->attrs, &call->in_shape[1], &call->in_shape[0],
                    &call->out_shape[0]);
    assay__conv_to_weight(&m, call->in[1], call->in[0], call->out[0]);
    assay__bias_sum(&call->in_shape[1], call->in[1], call->out[1]);
}

/* clang-format off */
#define ATTRS(s, p, d, g) \
    .stride = {s, s}, .pad = {p, p, p, p}, .dilation = {d, d}, .groups = g
#define RANGE .low = -1.0, .high = 1.0
#define CASE(text, X, W, ...) \
    {.label = text, .n_in = 2, .in = {X, W}, .attrs = {__VA_ARGS__}, RANGE}
#define CASE_B(text, X, W, o, ...) \
    {.label = text, .n_in = 3, .in = {X, W, ASSAY__D1(o)}, \
     .attrs = {__VA_ARGS__}, RANGE}
#define X(n, c, h, w) ASSAY__D4(n, c, h, w)

static const struct assay__op_case deconv_cases[] = {
    CASE("4x4 from 1x1", X(2, 5, 1, 1), X(5, 4, 4, 4), ATTRS(1, 0, 1, 1)),
    CASE_B("4x4 stride 2 pad 1", X(2, 3, 4, 4), X(3, 2, 4, 4), 2,
           ATTRS(2, 1, 1, 1)),
    CASE("3x3 stride 1 pad 1", X(2, 16, 5, 5), X(16, 16, 3, 3),
         ATTRS(1, 1, 1, 1)),
    CASE_B("3x3 stride 2, output padding", X(1, 2, 3, 3), X(2, 3, 3, 3), 3,
           ATTRS(2, 1, 1, 1), .output_pad = {1, 1}),
    CASE("2 groups", X(2, 4, 3, 3), X(4, 3, 3, 3), ATTRS(2, 1, 1, 2)),
    CASE("dilation 2", X(1, 2, 3, 4), X(2, 2, 3, 3), ATTRS(1, 1, 2, 1)),
    CASE_B("2x2 stride 3", X(1, 2, 3, 2), X(2, 2, 2, 2), 2,
           ATTRS(3, 0, 1, 1)),
    CASE("to one channel", X(1, 8, 4, 4), X(8, 1, 4, 4), ATTRS(2, 1, 1, 1)),
    {.label = NULL},
};

static const struct assay__op_case data_cases[] = {
    CASE("4x4 stride 2 pad 1", X(2, 2, 8, 8), X(3, 2, 4, 4),
         ATTRS(2, 1, 1, 1), .shape = X(2, 3, 4, 4)),
    CASE("output padding", X(1, 3, 6, 6), X(2, 3, 3, 3), ATTRS(2, 1, 1, 1),
         .output_pad = {1, 1}, .shape = X(1, 2, 3, 3)),
    {.label = NULL},
};

static const struct assay__op_case weights_cases[] = {
    CASE("4x4 stride 2 pad 1", X(2, 3, 4, 4), X(2, 2, 8, 8),
         ATTRS(2, 1, 1, 1), .shape = X(3, 2, 4, 4)),
    CASE("2 groups", X(2, 4, 3, 3), X(2, 6, 5, 5), ATTRS(2, 1, 1, 2),
         .shape = X(4, 3, 3, 3)),
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_deconv = {
    .name = "deconv",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .fixed = 1u << 1 | 1u << 2,
    .tolerance = 1e-9,
    .cases = deconv_cases,
    .shape = deconv_shape,
    .backward = deconv_backward,
    .reference = deconv_reference,
    .records = &assay__deconv_records,
    .flops = deconv_flops,
};

const struct assay_op assay__op_deconv_bwd_data = {
    .name = "deconv_bwd_data",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .fixed = 1u << 1,
    .tolerance = 1e-9,
    .cases = data_cases,
    .shape = data_shape,
    .reference = data_reference,
};

const struct assay_op assay__op_deconv_bwd_weights = {
    .name = "deconv_bwd_weights",
    .min_in = 2,
    .max_in = 2,
    .n_out = 2,
    .tolerance = 1e-9,
    .cases = weights_cases,
    .shape = weights_shape,
    .reference = weights_reference,
};
