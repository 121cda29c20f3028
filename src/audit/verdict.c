/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict: each rule of the policy against the attacks, in plain words.
 *
 * A rule is broken when the lower end of some attack's interval is above
 * its limit. The largest of all attacks is judged, so the intervals are made
 * to hold for all of them together. An attack that failed the negative
 * control counts for nothing; when that, a failed positive control, or a
 * rule that could fail the audit and could not be judged leaves a result
 * that would pass, the verdict is "inconclusive", never "pass".
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/detection.h"
#include "audit/judge.h"
#include "core/json.h"

/* "95 % interval 3.60 to 4.70, made for the best of 17 attacks" */
static void interval_words(char *text, size_t size,
                           const struct assay__judged *j, double scale,
                           int digits)
{
    int n = snprintf(text, size, "95 %% interval %.*f to %.*f", digits,
                     scale * j->worst.low, digits, scale * j->worst.high);

    if (j->among > 1 && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n,
                 ", made for the best of %zu attacks", j->among);
}

/* "Linear head, shadow data is right, beyond what can be guessed, on 7.1 % of
 * the records", and so on. */
static const char *const found_words[][2] = {
    {" is right, beyond what can be guessed, on", "the records"},
    {": the copy agrees with the model on", "the records"},
    {" is recognised, beyond what a generator gets by itself, in",
     "its pictures"},
};

/* "LiRA, online names 4.10 % of the members (95 % interval ...) ..." */
static void put_reason(json_t *reasons, const struct assay__policy_rule *rule,
                       const struct assay__judged *j)
{
    const char *who = j->attack != NULL ? j->attack->title : "The model";
    const struct assay_estimate *e = &j->worst;
    char interval[100];
    char text[500];

    switch (rule->metric) {
    case ASSAY__POLICY_BACKDOOR: /* each accusation is a reason of its own */
        snprintf(text, sizeof(text),
                 "%.0f of %zu detectors whose word a rank or a p-value weighs "
                 "accuse%s the model; the limit is %g. %s",
                 e->value, j->among, e->value > 1 ? "" : "s", rule->limit,
                 rule->why);
        break;
    case ASSAY__POLICY_TPR_AT_FPR:
        interval_words(interval, sizeof(interval), j, 100, 2);
        snprintf(text, sizeof(text),
                 "%s names %.2f %% of the members (%s) while wrongly naming "
                 "%g %% of the non-members; the limit is %g %%. %s",
                 who, 100 * e->value, interval, 100 * rule->fpr,
                 100 * rule->limit, rule->why);
        break;
    case ASSAY__POLICY_EPSILON:
        snprintf(
            text, sizeof(text),
            "%s finds as much as an epsilon of %.2f or more would allow; the "
            "limit is %g. %s",
            who, e->value, rule->limit, rule->why);
        break;
    case ASSAY__POLICY_GAP:
        snprintf(text, sizeof(text),
                 "Training accuracy is %.1f points above test accuracy (%.1f "
                 "to %.1f); the limit is %g. %s",
                 100 * e->value, 100 * e->low, 100 * e->high, 100 * rule->limit,
                 rule->why);
        break;
    case ASSAY__POLICY_ADVANTAGE:
    case ASSAY__POLICY_AGREEMENT:
    case ASSAY__POLICY_INVERSION:
        interval_words(interval, sizeof(interval), j, 100, 1);
        snprintf(text, sizeof(text),
                 "%s%s %.1f %% of %s (%s); the limit is "
                 "%g %%. %s",
                 who, found_words[rule->metric - ASSAY__POLICY_ADVANTAGE][0],
                 100 * e->value,
                 found_words[rule->metric - ASSAY__POLICY_ADVANTAGE][1],
                 interval, 100 * rule->limit, rule->why);
        break;
    default:
        interval_words(interval, sizeof(interval), j, 1, 3);
        snprintf(text, sizeof(text),
                 "%s reaches %s %.3f (%s); the limit is %g. %s", who,
                 rule->metric == ASSAY__POLICY_AUC ? "an AUC of"
                                                   : "a balanced accuracy of",
                 e->value, interval, rule->limit, rule->why);
        break;
    }
    json_array_append_new(reasons, assay__json_string(text));
}

static json_t *rule_json(const struct assay__policy_rule *rule,
                         const struct assay__judged *j)
{
    json_t *worst = json_null();

    if (j->known)
        worst = json_pack("{s:o, s:o}", "attack",
                          j->attack != NULL ? json_string(j->attack->name)
                                            : json_null(),
                          "estimate", assay__estimate_json(&j->worst));
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:o, s:o}", "id", rule->id,
        "metric", assay__policy_metric_name(rule->metric), "fpr",
        assay__json_real(rule->fpr), "limit", assay__json_real(rule->limit),
        "level", assay__policy_level_name(rule->level), "why", rule->why,
        "among", (json_int_t)j->among, "worst", worst, "passed",
        j->known ? json_boolean(!j->broken) : json_null());
}

/* Counts that decide. */
struct tally {
    int errors;
    int warnings;
    int judged;
    int members;        /* broken rules about who was in the training data */
    int accused;        /* broken rules about detectors; a file to fear */
    int unknown_errors; /* rules that could fail the audit, not judged */
};

/* "Rule tpr-at-fpr-0.001 could not be judged: it needs ..." */
static void put_unknown(json_t *reasons, const struct assay__policy_rule *rule,
                        const struct assay__judged *j)
{
    char text[300];

    snprintf(text, sizeof(text), "Rule %s could not be judged: %s.", rule->id,
             j->why);
    json_array_append_new(reasons, assay__json_string(text));
}

static int judge_all(const assay_audit *a, json_t *rules, json_t *reasons,
                     struct tally *t, struct assay_error *err)
{
    int i;

    memset(t, 0, sizeof(*t));
    for (i = 0; i < a->policy.n_rules; i++) {
        const struct assay__policy_rule *rule = &a->policy.rule[i];
        struct assay__judged j;
        int code = assay__judge_rule(a, rule, &j, err);

        if (code != ASSAY_OK)
            return code;
        json_array_append_new(rules, rule_json(rule, &j));
        t->judged += j.known;
        if (!j.known) {
            put_unknown(reasons, rule, &j);
            t->unknown_errors += rule->level == ASSAY__POLICY_ERROR;
        }
        if (!j.broken)
            continue;
        put_reason(reasons, rule, &j);
        t->members += assay__policy_goal(rule->metric) == ASSAY_GOAL_MEMBERSHIP;
        t->accused += rule->metric == ASSAY__POLICY_BACKDOOR;
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
                         r->attack->title, r->found.value, r->found.low,
                         r->found.high);
            else if (r->attack->goal == ASSAY_GOAL_MEMBERSHIP)
                snprintf(text, sizeof(text),
                         "%s claims to see members in a model that never saw "
                         "them (AUC %.3f, %.3f to %.3f): its findings are left "
                         "out of the verdict.",
                         r->attack->title, r->found.value, r->low, r->high);
            else
                snprintf(text, sizeof(text),
                         "%s is right beyond chance where there is nothing to "
                         "learn (%.3f, %.3f to %.3f): its findings mean "
                         "nothing.",
                         r->attack->title, r->found.value, r->low, r->high);
            json_array_append_new(reasons, assay__json_string(text));
        }
    }
}

/* A proof that a measurement contradicts is an error, whatever the policy. */
static void judge_claim(const assay_audit *a, json_t *reasons, struct tally *t)
{
    char text[400];

    if (!assay__claim_refuted(a))
        return;
    assay__claim_words(a, text, sizeof(text));
    json_array_append_new(reasons, assay__json_string(text));
    t->errors++;
}

/* What a file does to whoever opens it is told, whatever the policy. */
static void judge_file(const assay_audit *a, struct tally *t)
{
    const char *scan = assay__detection_scan(a->trust);

    if (strcmp(scan, assay_severity_name(ASSAY_SEVERITY_DANGEROUS)) == 0) {
        t->errors++;
        t->accused++;
    } else if (strcmp(scan, assay_severity_name(ASSAY_SEVERITY_SUSPICIOUS)) ==
               0) {
        t->warnings++;
        t->accused++;
    }
}

static int control_failed(const assay_audit *a)
{
    return (a->negative.ran && !a->negative.passed) ||
           (a->positive.ran && !a->positive.passed);
}

static enum assay_verdict decide(const assay_audit *a, const struct tally *t)
{
    if (t->errors > 0)
        return ASSAY_VERDICT_FAIL;
    if (control_failed(a) || t->judged == 0 || t->unknown_errors > 0)
        return ASSAY_VERDICT_INCONCLUSIVE;
    return t->warnings > 0 ? ASSAY_VERDICT_WARNING : ASSAY_VERDICT_PASS;
}

/* Detectors were asked, and nothing else. */
static const char *headline_alone(const assay_audit *a)
{
    struct assay__accusations n;

    assay__accusations_count(a->trust, &n);
    if (a->verdict == ASSAY_VERDICT_PASS)
        return "No detector accuses this model. That is no proof that it is "
               "clean.";
    if (n.unsure > 0)
        return "A detector accuses this model, but how often it accuses clean "
               "ones is not known.";
    if (n.ran > 0)
        return "No detector accuses this model, but what their silence is "
               "worth is not known.";
    return n.undecided > 0
               ? "Whether one can build on this model cannot be told: the "
                 "detectors had too little to tell by."
               : "Whether one can build on this model cannot be told: no "
                 "detector could be run.";
}

static const char *headline(const assay_audit *a, const struct tally *t)
{
    if (assay__claim_refuted(a))
        return "This model gives away more than its training claims to be "
               "possible: the claimed epsilon is wrong.";
    if (t->accused > 0 && t->accused == t->errors + t->warnings)
        return "Something in this model speaks against building on it.";
    if (t->errors + t->warnings > 0 && t->members == 0)
        return "This model can be copied, read or inverted further than the "
               "policy allows.";
    if (assay__detection_alone(a) && a->trust != NULL)
        return headline_alone(a);
    switch (a->verdict) {
    case ASSAY_VERDICT_PASS:
        return "No attack surely found more about the training data than the "
               "policy allows.";
    case ASSAY_VERDICT_WARNING:
        return "This model gives away something about who was in its training "
               "data.";
    case ASSAY_VERDICT_FAIL:
        return "This model gives away who was in its training data, beyond "
               "what the policy allows.";
    case ASSAY_VERDICT_INCONCLUSIVE:
        break;
    }
    if (t->judged == 0)
        return "Nothing could be judged: no rule of the policy fits what was "
               "measured.";
    if (control_failed(a))
        return "The result cannot be relied on: a control failed.";
    return "Whether the model keeps to the policy cannot be told: a rule that "
           "could fail it could not be judged.";
}

int assay__verdict_make(assay_audit *a, json_t **policy, json_t **verdict,
                        struct assay_error *err)
{
    json_t *rules = json_array();
    json_t *reasons = json_array();
    struct tally t;
    int code;

    code = judge_all(a, rules, reasons, &t, err);
    if (code != ASSAY_OK) {
        json_decref(rules);
        json_decref(reasons);
        return code;
    }
    judge_claim(a, reasons, &t);
    judge_file(a, &t);
    if (a->trust != NULL)
        assay__accusations_words(a->trust, reasons);
    control_reasons(a, reasons);
    a->accused = t.accused;
    a->over = t.errors + t.warnings - t.accused;
    a->verdict = decide(a, &t);
    if (a->trust != NULL && t.accused == 0)
        assay__silence_words(a->trust, reasons);
    if (a->verdict == ASSAY_VERDICT_PASS && json_array_size(reasons) == 0)
        json_array_append_new(reasons,
                              json_string("No rule of the policy is surely "
                                          "broken: the lower ends of all "
                                          "intervals are within the limits."));
    *policy = json_pack("{s:s, s:o}", "name", a->policy.name, "rules", rules);
    *verdict =
        json_pack("{s:s, s:s, s:o}", "level", assay_verdict_name(a->verdict),
                  "headline", headline(a, &t), "reasons", reasons);
    if (*policy == NULL || *verdict == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "verdict");
    return ASSAY_OK;
}
