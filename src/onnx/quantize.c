/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantised numbers. A network that was made of integers runs on the numbers
 * they stand for, rounded as they would be: what a quantised model answers,
 * at the speed of an ordinary one. Rounding has derivative 0, so a gradient
 * does not pass a QuantizeLinear.
 */

#include <math.h>

#include "onnx/window.h"

/* A row of scales or zero points along `axis` of a value of `rank`; a single
 * one as it is. */
static int along(struct assay__importer *im, int item, int axis, int rank)
{
    struct assay_shape s = {0, {0}};
    int64_t n = assay__im_count(assay__im_shape(im, item));

    if (im->code != ASSAY_OK)
        return -1;
    if (n == 1)
        return assay__im_reshape(im, item, &s);
    if (assay__im_shape(im, item)->rank != 1)
        return assay__im_fail(im, ASSAY_UNSUPPORTED,
                              "scales by blocks are not supported");
    for (s.rank = 0; s.rank < rank; s.rank++)
        s.dim[s.rank] = s.rank == axis ? n : 1;
    return assay__im_reshape(im, item, &s);
}

/* (x - zero) scale; zero may be absent. */
static int dequantized(struct assay__importer *im, int x, int scale, int zero,
                       int axis)
{
    int rank = assay__im_shape(im, x)->rank;
    int type = assay__im_at(im, scale)->type;

    if (zero >= 0)
        x = assay__im_binary(im, ASSAY_BINARY_SUB, x,
                             along(im, zero, axis, rank));
    x = assay__im_binary(im, ASSAY_BINARY_MUL, x, along(im, scale, axis, rank));
    assay__im_set_type(im, x, type);
    return x;
}

/* round(x / scale) + zero, cut to the type of zero. */
static int quantized(struct assay__importer *im, int x, int scale, int zero,
                     int axis)
{
    int rank = assay__im_shape(im, x)->rank;
    int type = zero >= 0 ? assay__im_at(im, zero)->type : ASSAY__ONNX_U8;
    bool wide = type == ASSAY__ONNX_U16 || type == ASSAY__ONNX_I16;
    bool is_signed = type == ASSAY__ONNX_I8 || type == ASSAY__ONNX_I16;
    double range = wide ? 65536.0 : 256.0;
    double low = is_signed ? -range / 2.0 : 0.0;

    if (im->code == ASSAY_OK && !wide && type != ASSAY__ONNX_U8 &&
        type != ASSAY__ONNX_I8)
        return assay__im_fail(im, ASSAY_UNSUPPORTED, "to %s",
                              assay__onnx_type_name(type));
    x = assay__im_binary(im, ASSAY_BINARY_DIV, x, along(im, scale, axis, rank));
    x = assay__im_unary(im, ASSAY_UNARY_ROUND, x, 0.0, 0.0);
    if (zero >= 0)
        x = assay__im_binary(im, ASSAY_BINARY_ADD, x,
                             along(im, zero, axis, rank));
    x = assay__im_unary(im, ASSAY_UNARY_CLIP, x, low, low + range - 1.0);
    assay__im_set_type(im, x, type);
    return x;
}

static int axis_of(struct assay__importer *im, int x)
{
    int rank = assay__im_shape(im, x)->rank;

    /* A value of rank 1 and less has but one scale, or one axis. */
    return rank < 2 ? 0
                    : assay__im_axis(im, assay__im_int(im, "axis", 1), rank);
}

void assay__onnx_dequantize(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int scale = assay__im_need(im, 1);

    (void)argument;
    assay__im_output(
        im, 0,
        dequantized(im, x, scale, assay__im_input(im, 2), axis_of(im, x)));
}

void assay__onnx_quantize(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int scale = assay__im_need(im, 1);

    (void)argument;
    assay__im_output(
        im, 0, quantized(im, x, scale, assay__im_input(im, 2), axis_of(im, x)));
}

/* Inputs: x, its scale and zero, the same of w, scale and zero of y; of a
 * convolution also integer biases of scale x_scale w_scale. */
void assay__onnx_qlinear(struct assay__importer *im, int product)
{
    int in[8];
    int pair[3];
    int y;

    for (int i = 0; i < 8; i++)
        in[i] = assay__im_need(im, i);
    if (im->code != ASSAY_OK)
        return;
    pair[0] = dequantized(im, in[0], in[1], in[2], 0);
    pair[1] = dequantized(im, in[3], in[4], in[5],
                          product ? assay__im_shape(im, in[3])->rank - 1 : 0);
    pair[2] = product ? -1 : assay__im_input(im, 8);
    if (pair[2] >= 0)
        pair[2] = dequantized(
            im, pair[2], assay__im_binary(im, ASSAY_BINARY_MUL, in[1], in[4]),
            -1, 0);
    y = product ? assay__im_matmul(im, pair[0], pair[1], false, false)
                : assay__im_conv(im, pair, pair[2] >= 0 ? 3 : 2);
    assay__im_output(im, 0, quantized(im, y, in[6], in[7], 1));
}
