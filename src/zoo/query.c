/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions (query.h). A condition on a column is a comparison with it; on a
 * fact, of those that any source states, a look into the index of facts.
 */

#include "zoo/query.h"

#include <string.h>

#include "core/mem.h"
#include "zoo/row.h"
#include "zoo/store.h"
#include "zoo/table.h"

enum { NAME_MAX_BYTES = 80 };

void assay__zoo_sql_release(struct assay__zoo_sql *sql)
{
    size_t i;

    for (i = 0; i < sql->n_parameters; i++)
        assay__free(sql->parameter[i].text);
    assay__buf_release(&sql->text);
}

/* Append "?N" and take what it stands for; `text` NULL: the number. */
static int parameter(struct assay__zoo_sql *sql, const char *text, double x,
                     struct assay_error *err)
{
    struct assay__zoo_parameter *p = &sql->parameter[sql->n_parameters];

    if (sql->n_parameters == ASSAY__ZOO_PARAMETERS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d values",
                               ASSAY__ZOO_PARAMETERS_MAX);
    p->number = x;
    p->text = NULL;
    if (text != NULL) {
        p->text = assay__strdup(text);
        if (p->text == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "no memory for a query");
    }
    sql->n_parameters++;
    assay__buf_printf(&sql->text, "?%zu", sql->n_parameters);
    return ASSAY_OK;
}

/* Whether the statement, with this text as ?1 and, if it is not NULL, that as
 * ?2, gives a row. */
static int exists(sqlite3 *db, const char *sql, const char *text,
                  const char *other, bool *found, struct assay_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code;
    int rc;

    code = assay__zoo_prepare(db, sql, &stmt, err);
    if (code != ASSAY_OK)
        return code;
    assay__zoo_bind_text(stmt, 1, text);
    if (other != NULL)
        assay__zoo_bind_text(stmt, 2, other);
    rc = sqlite3_step(stmt);
    *found = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = assay__zoo_fail(db, err, "look for a name");
    sqlite3_finalize(stmt);
    return code;
}

/* "ATTACK.METRIC": the value that the model's newest audit has. */
static int finding(struct assay__zoo_sql *sql, const char *name, bool *found,
                   struct assay_error *err)
{
    const char *dot = strchr(name, '.');
    char attack[NAME_MAX_BYTES];
    int code;

    if (dot == NULL || (size_t)(dot - name) >= sizeof(attack))
        return ASSAY_OK;
    memcpy(attack, name, (size_t)(dot - name));
    attack[dot - name] = '\0';
    code = exists(sql->db,
                  "SELECT 1 FROM findings WHERE attack=?1 AND metric=?2 "
                  "LIMIT 1",
                  attack, dot + 1, found, err);
    if (code != ASSAY_OK || !*found)
        return code;
    assay__buf_puts(&sql->text,
                    "(SELECT g.value FROM findings g JOIN runs r ON "
                    "r.id=g.run_id WHERE r.model_id=m.id AND g.attack=");
    code = parameter(sql, attack, 0, err);
    assay__buf_puts(&sql->text, " AND g.metric=");
    if (code == ASSAY_OK)
        code = parameter(sql, dot + 1, 0, err);
    assay__buf_puts(&sql->text, " ORDER BY r.id DESC LIMIT 1)");
    return code;
}

int assay__zoo_sql_name(struct assay__zoo_sql *sql, const char *name,
                        enum assay_zoo_type *type, struct assay_error *err)
{
    const struct assay__zoo_column *column = assay__zoo_column_find(name);
    bool found = false;
    int code;

    if (column != NULL) {
        assay__buf_puts(&sql->text, column->sql);
        *type = column->told.type;
        return ASSAY_OK;
    }
    code = exists(sql->db, "SELECT 1 FROM facts WHERE name=?1 LIMIT 1", name,
                  NULL, &found, err);
    if (code != ASSAY_OK)
        return code;
    if (!found) {
        code = finding(sql, name, &found, err);
        *type = ASSAY_ZOO_REAL;
        if (code != ASSAY_OK || found)
            return code;
    }
    if (!found)
        return assay_error_set(err, ASSAY_ARG,
                               "no column and no fact is called \"%.60s\"; "
                               "assay zoo columns lists them",
                               name);
    *type = ASSAY_ZOO_NULL;
    assay__buf_puts(&sql->text,
                    "(SELECT x.value FROM facts x WHERE x.model_id=m.id AND "
                    "x.name=");
    code = parameter(sql, name, 0, err);
    if (sql->numbers_only)
        assay__buf_puts(&sql->text, " AND typeof(x.value)!='text'");
    assay__buf_puts(&sql->text, " LIMIT 1)");
    return code;
}

/* Where the operator of a condition stands, and which; NULL for none. */
static const char *find_operator(const char *text, const char **op)
{
    static const char *const ops[] = {"!=", "<=", ">=", "=", "<", ">", "~"};
    const char *at = text + strcspn(text, "!<>=~");
    size_t i;

    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strncmp(at, ops[i], strlen(ops[i])) == 0) {
            *op = ops[i];
            return at;
        }
    }
    return NULL;
}

/* The text with every character that LIKE heeds behind a "\", between "%";
 * fresh. */
static char *like_pattern(const char *value)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__buf_puts(&b, "%");
    for (; *value != '\0'; value++) {
        if (strchr("%_\\", *value) != NULL)
            assay__buf_puts(&b, "\\");
        assay__buf_add(&b, value, 1);
    }
    assay__buf_puts(&b, "%");
    if (b.failed)
        assay__buf_release(&b);
    return b.data;
}

static int contains(struct assay__zoo_sql *sql, const char *value,
                    struct assay_error *err)
{
    char *pattern = like_pattern(value);
    int code;

    if (pattern == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a query");
    assay__buf_puts(&sql->text, " LIKE ");
    code = parameter(sql, pattern, 0, err);
    assay__buf_puts(&sql->text, " ESCAPE '\\'");
    assay__free(pattern);
    return code;
}

static int compare_with(struct assay__zoo_sql *sql, const char *name,
                        enum assay_zoo_type type, const char *op,
                        const char *value, struct assay_error *err)
{
    double x = 0;
    bool is_number = assay__zoo_number(value, &x);

    if (*value == '\0' && (strcmp(op, "=") == 0 || strcmp(op, "!=") == 0)) {
        assay__buf_puts(&sql->text, *op == '=' ? " IS NULL" : " IS NOT NULL");
        return ASSAY_OK;
    }
    if (*op == '~')
        return contains(sql, value, err);
    if ((type == ASSAY_ZOO_INTEGER || type == ASSAY_ZOO_REAL) && !is_number)
        return assay_error_set(err, ASSAY_ARG,
                               "%s is a number, \"%.60s\" is not", name, value);
    assay__buf_printf(&sql->text, " %s ", op);
    if (type == ASSAY_ZOO_TEXT || !is_number) {
        int code = parameter(sql, value, 0, err);

        assay__buf_puts(&sql->text, " COLLATE NOCASE");
        return code;
    }
    return parameter(sql, NULL, x, err);
}

/* A dataset by any spelling: by its key. */
static int compare_dataset(struct assay__zoo_sql *sql, const char *op,
                           const char *value, struct assay_error *err)
{
    char key[128];

    assay__zoo_dataset_key(value, key, sizeof(key));
    assay__buf_printf(&sql->text, "d.key %s ", op);
    return parameter(sql, key, 0, err);
}

static int condition(struct assay__zoo_sql *sql, const char *text,
                     struct assay_error *err)
{
    enum assay_zoo_type type = ASSAY_ZOO_NULL;
    char name[NAME_MAX_BYTES];
    const char *op = "";
    const char *at = find_operator(text, &op);
    const char *value;
    double x;
    int code;

    if (at == NULL || at == text || (size_t)(at - text) >= sizeof(name))
        return assay_error_set(err, ASSAY_ARG,
                               "\"%.60s\" is no condition; write NAME OP "
                               "VALUE, such as family=resnet or year>=2020",
                               text);
    memcpy(name, text, (size_t)(at - text));
    name[at - text] = '\0';
    value = at + strlen(op);
    if (strcmp(name, "dataset") == 0 && *value != '\0' &&
        (strcmp(op, "=") == 0 || strcmp(op, "!=") == 0))
        return compare_dataset(sql, op, value, err);
    sql->numbers_only = assay__zoo_number(value, &x);
    code = assay__zoo_sql_name(sql, name, &type, err);
    sql->numbers_only = false;
    if (code == ASSAY_OK)
        code = compare_with(sql, name, type, op, value, err);
    return code;
}

int assay__zoo_sql_where(struct assay__zoo_sql *sql, const char *const *where,
                         size_t n, struct assay_error *err)
{
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < n && code == ASSAY_OK; i++) {
        assay__buf_puts(&sql->text, i == 0 ? " WHERE (" : " AND (");
        code = condition(sql, where[i], err);
        assay__buf_puts(&sql->text, ")");
    }
    return code;
}

int assay__zoo_sql_sort(struct assay__zoo_sql *sql, const char *sort,
                        struct assay_error *err)
{
    enum assay_zoo_type type = ASSAY_ZOO_NULL;
    int code = ASSAY_OK;

    assay__buf_puts(&sql->text, " ORDER BY ");
    while (sort != NULL && *sort != '\0' && code == ASSAY_OK) {
        bool falls = *sort == '-';
        size_t n;
        char name[NAME_MAX_BYTES];

        sort += falls;
        n = strcspn(sort, ",");
        if (n == 0 || n >= sizeof(name))
            return assay_error_set(err, ASSAY_ARG,
                                   "\"%.60s\" is no list of columns", sort);
        memcpy(name, sort, n);
        name[n] = '\0';
        code = assay__zoo_sql_name(sql, name, &type, err);
        assay__buf_puts(&sql->text,
                        falls ? " DESC NULLS LAST, " : " ASC NULLS LAST, ");
        sort += n;
        sort += *sort == ',';
    }
    assay__buf_puts(&sql->text, "m.id");
    return code;
}

int assay__zoo_sql_prepare(struct assay__zoo_sql *sql, sqlite3_stmt **stmt,
                           struct assay_error *err)
{
    size_t i;
    int code;

    if (sql->text.failed)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a query");
    code = assay__zoo_prepare(sql->db, sql->text.data, stmt, err);
    for (i = 0; i < sql->n_parameters && code == ASSAY_OK; i++) {
        const struct assay__zoo_parameter *p = &sql->parameter[i];

        if (p->text != NULL)
            assay__zoo_bind_text(*stmt, (int)i + 1, p->text);
        else
            (void)sqlite3_bind_double(*stmt, (int)i + 1, p->number);
    }
    return code;
}

static const char *const default_columns[] = {
    "id", "name", "source", "dataset", "family", "year", "test_accuracy"};

static int select_list(struct assay__zoo_sql *sql,
                       const struct assay_zoo_query *q, struct assay_error *err)
{
    const char *const *column = q->n_columns > 0 ? q->column : default_columns;
    size_t n = q->n_columns > 0
                   ? q->n_columns
                   : sizeof(default_columns) / sizeof(default_columns[0]);
    enum assay_zoo_type type;
    int code = ASSAY_OK;
    size_t i;

    assay__buf_puts(&sql->text, "SELECT ");
    for (i = 0; i < n && code == ASSAY_OK; i++) {
        assay__buf_puts(&sql->text, i > 0 ? ", " : "");
        code = assay__zoo_sql_name(sql, column[i], &type, err);
    }
    assay__buf_puts(&sql->text, ASSAY__ZOO_FROM);
    return code;
}

/* Columns by the names they were asked for, not by their SQL. */
static int rename_columns(struct assay_zoo_table *table,
                          const struct assay_zoo_query *q,
                          struct assay_error *err)
{
    size_t i;

    for (i = 0; i < table->n_columns; i++) {
        char *name =
            assay__strdup(q->n_columns > 0 ? q->column[i] : default_columns[i]);

        if (name == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
        assay__free(table->name[i]);
        table->name[i] = name;
    }
    return ASSAY_OK;
}

/* How many rows there are without the limit. */
static int count_matching(assay_zoo *zoo, const struct assay_zoo_query *q,
                          size_t *n, struct assay_error *err)
{
    struct assay__zoo_sql sql = {.db = zoo->db};
    sqlite3_stmt *stmt = NULL;
    int code;

    assay__buf_puts(&sql.text, "SELECT count(*)" ASSAY__ZOO_FROM);
    code = assay__zoo_sql_where(&sql, q->where, q->n_where, err);
    if (code == ASSAY_OK)
        code = assay__zoo_sql_prepare(&sql, &stmt, err);
    if (code == ASSAY_OK && sqlite3_step(stmt) == SQLITE_ROW)
        *n = (size_t)sqlite3_column_int64(stmt, 0);
    else if (code == ASSAY_OK)
        code = assay__zoo_fail(zoo->db, err, "count models");
    sqlite3_finalize(stmt);
    assay__zoo_sql_release(&sql);
    return code;
}

int assay_zoo_select(assay_zoo *zoo, const struct assay_zoo_query *q,
                     struct assay_zoo_table *table, struct assay_error *err)
{
    struct assay__zoo_sql sql = {.db = zoo->db};
    struct assay_zoo_table made = {0};
    sqlite3_stmt *stmt = NULL;
    int more = 0;
    int code;

    code = select_list(&sql, q, err);
    if (code == ASSAY_OK)
        code = assay__zoo_sql_where(&sql, q->where, q->n_where, err);
    if (code == ASSAY_OK)
        code = assay__zoo_sql_sort(&sql, q->sort, err);
    if (code == ASSAY_OK)
        code = assay__zoo_sql_prepare(&sql, &stmt, err);
    if (code == ASSAY_OK)
        code = assay__zoo_table_fill(&made, stmt, q->limit, &more,
                                     "read the zoo", err);
    if (code == ASSAY_OK)
        code = rename_columns(&made, q, err);
    if (code == ASSAY_OK && more)
        code = count_matching(zoo, q, &made.n_matching, err);
    if (code == ASSAY_OK)
        *table = made;
    else
        assay_zoo_table_release(&made);
    sqlite3_finalize(stmt);
    assay__zoo_sql_release(&sql);
    return code;
}

static int leaderboard_sql(struct assay__zoo_sql *sql, const char *metric,
                           const struct assay_zoo_query *q,
                           struct assay_error *err)
{
    const struct assay__zoo_column *column = assay__zoo_column_find(metric);
    enum assay_zoo_type type = ASSAY_ZOO_NULL;
    int code;

    if (column != NULL && column->told.type == ASSAY_ZOO_TEXT)
        return assay_error_set(err, ASSAY_ARG,
                               "%s is text; a leaderboard is "
                               "made of numbers",
                               metric);
    assay__buf_puts(&sql->text,
                    "SELECT rank, dataset, name, family, year, value, id, "
                    "source FROM (SELECT row_number() OVER (PARTITION BY d.id "
                    "ORDER BY ");
    code = assay__zoo_sql_name(sql, metric, &type, err);
    assay__buf_puts(&sql->text, column != NULL && column->told.sense < 0
                                    ? " ASC"
                                    : " DESC");
    assay__buf_puts(&sql->text, ", m.id) AS rank, d.name AS dataset, m.name AS "
                                "name, m.family AS family, m.year AS year, "
                                "m.id AS id, s.name AS source, ");
    if (code == ASSAY_OK)
        code = assay__zoo_sql_name(sql, metric, &type, err);
    assay__buf_puts(&sql->text, " AS value" ASSAY__ZOO_FROM);
    if (code == ASSAY_OK)
        code = assay__zoo_sql_where(sql, q->where, q->n_where, err);
    assay__buf_puts(&sql->text, q->n_where > 0 ? " AND" : " WHERE");
    assay__buf_puts(&sql->text, " typeof(");
    if (code == ASSAY_OK)
        code = assay__zoo_sql_name(sql, metric, &type, err);
    assay__buf_puts(&sql->text, ") IN ('real', 'integer')) WHERE rank <= ");
    if (code == ASSAY_OK)
        code =
            parameter(sql, NULL, q->limit > 0 ? (double)q->limit : 1e15, err);
    assay__buf_puts(&sql->text, " ORDER BY dataset, rank");
    return code;
}

int assay_zoo_leaderboard(assay_zoo *zoo, const char *metric,
                          const struct assay_zoo_query *q,
                          struct assay_zoo_table *table,
                          struct assay_error *err)
{
    struct assay__zoo_sql sql = {.db = zoo->db};
    struct assay_zoo_table made = {0};
    sqlite3_stmt *stmt = NULL;
    char *name = NULL;
    int code;

    code = leaderboard_sql(&sql, metric, q, err);
    if (code == ASSAY_OK)
        code = assay__zoo_sql_prepare(&sql, &stmt, err);
    if (code == ASSAY_OK)
        code = assay__zoo_table_fill(&made, stmt, 0, NULL, "read the zoo", err);
    if (code == ASSAY_OK) {
        name = assay__strdup(metric);
        if (name == NULL)
            code = assay_error_set(err, ASSAY_NOMEM, "no memory for a result");
    }
    if (code == ASSAY_OK) {
        assay__free(made.name[5]);
        made.name[5] = name;
        *table = made;
    } else {
        assay_zoo_table_release(&made);
    }
    sqlite3_finalize(stmt);
    assay__zoo_sql_release(&sql);
    return code;
}
