/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ROC curve and what is read off it without interpolation.
 *
 * The curve has a point for each distinct score and one for "nobody is a
 * member". Nothing is thinned out: a dropped point on a slope would lower
 * TPR at FPR, and one on a level would loosen the bounds on epsilon, which
 * count ranks. Who draws the curve thins it.
 */

#include "assay/metrics.h"

#include <math.h>

#include "bounds.h"
#include "core/mem.h"
#include "order.h"

int assay__roc_from_order(struct assay_roc *roc, const struct assay__order *o,
                          struct assay_error *err)
{
    struct assay__walk walk;
    struct assay_roc_point *point;
    size_t n_points = 1;

    assay__walk_start(&walk, o);
    while (assay__walk_next(&walk))
        n_points++;
    point = assay__calloc(n_points, sizeof(*point));
    if (point == NULL)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu points of a ROC curve",
                               n_points);

    roc->point = point;
    roc->n_points = n_points;
    roc->n_pos = o->n_pos;
    roc->n_neg = o->n_neg;
    assay__walk_start(&walk, o);
    do {
        point->fpr = (double)walk.fp / (double)o->n_neg;
        point->tpr = (double)walk.tp / (double)o->n_pos;
        point->threshold = walk.score;
        point++;
    } while (assay__walk_next(&walk));
    return ASSAY_OK;
}

int assay_roc_make(struct assay_roc *roc, const double *scores,
                   const uint8_t *positive, size_t n, struct assay_error *err)
{
    struct assay__order order;
    int rc;

    rc = assay__order_make(&order, scores, positive, n, err);
    if (rc != ASSAY_OK)
        return rc;
    rc = assay__roc_from_order(roc, &order, err);
    assay__order_release(&order);
    return rc;
}

void assay_roc_release(struct assay_roc *roc)
{
    if (roc == NULL)
        return;
    assay__free(roc->point);
    roc->point = NULL;
    roc->n_points = 0;
}

/* The last point of at most `fp` false positives; point 0 has none. */
static size_t last_within(const struct assay_roc *roc, size_t fp)
{
    size_t lo = 0;
    size_t hi = roc->n_points;

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (assay__roc_fp(roc, mid) <= fp)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/*
 * The interval of TPR at FPR f. The threshold that f asks for is unknown: it
 * is a quantile of the scores of all non-members there could be, of which n
 * were drawn. Write Y_r for the r-th largest of their scores and G(y) for
 * the true share of non-members with a score of y or more. Scores are a
 * falling function of a uniform variable, so there are uniform order
 * statistics U_1 < ... < U_n with P(Y > Y_r) <= U_r <= G(Y_r), whatever the
 * ties, and U_r has the distribution Beta(r, n - r + 1).
 *
 * Low end: r is the largest rank with U_r <= f but for a chance of alpha / 4,
 * that is, by Clopper and Pearson, the largest for which r - 1 false
 * positives of n surely mean an FPR of at most f. Then the threshold
 * "above Y_r" has a true FPR of at most f, so its true TPR is at most the
 * one sought. Members are independent of Y_r: that TPR's own lower bound at
 * alpha / 4 holds. Both together miss with at most alpha / 2.
 *
 * In the tail no rank may qualify: even no false positive among n does not
 * show an FPR of f. With q the upper bound on it, q > f, an attacker who
 * names each record above Y_1 with a chance of f / q has a true FPR of at
 * most f and finds that part of those members. The low end is then
 * f / q times the bound above Y_1. This attacker tosses a coin; a bare
 * threshold does at least as well wherever the true ROC curve is concave
 * up to q.
 *
 * High end: r is the smallest rank with U_r >= f but for a chance of
 * alpha / 4. Then G(Y_r) > f, as U_r is f itself with no chance; every
 * threshold whose true FPR is at most f lies above Y_r and finds no more
 * than "above Y_r" does, whose upper bound at alpha / 4 holds. Where no rank
 * qualifies the end is 1.
 *
 * Both ranks depend on n, f and alpha alone. The chances of a qualifying
 * rank fall with r, so bisection finds it.
 */
static size_t rank_below(size_t n, double fpr, double alpha)
{
    size_t lo = 0; /* qualifies, or none does */
    size_t hi = n + 1;

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (assay__proportion_high(mid - 1, n, alpha) <= fpr)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static size_t rank_above(size_t n, double fpr, double alpha)
{
    size_t lo = 0;
    size_t hi = n + 1; /* qualifies, or none does */

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (assay__proportion_low(mid, n, alpha) >= fpr)
            hi = mid;
        else
            lo = mid;
    }
    return hi;
}

static void bound_tpr(struct assay_estimate *e, const struct assay_roc *roc,
                      double fpr, double alpha)
{
    double quarter = 0.25 * alpha;
    size_t rank = rank_below(roc->n_neg, fpr, quarter);
    double part = 1.0;
    size_t tp;

    if (rank == 0) {
        part = fpr / assay__proportion_high(0, roc->n_neg, quarter);
        rank = 1;
    }
    tp = assay__roc_tp(roc, last_within(roc, rank - 1));
    e->low = part * assay__proportion_low(tp, roc->n_pos, quarter);

    rank = rank_above(roc->n_neg, fpr, quarter);
    e->high = 1.0;
    if (rank > roc->n_neg)
        return;
    tp = assay__roc_tp(roc, last_within(roc, rank - 1));
    e->high = assay__proportion_high(tp, roc->n_pos, quarter);
}

int assay_tpr_at_fpr_among(struct assay_estimate *out,
                           const struct assay_roc *roc, double fpr,
                           size_t among, struct assay_error *err)
{
    /* 3 of 30 must meet a target that came out as 0.1 less a rounding. */
    const double slack = 1e-12;
    const double alpha = assay__alpha(among);
    size_t tp;

    *out = assay__estimate_none();
    if (!(fpr >= 0.0 && fpr <= 1.0))
        return assay_error_set(err, ASSAY_ARG,
                               "false positive rate %g is not in [0, 1]", fpr);
    if (fpr > 0.0 && (double)roc->n_neg * fpr < 1.0 - slack)
        return assay_error_set(err, ASSAY_NOTHING,
                               "TPR at FPR %g needs %.0f non-members, "
                               "there are %zu",
                               fpr, ceil(1.0 / fpr * (1.0 - slack)),
                               roc->n_neg);

    /* Both rates rise along the curve: the last point that fits. */
    tp = assay__roc_tp(roc, last_within(roc, (size_t)((double)roc->n_neg * fpr *
                                                      (1.0 + slack))));
    out->value = (double)tp / (double)roc->n_pos;
    out->n = roc->n_pos;
    if (fpr > 0.0) {
        bound_tpr(out, roc, fpr, alpha);
        return ASSAY_OK;
    }
    /* "Above these non-members" is a threshold that is known. */
    out->low = assay__proportion_low(tp, roc->n_pos, 0.5 * alpha);
    out->high = assay__proportion_high(tp, roc->n_pos, 0.5 * alpha);
    return ASSAY_OK;
}

int assay_tpr_at_fpr(struct assay_estimate *out, const struct assay_roc *roc,
                     double fpr, struct assay_error *err)
{
    return assay_tpr_at_fpr_among(out, roc, fpr, 1, err);
}

/*
 * Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990): a sample's
 * rate differs from the true one by more than w at some threshold with a
 * chance of at most 2 exp(-2 n w^2), for every distribution. With half of
 * alpha for each class both rates are within their w at all thresholds at
 * once, so no choice among these can add to the error.
 */
static double band(size_t n)
{
    return sqrt(log(4.0 / assay__alpha(1)) / (2.0 * (double)n));
}

struct assay_estimate assay_advantage(const struct assay_roc *roc)
{
    struct assay_estimate e = {0.0, 0.0, 0.0, roc->n_pos + roc->n_neg};
    double width = band(roc->n_pos) + band(roc->n_neg);
    size_t i;

    for (i = 0; i < roc->n_points; i++)
        e.value = fmax(e.value, roc->point[i].tpr - roc->point[i].fpr);
    e.low = fmax(e.value - width, 0.0);
    e.high = fmin(e.value + width, 1.0);
    return e;
}
