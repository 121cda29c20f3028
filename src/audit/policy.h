/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_AUDIT_POLICY_H
#define ASSAY_AUDIT_POLICY_H

/*
 * Policies: what a run may find and still pass. A rule holds a metric of
 * each attack against a limit and is broken when the lower end of the
 * metric's interval, made for the best of all attacks, is above it: what was
 * surely found counts, not what chance may have added. The built-in policy
 * is a table in policy.c; a file says its own in YAML (docs/policy.md).
 */

#include "assay/attack.h"

/* X(name, text, goal of the attacks it is a metric of) */
#define ASSAY__POLICY_METRICS(X)                          \
    X(TPR_AT_FPR, "tpr_at_fpr", MEMBERSHIP)               \
    X(AUC, "auc", MEMBERSHIP)                             \
    X(BALANCED_ACCURACY, "balanced_accuracy", MEMBERSHIP) \
    X(EPSILON, "epsilon_lower_bound", MEMBERSHIP)         \
    X(GAP, "train_test_gap", MEMBERSHIP)                  \
    X(ADVANTAGE, "attribute_advantage", ATTRIBUTE)        \
    X(AGREEMENT, "copy_agreement", STEALING)              \
    X(INVERSION, "inversion_gain", INVERSION)             \
    X(BACKDOOR, "backdoor", BACKDOOR)

enum assay__policy_metric {
#define ASSAY_X(name, text, goal) ASSAY__POLICY_##name,
    ASSAY__POLICY_METRICS(ASSAY_X)
#undef ASSAY_X
};
const char *assay__policy_metric_name(enum assay__policy_metric metric);
enum assay_goal assay__policy_goal(enum assay__policy_metric metric);

enum assay__policy_level { ASSAY__POLICY_WARNING, ASSAY__POLICY_ERROR };
const char *assay__policy_level_name(enum assay__policy_level level);

enum {
    ASSAY__POLICY_RULES_MAX = 64,
    ASSAY__POLICY_ID_MAX = 48,
    ASSAY__POLICY_TEXT_MAX = 240
};

struct assay__policy_rule {
    char id[ASSAY__POLICY_ID_MAX];
    enum assay__policy_metric metric;
    double fpr; /* of tpr_at_fpr, else NaN */
    double limit;
    enum assay__policy_level level;
    char why[ASSAY__POLICY_TEXT_MAX];
};

struct assay__policy {
    char name[ASSAY__POLICY_TEXT_MAX];
    struct assay__policy_rule rule[ASSAY__POLICY_RULES_MAX];
    int n_rules;
};

/* The built-in policy, of it the rules for these goals, a bit 1 << enum
 * assay_goal each. */
void assay__policy_default(struct assay__policy *policy, unsigned goals);

/*
 * From a YAML file of at most 1 MiB. Unknown keys, missing ones, metrics and
 * levels that are not known, limits out of range: ASSAY_FORMAT with line and
 * column or the rule's id.
 */
int assay__policy_read(struct assay__policy *policy, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* The same from text in memory with a NUL at text[size]; `path` is its name
 * in messages. */
int assay__policy_parse(struct assay__policy *policy, const char *text,
                        size_t size, const char *path,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#endif
