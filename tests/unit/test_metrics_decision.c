/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting a threshold and judging the decisions it makes. */

#include <float.h>
#include <math.h>

#include "../golden/metrics.h"
#include "assay/metrics.h"
#include "assay/rng.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_threshold_lies_between_the_classes(void)
{
    const double scores[] = {1, 2, 5, 9};
    const uint8_t positive[] = {0, 0, 1, 1};
    double t = assay_threshold_fit(scores, positive, 4);

    CHECK_NEAR(t, 3.5, 0.0);
    CHECK_NEAR(assay_balanced_accuracy(scores, positive, 4, t).value, 1.0, 0.0);
}

static void test_threshold_does_not_split_a_tie(void)
{
    /* Taking 2 gains 2 of 3 members and costs 1 of 4 non-members. */
    const double scores[] = {2, 2, 2, 0, 0, 1, -1};
    const uint8_t positive[] = {1, 1, 0, 1, 0, 0, 0};
    double t = assay_threshold_fit(scores, positive, 7);

    CHECK_NEAR(t, 1.5, 0.0);
}

static void test_equal_thresholds_give_the_largest(void)
{
    /* TPR - FPR is 1/2 from 4 and again, by 2/2 - 1/2, from 2. */
    const double scores[] = {4, 3, 2, 1};
    const uint8_t positive[] = {1, 0, 1, 0};

    CHECK_NEAR(assay_threshold_fit(scores, positive, 4), 3.5, 0.0);
}

static void test_threshold_is_finite_where_nothing_helps(void)
{
    const double tied[] = {7, 7, 7};
    const double backwards[] = {1, 2, 3};
    const uint8_t positive[] = {1, 0, 0};

    CHECK_NEAR(assay_threshold_fit(tied, positive, 3), 7.0, 0.0);
    CHECK_NEAR(assay_threshold_fit(backwards, positive, 3), 1.0, 0.0);
}

static void test_threshold_between_neighbouring_numbers_holds(void)
{
    const double one = 1.0;
    const double scores[] = {one, nextafter(one, 2.0), -DBL_MAX, DBL_MAX};
    const uint8_t positive[] = {0, 1, 0, 1};
    double t = assay_threshold_fit(scores, positive, 4);

    CHECK(t > scores[0] && t <= scores[1]);
    t = assay_threshold_fit(scores + 2, positive + 2, 2);
    CHECK_NEAR(t, 0.0, 0.0);
}

static void test_threshold_needs_both_classes_and_numbers(void)
{
    const double scores[] = {1, 2, (double)NAN};
    const uint8_t positive[] = {1, 1, 0};

    CHECK(isnan(assay_threshold_fit(scores, positive, 2)));
    CHECK(isnan(assay_threshold_fit(scores, positive, 3)));
    CHECK(isnan(assay_threshold_fit(scores, positive, 0)));
}

static void test_balanced_accuracy_matches_golden(void)
{
    static double scores[1100];
    static uint8_t positive[1100];

    for (size_t r = 0; r < COUNT(balanced_golden); r++) {
        const struct balanced_row *row = &balanced_golden[r];
        size_t n_pos = (size_t)row->n_pos;
        size_t n_neg = (size_t)row->n_neg;
        struct assay_estimate e;

        for (size_t i = 0; i < n_pos + n_neg; i++) {
            positive[i] = i < n_pos;
            scores[i] =
                i < n_pos ? i < (size_t)row->tp : i - n_pos >= (size_t)row->tn;
        }
        e = assay_balanced_accuracy(scores, positive, n_pos + n_neg, 1.0);
        CHECK_NEAR(e.value, row->value, 1e-15);
        CHECK_NEAR(e.low, row->low, 1e-14);
        CHECK_NEAR(e.high, row->high, 1e-14);
        CHECK_UINT_EQ(e.n, n_pos + n_neg);
    }
}

static void test_balanced_accuracy_may_be_missing(void)
{
    const double scores[] = {1, 2, (double)INFINITY};
    const uint8_t positive[] = {1, 0, 0};

    CHECK(isnan(assay_balanced_accuracy(scores, positive, 1, 0.0).value));
    CHECK(isnan(assay_balanced_accuracy(scores, positive, 3, 0.0).value));
    CHECK(
        isnan(assay_balanced_accuracy(scores, positive, 2, (double)NAN).value));
    CHECK_NEAR(assay_balanced_accuracy(scores, positive, 2, 9.0).value, 0.5,
               0.0);
}

/* Percentage of 1,000 intervals that hold the truth. Summed over all
 * outcomes it is 92.3 (50 and 50 records, rates of 93 %) to 96. */
static int coverage(double shift, double threshold, size_t n_pos, size_t n_neg)
{
    enum { DRAWS = 1000, MOST = 200 };
    double truth = 0.5 * (assay_normal_cdf(shift - threshold) +
                          assay_normal_cdf(threshold));
    double scores[MOST];
    uint8_t positive[MOST];
    int covered = 0;

    for (uint64_t d = 0; d < DRAWS; d++) {
        struct assay_estimate e;
        struct assay_rng rng;

        assay_rng_init(&rng, 21, "balanced-coverage", d);
        for (size_t i = 0; i < n_pos + n_neg; i++) {
            positive[i] = i < n_pos;
            scores[i] = assay_rng_normal(&rng) + (i < n_pos ? shift : 0.0);
        }
        e = assay_balanced_accuracy(scores, positive, n_pos + n_neg, threshold);
        covered += e.low <= truth && truth <= e.high;
        CHECK(e.low >= 0.0 && e.high <= 1.0 && e.low < e.high);
    }
    return covered * 100 / DRAWS;
}

static void test_interval_covers_the_truth(void)
{
    CHECK_NEAR(coverage(0.0, 0.0, 50, 50), 94, 4);
    CHECK_NEAR(coverage(1.0, 0.5, 100, 30), 94, 4);
    CHECK_NEAR(coverage(1.0, 2.0, 80, 80), 94, 4);
    CHECK_NEAR(coverage(3.0, 1.5, 50, 50), 94, 4);
}

static void test_ppv_follows_the_prior(void)
{
    CHECK_NEAR(assay_ppv(0.8, 0.2, 0.5), 0.8, 1e-15);
    CHECK_NEAR(assay_ppv(0.5, 0.01, 0.01), 0.005 / (0.005 + 0.0099), 1e-15);
    CHECK_NEAR(assay_ppv(0.3, 0.0, 0.1), 1.0, 0.0);
    CHECK_NEAR(assay_ppv(0.0, 0.3, 0.1), 0.0, 0.0);
    CHECK(isnan(assay_ppv(0.0, 0.0, 0.1)));
}

/* The same numbers, each interval within the wider one. */
static void test_intervals_widen_with_their_number(void)
{
    static const double apart[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const double mixed[] = {0, 1, 4, 3, 2, 5, 6, 7};
    static const uint8_t positive[] = {0, 0, 0, 0, 1, 1, 1, 1};
    const double *const scores[] = {apart, mixed};
    struct assay_error err = {0};
    struct assay_estimate last;

    for (size_t i = 0; i < 2; i++) {
        struct assay_estimate one;
        struct assay_estimate many;

        one = assay_balanced_accuracy(scores[i], positive, 8, 3.5);
        many = assay_balanced_accuracy_among(scores[i], positive, 8, 3.5, 15);
        CHECK_NEAR(many.value, one.value, 0.0);
        CHECK(many.low < one.low && many.high >= one.high);
        CHECK_OK(assay_auc(&one, scores[i], positive, 8, &err), err);
        CHECK_OK(assay_auc_among(&many, scores[i], positive, 8, 15, &err), err);
        CHECK_NEAR(many.value, one.value, 0.0);
        CHECK(many.low < one.low && many.high >= one.high);
    }
    /* (.05 / 15 / 2)^(1/4): four pairs in order, 15 to choose from. */
    CHECK_OK(assay_auc_among(&last, apart, positive, 8, 15, &err), err);
    CHECK_NEAR(last.low, pow(0.05 / 30.0, 0.25), 1e-15);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_threshold_lies_between_the_classes),
    CHECK_TEST(test_threshold_does_not_split_a_tie),
    CHECK_TEST(test_equal_thresholds_give_the_largest),
    CHECK_TEST(test_threshold_is_finite_where_nothing_helps),
    CHECK_TEST(test_threshold_between_neighbouring_numbers_holds),
    CHECK_TEST(test_threshold_needs_both_classes_and_numbers),
    CHECK_TEST(test_balanced_accuracy_matches_golden),
    CHECK_TEST(test_balanced_accuracy_may_be_missing),
    CHECK_TEST(test_interval_covers_the_truth),
    CHECK_TEST(test_ppv_follows_the_prior),
    CHECK_TEST(test_intervals_widen_with_their_number),
};
CHECK_MAIN(tests)
