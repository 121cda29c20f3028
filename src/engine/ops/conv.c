/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution of maps, in groups, strided, dilated, with padding on each
 * side; its gradients by input and by weights and bias.
 *
 *   y[n,o,i,j] = b[o] + sum_{c,u,v} w[o,c,u,v]
 *                       x[n,c, i s - p + u d, j s - p + v d]
 *
 * One walk over (n, o, c, u, v, i) serves all three directions; what is
 * done to a row of j differs.
 */

#include "engine/ops/conv.h"

#include <string.h>

typedef void row_fn(double *big, double *small, double *weight, int64_t n,
                    int64_t stride);

void assay__conv_map(struct assay__conv_map *m, const struct assay_attrs *a,
                     const struct assay_shape *big,
                     const struct assay_shape *small,
                     const struct assay_shape *weight)
{
    int i;

    m->batch = big->dim[0];
    m->groups = a->groups;
    m->big_channels = big->dim[1];
    m->small_channels = small->dim[1];
    for (i = 0; i < 2; i++) {
        m->big[i] = big->dim[2 + i];
        m->small[i] = small->dim[2 + i];
        m->kernel[i] = weight->dim[2 + i];
        m->stride[i] = a->stride[i];
        m->pad[i] = a->pad[i];
        m->dilation[i] = a->dilation[i];
    }
}

static void row_to_small(double *big, double *small, double *weight, int64_t n,
                         int64_t stride)
{
    int64_t i;

    for (i = 0; i < n; i++)
        small[i] += *weight * big[i * stride];
}

static void row_to_big(double *big, double *small, double *weight, int64_t n,
                       int64_t stride)
{
    int64_t i;

    for (i = 0; i < n; i++)
        big[i * stride] += *weight * small[i];
}

static void row_to_weight(double *big, double *small, double *weight, int64_t n,
                          int64_t stride)
{
    double sum = 0.0;
    int64_t i;

    for (i = 0; i < n; i++)
        sum += small[i] * big[i * stride];
    *weight += sum;
}

/* Outputs whose tap `k` along axis `a` falls inside the map: [low, high). */
static void tap_range(const struct assay__conv_map *m, int a, int64_t k,
                      int64_t *low, int64_t *high)
{
    int64_t shift = k * m->dilation[a] - m->pad[a]; /* input of output 0 */
    int64_t s = m->stride[a];

    *low = shift >= 0 ? 0 : (-shift + s - 1) / s;
    *high = shift >= m->big[a] ? 0 : (m->big[a] - 1 - shift) / s + 1;
    if (*high > m->small[a])
        *high = m->small[a];
}

/* All rows of one pair of planes. */
static void walk_planes(const struct assay__conv_map *m, row_fn *row,
                        double *big, double *small, double *weight)
{
    int64_t low[2];
    int64_t high[2];
    int64_t u;
    int64_t v;
    int64_t i;
    int64_t y;
    int64_t x;

    for (u = 0; u < m->kernel[0]; u++) {
        tap_range(m, 0, u, &low[0], &high[0]);
        for (v = 0; v < m->kernel[1]; v++, weight++) {
            tap_range(m, 1, v, &low[1], &high[1]);
            if (low[1] >= high[1])
                continue;
            x = low[1] * m->stride[1] + v * m->dilation[1] - m->pad[1];
            for (i = low[0]; i < high[0]; i++) {
                y = i * m->stride[0] + u * m->dilation[0] - m->pad[0];
                row(big + y * m->big[1] + x, small + i * m->small[1] + low[1],
                    weight, high[1] - low[1], m->stride[1]);
            }
        }
    }
}

static void walk(const struct assay__conv_map *m, row_fn *row, double *big,
                 double *small, double *weight)
{
    int64_t big_plane = m->big[0] * m->big[1];
    int64_t small_plane = m->small[0] * m->small[1];
    int64_t taps = m->kernel[0] * m->kernel[1];
    int64_t per_big = m->big_channels / m->groups;
    int64_t per_small = m->small_channels / m->groups;
    int64_t n;
    int64_t o;
    int64_t c;
    int64_t first;

    for (n = 0; n < m->batch; n++) {
        for (o = 0; o < m->small_channels; o++) {
            first = n * m->big_channels + o / per_small * per_big;
            for (c = 0; c < per_big; c++)
                walk_planes(m, row, big + (first + c) * big_plane,
                            small + (n * m->small_channels + o) * small_plane,
                            weight + (o * per_big + c) * taps);
        }
    }
}

static void clear(double *p, int64_t n)
{
    memset(p, 0, (size_t)n * sizeof *p);
}

void assay__conv_to_small(const struct assay__conv_map *m, double *big,
                          double *small, double *weight)
{
    clear(small, m->batch * m->small_channels * m->small[0] * m->small[1]);
    walk(m, row_to_small, big, small, weight);
}

void assay__conv_to_big(const struct assay__conv_map *m, double *big,
                        double *small, double *weight)
{
    clear(big, m->batch * m->big_channels * m->big[0] * m->big[1]);
    walk(m, row_to_big, big, small, weight);
}

void assay__conv_to_weight(const struct assay__conv_map *m, double *big,
                           double *small, double *weight)
{
    clear(weight, m->small_channels * (m->big_channels / m->groups) *
                      m->kernel[0] * m->kernel[1]);
    walk(m, row_to_weight, big, small, weight);
}

/* The gradient of one tap, from one pair of planes. */
static double tap_gradient(const struct assay__conv_map *m, const double *big,
                           const double *small, int64_t u, int64_t v)
{
    double sum = 0.0;
    int64_t low[2];
    int64_t high[2];

    tap_range(m, 0, u, &low[0], &high[0]);
    tap_range(m, 1, v, &low[1], &high[1]);
    for (int64_t i = low[0]; i < high[0]; i++) {
        int64_t y = i * m->stride[0] + u * m->dilation[0] - m->pad[0];

        for (int64_t j = low[1]; j < high[1]; j++) {
            int64_t x = j * m->stride[1] + v * m->dilation[1] - m->pad[1];

            sum += small[i * m->small[1] + j] * big[y * m->big[1] + x];
        }
    }
    return sum;
}

double assay__conv_squares(const struct assay__conv_map *m, const double *big,
                           const double *small, int64_t n)
{
    int64_t big_plane = m->big[0] * m->big[1];
    int64_t small_plane = m->small[0] * m->small[1];
    int64_t per_big = m->big_channels / m->groups;
    int64_t per_small = m->small_channels / m->groups;
    int64_t taps = m->kernel[0] * m->kernel[1];
    double sum = 0.0;

    for (int64_t o = 0; o < m->small_channels; o++) {
        int64_t first = n * m->big_channels + o / per_small * per_big;
        const double *from = small + (n * m->small_channels + o) * small_plane;

        for (int64_t k = 0; k < per_big * taps; k++) {
            double d =
                tap_gradient(m, big + (first + k / taps) * big_plane, from,
                             k % taps / m->kernel[1], k % taps % m->kernel[1]);

            sum += d * d;
        }
    }
    return sum;
}

void assay__bias_add(const struct assay_shape *shape, double *y,
                     const double *b)
{
    int64_t plane = assay__volume(shape, 2);
    int64_t rows = shape->dim[0] * shape->dim[1];
    int64_t r;
    int64_t i;

    if (b == NULL)
        return;
    for (r = 0; r < rows; r++)
        for (i = 0; i < plane; i++)
            y[r * plane + i] += b[r % shape->dim[1]];
}

void assay__bias_sum(const struct assay_shape *shape, const double *dy,
                     double *db)
{
    int64_t plane = assay__volume(shape, 2);
    int64_t rows = shape->dim[0] * shape->dim[1];
    int64_t r;
    int64_t i;

    clear(db, shape->dim[1]);
    for (r = 0; r < rows; r++)
        for (i = 0; i < plane; i++)
            db[r % shape->dim[1]] += dy[r * plane + i];
}

struct assay__window assay__conv_window(const struct assay_attrs *a, int i,
                                        int64_t in, int64_t kernel)
{
    struct assay__window w;

    w.in = in;
    w.kernel = kernel;
    w.stride = a->stride[i];
    w.before = a->pad[i];
    w.after = a->pad[i + 2];
    w.dilation = a->dilation[i];
    return w;
}

int assay__need_groups(const char *op, const char *what, int64_t channels,
                       int groups, struct assay_error *err)
{
    int code = assay__need_range(op, "groups", groups, 1, INT32_MAX, err);

    if (code != ASSAY_OK)
        return code;
    if (channels % groups != 0)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: %lld %s are not a multiple of %d groups",
                               op, (long long)channels, what, groups);
    return ASSAY_OK;
}

int assay__conv_infer(const char *op, const struct assay_attrs *a,
                      const struct assay_shape *x, const struct assay_shape *w,
                      struct assay_shape *y, struct assay_error *err)
{
    struct assay__window window;
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
        code = assay__need_groups(op, "output channels", w->dim[0], a->groups,
                                  err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "dimension 1 of the weight", w->dim[1],
                                 x->dim[1] / a->groups, x->dim[1] / a->groups,
                                 err);
    if (code != ASSAY_OK)
        return code;
    y->rank = 4;
    y->dim[0] = x->dim[0];
    y->dim[1] = w->dim[0];
    for (i = 0; i < 2; i++) {
        window = assay__conv_window(a, i, x->dim[2 + i], w->dim[2 + i]);
        code = assay__window_length(op, &window, &y->dim[2 + i], err);
        if (code != ASSAY_OK)
            return code;
    }
    return assay__need_size(op, "the output", y, err);
}

static int conv_shape(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    int code = assay__conv_infer("conv", attrs, &in[0], &in[1], &out[0], err);

    if (code == ASSAY_OK && n_in > 2)
        code = assay__need_row("conv", "the bias", &in[2], in[1].dim[0], err);
    return code;
}

void assay__conv_backward(assay_graph *g, const struct assay__node *node,
                          const struct assay__conv_gradients *op,
                          assay_value dy, const bool *want, assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    if (want[0]) {
        attrs.shape = *assay_graph_shape(g, node->in[0]);
        d_in[0] = assay__node2(g, op->data, &attrs, dy, node->in[1]);
    }
    if (want[1] || (node->n_in > 2 && want[2])) {
        attrs.shape = *assay_graph_shape(g, node->in[1]);
        d_in[1] = assay__node2(g, op->weights, &attrs, node->in[0], dy);
        if (node->n_in > 2 && d_in[1] != ASSAY_NO_VALUE)
            d_in[2] = d_in[1] + 1;
    }
}

static void conv_backward(assay_graph *g, const struct assay__node *node,
                          const assay_value *d_out, const bool *want,
                          assay_value *d_in)
{
    static const struct assay__conv_gradients gradients = {
        &assay__op_conv_bwd_data, &assay__op_conv_bwd_weights};

    assay__conv_backward(g, node, &gradients, d_out[0], want, d_in);
}

static void conv_reference(const struct assay__call *call)
{
    struct assay__conv_map m;

    assay__conv_map(&m, call->attrs, &call->in_shape[0], &call->out_shape[0],
                    &call->in_shape[1]);
    assay__conv_to_small(&m, call->in[0], call->out[0], call->in[1]);
    if (call->n_in > 2)
        assay__bias_add(&call->out_shape[0], call->out[0], call->in[2]);
}

static double conv_flops(const struct assay_attrs *attrs,
                         const struct assay_shape *in,
                         const struct assay_shape *out)
{
    (void)attrs;
    return 2.0 * (double)assay__volume(&out[0], 1) *
           (double)assay__volume(&in[1], 1);
}

static int data_shape(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    struct assay_shape dy;
    int code;

    (void)n_in;
    code = assay__conv_infer("conv_bwd_data", attrs, &attrs->shape, &in[1], &dy,
                             err);
    if (code == ASSAY_OK)
        code = assay__need_shape("conv_bwd_data", "dy", &in[0], &dy, err);
    out[0] = attrs->shape;
    return code;
}

static void data_reference(const struct assay__call *call)
{
    struct assay__conv_map m;

    assay__conv_map(&m, call->attrs, &call->out_shape[0], &call->in_shape[0],
                    &call->in_shape[1]);
    assay__conv_to_big(&m, call->out[0], call->in[0], call->in[1]);
}

static int weights_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    struct assay_shape dy;
    int code;

    (void)n_in;
    code = assay__conv_infer("conv_bwd_weights", attrs, &in[0], &attrs->shape,
                             &dy, err);
    if (code == ASSAY_OK)
        code = assay__need_shape("conv_bwd_weights", "dy", &in[1], &dy, err);
    out[0] = attrs->shape;
    out[1] = assay_shape_make(1, attrs->shape.dim[0]);
    return code;
}

static void weights_reference(const struct assay__call *call)
{
    struct assay__conv_map m;

    assay__conv_map(&m, call->attrs, &call->in_shape[0], &call->in_shape[1],
                    &call->out_shape[0]);
    assay__conv_to_weight(&m, call->in[0], call->in[1], call->out[0]);
    assay__bias_sum(&call->in_shape[1], call->in[1], call->out[1]);
}

/* clang-format off */
#define ATTRS(s, p, d, g) \
    .stride = {s, s}, .pad = {p, p, p, p}, .dilation = {d, d}, .groups = g
#define RANGE .low = -1.0, .high = 1.0

/* label, x, w, attrs; with and without bias. */
#define CASE(text, X, W, ...) \
    {.label = text, .n_in = 2, .in = {X, W}, .attrs = {__VA_ARGS__}, RANGE}
#define CASE_B(text, X, W, o, ...) \
    {.label = text, .n_in = 3, .in = {X, W, ASSAY__D1(o)}, \
     .attrs = {__VA_ARGS__}, RANGE}
#define X(n, c, h, w) ASSAY__D4(n, c, h, w)

static const struct assay__op_case conv_cases[] = {
    CASE_B("3x3 pad 1", X(2, 3, 6, 6), X(4, 3, 3, 3), 4, ATTRS(1, 1, 1, 1)),
    CASE("3x3 no pad", X(2, 2, 5, 7), X(3, 2, 3, 3), ATTRS(1, 0, 1, 1)),
    CASE_B("3x3 stride 2", X(2, 3, 7, 7), X(4, 3, 3, 3), 4,
           ATTRS(2, 1, 1, 1)),
    CASE("stride 2, last column unused", X(1, 2, 6, 6), X(2, 2, 3, 3),
         ATTRS(2, 0, 1, 1)),
    CASE_B("7x7 stride 2 pad 3", X(1, 3, 14, 14), X(16, 3, 7, 7), 16,
           ATTRS(2, 3, 1, 1)),
    CASE("11x11 stride 4 pad 2", X(1, 1, 15, 15), X(2, 1, 11, 11),
         ATTRS(4, 2, 1, 1)),
    CASE_B("1x1", X(2, 5, 3, 4), X(6, 5, 1, 1), 6, ATTRS(1, 0, 1, 1)),
    CASE("1x1 stride 2", X(2, 16, 5, 5), X(16, 16, 1, 1),
         ATTRS(2, 0, 1, 1)),
    CASE("dilation 2", X(2, 2, 7, 7), X(3, 2, 3, 3), ATTRS(1, 2, 2, 1)),
    CASE("dilation 3 stride 2", X(1, 2, 9, 9), X(2, 2, 3, 3),
         ATTRS(2, 3, 3, 1)),
    CASE_B("2 groups", X(2, 4, 5, 5), X(6, 2, 3, 3), 6, ATTRS(1, 1, 1, 2)),
    CASE_B("depthwise", X(2, 6, 5, 5), X(6, 1, 3, 3), 6, ATTRS(1, 1, 1, 6)),
    CASE("depthwise on 2x2", X(2, 16, 2, 2), X(16, 1, 3, 3),
         ATTRS(1, 1, 1, 16)),
    CASE("depthwise stride 2", X(1, 5, 7, 6), X(5, 1, 3, 3),
         ATTRS(2, 1, 1, 5)),
    CASE("depthwise, two outputs each", X(1, 3, 4, 4), X(6, 1, 3, 3),
         ATTRS(1, 1, 1, 3)),
    CASE("3x3 on 1x1", X(3, 4, 1, 1), X(5, 4, 3, 3), ATTRS(1, 1, 1, 1)),
    CASE_B("4x4 stride 2 pad 1", X(2, 3, 8, 8), X(2, 3, 4, 4), 2,
           ATTRS(2, 1, 1, 1)),
    CASE_B("even kernel, uneven padding", X(2, 3, 5, 5), X(4, 3, 2, 4), 4,
           .stride = {1, 2}, .pad = {0, 1, 1, 2}, .dilation = {1, 1},
           .groups = 1),
    CASE("16 channels", X(2, 16, 4, 4), X(32, 16, 3, 3),
         ATTRS(1, 1, 1, 1)),
    CASE_B("1 channel, batch 1", X(1, 1, 4, 4), X(1, 1, 3, 3), 1,
           ATTRS(1, 1, 1, 1)),
    {.label = NULL},
};

/* dy, w; shape = x's. */
static const struct assay__op_case data_cases[] = {
    CASE("3x3 pad 1", X(2, 4, 6, 6), X(4, 3, 3, 3), ATTRS(1, 1, 1, 1),
         .shape = X(2, 3, 6, 6)),
    CASE("3x3 stride 2, last column unused", X(1, 2, 2, 2), X(2, 3, 3, 3),
         ATTRS(2, 0, 1, 1), .shape = X(1, 3, 6, 6)),
    CASE("first layer", X(2, 8, 7, 7), X(8, 1, 3, 3), ATTRS(1, 1, 1, 1),
         .shape = X(2, 1, 7, 7)),
    CASE("depthwise", X(2, 6, 3, 3), X(6, 1, 3, 3), ATTRS(2, 1, 1, 6),
         .shape = X(2, 6, 5, 5)),
    {.label = NULL},
};

/* x, dy; shape = w's. */
static const struct assay__op_case weights_cases[] = {
    CASE("3x3 pad 1", X(2, 3, 6, 6), X(2, 4, 6, 6), ATTRS(1, 1, 1, 1),
         .shape = X(4, 3, 3, 3)),
    CASE("3x3 stride 2", X(2, 3, 7, 7), X(2, 4, 4, 4), ATTRS(2, 1, 1, 1),
         .shape = X(4, 3, 3, 3)),
    CASE("depthwise on 2x2", X(3, 16, 2, 2), X(3, 16, 2, 2),
         ATTRS(1, 1, 1, 16), .shape = X(16, 1, 3, 3)),
    CASE("depthwise, columns that no window reads", X(2, 8, 8, 1),
         X(2, 8, 2, 1), ATTRS(7, 4, 1, 8), .shape = X(8, 1, 3, 3)),
    CASE("2 groups", X(1, 4, 5, 5), X(1, 2, 3, 3), ATTRS(1, 0, 1, 2),
         .shape = X(2, 2, 3, 3)),
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_conv = {
    .name = "conv",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .fixed = 1u << 1 | 1u << 2,
    .tolerance = 1e-9, /* Winograd's transforms lose up to four digits */
    .cases = conv_cases,
    .shape = conv_shape,
    .backward = conv_backward,
    .reference = conv_reference,
    .records = &assay__conv_records,
    .flops = conv_flops,
};

const struct assay_op assay__op_conv_bwd_data = {
    .name = "conv_bwd_data",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .fixed = 1u << 1,
    .tolerance = 1e-9,
    .cases = data_cases,
    .shape = data_shape,
    .reference = data_reference,
};

const struct assay_op assay__op_conv_bwd_weights = {
    .name = "conv_bwd_weights",
    .min_in = 2,
    .max_in = 2,
    .n_out = 2,
    .tolerance = 1e-9,
    .cases = weights_cases,
    .shape = weights_shape,
    .reference = weights_reference,
};
