/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership attacks on made-up evidence: arithmetic against numbers worked
 * out by hand, a leak that every attack must find, and none that any may.
 * Attacks that ask a model itself are in test_attacks_membership_models.c.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "world.h"

static void run_attack(struct world *w, const struct assay_attack *a,
                       struct assay_estimate *auc, double *threshold)
{
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_attack_membership(a, &w->in, &s, &err), err);
    CHECK_OK(assay_auc(auc, s.score, s.member, s.n, &err), err);
    *threshold = s.threshold;
    assay_membership_scores_release(&s);
}

static void test_every_attack_finds_a_leak(void)
{
    struct world w;

    world_init(&w, 240, 2.5);
    for (size_t i = 0; assay_attack_table()[i]; i++) {
        const struct assay_attack *a = assay_attack_table()[i];
        struct assay_estimate auc;
        double threshold;

        if (!a->membership || (a->needs & ASSAY_NEED_MODEL))
            continue;
        run_attack(&w, a, &auc, &threshold);
        if (!(auc.low > .5)) {
            CHECK_STR_EQ(a->name, "an attack that finds the leak");
            CHECK_NEAR(auc.low, .75, .25);
        }
    }
    world_release(&w);
}

/* Members as non-members say: 16 attacks, so 3.5 standard errors. */
static void test_no_attack_finds_what_is_not_there(void)
{
    struct world w;

    world_init(&w, 300, 0);
    for (size_t i = 0; assay_attack_table()[i]; i++) {
        const struct assay_attack *a = assay_attack_table()[i];
        struct assay_estimate auc;
        double threshold;

        if (!a->membership || (a->needs & ASSAY_NEED_MODEL))
            continue;
        run_attack(&w, a, &auc, &threshold);
        if (fabs(auc.value - .5) > 3.5 / 1.96 * (auc.high - auc.low) / 2) {
            CHECK_STR_EQ(a->name, "an attack that finds nothing");
            CHECK_NEAR(auc.value, .5, 0);
        }
    }
    world_release(&w);
}

static void test_equal_seeds_give_equal_scores(void)
{
    struct world w;
    struct assay_error err = {0};

    world_init(&w, 60, 1);
    for (size_t i = 0; assay_attack_table()[i]; i++) {
        const struct assay_attack *a = assay_attack_table()[i];
        struct assay_membership_scores s = {0};
        struct assay_membership_scores t = {0};

        if (!a->membership || (a->needs & ASSAY_NEED_MODEL))
            continue;
        CHECK_OK(assay_attack_membership(a, &w.in, &s, &err), err);
        CHECK_OK(assay_attack_membership(a, &w.in, &t, &err), err);
        CHECK_UINT_EQ(s.n, t.n);
        CHECK_MEM_EQ(s.score, t.score, s.n * sizeof(double));
        assay_membership_scores_release(&s);
        assay_membership_scores_release(&t);
    }
    world_release(&w);
}

static void test_gap_auc_is_half_plus_half_the_gap(void)
{
    struct world w;
    struct assay_estimate auc;
    double gap;
    double threshold;

    world_init(&w, 200, 2);
    run_attack(&w, assay_attack_find("gap"), &auc, &threshold);
    gap = assay_evidence_accuracy(&w.members).value -
          assay_evidence_accuracy(&w.nonmembers).value;
    CHECK(gap > 0);
    CHECK_NEAR(auc.value, .5 + gap / 2, 1e-12);
    CHECK_NEAR(threshold, .5, 0);
    world_release(&w);
}

/* One record each with logits log(p) and label 0. */
static struct assay_evidence one(double p0, double p1, double p2, double p3)
{
    struct assay_evidence e = make_evidence(1);

    e.logits[0] = (float)log(p0);
    e.logits[1] = (float)log(p1);
    e.logits[2] = (float)log(p2);
    e.logits[3] = (float)log(p3);
    return e;
}

static double score_of(const char *name, const struct assay_evidence *e)
{
    struct world w;
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};
    double score;

    world_init(&w, 8, 0);
    w.in.members = e;
    w.in.shadow_members = NULL;
    w.in.n_references = 0;
    CHECK_OK(assay_attack_membership(assay_attack_find(name), &w.in, &s, &err),
             err);
    score = s.score[0];
    CHECK(s.member[0] == 1);
    assay_membership_scores_release(&s);
    world_release(&w);
    return score;
}

static void test_statistics_match_hand_computed_values(void)
{
    struct assay_evidence e = one(.5, .25, .125, .125);
    double entropy = -(.5 * log(.5) + .25 * log(.25) + .25 * log(.125));
    double modified = -(.5 * log(.5)) - .25 * log(.75) - 2 * .125 * log(.875);

    CHECK_NEAR(score_of("gap", &e), 1, 0);
    CHECK_NEAR(score_of("loss", &e), log(.5), 1e-6);
    CHECK_NEAR(score_of("confidence", &e), log(.5), 1e-6);
    CHECK_NEAR(score_of("entropy", &e), -entropy, 1e-6);
    CHECK_NEAR(score_of("modified-entropy", &e), -modified, 1e-6);
    free_evidence(&e);
}

/* An evidence of one record with scaled confidence phi: two classes carry
 * it, the rest are far below. */
static struct assay_evidence with_phi(double phi)
{
    struct assay_evidence e = make_evidence(1);

    e.logits[0] = (float)phi;
    e.logits[1] = 0;
    e.logits[2] = -200;
    e.logits[3] = -200;
    return e;
}

/* Score of the member and of the non-member, one record each. */
static void score_two(struct world *w, const char *name, double score[2])
{
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_attack_membership(assay_attack_find(name), &w->in, &s, &err),
             err);
    CHECK_UINT_EQ(s.n, 2);
    CHECK_INT_EQ(s.member[0], 1);
    CHECK_INT_EQ(s.member[1], 0);
    score[0] = s.score[0];
    score[1] = s.score[1];
    assay_membership_scores_release(&s);
}

static void check_two(struct world *w, const char *name, double member,
                      double nonmember)
{
    double score[2];

    score_two(w, name, score);
    CHECK_NEAR(score[0], member, 1e-6);
    CHECK_NEAR(score[1], nonmember, 1e-6);
}

/*
 * The member: phi = 3; models that saw it 2, 4 (mean 3, variance 2), models
 * that did not -2, 2 (0, 8). The non-member: phi = -1; models that saw it 4,
 * 10 (7, 18), the others -3, 5 (1, 32). One variance for all: 10 of models
 * that saw the record, 20 of those that did not.
 */
static void test_lira_matches_hand_computed_ratio(void)
{
    static const double ref[2][4] = {{2, 4, -2, 2}, {-3, 5, 4, 10}};
    static const uint8_t yes = 1;
    static const uint8_t no = 0;
    struct world w;
    struct assay_evidence target[2] = {with_phi(3), with_phi(-1)};
    struct assay_evidence said[2][4];
    struct assay_reference reference[4] = {{0}};

    world_init(&w, 4, 0);
    for (int r = 0; r < 4; r++) {
        for (int side = 0; side < 2; side++)
            said[side][r] = with_phi(ref[side][r]);
        reference[r].members = &said[0][r];
        reference[r].nonmembers = &said[1][r];
        reference[r].trained_on_member = r < 2 ? &yes : &no;
        reference[r].trained_on_nonmember = r < 2 ? &no : &yes;
    }
    w.in.members = &target[0];
    w.in.nonmembers = &target[1];
    w.in.reference = reference;
    w.in.n_references = 4;
    check_two(&w, "lira-online", 9. / 16 + log(2),
              -16. / 9 + 1. / 16 + log(4. / 3));
    check_two(&w, "lira-offline", 3 / sqrt(8), -2 / sqrt(32));
    check_two(&w, "lira-online-fixed", 9. / 40 + log(2) / 2,
              -16. / 5 + 1. / 10 + log(2) / 2);
    check_two(&w, "lira-offline-fixed", 3 / sqrt(20), -2 / sqrt(20));
    for (int r = 0; r < 4; r++) {
        free_evidence(&said[0][r]);
        free_evidence(&said[1][r]);
    }
    free_evidence(&target[0]);
    free_evidence(&target[1]);
    world_release(&w);
}

/* Three records of whose label the target says .3, .45, .75, and a reference
 * .3: population ratios of 1, 1.5, 2.5. */
static void make_population(struct assay_evidence *z,
                            struct assay_evidence *z_ref)
{
    static const double z_target[3] = {.3, .45, .75};

    *z = make_evidence(3);
    *z_ref = make_evidence(3);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < K; k++) {
            double p = z_target[i];

            z->logits[i * K + k] = (float)log(k == 0 ? p : (1 - p) / 3);
            z_ref->logits[i * K + k] = (float)log(k == 0 ? .3 : .7 / 3);
        }
}

/*
 * p(label) of the target and of models with and without the record:
 *
 *               target  with  without
 *   member        .8     .6     .2
 *   non-member    .64    .7     .1
 *
 * Online p = .4 for both and r = 2 and 1.6: more than 2 of 3 population
 * ratios, with gamma = 1.5 more than 1 and 1. Offline with a = 0, p = .6 and
 * .55, r = 1.33 and 1.16: 1 of 3; with a = .5, p = .4 and .325, r = 2 and
 * 1.97: 2 of 3.
 */
static void test_rmia_matches_hand_computed_share(void)
{
    static const uint8_t yes = 1;
    static const uint8_t no = 0;
    struct world w;
    struct assay_evidence x[3] = {one(.8, .1, .05, .05), one(.6, .2, .1, .1),
                                  one(.2, .6, .1, .1)};
    struct assay_evidence y[3] = {one(.64, .16, .1, .1), one(.7, .1, .1, .1),
                                  one(.1, .7, .1, .1)};
    struct assay_evidence z;
    struct assay_evidence z_ref;
    struct assay_reference reference[2] = {{&x[1], &y[2], &z_ref, &yes, &no},
                                           {&x[2], &y[1], &z_ref, &no, &yes}};
    double param[2] = {1, 0};

    make_population(&z, &z_ref);
    world_init(&w, 4, 0);
    w.in.members = &x[0];
    w.in.nonmembers = &y[0];
    w.in.population = &z;
    w.in.reference = reference;
    w.in.n_references = 2;
    w.in.param = param;
    check_two(&w, "rmia", 2. / 3, 2. / 3);
    check_two(&w, "rmia-offline", 1. / 3, 1. / 3);
    param[1] = .5;
    check_two(&w, "rmia-offline", 2. / 3, 2. / 3);
    param[0] = 1.5;
    check_two(&w, "rmia", 1. / 3, 1. / 3);
    for (int i = 0; i < 3; i++) {
        free_evidence(&x[i]);
        free_evidence(&y[i]);
    }
    free_evidence(&z);
    free_evidence(&z_ref);
    world_release(&w);
}

static void test_missing_needs_are_named(void)
{
    struct world w;
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};

    world_init(&w, 8, 0);
    w.in.n_references = 0;
    CHECK_FAILS(
        assay_attack_membership(assay_attack_find("rmia"), &w.in, &s, &err),
        ASSAY_NOTHING, err);
    CHECK_STR_HAS(err.msg, "no reference models");
    w.in.shadow_members = NULL;
    CHECK_FAILS(assay_attack_membership(
                    assay_attack_find("network-black-shadow"), &w.in, &s, &err),
                ASSAY_NOTHING, err);
    CHECK_STR_HAS(err.msg, "no shadow model");
    w.nonmembers.n_queries = 1;
    CHECK_FAILS(
        assay_attack_membership(assay_attack_find("network-white-partial"),
                                &w.in, &s, &err),
        ASSAY_NOTHING, err);
    CHECK_STR_HAS(err.msg, "queries");
    w.members.embedding_dim = 0;
    CHECK_FAILS(
        assay_attack_membership(assay_attack_find("network-white-partial"),
                                &w.in, &s, &err),
        ASSAY_NOTHING, err);
    CHECK_STR_HAS(err.msg, "embedding");
    world_release(&w);
}

static void test_other_order_of_references_is_refused(void)
{
    struct world w;
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};

    world_init(&w, 8, 0);
    w.ref[2][0].label[5] = 0;
    CHECK_FAILS(
        assay_attack_membership(assay_attack_find("rmia"), &w.in, &s, &err),
        ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "reference model 2");
    world_release(&w);
}

static void test_parameter_out_of_range_is_refused(void)
{
    struct world w;
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};
    double param[2] = {0, .3};

    world_init(&w, 8, 0);
    w.in.param = param;
    CHECK_FAILS(
        assay_attack_membership(assay_attack_find("rmia"), &w.in, &s, &err),
        ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "gamma is 0");
    world_release(&w);
}

/* Partial attacks score a third of each side, each record once. */
static void test_partial_scores_only_held_out_records(void)
{
    struct world w;
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};
    uint8_t seen[60] = {0};

    world_init(&w, 30, 1);
    CHECK_OK(assay_attack_membership(assay_attack_find("network-black-partial"),
                                     &w.in, &s, &err),
             err);
    CHECK_UINT_EQ(s.n, 20);
    for (size_t i = 0; i < s.n; i++) {
        CHECK(s.row[i] < 60);
        CHECK_INT_EQ(seen[s.row[i]], 0);
        seen[s.row[i]] = 1;
        CHECK_INT_EQ(s.member[i], s.row[i] < 30);
    }
    assay_membership_scores_release(&s);
    world_release(&w);
}

static void score_top(struct world *w, double top,
                      struct assay_membership_scores *s)
{
    const double param[] = {5, 1e-3, 64, top};
    struct assay_error err = {0};

    w->in.param = param;
    CHECK_OK(assay_attack_membership(assay_attack_find("network-black-partial"),
                                     &w->in, s, &err),
             err);
    w->in.param = NULL;
}

/* With the largest posteriors alone the network knows less, with all that
 * there are it is the network that hears all. */
static void test_networks_hear_the_largest_posteriors_alone(void)
{
    struct world w;
    struct assay_membership_scores all = {0};
    struct assay_membership_scores more = {0};
    struct assay_membership_scores one = {0};
    int differ = 0;

    world_init(&w, 30, 1);
    score_top(&w, 0, &all);
    score_top(&w, 1000, &more);
    score_top(&w, 1, &one);
    CHECK_UINT_EQ(one.n, all.n);
    CHECK_MEM_EQ(more.score, all.score, all.n * sizeof(*all.score));
    for (size_t i = 0; i < all.n; i++)
        differ += one.score[i] != all.score[i];
    CHECK(differ > 0);
    assay_membership_scores_release(&all);
    assay_membership_scores_release(&more);
    assay_membership_scores_release(&one);
    world_release(&w);
}

/* Members' embeddings are larger, and with them the gradients; all else is
 * as of non-members. */
static void test_white_box_networks_hear_the_gradient(void)
{
    static const char *const names[] = {"network-white-shadow",
                                        "network-white-partial"};
    struct world w;
    struct assay_estimate auc;
    double threshold;

    world_init(&w, 240, 0);
    for (size_t i = 0; i < w.members.n * H; i++) {
        w.members.embedding[i] *= 8;
        w.shadow_members.embedding[i] *= 8;
    }
    for (int i = 0; i < 2; i++) {
        run_attack(&w, assay_attack_find(names[i]), &auc, &threshold);
        CHECK(auc.low > .6);
    }
    world_release(&w);
}

static void test_names_are_unique_and_tables_complete(void)
{
    const struct assay_attack *const *t = assay_attack_table();

    for (size_t i = 0; t[i]; i++) {
        CHECK(t[i]->title && t[i]->summary && t[i]->cites);
        CHECK(assay_attack_find(t[i]->name) == t[i]);
        for (int p = 0; p < assay_settings_count(t[i]->params); p++) {
            const struct assay_setting *q = &t[i]->params[p];

            CHECK(q->value >= q->min && q->value <= q->max);
        }
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_every_attack_finds_a_leak),
    CHECK_TEST(test_no_attack_finds_what_is_not_there),
    CHECK_TEST(test_equal_seeds_give_equal_scores),
    CHECK_TEST(test_gap_auc_is_half_plus_half_the_gap),
    CHECK_TEST(test_statistics_match_hand_computed_values),
    CHECK_TEST(test_lira_matches_hand_computed_ratio),
    CHECK_TEST(test_rmia_matches_hand_computed_share),
    CHECK_TEST(test_missing_needs_are_named),
    CHECK_TEST(test_other_order_of_references_is_refused),
    CHECK_TEST(test_parameter_out_of_range_is_refused),
    CHECK_TEST(test_partial_scores_only_held_out_records),
    CHECK_TEST(test_networks_hear_the_largest_posteriors_alone),
    CHECK_TEST(test_white_box_networks_hear_the_gradient),
    CHECK_TEST(test_names_are_unique_and_tables_complete),
};
CHECK_MAIN(tests)
