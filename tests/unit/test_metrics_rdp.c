/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RDP accountant against numbers that others printed, and against the
 * same divergences to 14 digits by mpmath's quadrature at 30 digits.
 */

#include <math.h>

#include "assay/privacy.h"
#include "check.h"
#include "dpsgd_paper.h"

static struct assay_rdp_result account(struct assay_dpsgd m, double delta,
                                       enum assay_rdp_conversion how)
{
    struct assay_rdp_result r = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_rdp_epsilon(&r, &m, delta, how, &err), err);
    return r;
}

static void test_epsilons_of_a_paper_come_out_to_three_decimals(void)
{
    for (size_t i = 0; i < DPSGD_PAPER; i++) {
        struct assay_dpsgd m = dpsgd_paper_row(i);

        CHECK_NEAR(account(m, DPSGD_PAPER_DELTA, ASSAY_RDP_CLASSIC).epsilon,
                   dpsgd_paper[i].epsilon, 0.0005);
        CHECK(account(m, DPSGD_PAPER_DELTA, ASSAY_RDP_IMPROVED).epsilon <
              dpsgd_paper[i].epsilon);
    }
}

static void test_epsilons_of_other_accountants_come_out(void)
{
    /* TensorFlow Privacy's tutorial on classification: 60,000 records in
     * batches of 250, noise 1.3, 15 epochs: "eps = 1.18". */
    const struct assay_dpsgd tutorial = {250.0 / 60000.0, 1.3, 3600};
    /* Its compute_dp_sgd_privacy_test.py: Test0, Test1 with their orders. */
    const struct assay_dpsgd test0 = {150.0 / 60000.0, 1.3, 6000};
    const struct assay_dpsgd test1 = {100.0 / 100000.0, 1.0, 30000};
    /* Opacus, accountants_test.py, test_rdp_accountant. */
    const struct assay_dpsgd opacus = {0.04, 1.5, 2250};
    struct assay_rdp_result r;

    r = account(tutorial, 1e-5, ASSAY_RDP_CLASSIC);
    CHECK_NEAR(r.epsilon, 1.18, 0.005);
    r = account(test0, 1e-5, ASSAY_RDP_IMPROVED);
    CHECK_NEAR(r.epsilon, 0.7242234026109595, 1e-10);
    CHECK_NEAR(r.order, 19.0, 0.0);
    r = account(test1, 1e-7, ASSAY_RDP_IMPROVED);
    CHECK_NEAR(r.epsilon, 1.4154988495444842, 1e-10);
    CHECK_NEAR(r.order, 13.0, 0.0);
    r = account(opacus, 1e-5, ASSAY_RDP_IMPROVED);
    CHECK_NEAR(r.epsilon, 7.32911117143, 1e-9);
}

static void test_whole_orders_are_googles(void)
{
    /* dp_accounting, rdp_privacy_accountant_test.py,
     * test_compute_rdp_poisson_sampled_gaussian. Its broken orders are upper
     * bounds since terms of one sign are summed there; 1.5 is 3 % off. */
    static const double rows[][2] = {
        {5, 2.18075656e-03}, {50, 2.38460375e-02}, {100, 1.67416308e+02}};
    const struct assay_dpsgd m = {0.01, 2.5, 50};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_NEAR(assay_rdp(&m, rows[i][0]) / rows[i][1], 1.0, 1e-8);
}

static void test_broken_orders_are_the_integral(void)
{
    static const struct {
        double rate;
        double noise;
        double order;
        double want;
    } rows[] = {
        {1e-7, 0.1, 1.1, 4.7722515881349e-5},
        {1e-4, 1.0, 1.5, 1.2885373907673e-8},
        {0.01, 0.5, 2.3, 0.0092536744449426},
        {0.1, 100, 10.5, 5.2506615974656e-6},
        {0.999, 2.0, 3.7, 0.46182733375592},
        {0.2, 0.1, 1.2, 50.343534669535},
        {1e-5, 1.0, 7.5, 6.4445148385509e-10},
        {0.0037, 0.95, 3.1, 4.3636852602746e-5},
        {0.3, 0.05, 1.3, 254.78278451459},
        {1e-9, 5.0, 2.5, 5.1013467741577e-20},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_dpsgd m = {rows[i].rate, rows[i].noise, 1};

        CHECK_NEAR(assay_rdp(&m, rows[i].order) / rows[i].want, 1.0, 1e-9);
    }
}

static void test_orders_join_without_a_step(void)
{
    static const struct assay_dpsgd rows[] = {
        {0.004, 0.9, 1}, {0.5, 0.3, 1}, {0.01, 20.0, 1}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (double a = 2.0; a < 9.0; a += 1.0) {
            double at = assay_rdp(&rows[i], a);
            double below = assay_rdp(&rows[i], a - 1e-6);
            double above = assay_rdp(&rows[i], a + 1e-6);

            CHECK(below < at && at < above);
            CHECK_NEAR(0.5 * (below + above) / at, 1.0, 1e-8);
        }
    }
}

static void test_whole_batch_is_the_gaussian_mechanism(void)
{
    const struct assay_dpsgd m = {1.0, 2.0, 7};

    CHECK_NEAR(assay_rdp(&m, 3.0), 7.0 * 3.0 / 8.0, 1e-12);
    CHECK_NEAR(assay_rdp(&m, 3.5), 7.0 * 3.5 / 8.0, 1e-12);
}

static void test_steps_add_up(void)
{
    struct assay_dpsgd one = {0.01, 1.1, 1};
    struct assay_dpsgd many = {0.01, 1.1, 12345};

    CHECK_NEAR(assay_rdp(&many, 4.2), 12345.0 * assay_rdp(&one, 4.2), 1e-12);
}

static void test_epsilon_falls_with_noise_and_delta(void)
{
    struct assay_dpsgd m = {0.01, 0.3, 1000};
    double last = HUGE_VAL;

    for (; m.noise < 50.0; m.noise *= 1.2) {
        double e = account(m, 1e-6, ASSAY_RDP_IMPROVED).epsilon;

        CHECK(e < last);
        CHECK(account(m, 1e-8, ASSAY_RDP_IMPROVED).epsilon > e);
        CHECK(account(m, 1e-6, ASSAY_RDP_CLASSIC).epsilon > e);
        last = e;
    }
}

static void test_nonsense_is_refused(void)
{
    static const struct assay_dpsgd bad[] = {
        {0.0, 1.0, 1},  {1.1, 1.0, 1},           {(double)NAN, 1.0, 1},
        {0.1, 0.04, 1}, {0.1, (double)NAN, 1},   {0.1, 2e4, 1},
        {0.1, 1.0, 0},  {0.1, 1.0, 2000000000u},
    };
    static const double deltas[] = {0.0, 1.0, -1.0, (double)NAN};
    const struct assay_dpsgd good = {0.1, 1.0, 1};
    struct assay_rdp_result r = {7, 7};
    struct assay_error err = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_FAILS(
            assay_rdp_epsilon(&r, &bad[i], 1e-5, ASSAY_RDP_CLASSIC, &err),
            ASSAY_ARG, err);
        CHECK(isnan(assay_rdp(&bad[i], 2.0)));
    }
    for (size_t i = 0; i < 4; i++)
        CHECK_FAILS(
            assay_rdp_epsilon(&r, &good, deltas[i], ASSAY_RDP_CLASSIC, &err),
            ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "delta nan");
    CHECK_NEAR(r.epsilon, 7.0, 0.0);
    CHECK(isnan(assay_rdp(&good, 1.0)));
    CHECK(isnan(assay_rdp(&good, 2e5)));
}

static const struct check_test tests[] = {
    CHECK_TEST(test_epsilons_of_a_paper_come_out_to_three_decimals),
    CHECK_TEST(test_epsilons_of_other_accountants_come_out),
    CHECK_TEST(test_whole_orders_are_googles),
    CHECK_TEST(test_broken_orders_are_the_integral),
    CHECK_TEST(test_orders_join_without_a_step),
    CHECK_TEST(test_whole_batch_is_the_gaussian_mechanism),
    CHECK_TEST(test_steps_add_up),
    CHECK_TEST(test_epsilon_falls_with_noise_and_delta),
    CHECK_TEST(test_nonsense_is_refused),
};
CHECK_MAIN(tests)
