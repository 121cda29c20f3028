/* SPDX-License-Identifier: Apache-2.0 */
/* Tables (table.h). A blob is shown by its size alone. */

#include "zoo/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "zoo/store.h"

#define CELLS_MAX ((size_t)8 << 20)
#define BYTES_MAX ((size_t)512 << 20)

struct filler {
    struct assay_zoo_table *table;
    sqlite3_stmt *stmt;
    size_t cap_cells;
    size_t n_bytes;
};

void assay_zoo_table_release(struct assay_zoo_table *table)
{
    size_t i;

    if (table == NULL)
        return;
    for (i = 0; table->name != NULL && i < table->n_columns; i++)
        assay__free(table->name[i]);
    for (i = 0; i < table->n_rows * table->n_columns; i++)
        assay__free(table->cell[i].text);
    assay__free(table->name);
    assay__free(table->cell);
    memset(table, 0, sizeof(*table));
}

static int take_names(struct filler *f, struct assay_error *err)
{
    struct assay_zoo_table *t = f->table;
    size_t i;

    t->n_columns = (size_t)sqlite3_column_count(f->stmt);
    t->name = assay__calloc(t->n_columns, sizeof(*t->name));
    for (i = 0; t->name != NULL && i < t->n_columns; i++) {
        const char *name = sqlite3_column_name(f->stmt, (int)i);

        t->name[i] = name != NULL ? assay__strdup(name) : NULL;
        if (t->name[i] == NULL)
            break;
    }
    if (t->name == NULL || i < t->n_columns)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
    return ASSAY_OK;
}

static int grow(struct filler *f, struct assay_error *err)
{
    struct assay_zoo_table *t = f->table;
    size_t need = (t->n_rows + 1) * t->n_columns;
    size_t cap = f->cap_cells > 0 ? f->cap_cells : 256;
    struct assay_zoo_cell *cell;

    if (need > CELLS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "the result has more than %zu cells; ask for "
                               "less (--limit)",
                               CELLS_MAX);
    if (need <= f->cap_cells)
        return ASSAY_OK;
    while (cap < need)
        cap *= 2;
    cell = assay__realloc(t->cell, cap, sizeof(*cell));
    if (cell == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
    t->cell = cell;
    f->cap_cells = cap;
    return ASSAY_OK;
}

static int take_cell(struct filler *f, int column, struct assay_zoo_cell *cell,
                     struct assay_error *err)
{
    const char *text;

    memset(cell, 0, sizeof(*cell));
    switch (sqlite3_column_type(f->stmt, column)) {
    case SQLITE_INTEGER:
        cell->type = ASSAY_ZOO_INTEGER;
        cell->integer = sqlite3_column_int64(f->stmt, column);
        cell->real = (double)cell->integer;
        return ASSAY_OK;
    case SQLITE_FLOAT:
        cell->type = ASSAY_ZOO_REAL;
        cell->real = sqlite3_column_double(f->stmt, column);
        return ASSAY_OK;
    case SQLITE_TEXT:
        text = (const char *)sqlite3_column_text(f->stmt, column);
        cell->text = text != NULL ? assay__strdup(text) : NULL;
        f->n_bytes += (size_t)sqlite3_column_bytes(f->stmt, column);
        break;
    case SQLITE_BLOB:
        cell->text =
            assay__format("(%d bytes)", sqlite3_column_bytes(f->stmt, column));
        break;
    default:
        return ASSAY_OK;
    }
    if (cell->text == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
    cell->type = ASSAY_ZOO_TEXT;
    if (f->n_bytes > BYTES_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "the result has more than %zu bytes of text; "
                               "ask for less (--limit)",
                               BYTES_MAX);
    return ASSAY_OK;
}

static int take_row(struct filler *f, struct assay_error *err)
{
    struct assay_zoo_table *t = f->table;
    struct assay_zoo_cell *cell;
    int code = grow(f, err);
    size_t i;

    if (code != ASSAY_OK || t->cell == NULL)
        return code;
    cell = &t->cell[t->n_rows * t->n_columns];
    memset(cell, 0, t->n_columns * sizeof(*cell));
    t->n_rows++; /* its cells belong to the table from here on */
    for (i = 0; i < t->n_columns && code == ASSAY_OK; i++)
        code = take_cell(f, (int)i, &cell[i], err);
    return code;
}

int assay__zoo_table_fill(struct assay_zoo_table *table, sqlite3_stmt *stmt,
                          size_t limit, int *more, const char *what,
                          struct assay_error *err)
{
    struct assay_zoo_table made = {0};
    struct filler f = {.table = &made, .stmt = stmt};
    int code = take_names(&f, err);
    int rc = SQLITE_DONE;

    while (code == ASSAY_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (limit > 0 && made.n_rows == limit)
            break;
        code = take_row(&f, err);
    }
    if (code == ASSAY_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = assay__zoo_fail(sqlite3_db_handle(stmt), err, what);
    if (code != ASSAY_OK) {
        assay_zoo_table_release(&made);
        return code;
    }
    if (more != NULL)
        *more = rc == SQLITE_ROW;
    *table = made;
    table->n_matching = made.n_rows;
    return ASSAY_OK;
}

int assay__zoo_table_begin(struct assay_zoo_table *table,
                           const char *const *name, size_t n,
                           struct assay_error *err)
{
    struct assay_zoo_table made = {.n_columns = n};
    size_t i;

    made.name = assay__calloc(n, sizeof(*made.name));
    for (i = 0; made.name != NULL && i < n; i++) {
        made.name[i] = assay__strdup(name[i]);
        if (made.name[i] == NULL)
            break;
    }
    if (made.name == NULL || i < n) {
        assay_zoo_table_release(&made);
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
    }
    *table = made;
    return ASSAY_OK;
}

struct assay_zoo_cell *assay__zoo_table_row(struct assay_zoo_table *t)
{
    struct assay_zoo_cell *cell;
    struct assay_zoo_cell *row;

    if ((t->n_rows + 1) * t->n_columns > CELLS_MAX)
        return NULL;
    cell =
        assay__realloc(t->cell, (t->n_rows + 1) * t->n_columns, sizeof(*cell));
    if (cell == NULL)
        return NULL;
    t->cell = cell;
    row = &cell[t->n_rows * t->n_columns];
    memset(row, 0, t->n_columns * sizeof(*row));
    t->n_rows++;
    t->n_matching = t->n_rows;
    return row;
}

int assay__zoo_cell_set(struct assay_zoo_cell *cell, const char *text,
                        struct assay_error *err)
{
    cell->text = assay__strdup(text);
    if (cell->text == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
    cell->type = ASSAY_ZOO_TEXT;
    return ASSAY_OK;
}

void assay__zoo_cell_number(struct assay_zoo_cell *cell, double x)
{
    if (isnan(x))
        return;
    cell->type = ASSAY_ZOO_REAL;
    cell->real = x;
}
