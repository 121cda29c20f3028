/* SPDX-License-Identifier: Apache-2.0 */
/* Files, findings and exports: what becomes of them, and what is refused. */

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/zoo.h"
#include "check.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "cyclonedx.h"
#include "zoo/store.h"
#include "zoo_files.h"

static const struct assay_zoo_import plain_import = {NULL, NULL, NULL};
static const struct assay_zoo_add plain_add = {NULL, NULL, NULL, NULL};

static assay_zoo *open_new(const char *name)
{
    struct assay_error err = {0};
    assay_zoo *zoo = NULL;

    CHECK_OK(assay_zoo_open(&zoo, check_temp_path(name), ASSAY_ZOO_WRITE, &err),
             err);
    return zoo;
}

static int number(assay_zoo *zoo, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int value;

    CHECK_INT_EQ(sqlite3_prepare_v2(zoo->db, sql, -1, &stmt, NULL), SQLITE_OK);
    CHECK_INT_EQ(sqlite3_step(stmt), SQLITE_ROW);
    value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static const struct {
    const char *name;
    const char *bytes;
    size_t size;
    const char *format;
} kinds[] = {
    {"a.safetensors", "\x10\0\0\0\0\0\0\0{\"a\":1}", 15, "safetensors"},
    {"a.pth", "PK\x03\x04rest", 8, "torch-zip"},
    {"a.npz", "PK\x03\x04rest", 8, "npz"},
    {"a.keras", "PK\x03\x04rest", 8, "keras"},
    {"a.zip", "PK\x03\x04rest", 8, "zip"},
    {"b.pth", "\x80\x02}q", 4, "pickle"},
    {"a.h5", "\x89HDF\r\n\x1a\nx", 9, "hdf5"},
    {"a.onnx", "\x08\x07\x12", 3, "onnx"},
    {"a.npy", "\x93NUMPY\x01", 7, "npy"},
    {"a.gguf", "GGUF\x03", 5, "gguf"},
    {"a.tflite", "\x1c\0\0\0TFL3", 8, "tflite"},
    {"none", "", 0, "unknown"},
    {"text.onnx", "hello", 5, "unknown"},
};

static void test_formats_are_told_by_content(void)
{
    assay_zoo *zoo = open_new("formats.db");

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *path = check_temp_path(kinds[i].name);
        struct assay_zoo_file f = {0};
        struct assay_error err = {0};

        check_write_file(path, kinds[i].bytes, kinds[i].size);
        CHECK_OK(assay_zoo_add_file(zoo, path, &plain_add, &f, &err), err);
        CHECK_STR_EQ(f.format, kinds[i].format);
        CHECK_UINT_EQ(f.size_bytes, kinds[i].size);
    }
    assay_zoo_close(zoo);
}

static int see_scan(void *user, const char *path, char verdict[160],
                    struct assay_error *err)
{
    if (strstr(path, "bad") != NULL)
        return assay_error_set(err, ASSAY_DATA, "hostile");
    snprintf(verdict, 160, "seen by %s", (const char *)user);
    return ASSAY_OK;
}

static void test_equal_bytes_are_one_model(void)
{
    char who[] = "a test";
    struct assay_zoo_add how = {NULL, "first", see_scan, who};
    struct assay_zoo_file f = {0};
    struct assay_error err = {0};
    assay_zoo *zoo = open_new("files.db");
    int64_t first;

    check_write_file(check_temp_path("one.bin"), "abc", 3);
    check_write_file(check_temp_path("two.bin"), "abc", 3);
    check_write_file(check_temp_path("three.bin"), "abcd", 4);
    check_write_file(check_temp_path("bad.bin"), "abcde", 5);
    CHECK_OK(
        assay_zoo_add_file(zoo, check_temp_path("one.bin"), &how, &f, &err),
        err);
    CHECK_STR_EQ(f.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9c"
                           "b410ff61f20015ad");
    CHECK_INT_EQ(f.is_new, 1);
    first = f.model_id;
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM facts WHERE name='scan' AND "
                             "value='seen by a test'"),
                 1);
    CHECK_OK(
        assay_zoo_add_file(zoo, check_temp_path("one.bin"), &how, &f, &err),
        err);
    CHECK_OK(assay_zoo_add_file(zoo, check_temp_path("two.bin"), &plain_add, &f,
                                &err),
             err);
    CHECK_INT_EQ(f.is_new, 0);
    CHECK_INT_EQ(f.model_id, first);
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM files"), 2);
    CHECK_OK(assay_zoo_add_file(zoo, check_temp_path("three.bin"), &plain_add,
                                &f, &err),
             err);
    CHECK_INT_EQ(f.is_new, 1);
    CHECK_FAILS(
        assay_zoo_add_file(zoo, check_temp_path("bad.bin"), &how, &f, &err),
        ASSAY_DATA, err);
    how.model = "nobody";
    CHECK_FAILS(
        assay_zoo_add_file(zoo, check_temp_path("two.bin"), &how, &f, &err),
        ASSAY_NOTHING, err);
    CHECK_FAILS(assay_zoo_add_file(zoo, check_temp_path("none.bin"), &plain_add,
                                   &f, &err),
                ASSAY_IO, err);
    CHECK_FAILS(assay_zoo_add_file(zoo, check_temp_dir(), &plain_add, &f, &err),
                ASSAY_IO, err);
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM models"), 2);
    assay_zoo_close(zoo);
}

#define SHA "e8b2a847154dedad33eb0b458e53aadb2a0395d811c4f41a6ba824a6ac2d1fec"
#define FINDINGS(attacks)                                                 \
    "{\"schema\": \"assay-findings/1\", \"tool\": {\"name\": \"assay\", " \
    "\"version\": \"0.1.0\"}, \"model\": {\"name\": \"net\", \"arch\": "  \
    "\"cnn\", \"sha256\": \"" SHA "\", \"parameters\": 10, "              \
    "\"test_accuracy\": {\"value\": 0.8}}, \"data\": {\"name\": \"D\"}, " \
    "\"verdict\": {\"level\": \"fail\"}, \"attacks\": [" attacks "]}"
#define LIRA                                                                \
    "{\"name\": \"lira\", \"status\": \"ran\", \"auc\": {\"value\": 0.7, "  \
    "\"low\": 0.6, \"high\": 0.8, \"n\": 100}, \"tpr_at_fpr\": [{\"fpr\": " \
    "0.01, \"tpr\": 0.2, \"low\": 0.1, \"high\": 0.3}, {\"fpr\": 0.001, "   \
    "\"tpr\": null, \"low\": null, \"high\": null}]}"

static int take(assay_zoo *zoo, const char *text,
                const struct assay_zoo_import *how, struct assay_error *err)
{
    struct assay_zoo_imported done;
    const char *path = check_temp_path("findings.json");

    check_write_file(path, text, strlen(text));
    return assay_zoo_import_file(zoo, path, how, &done, err);
}

static void test_findings_become_a_run(void)
{
    const struct assay_zoo_import onto = {NULL, NULL, "a/one"};
    struct assay_error err = {0};
    assay_zoo *zoo = open_new("runs.db");

    CHECK_OK(take(zoo, FINDINGS(LIRA), &plain_import, &err), err);
    CHECK_OK(take(zoo, FINDINGS(LIRA), &plain_import, &err), err);
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM runs"), 1);
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM findings"), 2);
    CHECK_INT_EQ(number(zoo, "SELECT value*10 FROM findings WHERE "
                             "metric='tpr_at_fpr_0.01'"),
                 2);
    CHECK_INT_EQ(number(zoo, "SELECT baseline*10 FROM findings WHERE "
                             "metric='auc'"),
                 5);
    /* Of a model of another source: its own values stay. */
    CHECK_OK(take(zoo, ZOO_MODELS, &plain_import, &err), err);
    CHECK_OK(take(zoo, FINDINGS(LIRA), &onto, &err), err);
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM runs"), 2);
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM models"), 3);
    CHECK_INT_EQ(number(zoo, "SELECT test_accuracy*10000 FROM models WHERE "
                             "name='a/one'"),
                 9537);
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM facts f JOIN models m ON "
                             "m.id=model_id WHERE m.name='a/one' AND "
                             "f.name='test_accuracy'"),
                 2);
    {
        const char *where[] = {"lira.auc>0.6", "lira.tpr_at_fpr_0.01<0.3"};
        const struct assay_zoo_query q = {.where = where, .n_where = 2};
        struct assay_zoo_table table = {0};

        CHECK_OK(assay_zoo_select(zoo, &q, &table, &err), err);
        CHECK_UINT_EQ(table.n_rows, 2);
        assay_zoo_table_release(&table);
        where[0] = "lira.auk>0.6";
        CHECK_FAILS(assay_zoo_select(zoo, &q, &table, &err), ASSAY_ARG, err);
    }
    CHECK_FAILS(take(zoo, ZOO_MODELS, &onto, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "names its models itself");
    assay_zoo_close(zoo);
}

static const struct {
    const char *text;
    int code;
    const char *message;
} lies[] = {
    {"{\"schema\": \"assay-findings/9\"}", ASSAY_UNSUPPORTED,
     "schema \"assay-findings/9\""},
    {"{\"schema\": \"assay-findings/1\"", ASSAY_FORMAT, "line 1, column"},
    {"{\"schema\": \"assay-findings/1\"}", ASSAY_FORMAT,
     "model.sha256 is no SHA-256"},
    {FINDINGS("{}"), ASSAY_FORMAT, "attack 1 has no name"},
    {FINDINGS(LIRA ", " LIRA), ASSAY_FORMAT, "two attacks are called \"lira\""},
};

static void test_bad_findings_are_refused(void)
{
    assay_zoo *zoo = open_new("bad-runs.db");

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct assay_error err = {0};

        CHECK_FAILS(take(zoo, lies[i].text, &plain_import, &err), lies[i].code,
                    err);
        CHECK_STR_HAS(err.msg, lies[i].message);
    }
    CHECK_INT_EQ(number(zoo, "SELECT count(*) FROM models"), 0);
    assay_zoo_close(zoo);
}

static char *export_all(assay_zoo *zoo, const char *form)
{
    const struct assay_zoo_query all = {0};
    struct assay_error err = {0};
    char *text = NULL;

    CHECK_OK(assay_zoo_export(zoo, form, &all, &text, &err), err);
    return text;
}

static void test_exports_have_what_is_known(void)
{
    struct assay_error err = {0};
    assay_zoo *zoo = open_new("export.db");
    json_t *bom;
    const json_t *c;
    char *text;

    CHECK_OK(take(zoo, ZOO_MODELS, &plain_import, &err), err);
    CHECK_OK(take(zoo, FINDINGS(LIRA), &plain_import, &err), err);
    text = export_all(zoo, "csv");
    CHECK_STR_HAS(text, "ResNet-18,ResNet,");
    CHECK_STR_HAS(text, ",0.9537,");
    assay_zoo_text_free(text);
    text = export_all(zoo, "json");
    CHECK_STR_HAS(text, "\"raw\": \"95.37\"");
    CHECK_STR_HAS(text, "\"schema\": \"assay-zoo/1\"");
    assay_zoo_text_free(text);
    text = export_all(zoo, "cyclonedx");
    bom = json_loads(text, 0, NULL);
    CHECK(bom != NULL);
    CHECK_STR_EQ(json_string_value(json_object_get(bom, "specVersion")), "1.6");
    CHECK_UINT_EQ(json_array_size(json_object_get(bom, "components")), 3);
    c = json_array_get(json_object_get(bom, "components"), 0);
    CHECK_STR_EQ(json_string_value(json_object_get(c, "type")),
                 "machine-learning-model");
    CHECK_UINT_EQ(json_array_size(json_object_get(c, "externalReferences")), 2);
    cdx_check_bom(bom);
    json_decref(bom);
    CHECK_STR_HAS(text, "\"lowerBound\": \"0.6\"");
    assay_zoo_text_free(text);
    assay_zoo_close(zoo);
}

/* What strangers write in their tables is no reason to break the schema, and
 * files and cards have their parts in it too. */
static void test_bills_of_materials_keep_to_the_schema(void)
{
    static const char table[] =
        "name,architecture,dataset,provenance,weights_url,licence,paper_url\n"
        "\"a \"\"b\"\" <c>\",A,D,p,\"http://x/a\"\"b<c>{d}|e^f`g\\h\",L,"
        "\"see page 3, 50% off\"\n"
        "b,A,D,p,http://x/%41%4z%,,http://y/\xc3\xa9?q=%20\n"
        "c,A,D,p,,,\n";
    struct assay_error err = {0};
    struct assay_zoo_file added;
    assay_zoo *zoo = open_new("bom.db");
    char *text;
    json_t *bom;

    CHECK_OK(take(zoo, table, &plain_import, &err), err);
    CHECK_OK(take(zoo, ZOO_CARD, &plain_import, &err), err);
    CHECK_OK(take(zoo, FINDINGS(LIRA), &plain_import, &err), err);
    check_write_file(check_temp_path("bom.npy"), "\x93NUMPY\x01", 7);
    CHECK_OK(assay_zoo_add_file(zoo, check_temp_path("bom.npy"), &plain_add,
                                &added, &err),
             err);
    text = export_all(zoo, "cyclonedx");
    bom = json_loads(text, 0, NULL);
    CHECK(bom != NULL);
    CHECK(json_array_size(json_object_get(bom, "components")) >= 6);
    cdx_check_bom(bom);
    json_decref(bom);
    CHECK_STR_HAS(text, "http://x/a%22b%3Cc%3E%7Bd%7D%7Ce%5Ef%60g%5Ch");
    CHECK_STR_HAS(text, "http://x/%41%254z%25");
    CHECK_STR_HAS(text, "see%20page%203,%2050%25%20off");
    assay_zoo_text_free(text);
    assay_zoo_close(zoo);
}

/* The public models, where they lie beside the repository. */
static void test_bill_of_public_models_keeps_to_the_schema(void)
{
    static const char *const tables[] = {"models.csv", "securitynet.csv"};
    const char *source = getenv("ASSAY_SOURCE");
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("public.db");
    char path[600];
    char *text;
    json_t *bom;

    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/../shared/data/zoo/%s",
                 source ? source : ".", tables[i]);
        if (!assay__exists(path)) {
            assay_zoo_close(zoo);
            SKIP("../shared/data/zoo is not there");
        }
        CHECK_OK(assay_zoo_import_file(zoo, path, &plain_import, &done, &err),
                 err);
    }
    text = export_all(zoo, "cyclonedx");
    bom = json_loads(text, 0, NULL);
    CHECK(bom != NULL);
    cdx_check_bom(bom);
    CHECK_UINT_EQ(json_array_size(json_object_get(bom, "components")), 3960);
    json_decref(bom);
    assay_zoo_text_free(text);
    assay_zoo_close(zoo);
}

/* A card that was written is read again. */
static void test_a_model_index_comes_back(void)
{
    struct assay_error err = {0};
    struct assay_zoo_imported done;
    assay_zoo *zoo = open_new("out.db");
    assay_zoo *other = open_new("in.db");
    char *text;

    CHECK_OK(take(zoo, ZOO_CARD, &plain_import, &err), err);
    text = export_all(zoo, "model-index");
    check_write_file(check_temp_path("README.md"), text, strlen(text));
    assay_zoo_text_free(text);
    CHECK_OK(assay_zoo_import_file(other, check_temp_path("README.md"),
                                   &plain_import, &done, &err),
             err);
    CHECK_INT_EQ(number(other, "SELECT test_accuracy*1000 FROM models WHERE "
                               "name='my-net'"),
                 931);
    assay_zoo_close(zoo);
    assay_zoo_close(other);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_formats_are_told_by_content),
    CHECK_TEST(test_equal_bytes_are_one_model),
    CHECK_TEST(test_findings_become_a_run),
    CHECK_TEST(test_bad_findings_are_refused),
    CHECK_TEST(test_bills_of_materials_keep_to_the_schema),
    CHECK_TEST(test_bill_of_public_models_keeps_to_the_schema),
    CHECK_TEST(test_exports_have_what_is_known),
    CHECK_TEST(test_a_model_index_comes_back),
};
CHECK_MAIN(tests)
