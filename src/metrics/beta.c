/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beta distribution's quantile, and Student's through it.
 *
 * The distribution function I_x(a, b) is its continued fraction (DLMF
 * 8.17.22, contracted, evaluated by Lentz's method) times the front factor
 * x^a (1-x)^b / B(a, b). That factor is taken from Stirling's series and
 * deviances (Loader, 2000), not from differences of log gammas, which lose
 * eight digits at a million trials.
 *
 * The quantile is the root of log I_x - log p in t = log(x / (1 - x)). The
 * density of t is log-concave, hence so is its distribution function, and
 * Newton's method on a concave rising function converges from anywhere.
 * The derivative is the factor over I_x: nothing extra to compute. Working
 * in t keeps all digits of x near 0 and of 1 - x near 1. The smaller tail
 * is solved, the other by symmetry. About 1e-13 relative; a few
 * microseconds, growing with the square root of a + b.
 */

#include "assay/metrics.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "bounds.h"

#define LOG_2PI 1.8378770664093454836
#define T_LIMIT 740.0 /* exp(-T_LIMIT) is still above 0 */
#define MAX_STEPS 100

/* log Gamma(n + 1) less Stirling's (n + 1/2) log n - n + log(2 pi) / 2. */
static double stirling_error(double n)
{
    double r;

    if (n <= 15.0)
        return log(tgamma(n + 1.0)) - (n + 0.5) * log(n) + n - 0.5 * LOG_2PI;
    r = 1.0 / (n * n);
    return (1.0 / 12.0 -
            r * (1.0 / 360.0 -
                 r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)))) /
           n;
}

/*
 * x log(x / m) + m - x for x, m > 0, without cancellation where x is near
 * m: with v = (x - m) / (x + m), log(x / m) = 2 atanh v, and the terms of
 * first order combine to (x - m) v.
 */
static double deviance(double x, double m)
{
    double v = (x - m) / (x + m);
    double power;
    double sum;
    int k;

    if (fabs(v) > 0.1)
        return x * log(x / m) + m - x;
    power = 2.0 * x * v;
    sum = (x - m) * v;
    for (k = 3; k < 31; k += 2) {
        power *= v * v;
        if (sum + power / k == sum)
            break;
        sum += power / k;
    }
    return sum;
}

/* log of x^a y^b / B(a, b), y = 1 - x. */
static double log_front(double x, double y, double a, double b)
{
    double n = a + b;

    return 0.5 * (log(a) + log(b) - log(n) - LOG_2PI) + stirling_error(n) -
           stirling_error(a) - stirling_error(b) - deviance(a, n * x) -
           deviance(b, n * y);
}

/*
 * I_x(a, b) over the front factor, for x up to about a / (a + b). Every
 * second convergent of the fraction, in which x near 1 enters through y
 * alone (DiDonato and Morris, 1992).
 */
static double fraction(double x, double y, double a, double b)
{
    const int64_t limit = (int64_t)(100.0 + 10.0 * sqrt(a + b));
    const double lambda = a * y - b * x;
    double f = a / (a + 1.0) * (lambda + 1.0);
    double c = f;
    double d = 0.0;
    int64_t i;

    for (i = 1; i < limit; i++) {
        double n = (double)i;
        double r = n * (b - n) * x / (a + 2.0 * n - 1.0);
        double above =
            (a + n - 1.0) * (a + b + n - 1.0) * x / (a + 2.0 * n - 1.0) * r;
        double below =
            n + r +
            (a + n) / (a + 2.0 * n + 1.0) * (lambda + 1.0 + n * (1.0 + y));
        double step;

        d = 1.0 / (below + above * d);
        c = below + above / c;
        step = c * d;
        f *= step;
        if (fabs(step - 1.0) < DBL_EPSILON)
            break;
    }
    return 1.0 / f;
}

/* log I_x(a, b) at x = logistic(t), and the log of its derivative by t. */
static double log_cdf(double t, double a, double b, double *log_slope)
{
    double x = assay__logistic(t);
    double y = assay__logistic(-t);

    *log_slope = log_front(x, y, a, b);
    if (x * (a + b + 2.0) < a + 1.0)
        return *log_slope + log(fraction(x, y, a, b));
    return log1p(-exp(*log_slope) * fraction(y, x, b, a));
}

/* The root for p <= 1/2. */
static double solve(double p, double a, double b)
{
    const double log_p = log(p);
    double low = -T_LIMIT;
    double high = T_LIMIT;
    double t = fmin(fmax(log(a / b), -700.0), 700.0); /* the mean */
    int i;

    for (i = 0; i < MAX_STEPS; i++) {
        double log_slope;
        double log_i = log_cdf(t, a, b, &log_slope);
        double next;

        if (log_i > log_p)
            high = t;
        else
            low = t;
        next = t - (log_i - log_p) * exp(log_i - log_slope);
        if (!(next > low && next < high))
            next = 0.5 * (low + high);
        if (fabs(next - t) <= 2.0 * DBL_EPSILON * fmax(fabs(t), 1.0))
            return next;
        t = next;
    }
    return t;
}

double assay__beta_logit(double p, double a, double b)
{
    return p > 0.5 ? -solve(1.0 - p, b, a) : solve(p, a, b);
}

double assay_beta_quantile(double p, double a, double b)
{
    if (!(p >= 0.0 && p <= 1.0 && a > 0.0 && b > 0.0 && isfinite(a + b)))
        return (double)NAN;
    if (p == 0.0 || p == 1.0)
        return p;
    return assay__logistic(assay__beta_logit(p, a, b));
}

/*
 * With x = df / (df + t^2), P(|T| > t) = I_x(df / 2, 1 / 2); t^2 / df is
 * (1 - x) / x, the exponential of minus the logit.
 */
double assay_student_quantile(double p, double df)
{
    double tail = p > 0.5 ? 1.0 - p : p;
    double t;

    if (!(p >= 0.0 && p <= 1.0 && df > 0.0))
        return (double)NAN;
    if (isinf(df))
        return assay_normal_quantile(p);
    if (p == 0.5)
        return 0.0;
    if (tail == 0.0)
        return p > 0.5 ? HUGE_VAL : -HUGE_VAL;
    t = sqrt(df) * exp(-0.5 * assay__beta_logit(2.0 * tail, 0.5 * df, 0.5));
    return p > 0.5 ? t : -t;
}
