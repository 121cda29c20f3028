/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lower bound on epsilon from how well members can be told apart.
 *
 * If training is (epsilon, delta) differentially private, every threshold
 * has TPR <= e^epsilon FPR + delta and TNR <= e^epsilon FNR + delta. So a
 * lower bound on TPR and an upper bound on FPR bound epsilon from below,
 * and the same two numbers give the bounds on TNR and FNR.
 *
 * The threshold must not be picked by looking at both classes. It is put at
 * fixed ranks of one class: above all non-members, at the 1st, 4th, 16th,
 * ... non-member from the top, and likewise from the bottom of the members.
 * Given the ranks, the Clopper-Pearson bound on the ranked class holds
 * (order statistics; with ties too, since all tied records are counted),
 * and on the other class it holds because that class is independent. With
 * `grid` thresholds and two bounds at each, every bound is taken at
 * 0.05 / (2 grid), and the best of all holds with 95 % confidence.
 */

#include "assay/metrics.h"

#include <math.h>

#include "bounds.h"

#define RANK_STEP 4 /* ratio of neighbouring ranks */

/* Ranks 1, 4, 16, ... up to half of n. */
static size_t count_ranks(size_t n)
{
    size_t count = 0;
    size_t rank;

    for (rank = 1; rank <= n / 2 + 1; rank *= RANK_STEP)
        count++;
    return count;
}

typedef size_t count_fn(const struct assay_roc *roc, size_t point);

/* First point of at least `wanted`; the curve has one. */
static size_t first_with(const struct assay_roc *roc, count_fn *count,
                         size_t wanted)
{
    size_t lo = 0;
    size_t hi = roc->n_points - 1;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (count(roc, mid) >= wanted)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static size_t first_with_fp(const struct assay_roc *roc, size_t fp)
{
    return first_with(roc, assay__roc_fp, fp);
}

static size_t first_with_tp(const struct assay_roc *roc, size_t tp)
{
    return first_with(roc, assay__roc_tp, tp);
}

/* log((hit - delta) / miss), 0 where that says nothing. */
static double log_ratio(double hit, double miss, double delta)
{
    if (hit - delta <= miss)
        return 0.0;
    return log((hit - delta) / miss);
}

/* The bound from the point `i`, its two proportions at `alpha` each. */
static double bound_at(const struct assay_roc *roc, size_t i, double delta,
                       double alpha)
{
    double tpr =
        assay__proportion_low(assay__roc_tp(roc, i), roc->n_pos, alpha);
    double fpr =
        assay__proportion_high(assay__roc_fp(roc, i), roc->n_neg, alpha);

    return fmax(log_ratio(tpr, fpr, delta),
                log_ratio(1.0 - fpr, 1.0 - tpr, delta));
}

struct assay_estimate assay_epsilon_lower_bound_among(
    const struct assay_roc *roc, double delta, size_t among)
{
    struct assay_estimate e = assay__estimate_none();
    size_t grid = 2 + count_ranks(roc->n_neg) + count_ranks(roc->n_pos);
    double alpha = assay__alpha(among) / (2.0 * (double)grid);
    double best;
    size_t rank;

    if (!(delta >= 0.0 && delta < 1.0))
        return e;

    /* No false positive: the point before the first one. No miss: the
     * first point with all members. */
    best = bound_at(roc, first_with_fp(roc, 1) - 1, delta, alpha);
    best =
        fmax(best, bound_at(roc, first_with_tp(roc, roc->n_pos), delta, alpha));
    for (rank = 1; rank <= roc->n_neg / 2 + 1; rank *= RANK_STEP)
        best =
            fmax(best, bound_at(roc, first_with_fp(roc, rank), delta, alpha));
    /* The point before the member of that rank from below: it and all below
     * it are missed. */
    for (rank = 1; rank <= roc->n_pos / 2 + 1; rank *= RANK_STEP)
        best = fmax(best,
                    bound_at(roc, first_with_tp(roc, roc->n_pos - rank + 1) - 1,
                             delta, alpha));
    e.value = best;
    e.low = best;
    e.n = roc->n_pos + roc->n_neg;
    return e;
}

struct assay_estimate assay_epsilon_lower_bound(const struct assay_roc *roc,
                                                double delta)
{
    return assay_epsilon_lower_bound_among(roc, delta, 1);
}
