/* SPDX-License-Identifier: Apache-2.0 */
/* Windows over maps, and pooling by them. */

#include <string.h>

#include "onnx/window.h"

enum { WINDOW_MAX = 1 << 15 };

void assay__im_spatial(struct assay__importer *im, const char *name,
                       int spatial, int otherwise, int out[2])
{
    int64_t list[2];
    int n = assay__im_ints(im, name, list, 2);

    out[0] = out[1] = otherwise;
    if (n < 0)
        return;
    if (n != spatial) {
        assay__im_fail(im, ASSAY_SHAPE, "%s has %d numbers, must have %d", name,
                       n, spatial);
        return;
    }
    for (int i = 0; i < n; i++) {
        if (list[i] < 0 || list[i] > WINDOW_MAX)
            assay__im_fail(im, ASSAY_LIMIT, "%s: %lld, must be 0 to %d", name,
                           (long long)list[i], (int)WINDOW_MAX);
        out[2 - n + i] = (int)list[i];
    }
}

static void given_pads(struct assay__importer *im, int spatial, int pad[4])
{
    int64_t list[4];
    int n = assay__im_ints(im, "pads", list, 4);

    if (n < 0)
        return;
    if (n != 2 * spatial) {
        assay__im_fail(im, ASSAY_SHAPE, "pads has %d numbers, must have %d", n,
                       2 * spatial);
        return;
    }
    for (int i = 0; i < n; i++) {
        int side = i / spatial;
        int axis = 2 - spatial + i % spatial;

        if (list[i] < 0 || list[i] > WINDOW_MAX)
            assay__im_fail(im, ASSAY_UNSUPPORTED, "pads: %lld, must be 0 to %d",
                           (long long)list[i], (int)WINDOW_MAX);
        pad[2 * side + axis] = (int)list[i];
    }
}

/* As many outputs as strides go into the input. */
static void same_pads(const struct assay_shape *x, struct assay_attrs *a,
                      bool upper)
{
    for (int i = 0; i < 2; i++) {
        int d = i - (4 - x->rank);
        int64_t in = d < 0 ? 1 : x->dim[2 + d];
        int64_t out = a->stride[i] > 0 ? (in - 1) / a->stride[i] + 1 : 1;
        int64_t total = (out - 1) * a->stride[i] +
                        (int64_t)(a->kernel[i] - 1) * a->dilation[i] + 1 - in;

        total = total < 0 ? 0 : total > WINDOW_MAX ? WINDOW_MAX : total;
        a->pad[i] = (int)(upper ? total / 2 : total - total / 2);
        a->pad[2 + i] = (int)total - a->pad[i];
    }
}

enum assay__padding assay__im_window(struct assay__importer *im,
                                     const struct assay_shape *x,
                                     struct assay_attrs *a)
{
    static const char *const names[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER",
                                        "VALID", NULL};
    int spatial = x->rank - 2;
    enum assay__padding padding =
        (enum assay__padding)assay__im_choice(im, "auto_pad", names);

    assay__im_spatial(im, "strides", spatial, 1, a->stride);
    assay__im_spatial(im, "dilations", spatial, 1, a->dilation);
    if (im->code != ASSAY_OK)
        return padding;
    if (padding == ASSAY__PAD_GIVEN)
        given_pads(im, spatial, a->pad);
    else if (padding != ASSAY__PAD_NONE)
        same_pads(x, a, padding == ASSAY__PAD_UPPER);
    return padding;
}

void assay__onnx_pool(struct assay__importer *im, int largest)
{
    struct assay_attrs a = {.index = 0};
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);

    if (im->code != ASSAY_OK)
        return;
    if (s.rank < 3 || s.rank > 4) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "of a value of rank %d; 3 and 4 are supported", s.rank);
        return;
    }
    assay__im_spatial(im, "kernel_shape", s.rank - 2, 1, a.kernel);
    (void)assay__im_window(im, &s, &a);
    a.ceil_mode = assay__im_int(im, "ceil_mode", 0) != 0;
    a.count_include_pad =
        !largest && assay__im_int(im, "count_include_pad", 0) != 0;
    if (a.dilation[0] != 1 || a.dilation[1] != 1)
        assay__im_fail(im, ASSAY_UNSUPPORTED, "dilations are not supported");
    if (assay__im_wants(im, 1))
        assay__im_fail(im, ASSAY_UNSUPPORTED, "indices are not supported");
    a.dilation[0] = a.dilation[1] = 0;
    assay__im_output(
        im, 0,
        assay__im_on_map(im, largest ? "maxpool" : "avgpool", &x, 1, &a));
}

void assay__onnx_global_pool(struct assay__importer *im, int largest)
{
    int x = assay__im_need(im, 0);
    int rank = assay__im_shape(im, x)->rank;

    if (im->code != ASSAY_OK)
        return;
    if (rank == 4 && !largest)
        x = assay__im_op(im, "global_avgpool", &x, 1, NULL);
    else
        x = assay__im_reduce(im, largest ? ASSAY_REDUCE_MAX : ASSAY_REDUCE_MEAN,
                             x, ((1U << rank) - 1U) & ~3U, true);
    assay__im_output(im, 0, x);
}
