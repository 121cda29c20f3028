/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datasets that are described rather than packed: tables of text (CSV),
 * image folders and NPZ arrays.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/dataset.h"
#include "assay/format.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/csv.h"
#include "data/data.h"
#include "data/image.h"

static int parse(struct assay__csv *csv, const char *text,
                 struct assay_error *err)
{
    size_t n = strlen(text);
    unsigned char *copy = assay__malloc(n);
    int rc;

    CHECK(copy != NULL);
    memcpy(copy, text, n);
    rc = assay__csv_parse(csv, copy, n, err);
    assay__free(copy);
    return rc;
}

static void test_fields_are_unquoted_and_lines_may_end_either_way(void)
{
    const char *text = "\xef\xbb\xbf"
                       "file,\"the \"\"label\"\"\",note\r\n"
                       "a.png,\"x,y\",\n"
                       "\r\n"
                       "\"b\nc\",,\"\"";
    struct assay_error err = {0};
    struct assay__csv csv;

    CHECK_OK(parse(&csv, text, &err), err);
    CHECK_UINT_EQ(csv.n_columns, 3);
    CHECK_UINT_EQ(csv.n_rows, 2);
    CHECK_STR_EQ(assay__csv_header(&csv, 0), "file");
    CHECK_STR_EQ(assay__csv_header(&csv, 1), "the \"label\"");
    CHECK_STR_EQ(assay__csv_cell(&csv, 0, 0), "a.png");
    CHECK_STR_EQ(assay__csv_cell(&csv, 0, 1), "x,y");
    CHECK_STR_EQ(assay__csv_cell(&csv, 0, 2), "");
    CHECK_STR_EQ(assay__csv_cell(&csv, 1, 0), "b\nc");
    CHECK_STR_EQ(assay__csv_cell(&csv, 1, 2), "");
    CHECK_UINT_EQ(assay__csv_find(&csv, "note"), 2);
    CHECK(assay__csv_find(&csv, "none") == SIZE_MAX);
    assay__csv_release(&csv);
}

static const struct {
    const char *text;
    const char *message;
} bad_tables[] = {
    {"", "no header line"},
    {"\n\r\n", "no header line"},
    {"a,b\n1\n", "line 2: 1 fields, the header has 2"},
    {"a,b\n1,2\n\n1,2,3\n", "line 4: 3 fields, the header has 2"},
    {"a,\"b\n1,2\n", "line 1: quote is never closed"},
    {"a,b\n\"1\"x,2\n", "line 2: text after a closing quote"},
};

static void test_bad_tables_name_their_line(void)
{
    for (size_t i = 0; i < sizeof(bad_tables) / sizeof(bad_tables[0]); i++) {
        struct assay_error err = {0};
        struct assay__csv csv;

        CHECK_FAILS(parse(&csv, bad_tables[i].text, &err), ASSAY_FORMAT, err);
        CHECK_STR_HAS(err.msg, bad_tables[i].message);
    }
}

static void test_nul_means_no_text(void)
{
    struct assay_error err = {0};
    struct assay__csv csv;

    CHECK_FAILS(assay__csv_parse(&csv, (const unsigned char *)"a\0b", 3, &err),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "byte 1");
}

static void test_categories_are_sorted_by_value_or_by_bytes(void)
{
    static const struct {
        const char *text;
        int n;
        const char *names[4];
        int value[4];
    } columns[] = {
        {"c\n10\n9\n-1\n9\n", 3, {"-1", "9", "10"}, {2, 1, 0, 1}},
        {"c\nb\n10\n9\nb\n", 3, {"10", "9", "b"}, {2, 0, 1, 2}},
        {"c,d\n7,\n,\n3,\n7,\n", 3, {"3", "7", "missing"}, {1, 2, 0, 1}},
    };

    for (size_t k = 0; k < sizeof(columns) / sizeof(columns[0]); k++) {
        int32_t value[4];
        struct assay__attribute attribute = {.name = NULL, .value = value};
        struct assay_error err = {0};
        struct assay__csv csv;

        CHECK_OK(parse(&csv, columns[k].text, &err), err);
        CHECK_OK(assay__csv_categories(&attribute, &csv, 0, 4, &err), err);
        CHECK_INT_EQ(attribute.cardinality, columns[k].n);
        for (int i = 0; i < columns[k].n; i++)
            CHECK_STR_EQ(attribute.value_name[i], columns[k].names[i]);
        for (int i = 0; i < 4; i++)
            CHECK_INT_EQ(value[i], columns[k].value[i]);
        assay__names_free(attribute.value_name, (size_t)attribute.cardinality);
        assay__csv_release(&csv);
    }
}

/* A flat PNG of one size and colour, at folder/name. */
static void put_png(const char *folder, const char *name, int channels, int h,
                    int w, int value)
{
    uint8_t pixels[3 * 64];
    struct assay__image image = {channels, h, w, pixels};
    struct assay_error err = {0};
    unsigned char *png = NULL;
    char path[512];
    size_t size = 0;

    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(value + (int)(i / (size_t)(h * w)));
    CHECK_OK(assay__png_write(&png, &size, &image, &err), err);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    check_write_file(path, png, size);
    assay_bytes_free(png);
}

static const char *make_dir(const char *name)
{
    struct assay_error err = {0};

    CHECK_OK(assay__make_dir(check_temp_path(name), &err), err);
    return check_temp_path(name);
}

static void put_text(const char *name, const char *text)
{
    check_write_file(check_temp_path(name), text, strlen(text));
}

static int open_spec(assay_dataset **ds, const char *kind, const char *name,
                     const char *tail, const char *label,
                     struct assay_error *err)
{
    struct assay_dataset_options opt = {.label = label};
    char spec[512];

    snprintf(spec, sizeof(spec), "%s%s%s", kind, check_temp_path(name), tail);
    return assay_dataset_open(ds, spec, &opt, err);
}

static void test_folder_has_a_class_per_sub_folder(void)
{
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    make_dir("f");
    put_png(make_dir("f/dog"), "2.png", 1, 4, 4, 20);
    put_png(make_dir("f/dog"), "1.PNG", 1, 4, 4, 10);
    put_png(make_dir("f/cat"), "x.png", 3, 4, 4, 30);
    put_text("f/cat/notes.txt", "not an image");
    put_text("f/cat/.hidden.png", "not an image");
    CHECK_OK(open_spec(&ds, "", "f", "", NULL, &err), err);
    CHECK_STR_EQ(assay_dataset_name(ds), "folder");
    CHECK_UINT_EQ(assay_dataset_count(ds), 3);
    CHECK_INT_EQ(assay_dataset_n_classes(ds), 2);
    CHECK_STR_EQ(assay_dataset_class_name(ds, 0), "cat");
    CHECK_INT_EQ(assay_dataset_label(ds, 0), 0);
    CHECK_INT_EQ(assay_dataset_label(ds, 1), 1);
    /* One is RGB, so all are: grey is repeated. */
    CHECK_INT_EQ(assay_dataset_channels(ds), 3);
    CHECK_INT_EQ(assay_dataset_pixels(ds, 0)[32], 32);
    CHECK_INT_EQ(assay_dataset_pixels(ds, 1)[32], 10);
    CHECK_INT_EQ(assay_dataset_pixels(ds, 2)[47], 20);
    assay_dataset_free(ds);
}

static void test_levels_are_joined_and_share_their_classes(void)
{
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    make_dir("g");
    make_dir("g/train");
    make_dir("g/test");
    put_png(make_dir("g/train/a"), "1.png", 1, 2, 2, 1);
    put_png(make_dir("g/train/b"), "1.png", 1, 2, 2, 2);
    put_png(make_dir("g/test/b"), "1.png", 1, 2, 2, 3);
    CHECK_OK(open_spec(&ds, "folder:", "g", "", NULL, &err), err);
    CHECK_UINT_EQ(assay_dataset_count(ds), 3);
    CHECK_INT_EQ(assay_dataset_n_classes(ds), 2);
    CHECK_INT_EQ(assay_dataset_label(ds, 2), 1);
    CHECK_INT_EQ(assay_dataset_pixels(ds, 2)[0], 3);
    assay_dataset_free(ds);

    put_png(make_dir("g/test/c"), "1.png", 1, 2, 2, 4);
    CHECK_FAILS(open_spec(&ds, "folder:", "g", "", NULL, &err), ASSAY_DATA,
                err);
    CHECK_STR_HAS(err.msg, "class 'c' is not among those of train");
}

static void test_sizes_that_differ_need_a_size(void)
{
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    make_dir("h");
    put_png(make_dir("h/a"), "1.png", 1, 4, 4, 10);
    put_png(make_dir("h/a"), "2.png", 1, 4, 6, 20);
    CHECK_FAILS(open_spec(&ds, "", "h", "", NULL, &err), ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "2.png: 4x6 pixels, but 4x4 in");
    CHECK_OK(open_spec(&ds, "folder:", "h", "?size=2x8", NULL, &err), err);
    CHECK_INT_EQ(assay_dataset_height(ds), 2);
    CHECK_INT_EQ(assay_dataset_width(ds), 8);
    CHECK_INT_EQ(assay_dataset_pixels(ds, 1)[15], 20);
    assay_dataset_free(ds);
}

static void test_damaged_image_names_its_file(void)
{
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    make_dir("i");
    put_png(make_dir("i/a"), "1.png", 1, 4, 4, 10);
    put_text("i/a/2.jpg", "\xff\xd8\xff\xe0 no picture");
    CHECK(open_spec(&ds, "folder:", "i", "", NULL, &err) != 0);
    CHECK_STR_HAS(err.msg, "2.jpg");
    make_dir("i/empty");
    CHECK_FAILS(open_spec(&ds, "folder:", "i", "", NULL, &err), ASSAY_DATA,
                err);
    CHECK_STR_HAS(err.msg, "no .png, .jpg or .jpeg");
}

static void test_csv_names_images_and_attributes(void)
{
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    make_dir("c");
    put_png(make_dir("c/img"), "1.png", 3, 2, 2, 1);
    put_png(make_dir("c/img"), "2.png", 3, 2, 2, 2);
    put_text("c/index.csv", "file,label,age\n"
                            "img/2.png,no,41\n"
                            "./img/1.png,yes,7\n"
                            "img/2.png,yes,41\n");
    CHECK_OK(open_spec(&ds, "", "c/index.csv", "", NULL, &err), err);
    CHECK_STR_EQ(assay_dataset_name(ds), "csv");
    CHECK_UINT_EQ(assay_dataset_count(ds), 3);
    CHECK_STR_EQ(assay_dataset_class_name(ds, 1), "yes");
    CHECK_INT_EQ(assay_dataset_label(ds, 2), 1);
    CHECK_INT_EQ(assay_dataset_pixels(ds, 0)[0], 2);
    CHECK_UINT_EQ(assay_dataset_n_attributes(ds), 2);
    CHECK_STR_EQ(assay_dataset_attribute_name(ds, 1), "age");
    CHECK_INT_EQ(assay_dataset_attribute_cardinality(ds, 1), 2);
    CHECK_INT_EQ(assay_dataset_attribute(ds, 1, 0), 1);
    assay_dataset_free(ds);

    CHECK_OK(open_spec(&ds, "csv:", "c/index.csv", "?size=4x4", "age", &err),
             err);
    CHECK_STR_EQ(assay_dataset_class_name(ds, 0), "7");
    CHECK_INT_EQ(assay_dataset_label(ds, 1), 0);
    CHECK_INT_EQ(assay_dataset_width(ds), 4);
    assay_dataset_free(ds);
}

static const struct {
    const char *text;
    int code;
    const char *message;
} bad_indices[] = {
    {"file,label\n../c/img/1.png,1\n", ASSAY_FORMAT, "row 1: image '../c/"},
    {"file,label\n/etc/passwd,1\n", ASSAY_FORMAT, "leaves the CSV's folder"},
    {"file,label\nimg/../../x,1\n", ASSAY_FORMAT, "leaves the CSV's folder"},
    {"file,label\n,1\n", ASSAY_FORMAT, "is empty"},
    {"file,label\nimg/1.png,\n", ASSAY_DATA, "row 1: column 'label' is empty"},
    {"file,age\nimg/1.png,1\n", ASSAY_ARG, "no column 'label'"},
    {"file,label,label\nimg/1.png,1,1\n", ASSAY_FORMAT, "is named twice"},
    {"file,label\nimg/none.png,1\n", ASSAY_IO, "none.png"},
    {"file,label\n", ASSAY_DATA, "there are no images"},
};

static void test_bad_indices_are_refused(void)
{
    make_dir("d");
    put_png(make_dir("d/img"), "1.png", 1, 2, 2, 1);
    for (size_t i = 0; i < sizeof(bad_indices) / sizeof(bad_indices[0]); i++) {
        struct assay_error err = {0};
        assay_dataset *ds = NULL;
        int rc;

        put_text("d/bad.csv", bad_indices[i].text);
        rc = open_spec(&ds, "", "d/bad.csv", "", NULL, &err);
        if (rc != bad_indices[i].code)
            printf("# table %zu: %s\n", i, err.msg);
        CHECK_INT_EQ(rc, bad_indices[i].code);
        CHECK_STR_HAS(err.msg, bad_indices[i].message);
    }
}

static struct assay_tensor *add(struct assay_tensors *list, const char *name,
                                enum assay_dtype dtype,
                                struct assay_shape shape)
{
    struct assay_error err = {0};
    struct assay_tensor *t = NULL;

    CHECK_OK(assay_tensors_add(list, name, dtype, &shape, &t, &err), err);
    return t;
}

static void write_npz(struct assay_tensors *list, const char *name)
{
    struct assay_error err = {0};

    CHECK_OK(assay_tensors_write(list, check_temp_path(name), &err), err);
    assay_tensors_release(list);
}

static void test_npz_reads_channels_first_and_last(void)
{
    static const uint8_t first[24] = {0,  1,  2,  3,  4,  5,  6,  7,
                                      8,  9,  10, 11, 50, 51, 52, 53,
                                      54, 55, 56, 57, 58, 59, 60, 61};
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    for (int last = 0; last < 2; last++) {
        struct assay_tensors list;
        struct assay_tensor *t;
        uint8_t *p;

        assay_tensors_init(&list);
        t = add(&list, "images", ASSAY_DTYPE_U8,
                last ? assay_shape_make(4, (int64_t)2, (int64_t)2, (int64_t)2,
                                        (int64_t)3)
                     : assay_shape_make(4, (int64_t)2, (int64_t)3, (int64_t)2,
                                        (int64_t)2));
        p = t->data;
        for (size_t i = 0; i < 2; i++) {
            for (size_t k = 0; k < 12; k++)
                p[i * 12 + (last ? k % 4 * 3 + k / 4 : k)] = first[i * 12 + k];
        }
        t = add(&list, "y", ASSAY_DTYPE_I64,
                assay_shape_make(2, (int64_t)2, (int64_t)1));
        ((int64_t *)t->data)[1] = 4;
        t = add(&list, "age", ASSAY_DTYPE_U8, assay_shape_make(1, (int64_t)2));
        memcpy(t->data, "\1\6", 2);
        add(&list, "unrelated", ASSAY_DTYPE_F32,
            assay_shape_make(1, (int64_t)2));
        t = add(&list, "taken_at", ASSAY_DTYPE_I64,
                assay_shape_make(1, (int64_t)2));
        ((int64_t *)t->data)[1] = 1700000000;
        write_npz(&list, "n.npz");

        CHECK_OK(open_spec(&ds, "", "n.npz", "", NULL, &err), err);
        CHECK_STR_EQ(assay_dataset_name(ds), "npz");
        CHECK_INT_EQ(assay_dataset_channels(ds), 3);
        CHECK_MEM_EQ(assay_dataset_pixels(ds, 0), first, 24);
        CHECK_INT_EQ(assay_dataset_n_classes(ds), 5);
        CHECK_INT_EQ(assay_dataset_label(ds, 1), 4);
        CHECK_UINT_EQ(assay_dataset_n_attributes(ds), 1);
        CHECK_INT_EQ(assay_dataset_attribute(ds, 0, 1), 6);
        assay_dataset_free(ds);
    }
}

static void test_npz_joins_train_and_test(void)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    assay_dataset *ds = NULL;
    struct assay_tensor *t;

    assay_tensors_init(&list);
    add(&list, "x_test", ASSAY_DTYPE_F64,
        assay_shape_make(3, (int64_t)1, (int64_t)2, (int64_t)2));
    t = add(&list, "x_train", ASSAY_DTYPE_F64,
            assay_shape_make(3, (int64_t)2, (int64_t)2, (int64_t)2));
    ((double *)t->data)[7] = -1.5;
    add(&list, "y_train", ASSAY_DTYPE_U8, assay_shape_make(1, (int64_t)2));
    t = add(&list, "y_test", ASSAY_DTYPE_U8, assay_shape_make(1, (int64_t)1));
    memcpy(t->data, "\1", 1);
    write_npz(&list, "j.npz");
    CHECK_OK(open_spec(&ds, "npz:", "j.npz", "", NULL, &err), err);
    CHECK_UINT_EQ(assay_dataset_count(ds), 3);
    CHECK(assay_dataset_pixels(ds, 0) == NULL);
    CHECK_INT_EQ(assay_dataset_label(ds, 2), 1);
    assay_dataset_free(ds);
}

/* One array of images and one of labels, with something wrong. */
static const struct {
    enum assay_dtype image_type;
    int n_dims;
    int64_t dim[4];
    double value; /* of the last pixel of record 1 */
    const char *y;
    enum assay_dtype label_type;
    int64_t n_labels;
    int label; /* of record 1 */
    int code;
    const char *message;
} bad_arrays[] = {
    {ASSAY_DTYPE_F32,
     3,
     {2, 1, 1},
     HUGE_VAL,
     "y",
     ASSAY_DTYPE_I64,
     2,
     0,
     ASSAY_DATA,
     "record 1: array 'x' holds infinity"},
    {ASSAY_DTYPE_F32,
     3,
     {2, 1, 1},
     (double)NAN,
     "y",
     ASSAY_DTYPE_I64,
     2,
     0,
     ASSAY_DATA,
     "record 1: array 'x' holds NaN"},
    {ASSAY_DTYPE_F64,
     3,
     {2, 1, 1},
     1e300,
     "y",
     ASSAY_DTYPE_I64,
     2,
     0,
     ASSAY_DATA,
     "more than a 32-bit float"},
    {ASSAY_DTYPE_F32,
     3,
     {2, 1, 1},
     0,
     "y",
     ASSAY_DTYPE_I64,
     2,
     -1,
     ASSAY_DATA,
     "record 1: 'y' is -1"},
    {ASSAY_DTYPE_F32,
     3,
     {2, 1, 1},
     0,
     "y",
     ASSAY_DTYPE_I64,
     2,
     65536,
     ASSAY_DATA,
     "record 1: 'y' is 65536, not 0 to 65535"},
    {ASSAY_DTYPE_F32,
     3,
     {2, 1, 1},
     0,
     "y",
     ASSAY_DTYPE_I64,
     3,
     0,
     ASSAY_SHAPE,
     "array 'y' is I64 [3]"},
    {ASSAY_DTYPE_F32,
     3,
     {2, 1, 1},
     0,
     "y",
     ASSAY_DTYPE_F64,
     2,
     0,
     ASSAY_SHAPE,
     "array 'y' is F64 [2]"},
    {ASSAY_DTYPE_F32,
     3,
     {2, 1, 1},
     0,
     "z",
     ASSAY_DTYPE_I64,
     2,
     0,
     ASSAY_DATA,
     "no 'y' for its labels"},
    {ASSAY_DTYPE_F32,
     2,
     {2, 4},
     0,
     "y",
     ASSAY_DTYPE_I64,
     2,
     0,
     ASSAY_SHAPE,
     "array 'x' is [2, 4]"},
    {ASSAY_DTYPE_F32,
     4,
     {2, 5, 2, 5},
     0,
     "y",
     ASSAY_DTYPE_I64,
     2,
     0,
     ASSAY_SHAPE,
     "with C 1, 3 or 4"},
    {ASSAY_DTYPE_F32,
     3,
     {2, 0, 1},
     0,
     "y",
     ASSAY_DTYPE_I64,
     2,
     0,
     ASSAY_LIMIT,
     "sides are 1 to"},
    {ASSAY_DTYPE_I32,
     3,
     {2, 1, 1},
     0,
     "y",
     ASSAY_DTYPE_I64,
     2,
     0,
     ASSAY_UNSUPPORTED,
     "array 'x' holds I32"},
};

static void test_bad_arrays_are_refused(void)
{
    for (size_t i = 0; i < sizeof(bad_arrays) / sizeof(bad_arrays[0]); i++) {
        struct assay_shape shape = {.rank = bad_arrays[i].n_dims};
        struct assay_dataset ds = {0};
        struct assay_error err = {0};
        struct assay_tensors list;
        struct assay_tensor *t;
        size_t n;
        int rc;

        memcpy(shape.dim, bad_arrays[i].dim, sizeof(bad_arrays[i].dim));
        assay_tensors_init(&list);
        t = add(&list, "x", bad_arrays[i].image_type, shape);
        n = assay_shape_count(&shape, 1);
        if (n && t->dtype == ASSAY_DTYPE_F32)
            ((float *)t->data)[n - 1] = (float)bad_arrays[i].value;
        if (n && t->dtype == ASSAY_DTYPE_F64)
            ((double *)t->data)[n - 1] = bad_arrays[i].value;
        t = add(&list, bad_arrays[i].y, bad_arrays[i].label_type,
                assay_shape_make(1, bad_arrays[i].n_labels));
        if (t->dtype == ASSAY_DTYPE_I64)
            ((int64_t *)t->data)[1] = bad_arrays[i].label;

        rc = assay__npz_read(&ds, &list, SIZE_MAX, &err);
        if (rc != bad_arrays[i].code)
            printf("# arrays %zu: %s\n", i, err.msg);
        CHECK_INT_EQ(rc, bad_arrays[i].code);
        CHECK_STR_HAS(err.msg, bad_arrays[i].message);
        assay_tensors_release(&list);
        assay__free(ds.values);
        assay__free(ds.labels);
    }
}

/* Two arrays of images beside one of labels. */
static void check_two_arrays(const char *one, const char *other,
                             const char *message)
{
    struct assay_shape shape = assay_shape_make(3, 2L, 2L, 2L);
    struct assay_dataset ds = {0};
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    add(&list, one, ASSAY_DTYPE_U8, shape);
    add(&list, other, ASSAY_DTYPE_U8, shape);
    add(&list, "y", ASSAY_DTYPE_U8, assay_shape_make(1, 2L));
    CHECK_FAILS(assay__npz_read(&ds, &list, SIZE_MAX, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, message);
    assay_tensors_release(&list);
}

static void test_images_under_two_names_are_refused(void)
{
    check_two_arrays("x", "images", "'x' and 'images'");
    check_two_arrays("data", "images", "'images' and 'data'");
    check_two_arrays("x_train", "x", "'x' and 'x_train'");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_fields_are_unquoted_and_lines_may_end_either_way),
    CHECK_TEST(test_bad_tables_name_their_line),
    CHECK_TEST(test_nul_means_no_text),
    CHECK_TEST(test_categories_are_sorted_by_value_or_by_bytes),
    CHECK_TEST(test_folder_has_a_class_per_sub_folder),
    CHECK_TEST(test_levels_are_joined_and_share_their_classes),
    CHECK_TEST(test_sizes_that_differ_need_a_size),
    CHECK_TEST(test_damaged_image_names_its_file),
    CHECK_TEST(test_csv_names_images_and_attributes),
    CHECK_TEST(test_bad_indices_are_refused),
    CHECK_TEST(test_npz_reads_channels_first_and_last),
    CHECK_TEST(test_npz_joins_train_and_test),
    CHECK_TEST(test_bad_arrays_are_refused),
    CHECK_TEST(test_images_under_two_names_are_refused),
};

CHECK_MAIN(tests)
