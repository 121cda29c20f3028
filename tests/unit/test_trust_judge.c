/* SPDX-License-Identifier: Apache-2.0 */
/* What scores mean: ranks among clean models, false alarms, and who decides. */

#include <math.h>
#include <string.h>

#include "check.h"
#include "core/json.h"
#include "trust/trust.h"

enum { MOST = 40 };

static struct assay_error err;
static json_t *reference[MOST];

static json_t *detection(double score, double threshold, double p)
{
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o}", "name", "some", "subject", "model",
        "status", "ran", "score", assay__json_real(score), "threshold",
        assay__json_real(threshold), "p_value", assay__json_real(p));
}

/* References with scores 1, 2, ... n. */
static void make_references(size_t n, double threshold)
{
    for (size_t i = 0; i < n; i++)
        reference[i] = json_pack(
            "[o]", detection((double)(i + 1), threshold, (double)NAN));
}

static void drop_references(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_decref(reference[i]);
        reference[i] = NULL;
    }
}

static double number(const json_t *d, const char *key)
{
    return json_number_value(json_object_get(d, key));
}

static const char *text(const json_t *d, const char *key)
{
    return json_string_value(json_object_get(d, key));
}

static const struct {
    double score;
    size_t references;
    double threshold;
    double p; /* the detector's own */
    double reference_p;
    const char *by;
    int accuses; /* -1: cannot tell */
} rows[] = {
    /* 19 clean models: nobody as high is one in twenty. */
    {20, 19, 100, NAN, .05, "references", 1},
    {18.5, 19, 1, 1e-9, .10, "references", 0},
    {19, 19, 1, NAN, .10, "references", 0}, /* a tie is as high */
    {-5, 19, -10, NAN, 1, "references", 0},
    {40, 39, NAN, NAN, .025, "references", 1},
    /* Too few: the detector's own word. */
    {20, 18, 100, .04, 1 / 19.0, "p-value", 1},
    {20, 18, 1, .06, 1 / 19.0, "p-value", 0},
    {2, 0, 2, NAN, NAN, "threshold", 1},
    {1.99, 0, 2, NAN, NAN, "threshold", 0},
    /* Neither: silence would be no answer. */
    {1e9, 3, NAN, NAN, .25, "nothing", -1},
    {NAN, 3, 2, NAN, NAN, "nothing", -1},
    {NAN, 19, NAN, NAN, NAN, "nothing", -1},
};

static void test_a_score_is_ranked_among_clean_models(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *d = detection(rows[i].score, rows[i].threshold, rows[i].p);

        make_references(rows[i].references, rows[i].threshold);
        CHECK_OK(assay__trust_judge(d, reference, rows[i].references, &err),
                 err);
        CHECK_STR_EQ(text(d, "decided_by"), rows[i].by);
        CHECK_INT_EQ(json_is_null(json_object_get(d, "accuses"))
                         ? -1
                         : json_is_true(json_object_get(d, "accuses")),
                     rows[i].accuses);
        CHECK_UINT_EQ(number(d, "references"), rows[i].references);
        if (isnan(rows[i].reference_p))
            CHECK(json_is_null(json_object_get(d, "reference_p")));
        else
            CHECK_NEAR(number(d, "reference_p"), rows[i].reference_p, 1e-12);
        drop_references(rows[i].references);
        json_decref(d);
    }
}

/* A clean model that is like 19 others has each of 20 ranks alike, and one
 * of them is accused: 5 % exactly. */
static void test_one_rank_in_twenty_is_accused(void)
{
    int accused = 0;

    make_references(19, NAN);
    for (int rank = 0; rank < 20; rank++) {
        json_t *d = detection(rank + .5, NAN, NAN);

        CHECK_OK(assay__trust_judge(d, reference, 19, &err), err);
        accused += json_is_true(json_object_get(d, "accuses"));
        json_decref(d);
    }
    drop_references(19);
    CHECK_INT_EQ(accused, 1);
}

static void test_false_alarms_are_counted_at_the_threshold(void)
{
    json_t *d = detection(3, 10, NAN);
    struct assay_estimate want = assay_proportion(11, 20);
    const json_t *alarms;

    make_references(20, 10); /* 10 .. 20 are at or above it */
    CHECK_OK(assay__trust_judge(d, reference, 20, &err), err);
    alarms = json_object_get(d, "false_alarms");
    CHECK_NEAR(number(alarms, "value"), .55, 1e-12);
    CHECK_NEAR(number(alarms, "low"), want.low, 1e-12);
    CHECK_NEAR(number(alarms, "high"), want.high, 1e-12);
    CHECK_UINT_EQ(number(alarms, "n"), 20);
    drop_references(20);
    json_decref(d);
}

static void test_only_models_on_which_it_ran_count(void)
{
    json_t *d = detection(3, 2, NAN);

    make_references(5, 2);
    json_object_set_new(json_array_get(reference[0], 0), "status",
                        json_string("not run"));
    json_object_set_new(json_array_get(reference[1], 0), "name",
                        json_string("another"));
    CHECK_OK(assay__trust_judge(d, reference, 5, &err), err);
    CHECK_UINT_EQ(number(d, "references"), 3);
    json_object_set_new(json_array_get(reference[2], 0), "score", json_null());
    CHECK_OK(assay__trust_judge(d, reference, 5, &err), err);
    CHECK_UINT_EQ(number(d, "references"), 2);
    drop_references(5);
    json_decref(d);
    d = json_pack("{s:s, s:s, s:s}", "name", "some", "subject", "model",
                  "status", "not run");
    CHECK_OK(assay__trust_judge(d, reference, 0, &err), err);
    CHECK(!json_object_get(d, "accuses"));
    json_decref(d);
}

static void test_a_verdict_names_who_accuses(void)
{
    json_t *list = json_array();
    json_t *v = assay__trust_verdict(list);

    CHECK_STR_EQ(text(v, "level"), "inconclusive");
    json_decref(v);
    json_array_append_new(list, detection(NAN, NAN, NAN));
    CHECK_OK(assay__trust_judge(json_array_get(list, 0), NULL, 0, &err), err);
    v = assay__trust_verdict(list);
    CHECK_STR_EQ(text(v, "level"), "inconclusive");
    CHECK_UINT_EQ(number(v, "detectors"), 0);
    json_decref(v);
    json_array_clear(list);
    json_array_append_new(list, detection(1, 2, NAN));
    CHECK_OK(assay__trust_judge(json_array_get(list, 0), NULL, 0, &err), err);
    v = assay__trust_verdict(list);
    CHECK_STR_EQ(text(v, "level"), "nothing found");
    json_decref(v);
    json_array_append_new(list, detection(3, 2, NAN));
    CHECK_OK(assay__trust_judge(json_array_get(list, 1), NULL, 0, &err), err);
    v = assay__trust_verdict(list);
    CHECK_STR_EQ(text(v, "level"), "suspicious");
    CHECK_UINT_EQ(json_array_size(json_object_get(v, "accused_by")), 1);
    CHECK_UINT_EQ(number(v, "detectors"), 2);
    json_decref(v);
    json_decref(list);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_score_is_ranked_among_clean_models),
    CHECK_TEST(test_one_rank_in_twenty_is_accused),
    CHECK_TEST(test_false_alarms_are_counted_at_the_threshold),
    CHECK_TEST(test_only_models_on_which_it_ran_count),
    CHECK_TEST(test_a_verdict_names_who_accuses),
};
CHECK_MAIN(tests)
