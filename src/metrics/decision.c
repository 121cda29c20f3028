/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deciding by one threshold: fitting it, and judging the decisions.
 *
 * Fit on one set of records, judge on another: the best threshold's
 * accuracy on its own records is too good. Both take a single pass after
 * sorting; neither has an error to report in words, so what cannot be
 * computed is NaN.
 */

#include "assay/metrics.h"

#include <math.h>

#include "bounds.h"
#include "order.h"

/* Halfway between two scores; `high` where no number lies between. */
static double between(double low, double high)
{
    double mid = 0.5 * low + 0.5 * high;

    return mid > low ? mid : high;
}

double assay_threshold_fit(const double *scores, const uint8_t *positive,
                           size_t n)
{
    struct assay__order order;
    struct assay__walk walk;
    double best = (double)NAN;
    int64_t best_gain = INT64_MIN;
    bool fresh = false; /* the last score walked over is the best */

    if (assay__order_make(&order, scores, positive, n, NULL) != ASSAY_OK)
        return (double)NAN;
    assay__walk_start(&walk, &order);
    while (assay__walk_next(&walk)) {
        /* TPR - FPR times n_pos n_neg: equal gains compare as equal. */
        int64_t gain =
            (int64_t)(walk.tp * order.n_neg) - (int64_t)(walk.fp * order.n_pos);

        if (fresh)
            best = between(walk.score, best);
        fresh = gain > best_gain;
        if (fresh) {
            best_gain = gain;
            best = walk.score;
        }
    }
    assay__order_release(&order);
    return best;
}

struct assay_estimate assay_balanced_accuracy_among(const double *scores,
                                                    const uint8_t *positive,
                                                    size_t n, double threshold,
                                                    size_t among)
{
    const double z = assay__deviations(among);
    struct assay_estimate e = assay__estimate_none();
    struct assay_estimate tpr;
    struct assay_estimate tnr;
    size_t n_class[2] = {0, 0};
    size_t right[2] = {0, 0};
    size_t i;

    for (i = 0; i < n; i++) {
        bool member = positive[i] != 0;

        if (!isfinite(scores[i]))
            return e;
        n_class[member]++;
        right[member] += (scores[i] >= threshold) == member;
    }
    if (n_class[0] == 0 || n_class[1] == 0 || isnan(threshold))
        return e;

    /* Newcombe (1998): the deviations of two independent proportions, each
     * from Wilson's interval, add up in squares. */
    tpr = assay__wilson(right[1], n_class[1], z);
    tnr = assay__wilson(right[0], n_class[0], z);
    e.n = n;
    e.value = 0.5 * (tpr.value + tnr.value);
    e.low = e.value - 0.5 * hypot(tpr.value - tpr.low, tnr.value - tnr.low);
    e.high = e.value + 0.5 * hypot(tpr.high - tpr.value, tnr.high - tnr.value);
    return e;
}

struct assay_estimate assay_balanced_accuracy(const double *scores,
                                              const uint8_t *positive, size_t n,
                                              double threshold)
{
    return assay_balanced_accuracy_among(scores, positive, n, threshold, 1);
}

double assay_ppv(double tpr, double fpr, double prior)
{
    return tpr * prior / (tpr * prior + fpr * (1.0 - prior));
}
