/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles and intervals for proportions against 45-digit numbers. */

#include <math.h>

#include "../golden/metrics.h"
#include "assay/metrics.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_beta_quantile_matches_golden(void)
{
    for (size_t i = 0; i < COUNT(beta_golden); i++) {
        const struct beta_row *r = &beta_golden[i];
        double x = assay_beta_quantile(r->p, r->a, r->b);

        CHECK_NEAR(x, r->x, 2e-13 * r->x);
    }
}

static void test_beta_quantile_knows_its_edges(void)
{
    CHECK_NEAR(assay_beta_quantile(0.0, 2.0, 3.0), 0.0, 0.0);
    CHECK_NEAR(assay_beta_quantile(1.0, 2.0, 3.0), 1.0, 0.0);
    CHECK(isnan(assay_beta_quantile(-0.1, 2.0, 3.0)));
    CHECK(isnan(assay_beta_quantile(1.1, 2.0, 3.0)));
    CHECK(isnan(assay_beta_quantile((double)NAN, 2.0, 3.0)));
    CHECK(isnan(assay_beta_quantile(0.5, 0.0, 3.0)));
    CHECK(isnan(assay_beta_quantile(0.5, 2.0, -1.0)));
    CHECK(isnan(assay_beta_quantile(0.5, 2.0, (double)INFINITY)));
    /* The quantile is below the smallest double. */
    CHECK_NEAR(assay_beta_quantile(1e-9, 1e-3, 1.0), 0.0, 1e-300);
}

static void test_beta_quantile_rises_with_p(void)
{
    static const double shapes[] = {0.1, 0.5, 1.0, 2.5, 40.0, 3000.0};

    for (size_t i = 0; i < COUNT(shapes) * COUNT(shapes); i++) {
        double a = shapes[i / COUNT(shapes)];
        double b = shapes[i % COUNT(shapes)];
        double last = 0.0;

        for (double p = 0.05; p < 1.0; p += 0.05) {
            double x = assay_beta_quantile(p, a, b);
            double mirror = assay_beta_quantile(1.0 - p, b, a);

            CHECK(x >= last && x <= 1.0);
            CHECK_NEAR(x + mirror, 1.0, 1e-12);
            last = x;
        }
    }
}

static void test_normal_quantile_matches_golden(void)
{
    for (size_t i = 0; i < COUNT(normal_golden); i++) {
        const struct normal_row *r = &normal_golden[i];
        double x = assay_normal_quantile(r->p);

        /* Near 1/2 the result is a difference from it: 1e-16 / density. */
        CHECK_NEAR(x, r->x, 1e-15 * fabs(r->x) + 4e-16);
        CHECK_NEAR(assay_normal_cdf(r->x), r->p,
                   1e-13 * r->p * (1.0 + r->x * r->x));
    }
}

static void test_normal_quantile_knows_its_edges(void)
{
    CHECK_NEAR(assay_normal_quantile(0.5), 0.0, 0.0);
    CHECK_NEAR(assay_normal_cdf(0.0), 0.5, 0.0);
    CHECK(assay_normal_quantile(0.0) < -1e308);
    CHECK(assay_normal_quantile(1.0) > 1e308);
    CHECK(isnan(assay_normal_quantile(-1e-9)));
    CHECK(isnan(assay_normal_quantile(1.5)));
    CHECK(isnan(assay_normal_quantile((double)NAN)));
    /* So small a number has few digits itself. */
    CHECK_NEAR(assay_normal_quantile(1e-310), -37.66306, 5e-4);
}

static void test_student_quantile_matches_golden(void)
{
    for (size_t i = 0; i < COUNT(student_golden); i++) {
        const struct student_row *r = &student_golden[i];
        double t = assay_student_quantile(r->p, r->df);

        CHECK_NEAR(t, r->t, 1e-12 * fabs(r->t));
        CHECK_NEAR(assay_student_quantile(1.0 - r->p, r->df), -t,
                   1e-12 * fabs(t));
    }
}

static void test_student_quantile_knows_its_edges(void)
{
    CHECK_NEAR(assay_student_quantile(0.5, 3.0), 0.0, 0.0);
    CHECK_NEAR(assay_student_quantile(0.975, (double)INFINITY),
               assay_normal_quantile(0.975), 0.0);
    CHECK(assay_student_quantile(0.0, 3.0) < -1e308);
    CHECK(assay_student_quantile(1.0, 3.0) > 1e308);
    CHECK(isnan(assay_student_quantile(0.3, 0.0)));
    CHECK(isnan(assay_student_quantile(2.0, 3.0)));
}

static void test_proportion_matches_golden(void)
{
    for (size_t i = 0; i < COUNT(proportion_golden); i++) {
        const struct proportion_row *r = &proportion_golden[i];
        struct assay_estimate e = assay_proportion((size_t)r->k, (size_t)r->n);

        CHECK_NEAR(e.value, r->k / r->n, 0.0);
        CHECK_NEAR(e.low, r->low, 1e-13 * r->low);
        CHECK_NEAR(e.high, r->high, 1e-13 * r->high);
        CHECK_UINT_EQ(e.n, (size_t)r->n);
    }
}

static void test_proportion_of_none_and_all_has_width(void)
{
    struct assay_estimate none = assay_proportion(0, 40);
    struct assay_estimate all = assay_proportion(40, 40);

    CHECK_NEAR(none.low, 0.0, 0.0);
    CHECK_NEAR(none.high, 1.0 - pow(0.025, 1.0 / 40.0), 1e-15);
    CHECK_NEAR(all.low, pow(0.025, 1.0 / 40.0), 1e-15);
    CHECK_NEAR(all.high, 1.0, 0.0);
}

/* Wilson's interval, on which the published example rests. */
static struct assay_estimate wilson(double k, double n)
{
    const double z = 1.959963984540054;
    struct assay_estimate e = {k / n, 0, 0, (size_t)n};
    double middle = (2 * k + z * z) / (2 * (n + z * z));
    double half = z * sqrt(z * z + 4 * k * (1 - k / n)) / (2 * (n + z * z));

    e.low = middle - half;
    e.high = middle + half;
    return e;
}

/* Newcombe (1998), table II, 56/70 - 48/80 by method 10: .0524 to .3339. */
static void test_difference_matches_newcombes_example(void)
{
    struct assay_estimate p = wilson(56, 70);
    struct assay_estimate q = wilson(48, 80);
    struct assay_estimate d = assay_difference(&p, &q);
    struct assay_estimate nothing = assay_proportion(0, 0);

    CHECK_NEAR(d.value, .2, 1e-12);
    CHECK_NEAR(d.low, .0524, 5e-5);
    CHECK_NEAR(d.high, .3339, 5e-5);
    CHECK_UINT_EQ(d.n, 150);
    d = assay_difference(&p, &nothing);
    CHECK(isnan(d.value) && isnan(d.low) && isnan(d.high));
}

/* For the best of ten the normal point is 2.807 in place of 1.960. */
static void test_intervals_widen_for_the_best_of_many(void)
{
    const struct assay_estimate e = {.5, .4, .7, 100};
    struct assay_estimate one = assay_estimate_among(&e, 1);
    struct assay_estimate ten = assay_estimate_among(&e, 10);

    CHECK_NEAR(one.low, .4, 1e-15);
    CHECK_NEAR(ten.value, .5, 0);
    CHECK_NEAR(ten.low, .5 - .1 * 2.807034 / 1.959964, 1e-6);
    CHECK_NEAR(ten.high, .5 + .2 * 2.807034 / 1.959964, 1e-6);
}

static void test_proportion_of_nothing_is_missing(void)
{
    struct assay_estimate e = assay_proportion(0, 0);

    CHECK(isnan(e.value) && isnan(e.low) && isnan(e.high));
    CHECK_UINT_EQ(e.n, 0);
    e = assay_proportion(3, 2);
    CHECK(isnan(e.value) && isnan(e.low) && isnan(e.high));
}

/* Summed over all outcomes, not simulated. */
static void test_proportion_covers_at_least_95_percent(void)
{
    enum { N = 30 };

    for (double p = 0.01; p < 1.0; p += 0.01) {
        double chance = pow(1.0 - p, N); /* of k successes */
        double covered = 0.0;

        for (size_t k = 0; k <= N; k++) {
            struct assay_estimate e = assay_proportion(k, N);

            if (e.low <= p && p <= e.high)
                covered += chance;
            chance *= (double)(N - k) / (double)(k + 1) * p / (1.0 - p);
        }
        CHECK(covered >= 0.95 && covered < 1.0 + 1e-12);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_beta_quantile_matches_golden),
    CHECK_TEST(test_beta_quantile_knows_its_edges),
    CHECK_TEST(test_beta_quantile_rises_with_p),
    CHECK_TEST(test_normal_quantile_matches_golden),
    CHECK_TEST(test_normal_quantile_knows_its_edges),
    CHECK_TEST(test_student_quantile_matches_golden),
    CHECK_TEST(test_student_quantile_knows_its_edges),
    CHECK_TEST(test_proportion_matches_golden),
    CHECK_TEST(test_proportion_of_none_and_all_has_width),
    CHECK_TEST(test_difference_matches_newcombes_example),
    CHECK_TEST(test_intervals_widen_for_the_best_of_many),
    CHECK_TEST(test_proportion_of_nothing_is_missing),
    CHECK_TEST(test_proportion_covers_at_least_95_percent),
};
CHECK_MAIN(tests)
