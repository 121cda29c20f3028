/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pooling with a window: maximum and average over [N,C,H,W], plane by
 * plane. Padding never wins a maximum; an average divides by the window's
 * cells inside the map, or with count_include_pad inside the padded map.
 * Each pad is below the kernel, so every window holds a cell of the map.
 */

#include <math.h>
#include <string.h>

#include "engine/ops/common.h"

/* The part of one window: [low, high) inside the map, and how many cells
 * lie inside the padded map. */
struct span {
    int64_t low;
    int64_t high;
    int64_t padded;
};

static struct span span_of(const struct assay_attrs *a, int axis, int64_t in,
                           int64_t index)
{
    struct span s;
    int64_t end;

    s.low = index * a->stride[axis] - a->pad[axis];
    s.high = s.low + a->kernel[axis];
    end = in + a->pad[axis + 2];
    s.padded = (s.high < end ? s.high : end) - s.low;
    if (s.low < 0)
        s.low = 0;
    if (s.high > in)
        s.high = in;
    return s;
}

static int side(const char *op, const struct assay_attrs *a, int axis,
                int64_t in, int64_t *out, struct assay_error *err)
{
    struct assay__window w;
    int64_t last;
    int code;

    w.in = in;
    w.kernel = a->kernel[axis];
    w.stride = a->stride[axis];
    w.before = a->pad[axis];
    w.after = a->pad[axis + 2];
    w.dilation = 1;
    code = assay__window_length(op, &w, out, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "padding", w.before, 0, w.kernel - 1, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "padding", w.after, 0, w.kernel - 1, err);
    if (code != ASSAY_OK || !a->ceil_mode)
        return code;
    last = *out * w.stride - w.before; /* where one more window starts */
    if ((in + w.before + w.after - w.kernel) % w.stride != 0 && last < in)
        *out += 1;
    return ASSAY_OK;
}

static int infer(const char *op, const struct assay_attrs *a,
                 const struct assay_shape *x, struct assay_shape *y,
                 struct assay_error *err)
{
    int code = assay__need_rank(op, "x", x, 4, 4, err);

    if (code != ASSAY_OK)
        return code;
    *y = *x;
    code = side(op, a, 0, x->dim[2], &y->dim[2], err);
    if (code == ASSAY_OK)
        code = side(op, a, 1, x->dim[3], &y->dim[3], err);
    if (code == ASSAY_OK)
        code = assay__need_size(op, "the output", y, err);
    return code;
}

/* The gradient of a pooling by its input: shape is x's, dy must be y's. */
static int infer_back(const char *op, const struct assay_attrs *a, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    struct assay_shape y;
    int code = infer(op, a, &a->shape, &y, err);
    int i;

    for (i = 0; i < n_in && code == ASSAY_OK; i++)
        code = assay__need_shape(op, "dy", &in[i], &y, err);
    out[0] = a->shape;
    return code;
}

static int maxpool_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    int code = infer("maxpool", attrs, &in[0], &out[0], err);

    (void)n_in;
    out[1] = out[0];
    return code;
}

static void maxpool_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.shape = *assay_graph_shape(g, node->in[0]);
    d_in[0] = assay__node2(g, &assay__op_maxpool_bwd, &attrs, d_out[0],
                           node->out + 1);
}

static int64_t largest(const double *x, int64_t width, struct span r,
                       struct span c)
{
    int64_t best = r.low * width + c.low;
    int64_t i;
    int64_t j;

    for (i = r.low; i < r.high; i++)
        for (j = c.low; j < c.high; j++)
            if (x[i * width + j] > x[best] || isnan(x[i * width + j]))
                best = i * width + j;
    return best;
}

static void maxpool_reference(const struct assay__call *call)
{
    const struct assay_shape *in = &call->in_shape[0];
    const struct assay_shape *out = &call->out_shape[0];
    int64_t planes = in->dim[0] * in->dim[1];
    const double *x = call->in[0];
    double *y = call->out[0];
    double *arg = call->out[1];
    int64_t p;
    int64_t i;
    int64_t j;
    int64_t best;

    for (p = 0; p < planes; p++, x += in->dim[2] * in->dim[3]) {
        for (i = 0; i < out->dim[2]; i++) {
            struct span r = span_of(call->attrs, 0, in->dim[2], i);

            for (j = 0; j < out->dim[3]; j++) {
                best = largest(x, in->dim[3], r,
                               span_of(call->attrs, 1, in->dim[3], j));
                *y++ = x[best];
                *arg++ = (double)best;
            }
        }
    }
}

static int maxpool_bwd_shape(const struct assay_attrs *attrs, int n_in,
                             const struct assay_shape *in,
                             struct assay_shape *out, struct assay_error *err)
{
    return infer_back("maxpool_bwd", attrs, n_in, in, out, err);
}

static void maxpool_bwd_reference(const struct assay__call *call)
{
    const struct assay_shape *in = &call->in_shape[0];
    int64_t planes = in->dim[0] * in->dim[1];
    int64_t small = assay__volume(in, 2);
    int64_t big = assay__volume(&call->out_shape[0], 2);
    const double *dy = call->in[0];
    const double *arg = call->in[1];
    double *dx = call->out[0];
    int64_t p;
    int64_t i;

    memset(dx, 0, (size_t)(planes * big) * sizeof *dx);
    for (p = 0; p < planes; p++, dx += big)
        for (i = 0; i < small; i++)
            dx[(int64_t)*arg++] += *dy++;
}

static int avgpool_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    (void)n_in;
    return infer("avgpool", attrs, &in[0], &out[0], err);
}

static void avgpool_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.shape = *assay_graph_shape(g, node->in[0]);
    d_in[0] = assay__node1(g, &assay__op_avgpool_bwd, &attrs, d_out[0]);
}

static double divisor(const struct assay_attrs *a, struct span r, struct span c)
{
    if (a->count_include_pad)
        return (double)(r.padded * c.padded);
    return (double)((r.high - r.low) * (c.high - c.low));
}

static double window_sum(const double *plane, int64_t width, struct span r,
                         struct span c)
{
    double sum = 0.0;
    int64_t u;
    int64_t v;

    for (u = r.low; u < r.high; u++) {
        for (v = c.low; v < c.high; v++)
            sum += plane[u * width + v];
    }
    return sum;
}

static void window_add(double *plane, int64_t width, struct span r,
                       struct span c, double value)
{
    int64_t u;
    int64_t v;

    for (u = r.low; u < r.high; u++) {
        for (v = c.low; v < c.high; v++)
            plane[u * width + v] += value;
    }
}

/*
 * Both directions in one walk: forward, each small cell becomes the mean of
 * its window; backward, each big cell gathers its share of the small ones.
 */
static void walk_average(const struct assay_attrs *a,
                         const struct assay_shape *big_shape,
                         const struct assay_shape *small_shape, double *big,
                         double *small, bool back)
{
    int64_t planes = big_shape->dim[0] * big_shape->dim[1];
    int64_t width = big_shape->dim[3];
    int64_t p;
    int64_t i;
    int64_t j;

    for (p = 0; p < planes; p++, big += big_shape->dim[2] * width) {
        for (i = 0; i < small_shape->dim[2]; i++) {
            struct span r = span_of(a, 0, big_shape->dim[2], i);

            for (j = 0; j < small_shape->dim[3]; j++, small++) {
                struct span c = span_of(a, 1, width, j);
                double share = 1.0 / divisor(a, r, c);

                if (back)
                    window_add(big, width, r, c, *small * share);
                else
                    *small = window_sum(big, width, r, c) * share;
            }
        }
    }
}

static void avgpool_reference(const struct assay__call *call)
{
    walk_average(call->attrs, &call->in_shape[0], &call->out_shape[0],
                 call->in[0], call->out[0], false);
}

static int avgpool_bwd_shape(const struct assay_attrs *attrs, int n_in,
                             const struct assay_shape *in,
                             struct assay_shape *out, struct assay_error *err)
{
    return infer_back("avgpool_bwd", attrs, n_in, in, out, err);
}

static void avgpool_bwd_reference(const struct assay__call *call)
{
    memset(call->out[0], 0,
           (size_t)assay__volume(&call->out_shape[0], 0) * sizeof(double));
    walk_average(call->attrs, &call->out_shape[0], &call->in_shape[0],
                 call->out[0], call->in[0], true);
}

/* clang-format off */
#define ATTRS(k, s, p) .kernel = {k, k}, .stride = {s, s}, .pad = {p, p, p, p}
#define CASE(text, X, ...) \
    {.label = text, .n_in = 1, .in = {X}, .attrs = {__VA_ARGS__}, \
     .low = -1.0, .high = 1.0}
#define CASE_2(text, Y, ...) \
    {.label = text, .n_in = 2, .in = {Y, Y}, .attrs = {__VA_ARGS__}, \
     .low = 0.0, .high = 1.0}
#define X(n, c, h, w) ASSAY__D4(n, c, h, w)

static const struct assay__op_case maxpool_cases[] = {
    CASE("2x2", X(2, 3, 6, 6), ATTRS(2, 2, 0)),
    CASE("2x2, odd map", X(1, 2, 7, 5), ATTRS(2, 2, 0)),
    CASE("3x3 stride 2", X(2, 16, 7, 7), ATTRS(3, 2, 0)),
    CASE("3x3 stride 2 pad 1", X(2, 3, 8, 8), ATTRS(3, 2, 1)),
    CASE("ceil mode", X(1, 2, 6, 8), ATTRS(3, 2, 0), .ceil_mode = 1),
    CASE("overlapping, stride 1", X(1, 2, 5, 5), ATTRS(3, 1, 1)),
    CASE("uneven", X(1, 2, 6, 5), .kernel = {2, 3}, .stride = {2, 1},
         .pad = {0, 1, 1, 2}),
    CASE("2x2 to 1x1", X(3, 4, 2, 2), ATTRS(2, 2, 0)),
    {.label = NULL},
};

static const struct assay__op_case avgpool_cases[] = {
    CASE("2x2", X(2, 3, 6, 6), ATTRS(2, 2, 0)),
    CASE("3x3 stride 2 pad 1", X(2, 16, 7, 7), ATTRS(3, 2, 1)),
    CASE("pad counted", X(1, 2, 7, 7), ATTRS(3, 2, 1),
         .count_include_pad = 1),
    CASE("ceil mode", X(1, 2, 6, 8), ATTRS(3, 2, 0), .ceil_mode = 1),
    CASE("ceil mode, pad counted", X(1, 2, 6, 6), ATTRS(3, 2, 1),
         .ceil_mode = 1, .count_include_pad = 1),
    CASE("uneven", X(1, 2, 6, 5), .kernel = {2, 3}, .stride = {2, 1},
         .pad = {0, 1, 1, 2}),
    {.label = NULL},
};

static const struct assay__op_case maxpool_bwd_cases[] = {
    CASE_2("2x2", X(2, 3, 3, 3), ATTRS(2, 2, 0), .shape = X(2, 3, 6, 6)),
    {.label = NULL},
};

static const struct assay__op_case avgpool_bwd_cases[] = {
    CASE("2x2", X(2, 3, 3, 3), ATTRS(2, 2, 0), .shape = X(2, 3, 6, 6)),
    CASE("pad counted", X(1, 2, 4, 4), ATTRS(3, 2, 1),
         .count_include_pad = 1, .shape = X(1, 2, 7, 7)),
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_maxpool = {
    .name = "maxpool",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .private_out = 1u << 1,
    .tolerance = 1e-13,
    .cases = maxpool_cases,
    .shape = maxpool_shape,
    .backward = maxpool_backward,
    .reference = maxpool_reference,
};

const struct assay_op assay__op_maxpool_bwd = {
    .name = "maxpool_bwd",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .private_in = 1u << 1,
    .tolerance = 1e-13,
    .cases = maxpool_bwd_cases,
    .shape = maxpool_bwd_shape,
    .reference = maxpool_bwd_reference,
};

const struct assay_op assay__op_avgpool = {
    .name = "avgpool",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = avgpool_cases,
    .shape = avgpool_shape,
    .backward = avgpool_backward,
    .reference = avgpool_reference,
};

const struct assay_op assay__op_avgpool_bwd = {
    .name = "avgpool_bwd",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = avgpool_bwd_cases,
    .shape = avgpool_bwd_shape,
    .reference = avgpool_bwd_reference,
};
