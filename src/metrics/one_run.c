/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lower bound on epsilon from one training run (Steinke, Nasr and
 * Jagielski, NeurIPS 2023).
 *
 * Each canary is in by a fair coin; r of n are guessed and v guesses are
 * right. With f(v) the probability of v or more successes among r of
 * probability 1 / (1 + e^-epsilon), training that is (epsilon, delta)-DP has
 *
 *     P(v or more right) <= f(v) + 2 n delta max over i of
 *                                          (f(v - i) - f(v)) / i
 *
 * (their Corollary 5.4). That holds given the guesses, so they may be chosen
 * by the scores in any way, but not by who was in. Where several choices are
 * tried and the best is told, each has its part of the 5 %. All pairs of
 * (k_top, k_bottom) would be a hundred of them and cost most of what they
 * find; three families (both alike, either alone) of powers of two are two
 * or three dozen.
 *
 * How this differs from epsilon.c: that bound asks for independent draws of
 * a training's outcome with and without a record, and many records of one
 * model stand in for them, which is an assumption. Here the coins are the
 * sample, and nothing is assumed of how records touch each other.
 */

#include <math.h>
#include <stdlib.h>

#include "assay/privacy.h"
#include "core/mem.h"

#define CONFIDENCE_LEFT 0.05
#define EPSILON_MOST 100.0

enum { LEAST_GUESSES = 8, MOST_CHOICES = 192, BISECTIONS = 60 };

/* log of P(Binomial(r, p) = v), p = 1 / (1 + e^-epsilon) */
static double log_binomial(size_t r, size_t v, double epsilon)
{
    double n = (double)r;
    double k = (double)v;
    int sign;

    return lgamma_r(n + 1.0, &sign) - lgamma_r(k + 1.0, &sign) -
           lgamma_r(n - k + 1.0, &sign) - k * log1p(exp(-epsilon)) -
           (n - k) * (epsilon + log1p(exp(-epsilon)));
}

/* P(v or more of r), by ratios from v upwards. */
static double at_least(size_t r, size_t v, double epsilon)
{
    double term = exp(log_binomial(r, v, epsilon));
    double odds = exp(epsilon);
    double mean = (double)r / (1.0 + exp(-epsilon));
    double sum = 0.0;
    size_t j;

    /* The shorter side, unless it is where digits are lost. */
    if ((double)v < mean) {
        for (j = v; j > 0; j--) {
            term *= (double)j / ((double)(r - j + 1) * odds);
            sum += term;
            if (term < 1e-18 * sum)
                break;
        }
        return fmax(1.0 - sum, 0.0);
    }
    for (j = v;; j++) {
        sum += term;
        if (j == r || term < 1e-18 * sum)
            break;
        term *= (double)(r - j) * odds / (double)(j + 1);
    }
    return fmin(sum, 1.0);
}

/* The largest (f(v - i) - f(v)) / i. */
static double steepest(size_t r, size_t v, double epsilon, double f)
{
    double term = exp(log_binomial(r, v, epsilon));
    double odds = exp(epsilon);
    double sum = 0.0;
    double best = 0.0;
    size_t i;

    for (i = 1; i <= v; i++) {
        term *= (double)(v - i + 1) / ((double)(r - (v - i)) * odds);
        sum += term;
        best = fmax(best, sum / (double)i);
        if ((1.0 - f) / (double)(i + 1) <= best)
            break; /* no later one is larger */
    }
    return best;
}

double assay_one_run_p_value(size_t n, size_t guesses, size_t correct,
                             double epsilon, double delta)
{
    double f;

    if (!(correct <= guesses && guesses <= n && epsilon >= 0.0 &&
          delta >= 0.0 && delta <= 1.0))
        return (double)NAN;
    if (epsilon > 700.0)
        return 1.0;
    f = at_least(guesses, correct, epsilon);
    if (delta > 0.0)
        f += 2.0 * (double)n * delta * steepest(guesses, correct, epsilon, f);
    return fmin(f, 1.0);
}

double assay_one_run_epsilon(size_t n, size_t guesses, size_t correct,
                             double delta, double alpha)
{
    double low = 0.0;
    double high = EPSILON_MOST;
    int i;

    if (!(alpha > 0.0 && alpha < 1.0) ||
        isnan(assay_one_run_p_value(n, guesses, correct, 0.0, delta)))
        return (double)NAN;
    if (assay_one_run_p_value(n, guesses, correct, 0.0, delta) > alpha)
        return 0.0;
    for (i = 0; i < BISECTIONS; i++) {
        double middle = 0.5 * (low + high);

        if (assay_one_run_p_value(n, guesses, correct, middle, delta) <= alpha)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct scored {
    double score;
    uint8_t in;
};

static int by_score_down(const void *a, const void *b)
{
    const struct scored *x = a;
    const struct scored *y = b;

    return (x->score < y->score) - (x->score > y->score);
}

struct choice {
    size_t top;
    size_t bottom;
};

/* k records from the best, or more so that a tie is not cut. */
static size_t whole_top(const struct scored *s, size_t n, size_t k)
{
    while (k > 0 && k < n && s[k].score == s[k - 1].score)
        k++;
    return k;
}

static size_t whole_bottom(const struct scored *s, size_t n, size_t k)
{
    while (k > 0 && k < n && s[n - k].score == s[n - k - 1].score)
        k++;
    return k;
}

static void add(struct choice *list, size_t *count, size_t top, size_t bottom,
                size_t n)
{
    size_t i;

    if (top + bottom == 0 || top > n || bottom > n - top)
        return;
    for (i = 0; i < *count; i++) {
        if (list[i].top == top && list[i].bottom == bottom)
            return;
    }
    list[*count].top = top;
    list[*count].bottom = bottom;
    (*count)++;
}

/* By scores alone. n / 2 halves 63 times at most. */
static size_t list_choices(const struct scored *s, size_t n,
                           struct choice *list)
{
    size_t count = 0;
    size_t k;

    for (k = n / 2; k >= LEAST_GUESSES; k /= 2) {
        size_t top = whole_top(s, n, k);
        size_t bottom = whole_bottom(s, n, k);

        add(list, &count, top, bottom, n);
        add(list, &count, top, 0, n);
        add(list, &count, 0, bottom, n);
    }
    return count;
}

/* in_before[i]: how many of the best i were in. */
static size_t count_right(const size_t *in_before, size_t n, struct choice c)
{
    size_t in_bottom = in_before[n] - in_before[n - c.bottom];

    return in_before[c.top] + (c.bottom - in_bottom);
}

static void find_best(struct assay_one_run *best, const struct scored *s,
                      const size_t *in_before, size_t among)
{
    struct choice list[MOST_CHOICES];
    size_t i;

    best->choices = list_choices(s, best->n, list);
    for (i = 0; i < best->choices; i++) {
        size_t right = count_right(in_before, best->n, list[i]);
        double epsilon = assay_one_run_epsilon(
            best->n, list[i].top + list[i].bottom, right, best->delta,
            CONFIDENCE_LEFT / (double)best->choices / (double)among);

        if (i == 0 || epsilon > best->epsilon) {
            best->epsilon = epsilon;
            best->k_top = list[i].top;
            best->k_bottom = list[i].bottom;
            best->correct = right;
        }
    }
}

static int check(const double *scores, const uint8_t *included, size_t n,
                 double delta, struct assay_error *err)
{
    size_t i;

    if (!(delta >= 0.0 && delta < 1.0))
        return assay_error_set(err, ASSAY_ARG, "delta %g: outside 0 to below 1",
                               delta);
    if (n < 2 * LEAST_GUESSES)
        return assay_error_set(err, ASSAY_NOTHING,
                               "%zu canaries: %d are the least", n,
                               2 * LEAST_GUESSES);
    for (i = 0; i < n; i++) {
        if (!isfinite(scores[i]))
            return assay_error_set(err, ASSAY_NUMERIC,
                                   "score of record %zu is not finite", i);
        if (included[i] > 1)
            return assay_error_set(err, ASSAY_ARG,
                                   "record %zu: included is %u, not 0 or 1", i,
                                   (unsigned)included[i]);
    }
    return ASSAY_OK;
}

int assay_one_run_bound_among(struct assay_one_run *out, const double *scores,
                              const uint8_t *included, size_t n, double delta,
                              size_t among, struct assay_error *err)
{
    struct assay_one_run best = {.delta = delta, .n = n};
    struct scored *s = NULL;
    size_t *in_before = NULL;
    size_t i;
    int code = check(scores, included, n, delta, err);

    if (code != ASSAY_OK)
        return code;
    s = assay__calloc(n, sizeof(*s));
    in_before = assay__calloc(n + 1, sizeof(*in_before));
    if (s == NULL || in_before == NULL) {
        code = assay_error_set(err, ASSAY_NOMEM, "scores of %zu canaries", n);
        goto out;
    }
    for (i = 0; i < n; i++) {
        s[i].score = scores[i];
        s[i].in = included[i];
    }
    qsort(s, n, sizeof(*s), by_score_down);
    for (i = 0; i < n; i++)
        in_before[i + 1] = in_before[i] + s[i].in;
    find_best(&best, s, in_before, among > 0 ? among : 1);
    *out = best;
out:
    assay__free(in_before);
    assay__free(s);
    return code;
}

int assay_one_run_bound(struct assay_one_run *out, const double *scores,
                        const uint8_t *included, size_t n, double delta,
                        struct assay_error *err)
{
    return assay_one_run_bound_among(out, scores, included, n, delta, 1, err);
}
