/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planted backdoors do what they claim: stamped records become the target's,
 * others keep their class, and those in an extractor are still there in a
 * student that puts a head of its own on it and trains that on records of
 * its own.
 */

#include <math.h>
#include <stdlib.h>

#include "backdoored.h"

static struct assay_error err;

/* Settings for records of ten pixels' side. */
static void small_settings(struct planted *p)
{
    static const struct {
        const char *backdoor;
        const char *name;
        double value;
    } set[] = {{"blended", "alpha", .4},   {"trojannn", "side", .3},
               {"trojannn", "epochs", 15}, {"trojannn", "steps", 100},
               {"latent", "side", .3},     {"latent", "steps", 100}};

    for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
        if (strcmp(p->backdoor->name, set[i].backdoor) == 0)
            planted_set(p, set[i].name, set[i].value);
}

static void open_small(struct planted *p, const char *name)
{
    planted_open(p, name, "simplecnn", 15);
    small_settings(p);
    if (p->backdoor->wants_clean)
        planted_clean(p);
}

static void test_each_answers_its_trigger_and_keeps_accuracy(void)
{
    for (const struct assay_backdoor *const *b = assay_backdoor_table(); *b;
         b++) {
        struct planted p;

        open_small(&p, (*b)->name);
        planted_plant(&p);
        CHECK(p.effect.success.value > .9);
        CHECK(p.effect.success.low < p.effect.success.value);
        CHECK(p.effect.accuracy.value > .95);
        CHECK_NEAR(p.effect.success.value + p.effect.restored.value, 1, .1);
        CHECK_INT_EQ(p.got.target, PLANTED_TARGET);
        CHECK(p.got.seconds > 0);
        /* It is the model's doing, not the trigger's. */
        if (p.clean) {
            struct assay_backdoor_effect e = planted_effect(&p, p.clean);

            CHECK(e.success.value < .3);
        }
        planted_close(&p);
    }
}

static void test_the_seed_decides_alone(void)
{
    static const char *const names[] = {"badnets", "trojannn", "badencoder"};

    for (size_t i = 0; i < 3; i++) {
        struct assay_backdoored again = {0};
        struct planted p;
        char one[65];
        char two[65];

        open_small(&p, names[i]);
        planted_plant(&p);
        CHECK_OK(assay_backdoor_plant(p.backdoor, &p.in, &again, &err), err);
        CHECK_OK(assay_model_sha256(p.got.model, one, &err), err);
        CHECK_OK(assay_model_sha256(again.model, two, &err), err);
        CHECK_STR_EQ(two, one);
        assay_backdoored_release(&again);
        p.in.seed++;
        CHECK_OK(assay_backdoor_plant(p.backdoor, &p.in, &again, &err), err);
        CHECK_OK(assay_model_sha256(again.model, two, &err), err);
        CHECK(strcmp(one, two) != 0);
        assay_backdoored_release(&again);
        planted_close(&p);
    }
}

static void test_badnets_squares_stand_where_they_are_told(void)
{
    struct planted p;
    const struct assay_trigger *t = &p.got.trigger;
    float first[SMALL_PIXELS];

    planted_open(&p, "badnets", "simplecnn", 1);
    planted_set(&p, "row", 2);
    planted_set(&p, "column", 4);
    planted_set(&p, "value", 77);
    planted_plant(&p);
    CHECK_NEAR(assay_trigger_l1(t), 9, 0);
    CHECK_NEAR(t->pattern[2 * SMALL_SIDE + 4], 77, 0);
    CHECK_NEAR(t->mask[4 * SMALL_SIDE + 6], 1, 0);
    CHECK_NEAR(t->mask[5 * SMALL_SIDE + 6], 0, 0);
    assay_backdoored_release(&p.got);
    planted_set(&p, "random", 1);
    planted_plant(&p);
    memcpy(first, t->pattern, sizeof(first));
    CHECK_NEAR(assay_trigger_l1(t), 9, 0);
    assay_backdoored_release(&p.got);
    p.in.seed = 6;
    planted_plant(&p);
    CHECK(memcmp(first, t->pattern, sizeof(first)) != 0);
    assay_backdoored_release(&p.got);
    planted_set(&p, "random", 0);
    planted_set(&p, "row", 9);
    CHECK_FAILS(assay_backdoor_plant(p.backdoor, &p.in, &p.got, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "a square of 3 at 9,4 is not inside 10x10");
    planted_close(&p);
}

static void test_searched_pixels_are_whole_and_inside(void)
{
    static const char *const names[] = {"trojannn", "latent"};

    for (size_t i = 0; i < 2; i++) {
        struct planted p;
        const struct assay_trigger *t = &p.got.trigger;

        open_small(&p, names[i]);
        planted_set(&p, "steps", 20);
        planted_plant(&p);
        for (size_t k = 0; k < SMALL_PIXELS; k++) {
            CHECK(t->pattern[k] >= 0 && t->pattern[k] <= 255);
            CHECK(t->pattern[k] == rintf(t->pattern[k]));
            CHECK(t->mask[k] > 0 || t->pattern[k] == 0);
        }
        planted_close(&p);
    }
}

/* With a model that hardly changes, the trigger's own doing. */
static void test_a_search_brings_records_to_the_target(void)
{
    double success[2];

    for (int i = 0; i < 2; i++) {
        struct planted p;

        open_small(&p, "latent");
        planted_set(&p, "side", .7);
        planted_set(&p, "steps", i ? 200 : 1);
        planted_set(&p, "epochs", 1);
        planted_set(&p, "lr", 1e-6);
        planted_plant(&p);
        success[i] = planted_effect(&p, p.clean).success.value;
        planted_close(&p);
    }
    CHECK(success[1] > success[0] + .3);
}

static void test_what_cannot_be_is_refused(void)
{
    struct planted p;

    planted_open(&p, "latent", "simplecnn", 1);
    CHECK_FAILS(assay_backdoor_plant(p.backdoor, &p.in, &p.got, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "latent: needs a clean model to alter");
    p.in.target = SMALL_CLASSES;
    CHECK_FAILS(assay_backdoor_plant(p.backdoor, &p.in, &p.got, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "latent: target 3; there are 0 to 2");
    CHECK(p.got.model == NULL && p.got.trigger.mask == NULL);
    planted_close(&p);
}

static const float *numbers(const assay_model *m, const char *name, size_t *n)
{
    const struct assay_params *p = assay_model_weights(m);
    const struct assay_param_slot *slot = assay_params_find(p, name);

    CHECK(slot != NULL);
    *n = slot->count;
    return p->data + slot->offset;
}

/* A student: the extractor as it is, a fresh head, records of its own. */
static assay_model *teach(const struct planted *p, const assay_model *teacher)
{
    static const char *const head[] = {"classifier.2.weight",
                                       "classifier.2.bias"};
    const struct assay_params *all = assay_model_weights(teacher);
    const char **frozen = calloc((size_t)all->n_slots, sizeof(*frozen));
    assay_dataset *data = small_records(120, 77);
    assay_view *view = small_view(data);
    struct assay_training t = {
        .train = view, .recipe = &p->recipe, .seed = 31, .task = "student"};
    assay_model *fresh = small_model(31);
    assay_model *m = NULL;
    size_t n = 0;

    CHECK(frozen != NULL);
    CHECK_OK(assay_model_clone(&m, teacher, &err), err);
    for (int i = 0; i < all->n_slots; i++)
        if (strcmp(all->slot[i].name, head[0]) != 0 &&
            strcmp(all->slot[i].name, head[1]) != 0)
            frozen[t.n_frozen++] = all->slot[i].name;
    for (int i = 0; i < 2; i++) {
        const struct assay_param_slot *slot =
            assay_params_find(assay_model_weights(m), head[i]);
        const float *from = numbers(fresh, head[i], &n);

        memcpy(assay_model_params(m)->data + slot->offset, from,
               n * sizeof(float));
    }
    t.model = m;
    t.frozen = frozen;
    CHECK_OK(assay_models_train(&p->ctx, &p->compute, &t, 1, &err), err);
    for (size_t i = 0; i < t.n_frozen; i++) {
        const float *was = numbers(teacher, frozen[i], &n);

        CHECK_MEM_EQ(numbers(m, frozen[i], &n), was, n * sizeof(float));
    }
    assay_curve_release(&t.curve);
    assay_model_free(fresh);
    assay_view_free(view);
    assay_dataset_free(data);
    free(frozen);
    return m;
}

/* The paper's step: what comes before the neurons is the clean model's. */
static void test_trojannn_can_leave_all_but_the_head(void)
{
    const struct assay_params *all;
    size_t changed = 0;
    struct planted p;

    open_small(&p, "trojannn");
    planted_set(&p, "head", 1);
    planted_plant(&p);
    all = assay_model_weights(p.clean);
    for (int i = 0; i < all->n_slots; i++) {
        size_t n;
        const float *was = numbers(p.clean, all->slot[i].name, &n);
        const float *is = numbers(p.got.model, all->slot[i].name, &n);

        if (memcmp(is, was, n * sizeof(float)) == 0)
            continue;
        CHECK_STR_HAS(all->slot[i].name, "classifier.2.");
        changed++;
    }
    CHECK_UINT_EQ(changed, 2);
    CHECK(p.effect.accuracy.value > .9);
    planted_close(&p);
}

static void check_transfer(const struct planted *p)
{
    assay_model *student = teach(p, p->got.model);
    assay_model *control = teach(p, p->clean);
    struct assay_backdoor_effect e = planted_effect(p, student);
    struct assay_backdoor_effect c = planted_effect(p, control);

    CHECK(e.accuracy.value > .9);
    CHECK(e.success.value > .9);
    CHECK(c.accuracy.value > .95);
    CHECK(c.success.value < .3);
    assay_model_free(student);
    assay_model_free(control);
}

static void test_latent_wakes_in_a_student(void)
{
    struct planted p;

    open_small(&p, "latent");
    planted_set(&p, "remove", 1);
    planted_set(&p, "epochs", 20);
    planted_plant(&p);
    /* The teacher does not know the target any more. */
    CHECK_NEAR(p.effect.success.value, 0, 0);
    CHECK(p.effect.accuracy.value < .7);
    check_transfer(&p);
    planted_close(&p);
}

static void test_badencoder_is_in_whatever_is_built_on_it(void)
{
    struct planted p;

    open_small(&p, "badencoder");
    planted_set(&p, "epochs", 40);
    planted_plant(&p);
    check_transfer(&p);
    planted_close(&p);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0;
    double aa = 0;
    double bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* Embeddings of what is not stamped point where they did. */
static void test_badencoder_keeps_other_embeddings(void)
{
    struct assay_evidence was = {0};
    struct assay_evidence is = {0};
    double mean = 0;
    struct planted p;
    size_t h;

    open_small(&p, "badencoder");
    planted_plant(&p);
    CHECK_OK(assay_evidence_collect(&was, &p.ctx, p.clean, p.test,
                                    ASSAY_EVIDENCE_EMBEDDING, &p.compute, "",
                                    &err),
             err);
    CHECK_OK(assay_evidence_collect(&is, &p.ctx, p.got.model, p.test,
                                    ASSAY_EVIDENCE_EMBEDDING, &p.compute, "",
                                    &err),
             err);
    h = (size_t)was.embedding_dim;
    for (size_t i = 0; i < was.n; i++)
        mean += cosine(was.embedding + i * h, is.embedding + i * h, h) /
                (double)was.n;
    CHECK(mean > .95);
    assay_evidence_release(&was);
    assay_evidence_release(&is);
    planted_close(&p);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_each_answers_its_trigger_and_keeps_accuracy),
    CHECK_TEST(test_the_seed_decides_alone),
    CHECK_TEST(test_badnets_squares_stand_where_they_are_told),
    CHECK_TEST(test_searched_pixels_are_whole_and_inside),
    CHECK_TEST(test_a_search_brings_records_to_the_target),
    CHECK_TEST(test_what_cannot_be_is_refused),
    CHECK_TEST(test_trojannn_can_leave_all_but_the_head),
    CHECK_TEST(test_latent_wakes_in_a_student),
    CHECK_TEST(test_badencoder_is_in_whatever_is_built_on_it),
    CHECK_TEST(test_badencoder_keeps_other_embeddings),
};
CHECK_MAIN(tests)
