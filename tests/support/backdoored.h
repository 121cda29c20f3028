/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_BACKDOORED_H
#define ASSAY_TESTS_BACKDOORED_H

/*
 * Backdoors in models of the small records: the attacker's records, others
 * to measure on, a clean model, and what a plant makes of them.
 */

#include <string.h>

#include "assay/backdoor.h"
#include "small_data.h"

enum { PLANTED_TRAIN = 240, PLANTED_TEST = 150, PLANTED_TARGET = 1 };

struct planted {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_model_spec spec;
    struct assay_recipe recipe;
    assay_dataset *train_data, *test_data;
    assay_view *train, *test;
    assay_model *clean; /* NULL until asked for */
    const struct assay_backdoor *backdoor;
    double param[ASSAY_SETTINGS_MAX];
    struct assay_backdoor_input in;
    struct assay_backdoored got;
    struct assay_backdoor_effect effect;
};

/* Of that architecture, with the parameters' defaults. */
static inline void planted_open(struct planted *p, const char *name,
                                const char *arch, size_t epochs)
{
    memset(p, 0, sizeof(*p));
    assay_context_init(&p->ctx);
    p->ctx.threads = 1;
    p->ctx.seed = 3;
    p->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    p->compute.threads = 1;
    p->spec = small_spec();
    p->spec.arch = arch;
    assay_recipe_init(&p->recipe, epochs);
    p->recipe.batch = 20;
    p->recipe.lr = .05;
    p->recipe.augment.flip = 0;
    p->recipe.schedule = ASSAY_SCHEDULE_COSINE;
    p->train_data = small_records(PLANTED_TRAIN, 1);
    p->test_data = small_records(PLANTED_TEST, 2);
    p->train = small_view(p->train_data);
    p->test = small_view(p->test_data);
    p->backdoor = assay_backdoor_find(name);
    CHECK(p->backdoor != NULL);
    assay_settings_init(p->backdoor->params, p->param);
    p->in.ctx = &p->ctx;
    p->in.compute = &p->compute;
    p->in.spec = &p->spec;
    p->in.recipe = &p->recipe;
    p->in.train = p->train;
    p->in.target = PLANTED_TARGET;
    p->in.seed = 5;
    p->in.param = p->param;
}

static inline void planted_set(struct planted *p, const char *name,
                               double value)
{
    int i = assay_settings_index(p->backdoor->params, name);

    CHECK(i >= 0);
    p->param[i] = value;
}

/* A clean model, into p->in. */
static inline void planted_clean(struct planted *p)
{
    struct assay_error err = {0};
    struct assay_training t = {
        .train = p->train, .recipe = &p->recipe, .seed = 9, .task = "clean"};

    CHECK_OK(assay_model_new(&p->clean, &p->spec, 9, &err), err);
    t.model = p->clean;
    CHECK_OK(assay_models_train(&p->ctx, &p->compute, &t, 1, &err), err);
    assay_curve_release(&t.curve);
    p->in.clean = p->clean;
}

/* What the trigger does to a model, on records that nobody trained on. */
static inline struct assay_backdoor_effect planted_effect(
    const struct planted *p, const assay_model *m)
{
    struct assay_error err = {0};
    struct assay_backdoor_effect e;

    CHECK_OK(assay_backdoor_measure(&e, &p->ctx, &p->compute, m, p->test,
                                    &p->got.trigger, PLANTED_TARGET, &err),
             err);
    return e;
}

static inline void planted_plant(struct planted *p)
{
    struct assay_error err = {0};

    CHECK_OK(assay_backdoor_plant(p->backdoor, &p->in, &p->got, &err), err);
    p->effect = planted_effect(p, p->got.model);
}

static inline void planted_close(struct planted *p)
{
    assay_backdoored_release(&p->got);
    assay_model_free(p->clean);
    assay_view_free(p->train);
    assay_view_free(p->test);
    assay_dataset_free(p->train_data);
    assay_dataset_free(p->test_data);
}

#endif
