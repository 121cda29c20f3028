/* SPDX-License-Identifier: Apache-2.0 */
/* Score lists and shadow thresholds; see scores.h. */

#include "attacks/membership/scores.h"

#include <math.h>

#include "core/mem.h"

int assay__scores_make(struct assay_membership_scores *s, size_t n,
                       struct assay_error *err)
{
    s->n = n;
    s->score = assay__calloc(n, sizeof(double));
    s->member = assay__calloc(n, sizeof(uint8_t));
    s->row = assay__calloc(n, sizeof(uint32_t));
    s->threshold = (double)NAN;
    if (s->score && s->member && s->row)
        return ASSAY_OK;
    assay_membership_scores_release(s);
    return assay_error_set(err, ASSAY_NOMEM,
                           "scores of %zu records: out of memory", n);
}

int assay__scores_make_all(struct assay_membership_scores *s,
                           const struct assay_attack_input *in,
                           struct assay_error *err)
{
    int rc = assay__scores_make(s, in->members->n + in->nonmembers->n, err);

    for (size_t i = 0; !rc && i < s->n; i++) {
        s->row[i] = (uint32_t)i;
        s->member[i] = i < in->members->n;
    }
    return rc;
}

int assay__fit_threshold(const double *score, const uint8_t *member, size_t n,
                         double *threshold, struct assay_error *err)
{
    *threshold = assay_threshold_fit(score, member, n);
    if (!isnan(*threshold))
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_NOMEM,
                           "threshold of %zu scores: out of memory", n);
}

int assay__shadow_threshold(const struct assay_attack_input *in,
                            assay__statistic *statistic, double *threshold,
                            struct assay_error *err)
{
    struct assay_attack_input shadow = *in;
    struct assay_membership_scores s = {0};
    int rc;

    *threshold = (double)NAN;
    if (!in->shadow_members || !in->shadow_nonmembers)
        return ASSAY_OK;
    shadow.members = in->shadow_members;
    shadow.nonmembers = in->shadow_nonmembers;
    rc = assay__scores_make_all(&s, &shadow, err);
    if (rc)
        return rc;
    statistic(shadow.members, s.score);
    statistic(shadow.nonmembers, s.score + shadow.members->n);
    rc = assay__fit_threshold(s.score, s.member, s.n, threshold, err);
    assay_membership_scores_release(&s);
    return rc;
}
