/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership attacks that ask models themselves, on models that learnt noise
 * with random labels by heart: each must find the members, none may find any
 * where the shadow model stands in the target's place.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "noise_models.h"

static const char *const names[] = {"label-augmentation", "label-boundary",
                                    "trajectory", "quantile"};
enum { NAMES = sizeof(names) / sizeof(names[0]), EPOCHS = 40 };

static struct assay_membership_scores attack(struct fixture *f,
                                             const char *name)
{
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_attack_membership(assay_attack_find(name), &f->in, &s, &err),
             err);
    return s;
}

static struct assay_estimate auc_of(const struct assay_membership_scores *s)
{
    struct assay_estimate auc;
    struct assay_error err = {0};

    CHECK_OK(assay_auc(&auc, s->score, s->member, s->n, &err), err);
    return auc;
}

static void test_each_finds_what_is_known_by_heart(void)
{
    struct fixture f;

    open_fixture(&f, 255, EPOCHS);
    CHECK(assay_evidence_accuracy(f.in.members).value > .9);
    CHECK(assay_evidence_accuracy(f.in.nonmembers).value < .6);
    for (int i = 0; i < NAMES; i++) {
        struct assay_membership_scores s = attack(&f, names[i]);
        struct assay_estimate auc = auc_of(&s);

        printf("# %s AUC %.3f (%.3f to %.3f)\n", names[i], auc.value, auc.low,
               auc.high);
        if (!(auc.low > .6))
            CHECK_STR_EQ(names[i], "an attack that finds members");
        assay_membership_scores_release(&s);
    }
    close_fixture(&f);
}

/* 4 attacks, so 3 standard errors. */
static void test_none_finds_what_is_not_there(void)
{
    struct fixture f;

    open_fixture(&f, 255, EPOCHS);
    aim(&f, 1);
    for (int i = 0; i < NAMES; i++) {
        struct assay_membership_scores s = attack(&f, names[i]);
        struct assay_estimate auc = auc_of(&s);

        if (fabs(auc.value - .5) > 3 / 1.96 * (auc.high - auc.low) / 2)
            CHECK_STR_EQ(names[i], "an attack that finds nothing");
        assay_membership_scores_release(&s);
    }
    close_fixture(&f);
}

static void test_equal_seeds_give_equal_scores(void)
{
    struct fixture f;

    open_fixture(&f, 255, EPOCHS);
    for (int i = 0; i < NAMES; i++) {
        struct assay_membership_scores s = attack(&f, names[i]);
        struct assay_membership_scores t = attack(&f, names[i]);

        CHECK_UINT_EQ(s.n, t.n);
        CHECK_MEM_EQ(s.score, t.score, s.n * sizeof(*s.score));
        CHECK_MEM_EQ(s.row, t.row, s.n * sizeof(*s.row));
        assay_membership_scores_release(&s);
        assay_membership_scores_release(&t);
    }
    close_fixture(&f);
}

static void refuse(struct fixture *f, const char *name, const char *why)
{
    struct assay_membership_scores s = {0};
    struct assay_error err = {0};

    CHECK_FAILS(
        assay_attack_membership(assay_attack_find(name), &f->in, &s, &err),
        ASSAY_NOTHING, err);
    CHECK_STR_HAS(err.msg, why);
}

static void test_missing_needs_are_named(void)
{
    struct fixture f;

    open_fixture(&f, 255, EPOCHS);
    f.in.auxiliary = NULL;
    refuse(&f, "quantile", "answers on shadow records");
    refuse(&f, "trajectory", "answers on shadow records");
    f.world.shadow = NULL;
    refuse(&f, "label-boundary", "the shadow model itself");
    refuse(&f, "trajectory", "the shadow model itself");
    f.in.world = NULL;
    refuse(&f, "label-boundary", "only predictions");
    refuse(&f, "quantile", "only predictions");
    f.in.shadow_members = NULL;
    refuse(&f, "label-augmentation", "no shadow model");
    f.in.shadow_members = &f.said[1][2];
    f.said[0][0].n_queries = 0;
    refuse(&f, "label-augmentation", "queries");
    close_fixture(&f);
}

/* Half of the records of each side, each once, and 0 exactly where the class
 * is wrong. */
static void test_boundary_scores_wrong_classes_nought(void)
{
    static const double param[] = {EACH / 2, 60, 10};
    struct fixture f;
    struct assay_membership_scores s;
    uint8_t seen[2 * EACH] = {0};
    size_t wrong = 0;

    open_fixture(&f, 255, EPOCHS);
    f.in.param = param;
    s = attack(&f, "label-boundary");
    CHECK_UINT_EQ(s.n, EACH);
    for (size_t i = 0; i < s.n; i++) {
        const struct assay_evidence *e = &f.said[0][s.row[i] >= EACH];
        size_t at = s.row[i] % EACH;
        int right = assay_evidence_class(e, at) == e->label[at];

        CHECK_INT_EQ(seen[s.row[i]]++, 0);
        CHECK_INT_EQ(s.member[i], s.row[i] < EACH);
        CHECK_INT_EQ(s.score[i] > 0, right);
        wrong += !right;
    }
    CHECK(wrong > 10);
    assay_membership_scores_release(&s);
    close_fixture(&f);
}

/* Confidences phi of a row: two classes carry it. */
static void say(struct assay_evidence *e, size_t i, double phi)
{
    float *x = e->logits + i * SMALL_CLASSES;

    for (int k = 0; k < SMALL_CLASSES; k++)
        x[k] = -200;
    x[e->label[i]] = (float)phi;
    x[(e->label[i] + 1) % SMALL_CLASSES] = 0;
}

/*
 * Where all pictures are alike, nothing but the mean and the deviation of
 * all confidences can be learnt. Half of them are 1, half are 7: mean 4,
 * deviation 3, so that confidences of 10 and -2 get scores of 2 and -2.
 */
static void test_quantile_scores_are_standard_deviations(void)
{
    static const double param[] = {40, 3e-3, 15, 0};
    struct fixture f;
    struct assay_membership_scores s;

    open_fixture(&f, 0, 1);
    for (size_t i = 0; i < 2 * EACH; i++)
        say(&f.word[0], i, i % 2 ? 1 : 7);
    for (size_t i = 0; i < EACH; i++) {
        say(&f.said[0][0], i, 10);
        say(&f.said[0][1], i, -2);
    }
    f.in.param = param;
    s = attack(&f, "quantile");
    for (size_t i = 0; i < s.n; i++)
        CHECK_NEAR(s.score[i], i < EACH ? 2 : -2, .2);
    assay_membership_scores_release(&s);
    close_fixture(&f);
}

/* Right on all copies: a member; wrong on all: none; equal bits, equal
 * scores, whatever the logits. */
static void test_augmentation_sees_classes_alone(void)
{
    struct fixture f;
    struct assay_membership_scores s;

    open_fixture(&f, 255, EPOCHS);
    for (int m = 0; m < 2; m++) {
        for (int q = 0; q < QUARTERS; q++) {
            struct assay_evidence *e = &f.said[m][q];

            for (size_t i = 0; i < EACH; i++) {
                /* Members, and one in ten others, are right throughout. */
                int right = q == 2 * m || i % 10 == 0;

                say(e, i, right ? 1 + (double)i : -1 - (double)i);
                for (int k = 0; k < e->n_queries; k++)
                    memcpy(e->queries + (i * (size_t)e->n_queries + (size_t)k) *
                                            SMALL_CLASSES,
                           e->logits + i * SMALL_CLASSES,
                           SMALL_CLASSES * sizeof(float));
            }
        }
    }
    s = attack(&f, "label-augmentation");
    for (size_t i = 0; i < EACH; i++) {
        CHECK_NEAR(s.score[i], s.score[0], 0);
        CHECK_NEAR(s.score[EACH + i], i % 10 ? s.score[EACH + 1] : s.score[0],
                   0);
    }
    CHECK(s.score[0] > 0);
    CHECK(s.score[EACH + 1] < 0);
    CHECK_NEAR(s.threshold, 0, 0);
    assay_membership_scores_release(&s);
    close_fixture(&f);
}

/* How the shadow model's and the target's answers on a record of group g and
 * on its copies go: bit 1 says the record's class is right, bit 2 the
 * copies'. */
enum { ALL_WRONG, RECORD_RIGHT, COPIES_RIGHT, ALL_RIGHT, GROUPS };

static void answer(struct assay_evidence *e, size_t i, int group)
{
    size_t n_queries = (size_t)e->n_queries;
    float *x = e->logits + i * SMALL_CLASSES;

    say(e, i, group & COPIES_RIGHT ? 1 : -1);
    for (size_t k = 0; k < n_queries; k++)
        memcpy(e->queries + (i * n_queries + k) * SMALL_CLASSES, x,
               SMALL_CLASSES * sizeof(*x));
    say(e, i, group & RECORD_RIGHT ? 1 : -1);
}

/* The model is right on members and on their copies, on the others on one of
 * these at most. */
static void test_augmentation_hears_record_and_copies(void)
{
    struct fixture f;
    struct assay_membership_scores s;

    open_fixture(&f, 255, 1);
    for (int m = 0; m < 2; m++) {
        for (int side = 0; side < 2; side++)
            for (size_t i = 0; i < EACH; i++)
                answer(&f.said[m][2 * m + side], i,
                       side == 0 ? ALL_RIGHT : (int)(i % ALL_RIGHT));
    }
    s = attack(&f, "label-augmentation");
    for (size_t i = 0; i < EACH; i++) {
        CHECK(s.score[i] > 0);
        CHECK(s.score[EACH + i] < 0);
    }
    assay_membership_scores_release(&s);
    close_fixture(&f);
}

/* Four quarters whose pictures show the class of each member, and another
 * one than that of each other record. */
static assay_dataset *mislabelled(void)
{
    assay_dataset *shown = small_records(QUARTERS * EACH, 12);
    uint8_t pixels[QUARTERS * EACH * SMALL_PIXELS];
    int32_t labels[QUARTERS * EACH];

    for (size_t i = 0; i < QUARTERS * EACH; i++) {
        int32_t off = (int32_t)(i / EACH % 2);

        labels[i] = (assay_dataset_label(shown, i) + off) % SMALL_CLASSES;
        memcpy(pixels + i * SMALL_PIXELS, assay_dataset_pixels(shown, i),
               SMALL_PIXELS);
    }
    assay_dataset_free(shown);
    return small_dataset("mislabelled", pixels, labels, QUARTERS * EACH);
}

/*
 * The models' own confidence in all records that are judged or learnt from is
 * made one number, so that only the students tell members: they learn what
 * pictures show, and find it in the members' labels alone.
 */
static void test_trajectory_hears_the_students(void)
{
    struct fixture f;
    struct assay_membership_scores s;
    struct assay_estimate auc;

    open_fixture_on(&f, mislabelled(), 5);
    for (size_t i = 0; i < EACH; i++) {
        say(&f.said[0][0], i, 2);
        say(&f.said[0][1], i, 2);
        say(&f.said[1][2], i, 2);
        /* The first half are answers that the student is taught. */
        if (i >= EACH / 2)
            say(&f.said[1][3], i, 2);
    }
    s = attack(&f, "trajectory");
    auc = auc_of(&s);
    printf("# students alone AUC %.3f (%.3f to %.3f)\n", auc.value, auc.low,
           auc.high);
    CHECK(auc.low > .8);
    assay_membership_scores_release(&s);
    close_fixture(&f);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_each_finds_what_is_known_by_heart),
    CHECK_TEST(test_none_finds_what_is_not_there),
    CHECK_TEST(test_equal_seeds_give_equal_scores),
    CHECK_TEST(test_missing_needs_are_named),
    CHECK_TEST(test_boundary_scores_wrong_classes_nought),
    CHECK_TEST(test_quantile_scores_are_standard_deviations),
    CHECK_TEST(test_augmentation_sees_classes_alone),
    CHECK_TEST(test_augmentation_hears_record_and_copies),
    CHECK_TEST(test_trajectory_hears_the_students),
};
CHECK_MAIN(tests)
