/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals for proportions.
 *
 * Clopper and Pearson (1934): the bounds are beta quantiles, the coverage
 * is at least what is promised for every n, and k = 0 and k = n give
 * one-sided intervals that have a width: 1 - 0.025^(1/n) for k = 0.
 */

#include "assay/metrics.h"

#include <math.h>

#include "bounds.h"

double assay__proportion_low(size_t k, size_t n, double alpha)
{
    if (k == 0)
        return 0.0;
    return assay__logistic(
        assay__beta_logit(alpha, (double)k, (double)(n - k) + 1.0));
}

double assay__proportion_high(size_t k, size_t n, double alpha)
{
    if (k == n)
        return 1.0;
    return assay__logistic(
        -assay__beta_logit(alpha, (double)(n - k), (double)k + 1.0));
}

struct assay_estimate assay_difference(const struct assay_estimate *p,
                                       const struct assay_estimate *q)
{
    struct assay_estimate d = {p->value - q->value, 0, 0, p->n + q->n};

    d.low = d.value - hypot(p->value - p->low, q->high - q->value);
    d.high = d.value + hypot(p->high - p->value, q->value - q->low);
    return d;
}

struct assay_estimate assay_estimate_among(const struct assay_estimate *e,
                                           size_t among)
{
    double stretch = assay__deviations(among) / ASSAY__Z95;
    struct assay_estimate wide = *e;

    wide.low = e->value - stretch * (e->value - e->low);
    wide.high = e->value + stretch * (e->high - e->value);
    return wide;
}

struct assay_estimate assay_proportion(size_t k, size_t n)
{
    struct assay_estimate e = assay__estimate_none();

    if (n == 0 || k > n)
        return e;
    e.value = (double)k / (double)n;
    e.low = assay__proportion_low(k, n, 0.025);
    e.high = assay__proportion_high(k, n, 0.025);
    e.n = n;
    return e;
}
