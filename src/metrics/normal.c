/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard normal distribution function and its quantile.
 *
 * The function is the C library's erfc, which keeps its relative accuracy
 * far into the lower tail. The quantile starts from Hastings' rational
 * approximation (Abramowitz and Stegun 26.2.23, error below 4.5e-4) and is
 * brought to full precision by Halley's method, which triples the digits
 * each step.
 */

#include "assay/metrics.h"

#include <float.h>
#include <math.h>

#define SQRT_HALF 0.70710678118654752440
#define INV_SQRT_2PI 0.39894228040143267794

double assay_normal_cdf(double x)
{
    return 0.5 * erfc(-x * SQRT_HALF);
}

/* For 0 < p <= 1/2. */
static double lower_quantile(double p)
{
    double t = sqrt(-2.0 * log(p));
    double x = (2.515517 + t * (0.802853 + t * 0.010328)) /
                   (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))) -
               t;
    int i;

    for (i = 0; i < 3; i++) {
        double density = INV_SQRT_2PI * exp(-0.5 * x * x);
        double u;

        if (density < DBL_MIN)
            break; /* p below 1e-300: no digits left to refine with */
        u = (assay_normal_cdf(x) - p) / density;
        x -= u / (1.0 + 0.5 * x * u);
    }
    return x;
}

double assay_normal_quantile(double p)
{
    if (!(p >= 0.0 && p <= 1.0))
        return (double)NAN;
    if (p == 0.0)
        return -HUGE_VAL;
    if (p == 1.0)
        return HUGE_VAL;
    if (p == 0.5)
        return 0.0;
    return p < 0.5 ? lower_quantile(p) : -lower_quantile(1.0 - p);
}
