/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of depthwise.c for blocks of LANES channels and kernels of
 * KERNEL x KERNEL; included once per pair, without a guard. Wants NAMED(x).
 */

/* Add one record's gradient to total[KERNEL * KERNEL] and, last, to the sum
 * of dy. `x` is the padded plane. */
ASSAY__FUSED static void NAMED(gradient)(float *total, const float *x,
                                         const float *dy, const struct depth *p)
{
    typedef float vec
        __attribute__((vector_size(LANES * sizeof(float)), may_alias));
    vec acc[KERNEL * KERNEL] = {{0}};
    vec sum = {0};
    const int64_t row = p->pw * LANES;
    const int64_t down = p->dilation[0] * row;
    const int64_t right = p->dilation[1] * LANES;

    for (int64_t i = 0; i < p->oh; i++) {
        const float *from = x + i * p->stride[0] * row;

        for (int64_t j = 0; j < p->ow; j++) {
            vec g = *(const vec *)dy;

            sum += g;
#pragma GCC unroll 8
            for (int r = 0; r < KERNEL; r++) {
#pragma GCC unroll 8
                for (int c = 0; c < KERNEL; c++)
                    acc[r * KERNEL + c] +=
                        g * *(const vec *)(from + r * down + c * right);
            }
            dy += LANES;
            from += p->stride[1] * LANES;
        }
    }
    for (int k = 0; k < KERNEL * KERNEL; k++)
        *(vec *)(total + k * LANES) += acc[k];
    *(vec *)(total + KERNEL * KERNEL * LANES) += sum;
}
