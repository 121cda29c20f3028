/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random streams: golden values that must never change (stored results name
 * a seed, not numbers), distribution, and independence of streams. The
 * statistical tests use fixed seeds: they pass always or never. Bounds are
 * the 1e-6 quantiles of their statistic, so that a right generator has them
 * by far and a wrong one misses them by more.
 */

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "check.h"

static void test_generator_is_xoshiro256starstar(void)
{
    /* From the state 1, 2, 3, 4, worked out by the published recurrence. */
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240u};
    struct assay_rng rng = {{1, 2, 3, 4}};
    size_t i;

    for (i = 0; i < 4; i++)
        CHECK_UINT_EQ(assay_rng_u64(&rng), want[i]);
}

static void test_streams_keep_their_golden_values(void)
{
    static const struct {
        uint64_t seed;
        const char *purpose;
        uint64_t index;
        uint64_t want[4];
    } row[] = {
        {1,
         "split",
         0,
         {0xbcf6a9d7edd71f5a, 0xef91eb89acab5916, 0x7976fc2803965ed7,
          0x99c8626cd64c8495}},
        {8,
         "init",
         1,
         {0xbe4479598b05655e, 0x0c3ff909340967b1, 0x8ea50b61c0f2d3b2,
          0xfe6a5ece0bb89ed4}},
        {15,
         "batch-order",
         2,
         {0x09f8ad60e052acb7, 0x3b8ecf9f4870558a, 0xbb748a7359c36c9c,
          0x6dc82e060dd80e84}},
    };
    struct assay_rng rng;
    size_t i;
    size_t k;

    for (i = 0; i < sizeof row / sizeof row[0]; i++) {
        assay_rng_init(&rng, row[i].seed, row[i].purpose, row[i].index);
        for (k = 0; k < 4; k++)
            CHECK_UINT_EQ(assay_rng_u64(&rng), row[i].want[k]);
    }
}

static void test_draws_keep_their_golden_values(void)
{
    static const double normal[] = {-1.062154757786715, 1.0273027258040883,
                                    -0.72704817150377776};
    static const uint32_t below[] = {0, 7, 0, 1, 4, 1, 7, 8};
    static const uint32_t order[] = {8, 4, 7, 5, 2, 9, 1, 6, 0, 3};
    uint32_t item[10];
    struct assay_rng rng;
    uint32_t i;

    assay_rng_init(&rng, 42, "normal", 0);
    for (i = 0; i < 3; i++) /* the C library's log and cos: not to the bit */
        CHECK_NEAR(assay_rng_normal(&rng), normal[i], 1e-14);
    assay_rng_init(&rng, 42, "below", 0);
    for (i = 0; i < 8; i++)
        CHECK_UINT_EQ(assay_rng_below(&rng, 10), below[i]);
    for (i = 0; i < 10; i++)
        item[i] = i;
    assay_rng_init(&rng, 42, "shuffle", 0);
    assay_rng_shuffle(&rng, item, 10);
    for (i = 0; i < 10; i++)
        CHECK_UINT_EQ(item[i], order[i]);
    CHECK_UINT_EQ(assay_rng_hash(0, 0, 0), 0x238275bc38fcbe91);
    CHECK_UINT_EQ(assay_rng_hash(1, 2, 3), 0xd0734750fde362b3);
    CHECK_UINT_EQ(assay_rng_hash(3, 2, 1), 0xd62a7f6e291fef64);
}

static void test_each_part_of_the_triple_makes_another_stream(void)
{
    struct assay_rng base;
    struct assay_rng other[4];
    size_t i;

    assay_rng_init(&base, 1, "init", 0);
    assay_rng_init(&other[0], 2, "init", 0);
    assay_rng_init(&other[1], 1, "inis", 0);
    assay_rng_init(&other[2], 1, "init", 1);
    assay_rng_init(&other[3], 1, "", 0);
    for (i = 0; i < 4; i++)
        CHECK(memcmp(&base, &other[i], sizeof base) != 0);
}

/* Correlation of neighbouring streams' uniforms; sd is 1/sqrt(n). */
static void test_neighbouring_streams_do_not_correlate(void)
{
    enum { N = 20000, STREAMS = 8 };
    struct assay_rng a;
    struct assay_rng b;
    uint64_t index;
    int i;

    for (index = 0; index < STREAMS; index++) {
        double sum = 0;

        assay_rng_init(&a, 5, "init", index);
        assay_rng_init(&b, 5, "init", index + 1);
        for (i = 0; i < N; i++)
            sum += (assay_rng_uniform(&a) - 0.5) *
                   (assay_rng_uniform(&b) - 0.5) * 12;
        CHECK_NEAR(sum / N, 0, 5 / sqrt(N));
    }
}

static void test_uniform_fills_the_unit_interval(void)
{
    enum { N = 64000, BINS = 64 };
    int count[BINS] = {0};
    struct assay_rng rng;
    double chi2 = 0;
    int i;

    assay_rng_init(&rng, 9, "uniform", 0);
    for (i = 0; i < N; i++) {
        double u = assay_rng_uniform(&rng);

        CHECK(u >= 0 && u < 1);
        count[(int)(u * BINS)]++;
    }
    for (i = 0; i < BINS; i++)
        chi2 += pow(count[i] - N / BINS, 2) / (N / BINS);
    /* 63 degrees of freedom: mean 63, sd 11.2. */
    CHECK_NEAR(chi2, 63, 60);
}

static void test_normal_has_the_moments_of_one(void)
{
    enum { N = 200000 };
    double sum[5] = {0};
    struct assay_rng rng;
    int i;

    assay_rng_init(&rng, 9, "normal", 0);
    for (i = 0; i < N; i++) {
        double x = assay_rng_normal(&rng);

        CHECK(isfinite(x));
        sum[1] += x;
        sum[2] += x * x;
        sum[3] += x * x * x;
        sum[4] += x * x * x * x;
    }
    /* Variances of the sample moments: 1, 2, 15, 96 over N. */
    CHECK_NEAR(sum[1] / N, 0, 5 * sqrt(1.0 / N));
    CHECK_NEAR(sum[2] / N, 1, 5 * sqrt(2.0 / N));
    CHECK_NEAR(sum[3] / N, 0, 5 * sqrt(15.0 / N));
    CHECK_NEAR(sum[4] / N, 3, 5 * sqrt(96.0 / N));
}

static void test_below_is_even_and_in_range(void)
{
    enum { N = 70000, SIDES = 7 };
    int count[SIDES] = {0};
    struct assay_rng rng;
    double chi2 = 0;
    int i;

    assay_rng_init(&rng, 9, "below", 0);
    for (i = 0; i < N; i++) {
        uint64_t x = assay_rng_below(&rng, SIDES);

        CHECK(x < SIDES);
        count[x]++;
    }
    for (i = 0; i < SIDES; i++)
        chi2 += pow(count[i] - N / SIDES, 2) / (N / SIDES);
    CHECK(chi2 < 40); /* 6 degrees of freedom */
    CHECK_UINT_EQ(assay_rng_below(&rng, 1), 0);
}

/* n = 3 * 2^62: a plain remainder would fall in the lowest third half of
 * the time, not a third of it. */
static void test_below_refuses_words_that_would_bias(void)
{
    enum { N = 30000 };
    const uint64_t n = (uint64_t)3 << 62;
    struct assay_rng rng;
    int low = 0;
    int i;

    assay_rng_init(&rng, 9, "bias", 0);
    for (i = 0; i < N; i++)
        low += assay_rng_below(&rng, n) < n / 3;
    CHECK_NEAR((double)low / N, 1.0 / 3, 5 * sqrt(2.0 / 9 / N));
}

static void test_shuffle_reaches_every_order_evenly(void)
{
    enum { N = 24000 };
    int count[4][4] = {{0}};
    struct assay_rng rng;
    int i;
    int k;

    assay_rng_init(&rng, 9, "shuffle", 0);
    for (i = 0; i < N; i++) {
        uint32_t item[4] = {0, 1, 2, 3};

        assay_rng_shuffle(&rng, item, 4);
        for (k = 0; k < 4; k++)
            count[k][item[k]]++;
    }
    for (i = 0; i < 16; i++)
        CHECK_NEAR(count[i / 4][i % 4], N / 4.0, 5 * sqrt(N * 3.0 / 16));
    assay_rng_shuffle(&rng, NULL, 0);
}

/* Each bit of a hash flips about half the time when one input bit does. */
static void test_hash_avalanches_in_each_word(void)
{
    int word;
    int bit;

    for (word = 0; word < 3; word++) {
        int flipped = 0;

        for (bit = 0; bit < 64; bit++) {
            uint64_t in[3] = {11, 22, 33};
            uint64_t before = assay_rng_hash(in[0], in[1], in[2]);

            in[word] ^= (uint64_t)1 << bit;
            flipped += __builtin_popcountll(
                before ^ assay_rng_hash(in[0], in[1], in[2]));
        }
        CHECK_NEAR(flipped / 4096.0, 0.5, 5 * 0.5 / 64);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_generator_is_xoshiro256starstar),
    CHECK_TEST(test_streams_keep_their_golden_values),
    CHECK_TEST(test_draws_keep_their_golden_values),
    CHECK_TEST(test_each_part_of_the_triple_makes_another_stream),
    CHECK_TEST(test_neighbouring_streams_do_not_correlate),
    CHECK_TEST(test_uniform_fills_the_unit_interval),
    CHECK_TEST(test_normal_has_the_moments_of_one),
    CHECK_TEST(test_below_is_even_and_in_range),
    CHECK_TEST(test_below_refuses_words_that_would_bias),
    CHECK_TEST(test_shuffle_reaches_every_order_evenly),
    CHECK_TEST(test_hash_avalanches_in_each_word),
};

CHECK_MAIN(tests)
