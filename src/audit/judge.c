/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rule against what the attacks found: the largest of its metric among
 * all attacks that can be relied on, with an interval that holds for all of
 * them together.
 */

#include "audit/judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/detection.h"
#include "core/json.h"

static const struct assay_estimate no_estimate = {(double)NAN, (double)NAN,
                                                  (double)NAN, 0};

/* An attack of membership that gave scores, or one of another goal that is
 * no baseline: those say what can be had without the model. */
static int is_judged(const struct assay__outcome *o, enum assay_goal goal)
{
    if (goal == ASSAY_GOAL_MEMBERSHIP)
        return assay__outcome_scored(o);
    return o->attack != NULL && o->attack->goal == goal &&
           !o->attack->baseline && o->why[0] == '\0' && o->measured != NULL;
}

static size_t count_attacks(const assay_audit *a, enum assay_goal goal)
{
    size_t n = 0;
    int i;

    for (i = 0; i < a->n_attacks; i++)
        n += (size_t)is_judged(&a->outcome[i], goal);
    return n;
}

size_t assay__verdict_among(const assay_audit *a)
{
    return count_attacks(a, ASSAY_GOAL_MEMBERSHIP);
}

int assay__verdict_trusts(const assay_audit *a,
                          const struct assay_attack *attack)
{
    int i;

    for (i = 0; i < a->negative.n_results; i++) {
        if (a->negative.result[i].attack == attack)
            return a->negative.result[i].passed;
    }
    return 1;
}

struct assay_estimate assay__verdict_gap(const assay_audit *a)
{
    const struct assay_evidence *e = a->scene.target;
    struct assay_estimate p;
    struct assay_estimate q;

    if (e[ASSAY__MEMBERS].n == 0 || e[ASSAY__NONMEMBERS].n == 0)
        return no_estimate;
    p = assay_evidence_accuracy(&e[ASSAY__MEMBERS]);
    q = assay_evidence_accuracy(&e[ASSAY__NONMEMBERS]);
    return assay_difference(&p, &q);
}

/* What is read off the curve; refused: NaN, and the reason in j->why. */
static int metric_of_curve(const struct assay__outcome *o,
                           const struct assay__policy_rule *rule,
                           struct assay__judged *j, struct assay_estimate *out,
                           struct assay_error *err)
{
    struct assay_error refused = {0};
    struct assay_roc roc;
    int code;

    code = assay_roc_make(&roc, o->made.scores.score, o->made.scores.member,
                          o->made.scores.n, err);
    if (code != ASSAY_OK)
        return code;
    if (rule->metric == ASSAY__POLICY_EPSILON)
        *out = assay_epsilon_lower_bound_among(&roc, ASSAY__EPSILON_DELTA,
                                               j->among);
    else
        code = assay_tpr_at_fpr_among(out, &roc, rule->fpr, j->among, &refused);
    assay_roc_release(&roc);
    if (code == ASSAY_NOTHING)
        snprintf(j->why, sizeof(j->why), "%.150s", refused.msg);
    else if (code != ASSAY_OK)
        return assay_error_set(err, code, "%s", refused.msg);
    return ASSAY_OK;
}

/* What findings.json has of it; NaN where it has none. */
static struct assay_estimate measured(const struct assay__outcome *o,
                                      enum assay__policy_metric metric,
                                      size_t among)
{
    const char *key = metric == ASSAY__POLICY_ADVANTAGE   ? "advantage"
                      : metric == ASSAY__POLICY_AGREEMENT ? "agreement"
                                                          : "gain";
    const json_t *from = json_object_get(o->measured, key);
    struct assay_estimate e = no_estimate;

    if (!json_is_number(json_object_get(from, "low")))
        return e;
    e.value = json_number_value(json_object_get(from, "value"));
    e.low = json_number_value(json_object_get(from, "low"));
    e.high = json_number_value(json_object_get(from, "high"));
    return assay_estimate_among(&e, among);
}

static int metric_of(const assay_audit *a, const struct assay__outcome *o,
                     const struct assay__policy_rule *rule,
                     struct assay__judged *j, struct assay_estimate *out,
                     struct assay_error *err)
{
    const struct assay_membership_scores *s = &o->made.scores;

    switch (rule->metric) {
    case ASSAY__POLICY_TPR_AT_FPR:
    case ASSAY__POLICY_EPSILON:
        return metric_of_curve(o, rule, j, out, err);
    case ASSAY__POLICY_AUC:
        return assay_auc_among(out, s->score, s->member, s->n, j->among, err);
    case ASSAY__POLICY_BALANCED_ACCURACY:
        return assay__outcome_accuracy(a, o, j->among, out, err);
    case ASSAY__POLICY_ADVANTAGE:
    case ASSAY__POLICY_AGREEMENT:
    case ASSAY__POLICY_INVERSION:
        *out = measured(o, rule->metric, j->among);
        return ASSAY_OK;
    case ASSAY__POLICY_GAP:
    case ASSAY__POLICY_BACKDOOR:
        break;
    }
    return assay_error_set(err, ASSAY_INTERNAL, "rule %s: metric %d", rule->id,
                           (int)rule->metric);
}

/* Surely more; where nothing is sure of either, more. */
static int is_worse(const struct assay_estimate *e,
                    const struct assay__judged *j)
{
    if (isnan(e->low) || !j->known)
        return !isnan(e->low);
    return e->low > j->worst.low ||
           (e->low == j->worst.low && e->value > j->worst.value);
}

static int judge_attacks(const assay_audit *a,
                         const struct assay__policy_rule *rule,
                         struct assay__judged *j, struct assay_error *err)
{
    int i;

    j->among = count_attacks(a, assay__policy_goal(rule->metric));
    snprintf(j->why, sizeof(j->why),
             "no attack that measures it could be relied on");
    for (i = 0; i < a->n_attacks; i++) {
        const struct assay__outcome *o = &a->outcome[i];
        struct assay_estimate e = no_estimate;
        int code;

        if (!is_judged(o, assay__policy_goal(rule->metric)) ||
            !assay__verdict_trusts(a, o->attack))
            continue;
        code = metric_of(a, o, rule, j, &e, err);
        if (code != ASSAY_OK)
            return code;
        if (!is_worse(&e, j))
            continue;
        j->worst = e;
        j->attack = o->attack;
        j->known = 1;
    }
    return ASSAY_OK;
}

/* How many calibrated detectors accuse the model; not known when none is
 * calibrated, or when only others accuse it. */
static void judge_detectors(const assay_audit *a, struct assay__judged *j)
{
    struct assay__accusations n;

    assay__accusations_count(a->trust, &n);
    j->among = n.calibrated;
    j->worst.value = j->worst.low = j->worst.high = (double)n.sure;
    j->worst.n = n.calibrated;
    j->known = n.calibrated > 0 && (n.sure > 0 || n.unsure == 0);
    if (a->trust == NULL)
        snprintf(j->why, sizeof(j->why), "no detector was asked (--detect)");
    else if (n.ran == 0)
        snprintf(j->why, sizeof(j->why), "no detector could judge the model");
    else
        snprintf(j->why, sizeof(j->why),
                 "how often %s accuse%s a clean model is not known; clean "
                 "models of the family tell (--references-clean)",
                 n.ran == 1 ? "the detector" : "the detectors",
                 n.ran == 1 ? "s" : "");
}

int assay__judge_rule(const assay_audit *a,
                      const struct assay__policy_rule *rule,
                      struct assay__judged *j, struct assay_error *err)
{
    int code = ASSAY_OK;

    memset(j, 0, sizeof(*j));
    if (rule->metric == ASSAY__POLICY_GAP) {
        j->among = 1;
        j->worst = assay__verdict_gap(a);
        j->known = !isnan(j->worst.low);
        snprintf(j->why, sizeof(j->why), "the model's accuracy is not known");
    } else if (rule->metric == ASSAY__POLICY_BACKDOOR) {
        judge_detectors(a, j);
    } else {
        code = judge_attacks(a, rule, j, err);
    }
    j->broken = j->known && j->worst.low > rule->limit;
    return code;
}
