/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step's privacy loss. With g(t) the log ratio of the mixture to the
 * noise, the loss is g(T) for T from the mixture (removed) and -g(T) for T
 * from the noise (added). g rises, so that a range of losses is a range of
 * T, whose probability is a difference of normal distribution functions,
 * taken in the tail that keeps its digits.
 */

#include "loss.h"

#include <string.h>

#include "assay/metrics.h"
#include "core/mem.h"
#include "dpsgd.h"

static double upper(const struct assay__loss *l, double t)
{
    double out = assay_normal_cdf(-t / l->noise);

    if (!l->removed)
        return out;
    return (1.0 - l->rate) * out +
           l->rate * assay_normal_cdf((1.0 - t) / l->noise);
}

static double lower(const struct assay__loss *l, double t)
{
    double out = assay_normal_cdf(t / l->noise);

    if (!l->removed)
        return out;
    return (1.0 - l->rate) * out +
           l->rate * assay_normal_cdf((t - 1.0) / l->noise);
}

static double density(const struct assay__loss *l, double t)
{
    double u = t / l->noise;
    double v = (t - 1.0) / l->noise;
    double out = exp(-0.5 * u * u);

    if (!l->removed)
        return out;
    return (1.0 - l->rate) * out + l->rate * exp(-0.5 * v * v);
}

static double loss_at(const struct assay__loss *l, double t)
{
    double g = assay__dpsgd_log_ratio(l->rate, l->noise, t);

    return l->removed ? g : -g;
}

/* The T at which g is `g`; -inf below all that g can be. */
static double t_of(const struct assay__loss *l, double g)
{
    const double variance = l->noise * l->noise;
    double x;

    if (l->rate == 1.0)
        return 0.5 + variance * g;
    if (g > 50.0)
        return 0.5 +
               variance * (g - log(l->rate) + log1p((l->rate - 1.0) * exp(-g)));
    x = expm1(g) / l->rate;
    return x <= -1.0 ? -HUGE_VAL : 0.5 + variance * log1p(x);
}

static void find_range(struct assay__loss *l, double tail)
{
    double z = -assay_normal_quantile(tail / 4.0);
    double z_in = -assay_normal_quantile(fmin(0.5, tail / (4.0 * l->rate)));

    l->t_low = -z * l->noise;
    l->t_high = z * l->noise;
    if (l->removed)
        l->t_high = fmax(l->t_high, 1.0 + z_in * l->noise);
    /* Without the record's lower part, a Gaussian about 1. */
    if (l->removed && l->rate == 1.0)
        l->t_low = 1.0 - z * l->noise;
    l->low = loss_at(l, l->removed ? l->t_low : l->t_high);
    l->high = loss_at(l, l->removed ? l->t_high : l->t_low);
}

int assay__loss_make(struct assay__loss *loss, const struct assay_dpsgd *m,
                     int removed, double tail, struct assay_error *err)
{
    struct assay__loss l;
    double mesh = assay__dpsgd_mesh(m->noise);
    double sum = 0.0;
    size_t i;

    memset(&l, 0, sizeof(l));
    l.rate = m->rate;
    l.noise = m->noise;
    l.removed = removed;
    find_range(&l, tail);
    l.n = (size_t)ceil((l.t_high - l.t_low) / mesh) + 1;
    mesh = (l.t_high - l.t_low) / (double)(l.n - 1);
    l.y = assay__slab(2 * l.n * sizeof(*l.y));
    if (l.y == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "privacy loss at %zu points",
                               l.n);
    l.weight = l.y + l.n;
    for (i = 0; i < l.n; i++) {
        double t = l.t_low + (double)i * mesh;

        l.y[i] = loss_at(&l, t);
        l.weight[i] = density(&l, t) * (i == 0 || i == l.n - 1 ? 0.5 : 1.0);
        sum += l.weight[i];
    }
    for (i = 0; i < l.n; i++) {
        l.weight[i] /= sum;
        l.mean += l.weight[i] * l.y[i];
    }
    *loss = l;
    return ASSAY_OK;
}

void assay__loss_release(struct assay__loss *loss)
{
    assay__free(loss->y);
    loss->y = NULL;
    loss->weight = NULL;
}

double assay__loss_log_moment(const struct assay__loss *loss, double s)
{
    double top = s * (s > 0.0 ? loss->high : loss->low);
    double sum = 0.0;
    size_t i;

    /* Largest is often the bulk, far below s times the range's end. */
    for (i = 0; i < loss->n; i++)
        sum += loss->weight[i] * exp(s * loss->y[i] - top);
    if (sum > 1e-280)
        return top + log(sum);
    top = -HUGE_VAL;
    for (i = 0; i < loss->n; i++) {
        if (loss->weight[i] > 0.0)
            top = fmax(top, s * loss->y[i] + log(loss->weight[i]));
    }
    sum = 0.0;
    for (i = 0; i < loss->n; i++) {
        if (loss->weight[i] > 0.0)
            sum += exp(s * loss->y[i] + log(loss->weight[i]) - top);
    }
    return top + log(sum);
}

int64_t assay__loss_bin(const struct assay__loss *loss, double mesh, int last)
{
    return (int64_t)ceil((last ? loss->high : loss->low) / mesh - 0.5);
}

/* P(T <= t) for t below 1/2, else -P(T > t); at the end of a bin. */
static double cumulative(const struct assay__loss *l, double y, int *above)
{
    double t = t_of(l, l->removed ? y : -y);

    t = fmin(fmax(t, l->t_low), l->t_high);
    *above = t >= 0.5;
    return *above ? -upper(l, t) : lower(l, t);
}

void assay__loss_fill(const struct assay__loss *loss, double mesh,
                      int64_t first, size_t n, double *out)
{
    int above;
    int above_next;
    double at = cumulative(loss, ((double)first - 0.5) * mesh, &above);
    size_t i;

    for (i = 0; i < n; i++) {
        double end = ((double)(first + (int64_t)i) + 0.5) * mesh;
        double next = cumulative(loss, end, &above_next);
        double p = next - at + (double)(above_next - above);

        out[i] = fmax(loss->removed ? p : -p, 0.0);
        at = next;
        above = above_next;
    }
}
