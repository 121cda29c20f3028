/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in and out (json.h). Reading is jansson's. Writing is our own walk
 * over its values, for two habits that jansson lacks: a real is written with
 * the fewest digits that read back to the same double (0.1, where "%.17g"
 * gives 0.10000000000000001), and a list of plain values stays on one line.
 * Recursion is as deep as the value, which jansson limits to 2048 on reading.
 */

#include "core/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"

int assay__json_read(const char *path, size_t max_bytes, json_t **out,
                     struct assay_error *err)
{
    unsigned char *data = NULL;
    json_error_t where;
    json_t *value;
    size_t size;
    int code = assay__read_file(path, max_bytes, &data, &size, err);

    if (code)
        return code;
    value =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &where);
    assay__free(data);
    if (!value)
        return assay_error_set(
            err,
            json_error_code(&where) == json_error_out_of_memory ? ASSAY_NOMEM
                                                                : ASSAY_FORMAT,
            "%s: line %d, column %d: %s", path, where.line, where.column,
            where.text);
    *out = value;
    return ASSAY_OK;
}

json_t *assay__json_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *assay__json_estimate(double value, double low, double high, size_t n)
{
    return json_pack("{s:o, s:o, s:o, s:I}", "value", assay__json_real(value),
                     "low", assay__json_real(low), "high",
                     assay__json_real(high), "n", (json_int_t)n);
}

/* Bytes of the UTF-8 character at `p` (RFC 3629: no long forms, surrogates or
 * beyond U+10FFFF); 0 when there is none. */
static size_t utf8_size(const unsigned char *p)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t size = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    size_t i;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (i = 1; i < size; i++) {
        if (p[i] < low || p[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return size;
}

json_t *assay__json_string(const char *bytes)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    json_t *value = NULL;

    assay__buf_puts(&b, "");
    while (*bytes) {
        size_t size = utf8_size((const unsigned char *)bytes);

        if (size > 0)
            assay__buf_add(&b, bytes, size);
        else
            assay__buf_puts(&b, "\xef\xbf\xbd");
        bytes += size > 0 ? size : 1;
    }
    if (!b.failed)
        value = json_string(b.data);
    assay__buf_release(&b);
    return value;
}

static void put_string(struct assay__buf *b, const char *s, size_t size)
{
    size_t i;

    assay__buf_add(b, "\"", 1);
    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\')
            assay__buf_printf(b, "\\%c", c);
        else if (c == '\n')
            assay__buf_puts(b, "\\n");
        else if (c < 0x20)
            assay__buf_printf(b, "\\u%04x", c);
        else
            assay__buf_add(b, &s[i], 1);
    }
    assay__buf_add(b, "\"", 1);
}

static void put_real(struct assay__buf *b, double x)
{
    char text[40];
    int digits = 15;
    char *p;

    do {
        snprintf(text, sizeof text, "%.*g", digits, x);
        digits++;
    } while (digits <= 17 && strtod(text, NULL) != x);
    /* The host program's locale may have another decimal point. */
    for (p = text; *p; p++) {
        if (!strchr("0123456789+-e", *p))
            *p = '.';
    }
    assay__buf_puts(b, text);
    if (!strpbrk(text, ".e"))
        assay__buf_puts(b, ".0");
}

static void put_line(struct assay__buf *b, int depth)
{
    assay__buf_printf(b, "\n%*s", 2 * depth, "");
}

static void put_value(struct assay__buf *b, const json_t *value, int depth);

static void put_array(struct assay__buf *b, const json_t *value, int depth)
{
    size_t n = json_array_size(value);
    bool plain = true;
    size_t i;

    for (i = 0; i < n; i++) {
        const json_t *item = json_array_get(value, i);

        plain = plain && !json_is_array(item) && !json_is_object(item);
    }
    assay__buf_puts(b, "[");
    for (i = 0; i < n; i++) {
        if (i > 0)
            assay__buf_puts(b, plain ? ", " : ",");
        if (!plain)
            put_line(b, depth + 1);
        put_value(b, json_array_get(value, i), depth + 1);
    }
    if (!plain)
        put_line(b, depth);
    assay__buf_puts(b, "]");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_object(struct assay__buf *b, const json_t *value, int depth)
{
    size_t n = json_object_size(value);
    const char **keys = assay__calloc(n, sizeof *keys);
    json_t *object = json_incref((json_t *)(uintptr_t)value);
    void *at = json_object_iter(object);
    size_t i;

    if (!keys)
        b->failed = true;
    for (i = 0; keys && i < n; i++) {
        keys[i] = json_object_iter_key(at);
        at = json_object_iter_next(object, at);
    }
    if (keys)
        qsort(keys, n, sizeof *keys, by_text);
    assay__buf_puts(b, "{");
    for (i = 0; keys && i < n; i++) {
        if (i > 0)
            assay__buf_puts(b, ",");
        put_line(b, depth + 1);
        put_string(b, keys[i], strlen(keys[i]));
        assay__buf_puts(b, ": ");
        put_value(b, json_object_get(object, keys[i]), depth + 1);
    }
    if (n > 0)
        put_line(b, depth);
    assay__buf_puts(b, "}");
    json_decref(object);
    assay__free(keys);
}

static void put_value(struct assay__buf *b, const json_t *value, int depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        put_object(b, value, depth);
        break;
    case JSON_ARRAY:
        put_array(b, value, depth);
        break;
    case JSON_STRING:
        put_string(b, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        assay__buf_printf(b, "%" JSON_INTEGER_FORMAT,
                          json_integer_value(value));
        break;
    case JSON_REAL:
        put_real(b, json_real_value(value));
        break;
    case JSON_TRUE:
        assay__buf_puts(b, "true");
        break;
    case JSON_FALSE:
        assay__buf_puts(b, "false");
        break;
    case JSON_NULL:
        assay__buf_puts(b, "null");
        break;
    }
}

char *assay__json_text(const json_t *value)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    put_value(&b, value, 0);
    assay__buf_puts(&b, "\n");
    if (b.failed)
        assay__buf_release(&b);
    return b.data;
}

int assay__json_write(const char *path, const json_t *value,
                      struct assay_error *err)
{
    char *text = assay__json_text(value);
    int code;

    if (!text)
        return assay_error_set(err, ASSAY_NOMEM, "%s: no memory for its text",
                               path);
    code = assay__write_file(path, text, strlen(text), err);
    assay__free(text);
    return code;
}
