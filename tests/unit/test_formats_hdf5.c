/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HDF5 and Keras's files as tensors: numbers of all types and layouts that
 * h5py writes come out as they went in; a file that is cut, or lies about any
 * of its parts, is refused with the words for it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/format.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "formats/format.h"
#include "formats/hdf5.h"

static const char *path_of(const char *name)
{
    static char path[512];
    const char *source = getenv("ASSAY_SOURCE");

    snprintf(path, sizeof(path), "%s/tests/golden/keras/%s",
             source ? source : ".", name);
    return path;
}

static unsigned char *load(const char *name, size_t *size)
{
    struct assay_error err = {0, ""};
    unsigned char *data = NULL;

    CHECK_OK(assay__read_file(path_of(name), 1 << 20, &data, size, &err), err);
    return data;
}

/* Parse a copy of exactly that size, so that a read past it is seen. */
static int parse(const unsigned char *data, size_t size,
                 struct assay_tensors *list, struct assay_error *err)
{
    unsigned char *copy = malloc(size ? size : 1);
    int rc;

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    assay_tensors_init(list);
    rc = assay__tensors_parse(list, copy, size, "x.h5", err);
    free(copy);
    return rc;
}

/* --- what is read --------------------------------------------------------- */

static void check_numbers(const struct assay_tensors *list, const char *name,
                          enum assay_dtype dtype, int n, int shift)
{
    const struct assay_tensor *t = assay_tensors_find(list, name);

    CHECK(t != NULL);
    CHECK_INT_EQ(t->dtype, dtype);
    CHECK_UINT_EQ(assay_shape_count(&t->shape, 1), n);
    for (int i = 0; i < n; i++)
        CHECK_NEAR(assay_tensor_value(t, (size_t)i), i % 100 - shift, 0);
}

static void test_all_types_and_layouts(void)
{
    struct assay_error err = {0, ""};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, path_of("tensors.h5"), &err), err);
    CHECK_UINT_EQ(list.n_items, 17);
    check_numbers(&list, "u1", ASSAY_DTYPE_U8, 35, 0);
    check_numbers(&list, "i1", ASSAY_DTYPE_I8, 35, 9);
    check_numbers(&list, "u2", ASSAY_DTYPE_U16, 35, 0);
    check_numbers(&list, "i2", ASSAY_DTYPE_I16, 35, 9);
    check_numbers(&list, "u4", ASSAY_DTYPE_U32, 35, 0);
    check_numbers(&list, "i4", ASSAY_DTYPE_I32, 35, 9);
    check_numbers(&list, "u8", ASSAY_DTYPE_U64, 35, 0);
    check_numbers(&list, "i8", ASSAY_DTYPE_I64, 35, 9);
    check_numbers(&list, "f2", ASSAY_DTYPE_F16, 35, 9);
    check_numbers(&list, "f4", ASSAY_DTYPE_F32, 35, 9);
    check_numbers(&list, "f8", ASSAY_DTYPE_F64, 35, 9);
    check_numbers(&list, "odd", ASSAY_DTYPE_F32, 35, 0);
    check_numbers(&list, "odd.gz", ASSAY_DTYPE_F64, 35, 0);
    check_numbers(&list, "odd.shuffle", ASSAY_DTYPE_I16, 35, 0);
    check_numbers(&list, "cube", ASSAY_DTYPE_F64, 60, 0);
    check_numbers(&list, "compact", ASSAY_DTYPE_F32, 35, 0);
    CHECK_INT_EQ(assay_tensors_find(&list, "scalar")->shape.rank, 0);
    CHECK_NEAR(assay_tensor_value(assay_tensors_find(&list, "scalar"), 0), 2.5,
               0);
    assay_tensors_release(&list);
}

static void check_names(const char *file, const char *name, int rank,
                        size_t n_items)
{
    struct assay_error err = {0, ""};
    const struct assay_tensor *t;
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, path_of(file), &err), err);
    CHECK_UINT_EQ(list.n_items, n_items);
    t = assay_tensors_find(&list, name);
    CHECK(t != NULL);
    CHECK_INT_EQ(t->shape.rank, rank);
    assay_tensors_release(&list);
}

static void test_models_have_named_weights(void)
{
    check_names("sequential.h5", "conv/kernel", 4, 12);
    check_names("sequential.h5", "norm/moving_variance", 1, 12);
    check_names("functional.h5", "sep/pointwise_kernel", 4, 7);
    check_names("sequential.keras", "conv2d/0", 4, 11);
    check_names("sequential.keras", "dense/1", 1, 11);
    check_names("functional.keras", "conv2d_2/1", 1, 6);
}

static void test_attributes_are_texts(void)
{
    struct assay_error err = {0, ""};
    struct assay__span *names = NULL;
    struct assay__span text;
    struct assay__hdf5 h;
    size_t size = 0;
    unsigned char *data = load("sequential.h5", &size);
    int n = 0;
    int top;

    CHECK_OK(assay__hdf5_open(&h, data, size, &err), err);
    CHECK_OK(assay__hdf5_text(&h, 0, "keras_version", &text, &err), err);
    CHECK(assay__span_is(text, "2.1.6"));
    CHECK_OK(assay__hdf5_text(&h, 0, "nothing", &text, &err), err);
    CHECK(text.text == NULL);
    top = assay__hdf5_find_text(&h, 0, "model_weights");
    CHECK(top > 0);
    CHECK_OK(assay__hdf5_texts(&h, top, "layer_names", &names, &n, &err), err);
    CHECK_INT_EQ(n, 9);
    CHECK(assay__span_is(names[8], "scores"));
    assay__free(names);
    CHECK_INT_EQ(assay__hdf5_find_text(&h, top, "conv/con"), -1);
    CHECK(assay__hdf5_is_dataset(
        &h, assay__hdf5_find_text(&h, top, "conv/conv/kernel:0")));
    assay__hdf5_close(&h);
    assay__free(data);
}

/* --- what is refused ------------------------------------------------------ */

static void test_every_cut_is_refused(void)
{
    static const char *const files[] = {"tensors.h5", "functional.keras"};

    for (int f = 0; f < 2; f++) {
        size_t size = 0;
        unsigned char *data = load(files[f], &size);

        for (size_t n = 0; n < size; n++) {
            struct assay_error err = {0, ""};
            struct assay_tensors list;

            CHECK(parse(data, n, &list, &err) != ASSAY_OK);
            CHECK(err.msg[0] != '\0');
            CHECK_UINT_EQ(list.n_items, 0);
        }
        assay__free(data);
    }
}

/* Cut behind what the superblock says: each part must notice by itself. */
static void test_every_cut_that_the_superblock_denies(void)
{
    size_t size = 0;
    unsigned char *data = load("tensors.h5", &size);

    for (size_t n = 96; n < size; n++) {
        struct assay_error err = {0, ""};
        struct assay_tensors list;
        int rc;

        for (int i = 0; i < 8; i++)
            data[40 + i] = (unsigned char)((uint64_t)n >> 8 * i);
        rc = parse(data, n, &list, &err);
        CHECK(rc == ASSAY_OK || err.msg[0] != '\0');
        assay_tensors_release(&list);
    }
    assay__free(data);
}

/* A lie: `bytes` put `skip` behind the first `mark` that stands behind
 * `after` (an offset), and the words it must give. */
struct lie {
    const char *mark;
    size_t n_mark;
    size_t after;
    int skip;
    const char *bytes;
    size_t n;
    int code;
    const char *words;
};

static void tell(const unsigned char *good, size_t size, const struct lie *lie)
{
    struct assay_error err = {0, ""};
    struct assay_tensors list;
    unsigned char *data = malloc(size);
    const unsigned char *at;

    CHECK(data != NULL);
    memcpy(data, good, size);
    at = memmem(data + lie->after, size - lie->after, lie->mark, lie->n_mark);
    CHECK(at != NULL);
    memcpy(data + (at - data) + lie->skip, lie->bytes, lie->n);
    if (parse(data, size, &list, &err) != lie->code ||
        !strstr(err.msg, lie->words))
        printf("# %s %+d: %s\n", lie->mark, lie->skip, err.msg);
    CHECK_INT_EQ(err.code, lie->code);
    CHECK_STR_HAS(err.msg, lie->words);
    free(data);
}

#define MARK(text) text, sizeof(text) - 1
#define FAR "\xf0\xff\xff\xff\xff\xff\xff\x7f"
#define NOWHERE "\xff\xff\xff\xff\xff\xff\xff\xff"

/* Of tensors.h5: the superblock, then the root's header at 96. */
static const struct lie lies[] = {
    {MARK("\x89HDF"), 0, 8, MARK("\x04"), ASSAY_UNSUPPORTED,
     "byte 8: superblock of version 4; 0 to 3 are supported"},
    {MARK("\x89HDF"), 0, 13, MARK("\x04"), ASSAY_UNSUPPORTED,
     "byte 13: offsets of 4 and lengths of 8 bytes"},
    {MARK("\x89HDF"), 0, 24, MARK("\x01"), ASSAY_UNSUPPORTED,
     "the superblock counts from byte 1"},
    {MARK("\x89HDF"), 0, 40, MARK(FAR), ASSAY_FORMAT,
     "the superblock says that the file has"},
    {MARK("\x89HDF"), 0, 64, MARK(FAR), ASSAY_FORMAT, "beyond the file"},
    {MARK("\x89HDF"), 0, 64, MARK("\x00\x00"), ASSAY_FORMAT,
     "byte 0: no object header, it begins with 0x89"},
    {MARK("\x01\x00"), 96, 2, MARK("\xff"), ASSAY_FORMAT,
     "an object header of 255 messages has"},
    {MARK("\x01\x00"), 96, 8, MARK("\xff\xff\xff\x7f"), ASSAY_FORMAT,
     "bytes of an object header lie beyond the file"},
    {MARK("\x11\x00\x10\x00"), 96, 4, MARK("\x02"), ASSAY_UNSUPPORTED,
     "a shared message (type 17) is not supported"},
    {MARK("\x11\x00\x10\x00"), 96, 2, MARK("\xf0\xff"), ASSAY_FORMAT,
     "a message of an object header ends too early"},
    {MARK("\x11\x00\x10\x00"), 96, 8, MARK(FAR), ASSAY_FORMAT,
     "a B-tree ends too early"},
    {MARK("\x11\x00\x10\x00"), 96, 16, MARK(FAR), ASSAY_FORMAT,
     "a local heap ends too early"},
    {MARK("\x11\x00\x10\x00"), 96, 0, MARK("\x07"), ASSAY_UNSUPPORTED,
     "its numbers lie in other files"},
    {MARK("TREE"), 96, 0, MARK("tree"), ASSAY_FORMAT, "no B-tree of kind 0"},
    {MARK("TREE"), 96, 4, MARK("\x01"), ASSAY_FORMAT, "no B-tree of kind 0"},
    {MARK("TREE"), 96, 5, MARK("\x20"), ASSAY_FORMAT,
     "a B-tree node of level 32"},
    {MARK("TREE"), 96, 5, MARK("\x01"), ASSAY_FORMAT, "no B-tree of kind 0"},
    {MARK("TREE"), 96, 6, MARK("\xff\xff"), ASSAY_FORMAT,
     "a B-tree node ends too early"},
    {MARK("TREE"), 96, 32, MARK(FAR), ASSAY_FORMAT,
     "a symbol table node ends too early"},
    {MARK("HEAP"), 96, 4, MARK("\x01"), ASSAY_FORMAT,
     "no local heap of version 0"},
    {MARK("HEAP"), 96, 8, MARK(FAR), ASSAY_FORMAT, "a local heap of"},
    {MARK("SNOD"), 96, 4, MARK("\x02"), ASSAY_FORMAT,
     "no symbol table node of version 1"},
    {MARK("SNOD"), 96, 6, MARK("\xff\xff"), ASSAY_FORMAT,
     "a symbol table node ends too early"},
    {MARK("SNOD"), 96, 8, MARK(FAR), ASSAY_FORMAT, "a name at"},
    {MARK("SNOD"), 96, 16, MARK(FAR), ASSAY_FORMAT, "beyond the file"},
    {MARK("SNOD"), 96, 24, MARK("\x02"), ASSAY_UNSUPPORTED,
     "a soft link is not supported"},
    {MARK("SNOD"), 96, 16, MARK("\x60\x00\x00\x00\x00\x00\x00\x00"),
     ASSAY_FORMAT, "is used a second time"},
    {MARK("compact\0"), 96, 2, MARK("/"), ASSAY_FORMAT,
     "a name holds the byte 0x2f"},
    {MARK("compact\0"), 96, 0, MARK("\0"), ASSAY_FORMAT, "a name of 0 bytes"},
    {MARK("cube\0"), 96, 0, MARK("odd\0"), ASSAY_FORMAT,
     "'odd' occurs twice in its group"},
    /* Datatypes: class, bits, size. */
    {MARK("\x11\x20\x1f\x00\x04"), 96, 0, MARK("\x16"), ASSAY_UNSUPPORTED,
     "of the type structure, which is not supported"},
    {MARK("\x11\x20\x1f\x00\x04"), 96, 0, MARK("\x13"), ASSAY_UNSUPPORTED,
     "of the type text"},
    {MARK("\x11\x20\x1f\x00\x04"), 96, 1, MARK("\x21"), ASSAY_UNSUPPORTED,
     "big-endian float"},
    {MARK("\x11\x20\x1f\x00\x04"), 96, 0, MARK("\x51"), ASSAY_FORMAT,
     "a datatype of version 5"},
    {MARK("\x11\x20\x1f\x00\x04"), 96, 4, MARK("\x00"), ASSAY_FORMAT,
     "and 0 bytes"},
    {MARK("\x11\x20\x1f\x00\x04"), 96, 13, MARK("\x07"), ASSAY_UNSUPPORTED,
     "float of odd layout"},
    {MARK("\x10\x08\x00\x00\x04"), 96, 1, MARK("\x09"), ASSAY_UNSUPPORTED,
     "big-endian integer"},
    {MARK("\x10\x08\x00\x00\x04"), 96, 4, MARK("\x03"), ASSAY_UNSUPPORTED,
     "integer of odd size"},
    /* A dataspace of rank 2, 5 by 7. */
    {MARK("\x01\x02\x01\x00\x00\x00\x00\x00\x05"), 96, 0, MARK("\x03"),
     ASSAY_UNSUPPORTED, "a dataspace of version 3"},
    {MARK("\x01\x02\x01\x00\x00\x00\x00\x00\x05"), 96, 1, MARK("\x20"),
     ASSAY_UNSUPPORTED, "32 dimensions; at most 6"},
    {MARK("\x01\x02\x01\x00\x00\x00\x00\x00\x05"), 96, 8, MARK(FAR),
     ASSAY_LIMIT, "too many numbers"},
    {MARK("\x01\x02\x01\x00\x00\x00\x00\x00\x05"), 96, 8, MARK("\x06"),
     ASSAY_FORMAT, "by its shape"},
    /* Layouts: contiguous of 35 bytes, chunks of 3 dimensions. */
    {MARK("\x03\x01"), 96, 0, MARK("\x01"), ASSAY_UNSUPPORTED,
     "layout of version 1 is not supported"},
    {MARK("\x03\x02\x03"), 96, 1, MARK("\x03"), ASSAY_UNSUPPORTED,
     "a virtual layout"},
    {MARK("\x03\x02\x03"), 96, 0, MARK("\x04"), ASSAY_UNSUPPORTED,
     "a chunked layout of version 4"},
    {MARK("\x03\x02\x03"), 96, 2, MARK("\x04"), ASSAY_FORMAT,
     "chunks of rank 4 of a dataset of rank 2"},
    {MARK("\x03\x02\x03"), 96, 3, MARK(NOWHERE), ASSAY_UNSUPPORTED,
     "chunks are there; all must be"},
    {MARK("\x03\x02\x03"), 96, 11, MARK("\0\0\0\0"), ASSAY_FORMAT,
     "chunks that no such dataset has"},
    {MARK("\x03\x02\x03"), 96, 19, MARK("\x05"), ASSAY_FORMAT,
     "chunks that no such dataset has"},
    /* Filters: deflate. */
    {MARK("deflate\0"), 96, -8, MARK("\x20"), ASSAY_UNSUPPORTED,
     "the filter 32 is not supported; deflate and shuffle are"},
};

static void test_lies_are_told(void)
{
    size_t size = 0;
    unsigned char *data = load("tensors.h5", &size);

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        tell(data, size, &lies[i]);
    assay__free(data);
}

/* Whatever byte is turned: an answer, and no harm. */
static void test_turned_bytes_do_no_harm(void)
{
    static const char *const files[] = {"tensors.h5", "functional.keras"};

    for (int f = 0; f < 2; f++) {
        size_t size = 0;
        unsigned char *data = load(files[f], &size);

        for (size_t i = 0; i < size; i++) {
            struct assay_error err = {0, ""};
            struct assay_tensors list;
            unsigned char was = data[i];

            data[i] = (unsigned char)(was ^ (1U << i % 8));
            if (parse(data, size, &list, &err) != ASSAY_OK)
                CHECK(err.msg[0] != '\0');
            assay_tensors_release(&list);
            data[i] = was;
        }
        assay__free(data);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_all_types_and_layouts),
    CHECK_TEST(test_models_have_named_weights),
    CHECK_TEST(test_attributes_are_texts),
    CHECK_TEST(test_every_cut_is_refused),
    CHECK_TEST(test_every_cut_that_the_superblock_denies),
    CHECK_TEST(test_lies_are_told),
    CHECK_TEST(test_turned_bytes_do_no_harm),
};
CHECK_MAIN(tests)
