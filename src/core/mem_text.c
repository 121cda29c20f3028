/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fresh strings (mem.h), apart from mem.c so that tests can make their
 * allocations fail as well.
 */

#include "core/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

char *assay__strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = assay__malloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}

char *assay__format(const char *fmt, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return NULL;
    text = assay__malloc((size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}
