/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes, element types, lists of tensors and their metadata. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "assay/tensor.h"
#include "check.h"

static void test_shape_counts_and_prints(void)
{
    struct assay_shape s = assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)3,
                                            (int64_t)32, (int64_t)32);
    struct assay_shape scalar = assay_shape_make(0);
    char text[80];

    CHECK_UINT_EQ(assay_shape_count(&s, 64), 64 * 3 * 32 * 32);
    CHECK_UINT_EQ(assay_shape_count(&scalar, 64), 1);
    CHECK_STR_EQ(assay_shape_text(&s, text, sizeof text), "[N, 3, 32, 32]");
    CHECK_STR_EQ(assay_shape_text(&scalar, text, sizeof text), "[]");
    CHECK_STR_EQ(assay_shape_text(&s, text, 6), "[N, 3");
}

static void test_empty_dimension_counts_nothing(void)
{
    struct assay_shape s =
        assay_shape_make(3, (int64_t)5, (int64_t)0, INT64_MAX);

    CHECK_UINT_EQ(assay_shape_count(&s, 1), 0);
}

static void test_count_that_does_not_fit_saturates(void)
{
    struct assay_shape s =
        assay_shape_make(3, INT64_MAX, INT64_MAX, (int64_t)2);

    CHECK_UINT_EQ(assay_shape_count(&s, 1), SIZE_MAX);
}

static void test_shape_text_of_the_largest_fits_its_promise(void)
{
    struct assay_shape s = assay_shape_make(
        6, (int64_t)999999999, (int64_t)999999999, (int64_t)999999999,
        (int64_t)999999999, (int64_t)999999999, (int64_t)999999999);
    char text[80];

    assay_shape_text(&s, text, sizeof text);
    CHECK_STR_EQ(text + strlen(text) - 2, "9]");
}

static void test_equal_shapes_have_equal_dimensions_only(void)
{
    struct assay_shape a = assay_shape_make(2, (int64_t)2, (int64_t)3);
    struct assay_shape b = a;

    b.dim[5] = 99; /* beyond the rank: means nothing */
    CHECK(assay_shape_equal(&a, &b));
    b.dim[1] = 4;
    CHECK(!assay_shape_equal(&a, &b));
    b = a;
    b.rank = 1;
    CHECK(!assay_shape_equal(&a, &b));
}

static void test_element_types_know_size_and_name(void)
{
    CHECK_UINT_EQ(assay_dtype_size(ASSAY_DTYPE_F32), 4);
    CHECK_UINT_EQ(assay_dtype_size(ASSAY_DTYPE_BF16), 2);
    CHECK_UINT_EQ(assay_dtype_size(ASSAY_DTYPE_BOOL), 1);
    CHECK_STR_EQ(assay_dtype_name(ASSAY_DTYPE_U64), "U64");
    CHECK_UINT_EQ(assay_dtype_size(ASSAY_DTYPE_COUNT), 0);
    CHECK_STR_EQ(assay_dtype_name((enum assay_dtype)1000), "?");
}

static void test_added_tensor_is_zero_aligned_and_found(void)
{
    struct assay_shape s = assay_shape_make(2, (int64_t)3, (int64_t)5);
    struct assay_tensor *t = NULL;
    struct assay_error err = {0};
    struct assay_tensors list;
    size_t i;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_add(&list, "w", ASSAY_DTYPE_F64, &s, &t, &err), err);
    CHECK(assay_tensors_find(&list, "w") == t);
    CHECK(assay_tensors_find(&list, "v") == NULL);
    CHECK_UINT_EQ((uintptr_t)t->data % 64, 0);
    for (i = 0; i < 15; i++)
        CHECK_NEAR(assay_tensor_value(t, i), 0, 0);
    assay_tensors_release(&list);
    CHECK_UINT_EQ(list.n_items, 0);
    CHECK(list.item == NULL);
}

static void test_list_grows_and_keeps_order(void)
{
    struct assay_shape s = assay_shape_make(0);
    struct assay_error err = {0};
    struct assay_tensors list;
    char name[16];
    int i;

    assay_tensors_init(&list);
    for (i = 0; i < 100; i++) {
        float x = (float)i;

        snprintf(name, sizeof name, "t%d", i);
        CHECK_OK(assay_tensors_add_f32(&list, name, &s, &x, &err), err);
    }
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "t%d", i);
        CHECK_STR_EQ(list.item[i].name, name);
        CHECK_NEAR(assay_tensor_value(&list.item[i], 0), i, 0);
    }
    assay_tensors_release(&list);
}

static void test_bad_tensors_are_refused_and_change_nothing(void)
{
    struct assay_shape ok = assay_shape_make(1, (int64_t)2);
    struct assay_shape negative = assay_shape_make(1, (int64_t)-3);
    struct assay_shape symbolic = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_shape huge = assay_shape_make(2, INT64_MAX, INT64_MAX);
    struct assay_shape rank = {.rank = ASSAY_RANK_MAX + 1};
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_add(&list, "w", ASSAY_DTYPE_U8, &ok, NULL, &err),
             err);
    CHECK_FAILS(assay_tensors_add(&list, "w", ASSAY_DTYPE_U8, &ok, NULL, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "w");
    CHECK_FAILS(
        assay_tensors_add(&list, "n", ASSAY_DTYPE_U8, &negative, NULL, &err),
        ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "-3");
    CHECK_FAILS(
        assay_tensors_add(&list, "b", ASSAY_DTYPE_U8, &symbolic, NULL, &err),
        ASSAY_SHAPE, err);
    CHECK_FAILS(
        assay_tensors_add(&list, "h", ASSAY_DTYPE_U8, &huge, NULL, &err),
        ASSAY_LIMIT, err);
    CHECK_FAILS(
        assay_tensors_add(&list, "r", ASSAY_DTYPE_U8, &rank, NULL, &err),
        ASSAY_SHAPE, err);
    CHECK_FAILS(
        assay_tensors_add(&list, "t", ASSAY_DTYPE_COUNT, &ok, NULL, &err),
        ASSAY_ARG, err);
    CHECK_UINT_EQ(list.n_items, 1);
    assay_tensors_release(&list);
}

static void test_more_than_memory_is_nomem(void)
{
    struct assay_shape s = assay_shape_make(1, (int64_t)1 << 60);
    struct assay_error err = {0};
    struct assay_tensors list;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    SKIP("the sanitizer ends the process where malloc would say no");
#endif
    assay_tensors_init(&list);
    CHECK_FAILS(assay_tensors_add(&list, "h", ASSAY_DTYPE_U8, &s, NULL, &err),
                ASSAY_NOMEM, err);
    CHECK_UINT_EQ(list.n_items, 0);
    assay_tensors_release(&list);
}

static void test_every_element_type_reads_as_a_double(void)
{
    static const float f32[] = {-1.5f};
    static const double f64[] = {-1e300};
    static const int64_t i64[] = {INT64_MIN};
    static const int32_t i32[] = {INT32_MIN};
    static const int16_t i16[] = {-32768};
    static const int8_t i8[] = {-128};
    static const uint64_t u64[] = {UINT64_MAX};
    static const uint32_t u32[] = {UINT32_MAX};
    static const uint16_t u16[] = {65535};
    static const uint8_t u8[] = {255};
    static const uint8_t truth[] = {2};
    const struct {
        enum assay_dtype dtype;
        const void *data;
        double want;
    } row[] = {
        {ASSAY_DTYPE_F32, f32, -1.5},    {ASSAY_DTYPE_F64, f64, -1e300},
        {ASSAY_DTYPE_I64, i64, -0x1p63}, {ASSAY_DTYPE_I32, i32, -0x1p31},
        {ASSAY_DTYPE_I16, i16, -32768},  {ASSAY_DTYPE_I8, i8, -128},
        {ASSAY_DTYPE_U64, u64, 0x1p64},  {ASSAY_DTYPE_U32, u32, 4294967295.0},
        {ASSAY_DTYPE_U16, u16, 65535},   {ASSAY_DTYPE_U8, u8, 255},
        {ASSAY_DTYPE_BOOL, truth, 1},
    };
    size_t i;

    for (i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct assay_tensor t = {.dtype = row[i].dtype};

        memcpy(&t.data, &row[i].data, sizeof t.data);
        CHECK_NEAR(assay_tensor_value(&t, 0), row[i].want, 0);
    }
}

static void test_half_floats_read_exactly(void)
{
    static uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x03ff, 0x0400,
                              0x7bff, 0x8000, 0x7c00, 0xfc00, 0x7e00};
    static const double half_want[] = {1,       -2,    0x1p-24, 1023 * 0x1p-24,
                                       0x1p-14, 65504, 0};
    static uint16_t brain[] = {0x3f80, 0xc040, 0x7f80, 0x7fc0};
    struct assay_tensor t = {.dtype = ASSAY_DTYPE_F16, .data = half};
    size_t i;

    for (i = 0; i < 7; i++)
        CHECK_NEAR(assay_tensor_value(&t, i), half_want[i], 0);
    CHECK(signbit(assay_tensor_value(&t, 6)));
    CHECK(isinf(assay_tensor_value(&t, 7)));
    CHECK(assay_tensor_value(&t, 8) < 0);
    CHECK(isnan(assay_tensor_value(&t, 9)));
    t.dtype = ASSAY_DTYPE_BF16;
    t.data = brain;
    CHECK_NEAR(assay_tensor_value(&t, 0), 1, 0);
    CHECK_NEAR(assay_tensor_value(&t, 1), -3, 0);
    CHECK(isinf(assay_tensor_value(&t, 2)));
    CHECK(isnan(assay_tensor_value(&t, 3)));
}

static void test_metadata_is_set_replaced_and_found(void)
{
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK(assay_tensors_meta(&list, "a") == NULL);
    CHECK_OK(assay_tensors_set_meta(&list, "a", "1", &err), err);
    CHECK_OK(assay_tensors_set_meta(&list, "b", "a", &err), err);
    CHECK_OK(assay_tensors_set_meta(&list, "a", "3", &err), err);
    CHECK_STR_EQ(assay_tensors_meta(&list, "a"), "3");
    CHECK_STR_EQ(assay_tensors_meta(&list, "b"), "a");
    CHECK(assay_tensors_meta(&list, "3") == NULL);
    CHECK_UINT_EQ(list.n_meta, 2);
    assay_tensors_release(&list);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_shape_counts_and_prints),
    CHECK_TEST(test_empty_dimension_counts_nothing),
    CHECK_TEST(test_count_that_does_not_fit_saturates),
    CHECK_TEST(test_shape_text_of_the_largest_fits_its_promise),
    CHECK_TEST(test_equal_shapes_have_equal_dimensions_only),
    CHECK_TEST(test_element_types_know_size_and_name),
    CHECK_TEST(test_added_tensor_is_zero_aligned_and_found),
    CHECK_TEST(test_list_grows_and_keeps_order),
    CHECK_TEST(test_bad_tensors_are_refused_and_change_nothing),
    CHECK_TEST(test_more_than_memory_is_nomem),
    CHECK_TEST(test_every_element_type_reads_as_a_double),
    CHECK_TEST(test_half_floats_read_exactly),
    CHECK_TEST(test_metadata_is_set_replaced_and_found),
};

CHECK_MAIN(tests)
