/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RDP accountant of the Poisson-subsampled Gaussian mechanism (Mironov,
 * Talwar and Zhang, 2019).
 *
 * With r(t) the ratio of the mixture's density to the noise's, the
 * divergence of one step is log A / (a - 1), A = E[r^a] over the noise; the
 * paper's theorem 5 says that the other direction is never larger. What is
 * computed is A - 1, as a sum of positive terms: A is near 1 for a step of
 * training, and its logarithm would keep few digits.
 *
 *   integer a   A - 1 = sum over k = 2 ... a of
 *                 C(a, k) (1-q)^(a-k) q^k (e^((k^2-k) / 2 sigma^2) - 1):
 *               the paper's sum less the binomial theorem's sum of 1
 *   other a     A - 1 = E[r^a - 1 - a (r - 1)], as E[r] = 1, positive by
 *               Bernoulli's inequality. The paper has two series in erfc for
 *               it, with terms of both signs that cancel; the trapezoid rule
 *               converges exponentially here and cancels nothing.
 *
 * All in logarithms: r^a exceeds double's range at small noise.
 */

#include "assay/privacy.h"

#include <math.h>

#include "dpsgd.h"

#define ORDER_MAX 1e5

/* Orders: FRACTIONS of 1.1 ... 10.9, then WHOLES from 11, then each a 48th
 * of the way to 2^8 times the last. */
enum { FRACTIONS = 99, WHOLES = 54, SPARSE = 48 };
enum { ORDERS = FRACTIONS + WHOLES + SPARSE };

static double order_at(int i)
{
    if (i < FRACTIONS)
        return 1.0 + (i + 1) / 10.0;
    i -= FRACTIONS;
    if (i < WHOLES)
        return 11.0 + i;
    i -= WHOLES - 1;
    return floor(64.0 * exp2(8.0 * i / SPARSE));
}

/* log(e^x - 1) for x > 0 */
static double log_expm1(double x)
{
    return x > 30.0 ? x + log1p(-exp(-x)) : log(expm1(x));
}

static double log_excess_whole(const struct assay_dpsgd *m, double order)
{
    const double variance = m->noise * m->noise;
    const double log_in = log(m->rate);
    const double log_out = log1p(-m->rate);
    double log_choose = log(order); /* C(order, k), kept up by ratios */
    const int last = (int)order;
    double sum = -HUGE_VAL;
    int i;

    for (i = 2; i <= last; i++) {
        double k = i;

        log_choose += log((order - k + 1.0) / k);
        sum = assay__log_add(sum,
                             log_choose + (order - k) * log_out + k * log_in +
                                 log_expm1(0.5 * k * (k - 1.0) / variance));
    }
    return sum;
}

/* log(r^a - 1 - a (r - 1)) at r = e^g. Near g = 0 the difference is its
 * series, sum over n >= 2 of (a^n - a) g^n / n!. */
static double log_bernoulli(double order, double g)
{
    double power = g;
    double factor = order;
    double sum = 0.0;
    int n;

    if (fabs(order * g) > 30.0 && g > 0.0)
        return order * g +
               log1p(-exp(-order * g) -
                     order * (exp(g - order * g) - exp(-order * g)));
    if (fabs(order * g) > 0.01)
        return log(expm1(order * g) - order * expm1(g));
    for (n = 2; n <= 8; n++) {
        power *= g / n;
        factor *= order;
        sum += (factor - order) * power;
    }
    return log(sum);
}

static double log_excess_broken(const struct assay_dpsgd *m, double order)
{
    const double mesh = assay__dpsgd_mesh(m->noise);
    const double reach = 11.0 * m->noise;
    const int64_t n = (int64_t)ceil((order + 2.0 * reach) / mesh);
    double sum = -HUGE_VAL;
    int64_t i;

    for (i = 0; i <= n; i++) {
        double t = -reach + (double)i * mesh;
        double g = assay__dpsgd_log_ratio(m->rate, m->noise, t);
        double u = t / m->noise;

        if (g == 0.0)
            continue;
        sum = assay__log_add(sum, log_bernoulli(order, g) - 0.5 * u * u);
    }
    return sum + log(mesh / m->noise) - 0.91893853320467274178;
}

/* Of one step. */
static double divergence(const struct assay_dpsgd *m, double order)
{
    double excess;

    if (m->rate == 1.0)
        return 0.5 * order / (m->noise * m->noise);
    excess = order == floor(order) ? log_excess_whole(m, order)
                                   : log_excess_broken(m, order);
    return (excess > 0.0 ? assay__log_add(excess, 0.0) : log1p(exp(excess))) /
           (order - 1.0);
}

int assay__dpsgd_check(const struct assay_dpsgd *m, double delta,
                       struct assay_error *err)
{
    if (!(m->rate >= 1e-9 && m->rate <= 1.0))
        return assay_error_set(err, ASSAY_ARG,
                               "sampling rate %g: outside 1e-9 to 1", m->rate);
    if (!(m->noise >= ASSAY_NOISE_MIN && m->noise <= ASSAY_NOISE_MAX))
        return assay_error_set(err, ASSAY_ARG, "noise %g: outside %g to %g",
                               m->noise, ASSAY_NOISE_MIN, ASSAY_NOISE_MAX);
    if (m->steps < 1 || m->steps > ASSAY_STEPS_MAX)
        return assay_error_set(err, ASSAY_ARG, "%llu steps: outside 1 to %llu",
                               (unsigned long long)m->steps,
                               (unsigned long long)ASSAY_STEPS_MAX);
    if (!(delta >= ASSAY_DELTA_MIN && delta < 1.0))
        return assay_error_set(err, ASSAY_ARG,
                               "delta %g: outside %g to below 1", delta,
                               ASSAY_DELTA_MIN);
    return ASSAY_OK;
}

double assay_rdp(const struct assay_dpsgd *m, double order)
{
    if (assay__dpsgd_check(m, 0.5, NULL) != ASSAY_OK ||
        !(order > 1.0 && order <= ORDER_MAX))
        return (double)NAN;
    return (double)m->steps * divergence(m, order);
}

int assay_rdp_epsilon(struct assay_rdp_result *out, const struct assay_dpsgd *m,
                      double delta, enum assay_rdp_conversion how,
                      struct assay_error *err)
{
    struct assay_rdp_result best = {HUGE_VAL, 0.0};
    int code = assay__dpsgd_check(m, delta, err);
    int i;

    if (code != ASSAY_OK)
        return code;
    for (i = 0; i < ORDERS; i++) {
        double a = order_at(i);
        double epsilon = (double)m->steps * divergence(m, a);

        if (how == ASSAY_RDP_CLASSIC)
            epsilon -= log(delta) / (a - 1.0);
        else
            epsilon += log1p(-1.0 / a) - log(delta * a) / (a - 1.0);
        epsilon = fmax(epsilon, 0.0);
        if (epsilon < best.epsilon) {
            best.epsilon = epsilon;
            best.order = a;
        }
    }
    *out = best;
    return ASSAY_OK;
}
