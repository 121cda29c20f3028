/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defences while memory runs out: whichever allocation fails, the answer is
 * ASSAY_NOMEM, no state is handed out and nothing leaks. MemGuard trains a
 * classifier in each round; the first allocations are walked one by one,
 * later ones in growing strides.
 */

#include <stdio.h>

#include "assay/defense.h"
#include "check.h"
#include "fail_alloc.h"
#include "small_data.h"
#include "world.h"

enum { RECORDS = 10, ONE_BY_ONE = 120 };

static int guard(const struct world *w, const struct assay_defense *d,
                 const double *param, struct assay_evidence *e,
                 struct assay_error *err)
{
    struct assay_defense_answers in = {&w->ctx, &w->compute, param, &w->members,
                                       &w->population};
    void *state = NULL;
    int code = ASSAY_OK;

    if (d->prepare)
        code = d->prepare(&in, &state, err);
    CHECK(!d->prepare || (state != NULL) == (code == ASSAY_OK));
    if (code == ASSAY_OK)
        code = assay_defense_alter(d, param, state, e, err);
    if (state)
        d->release(state);
    return code;
}

static void walk(struct world *w, const struct assay_defense *d)
{
    double param[ASSAY_SETTINGS_MAX];
    long n = 1;

    assay_settings_init(d->params, param);
    if (d->answers) {
        param[1] = 3;
        param[2] = 1;
    }
    while (fail_alloc_next(n)) {
        struct assay_error err = {0};
        int code = guard(w, d, param, &w->nonmembers, &err);
        bool hit = fail_alloc_hit();

        fail_alloc_off();
        if (code != (hit ? ASSAY_NOMEM : ASSAY_OK))
            printf("# %s, allocation %ld: %d %s\n", d->name, n, code, err.msg);
        CHECK_INT_EQ(code, hit ? ASSAY_NOMEM : ASSAY_OK);
        n += n < ONE_BY_ONE ? 1 : n / 20;
    }
    CHECK(n > 1);
}

static void test_answers_survive_any_failed_allocation(void)
{
    struct world w;

    world_init(&w, RECORDS, 1);
    w.compute.backend = "reference";
    for (size_t i = 0; assay_defense_table()[i]; i++)
        if (assay_defense_table()[i]->stage == ASSAY_DEFENSE_ANSWERS)
            walk(&w, assay_defense_table()[i]);
    world_release(&w);
}

static int defend(const struct assay_defense *d, const assay_view *view,
                  struct assay_error *err)
{
    static const float teacher[2 * RECORDS * SMALL_CLASSES];
    double param[ASSAY_SETTINGS_MAX];
    struct assay_recipe recipe;
    struct assay_objective objective = {0};
    struct assay_privacy_options privacy = {0};
    struct assay_defense_training t = {.param = param,
                                       .train = view,
                                       .n_classes = SMALL_CLASSES,
                                       .teacher = teacher,
                                       .recipe = &recipe,
                                       .objective = &objective,
                                       .privacy = &privacy};
    int code;

    assay_settings_init(d->params, param);
    assay_recipe_init(&recipe, 3);
    code = d->train(&t, err);
    if (t.state)
        d->release(t.state);
    return code;
}

static void test_trainings_survive_any_failed_allocation(void)
{
    assay_dataset *data = small_records(RECORDS, 1);
    assay_view *view = small_view(data);

    for (size_t i = 0; assay_defense_table()[i]; i++) {
        const struct assay_defense *d = assay_defense_table()[i];

        if (d->stage != ASSAY_DEFENSE_TRAINING)
            continue;
        for (long n = 1; fail_alloc_next(n); n += n < 20 ? 1 : n / 4) {
            struct assay_error err = {0};
            int code = defend(d, view, &err);
            bool hit = fail_alloc_hit();

            fail_alloc_off();
            CHECK_INT_EQ(code, hit ? ASSAY_NOMEM : ASSAY_OK);
        }
        fail_alloc_off();
    }
    assay_view_free(view);
    assay_dataset_free(data);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_answers_survive_any_failed_allocation),
    CHECK_TEST(test_trainings_survive_any_failed_allocation),
};

CHECK_MAIN(tests)
