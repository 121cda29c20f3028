/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: the built-in one, files, and what is refused where. */

#include <math.h>
#include <string.h>

#include "audit/policy.h"
#include "check.h"

static struct assay__policy policy;
static struct assay_error err;

static int read_text(const char *text)
{
    const char *path = check_temp_path("policy.yaml");

    check_write_file(path, text, strlen(text));
    memset(&policy, 0, sizeof(policy));
    return assay__policy_read(&policy, path, &err);
}

static void test_builtin_rules_are_ordered_limits(void)
{
    int i;

    assay__policy_default(&policy, 1U << ASSAY_GOAL_STEALING);
    CHECK_INT_EQ(policy.n_rules, 1);
    CHECK_STR_EQ(policy.rule[0].id, "copy-0.90");
    assay__policy_default(&policy, ~0U);
    CHECK_INT_EQ(policy.n_rules, 9);
    for (i = 0; i < policy.n_rules; i++) {
        const struct assay__policy_rule *r = &policy.rule[i];

        CHECK(r->id[0] != '\0' && r->why[0] != '\0');
        CHECK((r->metric == ASSAY__POLICY_TPR_AT_FPR) == !isnan(r->fpr));
        if (r->metric == ASSAY__POLICY_TPR_AT_FPR)
            CHECK(r->limit > r->fpr); /* guessing passes */
    }
}

static void test_file_gives_rules(void)
{
    CHECK_OK(read_text("name: release\n"
                       "rules:\n"
                       "  - id: low-fpr\n"
                       "    metric: tpr_at_fpr\n"
                       "    fpr: 0.01\n"
                       "    limit: 0.02\n"
                       "    level: error\n"
                       "    why: because\n"
                       "  - id: auc\n"
                       "    metric: auc\n"
                       "    limit: 0.6\n"
                       "    level: warning\n"),
             err);
    CHECK_STR_EQ(policy.name, "release");
    CHECK_INT_EQ(policy.n_rules, 2);
    CHECK_INT_EQ(policy.rule[0].metric, ASSAY__POLICY_TPR_AT_FPR);
    CHECK_NEAR(policy.rule[0].fpr, 0.01, 1e-15);
    CHECK_INT_EQ(policy.rule[0].level, ASSAY__POLICY_ERROR);
    CHECK_STR_EQ(policy.rule[0].why, "because");
    CHECK(isnan(policy.rule[1].fpr));
    CHECK_INT_EQ(policy.rule[1].level, ASSAY__POLICY_WARNING);
}

static void test_unknown_keys_are_refused_with_line_and_column(void)
{
    CHECK_FAILS(read_text("name: x\n"
                          "rules:\n"
                          "  - id: a\n"
                          "    metric: auc\n"
                          "    limt: 0.6\n"
                          "    level: error\n"),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "line 5, column 5");
    CHECK_STR_HAS(err.msg, "limt");
    CHECK_FAILS(read_text("nam: x\nrules:\n  - id: a\n"), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "line 1, column 1");
}

static void test_wrong_rules_are_refused_by_id(void)
{
    CHECK_FAILS(read_text("name: x\nrules:\n  - {id: a, metric: guess, "
                          "limit: 1, level: error}\n"),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "\"guess\"");
    CHECK_FAILS(read_text("name: x\nrules:\n  - {id: a, metric: auc, limit: "
                          "1, level: fatal}\n"),
                ASSAY_FORMAT, err);
    CHECK_FAILS(read_text("name: x\nrules:\n  - {id: a, metric: tpr_at_fpr, "
                          "limit: 1, level: error}\n"),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "fpr");
    CHECK_FAILS(read_text("name: x\nrules:\n  - {id: a, metric: auc, fpr: "
                          "0.1, limit: 1, level: error}\n"),
                ASSAY_FORMAT, err);
    CHECK_FAILS(read_text("name: x\nrules:\n  - {id: a, metric: auc, limit: "
                          "-1, level: error}\n"),
                ASSAY_FORMAT, err);
    CHECK_FAILS(read_text("name: x\nrules:\n"
                          "  - {id: a, metric: auc, limit: 1, level: error}\n"
                          "  - {id: a, metric: auc, limit: 2, level: "
                          "error}\n"),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "two rules");
}

static void test_broken_yaml_is_refused(void)
{
    CHECK_FAILS(read_text(""), ASSAY_FORMAT, err);
    CHECK_FAILS(read_text("name: x\nrules: [\n"), ASSAY_FORMAT, err);
    CHECK_FAILS(read_text("name: x\n"), ASSAY_FORMAT, err);
    CHECK_FAILS(read_text("name: x\nrules:\n  - {id: a, metric: auc, limit: "
                          "much, level: error}\n"),
                ASSAY_FORMAT, err);
    CHECK_FAILS(read_text("name: &a x\nrules: *a\n"), ASSAY_FORMAT, err);
    CHECK_FAILS(assay__policy_read(&policy, check_temp_path("none"), &err),
                ASSAY_IO, err);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_builtin_rules_are_ordered_limits),
    CHECK_TEST(test_file_gives_rules),
    CHECK_TEST(test_unknown_keys_are_refused_with_line_and_column),
    CHECK_TEST(test_wrong_rules_are_refused_by_id),
    CHECK_TEST(test_broken_yaml_is_refused),
};
CHECK_MAIN(tests)
