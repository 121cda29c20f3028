/* SPDX-License-Identifier: Apache-2.0 */
/* The ROC curve by hand, TPR at FPR without interpolation, refusals. */

#include <math.h>
#include <stdlib.h>

#include "../golden/metrics.h"
#include "assay/metrics.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void check_point(const struct assay_roc *roc, size_t i, double fpr,
                        double tpr, double threshold)
{
    CHECK_NEAR(roc->point[i].fpr, fpr, 0.0);
    CHECK_NEAR(roc->point[i].tpr, tpr, 0.0);
    CHECK_NEAR(roc->point[i].threshold, threshold, 0.0);
}

static void test_curve_takes_tied_records_together(void)
{
    const double scores[] = {3, 2, 2, 1, 2, 0, 1, 5};
    const uint8_t positive[] = {1, 1, 0, 0, 1, 0, 1, 0};
    struct assay_error err = {0};
    struct assay_roc roc;

    CHECK_OK(assay_roc_make(&roc, scores, positive, 8, &err), err);
    CHECK_UINT_EQ(roc.n_pos, 4);
    CHECK_UINT_EQ(roc.n_neg, 4);
    CHECK_UINT_EQ(roc.n_points, 6);
    CHECK(roc.point[0].threshold > 1e308);
    CHECK_NEAR(roc.point[0].fpr + roc.point[0].tpr, 0.0, 0.0);
    check_point(&roc, 1, 0.25, 0.0, 5);
    check_point(&roc, 2, 0.25, 0.25, 3);
    check_point(&roc, 3, 0.5, 0.75, 2);
    check_point(&roc, 4, 0.75, 1.0, 1);
    check_point(&roc, 5, 1.0, 1.0, 0);
    CHECK_NEAR(assay_advantage(&roc).value, 0.25, 0.0);
    assay_roc_release(&roc);
    assay_roc_release(&roc);
    assay_roc_release(NULL);
}

static void test_minus_zero_ties_with_zero(void)
{
    const double scores[] = {0.0, -0.0};
    const uint8_t positive[] = {1, 0};
    struct assay_error err = {0};
    struct assay_roc roc;

    CHECK_OK(assay_roc_make(&roc, scores, positive, 2, &err), err);
    CHECK_UINT_EQ(roc.n_points, 2);
    CHECK_NEAR(assay_advantage(&roc).value, 0.0, 0.0);
    assay_roc_release(&roc);
}

static double tpr_at(const struct assay_roc *roc, double fpr)
{
    struct assay_error err = {0};
    struct assay_estimate e;

    CHECK_OK(assay_tpr_at_fpr(&e, roc, fpr, &err), err);
    CHECK_UINT_EQ(e.n, roc->n_pos);
    CHECK(e.low <= e.value && e.value <= e.high && e.low < e.high);
    return e.value;
}

static void test_tpr_is_not_interpolated(void)
{
    /* The tie at 2 is a slope from (0, 1/3) to (2/4, 1). */
    const double scores[] = {3, 2, 2, 2, 2, 1, 0};
    const uint8_t positive[] = {1, 1, 1, 0, 0, 0, 0};
    struct assay_error err = {0};
    struct assay_roc roc;

    CHECK_OK(assay_roc_make(&roc, scores, positive, 7, &err), err);
    CHECK_NEAR(tpr_at(&roc, 0.0), 1.0 / 3.0, 0.0);
    CHECK_NEAR(tpr_at(&roc, 0.25), 1.0 / 3.0, 0.0);
    CHECK_NEAR(tpr_at(&roc, 0.49), 1.0 / 3.0, 0.0);
    CHECK_NEAR(tpr_at(&roc, 0.5), 1.0, 0.0);
    CHECK_NEAR(tpr_at(&roc, 1.0), 1.0, 0.0);
    assay_roc_release(&roc);
}

static void test_points_on_a_slope_are_kept(void)
{
    /* Every score twice, once in each class: all points on the diagonal. */
    double scores[20];
    uint8_t positive[20];
    struct assay_error err = {0};
    struct assay_roc roc;

    for (size_t i = 0; i < 20; i++) {
        scores[i] = (double)(i / 2);
        positive[i] = i % 2;
    }
    CHECK_OK(assay_roc_make(&roc, scores, positive, 20, &err), err);
    for (int k = 1; k <= 10; k++) {
        CHECK_NEAR(tpr_at(&roc, k / 10.0), k / 10.0, 0.0);
        /* A target that came out of arithmetic and is a hair too small. */
        CHECK_NEAR(tpr_at(&roc, k * 0.1 * (1.0 - 1e-15)), k / 10.0, 0.0);
    }
    assay_roc_release(&roc);
}

static void test_tpr_is_refused_with_too_few_non_members(void)
{
    enum { N = 1099 }; /* 100 members, 999 non-members */
    double *scores = calloc(N + 1, sizeof(*scores));
    uint8_t *positive = calloc(N + 1, sizeof(*positive));
    struct assay_error err = {0};
    struct assay_estimate e;
    struct assay_roc roc;

    CHECK(scores != NULL && positive != NULL);
    for (size_t i = 0; i <= N; i++) {
        scores[i] = (double)i;
        positive[i] = i < 100;
    }
    CHECK_OK(assay_roc_make(&roc, scores, positive, N, &err), err);
    CHECK_OK(assay_tpr_at_fpr(&e, &roc, 0.01, &err), err);
    CHECK_OK(assay_tpr_at_fpr(&e, &roc, 0.0, &err), err);
    CHECK_FAILS(assay_tpr_at_fpr(&e, &roc, 0.001, &err), ASSAY_NOTHING, err);
    CHECK_STR_HAS(err.msg, "needs 1000 non-members");
    CHECK_STR_HAS(err.msg, "there are 999");
    CHECK(isnan(e.value) && isnan(e.low) && isnan(e.high));
    assay_roc_release(&roc);

    CHECK_OK(assay_roc_make(&roc, scores, positive, N + 1, &err), err);
    CHECK_OK(assay_tpr_at_fpr(&e, &roc, 0.001, &err), err);
    CHECK_NEAR(e.value, 0.0, 0.0);
    CHECK(e.high > 0.0);
    assay_roc_release(&roc);
    free(scores);
    free(positive);
}

static void test_tpr_at_an_impossible_rate_is_an_error(void)
{
    static const double bad[] = {-0.1, 1.1, (double)NAN, (double)INFINITY};
    const double scores[] = {0, 1};
    const uint8_t positive[] = {0, 1};
    struct assay_error err = {0};
    struct assay_estimate e;
    struct assay_roc roc;

    CHECK_OK(assay_roc_make(&roc, scores, positive, 2, &err), err);
    for (size_t i = 0; i < COUNT(bad); i++) {
        CHECK_FAILS(assay_tpr_at_fpr(&e, &roc, bad[i], &err), ASSAY_ARG, err);
        CHECK(isnan(e.value));
    }
    assay_roc_release(&roc);
}

static void check_golden(const double *scores, const uint8_t *positive,
                         size_t n, const double *expect)
{
    struct assay_error err = {0};
    struct assay_roc roc;

    CHECK_OK(assay_roc_make(&roc, scores, positive, n, &err), err);
    CHECK_NEAR(tpr_at(&roc, 0.1), expect[3], 1e-15);
    CHECK_NEAR(tpr_at(&roc, 0.2), expect[4], 1e-15);
    CHECK_NEAR(tpr_at(&roc, 0.5), expect[5], 1e-15);
    CHECK_NEAR(assay_advantage(&roc).value, expect[6], 1e-15);
    assay_roc_release(&roc);
}

static void test_curve_matches_golden(void)
{
    check_golden(smooth_scores, smooth_positive, COUNT(smooth_scores),
                 smooth_expect);
    check_golden(tied_scores, tied_positive, COUNT(tied_scores), tied_expect);
}

static void test_unusable_scores_are_named(void)
{
    const double scores[] = {0, 1, (double)NAN, (double)INFINITY};
    const uint8_t positive[] = {0, 1, 1, 0};
    const uint8_t none[] = {0, 0};
    const uint8_t all[] = {1, 1};
    const uint8_t odd[] = {1, 2};
    struct assay_error err = {0};
    struct assay_roc roc = {0};

    CHECK_FAILS(assay_roc_make(&roc, scores, positive, 3, &err), ASSAY_NUMERIC,
                err);
    CHECK_STR_HAS(err.msg, "record 2");
    CHECK_FAILS(assay_roc_make(&roc, scores + 3, positive + 3, 1, &err),
                ASSAY_NUMERIC, err);
    CHECK_FAILS(assay_roc_make(&roc, scores, none, 2, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "no member among 2");
    CHECK_FAILS(assay_roc_make(&roc, scores, all, 2, &err), ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "no non-member among 2");
    CHECK_FAILS(assay_roc_make(&roc, scores, odd, 2, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "record 1 is 2");
    CHECK_FAILS(assay_roc_make(&roc, scores, all, 0, &err), ASSAY_DATA, err);
    CHECK_INT_EQ(assay_roc_make(&roc, scores, all, 0, NULL), ASSAY_DATA);
    CHECK(roc.point == NULL);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_curve_takes_tied_records_together),
    CHECK_TEST(test_minus_zero_ties_with_zero),
    CHECK_TEST(test_tpr_is_not_interpolated),
    CHECK_TEST(test_points_on_a_slope_are_kept),
    CHECK_TEST(test_tpr_is_refused_with_too_few_non_members),
    CHECK_TEST(test_tpr_at_an_impossible_rate_is_an_error),
    CHECK_TEST(test_curve_matches_golden),
    CHECK_TEST(test_unusable_scores_are_named),
};
CHECK_MAIN(tests)
