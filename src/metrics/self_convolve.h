/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_METRICS_SELF_CONVOLVE_H
#define ASSAY_METRICS_SELF_CONVOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

/* Room, in doubles, that assay__self_convolve() needs for n of them. */
static inline size_t assay__self_convolve_room(size_t n)
{
    return 2 * (n / 2 + 1);
}

/* The least product of 2s, 3s and 5s that is n or more, even. */
size_t assay__self_convolve_size(size_t n);

/*
 * Replace x[0..n) by its circular convolution of `times` copies of it. x has
 * the room above, is aligned to 64 bytes, n is even and sums to about 1 in
 * absolute values. Rounding errors are about times * 1e-15 in sum. Errors:
 * ASSAY_NOMEM; x is lost then. May be called from several threads.
 */
int assay__self_convolve(double *x, size_t n, uint64_t times,
                         struct assay_error *err) ASSAY_MUST_CHECK;

#endif
