/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stolen copies learn: the target's answers and not the truth, heard in
 * whatever form, by the optimizer of the target's recipe. The answers are
 * made up, so that they can differ from the truth: the class after it.
 */

#include <stdio.h>
#include <string.h>

#include "assay/attack.h"
#include "small_data.h"

enum {
    AUXILIARY = 120,
    TESTED = 30,
    EPOCHS = 6,
    /* Of steal-shadow's values: those of all copies, top, loss. */
    LR = 1,
    TOP = 5,
    LOSS = 6,
    VALUES = 8
};

static struct assay_error err;

/* A target that was never trained, whose answers are put in its mouth. */
struct fixture {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_view *auxiliary;
    assay_view *nonmembers;
    assay_model *target;
    struct assay_evidence said;  /* on the auxiliary records: the class after */
    struct assay_evidence truth; /* on the non-members */
    struct assay_recipe recipe;
    struct assay_attack_world world;
    struct assay_attack_input in;
    double param[VALUES];
};

/* Answers to a view: posterior .90 of the class `shift` after the label, .04
 * and .06 of the others. */
static void answer(const struct fixture *f, struct assay_evidence *e,
                   const assay_view *view, int shift)
{
    static const float logits[SMALL_CLASSES] = {-.105F, -3.22F, -2.81F};

    CHECK_OK(assay_evidence_collect(e, &f->ctx, f->target, view, 0, &f->compute,
                                    "test", &err),
             err);
    for (size_t i = 0; i < e->n; i++)
        for (int k = 0; k < SMALL_CLASSES; k++)
            e->logits[i * SMALL_CLASSES + (size_t)((e->label[i] + shift + k) %
                                                   SMALL_CLASSES)] = logits[k];
}

static void open_fixture(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    assay_context_init(&f->ctx);
    f->ctx.threads = 1;
    f->ctx.seed = 3;
    f->compute.threads = 1;
    f->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    f->data = small_records(AUXILIARY + TESTED, 1);
    f->auxiliary = small_rows(f->data, 0, AUXILIARY);
    f->nonmembers = small_rows(f->data, AUXILIARY, TESTED);
    f->target = small_model(1);
    answer(f, &f->said, f->auxiliary, 1);
    answer(f, &f->truth, f->nonmembers, 0);
    assay_recipe_init(&f->recipe, 1);
    f->recipe.lr = .05;
    f->world.target = f->target;
    f->world.members = f->nonmembers; /* no attack here asks about them */
    f->world.nonmembers = f->nonmembers;
    f->world.auxiliary = f->auxiliary;
    f->world.copy_arch = "simplecnn";
    f->world.recipe = &f->recipe;
    f->world.attribute = -1;
    f->in.ctx = &f->ctx;
    f->in.compute = &f->compute;
    f->in.members = &f->truth;
    f->in.nonmembers = &f->truth;
    f->in.auxiliary = &f->said;
    f->in.world = &f->world;
}

static void close_fixture(struct fixture *f)
{
    assay_evidence_release(&f->said);
    assay_evidence_release(&f->truth);
    assay_model_free(f->target);
    assay_view_free(f->auxiliary);
    assay_view_free(f->nonmembers);
    assay_dataset_free(f->data);
}

/* The attack's own values, but for few epochs of small batches; knockoff
 * asks about all records. */
static void set_values(struct fixture *f, const struct assay_attack *a)
{
    static const struct {
        const char *name;
        double value;
    } quick[] = {{"epochs", EPOCHS}, {"batch", 12}, {"flip", 0}, {"share", 1}};

    for (size_t i = 0; a->params[i].name; i++) {
        CHECK(i < VALUES);
        f->param[i] = a->params[i].value;
        for (size_t k = 0; k < sizeof(quick) / sizeof(quick[0]); k++)
            if (strcmp(a->params[i].name, quick[k].name) == 0)
                f->param[i] = quick[k].value;
    }
    f->in.param = f->param;
}

/* The share of non-members of which a copy says the class `shift` after the
 * label. */
static double steal(struct fixture *f, const struct assay_attack *a, int shift)
{
    struct assay_guesses g = {0};
    size_t hits = 0;

    CHECK_OK(assay_attack_guess(a, &f->in, &g, &err), err);
    CHECK_UINT_EQ(g.n, TESTED);
    CHECK_INT_EQ(g.n_budgets, 1);
    for (size_t i = 0; i < g.n; i++)
        hits += g.guess[i] == (f->truth.label[i] + shift) % SMALL_CLASSES;
    assay_guesses_release(&g);
    printf("# %s: %zu of %d\n", a->name, hits, TESTED);
    return (double)hits / TESTED;
}

static void test_copies_learn_what_they_hear(void)
{
    static const struct {
        const char *name;
        int shift;
    } all[] = {{"steal-shadow", 1},
               {"steal-labels-shadow", 1},
               {"knockoff-shadow", 1},
               {"scratch-shadow", 0}};
    struct fixture f;

    open_fixture(&f);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const struct assay_attack *a = assay_attack_find(all[i].name);

        set_values(&f, a);
        if (!(steal(&f, a, all[i].shift) > .9))
            CHECK_STR_EQ(all[i].name, "an attack that learns its answers");
    }
    close_fixture(&f);
}

static void test_every_loss_learns_what_it_hears(void)
{
    static const double values[][2] = {{0, 1}, {0, 2}, {1, 0}, {2, 0}, {2, 1}};
    const struct assay_attack *a = assay_attack_find("steal-shadow");
    struct fixture f;

    open_fixture(&f);
    set_values(&f, a);
    CHECK_STR_EQ(a->params[TOP].name, "top");
    CHECK_STR_EQ(a->params[LOSS].name, "loss");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        f.param[LOSS] = values[i][0];
        f.param[TOP] = values[i][1];
        CHECK(steal(&f, a, 1) > .9);
    }
    close_fixture(&f);
}

/* A rate at which Adam learns and SGD does not. */
static void test_copies_are_trained_as_the_target_was(void)
{
    static const char *const names[] = {"steal-shadow", "scratch-shadow",
                                        "knockoff-shadow"};
    struct fixture f;

    open_fixture(&f);
    f.recipe.lr = .0005;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct assay_attack *a = assay_attack_find(names[i]);
        int shift = strcmp(names[i], "scratch-shadow") != 0;

        set_values(&f, a);
        f.recipe.optimizer.kind = ASSAY_OPTIMIZER_SGD;
        CHECK(steal(&f, a, shift) < .7);
        f.recipe.optimizer.kind = ASSAY_OPTIMIZER_ADAM;
        CHECK(steal(&f, a, shift) > .9);
    }
    close_fixture(&f);
}

static void test_a_rate_of_its_own_goes_first(void)
{
    const struct assay_attack *a = assay_attack_find("steal-shadow");
    struct fixture f;

    open_fixture(&f);
    set_values(&f, a);
    CHECK_STR_EQ(a->params[LR].name, "lr");
    f.recipe.lr = 1e-7;
    CHECK(steal(&f, a, 1) < .7);
    f.param[LR] = .05;
    CHECK(steal(&f, a, 1) > .9);
    f.recipe.lr = .05;
    f.param[LR] = 1e-7;
    CHECK(steal(&f, a, 1) < .7);
    close_fixture(&f);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_copies_learn_what_they_hear),
    CHECK_TEST(test_every_loss_learns_what_it_hears),
    CHECK_TEST(test_copies_are_trained_as_the_target_was),
    CHECK_TEST(test_a_rate_of_its_own_goes_first),
};

CHECK_MAIN(tests)
