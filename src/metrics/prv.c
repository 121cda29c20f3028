/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PRV accountant (Gopi, Lee and Wutschitz, 2021): with Y the privacy
 * loss of a step and S the sum of `steps` independent ones,
 *
 *     delta(epsilon) = E[1 - e^(epsilon - S)]+
 *
 * and S's distribution is a power of Y's Fourier transform.
 *
 * Discretising. Y, cut to a range that all steps together leave with
 * probability TAIL at most, is rounded to multiples of h and shifted so that
 * the mean stays. The sum of k rounding errors, each within an interval of
 * length h, exceeds epsilon_error with probability e^(-2 epsilon_error^2 /
 * (k h^2)) at most (Hoeffding); h makes that ROUNDING. So with D the delta
 * of the rounded sum,
 *
 *     D(epsilon + epsilon_error) - delta_error <= delta(epsilon)
 *                              <= D(epsilon - epsilon_error) + delta_error.
 *
 * Tilting, which the paper does not have. The transform's rounding errors
 * and the sums that the circle of n points wraps around are absolute; a
 * delta of 1e-10 would drown in them. So what is convolved is not p(i) but
 * p(i) e^(s i h) / M, whose sum lies about the epsilon asked for when s is
 * that of the best Chernoff bound; afterwards e^(-s j h) M^k undoes it. The
 * circle need then hold the tilted sum alone, some 13 of its standard
 * deviations. [1 - e^-u]+ e^(-s u) is s^s / (1 + s)^(1 + s) at most, and with
 * C(epsilon) = M^k e^(-s epsilon) times that, a tilted sum outside adds
 * C(epsilon) P(outside) at most, wherever it is wrapped to; Chernoff's bound
 * on that probability is computed from the same grid. All four errors are
 * in delta_error.
 */

#include "assay/privacy.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "dpsgd.h"
#include "loss.h"
#include "self_convolve.h"

#define TAIL 1e-4     /* of delta: losses outside the range */
#define ROUNDING 1e-4 /* of delta: rounding beyond epsilon_error */
#define OUTSIDE 1e-10 /* tilted sums outside the circle, at each end */
#define EPSILON_ERROR 0.01
#define EPSILON_PART 0.004
#define FFT_ERROR (32.0 * DBL_EPSILON) /* a step's, of the tilted sum */

#define WIDTHS 40.0      /* of the circle in epsilon, where that is near 0 */
#define LEAST_CELLS 25.0 /* of the grid in epsilon_error */
#define LEAST_TILT 1e-5
#define MOST_TILT 1e9

enum { MOST_POINTS = 1 << 22, CHUNK = 1024, GOLDEN_STEPS = 80 };

/* One direction. */
struct side {
    struct assay__loss loss;
    double steps;
    double delta;
    double tilt;    /* s */
    double epsilon; /* Chernoff's, near the tilted sum's mean */
    double up;      /* tilts on top, which bound the ends */
    double down;
    double high; /* ends that the circle must hold */
    double low;
    double mesh; /* h */
    double epsilon_error;
    double shift; /* of the sum, so that the mean stays */
    size_t n;
    double *p;          /* of the tilted sum, in the end */
    int64_t first;      /* the circle's lowest multiple of h */
    double log_moment;  /* log M */
    double log_outside; /* log of the bound on either end */
};

/* The least of f over [exp(low), exp(high)], where it has one valley. */
typedef double valley_fn(const struct side *s, double x);

static double lowest(const struct side *s, valley_fn *f, double low,
                     double high, double *at)
{
    const double ratio = 0.61803398874989484820;
    double a = high - ratio * (high - low);
    double b = low + ratio * (high - low);
    double fa = f(s, exp(a));
    double fb = f(s, exp(b));
    int i;

    for (i = 0; i < GOLDEN_STEPS; i++) {
        if (fa < fb) {
            high = b;
            b = a;
            fb = fa;
            a = high - ratio * (high - low);
            fa = f(s, exp(a));
        } else {
            low = a;
            a = b;
            fa = fb;
            b = low + ratio * (high - low);
            fb = f(s, exp(b));
        }
    }
    *at = exp(fa < fb ? a : b);
    return fmin(fa, fb);
}

/* log of the largest [1 - e^-u]+ e^(-x u), at u = log(1 + 1/x) */
static double log_most_part(double x)
{
    return -log1p(x) - x * log1p(1.0 / x);
}

/* An epsilon that delta allows, by the tilt x: RDP's improved conversion. */
static double chernoff(const struct side *s, double x)
{
    return (s->steps * assay__loss_log_moment(&s->loss, x) - log(s->delta) +
            log_most_part(x)) /
           x;
}

/* Where the tilted sum ends upwards and downwards, by a further tilt. */
static double end_up(const struct side *s, double x)
{
    double rise = assay__loss_log_moment(&s->loss, s->tilt + x) - s->log_moment;

    return (s->steps * rise - log(OUTSIDE)) / x;
}

static double end_down(const struct side *s, double x)
{
    double rise = assay__loss_log_moment(&s->loss, s->tilt - x) - s->log_moment;

    return (s->steps * rise - log(OUTSIDE)) / x;
}

/* The tilt and both ends, by tilts up to exp(most). Below Chernoff's epsilon
 * the true one is looked for, too. */
static void choose_tilts(struct side *s, double most)
{
    const double least = log(LEAST_TILT);

    s->epsilon = lowest(s, chernoff, least, most, &s->tilt);
    s->log_moment = assay__loss_log_moment(&s->loss, s->tilt);
    s->high = lowest(s, end_up, least, most, &s->up);
    s->low = -lowest(s, end_down, least, most, &s->down);
    s->low = fmin(s->low, s->epsilon - 8.0 * log1p(1.0 / s->tilt));
}

/* A tilt must not change by more than e along a cell: the range's end is
 * rounded, too. */
static int choose_grid(struct side *s, struct assay_error *err)
{
    const double range = s->loss.high - s->loss.low;
    /* h over epsilon_error */
    const double part = sqrt(-2.0 / (s->steps * log(ROUNDING * s->delta)));
    double error;
    double h;

    choose_tilts(s, log(MOST_TILT));
    error = fmin(EPSILON_ERROR,
                 EPSILON_PART * fmax(s->epsilon, (s->high - s->low) / WIDTHS));
    h = fmin(part * error, error / LEAST_CELLS);
    h = fmax(h, fmax(s->high - s->low, range) / (0.99 * MOST_POINTS));
    if (fmax(s->tilt, fmax(s->up, s->down)) * h > 1.0)
        choose_tilts(s, -log(h));
    h = fmax(h, fmax(s->high - s->low, range) / (0.99 * MOST_POINTS));
    if (!(h > 0.0 && isfinite(h) && isfinite(s->low) &&
          fabs(s->high) + fabs(s->low) < 1e15 * h))
        return assay_error_set(err, ASSAY_NUMERIC,
                               "privacy loss of %.0f steps: no grid between "
                               "%g and %g",
                               s->steps, s->low, s->high);
    s->mesh = h;
    /* A rounding error less its mean is within h for sure. */
    s->epsilon_error = fmin(fmax(error, h / part), s->steps * h);
    /* The search ends below 0 for sure, or above it. */
    if (s->low < s->epsilon_error)
        s->low = fmin(s->low, -2.0 * s->epsilon_error);
    s->n = assay__self_convolve_size((size_t)((s->high - s->low) / h) + 16);
    return ASSAY_OK;
}

/* Sums over the grid: the probability, and moments over the guesses that
 * `loss` has of them. */
struct sums {
    double p;
    double mean;
    double at; /* tilt */
    double up;
    double down;
};

/* Fold the tilted distribution of one step into the circle. */
static void fold(struct side *s, struct sums *sums, double guess,
                 double guess_up, double guess_down)
{
    const int64_t last = assay__loss_bin(&s->loss, s->mesh, 1);
    const int64_t n = (int64_t)s->n;
    double bin[CHUNK];
    int64_t i = assay__loss_bin(&s->loss, s->mesh, 0);
    int64_t at = ((i % n) + n) % n;

    while (i <= last) {
        size_t count = last - i + 1 < CHUNK ? (size_t)(last - i + 1) : CHUNK;
        size_t j;

        assay__loss_fill(&s->loss, s->mesh, i, count, bin);
        for (j = 0; j < count; j++, i++) {
            double y = (double)i * s->mesh;
            double tilted;

            if (bin[j] > 0.0) {
                tilted = bin[j] * exp(s->tilt * y - guess);
                sums->p += bin[j];
                sums->mean += bin[j] * y;
                sums->at += tilted;
                sums->up += bin[j] * exp((s->tilt + s->up) * y - guess_up);
                sums->down +=
                    bin[j] * exp((s->tilt - s->down) * y - guess_down);
                s->p[at] += tilted;
            }
            at = at + 1 < n ? at + 1 : 0;
        }
    }
}

static int discretise(struct side *s, struct assay_error *err)
{
    double guess = s->log_moment;
    double guess_up = assay__loss_log_moment(&s->loss, s->tilt + s->up);
    double guess_down = assay__loss_log_moment(&s->loss, s->tilt - s->down);
    struct sums sums;
    double log_up;
    double log_down;
    double shift;
    size_t i;

    memset(&sums, 0, sizeof(sums));
    fold(s, &sums, guess, guess_up, guess_down);
    shift = s->loss.mean - sums.mean / sums.p;
    if (!(fabs(shift) <= s->mesh && isfinite(sums.at) && isfinite(sums.up) &&
          isfinite(sums.down) && sums.at > 0.0))
        return assay_error_set(err, ASSAY_NUMERIC,
                               "privacy loss at noise %g: a grid of %g does "
                               "not keep its mean",
                               s->loss.noise, s->mesh);
    s->shift = s->steps * shift;
    s->log_moment = guess + log(sums.at / sums.p);
    log_up = guess_up + log(sums.up / sums.p);
    log_down = guess_down + log(sums.down / sums.p);
    for (i = 0; i < s->n; i++)
        s->p[i] /= sums.at;
    s->first = (int64_t)floor((s->low - s->shift) / s->mesh);
    s->log_outside = assay__log_add(
        s->steps * (log_up - s->log_moment) -
            s->up * (double)(s->first + (int64_t)s->n - 1) * s->mesh,
        s->steps * (log_down - s->log_moment) +
            s->down * (double)s->first * s->mesh);
    return ASSAY_OK;
}

/* Which part of a cell lies between its lower end, where delta is `low`,
 * and where the chord passes `delta`. Delta is convex in epsilon: a chord is
 * never below it. */
static double passed(double low, double high, double delta)
{
    return (low - delta) / (low - high);
}

/*
 * Down the circle: D at multiple j from that at j + 1. With T the tail
 * P(S > j h), D(j) = e^-h D(j + 1) + (1 - e^-h) T(j): all positive. Three
 * crossings of delta: with the error added, without, and taken off.
 */
static int scan(const struct side *s, struct assay_prv_result *out,
                struct assay_error *err)
{
    const int64_t n = (int64_t)s->n;
    const double keep = exp(-s->mesh);
    const double part = -expm1(-s->mesh);
    const double log_fixed = log((TAIL + ROUNDING) * s->delta);
    const double outside = exp(log_most_part(s->tilt)) *
                           (exp(s->log_outside) + s->steps * FFT_ERROR);
    struct assay_prv_result r = {-1.0, -1.0, -1.0, s->epsilon_error, 0.0};
    double tail = 0.0;
    double d = 0.0;
    double above = 0.0; /* d and d + error a cell higher */
    double above_error = 0.0;
    int64_t j;

    for (j = s->first + n - 1; j >= s->first; j--) {
        double x = (double)j * s->mesh + s->shift;
        double c =
            exp(s->steps * s->log_moment - s->tilt * (double)j * s->mesh);
        double error = exp(log_fixed) + c * outside;

        if (x < -s->epsilon_error)
            break;
        d = keep * d + part * tail;
        if (r.high < 0.0 && d + error > s->delta) {
            r.high = x + s->mesh * passed(d + error, above_error, s->delta);
            r.delta_error = error;
        }
        if (r.epsilon < 0.0 && d > s->delta)
            r.epsilon = x + s->mesh * passed(d, above, s->delta);
        if (d - error > s->delta) {
            r.low = x;
            break;
        }
        above = d;
        above_error = d + error;
        tail += c * fmax(s->p[((j % n) + n) % n], 0.0);
    }
    if (r.low < 0.0 && j < s->first && s->low > 0.0)
        return assay_error_set(err, ASSAY_NUMERIC,
                               "privacy loss of %.0f steps: delta %g is not "
                               "between %g and %g",
                               s->steps, s->delta, s->low, s->high);
    r.low = fmax(r.low - s->epsilon_error, 0.0);
    r.epsilon = fmax(r.epsilon, 0.0);
    r.high = r.high < 0.0 ? 0.0 : r.high + s->epsilon_error;
    *out = r;
    return ASSAY_OK;
}

static int direction(struct assay_prv_result *out, const struct assay_dpsgd *m,
                     double delta, int removed, struct assay_error *err)
{
    struct side s;
    int code;

    memset(&s, 0, sizeof(s));
    s.steps = (double)m->steps;
    s.delta = delta;
    code = assay__loss_make(&s.loss, m, removed,
                            fmin(TAIL * delta, 1e-10) / s.steps, err);
    if (code != ASSAY_OK)
        return code;
    code = choose_grid(&s, err);
    if (code == ASSAY_OK) {
        s.p = assay__slab(assay__self_convolve_room(s.n) * sizeof(*s.p));
        if (s.p == NULL)
            code = assay_error_set(err, ASSAY_NOMEM,
                                   "privacy loss on %zu "
                                   "points",
                                   s.n);
    }
    if (code == ASSAY_OK)
        code = discretise(&s, err);
    if (code == ASSAY_OK)
        code = assay__self_convolve(s.p, s.n, m->steps, err);
    if (code == ASSAY_OK)
        code = scan(&s, out, err);
    assay__free(s.p);
    assay__loss_release(&s.loss);
    return code;
}

/* Whether delta covers all there is to see: the total variation of a step,
 * times the steps. Epsilon is 0 then. */
static int never_apart(const struct assay_dpsgd *m, double delta)
{
    return (double)m->steps * m->rate * erf(sqrt(0.125) / m->noise) <= delta;
}

int assay_prv_epsilon(struct assay_prv_result *out, const struct assay_dpsgd *m,
                      double delta, struct assay_error *err)
{
    struct assay_prv_result removed;
    struct assay_prv_result added;
    int code = assay__dpsgd_check(m, delta, err);

    if (code == ASSAY_OK && never_apart(m, delta)) {
        memset(out, 0, sizeof(*out));
        return ASSAY_OK;
    }
    if (code == ASSAY_OK)
        code = direction(&removed, m, delta, 1, err);
    if (code != ASSAY_OK)
        return code;
    if (m->rate < 1.0) {
        code = direction(&added, m, delta, 0, err);
        if (code != ASSAY_OK)
            return code;
        if (added.high > removed.high) {
            removed.high = added.high;
            removed.epsilon_error = added.epsilon_error;
            removed.delta_error = added.delta_error;
        }
        removed.epsilon = fmax(removed.epsilon, added.epsilon);
        removed.low = fmax(removed.low, added.low);
    }
    *out = removed;
    return ASSAY_OK;
}
