/* SPDX-License-Identifier: Apache-2.0 */
/* Means, spreads, correlations of values and of ranks. */

#include <math.h>

#include "../golden/metrics.h"
#include "assay/metrics.h"
#include "check.h"

static const double xs[] = {1.0, 2.5, 3.0, 4.5, 5.0, 7.25, 8.0};
static const double ys[] = {2.0, 1.5, 4.0, 3.5, 6.0, 5.0, 9.5};

static void test_numbers_match_golden(void)
{
    struct assay_estimate r = assay_pearson(xs, ys, 7);
    struct assay_estimate m = assay_mean_interval(xs, 7);

    CHECK_NEAR(r.value, pearson_expect[0], 1e-15);
    CHECK_NEAR(r.low, pearson_expect[1], 1e-14);
    CHECK_NEAR(r.high, pearson_expect[2], 1e-14);
    CHECK_UINT_EQ(r.n, 7);
    CHECK_NEAR(m.value, pearson_expect[3], 1e-15);
    CHECK_NEAR(assay_sd(xs, 7), pearson_expect[4], 1e-15);
    CHECK_NEAR(m.low, pearson_expect[5], 1e-13);
    CHECK_NEAR(m.high, pearson_expect[6], 1e-13);
    CHECK_UINT_EQ(m.n, 7);
}

static void test_an_offset_costs_no_digits(void)
{
    double x[7];
    double y[7];

    for (size_t i = 0; i < 7; i++) {
        x[i] = xs[i] + 4294967296.0;
        y[i] = ys[i] - 4294967296.0;
    }
    CHECK_NEAR(assay_sd(x, 7), pearson_expect[4], 1e-14);
    CHECK_NEAR(assay_pearson(x, y, 7).value, pearson_expect[0], 1e-14);
}

static void test_too_few_numbers_are_missing(void)
{
    CHECK(isnan(assay_mean(xs, 0)));
    CHECK_NEAR(assay_mean(xs, 1), 1.0, 0.0);
    CHECK(isnan(assay_sd(xs, 1)));
    CHECK(isnan(assay_mean_interval(xs, 0).value));
    CHECK_NEAR(assay_mean_interval(xs, 1).value, 1.0, 0.0);
    CHECK(isnan(assay_mean_interval(xs, 1).low));
    CHECK(isnan(assay_mean_interval(xs, 1).high));
    CHECK(isnan(assay_pearson(xs, ys, 0).value));
    CHECK(isnan(assay_pearson(xs, ys, 1).value));
    CHECK_NEAR(assay_pearson(xs, ys, 3).low, -1.0, 0.0);
    CHECK_NEAR(assay_pearson(xs, ys, 3).high, 1.0, 0.0);
}

static void test_a_line_correlates_fully(void)
{
    double down[7];

    for (size_t i = 0; i < 7; i++)
        down[i] = 3.0 - 0.1 * xs[i];
    CHECK_NEAR(assay_pearson(xs, xs, 7).value, 1.0, 1e-15);
    CHECK_NEAR(assay_pearson(xs, down, 7).value, -1.0, 1e-15);
}

static void test_what_does_not_vary_has_no_correlation(void)
{
    const double flat[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};

    CHECK(isnan(assay_pearson(xs, flat, 7).value));
    CHECK(isnan(assay_pearson(flat, xs, 7).value));
}

static void test_a_missing_number_makes_all_missing(void)
{
    const double holed[] = {1, 2, (double)NAN, 4, 5, 6, 7};

    CHECK(isnan(assay_mean(holed, 7)));
    CHECK(isnan(assay_sd(holed, 7)));
    CHECK(isnan(assay_pearson(xs, holed, 7).value));
    CHECK(isnan(assay_mean_interval(holed, 7).low));
}

/* With ties in both. */
static const double us[] = {1, 2, 2, 4, 5.5, 6, 7, 9};
static const double vs[] = {3, 1, 4, 1, 5, 9, 2, 6};

static void test_ranks_match_golden(void)
{
    struct assay_error err = {0};
    struct assay_estimate rho;

    CHECK_OK(assay_spearman(&rho, us, vs, 8, &err), err);
    CHECK_NEAR(rho.value, spearman_expect[0], 1e-14);
    CHECK_NEAR(rho.low, spearman_expect[1], 1e-13);
    CHECK_NEAR(rho.high, spearman_expect[2], 1e-13);
    CHECK_UINT_EQ(rho.n, 8);
    CHECK_OK(assay_spearman(&rho, us, vs, 3, &err), err);
    CHECK_NEAR(rho.low, -1, 0);
    CHECK_NEAR(rho.high, 1, 0);
}

static void test_bootstrap_matches_golden(void)
{
    struct assay_error err = {0};
    struct assay_estimate e;

    CHECK_OK(assay_correlation_bootstrap(
                 &e, &(struct assay_bootstrap){ASSAY_PEARSON, 300, 5}, us, vs,
                 8, &err),
             err);
    CHECK_NEAR(e.value, assay_pearson(us, vs, 8).value, 0);
    CHECK_NEAR(e.low, spearman_expect[3], 1e-13);
    CHECK_NEAR(e.high, spearman_expect[4], 1e-13);
    CHECK_OK(assay_correlation_bootstrap(
                 &e, &(struct assay_bootstrap){ASSAY_SPEARMAN, 300, 5}, us, vs,
                 8, &err),
             err);
    CHECK_NEAR(e.low, spearman_expect[5], 1e-13);
    CHECK_NEAR(e.high, spearman_expect[6], 1e-13);
    CHECK_UINT_EQ(e.n, 8);
}

static void test_bootstrap_needs_pairs_that_vary(void)
{
    static const double flat[] = {1, 1, 1, 1, 1, 1, 1, 2};
    struct assay_error err = {0};
    struct assay_estimate e;

    CHECK_OK(assay_correlation_bootstrap(
                 &e, &(struct assay_bootstrap){ASSAY_PEARSON, 100, 0}, us, vs,
                 3, &err),
             err);
    CHECK(!isnan(e.value) && isnan(e.low) && isnan(e.high));
    /* (7/8)^8 of the draws, over a third, miss the one that differs. */
    CHECK_OK(assay_correlation_bootstrap(
                 &e, &(struct assay_bootstrap){ASSAY_PEARSON, 400, 0}, us, flat,
                 8, &err),
             err);
    CHECK(!isnan(e.low));
    CHECK_OK(assay_correlation_bootstrap(
                 &e, &(struct assay_bootstrap){ASSAY_SPEARMAN, 100, 0}, flat,
                 flat, 7, &err),
             err);
    CHECK(isnan(e.value) && isnan(e.low));
}

static void test_ranks_do_not_mind_a_monotone_map(void)
{
    struct assay_error err = {0};
    struct assay_estimate a;
    struct assay_estimate b;
    double x[8];

    for (size_t i = 0; i < 8; i++)
        x[i] = exp(3 * us[i]);
    CHECK_OK(assay_spearman(&a, us, vs, 8, &err), err);
    CHECK_OK(assay_spearman(&b, x, vs, 8, &err), err);
    CHECK_NEAR(a.value, b.value, 0);
    x[3] = (double)NAN;
    CHECK_OK(assay_spearman(&b, x, vs, 8, &err), err);
    CHECK(isnan(b.value));
}

static const struct check_test tests[] = {
    CHECK_TEST(test_numbers_match_golden),
    CHECK_TEST(test_an_offset_costs_no_digits),
    CHECK_TEST(test_too_few_numbers_are_missing),
    CHECK_TEST(test_a_line_correlates_fully),
    CHECK_TEST(test_what_does_not_vary_has_no_correlation),
    CHECK_TEST(test_a_missing_number_makes_all_missing),
    CHECK_TEST(test_ranks_match_golden),
    CHECK_TEST(test_bootstrap_matches_golden),
    CHECK_TEST(test_bootstrap_needs_pairs_that_vary),
    CHECK_TEST(test_ranks_do_not_mind_a_monotone_map),
};
CHECK_MAIN(tests)
