/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_QUERY_H
#define ASSAY_ZOO_QUERY_H

/*
 * SQL made of a query's parts. Names become SQL only by way of the tables of
 * columns, or as a bound parameter of a look into `facts`; values are bound,
 * always.
 */

#include <sqlite3.h>
#include <stdbool.h>

#include "core/buf.h"
#include "zoo/columns.h"

enum { ASSAY__ZOO_PARAMETERS_MAX = 128 };

struct assay__zoo_parameter {
    char *text; /* or NULL: the number */
    double number;
};

struct assay__zoo_sql {
    sqlite3 *db;
    struct assay__buf text;
    struct assay__zoo_parameter parameter[ASSAY__ZOO_PARAMETERS_MAX];
    size_t n_parameters;
    bool numbers_only; /* a fact that is text is none: text is more than any
                        * number to SQLite */
};

void assay__zoo_sql_release(struct assay__zoo_sql *sql);
/* Append the SQL expression for a column or fact; its type in *type, which is
 * ASSAY_ZOO_NULL for a fact. _ARG when there is none of that name. */
int assay__zoo_sql_name(struct assay__zoo_sql *sql, const char *name,
                        enum assay_zoo_type *type,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* Append " WHERE ... AND ...", all conditions; nothing for none. */
int assay__zoo_sql_where(struct assay__zoo_sql *sql, const char *const *where,
                         size_t n, struct assay_error *err) ASSAY_MUST_CHECK;
/* Append " ORDER BY ..."; `sort` as in struct assay_zoo_query. */
int assay__zoo_sql_sort(struct assay__zoo_sql *sql, const char *sort,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* Prepare the text and bind the parameters, which must then stay. */
int assay__zoo_sql_prepare(struct assay__zoo_sql *sql, sqlite3_stmt **stmt,
                           struct assay_error *err) ASSAY_MUST_CHECK;

#endif
