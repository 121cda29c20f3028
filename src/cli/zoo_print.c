/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of the zoo for people and programs. Text of strangers is made
 * printable; long text is cut on the terminal, never in JSON.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "core/printable.h"
#include "json_output.h"
#include "zoo.h"

enum { CELL_SIZE = 256, SHOWN_MAX = 44 };

/* Characters of UTF-8 text, as many as a terminal takes columns for most. */
static int width_of(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Cut to `max` characters, the last three dots. */
static void cut(char *text, int max)
{
    int n = 0;
    char *p = text;

    if (width_of(text) <= max)
        return;
    for (; *p != '\0'; p++) {
        if (((unsigned char)*p & 0xc0) != 0x80 && ++n > max - 3)
            break;
    }
    memcpy(p, "...", 4);
}

void assay__zoo_cell_text(const struct assay_zoo_cell *cell, char *text,
                          size_t size)
{
    switch (cell->type) {
    case ASSAY_ZOO_INTEGER:
        snprintf(text, size, "%" PRId64, cell->integer);
        break;
    case ASSAY_ZOO_REAL:
        snprintf(text, size, "%.5g", cell->real);
        break;
    case ASSAY_ZOO_TEXT:
        snprintf(text, size, "%s", cell->text);
        assay__make_printable(text);
        break;
    default:
        snprintf(text, size, "-");
    }
}

static void shown(const struct assay_zoo_cell *cell, char text[CELL_SIZE])
{
    assay__zoo_cell_text(cell, text, CELL_SIZE);
    cut(text, SHOWN_MAX);
}

static void put_padded(const char *text, int width, int right)
{
    int pad = width - width_of(text);

    printf("%*s%s%*s", right && pad > 0 ? pad : 0, "", text,
           !right && pad > 0 ? pad : 0, "");
}

/* Widths of the columns, and whether they are of numbers. */
struct layout {
    int width;
    int right;
};

static void measure(const struct assay_zoo_table *t, struct layout *layout)
{
    char text[CELL_SIZE];
    size_t r;
    size_t c;

    for (c = 0; c < t->n_columns; c++) {
        layout[c].width = width_of(t->name[c]);
        layout[c].right = 1;
        for (r = 0; r < t->n_rows; r++) {
            const struct assay_zoo_cell *cell = &t->cell[r * t->n_columns + c];

            shown(cell, text);
            if (width_of(text) > layout[c].width)
                layout[c].width = width_of(text);
            if (cell->type == ASSAY_ZOO_TEXT)
                layout[c].right = 0;
        }
    }
}

/* A cell and what separates it from the next; no blanks end a line. */
static void put_cell(const char *text, const struct layout *layout, int last)
{
    put_padded(text, !last || layout->right ? layout->width : 0, layout->right);
    fputs(last ? "\n" : "  ", stdout);
}

static int print_text(const struct assay_zoo_table *t, struct assay_error *err)
{
    struct layout *layout = assay__calloc(t->n_columns, sizeof(*layout));
    char text[CELL_SIZE];
    size_t r;
    size_t c;

    if (layout == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a table");
    measure(t, layout);
    for (c = 0; c < t->n_columns; c++) {
        snprintf(text, sizeof(text), "%s", t->name[c]);
        assay__make_printable(text);
        put_cell(text, &layout[c], c + 1 == t->n_columns);
    }
    for (r = 0; r < t->n_rows; r++) {
        for (c = 0; c < t->n_columns; c++) {
            shown(&t->cell[r * t->n_columns + c], text);
            put_cell(text, &layout[c], c + 1 == t->n_columns);
        }
    }
    assay__free(layout);
    if (t->n_matching > t->n_rows)
        printf("\n%zu of %zu; --limit 0 shows all\n", t->n_rows, t->n_matching);
    return ASSAY_OK;
}

static json_t *cell_json(const struct assay_zoo_cell *cell)
{
    switch (cell->type) {
    case ASSAY_ZOO_INTEGER:
        return json_integer(cell->integer);
    case ASSAY_ZOO_REAL:
        return assay__json_real(cell->real);
    case ASSAY_ZOO_TEXT:
        return assay__json_string(cell->text);
    default:
        return json_null();
    }
}

static int print_json(const struct assay_zoo_table *t, struct assay_error *err)
{
    json_t *columns = json_array();
    json_t *rows = json_array();
    size_t r;
    size_t c;

    for (c = 0; c < t->n_columns; c++)
        json_array_append_new(columns, assay__json_string(t->name[c]));
    for (r = 0; r < t->n_rows; r++) {
        json_t *row = json_array();

        for (c = 0; c < t->n_columns; c++)
            json_array_append_new(row,
                                  cell_json(&t->cell[r * t->n_columns + c]));
        json_array_append_new(rows, row);
    }
    return assay__print_json(json_pack("{s:o, s:o, s:I}", "columns", columns,
                                       "rows", rows, "matching",
                                       (json_int_t)t->n_matching),
                             "the result", err);
}

int assay__zoo_print(const struct assay_zoo_table *table, int as_json,
                     struct assay_error *err)
{
    return as_json ? print_json(table, err) : print_text(table, err);
}
