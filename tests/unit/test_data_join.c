/* SPDX-License-Identifier: Apache-2.0 */
/* Members and others as one dataset, and the split of such a one. */

#include <string.h>

#include "check.h"
#include "data/data.h"
#include "small_data.h"

static struct assay_error err;

static assay_dataset *with_classes(size_t n, int classes)
{
    static const uint8_t pixels[64];
    static const int32_t labels[64];
    struct assay_dataset_source s = {.name = "made",
                                     .n = n,
                                     .channels = 1,
                                     .height = 1,
                                     .width = 1,
                                     .n_classes = classes,
                                     .pixels = pixels,
                                     .labels = labels};
    assay_dataset *ds = NULL;

    CHECK_OK(assay_dataset_new(&ds, &s, &err), err);
    return ds;
}

static void test_members_come_first(void)
{
    assay_dataset *a = small_records(6, 1);
    assay_dataset *b = small_records(9, 2);
    assay_dataset *both = NULL;
    size_t bytes = (size_t)SMALL_SIDE * SMALL_SIDE;

    CHECK_OK(assay_dataset_join(&both, a, b, &err), err);
    CHECK_UINT_EQ(assay_dataset_count(both), 15);
    for (size_t i = 0; i < 15; i++) {
        const assay_dataset *from = i < 6 ? a : b;
        size_t at = i < 6 ? i : i - 6;

        CHECK_INT_EQ(assay_dataset_label(both, i),
                     assay_dataset_label(from, at));
        CHECK_MEM_EQ(assay_dataset_pixels(both, i),
                     assay_dataset_pixels(from, at), bytes);
    }
    CHECK_STR_HAS(assay_dataset_name(both), " beside ");
    assay_dataset_free(both);
    assay_dataset_free(b);
    assay_dataset_free(a);
}

static void test_what_does_not_fit_is_refused(void)
{
    assay_dataset *a = with_classes(4, 3);
    assay_dataset *b = with_classes(4, 2);
    assay_dataset *c = small_records(6, 1);
    assay_dataset *both = NULL;

    CHECK_FAILS(assay_dataset_join(&both, a, b, &err), ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "the same classes (3, 2)");
    CHECK_FAILS(assay_dataset_join(&both, a, c, &err), ASSAY_SHAPE, err);
    CHECK(both == NULL);
    assay_dataset_free(a);
    assay_dataset_free(b);
    assay_dataset_free(c);
}

static void test_only_members_train_the_target(void)
{
    assay_dataset *ds = with_classes(50, 2);
    struct assay_split split;
    struct assay_split again;
    unsigned char used[50] = {0};

    /* 20 members and 30 others: ten in each quarter. */
    CHECK_OK(assay_split_make_of(&split, ds, 20, 4, 0, &err), err);
    CHECK_UINT_EQ(split.n, 10);
    for (int q = 0; q < ASSAY_QUARTERS; q++) {
        for (size_t i = 0; i < split.n; i++) {
            CHECK((split.index[q][i] < 20) == (q == ASSAY_TARGET_TRAIN));
            CHECK(!used[split.index[q][i]]++);
        }
    }
    CHECK_OK(assay_split_make_of(&again, ds, 20, 4, 0, &err), err);
    CHECK_STR_EQ(again.sha256, split.sha256);
    assay_split_release(&again);
    CHECK_OK(assay_split_make_of(&again, ds, 20, 5, 0, &err), err);
    CHECK(strcmp(again.sha256, split.sha256) != 0);
    assay_split_release(&again);
    assay_split_release(&split);
    CHECK_FAILS(assay_split_make_of(&split, ds, 20, 4, 11, &err), ASSAY_DATA,
                err);
    CHECK_STR_HAS(err.msg, "20 members and 30 others give quarters of 10");
    CHECK_FAILS(assay_split_make_of(&split, ds, 48, 4, 0, &err), ASSAY_DATA,
                err);
    assay_dataset_free(ds);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_members_come_first),
    CHECK_TEST(test_what_does_not_fit_is_refused),
    CHECK_TEST(test_only_members_train_the_target),
};

CHECK_MAIN(tests)
