/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audits of attribute inference, stealing and inversion on made-up pictures:
 * the left half is as bright as the label says, the right half as the
 * attribute says, so a model of the label can be copied, tells the attribute
 * as far as its features keep it, and has pictures to be found.
 */

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/audit.h"
#include "assay/metrics.h"
#include "assay/rng.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"

enum { N = 480, SIDE = 16, LABELS = 3, RECORD = 2 + SIDE * SIDE };

static struct assay_error err;

/* A records file: label, attribute, then one plane. */
static void write_records(const char *path)
{
    unsigned char *data = malloc((size_t)N * RECORD);
    struct assay_rng rng;

    CHECK(data != NULL);
    assay_rng_init(&rng, 3, "test-goals", 0);
    for (int i = 0; i < N; i++) {
        unsigned char *r = data + (size_t)i * RECORD;

        r[0] = (unsigned char)assay_rng_below(&rng, LABELS);
        r[1] = (unsigned char)assay_rng_below(&rng, 2);
        for (int p = 0; p < SIDE * SIDE; p++) {
            double mean = p % SIDE < SIDE / 2 ? 40 + 80 * r[0] : 60 + 90 * r[1];

            r[2 + p] = (unsigned char)fmin(
                255, fmax(0, mean + 25 * assay_rng_normal(&rng)));
        }
    }
    CHECK_OK(assay__write_file(path, data, (size_t)N * RECORD, &err), err);
    free(data);
}

static const char *const quick[] = {
    "scratch-shadow.epochs=6",  "steal-shadow.epochs=6",
    "steal-shadow.budgets=3",   "scratch-shadow.budgets=3",
    "steal-shadow.batch=16",    "scratch-shadow.batch=16",
    "attribute-image.epochs=4", "attribute-linear-shadow.epochs=20",
    "inversion-samples.each=4", "inversion-pixels.steps=60",
    "inversion-gmi.each=3",     "inversion-gmi.steps=40",
    "knockoff-shadow.epochs=4", "knockoff-shadow.rounds=2",
};

static const char *const chosen[] = {
    "gap",
    "attribute-label",
    "attribute-image",
    "attribute-linear-shadow",
    "attribute-mlp-partial",
    "scratch-shadow",
    "steal-shadow",
    "steal-labels-partial",
    "steal-other",
    "knockoff-shadow",
    "inversion-samples",
    "inversion-pixels",
    "inversion-gmi",
};

static const char *const of_attribute[] = {"attribute-label",
                                           "attribute-linear-shadow"};

static void set_options(struct assay_audit_options *o, const char *data,
                        const char *out)
{
    assay_audit_options_init(o);
    assay_recipe_init(&o->recipe, 6);
    o->recipe.optimizer.kind = ASSAY_OPTIMIZER_ADAM;
    o->recipe.lr = 2e-3;
    o->recipe.batch = 16;
    o->out = out;
    o->data = data;
    o->attribute = "colour";
    o->attacks = chosen;
    o->n_attacks = sizeof(chosen) / sizeof(chosen[0]);
    o->attack_params = quick;
    o->n_attack_params = sizeof(quick) / sizeof(quick[0]);
    o->n_references = 0;
    o->generator_epochs = 3;
    o->generator_width = 8;
    o->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    o->compute.threads = 1; /* else a measurement chooses */
}

/* Steps of training the target that were seen. */
static unsigned trained;

static void count_trained(void *user, const struct assay_progress *step)
{
    (void)user;
    trained += strcmp(step->task, "target") == 0 &&
               strcmp(step->unit, "records") == 0 && step->note != NULL;
}

/* Findings of an audit in the folder `name`, of all chosen attacks or, with
 * a layer, of two on the attribute; owned. */
static json_t *audit_with(const char *name, const char *library,
                          const char *layer)
{
    struct assay_audit_options o;
    struct assay_context ctx;
    enum assay_verdict verdict;
    assay_audit *a = NULL;
    char records[512];
    char data[640];
    char out[512];
    char path[640];
    json_t *findings;

    snprintf(records, sizeof(records), "%s/records.bin", check_temp_dir());
    snprintf(data, sizeof(data), "records:%s?labels=shape,colour&shape=1x%dx%d",
             records, SIDE, SIDE);
    snprintf(out, sizeof(out), "%s/%s", check_temp_dir(), name);
    if (!assay__exists(records))
        write_records(records);
    set_options(&o, data, out);
    o.library = library;
    if (layer) {
        o.layer = layer;
        o.attacks = of_attribute;
        o.n_attacks = 2;
        o.n_attack_params = 0;
    }
    assay_context_init(&ctx);
    ctx.threads = 2;
    ctx.progress = count_trained;
    trained = 0;
    CHECK_OK(assay_audit_open(&a, &o, &ctx, &err), err);
    CHECK_OK(assay_audit_run(a, &verdict, &err), err);
    assay_audit_free(a);
    snprintf(path, sizeof(path), "%s/findings.json", out);
    findings = json_load_file(path, 0, NULL);
    CHECK(findings != NULL);
    return findings;
}

static json_t *audit(const char *name, const char *library)
{
    return audit_with(name, library, NULL);
}

static const json_t *attack_of(const json_t *findings, const char *name)
{
    const json_t *list = json_object_get(findings, "attacks");
    const json_t *a;
    size_t i;

    json_array_foreach(list, i, a)
    {
        if (strcmp(json_string_value(json_object_get(a, "name")), name) == 0)
            return a;
    }
    FAIL("no such attack in the findings");
    return NULL;
}

static double number(const json_t *object, const char *key)
{
    return json_real_value(json_object_get(object, key));
}

static double value(const json_t *attack, const char *metric)
{
    return json_real_value(
        json_object_get(json_object_get(attack, metric), "value"));
}

static int ran(const json_t *attack)
{
    return strcmp(json_string_value(json_object_get(attack, "status")),
                  "ran") == 0;
}

static void test_copies_agree_with_the_target(void)
{
    json_t *f = audit("one", NULL);
    const json_t *steal = attack_of(f, "steal-shadow");
    const json_t *curve = json_object_get(steal, "curve");

    CHECK(ran(steal));
    /* A target that learnt nothing would agree with any copy. */
    CHECK(value(steal, "accuracy") > 0.9);
    CHECK(value(steal, "agreement") > 0.9);
    CHECK(value(steal, "baseline_accuracy") > 0.9);
    CHECK_UINT_EQ(json_array_size(curve), 3);
    /* Both shadow quarters, then half, then a quarter of them. */
    CHECK_INT_EQ(json_integer_value(
                     json_object_get(json_array_get(curve, 0), "queries")),
                 N / 2);
    CHECK_INT_EQ(json_integer_value(
                     json_object_get(json_array_get(curve, 2), "queries")),
                 N / 8);
    CHECK(ran(attack_of(f, "knockoff-shadow")));
    CHECK(!ran(attack_of(f, "steal-other")));
    CHECK(strstr(json_string_value(
                     json_object_get(attack_of(f, "steal-other"), "why")),
                 "--query-data") != NULL);
    json_decref(f);
}

/* The rule of that id, and whether the verdict names it. */
static const json_t *rule_of(const json_t *findings, const char *id)
{
    const json_t *rules =
        json_object_get(json_object_get(findings, "policy"), "rules");
    const json_t *r;
    size_t i;

    json_array_foreach(rules, i, r)
    {
        if (strcmp(json_string_value(json_object_get(r, "id")), id) == 0)
            return r;
    }
    return NULL;
}

/* Each goal of the run has its rules, and one that no attack has has none. */
static void test_the_policy_judges_the_goals_of_the_run(void)
{
    json_t *f = audit("one", NULL);
    const json_t *copy = rule_of(f, "copy-0.90");
    const json_t *worst = json_object_get(copy, "worst");
    const json_t *single;
    json_t *part = audit_with("part", NULL, "features.3");

    CHECK(copy != NULL && rule_of(f, "attribute-0.05") != NULL);
    CHECK(rule_of(f, "inversion-0.10") != NULL);
    CHECK(rule_of(f, "accuracy-0.60") != NULL);
    CHECK(rule_of(part, "accuracy-0.60") == NULL);
    CHECK(rule_of(part, "copy-0.90") == NULL);
    CHECK(rule_of(part, "attribute-0.05") != NULL);
    CHECK_UINT_EQ(json_integer_value(json_object_get(copy, "among")), 3);
    single = json_object_get(
        attack_of(f, json_string_value(json_object_get(worst, "attack"))),
        "agreement");
    /* Made for the best of three. */
    CHECK(number(json_object_get(worst, "estimate"), "low") <
          number(single, "low"));
    CHECK_NEAR(number(json_object_get(worst, "estimate"), "value"),
               number(single, "value"), 1e-12);
    json_decref(part);
    json_decref(f);
}

static void test_attributes_beat_what_the_label_tells(void)
{
    json_t *f = audit("one", NULL);
    const json_t *label = attack_of(f, "attribute-label");
    const json_t *head = attack_of(f, "attribute-linear-shadow");

    /* The attribute is independent of the label: half is a guess. */
    CHECK(fabs(value(label, "accuracy") - 0.5) < 0.2);
    CHECK(value(head, "accuracy") > value(label, "accuracy"));
    CHECK(number(json_object_get(head, "accuracy"), "low") > 0.6);
    CHECK(json_is_null(json_object_get(label, "advantage")));
    CHECK_STR_EQ(json_string_value(json_object_get(head, "attribute")),
                 "colour");
    CHECK_STR_EQ(json_string_value(json_object_get(head, "advantage_over")),
                 "attribute-image");
    CHECK(ran(attack_of(f, "attribute-mlp-partial")));
    json_decref(f);
}

/* The first convolution knows the colour as well; evidence of the last layer,
 * which is there already, does not do. */
static void test_attributes_are_read_from_a_named_layer(void)
{
    json_t *last = audit("one", NULL);
    json_t *first = audit_with("one", NULL, "features.0");
    const json_t *head = attack_of(first, "attribute-linear-shadow");
    const json_t *label = attack_of(first, "attribute-label");
    struct assay_evidence e;
    char path[640];

    CHECK_STR_EQ(json_string_value(json_object_get(head, "layer")),
                 "features.0");
    CHECK(json_is_null(json_object_get(label, "layer")));
    CHECK(json_is_null(
        json_object_get(attack_of(last, "attribute-linear-shadow"), "layer")));
    CHECK(value(head, "accuracy") > value(label, "accuracy"));
    CHECK(number(json_object_get(head, "accuracy"), "low") > 0.9);
    snprintf(path, sizeof(path), "%s/one/evidence/target-auxiliary.safetensors",
             check_temp_dir());
    CHECK_OK(assay_evidence_read(&e, path, &err), err);
    CHECK_INT_EQ(e.layer_dim, 32 * (SIDE - 2) * (SIDE - 2));
    assay_evidence_release(&e);
    json_decref(first);
    json_decref(last);
}

static void test_a_wrong_layer_is_refused_before_anything_is_trained(void)
{
    struct assay_audit_options o;
    struct assay_context ctx;
    assay_audit *a = NULL;
    char data[640];

    snprintf(data, sizeof(data),
             "records:%s/records.bin?labels=shape,colour&shape=1x%dx%d",
             check_temp_dir(), SIDE, SIDE);
    set_options(&o, data, "");
    o.plan_only = 1;
    o.layer = "conv7";
    assay_context_init(&ctx);
    CHECK_FAILS(assay_audit_open(&a, &o, &ctx, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "no layer \"conv7\"; there are features.0");
    o.attribute = NULL;
    CHECK_FAILS(assay_audit_open(&a, &o, &ctx, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "no sensitive attribute is named");
}

static void test_pictures_are_judged_and_kept(void)
{
    json_t *f = audit("one", NULL);
    const json_t *gmi = attack_of(f, "inversion-gmi");
    const json_t *classes = json_object_get(gmi, "classes");
    const json_t *pictures =
        json_object_get(json_array_get(classes, 0), "pictures");
    char path[640];

    CHECK(ran(gmi));
    CHECK_INT_EQ(json_integer_value(json_object_get(gmi, "n_pictures")),
                 3 * LABELS);
    CHECK_UINT_EQ(json_array_size(classes), LABELS);
    CHECK_STR_EQ(json_string_value(json_object_get(gmi, "gain_over")),
                 "inversion-samples");
    CHECK(value(gmi, "mse") >= 0);
    CHECK(value(gmi, "evaluator_accuracy") > 0.6);
    snprintf(path, sizeof(path), "%s/one/%s", check_temp_dir(),
             json_string_value(json_array_get(pictures, 0)));
    CHECK(assay__exists(path));
    json_decref(f);
}

/* What has nothing to find finds nothing, and is judged so. */
static void test_controls_of_all_goals_pass(void)
{
    json_t *f = audit("one", NULL);
    const json_t *results = json_object_get(
        json_array_get(json_object_get(f, "controls"), 0), "results");
    /* Two heads, three copies, two inversions, and the gap's scores. */
    double p = 1 - .025 / (double)json_array_size(results);
    const json_t *r;
    size_t i;
    size_t n_excess = 0;
    size_t n_copies = 0;

    json_array_foreach(results, i, r)
    {
        const json_t *excess = json_object_get(r, "excess");
        double value = json_number_value(json_object_get(excess, "value"));
        double low = json_number_value(json_object_get(excess, "low"));
        double wide = json_number_value(json_object_get(r, "widened_low"));

        CHECK(json_is_true(json_object_get(r, "passed")));
        n_excess += excess != NULL;
        if (strncmp(json_string_value(json_object_get(r, "attack")), "steal",
                    5) != 0)
            continue;
        /* Made from three classes, by Student's t, and so widened. */
        n_copies++;
        CHECK_NEAR((value - wide) / (value - low),
                   assay_student_quantile(p, LABELS - 1) /
                       assay_student_quantile(.975, LABELS - 1),
                   1e-9);
    }
    CHECK_UINT_EQ(n_excess, 7);
    CHECK_UINT_EQ(n_copies, 2);
    json_decref(f);
}

/* Another folder takes target, shadow, evaluator and generator from the
 * library, and finds the same. */
static void test_a_library_saves_models_and_changes_nothing(void)
{
    char library[512];
    char path[640];
    json_t *first;
    json_t *second;
    json_t *manifest;

    snprintf(library, sizeof(library), "%s/library", check_temp_dir());
    first = audit("shared-1", library);
    CHECK(trained > 0);
    second = audit("shared-2", library);
    CHECK_UINT_EQ(trained, 0);
    CHECK(json_equal(json_object_get(first, "attacks"),
                     json_object_get(second, "attacks")));
    snprintf(path, sizeof(path), "%s/shared-2/models/target.safetensors",
             check_temp_dir());
    CHECK(assay__exists(path));
    /* A note that lies is no model. */
    snprintf(path, sizeof(path), "%s/shared-1/manifest.json", check_temp_dir());
    manifest = json_load_file(path, 0, NULL);
    snprintf(path, sizeof(path), "%s/%s.note", library,
             json_string_value(json_object_get(
                 json_object_get(json_object_get(manifest, "artefacts"),
                                 "models/target.safetensors"),
                 "key")));
    CHECK(assay__exists(path));
    CHECK_OK(assay__write_file(path, "{\"sha256\": \"00\"}", 16, &err), err);
    json_decref(second);
    second = audit("shared-3", library);
    CHECK(trained > 0);
    CHECK(json_equal(json_object_get(first, "attacks"),
                     json_object_get(second, "attacks")));
    json_decref(manifest);
    json_decref(first);
    json_decref(second);
}

static void test_an_unknown_attribute_is_refused(void)
{
    struct assay_audit_options o;
    struct assay_context ctx;
    assay_audit *a = NULL;
    char records[512];
    char data[640];

    snprintf(records, sizeof(records), "%s/records.bin", check_temp_dir());
    snprintf(data, sizeof(data), "records:%s?labels=shape,colour&shape=1x%dx%d",
             records, SIDE, SIDE);
    if (!assay__exists(records))
        write_records(records);
    set_options(&o, data, check_temp_dir());
    o.attribute = "size";
    assay_context_init(&ctx);
    CHECK_INT_EQ(assay_audit_open(&a, &o, &ctx, &err), ASSAY_ARG);
    CHECK(strstr(err.msg, "no attribute \"size\"") != NULL);
    CHECK(strstr(err.msg, "shape") != NULL);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_copies_agree_with_the_target),
    CHECK_TEST(test_the_policy_judges_the_goals_of_the_run),
    CHECK_TEST(test_attributes_beat_what_the_label_tells),
    CHECK_TEST(test_attributes_are_read_from_a_named_layer),
    CHECK_TEST(test_a_wrong_layer_is_refused_before_anything_is_trained),
    CHECK_TEST(test_pictures_are_judged_and_kept),
    CHECK_TEST(test_controls_of_all_goals_pass),
    CHECK_TEST(test_a_library_saves_models_and_changes_nothing),
    CHECK_TEST(test_an_unknown_attribute_is_refused),
};
CHECK_MAIN(tests)
