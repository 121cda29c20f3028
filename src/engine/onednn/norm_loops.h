/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of batchnorm.c and groupnorm.c for blocks of LANES channels;
 * included once per LANES, without a guard. Wants NAMED(x), x with the
 * number of lanes behind. Each works on the records first .. last - 1 of
 * one block of channels: x[n * stride_n + s * stride_s + lane].
 */

typedef float NAMED(vec)
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef int32_t NAMED(mask)
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));

/* sum[lane] += x - shift, square[lane] += (x - shift)^2: f32 within one
 * record, double across records. */
ASSAY__CLONES static void NAMED(sums)(const float *x,
                                      const struct assay__span *r,
                                      const float *shift, double *sum,
                                      double *square)
{
    NAMED(vec) from = *(const NAMED(vec) *)shift;
    int64_t places = r->places;
    int64_t step = r->stride_s;

    for (int64_t n = r->first; n < r->last; n++) {
        const float *p = x + n * r->stride_n;
        NAMED(vec) a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0};
        int64_t s = 0;

        for (; s + 1 < places; s += 2) {
            NAMED(vec) u = *(const NAMED(vec) *)(p + s * step) - from;
            NAMED(vec) w = *(const NAMED(vec) *)(p + (s + 1) * step) - from;

            a0 += u;
            a1 += w;
            b0 += u * u;
            b1 += w * w;
        }
        for (; s < places; s++) {
            NAMED(vec) u = *(const NAMED(vec) *)(p + s * step) - from;

            a0 += u;
            b0 += u * u;
        }
        a0 += a1;
        b0 += b1;
        for (int l = 0; l < LANES; l++) {
            sum[l] += (double)a0[l];
            square[l] += (double)b0[l];
        }
    }
}

/* y = scale x + offset, plus skip, and what is below 0 (no NaN is) cut off. */
ASSAY__CLONES static void NAMED(scale)(float *y, const float *x,
                                       const float *skip, bool relu,
                                       const struct assay__span *r,
                                       const float *scale, const float *offset)
{
    NAMED(vec) a = *(const NAMED(vec) *)scale;
    NAMED(vec) b = *(const NAMED(vec) *)offset;
    NAMED(vec) zero = {0};
    int64_t places = r->places;
    int64_t step = r->stride_s;

    for (int64_t n = r->first; n < r->last; n++) {
        int64_t at = n * r->stride_n;

        for (int64_t s = 0; s < places; s++, at += step) {
            NAMED(vec) u = *(const NAMED(vec) *)(x + at) * a + b;

            if (skip != NULL)
                u += *(const NAMED(vec) *)(skip + at);
            if (relu)
                u = (NAMED(vec))((NAMED(mask))u & ~(u < zero));
            *(NAMED(vec) *)(y + at) = u;
        }
    }
}

/*
 * The gradient dy (+ more), where z > 0 if there is z, goes to `out` if that
 * is given; its sums, then those of it times (x - mean), grow.
 */
ASSAY__CLONES static void NAMED(bwd_sums)(const float *x, const float *dy,
                                          const float *more, const float *z,
                                          float *out,
                                          const struct assay__span *r,
                                          const float *mean, double *sums)
{
    double *sum = sums;
    double *dot = sums + ASSAY__LANES_MAX;
    NAMED(vec) from = *(const NAMED(vec) *)mean;
    NAMED(vec) zero = {0};
    int64_t places = r->places;
    int64_t step = r->stride_s;

    for (int64_t n = r->first; n < r->last; n++) {
        int64_t at = n * r->stride_n;
        NAMED(vec) a = {0}, b = {0};

        for (int64_t s = 0; s < places; s++, at += step) {
            NAMED(vec) g = *(const NAMED(vec) *)(dy + at);

            if (more != NULL)
                g += *(const NAMED(vec) *)(more + at);
            if (z != NULL)
                g = (NAMED(vec))((NAMED(mask))g &
                                 (*(const NAMED(vec) *)(z + at) > zero));
            if (out != NULL)
                *(NAMED(vec) *)(out + at) = g;
            a += g;
            b += g * (*(const NAMED(vec) *)(x + at) - from);
        }
        for (int l = 0; l < LANES; l++) {
            sum[l] += (double)a[l];
            dot[l] += (double)b[l];
        }
    }
}

/* dx = scale dy + slope (x - mean) + offset */
ASSAY__CLONES static void NAMED(bwd_apply)(
    float *dx, const float *x, const float *dy, const struct assay__span *r,
    const float *mean, const float *scale, const float *slope,
    const float *offset)
{
    NAMED(vec) from = *(const NAMED(vec) *)mean;
    NAMED(vec) a = *(const NAMED(vec) *)scale;
    NAMED(vec) b = *(const NAMED(vec) *)slope;
    NAMED(vec) c = *(const NAMED(vec) *)offset;
    int64_t places = r->places;
    int64_t step = r->stride_s;

    for (int64_t n = r->first; n < r->last; n++) {
        int64_t at = n * r->stride_n;

        for (int64_t s = 0; s < places; s++, at += step)
            *(NAMED(vec) *)(dx + at) =
                *(const NAMED(vec) *)(dy + at) * a +
                (*(const NAMED(vec) *)(x + at) - from) * b + c;
    }
}
