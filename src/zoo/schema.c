/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema as steps (schema.h). `facts` is what sources say, each with its
 * raw text; `models` holds, for questions, the value of each fact that
 * columns.def names, and NULL where none is known. Text is compared without
 * regard to case.
 */

#include "zoo/schema.h"

#include "zoo/store.h"

static const char version_1[] =
    "CREATE TABLE sources("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE);"
    /* Which files were taken in. */
    "CREATE TABLE imports("
    " source_id INTEGER NOT NULL REFERENCES sources(id),"
    " sha256 TEXT NOT NULL, file TEXT NOT NULL, kind TEXT NOT NULL,"
    " n_rows INTEGER NOT NULL, recorded_at TEXT NOT NULL,"
    " PRIMARY KEY(source_id, sha256)) WITHOUT ROWID;"
    "CREATE TABLE datasets("
    " id INTEGER PRIMARY KEY,"
    " key TEXT NOT NULL UNIQUE,"
    " name TEXT NOT NULL COLLATE NOCASE,"
    " category TEXT COLLATE NOCASE,"
    " training_size INTEGER);"
    "CREATE TABLE models("
    " id INTEGER PRIMARY KEY,"
    " source_id INTEGER NOT NULL REFERENCES sources(id),"
    " row_key TEXT NOT NULL,"
    " name TEXT NOT NULL COLLATE NOCASE,"
    " dataset_id INTEGER REFERENCES datasets(id),"
    " collection TEXT COLLATE NOCASE, architecture TEXT COLLATE NOCASE,"
    " family TEXT COLLATE NOCASE, task TEXT COLLATE NOCASE,"
    " purpose TEXT COLLATE NOCASE, framework TEXT COLLATE NOCASE,"
    " format TEXT COLLATE NOCASE, licence TEXT COLLATE NOCASE,"
    " pretraining TEXT COLLATE NOCASE, threat TEXT COLLATE NOCASE,"
    " venue TEXT COLLATE NOCASE, country TEXT COLLATE NOCASE,"
    " paper_url TEXT, origin TEXT, note TEXT,"
    " year INTEGER, authors INTEGER, classes INTEGER, parameters INTEGER,"
    " input_height INTEGER, input_width INTEGER, channels INTEGER,"
    " gflops REAL, train_accuracy REAL, test_accuracy REAL,"
    " test_accuracy_top5 REAL, robust_accuracy REAL, steal_accuracy REAL,"
    " steal_agreement REAL, steal_wrn_accuracy REAL,"
    " steal_wrn_agreement REAL, steal_imagenet_accuracy REAL,"
    " steal_imagenet_agreement REAL, mia_correctness_auc REAL,"
    " mia_mentropy_auc REAL,"
    " UNIQUE(source_id, row_key));"
    "CREATE INDEX models_name ON models(name);"
    "CREATE INDEX models_family ON models(family);"
    "CREATE INDEX models_dataset ON models(dataset_id);"
    /* value: NULL when the source's text means that it is missing. */
    "CREATE TABLE facts("
    " model_id INTEGER NOT NULL REFERENCES models(id),"
    " name TEXT NOT NULL,"
    " source_id INTEGER NOT NULL REFERENCES sources(id),"
    " value, raw TEXT NOT NULL, unit TEXT NOT NULL, note TEXT,"
    " recorded_at TEXT NOT NULL,"
    " PRIMARY KEY(model_id, name, source_id)) WITHOUT ROWID;"
    "CREATE INDEX facts_name ON facts(name, value);"
    /* A place a model's bytes can be had from, and, once here, what they
     * are. */
    "CREATE TABLE files("
    " id INTEGER PRIMARY KEY,"
    " model_id INTEGER NOT NULL REFERENCES models(id),"
    " url TEXT, path TEXT, format TEXT, size_bytes INTEGER, sha256 TEXT,"
    " recorded_at TEXT NOT NULL,"
    " CHECK(url IS NOT NULL OR path IS NOT NULL),"
    " UNIQUE(model_id, url));"
    "CREATE UNIQUE INDEX files_path ON files(model_id, path) "
    "WHERE url IS NULL;"
    "CREATE INDEX files_sha256 ON files(sha256);"
    "CREATE TABLE runs("
    " id INTEGER PRIMARY KEY,"
    " model_id INTEGER NOT NULL REFERENCES models(id),"
    " key TEXT NOT NULL, folder TEXT, tool TEXT, verdict TEXT,"
    " recorded_at TEXT NOT NULL,"
    " UNIQUE(model_id, key));"
    "CREATE TABLE findings("
    " run_id INTEGER NOT NULL REFERENCES runs(id),"
    " attack TEXT NOT NULL, metric TEXT NOT NULL,"
    " value REAL, low REAL, high REAL, n INTEGER, baseline REAL,"
    " PRIMARY KEY(run_id, attack, metric)) WITHOUT ROWID;";

static const char *const steps[] = {version_1};

const struct assay__zoo_steps assay__zoo_schema = {
    steps, (int)(sizeof(steps) / sizeof(steps[0]))};

/* The number that `sql` gives. */
static int number(sqlite3 *db, const char *sql, int *value,
                  struct assay_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = ASSAY_OK;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        code = assay__zoo_fail(db, err, "look at the database");
    else
        *value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return code;
}

int assay__zoo_version(sqlite3 *db, const struct assay__zoo_steps *all,
                       int *version, struct assay_error *err)
{
    int application = 0;
    int n_tables = 0;
    int v = 0;
    int code;

    code = number(db, "PRAGMA application_id", &application, err);
    if (code == ASSAY_OK)
        code = number(db, "PRAGMA user_version", &v, err);
    if (code == ASSAY_OK)
        code = number(db, "SELECT count(*) FROM sqlite_schema", &n_tables, err);
    if (code != ASSAY_OK)
        return code;
    if (application != ASSAY__ZOO_APPLICATION &&
        (application != 0 || v != 0 || n_tables != 0))
        return assay_error_set(err, ASSAY_FORMAT,
                               "a database, but not a zoo (application id %d)",
                               application);
    if (v < 0 || v > all->n)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "zoo of version %d; this program knows up to %d",
                               v, all->n);
    *version = v;
    return ASSAY_OK;
}

static int apply(sqlite3 *db, const struct assay__zoo_steps *all, int from,
                 struct assay_error *err)
{
    char text[96];
    int code = ASSAY_OK;
    int i;

    for (i = from; i < all->n && code == ASSAY_OK; i++) {
        code = assay__zoo_exec(db, all->sql[i], err);
        if (code != ASSAY_OK)
            return assay_error_prefix(err, code, "to version %d", i + 1);
    }
    (void)sqlite3_snprintf(sizeof(text), text,
                           "PRAGMA user_version=%d;PRAGMA application_id=%d",
                           all->n, ASSAY__ZOO_APPLICATION);
    return assay__zoo_exec(db, text, err);
}

int assay__zoo_migrate(sqlite3 *db, const struct assay__zoo_steps *all,
                       struct assay_error *err)
{
    int version = 0;
    int code = assay__zoo_version(db, all, &version, err);

    if (code != ASSAY_OK || version == all->n)
        return code;
    code = assay__zoo_exec(db, "BEGIN IMMEDIATE", err);
    if (code != ASSAY_OK)
        return code;
    /* Another process may have been first. */
    code = assay__zoo_version(db, all, &version, err);
    if (code == ASSAY_OK && version < all->n)
        code = apply(db, all, version, err);
    return assay__zoo_end(db, code, err);
}
