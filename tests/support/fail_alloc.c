/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations that fail on demand (fail_alloc.h). The counter is atomic:
 * code under test may allocate in its own threads.
 */

#include "fail_alloc.h"

#include <stdatomic.h>
#include <stddef.h>

static atomic_long countdown; /* 0: off; 1: the next one fails */
static atomic_bool hit;

bool fail_alloc_next(long n)
{
    if (n > 1 && !atomic_load(&hit))
        return false;
    atomic_store(&hit, false);
    atomic_store(&countdown, n);
    return true;
}

void fail_alloc_off(void)
{
    atomic_store(&countdown, 0);
}

bool fail_alloc_hit(void)
{
    return atomic_load(&hit);
}

static bool fails_now(void)
{
    if (atomic_load(&countdown) <= 0)
        return false;
    if (atomic_fetch_sub(&countdown, 1) != 1)
        return false;
    atomic_store(&hit, true);
    return true;
}

/* The names are the linker's (--wrap): reserved for it, not chosen here. */
void *__real_assay__malloc(size_t size);
void *__real_assay__calloc(size_t n, size_t size);
void *__real_assay__realloc(void *old, size_t n, size_t size);
void *__real_assay__slab(size_t size);
void *__wrap_assay__malloc(size_t size);
void *__wrap_assay__calloc(size_t n, size_t size);
void *__wrap_assay__realloc(void *old, size_t n, size_t size);
void *__wrap_assay__slab(size_t size);

void *__wrap_assay__malloc(size_t size)
{
    return fails_now() ? NULL : __real_assay__malloc(size);
}

void *__wrap_assay__calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : __real_assay__calloc(n, size);
}

void *__wrap_assay__realloc(void *old, size_t n, size_t size)
{
    return fails_now() ? NULL : __real_assay__realloc(old, n, size);
}

void *__wrap_assay__slab(size_t size)
{
    return fails_now() ? NULL : __real_assay__slab(size);
}
