/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datasets, views, splits and pictures while memory runs out: whichever
 * allocation fails, the answer is ASSAY_NOMEM, nothing is handed out and
 * nothing leaks; the first round without a failure gives the whole object.
 */

#include <stdio.h>
#include <string.h>

#include "assay/dataset.h"
#include "assay/format.h"
#include "check.h"
#include "core/fs.h"
#include "fail_alloc.h"

static void walk_opening(const char *spec, const char *label, size_t count)
{
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_dataset_options opt = {.label = label};
        struct assay_error err = {0};
        assay_dataset *ds = NULL;
        int rc = assay_dataset_open(&ds, spec, &opt, &err);

        fail_alloc_off();
        if (fail_alloc_hit()) {
            if (rc != ASSAY_NOMEM)
                printf("# %s, allocation %ld: %s\n", spec, n, err.msg);
            CHECK_INT_EQ(rc, ASSAY_NOMEM);
            CHECK(ds == NULL);
        } else {
            CHECK_OK(rc, err);
            CHECK_UINT_EQ(assay_dataset_count(ds), count);
        }
        assay_dataset_free(ds);
    }
}

static const char *make_dir(const char *name)
{
    struct assay_error err = {0};

    CHECK_OK(assay__make_dir(check_temp_path(name), &err), err);
    return check_temp_path(name);
}

static void put_file(const char *folder, const char *name, const void *data,
                     size_t size)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    check_write_file(path, data, size);
}

static const uint8_t pixels[24] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
static const int32_t labels[4] = {0, 1, 1, 0};

static int make(assay_dataset **ds, struct assay_error *err)
{
    struct assay_dataset_source source = {.name = "made",
                                          .n = 4,
                                          .channels = 3,
                                          .height = 1,
                                          .width = 2,
                                          .pixels = pixels,
                                          .labels = labels,
                                          .n_classes = 2};

    return assay_dataset_new(ds, &source, err);
}

static assay_dataset *made(void)
{
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    CHECK_OK(make(&ds, &err), err);
    return ds;
}

static void put_picture(const char *folder, const char *name)
{
    assay_dataset *ds = made();
    struct assay_error err = {0};
    unsigned char *png = NULL;
    size_t size = 0;

    CHECK_OK(assay_dataset_png(ds, 0, &png, &size, &err), err);
    put_file(folder, name, png, size);
    assay_bytes_free(png);
    assay_dataset_free(ds);
}

static void test_making_survives_any_failed_allocation(void)
{
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_dataset *ds = NULL;
        int rc = make(&ds, &err);

        fail_alloc_off();
        CHECK_INT_EQ(rc, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        assay_dataset_free(ds);
    }
}

static void test_packed_files_survive_any_failed_allocation(void)
{
    static const unsigned char idx_images[22] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0,
                                                 0, 1, 0, 0, 0, 3, 1, 2, 3, 4};
    static const unsigned char idx_labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 7};
    static unsigned char record[3074];
    static const unsigned char stl[27648];
    const char *folder = make_dir("packed");
    char spec[512];

    put_file(folder, "t10k-images-idx3-ubyte", idx_images, 22);
    put_file(folder, "t10k-labels-idx1-ubyte", idx_labels, 10);
    snprintf(spec, sizeof(spec), "fashion-mnist:%s", folder);
    walk_opening(spec, NULL, 2);

    put_file(folder, "test_batch.bin", record, 3073);
    put_file(folder, "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj", 19);
    snprintf(spec, sizeof(spec), "cifar10:%s", folder);
    walk_opening(spec, NULL, 1);

    put_file(folder, "train.bin", record, 3074);
    snprintf(spec, sizeof(spec), "cifar100:%s", folder);
    walk_opening(spec, "coarse", 1);

    put_file(folder, "test_X.bin", stl, sizeof(stl));
    put_file(folder, "test_y.bin", "\5", 1);
    snprintf(spec, sizeof(spec), "stl10:%s", folder);
    walk_opening(spec, NULL, 1);

    snprintf(spec, sizeof(spec), "records:%s/%s?labels=a,b&shape=1x1x8", folder,
             "t10k-labels-idx1-ubyte");
    walk_opening(spec, "b", 1);
}

static void test_gzip_survives_any_failed_allocation(void)
{
    /* "abc", stored, with its checksum and length. */
    static const unsigned char gz[26] = {
        0x1f, 0x8b, 8,   0,   0,   0,    0,    0,    0,    3, 1, 3, 0,
        0xfc, 0xff, 'a', 'b', 'c', 0xc2, 0x41, 0x24, 0x35, 3, 0, 0, 0};
    const char *folder = make_dir("gzip");
    char spec[512];

    put_file(folder, "r.gz", gz, sizeof(gz));
    snprintf(spec, sizeof(spec), "records:%s/r.gz?labels=a&shape=1x1x2",
             folder);
    walk_opening(spec, NULL, 1);
}

static void test_pictures_survive_any_failed_allocation(void)
{
    static const char csv[] = "file,label,age\na/1.png,x,3\na/2.png,y,4\n";
    char spec[512];

    make_dir("f");
    make_dir("f/a");
    put_picture(check_temp_path("f/a"), "1.png");
    put_picture(check_temp_path("f/a"), "2.png");
    put_file(check_temp_path("f"), "index.csv", csv, sizeof(csv) - 1);
    snprintf(spec, sizeof(spec), "folder:%s?size=3x3", check_temp_path("f"));
    walk_opening(spec, NULL, 2);
    snprintf(spec, sizeof(spec), "csv:%s/index.csv", check_temp_path("f"));
    walk_opening(spec, "age", 2);
}

static void test_arrays_survive_any_failed_allocation(void)
{
    struct assay_shape x =
        assay_shape_make(3, (int64_t)2, (int64_t)1, (int64_t)2);
    struct assay_shape y = assay_shape_make(1, (int64_t)2);
    struct assay_error err = {0};
    struct assay_tensors list;
    char spec[512];

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_add(&list, "x", ASSAY_DTYPE_F32, &x, NULL, &err),
             err);
    CHECK_OK(assay_tensors_add(&list, "y", ASSAY_DTYPE_I64, &y, NULL, &err),
             err);
    CHECK_OK(assay_tensors_add(&list, "sex", ASSAY_DTYPE_U8, &y, NULL, &err),
             err);
    CHECK_OK(assay_tensors_write(&list, check_temp_path("d.npz"), &err), err);
    assay_tensors_release(&list);
    snprintf(spec, sizeof(spec), "npz:%s", check_temp_path("d.npz"));
    walk_opening(spec, NULL, 2);
}

static void test_views_survive_any_failed_allocation(void)
{
    assay_dataset *ds = made();
    struct assay_preprocess pre;

    assay_preprocess_init(&pre, ds);
    pre.height = 3;
    pre.channels = 1;
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_view *view = NULL;
        int rc = assay_view_new(&view, ds, NULL, 0, &pre, &err);

        fail_alloc_off();
        CHECK_INT_EQ(rc, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((view != NULL) == (rc == 0));
        assay_view_free(view);
    }
    assay_dataset_free(ds);
}

static void walk_split_files(const assay_dataset *ds,
                             const struct assay_split *split)
{
    const char *path = check_temp_path("s.safetensors");

    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        int rc = assay_split_write(split, ds, path, &err);

        fail_alloc_off();
        /* The last one only serves to sync the folder. */
        CHECK(rc == ASSAY_OK || (rc == ASSAY_NOMEM && fail_alloc_hit()));
    }
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        struct assay_split read;
        int rc = assay_split_read(&read, ds, path, &err);

        fail_alloc_off();
        CHECK_INT_EQ(rc, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        if (!rc)
            assay_split_release(&read);
    }
}

static void test_splits_survive_any_failed_allocation(void)
{
    assay_dataset *ds = made();
    struct assay_error err = {0};
    struct assay_split split;

    for (long n = 1; fail_alloc_next(n); n++) {
        int rc = assay_split_make(&split, ds, 1, 0, &err);

        fail_alloc_off();
        CHECK_INT_EQ(rc, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        if (!rc)
            assay_split_release(&split);
    }
    CHECK_OK(assay_split_make(&split, ds, 1, 0, &err), err);
    walk_split_files(ds, &split);
    assay_split_release(&split);
    assay_dataset_free(ds);
}

static void test_pngs_survive_any_failed_allocation(void)
{
    assay_dataset *ds = made();

    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        unsigned char *png = NULL;
        size_t size = 0;
        int rc = assay_dataset_png(ds, 1, &png, &size, &err);

        fail_alloc_off();
        CHECK_INT_EQ(rc, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        assay_bytes_free(png);
    }
    assay_dataset_free(ds);
}

static void test_celeba_survives_any_failed_allocation(void)
{
    static const char list[] = "2\nA B\n1.png -1 1\n2.png 1 1\n";
    assay_dataset *ds = made();
    struct assay_error err = {0};
    const char *folder = make_dir("celeba");
    const char *images = make_dir("celeba/img_align_celeba");
    unsigned char *png = NULL;
    size_t size = 0;
    char spec[512];

    CHECK_OK(assay_dataset_png(ds, 0, &png, &size, &err), err);
    put_file(images, "1.png", png, size);
    put_file(images, "2.png", png, size);
    put_file(folder, "list_attr_celeba.txt", list, sizeof(list) - 1);
    snprintf(spec, sizeof(spec), "celeba:%s?labels=A+B,B", folder);
    walk_opening(spec, "A", 2);
    assay_bytes_free(png);
    assay_dataset_free(ds);
}

static void test_opening_sounds(void)
{
    static const unsigned char file[] =
        "RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0"
        "\1\0\x8\0data\4\0\0\0abcd";
    char spec[600];

    put_file(make_dir("sounds/a"), "1.wav", file, sizeof(file) - 1);
    put_file(make_dir("sounds/b"), "1.wav", file, sizeof(file) - 1);
    snprintf(spec, sizeof(spec), "wav:%s?size=4x4&rate=4000",
             check_temp_path("sounds"));
    walk_opening(spec, NULL, 2);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_opening_sounds),
    CHECK_TEST(test_making_survives_any_failed_allocation),
    CHECK_TEST(test_packed_files_survive_any_failed_allocation),
    CHECK_TEST(test_gzip_survives_any_failed_allocation),
    CHECK_TEST(test_pictures_survive_any_failed_allocation),
    CHECK_TEST(test_arrays_survive_any_failed_allocation),
    CHECK_TEST(test_views_survive_any_failed_allocation),
    CHECK_TEST(test_splits_survive_any_failed_allocation),
    CHECK_TEST(test_pngs_survive_any_failed_allocation),
    CHECK_TEST(test_celeba_survives_any_failed_allocation),
};

CHECK_MAIN(tests)
