/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of detectors and repairs on networks of random weights: what is
 * refused, what is kept in the folder, and that nothing of the folder is
 * believed which has not the shape of what was written.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assay/trust.h"
#include "check.h"
#include "core/fs.h"
#include "core/json.h"
#include "trust_models.h"

static struct assay_error err;
static char model[512];
static char clean[512];
static char data[768];
static char out[512];
static int n_reused;

static void listen(void *user, enum assay_log_level level, const char *line)
{
    const char *words = strstr(line, " results are taken from ");

    (void)user;
    (void)level;
    if (words)
        sscanf(line, "%d", &n_reused);
}

static void prepare(const char *folder)
{
    snprintf(model, sizeof(model), "%s", check_temp_path("model.safetensors"));
    snprintf(clean, sizeof(clean), "%s", check_temp_path("clean.safetensors"));
    snprintf(out, sizeof(out), "%s", check_temp_path(folder));
    snprintf(data, sizeof(data), "%s", trust_records("r.bin", 96));
    trust_model(model, 1, 3);
    trust_model(clean, 1, 0);
    n_reused = 0;
}

static const char *const only_upstream[] = {"upstream"};

static void set(struct assay_trust_options *o, const char *const *models)
{
    assay_trust_options_init(o);
    o->models.path = models;
    o->models.n = 1;
    o->data = data;
    o->detectors = only_upstream;
    o->n_detectors = 1;
    o->upstream = clean;
    o->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
}

static int run(const struct assay_trust_options *o, json_t **document)
{
    struct assay_context ctx;
    char *text = NULL;
    int code;

    assay_context_init(&ctx);
    ctx.threads = 1;
    ctx.log = listen;
    n_reused = 0;
    memset(&err, 0, sizeof(err));
    code = assay_trust_run(o, &ctx, &text, &err);
    if (code == ASSAY_OK)
        *document = json_loads(text, 0, NULL);
    assay_bytes_free(text);
    return code;
}

static const json_t *first_detection(const json_t *document)
{
    const json_t *m = json_array_get(json_object_get(document, "models"), 0);

    return json_array_get(json_object_get(m, "detectors"), 0);
}

static void test_settings_are_refused_by_name(void)
{
    static const struct {
        const char *param;
        const char *words;
    } lies[] = {
        {"stay=.1", "is not NAME.SETTING=VALUE"},
        {"upstream.stay", "is not NAME.SETTING=VALUE"},
        {"nobody.stay=.1", "nobody is not among the detectors to run"},
        {"upstream.nothing=1", "the parameters of upstream are: stay"},
        {"upstream.stay=7", "upstream.stay=7"},
        {"upstream.stay=x", "upstream.stay=x"},
    };
    const char *const models[] = {model};
    struct assay_trust_options o;
    json_t *document = NULL;

    prepare("settings");
    set(&o, models);
    o.n_params = 1;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        o.params = &lies[i].param;
        CHECK_FAILS(run(&o, &document), ASSAY_ARG, err);
        CHECK_STR_HAS(err.msg, lies[i].words);
    }
}

static void test_what_cannot_run_is_nothing_or_told(void)
{
    const char *const models[] = {model};
    static const char *const nobody[] = {"nobody"};
    struct assay_trust_options o;
    json_t *document = NULL;

    prepare("nothing");
    set(&o, models);
    o.detectors = nobody;
    CHECK_FAILS(run(&o, &document), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "no detector is called \"nobody\"");
    o.detectors = only_upstream;
    o.upstream = NULL;
    CHECK_FAILS(run(&o, &document), ASSAY_NOTHING, err);
    o.even_nothing = 1;
    CHECK_OK(run(&o, &document), err);
    CHECK_STR_EQ(
        json_string_value(json_object_get(first_detection(document), "status")),
        "not run");
    json_decref(document);
    o.n_clean = 49; /* of 96, and as many held out */
    CHECK_FAILS(run(&o, &document), ASSAY_DATA, err);
}

static void test_edited_weights_are_accused_and_equal_ones_not(void)
{
    const char *const edited[] = {model};
    const char *const equal[] = {clean};
    struct assay_trust_options o;
    json_t *document = NULL;

    prepare("edited");
    set(&o, edited);
    CHECK_OK(run(&o, &document), err);
    CHECK(json_is_true(json_object_get(first_detection(document), "accuses")));
    CHECK(json_array_size(
              json_object_get(first_detection(document), "changes")) == 1);
    json_decref(document);
    o.models.path = equal;
    CHECK_OK(run(&o, &document), err);
    CHECK(json_is_false(json_object_get(first_detection(document), "accuses")));
    json_decref(document);
}

/* The kept result of the only detector. */
static const char *kept(void)
{
    static char path[700];
    char sha[65];
    assay_model *m = NULL;

    CHECK_OK(assay_model_open(&m, model, &err), err);
    CHECK_OK(assay_model_sha256(m, sha, &err), err);
    assay_model_free(m);
    snprintf(path, sizeof(path), "%s/found/%.24s-upstream.json", out, sha);
    return path;
}

static void test_results_are_kept_by_what_determines_them(void)
{
    const char *const models[] = {model};
    const char *const params[] = {"upstream.stay=.3"};
    struct assay_trust_options o;
    json_t *first = NULL;
    json_t *document = NULL;

    prepare("kept");
    set(&o, models);
    o.out = out;
    CHECK_OK(run(&o, &first), err);
    CHECK_INT_EQ(n_reused, 0);
    CHECK_OK(run(&o, &document), err);
    CHECK_INT_EQ(n_reused, 1);
    CHECK(json_equal(first, document));
    json_decref(document);
    o.params = params;
    o.n_params = 1;
    CHECK_OK(run(&o, &document), err);
    CHECK_INT_EQ(n_reused, 0);
    json_decref(document);
    o.n_params = 0;
    o.upstream = model;
    CHECK_OK(run(&o, &document), err);
    CHECK_INT_EQ(n_reused, 0);
    json_decref(document);
    o.pixels.scale = 1; /* another model, then */
    CHECK_OK(run(&o, &document), err);
    CHECK_INT_EQ(n_reused, 0);
    json_decref(document);
    json_decref(first);
}

/* Put `value` (taken) where a kept result has `key`; NULL takes it out. */
static void damage(const json_t *good, const char *key, json_t *value)
{
    json_t *bad = json_deep_copy(good);
    json_t *found = json_object_get(bad, "found");

    if (value)
        json_object_set_new(found, key, value);
    else
        json_object_del(found, key);
    CHECK_OK(assay__json_write(kept(), bad, &err), err);
    json_decref(bad);
}

static void test_a_kept_result_is_not_believed_blindly(void)
{
    static const struct {
        const char *key;
        const char *json; /* NULL: the key is gone */
    } lies[] = {
        {"name", "\"another\""},
        {"name", NULL},
        {"title", "7"},
        {"summary", NULL},
        {"cites", "[]"},
        {"subject", "\"data\""},
        {"status", "\"perhaps\""},
        {"status", "\"not run\""}, /* without a reason */
        {"status", "{}"},
        {"params", "null"},
        {"score", "\"high\""},
        {"threshold", "[1]"},
        {"p_value", NULL},
        {"target", "-1"},
        {"target", "\"three\""},
        {"per_class", "{}"},
        {"per_class", "[1, \"two\"]"},
        {"records", "true"},
        {"changes", "{\"a\": 1}"},
        {"changes", "[7]"},
        {"changes", "[{\"tensor\": \"w\"}]"},
        {"note", "null"},
        {"seconds", "\"long\""},
        {"false_alarms", "\"none\""},
        {"trigger", "\"../../../etc/passwd\""},
        {"picture", "\"found/nowhere.png\""},
        {"picture", "1"},
    };
    const char *const models[] = {model};
    struct assay_trust_options o;
    json_t *first = NULL;
    json_t *document = NULL;
    json_t *good;

    prepare("lies");
    set(&o, models);
    o.out = out;
    CHECK_OK(run(&o, &first), err);
    good = json_load_file(kept(), 0, NULL);
    CHECK(good != NULL);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        damage(good, lies[i].key,
               lies[i].json ? json_loads(lies[i].json, JSON_DECODE_ANY, NULL)
                            : NULL);
        CHECK_OK(run(&o, &document), err);
        if (n_reused != 0)
            printf("# believed: %s %s\n", lies[i].key,
                   lies[i].json ? lies[i].json : "gone");
        CHECK_INT_EQ(n_reused, 0);
        CHECK(json_is_true(
            json_object_get(first_detection(document), "accuses")));
        json_decref(document);
    }
    json_decref(good);
    json_decref(first);
}

static void test_a_damaged_file_is_made_again(void)
{
    static const char *const files[] = {
        "", "{", "[]", "null", "{\"key\": 7, \"found\": []}", "\xff"};
    const char *const models[] = {model};
    struct assay_trust_options o;
    json_t *document = NULL;

    prepare("damaged");
    set(&o, models);
    o.out = out;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        CHECK_OK(run(&o, &document), err);
        json_decref(document);
        check_write_file(kept(), files[i], strlen(files[i]));
        CHECK_OK(run(&o, &document), err);
        CHECK_INT_EQ(n_reused, 0);
        json_decref(document);
    }
}

static const char *const tune[] = {"fine-tuning"};
static const char *const one_epoch[] = {"fine-tuning.epochs=1"};

static void set_repair(struct assay_trust_repair_options *o)
{
    assay_trust_repair_options_init(o);
    o->model = clean;
    o->data = data;
    o->reverse = NULL;
    o->repairs = tune;
    o->n_repairs = 1;
    o->params = one_epoch;
    o->n_params = 1;
    o->recipe.batch = 8;
    o->recipe.augment.crop_pad = 0;
    o->out = out;
    o->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    o->compute.threads = 1;
}

/* The only repair's row; its seconds tell whether it was done again. */
static json_t *repair(const struct assay_trust_repair_options *o)
{
    struct assay_context ctx;
    char *text = NULL;
    json_t *document;
    json_t *row;

    assay_context_init(&ctx);
    ctx.threads = 1;
    CHECK_OK(assay_trust_repair(o, &ctx, &text, &err), err);
    document = json_loads(text, 0, NULL);
    assay_bytes_free(text);
    row = json_incref(json_array_get(json_object_get(document, "repairs"), 0));
    json_decref(document);
    CHECK(row != NULL);
    return row;
}

static int is_again(const json_t *a, const json_t *b)
{
    return json_real_value(json_object_get(a, "seconds")) !=
           json_real_value(json_object_get(b, "seconds"));
}

static void test_repairs_are_kept_with_their_models(void)
{
    static const char *const two_epochs[] = {"fine-tuning.epochs=2"};
    struct assay_trust_repair_options o;
    json_t *first;
    json_t *row;
    char path[700];

    prepare("repairs");
    set_repair(&o);
    first = repair(&o);
    row = repair(&o);
    CHECK(json_equal(first, row));
    json_decref(row);
    o.recipe.optimizer.momentum = .5;
    row = repair(&o);
    CHECK(is_again(first, row));
    json_decref(row);
    o.params = two_epochs;
    row = repair(&o);
    CHECK(is_again(first, row));
    json_decref(first);
    snprintf(path, sizeof(path), "%s/fine-tuning.safetensors", out);
    CHECK_INT_EQ(unlink(path), 0);
    first = repair(&o);
    CHECK(is_again(first, row) && assay__exists(path));
    json_decref(first);
    json_decref(row);
}

static void test_a_kept_repair_is_not_believed_blindly(void)
{
    static const struct {
        const char *key;
        const char *json;
    } lies[] = {
        {"name", "\"clp\""},        {"params", "{}"},
        {"status", "\"maybe\""},    {"status", "\"not run\""},
        {"after", "null"},          {"after", "{\"accuracy\": 1}"},
        {"pruned", "\"many\""},     {"seconds", "[]"},
        {"model", "\"/etc/motd\""}, {"model", "7"},
    };
    struct assay_trust_repair_options o;
    char path[700];
    json_t *good;
    json_t *first;

    prepare("repair-lies");
    set_repair(&o);
    first = repair(&o);
    snprintf(path, sizeof(path), "%s/found/repair-fine-tuning.json", out);
    good = json_load_file(path, 0, NULL);
    CHECK(good != NULL);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        json_t *bad = json_deep_copy(good);
        json_t *row;

        json_object_set_new(json_object_get(bad, "found"), lies[i].key,
                            json_loads(lies[i].json, JSON_DECODE_ANY, NULL));
        CHECK_OK(assay__json_write(path, bad, &err), err);
        row = repair(&o);
        if (!is_again(first, row))
            printf("# believed: %s %s\n", lies[i].key, lies[i].json);
        CHECK(is_again(first, row));
        json_decref(row);
        json_decref(bad);
    }
    json_decref(good);
    json_decref(first);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_settings_are_refused_by_name),
    CHECK_TEST(test_what_cannot_run_is_nothing_or_told),
    CHECK_TEST(test_edited_weights_are_accused_and_equal_ones_not),
    CHECK_TEST(test_results_are_kept_by_what_determines_them),
    CHECK_TEST(test_a_kept_result_is_not_believed_blindly),
    CHECK_TEST(test_a_damaged_file_is_made_again),
    CHECK_TEST(test_repairs_are_kept_with_their_models),
    CHECK_TEST(test_a_kept_repair_is_not_believed_blindly),
};
CHECK_MAIN(tests)
