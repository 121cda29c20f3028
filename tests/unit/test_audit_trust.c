/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audits that ask whether one can build on a model: of a stranger's file
 * alone, beside attacks, and what the policy makes of accusations. The
 * detector is the comparison with an upstream copy, on random networks.
 */

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/audit.h"
#include "audit/audit.h"
#include "audit/detection.h"
#include "audit/judge.h"
#include "check.h"
#include "core/fs.h"
#include "core/json.h"
#include "trust_models.h"

static struct assay_error err;
static char model[512];
static char clean[512];
static char data[768];
static char out[512];

static const char *const upstream[] = {"upstream"};
static const char *const tune[] = {"fine-tuning"};
static const char *const one_epoch[] = {"fine-tuning.epochs=1"};
static const char *const none[] = {"none"};
static const char *const gap[] = {"gap"};

static void set(struct assay_audit_options *o, const char *folder)
{
    snprintf(model, sizeof(model), "%s", check_temp_path("theirs.safetensors"));
    snprintf(clean, sizeof(clean), "%s", check_temp_path("clean.safetensors"));
    snprintf(out, sizeof(out), "%s", check_temp_path(folder));
    snprintf(data, sizeof(data), "%s", trust_records("r.bin", 120));
    trust_model(model, 1, 3);
    trust_model(clean, 1, 0);
    assay_audit_options_init(o);
    o->out = out;
    o->data = data;
    o->model = model;
    o->goals = 1U << ASSAY_GOAL_BACKDOOR;
    o->detectors = upstream;
    o->n_detectors = 1;
    o->repairs = none;
    o->n_repairs = 1;
    o->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    o->compute.threads = 1;
}

static int open_audit(const struct assay_audit_options *o, assay_audit **a)
{
    struct assay_context ctx;

    assay_context_init(&ctx);
    ctx.threads = 1;
    memset(&err, 0, sizeof(err));
    return assay_audit_open(a, o, &ctx, &err);
}

static json_t *audit(const struct assay_audit_options *o,
                     enum assay_verdict *verdict)
{
    assay_audit *a = NULL;
    char path[640];
    json_t *findings;

    CHECK_OK(open_audit(o, &a), err);
    CHECK_OK(assay_audit_run(a, verdict, &err), err);
    assay_audit_free(a);
    snprintf(path, sizeof(path), "%s/findings.json", out);
    findings = json_load_file(path, 0, NULL);
    CHECK(findings != NULL);
    return findings;
}

static const json_t *at(const json_t *object, const char *one, const char *two)
{
    return json_object_get(json_object_get(object, one), two);
}

static const json_t *detector(const json_t *findings)
{
    return json_array_get(
        at(json_object_get(findings, "trust"), "detection", "detectors"), 0);
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static int says(const json_t *list, const char *words)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *line = json_is_object(item) ? text(item, "title")
                                                : json_string_value(item);

        if (strstr(line, words))
            return 1;
    }
    return 0;
}

static int there(const char *name)
{
    char path[640];

    snprintf(path, sizeof(path), "%s/%s", out, name);
    return assay__exists(path);
}

static void test_a_strangers_model_needs_clean_records_alone(void)
{
    struct assay_audit_options o;
    enum assay_verdict verdict;
    json_t *f;

    set(&o, "theirs");
    o.upstream = clean;
    f = audit(&o, &verdict);
    CHECK_INT_EQ(verdict, ASSAY_VERDICT_WARNING);
    CHECK(json_is_true(json_object_get(detector(f), "accuses")));
    CHECK(json_is_true(json_object_get(detector(f), "calibrated")));
    CHECK(says(at(f, "verdict", "reasons"), "accuses the model: its own "
                                            "p-value is"));
    CHECK(says(at(f, "verdict", "reasons"),
               "It was not tried on clean models of the family"));
    CHECK_STR_EQ(text(at(f, "trust", "scan"), "verdict"), "clean");
    CHECK(json_is_object(at(f, "trust", "accuracy")));
    CHECK(json_is_null(at(f, "data", "split")));
    CHECK_UINT_EQ(json_array_size(json_object_get(f, "attacks")), 0);
    CHECK(!there("models/shadow.safetensors") && !there("split.safetensors"));
    CHECK(there("report.html") && there("trust/trust.json"));
    CHECK(!json_object_get(detector(f), "seconds"));
    CHECK(says(json_object_get(f, "advice"), "before the accusation"));
    CHECK(!says(json_object_get(f, "advice"), "differential privacy"));
    json_decref(f);
}

static void test_silence_that_is_worth_something_passes(void)
{
    struct assay_audit_options o;
    enum assay_verdict verdict;
    json_t *f;

    set(&o, "equal");
    o.model = clean;
    o.upstream = clean;
    f = audit(&o, &verdict);
    CHECK_INT_EQ(verdict, ASSAY_VERDICT_PASS);
    CHECK(says(at(f, "verdict", "reasons"), "No detector that was asked"));
    CHECK_STR_HAS(text(json_object_get(f, "verdict"), "headline"), "no proof");
    json_decref(f);
}

static void test_nothing_that_ran_is_inconclusive(void)
{
    struct assay_audit_options o;
    enum assay_verdict verdict;
    json_t *f;

    set(&o, "nothing");
    f = audit(&o, &verdict);
    CHECK_INT_EQ(verdict, ASSAY_VERDICT_INCONCLUSIVE);
    CHECK_STR_EQ(text(detector(f), "status"), "not run");
    CHECK(text(detector(f), "why")[0] != '\0');
    CHECK(says(json_object_get(f, "advice"), "Compare the model"));
    json_decref(f);
}

static void test_equal_audits_give_equal_bytes(void)
{
    struct assay_audit_options o;
    enum assay_verdict verdict;
    json_t *first;
    json_t *second;

    set(&o, "one");
    o.upstream = clean;
    o.repairs = tune;
    o.repair_params = one_epoch;
    o.n_repair_params = 1;
    first = audit(&o, &verdict);
    snprintf(out, sizeof(out), "%s", check_temp_path("two"));
    second = audit(&o, &verdict);
    CHECK(json_equal(first, second));
    CHECK_STR_EQ(
        text(json_array_get(
                 json_object_get(at(first, "trust", "repairs"), "rows"), 0),
             "model"),
        "trust/repaired/fine-tuning.safetensors");
    CHECK(there("trust/repaired/fine-tuning.safetensors"));
    json_decref(first);
    json_decref(second);
}

/* With attacks the models that were trained for them are the clean ones. */
static void test_trained_models_serve_as_clean_ones(void)
{
    struct assay_audit_options o;
    enum assay_verdict verdict;
    const json_t *references;
    json_t *f;

    set(&o, "own");
    o.model = NULL;
    o.goals = 0;
    o.detect = 1;
    o.attacks = gap;
    o.n_attacks = 1;
    o.upstream = clean; /* of the same shape: all tensors differ */
    assay_recipe_init(&o.recipe, 1);
    f = audit(&o, &verdict);
    references = at(f, "trust", "references");
    CHECK_UINT_EQ(json_integer_value(json_object_get(references, "own")), 1);
    CHECK_UINT_EQ(json_integer_value(json_object_get(references, "given")), 0);
    CHECK_UINT_EQ(
        json_integer_value(json_object_get(detector(f), "references")), 1);
    CHECK(json_is_null(at(f, "trust", "accuracy")));
    CHECK(json_array_size(json_object_get(f, "attacks")) == 1);
    CHECK(there("models/shadow.safetensors"));
    json_decref(f);
}

static void test_options_that_do_not_fit_are_refused(void)
{
    struct assay_audit_options o;
    assay_audit *a = NULL;

    set(&o, "refused");
    o.goals = 0;
    CHECK_FAILS(open_audit(&o, &a), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "no detection is asked for");
    assay_audit_options_init(&o);
    o.out = out;
    o.detect = 1;
    o.predictions.members = "a.npz";
    o.predictions.nonmembers = "b.npz";
    CHECK_FAILS(open_audit(&o, &a), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "predictions bring none");
}

/* trust with one detector of these fields. */
static json_t *trust_of(const char *fields)
{
    char line[600];

    snprintf(line, sizeof(line),
             "{\"scan\":{\"verdict\":\"clean\"},\"detection\":{\"detectors\":"
             "[{\"name\":\"x\",\"title\":\"X\",\"subject\":\"model\","
             "\"status\":\"ran\",%s}]}}",
             fields);
    return json_loads(line, 0, NULL);
}

static void test_only_calibrated_accusations_break_a_rule(void)
{
    static const struct {
        const char *fields;
        int known, broken;
    } rows[] = {
        {"\"accuses\":true,\"calibrated\":true", 1, 1},
        {"\"accuses\":false,\"calibrated\":true", 1, 0},
        {"\"accuses\":true,\"calibrated\":false", 0, 0},
        {"\"accuses\":false,\"calibrated\":false", 0, 0},
        {"\"accuses\":true,\"calibrated\":true},{\"name\":\"y\",\"title\":"
         "\"Y\",\"subject\":\"model\",\"status\":\"ran\",\"accuses\":true,"
         "\"calibrated\":false",
         1, 1},
        {"\"accuses\":false,\"calibrated\":true},{\"name\":\"y\",\"title\":"
         "\"Y\",\"subject\":\"model\",\"status\":\"ran\",\"accuses\":true,"
         "\"calibrated\":false",
         0, 0},
        {"\"accuses\":false,\"calibrated\":true},{\"name\":\"y\",\"title\":"
         "\"Y\",\"subject\":\"data\",\"status\":\"ran\",\"accuses\":true",
         1, 0},
    };
    static assay_audit a;
    struct assay__judged j;

    memset(&a, 0, sizeof(a));
    assay__policy_default(&a.policy, 1U << ASSAY_GOAL_BACKDOOR);
    CHECK_INT_EQ(a.policy.n_rules, 1);
    CHECK_OK(assay__judge_rule(&a, &a.policy.rule[0], &j, &err), err);
    CHECK(!j.known && strstr(j.why, "--detect"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        a.trust = trust_of(rows[i].fields);
        CHECK(a.trust != NULL);
        CHECK_OK(assay__judge_rule(&a, &a.policy.rule[0], &j, &err), err);
        CHECK_INT_EQ(j.known, rows[i].known);
        CHECK_INT_EQ(j.broken, rows[i].broken);
        json_decref(a.trust);
    }
}

#define ALARMS(high) \
    "\"false_alarms\":{\"value\":0,\"low\":0,\"high\":" high ",\"n\":13}"

/* Documents of detectors and repairs become findings of the run: paths are
 * its folder's, times are taken out, and an accusation by a threshold counts
 * where its false alarms are known. */
static void test_documents_become_findings_of_the_run(void)
{
    static const struct {
        const char *fields;
        int calibrated;
    } rows[] = {
        {"\"decided_by\":\"references\"", 1},
        {"\"decided_by\":\"p-value\"", 1},
        {"\"decided_by\":\"threshold\"," ALARMS("0.247"), 1},
        {"\"decided_by\":\"threshold\"," ALARMS("0.265"), 0},
        {"\"decided_by\":\"threshold\",\"false_alarms\":null", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay__detected d = {.n_given = 2, .n_own = 3};
        json_t *findings = NULL;
        json_t *seconds = NULL;
        const json_t *found;
        const json_t *tuned;
        char line[900];

        snprintf(line, sizeof(line),
                 "{\"data\":{\"name\":\"d\",\"clean\":9},\"references\":[],"
                 "\"models\":[{\"name\":\"m\",\"detectors\":[{\"name\":"
                 "\"x\",\"status\":\"ran\",\"subject\":\"model\",\"seconds\":"
                 "2.5,\"records\":[1],\"trigger\":\"found/a.safetensors\","
                 "\"picture\":\"found/a.png\",%s}]}]}",
                 rows[i].fields);
        d.document = json_loads(line, 0, NULL);
        d.scan = json_pack("{s:s}", "verdict", "clean");
        d.accuracy = json_null();
        d.repairs = json_loads(
            "{\"data\":{},\"seed\":1,\"trigger\":null,\"before\":{},"
            "\"repairs\":[{\"name\":\"tune\",\"status\":\"ran\","
            "\"seconds\":7,\"model\":\"/home/me/tune.safetensors\"}]}",
            0, NULL);
        CHECK(d.document != NULL && d.repairs != NULL);
        CHECK_OK(assay__detected_json(&d, &findings, &seconds, &err), err);
        found = json_array_get(at(findings, "detection", "detectors"), 0);
        tuned = json_array_get(at(findings, "repairs", "rows"), 0);
        CHECK_STR_EQ(text(found, "trigger"), "trust/found/a.safetensors");
        CHECK_STR_EQ(text(found, "picture"), "trust/found/a.png");
        CHECK(!json_object_get(found, "seconds"));
        CHECK(!json_object_get(found, "records"));
        CHECK_INT_EQ(json_is_true(json_object_get(found, "calibrated")),
                     rows[i].calibrated);
        CHECK_STR_EQ(text(tuned, "model"), "trust/repaired/tune.safetensors");
        CHECK_NEAR(json_number_value(at(seconds, "detectors", "x")), 2.5, 0);
        CHECK_NEAR(json_number_value(at(seconds, "repairs", "tune")), 7, 0);
        CHECK_UINT_EQ(json_integer_value(at(findings, "references", "n")), 5);
        json_decref(findings);
        json_decref(seconds);
        json_decref(d.document);
        json_decref(d.repairs);
        json_decref(d.scan);
    }
}

static void test_a_dangerous_file_fails_whatever_the_policy(void)
{
    static const struct {
        const char *scan;
        enum assay_verdict verdict;
    } rows[] = {{"dangerous", ASSAY_VERDICT_FAIL},
                {"suspicious", ASSAY_VERDICT_WARNING},
                {"clean", ASSAY_VERDICT_PASS}};
    static assay_audit a;

    memset(&a, 0, sizeof(a));
    assay__policy_default(&a.policy, 1U << ASSAY_GOAL_BACKDOOR);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *policy = NULL;
        json_t *verdict = NULL;

        a.trust = trust_of("\"accuses\":false,\"calibrated\":true");
        json_object_set_new(json_object_get(a.trust, "scan"), "verdict",
                            json_string(rows[i].scan));
        CHECK_OK(assay__verdict_make(&a, &policy, &verdict, &err), err);
        CHECK_INT_EQ(a.verdict, rows[i].verdict);
        json_decref(policy);
        json_decref(verdict);
        json_decref(a.trust);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_strangers_model_needs_clean_records_alone),
    CHECK_TEST(test_silence_that_is_worth_something_passes),
    CHECK_TEST(test_nothing_that_ran_is_inconclusive),
    CHECK_TEST(test_equal_audits_give_equal_bytes),
    CHECK_TEST(test_trained_models_serve_as_clean_ones),
    CHECK_TEST(test_options_that_do_not_fit_are_refused),
    CHECK_TEST(test_only_calibrated_accusations_break_a_rule),
    CHECK_TEST(test_documents_become_findings_of_the_run),
    CHECK_TEST(test_a_dangerous_file_fails_whatever_the_policy),
};
CHECK_MAIN(tests)
