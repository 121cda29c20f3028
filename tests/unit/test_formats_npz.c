/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NPY and NPZ: arrays as NumPy writes them are read, also big-endian and
 * column-major; headers that lie or ask for evaluation are refused; zips
 * are bounded by their own size, their names and their members' kind.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/format.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "formats/format.h"

/* Two arrays of np.savez_compressed: conv1/weight (f4 [2, 3], 0 to 5) and
 * y (i8 [3], 1, 2 and 300). */
static const unsigned char numpy_npz[] = {
    0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
    0x21, 0x00, 0x4f, 0xe9, 0x00, 0x2a, 0x55, 0x00, 0x00, 0x00, 0x98, 0x00,
    0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x63, 0x6f, 0x6e, 0x76, 0x31, 0x2f,
    0x77, 0x65, 0x69, 0x67, 0x68, 0x74, 0x2e, 0x6e, 0x70, 0x79, 0x9b, 0xec,
    0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e, 0x92,
    0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x6e, 0x93, 0x66, 0xa2, 0xae,
    0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f,
    0x94, 0x92, 0x0a, 0x12, 0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17,
    0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a, 0x46, 0x3a, 0x0a, 0xc6, 0x9a,
    0x3a, 0x0a, 0xb5, 0x0a, 0x64, 0x03, 0x2e, 0x06, 0x30, 0x68, 0xb0, 0x07,
    0x12, 0x0e, 0x40, 0x04, 0xc4, 0x0d, 0x40, 0xbc, 0xc0, 0x01, 0x00, 0x50,
    0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21,
    0x00, 0xf2, 0xea, 0x74, 0x08, 0x4d, 0x00, 0x00, 0x00, 0x98, 0x00, 0x00,
    0x00, 0x05, 0x00, 0x00, 0x00, 0x79, 0x2e, 0x6e, 0x70, 0x79, 0x9b, 0xec,
    0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e, 0x92,
    0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x6e, 0x93, 0x69, 0xa1, 0xae,
    0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f,
    0x94, 0x92, 0x0a, 0x12, 0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17,
    0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a, 0xc6, 0x3a, 0x9a, 0x3a, 0x0a,
    0xb5, 0x0a, 0x14, 0x00, 0x2e, 0x46, 0x06, 0x08, 0x60, 0x82, 0xd2, 0x3a,
    0x50, 0x01, 0x00, 0x50, 0x4b, 0x01, 0x02, 0x14, 0x03, 0x14, 0x00, 0x00,
    0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x4f, 0xe9, 0x00, 0x2a, 0x55,
    0x00, 0x00, 0x00, 0x98, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x63, 0x6f, 0x6e, 0x76, 0x31, 0x2f, 0x77, 0x65, 0x69, 0x67, 0x68,
    0x74, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x01, 0x02, 0x14, 0x03, 0x14,
    0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xf2, 0xea, 0x74,
    0x08, 0x4d, 0x00, 0x00, 0x00, 0x98, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x83,
    0x00, 0x00, 0x00, 0x79, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x05, 0x06,
    0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, 0x00, 0x71, 0x00, 0x00, 0x00,
    0xf3, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* A version 1.0 file of this header text and these data; its size. */
static size_t make_npy(unsigned char *out, const char *header, const void *data,
                       size_t size)
{
    static const unsigned char magic[8] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    size_t n = strlen(header);

    memcpy(out, magic, 8);
    out[8] = (unsigned char)n;
    out[9] = (unsigned char)(n >> 8);
    memcpy(out + 10, header, n);
    memcpy(out + 10 + n, data, size);
    return 10 + n + size;
}

static int parse(const void *data, size_t size, struct assay_tensors *list,
                 struct assay_error *err)
{
    unsigned char *copy = assay__malloc(size);
    int rc;

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    assay_tensors_init(list);
    rc = assay__tensors_parse(list, copy, size, NULL, err);
    assay__free(copy);
    return rc;
}

static void check_values(const char *header, const void *data, size_t size,
                         const double *want, size_t n)
{
    unsigned char file[512];
    size_t total = make_npy(file, header, data, size);
    struct assay_error err = {0};
    struct assay_tensors list;

    CHECK_OK(parse(file, total, &list, &err), err);
    CHECK_STR_EQ(list.item[0].name, "arr_0");
    CHECK_UINT_EQ(assay_shape_count(&list.item[0].shape, 1), n);
    for (size_t i = 0; i < n; i++)
        CHECK_NEAR(assay_tensor_value(&list.item[0], i), want[i], 0);
    assay_tensors_release(&list);
}

static void test_byte_orders_and_layouts_give_the_same_array(void)
{
    static const double want[6] = {1, 2, 3, 4, 5, 600};
    static const unsigned char little[12] = {1, 0, 2, 0, 3,    0,
                                             4, 0, 5, 0, 0x58, 2};
    static const unsigned char big[12] = {0, 1, 0, 2, 0, 3,
                                          0, 4, 0, 5, 2, 0x58};
    /* Columns of [[1, 2, 3], [4, 5, 600]] one after the other. */
    static const unsigned char column[12] = {1, 0, 4, 0, 2,    0,
                                             5, 0, 3, 0, 0x58, 2};

    check_values(
        "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }\n", little,
        12, want, 6);
    check_values(
        "{'descr': '>i2', 'fortran_order': False, 'shape': (2, 3), }\n", big,
        12, want, 6);
    check_values("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }\n",
                 column, 12, want, 6);
    check_values(
        "{\"shape\":(2L,3L),\"fortran_order\":False,\"descr\":\"<i2\"}", little,
        12, want, 6);
}

static void test_scalar_and_empty_arrays_are_read(void)
{
    static const double want[1] = {7};

    check_values("{'descr': '|u1', 'fortran_order': False, 'shape': (), }",
                 "\7", 1, want, 1);
    check_values("{'descr': '<f8', 'fortran_order': True, 'shape': (0, 4), }",
                 "", 0, want, 0);
}

static const struct {
    const char *header;
    size_t n_data;
    int code;
    const char *message;
} lies[] = {
    {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8,
     ASSAY_UNSUPPORTED, "byte 20: object arrays"},
    {"{'descr': '|V2', 'fortran_order': False, 'shape': (1,), }", 2,
     ASSAY_UNSUPPORTED, "element type '|V2'"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8,
     ASSAY_UNSUPPORTED, "element type '<c8'"},
    {"{'descr': '|f4', 'fortran_order': False, 'shape': (1,), }", 4,
     ASSAY_UNSUPPORTED, "element type '|f4'"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4,
     ASSAY_UNSUPPORTED, "structured arrays"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4,
     ASSAY_FORMAT, "shape needs 8 bytes of data, the file has 4"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 5,
     ASSAY_FORMAT, "shape needs 4 bytes of data, the file has 5"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4), }", 4,
     ASSAY_FORMAT, "',' after a single dimension"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4,
     ASSAY_FORMAT, "expected a dimension"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1), }", 4,
     ASSAY_LIMIT, "more than 6 dimensions"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': "
     "(99999999999999999999,), }",
     4, ASSAY_LIMIT, "dimension does not fit"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': "
     "(4294967296, 4294967296), }",
     4, ASSAY_LIMIT, "shape asks for over"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,) 'x': 1}", 4,
     ASSAY_FORMAT, "expected ',' or '}'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4,
     ASSAY_FORMAT, "expected descr, fortran_order or shape"},
    {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", 4, ASSAY_FORMAT,
     "key 'descr' occurs twice"},
    {"{'descr': '<f4', 'shape': (1,), }", 4, ASSAY_FORMAT,
     "expected descr, fortran_order and shape"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", 4, ASSAY_FORMAT,
     "expected True or False"},
    {"__import__('os').system('true')", 4, ASSAY_FORMAT, "expected '{'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } or 1", 4,
     ASSAY_FORMAT, "expected nothing after '}'"},
    {"{'descr': '<\\x664', 'fortran_order': False, 'shape': (1,), }", 4,
     ASSAY_FORMAT, "a type in quotes"},
};

static void test_each_lie_of_a_header_is_refused(void)
{
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        unsigned char file[512];
        size_t size =
            make_npy(file, lies[i].header, "\0\0\0\0\0\0\0", lies[i].n_data);
        struct assay_error err = {0};
        struct assay_tensors list;
        int rc = parse(file, size, &list, &err);

        if (rc != lies[i].code)
            printf("# header %zu: %s\n", i, lies[i].header);
        CHECK_INT_EQ(rc, lies[i].code);
        CHECK_STR_HAS(err.msg, lies[i].message);
        CHECK_UINT_EQ(list.n_items, 0);
    }
}

static void test_unknown_version_and_long_header_are_refused(void)
{
    unsigned char file[32] = {0x93, 'N', 'U', 'M', 'P', 'Y', 4, 0};
    struct assay_error err = {0};
    struct assay_tensors list;

    CHECK_FAILS(parse(file, sizeof(file), &list, &err), ASSAY_UNSUPPORTED, err);
    file[6] = 2;
    file[11] = 0x7f;
    CHECK_FAILS(parse(file, sizeof(file), &list, &err), ASSAY_LIMIT, err);
    file[6] = 1;
    file[8] = 40;
    CHECK_FAILS(parse(file, sizeof(file), &list, &err), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "header ends at byte 50, the file at 32");
}

static void test_compressed_file_of_numpy_is_read(void)
{
    struct assay_error err = {0};
    const struct assay_tensor *t;
    struct assay_tensors list;

    CHECK_OK(parse(numpy_npz, sizeof(numpy_npz), &list, &err), err);
    CHECK_UINT_EQ(list.n_items, 2);
    t = assay_tensors_find(&list, "conv1/weight");
    CHECK(t != NULL);
    CHECK_INT_EQ(t->dtype, ASSAY_DTYPE_F32);
    CHECK_INT_EQ(t->shape.dim[1], 3);
    CHECK_NEAR(assay_tensor_value(t, 5), 5, 0);
    t = assay_tensors_find(&list, "y");
    CHECK(t != NULL);
    CHECK_INT_EQ(t->dtype, ASSAY_DTYPE_I64);
    CHECK_NEAR(assay_tensor_value(t, 2), 300, 0);
    assay_tensors_release(&list);
}

static void test_no_prefix_of_a_zip_is_accepted(void)
{
    for (size_t n = 0; n < sizeof(numpy_npz); n++) {
        struct assay_error err = {0};
        struct assay_tensors list;

        CHECK(parse(numpy_npz, n, &list, &err) != 0);
        CHECK(err.msg[0] != '\0');
        CHECK_UINT_EQ(list.n_items, 0);
    }
}

static void test_damaged_member_is_told_by_its_checksum(void)
{
    unsigned char damaged[sizeof(numpy_npz)];
    struct assay_error err = {0};
    struct assay_tensors list;

    memcpy(damaged, numpy_npz, sizeof(damaged));
    damaged[48 + 70] ^= 1; /* within the first member's deflated data */
    CHECK(parse(damaged, sizeof(damaged), &list, &err) != 0);
    CHECK_STR_HAS(err.msg, "conv1/weight.npy");
}

static uint32_t crc32_of(const unsigned char *data, size_t n)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static unsigned char *put(unsigned char *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (unsigned char)(value >> (8 * i));
    return at;
}

/* A zip of one stored member; `method` and `flags` as the zip shall state. */
static size_t make_zip(unsigned char *out, const char *name,
                       const unsigned char *data, size_t size, uint32_t method,
                       uint32_t flags)
{
    uint32_t crc = crc32_of(data, size);
    size_t n = strlen(name);
    unsigned char *at = out;
    unsigned char *directory;

    for (int central = 0; central < 2; central++) {
        directory = at;
        at = put(at, central ? 0x02014b50 : 0x04034b50, 4);
        if (central)
            at = put(at, 20, 2);
        at = put(at, 20, 2);
        at = put(at, flags, 2);
        at = put(at, method, 2);
        at = put(at, 0x00210000, 4);
        at = put(at, crc, 4);
        at = put(at, (uint32_t)size, 4);
        at = put(at, (uint32_t)size, 4);
        at = put(at, (uint32_t)n, 2);
        at = put(at, 0, 2);
        for (int i = 0; central && i < 7; i++)
            at = put(at, 0, 2);
        memcpy(at, name, n);
        at += n;
        if (!central) {
            memcpy(at, data, size);
            at += size;
        }
    }
    n = (size_t)(at - directory);
    size = (size_t)(directory - out);
    at = put(at, 0x06054b50, 4);
    at = put(at, 0, 4);
    at = put(at, 1, 2);
    at = put(at, 1, 2);
    at = put(at, (uint32_t)n, 4);
    at = put(at, (uint32_t)size, 4);
    at = put(at, 0, 2);
    return (size_t)(at - out);
}

static const struct {
    const char *name;
    uint32_t method;
    uint32_t flags;
    int code;
    const char *message;
} members[] = {
    {"ok.npy", 0, 0, ASSAY_OK, ""},
    {"a..b.npy", 0, 0, ASSAY_OK, ""},
    {"../evil.npy", 0, 0, ASSAY_FORMAT, "leaves its folder"},
    {"a/../../evil.npy", 0, 0, ASSAY_FORMAT, "leaves its folder"},
    {"a\\..\\evil.npy", 0, 0, ASSAY_FORMAT, "leaves its folder"},
    {"/etc/evil.npy", 0, 0, ASSAY_FORMAT, "absolute"},
    {"e\x1b[2Jvil.npy", 0, 0, ASSAY_FORMAT, "control bytes"},
    {"data.txt", 0, 0, ASSAY_UNSUPPORTED, "is not a .npy array"},
    {".npy", 0, 0, ASSAY_UNSUPPORTED, "is not a .npy array"},
    {"ok.npy", 12, 0, ASSAY_UNSUPPORTED, "neither stored nor deflated"},
    {"ok.npy", 0, 1, ASSAY_UNSUPPORTED, "encrypted"},
};

static void test_members_are_held_to_name_method_and_kind(void)
{
    unsigned char npy[128];
    size_t size = make_npy(
        npy, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "ab",
        2);

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        unsigned char zip[512];
        size_t n = make_zip(zip, members[i].name, npy, size, members[i].method,
                            members[i].flags);
        struct assay_error err = {0};
        struct assay_tensors list;
        int rc = parse(zip, n, &list, &err);

        if (rc != members[i].code)
            printf("# member %zu: %s: %s\n", i, members[i].name, err.msg);
        CHECK_INT_EQ(rc, members[i].code);
        CHECK_STR_HAS(err.msg, members[i].message);
        CHECK(strchr(err.msg, '\x1b') == NULL);
        assay_tensors_release(&list);
    }
}

static void test_array_larger_than_its_zip_can_hold_is_refused(void)
{
    static const char *const headers[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (9000000,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }",
    };
    static const char *const messages[] = {"the zip states", "the zip states"};

    for (int i = 0; i < 2; i++) {
        unsigned char npy[128];
        unsigned char zip[512];
        struct assay_error err = {0};
        struct assay_tensors list;
        size_t size = make_npy(npy, headers[i], "ab", 2);

        size = make_zip(zip, "x.npy", npy, size, 0, 0);
        CHECK_FAILS(parse(zip, size, &list, &err), ASSAY_FORMAT, err);
        CHECK_STR_HAS(err.msg, messages[i]);
    }
}

static void test_written_npz_is_read_back_and_repeats_its_bytes(void)
{
    const char *paths[2] = {"1.npz", "2.npz"};
    unsigned char *data[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    struct assay_shape shape = assay_shape_make(2, (int64_t)2, (int64_t)3);
    struct assay_shape line = assay_shape_make(1, (int64_t)4);
    static const float values[6] = {1, -2, 3.5f, 0, 1e30f, 6};
    struct assay_error err = {0};
    struct assay_tensors list;

    for (int k = 0; k < 2; k++) {
        struct assay_tensor *t = NULL;

        assay_tensors_init(&list);
        CHECK_OK(
            assay_tensors_add_f32(&list, "w\xc3\xa4/x", &shape, values, &err),
            err);
        CHECK_OK(assay_tensors_add(&list, "y", ASSAY_DTYPE_U8, &line, &t, &err),
                 err);
        memcpy(t->data, "abcd", 4);
        CHECK_OK(assay_tensors_write(&list, check_temp_path(paths[k]), &err),
                 err);
        assay_tensors_release(&list);
        CHECK_OK(assay__read_file(check_temp_path(paths[k]), 1 << 20, &data[k],
                                  &size[k], &err),
                 err);
    }
    CHECK_UINT_EQ(size[0], size[1]);
    CHECK_MEM_EQ(data[0], data[1], size[0]);
    CHECK_OK(parse(data[0], size[0], &list, &err), err);
    CHECK_UINT_EQ(list.n_items, 2);
    CHECK_STR_EQ(list.item[0].name, "w\xc3\xa4/x");
    CHECK_MEM_EQ(list.item[0].data, values, sizeof(values));
    CHECK_STR_EQ(list.item[1].name, "y");
    CHECK_MEM_EQ(list.item[1].data, "abcd", 4);
    assay_tensors_release(&list);
    assay__free(data[0]);
    assay__free(data[1]);
}

static void test_bf16_has_no_place_in_npz(void)
{
    struct assay_shape shape = assay_shape_make(1, (int64_t)2);
    const char *path = check_temp_path("bf16.npz");
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_OK(
        assay_tensors_add(&list, "w", ASSAY_DTYPE_BF16, &shape, NULL, &err),
        err);
    CHECK_FAILS(assay_tensors_write(&list, path, &err), ASSAY_UNSUPPORTED, err);
    CHECK_STR_HAS(err.msg, "NumPy has no BF16");
    CHECK(!assay__exists(path));
    assay_tensors_release(&list);
}

/* Files of two public scanners' test corpora, beside the sources. */
static const struct {
    const char *name;
    int code;
} corpus[] = {
    {"bad/picklescan_dns_exfiltration.npy", ASSAY_UNSUPPORTED},
    {"bad/modelaudit_path_traversal.zip", ASSAY_FORMAT},
    {"bad/picklescan_malicious1.zip", ASSAY_UNSUPPORTED},
    {"bad/picklescan_malicious1_central_directory.zip", ASSAY_FORMAT},
    {"bad/picklescan_malicious1_wrong_ext.zip", ASSAY_UNSUPPORTED},
    {"good/picklescan_int_array.npy", ASSAY_OK},
    {"good/picklescan_bad_pytorch.pt", ASSAY_FORMAT},
};

static void test_real_hostile_files_are_refused(void)
{
    const char *source = getenv("ASSAY_SOURCE");
    char path[512];

    for (size_t i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++) {
        struct assay_error err = {0};
        struct assay_tensors list;

        snprintf(path, sizeof(path), "%s/../shared/data/malicious/%s",
                 source ? source : ".", corpus[i].name);
        if (!assay__exists(path))
            SKIP("../shared/data/malicious is not there");
        assay_tensors_init(&list);
        CHECK_INT_EQ(assay_tensors_read(&list, path, &err), corpus[i].code);
        assay_tensors_release(&list);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_byte_orders_and_layouts_give_the_same_array),
    CHECK_TEST(test_scalar_and_empty_arrays_are_read),
    CHECK_TEST(test_each_lie_of_a_header_is_refused),
    CHECK_TEST(test_unknown_version_and_long_header_are_refused),
    CHECK_TEST(test_compressed_file_of_numpy_is_read),
    CHECK_TEST(test_no_prefix_of_a_zip_is_accepted),
    CHECK_TEST(test_damaged_member_is_told_by_its_checksum),
    CHECK_TEST(test_members_are_held_to_name_method_and_kind),
    CHECK_TEST(test_array_larger_than_its_zip_can_hold_is_refused),
    CHECK_TEST(test_written_npz_is_read_back_and_repeats_its_bytes),
    CHECK_TEST(test_bf16_has_no_place_in_npz),
    CHECK_TEST(test_real_hostile_files_are_refused),
};

CHECK_MAIN(tests)
