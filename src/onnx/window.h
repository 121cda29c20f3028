/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ONNX_WINDOW_H
#define ASSAY_ONNX_WINDOW_H

/* Windows over maps, as convolutions and pooling have them. */

#include "onnx/import.h"

enum assay__padding {
    ASSAY__PAD_GIVEN,
    ASSAY__PAD_UPPER,
    ASSAY__PAD_LOWER,
    ASSAY__PAD_NONE
};

/*
 * Strides, dilations and paddings of the node under way into *a, whose
 * kernel is known; x is [N, C, L] (taken as of height 1) or [N, C, H, W].
 * auto_pad is worked out from the sizes.
 */
enum assay__padding assay__im_window(struct assay__importer *im,
                                     const struct assay_shape *x,
                                     struct assay_attrs *a);
/* An attribute of one number per spatial dimension, into (height, width). */
void assay__im_spatial(struct assay__importer *im, const char *name,
                       int spatial, int otherwise, int out[2]);
/* A convolution by the attributes of the node under way: in[0] x, in[1] the
 * weight, in[2], of n 3, the bias. */
int assay__im_conv(struct assay__importer *im, const int *in, int n);
/* An op on maps, of lines [N, C, L] too: inputs 0 and 1 get height 1. */
int assay__im_on_map(struct assay__importer *im, const char *op, const int *in,
                     int n, const struct assay_attrs *attrs);

#endif
