/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Normalisations and softmax. Statistics of a batch norm are those of the
 * file. What the engine has no op for is composed of means and products, so
 * that its derivative comes by itself.
 */

#include <math.h>
#include <string.h>

#include "onnx/import.h"

/* x as [N, C, H, W] of as many numbers, H and W of what is left. */
static int as_maps(struct assay__importer *im, int x)
{
    const struct assay_shape *s = assay__im_shape(im, x);
    struct assay_shape to = {4, {s->dim[0], s->dim[1], 1, 1}};

    if (s->rank == 2 || s->rank == 4)
        return x;
    for (int i = 2; i < s->rank; i++)
        to.dim[2] *= s->dim[i];
    return assay__im_reshape(im, x, &to);
}

static bool need_channels(struct assay__importer *im, int x, int lowest)
{
    int rank = assay__im_shape(im, x)->rank;

    if (im->code == ASSAY_OK && rank < lowest)
        assay__im_fail(im, ASSAY_UNSUPPORTED, "of a value of rank %d, below %d",
                       rank, lowest);
    return im->code == ASSAY_OK;
}

void assay__onnx_batchnorm(struct assay__importer *im, int argument)
{
    struct assay_attrs a = {.eps = assay__im_real(im, "epsilon", 1e-5),
                            .momentum = 0.1};
    double momentum = assay__im_real(im, "momentum", 0.9);
    struct assay_shape s;
    int in[5];

    (void)argument;
    for (int i = 0; i < 5; i++)
        in[i] = assay__im_need(im, i);
    if (assay__im_int(im, "training_mode", 0) != 0 || assay__im_wants(im, 1))
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "in training mode it is not supported");
    if (im->o->opset < 7 && assay__im_int(im, "is_test", 0) == 0)
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "in training mode it is not supported");
    if (im->o->opset < 9 && assay__im_int(im, "spatial", 1) == 0)
        assay__im_fail(im, ASSAY_UNSUPPORTED, "not per channel");
    if (!need_channels(im, in[0], 2))
        return;
    if (momentum >= 0.0 && momentum < 1.0)
        a.momentum = 1.0 - momentum;
    s = *assay__im_shape(im, in[0]);
    in[0] = as_maps(im, in[0]);
    assay__im_mark_statistic(im, in[3]);
    assay__im_mark_statistic(im, in[4]);
    assay__im_output(
        im, 0,
        assay__im_reshape(im, assay__im_op(im, "batchnorm", in, 5, &a), &s));
}

/* Group norm over maps. */
static void grouped(struct assay__importer *im, int in[3], int64_t groups)
{
    struct assay_attrs a = {.eps = assay__im_real(im, "epsilon", 1e-5)};
    struct assay_shape s = *assay__im_shape(im, in[0]);

    if (im->code != ASSAY_OK)
        return;
    if (groups < 1 || groups > INT32_MAX) {
        assay__im_fail(im, ASSAY_SHAPE, "%lld groups", (long long)groups);
        return;
    }
    a.groups = (int)groups;
    in[0] = as_maps(im, in[0]);
    assay__im_output(
        im, 0,
        assay__im_reshape(im, assay__im_op(im, "groupnorm", in, 3, &a), &s));
}

void assay__onnx_instancenorm(struct assay__importer *im, int argument)
{
    int in[3];

    (void)argument;
    for (int i = 0; i < 3; i++)
        in[i] = assay__im_need(im, i);
    if (need_channels(im, in[0], 3))
        grouped(im, in, assay__im_shape(im, in[0])->dim[1]);
}

/* Before set 21, scale and bias are per group. */
void assay__onnx_groupnorm(struct assay__importer *im, int argument)
{
    int64_t groups = assay__im_int(im, "num_groups", 0);
    int in[3];
    int64_t channels;

    (void)argument;
    for (int i = 0; i < 3; i++)
        in[i] = assay__im_need(im, i);
    if (!need_channels(im, in[0], 2))
        return;
    channels = assay__im_shape(im, in[0])->dim[1];
    for (int i = 1; i < 3 && im->o->opset < 21; i++) {
        struct assay_shape column = {2, {groups, 1}};
        struct assay_shape all = {2,
                                  {groups, groups > 0 ? channels / groups : 0}};
        struct assay_shape row = {1, {channels}};

        if (groups < 1 || channels % groups != 0) {
            assay__im_fail(im, ASSAY_SHAPE, "%lld channels in %lld groups",
                           (long long)channels, (long long)groups);
            return;
        }
        in[i] = assay__im_reshape(im, in[i], &column);
        in[i] = assay__im_expand(im, in[i], &all);
        in[i] = assay__im_reshape(im, in[i], &row);
    }
    grouped(im, in, groups);
}

/* (x - mean) / sqrt(variance + eps) over the axes; both statistics are
 * given out. */
static int standardized(struct assay__importer *im, int x, unsigned axes,
                        double eps, int *mean, int *inverse)
{
    int centred;
    int square;

    *mean = assay__im_reduce(im, ASSAY_REDUCE_MEAN, x, axes, true);
    centred = assay__im_binary(im, ASSAY_BINARY_SUB, x, *mean);
    square = assay__im_binary(im, ASSAY_BINARY_MUL, centred, centred);
    square = assay__im_reduce(im, ASSAY_REDUCE_MEAN, square, axes, true);
    square = assay__im_affine(im, square, 1.0, eps);
    *inverse = assay__im_unary(im, ASSAY_UNARY_RSQRT, square, 0.0, 0.0);
    return assay__im_binary(im, ASSAY_BINARY_MUL, centred, *inverse);
}

/* All axes from `first` on. */
static unsigned axes_from(int first, int rank)
{
    return ((1U << rank) - 1U) & ~((1U << first) - 1U);
}

void assay__onnx_layernorm(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int scale = assay__im_need(im, 1);
    int bias = assay__im_input(im, 2);
    int rank = assay__im_shape(im, x)->rank;
    int axis = assay__im_axis_of(im, x, assay__im_int(im, "axis", -1));
    double eps = assay__im_real(im, "epsilon", 1e-5);
    int mean;
    int inverse;
    int y;

    (void)argument;
    if (im->code == ASSAY_OK && axis == 0 && assay__im_batched(im, x))
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "the records of the batch would be mixed");
    if (im->code != ASSAY_OK)
        return;
    y = standardized(im, x, axes_from(axis, rank), eps, &mean, &inverse);
    y = assay__im_binary(im, ASSAY_BINARY_MUL, y, scale);
    if (bias >= 0)
        y = assay__im_binary(im, ASSAY_BINARY_ADD, y, bias);
    assay__im_output(im, 0, y);
    assay__im_output(im, 1, mean);
    assay__im_output(im, 2, inverse);
}

void assay__onnx_mean_variance(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int rank = assay__im_shape(im, x)->rank;
    int64_t list[ASSAY_RANK_MAX] = {0, 2, 3};
    int n = assay__im_ints(im, "axes", list, ASSAY_RANK_MAX);
    unsigned axes = 0;
    int mean;
    int inverse;

    (void)argument;
    for (int i = 0; i < (n < 0 ? 3 : n); i++)
        axes |= 1U << assay__im_axis(im, list[i], rank);
    if (im->code == ASSAY_OK && (axes & 1U) && assay__im_batched(im, x))
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "the records of the batch would be mixed");
    assay__im_output(im, 0, standardized(im, x, axes, 1e-9, &mean, &inverse));
}

/* x / (bias + alpha / size * sum of squares of the channels near)^beta: the
 * sum is an average pooling over channels, padding counted. */
void assay__onnx_lrn(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int64_t size = assay__im_int(im, "size", 1);
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_shape to = {4, {s.dim[0], 1, s.dim[1], 1}};
    struct assay_attrs a = {.count_include_pad = 1, .stride = {1, 1}};
    int y;

    (void)argument;
    if (!need_channels(im, x, 3))
        return;
    if (size < 1 || size > 4096) {
        assay__im_fail(im, ASSAY_LIMIT, "size %lld, must be 1 to 4096",
                       (long long)size);
        return;
    }
    for (int i = 2; i < s.rank; i++)
        to.dim[3] *= s.dim[i];
    a.kernel[0] = (int)size;
    a.kernel[1] = 1;
    a.pad[0] = (int)(size - 1) / 2;
    a.pad[2] = (int)size - 1 - a.pad[0];
    y = assay__im_binary(im, ASSAY_BINARY_MUL, x, x);
    y = assay__im_reshape(im, y, &to);
    y = assay__im_op(im, "avgpool", &y, 1, &a);
    y = assay__im_reshape(im, y, &s);
    y = assay__im_affine(im, y, assay__im_real(im, "alpha", 1e-4),
                         assay__im_real(im, "bias", 1.0));
    y = assay__im_binary(im, ASSAY_BINARY_POW, y,
                         assay__im_number(im, assay__im_real(im, "beta", 0.75),
                                          ASSAY__ONNX_F32));
    assay__im_output(im, 0, assay__im_binary(im, ASSAY_BINARY_DIV, x, y));
}

void assay__onnx_lp_norm(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int rank = assay__im_shape(im, x)->rank;
    int axis = assay__im_axis(im, assay__im_int(im, "axis", -1), rank);
    int64_t p = assay__im_int(im, "p", 2);
    int y;

    (void)argument;
    if (im->code != ASSAY_OK)
        return;
    if ((p != 1 && p != 2) || (axis == 0 && assay__im_batched(im, x))) {
        assay__im_fail(im, ASSAY_UNSUPPORTED, "p %lld along axis %d",
                       (long long)p, axis);
        return;
    }
    y = p == 1 ? assay__im_unary(im, ASSAY_UNARY_ABS, x, 0.0, 0.0)
               : assay__im_binary(im, ASSAY_BINARY_MUL, x, x);
    y = assay__im_reduce(im, ASSAY_REDUCE_SUM, y, 1U << axis, true);
    if (p == 2)
        y = assay__im_unary(im, ASSAY_UNARY_SQRT, y, 0.0, 0.0);
    assay__im_output(im, 0, assay__im_binary(im, ASSAY_BINARY_DIV, x, y));
}

/* Before set 13 all dimensions from the axis on are one. */
void assay__onnx_softmax(struct assay__importer *im, int log_of_it)
{
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    bool old = im->o->opset < 13;
    int axis =
        assay__im_axis_of(im, x, assay__im_int(im, "axis", old ? 1 : -1));
    struct assay_attrs a = {.index = log_of_it};
    struct assay_shape flat = s;

    if (im->code != ASSAY_OK)
        return;
    a.axis = axis;
    if (old && axis < s.rank - 1) {
        flat.rank = axis + 1;
        for (int i = axis + 1; i < s.rank; i++)
            flat.dim[axis] *= s.dim[i];
    }
    if (axis == 0 && assay__im_batched(im, x)) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "the records of the batch would be mixed");
        return;
    }
    x = assay__im_reshape(im, x, &flat);
    x = assay__im_op(im, "softmax_axis", &x, 1, &a);
    assay__im_output(im, 0, assay__im_reshape(im, x, &s));
}
