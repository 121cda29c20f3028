/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scanning models that are no pickles, written by hand: NumPy, Keras,
 * safetensors, ONNX, tar and gzip. Each hostile one has its rule, what is at
 * fault and the place; each harmless one is clean.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assay/format.h"
#include "assay/scan.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "zip_bytes.h"

#define P(text) text, sizeof(text) - 1
#define EVIL "cos\nsystem\n(Vls\ntR."

struct row {
    const char *data;
    size_t size;
    const char *rule; /* NULL: clean */
    const char *what; /* NULL: nothing is asked of it */
};

static void check_bytes(const void *data, size_t size, const char *name,
                        const char *rule, const char *what)
{
    const struct assay_scan_reason *found = NULL;
    struct assay_error err = {0};
    struct assay_scan scan;
    unsigned char *copy = malloc(size ? size : 1);

    CHECK(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    CHECK_OK(assay_scan_bytes(&scan, copy, size, name, &err), err);
    free(copy);
    for (size_t i = 0; i < scan.n_reasons; i++) {
        if (rule && strcmp(scan.reason[i].rule->id, rule) == 0)
            found = &scan.reason[i];
        CHECK(scan.reason[i].rule->severity <= scan.verdict);
    }
    if (rule ? !found : scan.verdict != ASSAY_SEVERITY_CLEAN) {
        printf("# %s: %s wanted\n", name, rule ? rule : "clean");
        for (size_t i = 0; i < scan.n_reasons; i++)
            printf("#   %s %s: %s\n", scan.reason[i].rule->id,
                   scan.reason[i].what ? scan.reason[i].what : "-",
                   scan.reason[i].why);
        FAIL("another verdict");
    }
    if (found && what)
        CHECK_STR_EQ(found->what, what);
    assay_scan_release(&scan);
}

static void check_rows(const struct row *row, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        printf("# %s %zu\n", name, i);
        check_bytes(row[i].data, row[i].size, name, row[i].rule, row[i].what);
    }
}

/* A header up to its newline, then the elements. */
#define NPY(descr, data)                   \
    "\x93NUMPY\1\0\x38\0{'descr': '" descr \
    "', 'fortran_order': False, 'shape': (2,)}" data

static const struct row numpy[] = {
    {P(NPY("<f4", "\n\0\0\0\0\0\0\0\0")), NULL, NULL},
    {P("\x93NUMPY\1\0\x38\0{'descr': '|O', 'fortran_order': False, "
       "'shape': (2,)}  " EVIL),
     "numpy-object", NULL},
    {P("\x93NUMPY\1\0\x38\0{'descr': '|O', 'fortran_order': False, "
       "'shape': (2,)}  " EVIL),
     "pickle-dangerous", "os.system"},
    {P(NPY("object", "\n" EVIL)), "numpy-object", NULL},
    {P(NPY("f4,O", "\n" EVIL)), "numpy-object", NULL},
    {P(NPY("=O", "\n" EVIL)), "numpy-object", NULL},
    {P(NPY("<M8[ns]", "\n\0\0\0\0\0\0\0\0")), NULL, NULL},
    {P("\x93NUMPY\1\0\x51\0{'descr': [('Ox', '<f4'), ('y', 'object')], "
       "'fortran_order': False, 'shape': (2,)}" EVIL),
     "numpy-object", NULL},
    {P("\x93NUMPY\1\0\x4e\0{'descr': [('Ox', '<f4'), ('o', '<f4')], "
       "'fortran_order': False, 'shape': (2,)}      " EVIL),
     NULL, NULL},
    {P("\x93NUMPY\1\0\xff\xff{"), "numpy-broken", NULL},
    {P("\x93NUMPY\1\0\x10\0__import__('os')"), "numpy-broken", NULL},
};

static void test_numpy_files_have_their_verdicts(void)
{
    check_rows(numpy, sizeof(numpy) / sizeof(numpy[0]), "a.npy");
}

#define LAYER(text) "{\"config\": {\"layers\": [" text "]}}"

static const struct row keras[] = {
    {P(LAYER("{\"class_name\": \"Dense\", \"module\": \"keras.layers\"}")),
     NULL, NULL},
    {P(LAYER("{\"class_name\": \"Lambda\", \"config\": {}}")), "keras-code",
     "Lambda"},
    {P(LAYER("{\"class_name\": \"\\u004cambda\"}")), "keras-code", "Lambda"},
    {P(LAYER("{\"class_name\": \"__lambda__\"}")), "keras-code", "__lambda__"},
    {P(LAYER("{\"class_name\": \"function\", \"module\": \"os\"}")),
     "keras-code", "function"},
    {P(LAYER("{\"class_name\": \"TFSMLayer\"}")), "keras-code", "TFSMLayer"},
    {P(LAYER("{\"class_name\": \"Dense\", \"module\": \"os\"}")),
     "keras-foreign", "os"},
    {P(LAYER("{\"class_name\": \"f\", \"module\": \"kerasx\"}")),
     "keras-foreign", "kerasx"},
    {P(LAYER("{\"class_name\": \"get_file\", \"module\": \"keras.utils\"}")),
     "keras-foreign", "keras.utils"},
    {P(LAYER("{\"class_name\": \"eval\", \"module\": \"builtins\"}")),
     "keras-foreign", "eval"},
    {P(LAYER("{\"class_name\": \"slice\", \"module\": \"builtins\"}")), NULL,
     NULL},
    {P(LAYER("{\"class_name\": \"N\", \"registered_name\": \"my>N\"}")),
     "keras-custom", "my>N"},
    {P(LAYER("{\"class_name\": \"D\", \"enable_unsafe_deserialization\": 1}")),
     "keras-unsafe", "enable_unsafe_deserialization"},
    {P("{\"class_name\": \"D\", \"x\": \"{\\\"class_name\\\": "
       "\\\"Lambda\\\"}\"}"),
     "keras-code", "Lambda"},
    {P("{\"class_name\": "), "keras-broken", NULL},
};

static void test_keras_configurations_have_their_verdicts(void)
{
    struct zip_member m[] = {{.name = "metadata.json", .data = "{}", .size = 2},
                             {.name = "config.json"}};
    struct zip_bytes z;

    for (size_t i = 0; i < sizeof(keras) / sizeof(keras[0]); i++) {
        char hdf5[1024] = "\x89HDF\r\n\x1a\nxx{y}{\"no";

        printf("# keras %zu\n", i);
        m[1].data = keras[i].data;
        m[1].size = keras[i].size;
        z.size = 0;
        zip_make(&z, m, 2);
        check_bytes(z.data, z.size, "a.keras", keras[i].rule, keras[i].what);
        memcpy(hdf5 + 100, keras[i].data, keras[i].size);
        if (!keras[i].rule || strcmp(keras[i].rule, "keras-broken") != 0)
            check_bytes(hdf5, sizeof(hdf5), "a.h5",
                        keras[i].rule ? keras[i].rule : "keras-broken",
                        keras[i].what);
    }
}

static void test_code_in_hdf5_is_seen_without_json_around_it(void)
{
    check_bytes(P("\x89HDF\r\n\x1a\n...\"class_name\": \"Lambda\", ..."),
                "a.h5", "keras-code", NULL);
    check_bytes(P("\x89HDF\r\n\x1a\n.........."), "a.h5", "keras-broken", NULL);
}

static const char *of_keras(const char *file)
{
    const char *source = getenv("ASSAY_SOURCE");
    static char path[512];

    snprintf(path, sizeof(path), "%s/tests/golden/keras/%s",
             source ? source : ".", file);
    return path;
}

/* Where the file has numbers, `n` bytes at least. */
static unsigned char *numbers_in(const char *path, unsigned char *data,
                                 size_t size, size_t n)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    unsigned char *at = NULL;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, path, &err), err);
    for (size_t i = 0; i < list.n_items && !at; i++) {
        const struct assay_tensor *t = &list.item[i];

        if (assay_shape_count(&t->shape, 1) * assay_dtype_size(t->dtype) >= n)
            at = memmem(data, size, t->data, n);
    }
    CHECK(at != NULL);
    assay_tensors_release(&list);
    return at;
}

/* The configuration is where the tree of the file leads; numbers that happen
 * to look like one are none. */
static void test_configurations_of_hdf5_are_attributes(void)
{
    static const char dense[] = "\"class_name\": \"Dense\"";
    static const char lambda[] = "\"class_name\":\"Lambda\"";
    static const char foreign[] = "{\"class_name\": \"f\", \"module\": \"os\"}";
    const char *path = of_keras("sequential.h5");
    struct assay_error err = {0};
    unsigned char *data = NULL;
    unsigned char *at;
    size_t size = 0;

    CHECK_OK(assay__read_file(path, 1 << 20, &data, &size, &err), err);
    check_bytes(data, size, "a.h5", NULL, NULL);
    at = memmem(data, size, dense, sizeof(dense) - 1);
    CHECK(at != NULL);
    memcpy(at, lambda, sizeof(lambda) - 1);
    check_bytes(data, size, "a.h5", "keras-code", "Lambda");
    memcpy(at, dense, sizeof(dense) - 1);
    memcpy(numbers_in(path, data, size, sizeof(foreign)), foreign,
           sizeof(foreign));
    check_bytes(data, size, "a.h5", NULL, NULL);
    /* Cut, it is not read whole: searched, and told so. */
    check_bytes(data, size - 1, "a.h5", "keras-broken", NULL);
    check_bytes(data, size - 1, "a.h5", "keras-foreign", "os");
    assay__free(data);
}

#define HEADER \
    "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
#define SAFE "\x36\0\0\0\0\0\0\0" HEADER

static const struct row safetensors[] = {
    {P(SAFE "\0\0\0\0"), NULL, NULL},
    {P(SAFE "\0\0\0\0PK"), "safetensors-invalid", NULL},
    {P(SAFE "\0\0\0"), "safetensors-invalid", NULL},
    {P("\xff\xff\xff\xff\0\0\0\0{}"), "safetensors-invalid", NULL},
    {P("\2\0\0\0\0\0\0\0[]"), "safetensors-invalid", NULL},
    {P("\x36\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F99\",\"shape\":[1],"
       "\"data_offsets\":[0,4]}}\0\0\0\0"),
     "safetensors-unknown", NULL},
    {P("\x2f\0\0\0\0\0\0\0{\"__metadata__\":{\"a\":"
       "\"cos\\nsystem\\n(Vls\\ntR.\"}}"),
     "pickle-dangerous", "os.system"},
};

static const struct row indices[] = {
    {P("{\"weight_map\": {\"a\": \"m.safetensors\"}}"), "more-files",
     "m.safetensors"},
    {P("{\"weight_map\": {\"a\": \"../m.safetensors\"}}"), "safetensors-path",
     NULL},
    {P("{\"weight_map\": {\"a\": \"m.pkl\"}}"), "safetensors-path", NULL},
    {P("{\"weight_map\": {}}"), "safetensors-invalid", NULL},
    {P("{"), "safetensors-invalid", NULL},
};

static void test_indices_of_safetensors_have_their_verdicts(void)
{
    check_rows(indices, sizeof(indices) / sizeof(indices[0]),
               "m.safetensors.index.json");
}

static void test_safetensors_have_their_verdicts(void)
{
    check_rows(safetensors, sizeof(safetensors) / sizeof(safetensors[0]),
               "a.safetensors");
}

/* A model of version 7 with the graph `graph` of n bytes. */
#define ONNX(n, graph) "\x08\x07\x3a" n graph
/* Its one weight, of n bytes. */
#define WEIGHT(graph_n, n, tensor) ONNX(graph_n, "\x2a" n tensor)
#define OUTSIDE(graph_n, n, pair_n, path_n, path) \
    WEIGHT(graph_n, n, "\x6a" pair_n "\x0a\x08location\x12" path_n path)

static const struct row onnx[] = {
    {P(ONNX("\0", "")), NULL, NULL},
    {P(WEIGHT("\x06", "\x04", "\x08\x02\x10\x01")), NULL, NULL},
    {P(OUTSIDE("\x13", "\x11", "\x0f", "\x03", "w.b")), NULL, NULL},
    {P(OUTSIDE("\x13", "\x11", "\x0f", "\x03", "/w.")), "onnx-path", "/w."},
    {P(OUTSIDE("\x14", "\x12", "\x10", "\x04", "../w")), "onnx-path", "../w"},
    {P(OUTSIDE("\x16", "\x14", "\x12", "\x06", "a/../w")), "onnx-path",
     "a/../w"},
    {P(OUTSIDE("\x14", "\x12", "\x10", "\x04", "..\\w")), "onnx-path", "..\\w"},
    {P(OUTSIDE("\x12", "\x10", "\x0e", "\x02", "a\0")), "onnx-path", NULL},
    {P(WEIGHT("\x10", "\x0e", "\x6a\x0c\x0a\x06offset\x12\x02-1")),
     "onnx-external", "offset"},
    {P(WEIGHT("\x0f", "\x0d",
              "\x6a\x0b\x0a\x06"
              "script\x12\x01x")),
     "onnx-external", "script"},
    {P(WEIGHT("\x04", "\x02", "\x70\x01")), "onnx-external", "location"},
    {P(WEIGHT("\x0d", "\x0b", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
     "onnx-size", NULL},
    {P(WEIGHT("\x0e", "\x0c",
              "\x0a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x04")),
     "onnx-size", NULL},
    {P(ONNX("\x08", "\x0a\x06\x3a\x04"
                    "evil")),
     "onnx-domain", "evil"},
    {P(ONNX("\x0b", "\x0a\x09\x3a\x07"
                    "ai.onnx")),
     NULL, NULL},
    {P(ONNX("\x0c", "\x0a\x0a\x3a\x08"
                    "ai.onnxx")),
     "onnx-domain", "ai.onnxx"},
    {P(ONNX("\0", "") "\x42\x05\x0a\x03"
                      "com"),
     "onnx-domain", "com"},
    {P(ONNX("\x0a", "\x0a\x08\x2a\x06\x32\x04\x0a\x02\x3a\x00")), NULL, NULL},
    {P(ONNX("\x0b", "\x0a\x09\x2a\x07\x32\x05\x0a\x03\x3a\x01x")),
     "onnx-domain", "x"},
    {P(ONNX("\x05", "\x0a")), "onnx-broken", NULL},
    {P(ONNX("\x02", "\x0a\x05")), "onnx-broken", NULL},
    {P(ONNX("\0", "") "\x72\x18\x0a\x01k\x12\x13" EVIL), "pickle-dangerous",
     "os.system"},
};

static void test_onnx_models_have_their_verdicts(void)
{
    check_rows(onnx, sizeof(onnx) / sizeof(onnx[0]), "a.onnx");
}

static void test_links_beside_an_onnx_model_are_looked_at(void)
{
    static const char model[] = OUTSIDE("\x13", "\x11", "\x0f", "\x03", "w.b");
    static const char with_length[] = WEIGHT(
        "\x22", "\x20",
        "\x6a\x0f\x0a\x08location\x12\x03w.b\x6a\x0d\x0a\x06length\x12\x03"
        "999");
    struct assay_error err = {0};
    struct assay_scan scan;

    check_write_file(check_temp_path("m.onnx"), P(model));
    check_write_file(check_temp_path("w.b"), "1234", 4);
    CHECK_OK(assay_scan_file(&scan, check_temp_path("m.onnx"), &err), err);
    CHECK_INT_EQ(scan.verdict, ASSAY_SEVERITY_CLEAN);
    CHECK_STR_EQ(scan.reason[0].rule->id, "more-files");
    assay_scan_release(&scan);
    check_write_file(check_temp_path("n.onnx"), P(with_length));
    CHECK_OK(assay_scan_file(&scan, check_temp_path("n.onnx"), &err), err);
    CHECK_STR_EQ(scan.reason[0].rule->id, "onnx-external");
    assay_scan_release(&scan);
    CHECK(unlink(check_temp_path("w.b")) == 0);
    CHECK(symlink("/etc/passwd", check_temp_path("w.b")) == 0);
    CHECK_OK(assay_scan_file(&scan, check_temp_path("m.onnx"), &err), err);
    CHECK_STR_EQ(scan.reason[0].rule->id, "onnx-path");
    assay_scan_release(&scan);
}

/* One member and the two empty blocks of a tar's end. */
static size_t make_tar(unsigned char *out, const char *name, char kind,
                       const char *target, const void *data, size_t size)
{
    memset(out, 0, 4096);
    strcpy((char *)out, name);
    snprintf((char *)out + 124, 12, "%011o", (unsigned)size);
    out[156] = (unsigned char)kind;
    strcpy((char *)out + 157, target);
    memcpy(out + 257,
           "ustar\0"
           "00",
           8);
    memcpy(out + 512, data, size);
    return 512 * 4;
}

static const struct {
    const char *name;
    char kind;
    const char *target;
    const char *data;
    const char *rule;
    const char *what;
} tars[] = {
    {"a.bin", '0', "", "numbers", NULL, NULL},
    {"a.bin", '0', "", EVIL, "pickle-dangerous", "os.system"},
    {"../a", '0', "", "x", "zip-path", "../a"},
    {"/a", '0', "", "x", "zip-path", "/a"},
    {"a", '2', "/etc/passwd", "", "zip-link", "a"},
    {"a", '1', "b", "", "zip-link", "a"},
    {"a", '3', "", "", "zip-link", "a"},
    {"a/", '5', "", "", NULL, NULL},
    {"x", 'L', "", "../../long", "zip-path", "../../long"},
    {"x", 'x', "", "18 path=../../pax\n", "zip-path", "../../pax"},
};

static void test_tars_have_their_verdicts(void)
{
    unsigned char tar[4096];

    for (size_t i = 0; i < sizeof(tars) / sizeof(tars[0]); i++) {
        size_t n = make_tar(tar, tars[i].name, tars[i].kind, tars[i].target,
                            tars[i].data, strlen(tars[i].data));

        printf("# tar %zu\n", i);
        check_bytes(tar, n, "a.tar", tars[i].rule, tars[i].what);
    }
    snprintf((char *)tar + 124, 12, "%011o", 9999u);
    check_bytes(tar, 2048, "a.tar", "archive-broken", NULL);
}

/* gzip of EVIL, stored: a header, one block, checksum and size. */
static void test_packed_files_are_unpacked_or_told(void)
{
    static const char text[] = EVIL;
    size_t n = sizeof(text) - 1;
    unsigned char gz[128] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1};
    uint32_t crc = zip_crc(text, n);

    gz[11] = (unsigned char)n;
    gz[13] = (unsigned char)~n;
    gz[14] = 0xff;
    memcpy(gz + 15, text, n);
    for (int i = 0; i < 4; i++)
        gz[15 + n + (size_t)i] = (unsigned char)(crc >> 8 * i);
    gz[19 + n] = (unsigned char)n;
    check_bytes(gz, 23 + n, "a.pkl.gz", "pickle-dangerous", "os.system");
    gz[15 + n] ^= 1;
    check_bytes(gz, 23 + n, "a.pkl.gz", "archive-broken", NULL);
    check_bytes(P("7z\xbc\xaf\x27\x1c\0\0"), "a.7z", "not-opened", "7z");
    check_bytes(P("BZh9xxxx"), "a.bz2", "not-opened", "bzip2");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_numpy_files_have_their_verdicts),
    CHECK_TEST(test_keras_configurations_have_their_verdicts),
    CHECK_TEST(test_code_in_hdf5_is_seen_without_json_around_it),
    CHECK_TEST(test_configurations_of_hdf5_are_attributes),
    CHECK_TEST(test_indices_of_safetensors_have_their_verdicts),
    CHECK_TEST(test_safetensors_have_their_verdicts),
    CHECK_TEST(test_onnx_models_have_their_verdicts),
    CHECK_TEST(test_links_beside_an_onnx_model_are_looked_at),
    CHECK_TEST(test_tars_have_their_verdicts),
    CHECK_TEST(test_packed_files_are_unpacked_or_told),
};

CHECK_MAIN(tests)
