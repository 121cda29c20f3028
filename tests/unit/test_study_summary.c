/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a study computes: the golden study's means, effects of defences and
 * correlations by NumPy and SciPy (tests/golden/make-study-small.py), and
 * what is read of findings.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "study/study.h"

static struct assay_error err;

static json_t *golden(void)
{
    const char *root = getenv("ASSAY_SOURCE");
    char path[1024];
    json_t *study = NULL;

    if (root == NULL)
        SKIP("ASSAY_SOURCE is not set");
    snprintf(path, sizeof(path), "%s/tests/golden/study-small/study.json",
             root);
    CHECK_OK(assay__json_read(path, 4 << 20, &study, &err), err);
    return study;
}

/* Equal but for the last digits of numbers; says where not. */
static int near(const json_t *got, const json_t *want, char *where, size_t size)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_number(want) && json_is_number(got))
        return fabs(json_number_value(got) - json_number_value(want)) < 1e-9;
    if (json_is_array(want) && json_array_size(got) == json_array_size(want)) {
        for (i = 0; i < json_array_size(want); i++) {
            if (!near(json_array_get(got, i), json_array_get(want, i), where,
                      size)) {
                snprintf(where + strlen(where), size - strlen(where), " <%zu>",
                         i);
                return 0;
            }
        }
        return 1;
    }
    if (!json_is_object(want))
        return json_equal(got, want);
    json_object_foreach((json_t *)(uintptr_t)want, key, value)
    {
        if (!near(json_object_get(got, key), value, where, size)) {
            snprintf(where + strlen(where), size - strlen(where), " %s", key);
            return 0;
        }
    }
    return json_object_size(got) == json_object_size(want);
}

static void check_part(const json_t *study, const json_t *want,
                       const char *name)
{
    char where[256] = "";

    CHECK_UINT_EQ(json_array_size(json_object_get(study, name)),
                  json_array_size(json_object_get(want, name)));
    if (!near(json_object_get(study, name), json_object_get(want, name), where,
              sizeof(where))) {
        printf("# %s differs at%s\n", name, where);
        FAIL("not the golden numbers");
    }
}

static void test_numbers_match_golden(void)
{
    json_t *want = golden();
    json_t *study = json_deep_copy(want);
    struct assay_context ctx;

    assay_context_init(&ctx);
    json_object_del(study, "summary");
    json_object_del(study, "defenses");
    json_object_del(study, "correlations");
    CHECK_OK(assay__study_summarise(study, &ctx, &err), err);
    check_part(study, want, "summary");
    check_part(study, want, "defenses");
    check_part(study, want, "correlations");
    json_decref(study);
    json_decref(want);
}

static void test_tables_have_a_line_per_number(void)
{
    static const char *const tables[] = {"results.csv", "summary.csv",
                                         "defenses.csv", "correlations.csv"};
    static const char *const parts[] = {NULL, "summary", "defenses",
                                        "correlations"};
    json_t *study = golden();
    unsigned char *text = NULL;
    size_t size = 0;
    size_t i;

    CHECK_OK(assay__study_write_csv(study, check_temp_dir(), &err), err);
    for (i = 0; i < 4; i++) {
        size_t commas = 0;
        size_t wanted = 0;
        size_t lines = 0;
        size_t k;

        CHECK_OK(assay__read_file(check_temp_path(tables[i]), 1 << 20, &text,
                                  &size, &err),
                 err);
        for (k = 0; k < size; k++) {
            commas += text[k] == ',';
            if (text[k] != '\n')
                continue;
            wanted = lines == 0 ? commas : wanted;
            CHECK_UINT_EQ(commas, wanted); /* no text here has a comma */
            commas = 0;
            lines++;
        }
        if (parts[i] != NULL)
            CHECK_UINT_EQ(
                lines, 1 + json_array_size(json_object_get(study, parts[i])));
        assay__free(text);
    }
    json_decref(study);
}

static void test_text_of_tables_is_quoted(void)
{
    json_t *study = json_pack("{s:[{s:s, s:[{s:s, s:{s:{s:f}}}]}]}", "cells",
                              "dataset", "a \"b\", c", "attacks", "name", "x",
                              "metrics", "m", "value", 0.1);
    unsigned char *text = NULL;
    size_t size = 0;

    CHECK_OK(assay__study_write_csv(study, check_temp_dir(), &err), err);
    CHECK_OK(assay__read_file(check_temp_path("results.csv"), 1 << 20, &text,
                              &size, &err),
             err);
    CHECK_STR_HAS((const char *)text,
                  "\n\"a \"\"b\"\", c\",,,,,,x,,,,m,0.1,,,,\n");
    assay__free(text);
    json_decref(study);
}

/* Whatever is an estimate is a metric; what guessing gives is filled in for
 * membership, and taken as it stands elsewhere. */
static void test_digest_takes_every_estimate(void)
{
    static const char findings[] =
        "{\"model\": {\"gap\": {\"value\": 0.25, \"low\": 0.1, \"high\": 0.3, "
        "\"n\": 40}, \"name\": \"m\", \"test_accuracy\": null}, "
        "\"data\": {\"name\": \"d\", \"classes\": [\"0\", \"1\"]}, "
        "\"verdict\": {\"level\": \"fail\"}, \"attacks\": ["
        "{\"name\": \"a\", \"goal\": \"membership\", \"status\": \"ran\", "
        "\"params\": {\"value\": 3}, \"prior\": 0.1, "
        "\"ppv\": {\"value\": 0.2, \"low\": null, \"high\": null, \"n\": 9}, "
        "\"auc\": {\"value\": 0.75, \"low\": 0.5, \"high\": 1, \"n\": 9}, "
        "\"tpr_at_fpr\": [{\"fpr\": 0.001, \"tpr\": 0.5, \"low\": 0.25, "
        "\"high\": 0.75, \"n_neg\": 7, \"refused\": null}], "
        "\"epsilon_lower_bound\": 1.5}, "
        "{\"name\": \"b\", \"goal\": \"stealing\", \"status\": \"ran\", "
        "\"agreement\": {\"value\": 0.9, \"low\": 0.8, \"high\": 1.0, "
        "\"n\": 5, \"baseline\": 0.4}}, "
        "{\"name\": \"c\", \"goal\": \"attribute\", \"status\": \"not run\", "
        "\"why\": \"no attribute\"}]}";
    json_t *root = json_loads(findings, 0, NULL);
    json_t *digest = assay__study_digest(root);
    const json_t *attacks = json_object_get(digest, "attacks");
    const json_t *target =
        json_object_get(json_array_get(attacks, 0), "metrics");
    const json_t *a = json_object_get(json_array_get(attacks, 1), "metrics");
    const json_t *b = json_object_get(json_array_get(attacks, 2), "metrics");
    double baseline;

    CHECK(digest != NULL);
    CHECK_UINT_EQ(json_array_size(attacks), 4);
    CHECK_UINT_EQ(json_object_size(target), 1);
    CHECK_UINT_EQ(json_object_size(a), 4);
    CHECK_STR_EQ(json_object_iter_key(json_object_iter((json_t *)(uintptr_t)a)),
                 "auc");
    CHECK_OK(
        json_unpack(json_object_get(a, "auc"), "{s:f}", "baseline", &baseline),
        err);
    CHECK_NEAR(baseline, 0.5, 0);
    CHECK_OK(json_unpack(json_object_get(a, "tpr@0.001"), "{s:f}", "baseline",
                         &baseline),
             err);
    CHECK_NEAR(baseline, 0.001, 0);
    CHECK_OK(
        json_unpack(json_object_get(a, "ppv"), "{s:f}", "baseline", &baseline),
        err);
    CHECK_NEAR(baseline, 0.1, 0);
    CHECK_OK(json_unpack(json_object_get(b, "agreement"), "{s:f}", "baseline",
                         &baseline),
             err);
    CHECK_NEAR(baseline, 0.4, 0);
    CHECK(json_is_false(json_object_get(json_array_get(attacks, 3), "ran")));
    CHECK_STR_EQ(
        json_string_value(json_object_get(json_array_get(attacks, 3), "why")),
        "no attribute");
    json_decref(digest);
    json_decref(root);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_numbers_match_golden),
    CHECK_TEST(test_tables_have_a_line_per_number),
    CHECK_TEST(test_text_of_tables_is_quoted),
    CHECK_TEST(test_digest_takes_every_estimate),
};
CHECK_MAIN(tests)
