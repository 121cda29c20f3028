/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the smallest of n norms an outlier?
 *
 * The anomaly index of Neural Cleanse: (median - smallest) / (1.4826 median
 * of |x - median|), 1.4826 making the MAD a normal's deviation. It does not
 * count in that the smallest of many is looked at: where norms are normal,
 * a third of clean models of 10 classes and nearly all of 100 have an index
 * above 2.
 *
 * The p-value does. Under the null hypothesis the logs of the norms are
 * exchangeable normals. With mean M and deviation S of the n - 1 others,
 *
 *   t = (log x_min - M) / (S sqrt(1 + 1 / (n - 1)))
 *
 * would be Student's with n - 2 degrees of freedom for a class named
 * beforehand; for the smallest of n, p = n P(T <= t) (Grubbs's test, one
 * side). Two of them cannot both be so small, so for small p the sum over
 * classes is no mere bound but exact; for large p it errs on the side of
 * innocence. With fewer than 5 numbers there is nothing to fit: no p-value.
 */

#include <math.h>
#include <stdlib.h>

#include "detectors/reverse.h"

/* The continued fraction of the incomplete beta function (Lentz), for x below
 * its mean. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1;
    double d = 1 - (a + b) * x / (a + 1);
    double f;

    d = 1 / (fabs(d) < tiny ? tiny : d);
    f = d;
    for (int i = 1; i < 500; i++) {
        double step[2];
        double before = f;

        step[0] = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i));
        step[1] = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1));
        for (int k = 0; k < 2; k++) {
            d = 1 + step[k] * d;
            c = 1 + step[k] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            f *= d * c;
        }
        if (fabs(f - before) <= 1e-14 * fabs(f))
            break;
    }
    return f;
}

/* Regularised: I_x(a, b). */
static double beta_share(double a, double b, double x)
{
    double front;

    if (!(x > 0))
        return 0;
    if (!(x < 1))
        return 1;
    front =
        exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T <= t) of Student's with df degrees of freedom. */
static double student(double t, double df)
{
    double tail = .5 * beta_share(.5 * df, .5, df / (df + t * t));

    return t < 0 ? tail : 1 - tail;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof(*x), by_size);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Of the smallest of n numbers, in their order of size. */
static double smallest_p(const double *x, size_t n)
{
    double mean = 0;
    double squares = 0;
    double m = (double)n - 1;
    double low = log(fmax(x[0], 1e-12));
    double s;

    for (size_t i = 1; i < n; i++)
        mean += log(fmax(x[i], 1e-12)) / m;
    for (size_t i = 1; i < n; i++)
        squares += pow(log(fmax(x[i], 1e-12)) - mean, 2);
    s = sqrt(squares / (m - 1) * (1 + 1 / m));
    if (!(s > 0))
        return low < mean ? 0 : 1;
    return fmin(1, (double)n * student((low - mean) / s, m - 1));
}

struct assay__outlier assay__outlier_small(const double *x, size_t n,
                                           double *work)
{
    struct assay__outlier out = {.at = -1, .p = (double)NAN};
    double middle;
    double low;
    double mad;

    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            continue;
        if (out.at < 0 || x[i] < x[out.at])
            out.at = (int)i;
        work[out.n++] = x[i];
    }
    if (out.n < 3) {
        out.at = out.n < 2 ? -1 : out.at;
        return out;
    }
    middle = median(work, out.n);
    low = work[0];
    if (out.n >= ASSAY__OUTLIER_LEAST)
        out.p = smallest_p(work, out.n);
    for (size_t i = 0; i < out.n; i++)
        work[i] = fabs(work[i] - middle);
    mad = 1.4826 * median(work, out.n);
    /* Where more than half are equal, a deviation is counted in such numbers
     * as can be printed. */
    out.index = (middle - low) / fmax(mad, 1e-6 * fmax(middle, 1e-6));
    return out;
}
