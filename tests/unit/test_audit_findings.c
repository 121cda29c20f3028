/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run concludes: findings of audits of made-up predictions, where the
 * truth is known, and the arithmetic of controls.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "assay/audit.h"
#include "audit/audit.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"
#include "prediction_files.h"

enum { N = 1200, MODELS = 8 };

static const char *const quick[] = {"gap", "loss", "network-black-shadow",
                                    "lira-online-fixed", "rmia"};

static struct assay_error err;

/* Audit files with the given leak into the folder; findings as JSON. */
static enum assay_verdict audit(const char *name, double leak, json_t **out)
{
    struct assay_audit_options o;
    struct assay_context ctx;
    enum assay_verdict verdict = ASSAY_VERDICT_PASS;
    assay_audit *a = NULL;
    char path[6][512];
    int i;

    for (i = 0; i < 5; i++)
        snprintf(path[i], sizeof(path[i]), "%s/%s-%d.npz", check_temp_dir(),
                 name, i);
    write_predictions(path[0], N, 1, leak, 1);
    write_predictions(path[1], N, 0, leak, 2);
    write_references(path[2], MODELS, N, leak, 10);
    write_references(path[3], MODELS, N, leak, 40);
    snprintf(path[4], sizeof(path[4]), "%s/%s", check_temp_dir(), name);
    assay_audit_options_init(&o);
    o.out = path[4];
    o.predictions.members = path[0];
    o.predictions.nonmembers = path[1];
    o.predictions.reference_members = path[2];
    o.predictions.reference_nonmembers = path[3];
    o.attacks = quick;
    o.n_attacks = sizeof(quick) / sizeof(quick[0]);
    o.compute.backend = "reference";
    assay_context_init(&ctx);
    ctx.threads = 1;
    CHECK_OK(assay_audit_open(&a, &o, &ctx, &err), err);
    CHECK_OK(assay_audit_run(a, &verdict, &err), err);
    assay_audit_free(a);
    if (out != NULL) {
        snprintf(path[5], sizeof(path[5]), "%s/%s/findings.json",
                 check_temp_dir(), name);
        *out = json_load_file(path[5], 0, NULL);
        CHECK(*out != NULL);
    }
    return verdict;
}

static const json_t *attack_of(const json_t *findings, const char *name)
{
    const json_t *list = json_object_get(findings, "attacks");
    size_t i;

    for (i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);

        if (strcmp(json_string_value(json_object_get(a, "name")), name) == 0)
            return a;
    }
    FAIL("no such attack in the findings");
    return NULL;
}

static double number(const json_t *object, const char *key, const char *part)
{
    return json_number_value(
        json_object_get(json_object_get(object, key), part));
}

static void test_all_documented_keys_are_there(void)
{
    static const char *const keys[] = {
        "schema",  "tool",     "run",        "model",   "data",     "recipe",
        "curves",  "attacks",  "references", "exposed", "controls", "policy",
        "verdict", "taxonomy", "advice",     "limits",  "defense",  "trust"};
    static const char *const of_attack[] = {
        "name",           "title",
        "summary",        "cites",
        "goal",           "access",
        "auxiliary",      "baseline",
        "status",         "why",
        "params",         "n_members",
        "n_nonmembers",   "auc",
        "accuracy",       "tpr_at_fpr",
        "advantage",      "epsilon_lower_bound",
        "delta",          "roc",
        "histogram",      "scores",
        "threshold_from", "ppv",
        "prior"};
    const json_t *model;
    json_t *f = NULL;
    size_t i;

    audit("keys", 2, &f);
    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        CHECK(json_object_get(f, keys[i]) != NULL);
    CHECK_UINT_EQ(json_object_size(f), sizeof(keys) / sizeof(keys[0]));
    for (i = 0; i < sizeof(of_attack) / sizeof(of_attack[0]); i++)
        CHECK(json_object_get(attack_of(f, "loss"), of_attack[i]) != NULL);
    model = json_object_get(f, "model");
    CHECK(number(model, "gap", "low") < number(model, "gap", "value"));
    CHECK(number(model, "gap", "value") < number(model, "gap", "high"));
    CHECK(number(attack_of(f, "loss"), "advantage", "low") <
          number(attack_of(f, "loss"), "advantage", "value"));
    CHECK(number(attack_of(f, "loss"), "ppv", "value") > 0.1);
    CHECK_STR_EQ(
        json_string_value(json_object_get(json_object_get(f, "run"), "dtype")),
        "f32");
    json_decref(f);
}

static void test_a_leak_fails_with_reasons(void)
{
    json_t *f = NULL;
    const json_t *loss;
    size_t n;

    CHECK_INT_EQ(audit("leak", 2, &f), ASSAY_VERDICT_FAIL);
    loss = attack_of(f, "loss");
    CHECK(number(loss, "auc", "low") > 0.7);
    CHECK(number(loss, "accuracy", "value") > 0.65);
    CHECK_STR_EQ(json_string_value(json_object_get(loss, "threshold_from")),
                 "cross-fitting");
    n = json_array_size(json_object_get(loss, "roc"));
    CHECK(n >= 10 && n <= 400);
    CHECK(json_array_size(
              json_object_get(json_object_get(f, "verdict"), "reasons")) >= 2);
    CHECK_UINT_EQ(json_array_size(json_object_get(f, "exposed")), 12);
    json_decref(f);
}

static void test_no_leak_passes(void)
{
    json_t *f = NULL;
    size_t i;

    CHECK_INT_EQ(audit("quiet", 0, &f), ASSAY_VERDICT_PASS);
    for (i = 0; i < sizeof(quick) / sizeof(quick[0]); i++) {
        const json_t *a;

        a = attack_of(f, quick[i]);
        if (strcmp(json_string_value(json_object_get(a, "status")), "ran") == 0)
            CHECK(number(a, "auc", "low") < 0.5 &&
                  number(a, "auc", "high") > 0.5);
    }
    json_decref(f);
}

static void test_attacks_that_cannot_run_say_why(void)
{
    json_t *f = NULL;
    const json_t *a;

    audit("why", 2, &f);
    a = attack_of(f, "network-black-shadow");
    CHECK_STR_EQ(json_string_value(json_object_get(a, "status")), "not run");
    CHECK(strlen(json_string_value(json_object_get(a, "why"))) > 5);
    CHECK(json_is_null(json_object_get(a, "scores")));
    CHECK(json_object_get(a, "auc") == NULL);
    json_decref(f);
}

static void check_same_file(const char *a, const char *b)
{
    unsigned char *x = NULL;
    unsigned char *y = NULL;
    size_t n = 0;
    size_t m = 0;

    CHECK_OK(assay__read_file(a, 1 << 24, &x, &n, &err), err);
    CHECK_OK(assay__read_file(b, 1 << 24, &y, &m, &err), err);
    CHECK_UINT_EQ(n, m);
    CHECK_MEM_EQ(x, y, n);
    assay__free(x);
    assay__free(y);
}

/* Run anew from nothing, and run again from the folder. */
static void test_equal_runs_give_equal_bytes(void)
{
    char a[512];
    char b[512];
    char c[512];

    audit("same", 1, NULL);
    snprintf(a, sizeof(a), "%s/same/findings.json", check_temp_dir());
    snprintf(b, sizeof(b), "%s/first.json", check_temp_dir());
    snprintf(c, sizeof(c), "%s/same/manifest.json", check_temp_dir());
    CHECK_INT_EQ(rename(a, b), 0);
    audit("same", 1, NULL);
    check_same_file(a, b);
    CHECK_INT_EQ(remove(c), 0);
    audit("same", 1, NULL);
    check_same_file(a, b);
}

static void test_widened_intervals_contain_the_95_percent_ones(void)
{
    struct assay_estimate auc = {0.55, 0.51, 0.59, 1000};
    struct assay_estimate edge = {1, 0.9, 1, 10};
    double low;
    double high;

    assay__widen(&auc, 1, &low, &high);
    CHECK_NEAR(low, 0.51, 1e-12);
    CHECK_NEAR(high, 0.59, 1e-12);
    assay__widen(&auc, 15, &low, &high);
    CHECK(low < 0.5 && high > 0.6);
    assay__widen(&edge, 15, &low, &high);
    CHECK_NEAR(low, 0.9, 0);
}

static void test_recipes_go_through_text_unchanged(void)
{
    struct assay_recipe recipe;
    struct assay_recipe back;
    char *text;
    char *again;

    assay_recipe_init(&recipe, 30);
    recipe.optimizer.kind = ASSAY_OPTIMIZER_ADAMW;
    recipe.schedule = ASSAY_SCHEDULE_COSINE;
    recipe.augment.crop_pad = 4;
    recipe.lr = 0.1 / 3;
    text = assay_recipe_text(&recipe);
    CHECK_OK(assay_recipe_from_text(&back, text, &err), err);
    again = assay_recipe_text(&back);
    CHECK_STR_EQ(again, text);
    CHECK(back.lr == recipe.lr);
    assay_bytes_free(text);
    assay_bytes_free(again);
    CHECK_FAILS(assay_recipe_from_text(&back, "{\"epochs\": 3}", &err),
                ASSAY_FORMAT, err);
    CHECK_FAILS(assay_recipe_from_text(&back, "no", &err), ASSAY_FORMAT, err);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_all_documented_keys_are_there),
    CHECK_TEST(test_a_leak_fails_with_reasons),
    CHECK_TEST(test_no_leak_passes),
    CHECK_TEST(test_attacks_that_cannot_run_say_why),
    CHECK_TEST(test_equal_runs_give_equal_bytes),
    CHECK_TEST(test_widened_intervals_contain_the_95_percent_ones),
    CHECK_TEST(test_recipes_go_through_text_unchanged),
};
CHECK_MAIN(tests)
