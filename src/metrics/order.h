/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_METRICS_ORDER_H
#define ASSAY_METRICS_ORDER_H

/*
 * The scores of the positives and of the negatives, each sorted upwards:
 * what every metric about scores starts from. One allocation, O(n log n)
 * to make. A walk over it goes from the largest score down and takes all
 * records of one score in one step, so no metric can split a tie.
 *
 * assay__order_make() fails with ASSAY_NUMERIC for a score that is not
 * finite, ASSAY_ARG for a label other than 0 and 1, ASSAY_DATA where one
 * of the two classes is empty, ASSAY_NOMEM. `*o` is untouched then.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assay/metrics.h"

struct assay__order {
    double *pos; /* owned; ascending */
    double *neg; /* within pos's block; ascending */
    size_t n_pos;
    size_t n_neg;
};

struct assay__walk {
    const struct assay__order *order;
    size_t tp;    /* positives with a score >= the current one */
    size_t fp;    /* negatives likewise */
    double score; /* the current score */
};

int assay__order_make(struct assay__order *o, const double *scores,
                      const uint8_t *positive, size_t n,
                      struct assay_error *err) ASSAY_MUST_CHECK;
void assay__order_release(struct assay__order *o);

void assay__walk_start(struct assay__walk *w, const struct assay__order *o);
/* Go down to the next distinct score; false when none is left. */
bool assay__walk_next(struct assay__walk *w);

/* assay_roc_make() and assay_auc_among() for scores that are sorted already. */
int assay__roc_from_order(struct assay_roc *roc, const struct assay__order *o,
                          struct assay_error *err) ASSAY_MUST_CHECK;
int assay__auc_from_order(struct assay_estimate *out,
                          const struct assay__order *o, size_t among,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#endif
