/* SPDX-License-Identifier: Apache-2.0 */
/* CelebA's published layout, made up small, and lists that are wrong. */

#include <stdio.h>
#include <string.h>

#include "assay/dataset.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/celeba.h"
#include "data/data.h"

static struct assay_error err;

/* Real columns of the list's forty, in their order. */
static const char list[] =
    "3\r\n"
    "Heavy_Makeup Male Mouth_Slightly_Open Smiling Young \r\n"
    "000001.jpg -1  1  1  1 -1\r\n"
    "000002.jpg  1 -1 -1  1  1\r\n"
    "000003.jpg -1 -1 -1 -1  1\r\n";

/* A picture of one grey, under a name that says JPEG: content decides. */
static void put_picture(const char *path, uint8_t grey)
{
    uint8_t pixels[12];
    const int32_t label = 0;
    struct assay_dataset_source source = {.name = "one",
                                          .n = 1,
                                          .channels = 1,
                                          .height = 4,
                                          .width = 3,
                                          .pixels = pixels,
                                          .labels = &label,
                                          .n_classes = 1};
    assay_dataset *ds = NULL;
    unsigned char *png = NULL;
    size_t size = 0;

    memset(pixels, grey, sizeof(pixels));
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    CHECK_OK(assay_dataset_png(ds, 0, &png, &size, &err), err);
    check_write_file(path, png, size);
    assay_bytes_free(png);
    assay_dataset_free(ds);
}

static const char *make_layout(const char *name, const char *anno,
                               const char *img, const char *text)
{
    char path[512];
    char root[400];
    int i;

    snprintf(root, sizeof(root), "%s", check_temp_path(name));
    snprintf(path, sizeof(path), "%s%s/img_align_celeba", root, img);
    CHECK_OK(assay__make_dir(path, &err), err);
    for (i = 1; i <= 3; i++) {
        snprintf(path, sizeof(path), "%s%s/img_align_celeba/%06d.jpg", root,
                 img, i);
        put_picture(path, (uint8_t)(10 * i));
    }
    snprintf(path, sizeof(path), "%s%s", root, anno);
    CHECK_OK(assay__make_dir(path, &err), err);
    snprintf(path, sizeof(path), "%s%s/list_attr_celeba.txt", root, anno);
    check_write_file(path, text, strlen(text));
    return check_temp_path(name);
}

static assay_dataset *open_with(const char *folder, const char *options,
                                const char *label, int wanted)
{
    struct assay_dataset_options opt = {.label = label};
    assay_dataset *ds = NULL;
    char spec[640];
    int code;

    snprintf(spec, sizeof(spec), "celeba:%s%s", folder, options);
    code = assay_dataset_open(&ds, spec, &opt, &err);
    if (wanted == ASSAY_OK)
        CHECK_OK(code, err);
    else
        CHECK_FAILS(code, wanted, err);
    return ds;
}

static void test_default_label_is_of_three_columns(void)
{
    assay_dataset *ds =
        open_with(make_layout("plain", "", "", list), "", NULL, ASSAY_OK);

    CHECK_UINT_EQ(assay_dataset_count(ds), 3);
    CHECK_INT_EQ(assay_dataset_height(ds), 4);
    CHECK_INT_EQ(assay_dataset_width(ds), 3);
    CHECK_INT_EQ(assay_dataset_n_classes(ds), 8);
    /* 2^0 makeup + 2^1 mouth + 2^2 smile. */
    CHECK_INT_EQ(assay_dataset_label(ds, 0), 6);
    CHECK_INT_EQ(assay_dataset_label(ds, 1), 5);
    CHECK_INT_EQ(assay_dataset_label(ds, 2), 0);
    CHECK_STR_EQ(assay_dataset_class_name(ds, 0), "none");
    CHECK_STR_EQ(assay_dataset_class_name(ds, 6),
                 "Mouth_Slightly_Open+Smiling");
    CHECK_INT_EQ(assay_dataset_pixels(ds, 1)[0], 20);
    /* Male+Young, then the five columns. */
    CHECK_UINT_EQ(assay_dataset_n_attributes(ds), 7);
    CHECK_STR_EQ(assay_dataset_attribute_name(ds, 1), "Male+Young");
    CHECK_INT_EQ(assay_dataset_attribute_cardinality(ds, 1), 4);
    CHECK_INT_EQ(assay_dataset_attribute(ds, 1, 0), 1);
    CHECK_INT_EQ(assay_dataset_attribute(ds, 1, 1), 2);
    CHECK_STR_EQ(assay_dataset_attribute_name(ds, 3), "Male");
    CHECK_INT_EQ(assay_dataset_attribute(ds, 3, 0), 1);
    CHECK_INT_EQ(assay_dataset_attribute(ds, 3, 1), 0);
    assay_dataset_free(ds);
}

static void test_labels_are_chosen_in_the_spec(void)
{
    const char *folder = make_layout("deep", "/Anno", "/Img", list);
    assay_dataset *ds = open_with(folder, "?labels=Young,Smiling+Male&size=2x2",
                                  NULL, ASSAY_OK);

    CHECK_INT_EQ(assay_dataset_n_classes(ds), 2);
    CHECK_INT_EQ(assay_dataset_label(ds, 0), 0);
    CHECK_INT_EQ(assay_dataset_label(ds, 2), 1);
    CHECK_INT_EQ(assay_dataset_height(ds), 2);
    CHECK_INT_EQ(assay_dataset_attribute(ds, 1, 0), 3);
    assay_dataset_free(ds);
    ds = open_with(folder, "", "Male+Young", ASSAY_OK);
    CHECK_INT_EQ(assay_dataset_n_classes(ds), 4);
    assay_dataset_free(ds);
    ds = open_with(folder, "?labels=Smiling", "Male", ASSAY_OK);
    CHECK_INT_EQ(assay_dataset_label(ds, 0), 1);
    assay_dataset_free(ds);
    open_with(folder, "?labels=Smile", NULL, ASSAY_ARG);
    CHECK_STR_HAS(err.msg, "no attribute 'Smile'");
    open_with(folder, "?labels=Male,", NULL, ASSAY_ARG);
}

static void test_folder_is_recognised(void)
{
    assay_dataset *ds = NULL;

    CHECK_OK(assay_dataset_open(&ds, make_layout("probed", "", "", list), NULL,
                                &err),
             err);
    CHECK_STR_EQ(assay_dataset_name(ds), "celeba");
    assay_dataset_free(ds);
}

static void test_missing_picture_is_told(void)
{
    const char *folder =
        make_layout("missing", "", "",
                    "1\nHeavy_Makeup Male Mouth_Slightly_Open Smiling "
                    "Young\n000009.jpg 1 1 1 1 1\n");

    open_with(folder, "", NULL, ASSAY_IO);
    CHECK_STR_HAS(err.msg, "000009.jpg");
}

static int read_list(const char *text, size_t max)
{
    struct assay__celeba table;
    char *copy = assay__strdup(text);
    int code = assay__celeba_read(&table, copy, strlen(copy), max, &err);

    if (code == ASSAY_OK)
        assay__celeba_release(&table);
    assay__free(copy);
    return code;
}

static void test_wrong_lists_are_refused(void)
{
    static const char *const lists[] = {
        "",
        "x\nA\na.jpg 1\n",
        "0\nA\n",
        "-1\nA\na.jpg 1\n",
        "1 2\nA\na.jpg 1\n",
        "999999999\nA\na.jpg 1\n",
        "1\n\na.jpg 1\n",
        "1\nA B\na.jpg 1\n",
        "1\nA B\na.jpg 1 2\n",
        "1\nA B\na.jpg 1 -\n",
        "1\nA B\na.jpg 1 1 1\n",
        "2\nA B\na.jpg 1 1\n\n\n\n",
        "1\nA B\n../a.jpg 1 1\n",
    };
    size_t i;

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        CHECK_FAILS(read_list(lists[i], SIZE_MAX), ASSAY_FORMAT, err);
    CHECK_OK(read_list("2\nA B\na.jpg 1 -1\nb.jpg 1 1", SIZE_MAX), err);
    /* What is not asked for is not looked at. */
    CHECK_OK(read_list("2\nA B\na.jpg 1 -1\nb.jpg 1 1 1 1", 1), err);
}

static void test_lists_that_end_early_are_refused(void)
{
    size_t end = strlen(list);
    char text[sizeof(list)];
    size_t i;

    /* The last word may lose its line's end, and no more. */
    for (i = 0; i + 2 < end; i++) {
        memcpy(text, list, i);
        text[i] = '\0';
        CHECK_FAILS(read_list(text, SIZE_MAX), ASSAY_FORMAT, err);
    }
    CHECK_OK(read_list(list, SIZE_MAX), err);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_default_label_is_of_three_columns),
    CHECK_TEST(test_labels_are_chosen_in_the_spec),
    CHECK_TEST(test_folder_is_recognised),
    CHECK_TEST(test_missing_picture_is_told),
    CHECK_TEST(test_wrong_lists_are_refused),
    CHECK_TEST(test_lists_that_end_early_are_refused),
};
CHECK_MAIN(tests)
