/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a zoo, and the calls to SQLite that the others share. A file made
 * by a stranger is opened as such: functions with side effects are out of its
 * schema's reach, and nothing in it can write to SQLite's own tables. The
 * write-ahead log lets readers go on beside a writer; a commit is synced.
 */

#include "zoo/store.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/fs.h"
#include "core/mem.h"
#include "zoo/schema.h"

enum {
    WAIT_MS = 30000, /* for another writer */
    LENGTH_MAX = 64 << 20
};

int assay__zoo_fail(sqlite3 *db, struct assay_error *err, const char *what)
{
    int code = ASSAY_IO;

    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_NOMEM:
        code = ASSAY_NOMEM;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = ASSAY_FORMAT;
        break;
    case SQLITE_ERROR: /* SQL of ours, so a schema that is not ours */
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        code = ASSAY_FORMAT;
        break;
    case SQLITE_TOOBIG:
        code = ASSAY_LIMIT;
        break;
    default:
        break;
    }
    return assay_error_set(err, code, "cannot %s: %s", what,
                           db != NULL ? sqlite3_errmsg(db) : "out of memory");
}

int assay__zoo_exec(sqlite3 *db, const char *sql, struct assay_error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return assay__zoo_fail(db, err, "change the zoo");
    return ASSAY_OK;
}

int assay__zoo_end(sqlite3 *db, int code, struct assay_error *err)
{
    if (code == ASSAY_OK)
        code = assay__zoo_exec(db, "COMMIT", err);
    if (code != ASSAY_OK)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

int assay__zoo_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
                       struct assay_error *err)
{
    if (sqlite3_prepare_v2(db, sql, -1, stmt, NULL) != SQLITE_OK)
        return assay__zoo_fail(db, err, "ask the zoo");
    return ASSAY_OK;
}

int assay__zoo_run(sqlite3_stmt *stmt, struct assay_error *err)
{
    int code = ASSAY_OK;

    if (sqlite3_step(stmt) != SQLITE_DONE)
        code = assay__zoo_fail(sqlite3_db_handle(stmt), err, "write");
    (void)sqlite3_reset(stmt);
    return code;
}

void assay__zoo_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    (void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

int assay__zoo_connect(sqlite3 **out, const char *path, int flags,
                       struct assay_error *err)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        int code = assay__zoo_fail(db, err, "open the database");

        (void)sqlite3_close(db);
        return code;
    }
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, WAIT_MS);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
    (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    *out = db;
    return ASSAY_OK;
}

/* Turning to a write-ahead log needs the file for itself for a moment, and
 * SQLite does not wait for that. */
static int use_wal(sqlite3 *db, struct assay_error *err)
{
    const struct timespec pause = {0, 10000000};
    int tries;

    for (tries = 0; tries < WAIT_MS / 10; tries++) {
        int rc = sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);

        if (rc == SQLITE_OK)
            return ASSAY_OK;
        if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
            break;
        (void)nanosleep(&pause, NULL);
    }
    return assay__zoo_fail(db, err, "keep a log beside the database");
}

static int open_write(assay_zoo *zoo, struct assay_error *err)
{
    const char *slash = strrchr(zoo->path, '/');
    int version = 0;
    int code = ASSAY_OK;

    if (slash != NULL && slash != zoo->path) {
        char *folder =
            assay__format("%.*s", (int)(slash - zoo->path), zoo->path);

        code = folder != NULL ? assay__make_dir(folder, err)
                              : assay_error_set(err, ASSAY_NOMEM, "folder");
        assay__free(folder);
    }
    if (code == ASSAY_OK)
        code =
            assay__zoo_connect(&zoo->db, zoo->path,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    /* Not a byte of a file that is no zoo is changed. */
    if (code == ASSAY_OK)
        code = assay__zoo_version(zoo->db, &assay__zoo_schema, &version, err);
    if (code == ASSAY_OK)
        code = use_wal(zoo->db, err);
    if (code == ASSAY_OK)
        code = assay__zoo_exec(
            zoo->db,
            "PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;"
            "PRAGMA temp_store=MEMORY;PRAGMA cell_size_check=ON",
            err);
    if (code == ASSAY_OK)
        code = assay__zoo_migrate(zoo->db, &assay__zoo_schema, err);
    return code;
}

static int open_read(assay_zoo *zoo, struct assay_error *err)
{
    int version = 0;
    int code;

    if (!assay__exists(zoo->path))
        return assay_error_set(err, ASSAY_NOTHING, "no zoo is there yet");
    code = assay__zoo_connect(&zoo->db, zoo->path, SQLITE_OPEN_READONLY, err);
    if (code == ASSAY_OK)
        code = assay__zoo_version(zoo->db, &assay__zoo_schema, &version, err);
    if (code != ASSAY_OK || version == assay__zoo_schema.n)
        return code;
    (void)sqlite3_close(zoo->db);
    zoo->db = NULL;
    return open_write(zoo, err);
}

int assay_zoo_open(assay_zoo **out, const char *path, enum assay_zoo_mode mode,
                   struct assay_error *err)
{
    assay_zoo *zoo = assay__calloc(1, sizeof(*zoo));
    int code;

    if (zoo == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "zoo");
    zoo->path = assay__strdup(path);
    if (zoo->path == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "zoo");
    else if (mode == ASSAY_ZOO_WRITE)
        code = open_write(zoo, err);
    else
        code = open_read(zoo, err);
    if (code != ASSAY_OK) {
        assay_zoo_close(zoo);
        return assay_error_prefix(err, code, "%.150s", path);
    }
    *out = zoo;
    return ASSAY_OK;
}

void assay_zoo_close(assay_zoo *zoo)
{
    if (zoo == NULL)
        return;
    (void)sqlite3_close(zoo->db);
    assay__free(zoo->path);
    assay__free(zoo);
}

/* Several models of one name: say which. */
static int refuse_many(sqlite3_stmt *stmt, const char *what, int64_t first,
                       struct assay_error *err)
{
    char list[120];
    int used;
    int n = 1;

    used = snprintf(list, sizeof(list), "%lld", (long long)first);
    do {
        n++;
        if (n <= 5)
            used += snprintf(list + used, sizeof(list) - (size_t)used, ", %lld",
                             (long long)sqlite3_column_int64(stmt, 0));
    } while (sqlite3_step(stmt) == SQLITE_ROW);
    return assay_error_set(err, ASSAY_ARG,
                           "%d models are called \"%.60s\": %s%s; name one by "
                           "its number",
                           n, what, list, n > 5 ? " ..." : "");
}

int assay__zoo_model_id(assay_zoo *zoo, const char *what, int64_t *id,
                        struct assay_error *err)
{
    sqlite3_stmt *stmt = NULL;
    char *end = NULL;
    int64_t number;
    int code;
    int rc;

    errno = 0;
    number = strtoll(what, &end, 10);
    if (end == what || *end != '\0' || errno != 0)
        number = -1;
    code = assay__zoo_prepare(
        zoo->db,
        number >= 0 ? "SELECT id FROM models WHERE id=?1"
                    : "SELECT id FROM models WHERE name=?1 ORDER BY id",
        &stmt, err);
    if (code != ASSAY_OK)
        return code;
    if (number >= 0)
        (void)sqlite3_bind_int64(stmt, 1, number);
    else
        assay__zoo_bind_text(stmt, 1, what);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *id = sqlite3_column_int64(stmt, 0);
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW)
            code = refuse_many(stmt, what, *id, err);
        else if (rc != SQLITE_DONE)
            code = assay__zoo_fail(zoo->db, err, "look for a model");
    } else if (rc == SQLITE_DONE) {
        code = assay_error_set(err, ASSAY_NOTHING, "no model \"%.80s\"", what);
    } else {
        code = assay__zoo_fail(zoo->db, err, "look for a model");
    }
    sqlite3_finalize(stmt);
    return code;
}

int assay_zoo_check(assay_zoo *zoo, struct assay_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code =
        assay__zoo_prepare(zoo->db, "PRAGMA integrity_check(1)", &stmt, err);

    if (code == ASSAY_OK && sqlite3_step(stmt) != SQLITE_ROW)
        code = assay__zoo_fail(zoo->db, err, "check the database");
    else if (code == ASSAY_OK &&
             strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        code = assay_error_set(err, ASSAY_FORMAT, "damaged: %.160s",
                               (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    stmt = NULL;
    if (code == ASSAY_OK)
        code =
            assay__zoo_prepare(zoo->db, "PRAGMA foreign_key_check", &stmt, err);
    if (code == ASSAY_OK && sqlite3_step(stmt) != SQLITE_DONE)
        code = assay_error_set(err, ASSAY_FORMAT,
                               "damaged: a row of %.60s refers to nothing",
                               (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return code;
}
