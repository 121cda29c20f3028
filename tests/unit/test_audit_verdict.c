/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is concluded from scores, on audits put together by hand: no model,
 * no files. Attack k of `world` scores members `shift` higher.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/rng.h"
#include "audit/audit.h"
#include "check.h"
#include "core/fs.h"
#include "core/json.h"
#include "small_data.h"

enum { ATTACKS = 15, MOST = 2000 };

static struct assay_error err;

struct world {
    assay_audit audit;
    double score[ATTACKS][2 * MOST];
    uint8_t member[2 * MOST];
    uint32_t row[2 * MOST];
    uint32_t record[MOST];
    int32_t label[MOST];
    json_t *policy;
    json_t *verdict;
};

static struct world world;

static void fill(struct world *w, int n_attacks, size_t n, const double *shift,
                 uint64_t stream)
{
    const struct assay_attack *const *table = assay_attack_table();
    assay_audit *a = &w->audit;
    size_t i;
    int k;

    memset(w, 0, sizeof(*w));
    assay__policy_default(&a->policy, 1U << ASSAY_GOAL_MEMBERSHIP);
    a->n_attacks = n_attacks;
    a->options.n_exposed = 3;
    a->scene.target[ASSAY__MEMBERS].record = w->record;
    a->scene.target[ASSAY__MEMBERS].label = w->label;
    for (i = 0; i < 2 * n; i++) {
        w->member[i] = i < n;
        w->row[i] = (uint32_t)i;
    }
    for (k = 0; k < n_attacks; k++) {
        struct assay__outcome *o = &a->outcome[k];
        struct assay_rng rng;

        assay_rng_init(&rng, 26, "test-verdict", stream * ATTACKS + (size_t)k);
        for (i = 0; i < 2 * n; i++)
            w->score[k][i] = assay_rng_normal(&rng) + (i < n ? shift[k] : 0.0);
        o->attack = table[k];
        o->made.scores.n = 2 * n;
        o->made.scores.score = w->score[k];
        o->made.scores.member = w->member;
        o->made.scores.row = w->row;
        o->made.scores.threshold = (double)NAN;
        CHECK_OK(assay__outcome_measure(a, o, &err), err);
    }
}

static enum assay_verdict judge(struct world *w)
{
    CHECK_OK(assay__verdict_make(&w->audit, &w->policy, &w->verdict, &err),
             err);
    return w->audit.verdict;
}

static void release(struct world *w)
{
    int k;

    json_decref(w->policy);
    json_decref(w->verdict);
    for (k = 0; k < w->audit.n_attacks; k++)
        json_decref(w->audit.outcome[k].measured);
    memset(w, 0, sizeof(*w));
}

static const char *reason(const struct world *w, size_t i)
{
    const char *text = json_string_value(
        json_array_get(json_object_get(w->verdict, "reasons"), i));

    CHECK(text != NULL);
    return text;
}

static const double nothing[ATTACKS] = {0};

/* The main rule needs 1,000 non-members. */
static void test_a_rule_that_cannot_be_judged_is_no_pass(void)
{
    fill(&world, 2, 300, nothing, 0);
    CHECK_INT_EQ(judge(&world), ASSAY_VERDICT_INCONCLUSIVE);
    CHECK_STR_HAS(reason(&world, 0), "Rule tpr-at-fpr-0.001 could not be");
    CHECK_STR_HAS(reason(&world, 0), "needs 1000 non-members, there are 300");
    release(&world);

    fill(&world, 2, 1000, nothing, 0);
    CHECK_INT_EQ(judge(&world), ASSAY_VERDICT_PASS);
    release(&world);

    /* A rule that only warns leaves the verdict. */
    fill(&world, 2, 300, nothing, 0);
    world.audit.policy.rule[0].level = ASSAY__POLICY_WARNING;
    CHECK_INT_EQ(judge(&world), ASSAY_VERDICT_PASS);
    CHECK_STR_HAS(reason(&world, 0), "could not be judged");
    release(&world);
}

static void test_a_broken_rule_fails_whatever_is_unknown(void)
{
    const double strong[] = {0, 3};

    fill(&world, 2, 300, strong, 0);
    CHECK_INT_EQ(judge(&world), ASSAY_VERDICT_FAIL);
    release(&world);
}

/*
 * One rule, its limit what guessing gives, 15 attacks that find nothing. The
 * largest of 15 is above it at its own 95 % interval in some 30 % of audits;
 * 5 % by both sides may be, 11 of 60 would be four standard errors over 3.
 */
static void test_the_best_of_many_is_not_found_by_chance(void)
{
    uint64_t d;
    int warned = 0;
    int single = 0;

    for (d = 0; d < 60; d++) {
        int over = 0;
        int k;

        fill(&world, ATTACKS, 100, nothing, 100 + d);
        world.audit.policy.n_rules = 1;
        world.audit.policy.rule[0].metric = ASSAY__POLICY_AUC;
        world.audit.policy.rule[0].limit = 0.5;
        for (k = 0; k < ATTACKS; k++)
            over += world.audit.outcome[k].auc.low > 0.5;
        single += over > 0;
        warned += judge(&world) == ASSAY_VERDICT_FAIL;
        release(&world);
    }
    CHECK(single >= 11); /* the test can tell */
    CHECK(warned <= 10);
}

static void test_joint_lower_ends_are_lower(void)
{
    double shift[ATTACKS] = {0};
    const json_t *row;
    json_t *json;

    shift[3] = 2;
    fill(&world, ATTACKS, MOST, shift, 1);
    json = assay__outcome_json(&world.audit, &world.audit.outcome[3]);
    row = json_array_get(json_object_get(json, "tpr_at_fpr"), 1);
    CHECK(json_number_value(json_object_get(row, "joint_low")) <
          json_number_value(json_object_get(row, "low")));
    CHECK(json_number_value(json_object_get(row, "joint_low")) > 0.05);
    json_decref(json);
    CHECK_INT_EQ(judge(&world), ASSAY_VERDICT_FAIL);
    CHECK_STR_HAS(reason(&world, 0), "made for the best of 15 attacks");
    release(&world);
}

/* Attack 2 finds most and failed the negative control; 1 comes next. */
static void test_an_attack_that_failed_the_control_counts_for_nothing(void)
{
    const double shift[] = {0, 1, 3};
    json_t *exposed = NULL;
    const json_t *first;

    fill(&world, 3, MOST, shift, 3);
    world.audit.scene.target[ASSAY__MEMBERS].n = MOST;
    world.audit.negative.ran = 1;
    world.audit.negative.n_results = 1;
    world.audit.negative.result[0].attack = world.audit.outcome[2].attack;
    CHECK_OK(assay__exposed_make(&world.audit, &exposed, &err), err);
    CHECK_UINT_EQ(json_array_size(exposed), 3);
    first = json_array_get(exposed, 0);
    CHECK_STR_EQ(json_string_value(json_object_get(first, "attack")),
                 world.audit.outcome[1].attack->name);
    json_decref(exposed);
    world.audit.scene.target[ASSAY__MEMBERS].n = 0;
    CHECK_INT_EQ(judge(&world), ASSAY_VERDICT_FAIL);
    CHECK_STR_HAS(reason(&world, 0), world.audit.outcome[1].attack->title);
    release(&world);
}

/* One record of a class leaves one half of the records without it. */
static void test_a_class_of_one_has_no_accuracy(void)
{
    const json_t *accuracy;

    fill(&world, 1, 1, nothing, 4);
    accuracy = json_object_get(world.audit.outcome[0].measured, "accuracy");
    CHECK(json_is_null(json_object_get(accuracy, "value")));
    CHECK(json_is_null(json_object_get(accuracy, "low")));
    release(&world);

    fill(&world, 1, 2, nothing, 4);
    accuracy = json_object_get(world.audit.outcome[0].measured, "accuracy");
    CHECK(json_is_real(json_object_get(accuracy, "value")));
    release(&world);
}

/* The attacks see what the claimed epsilon of 1 does not allow. */
static void test_a_refuted_claim_is_an_error(void)
{
    static const double shift[] = {5, 5, 5};
    struct world *w = &world;
    int refuted;

    for (refuted = 0; refuted < 2; refuted++) {
        fill(w, 3, 400, refuted ? shift : nothing, 9);
        w->audit.defense.row = assay_defense_find("dp-sgd");
        assay_settings_init(w->audit.defense.row->params,
                            w->audit.defense.param);
        w->audit.defense.param[1] = 1;
        w->audit.split.n = 400;
        assay_recipe_init(&w->audit.recipe, 5);
        w->audit.policy.n_rules = 0;
        w->audit.scene.target[ASSAY__MEMBERS].n = 400;
        w->audit.scene.target[ASSAY__NONMEMBERS].n = 400;
        CHECK_OK(assay__claim_measure(&w->audit, &err), err);
        CHECK_INT_EQ(judge(w) == ASSAY_VERDICT_FAIL, refuted);
        printf("# claimed %.3f, found %.3f\n",
               w->audit.claim.promised.epsilon_prv,
               w->audit.claim.bound.epsilon);
        CHECK_INT_EQ(assay__claim_refuted(&w->audit), refuted);
        if (refuted)
            CHECK_STR_HAS(reason(w, 0),
                          "its implementation or its accounting is wrong");
        release(w);
    }
}

/* A picture in a folder of which two classes have names in Latin-1. */
static assay_dataset *open_latin1(const char *folder)
{
    static const char *const names[] = {"caf\xe9", "na\xefve"};
    assay_dataset *small = small_records(2, 1);
    assay_dataset *ds = NULL;
    unsigned char *png = NULL;
    char path[600];
    char spec[600];
    size_t size = 0;
    size_t i;

    CHECK_OK(assay_dataset_png(small, 0, &png, &size, &err), err);
    for (i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        CHECK_OK(assay__make_dir(path, &err), err);
        snprintf(path, sizeof(path), "%s/%s/a.png", folder, names[i]);
        check_write_file(path, png, size);
    }
    snprintf(spec, sizeof(spec), "folder:%s", folder);
    CHECK_OK(assay_dataset_open(&ds, spec, NULL, &err), err);
    assay_bytes_free(png);
    assay_dataset_free(small);
    return ds;
}

static void test_class_names_of_any_bytes_are_listed(void)
{
    const double shift[] = {0, 1};
    char folder[512];
    char out[600];
    json_t *exposed = NULL;
    const json_t *first;

    snprintf(folder, sizeof(folder), "%s/latin1", check_temp_dir());
    snprintf(out, sizeof(out), "%s/exposed", folder);
    fill(&world, 2, 2, shift, 5);
    world.audit.data = open_latin1(folder);
    CHECK_OK(assay__make_dir(out, &err), err);
    world.audit.cache.dir = folder;
    world.audit.scene.target[ASSAY__MEMBERS].n = 2;
    CHECK_OK(assay__exposed_make(&world.audit, &exposed, &err), err);
    first = json_array_get(exposed, 0);
    CHECK_STR_EQ(json_string_value(json_object_get(first, "class_name")),
                 "caf\xef\xbf\xbd");
    json_decref(exposed);
    assay_dataset_free(world.audit.data);
    release(&world);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_rule_that_cannot_be_judged_is_no_pass),
    CHECK_TEST(test_a_broken_rule_fails_whatever_is_unknown),
    CHECK_TEST(test_the_best_of_many_is_not_found_by_chance),
    CHECK_TEST(test_joint_lower_ends_are_lower),
    CHECK_TEST(test_an_attack_that_failed_the_control_counts_for_nothing),
    CHECK_TEST(test_a_class_of_one_has_no_accuracy),
    CHECK_TEST(test_class_names_of_any_bytes_are_listed),
    CHECK_TEST(test_a_refuted_claim_is_an_error),
};
CHECK_MAIN(tests)
