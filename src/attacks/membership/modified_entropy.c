/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modified entropy (Song and Mittal, USENIX Security 2021).
 *
 * Threat model: black-box, shadow. For a record of label y:
 *
 *   Mentr = -(1 - p_y) log p_y - sum over i != y of p_i log(1 - p_i)
 *
 * small for confident right answers and, unlike entropy, large for
 * confident wrong ones. One threshold per class is fitted on the shadow
 * model's records; scores are -Mentr less the class's threshold, so that 0
 * is the decision for every class. A class with no shadow member or no
 * shadow non-member takes the threshold of all classes together.
 *
 * Deviation: without a shadow model the plain statistic is scored (one
 * threshold, cross-fitted).
 */

#include <math.h>

#include "attacks/membership/scores.h"
#include "core/mem.h"

static double modified_entropy(const double *p, int k, int label)
{
    double sum = 0;
    double rest = 0; /* 1 - p[label], without cancellation */

    for (int i = 0; i < k; i++) {
        if (i == label)
            continue;
        rest += p[i];
        if (p[i] < 1)
            sum -= p[i] * log1p(-p[i]);
        else
            sum += 700; /* log(0) cut at the smallest double's */
    }
    return sum - rest * log(fmax(p[label], 1e-300));
}

static int statistic(const struct assay_evidence *e, double *out,
                     struct assay_error *err)
{
    double *p = assay__calloc((size_t)e->n_classes, sizeof(double));

    if (!p)
        return assay_error_set(err, ASSAY_NOMEM,
                               "modified-entropy: out of memory");
    for (size_t i = 0; i < e->n; i++) {
        assay_evidence_probs(e, i, p);
        out[i] = -modified_entropy(p, e->n_classes, e->label[i]);
    }
    assay__free(p);
    return ASSAY_OK;
}

/* Statistics of members then non-members into s, one row each. */
static int score_pair(const struct assay_evidence *members,
                      const struct assay_evidence *nonmembers,
                      struct assay_membership_scores *s,
                      struct assay_error *err)
{
    int rc = statistic(members, s->score, err);

    if (!rc)
        rc = statistic(nonmembers, s->score + members->n, err);
    return rc;
}

/* Fit on the rows of one class (k < 0: of all); NaN when one side is
 * empty. `score` and `member` are scratch of the list's length. */
static int fit_class(const struct assay_membership_scores *s,
                     const int32_t *label, int k, double *score,
                     uint8_t *member, double *threshold,
                     struct assay_error *err)
{
    size_t n = 0;
    size_t n_members = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (k >= 0 && label[i] != k)
            continue;
        score[n] = s->score[i];
        member[n] = s->member[i];
        n_members += s->member[i];
        n++;
    }
    *threshold = (double)NAN;
    if (n_members == 0 || n_members == n)
        return ASSAY_OK;
    return assay__fit_threshold(score, member, n, threshold, err);
}

static void copy_labels(const struct assay_evidence *members,
                        const struct assay_evidence *nonmembers, int32_t *label)
{
    for (size_t i = 0; i < members->n; i++)
        label[i] = members->label[i];
    for (size_t i = 0; i < nonmembers->n; i++)
        label[members->n + i] = nonmembers->label[i];
}

/* Thresholds [K] from the shadow model. */
static int fit_thresholds(const struct assay_attack_input *in,
                          double *threshold, struct assay_error *err)
{
    struct assay_attack_input shadow = *in;
    struct assay_membership_scores s = {0};
    int32_t *label = NULL;
    double *score = NULL;
    uint8_t *member = NULL;
    double all = (double)NAN;
    int rc;

    shadow.members = in->shadow_members;
    shadow.nonmembers = in->shadow_nonmembers;
    rc = assay__scores_make_all(&s, &shadow, err);
    if (rc)
        return rc;
    label = assay__calloc(s.n, sizeof(*label));
    score = assay__calloc(s.n, sizeof(*score));
    member = assay__calloc(s.n, sizeof(*member));
    if (!label || !score || !member) {
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "modified-entropy: out of memory");
        goto out;
    }
    rc = score_pair(shadow.members, shadow.nonmembers, &s, err);
    if (rc)
        goto out;
    copy_labels(shadow.members, shadow.nonmembers, label);
    rc = fit_class(&s, label, -1, score, member, &all, err);
    for (int k = 0; !rc && k < in->members->n_classes; k++) {
        rc = fit_class(&s, label, k, score, member, &threshold[k], err);
        if (isnan(threshold[k]))
            threshold[k] = all;
    }
out:
    assay__free(label);
    assay__free(score);
    assay__free(member);
    assay_membership_scores_release(&s);
    return rc;
}

static int run(const struct assay_attack_input *in,
               struct assay_membership_scores *out, struct assay_error *err)
{
    double *threshold = NULL;
    int rc;

    rc = assay__scores_make_all(out, in, err);
    if (!rc)
        rc = score_pair(in->members, in->nonmembers, out, err);
    if (rc || !in->shadow_members || !in->shadow_nonmembers)
        return rc;
    threshold =
        assay__calloc((size_t)in->members->n_classes, sizeof(*threshold));
    if (!threshold)
        return assay_error_set(err, ASSAY_NOMEM,
                               "modified-entropy: out of memory");
    rc = fit_thresholds(in, threshold, err);
    for (size_t i = 0; !rc && i < out->n; i++) {
        size_t m = in->members->n;
        int32_t k =
            i < m ? in->members->label[i] : in->nonmembers->label[i - m];

        out->score[i] -= threshold[k];
    }
    out->threshold = 0;
    assay__free(threshold);
    return rc;
}

const struct assay_attack assay_attack_modified_entropy = {
    .name = "modified-entropy",
    .title = "Modified entropy",
    .summary = "thresholds the modified entropy, with a threshold per class "
               "from a shadow model",
    .cites = "Song and Mittal, USENIX Security 2021",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_BLACK_BOX,
    .auxiliary = ASSAY_AUX_SHADOW,
    .membership = run};
