/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lower bound on epsilon, on mechanisms whose epsilon is known: it may
 * exceed the truth in 5 % of draws at most, and must not be idle.
 */

#include <math.h>

#include "assay/metrics.h"
#include "assay/rng.h"
#include "check.h"

enum { DRAWS = 400, MOST = 4000 };

typedef double draw_fn(struct assay_rng *rng, bool member, double parameter);

/* Randomised response: the true bit with odds e^epsilon to 1. */
static double draw_response(struct assay_rng *rng, bool member, double epsilon)
{
    bool honest = assay_rng_uniform(rng) < 1.0 / (1.0 + exp(-epsilon));

    return honest == member ? 1.0 : 0.0;
}

/* 0 or 1 plus Laplace noise of scale 1 / epsilon. */
static double draw_laplace(struct assay_rng *rng, bool member, double epsilon)
{
    double u = assay_rng_uniform(rng) - 0.5;

    return (member ? 1.0 : 0.0) - copysign(log1p(-2.0 * fabs(u)), u) / epsilon;
}

/* 0 or `shift` plus standard normal noise. */
static double draw_gauss(struct assay_rng *rng, bool member, double shift)
{
    return assay_rng_normal(rng) + (member ? shift : 0.0);
}

static double bound(const double *scores, const uint8_t *positive, size_t n,
                    double delta)
{
    struct assay_error err = {0};
    struct assay_estimate e;
    struct assay_roc roc;

    CHECK_OK(assay_roc_make(&roc, scores, positive, n, &err), err);
    e = assay_epsilon_lower_bound(&roc, delta);
    assay_roc_release(&roc);
    CHECK(e.value >= 0.0);
    CHECK_NEAR(e.low, e.value, 0.0);
    CHECK(isnan(e.high));
    CHECK_UINT_EQ(e.n, n);
    return e.value;
}

/* How many of DRAWS bounds exceed `epsilon`; `*mean` is their mean. */
static int count_over(draw_fn *draw, double parameter, double epsilon,
                      double delta, size_t n, double *mean)
{
    static double scores[MOST];
    static uint8_t positive[MOST];
    double sum = 0.0;
    int over = 0;

    for (uint64_t d = 0; d < DRAWS; d++) {
        struct assay_rng rng;
        double b;

        assay_rng_init(&rng, 22, "epsilon-coverage", d);
        for (size_t i = 0; i < n; i++) {
            positive[i] = i % 2;
            scores[i] = draw(&rng, positive[i], parameter);
        }
        b = bound(scores, positive, n, delta);
        over += b > epsilon;
        sum += b;
    }
    *mean = sum / DRAWS;
    return over;
}

static void test_randomised_response_is_not_overestimated(void)
{
    static const struct {
        double epsilon;
        size_t n;
        double idle; /* a mean bound below this says too little */
    } rows[] = {
        {0.0, 400, 0.0}, {1.0, 60, 0.0}, {1.0, 2000, 0.6}, {3.0, 2000, 2.2}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double mean;
        int over = count_over(draw_response, rows[i].epsilon, rows[i].epsilon,
                              0.0, rows[i].n, &mean);

        CHECK(over <= DRAWS * 5 / 100);
        CHECK(mean >= rows[i].idle);
    }
}

static void test_laplace_noise_is_not_overestimated(void)
{
    double mean;

    CHECK(count_over(draw_laplace, 1.0, 1.0, 0.0, 2000, &mean) <=
          DRAWS * 5 / 100);
    CHECK(mean >= 0.5);
}

/* delta of Gaussian noise at epsilon, shift in standard deviations. */
static double gauss_delta(double epsilon, double shift)
{
    return assay_normal_cdf(shift / 2.0 - epsilon / shift) -
           exp(epsilon) * assay_normal_cdf(-shift / 2.0 - epsilon / shift);
}

static void test_gaussian_noise_is_not_overestimated(void)
{
    const double epsilon = 1.5;
    double mean;

    CHECK(count_over(draw_gauss, 1.0, epsilon, gauss_delta(epsilon, 1.0), 2000,
                     &mean) <= DRAWS * 5 / 100);
    CHECK(mean >= 0.5);
}

static void fill_apart(double *scores, uint8_t *positive, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        positive[i] = i >= n / 2;
        scores[i] = (double)i;
    }
}

static void test_classes_apart_give_what_n_allows(void)
{
    static double scores[MOST];
    static uint8_t positive[MOST];
    double small;
    double large;

    fill_apart(scores, positive, 200);
    small = bound(scores, positive, 200, 0.0);
    fill_apart(scores, positive, MOST);
    large = bound(scores, positive, MOST, 0.0);

    /* No bound from 2,000 non-members can beat 3.69 / 2,000 for FPR. */
    CHECK(small > 2.0 && large > small);
    CHECK(large < log(2000.0 / 3.69));
    CHECK_NEAR(large, 5.7, 0.1);
}

static void test_bound_is_what_the_formula_says(void)
{
    /* Ranks 1, 4, 16 of 100 and of 100, and none: a grid of 8. */
    double all = pow(0.05 / 16.0, 1.0 / 100.0);
    double scores[200];
    uint8_t positive[200];

    fill_apart(scores, positive, 200);
    CHECK_NEAR(bound(scores, positive, 200, 0.0), log(all / (1.0 - all)),
               1e-12);
    CHECK_NEAR(bound(scores, positive, 200, 0.25),
               log((all - 0.25) / (1.0 - all)), 1e-12);
}

static void test_bound_among_many_takes_less_risk(void)
{
    /* The grid of 8 above, for the largest of 15. */
    double all = pow(0.05 / 15.0 / 16.0, 1.0 / 100.0);
    struct assay_error err = {0};
    struct assay_roc roc;
    double scores[200];
    uint8_t positive[200];

    fill_apart(scores, positive, 200);
    CHECK_OK(assay_roc_make(&roc, scores, positive, 200, &err), err);
    CHECK_NEAR(assay_epsilon_lower_bound_among(&roc, 0.0, 15).value,
               log(all / (1.0 - all)), 1e-12);
    assay_roc_release(&roc);
}

static void test_bound_looks_at_both_ends(void)
{
    double scores[200];
    double negated[200];
    uint8_t positive[200];
    uint8_t swapped[200];

    for (uint64_t d = 0; d < 100; d++) {
        struct assay_rng rng;

        assay_rng_init(&rng, 23, "epsilon-ends", d);
        for (size_t i = 0; i < 200; i++) {
            positive[i] = i % 2;
            swapped[i] = !positive[i];
            scores[i] = draw_gauss(&rng, positive[i], 0.03 * (double)d);
            negated[i] = -scores[i];
        }
        /* Surely out among the swapped is surely in: the same evidence. */
        CHECK_NEAR(bound(negated, swapped, 200, 0.0),
                   bound(scores, positive, 200, 0.0), 1e-12);
    }
}

static void test_delta_lowers_the_bound(void)
{
    static double scores[MOST];
    static uint8_t positive[MOST];
    double last = HUGE_VAL;

    fill_apart(scores, positive, 1000);
    for (double delta = 0.0; delta < 1.0; delta += 0.125) {
        double b = bound(scores, positive, 1000, delta);

        CHECK(b < last);
        last = b;
    }
    CHECK_NEAR(bound(scores, positive, 1000, 0.999), 0.0, 0.0);
}

static void test_nothing_to_say_is_zero_not_missing(void)
{
    const double scores[] = {0, 1};
    const uint8_t positive[] = {0, 1};
    const uint8_t wrong[] = {1, 0};

    CHECK_NEAR(bound(scores, positive, 2, 0.0), 0.0, 0.0);
    CHECK_NEAR(bound(scores, wrong, 2, 0.0), 0.0, 0.0);
}

static void test_impossible_delta_is_missing(void)
{
    static const double bad[] = {-0.1, 1.0, (double)NAN};
    const double scores[] = {0, 1};
    const uint8_t positive[] = {0, 1};
    struct assay_error err = {0};
    struct assay_roc roc;

    CHECK_OK(assay_roc_make(&roc, scores, positive, 2, &err), err);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(isnan(assay_epsilon_lower_bound(&roc, bad[i]).value));
    assay_roc_release(&roc);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_randomised_response_is_not_overestimated),
    CHECK_TEST(test_laplace_noise_is_not_overestimated),
    CHECK_TEST(test_gaussian_noise_is_not_overestimated),
    CHECK_TEST(test_classes_apart_give_what_n_allows),
    CHECK_TEST(test_bound_is_what_the_formula_says),
    CHECK_TEST(test_bound_among_many_takes_less_risk),
    CHECK_TEST(test_bound_looks_at_both_ends),
    CHECK_TEST(test_delta_lowers_the_bound),
    CHECK_TEST(test_nothing_to_say_is_zero_not_missing),
    CHECK_TEST(test_impossible_delta_is_missing),
};
CHECK_MAIN(tests)
