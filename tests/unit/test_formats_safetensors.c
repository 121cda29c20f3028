/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors: what is written is read back, bit for bit and to equal
 * bytes; every way in which a header can lie is refused with a message that
 * says where; no prefix of a good file is a good file.
 */

#include <stdio.h>
#include <string.h>

#include "assay/format.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "formats/format.h"

/* Length, header text and `n_data` bytes 0, 1, 2, ...; returns the size. */
static size_t make_file(unsigned char *out, const char *header, size_t n_data)
{
    size_t n = strlen(header);

    memset(out, 0, 8);
    out[0] = (unsigned char)n;
    out[1] = (unsigned char)(n >> 8);
    memcpy(out + 8, header, n);
    for (size_t i = 0; i < n_data; i++)
        out[8 + n + i] = (unsigned char)i;
    return 8 + n + n_data;
}

static int parse(const char *header, size_t n_data, struct assay_error *err)
{
    unsigned char file[4096];
    size_t size = make_file(file, header, n_data);
    struct assay_tensors list;
    int rc;

    assay_tensors_init(&list);
    rc = assay__tensors_parse(&list, file, size, "x.safetensors", err);
    if (rc)
        CHECK_UINT_EQ(list.n_items, 0);
    assay_tensors_release(&list);
    return rc;
}

#define ONE(dtype, shape, offsets)                     \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape \
    ",\"data_offsets\":" offsets "}}"
#define PAIR(first, second)                                           \
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":" first \
    "},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":" second "}}"

static void test_hand_made_file_is_read(void)
{
    const char *header =
        "{\"__metadata__\":{\"k\":\"v\"},"
        "\"b\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":[4,8]},"
        "\"a\":{\"dtype\":\"U8\",\"shape\":[2,2],\"data_offsets\":[0,4]}}   ";
    unsigned char file[512];
    size_t size = make_file(file, header, 8);
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_OK(assay__tensors_parse(&list, file, size, NULL, &err), err);
    CHECK_UINT_EQ(list.n_items, 2);
    CHECK_STR_EQ(list.item[0].name, "b");
    CHECK_INT_EQ(list.item[0].dtype, ASSAY_DTYPE_I16);
    CHECK_NEAR(assay_tensor_value(&list.item[0], 0), 0x0504, 0);
    CHECK_NEAR(assay_tensor_value(&list.item[0], 1), 0x0706, 0);
    CHECK_STR_EQ(list.item[1].name, "a");
    CHECK_INT_EQ(list.item[1].shape.rank, 2);
    CHECK_NEAR(assay_tensor_value(&list.item[1], 3), 3, 0);
    CHECK_STR_EQ(assay_tensors_meta(&list, "k"), "v");
    assay_tensors_release(&list);
}

static const struct {
    const char *header;
    size_t n_data;
    int code;
    const char *message;
} lies[] = {
    {"[]", 0, ASSAY_FORMAT, "byte 8: header does not begin with '{'"},
    {"{\"a\":1}", 0, ASSAY_FORMAT, "byte 9: tensor 'a' is not {dtype"},
    {"{\"a\":{}", 0, ASSAY_FORMAT, "header:"},
    {"{\"a\":\"\xff\"}", 0, ASSAY_FORMAT, "not UTF-8"},
    {"{\"\xc3\x28\":{}}", 0, ASSAY_FORMAT, "not UTF-8"},
    {"{\"a\":[[[[1]]]]}", 0, ASSAY_LIMIT, "byte 15: header nested deeper"},
    {ONE("F32", "[1]", "[0,4]") " x", 4, ASSAY_FORMAT, "header:"},
    {ONE("F32", "[1]", "[0,4]"), 4, ASSAY_OK, ""},
    {ONE("F32", "[]", "[0,4]"), 4, ASSAY_OK, ""},
    {ONE("F32", "[0]", "[0,0]"), 0, ASSAY_OK, ""},
    {ONE("F99", "[1]", "[0,4]"), 4, ASSAY_UNSUPPORTED, "unknown dtype 'F99'"},
    {ONE("F32", "[-1]", "[0,4]"), 4, ASSAY_FORMAT, "dimension 0 is not a size"},
    {ONE("F32", "[1.5]", "[0,4]"), 4, ASSAY_FORMAT, "dimension 0"},
    {ONE("F32", "3", "[0,4]"), 4, ASSAY_FORMAT, "has no shape"},
    {ONE("F32", "[1,1,1,1,1,1,1]", "[0,4]"), 4, ASSAY_LIMIT, "7 dimensions"},
    {ONE("F32", "[4294967296,4294967296,4]", "[0,4]"), 4, ASSAY_LIMIT,
     "shape asks for over"},
    {ONE("F32", "[9223372036854775807]", "[0,4]"), 4, ASSAY_LIMIT,
     "shape asks for over"},
    {ONE("F32", "[2]", "[0,4]"), 4, ASSAY_FORMAT,
     "spans 4 bytes, its shape needs 8"},
    {ONE("F32", "[1]", "[0,8]"), 4, ASSAY_FORMAT, "ends at 8 of 4 bytes"},
    {ONE("F32", "[1]", "[4,0]"), 4, ASSAY_FORMAT, "not [begin, end]"},
    {ONE("F32", "[1]", "[0]"), 4, ASSAY_FORMAT, "not [begin, end]"},
    {ONE("F32", "[1]", "[0,4,8]"), 4, ASSAY_FORMAT, "not [begin, end]"},
    {ONE("F32", "[1]", "[-4,0]"), 4, ASSAY_FORMAT, "not [begin, end]"},
    {ONE("F32", "[1]", "[0,4],\"x\":1"), 4, ASSAY_FORMAT, "is not {dtype"},
    {ONE("F32", "[1]", "[0,4]"), 5, ASSAY_FORMAT, "1 bytes belong to no"},
    {PAIR("[0,4]", "[0,4]"), 4, ASSAY_FORMAT, "'b' overlaps 'a'"},
    {PAIR("[0,4]", "[2,6]"), 8, ASSAY_FORMAT, "overlaps"},
    {PAIR("[0,4]", "[6,10]"), 10, ASSAY_FORMAT, "gap of 2 bytes before"},
    {PAIR("[4,8]", "[8,12]"), 12, ASSAY_FORMAT, "gap of 4 bytes before"},
    {"{\"a\":{},\"a\":{}}", 0, ASSAY_FORMAT, "occurs twice"},
    {"{\"__metadata__\":1}", 0, ASSAY_FORMAT, "is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, ASSAY_FORMAT, "'k' is not text"},
};

static void test_each_lie_is_refused_by_name(void)
{
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct assay_error err = {0};
        int rc = parse(lies[i].header, lies[i].n_data, &err);

        if (rc != lies[i].code)
            printf("# header %zu: %s\n", i, lies[i].header);
        CHECK_INT_EQ(rc, lies[i].code);
        CHECK_STR_HAS(err.msg, lies[i].message);
        if (rc && lies[i].code != ASSAY_UNSUPPORTED)
            CHECK_STR_HAS(err.msg, "byte ");
    }
}

static void test_header_length_beyond_file_or_cap_is_refused(void)
{
    unsigned char file[64] = {60, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_FAILS(assay__tensors_parse(&list, file, 10, NULL, &err), ASSAY_FORMAT,
                err);
    CHECK_STR_HAS(err.msg, "header length 60, but only 2 bytes follow");
    file[7] = 0x80;
    CHECK_FAILS(assay__tensors_parse(&list, file, 10, NULL, &err), ASSAY_LIMIT,
                err);
    CHECK_STR_HAS(err.msg, "over the limit of 100000000");
}

static void test_flood_of_values_is_refused_before_parsing(void)
{
    size_t n = 3 << 20;
    unsigned char *file = assay__malloc(n);
    struct assay_error err = {0};
    struct assay_tensors list;

    CHECK(file != NULL);
    memset(file, '0', n);
    for (size_t i = 13; i < n; i += 2)
        file[i] = ',';
    memset(file, 0, 8);
    for (int i = 0; i < 4; i++)
        file[i] = (unsigned char)((n - 8) >> (8 * i));
    memcpy(file + 8, "{\"a\":[", 6);
    assay_tensors_init(&list);
    CHECK_FAILS(assay__tensors_parse(&list, file, n, NULL, &err), ASSAY_LIMIT,
                err);
    CHECK_STR_HAS(err.msg, "values");
    assay__free(file);
}

/* A header with a name of n bytes. */
static int parse_name(const char *before, size_t n, const char *after,
                      struct assay_error *err)
{
    char name[1100];
    char header[1300];

    memset(name, 'a', n);
    name[n] = '\0';
    snprintf(header, sizeof(header), "{%s\"%s\"%s}", before, name, after);
    return parse(header, 4, err);
}

static void test_long_names_are_refused(void)
{
    static const char tensor[] =
        ":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}";
    static const char meta[] = "\"__metadata__\":{";
    static const char rest[] = ":\"v\"},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
                               "\"data_offsets\":[0,4]}";
    struct assay_error err = {0};

    CHECK_OK(parse_name("", 1024, tensor, &err), err);
    CHECK_FAILS(parse_name("", 1025, tensor, &err), ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "byte 9: the name 'aaa");
    CHECK_STR_HAS(err.msg, "has 1025 bytes, limit 1024");
    CHECK_OK(parse_name(meta, 1024, rest, &err), err);
    CHECK_FAILS(parse_name(meta, 1025, rest, &err), ASSAY_LIMIT, err);
}

static void add(struct assay_tensors *list, const char *name,
                enum assay_dtype dtype, struct assay_shape shape)
{
    struct assay_tensor *t = NULL;
    struct assay_error err = {0};
    unsigned char *bytes;

    CHECK_OK(assay_tensors_add(list, name, dtype, &shape, &t, &err), err);
    bytes = t->data;
    for (size_t i = 0;
         i < assay_shape_count(&shape, 1) * assay_dtype_size(dtype); i++)
        bytes[i] = (unsigned char)(i * 7 + strlen(name));
}

/* A tensor of each element type, odd sizes first, and two odd names. */
static void fill(struct assay_tensors *list)
{
    for (int d = ASSAY_DTYPE_COUNT - 1; d >= 0; d--)
        add(list, assay_dtype_name((enum assay_dtype)d), (enum assay_dtype)d,
            assay_shape_make(2, (int64_t)3, (int64_t)(d + 1)));
    add(list, "scalar \"quoted\"\n", ASSAY_DTYPE_F32, assay_shape_make(0));
    add(list, "leer \xc3\xa4", ASSAY_DTYPE_F64,
        assay_shape_make(2, (int64_t)0, (int64_t)5));
}

static void read_all(const char *path, unsigned char **data, size_t *size)
{
    struct assay_error err = {0};

    CHECK_OK(assay__read_file(path, 1 << 20, data, size, &err), err);
}

static void test_round_trip_keeps_order_types_and_bytes(void)
{
    const char *path = check_temp_path("a.safetensors");
    struct assay_error err = {0};
    struct assay_tensors back;
    struct assay_tensors list;

    assay_tensors_init(&list);
    assay_tensors_init(&back);
    fill(&list);
    CHECK_OK(assay_tensors_set_meta(&list, "z", "last", &err), err);
    CHECK_OK(assay_tensors_set_meta(&list, "a", "\xe2\x82\xac \"1\"", &err),
             err);
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    CHECK_OK(assay_tensors_read(&back, path, &err), err);

    CHECK_UINT_EQ(back.n_items, list.n_items);
    for (size_t i = 0; i < list.n_items; i++) {
        const struct assay_tensor *a = &list.item[i];
        const struct assay_tensor *b = &back.item[i];

        CHECK_STR_EQ(b->name, a->name);
        CHECK_INT_EQ(b->dtype, a->dtype);
        CHECK(assay_shape_equal(&b->shape, &a->shape));
        CHECK_MEM_EQ(b->data, a->data,
                     assay_shape_count(&a->shape, 1) *
                         assay_dtype_size(a->dtype));
    }
    CHECK_STR_EQ(assay_tensors_meta(&back, "a"), "\xe2\x82\xac \"1\"");
    CHECK_STR_EQ(assay_tensors_meta(&back, "z"), "last");
    assay_tensors_release(&list);
    assay_tensors_release(&back);
}

static void test_equal_content_gives_equal_bytes(void)
{
    const char *order[2][2] = {{"one", "two"}, {"two", "one"}};
    const char *paths[2] = {"1.safetensors", "2.safetensors"};
    unsigned char *data[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    struct assay_error err = {0};

    for (int k = 0; k < 2; k++) {
        struct assay_tensors list;

        assay_tensors_init(&list);
        fill(&list);
        for (int i = 0; i < 2; i++)
            CHECK_OK(assay_tensors_set_meta(&list, order[k][i], "x", &err),
                     err);
        CHECK_OK(assay_tensors_write(&list, check_temp_path(paths[k]), &err),
                 err);
        assay_tensors_release(&list);
        read_all(check_temp_path(paths[k]), &data[k], &size[k]);
    }
    CHECK_UINT_EQ(size[0], size[1]);
    CHECK_MEM_EQ(data[0], data[1], size[0]);
    CHECK_UINT_EQ((8 + (data[0][0] | (size_t)data[0][1] << 8)) % 64, 0);
    assay__free(data[0]);
    assay__free(data[1]);
}

static void test_no_prefix_of_a_file_is_accepted(void)
{
    struct assay_error err = {0};
    unsigned char *data = NULL;
    struct assay_tensors list;
    size_t size = 0;

    assay_tensors_init(&list);
    fill(&list);
    CHECK_OK(assay_tensors_write(&list, check_temp_path("t.safetensors"), &err),
             err);
    assay_tensors_release(&list);
    read_all(check_temp_path("t.safetensors"), &data, &size);

    for (size_t n = 0; n < size; n++) {
        /* A copy of its own size, so that a read past it is seen. */
        unsigned char *cut = assay__malloc(n);

        CHECK(cut != NULL);
        memcpy(cut, data, n);
        err.msg[0] = '\0';
        CHECK(assay__tensors_parse(&list, cut, n, "t.safetensors", &err) != 0);
        CHECK_STR_HAS(err.msg, "byte ");
        CHECK_UINT_EQ(list.n_items, 0);
        assay__free(cut);
    }
    assay__free(data);
}

static void test_reserved_name_cannot_be_written(void)
{
    const char *path = check_temp_path("reserved.safetensors");
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    add(&list, "__metadata__", ASSAY_DTYPE_U8, assay_shape_make(1, (int64_t)1));
    CHECK_FAILS(assay_tensors_write(&list, path, &err), ASSAY_ARG, err);
    CHECK(!assay__exists(path));
    assay_tensors_release(&list);
}

static int lies_in_file(const struct assay_tensors *list,
                        const struct assay_tensor *t)
{
    const char *map = list->map;
    const char *data = t->data;

    return map && data >= map && data < map + list->map_bytes;
}

/* Weights stay where they are in the file, and what is written to them stays
 * out of it; data that are not aligned are copied. */
static void test_weights_are_mapped_and_the_file_is_safe(void)
{
    static const char *const headers[] = {
        "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ",
        "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} "};
    const float values[] = {1.5f, -2};

    for (int aligned = 1; aligned >= 0; aligned--) {
        const char *header = headers[!aligned];
        size_t n = strlen(header);
        unsigned char file[256] = {0};
        struct assay_error err = {0};
        struct assay_tensors list;
        struct assay_tensors again;
        const char *path = check_temp_path("mapped.safetensors");

        file[0] = (unsigned char)n;
        memcpy(file + 8, header, n);
        memcpy(file + 8 + n, values, sizeof(values));
        check_write_file(path, (const char *)file, 8 + n + sizeof(values));
        assay_tensors_init(&list);
        assay_tensors_init(&again);
        CHECK_OK(assay_tensors_read(&list, path, &err), err);
        CHECK_INT_EQ(lies_in_file(&list, &list.item[0]), (8 + n) % 4 == 0);
        CHECK_MEM_EQ(list.item[0].data, values, sizeof(values));
        ((float *)list.item[0].data)[0] = 9;
        CHECK_OK(assay_tensors_read(&again, path, &err), err);
        CHECK_MEM_EQ(again.item[0].data, values, sizeof(values));
        assay_tensors_release(&again);
        assay_tensors_release(&list);
    }
}

static void test_missing_and_foreign_files_are_told_apart(void)
{
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_FAILS(assay_tensors_read(&list, check_temp_path("none"), &err),
                ASSAY_IO, err);
    check_write_file(check_temp_path("text"), "hello, world", 12);
    CHECK_FAILS(assay_tensors_read(&list, check_temp_path("text"), &err),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg,
                  "not a safetensors, NPZ, NPY, PyTorch, HDF5 or Keras file");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_hand_made_file_is_read),
    CHECK_TEST(test_each_lie_is_refused_by_name),
    CHECK_TEST(test_header_length_beyond_file_or_cap_is_refused),
    CHECK_TEST(test_flood_of_values_is_refused_before_parsing),
    CHECK_TEST(test_long_names_are_refused),
    CHECK_TEST(test_round_trip_keeps_order_types_and_bytes),
    CHECK_TEST(test_equal_content_gives_equal_bytes),
    CHECK_TEST(test_no_prefix_of_a_file_is_accepted),
    CHECK_TEST(test_reserved_name_cannot_be_written),
    CHECK_TEST(test_weights_are_mapped_and_the_file_is_safe),
    CHECK_TEST(test_missing_and_foreign_files_are_told_apart),
};

CHECK_MAIN(tests)
