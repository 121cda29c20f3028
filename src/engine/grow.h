/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_GROW_H
#define ASSAY_ENGINE_GROW_H

/*
 * Growing arrays of the engine: room for one more element, doubling. The
 * caller keeps pointer, count and capacity; on failure all three are as
 * before.
 */

#include "core/mem.h"

/* The array with room for element `n`, or NULL when out of memory. */
static inline void *assay__grown(void *array, int n, int *cap, size_t size)
{
    int new_cap = *cap < 8 ? 8 : *cap * 2;
    void *moved;

    if (n < *cap)
        return array;
    if (*cap > (1 << 28))
        return NULL;
    moved = assay__realloc(array, (size_t)new_cap, size);
    if (moved)
        *cap = new_cap;
    return moved;
}

#endif
