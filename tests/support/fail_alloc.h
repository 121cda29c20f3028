/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_FAIL_ALLOC_H
#define ASSAY_TESTS_FAIL_ALLOC_H

/*
 * Allocations that fail on demand, for tests/oom. The linker sends every
 * assay__malloc, _calloc, _realloc and _slab call through here. The walk:
 *
 *     for (n = 1; fail_alloc_next(n); n++) {
 *         code = thing_new(&thing, &err);
 *         fail_alloc_off();
 *         ... when code is not 0: it is ASSAY_NOMEM and nothing leaked;
 *         ... when it is 0: thing is whole; free it
 *     }
 *
 * ends after the first round in which the n-th allocation was never asked
 * for. Leaks are seen by the address sanitizer's preset.
 */

#include <stdbool.h>

/*
 * Let the n-th allocation from here on fail (once), n >= 1. False when the
 * round before ran through without reaching its n, so that a loop ends;
 * always true for n = 1.
 */
bool fail_alloc_next(long n);
/* No failures until the next fail_alloc_next(). */
void fail_alloc_off(void);
/* Whether this round's allocation has failed. */
bool fail_alloc_hit(void);

#endif
