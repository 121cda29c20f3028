/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Escaping and the printf of markup. Names of models, classes and files
 * come from strangers: this is the one place that lets text into the page.
 */

#include "report/html.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "core/printable.h"

#define REPLACEMENT "\xef\xbf\xbd"

size_t assay__html_unsafe(const char *text)
{
    return assay__unprintable(text);
}

/* What stands for the character at `p`, or NULL when it stands for itself. */
static const char *entity(const char *p)
{
    switch (*p) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case ' ': /* "95 %" stays together */
        return p[1] == '%' ? "\xc2\xa0" : NULL;
    default:
        return NULL;
    }
}

void assay__html_text(struct assay__buf *b, const char *text)
{
    const char *from = text;
    const char *p = text;

    if (!text)
        return;
    while (*p) {
        size_t unsafe = assay__html_unsafe(p);
        const char *instead = unsafe ? REPLACEMENT : entity(p);

        if (!instead) {
            p++;
            continue;
        }
        assay__buf_add(b, from, (size_t)(p - from));
        assay__buf_puts(b, instead);
        p += unsafe ? unsafe : 1;
        from = p;
    }
    assay__buf_add(b, from, (size_t)(p - from));
}

void assay__html(struct assay__buf *b, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    for (;;) {
        const char *percent = strchr(fmt, '%');

        if (!percent)
            break;
        assay__buf_add(b, fmt, (size_t)(percent - fmt));
        fmt = percent + 2;
        if (percent[1] == 's') {
            assay__html_text(b, va_arg(args, const char *));
        } else if (percent[1] == 'd') {
            assay__buf_printf(b, "%d", va_arg(args, int));
        } else if (percent[1] == 'z' && percent[2] == 'u') {
            assay__buf_printf(b, "%zu", va_arg(args, size_t));
            fmt++;
        } else {
            assert(percent[1] == '%');
            assay__buf_puts(b, "%");
        }
    }
    va_end(args);
    assay__buf_puts(b, fmt);
}

void assay__html_base64(struct assay__buf *b, const unsigned char *data,
                        size_t size)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned v = (unsigned)data[i] << 16;
        char out[4];

        if (left > 1)
            v |= (unsigned)data[i + 1] << 8;
        if (left > 2)
            v |= data[i + 2];
        out[0] = digit[v >> 18];
        out[1] = digit[v >> 12 & 63];
        out[2] = left > 1 ? digit[v >> 6 & 63] : '=';
        out[3] = left > 2 ? digit[v & 63] : '=';
        assay__buf_add(b, out, 4);
    }
}
