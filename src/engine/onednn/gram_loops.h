/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of gram.c for blocks of LANES channels; included once per LANES,
 * without a guard. Wants NAMED(x), and FOLD(a, b, s): lane i of the sum of
 * a and b with their lanes s apart added, from a where i has no bit s.
 */

typedef float NAMED(vec)
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));

enum { NAMED(COLUMNS) = LANES / ROWS };

/* out[i * COLUMNS + j] = the dot product of places i and j over all blocks
 * of channels. */
/* NOLINTNEXTLINE(readability-function-cognitive-complexity): rounds */
ASSAY__FUSED static void NAMED(tile)(float *out, const float *const *row,
                                     const float *const *column, int64_t blocks,
                                     int64_t stride)
{
    NAMED(vec) a[LANES] = {{0}};

    for (int64_t b = 0; b < blocks; b++) {
        NAMED(vec) c[NAMED(COLUMNS)];

#pragma GCC unroll 4
        for (int j = 0; j < NAMED(COLUMNS); j++)
            c[j] = *(const NAMED(vec) *)(column[j] + b * stride);
#pragma GCC unroll 4
        for (int i = 0; i < ROWS; i++) {
            NAMED(vec) r = *(const NAMED(vec) *)(row[i] + b * stride);

#pragma GCC unroll 4
            for (int j = 0; j < NAMED(COLUMNS); j++)
                a[i * NAMED(COLUMNS) + j] += r * c[j];
        }
    }
#if LANES == 16
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++)
        a[k] = FOLD(a[k], a[k + 8], 8);
#endif
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        a[k] = FOLD(a[k], a[k + 4], 4);
    a[0] = FOLD(a[0], a[2], 2);
    a[1] = FOLD(a[1], a[3], 2);
    *(NAMED(vec) *)out = FOLD(a[0], a[1], 1);
}

/* out[channel] = the sum over places; padding's too. */
ASSAY__CLONES static void NAMED(sums)(float *out, const float *x,
                                      const struct assay__view *v)
{
    int64_t places = v->h * v->w;

    for (int64_t b = 0; b < v->blocks; b++) {
        NAMED(vec) sum = {0};

        for (int64_t s = 0; s < places; s++)
            sum += *(const NAMED(vec) *)(x + b * v->stride_b + s * v->stride_s);
        *(NAMED(vec) *)(out + b * LANES) = sum;
    }
}
