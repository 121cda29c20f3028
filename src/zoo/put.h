/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_PUT_H
#define ASSAY_ZOO_PUT_H

/*
 * Rows into the zoo, within one transaction: begin, row after row, end. The
 * same source, name and dataset is the same model; of several such rows in
 * one go the second, third ... are models of their own. What a row states
 * replaces what its source stated before; what it does not state stays.
 */

#include <sqlite3.h>

#include "zoo/row.h"

enum {
    ASSAY__ZOO_PUT_SEEN,
    ASSAY__ZOO_PUT_FIND,
    ASSAY__ZOO_PUT_MODEL,
    ASSAY__ZOO_PUT_UPDATE,
    ASSAY__ZOO_PUT_FACT,
    ASSAY__ZOO_PUT_DATASET,
    ASSAY__ZOO_PUT_FILE,
    ASSAY__ZOO_PUT_RUN,
    ASSAY__ZOO_PUT_FINDING,
    ASSAY__ZOO_PUT_STATEMENTS
};

struct assay__zoo_put {
    sqlite3 *db;
    sqlite3_stmt *stmt[ASSAY__ZOO_PUT_STATEMENTS];
    int64_t source_id;
    int64_t onto;     /* not 0: rows are of this model, of another source */
    int64_t model_id; /* of the row put last */
    bool added;       /* it was not there before */
    char now[32];
    struct assay_zoo_imported *done;
};

/* Opens the transaction. To be ended whether or not it succeeds. */
int assay__zoo_put_begin(struct assay__zoo_put *p, sqlite3 *db,
                         const char *source, struct assay_zoo_imported *done,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* An assay__zoo_sink. */
int assay__zoo_put_row(void *put, const struct assay__zoo_row *row,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* Commit when `code` is ASSAY_OK; returns what came of it. */
int assay__zoo_put_end(struct assay__zoo_put *p, int code,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#endif
