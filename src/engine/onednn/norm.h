/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_NORM_H
#define ASSAY_ENGINE_ONEDNN_NORM_H

/*
 * The loops that batch and group normalisation share, for whatever width
 * the layout's blocks have. All arrays per channel have ASSAY__LANES_MAX
 * entries, aligned to 64 bytes; those of channels that are padding must be
 * 0, so that padding stays 0.
 */

#include <stdbool.h>
#include <stdint.h>

enum { ASSAY__LANES_MAX = 16 };

/* Part of one block of channels: records first .. last - 1, all places. */
struct assay__span {
    int64_t first, last;
    int64_t stride_n, stride_s;
    int64_t places;
    int lanes;
};

/* Sums of x - shift and of its square, added to `sum` and `square`. */
void assay__norm_sums(const float *x, const struct assay__span *r,
                      const float *shift, double *sum, double *square);
/* y = scale x + offset (+ skip) (cut off below 0). */
void assay__norm_scale(float *y, const float *x, const float *skip, bool relu,
                       const struct assay__span *r, const float *scale,
                       const float *offset);
/* The gradient dy (+ more) (where z > 0), into `out` if given; sums +=
 * it, and ASSAY__LANES_MAX further on += it times (x - mean). */
void assay__norm_bwd_sums(const float *x, const float *dy, const float *more,
                          const float *z, float *out,
                          const struct assay__span *r, const float *mean,
                          double *sums);
/* dx = scale dy + slope (x - mean) + offset. */
void assay__norm_bwd_apply(float *dx, const float *x, const float *dy,
                           const struct assay__span *r, const float *mean,
                           const float *scale, const float *slope,
                           const float *offset);

#endif
