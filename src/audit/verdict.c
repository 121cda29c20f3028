/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict: each rule of the policy against the attacks, in plain words.
 *
 * A rule is broken when the lower end of some attack's interval is above
 * its limit. An attack that failed the negative control counts for nothing;
 * when that, or a failed positive control, leaves a result that would pass,
 * the verdict is "inconclusive", never "pass".
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "core/json.h"

static const struct assay_estimate no_estimate = {(double)NAN, (double)NAN,
                                                  (double)NAN, 0};

/* What a rule found. */
struct judged {
    struct assay_estimate worst;
    const struct assay_attack *attack; /* NULL for the gap */
    int known;                         /* some attack had the metric */
    int broken;
};

static int is_trusted(const assay_audit *a, const struct assay_attack *attack)
{
    int i;

    for (i = 0; i < a->negative.n_results; i++) {
        if (a->negative.result[i].attack == attack)
            return a->negative.result[i].passed;
    }
    return 1;
}

/* Newcombe's interval (1998) of a difference of two proportions. */
static struct assay_estimate gap(const assay_audit *a)
{
    struct assay_estimate g = no_estimate;
    const struct assay_evidence *e = a->scene.target;
    struct assay_estimate p;
    struct assay_estimate q;

    if (e[ASSAY__MEMBERS].n == 0 || e[ASSAY__NONMEMBERS].n == 0)
        return g;
    p = assay_evidence_accuracy(&e[ASSAY__MEMBERS]);
    q = assay_evidence_accuracy(&e[ASSAY__NONMEMBERS]);
    g.value = p.value - q.value;
    g.low = g.value - hypot(p.value - p.low, q.high - q.value);
    g.high = g.value + hypot(p.high - p.value, q.value - q.low);
    g.n = p.n + q.n;
    return g;
}

static int tpr(const struct assay__outcome *o, double fpr,
               struct assay_estimate *out, struct assay_error *err)
{
    struct assay_roc roc;
    int code;

    code = assay_roc_make(&roc, o->scores.score, o->scores.member, o->scores.n,
                          err);
    if (code != ASSAY_OK)
        return code;
    code = assay_tpr_at_fpr(out, &roc, fpr, err);
    assay_roc_release(&roc);
    if (code == ASSAY_NOTHING) {
        out->value = (double)NAN;
        out->low = (double)NAN;
        code = ASSAY_OK;
    }
    return code;
}

static int metric_of(const struct assay__outcome *o,
                     const struct assay__policy_rule *rule,
                     struct assay_estimate *out, struct assay_error *err)
{
    json_t *epsilon;

    switch (rule->metric) {
    case ASSAY__POLICY_TPR_AT_FPR:
        return tpr(o, rule->fpr, out, err);
    case ASSAY__POLICY_AUC:
        *out = o->auc;
        return ASSAY_OK;
    case ASSAY__POLICY_BALANCED_ACCURACY:
        *out = o->accuracy;
        return ASSAY_OK;
    case ASSAY__POLICY_EPSILON:
        epsilon = json_object_get(o->measured, "epsilon_lower_bound");
        out->value =
            json_is_number(epsilon) ? json_number_value(epsilon) : (double)NAN;
        out->low = out->value;
        out->high = (double)NAN;
        out->n = o->scores.n;
        return ASSAY_OK;
    case ASSAY__POLICY_GAP:
        break;
    }
    return assay_error_set(err, ASSAY_INTERNAL, "rule %s: metric %d", rule->id,
                           (int)rule->metric);
}

static int judge_rule(const assay_audit *a,
                      const struct assay__policy_rule *rule, struct judged *j,
                      struct assay_error *err)
{
    int i;

    memset(j, 0, sizeof(*j));
    if (rule->metric == ASSAY__POLICY_GAP) {
        j->worst = gap(a);
        j->known = !isnan(j->worst.low);
        j->broken = j->known && j->worst.low > rule->limit;
        return ASSAY_OK;
    }
    for (i = 0; i < a->n_attacks; i++) {
        const struct assay__outcome *o = &a->outcome[i];
        struct assay_estimate e = no_estimate;
        int code;

        if (o->attack == NULL || o->why[0] != '\0' || !is_trusted(a, o->attack))
            continue;
        code = metric_of(o, rule, &e, err);
        if (code != ASSAY_OK)
            return code;
        if (isnan(e.low) || (j->known && e.low <= j->worst.low))
            continue;
        j->worst = e;
        j->attack = o->attack;
        j->known = 1;
    }
    j->broken = j->known && j->worst.low > rule->limit;
    return ASSAY_OK;
}

/* "LiRA, online: TPR 4.1 % (3.6 to 4.7) at FPR 0.1 %; limit 0.5 %" */
static void put_reason(json_t *reasons, const struct assay__policy_rule *rule,
                       const struct judged *j)
{
    const char *who = j->attack != NULL ? j->attack->title : "The model";
    const struct assay_estimate *e = &j->worst;
    char text[400];

    switch (rule->metric) {
    case ASSAY__POLICY_TPR_AT_FPR:
        snprintf(text, sizeof(text),
                 "%s names %.2f %% of the members (95 %% interval %.2f to "
                 "%.2f) at a false-positive rate of %g; the limit is %g %%. "
                 "%s",
                 who, 100 * e->value, 100 * e->low, 100 * e->high, rule->fpr,
                 100 * rule->limit, rule->why);
        break;
    case ASSAY__POLICY_EPSILON:
        snprintf(text, sizeof(text),
                 "%s shows that epsilon is at least %.2f; the limit is %g. %s",
                 who, e->value, rule->limit, rule->why);
        break;
    case ASSAY__POLICY_GAP:
        snprintf(text, sizeof(text),
                 "Training accuracy is %.1f points above test accuracy (%.1f "
                 "to %.1f); the limit is %g. %s",
                 100 * e->value, 100 * e->low, 100 * e->high, 100 * rule->limit,
                 rule->why);
        break;
    default:
        snprintf(text, sizeof(text),
                 "%s reaches %s %.3f (95 %% interval %.3f to %.3f); the limit "
                 "is %g. %s",
                 who,
                 rule->metric == ASSAY__POLICY_AUC ? "an AUC of"
                                                   : "a balanced accuracy of",
                 e->value, e->low, e->high, rule->limit, rule->why);
        break;
    }
    json_array_append_new(reasons, json_string(text));
}

static json_t *rule_json(const struct assay__policy_rule *rule,
                         const struct judged *j)
{
    json_t *worst = json_null();

    if (j->known)
        worst = json_pack("{s:o, s:o}", "attack",
                          j->attack != NULL ? json_string(j->attack->name)
                                            : json_null(),
                          "estimate", assay__estimate_json(&j->worst));
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:o}", "id", rule->id,
                     "metric", assay__policy_metric_name(rule->metric), "fpr",
                     assay__json_real(rule->fpr), "limit",
                     assay__json_real(rule->limit), "level",
                     assay__policy_level_name(rule->level), "why", rule->why,
                     "worst", worst, "passed",
                     j->known ? json_boolean(!j->broken) : json_null());
}

/* Counts that decide. */
struct tally {
    int errors;
    int warnings;
    int judged;
    int unknown;
};

static int judge_all(const assay_audit *a, json_t *rules, json_t *reasons,
                     struct tally *t, struct assay_error *err)
{
    int i;

    memset(t, 0, sizeof(*t));
    for (i = 0; i < a->policy.n_rules; i++) {
        const struct assay__policy_rule *rule = &a->policy.rule[i];
        struct judged j;
        int code = judge_rule(a, rule, &j, err);

        if (code != ASSAY_OK)
            return code;
        json_array_append_new(rules, rule_json(rule, &j));
        t->judged += j.known;
        t->unknown += !j.known;
        if (!j.broken)
            continue;
        put_reason(reasons, rule, &j);
        if (rule->level == ASSAY__POLICY_ERROR)
            t->errors++;
        else
            t->warnings++;
    }
    return ASSAY_OK;
}

static void control_reasons(const assay_audit *a, json_t *reasons)
{
    const struct assay__control *controls[] = {&a->negative, &a->positive};
    char text[320];
    int c;
    int i;

    for (c = 0; c < 2; c++) {
        for (i = 0; i < controls[c]->n_results; i++) {
            const struct assay__control_result *r = &controls[c]->result[i];

            if (r->passed)
                continue;
            if (controls[c]->positive)
                snprintf(text, sizeof(text),
                         "%s did not catch a model that knows its records by "
                         "heart (AUC %.3f, %.3f to %.3f): its silence means "
                         "nothing.",
                         r->attack->title, r->auc.value, r->auc.low,
                         r->auc.high);
            else
                snprintf(text, sizeof(text),
                         "%s claims to see members in a model that never saw "
                         "them (AUC %.3f, %.3f to %.3f): its findings are left "
                         "out of the verdict.",
                         r->attack->title, r->auc.value, r->low, r->high);
            json_array_append_new(reasons, json_string(text));
        }
    }
}

static enum assay_verdict decide(const assay_audit *a, const struct tally *t)
{
    int doubtful = (a->negative.ran && !a->negative.passed) ||
                   (a->positive.ran && !a->positive.passed);

    if (t->errors > 0)
        return ASSAY_VERDICT_FAIL;
    if (doubtful || t->judged == 0)
        return ASSAY_VERDICT_INCONCLUSIVE;
    return t->warnings > 0 ? ASSAY_VERDICT_WARNING : ASSAY_VERDICT_PASS;
}

static const char *headline(enum assay_verdict verdict, const struct tally *t)
{
    switch (verdict) {
    case ASSAY_VERDICT_PASS:
        return "No attack found more about the training data than the policy "
               "allows.";
    case ASSAY_VERDICT_WARNING:
        return "This model gives away something about who was in its training "
               "data.";
    case ASSAY_VERDICT_FAIL:
        return "This model gives away who was in its training data, beyond "
               "what the policy allows.";
    case ASSAY_VERDICT_INCONCLUSIVE:
        break;
    }
    return t->judged == 0 ? "Nothing could be judged: no rule of the policy "
                            "fits what was measured."
                          : "The result cannot be relied on: a control failed.";
}

int assay__verdict_make(assay_audit *a, json_t **policy, json_t **verdict,
                        struct assay_error *err)
{
    json_t *rules = json_array();
    json_t *reasons = json_array();
    struct tally t;
    char text[160];
    int code;

    code = judge_all(a, rules, reasons, &t, err);
    if (code != ASSAY_OK) {
        json_decref(rules);
        json_decref(reasons);
        return code;
    }
    control_reasons(a, reasons);
    if (t.unknown > 0) {
        snprintf(text, sizeof(text),
                 "%d of %d rules could not be judged: too few records, or no "
                 "attack that measures it.",
                 t.unknown, a->policy.n_rules);
        json_array_append_new(reasons, json_string(text));
    }
    a->verdict = decide(a, &t);
    if (a->verdict == ASSAY_VERDICT_PASS && json_array_size(reasons) == 0)
        json_array_append_new(reasons,
                              json_string("Every rule of the policy holds at "
                                          "the lower end of the intervals."));
    *policy = json_pack("{s:s, s:o}", "name", a->policy.name, "rules", rules);
    *verdict =
        json_pack("{s:s, s:s, s:o}", "level", assay_verdict_name(a->verdict),
                  "headline", headline(a->verdict, &t), "reasons", reasons);
    if (*policy == NULL || *verdict == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "verdict");
    return ASSAY_OK;
}
