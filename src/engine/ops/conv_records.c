/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions record by record: squared norms of the gradients of weights
 * and bias, and their sums with a factor for each record. As the gradient
 * of weights is linear in x and in dy, the factors go into the smaller of
 * the two, and one pass over all records makes the sum; that of the bias is
 * made from each record's. A kernel of so few weights that the gradients of
 * all records take less room than the maps keeps these instead, and spares
 * the pass.
 */

#include <string.h>

#include "engine/ops/conv.h"

enum { WEIGHTS = 1, SMALL_BIAS = 2, BIG_BIAS = 4 };

static int check(const char *op, const struct assay_attrs *attrs,
                 const struct assay_shape *in, struct assay_shape *out,
                 struct assay_error *err)
{
    struct assay_shape dy;
    int code;

    code = assay__conv_infer(op, attrs, &in[0], &attrs->shape, &dy, err);
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "dy", &in[1], &dy, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "index", attrs->index, 1,
                                 WEIGHTS + SMALL_BIAS + BIG_BIAS, err);
    if (code != ASSAY_OK)
        return code;
    out[0] = assay_shape_make(1, in[0].dim[0]);
    out[1] = assay_shape_make(2, in[0].dim[0],
                              in[attrs->index & BIG_BIAS ? 0 : 1].dim[1]);
    return ASSAY_OK;
}

static int squares_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    (void)n_in;
    return check("conv_bwd_squares", attrs, in, out, err);
}

static int records_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    const struct assay_shape *w = &attrs->shape;
    int code = check("conv_bwd_records", attrs, in, out, err);

    (void)n_in;
    if (code == ASSAY_OK)
        out[2] = assay_shape_make(5, in[0].dim[0], w->dim[0], w->dim[1],
                                  w->dim[2], w->dim[3]);
    return code;
}

/* Sums over the map of one record's channels; their squares summed. */
static double sum_channels(const struct assay_shape *s, const double *x,
                           int64_t n, double *sums)
{
    int64_t plane = assay__volume(s, 2);
    double squares = 0.0;

    x += n * s->dim[1] * plane;
    for (int64_t c = 0; c < s->dim[1]; c++, x += plane) {
        double sum = 0.0;

        for (int64_t i = 0; i < plane; i++)
            sum += x[i];
        sums[n * s->dim[1] + c] = sum;
        squares += sum * sum;
    }
    return squares;
}

static void squares_reference(const struct assay__call *call)
{
    struct assay__conv_map m;
    int what = call->attrs->index;
    int side = what & BIG_BIAS ? 0 : 1;

    assay__conv_map(&m, call->attrs, &call->in_shape[0], &call->in_shape[1],
                    &call->attrs->shape);
    for (int64_t n = 0; n < m.batch; n++) {
        double bias = sum_channels(&call->in_shape[side], call->in[side], n,
                                   call->out[1]);
        double sum = what & (SMALL_BIAS | BIG_BIAS) ? bias : 0.0;

        if (what & WEIGHTS)
            sum += assay__conv_squares(&m, call->in[0], call->in[1], n);
        call->out[0][n] = sum;
    }
}

static void records_reference(const struct assay__call *call)
{
    struct assay__conv_map m;
    int64_t weights = assay__volume(&call->attrs->shape, 0);
    int64_t big = assay__volume(&call->in_shape[0], 1);
    int64_t small = assay__volume(&call->in_shape[1], 1);
    int64_t batch = call->in_shape[0].dim[0];
    int what = call->attrs->index;
    int side = what & BIG_BIAS ? 0 : 1;

    assay__conv_map(&m, call->attrs, &call->in_shape[0], &call->in_shape[1],
                    &call->attrs->shape);
    m.batch = 1;
    for (int64_t n = 0; n < batch; n++) {
        double *dw = call->out[2] + n * weights;
        double bias = sum_channels(&call->in_shape[side], call->in[side], n,
                                   call->out[1]);
        double sum = what & (SMALL_BIAS | BIG_BIAS) ? bias : 0.0;

        assay__conv_to_weight(&m, call->in[0] + n * big,
                              call->in[1] + n * small, dw);
        for (int64_t i = 0; what & WEIGHTS && i < weights; i++)
            sum += dw[i] * dw[i];
        call->out[0][n] = sum;
    }
}

static int gather_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    const char *op = "conv_bwd_gather";
    const struct assay_shape *w = &attrs->shape;
    struct assay_shape rows;
    int code = assay__need_rank(op, "the weight", w, 4, 4, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_rank(op, "the rows", &in[0], 5, 5, err);
    if (code != ASSAY_OK)
        return code;
    rows = assay_shape_make(5, in[0].dim[0], w->dim[0], w->dim[1], w->dim[2],
                            w->dim[3]);
    code = assay__need_shape(op, "the rows", &in[0], &rows, err);
    if (code == ASSAY_OK)
        code = assay__need_row(op, "the weights", &in[1], in[0].dim[0], err);
    out[0] = *w;
    return code;
}

static void gather_reference(const struct assay__call *call)
{
    int64_t weights = assay__volume(&call->out_shape[0], 0);
    const double *row = call->in[0];

    memset(call->out[0], 0, (size_t)weights * sizeof(double));
    for (int64_t n = 0; n < call->in_shape[0].dim[0]; n++, row += weights) {
        double w = call->in[1][n];

        for (int64_t i = 0; w != 0.0 && i < weights; i++)
            call->out[0][i] += w * row[i];
    }
}

/* Numbers of a record of a value, or of a weight. */
static int64_t size_of(const assay_graph *g, assay_value v, int first)
{
    return assay__volume(assay_graph_shape(g, v), first);
}

/* Whether to keep the gradients of all records: not where they are clearly
 * more numbers than the maps that are needed else. */
static bool keeps(const assay_graph *g, const struct assay__node *node,
                  assay_value dy, const bool *want)
{
    int64_t maps = size_of(g, node->in[0], 1) + size_of(g, dy, 1);

    return want[1] && 2 * size_of(g, node->in[1], 0) <= 3 * maps;
}

/* kept: squares, dy or the rows, sums by channel. A transposed convolution's x
 * is the small map. */
static void backward(assay_graph *g, const struct assay__node *node,
                     const struct assay_op *data, bool transposed,
                     const assay_value *d_out, const bool *want,
                     assay_value *d_in, assay_value *kept)
{
    struct assay_attrs attrs = node->attrs;
    assay_value x = node->in[0];
    int bias = transposed ? BIG_BIAS : SMALL_BIAS;
    bool keep = keeps(g, node, d_out[0], want);

    attrs.shape = *assay_graph_shape(g, node->in[1]);
    attrs.index =
        (want[1] ? WEIGHTS : 0) | (node->n_in > 2 && want[2] ? bias : 0);
    kept[0] = assay__node2(
        g, keep ? &assay__op_conv_bwd_records : &assay__op_conv_bwd_squares,
        &attrs, transposed ? d_out[0] : x, transposed ? x : d_out[0]);
    kept[1] = keep ? kept[0] + 2 : d_out[0];
    kept[2] = kept[0] + 1;
    attrs = node->attrs;
    attrs.shape = *assay_graph_shape(g, x);
    if (want[0])
        d_in[0] = assay__node2(g, data, &attrs, d_out[0], node->in[1]);
}

static void gather(assay_graph *g, const struct assay__node *node,
                   const struct assay_op *weights, const assay_value *kept,
                   assay_value factor, const bool *want, assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;
    assay_value side[2] = {node->in[0], kept[1]};
    int smaller = size_of(g, side[0], 1) < size_of(g, side[1], 1) ? 0 : 1;

    if (node->n_in > 2 && want[2])
        d_in[2] =
            assay__node2(g, &assay__op_weighted_rows, NULL, kept[2], factor);
    if (!want[1])
        return;
    attrs.shape = *assay_graph_shape(g, node->in[1]);
    if (kept[1] == kept[0] + 2) {
        d_in[1] = assay__node2(g, &assay__op_conv_bwd_gather, &attrs, kept[1],
                               factor);
        return;
    }
    side[smaller] =
        assay__node2(g, &assay__op_scale_records, NULL, side[smaller], factor);
    d_in[1] = assay__node2(g, weights, &attrs, side[0], side[1]);
}

static void conv_backward(assay_graph *g, const struct assay__node *node,
                          const assay_value *d_out, const bool *want,
                          assay_value *d_in, assay_value *kept)
{
    backward(g, node, &assay__op_conv_bwd_data, false, d_out, want, d_in, kept);
}

static void conv_gather(assay_graph *g, const struct assay__node *node,
                        const assay_value *kept, assay_value factor,
                        const bool *want, assay_value *d_in)
{
    gather(g, node, &assay__op_conv_bwd_weights, kept, factor, want, d_in);
}

static void deconv_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in, assay_value *kept)
{
    backward(g, node, &assay__op_deconv_bwd_data, true, d_out, want, d_in,
             kept);
}

static void deconv_gather(assay_graph *g, const struct assay__node *node,
                          const assay_value *kept, assay_value factor,
                          const bool *want, assay_value *d_in)
{
    gather(g, node, &assay__op_deconv_bwd_weights, kept, factor, want, d_in);
}

const struct assay__record_rule assay__conv_records = {
    .params = 1u << 1 | 1u << 2,
    .backward = conv_backward,
    .gather = conv_gather,
};

const struct assay__record_rule assay__deconv_records = {
    .params = 1u << 1 | 1u << 2,
    .backward = deconv_backward,
    .gather = deconv_gather,
};

/* clang-format off */
/* NOLINTBEGIN(bugprone-macro-parentheses): shapes are braced lists. */
#define CASE(text, X, Y, W, what, s, p, d, g) \
    {.label = (text), .n_in = 2, .in = {X, Y}, .low = -1.0, .high = 1.0, \
     .attrs = {.stride = {(s), (s)}, .pad = {(p), (p), (p), (p)}, \
               .dilation = {(d), (d)}, .groups = (g), .index = (what), \
               .shape = W}}
/* NOLINTEND(bugprone-macro-parentheses) */
#define X(n, c, h, w) ASSAY__D4(n, c, h, w)

static const struct assay__op_case cases[] = {
    CASE("3x3 pad 1", X(2, 3, 6, 6), X(2, 4, 6, 6), X(4, 3, 3, 3),
         1, 1, 1, 1, 1),
    CASE("3x3 with bias", X(3, 16, 5, 5), X(3, 32, 3, 3), X(32, 16, 3, 3),
         3, 1, 0, 1, 1),
    CASE("bias only", X(2, 3, 5, 5), X(2, 20, 3, 3), X(20, 3, 3, 3),
         2, 1, 0, 1, 1),
    CASE("3x3 stride 2", X(2, 16, 7, 7), X(2, 16, 4, 4), X(16, 16, 3, 3),
         1, 2, 1, 1, 1),
    CASE("stride 2, last column unused", X(2, 32, 6, 6), X(2, 16, 2, 2),
         X(16, 32, 3, 3), 3, 2, 0, 1, 1),
    CASE("7x7 stride 2 pad 3", X(1, 3, 14, 14), X(1, 16, 7, 7),
         X(16, 3, 7, 7), 1, 2, 3, 1, 1),
    CASE("3x3 on 1x1", X(3, 16, 1, 1), X(3, 32, 1, 1), X(32, 16, 3, 3),
         3, 1, 1, 1, 1),
    CASE("1x1", X(2, 32, 3, 4), X(2, 48, 3, 4), X(48, 32, 1, 1),
         3, 1, 0, 1, 1),
    CASE("1x1 stride 2", X(2, 16, 5, 5), X(2, 32, 3, 3), X(32, 16, 1, 1),
         1, 2, 0, 1, 1),
    CASE("1x1 on 1x1", X(5, 20, 1, 1), X(5, 7, 1, 1), X(7, 20, 1, 1),
         3, 1, 0, 1, 1),
    CASE("dilation 2", X(2, 16, 7, 7), X(2, 16, 7, 7), X(16, 16, 3, 3),
         3, 1, 2, 2, 1),
    CASE("2 groups", X(2, 4, 5, 5), X(2, 6, 5, 5), X(6, 2, 3, 3),
         3, 1, 1, 1, 2),
    CASE("depthwise", X(2, 20, 5, 5), X(2, 20, 5, 5), X(20, 1, 3, 3),
         1, 1, 1, 1, 20),
    CASE("depthwise stride 2 with bias", X(3, 16, 7, 6), X(3, 16, 4, 3),
         X(16, 1, 3, 3), 3, 2, 1, 1, 16),
    CASE("transposed", X(2, 16, 8, 8), X(2, 20, 4, 4), X(20, 16, 4, 4),
         5, 2, 1, 1, 1),
    {.label = NULL},
};

static const struct assay__op_case gather_cases[] = {
    {.label = "3 rows", .n_in = 2, .in = {{5, {3, 4, 2, 3, 3}}, ASSAY__D1(3)},
     .attrs = {.shape = X(4, 2, 3, 3)}, .low = -1.0, .high = 1.0},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_conv_bwd_squares = {
    .name = "conv_bwd_squares",
    .min_in = 2,
    .max_in = 2,
    .n_out = 2,
    .tolerance = 1e-9, /* sums of products of sums, some cancelling */
    .cases = cases,
    .shape = squares_shape,
    .reference = squares_reference,
};

const struct assay_op assay__op_conv_bwd_records = {
    .name = "conv_bwd_records",
    .min_in = 2,
    .max_in = 2,
    .n_out = 3,
    .private_out = 1u << 2,
    .tolerance = 1e-9,
    .cases = cases,
    .shape = records_shape,
    .reference = records_reference,
};

const struct assay_op assay__op_conv_bwd_gather = {
    .name = "conv_bwd_gather",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .private_in = 1u << 0,
    .tolerance = 1e-9,
    .cases = gather_cases,
    .shape = gather_shape,
    .reference = gather_reference,
};
