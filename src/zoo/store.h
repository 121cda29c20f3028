/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_STORE_H
#define ASSAY_ZOO_STORE_H

/* The opened file, and what all of src/zoo does with SQLite. */

#include <sqlite3.h>

#include "assay/zoo.h"

struct assay_zoo {
    sqlite3 *db;
    char *path;
};

/* What SQLite says, as one of our codes: "cannot WHAT: ...". */
int assay__zoo_fail(sqlite3 *db, struct assay_error *err, const char *what);
/* Statements without parameters and results. */
int assay__zoo_exec(sqlite3 *db, const char *sql,
                    struct assay_error *err) ASSAY_MUST_CHECK;
/* Commit when `code` is ASSAY_OK, else roll back; returns what came of it. */
int assay__zoo_end(sqlite3 *db, int code,
                   struct assay_error *err) ASSAY_MUST_CHECK;
int assay__zoo_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* One step of a statement that gives no rows, then reset. */
int assay__zoo_run(sqlite3_stmt *stmt,
                   struct assay_error *err) ASSAY_MUST_CHECK;
/* NULL binds NULL; the text must live until the statement has run. */
void assay__zoo_bind_text(sqlite3_stmt *stmt, int at, const char *text);

/* A connection to `path`, with what all connections have in common: limits,
 * a wait for other writers, no trust in a stranger's schema. */
int assay__zoo_connect(sqlite3 **out, const char *path, int flags,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* The number of the model that `what`, a number or a name, stands for. */
int assay__zoo_model_id(assay_zoo *zoo, const char *what, int64_t *id,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#endif
