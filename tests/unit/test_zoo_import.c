/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files taken into the zoo: what becomes of each kind, what means missing,
 * that a second time changes nothing, and what is refused with which words.
 */

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "assay/zoo.h"
#include "check.h"
#include "core/buf.h"
#include "zoo/store.h"
#include "zoo_files.h"

static assay_zoo *open_new(const char *name)
{
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;

    CHECK_OK(assay_zoo_open(&zoo, check_temp_path(name), ASSAY_ZOO_WRITE, &err),
             err);
    return zoo;
}

static int take(assay_zoo *zoo, const char *file, const char *text,
                struct assay_zoo_imported *done, struct assay_error *err)
{
    const struct assay_zoo_import how = {NULL, NULL, NULL};
    const char *path = check_temp_path(file);

    check_write_file(path, text, strlen(text));
    return assay_zoo_import_file(zoo, path, &how, done, err);
}

/* One value by SQL, as text. "-" for NULL, "none" for no row. */
static const char *ask(assay_zoo *zoo, const char *sql)
{
    static char text[256];
    sqlite3_stmt *stmt = NULL;

    CHECK_INT_EQ(sqlite3_prepare_v2(zoo->db, sql, -1, &stmt, NULL), SQLITE_OK);
    snprintf(text, sizeof(text), "none");
    if (sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(text, sizeof(text), "%s",
                 sqlite3_column_type(stmt, 0) == SQLITE_NULL
                     ? "-"
                     : (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return text;
}

/* Every row of every table, as one text. */
static void dump(assay_zoo *zoo, struct assay__buf *b)
{
    static const char *const tables[] = {"sources", "imports", "datasets",
                                         "models",  "facts",   "files",
                                         "runs",    "findings"};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        sqlite3_stmt *stmt = NULL;
        char sql[64];

        snprintf(sql, sizeof(sql), "SELECT * FROM %s", tables[i]);
        CHECK_INT_EQ(sqlite3_prepare_v2(zoo->db, sql, -1, &stmt, NULL),
                     SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW)
            for (int c = 0; c < sqlite3_column_count(stmt); c++)
                assay__buf_printf(b, "%s|",
                                  (const char *)sqlite3_column_text(stmt, c));
        sqlite3_finalize(stmt);
    }
    CHECK(!b->failed);
}

static void test_index_of_models_becomes_rows(void)
{
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("index.db");

    CHECK_OK(take(zoo, "m.csv", ZOO_MODELS, &done, &err), err);
    CHECK_STR_EQ(done.kind, "models");
    CHECK_UINT_EQ(done.n_rows, 2);
    CHECK_UINT_EQ(done.n_added, 2);
    CHECK_STR_EQ(ask(zoo, "SELECT test_accuracy FROM models WHERE id=2"),
                 "0.773");
    CHECK_STR_EQ(ask(zoo, "SELECT parameters FROM models WHERE id=1"),
                 "11173962");
    /* Empty is missing, and no fact. */
    CHECK_STR_EQ(ask(zoo, "SELECT parameters FROM models WHERE id=2"), "-");
    CHECK_STR_EQ(ask(zoo, "SELECT count(*) FROM facts WHERE model_id=2 AND "
                          "name='parameters'"),
                 "0");
    /* Both spellings are one dataset; each link is a file. */
    CHECK_STR_EQ(ask(zoo, "SELECT count(*) FROM datasets"), "1");
    CHECK_STR_EQ(ask(zoo, "SELECT count(*) FROM files WHERE model_id=1"), "2");
    CHECK_STR_EQ(ask(zoo, "SELECT raw FROM facts WHERE model_id=2 AND "
                          "name='test_accuracy'"),
                 "77.3");
    assay_zoo_close(zoo);
}

static void test_securitynet_zeros_and_placeholders_are_missing(void)
{
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("sn.db");

    CHECK_OK(take(zoo, "s.csv", ZOO_SECURITYNET, &done, &err), err);
    CHECK_STR_EQ(done.kind, "securitynet");
    CHECK_UINT_EQ(done.n_rows, 5);
    CHECK_UINT_EQ(done.n_missing, 6);
    /* Two runs of one name are two models. */
    CHECK_STR_EQ(ask(zoo, "SELECT count(*) FROM models WHERE name='same'"),
                 "2");
    CHECK_STR_EQ(ask(zoo, "SELECT train_accuracy FROM models WHERE "
                          "name='blood'"),
                 "-");
    CHECK_STR_EQ(ask(zoo, "SELECT mia_mentropy_auc FROM models WHERE "
                          "name='blood'"),
                 "-");
    CHECK_STR_EQ(ask(zoo, "SELECT train_accuracy FROM models WHERE "
                          "name='svhn'"),
                 "-");
    CHECK_STR_EQ(ask(zoo, "SELECT steal_accuracy FROM models WHERE "
                          "name='robust'"),
                 "-");
    /* What the source writes is kept, with the reason. */
    CHECK_STR_EQ(ask(zoo,
                     "SELECT raw || ' ' || ifnull(value, 'null') || ' ' "
                     "|| facts.note FROM facts JOIN models m ON m.id=model_id "
                     "WHERE m.name='svhn' AND facts.name="
                     "'train_accuracy'"),
                 "0.999 null a placeholder, the same for all of SVHN");
    CHECK_STR_EQ(ask(zoo, "SELECT raw FROM facts JOIN models m ON "
                          "m.id=model_id WHERE m.name='robust' AND "
                          "facts.name='steal_accuracy'"),
                 "nan");
    CHECK_STR_EQ(ask(zoo, "SELECT training_size || category FROM datasets "
                          "WHERE key='svhn'"),
                 "73257digit");
    assay_zoo_close(zoo);
}

static void test_other_kinds_become_rows(void)
{
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("kinds.db");

    CHECK_OK(take(zoo, "results-imagenet.csv", ZOO_TIMM, &done, &err), err);
    CHECK_STR_EQ(done.kind, "timm");
    CHECK_STR_EQ(ask(zoo, "SELECT parameters FROM models WHERE name='eva.x'"),
                 "1013010000");
    CHECK_STR_EQ(ask(zoo, "SELECT input_width FROM models WHERE "
                          "name='tiny.y'"),
                 "224");
    CHECK_OK(take(zoo, "Carmon2019Unlabeled.json", ZOO_ENTRY, &done, &err),
             err);
    CHECK_STR_EQ(done.kind, "robustbench");
    CHECK_STR_EQ(ask(zoo, "SELECT year || ' ' || robust_accuracy FROM models "
                          "WHERE name='Carmon2019Unlabeled'"),
                 "2019 0.5953");
    CHECK_OK(take(zoo, "Corrupted.json",
                  "{\"dataset\": \"imagenet\", \"corruptions_acc_2d\": "
                  "\"62.88\", \"corruptions_mce_3d\": \"49.84\", "
                  "\"reported\": \"\", \"venue\": \"N/A\"}",
                  &done, &err),
             err);
    CHECK_STR_EQ(done.kind, "robustbench");
    CHECK_STR_EQ(ask(zoo, "SELECT robust_accuracy || ' ' || d.name FROM models "
                          "m JOIN datasets d ON d.id=dataset_id WHERE "
                          "m.name='Corrupted'"),
                 "0.6288 ImageNet-1k");
    CHECK_OK(take(zoo, "README.md", ZOO_CARD, &done, &err), err);
    CHECK_STR_EQ(done.kind, "card");
    CHECK_STR_EQ(ask(zoo, "SELECT licence || ' ' || test_accuracy FROM models "
                          "WHERE name='my-net'"),
                 "mit 0.931");
    CHECK_STR_EQ(ask(zoo, "SELECT value FROM facts WHERE name='f1/cifar_10'"),
                 "0.93");
    assay_zoo_close(zoo);
}

static void test_importing_again_changes_nothing(void)
{
    static const char *const files[] = {ZOO_MODELS, ZOO_SECURITYNET, ZOO_TIMM,
                                        ZOO_ENTRY, ZOO_CARD};
    struct assay__buf before = ASSAY__BUF_INIT;
    struct assay__buf after = ASSAY__BUF_INIT;
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("twice.db");

    for (size_t i = 0; i < 5; i++)
        CHECK_OK(take(zoo, "file", files[i], &done, &err), err);
    /* A later date would show. */
    CHECK_INT_EQ(sqlite3_exec(zoo->db, "UPDATE facts SET recorded_at='then'",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    dump(zoo, &before);
    for (size_t i = 0; i < 5; i++) {
        CHECK_OK(take(zoo, "file", files[i], &done, &err), err);
        CHECK_UINT_EQ(done.n_unchanged, done.n_rows);
        CHECK_UINT_EQ(done.n_added + done.n_updated, 0);
    }
    dump(zoo, &after);
    CHECK_STR_EQ(after.data, before.data);
    assay__buf_release(&before);
    assay__buf_release(&after);
    assay_zoo_close(zoo);
}

static void test_a_newer_file_changes_what_it_states(void)
{
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("newer.db");

    CHECK_OK(take(zoo, "a.csv",
                  "name,architecture,dataset,provenance,top1,year\n"
                  "x,A,D,p,50,2000\ny,A,D,p,60,2001\n",
                  &done, &err),
             err);
    CHECK_OK(take(zoo, "b.csv",
                  "name,architecture,dataset,provenance,top1,year\n"
                  "x,A,D,p,51,\ny,A,D,p,60,2001\nz,A,D,p,1,1\n",
                  &done, &err),
             err);
    CHECK_UINT_EQ(done.n_updated, 1);
    CHECK_UINT_EQ(done.n_added, 1);
    CHECK_UINT_EQ(done.n_unchanged, 1);
    CHECK_STR_EQ(ask(zoo, "SELECT test_accuracy || ' ' || year FROM models "
                          "WHERE name='x'"),
                 "0.51 2000");
    assay_zoo_close(zoo);
}

/* Names are data: quotes, newlines, SQL, bytes that are no UTF-8. */
static void test_hostile_text_is_kept_as_text(void)
{
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    char *json = NULL;
    assay_zoo *zoo = open_new("hostile.db");

    CHECK_OK(take(zoo, "h.csv",
                  "name,architecture,dataset,provenance,note\n"
                  "\"x'); DROP TABLE models; --\",\"a\"\"b\",D,p,\"two\n"
                  "lines\"\n"
                  "\xff\xfe\x1b[31m,A,\"'; DELETE FROM facts\",p,%s%n\n",
                  &done, &err),
             err);
    CHECK_STR_EQ(ask(zoo, "SELECT count(*) FROM models"), "2");
    CHECK_STR_EQ(ask(zoo, "SELECT name FROM models WHERE id=1"),
                 "x'); DROP TABLE models; --");
    CHECK_STR_EQ(ask(zoo, "SELECT note FROM models WHERE id=1"), "two\nlines");
    CHECK_STR_EQ(ask(zoo, "SELECT note FROM models WHERE id=2"), "%s%n");
    CHECK_OK(assay_zoo_show(zoo, "2", &json, &err), err);
    CHECK_STR_HAS(json, "\\u001b[31m");
    assay_zoo_text_free(json);
    CHECK_OK(assay_zoo_show(zoo, "x'); DROP TABLE models; --", &json, &err),
             err);
    assay_zoo_text_free(json);
    assay_zoo_close(zoo);
}

#define HEAD "name,architecture,dataset,provenance,top1,parameters\n"

static const struct {
    const char *text;
    int code;
    const char *message;
} lies[] = {
    {"", ASSAY_UNSUPPORTED, "neither a table of models that is known"},
    {"a,b\n1,2\n", ASSAY_UNSUPPORTED, "neither a table of models"},
    {HEAD "x,A,D,p\n", ASSAY_FORMAT, "line 2: 4 fields, the header has 6"},
    {HEAD ",A,D,p,1,1\n", ASSAY_FORMAT, "row 1: the name is empty"},
    {HEAD "x,A,D,p,1,1\ny,A,D,p,101,1\n", ASSAY_FORMAT,
     "row 2: test_accuracy is \"101\", not within 0 to 100"},
    {HEAD "x,A,D,p,-1,1\n", ASSAY_FORMAT, "not within 0 to 100"},
    {HEAD "x,A,D,p,1e999,1\n", ASSAY_FORMAT, "is \"1e999\", not a number"},
    {HEAD "x,A,D,p,0x1p3,1\n", ASSAY_FORMAT, "is \"0x1p3\", not a number"},
    {HEAD "x,A,D,p,1,1.5\n", ASSAY_FORMAT, "is \"1.5\", not a whole number"},
    {HEAD "x,A,D,p,1,-3\n", ASSAY_FORMAT, "is \"-3\", not a whole number"},
    {"model_name,dataset,steal_accuracy\nx,D,1.5\n", ASSAY_FORMAT,
     "row 1: steal_accuracy is \"1.5\", not within 0 to 1"},
    {"model_name,dataset,steal_accuracy,training_size\nx,D,.5,many\n",
     ASSAY_FORMAT, "training_size is \"many\", not a count"},
    {"model,top1,param_count\nx,50,a\n", ASSAY_FORMAT,
     "param_count is \"a\", not a number of millions"},
    {"model,top1,param_count,top1_diff\nx,50,1,2\n", ASSAY_UNSUPPORTED,
     "of another set than ImageNet's own"},
    {"{\"clean_acc\": \"1\"", ASSAY_FORMAT, "line 1, column"},
    {"{\"clean_acc\": \"1\", \"clean_acc\": \"2\"}", ASSAY_FORMAT, "duplicate"},
    {"{\"clean_acc\": [1]}", ASSAY_FORMAT,
     "clean_acc is a list or an object, not a value"},
    {"{\"clean_acc\": \"high\"}", ASSAY_FORMAT,
     "test_accuracy is \"high\", not a number"},
    {"---\nlicense: mit\n", ASSAY_FORMAT, "second \"---\" is missing"},
    {"---\n- a\n---\n", ASSAY_FORMAT, "the head is no mapping"},
    {"---\na: 1\na: 2\n---\n", ASSAY_FORMAT,
     "line 3, column 1: a key that was there before"},
    {"---\na: &x 1\nb: *x\n---\n", ASSAY_FORMAT, "an alias"},
    {"---\na: [\n---\n", ASSAY_FORMAT, "head: line "},
    {"---\n? [a]\n: 1\n---\n", ASSAY_FORMAT, "a key that is no plain text"},
};

static void test_lies_are_refused_and_leave_nothing(void)
{
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("lies.db");

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct assay_error err = {0};

        CHECK_FAILS(take(zoo, "lie", lies[i].text, &done, &err), lies[i].code,
                    err);
        CHECK_STR_HAS(err.msg, lies[i].message);
    }
    CHECK_STR_EQ(ask(zoo, "SELECT count(*) FROM models"), "0");
    CHECK_STR_EQ(ask(zoo, "SELECT count(*) FROM sources"), "0");
    assay_zoo_close(zoo);
}

static void test_long_names_and_deep_cards_are_refused(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("long.db");

    assay__buf_puts(&b, HEAD);
    for (int i = 0; i < 513; i++)
        assay__buf_puts(&b, "n");
    assay__buf_puts(&b, ",A,D,p,1,1\n");
    CHECK_FAILS(take(zoo, "l", b.data, &done, &err), ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "the name has 513 bytes, limit 512");
    assay__buf_release(&b);
    assay__buf_puts(&b, HEAD "x,");
    for (int i = 0; i < 65537; i++)
        assay__buf_puts(&b, "n");
    assay__buf_puts(&b, ",D,p,1,1\n");
    CHECK_FAILS(take(zoo, "l", b.data, &done, &err), ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "architecture has 65537 bytes, limit 65536");
    assay__buf_release(&b);
    assay__buf_puts(&b, "---\na: ");
    for (int i = 0; i < 40; i++)
        assay__buf_puts(&b, "[");
    for (int i = 0; i < 40; i++)
        assay__buf_puts(&b, "]");
    assay__buf_puts(&b, "\n---\n");
    CHECK_FAILS(take(zoo, "l", b.data, &done, &err), ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "nested over 32 deep");
    assay__buf_release(&b);
    assay_zoo_close(zoo);
}

/* Whatever is cut off: an error or fewer rows, and a sound zoo. */
static void test_truncation_at_every_byte_is_survived(void)
{
    static const char *const files[] = {ZOO_SECURITYNET, ZOO_ENTRY, ZOO_CARD};
    const struct assay_zoo_import how = {NULL, NULL, NULL};
    assay_zoo *zoo = open_new("cut.db");

    CHECK_INT_EQ(
        sqlite3_exec(zoo->db, "PRAGMA synchronous=OFF", NULL, NULL, NULL),
        SQLITE_OK);
    for (size_t i = 0; i < 3; i++)
        for (size_t n = 0; n < strlen(files[i]); n++) {
            const char *path = check_temp_path("cut");
            struct assay_zoo_imported done;
            struct assay_error err = {0};
            int code;

            check_write_file(path, files[i], n);
            code = assay_zoo_import_file(zoo, path, &how, &done, &err);
            CHECK((code == ASSAY_OK) == (err.msg[0] == '\0'));
        }
    {
        struct assay_error err = {0};

        CHECK_OK(assay_zoo_check(zoo, &err), err);
    }
    assay_zoo_close(zoo);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_index_of_models_becomes_rows),
    CHECK_TEST(test_securitynet_zeros_and_placeholders_are_missing),
    CHECK_TEST(test_other_kinds_become_rows),
    CHECK_TEST(test_importing_again_changes_nothing),
    CHECK_TEST(test_a_newer_file_changes_what_it_states),
    CHECK_TEST(test_hostile_text_is_kept_as_text),
    CHECK_TEST(test_lies_are_refused_and_leave_nothing),
    CHECK_TEST(test_long_names_and_deep_cards_are_refused),
    CHECK_TEST(test_truncation_at_every_byte_is_survived),
};
CHECK_MAIN(tests)
