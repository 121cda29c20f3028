/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DATA_RESIZE_H
#define ASSAY_DATA_RESIZE_H

/*
 * Resizing of one plane. Along an axis that grows, bilinear with half-pixel
 * centres, as PyTorch's interpolate(align_corners=False); along one that
 * shrinks, the mean over the area that a new pixel covers; both together
 * where one grows and the other shrinks. A resizer is made once per pair of
 * sizes and may be used by several threads, each with its own scratch.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

/* New pixel i is the sum over k of weight[i * n + k] * old[start[i] + k]. */
struct assay__taps {
    int n; /* per new pixel */
    int *start;
    float *weight;
};

struct assay__resizer {
    int in_h;
    int in_w;
    int out_h;
    int out_w;
    struct assay__taps down;   /* over rows */
    struct assay__taps across; /* over columns */
};

int assay__resizer_init(struct assay__resizer *r, int in_h, int in_w, int out_h,
                        int out_w, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__resizer_release(struct assay__resizer *r);
/* Floats of scratch that the two functions below need. */
size_t assay__resizer_scratch(const struct assay__resizer *r);
/* Bytes are rounded to the nearest at the end, once. */
void assay__resize_u8(const struct assay__resizer *r, uint8_t *dst,
                      const uint8_t *src, float *scratch);
void assay__resize_f32(const struct assay__resizer *r, float *dst,
                       const float *src, float *scratch);

#endif
