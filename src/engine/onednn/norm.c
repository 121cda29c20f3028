/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of norm_loops.h for 16 lanes (AVX-512's blocks) and for 8.
 */

#include "engine/onednn/norm.h"

#include <stddef.h>

#include "core/cpu.h"

#define LANES 16
#define NAMED(x) x##_16
#include "engine/onednn/norm_loops.h"
#undef LANES
#undef NAMED
#define LANES 8
#define NAMED(x) x##_8
#include "engine/onednn/norm_loops.h"
#undef LANES
#undef NAMED

void assay__norm_sums(const float *x, const struct assay__span *r,
                      const float *shift, double *sum, double *square)
{
    if (r->lanes == 16)
        sums_16(x, r, shift, sum, square);
    else
        sums_8(x, r, shift, sum, square);
}

void assay__norm_scale(float *y, const float *x, const float *skip, bool relu,
                       const struct assay__span *r, const float *scale,
                       const float *offset)
{
    if (r->lanes == 16)
        scale_16(y, x, skip, relu, r, scale, offset);
    else
        scale_8(y, x, skip, relu, r, scale, offset);
}

void assay__norm_bwd_sums(const float *x, const float *dy, const float *more,
                          const float *z, float *out,
                          const struct assay__span *r, const float *mean,
                          double *sums)
{
    if (r->lanes == 16)
        bwd_sums_16(x, dy, more, z, out, r, mean, sums);
    else
        bwd_sums_8(x, dy, more, z, out, r, mean, sums);
}

void assay__norm_bwd_apply(float *dx, const float *x, const float *dy,
                           const struct assay__span *r, const float *mean,
                           const float *scale, const float *slope,
                           const float *offset)
{
    if (r->lanes == 16)
        bwd_apply_16(dx, x, dy, r, mean, scale, slope, offset);
    else
        bwd_apply_8(dx, x, dy, r, mean, scale, slope, offset);
}
