/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PRV accountant: against the exact epsilon where there is one (no
 * sampling; one and two steps), against what other accountants printed, and
 * against RDP, below which it must stay.
 */

#include <math.h>

#include "assay/metrics.h"
#include "assay/privacy.h"
#include "check.h"
#include "dpsgd_paper.h"

static struct assay_prv_result account(struct assay_dpsgd m, double delta)
{
    struct assay_prv_result r = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_prv_epsilon(&r, &m, delta, &err), err);
    CHECK(r.low <= r.epsilon && r.epsilon <= r.high);
    CHECK(r.delta_error >= 0.0 && r.delta_error < 0.01 * delta);
    CHECK(r.high - r.low <= 2.1 * r.epsilon_error + 0.001 * (1 + r.epsilon));
    return r;
}

static double rdp(struct assay_dpsgd m, double delta)
{
    struct assay_rdp_result r = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_rdp_epsilon(&r, &m, delta, ASSAY_RDP_IMPROVED, &err), err);
    return r.epsilon;
}

typedef double delta_fn(const struct assay_dpsgd *m, double epsilon);

/* The epsilon of a falling delta. */
static double solve(delta_fn *f, const struct assay_dpsgd *m, double delta)
{
    double low = 0.0;
    double high = 1.0;

    while (f(m, high) > delta)
        high *= 2.0;
    for (int i = 0; i < 100; i++) {
        double middle = 0.5 * (low + high);

        if (f(m, middle) > delta)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Balle and Wang, 2018, theorem 8; without sampling, steps are one Gaussian
 * of less noise. */
static double gauss_delta(const struct assay_dpsgd *m, double epsilon)
{
    double mu = sqrt((double)m->steps) / m->noise;

    return assay_normal_cdf(0.5 * mu - epsilon / mu) -
           exp(epsilon) * assay_normal_cdf(-0.5 * mu - epsilon / mu);
}

static void test_gaussian_mechanism_is_exact(void)
{
    static const struct {
        double noise;
        uint64_t steps;
        double delta;
    } rows[] = {{1.0, 1, 1e-5},        {0.7, 2, 1e-5},      {5.0, 1, 1e-9},
                {100.0, 10000, 1e-11}, {2.0, 30, 1e-3},     {0.3, 1, 1e-5},
                {3000.0, 1, 1e-6},     {1e3, 1, 1e-4},      {50.0, 777, 1e-30},
                {40.0, 100, 0.05},     {20.0, 100000, 1e-6}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_dpsgd m = {1.0, rows[i].noise, rows[i].steps};
        struct assay_prv_result r = account(m, rows[i].delta);
        double exact = solve(gauss_delta, &m, rows[i].delta);

        CHECK(r.low <= exact && exact <= r.high);
        CHECK_NEAR(r.epsilon, exact, 0.1 * r.epsilon_error);
    }
}

/* delta of one step at any epsilon, in one direction: the set where the
 * ratio exceeds e^epsilon is a half-line of t. */
static double step_delta(const struct assay_dpsgd *m, double epsilon,
                         bool removed)
{
    double s = m->noise;
    double g = removed ? epsilon : -epsilon;
    double x = expm1(g) / m->rate;
    double t = x > -1.0 ? 0.5 + s * s * log1p(x) : -HUGE_VAL;
    double out = assay_normal_cdf((removed ? -t : t) / s);
    double in = assay_normal_cdf((removed ? 1.0 - t : t - 1.0) / s);
    double mix = (1.0 - m->rate) * out + m->rate * in;

    return removed ? mix - exp(epsilon) * out : out - exp(epsilon) * mix;
}

static double one_step(const struct assay_dpsgd *m, double epsilon)
{
    return fmax(step_delta(m, epsilon, true), step_delta(m, epsilon, false));
}

/* delta of two steps: the mean of the second's at what the first left. */
static double two_steps_in(const struct assay_dpsgd *m, double epsilon,
                           bool removed)
{
    double mesh = fmin(m->noise, m->noise * m->noise) / 64.0;
    double sum = 0.0;
    double weight = 0.0;

    for (double t = -12.0 * m->noise; t < 1.0 + 12.0 * m->noise; t += mesh) {
        double u = t / m->noise;
        double v = (t - 1.0) / m->noise;
        double g = log1p(m->rate * expm1((t - 0.5) / (m->noise * m->noise)));
        double p = exp(-0.5 * u * u);

        if (removed)
            p = (1.0 - m->rate) * p + m->rate * exp(-0.5 * v * v);
        weight += p;
        sum += p * step_delta(m, epsilon - (removed ? g : -g), removed);
    }
    return sum / weight;
}

static double two_steps(const struct assay_dpsgd *m, double epsilon)
{
    return fmax(two_steps_in(m, epsilon, true),
                two_steps_in(m, epsilon, false));
}

static void test_one_and_two_steps_are_exact(void)
{
    static const struct {
        double rate;
        double noise;
        double delta;
    } rows[] = {{0.1, 1.0, 1e-5},  {0.01, 0.6, 1e-6},  {0.5, 2.0, 1e-4},
                {0.9, 0.5, 1e-8},  {0.003, 3.0, 1e-5}, {0.2, 10.0, 1e-3},
                {0.05, 0.3, 1e-12}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_dpsgd m = {rows[i].rate, rows[i].noise, 1};
        struct assay_prv_result r = account(m, rows[i].delta);
        double exact = solve(one_step, &m, rows[i].delta);

        CHECK(r.low <= exact && exact <= r.high);
        m.steps = 2;
        r = account(m, rows[i].delta);
        exact = solve(two_steps, &m, rows[i].delta);
        CHECK(r.low <= exact && exact <= r.high);
        CHECK_NEAR(r.epsilon, exact, 0.2 * r.epsilon_error);
    }
}

static void test_bounds_are_below_rdp_for_the_papers_trainings(void)
{
    for (size_t i = 0; i < DPSGD_PAPER; i++) {
        struct assay_dpsgd m = dpsgd_paper_row(i);
        struct assay_prv_result r = account(m, DPSGD_PAPER_DELTA);

        CHECK(r.high < rdp(m, DPSGD_PAPER_DELTA));
        CHECK(r.high > 0.8 * dpsgd_paper[i].epsilon);
        CHECK_NEAR(r.epsilon_error, 0.01, 1e-12);
    }
}

static void test_bounds_are_below_rdp_over_a_grid(void)
{
    static const double rates[] = {1e-4, 0.01, 0.3, 1.0};
    static const double noises[] = {0.4, 0.9, 3.0, 40.0};
    static const uint64_t steps[] = {1, 60, 20000};
    static const double deltas[] = {1e-10, 1e-5, 1e-3};

    for (size_t q = 0; q < 4; q++)
        for (size_t s = 0; s < 4; s++)
            for (size_t k = 0; k < 3; k++)
                for (size_t d = 0; d < 3; d++) {
                    struct assay_dpsgd m = {rates[q], noises[s], steps[k]};

                    if ((q + s + k + d) % 4)
                        continue; /* a quarter of the grid, for time */
                    CHECK(account(m, deltas[d]).high <= rdp(m, deltas[d]));
                }
}

static void test_epsilons_of_the_authors_code_come_out(void)
{
    /* Opacus, opacus/tests/prv_accountant.py, "Computed from
     * github.com/microsoft/prv_accountant": upper bounds at delta 1e-6, with
     * an epsilon error of 0.01 and a delta error of delta / 1000. Their
     * estimate, 0.01 below, is on a coarser grid where epsilon is small. */
    static const struct {
        struct assay_dpsgd m;
        double want;
    } rows[] = {
        {{0.001, 0.8, 100}, 0.270403364},  {{0.001, 1.5, 100}, 0.039369419},
        {{0.001, 2.0, 100}, 0.029104536},  {{0.001, 3.0, 100}, 0.021520093},
        {{0.05, 0.8, 100}, 6.741051939},   {{0.05, 1.5, 100}, 1.953853135},
        {{0.05, 2.0, 100}, 1.283637379},   {{0.05, 3.0, 100}, 0.767933789},
        {{0.2, 0.8, 100}, 24.333664177},   {{0.2, 1.5, 100}, 8.498977859},
        {{0.2, 2.0, 100}, 5.672055608},    {{0.2, 3.0, 100}, 3.381220510},
        {{0.001, 0.8, 1000}, 0.477771266}, {{0.001, 1.5, 1000}, 0.099820660},
        {{0.001, 2.0, 1000}, 0.071218782}, {{0.001, 3.0, 1000}, 0.047615930},
        {{0.05, 0.8, 1000}, 19.525842805}, {{0.05, 1.5, 1000}, 6.209969246},
        {{0.05, 2.0, 1000}, 4.172799866},  {{0.05, 3.0, 1000}, 2.527574326},
        {{0.001, 0.8, 20000}, 1.29600925}, {{0.001, 3.0, 20000}, 0.19403103},
        {{0.05, 1.5, 20000}, 38.30661791}, {{0.05, 3.0, 20000}, 13.96111469},
        {{0.001, 0.8, 100000}, 2.9246221}, {{0.001, 3.0, 100000}, 0.44367172},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_prv_result r = account(rows[i].m, 0.999e-6);
        double theirs = rows[i].want - 0.01; /* the estimate */

        CHECK_NEAR(r.epsilon, theirs, 0.0004);
        CHECK(r.low < rows[i].want && r.high < rows[i].want + 0.001);
    }
}

static void test_epsilons_of_googles_accountant_come_out(void)
{
    /* TensorFlow Privacy, compute_dp_sgd_privacy_test.py, with dp_accounting's
     * PLD accountant: 1.2 epochs at noise 0.7, in two whole passes and in
     * batches of 1 %; the statement's 1.199 is at noise 2 over twice the
     * sensitivity. */
    const struct assay_dpsgd whole = {1.0, 0.7, 2};
    const struct assay_dpsgd batches = {0.01, 0.7, 120};
    const struct assay_dpsgd statement = {0.0064, 1.0, 782};
    /* dp_accounting, pld_privacy_accountant_test.py: delta 0.15594 at
     * epsilon 1 for three steps at rate 0.2. */
    const struct assay_dpsgd three = {0.2, 0.5, 3};

    CHECK_NEAR(account(whole, 1e-5).epsilon, 10.1224946, 1e-4);
    CHECK_NEAR(account(batches, 1e-5).epsilon, 2.4612381, 1e-4);
    CHECK_NEAR(account(statement, 1e-6).epsilon, 1.199, 0.0006);
    CHECK_NEAR(account(three, 0.15594).epsilon, 1.0, 1e-3);
}

static void test_tiny_delta_does_not_drown(void)
{
    struct assay_dpsgd m = {0.01, 1.0, 5000};
    double last = 0.0;

    /* Below 1e-10 a plain FFT would tell its own noise. */
    for (double delta = 1e-5; delta >= ASSAY_DELTA_MIN; delta *= 1e-11) {
        struct assay_prv_result r = account(m, delta);

        CHECK(r.low > last);
        CHECK(r.high < rdp(m, delta));
        last = r.high;
    }
}

static void test_what_cannot_be_seen_is_zero(void)
{
    const struct assay_dpsgd m = {1e-6, 1.0, 5};
    struct assay_prv_result r = account(m, 1e-5);

    CHECK_NEAR(r.high, 0.0, 0.0);
}

static void test_nonsense_is_refused(void)
{
    const struct assay_dpsgd bad = {0.1, 0.01, 1};
    const struct assay_dpsgd good = {0.1, 1.0, 1};
    struct assay_prv_result r = {7, 7, 7, 7, 7};
    struct assay_error err = {0};

    CHECK_FAILS(assay_prv_epsilon(&r, &bad, 1e-5, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "noise 0.01: outside 0.05 to 10000");
    CHECK_FAILS(assay_prv_epsilon(&r, &good, 0.0, &err), ASSAY_ARG, err);
    CHECK_NEAR(r.high, 7.0, 0.0);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_gaussian_mechanism_is_exact),
    CHECK_TEST(test_one_and_two_steps_are_exact),
    CHECK_TEST(test_bounds_are_below_rdp_for_the_papers_trainings),
    CHECK_TEST(test_bounds_are_below_rdp_over_a_grid),
    CHECK_TEST(test_epsilons_of_the_authors_code_come_out),
    CHECK_TEST(test_epsilons_of_googles_accountant_come_out),
    CHECK_TEST(test_tiny_delta_does_not_drown),
    CHECK_TEST(test_what_cannot_be_seen_is_zero),
    CHECK_TEST(test_nonsense_is_refused),
};
CHECK_MAIN(tests)
