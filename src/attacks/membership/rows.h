/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ATTACKS_MEMBERSHIP_ROWS_H
#define ASSAY_ATTACKS_MEMBERSHIP_ROWS_H

/*
 * Feature rows for attacks that put a small network (assay/dense.h) on what
 * a model says: rows of the shadow model to learn from, as many members as
 * non-members, and a row per audited record to judge.
 */

#include "assay/attack.h"
#include "assay/dense.h"

struct assay__feature_rows {
    size_t width;
    size_t half;    /* members to learn from, and as many non-members */
    float *learn;   /* [2 half, width], members first; the caller fills */
    float *judge;   /* [members + nonmembers, width]; so these */
    int32_t *label; /* [2 half] */
};

/* Room for the smaller of n_members and n_nonmembers twice, and for all
 * audited records, all 0: OK or NOMEM. */
int assay__feature_rows_init(struct assay__feature_rows *r,
                             const struct assay_attack_input *in, size_t width,
                             size_t n_members, size_t n_nonmembers,
                             struct assay_error *err) ASSAY_MUST_CHECK;
void assay__feature_rows_release(struct assay__feature_rows *r);
/* Learn, and score every audited record by the member's logit less the
 * non-member's; the threshold is 0. */
int assay__feature_rows_score(const struct assay__feature_rows *r,
                              const struct assay_attack_input *in,
                              const struct assay_dense_options *o,
                              struct assay_membership_scores *out,
                              struct assay_error *err) ASSAY_MUST_CHECK;

#endif
