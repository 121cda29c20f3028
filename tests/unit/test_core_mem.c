/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator, checked sizes, and the growing buffer. */

#include <stdint.h>
#include <string.h>

#include "check.h"
#include "core/buf.h"
#include "core/checked.h"
#include "core/mem.h"

static void test_empty_blocks_can_be_freed(void)
{
    void *block[4];
    int i;

    block[0] = assay__malloc(0);
    block[1] = assay__calloc(0, 8);
    block[2] = assay__realloc(NULL, 0, 8);
    block[3] = assay__slab(0);
    for (i = 0; i < 4; i++) {
        CHECK(block[i] != NULL);
        assay__free(block[i]);
    }
    assay__free(NULL);
}

static void test_products_that_do_not_fit_get_nothing(void)
{
    /* Hidden from the compiler, which would warn about the size. */
    volatile size_t half = SIZE_MAX / 2 + 1;
    int old = 7;
    int *p = assay__malloc(sizeof old);

    CHECK(p != NULL);
    *p = old;
    CHECK(assay__realloc(p, half, 2) == NULL);
    CHECK_INT_EQ(*p, old);
    assay__free(p);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(assay__calloc(half, 2) == NULL);
#endif
    CHECK(assay__slab(SIZE_MAX) == NULL);
}

static void check_slab(size_t size)
{
    unsigned char *p = assay__slab(size);
    size_t i;

    CHECK(p != NULL);
    CHECK_UINT_EQ((uintptr_t)p % 64, 0);
    for (i = 0; i < size; i++) {
        if (p[i] != 0)
            FAIL("a slab is not zeroed");
    }
    memset(p, 0xa5, size); /* so that the next one meets used memory */
    assay__free(p);
}

static void test_slabs_are_aligned_and_zeroed(void)
{
    static const size_t size[] = {1, 63, 64, 65, 4096, 100000};
    size_t i;

    for (i = 0; i < 2 * sizeof size / sizeof size[0]; i++)
        check_slab(size[i / 2]);
}

static void test_large_slabs_lie_on_huge_pages(void)
{
    const size_t size = ((size_t)5 << 20) + 3;
    void *p = assay__slab(size);

    CHECK(p != NULL);
    CHECK_UINT_EQ((uintptr_t)p % (2u << 20), 0);
    assay__free(p);
    check_slab(size);
}

static void test_strings_are_fresh(void)
{
    char text[] = "text";
    char *copy = assay__strdup(text);
    char *made = assay__format("%s-%03d", "shadow", 7);

    text[0] = 'n';
    CHECK_STR_EQ(copy, "text");
    CHECK_STR_EQ(made, "shadow-007");
    assay__free(copy);
    assay__free(made);
}

static void test_sums_and_products_are_stored_only_when_they_fit(void)
{
    size_t r = 5;

    CHECK(assay__add_size(SIZE_MAX - 1, 1, &r));
    CHECK_UINT_EQ(r, SIZE_MAX);
    r = 5;
    CHECK(!assay__add_size(SIZE_MAX, 1, &r));
    CHECK(!assay__mul_size(SIZE_MAX / 2 + 1, 2, &r));
    CHECK_UINT_EQ(r, 5);
    CHECK(assay__mul_size(SIZE_MAX / 3, 3, &r));
    CHECK(assay__mul_size(SIZE_MAX, 0, &r));
    CHECK_UINT_EQ(r, 0);
}

static void test_ranges_stay_within_their_file(void)
{
    CHECK(assay__range_ok(0, 10, 10));
    CHECK(assay__range_ok(10, 0, 10));
    CHECK(!assay__range_ok(10, 1, 10));
    CHECK(!assay__range_ok(11, 0, 10));
    CHECK(!assay__range_ok(1, UINT64_MAX, 10));
    CHECK(!assay__range_ok(UINT64_MAX, 1, 10));
    CHECK(assay__range_ok(1, UINT64_MAX - 1, UINT64_MAX));
}

static void test_buffer_collects_text_and_bytes(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__buf_puts(&b, "a");
    assay__buf_printf(&b, "%d-%s", 12, "x");
    assay__buf_add(&b, "\0z", 2);
    assay__buf_add(&b, NULL, 0);
    CHECK(!b.failed);
    CHECK_UINT_EQ(b.size, 7);
    CHECK_MEM_EQ(b.data, "a12-x\0z", 8);
    assay__buf_release(&b);
    CHECK(b.data == NULL);
    CHECK_UINT_EQ(b.size, 0);
}

static void test_buffer_grows_to_any_length(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    int i;

    for (i = 0; i < 5000; i++)
        assay__buf_printf(&b, "%04d", i);
    CHECK_UINT_EQ(b.size, 20000);
    CHECK_MEM_EQ(b.data + 19996, "4999", 5);
    assay__buf_printf(&b, "%*s|", 70000, "");
    CHECK_UINT_EQ(b.size, 90001);
    CHECK_STR_EQ(b.data + 90000, "|");
    assay__buf_release(&b);
}

static void test_buffer_keeps_its_first_failure(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    volatile size_t endless = SIZE_MAX;

    assay__buf_puts(&b, "kept");
    assay__buf_add(&b, "", endless);
    CHECK(b.failed);
    assay__buf_puts(&b, "lost");
    CHECK_STR_EQ(b.data, "kept");
    assay__buf_release(&b);
    CHECK(!b.failed);
}

/* Bytes added one at a time cost few reallocations. */
static void test_buffer_doubles_as_it_grows(void)
{
    struct assay__buf b = ASSAY__BUF_INIT;
    size_t n_grown = 0;
    size_t cap = 0;

    for (int i = 0; i < 100000; i++) {
        assay__buf_add(&b, "x", 1);
        n_grown += b.cap != cap;
        cap = b.cap;
    }
    CHECK_UINT_EQ(b.size, 100000);
    CHECK(n_grown <= 12);
    assay__buf_release(&b);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_empty_blocks_can_be_freed),
    CHECK_TEST(test_products_that_do_not_fit_get_nothing),
    CHECK_TEST(test_slabs_are_aligned_and_zeroed),
    CHECK_TEST(test_large_slabs_lie_on_huge_pages),
    CHECK_TEST(test_strings_are_fresh),
    CHECK_TEST(test_sums_and_products_are_stored_only_when_they_fit),
    CHECK_TEST(test_ranges_stay_within_their_file),
    CHECK_TEST(test_buffer_collects_text_and_bytes),
    CHECK_TEST(test_buffer_grows_to_any_length),
    CHECK_TEST(test_buffer_keeps_its_first_failure),
    CHECK_TEST(test_buffer_doubles_as_it_grows),
};

CHECK_MAIN(tests)
