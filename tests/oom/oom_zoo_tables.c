/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zoo while memory runs out: whichever allocation fails, the answer is
 * ASSAY_NOMEM, the zoo stays sound and nothing leaks. (SQLite's, jansson's
 * and libyaml's own memory does not fail here.)
 */

#include <sqlite3.h>
#include <string.h>

#include "assay/zoo.h"
#include "check.h"
#include "fail_alloc.h"
#include "zoo/store.h"
#include "zoo_files.h"

static assay_zoo *open_new(const char *name)
{
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;

    CHECK_OK(assay_zoo_open(&zoo, check_temp_path(name), ASSAY_ZOO_WRITE, &err),
             err);
    CHECK_INT_EQ(
        sqlite3_exec(zoo->db, "PRAGMA synchronous=OFF", NULL, NULL, NULL),
        SQLITE_OK);
    return zoo;
}

static void test_imports_survive_any_failed_allocation(void)
{
    static const char *const files[] = {ZOO_MODELS, ZOO_SECURITYNET, ZOO_TIMM,
                                        ZOO_ENTRY, ZOO_CARD};
    const struct assay_zoo_import how = {NULL, NULL, NULL};
    assay_zoo *zoo = open_new("import.db");

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        check_write_file(check_temp_path("f"), files[i], strlen(files[i]));
        for (long n = 1; fail_alloc_next(n); n++) {
            struct assay_zoo_imported done = {0};
            struct assay_error err = {0};
            int code = assay_zoo_import_file(zoo, check_temp_path("f"), &how,
                                             &done, &err);

            fail_alloc_off();
            CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
            CHECK((code == ASSAY_OK) == (done.n_rows > 0));
        }
    }
    assay_zoo_close(zoo);
}

static int ask(assay_zoo *zoo, int which, struct assay_zoo_table *table,
               char **text, struct assay_error *err)
{
    static const char *const where[] = {"dataset=cifar10", "name~a",
                                        "gap!=", "table=benchmark"};
    const struct assay_zoo_query q = {
        .where = where, .n_where = 4, .sort = "-year", .limit = 1};

    switch (which) {
    case 0:
        return assay_zoo_select(zoo, &q, table, err);
    case 1:
        return assay_zoo_leaderboard(zoo, "gap", &q, table, err);
    case 2:
        return assay_zoo_sql(zoo, "SELECT * FROM models", 10, 0, table, err);
    case 3: {
        const struct assay_zoo_relation r = {0};

        return assay_zoo_relate(zoo, &r, table, err);
    }
    case 4:
        return assay_zoo_export(zoo, "csv", &q, text, err);
    case 5:
        return assay_zoo_export(zoo, "json", &q, text, err);
    case 6:
        return assay_zoo_export(zoo, "cyclonedx", &q, text, err);
    case 7:
        return assay_zoo_export(zoo, "model-index", &q, text, err);
    case 8: {
        const struct assay_zoo_add how = {.name = "x"};
        struct assay_zoo_file file;

        return assay_zoo_add_file(zoo, check_temp_path("f"), &how, &file, err);
    }
    default:
        return assay_zoo_show(zoo, "1", text, err);
    }
}

static void test_questions_survive_any_failed_allocation(void)
{
    const struct assay_zoo_import how = {NULL, NULL, NULL};
    struct assay_zoo_imported done;
    struct assay_error err = {0};
    assay_zoo *zoo = open_new("ask.db");

    check_write_file(check_temp_path("f"), ZOO_SECURITYNET,
                     strlen(ZOO_SECURITYNET));
    CHECK_OK(
        assay_zoo_import_file(zoo, check_temp_path("f"), &how, &done, &err),
        err);
    for (int which = 0; which < 10; which++) {
        for (long n = 1; fail_alloc_next(n); n++) {
            struct assay_zoo_table table = {0};
            char *text = NULL;
            int code = ask(zoo, which, &table, &text, &err);

            fail_alloc_off();
            CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
            assay_zoo_table_release(&table);
            assay_zoo_text_free(text);
        }
    }
    assay_zoo_close(zoo);
}

static void test_opening_survives_any_failed_allocation(void)
{
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_zoo *zoo = NULL;
        int code = assay_zoo_open(&zoo, check_temp_path("o/z.db"),
                                  ASSAY_ZOO_WRITE, &err);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        assay_zoo_close(zoo);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_imports_survive_any_failed_allocation),
    CHECK_TEST(test_questions_survive_any_failed_allocation),
    CHECK_TEST(test_opening_survives_any_failed_allocation),
};
CHECK_MAIN(tests)
