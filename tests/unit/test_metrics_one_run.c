/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit with one run: the paper's printed values, and mechanisms whose
 * epsilon is known, where the bound may exceed the truth in 5 % of draws at
 * most and must not be idle.
 */

#include <math.h>
#include <stdio.h>

#include "assay/metrics.h"
#include "assay/privacy.h"
#include "assay/rng.h"
#include "check.h"

enum { DRAWS = 500, MOST = 10000 };

static void test_values_of_the_paper_come_out(void)
{
    /* Steinke, Nasr and Jagielski, arXiv 2305.08846: appendix D, pages 45
     * and 46; section 7, page 28 (2.675 is cut there, not rounded). */
    static const struct {
        size_t n;
        size_t guesses;
        size_t correct;
        double delta;
        double want;
        double near;
    } rows[] = {
        {100, 100, 75, 0.0, 0.702, 0.0005},
        {100, 100, 75, 1e-4, 0.699, 0.0005},
        {1000, 100, 75, 1e-4, 0.673, 0.0005},
        {100000, 1510, 1439, 1e-5, 2.675, 0.001},
    };

    CHECK_NEAR(assay_one_run_p_value(100, 100, 75, log(3.0), 0.0), 0.553,
               0.0005);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_NEAR(assay_one_run_epsilon(rows[i].n, rows[i].guesses,
                                         rows[i].correct, rows[i].delta, 0.05),
                   rows[i].want, rows[i].near);
}

/* P(v or more of r successes), term by term. */
static double tail(size_t r, size_t v, double p)
{
    double sum = 0.0;

    for (size_t j = v; j <= r; j++) {
        double term = 1.0;

        for (size_t i = 0; i < j; i++)
            term *= p * (double)(r - i) / (double)(i + 1);
        sum += term * pow(1.0 - p, (double)(r - j));
    }
    return sum;
}

static void test_p_value_is_what_the_formula_says(void)
{
    for (size_t r = 0; r <= 30; r += 3)
        for (size_t v = 0; v <= r; v++)
            for (double e = 0.0; e < 6.0; e += 1.7) {
                const double delta = 1e-3;
                double p = 1.0 / (1.0 + exp(-e));
                double f = tail(r, v, p);
                double steepest = 0.0;

                for (size_t i = 1; i <= v; i++)
                    steepest =
                        fmax(steepest, (tail(r, v - i, p) - f) / (double)i);
                CHECK_NEAR(assay_one_run_p_value(40, r, v, e, 0.0), f, 1e-12);
                CHECK_NEAR(assay_one_run_p_value(40, r, v, e, delta),
                           fmin(1.0, f + 80.0 * delta * steepest), 1e-12);
            }
}

static void test_all_right_has_a_closed_form(void)
{
    for (size_t r = 5; r < 100000; r *= 3)
        CHECK_NEAR(assay_one_run_epsilon(r, r, r, 0.0, 0.05),
                   -log(pow(0.05, -1.0 / (double)r) - 1.0), 1e-9);
}

static void test_p_value_grows_with_epsilon_and_delta(void)
{
    double last = 0.0;

    for (double e = 0.0; e < 5.0; e += 0.1) {
        double p = assay_one_run_p_value(500, 300, 240, e, 1e-6);

        CHECK(p >= last && p <= 1.0);
        CHECK(p >= assay_one_run_p_value(500, 300, 240, e, 0.0));
        last = p;
    }
    CHECK_NEAR(assay_one_run_p_value(10, 10, 0, 1.0, 0.5), 1.0, 0.0);
    CHECK_NEAR(assay_one_run_p_value(10, 10, 10, 1e6, 0.0), 1.0, 0.0);
    CHECK(isnan(assay_one_run_p_value(10, 11, 1, 1.0, 0.0)));
    CHECK(isnan(assay_one_run_p_value(10, 5, 6, 1.0, 0.0)));
    CHECK(isnan(assay_one_run_p_value(10, 5, 5, -1.0, 0.0)));
    CHECK(isnan(assay_one_run_epsilon(10, 5, 5, 0.0, 0.0)));
}

typedef double draw_fn(struct assay_rng *rng, bool in, double parameter);

/* Randomised response: the true bit with odds e^epsilon to 1. */
static double draw_response(struct assay_rng *rng, bool in, double epsilon)
{
    bool honest = assay_rng_uniform(rng) < 1.0 / (1.0 + exp(-epsilon));

    return honest == in ? 1.0 : 0.0;
}

/* The same for one record in ten, and nothing of the others: the audit must
 * find whom to guess. */
static double draw_rare(struct assay_rng *rng, bool in, double epsilon)
{
    if (assay_rng_uniform(rng) < 0.9)
        return 0.5 + 0.1 * assay_rng_uniform(rng);
    return draw_response(rng, in, epsilon);
}

static double draw_laplace(struct assay_rng *rng, bool in, double epsilon)
{
    double u = assay_rng_uniform(rng) - 0.5;

    return (in ? 1.0 : 0.0) - copysign(log1p(-2.0 * fabs(u)), u) / epsilon;
}

static double draw_gauss(struct assay_rng *rng, bool in, double shift)
{
    return assay_rng_normal(rng) + (in ? shift : 0.0);
}

/* How many of DRAWS bounds exceed `epsilon`; `*mean` is their mean. */
static int count_over(draw_fn *draw, double parameter, double epsilon,
                      double delta, size_t n, double *mean)
{
    static double scores[MOST];
    static uint8_t in[MOST];
    double sum = 0.0;
    int over = 0;

    for (uint64_t d = 0; d < DRAWS; d++) {
        struct assay_one_run r = {0};
        struct assay_error err = {0};
        struct assay_rng rng;

        assay_rng_init(&rng, 31, "one-run-coverage", d);
        for (size_t i = 0; i < n; i++) {
            in[i] = assay_rng_uniform(&rng) < 0.5;
            scores[i] = draw(&rng, in[i], parameter);
        }
        CHECK_OK(assay_one_run_bound(&r, scores, in, n, delta, &err), err);
        CHECK(r.epsilon >= 0.0 && r.correct <= r.k_top + r.k_bottom);
        over += r.epsilon > epsilon;
        sum += r.epsilon;
    }
    *mean = sum / DRAWS;
    return over;
}

static void test_randomised_response_is_not_overestimated(void)
{
    static const struct {
        draw_fn *draw;
        double epsilon;
        size_t n;
        double least; /* of the mean bound */
    } rows[] = {
        {draw_response, 0.0, 400, 0.0},   {draw_response, 1.0, 100, 0.35},
        {draw_response, 1.0, 1000, 0.80}, {draw_response, 1.0, 10000, 0.93},
        {draw_response, 4.0, 1000, 3.25}, {draw_rare, 2.0, 4000, 1.25},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double mean;
        int over = count_over(rows[i].draw, rows[i].epsilon, rows[i].epsilon,
                              0.0, rows[i].n, &mean);

        CHECK(over <= DRAWS * 5 / 100);
        CHECK(mean >= rows[i].least);
        CHECK(mean <= rows[i].epsilon + 0.02);
    }
}

static void test_laplace_noise_is_not_overestimated(void)
{
    double mean;

    CHECK(count_over(draw_laplace, 2.0, 2.0, 0.0, 2000, &mean) <=
          DRAWS * 5 / 100);
    CHECK(mean >= 1.2);
}

static double gauss_delta(double epsilon, double shift)
{
    return assay_normal_cdf(shift / 2.0 - epsilon / shift) -
           exp(epsilon) * assay_normal_cdf(-shift / 2.0 - epsilon / shift);
}

static void test_gaussian_noise_is_not_overestimated(void)
{
    const double epsilon = 4.0;
    double delta = gauss_delta(epsilon, 1.0);
    double mean;

    CHECK(delta > 1e-5 && delta < 1e-3);
    CHECK(count_over(draw_gauss, 1.0, epsilon, delta, 2000, &mean) <=
          DRAWS * 5 / 100);
    CHECK(mean >= 0.5);
}

static void fill_apart(double *scores, uint8_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        in[i] = i >= n / 2;
        scores[i] = (double)i;
    }
}

static void test_bound_is_the_formula_shared_among_the_choices(void)
{
    double scores[200];
    uint8_t in[200];
    struct assay_one_run r = {0};
    struct assay_error err = {0};

    /* k = 100, 50, 25, 12: twelve choices. */
    fill_apart(scores, in, 200);
    CHECK_OK(assay_one_run_bound(&r, scores, in, 200, 1e-6, &err), err);
    CHECK_UINT_EQ(r.choices, 12);
    CHECK_UINT_EQ(r.k_top, 100);
    CHECK_UINT_EQ(r.k_bottom, 100);
    CHECK_UINT_EQ(r.correct, 200);
    CHECK_UINT_EQ(r.n, 200);
    CHECK_NEAR(r.delta, 1e-6, 0.0);
    CHECK_NEAR(r.epsilon,
               assay_one_run_epsilon(200, 200, 200, 1e-6, 0.05 / 12.0), 1e-12);
}

static void test_a_tie_is_taken_whole_or_not(void)
{
    double scores[100] = {0};
    uint8_t in[100];
    struct assay_one_run r = {0};
    struct assay_error err = {0};

    for (size_t i = 0; i < 100; i++) {
        in[i] = i < 30;
        scores[i] = i < 30 ? 1.0 : 0.0;
    }
    /* Top groups: 30, then all; bottom: 70, then all. 30 and 70 together;
     * each alone; all at one end or the other. */
    CHECK_OK(assay_one_run_bound(&r, scores, in, 100, 0.0, &err), err);
    CHECK_UINT_EQ(r.choices, 4);
    CHECK_UINT_EQ(r.k_top, 30);
    CHECK_UINT_EQ(r.k_bottom, 70);
    CHECK_UINT_EQ(r.correct, 100);

    /* The order of tied records says nothing. */
    for (size_t i = 0; i < 100; i++)
        scores[i] = 1.0;
    CHECK_OK(assay_one_run_bound(&r, scores, in, 100, 0.0, &err), err);
    CHECK_UINT_EQ(r.choices, 2);
    CHECK_NEAR(r.epsilon, assay_one_run_epsilon(100, 100, 70, 0.0, 0.05 / 2.0),
               1e-12);
}

static void test_choices_do_not_depend_on_who_was_in(void)
{
    double scores[300];
    uint8_t in[300];
    struct assay_error err = {0};
    struct assay_rng rng;
    size_t choices = 0;

    assay_rng_init(&rng, 32, "one-run-choices", 0);
    for (size_t i = 0; i < 300; i++)
        scores[i] = (double)assay_rng_below(&rng, 90);
    for (int d = 0; d < 20; d++) {
        struct assay_one_run r = {0};

        for (size_t i = 0; i < 300; i++)
            in[i] = assay_rng_below(&rng, 2) == 1;
        CHECK_OK(assay_one_run_bound(&r, scores, in, 300, 0.0, &err), err);
        if (d > 0)
            CHECK_UINT_EQ(r.choices, choices);
        choices = r.choices;
    }
    CHECK(choices > 10);
}

static void test_nonsense_is_refused(void)
{
    double scores[20];
    uint8_t in[20];
    struct assay_one_run r = {.n = 7};
    struct assay_error err = {0};

    fill_apart(scores, in, 20);
    CHECK_FAILS(assay_one_run_bound(&r, scores, in, 15, 0.0, &err),
                ASSAY_NOTHING, err);
    CHECK_FAILS(assay_one_run_bound(&r, scores, in, 20, 1.0, &err), ASSAY_ARG,
                err);
    in[3] = 2;
    CHECK_FAILS(assay_one_run_bound(&r, scores, in, 20, 0.0, &err), ASSAY_ARG,
                err);
    scores[2] = (double)NAN;
    CHECK_FAILS(assay_one_run_bound(&r, scores, in, 20, 0.0, &err),
                ASSAY_NUMERIC, err);
    CHECK_STR_HAS(err.msg, "record 2");
    CHECK_UINT_EQ(r.n, 7);
}

/* Of ten bounds the best is told: each has a tenth of the 5 %. */
static void test_a_bound_among_many_is_lower(void)
{
    enum { CANARIES = 200 };
    struct assay_error err = {0};
    struct assay_one_run alone;
    struct assay_one_run one;
    struct assay_one_run ten;
    double scores[CANARIES];
    uint8_t included[CANARIES];

    for (int i = 0; i < CANARIES; i++) {
        scores[i] = i;
        included[i] = i % 10 == 0 ? i < CANARIES / 2 : i >= CANARIES / 2;
    }
    CHECK_OK(assay_one_run_bound(&alone, scores, included, CANARIES, 0, &err),
             err);
    CHECK_OK(
        assay_one_run_bound_among(&one, scores, included, CANARIES, 0, 1, &err),
        err);
    CHECK_OK(assay_one_run_bound_among(&ten, scores, included, CANARIES, 0, 10,
                                       &err),
             err);
    CHECK_NEAR(one.epsilon, alone.epsilon, 0);
    CHECK(ten.epsilon < one.epsilon);
    CHECK_NEAR(assay_one_run_epsilon(CANARIES, ten.k_top + ten.k_bottom,
                                     ten.correct, 0,
                                     .05 / (double)ten.choices / 10),
               ten.epsilon, 1e-12);
}

/* Exactly half in, drawn at random, where the scores know nothing: what an
 * audit has in place of fair coins (docs/defenses.md). */
static void test_drawing_half_keeps_the_error(void)
{
    enum { CANARIES = 120, HALVES = 2000 };
    struct assay_error err = {0};
    struct assay_one_run bound;
    double scores[CANARIES];
    uint32_t order[CANARIES];
    uint8_t included[CANARIES];
    struct assay_rng rng;
    int wrong = 0;

    assay_rng_init(&rng, 4, "test-halves", 0);
    for (int i = 0; i < CANARIES; i++) {
        scores[i] = i;
        order[i] = (uint32_t)i;
    }
    for (int draw = 0; draw < HALVES; draw++) {
        assay_rng_shuffle(&rng, order, CANARIES);
        for (int i = 0; i < CANARIES; i++)
            included[order[i]] = i < CANARIES / 2;
        CHECK_OK(
            assay_one_run_bound(&bound, scores, included, CANARIES, 0, &err),
            err);
        wrong += bound.epsilon > 0;
    }
    printf("# wrong in %d of %d draws\n", wrong, HALVES);
    CHECK(wrong > 0 && wrong < HALVES / 20);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_values_of_the_paper_come_out),
    CHECK_TEST(test_p_value_is_what_the_formula_says),
    CHECK_TEST(test_all_right_has_a_closed_form),
    CHECK_TEST(test_p_value_grows_with_epsilon_and_delta),
    CHECK_TEST(test_randomised_response_is_not_overestimated),
    CHECK_TEST(test_laplace_noise_is_not_overestimated),
    CHECK_TEST(test_gaussian_noise_is_not_overestimated),
    CHECK_TEST(test_bound_is_the_formula_shared_among_the_choices),
    CHECK_TEST(test_a_tie_is_taken_whole_or_not),
    CHECK_TEST(test_choices_do_not_depend_on_who_was_in),
    CHECK_TEST(test_nonsense_is_refused),
    CHECK_TEST(test_a_bound_among_many_is_lower),
    CHECK_TEST(test_drawing_half_keeps_the_error),
};
CHECK_MAIN(tests)
