/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_METRICS_DPSGD_H
#define ASSAY_METRICS_DPSGD_H

/*
 * What the accountants share: the checks, and the loss of one step. With t
 * the noisy sum along the record's gradient, in clip norms, a step draws
 * from N(0, noise^2) without the record and from the mixture
 * (1 - rate) N(0, noise^2) + rate N(1, noise^2) with it.
 */

#include <math.h>

#include "assay/privacy.h"

int assay__dpsgd_check(const struct assay_dpsgd *m, double delta,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* log of mixture over noise at t, without overflow. */
static inline double assay__dpsgd_log_ratio(double rate, double noise, double t)
{
    double z = (t - 0.5) / (noise * noise);

    if (z > 50.0)
        return z + log(rate) + log1p((1.0 - rate) / rate * exp(-z));
    return log1p(rate * expm1(z));
}

/* log(e^a + e^b); either may be infinite. */
static inline double assay__log_add(double a, double b)
{
    double high = fmax(a, b);

    if (isinf(high))
        return high;
    return high + log1p(exp(fmin(a, b) - high));
}

/* A step of the trapezoid rule that is exact in double for an integrand of
 * Gaussians of width `noise` times powers of the ratio, whose nearest
 * singularity lies pi noise^2 off the real line. */
static inline double assay__dpsgd_mesh(double noise)
{
    return fmin(0.5 * noise, 0.5 * noise * noise);
}

#endif
