/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers with weights: convolutions of one and two dimensions, and matrix
 * products. A product with a constant matrix becomes a linear layer, whose
 * weight is [outputs, inputs] as elsewhere in the engine.
 */

#include <string.h>

#include "onnx/window.h"

/* [N, C, L] as [N, C, 1, L], also of weights. */
static int as_map(struct assay__importer *im, int x)
{
    struct assay_shape s = *assay__im_shape(im, x);

    if (s.rank != 3)
        return x;
    s.rank = 4;
    s.dim[3] = s.dim[2];
    s.dim[2] = 1;
    return assay__im_reshape(im, x, &s);
}

static int as_line(struct assay__importer *im, int y)
{
    struct assay_shape s = *assay__im_shape(im, y);

    s.rank = 3;
    s.dim[2] = s.dim[3];
    return assay__im_reshape(im, y, &s);
}

int assay__im_on_map(struct assay__importer *im, const char *op, const int *in,
                     int n, const struct assay_attrs *attrs)
{
    bool line = assay__im_shape(im, in[0])->rank == 3;
    int map[3];
    int y;

    for (int i = 0; i < n; i++)
        map[i] = i < 2 ? as_map(im, in[i]) : in[i];
    y = assay__im_op(im, op, map, n, attrs);
    return line ? as_line(im, y) : y;
}

/* Where a transposed convolution is told its output's size. */
static void sized_output(struct assay__importer *im,
                         const struct assay_shape *x, struct assay_attrs *a,
                         bool same, bool upper)
{
    int64_t wanted[2 + ASSAY_RANK_MAX];
    int spatial = x->rank - 2;
    int n = assay__im_ints(im, "output_shape", wanted, 2 + ASSAY_RANK_MAX);

    if (n < 0 && !same)
        return;
    if (n >= 0 && n != spatial && n != spatial + 2) {
        assay__im_fail(im, ASSAY_SHAPE, "output_shape has %d numbers", n);
        return;
    }
    for (int i = 0; i < 2; i++) {
        int d = i - (2 - spatial);
        int64_t in = d < 0 ? 1 : x->dim[2 + d];
        int64_t out =
            n < 0 || d < 0 ? in * a->stride[i] : wanted[n - spatial + d];
        int64_t total = a->stride[i] * (in - 1) + a->output_pad[i] +
                        (int64_t)(a->kernel[i] - 1) * a->dilation[i] + 1 - out;

        if (total < 0) {
            a->output_pad[i] = total > -INT16_MAX ? (int)-total : 0;
            total = 0;
        }
        if (total > INT16_MAX)
            total = INT16_MAX;
        a->pad[i] = (int)(upper ? total / 2 : total - total / 2);
        a->pad[2 + i] = (int)total - a->pad[i];
    }
}

static void kernel_of(struct assay__importer *im, int w, struct assay_attrs *a)
{
    const struct assay_shape *s = assay__im_shape(im, w);
    int64_t said[2];
    int n = assay__im_ints(im, "kernel_shape", said, 2);

    a->kernel[0] = s->rank == 4 ? (int)s->dim[2] : 1;
    a->kernel[1] = (int)s->dim[s->rank - 1];
    for (int i = 0; i < n; i++) {
        if (n != s->rank - 2 || said[i] != a->kernel[2 - n + i])
            assay__im_fail(im, ASSAY_SHAPE,
                           "kernel_shape is not that of the weight");
    }
}

/* Strides, groups and paddings of the node, or a failure. */
static enum assay__padding conv_attributes(struct assay__importer *im, int x,
                                           int w, struct assay_attrs *a)
{
    const struct assay_shape *s = assay__im_shape(im, x);
    int64_t groups = assay__im_int(im, "group", 1);

    if (im->code == ASSAY_OK &&
        (s->rank < 3 || s->rank > 4 || assay__im_shape(im, w)->rank != s->rank))
        assay__im_fail(
            im, ASSAY_UNSUPPORTED,
            "of values of rank %d by weights of rank %d; 3 and 4 are "
            "supported",
            s->rank, assay__im_shape(im, w)->rank);
    if (groups < 1 || groups > INT32_MAX)
        assay__im_fail(im, ASSAY_SHAPE, "%lld groups", (long long)groups);
    if (im->code != ASSAY_OK)
        return ASSAY__PAD_GIVEN;
    a->groups = (int)groups;
    kernel_of(im, w, a);
    return assay__im_window(im, s, a);
}

int assay__im_conv(struct assay__importer *im, const int *in, int n)
{
    struct assay_attrs a = {.index = 0};

    (void)conv_attributes(im, in[0], in[1], &a);
    /* The engine's convolutions have the kernel in their weight's shape. */
    a.kernel[0] = a.kernel[1] = 0;
    return im->code == ASSAY_OK ? assay__im_on_map(im, "conv", in, n, &a) : -1;
}

static int conv_transposed(struct assay__importer *im, const int *in, int n)
{
    struct assay_attrs a = {.index = 0};
    struct assay_shape s = *assay__im_shape(im, in[0]);
    enum assay__padding padding = conv_attributes(im, in[0], in[1], &a);

    if (im->code != ASSAY_OK)
        return -1;
    assay__im_spatial(im, "output_padding", s.rank - 2, 0, a.output_pad);
    sized_output(im, &s, &a,
                 padding == ASSAY__PAD_UPPER || padding == ASSAY__PAD_LOWER,
                 padding == ASSAY__PAD_UPPER);
    a.kernel[0] = a.kernel[1] = 0;
    return assay__im_on_map(im, "deconv", in, n, &a);
}

void assay__onnx_conv(struct assay__importer *im, int transposed)
{
    int in[3];
    int n = 2;

    in[0] = assay__im_need(im, 0);
    in[1] = assay__im_need(im, 1);
    in[2] = assay__im_input(im, 2);
    n += in[2] >= 0;
    if (im->code != ASSAY_OK)
        return;
    assay__im_output(im, 0,
                     transposed ? conv_transposed(im, in, n)
                                : assay__im_conv(im, in, n));
}

/* x [N, K] by a constant [K, M] (or [M, K]), with a row [M] to add. */
static int linear(struct assay__importer *im, int x, int w, bool transposed,
                  int bias)
{
    static const int swap[] = {1, 0};
    struct assay_shape row = {1, {0}};
    int in[3];

    in[0] = x;
    in[1] = transposed ? w : assay__im_transpose(im, w, swap);
    row.dim[0] = assay__im_shape(im, in[1])->dim[0];
    in[2] = bias < 0 ? -1 : assay__im_reshape(im, bias, &row);
    return assay__im_op(im, "linear", in, bias < 0 ? 2 : 3, NULL);
}

static bool is_matrix(const struct assay__importer *im, int item, bool known)
{
    return assay__im_known(im, item) == known &&
           assay__im_shape(im, item)->rank == 2;
}

/* Row of length m that is added to all. */
static bool is_row(const struct assay__importer *im, int item, int64_t m)
{
    const struct assay_shape *s = assay__im_shape(im, item);

    return assay__im_known(im, item) && assay__im_count(s) == m &&
           s->rank > 0 && s->dim[s->rank - 1] == m && s->rank <= 2;
}

void assay__onnx_gemm(struct assay__importer *im, int argument)
{
    int a = assay__im_need(im, 0);
    int b = assay__im_need(im, 1);
    int c = assay__im_input(im, 2);
    double alpha = assay__im_real(im, "alpha", 1.0);
    double beta = assay__im_real(im, "beta", 1.0);
    bool ta = assay__im_int(im, "transA", 0) != 0;
    bool tb = assay__im_int(im, "transB", 0) != 0;
    int y;

    (void)argument;
    if (im->code != ASSAY_OK)
        return;
    if (assay__im_shape(im, a)->rank != 2 ||
        assay__im_shape(im, b)->rank != 2) {
        assay__im_fail(im, ASSAY_SHAPE, "of ranks %d and %d, must be 2",
                       assay__im_shape(im, a)->rank,
                       assay__im_shape(im, b)->rank);
        return;
    }
    if (!ta && alpha == 1.0 && is_matrix(im, a, false) &&
        is_matrix(im, b, true) &&
        (c < 0 || (beta == 1.0 &&
                   is_row(im, c, assay__im_shape(im, b)->dim[tb ? 0 : 1])))) {
        assay__im_output(im, 0, linear(im, a, b, tb, c));
        return;
    }
    y = assay__im_matmul(im, a, b, ta, tb);
    if (alpha != 1.0)
        y = assay__im_affine(im, y, alpha, 0.0);
    if (c >= 0 && beta != 0.0)
        y = assay__im_binary(im, ASSAY_BINARY_ADD, y,
                             beta == 1.0 ? c
                                         : assay__im_affine(im, c, beta, 0.0));
    assay__im_output(im, 0, y);
}

/* Vectors become matrices, and their dimension goes again. */
void assay__onnx_matmul(struct assay__importer *im, int argument)
{
    int a = assay__im_need(im, 0);
    int b = assay__im_need(im, 1);
    bool row = assay__im_shape(im, a)->rank == 1;
    bool column = assay__im_shape(im, b)->rank == 1;
    struct assay_shape s;
    int y;

    (void)argument;
    if (im->code != ASSAY_OK)
        return;
    if (is_matrix(im, a, false) && is_matrix(im, b, true)) {
        assay__im_output(im, 0, linear(im, a, b, false, -1));
        return;
    }
    if (row && !assay__im_batched(im, a)) {
        s = (struct assay_shape){2, {1, assay__im_shape(im, a)->dim[0]}};
        a = assay__im_reshape(im, a, &s);
    }
    if (column && !assay__im_batched(im, b)) {
        s = (struct assay_shape){2, {assay__im_shape(im, b)->dim[0], 1}};
        b = assay__im_reshape(im, b, &s);
    }
    y = assay__im_matmul(im, a, b, false, false);
    s = *assay__im_shape(im, y);
    if (im->code == ASSAY_OK && column)
        s.rank--;
    if (im->code == ASSAY_OK && row) {
        s.dim[s.rank - 2 + column] = s.dim[s.rank - 1 + column];
        s.rank--;
    }
    assay__im_output(im, 0, row || column ? assay__im_reshape(im, y, &s) : y);
}
