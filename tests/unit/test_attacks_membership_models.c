/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership attacks that ask models themselves, on models that learnt noise
 * with random labels by heart: each must find the members, none may find any
 * where the shadow model stands in the target's place.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/attack.h"
#include "assay/dense.h"
#include "small_data.h"

enum { EACH = 90, EPOCHS = 40 };

static const char *const names[] = {"label-augmentation", "label-boundary",
                                    "trajectory", "quantile"};
enum { NAMES = sizeof(names) / sizeof(names[0]), QUARTERS = 4 };

/* Four quarters of noise; `box` of 0 makes all pictures alike. */
struct fixture {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_view *quarter[QUARTERS];
    assay_view *auxiliary;
    assay_model *model[2];            /* target, shadow */
    struct assay_evidence said[2][4]; /* of each model on each quarter */
    struct assay_evidence word[2];    /* on the shadow quarters */
    struct assay_attack_world world;
    struct assay_attack_input in;
};

static assay_dataset *noise(unsigned box)
{
    struct assay_dataset_source source = {.name = "noise",
                                          .n = QUARTERS * EACH,
                                          .channels = 1,
                                          .height = SMALL_SIDE,
                                          .width = SMALL_SIDE,
                                          .n_classes = SMALL_CLASSES};
    uint8_t *pixels = calloc(source.n, SMALL_PIXELS);
    int32_t *labels = calloc(source.n, sizeof(*labels));
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    struct assay_rng rng;

    CHECK(pixels && labels);
    assay_rng_init(&rng, 11, "test-noise", 0);
    for (size_t i = 0; i < source.n; i++) {
        labels[i] = (int32_t)assay_rng_below(&rng, SMALL_CLASSES);
        for (size_t p = 0; p < SMALL_PIXELS; p++)
            pixels[i * SMALL_PIXELS + p] =
                (uint8_t)assay_rng_below(&rng, box + 1);
    }
    source.pixels = pixels;
    source.labels = labels;
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    free(pixels);
    free(labels);
    return ds;
}

static assay_view *rows(const struct fixture *f, size_t first, size_t n)
{
    struct assay_model_spec spec = small_spec();
    uint32_t index[QUARTERS * EACH];
    struct assay_error err = {0};
    assay_view *view = NULL;

    for (size_t i = 0; i < n; i++)
        index[i] = (uint32_t)(first + i);
    CHECK_OK(assay_view_new(&view, f->data, index, n, &spec.preprocess, &err),
             err);
    return view;
}

static void teach(struct fixture *f)
{
    struct assay_recipe recipe;
    struct assay_training t[2];
    struct assay_error err = {0};

    assay_recipe_init(&recipe, EPOCHS);
    recipe.batch = 15;
    recipe.lr = .03;
    recipe.n_milestones = 0;
    recipe.augment.flip = 0;
    memset(t, 0, sizeof(t));
    for (int i = 0; i < 2; i++) {
        f->model[i] = small_model(20 + (uint64_t)i);
        t[i].model = f->model[i];
        t[i].train = f->quarter[2 * i];
        t[i].recipe = &recipe;
        t[i].seed = 30 + (uint64_t)i;
        t[i].task = "heart";
    }
    CHECK_OK(assay_models_train(&f->ctx, &f->compute, t, 2, &err), err);
    assay_curve_release(&t[0].curve);
    assay_curve_release(&t[1].curve);
}

static void hear(struct fixture *f)
{
    struct assay_error err = {0};

    for (int m = 0; m < 2; m++) {
        for (int q = 0; q < QUARTERS; q++)
            CHECK_OK(assay_evidence_collect(
                         &f->said[m][q], &f->ctx, f->model[m], f->quarter[q],
                         ASSAY_EVIDENCE_QUERIES, &f->compute, "test", &err),
                     err);
        CHECK_OK(assay_evidence_join(&f->word[m], &f->said[m][2],
                                     &f->said[m][3], &err),
                 err);
    }
}

/* Model m attacked with the shadow model's help. */
static void aim(struct fixture *f, int m)
{
    f->world.target = f->model[m];
    f->world.shadow = f->model[1];
    f->world.members = f->quarter[0];
    f->world.nonmembers = f->quarter[1];
    f->world.auxiliary = f->auxiliary;
    f->world.copy_arch = "simplecnn";
    f->world.attribute = -1;
    f->in.ctx = &f->ctx;
    f->in.compute = &f->compute;
    f->in.members = &f->said[m][0];
    f->in.nonmembers = &f->said[m][1];
    f->in.shadow_members = &f->said[1][2];
    f->in.shadow_nonmembers = &f->said[1][3];
    f->in.auxiliary = &f->word[m];
    f->in.world = &f->world;
}

static void open_fixture(struct fixture *f, unsigned box)
{
    memset(f, 0, sizeof(*f));
    assay_context_init(&f->ctx);
    f->ctx.threads = 1;
    f->ctx.seed = 3;
    f->compute.threads = 1;
    f->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    f->data = noise(box);
    for (size_t q = 0; q < QUARTERS; q++)
        f->quarter[q] = rows(f, q * EACH, EACH);
    f->auxiliary = rows(f, 2 * EACH, 2 * EACH);
    teach(f);
    hear(f);
    aim(f, 0);
}

static void close_fixture(struct fixture *f)
{
    for (int m = 0; m < 2; m++) {
        for (int q = 0; q < QUARTERS; q++)
            assay_evidence_release(&f->said[m][q]);
        assay_evidence_release(&f->word[m]);
        assay_model_free(f->model[m]);
    }
    for (int q = 0; q < QUARTERS; q++)
        assay_view_free(f->quarter[q]);
    assay_view_free(f->auxiliary);
    assay_dataset_free(f->data);
}

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

    open_fixture(&f, 255);
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

    open_fixture(&f, 255);
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

    open_fixture(&f, 255);
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

    open_fixture(&f, 255);
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

    open_fixture(&f, 255);
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

    open_fixture(&f, 0);
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

    open_fixture(&f, 255);
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

static const struct check_test tests[] = {
    CHECK_TEST(test_each_finds_what_is_known_by_heart),
    CHECK_TEST(test_none_finds_what_is_not_there),
    CHECK_TEST(test_equal_seeds_give_equal_scores),
    CHECK_TEST(test_missing_needs_are_named),
    CHECK_TEST(test_boundary_scores_wrong_classes_nought),
    CHECK_TEST(test_quantile_scores_are_standard_deviations),
    CHECK_TEST(test_augmentation_sees_classes_alone),
};
CHECK_MAIN(tests)
