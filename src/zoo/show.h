/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_SHOW_H
#define ASSAY_ZOO_SHOW_H

/* Parts of the zoo as JSON values. All references are new. */

#include <sqlite3.h>

#include "core/buf.h"
#include "core/json.h"
#include "zoo/columns.h"

/* A column of the row at hand; NULL when out of memory. */
json_t *assay__zoo_json_cell(sqlite3_stmt *stmt, int column);
/* All rows of a statement, whose ?1, if it has one, is `id`. */
int assay__zoo_json_rows(sqlite3 *db, const char *sql, int64_t id, json_t **out,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* A model with its facts, files, runs and findings. _NOTHING: no such
 * model. */
int assay__zoo_json_model(assay_zoo *zoo, int64_t id, json_t **out,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#endif
