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

#endif
