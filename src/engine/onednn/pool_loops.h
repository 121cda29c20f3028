/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of pool.c for blocks of LANES channels; included once per
 * LANES, without a guard. Wants NAMED(x). Each works on one plane: a block
 * of channels of one record.
 */

typedef float NAMED(vec)
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef int32_t NAMED(mask)
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef uint8_t NAMED(bytes) __attribute__((vector_size(LANES), may_alias));

/*
 * Maxima, and in `at` which cell of its window each is (first of equals). A
 * NaN is more than any number. It is let in by a comparison and a choice of
 * its own: gcc 12 takes blocks of 16 apart, at a 40th of the speed, when two
 * comparisons become one mask.
 */
ASSAY__CLONES static void NAMED(max)(float *y, uint8_t *at, const float *x,
                                     const struct windows *w)
{
    NAMED(vec) infinity = (NAMED(vec)){0} + INFINITY;

    for (int i = 0; i < w->oh; i++) {
        for (int j = 0; j < w->ow; j++, y += w->y_step, at += LANES) {
            const float *row = x + w->row0[i] * w->x_row;
            const float *first = row + w->col0[j] * w->x_step;
            NAMED(vec) best = *(const NAMED(vec) *)first;
            NAMED(mask) where = {0};
            NAMED(mask) cell = {0};

            for (int r = w->row0[i]; r < w->row1[i]; r++, row += w->x_row) {
                const float *p = row + w->col0[j] * w->x_step;

                for (int c = w->col0[j]; c < w->col1[j]; c++, p += w->x_step) {
                    NAMED(vec) u = *(const NAMED(vec) *)p;
                    NAMED(mask) more = ~(u <= infinity);

                    best = (NAMED(vec))(((NAMED(mask))u & more) |
                                        ((NAMED(mask))best & ~more));
                    more = u > best;
                    best = (NAMED(vec))(((NAMED(mask))u & more) |
                                        ((NAMED(mask))best & ~more));
                    where = (cell & more) | (where & ~more);
                    cell += 1;
                }
            }
            *(NAMED(vec) *)y = best;
            *(NAMED(bytes) *)at = __builtin_convertvector(where, NAMED(bytes));
        }
    }
}

/* The gradient of the maxima goes to where they were; with `top` only where
 * the maximum is above 0. dx must be 0 where windows leave gaps or overlap. */
ASSAY__CLONES static void NAMED(max_bwd)(float *dx, const float *dy,
                                         const uint8_t *at, const float *top,
                                         const struct windows *w)
{
    NAMED(vec) zero = {0};

    for (int i = 0; i < w->oh; i++) {
        for (int j = 0; j < w->ow; j++, dy += w->y_step, at += LANES) {
            float *row = dx + w->row0[i] * w->x_row;
            NAMED(mask) g = *(const NAMED(mask) *)dy;
            NAMED(mask)
            where =
                __builtin_convertvector(*(const NAMED(bytes) *)at, NAMED(mask));
            NAMED(mask) cell = {0};

            if (top != NULL) {
                g &= *(const NAMED(vec) *)top > zero;
                top += w->y_step;
            }
            for (int r = w->row0[i]; r < w->row1[i]; r++, row += w->x_row) {
                float *p = row + w->col0[j] * w->x_step;

                for (int c = w->col0[j]; c < w->col1[j]; c++, p += w->x_step) {
                    NAMED(vec) part = (NAMED(vec))(g & (where == cell));

                    if (w->tiled)
                        *(NAMED(vec) *)p = part;
                    else
                        *(NAMED(vec) *)p += part;
                    cell += 1;
                }
            }
        }
    }
}

ASSAY__CLONES static void NAMED(average)(float *y, const float *x,
                                         const struct windows *w)
{
    for (int i = 0; i < w->oh; i++) {
        for (int j = 0; j < w->ow; j++, y += w->y_step) {
            const float *row = x + w->row0[i] * w->x_row;
            NAMED(vec) sum = {0};

            for (int r = w->row0[i]; r < w->row1[i]; r++, row += w->x_row) {
                const float *p = row + w->col0[j] * w->x_step;

                for (int c = w->col0[j]; c < w->col1[j]; c++, p += w->x_step)
                    sum += *(const NAMED(vec) *)p;
            }
            *(NAMED(vec) *)y = sum / (w->height[i] * w->width[j]);
        }
    }
}

ASSAY__CLONES static void NAMED(average_bwd)(float *dx, const float *dy,
                                             const struct windows *w)
{
    for (int i = 0; i < w->oh; i++) {
        for (int j = 0; j < w->ow; j++, dy += w->y_step) {
            float *row = dx + w->row0[i] * w->x_row;
            NAMED(vec)
            g = *(const NAMED(vec) *)dy / (w->height[i] * w->width[j]);

            for (int r = w->row0[i]; r < w->row1[i]; r++, row += w->x_row) {
                float *p = row + w->col0[j] * w->x_step;

                for (int c = w->col0[j]; c < w->col1[j]; c++, p += w->x_step) {
                    if (w->tiled)
                        *(NAMED(vec) *)p = g;
                    else
                        *(NAMED(vec) *)p += g;
                }
            }
        }
    }
}

/* 0 over a whole plane of dx. */
ASSAY__CLONES static void NAMED(clear)(float *dx, const struct windows *w)
{
    NAMED(vec) zero = {0};

    for (int i = 0; i < w->h; i++) {
        for (int j = 0; j < w->w; j++)
            *(NAMED(vec) *)(dx + i * w->x_row + j * w->x_step) = zero;
    }
}
