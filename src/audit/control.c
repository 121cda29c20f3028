/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controls tell "no leak" from "attack broken".
 *
 * Negative: the shadow model was trained on neither target quarter. Put in
 * the target's place, with the target's members and non-members, it gives
 * every attack nothing to find: AUC .5 must lie within each interval. With m
 * attacks, one 95 % interval in twenty misses by chance, so each is widened
 * to 1 - .05 / m (Bonferroni).
 *
 * Positive: models that know a few hundred records by heart. Every attack
 * that is no baseline must find that, with its whole interval above .5.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"

static double logit(double p)
{
    return log(p) - log1p(-p);
}

static double expit(double x)
{
    return 1 / (1 + exp(-x));
}

void assay__widen(const struct assay_estimate *auc, int m, double *low,
                  double *high)
{
    double ratio =
        assay_normal_quantile(1 - 0.025 / m) / assay_normal_quantile(0.975);
    double middle;

    *low = auc->low;
    *high = auc->high;
    if (!(auc->value > 0 && auc->value < 1 && auc->low > 0 && auc->high < 1))
        return;
    middle = logit(auc->value);
    *low = expit(middle - ratio * (middle - logit(auc->low)));
    *high = expit(middle + ratio * (logit(auc->high) - middle));
}

static int attack_control(assay_audit *a,
                          const struct assay_membership_input *in,
                          const struct assay_attack *attack, const char *prefix,
                          const char *evidence_sha256,
                          struct assay__control_result *r,
                          struct assay_error *err)
{
    struct assay_membership_scores scores;
    int code;

    memset(&scores, 0, sizeof(scores));
    code = assay__audit_score(a, in, attack, prefix, evidence_sha256, &scores,
                              err);
    if (code == ASSAY_OK)
        code = assay_auc(&r->auc, scores.score, scores.member, scores.n, err);
    r->attack = attack;
    assay_membership_scores_release(&scores);
    return code;
}

/* Attacks of the audit that ran, and can run here too. */
static int is_controlled(const assay_audit *a, int i,
                         const struct assay_membership_input *in,
                         int with_baselines)
{
    if (a->outcome[i].why[0] != '\0' || a->outcome[i].attack == NULL)
        return 0;
    if (a->outcome[i].attack->baseline && !with_baselines)
        return 0;
    return assay_attack_missing(a->outcome[i].attack, in) == NULL;
}

static void show_progress(const assay_audit *a,
                          const struct assay__control *control, int done,
                          const char *note)
{
    struct assay_progress step = {
        .task = control->positive ? "positive control" : "negative control",
        .unit = "attacks",
        .note = note,
        .done = (uint64_t)done,
        .total = (uint64_t)a->n_attacks,
    };

    assay_progress(&a->ctx, &step);
}

static int run_control(assay_audit *a, struct assay__control *control,
                       const struct assay_membership_input *in,
                       const char *prefix, const char *evidence_sha256,
                       struct assay_error *err)
{
    int code = ASSAY_OK;
    int i;

    for (i = 0; i < a->n_attacks && code == ASSAY_OK; i++) {
        show_progress(a, control, i, a->attack[i]->name);
        if (!is_controlled(a, i, in, !control->positive))
            continue;
        code = attack_control(a, in, a->attack[i], prefix, evidence_sha256,
                              &control->result[control->n_results++], err);
        if (code == ASSAY_OK)
            code = assay_context_check(&a->ctx, err);
    }
    if (code == ASSAY_OK)
        show_progress(a, control, a->n_attacks, NULL);
    return code;
}

static void judge(struct assay__control *control)
{
    int i;

    control->passed = control->n_results > 0;
    for (i = 0; i < control->n_results; i++) {
        struct assay__control_result *r = &control->result[i];

        assay__widen(&r->auc, control->n_results, &r->low, &r->high);
        if (control->positive)
            r->passed = r->auc.low > 0.5;
        else
            r->passed = r->low <= 0.5 && r->high >= 0.5;
        control->passed = control->passed && r->passed;
    }
    control->ran = 1;
}

int assay__control_negative(assay_audit *a, struct assay_error *err)
{
    struct assay_membership_input in;
    int code;

    if (!a->scene.with_control)
        return ASSAY_OK;
    assay__scene_input(&a->scene, a, 1, &in);
    snprintf(a->negative.what, sizeof(a->negative.what),
             "The same attacks on a model that was trained on other records "
             "altogether: nothing to find, so an AUC of 0.5 must lie within "
             "every interval (95 %% for all attacks together).");
    code = run_control(a, &a->negative, &in, "control-",
                       a->scene.evidence_sha256, err);
    if (code == ASSAY_OK)
        judge(&a->negative);
    return code;
}

int assay__control_positive(assay_audit *a, struct assay_error *err)
{
    struct assay__scene scene;
    struct assay_membership_input in;
    struct assay_estimate known;
    int code;

    if (a->options.controls != ASSAY_CONTROLS_FULL || a->data == NULL)
        return ASSAY_OK;
    a->positive.positive = 1;
    code = assay__scene_overfitted(&scene, a, err);
    if (code == ASSAY_OK)
        code = assay__scene_collect(&scene, a, err);
    if (code != ASSAY_OK)
        goto out;
    known = assay_evidence_accuracy(&scene.target[ASSAY__MEMBERS]);
    snprintf(a->positive.what, sizeof(a->positive.what),
             "A model trained on %zu records until it knew %.1f %% of them by "
             "heart: every attack but the baselines must find members there, "
             "with an AUC surely above 0.5.",
             scene.audited[ASSAY__MEMBERS].n, 100 * known.value);
    assay__scene_input(&scene, a, 0, &in);
    code = run_control(a, &a->positive, &in, scene.prefix,
                       scene.evidence_sha256, err);
    if (code == ASSAY_OK)
        judge(&a->positive);

out:
    assay__scene_release(&scene);
    return code;
}
