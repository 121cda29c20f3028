/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is known of one model, as JSON: rows of statements become objects
 * under the names of their columns.
 */

#include "zoo/show.h"

#include "core/mem.h"
#include "zoo/store.h"

json_t *assay__zoo_json_cell(sqlite3_stmt *stmt, int column)
{
    const char *text;

    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(stmt, column));
    case SQLITE_FLOAT:
        return assay__json_real(sqlite3_column_double(stmt, column));
    case SQLITE_TEXT:
        text = (const char *)sqlite3_column_text(stmt, column);
        return text != NULL ? assay__json_string(text) : NULL;
    default:
        return json_null();
    }
}

int assay__zoo_json_rows(sqlite3 *db, const char *sql, int64_t id, json_t **out,
                         struct assay_error *err)
{
    json_t *rows = json_array();
    sqlite3_stmt *stmt = NULL;
    int code = assay__zoo_prepare(db, sql, &stmt, err);
    int rc = SQLITE_DONE;
    int failed = rows == NULL;
    int i;

    if (code == ASSAY_OK && sqlite3_bind_parameter_count(stmt) > 0)
        (void)sqlite3_bind_int64(stmt, 1, id);
    while (code == ASSAY_OK && !failed &&
           (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        json_t *row = json_object();

        for (i = 0; i < sqlite3_column_count(stmt); i++)
            failed |= json_object_set_new(row, sqlite3_column_name(stmt, i),
                                          assay__zoo_json_cell(stmt, i)) != 0;
        failed |= json_array_append_new(rows, row) != 0;
    }
    if (code == ASSAY_OK && failed)
        code = assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
    if (code == ASSAY_OK && rc != SQLITE_DONE)
        code = assay__zoo_fail(db, err, "read the zoo");
    sqlite3_finalize(stmt);
    if (code == ASSAY_OK)
        *out = rows;
    else
        json_decref(rows);
    return code;
}

/* The parts of a model that are lists. */
static const struct {
    const char *key;
    const char *sql;
} lists[] = {
    {"facts",
     "SELECT f.name, f.value, f.raw, f.unit, f.note, s.name AS source, "
     "f.recorded_at FROM facts f JOIN sources s ON s.id=f.source_id "
     "WHERE f.model_id=?1 ORDER BY f.name, s.name"},
    {"files", "SELECT id, url, path, format, size_bytes, sha256, recorded_at "
              "FROM files WHERE model_id=?1 ORDER BY id"},
    {"runs", "SELECT id, folder, tool, verdict, recorded_at FROM runs "
             "WHERE model_id=?1 ORDER BY id"},
    {"findings",
     "SELECT r.id AS run, f.attack, f.metric, f.value, f.low, f.high, f.n, "
     "f.baseline FROM findings f JOIN runs r ON r.id=f.run_id "
     "WHERE r.model_id=?1 ORDER BY r.id, f.attack, f.metric"},
};

/* "SELECT m.id AS id, ..." of all columns. */
static int model_sql(struct assay__buf *b, struct assay_error *err)
{
    size_t i;

    for (i = 0; i < assay__zoo_column_count(); i++) {
        const struct assay__zoo_column *c = assay__zoo_column(i);

        assay__buf_printf(b, "%s%s AS %s", i > 0 ? ", " : "SELECT ", c->sql,
                          c->told.name);
    }
    assay__buf_puts(b, ASSAY__ZOO_FROM " WHERE m.id=?1");
    return b->failed ? assay_error_set(err, ASSAY_NOMEM, "no memory")
                     : ASSAY_OK;
}

int assay__zoo_json_model(assay_zoo *zoo, int64_t id, json_t **out,
                          struct assay_error *err)
{
    struct assay__buf sql = ASSAY__BUF_INIT;
    json_t *rows = NULL;
    json_t *model = NULL;
    int code = model_sql(&sql, err);
    size_t i;

    if (code == ASSAY_OK)
        code = assay__zoo_json_rows(zoo->db, sql.data, id, &rows, err);
    assay__buf_release(&sql);
    if (code != ASSAY_OK)
        return code;
    model = json_incref(json_array_get(rows, 0));
    json_decref(rows);
    if (model == NULL)
        return assay_error_set(err, ASSAY_NOTHING, "no model %lld",
                               (long long)id);
    for (i = 0; i < sizeof(lists) / sizeof(lists[0]) && code == ASSAY_OK; i++) {
        json_t *list = NULL;

        code = assay__zoo_json_rows(zoo->db, lists[i].sql, id, &list, err);
        if (code == ASSAY_OK &&
            json_object_set_new(model, lists[i].key, list) != 0)
            code = assay_error_set(err, ASSAY_NOMEM, "no memory");
    }
    if (code == ASSAY_OK)
        *out = model;
    else
        json_decref(model);
    return code;
}

int assay_zoo_show(assay_zoo *zoo, const char *what, char **json,
                   struct assay_error *err)
{
    json_t *model = NULL;
    int64_t id = 0;
    char *text;
    int code;

    code = assay__zoo_model_id(zoo, what, &id, err);
    if (code == ASSAY_OK)
        code = assay__zoo_json_model(zoo, id, &model, err);
    if (code != ASSAY_OK)
        return code;
    text = assay__json_text(model);
    json_decref(model);
    if (text == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a model");
    *json = text;
    return ASSAY_OK;
}

void assay_zoo_text_free(char *text)
{
    assay__free(text);
}
