/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_TABLE_H
#define ASSAY_ZOO_TABLE_H

/* Rows of a statement into a table in memory, within limits. */

#include <sqlite3.h>

#include "assay/zoo.h"

/* Step `stmt` to its end or to `limit` rows (0: all); 1 in *more when rows
 * were left (may be NULL). `what` for SQLite's complaints. */
int assay__zoo_table_fill(struct assay_zoo_table *table, sqlite3_stmt *stmt,
                          size_t limit, int *more, const char *what,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/* Tables made by hand: an empty one with these names, a further row of missing
 * values (NULL when out of memory or over the limits), a cell's value. */
int assay__zoo_table_begin(struct assay_zoo_table *table,
                           const char *const *name, size_t n,
                           struct assay_error *err) ASSAY_MUST_CHECK;
struct assay_zoo_cell *assay__zoo_table_row(struct assay_zoo_table *table);
int assay__zoo_cell_set(struct assay_zoo_cell *cell, const char *text,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* NaN is missing. */
void assay__zoo_cell_number(struct assay_zoo_cell *cell, double x);

#endif
