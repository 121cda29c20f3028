/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_CHECKED_H
#define ASSAY_CORE_CHECKED_H

/*
 * Sums and products of sizes that come from files. Each returns true when
 * the result fits and has been stored, false (and nothing stored) when not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool assay__add_size(size_t a, size_t b, size_t *sum)
{
    size_t r;

    if (__builtin_add_overflow(a, b, &r))
        return false;
    *sum = r;
    return true;
}

static inline bool assay__mul_size(size_t a, size_t b, size_t *product)
{
    size_t r;

    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *product = r;
    return true;
}

/* True when [offset, offset + length) lies within [0, size). */
static inline bool assay__range_ok(uint64_t offset, uint64_t length,
                                   uint64_t size)
{
    return offset <= size && length <= size - offset;
}

#endif
