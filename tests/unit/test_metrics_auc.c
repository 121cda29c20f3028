/* SPDX-License-Identifier: Apache-2.0 */
/* The area and its interval: golden, degenerate and simulated cases. */

#include <math.h>

#include "../golden/metrics.h"
#include "assay/metrics.h"
#include "assay/rng.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct assay_estimate auc(const double *scores, const uint8_t *positive,
                                 size_t n)
{
    struct assay_error err = {0};
    struct assay_estimate e;

    CHECK_OK(assay_auc(&e, scores, positive, n, &err), err);
    CHECK_UINT_EQ(e.n, n);
    CHECK(0.0 <= e.low && e.low <= e.value);
    CHECK(e.value <= e.high && e.high <= 1.0);
    CHECK(e.low < e.high);
    return e;
}

static void test_area_counts_a_tie_as_half(void)
{
    const double scores[] = {3, 2, 1, 2, 0};
    const uint8_t positive[] = {1, 1, 0, 0, 0};

    /* Of 6 pairs 5 are in order and one is tied. */
    CHECK_NEAR(auc(scores, positive, 5).value, 5.5 / 6.0, 1e-16);
}

static void check_golden(const double *scores, const uint8_t *positive,
                         size_t n, const double *expect)
{
    struct assay_estimate e = auc(scores, positive, n);

    CHECK_NEAR(e.value, expect[0], 1e-15);
    CHECK_NEAR(e.low, expect[1], 1e-13);
    CHECK_NEAR(e.high, expect[2], 1e-13);
}

static void test_area_and_interval_match_golden(void)
{
    check_golden(smooth_scores, smooth_positive, COUNT(smooth_scores),
                 smooth_expect);
    check_golden(tied_scores, tied_positive, COUNT(tied_scores), tied_expect);
}

static void test_negated_scores_mirror_the_interval(void)
{
    struct assay_estimate e =
        auc(tied_scores, tied_positive, COUNT(tied_scores));
    double negated[COUNT(tied_scores)];
    struct assay_estimate m;

    for (size_t i = 0; i < COUNT(negated); i++)
        negated[i] = -tied_scores[i];
    m = auc(negated, tied_positive, COUNT(negated));
    CHECK_NEAR(m.value, 1.0 - e.value, 1e-15);
    CHECK_NEAR(m.low, 1.0 - e.high, 1e-14);
    CHECK_NEAR(m.high, 1.0 - e.low, 1e-14);
}

static void test_tied_scores_give_half_and_a_wide_interval(void)
{
    double scores[200] = {0};
    uint8_t positive[200];
    struct assay_estimate e;

    for (size_t i = 0; i < 200; i++)
        positive[i] = i % 2;
    e = auc(scores, positive, 200);
    CHECK_NEAR(e.value, 0.5, 0.0);
    CHECK_NEAR(e.high - e.low, 2.0 * sqrt(log(40.0) / 200.0), 1e-12);
}

static void test_classes_apart_keep_an_interval(void)
{
    double scores[90];
    uint8_t positive[90];
    struct assay_estimate e;

    for (size_t i = 0; i < 90; i++) {
        scores[i] = (double)i;
        positive[i] = i >= 60;
    }
    e = auc(scores, positive, 90);
    CHECK_NEAR(e.value, 1.0, 0.0);
    CHECK_NEAR(e.low, pow(0.025, 1.0 / 30.0), 1e-15);
    CHECK_NEAR(e.high, 1.0, 0.0);
    for (size_t i = 0; i < 90; i++)
        positive[i] = i < 30;
    e = auc(scores, positive, 90);
    CHECK_NEAR(e.value, 0.0, 0.0);
    CHECK_NEAR(e.low, 0.0, 0.0);
    CHECK_NEAR(e.high, 1.0 - pow(0.025, 1.0 / 30.0), 1e-15);
}

static void test_one_member_tells_little(void)
{
    const double scores[] = {1, 5, 2, 3, 4, 0};
    const uint8_t positive[] = {0, 0, 0, 1, 0, 0};
    struct assay_estimate e = auc(scores, positive, 6);

    CHECK_NEAR(e.value, 0.6, 1e-16);
    CHECK_NEAR(e.low, 0.0, 0.0);
    CHECK_NEAR(e.high, 1.0, 0.0);
    e = auc(scores + 2, positive + 2, 2);
    CHECK_NEAR(e.value, 1.0, 0.0);
    CHECK_NEAR(e.low, 0.025, 1e-16);
}

static void test_order_of_records_does_not_matter(void)
{
    enum { N = COUNT(tied_scores) };
    struct assay_estimate e = auc(tied_scores, tied_positive, N);
    struct assay_estimate shuffled;
    double scores[N];
    uint8_t positive[N];
    uint32_t items[N];
    struct assay_rng rng;

    for (uint32_t i = 0; i < N; i++)
        items[i] = i;
    assay_rng_init(&rng, 1, "shuffle", 0);
    assay_rng_shuffle(&rng, items, N);
    for (size_t i = 0; i < N; i++) {
        scores[i] = tied_scores[items[i]];
        positive[i] = tied_positive[items[i]];
    }
    shuffled = auc(scores, positive, N);
    CHECK_MEM_EQ(&shuffled, &e, sizeof(e));
}

/* Percentage of 500 intervals that hold the area of N(shift, 1) against
 * N(0, 1). */
static int coverage(double shift, size_t n_pos, size_t n_neg, double truth)
{
    enum { DRAWS = 500, MOST = 400 };
    double scores[MOST];
    uint8_t positive[MOST];
    int covered = 0;

    for (uint64_t d = 0; d < DRAWS; d++) {
        struct assay_estimate e;
        struct assay_rng rng;

        assay_rng_init(&rng, 20, "auc-coverage", d);
        for (size_t i = 0; i < n_pos + n_neg; i++) {
            positive[i] = i < n_pos;
            scores[i] = assay_rng_normal(&rng) + (i < n_pos ? shift : 0.0);
        }
        e = auc(scores, positive, n_pos + n_neg);
        covered += e.low <= truth && truth <= e.high;
    }
    return covered * 100 / DRAWS;
}

static void test_interval_covers_the_truth(void)
{
    static const struct {
        double shift;
        size_t n_pos;
        size_t n_neg;
    } rows[] = {{0.0, 100, 100},
                {0.0, 20, 300},
                {1.0, 60, 40},
                {2.0, 50, 50},
                {3.5, 40, 40}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        int percent = coverage(rows[i].shift, rows[i].n_pos, rows[i].n_neg,
                               assay_normal_cdf(rows[i].shift * sqrt(0.5)));

        CHECK_NEAR(percent, 95, 4);
    }
}

static void test_errors_leave_the_output_alone(void)
{
    const double scores[] = {0, (double)NAN};
    const uint8_t positive[] = {0, 1};
    struct assay_estimate e = {7, 7, 7, 7};
    struct assay_error err = {0};

    CHECK_FAILS(assay_auc(&e, scores, positive, 2, &err), ASSAY_NUMERIC, err);
    CHECK_FAILS(assay_auc(&e, scores, positive, 1, &err), ASSAY_DATA, err);
    CHECK_NEAR(e.value, 7.0, 0.0);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_area_counts_a_tie_as_half),
    CHECK_TEST(test_area_and_interval_match_golden),
    CHECK_TEST(test_negated_scores_mirror_the_interval),
    CHECK_TEST(test_tied_scores_give_half_and_a_wide_interval),
    CHECK_TEST(test_classes_apart_keep_an_interval),
    CHECK_TEST(test_one_member_tells_little),
    CHECK_TEST(test_order_of_records_does_not_matter),
    CHECK_TEST(test_interval_covers_the_truth),
    CHECK_TEST(test_errors_leave_the_output_alone),
};
CHECK_MAIN(tests)
