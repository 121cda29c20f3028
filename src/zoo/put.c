/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing rows (put.h). Statements are prepared once. A fact is written
 * where it differs from what is there, so that taking in the same row again
 * changes no byte; the model's own columns follow when a fact did.
 */

#include "zoo/put.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/mem.h"
#include "zoo/store.h"

static const char *const fixed_sql[ASSAY__ZOO_PUT_STATEMENTS] = {
    [ASSAY__ZOO_PUT_SEEN] =
        "INSERT INTO temp.seen(key, n) VALUES(?1, 1) ON CONFLICT(key) "
        "DO UPDATE SET n=n+1 RETURNING n",
    [ASSAY__ZOO_PUT_FIND] =
        "SELECT id FROM models WHERE source_id=?1 AND row_key=?2",
    [ASSAY__ZOO_PUT_MODEL] =
        "INSERT INTO models(source_id, row_key, name) VALUES(?1, ?2, ?3)",
    [ASSAY__ZOO_PUT_FACT] =
        "INSERT INTO facts(model_id, name, source_id, value, raw, unit, note, "
        "recorded_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
        "ON CONFLICT DO UPDATE SET value=excluded.value, raw=excluded.raw, "
        "unit=excluded.unit, note=excluded.note, "
        "recorded_at=excluded.recorded_at "
        "WHERE value IS NOT excluded.value OR raw IS NOT excluded.raw OR "
        "unit IS NOT excluded.unit OR note IS NOT excluded.note",
    [ASSAY__ZOO_PUT_DATASET] =
        "INSERT INTO datasets(key, name, category, training_size) "
        "VALUES(?1, ?2, ?3, ?4) ON CONFLICT(key) DO UPDATE SET "
        "category=ifnull(category, excluded.category), "
        "training_size=ifnull(training_size, excluded.training_size) "
        "RETURNING id",
    [ASSAY__ZOO_PUT_FILE] =
        "INSERT INTO files(model_id, url, format, recorded_at) "
        "VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    [ASSAY__ZOO_PUT_RUN] =
        "INSERT INTO runs(model_id, key, tool, verdict, recorded_at, folder) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING RETURNING id",
    [ASSAY__ZOO_PUT_FINDING] =
        "INSERT INTO findings(run_id, attack, metric, value, low, high, n, "
        "baseline) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
};

/* "UPDATE models SET dataset_id=ifnull(?2, dataset_id), family=iif(?3, ?4,
 * family), ... WHERE id=?1" */
static int prepare_update(struct assay__zoo_put *p, struct assay_error *err)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    int code;
    size_t i;

    assay__buf_puts(&b, "UPDATE models SET dataset_id=ifnull(?2, dataset_id)");
    for (i = 0; i < ASSAY__ZOO_STORED; i++) {
        const char *name = assay__zoo_column(i)->told.name;

        assay__buf_printf(&b, ", %s=iif(?%zu, ?%zu, %s)", name, 2 * i + 3,
                          2 * i + 4, name);
    }
    assay__buf_puts(&b, " WHERE id=?1");
    code = b.failed ? assay_error_set(err, ASSAY_NOMEM, "statement")
                    : assay__zoo_prepare(p->db, b.data,
                                         &p->stmt[ASSAY__ZOO_PUT_UPDATE], err);
    assay__buf_release(&b);
    return code;
}

/* One integer from a statement that is bound; then it is reset. */
static int ask(sqlite3_stmt *stmt, int64_t *value, struct assay_error *err)
{
    int rc = sqlite3_step(stmt);
    int code = ASSAY_OK;

    if (rc == SQLITE_ROW) {
        *value = sqlite3_column_int64(stmt, 0);
        rc = sqlite3_step(stmt);
    }
    if (rc != SQLITE_DONE)
        code = assay__zoo_fail(sqlite3_db_handle(stmt), err, "write");
    (void)sqlite3_reset(stmt);
    return code;
}

static int find_source(struct assay__zoo_put *p, const char *source,
                       struct assay_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code;

    code = assay__zoo_prepare(p->db,
                              "INSERT INTO sources(name) VALUES(?1) "
                              "ON CONFLICT DO UPDATE SET name=name "
                              "RETURNING id",
                              &stmt, err);
    if (code != ASSAY_OK)
        return code;
    assay__zoo_bind_text(stmt, 1, source);
    code = ask(stmt, &p->source_id, err);
    sqlite3_finalize(stmt);
    return code;
}

int assay__zoo_put_begin(struct assay__zoo_put *p, sqlite3 *db,
                         const char *source, struct assay_zoo_imported *done,
                         struct assay_error *err)
{
    time_t t = time(NULL);
    struct tm utc;
    size_t i;
    int code;

    memset(p, 0, sizeof(*p));
    p->done = done;
    if (gmtime_r(&t, &utc) == NULL ||
        strftime(p->now, sizeof(p->now), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return assay_error_set(err, ASSAY_INTERNAL, "the clock has no date");
    code = assay__zoo_exec(db, "BEGIN IMMEDIATE", err);
    if (code != ASSAY_OK)
        return code;
    p->db = db;
    code = assay__zoo_exec(db,
                           "CREATE TEMP TABLE IF NOT EXISTS seen("
                           "key TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;"
                           "DELETE FROM temp.seen",
                           err);
    if (code == ASSAY_OK)
        code = find_source(p, source, err);
    for (i = 0; i < ASSAY__ZOO_PUT_STATEMENTS && code == ASSAY_OK; i++) {
        if (fixed_sql[i] != NULL)
            code = assay__zoo_prepare(db, fixed_sql[i], &p->stmt[i], err);
    }
    if (code == ASSAY_OK)
        code = prepare_update(p, err);
    return code;
}

int assay__zoo_put_end(struct assay__zoo_put *p, int code,
                       struct assay_error *err)
{
    size_t i;

    for (i = 0; i < ASSAY__ZOO_PUT_STATEMENTS; i++) {
        sqlite3_finalize(p->stmt[i]);
        p->stmt[i] = NULL;
    }
    return p->db != NULL ? assay__zoo_end(p->db, code, err) : code;
}

/* The dataset's number, 0 for none. */
static int put_dataset(struct assay__zoo_put *p,
                       const struct assay__zoo_row *row, const char *key,
                       int64_t *id, struct assay_error *err)
{
    sqlite3_stmt *stmt = p->stmt[ASSAY__ZOO_PUT_DATASET];
    double size;

    *id = 0;
    if (*key == '\0')
        return ASSAY_OK;
    assay__zoo_bind_text(stmt, 1, key);
    assay__zoo_bind_text(stmt, 2, row->dataset);
    assay__zoo_bind_text(stmt, 3, row->data_category);
    (void)sqlite3_bind_null(stmt, 4);
    if (row->training_size != NULL) {
        if (!assay__zoo_number(row->training_size, &size) || size < 1 ||
            size > 1e15)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "training_size is \"%.40s\", not a count",
                                   row->training_size);
        (void)sqlite3_bind_int64(stmt, 4, (int64_t)size);
    }
    return ask(stmt, id, err);
}

/* Find or make the model; *added tells which. */
static int put_model(struct assay__zoo_put *p, const struct assay__zoo_row *row,
                     const char *dataset, bool *added, struct assay_error *err)
{
    sqlite3_stmt *seen = p->stmt[ASSAY__ZOO_PUT_SEEN];
    sqlite3_stmt *find = p->stmt[ASSAY__ZOO_PUT_FIND];
    sqlite3_stmt *make = p->stmt[ASSAY__ZOO_PUT_MODEL];
    char key[ASSAY__ZOO_NAME_MAX + 160];
    int64_t n = 0;
    int code;

    if (p->onto != 0) {
        p->model_id = p->onto;
        return ASSAY_OK;
    }
    if (row->key != NULL)
        (void)snprintf(key, sizeof(key), "%s", row->key);
    else
        (void)snprintf(key, sizeof(key), "%s@%s", row->name, dataset);
    assay__zoo_bind_text(seen, 1, key);
    code = row->key != NULL ? ASSAY_OK : ask(seen, &n, err);
    if (code != ASSAY_OK)
        return code;
    if (n > 1)
        (void)snprintf(key + strlen(key), sizeof(key) - strlen(key), "#%lld",
                       (long long)n);
    (void)sqlite3_bind_int64(find, 1, p->source_id);
    assay__zoo_bind_text(find, 2, key);
    p->model_id = 0;
    code = ask(find, &p->model_id, err);
    *added = p->model_id == 0;
    if (code != ASSAY_OK || !*added)
        return code;
    (void)sqlite3_bind_int64(make, 1, p->source_id);
    assay__zoo_bind_text(make, 2, key);
    assay__zoo_bind_text(make, 3, row->name);
    code = assay__zoo_run(make, err);
    p->model_id = sqlite3_last_insert_rowid(p->db);
    return code;
}

static void bind_value(sqlite3_stmt *stmt, int at, enum assay_zoo_type type,
                       const struct assay__zoo_value *v)
{
    if (v->raw == NULL || v->missing)
        (void)sqlite3_bind_null(stmt, at);
    else if (type == ASSAY_ZOO_TEXT)
        assay__zoo_bind_text(stmt, at, v->raw);
    else if (type == ASSAY_ZOO_INTEGER)
        (void)sqlite3_bind_int64(stmt, at, (int64_t)v->real);
    else
        (void)sqlite3_bind_double(stmt, at, v->real);
}

static int put_fact(struct assay__zoo_put *p, const char *name,
                    const char *unit, enum assay_zoo_type type,
                    const struct assay__zoo_value *v, struct assay_error *err)
{
    sqlite3_stmt *stmt = p->stmt[ASSAY__ZOO_PUT_FACT];

    (void)sqlite3_bind_int64(stmt, 1, p->model_id);
    assay__zoo_bind_text(stmt, 2, name);
    (void)sqlite3_bind_int64(stmt, 3, p->source_id);
    bind_value(stmt, 4, type, v);
    assay__zoo_bind_text(stmt, 5, v->raw);
    assay__zoo_bind_text(stmt, 6, unit);
    assay__zoo_bind_text(stmt, 7, v->note);
    assay__zoo_bind_text(stmt, 8, p->now);
    return assay__zoo_run(stmt, err);
}

static int put_facts(struct assay__zoo_put *p, const struct assay__zoo_row *row,
                     struct assay_error *err)
{
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < ASSAY__ZOO_STORED && code == ASSAY_OK; i++) {
        const struct assay_zoo_column *told = &assay__zoo_column(i)->told;

        if (row->value[i].raw == NULL)
            continue;
        code = put_fact(p, told->name, told->unit, told->type, &row->value[i],
                        err);
        p->done->n_missing += row->value[i].missing;
    }
    for (i = 0; i < row->n_extras && code == ASSAY_OK; i++) {
        const struct assay__zoo_extra *e = &row->extra[i];

        code = put_fact(p, e->name, e->unit,
                        e->is_number ? ASSAY_ZOO_REAL : ASSAY_ZOO_TEXT,
                        &e->value, err);
    }
    return code;
}

static int update_model(struct assay__zoo_put *p,
                        const struct assay__zoo_row *row, int64_t dataset_id,
                        struct assay_error *err)
{
    sqlite3_stmt *stmt = p->stmt[ASSAY__ZOO_PUT_UPDATE];
    int i;

    (void)sqlite3_bind_int64(stmt, 1, p->model_id);
    if (dataset_id != 0)
        (void)sqlite3_bind_int64(stmt, 2, dataset_id);
    else
        (void)sqlite3_bind_null(stmt, 2);
    for (i = 0; i < ASSAY__ZOO_STORED; i++) {
        (void)sqlite3_bind_int(stmt, 2 * i + 3, row->value[i].raw != NULL);
        bind_value(stmt, 2 * i + 4, assay__zoo_column((size_t)i)->told.type,
                   &row->value[i]);
    }
    return assay__zoo_run(stmt, err);
}

/* A file for each link. */
static int put_urls(struct assay__zoo_put *p, const struct assay__zoo_row *row,
                    struct assay_error *err)
{
    sqlite3_stmt *stmt = p->stmt[ASSAY__ZOO_PUT_FILE];
    const char *at = row->urls;
    int code = ASSAY_OK;
    int n;

    for (n = 0; at != NULL && *at != '\0' && code == ASSAY_OK; n++) {
        int size = (int)strcspn(at, " ");

        if (n == ASSAY__ZOO_URLS_MAX)
            return assay_error_set(err, ASSAY_LIMIT, "more than %d links",
                                   ASSAY__ZOO_URLS_MAX);
        if (size > 0) {
            (void)sqlite3_bind_int64(stmt, 1, p->model_id);
            (void)sqlite3_bind_text(stmt, 2, at, size, SQLITE_STATIC);
            bind_value(stmt, 3, ASSAY_ZOO_TEXT, &row->value[ASSAY__ZOO_format]);
            assay__zoo_bind_text(stmt, 4, p->now);
            code = assay__zoo_run(stmt, err);
        }
        at += size;
        at += *at == ' ';
    }
    return code;
}

static void bind_number(sqlite3_stmt *stmt, int at, double x)
{
    if (isnan(x))
        (void)sqlite3_bind_null(stmt, at);
    else
        (void)sqlite3_bind_double(stmt, at, x);
}

/* A run that is there is left as it is: its key is its content's hash. */
static int put_run(struct assay__zoo_put *p, const struct assay__zoo_run *run,
                   struct assay_error *err)
{
    sqlite3_stmt *stmt = p->stmt[ASSAY__ZOO_PUT_RUN];
    sqlite3_stmt *finding = p->stmt[ASSAY__ZOO_PUT_FINDING];
    int64_t id = 0;
    int code;
    size_t i;

    (void)sqlite3_bind_int64(stmt, 1, p->model_id);
    assay__zoo_bind_text(stmt, 2, run->key);
    assay__zoo_bind_text(stmt, 3, run->tool);
    assay__zoo_bind_text(stmt, 4, run->verdict);
    assay__zoo_bind_text(stmt, 5, p->now);
    assay__zoo_bind_text(stmt, 6, run->folder);
    code = ask(stmt, &id, err);
    for (i = 0; i < run->n && id != 0 && code == ASSAY_OK; i++) {
        const struct assay__zoo_finding *f = &run->finding[i];

        (void)sqlite3_bind_int64(finding, 1, id);
        assay__zoo_bind_text(finding, 2, f->attack);
        assay__zoo_bind_text(finding, 3, f->metric);
        bind_number(finding, 4, f->value);
        bind_number(finding, 5, f->low);
        bind_number(finding, 6, f->high);
        bind_number(finding, 7, f->n);
        bind_number(finding, 8, f->baseline);
        code = assay__zoo_run(finding, err);
    }
    return code;
}

static int check_row(const struct assay__zoo_row *row, struct assay_error *err)
{
    if (row->name == NULL || *row->name == '\0')
        return assay_error_set(err, ASSAY_FORMAT, "the name is empty");
    if (strlen(row->name) > ASSAY__ZOO_NAME_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "the name has %zu bytes, limit %d",
                               strlen(row->name), ASSAY__ZOO_NAME_MAX);
    if ((row->dataset != NULL && strlen(row->dataset) > ASSAY__ZOO_NAME_MAX) ||
        (row->urls != NULL && strlen(row->urls) > ASSAY__ZOO_TEXT_MAX))
        return assay_error_set(err, ASSAY_LIMIT,
                               "a dataset's name over %d bytes, or links over "
                               "%d",
                               ASSAY__ZOO_NAME_MAX, ASSAY__ZOO_TEXT_MAX);
    return ASSAY_OK;
}

int assay__zoo_put_row(void *put, const struct assay__zoo_row *row,
                       struct assay_error *err)
{
    struct assay__zoo_put *p = put;
    char dataset[128] = "";
    int64_t dataset_id = 0;
    bool added = false;
    int before = 0;
    int code;

    code = check_row(row, err);
    if (code != ASSAY_OK)
        return code;
    if (row->dataset != NULL)
        assay__zoo_dataset_key(row->dataset, dataset, sizeof(dataset));
    code = put_dataset(p, row, dataset, &dataset_id, err);
    if (code == ASSAY_OK)
        code = put_model(p, row, dataset, &added, err);
    before = sqlite3_total_changes(p->db);
    if (code == ASSAY_OK)
        code = put_facts(p, row, err);
    if (code == ASSAY_OK)
        code = put_urls(p, row, err);
    if (code == ASSAY_OK && row->run != NULL)
        code = put_run(p, row->run, err);
    if (code == ASSAY_OK && (added || sqlite3_total_changes(p->db) != before)) {
        /* Another source's model keeps that source's values. */
        if (p->onto == 0)
            code = update_model(p, row, dataset_id, err);
        p->done->n_updated += !added;
    } else {
        p->done->n_unchanged++;
    }
    p->done->n_added += added;
    p->added = added;
    p->done->n_rows++;
    return code;
}
