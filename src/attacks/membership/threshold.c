/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks that threshold one statistic of a record's posteriors.
 *
 * Threat model: black-box. The statistic needs nothing else; the threshold
 * is fitted on a shadow model's records where there is one, and by
 * cross-fitting otherwise.
 *
 *   gap         1 if the model is right (Yeom et al., CSF 2018). The
 *               baseline: its accuracy is 0.5 + (train - test accuracy)/2.
 *   confidence  largest posterior (Salem et al., NDSS 2019)
 *   loss        log p(label) (Yeom et al., CSF 2018)
 *   entropy     -H(p) (Salem et al., NDSS 2019)
 */

#include <math.h>

#include "attacks/membership/scores.h"
#include "core/mem.h"

static int run_statistic(const struct assay_attack_input *in,
                         assay__statistic *statistic,
                         struct assay_membership_scores *out,
                         struct assay_error *err)
{
    int rc = assay__scores_make_all(out, in, err);

    if (rc)
        return rc;
    statistic(in->members, out->score);
    statistic(in->nonmembers, out->score + in->members->n);
    return assay__shadow_threshold(in, statistic, &out->threshold, err);
}

static void correctness(const struct assay_evidence *e, double *out)
{
    for (size_t i = 0; i < e->n; i++) {
        const float *x = e->logits + i * (size_t)e->n_classes;
        int best = 0;

        for (int k = 1; k < e->n_classes; k++)
            if (x[k] > x[best])
                best = k;
        out[i] = best == e->label[i];
    }
}

static int run_gap(const struct assay_attack_input *in,
                   struct assay_membership_scores *out, struct assay_error *err)
{
    int rc = assay__scores_make_all(out, in, err);

    if (rc)
        return rc;
    correctness(in->members, out->score);
    correctness(in->nonmembers, out->score + in->members->n);
    out->threshold = .5; /* right or wrong: there is nothing to fit */
    return ASSAY_OK;
}

const struct assay_attack assay_attack_gap = {
    .name = "gap",
    .title = "Correctness (gap)",
    .summary = "calls a record a member when the model classifies it rightly",
    .cites = "Yeom et al., CSF 2018",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_LABEL_ONLY,
    .auxiliary = ASSAY_AUX_NONE,
    .baseline = 1,
    .membership = run_gap};

/*
 * log of the largest posterior. Its order is that of the posterior, but
 * posteriors that round to 1 stay apart.
 */
static void confidence(const struct assay_evidence *e, double *out)
{
    for (size_t i = 0; i < e->n; i++) {
        const float *x = e->logits + i * (size_t)e->n_classes;
        int top = 0;
        double others = 0;

        for (int k = 1; k < e->n_classes; k++)
            if (x[k] > x[top])
                top = k;
        for (int k = 0; k < e->n_classes; k++)
            if (k != top)
                others += exp((double)x[k] - (double)x[top]);
        out[i] = -log1p(others);
    }
}

static int run_confidence(const struct assay_attack_input *in,
                          struct assay_membership_scores *out,
                          struct assay_error *err)
{
    return run_statistic(in, confidence, out, err);
}

const struct assay_attack assay_attack_confidence = {
    .name = "confidence",
    .title = "Confidence",
    .summary = "thresholds the largest posterior",
    .cites = "Salem et al., NDSS 2019",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_BLACK_BOX,
    .auxiliary = ASSAY_AUX_NONE,
    .membership = run_confidence};

/* log p(label), from the side that keeps digits when p is near 1. */
static void log_prob(const struct assay_evidence *e, double *out)
{
    assay_evidence_scaled_confidence(e, out);
    for (size_t i = 0; i < e->n; i++)
        out[i] =
            out[i] > 0 ? -log1p(exp(-out[i])) : out[i] - log1p(exp(out[i]));
}

static int run_loss(const struct assay_attack_input *in,
                    struct assay_membership_scores *out,
                    struct assay_error *err)
{
    return run_statistic(in, log_prob, out, err);
}

const struct assay_attack assay_attack_loss = {
    .name = "loss",
    .title = "Loss threshold",
    .summary = "thresholds the cross-entropy of the true label",
    .cites = "Yeom et al., CSF 2018",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_BLACK_BOX,
    .auxiliary = ASSAY_AUX_NONE,
    .membership = run_loss};

/* -H(p) = sum p log p, with log p from logits. */
static void negative_entropy(const struct assay_evidence *e, double *out)
{
    for (size_t i = 0; i < e->n; i++) {
        const float *x = e->logits + i * (size_t)e->n_classes;
        double top = -(double)INFINITY;
        double sum = 0;
        double mean = 0;

        for (int k = 0; k < e->n_classes; k++)
            top = fmax(top, (double)x[k]);
        for (int k = 0; k < e->n_classes; k++) {
            double d = (double)x[k] - top;

            sum += exp(d);
            mean += exp(d) * d;
        }
        out[i] = mean / sum - log(sum);
    }
}

static int run_entropy(const struct assay_attack_input *in,
                       struct assay_membership_scores *out,
                       struct assay_error *err)
{
    return run_statistic(in, negative_entropy, out, err);
}

const struct assay_attack assay_attack_entropy = {
    .name = "entropy",
    .title = "Entropy",
    .summary = "thresholds the entropy of the posteriors",
    .cites = "Salem et al., NDSS 2019",
    .goal = ASSAY_GOAL_MEMBERSHIP,
    .access = ASSAY_ACCESS_BLACK_BOX,
    .auxiliary = ASSAY_AUX_NONE,
    .membership = run_entropy};
