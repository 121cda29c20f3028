/* SPDX-License-Identifier: Apache-2.0 */
/* The summary holds what the single calls give, and says what it refuses. */

#include <math.h>
#include <string.h>

#include "../golden/metrics.h"
#include "assay/metrics.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void check_same(const struct assay_estimate *got,
                       const struct assay_estimate *want)
{
    CHECK_NEAR(got->value, want->value, 0.0);
    CHECK_NEAR(got->low, want->low, 0.0);
    CHECK_NEAR(got->high, want->high, 0.0);
    CHECK_UINT_EQ(got->n, want->n);
}

static void test_summary_agrees_with_the_single_calls(void)
{
    const size_t n = COUNT(tied_scores);
    struct assay_error err = {0};
    struct assay_score_summary s;
    struct assay_estimate e;
    struct assay_roc roc;

    CHECK_OK(assay_score_summarise(tied_scores, tied_positive, n, 0.5, 1e-5, &s,
                                   &err),
             err);
    CHECK_OK(assay_roc_make(&roc, tied_scores, tied_positive, n, &err), err);
    CHECK_UINT_EQ(s.n_pos, 25);
    CHECK_UINT_EQ(s.n_neg, 35);
    CHECK_OK(assay_auc(&e, tied_scores, tied_positive, n, &err), err);
    check_same(&s.auc, &e);
    CHECK_NEAR(s.fpr[0], 0.1, 0.0);
    CHECK_OK(assay_tpr_at_fpr(&e, &roc, 0.1, &err), err);
    check_same(&s.tpr[0], &e);
    CHECK_NEAR(s.fpr[4], 0.0, 0.0);
    CHECK_OK(assay_tpr_at_fpr(&e, &roc, 0.0, &err), err);
    check_same(&s.tpr[4], &e);
    e = assay_balanced_accuracy(tied_scores, tied_positive, n, 0.5);
    check_same(&s.balanced_accuracy, &e);
    CHECK_NEAR(s.threshold, 0.5, 0.0);
    e = assay_advantage(&roc);
    check_same(&s.advantage, &e);
    CHECK_NEAR(s.delta, 1e-5, 0.0);
    CHECK_NEAR(s.epsilon.value, assay_epsilon_lower_bound(&roc, 1e-5).value,
               0.0);
    assay_roc_release(&roc);
}

static void test_refused_rates_say_why(void)
{
    struct assay_error err = {0};
    struct assay_score_summary s;

    CHECK_OK(assay_score_summarise(tied_scores, tied_positive,
                                   COUNT(tied_scores), 0.5, 0.0, &s, &err),
             err);
    for (size_t i = 1; i <= 3; i++) {
        CHECK(isnan(s.tpr[i].value) && isnan(s.tpr[i].high));
        CHECK_STR_HAS(s.refused[i], "non-members, there are 35");
    }
    CHECK_STR_HAS(s.refused[1], "FPR 0.01 needs 100 ");
    CHECK_STR_HAS(s.refused[2], "FPR 0.001 needs 1000 ");
    CHECK_STR_HAS(s.refused[3], "FPR 0.0001 needs 10000 ");
    CHECK_STR_EQ(s.refused[0], "");
    CHECK_STR_EQ(s.refused[4], "");
    CHECK_STR_EQ(err.msg, "");
}

static void test_no_threshold_leaves_the_decision_missing(void)
{
    struct assay_error err = {0};
    struct assay_score_summary s;

    CHECK_OK(assay_score_summarise(smooth_scores, smooth_positive,
                                   COUNT(smooth_scores), (double)NAN, 0.0, &s,
                                   &err),
             err);
    CHECK(isnan(s.threshold));
    CHECK(isnan(s.balanced_accuracy.value) && isnan(s.ppv.value));
    CHECK_NEAR(s.auc.value, smooth_expect[0], 1e-15);
}

static void test_ppv_brackets_its_value(void)
{
    /* 8 of 10 members and 4 of 20 non-members are called members. */
    double scores[30];
    uint8_t positive[30];
    struct assay_error err = {0};
    struct assay_score_summary s;

    for (size_t i = 0; i < 30; i++) {
        positive[i] = i < 10;
        scores[i] = i < 8 || i >= 26;
    }
    CHECK_OK(assay_score_summarise(scores, positive, 30, 1.0, 0.0, &s, &err),
             err);
    CHECK_NEAR(s.prior, 0.1, 0.0);
    CHECK_NEAR(s.ppv.value, 0.08 / (0.08 + 0.2 * 0.9), 1e-15);
    CHECK_NEAR(s.ppv.low,
               assay_ppv(assay_beta_quantile(0.0125, 8, 3),
                         assay_beta_quantile(0.9875, 5, 16), 0.1),
               1e-12);
    CHECK_NEAR(s.ppv.high,
               assay_ppv(assay_beta_quantile(0.9875, 9, 2),
                         assay_beta_quantile(0.0125, 4, 17), 0.1),
               1e-12);
    CHECK_UINT_EQ(s.ppv.n, 30);

    CHECK_OK(assay_score_summarise(scores, positive, 30, 2.0, 0.0, &s, &err),
             err);
    CHECK(isnan(s.ppv.value));
    CHECK_NEAR(s.balanced_accuracy.value, 0.5, 0.0);
}

static void test_errors_leave_the_output_alone(void)
{
    const double scores[] = {0, 1, (double)NAN};
    const uint8_t positive[] = {0, 1, 1};
    struct assay_error err = {0};
    struct assay_score_summary s;

    memset(&s, 7, sizeof(s));
    CHECK_FAILS(assay_score_summarise(scores, positive, 3, 0.0, 0.0, &s, &err),
                ASSAY_NUMERIC, err);
    CHECK_FAILS(assay_score_summarise(scores, positive, 1, 0.0, 0.0, &s, &err),
                ASSAY_DATA, err);
    CHECK_FAILS(assay_score_summarise(scores, positive, 2, 0.0, 1.0, &s, &err),
                ASSAY_ARG, err);
    CHECK_FAILS(
        assay_score_summarise(scores, positive, 2, 0.0, (double)NAN, &s, &err),
        ASSAY_ARG, err);
    CHECK_UINT_EQ(s.n_pos, (size_t)0x0707070707070707);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_summary_agrees_with_the_single_calls),
    CHECK_TEST(test_refused_rates_say_why),
    CHECK_TEST(test_no_threshold_leaves_the_decision_missing),
    CHECK_TEST(test_ppv_brackets_its_value),
    CHECK_TEST(test_errors_leave_the_output_alone),
};
CHECK_MAIN(tests)
