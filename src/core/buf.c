/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing text buffer (buf.h). Capacity doubles, so n bytes cost O(n)
 * copies. After a failure nothing is added any more: what is there stays a
 * correct beginning.
 */

#include "core/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "core/mem.h"

void assay__buf_release(struct assay__buf *b)
{
    assay__free(b->data);
    memset(b, 0, sizeof *b);
}

/* Room for `size` more bytes and the NUL. */
static bool reserve(struct assay__buf *b, size_t size)
{
    size_t cap = b->cap ? b->cap : 128;
    size_t need;
    char *data;

    if (b->failed)
        return false;
    b->failed = true;
    if (!assay__add_size(b->size, size, &need) ||
        !assay__add_size(need, 1, &need))
        return false;
    if (need > b->cap) {
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : 2 * cap;
        data = assay__realloc(b->data, cap, 1);
        if (!data)
            return false;
        b->data = data;
        b->cap = cap;
    }
    b->failed = false;
    return true;
}

void assay__buf_add(struct assay__buf *b, const void *data, size_t size)
{
    if (!reserve(b, size))
        return;
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void assay__buf_puts(struct assay__buf *b, const char *text)
{
    assay__buf_add(b, text, strlen(text));
}

void assay__buf_printf(struct assay__buf *b, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
        return;
    }
    if (!reserve(b, (size_t)n))
        return;
    va_start(args, fmt);
    vsnprintf(b->data + b->size, (size_t)n + 1, fmt, args);
    va_end(args);
    b->size += (size_t)n;
}
