/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL of the user's. Three barriers, each enough alone: the connection is
 * opened for reading, an authorizer allows reading tables and calling
 * functions and nothing else, and SQLite must call the statement read-only.
 * Work ends at the time limit; text, expressions and memory of one value are
 * bounded.
 */

#include <math.h>
#include <string.h>
#include <time.h>

#include "zoo/store.h"
#include "zoo/table.h"

enum { STEPS_BETWEEN_LOOKS = 20000, SQL_MAX = 65536, VALUE_MAX = 1 << 24 };

struct watch {
    struct timespec end;
    int expired;
};

static int look_at_clock(void *user)
{
    struct watch *w = user;
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    w->expired = now.tv_sec > w->end.tv_sec ||
                 (now.tv_sec == w->end.tv_sec && now.tv_nsec > w->end.tv_nsec);
    return w->expired;
}

static void start_watch(struct watch *w, double seconds)
{
    double whole = floor(seconds);

    (void)clock_gettime(CLOCK_MONOTONIC, &w->end);
    w->end.tv_sec += (time_t)whole;
    w->end.tv_nsec += (long)((seconds - whole) * 1e9);
    if (w->end.tv_nsec >= 1000000000) {
        w->end.tv_sec++;
        w->end.tv_nsec -= 1000000000;
    }
    w->expired = 0;
}

static int allow_reading(void *user, int action, const char *a, const char *b,
                         const char *c, const char *d)
{
    (void)user;
    (void)a;
    (void)c;
    (void)d;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return b != NULL && sqlite3_stricmp(b, "load_extension") == 0
                   ? SQLITE_DENY
                   : SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

static int refuse(sqlite3 *db, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_ARG, "SQL: %.200s", sqlite3_errmsg(db));
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
                   struct assay_error *err)
{
    const char *rest = NULL;

    if (strlen(sql) > SQL_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "SQL of %zu bytes, limit %d",
                               strlen(sql), SQL_MAX);
    if (sqlite3_prepare_v3(db, sql, -1, 0, stmt, &rest) != SQLITE_OK)
        return refuse(db, err);
    if (*stmt == NULL)
        return assay_error_set(err, ASSAY_ARG, "SQL: no statement");
    if (rest[strspn(rest, " \t\r\n;")] != '\0')
        return assay_error_set(err, ASSAY_ARG,
                               "SQL: one statement is run, not several");
    if (!sqlite3_stmt_readonly(*stmt) || sqlite3_column_count(*stmt) == 0)
        return assay_error_set(err, ASSAY_ARG, "SQL: only SELECT is run");
    return ASSAY_OK;
}

int assay_zoo_sql(assay_zoo *zoo, const char *sql, double timeout_s,
                  size_t limit, struct assay_zoo_table *table,
                  struct assay_error *err)
{
    struct watch watch;
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int more = 0;
    int code;

    if (!(timeout_s > 0 && timeout_s <= 86400))
        return assay_error_set(err, ASSAY_ARG,
                               "a time limit of %g s; more than 0 and at most "
                               "86400 are possible",
                               timeout_s);
    code = assay__zoo_connect(&db, zoo->path, SQLITE_OPEN_READONLY, err);
    if (code != ASSAY_OK)
        return code;
    start_watch(&watch, timeout_s);
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    (void)sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, SQL_MAX);
    (void)sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 200);
    (void)sqlite3_limit(db, SQLITE_LIMIT_COMPOUND_SELECT, 50);
    (void)sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    (void)sqlite3_set_authorizer(db, allow_reading, NULL);
    sqlite3_progress_handler(db, STEPS_BETWEEN_LOOKS, look_at_clock, &watch);
    code = prepare(db, sql, &stmt, err);
    if (code == ASSAY_OK) {
        code = assay__zoo_table_fill(table, stmt, limit, &more, "run the SQL",
                                     err);
        if (code != ASSAY_OK && watch.expired)
            code = assay_error_set(err, ASSAY_LIMIT,
                                   "SQL: stopped after %g s (--timeout)",
                                   timeout_s);
    }
    sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    return code;
}
