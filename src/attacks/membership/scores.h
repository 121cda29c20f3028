/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ATTACKS_MEMBERSHIP_SCORES_H
#define ASSAY_ATTACKS_MEMBERSHIP_SCORES_H

/* What membership attacks share: making score lists, and thresholds. */

#include "assay/attack.h"

/* Room for n scores, all zero; threshold NaN. */
int assay__scores_make(struct assay_membership_scores *s, size_t n,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* The same with one row per audited record, members first. */
int assay__scores_make_all(struct assay_membership_scores *s,
                           const struct assay_attack_input *in,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* A per-record statistic of evidence: out[e->n]. */
typedef void assay__statistic(const struct assay_evidence *e, double *out);

/*
 * assay_threshold_fit() on finite scores of members and non-members, both
 * there: so that NaN can only mean that memory ran out, and is told as that.
 */
int assay__fit_threshold(const double *score, const uint8_t *member, size_t n,
                         double *threshold,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * The threshold with the best balanced accuracy of `statistic` on the
 * shadow model's own records; NaN when there is no shadow model.
 */
int assay__shadow_threshold(const struct assay_attack_input *in,
                            assay__statistic *statistic, double *threshold,
                            struct assay_error *err) ASSAY_MUST_CHECK;

#endif
