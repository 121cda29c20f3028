/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guesses of one of several values: agreement beyond chance, F1, and who is
 * right more often on the same records.
 */

#include "assay/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/rng.h"
#include "bounds.h"
#include "core/mem.h"

enum { DRAWS = 1000 };

/* Of sums of shares: a difference so small is none. */
static const double rounding = 1e-12;

/* Shares of the k values; NULL when out of memory. */
static double *shares(const int32_t *value, size_t n, int k)
{
    double *share = assay__calloc((size_t)k, sizeof(*share));

    for (size_t i = 0; share && i < n; i++)
        share[value[i]] += 1.0 / (double)n;
    return share;
}

/* Of 1[g = t] - b[g] - a[t], whose mean and variance are those of the excess
 * up to a constant. */
static void influence(const int32_t *guess, const int32_t *truth, size_t n,
                      const double *a, const double *b, double *mean,
                      double *variance)
{
    double sum = 0;
    double squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += (guess[i] == truth[i]) - b[guess[i]] - a[truth[i]];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double x = (guess[i] == truth[i]) - b[guess[i]] - a[truth[i]] - *mean;

        squares += x * x;
    }
    *variance = n > 1 ? squares / (double)(n - 1) : 0;
}

struct assay_estimate assay_excess_agreement(const int32_t *guess,
                                             const int32_t *truth, size_t n,
                                             int k)
{
    struct assay_estimate e = assay__estimate_none();
    double *a = NULL;
    double *b = NULL;
    double chance = 0;
    double mean;
    double variance;

    if (n == 0)
        return e;
    a = shares(guess, n, k);
    b = shares(truth, n, k);
    if (a && b) {
        double half;

        influence(guess, truth, n, a, b, &mean, &variance);
        for (int v = 0; v < k; v++)
            chance += a[v] * b[v];
        e.value = mean + chance;
        half = ASSAY__Z95 * sqrt(variance / (double)n) + rounding;
        e.low = fmax(e.value - half, -1);
        e.high = fmin(e.value + half, 1);
        e.n = n;
    }
    assay__free(a);
    assay__free(b);
    return e;
}

/* Standard error of the mean influence from the sums of the groups; -1 for
 * fewer than two groups or no memory. */
static double clustered_error(const int32_t *guess, const int32_t *truth,
                              const int32_t *cluster, int n_clusters, size_t n,
                              const double *a, const double *b, int *groups)
{
    double *sum = assay__calloc((size_t)n_clusters, sizeof(*sum));
    uint8_t *seen = assay__calloc((size_t)n_clusters, 1);
    double squares = 0;
    double mean;
    double variance;

    *groups = 0;
    influence(guess, truth, n, a, b, &mean, &variance);
    for (size_t i = 0; sum && seen && i < n; i++) {
        *groups += !seen[cluster[i]];
        seen[cluster[i]] = 1;
        sum[cluster[i]] +=
            (guess[i] == truth[i]) - b[guess[i]] - a[truth[i]] - mean;
    }
    for (int g = 0; sum && seen && g < n_clusters; g++)
        squares += sum[g] * sum[g];
    assay__free(sum);
    assay__free(seen);
    if (*groups < 2)
        return -1;
    return sqrt(squares * *groups / (*groups - 1)) / (double)n;
}

struct assay_estimate assay_excess_agreement_clustered(const int32_t *guess,
                                                       const int32_t *truth,
                                                       const int32_t *cluster,
                                                       int n_clusters, size_t n,
                                                       int k, int *degrees)
{
    struct assay_estimate e = assay_excess_agreement(guess, truth, n, k);
    double *a = n > 0 ? shares(guess, n, k) : NULL;
    double *b = n > 0 ? shares(truth, n, k) : NULL;
    double error = -1;
    double half;
    int groups = 0;

    if (a && b)
        error = clustered_error(guess, truth, cluster, n_clusters, n, a, b,
                                &groups);
    assay__free(a);
    assay__free(b);
    if (degrees)
        *degrees = groups > 1 ? groups - 1 : 0;
    if (n == 0)
        return e;
    half = error < 0
               ? 2
               : error * assay_student_quantile(0.975, groups - 1) + rounding;
    e.low = fmax(e.value - half, -1);
    e.high = fmin(e.value + half, 1);
    return e;
}

/* How often each value was guessed, was true, and both. */
struct tally {
    size_t *guessed;
    size_t *true_;
    size_t *both;
    int k;
};

static double f1_of(const struct tally *t)
{
    double sum = 0;
    int n = 0;

    for (int v = 0; v < t->k; v++) {
        size_t all = t->guessed[v] + t->true_[v];

        if (all == 0 || (t->k == 2 && v == 0))
            continue;
        sum += 2.0 * (double)t->both[v] / (double)all;
        n++;
    }
    return n > 0 ? sum / n : 0;
}

static void count(struct tally *t, int32_t guess, int32_t truth)
{
    t->guessed[guess]++;
    t->true_[truth]++;
    t->both[guess] += guess == truth;
}

static void clear(struct tally *t)
{
    memset(t->guessed, 0, 3 * (size_t)t->k * sizeof(*t->guessed));
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static void bootstrap(struct tally *t, const int32_t *guess,
                      const int32_t *truth, size_t n, double *draw)
{
    for (uint64_t d = 0; d < DRAWS; d++) {
        struct assay_rng rng;

        assay_rng_init(&rng, 0, "f1", d);
        clear(t);
        for (size_t i = 0; i < n; i++) {
            size_t at = (size_t)assay_rng_below(&rng, n);

            count(t, guess[at], truth[at]);
        }
        draw[d] = f1_of(t);
    }
    qsort(draw, DRAWS, sizeof(*draw), compare_doubles);
}

int assay_f1(struct assay_estimate *out, const int32_t *guess,
             const int32_t *truth, size_t n, int k, struct assay_error *err)
{
    double *draw = assay__malloc(DRAWS * sizeof(*draw));
    size_t *counts = assay__calloc(3 * (size_t)k, sizeof(*counts));
    struct tally t = {counts, NULL, NULL, k};
    int rc = ASSAY_OK;

    *out = assay__estimate_none();
    if (!draw || !counts) {
        rc = assay_error_set(err, ASSAY_NOMEM, "F1 of %zu guesses", n);
        goto out;
    }
    if (n == 0)
        goto out;
    t.true_ = counts + k;
    t.both = counts + 2 * k;
    for (size_t i = 0; i < n; i++)
        count(&t, guess[i], truth[i]);
    out->value = f1_of(&t);
    out->n = n;
    bootstrap(&t, guess, truth, n, draw);
    out->low = draw[DRAWS / 40 - 1];
    out->high = draw[DRAWS - DRAWS / 40];

out:
    assay__free(draw);
    assay__free(counts);
    return rc;
}

/* Correlation of the two, by counts; its continuity correction is
 * Newcombe's. 0 where one does not vary. */
static double paired_phi(double both, double one, double other, double none)
{
    double n = both + one + other + none;
    double product =
        (both + one) * (other + none) * (both + other) * (one + none);
    double top = both * none - one * other;

    if (product <= 0)
        return 0;
    if (top > 0)
        top = fmax(top - n / 2, 0);
    return top / sqrt(product);
}

struct assay_estimate assay_paired_gain(const uint8_t *right,
                                        const uint8_t *other, size_t n)
{
    struct assay_estimate e = assay__estimate_none();
    size_t cell[2][2] = {{0, 0}, {0, 0}};
    struct assay_estimate p;
    struct assay_estimate q;
    double phi;

    if (n == 0)
        return e;
    for (size_t i = 0; i < n; i++)
        cell[right[i] != 0][other[i] != 0]++;
    p = assay__wilson(cell[1][1] + cell[1][0], n, ASSAY__Z95);
    q = assay__wilson(cell[1][1] + cell[0][1], n, ASSAY__Z95);
    phi = paired_phi((double)cell[1][1], (double)cell[1][0], (double)cell[0][1],
                     (double)cell[0][0]);
    for (int side = 0; side < 2; side++) {
        double x = side == 0 ? p.value - p.low : p.high - p.value;
        double y = side == 0 ? q.high - q.value : q.value - q.low;
        double half = sqrt(fmax(x * x - 2 * phi * x * y + y * y, 0));

        if (side == 0)
            e.low = fmax(p.value - q.value - half, -1);
        else
            e.high = fmin(p.value - q.value + half, 1);
    }
    e.value = p.value - q.value;
    e.n = n;
    return e;
}
