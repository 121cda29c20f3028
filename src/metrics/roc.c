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

int assay_tpr_at_fpr(struct assay_estimate *out, const struct assay_roc *roc,
                     double fpr, struct assay_error *err)
{
    /* 3 of 30 must meet a target that came out as 0.1 less a rounding. */
    const double slack = 1e-12;
    size_t lo = 0;
    size_t hi = roc->n_points;

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
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (roc->point[mid].fpr <= fpr * (1.0 + slack))
            lo = mid;
        else
            hi = mid;
    }
    *out = assay_proportion(assay__roc_tp(roc, lo), roc->n_pos);
    return ASSAY_OK;
}

double assay_advantage(const struct assay_roc *roc)
{
    double best = 0.0;
    size_t i;

    for (i = 0; i < roc->n_points; i++)
        best = fmax(best, roc->point[i].tpr - roc->point[i].fpr);
    return best;
}
