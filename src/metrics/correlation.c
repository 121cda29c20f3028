/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Means, spreads and correlation of plain numbers.
 *
 * Two passes each: the second works on differences from the mean, so that a
 * large common offset costs no digits. A NaN among the numbers comes out as
 * NaN.
 */

#include "assay/metrics.h"

#include <math.h>

#include "bounds.h"

double assay_mean(const double *x, size_t n)
{
    double sum = 0.0;
    double rest = 0.0;
    double mean;
    size_t i;

    if (n == 0)
        return (double)NAN;
    for (i = 0; i < n; i++)
        sum += x[i];
    mean = sum / (double)n;
    for (i = 0; i < n; i++)
        rest += x[i] - mean;
    return mean + rest / (double)n;
}

double assay_sd(const double *x, size_t n)
{
    double mean = assay_mean(x, n);
    double sum = 0.0;
    size_t i;

    if (n < 2)
        return (double)NAN;
    for (i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

struct assay_estimate assay_pearson(const double *x, const double *y, size_t n)
{
    struct assay_estimate e = assay__estimate_none();
    double mean_x = assay_mean(x, n);
    double mean_y = assay_mean(y, n);
    double xx = 0.0;
    double yy = 0.0;
    double xy = 0.0;
    size_t i;

    for (i = 0; i < n; i++) {
        double dx = x[i] - mean_x;
        double dy = y[i] - mean_y;

        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    if (n < 2 || !(xx > 0.0 && yy > 0.0))
        return e;
    e.n = n;
    e.value = fmin(fmax(xy / sqrt(xx) / sqrt(yy), -1.0), 1.0);
    e.low = -1.0;
    e.high = 1.0;
    if (n > 3) {
        double half = ASSAY__Z95 / sqrt((double)(n - 3));

        e.low = tanh(atanh(e.value) - half);
        e.high = tanh(atanh(e.value) + half);
    }
    return e;
}

struct assay_estimate assay_mean_interval(const double *x, size_t n)
{
    struct assay_estimate e = {(double)NAN, (double)NAN, (double)NAN, n};
    double half;

    e.value = assay_mean(x, n);
    if (n < 2)
        return e;
    half = assay_student_quantile(0.975, (double)(n - 1)) * assay_sd(x, n) /
           sqrt((double)n);
    e.low = e.value - half;
    e.high = e.value + half;
    return e;
}
