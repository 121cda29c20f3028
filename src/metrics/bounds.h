/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_METRICS_BOUNDS_H
#define ASSAY_METRICS_BOUNDS_H

/*
 * What the metrics share beside sorted scores: quantiles on a scale where
 * they keep their digits, one-sided bounds on a proportion, and counts read
 * back from a ROC curve.
 */

#include <math.h>
#include <stddef.h>

#include "assay/metrics.h"

/* The two-sided 95 % point of the standard normal distribution. */
#define ASSAY__Z95 1.959963984540054

/* How often an interval may miss that must hold together with others, all
 * of them in 95 % (Bonferroni). `among` counts it too; 0 is taken as 1. */
static inline double assay__alpha(size_t among)
{
    return 0.05 / (double)(among > 0 ? among : 1);
}

/* Standard deviations to either side that miss as rarely. */
static inline double assay__deviations(size_t among)
{
    return among > 1 ? assay_normal_quantile(1.0 - 0.5 * assay__alpha(among))
                     : ASSAY__Z95;
}

/* An estimate of nothing: all NaN, n = 0. */
static inline struct assay_estimate assay__estimate_none(void)
{
    const struct assay_estimate none = {(double)NAN, (double)NAN, (double)NAN,
                                        0};

    return none;
}

/* 1 / (1 + exp(-t)), the inverse of log(x / (1 - x)). */
static inline double assay__logistic(double t)
{
    return 1.0 / (1.0 + exp(-t));
}

/*
 * log(x / (1 - x)) of the beta quantile x: exact where x rounds to 0 or 1.
 * 0 < p < 1; a, b > 0 and finite.
 */
double assay__beta_logit(double p, double a, double b);

/*
 * Clopper-Pearson bounds, each on its own missing the truth with
 * probability at most alpha. k of n, k <= n, n >= 1.
 */
double assay__proportion_low(size_t k, size_t n, double alpha);
double assay__proportion_high(size_t k, size_t n, double alpha);

/* Wilson's (1927) score interval of k in n, n >= 1, z deviations wide. */
static inline struct assay_estimate assay__wilson(size_t k, size_t n, double z)
{
    const double z2 = z * z;
    struct assay_estimate e;
    double size = (double)n;
    double centre;
    double half;

    e.value = (double)k / size;
    e.n = n;
    centre = (e.value + z2 / (2.0 * size)) / (1.0 + z2 / size);
    half = z / (1.0 + z2 / size) *
           sqrt(e.value * (1.0 - e.value) / size + z2 / (4.0 * size * size));
    e.low = k == 0 ? 0.0 : fmax(centre - half, 0.0);
    e.high = k == n ? 1.0 : fmin(centre + half, 1.0);
    return e;
}

/* Counts of true and false positives at a point of the curve. */
static inline size_t assay__roc_tp(const struct assay_roc *roc, size_t i)
{
    return (size_t)llround(roc->point[i].tpr * (double)roc->n_pos);
}

static inline size_t assay__roc_fp(const struct assay_roc *roc, size_t i)
{
    return (size_t)llround(roc->point[i].fpr * (double)roc->n_neg);
}

#endif
