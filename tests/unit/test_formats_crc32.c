/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32: the published check value, and every way to compute it against the
 * definition bit by bit, at all lengths around its steps and at all places
 * within a line of the cache.
 */

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "formats/crc32.h"
#include "zip_bytes.h"

enum { LENGTHS = 1200, PLACES = 64 };

static void fill(unsigned char *bytes, size_t n)
{
    uint32_t x = 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(x >> 24);
    }
}

static void test_published_value(void)
{
    for (int way = 0; way < ASSAY__CRC32_WAYS; way++)
        CHECK_UINT_EQ(
            assay__crc32_by((enum assay__crc32_way)way, "123456789", 9),
            0xcbf43926u);
    CHECK_UINT_EQ(assay__crc32("", 0), 0);
}

/* The way that the processor lacks is another one's then: at least the
 * table is always tried. */
static void test_all_ways_agree_at_every_length(void)
{
    static unsigned char bytes[LENGTHS + PLACES];

    fill(bytes, sizeof(bytes));
    for (size_t n = 0; n < LENGTHS; n++) {
        const unsigned char *at = bytes + n % PLACES;
        uint32_t want = zip_crc(at, n);

        for (int way = 0; way < ASSAY__CRC32_WAYS; way++)
            CHECK_UINT_EQ(assay__crc32_by((enum assay__crc32_way)way, at, n),
                          want);
    }
}

static void test_all_ways_agree_at_every_place(void)
{
    static unsigned char bytes[LENGTHS + PLACES];

    fill(bytes, sizeof(bytes));
    for (size_t at = 0; at < PLACES; at++) {
        uint32_t want = zip_crc(bytes + at, LENGTHS);

        for (int way = 0; way < ASSAY__CRC32_WAYS; way++)
            CHECK_UINT_EQ(assay__crc32_by((enum assay__crc32_way)way,
                                          bytes + at, LENGTHS),
                          want);
    }
}

static void test_large_block(void)
{
    size_t n = (3u << 20) + 77;
    unsigned char *bytes = malloc(n);

    CHECK(bytes != NULL);
    fill(bytes, n);
    for (int way = 0; way < ASSAY__CRC32_WAYS; way++)
        CHECK_UINT_EQ(assay__crc32_by((enum assay__crc32_way)way, bytes, n),
                      zip_crc(bytes, n));
    free(bytes);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_published_value),
    CHECK_TEST(test_all_ways_agree_at_every_length),
    CHECK_TEST(test_all_ways_agree_at_every_place),
    CHECK_TEST(test_large_block),
};

CHECK_MAIN(tests)
