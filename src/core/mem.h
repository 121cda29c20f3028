/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_MEM_H
#define ASSAY_CORE_MEM_H

/*
 * All of Assay's own allocation goes through these. Counts and sizes are
 * multiplied with an overflow check; a size of 0 gives a pointer that may
 * be freed. Tests link with -Wl,--wrap=assay__malloc,... and fail the n-th
 * call, so every caller's error path is walked.
 */

#include <stddef.h>

void *assay__malloc(size_t size);
void *assay__calloc(size_t n, size_t size);
/* Grow to n * size bytes; on failure NULL, the old block stays valid. */
void *assay__realloc(void *old, size_t n, size_t size);
/* 64-byte aligned and zeroed; freed with assay__free as all others. Large
 * blocks ask for huge pages. */
void *assay__slab(size_t size);
void assay__free(void *p);
char *assay__strdup(const char *text);
/* printf into a fresh string; NULL when out of memory. */
char *assay__format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
