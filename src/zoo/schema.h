/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_SCHEMA_H
#define ASSAY_ZOO_SCHEMA_H

/*
 * Versions of the schema. Step i of an ordered list brings a file from
 * version i to i + 1 (PRAGMA user_version); steps are never changed once
 * released, only added. All missing steps are one transaction.
 */

#include <sqlite3.h>
#include <stddef.h>

#include "assay/error.h"

/* PRAGMA application_id: "Assa". */
#define ASSAY__ZOO_APPLICATION 0x41737361

struct assay__zoo_steps {
    const char *const *sql;
    int n;
};

/* This version's list. */
extern const struct assay__zoo_steps assay__zoo_schema;

/* Version of an opened file; 0 for an empty one. _FORMAT for a database that
 * is no zoo, _UNSUPPORTED for one of a version above `steps`. */
int assay__zoo_version(sqlite3 *db, const struct assay__zoo_steps *steps,
                       int *version, struct assay_error *err) ASSAY_MUST_CHECK;
/* Bring the file to the newest version of `steps`. */
int assay__zoo_migrate(sqlite3 *db, const struct assay__zoo_steps *steps,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#endif
