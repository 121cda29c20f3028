/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the zoo: versions, migrations, strangers' files, questions. */

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "assay/zoo.h"
#include "check.h"
#include "zoo/columns.h"
#include "zoo/schema.h"
#include "zoo/store.h"
#include "zoo_files.h"

static const char *const old_steps[] = {
    "CREATE TABLE animals(id INTEGER PRIMARY KEY, name TEXT);"
    "INSERT INTO animals(name) VALUES('okapi')"};
static const char *const new_steps[] = {
    "CREATE TABLE animals(id INTEGER PRIMARY KEY, name TEXT);",
    "ALTER TABLE animals ADD COLUMN legs INTEGER;"
    "UPDATE animals SET legs=4",
    "CREATE INDEX animals_name ON animals(name)"};
static const char *const bad_steps[] = {
    "CREATE TABLE animals(id INTEGER PRIMARY KEY, name TEXT);",
    "DROP TABLE animals", "CREATE TABLE nothing(x"};

static sqlite3 *open_db(const char *name)
{
    sqlite3 *db = NULL;

    CHECK_INT_EQ(sqlite3_open(check_temp_path(name), &db), SQLITE_OK);
    return db;
}

static int number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int value;

    CHECK_INT_EQ(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    CHECK_INT_EQ(sqlite3_step(stmt), SQLITE_ROW);
    value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void test_older_versions_are_brought_up_to_date(void)
{
    const struct assay__zoo_steps before = {old_steps, 1};
    const struct assay__zoo_steps after = {new_steps, 3};
    struct assay_error err = {0};
    sqlite3 *db = open_db("old.db");

    CHECK_OK(assay__zoo_migrate(db, &before, &err), err);
    CHECK_INT_EQ(number(db, "PRAGMA user_version"), 1);
    CHECK_OK(assay__zoo_migrate(db, &after, &err), err);
    CHECK_INT_EQ(number(db, "PRAGMA user_version"), 3);
    CHECK_INT_EQ(number(db, "SELECT legs FROM animals"), 4);
    CHECK_OK(assay__zoo_migrate(db, &after, &err), err);
    CHECK_FAILS(assay__zoo_migrate(db, &before, &err), ASSAY_UNSUPPORTED, err);
    CHECK_STR_HAS(err.msg, "version 3; this program knows up to 1");
    sqlite3_close(db);
}

static void test_a_failed_step_undoes_those_before(void)
{
    const struct assay__zoo_steps before = {old_steps, 1};
    const struct assay__zoo_steps after = {bad_steps, 3};
    struct assay_error err = {0};
    sqlite3 *db = open_db("bad.db");

    CHECK_OK(assay__zoo_migrate(db, &before, &err), err);
    CHECK_FAILS(assay__zoo_migrate(db, &after, &err), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "to version 3");
    CHECK_INT_EQ(number(db, "PRAGMA user_version"), 1);
    CHECK_INT_EQ(number(db, "SELECT count(*) FROM animals"), 1);
    sqlite3_close(db);
}

static void test_every_column_is_in_the_schema(void)
{
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;

    CHECK_OK(assay_zoo_open(&zoo, check_temp_path("deep/er/z.db"),
                            ASSAY_ZOO_WRITE, &err),
             err);
    for (size_t i = 0; i < assay__zoo_column_count(); i++) {
        const struct assay_zoo_column *c = assay_zoo_column(i);
        const char *column[1] = {c->name};
        struct assay_zoo_query q = {.column = column, .n_columns = 1};
        struct assay_zoo_table table = {0};

        CHECK_OK(assay_zoo_select(zoo, &q, &table, &err), err);
        CHECK_STR_EQ(table.name[0], c->name);
        assay_zoo_table_release(&table);
    }
    CHECK(assay_zoo_column(assay__zoo_column_count()) == NULL);
    CHECK_OK(assay_zoo_check(zoo, &err), err);
    assay_zoo_close(zoo);
}

static void test_what_is_no_zoo_is_left_alone(void)
{
    static const char text[] = "This is no database at all, but long enough "
                               "to have a header of a hundred bytes, which is "
                               "what is looked at first.";
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;
    sqlite3 *db = open_db("other.db");

    CHECK_INT_EQ(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
    CHECK_FAILS(assay_zoo_open(&zoo, check_temp_path("other.db"),
                               ASSAY_ZOO_WRITE, &err),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "a database, but not a zoo");
    check_write_file(check_temp_path("text.db"), text, sizeof(text));
    CHECK_FAILS(
        assay_zoo_open(&zoo, check_temp_path("text.db"), ASSAY_ZOO_WRITE, &err),
        ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "not a database");
    CHECK_FAILS(
        assay_zoo_open(&zoo, check_temp_path("no.db"), ASSAY_ZOO_READ, &err),
        ASSAY_NOTHING, err);
    CHECK_FAILS(assay_zoo_open(&zoo, "/proc/no/zoo.db", ASSAY_ZOO_WRITE, &err),
                ASSAY_IO, err);
}

static assay_zoo *filled(const char *name)
{
    const struct assay_zoo_import how = {NULL, NULL, NULL};
    static const char *const files[] = {ZOO_MODELS, ZOO_SECURITYNET, ZOO_ENTRY};
    struct assay_zoo_imported done;
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;

    CHECK_OK(assay_zoo_open(&zoo, check_temp_path(name), ASSAY_ZOO_WRITE, &err),
             err);
    for (size_t i = 0; i < 3; i++) {
        const char *path = check_temp_path("in");

        check_write_file(path, files[i], strlen(files[i]));
        CHECK_OK(assay_zoo_import_file(zoo, path, &how, &done, &err), err);
    }
    return zoo;
}

/* Names of the models for which the conditions hold, in order. */
static const struct {
    const char *where[3];
    const char *sort;
    const char *names;
} questions[] = {
    {{"family=RESNET", "test_accuracy>0.9"}, NULL, "a/one blood svhn "},
    {{"dataset=CIFAR 10", "purpose="}, NULL, "a/one a/two "},
    {{"dataset!=cifar10"}, "name", "blood robust svhn "},
    {{"train_accuracy!="}, "-train_accuracy", "same same robust "},
    {{"train_accuracy=", "source=securitynet"}, "name", "blood svhn "},
    {{"name~A/"}, "-name", "a/two a/one "},
    {{"name~%"}, NULL, ""},
    {{"gap>=0.11"}, NULL, "same "},
    {{"eps=8/255"}, NULL, "in "},
    {{"forward_passes<2"}, NULL, "in "},
    {{"eps>0"}, NULL, ""}, /* text is more than no number */
    {{"year>=2019", "year<2021"}, "year", "in robust "},
    {{"name=x' OR 1=1 --"}, NULL, ""},
};

static void test_conditions_choose_models(void)
{
    static const char *const column[] = {"name"};
    assay_zoo *zoo = filled("asked.db");

    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        struct assay_zoo_query q = {.where = questions[i].where,
                                    .column = column,
                                    .n_columns = 1,
                                    .sort = questions[i].sort};
        struct assay_zoo_table table = {0};
        struct assay_error err = {0};
        char names[256] = "";

        while (q.n_where < 3 && questions[i].where[q.n_where] != NULL)
            q.n_where++;
        CHECK_OK(assay_zoo_select(zoo, &q, &table, &err), err);
        for (size_t r = 0; r < table.n_rows; r++)
            snprintf(names + strlen(names), sizeof(names) - strlen(names),
                     "%s ", table.cell[r].text);
        assay_zoo_table_release(&table);
        CHECK_STR_EQ(names, questions[i].names);
    }
    assay_zoo_close(zoo);
}

static const struct {
    const char *where;
    const char *sort;
    const char *message;
} bad_questions[] = {
    {"family", NULL, "is no condition"},
    {"=x", NULL, "is no condition"},
    {"famly=x", NULL, "no column and no fact is called \"famly\""},
    {"year=new", NULL, "year is a number, \"new\" is not"},
    {"year>", NULL, "year is a number, \"\" is not"},
    {"id=1", "nam", "no column and no fact"},
    {"id=1", ",", "is no list of columns"},
    {"id=1", "name; DROP TABLE models", "no column and no fact"},
};

static void test_bad_conditions_say_why(void)
{
    assay_zoo *zoo = filled("bad-asked.db");

    for (size_t i = 0; i < sizeof(bad_questions) / sizeof(bad_questions[0]);
         i++) {
        struct assay_zoo_query q = {.where = &bad_questions[i].where,
                                    .n_where = 1,
                                    .sort = bad_questions[i].sort};
        struct assay_zoo_table table = {0};
        struct assay_error err = {0};

        CHECK_FAILS(assay_zoo_select(zoo, &q, &table, &err), ASSAY_ARG, err);
        CHECK_STR_HAS(err.msg, bad_questions[i].message);
    }
    assay_zoo_close(zoo);
}

static void test_limits_tell_how_many_match(void)
{
    struct assay_zoo_query q = {.limit = 3};
    struct assay_zoo_table table = {0};
    struct assay_error err = {0};
    assay_zoo *zoo = filled("limit.db");

    CHECK_OK(assay_zoo_select(zoo, &q, &table, &err), err);
    CHECK_UINT_EQ(table.n_rows, 3);
    CHECK_UINT_EQ(table.n_matching, 8);
    assay_zoo_table_release(&table);
    q.limit = 1;
    CHECK_OK(assay_zoo_leaderboard(zoo, "mia_mentropy_auc", &q, &table, &err),
             err);
    CHECK_STR_EQ(table.name[5], "mia_mentropy_auc");
    CHECK_UINT_EQ(table.n_rows, 3); /* of CIFAR-10, ImageNet and SVHN */
    CHECK_NEAR(table.cell[5].real, 0.56, 1e-12);
    assay_zoo_table_release(&table);
    CHECK_FAILS(assay_zoo_leaderboard(zoo, "family", &q, &table, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "family is text");
    CHECK_OK(assay_zoo_leaderboard(zoo, "training_size", &q, &table, &err),
             err);
    assay_zoo_table_release(&table);
    assay_zoo_close(zoo);
}

static const struct {
    const char *sql;
    const char *message;
} bad_sql[] = {
    {"DELETE FROM models", "not authorized"},
    {"INSERT INTO models(name) VALUES('x')", "not authorized"},
    {"UPDATE models SET name='x'", "not authorized"},
    {"DROP TABLE models", "not authorized"},
    {"CREATE TABLE t(x)", "not authorized"},
    {"CREATE TEMP TABLE t(x)", "not authorized"},
    {"ATTACH '/tmp/other.db' AS other", "not authorized"},
    {"PRAGMA user_version=7", "not authorized"},
    {"PRAGMA writable_schema=ON", "not authorized"},
    {"VACUUM INTO '/tmp/copy.db'", "only SELECT is run"},
    {"BEGIN", "not authorized"},
    {"SELECT load_extension('x')", "not authorized"},
    {"SELECT 1; DELETE FROM models", "one statement"},
    {"SELECT 1; SELECT 2", "one statement"},
    {"", "no statement"},
    {"-- nothing", "no statement"},
    {"SELECT x FROM", "SQL: "},
};

static void test_sql_reads_and_does_nothing_else(void)
{
    struct assay_zoo_table table = {0};
    struct assay_error err = {0};
    assay_zoo *zoo = filled("sql.db");

    for (size_t i = 0; i < sizeof(bad_sql) / sizeof(bad_sql[0]); i++) {
        CHECK_FAILS(assay_zoo_sql(zoo, bad_sql[i].sql, 10, 0, &table, &err),
                    ASSAY_ARG, err);
        CHECK_STR_HAS(err.msg, bad_sql[i].message);
    }
    CHECK_OK(assay_zoo_sql(zoo,
                           "SELECT family, count(*) AS n FROM models GROUP BY "
                           "family ORDER BY n DESC;",
                           10, 1, &table, &err),
             err);
    CHECK_UINT_EQ(table.n_rows, 1);
    CHECK_STR_EQ(table.name[1], "n");
    CHECK_INT_EQ(table.cell[1].integer, 6);
    assay_zoo_table_release(&table);
    CHECK_FAILS(assay_zoo_sql(zoo,
                              "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL "
                              "SELECT x+1 FROM c) SELECT count(*) FROM c",
                              0.1, 0, &table, &err),
                ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "stopped after 0.1 s");
    CHECK_FAILS(
        assay_zoo_sql(zoo, "SELECT zeroblob(100000000)", 10, 0, &table, &err),
        ASSAY_LIMIT, err);
    CHECK_OK(assay_zoo_check(zoo, &err), err);
    assay_zoo_close(zoo);
}

static void test_models_are_found_by_number_and_name(void)
{
    struct assay_error err = {0};
    char *json = NULL;
    assay_zoo *zoo = filled("show.db");

    CHECK_OK(assay_zoo_show(zoo, "a/ONE", &json, &err), err);
    CHECK_STR_HAS(json, "\"raw\": \"95.37\"");
    assay_zoo_text_free(json);
    CHECK_FAILS(assay_zoo_show(zoo, "same", &json, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "2 models are called \"same\": 3, 4;");
    CHECK_FAILS(assay_zoo_show(zoo, "99", &json, &err), ASSAY_NOTHING, err);
    assay_zoo_close(zoo);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_older_versions_are_brought_up_to_date),
    CHECK_TEST(test_a_failed_step_undoes_those_before),
    CHECK_TEST(test_every_column_is_in_the_schema),
    CHECK_TEST(test_what_is_no_zoo_is_left_alone),
    CHECK_TEST(test_conditions_choose_models),
    CHECK_TEST(test_bad_conditions_say_why),
    CHECK_TEST(test_limits_tell_how_many_match),
    CHECK_TEST(test_sql_reads_and_does_nothing_else),
    CHECK_TEST(test_models_are_found_by_number_and_name),
};
CHECK_MAIN(tests)
