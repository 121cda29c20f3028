/* SPDX-License-Identifier: Apache-2.0 */
/* Guesses: agreement beyond chance, F1, paired gains. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/metrics.h"
#include "assay/rng.h"
#include "check.h"

static struct assay_error err;

static void test_excess_is_kappas_numerator(void)
{
    /* Cohen's table: 3 of 4 right; 2 x 2 shares (.5, .5) and (.25, .75):
     * .75 - (.5 * .25 + .5 * .75) = .25. */
    const int32_t guess[] = {0, 0, 1, 1};
    const int32_t truth[] = {0, 1, 1, 1};
    struct assay_estimate e = assay_excess_agreement(guess, truth, 4, 2);

    CHECK_NEAR(e.value, 0.25, 1e-15);
    CHECK_UINT_EQ(e.n, 4);
    CHECK(e.low < e.value && e.high > e.value);
}

static void test_excess_of_constant_guesses_is_0(void)
{
    const int32_t guess[] = {2, 2, 2, 2, 2};
    const int32_t truth[] = {0, 1, 2, 2, 1};
    struct assay_estimate e = assay_excess_agreement(guess, truth, 5, 3);

    CHECK_NEAR(e.value, 0, 1e-15);
    CHECK(e.low <= 0 && e.high >= 0);
    CHECK(isnan(assay_excess_agreement(guess, truth, 0, 3).value));
}

/* Of 1,000 draws without anything to find the interval holds 0 in about
 * 95 %. */
static void test_excess_interval_holds_its_level(void)
{
    enum { N = 400, DRAWS = 1000, K = 4 };
    int32_t guess[N];
    int32_t truth[N];
    int held = 0;

    for (uint64_t d = 0; d < DRAWS; d++) {
        struct assay_estimate e;
        struct assay_rng rng;

        assay_rng_init(&rng, 9, "test-excess", d);
        for (int i = 0; i < N; i++) {
            guess[i] = assay_rng_uniform(&rng) < .6
                           ? 0
                           : (int32_t)assay_rng_below(&rng, K);
            truth[i] = (int32_t)assay_rng_below(&rng, K);
        }
        e = assay_excess_agreement(guess, truth, N, K);
        held += e.low <= 0 && e.high >= 0;
    }
    CHECK(held >= 930 && held <= 970);
}

/* A rule that was learnt from nothing takes whole groups for one value; the
 * plain interval then claims a find far too often, the clustered one hardly
 * ever. (Where no group happens to be right, both lie below 0.) */
static void test_clusters_keep_from_false_finds(void)
{
    enum { N = 500, GROUPS = 10, DRAWS = 400 };
    int32_t guess[N];
    int32_t truth[N];
    int plain = 0;
    int clustered = 0;
    int degrees;

    for (uint64_t d = 0; d < DRAWS; d++) {
        int32_t rule[GROUPS];
        struct assay_estimate e;
        struct assay_rng rng;

        assay_rng_init(&rng, 10, "test-clusters", d);
        for (int g = 0; g < GROUPS; g++)
            rule[g] = (int32_t)assay_rng_below(&rng, GROUPS);
        for (int i = 0; i < N; i++) {
            truth[i] = i % GROUPS;
            guess[i] = rule[truth[i]];
        }
        e = assay_excess_agreement(guess, truth, N, GROUPS);
        plain += e.low > 0;
        e = assay_excess_agreement_clustered(guess, truth, truth, GROUPS, N,
                                             GROUPS, &degrees);
        CHECK_INT_EQ(degrees, GROUPS - 1);
        clustered += e.low > 0;
    }
    CHECK(plain > DRAWS / 5);
    CHECK(clustered < DRAWS / 40);
}

static void test_a_single_cluster_says_nothing(void)
{
    const int32_t guess[] = {0, 1, 1, 0};
    const int32_t truth[] = {0, 1, 1, 1};
    const int32_t cluster[] = {0, 0, 0, 0};
    struct assay_estimate e =
        assay_excess_agreement_clustered(guess, truth, cluster, 1, 4, 2, NULL);

    CHECK_NEAR(e.low, -1, 0);
    CHECK_NEAR(e.high, 1, 0);
}

static void test_f1_by_hand(void)
{
    /* Value 1: 2 both, 3 guessed, 4 true: 4 / 7. */
    const int32_t guess[] = {1, 1, 1, 0, 0, 0};
    const int32_t truth[] = {1, 1, 0, 1, 1, 0};
    /* Three values: 2/3, 2/3, 1; value 3 occurs nowhere. */
    const int32_t guess3[] = {0, 0, 1, 2};
    const int32_t truth3[] = {0, 1, 1, 2};
    struct assay_estimate e;

    CHECK_OK(assay_f1(&e, guess, truth, 6, 2, &err), err);
    CHECK_NEAR(e.value, 4.0 / 7, 1e-15);
    CHECK(e.low >= 0 && e.low <= e.value && e.high >= e.value && e.high <= 1);
    CHECK_OK(assay_f1(&e, guess3, truth3, 4, 4, &err), err);
    CHECK_NEAR(e.value, (2.0 / 3 + 2.0 / 3 + 1) / 3, 1e-15);
}

/* 36 right by both, 12 by the first alone, 2 by the second alone, none by
 * neither; the ends are those of Newcombe's method 10 (1998) written out in
 * another language. */
static void test_paired_gain_of_a_worked_example(void)
{
    uint8_t right[50];
    uint8_t other[50];
    struct assay_estimate e;

    for (int i = 0; i < 50; i++) {
        right[i] = i < 48;
        other[i] = i < 36 || i >= 48;
    }
    e = assay_paired_gain(right, other, 50);
    CHECK_NEAR(e.value, 0.2, 1e-15);
    CHECK_NEAR(e.low, 0.056930, 5e-5);
    CHECK_NEAR(e.high, 0.340428, 5e-5);
}

static void test_equal_guesses_gain_nothing(void)
{
    uint8_t right[40];
    struct assay_estimate e;

    for (int i = 0; i < 40; i++)
        right[i] = i % 3 == 0;
    e = assay_paired_gain(right, right, 40);
    CHECK_NEAR(e.value, 0, 0);
    CHECK(e.low <= 0 && e.high >= 0);
}

static void test_paired_gain_holds_its_level(void)
{
    enum { N = 120, DRAWS = 2000 };
    uint8_t right[N];
    uint8_t other[N];
    int held = 0;

    for (uint64_t d = 0; d < DRAWS; d++) {
        struct assay_estimate e;
        struct assay_rng rng;

        assay_rng_init(&rng, 12, "test-gain", d);
        for (int i = 0; i < N; i++) {
            double hard = assay_rng_uniform(&rng);

            right[i] = assay_rng_uniform(&rng) < .3 + .6 * hard;
            other[i] = assay_rng_uniform(&rng) < .2 + .6 * hard;
        }
        e = assay_paired_gain(right, other, N);
        held += e.low <= 0.1 && e.high >= 0.1;
    }
    CHECK(held >= 1870 && held <= 1950);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_excess_is_kappas_numerator),
    CHECK_TEST(test_excess_of_constant_guesses_is_0),
    CHECK_TEST(test_excess_interval_holds_its_level),
    CHECK_TEST(test_clusters_keep_from_false_finds),
    CHECK_TEST(test_a_single_cluster_says_nothing),
    CHECK_TEST(test_f1_by_hand),
    CHECK_TEST(test_paired_gain_of_a_worked_example),
    CHECK_TEST(test_equal_guesses_gain_nothing),
    CHECK_TEST(test_paired_gain_holds_its_level),
};
CHECK_MAIN(tests)
