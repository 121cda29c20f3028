/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of tables (csv.h). One pass over a private copy of the text:
 * fields are unquoted where they stand, which only makes them shorter, and
 * end in a NUL where their separator was. Writing is the inverse.
 */

#include "core/csv.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum { CELLS_MAX = 1 << 27 }; /* 1 GiB of pointers */

struct parser {
    struct assay__csv *csv;
    char *at;
    char *end;
    size_t line;    /* of `at`, from 1 */
    size_t n_cells; /* so far */
    size_t cap_cells;
};

static int add_cell(struct parser *p, const char *cell, struct assay_error *err)
{
    if (p->n_cells == CELLS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "line %zu: more than %d fields in the table",
                               p->line, CELLS_MAX);
    if (p->n_cells == p->cap_cells) {
        size_t cap = p->cap_cells ? 2 * p->cap_cells : 256;
        const char **grown = assay__realloc(p->csv->cell, cap, sizeof(*grown));

        if (!grown)
            return assay_error_set(
                err, ASSAY_NOMEM, "line %zu: no memory for the table", p->line);
        p->csv->cell = grown;
        p->cap_cells = cap;
    }
    p->csv->cell[p->n_cells++] = cell;
    return ASSAY_OK;
}

/* Unquote in place; p->at ends behind the closing quote. */
static int take_quoted(struct parser *p, char **stop, struct assay_error *err)
{
    size_t line = p->line;
    char *to = p->at;

    p->at++;
    for (;;) {
        if (p->at == p->end)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "line %zu: quote is never closed", line);
        if (*p->at == '"') {
            p->at++;
            if (p->at == p->end || *p->at != '"')
                break;
        }
        p->line += *p->at == '\n';
        *to++ = *p->at++;
    }
    *stop = to;
    if (p->at != p->end && !strchr(",\r\n", *p->at))
        return assay_error_set(err, ASSAY_FORMAT,
                               "line %zu: text after a closing quote", p->line);
    return ASSAY_OK;
}

/* One field and its separator; *last tells that the row ends with it. */
static int take_field(struct parser *p, bool *last, struct assay_error *err)
{
    char *field = p->at;
    char *stop = p->at;
    int rc;

    if (p->at != p->end && *p->at == '"') {
        rc = take_quoted(p, &stop, err);
        if (rc)
            return rc;
    } else {
        while (p->at != p->end && *p->at != ',' && *p->at != '\n')
            p->at++;
        stop = p->at;
        if (stop > field && stop[-1] == '\r' &&
            (p->at == p->end || *p->at == '\n'))
            stop--;
    }
    if (p->at != p->end && *p->at == '\r')
        p->at++;
    if (p->at != p->end && *p->at != ',' && *p->at != '\n')
        return assay_error_set(err, ASSAY_FORMAT,
                               "line %zu: carriage return within a line",
                               p->line);
    *last = p->at == p->end || *p->at == '\n';
    if (p->at != p->end) {
        p->line += *p->at == '\n';
        p->at++;
    }
    *stop = '\0'; /* the text has a byte to spare at its end */
    return add_cell(p, field, err);
}

static int take_row(struct parser *p, struct assay_error *err)
{
    size_t line = p->line;
    size_t first = p->n_cells;
    bool last = false;
    size_t n;

    while (!last) {
        int rc = take_field(p, &last, err);

        if (rc)
            return rc;
    }
    n = p->n_cells - first;
    if (first == 0) {
        if (n > ASSAY__CSV_COLUMNS_MAX)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "line 1: %zu columns, limit %d", n,
                                   ASSAY__CSV_COLUMNS_MAX);
        p->csv->n_columns = n;
    } else if (n != p->csv->n_columns) {
        return assay_error_set(err, ASSAY_FORMAT,
                               "line %zu: %zu fields, the header has %zu", line,
                               n, p->csv->n_columns);
    } else {
        p->csv->n_rows++;
    }
    return ASSAY_OK;
}

/* Skip empty lines; false at the end of the text. */
static bool next_line(struct parser *p)
{
    while (p->at != p->end && (*p->at == '\n' || *p->at == '\r')) {
        p->line += *p->at == '\n';
        p->at++;
    }
    return p->at != p->end;
}

int assay__csv_parse(struct assay__csv *out, const unsigned char *data,
                     size_t size, struct assay_error *err)
{
    static const unsigned char mark[3] = {0xef, 0xbb, 0xbf};
    struct parser p = {.csv = out, .line = 1};
    const unsigned char *nul;
    int rc = ASSAY_OK;

    *out = (struct assay__csv){0};
    if (size >= sizeof(mark) && memcmp(data, mark, sizeof(mark)) == 0) {
        data += sizeof(mark);
        size -= sizeof(mark);
    }
    nul = size ? memchr(data, '\0', size) : NULL;
    if (nul)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: a NUL, so this is no text",
                               (size_t)(nul - data));
    out->text = assay__malloc(size + 1);
    if (!out->text)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for the table");
    if (size)
        memcpy(out->text, data, size);
    p.at = out->text;
    p.end = out->text + size;

    while (!rc && next_line(&p))
        rc = take_row(&p, err);
    if (!rc && out->n_columns == 0)
        rc = assay_error_set(err, ASSAY_FORMAT, "the table has no header line");
    if (rc)
        assay__csv_release(out);
    return rc;
}

void assay__csv_release(struct assay__csv *csv)
{
    assay__free(csv->text);
    assay__free(csv->cell);
    *csv = (struct assay__csv){0};
}

const char *assay__csv_header(const struct assay__csv *csv, size_t column)
{
    return csv->cell[column];
}

const char *assay__csv_cell(const struct assay__csv *csv, size_t row,
                            size_t column)
{
    return csv->cell[(row + 1) * csv->n_columns + column];
}

size_t assay__csv_find(const struct assay__csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->n_columns; i++) {
        if (strcmp(csv->cell[i], name) == 0)
            return i;
    }
    return SIZE_MAX;
}

void assay__csv_put_text(struct assay__buf *b, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        assay__buf_puts(b, text);
        return;
    }
    assay__buf_puts(b, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"')
            assay__buf_puts(b, "\"");
        assay__buf_add(b, text, 1);
    }
    assay__buf_puts(b, "\"");
}

void assay__csv_put_real(struct assay__buf *b, double x)
{
    char text[40];
    int digits = 6;
    char *p;

    do {
        snprintf(text, sizeof(text), "%.*g", digits++, x);
    } while (digits <= 17 && fabs(strtod(text, NULL) - x) > 0);
    /* The host program's locale may have another decimal point. */
    for (p = text; *p != '\0'; p++) {
        if (strchr("0123456789+-e", *p) == NULL)
            *p = '.';
    }
    assay__buf_puts(b, text);
}
