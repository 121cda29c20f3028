/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_BUF_H
#define ASSAY_CORE_BUF_H

/*
 * A growing text buffer. It keeps its first failure: append freely, then
 * look at `failed` once. `data` always ends in NUL once anything was added.
 */

#include <stdbool.h>
#include <stddef.h>

struct assay__buf {
    char *data;
    size_t size;
    size_t cap;
    bool failed; /* an allocation failed; content is incomplete */
};

#define ASSAY__BUF_INIT   \
    {                     \
        NULL, 0, 0, false \
    }

void assay__buf_release(struct assay__buf *b);
void assay__buf_add(struct assay__buf *b, const void *data, size_t size);
void assay__buf_puts(struct assay__buf *b, const char *text);
void assay__buf_printf(struct assay__buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
