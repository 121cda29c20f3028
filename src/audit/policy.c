/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The built-in policy, and policies from YAML files through libcyaml.
 *
 * Limits of the built-in one. At a false-positive rate of .001 guessing
 * finds .1 % of the members; finding five times as many with certainty means
 * that single people can be named, the harm that matters most (Carlini et
 * al., S&P 2022), and fails. At .01 three times chance warns. A balanced
 * accuracy of .55 is a visible overall leak, .60 a strong one. Epsilon 1 is
 * where NIST SP 800-226 stops calling a guarantee strong; the bound is an
 * estimate for a model trained once (docs/metrics.md), so it only warns. So
 * do the rules for other goals, for whose limits no agreed figure is known:
 * docs/policy.md says where they lie; and so does an accusation of a backdoor,
 * which each detector makes of some clean models. A goal that no attack of
 * the run has is not judged.
 */

#include "audit/policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "core/yaml.h"

static const char *const metric_names[] = {
#define ASSAY_X(name, text, goal) text,
    ASSAY__POLICY_METRICS(ASSAY_X)
#undef ASSAY_X
};
static const enum assay_goal metric_goals[] = {
#define ASSAY_X(name, text, goal) ASSAY_GOAL_##goal,
    ASSAY__POLICY_METRICS(ASSAY_X)
#undef ASSAY_X
};
enum { N_METRICS = sizeof(metric_names) / sizeof(metric_names[0]) };

static const char *const level_names[] = {"warning", "error"};

/* clang-format off */
static const struct assay__policy_rule default_rules[] = {
    {"tpr-at-fpr-0.001", ASSAY__POLICY_TPR_AT_FPR, 0.001, 0.005,
     ASSAY__POLICY_ERROR,
     "Members can be named almost without mistakes, five times as often as "
     "by guessing."},
    {"tpr-at-fpr-0.01", ASSAY__POLICY_TPR_AT_FPR, 0.01, 0.03,
     ASSAY__POLICY_WARNING,
     "Members can be named at one mistake in a hundred, three times as often "
     "as by guessing."},
    {"accuracy-0.60", ASSAY__POLICY_BALANCED_ACCURACY, (double)NAN, 0.60,
     ASSAY__POLICY_ERROR,
     "Member or not is told right for more than 60 of 100 records; guessing "
     "gives 50."},
    {"accuracy-0.55", ASSAY__POLICY_BALANCED_ACCURACY, (double)NAN, 0.55,
     ASSAY__POLICY_WARNING,
     "Member or not is told right for more than 55 of 100 records; guessing "
     "gives 50."},
    {"epsilon-1", ASSAY__POLICY_EPSILON, (double)NAN, 1.0, ASSAY__POLICY_WARNING,
     "A leak as large as epsilon above 1 would allow. For one model trained "
     "once this is an estimate, no proof against a claimed guarantee."},
    {"attribute-0.05", ASSAY__POLICY_ADVANTAGE, (double)NAN, 0.05,
     ASSAY__POLICY_WARNING,
     "The model tells of more than 5 in 100 records what nobody could guess "
     "without it."},
    {"copy-0.90", ASSAY__POLICY_AGREEMENT, (double)NAN, 0.90,
     ASSAY__POLICY_WARNING,
     "A copy made from answers stands in for the model on 9 of 10 records."},
    {"inversion-0.10", ASSAY__POLICY_INVERSION, (double)NAN, 0.10,
     ASSAY__POLICY_WARNING,
     "Pictures drawn from the model show its classes more often than a "
     "generator's that never asked it."},
    {"backdoor", ASSAY__POLICY_BACKDOOR, (double)NAN, 0, ASSAY__POLICY_WARNING,
     "Build on the model only when it is known why."},
};
/* clang-format on */
enum { N_DEFAULT = sizeof(default_rules) / sizeof(default_rules[0]) };

enum { POLICY_MAX_BYTES = 1 << 20 };

const char *assay__policy_metric_name(enum assay__policy_metric metric)
{
    return metric_names[metric];
}

const char *assay__policy_level_name(enum assay__policy_level level)
{
    return level_names[level];
}

enum assay_goal assay__policy_goal(enum assay__policy_metric metric)
{
    return metric_goals[metric];
}

void assay__policy_default(struct assay__policy *policy, unsigned goals)
{
    int i;

    memset(policy, 0, sizeof(*policy));
    snprintf(policy->name, sizeof(policy->name), "built-in");
    for (i = 0; i < N_DEFAULT; i++) {
        if ((goals & 1U << assay__policy_goal(default_rules[i].metric)) != 0)
            policy->rule[policy->n_rules++] = default_rules[i];
    }
}

/* The file as libcyaml gives it. */
struct yaml_rule {
    char *id;
    char *metric;
    double *fpr;
    double limit;
    char *level;
    char *why;
};
struct yaml_policy {
    char *name;
    struct yaml_rule *rules;
    unsigned rules_count;
};

#define TEXT(key, field, flags, max)                          \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), \
                           struct yaml_rule, field, 1, max)

static const cyaml_schema_field_t rule_fields[] = {
    TEXT("id", id, 0, ASSAY__POLICY_ID_MAX - 1),
    TEXT("metric", metric, 0, 32),
    CYAML_FIELD_FLOAT_PTR("fpr", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                          struct yaml_rule, fpr),
    CYAML_FIELD_FLOAT("limit", CYAML_FLAG_DEFAULT, struct yaml_rule, limit),
    TEXT("level", level, 0, 16),
    TEXT("why", why, CYAML_FLAG_OPTIONAL, ASSAY__POLICY_TEXT_MAX - 1),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t rule_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_rule, rule_fields),
};
static const cyaml_schema_field_t policy_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct yaml_policy, name,
                           1, ASSAY__POLICY_TEXT_MAX - 1),
    CYAML_FIELD_SEQUENCE("rules", CYAML_FLAG_POINTER, struct yaml_policy, rules,
                         &rule_schema, 1, ASSAY__POLICY_RULES_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t policy_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_policy, policy_fields),
};

static int find_name(const char *const *names, int n, const char *name)
{
    int i;

    for (i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return -1;
}

static int take_rule(struct assay__policy_rule *to,
                     const struct yaml_rule *from, const char *path,
                     struct assay_error *err)
{
    int metric = find_name(metric_names, N_METRICS, from->metric);
    int level = find_name(level_names, 2, from->level);

    if (metric < 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.60s: rule %s: metric \"%s\" is not one of "
                               "docs/policy.md's: tpr_at_fpr, auc, "
                               "balanced_accuracy, attribute_advantage ...",
                               path, from->id, from->metric);
    if (level < 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.80s: rule %s: level \"%s\" is not error or "
                               "warning",
                               path, from->id, from->level);
    if ((metric == ASSAY__POLICY_TPR_AT_FPR) != (from->fpr != NULL))
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.80s: rule %s: fpr belongs to tpr_at_fpr, "
                               "and is needed there",
                               path, from->id);
    if (from->fpr != NULL && !(*from->fpr >= 0 && *from->fpr < 1))
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.80s: rule %s: fpr %g is outside [0, 1)", path,
                               from->id, *from->fpr);
    if (!isfinite(from->limit) || from->limit < 0)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.80s: rule %s: limit %g is not a number of 0 "
                               "or more",
                               path, from->id, from->limit);
    memset(to, 0, sizeof(*to));
    snprintf(to->id, sizeof(to->id), "%s", from->id);
    to->metric = (enum assay__policy_metric)metric;
    to->level = (enum assay__policy_level)level;
    to->fpr = from->fpr != NULL ? *from->fpr : (double)NAN;
    to->limit = from->limit;
    if (from->why != NULL)
        snprintf(to->why, sizeof(to->why), "%s", from->why);
    return ASSAY_OK;
}

static int take_policy(struct assay__policy *policy,
                       const struct yaml_policy *from, const char *path,
                       struct assay_error *err)
{
    struct assay__policy p;
    unsigned i;
    int j;

    memset(&p, 0, sizeof(p));
    snprintf(p.name, sizeof(p.name), "%s", from->name);
    for (i = 0; i < from->rules_count; i++) {
        int code = take_rule(&p.rule[i], &from->rules[i], path, err);

        if (code != ASSAY_OK)
            return code;
        for (j = 0; j < p.n_rules; j++) {
            if (strcmp(p.rule[j].id, p.rule[i].id) == 0)
                return assay_error_set(err, ASSAY_FORMAT,
                                       "%.80s: two rules have the id \"%s\"",
                                       path, p.rule[i].id);
        }
        p.n_rules++;
    }
    *policy = p;
    return ASSAY_OK;
}

int assay__policy_parse(struct assay__policy *policy, const char *text,
                        size_t size, const char *path, struct assay_error *err)
{
    char what[100];
    void *data = NULL;
    int code;

    snprintf(what, sizeof(what), "policy %.80s", path);
    code = assay__yaml_load(&data, text, size, &policy_schema, what, err);
    if (code == ASSAY_OK)
        code = take_policy(policy, data, path, err);
    assay__yaml_free(&policy_schema, data);
    return code;
}

int assay__policy_read(struct assay__policy *policy, const char *path,
                       struct assay_error *err)
{
    unsigned char *text = NULL;
    size_t size = 0;
    int code = assay__read_file(path, POLICY_MAX_BYTES, &text, &size, err);

    if (code == ASSAY_OK)
        code = assay__policy_parse(policy, (const char *)text, size, path, err);
    assay__free(text);
    return code;
}
