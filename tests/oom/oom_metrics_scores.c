/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of the metrics fails once. */

#include <math.h>

#include "assay/metrics.h"
#include "check.h"
#include "fail_alloc.h"

static const double scores[] = {3, 1, 2, 2, 0, 5};
static const uint8_t positive[] = {1, 0, 1, 0, 0, 1};

static void test_curve_survives_failing_allocations(void)
{
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        struct assay_roc roc = {0};
        int code = assay_roc_make(&roc, scores, positive, 6, &err);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK_INT_EQ(err.code, code);
        CHECK((roc.point != NULL) == (code == ASSAY_OK));
        assay_roc_release(&roc);
    }
    CHECK(n > 2);
}

static void test_area_survives_failing_allocations(void)
{
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_estimate e = {7, 7, 7, 7};
        int code = assay_auc(&e, scores, positive, 6, NULL);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((e.n == 7) == (code != ASSAY_OK));
    }
    CHECK(n > 2);
}

static void test_threshold_is_missing_without_memory(void)
{
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        double t = assay_threshold_fit(scores, positive, 6);

        fail_alloc_off();
        CHECK(isnan(t) == fail_alloc_hit());
    }
    CHECK(n > 1);
}

static void test_summary_survives_failing_allocations(void)
{
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_score_summary s = {0};
        struct assay_error err = {0};
        int code =
            assay_score_summarise(scores, positive, 6, 1.5, 0.0, &s, &err);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((s.n_pos == 3) == (code == ASSAY_OK));
    }
    CHECK(n > 3);
}

static void test_ranks_survive_failing_allocations(void)
{
    static const double other[] = {2, 2, 1, 5, 4, 3};
    long n;

    for (n = 1; fail_alloc_next(n); n++) {
        struct assay_estimate rho = {7, 7, 7, 7};
        struct assay_estimate boot = {7, 7, 7, 7};
        int code = assay_spearman(&rho, scores, other, 6, NULL);

        if (code == ASSAY_OK)
            code = assay_correlation_bootstrap(
                &boot, &(struct assay_bootstrap){ASSAY_SPEARMAN, 20, 1}, scores,
                other, 6, NULL);
        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        CHECK((boot.n == 7) == (code != ASSAY_OK));
    }
    CHECK(n > 6);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_curve_survives_failing_allocations),
    CHECK_TEST(test_area_survives_failing_allocations),
    CHECK_TEST(test_threshold_is_missing_without_memory),
    CHECK_TEST(test_summary_survives_failing_allocations),
    CHECK_TEST(test_ranks_survive_failing_allocations),
};
CHECK_MAIN(tests)
