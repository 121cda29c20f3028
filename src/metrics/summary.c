/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All numbers about one attack's scores in one call, so that every attack
 * reports the same ones, computed the same way, from one sort.
 */

#include "assay/metrics.h"

#include <math.h>
#include <stdio.h>

#include "bounds.h"
#include "order.h"

static const double rates[ASSAY_SUMMARY_RATES] = {0.1, 0.01, 0.001, 0.0001,
                                                  0.0};

/*
 * PPV rises with TPR and falls with FPR. Each of the two is bounded at
 * 0.0125 a side, so both sides together miss with at most 0.05.
 */
struct assay_estimate assay_ppv_at(const double *scores,
                                   const uint8_t *positive, size_t n,
                                   double threshold, double prior)
{
    const double alpha = 0.0125;
    struct assay_estimate e = assay__estimate_none();
    size_t n_class[2] = {0, 0};
    size_t called[2] = {0, 0};
    size_t i;

    if (isnan(threshold))
        return e;
    for (i = 0; i < n; i++) {
        n_class[positive[i]]++;
        called[positive[i]] += scores[i] >= threshold;
    }
    if (called[0] + called[1] == 0)
        return e;
    if (n_class[0] == 0 || n_class[1] == 0)
        return e;
    e.n = n;
    e.value = assay_ppv((double)called[1] / (double)n_class[1],
                        (double)called[0] / (double)n_class[0], prior);
    e.low =
        assay_ppv(assay__proportion_low(called[1], n_class[1], alpha),
                  assay__proportion_high(called[0], n_class[0], alpha), prior);
    e.high =
        assay_ppv(assay__proportion_high(called[1], n_class[1], alpha),
                  assay__proportion_low(called[0], n_class[0], alpha), prior);
    return e;
}

static void fill_rates(struct assay_score_summary *s,
                       const struct assay_roc *roc)
{
    size_t i;

    for (i = 0; i < ASSAY_SUMMARY_RATES; i++) {
        struct assay_error why = {0};

        s->fpr[i] = rates[i];
        s->refused[i][0] = '\0';
        if (assay_tpr_at_fpr(&s->tpr[i], roc, rates[i], &why) != ASSAY_OK)
            snprintf(s->refused[i], sizeof(s->refused[i]), "%.95s", why.msg);
    }
}

int assay_score_summarise(const double *scores, const uint8_t *positive,
                          size_t n, double threshold, double delta,
                          struct assay_score_summary *out,
                          struct assay_error *err)
{
    struct assay_score_summary s = {0};
    struct assay__order order = {0};
    struct assay_roc roc = {0};
    int rc;

    if (!(delta >= 0.0 && delta < 1.0))
        return assay_error_set(err, ASSAY_ARG, "delta %g is not in [0, 1)",
                               delta);
    rc = assay__order_make(&order, scores, positive, n, err);
    if (rc != ASSAY_OK)
        goto out;
    rc = assay__roc_from_order(&roc, &order, err);
    if (rc != ASSAY_OK)
        goto out;
    rc = assay__auc_from_order(&s.auc, &order, 1, err);
    if (rc != ASSAY_OK)
        goto out;

    s.n_pos = roc.n_pos;
    s.n_neg = roc.n_neg;
    fill_rates(&s, &roc);
    s.threshold = threshold;
    s.balanced_accuracy =
        assay_balanced_accuracy(scores, positive, n, threshold);
    s.prior = ASSAY_SUMMARY_PRIOR;
    s.ppv = assay_ppv_at(scores, positive, n, threshold, s.prior);
    s.advantage = assay_advantage(&roc);
    s.delta = delta;
    s.epsilon = assay_epsilon_lower_bound(&roc, delta);
    *out = s;

out:
    assay_roc_release(&roc);
    assay__order_release(&order);
    return rc;
}
