/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of binary datasets: IDX, CIFAR, STL-10 and packed records, from
 * tiny files made here. Each is opened as a user would, by `KIND:PATH` and
 * by a bare path; each truncation and each label out of range is refused
 * with the place and the numbers.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/dataset.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

static assay_dataset *open_ok(const char *spec, const char *label)
{
    struct assay_dataset_options opt = {.label = label};
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    CHECK_OK(assay_dataset_open(&ds, spec, &opt, &err), err);
    CHECK(ds != NULL);
    return ds;
}

static void open_fails(const char *spec, int code, const char *part)
{
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    int rc = assay_dataset_open(&ds, spec, NULL, &err);

    if (rc != code)
        printf("# %s: %s\n", spec, err.msg);
    CHECK_INT_EQ(rc, code);
    CHECK_STR_HAS(err.msg, part);
    CHECK(ds == NULL);
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

/* "KIND:folder/tail" in a buffer that the next call reuses. */
static const char *spec_of(const char *kind, const char *folder,
                           const char *tail)
{
    static char spec[512];

    snprintf(spec, sizeof(spec), "%s%s%s", kind, folder, tail);
    return spec;
}

/* Two images of 2x3 and their labels. */
static const unsigned char idx_images[28] = {0, 0, 8, 3, 0, 0,  0,  2,  0, 0,
                                             0, 2, 0, 0, 0, 3,  1,  2,  3, 4,
                                             5, 6, 7, 8, 9, 10, 11, 255};
static const unsigned char idx_labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 0};

static const char *make_idx(const char *name)
{
    const char *folder = make_dir(name);

    put_file(folder, "train-images-idx3-ubyte", idx_images, 28);
    put_file(folder, "train-labels-idx1-ubyte", idx_labels, 10);
    return folder;
}

static void check_idx(const assay_dataset *ds, size_t n)
{
    float record[6];

    CHECK_UINT_EQ(assay_dataset_count(ds), n);
    CHECK_INT_EQ(assay_dataset_channels(ds), 1);
    CHECK_INT_EQ(assay_dataset_height(ds), 2);
    CHECK_INT_EQ(assay_dataset_width(ds), 3);
    CHECK_INT_EQ(assay_dataset_n_classes(ds), 10);
    CHECK_INT_EQ(assay_dataset_label(ds, 0), 7);
    CHECK_INT_EQ(assay_dataset_label(ds, 1), 0);
    CHECK_MEM_EQ(assay_dataset_pixels(ds, 1), idx_images + 22, 6);
    assay_dataset_record(ds, 0, record);
    CHECK_NEAR(record[5], 6, 0);
    CHECK_UINT_EQ(strlen(assay_dataset_sha256(ds)), 64);
}

static void test_idx_folder_is_opened_by_kind_and_by_probing(void)
{
    const char *folder = make_idx("idx");
    assay_dataset *named = open_ok(spec_of("mnist:", folder, ""), NULL);
    assay_dataset *probed = open_ok(folder, NULL);
    assay_dataset *fashion =
        open_ok(spec_of("fashion-mnist:", folder, ""), NULL);

    check_idx(named, 2);
    check_idx(probed, 2);
    CHECK_STR_EQ(assay_dataset_name(probed), "mnist");
    CHECK_STR_EQ(assay_dataset_class_name(named, 7), "7");
    CHECK_STR_EQ(assay_dataset_class_name(fashion, 7), "Sneaker");
    CHECK_STR_EQ(assay_dataset_sha256(named), assay_dataset_sha256(probed));
    assay_dataset_free(named);
    assay_dataset_free(probed);
    assay_dataset_free(fashion);
}

/* IEEE 802.3, for the trailer of a gzip file. */
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

/* A gzip member with one stored block; its size. */
static size_t make_gzip(unsigned char *out, const unsigned char *data, size_t n)
{
    static const unsigned char head[11] = {0x1f, 0x8b, 8, 0, 0, 0,
                                           0,    0,    0, 3, 1};
    uint32_t crc = crc32_of(data, n);

    memcpy(out, head, 11);
    out[11] = (unsigned char)n;
    out[12] = (unsigned char)(n >> 8);
    out[13] = (unsigned char)~n;
    out[14] = (unsigned char)(~n >> 8);
    memcpy(out + 15, data, n);
    for (int i = 0; i < 4; i++) {
        out[15 + n + (size_t)i] = (unsigned char)(crc >> (8 * i));
        out[19 + n + (size_t)i] = (unsigned char)(n >> (8 * i));
    }
    return 23 + n;
}

static void test_idx_parts_are_joined_plain_and_gzipped(void)
{
    const char *folder = make_idx("joined");
    unsigned char gz[128];
    assay_dataset *ds;

    put_file(folder, "t10k-images-idx3-ubyte.gz", gz,
             make_gzip(gz, idx_images, 28));
    put_file(folder, "t10k-labels-idx1-ubyte.gz", gz,
             make_gzip(gz, idx_labels, 10));
    ds = open_ok(spec_of("mnist:", folder, ""), NULL);
    check_idx(ds, 4);
    CHECK_INT_EQ(assay_dataset_label(ds, 2), 7);
    CHECK_MEM_EQ(assay_dataset_pixels(ds, 3), idx_images + 22, 6);
    assay_dataset_free(ds);
}

static void test_max_records_counts_per_file(void)
{
    struct assay_dataset_options opt = {.max_records = 1};
    const char *folder = make_idx("few");
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    put_file(folder, "t10k-images-idx3-ubyte", idx_images, 28);
    put_file(folder, "t10k-labels-idx1-ubyte", idx_labels, 10);
    CHECK_OK(assay_dataset_open(&ds, spec_of("mnist:", folder, ""), &opt, &err),
             err);
    CHECK_UINT_EQ(assay_dataset_count(ds), 2);
    CHECK_INT_EQ(assay_dataset_label(ds, 1), 7);
    assay_dataset_free(ds);
}

static void test_single_idx_file_finds_its_labels(void)
{
    const char *folder = make_dir("single");
    assay_dataset *ds;

    put_file(folder, "t10k-images-idx3-ubyte", idx_images, 28);
    put_file(folder, "t10k-labels-idx1-ubyte", idx_labels, 10);
    ds = open_ok(spec_of("", folder, "/t10k-images-idx3-ubyte"), NULL);
    check_idx(ds, 2);
    assay_dataset_free(ds);
    open_fails(spec_of("mnist:", folder, "/t10k-labels-idx1-ubyte"), ASSAY_ARG,
               "must contain \"images\"");
}

static void test_idx_label_out_of_range_names_the_record(void)
{
    const char *folder = make_idx("range");
    unsigned char labels[10];
    assay_dataset *ds;

    memcpy(labels, idx_labels, 10);
    labels[9] = 11;
    put_file(folder, "train-labels-idx1-ubyte", labels, 10);
    open_fails(spec_of("mnist:", folder, ""), ASSAY_DATA,
               "record 1: label 11, but classes are 0 to 9");
    ds = open_ok(spec_of("mnist:", folder, "?classes=12"), NULL);
    CHECK_INT_EQ(assay_dataset_n_classes(ds), 12);
    assay_dataset_free(ds);
}

/* Every prefix of either file, given with the whole of the other. */
static void test_cut_idx_files_are_refused(void)
{
    for (int which = 0; which < 2; which++) {
        const unsigned char *whole = which ? idx_labels : idx_images;
        size_t size = which ? sizeof(idx_labels) : sizeof(idx_images);

        for (size_t n = 0; n < size; n++) {
            struct assay__bytes images = {NULL, sizeof(idx_images)};
            struct assay__bytes labels = {NULL, sizeof(idx_labels)};
            struct assay__bytes *cut = which ? &labels : &images;
            struct assay_error err = {0};
            struct assay_dataset ds = {0};

            images.data = assay__malloc(sizeof(idx_images));
            labels.data = assay__malloc(sizeof(idx_labels));
            CHECK(images.data && labels.data);
            memcpy(images.data, idx_images, sizeof(idx_images));
            memcpy(labels.data, idx_labels, sizeof(idx_labels));
            assay__free(cut->data);
            cut->data = assay__malloc(n);
            cut->size = n;
            CHECK(cut->data != NULL);
            memcpy(cut->data, whole, n);
            CHECK_FAILS(assay__idx_read(&ds, &images, &labels, SIZE_MAX, &err),
                        ASSAY_FORMAT, err);
            CHECK_STR_HAS(err.msg, which ? "labels" : "images");
            assay__bytes_release(&images);
            assay__bytes_release(&labels);
        }
    }
}

static void test_idx_counts_and_magic_are_compared(void)
{
    const char *folder = make_idx("counts");
    unsigned char bad[28];

    memcpy(bad, idx_images, 28);
    bad[2] = 13;
    put_file(folder, "train-images-idx3-ubyte", bad, 28);
    open_fails(spec_of("mnist:", folder, ""), ASSAY_FORMAT,
               "magic 00000d03, expected 00000803");
    put_file(folder, "train-images-idx3-ubyte", idx_images, 28);
    memcpy(bad, idx_labels, 10);
    bad[7] = 1;
    put_file(folder, "train-labels-idx1-ubyte", bad, 9);
    open_fails(spec_of("mnist:", folder, ""), ASSAY_FORMAT,
               "2 images, but 1 labels");
}

static void test_damaged_gzip_is_refused(void)
{
    unsigned char gz[128];
    size_t size = make_gzip(gz, idx_images, 28);
    struct assay_error err = {0};
    struct assay__bytes out;

    for (size_t n = 0; n < size; n++) {
        CHECK(assay__gunzip(&out, gz, n, 1000, &err) != 0);
        CHECK(out.data == NULL);
    }
    CHECK_OK(assay__gunzip(&out, gz, size, 28, &err), err);
    CHECK_UINT_EQ(out.size, 28);
    CHECK_MEM_EQ(out.data, idx_images, 28);
    assay__bytes_release(&out);
    CHECK_FAILS(assay__gunzip(&out, gz, size, 27, &err), ASSAY_LIMIT, err);
    CHECK_STR_HAS(err.msg, "more than 27 bytes");
    gz[20] ^= 1;
    CHECK_FAILS(assay__gunzip(&out, gz, size, 1000, &err), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "incorrect data check");
}

static void test_gzip_of_several_members_is_one_file(void)
{
    unsigned char gz[256];
    size_t size = make_gzip(gz, idx_images, 28);
    struct assay_error err = {0};
    struct assay__bytes out;

    size += make_gzip(gz + size, idx_labels, 10);
    CHECK_OK(assay__gunzip(&out, gz, size, 1000, &err), err);
    CHECK_UINT_EQ(out.size, 38);
    CHECK_MEM_EQ(out.data + 28, idx_labels, 10);
    assay__bytes_release(&out);
}

/* n records of CIFAR with `n_labels` bytes before 3,072 pixels. */
static unsigned char *make_cifar(size_t n, int n_labels, size_t *size)
{
    size_t stride = 3072 + (size_t)n_labels;
    unsigned char *file = assay__malloc(n * stride);

    CHECK(file != NULL);
    for (size_t i = 0; i < n; i++) {
        unsigned char *record = file + i * stride;

        record[0] = (unsigned char)(i % 10);
        record[n_labels - 1] = (unsigned char)((3 * i + 1) % 10);
        for (size_t k = 0; k < 3072; k++)
            record[(size_t)n_labels + k] = (unsigned char)(i + k);
    }
    *size = n * stride;
    return file;
}

static void test_cifar10_batches_are_joined_and_named(void)
{
    static const char names[] = "aa\nbb\ncc\ndd\nee\nff\ngg\r\nhh\nii\njj\n\n";
    const char *folder = make_dir("cifar10");
    size_t size = 0;
    unsigned char *file = make_cifar(3, 1, &size);
    assay_dataset *ds;

    put_file(folder, "data_batch_1.bin", file, size);
    put_file(folder, "test_batch.bin", file, size / 3);
    put_file(folder, "batches.meta.txt", names, sizeof(names) - 1);
    ds = open_ok(folder, NULL);
    CHECK_STR_EQ(assay_dataset_name(ds), "cifar10");
    CHECK_UINT_EQ(assay_dataset_count(ds), 4);
    CHECK_INT_EQ(assay_dataset_channels(ds), 3);
    CHECK_INT_EQ(assay_dataset_label(ds, 2), 7);
    CHECK_INT_EQ(assay_dataset_label(ds, 3), 1);
    CHECK_STR_EQ(assay_dataset_class_name(ds, 6), "gg");
    CHECK_MEM_EQ(assay_dataset_pixels(ds, 1), file + 3074, 3072);
    CHECK_UINT_EQ(assay_dataset_n_attributes(ds), 0);
    assay_dataset_free(ds);
    assay__free(file);
}

static void test_cifar_refuses_odd_sizes_and_labels(void)
{
    const char *folder = make_dir("cifarbad");
    size_t size = 0;
    unsigned char *file = make_cifar(2, 1, &size);

    put_file(folder, "test_batch.bin", file, size - 1);
    open_fails(spec_of("cifar10:", folder, ""), ASSAY_FORMAT,
               "6145 bytes, but records have 3073: 1 records and 3072 bytes");
    file[3073] = 10;
    put_file(folder, "test_batch.bin", file, size);
    open_fails(spec_of("cifar10:", folder, ""), ASSAY_DATA,
               "record 1: label 10, but classes are 0 to 9");
    put_file(folder, "test_batch.bin", "", 0);
    open_fails(spec_of("cifar10:", folder, ""), ASSAY_FORMAT, "0 bytes");
    assay__free(file);
}

static void test_cifar100_has_fine_and_coarse(void)
{
    const char *folder = make_dir("cifar100");
    size_t size = 0;
    unsigned char *file = make_cifar(4, 2, &size);
    assay_dataset *fine;
    assay_dataset *coarse;

    put_file(folder, "train.bin", file, size);
    fine = open_ok(spec_of("cifar100:", folder, ""), NULL);
    coarse = open_ok(spec_of("cifar100:", folder, "/train.bin"), "coarse");
    CHECK_INT_EQ(assay_dataset_n_classes(fine), 100);
    CHECK_INT_EQ(assay_dataset_n_classes(coarse), 20);
    CHECK_INT_EQ(assay_dataset_label(fine, 3), 0);
    CHECK_INT_EQ(assay_dataset_label(coarse, 3), 3);
    CHECK_UINT_EQ(assay_dataset_n_attributes(fine), 2);
    CHECK_STR_EQ(assay_dataset_attribute_name(fine, 1), "coarse");
    CHECK_INT_EQ(assay_dataset_attribute_cardinality(fine, 1), 20);
    CHECK_INT_EQ(assay_dataset_attribute(fine, 1, 2), 2);
    CHECK_INT_EQ(assay_dataset_attribute(fine, 0, 2), 7);
    CHECK(strcmp(assay_dataset_sha256(fine), assay_dataset_sha256(coarse)) !=
          0);
    assay_dataset_free(fine);
    assay_dataset_free(coarse);

    file[0] = 20;
    put_file(folder, "train.bin", file, size);
    open_fails(spec_of("cifar100:", folder, ""), ASSAY_DATA,
               "record 0: coarse label 20");
    assay__free(file);
}

static void test_stl10_turns_columns_into_rows(void)
{
    const char *folder = make_dir("stl10");
    size_t pixels = 3 * 96 * 96;
    unsigned char *file = assay__calloc(2, pixels);
    assay_dataset *ds;
    const uint8_t *p;

    CHECK(file != NULL);
    file[1] = 11;            /* record 0, plane 0, column 0, row 1 */
    file[96 * 96 + 96] = 22; /* plane 1, column 1, row 0 */
    file[pixels + 95] = 33;  /* record 1, plane 0, column 0, row 95 */
    put_file(folder, "train_X.bin", file, 2 * pixels);
    put_file(folder, "train_y.bin", "\1\12", 2);
    ds = open_ok(folder, NULL);
    CHECK_STR_EQ(assay_dataset_name(ds), "stl10");
    CHECK_INT_EQ(assay_dataset_label(ds, 0), 0);
    CHECK_INT_EQ(assay_dataset_label(ds, 1), 9);
    p = assay_dataset_pixels(ds, 0);
    CHECK_INT_EQ(p[96], 11);
    CHECK_INT_EQ(p[1], 0);
    CHECK_INT_EQ(p[96 * 96 + 1], 22);
    CHECK_INT_EQ(assay_dataset_pixels(ds, 1)[95 * 96], 33);
    assay_dataset_free(ds);

    put_file(folder, "train_y.bin", "\1\0", 2);
    open_fails(spec_of("stl10:", folder, ""), ASSAY_DATA,
               "record 1: label 0, but they are 1 to 10");
    put_file(folder, "train_y.bin", "\1", 1);
    open_fails(spec_of("stl10:", folder, ""), ASSAY_FORMAT,
               "2 images, but 1 labels");
    put_file(folder, "train_X.bin", file, pixels - 1);
    open_fails(spec_of("stl10:", folder, ""), ASSAY_FORMAT,
               "27647 bytes, but images have 27648");
    assay__free(file);
}

/* Three records: age, gender, then 1x1x2 pixels. */
static const unsigned char packed[12] = {30, 1, 8, 9, 4, 0, 1, 2, 99, 1, 5, 6};

static void test_packed_records_take_their_labels_by_name(void)
{
    const char *folder = make_dir("records");
    const char *tail = "/r.bin?labels=age,gender&shape=1x1x2";
    assay_dataset *ds;

    put_file(folder, "r.bin", packed, sizeof(packed));
    ds = open_ok(spec_of("records:", folder, tail), NULL);
    CHECK_UINT_EQ(assay_dataset_count(ds), 3);
    CHECK_INT_EQ(assay_dataset_n_classes(ds), 100);
    CHECK_INT_EQ(assay_dataset_label(ds, 0), 30);
    CHECK_INT_EQ(assay_dataset_pixels(ds, 2)[1], 6);
    CHECK_UINT_EQ(assay_dataset_n_attributes(ds), 2);
    assay_dataset_free(ds);

    ds = open_ok(spec_of("records:", folder, tail), "gender");
    CHECK_INT_EQ(assay_dataset_n_classes(ds), 2);
    CHECK_INT_EQ(assay_dataset_label(ds, 1), 0);
    CHECK_STR_EQ(assay_dataset_attribute_name(ds, 0), "age");
    CHECK_INT_EQ(assay_dataset_attribute(ds, 0, 2), 99);
    assay_dataset_free(ds);
}

static void test_packed_records_refuse_what_does_not_fit(void)
{
    const char *folder = make_dir("recordsbad");
    struct assay_dataset_options opt = {.label = "race"};
    struct assay_error err = {0};
    assay_dataset *ds = NULL;

    put_file(folder, "r.bin", packed, sizeof(packed));
    open_fails(spec_of("records:", folder, "/r.bin"), ASSAY_ARG,
               "need ?labels=");
    open_fails(spec_of("records:", folder,
                       "/r.bin?labels=a&shape=1x1x2"
                       "&colour=red"),
               ASSAY_ARG, "unknown option 'colour'");
    open_fails(spec_of("records:", folder, "/r.bin?labels=a&shape=1x1"),
               ASSAY_ARG, "option shape: '1x1'");
    open_fails(spec_of("records:", folder, "/r.bin?labels=a&shape=1x1x99999"),
               ASSAY_ARG, "option shape");
    open_fails(spec_of("records:", folder, "/r.bin?labels=a,&shape=1x1x2"),
               ASSAY_ARG, "has no name");
    open_fails(spec_of("records:", folder, "/r.bin?labels=a,a&shape=1x1x2"),
               ASSAY_FORMAT, "'a' is named twice");
    open_fails(spec_of("records:", folder, "/r.bin?labels=a&shape=5x1x2"),
               ASSAY_LIMIT, "5 channels");
    open_fails(spec_of("records:", folder, "/r.bin?labels=a,b,c&shape=1x1x2"),
               ASSAY_FORMAT, "12 bytes, but records have 5");
    CHECK_FAILS(assay_dataset_open(&ds,
                                   spec_of("records:", folder,
                                           "/r.bin?labels=age,sex&shape=1x1x2"),
                                   &opt, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "no attribute 'race' to use as label; there are: "
                           "age, sex");
}

static void test_specs_that_name_nothing_say_what_there_is(void)
{
    const char *folder = make_dir("empty");

    open_fails("/nonexistent/thing", ASSAY_IO, "no such file or folder");
    open_fails("cifar10", ASSAY_ARG, "'cifar10' needs a path: cifar10:PATH");
    open_fails("cifar10:/nonexistent", ASSAY_IO, "no such file or folder");
    open_fails(folder, ASSAY_FORMAT, "say KIND:PATH with one of");
    open_fails(spec_of("mnist:", folder, ""), ASSAY_IO, "neither train-images");
    open_fails(spec_of("cifar100:", folder, ""), ASSAY_IO, "no train.bin");
    open_fails(spec_of("stl10:", folder, ""), ASSAY_IO, "neither train_X.bin");
    open_fails(spec_of("cifar10:", folder, "?size=3x3"), ASSAY_ARG,
               "takes: none");
}

static void test_dataset_from_memory_is_checked(void)
{
    static const uint8_t pixels[4] = {1, 2, 3, 4};
    static const int32_t labels[2] = {0, 2};
    float values[4] = {0, 1, 2, 3};
    struct assay_dataset_source source = {.name = "m",
                                          .n = 2,
                                          .channels = 1,
                                          .height = 1,
                                          .width = 2,
                                          .pixels = pixels,
                                          .labels = labels,
                                          .n_classes = 2};
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    float record[2];

    CHECK_FAILS(assay_dataset_new(&ds, &source, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "record 1: label 2, but classes are 0 to 1");
    source.n_classes = 3;
    source.pixels = NULL;
    source.values = values;
    values[3] = strtof("nan", NULL);
    CHECK_FAILS(assay_dataset_new(&ds, &source, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "record 1: value 1 is not finite (NaN)");
    values[3] = 3;
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    CHECK(assay_dataset_pixels(ds, 0) == NULL);
    assay_dataset_record(ds, 1, record);
    CHECK_NEAR(record[1], 3, 0);
    assay_dataset_free(ds);
    source.n = 0;
    CHECK_FAILS(assay_dataset_new(&ds, &source, &err), ASSAY_DATA, err);
}

/* Debian's package dataset-fashion-mnist. */
static void test_real_fashion_mnist_has_its_70000_records(void)
{
    static const int first[8] = {9, 0, 0, 3, 0, 2, 7, 2};
    static const int first_test[4] = {9, 2, 1, 1};
    size_t per_class[10] = {0};
    assay_dataset *ds;

    if (!assay__exists("/usr/share/datasets/fashion-mnist"))
        SKIP("dataset-fashion-mnist is not installed");
    ds = open_ok("fashion-mnist", NULL);
    CHECK_UINT_EQ(assay_dataset_count(ds), 70000);
    CHECK_INT_EQ(assay_dataset_height(ds), 28);
    for (size_t i = 0; i < 8; i++)
        CHECK_INT_EQ(assay_dataset_label(ds, i), first[i]);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT_EQ(assay_dataset_label(ds, 60000 + i), first_test[i]);
    for (size_t i = 0; i < 70000; i++)
        per_class[assay_dataset_label(ds, i)]++;
    for (int k = 0; k < 10; k++)
        CHECK_UINT_EQ(per_class[k], 7000);
    CHECK_STR_EQ(assay_dataset_class_name(ds, 9), "Ankle boot");
    assay_dataset_free(ds);
}

static void test_real_mnist_labels_are_those_published(void)
{
    const char *source = getenv("ASSAY_SOURCE");
    char spec[512];
    assay_dataset *ds;

    snprintf(spec, sizeof(spec), "%s/../shared/data/mnist",
             source ? source : ".");
    if (!assay__exists(spec))
        SKIP("../shared/data/mnist is not there");
    ds = open_ok(spec, NULL);
    CHECK_UINT_EQ(assay_dataset_count(ds), 10000);
    CHECK_INT_EQ(assay_dataset_label(ds, 0), 7);
    CHECK_INT_EQ(assay_dataset_label(ds, 1), 2);
    CHECK_INT_EQ(assay_dataset_label(ds, 9999), 6);
    assay_dataset_free(ds);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_idx_folder_is_opened_by_kind_and_by_probing),
    CHECK_TEST(test_idx_parts_are_joined_plain_and_gzipped),
    CHECK_TEST(test_max_records_counts_per_file),
    CHECK_TEST(test_single_idx_file_finds_its_labels),
    CHECK_TEST(test_idx_label_out_of_range_names_the_record),
    CHECK_TEST(test_cut_idx_files_are_refused),
    CHECK_TEST(test_idx_counts_and_magic_are_compared),
    CHECK_TEST(test_damaged_gzip_is_refused),
    CHECK_TEST(test_gzip_of_several_members_is_one_file),
    CHECK_TEST(test_cifar10_batches_are_joined_and_named),
    CHECK_TEST(test_cifar_refuses_odd_sizes_and_labels),
    CHECK_TEST(test_cifar100_has_fine_and_coarse),
    CHECK_TEST(test_stl10_turns_columns_into_rows),
    CHECK_TEST(test_packed_records_take_their_labels_by_name),
    CHECK_TEST(test_packed_records_refuse_what_does_not_fit),
    CHECK_TEST(test_specs_that_name_nothing_say_what_there_is),
    CHECK_TEST(test_dataset_from_memory_is_checked),
    CHECK_TEST(test_real_fashion_mnist_has_its_70000_records),
    CHECK_TEST(test_real_mnist_labels_are_those_published),
};

CHECK_MAIN(tests)
