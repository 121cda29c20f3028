/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator (mem.h): the C library's, with checked products. What the
 * tests replace is here alone; what is built upon it lies in mem_text.c, so
 * that the linker's --wrap reaches those calls too.
 */

#include "core/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/checked.h"

enum {
    LINE_BYTES = 64,
    HUGE_PAGE_BYTES = 2 << 20,
    HUGE_FROM_BYTES = 4 << 20 /* below, rounding up would waste too much */
};

void *assay__malloc(size_t size)
{
    return malloc(size ? size : 1);
}

void *assay__calloc(size_t n, size_t size)
{
    return n && size ? calloc(n, size) : calloc(1, 1);
}

void *assay__realloc(void *old, size_t n, size_t size)
{
    size_t bytes;

    if (!assay__mul_size(n, size, &bytes))
        return NULL;
    return realloc(old, bytes ? bytes : 1);
}

void *assay__slab(size_t size)
{
    size_t align = size >= HUGE_FROM_BYTES ? HUGE_PAGE_BYTES : LINE_BYTES;
    size_t bytes;
    void *p;

    if (!assay__add_size(size ? size : 1, align - 1, &bytes))
        return NULL;
    bytes -= bytes % align;
    p = aligned_alloc(align, bytes);
    if (!p)
        return NULL;
    /* Advice: where the kernel has no huge pages, small ones serve. */
    if (align == HUGE_PAGE_BYTES)
        (void)madvise(p, bytes, MADV_HUGEPAGE);
    return memset(p, 0, bytes);
}

void assay__free(void *p)
{
    free(p);
}
