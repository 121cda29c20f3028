/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The area under the ROC curve and its interval.
 *
 * A positive's placement is the number of negatives below it plus half of
 * those equal to it; the mean placement over n_neg is the area. DeLong,
 * DeLong and Clarke-Pearson (1988): the variance of the area is the sample
 * variance of the positives' placements over n_pos plus that of the
 * negatives' over n_neg (both scaled to [0, 1]). With both classes sorted,
 * placements are a merge (the midrank method of Sun and Xu, 2014):
 * O(n log n) with the sorting. The interval is symmetric on the logit
 * scale, so it stays within (0, 1).
 *
 * Where this variance is 0 or undefined it says nothing, and a bound that
 * holds for every distribution replaces it. With k = min(n_pos, n_neg) one
 * can pick k pairs that share no record:
 * - area 1 (or 0): all k independent pairs were in order, which happens
 *   with probability at most A^k; so A >= (alpha / 2)^(1/k).
 * - otherwise (all scores tied, or a class of one record): Hoeffding's
 *   inequality for U-statistics (1963), half-width
 *   sqrt(log(2 / alpha) / (2 k)).
 */

#include "assay/metrics.h"

#include <math.h>

#include "bounds.h"
#include "core/mem.h"
#include "order.h"

/* out[i] = #(y < x[i]) + #(y == x[i]) / 2; x and y ascending. */
static void place(double *out, const double *x, size_t m, const double *y,
                  size_t n)
{
    size_t below = 0;
    size_t upto = 0;
    size_t i;

    for (i = 0; i < m; i++) {
        while (below < n && y[below] < x[i])
            below++;
        while (upto < n && y[upto] <= x[i])
            upto++;
        out[i] = 0.5 * ((double)below + (double)upto);
    }
}

static double sum(const double *x, size_t n)
{
    double s = 0.0;
    size_t i;

    for (i = 0; i < n; i++)
        s += x[i];
    return s;
}

/* Variance of the mean of x[0..n) / scale; NaN for n < 2. */
static double mean_variance(const double *x, size_t n, double scale)
{
    double mean = sum(x, n) / (double)n;
    double s = 0.0;
    size_t i;

    for (i = 0; i < n; i++)
        s += (x[i] - mean) * (x[i] - mean);
    if (n < 2)
        return (double)NAN;
    return s / (double)(n - 1) / (double)n / (scale * scale);
}

/* The interval where there is no variance to go by. */
static void bound_without_variance(struct assay_estimate *e, size_t pairs,
                                   double alpha)
{
    double k = (double)pairs;
    double half = sqrt(log(2.0 / alpha) / (2.0 * k));

    e->low = fmax(e->value - half, 0.0);
    e->high = fmin(e->value + half, 1.0);
    if (e->value >= 1.0)
        e->low = pow(0.5 * alpha, 1.0 / k);
    if (e->value <= 0.0)
        e->high = 1.0 - pow(0.5 * alpha, 1.0 / k);
}

int assay__auc_from_order(struct assay_estimate *out,
                          const struct assay__order *o, size_t among,
                          struct assay_error *err)
{
    struct assay_estimate e = {(double)NAN, (double)NAN, (double)NAN,
                               o->n_pos + o->n_neg};
    const double m = (double)o->n_pos;
    const double n = (double)o->n_neg;
    double *placement;
    double variance;

    placement = assay__calloc(e.n, sizeof(*placement));
    if (placement == NULL)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for the AUC of %zu records", e.n);
    place(placement, o->pos, o->n_pos, o->neg, o->n_neg);
    place(placement + o->n_pos, o->neg, o->n_neg, o->pos, o->n_pos);

    e.value = sum(placement, o->n_pos) / (m * n);
    variance = mean_variance(placement, o->n_pos, n) +
               mean_variance(placement + o->n_pos, o->n_neg, m);
    assay__free(placement);

    if (variance > 0.0 && e.value > 0.0 && e.value < 1.0) {
        double rest = 1.0 - e.value;
        double logit = log(e.value / rest);
        double half =
            assay__deviations(among) * sqrt(variance) / (e.value * rest);

        e.low = assay__logistic(logit - half);
        e.high = assay__logistic(logit + half);
    } else {
        bound_without_variance(&e, o->n_pos < o->n_neg ? o->n_pos : o->n_neg,
                               assay__alpha(among));
    }
    *out = e;
    return ASSAY_OK;
}

int assay_auc_among(struct assay_estimate *out, const double *scores,
                    const uint8_t *positive, size_t n, size_t among,
                    struct assay_error *err)
{
    struct assay__order order;
    int rc;

    rc = assay__order_make(&order, scores, positive, n, err);
    if (rc != ASSAY_OK)
        return rc;
    rc = assay__auc_from_order(out, &order, among, err);
    assay__order_release(&order);
    return rc;
}

int assay_auc(struct assay_estimate *out, const double *scores,
              const uint8_t *positive, size_t n, struct assay_error *err)
{
    return assay_auc_among(out, scores, positive, n, 1, err);
}
