/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text in the old, printable opcodes of pickles: decimal numbers, strings in
 * quotes with Python's escapes, raw-unicode-escape. Undoing the escapes
 * matters because a module's name can be hidden in them; the result is never
 * longer than the source, so callers need no other bound.
 */

#include <string.h>

#include "formats/pickle.h"

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool assay__pickle_decimal(const unsigned char *text, size_t size,
                           int64_t *value)
{
    int64_t x = 0;
    bool minus = false;
    bool digit = false;
    size_t i = 0;

    while (size > 0 && is_blank(text[size - 1]))
        size--;
    while (i < size && is_blank(text[i]))
        i++;
    if (i < size && (text[i] == '-' || text[i] == '+'))
        minus = text[i++] == '-';
    for (; i < size; i++) {
        if (text[i] == '_' && digit) {
            digit = false;
            continue;
        }
        digit = text[i] >= '0' && text[i] <= '9';
        if (!digit || __builtin_mul_overflow(x, 10, &x) ||
            __builtin_add_overflow(x, text[i] - '0', &x))
            return false;
    }
    if (!digit)
        return false;
    *value = minus ? -x : x;
    return true;
}

/* Value of `n` hex digits, or -1. */
static int64_t hex_value(const unsigned char *text, size_t size, size_t n)
{
    int64_t value = 0;

    if (size < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* A code point as UTF-8; its length, 0 beyond the last one. */
static size_t put_utf8(unsigned char *out, int64_t c)
{
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (unsigned char)(0xc0 | c >> 6);
        out[1] = (unsigned char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (unsigned char)(0xe0 | c >> 12);
        out[1] = (unsigned char)(0x80 | (c >> 6 & 63));
        out[2] = (unsigned char)(0x80 | (c & 63));
        return 3;
    }
    if (c > 0x10ffff)
        return 0;
    out[0] = (unsigned char)(0xf0 | c >> 18);
    out[1] = (unsigned char)(0x80 | (c >> 12 & 63));
    out[2] = (unsigned char)(0x80 | (c >> 6 & 63));
    out[3] = (unsigned char)(0x80 | (c & 63));
    return 4;
}

size_t assay__pickle_unescape(unsigned char *out, const unsigned char *text,
                              size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++) {
        size_t digits = 0;
        int64_t c;
        size_t put;

        if (text[i] == '\\' && i + 1 < size)
            digits = text[i + 1] == 'u' ? 4 : text[i + 1] == 'U' ? 8 : 0;
        if (digits == 0) {
            /* Latin-1 by rule; kept as it is, since a name beyond ASCII is
             * on no list whatever its spelling. */
            out[n++] = text[i];
            continue;
        }
        c = hex_value(text + i + 2, size - i - 2, digits);
        put = c < 0 ? 0 : put_utf8(out + n, c);
        if (put == 0)
            return SIZE_MAX;
        n += put;
        i += 1 + digits;
    }
    return n;
}

/* One escape of a string literal at text[0] == '\\': how much it takes and
 * the byte it gives; -1 for a line that goes on. */
static size_t take_escape(const unsigned char *text, size_t size, int *byte)
{
    static const char from[] = "\\'\"abfnrtv";
    static const char to[] = "\\'\"\a\b\f\n\r\t\v";
    const char *found;
    int value = 0;
    size_t i = 1;

    if (size < 2)
        return 0;
    found = text[1] ? strchr(from, text[1]) : NULL;
    if (found) {
        *byte = (unsigned char)to[found - from];
        return 2;
    }
    if (text[1] == 'x') {
        int64_t x = hex_value(text + 2, size - 2, 2);

        *byte = (int)x;
        return x < 0 ? 0 : 4;
    }
    while (i < size && i < 4 && text[i] >= '0' && text[i] <= '7')
        value = value * 8 + (text[i++] - '0');
    *byte = i > 1 ? value & 255 : '\\';
    return i;
}

size_t assay__pickle_unquote(unsigned char *out, const unsigned char *text,
                             size_t size)
{
    size_t n = 0;

    while (size > 0 && is_blank(text[size - 1]))
        size--;
    while (size > 0 && is_blank(text[0])) {
        text++;
        size--;
    }
    if (size < 2 || text[0] != text[size - 1] ||
        (text[0] != '\'' && text[0] != '"'))
        return SIZE_MAX;
    text++;
    size -= 2;
    for (size_t i = 0; i < size;) {
        int byte = text[i];
        size_t taken = 1;

        if (byte == '\\')
            taken = take_escape(text + i, size - i, &byte);
        if (taken == 0)
            return SIZE_MAX;
        out[n++] = (unsigned char)byte;
        i += taken;
    }
    return n;
}

/* Bytes of the UTF-8 character at `p`, of which `size` bytes are there. */
static size_t utf8_size(const unsigned char *p, size_t size)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (n == 1)
        return p[0] != 0;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > size)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < n; i++) {
        if (p[i] < low || p[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return n;
}

bool assay__pickle_is_name(const unsigned char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = utf8_size(text + i, size - i);

        if (n == 0)
            return false;
        i += n;
    }
    return true;
}
