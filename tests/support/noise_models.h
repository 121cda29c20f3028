/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_NOISE_MODELS_H
#define ASSAY_TESTS_NOISE_MODELS_H

/*
 * A target and a shadow model that learnt noise with random labels by heart,
 * and all that a membership attack which asks models can want of them.
 */

#include <stdlib.h>
#include <string.h>

#include "assay/attack.h"
#include "small_data.h"

enum { EACH = 90, QUARTERS = 4 };

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

static inline assay_dataset *noise(unsigned box)
{
    size_t n = QUARTERS * EACH;
    uint8_t *pixels = calloc(n, SMALL_PIXELS);
    int32_t *labels = calloc(n, sizeof(*labels));
    assay_dataset *ds;
    struct assay_rng rng;

    CHECK(pixels && labels);
    assay_rng_init(&rng, 11, "test-noise", 0);
    for (size_t i = 0; i < n; i++) {
        labels[i] = (int32_t)assay_rng_below(&rng, SMALL_CLASSES);
        for (size_t p = 0; p < SMALL_PIXELS; p++)
            pixels[i * SMALL_PIXELS + p] =
                (uint8_t)assay_rng_below(&rng, box + 1);
    }
    ds = small_dataset("noise", pixels, labels, n);
    free(pixels);
    free(labels);
    return ds;
}

static inline void teach(struct fixture *f, size_t epochs)
{
    struct assay_recipe recipe;
    struct assay_training t[2];
    struct assay_error err = {0};

    assay_recipe_init(&recipe, epochs);
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

static inline void hear(struct fixture *f)
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
static inline void aim(struct fixture *f, int m)
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

/* On these quarters, which it owns from now on. */
static inline void open_fixture_on(struct fixture *f, assay_dataset *data,
                                   size_t epochs)
{
    memset(f, 0, sizeof(*f));
    assay_context_init(&f->ctx);
    f->ctx.threads = 1;
    f->ctx.seed = 3;
    f->compute.threads = 1;
    f->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    f->data = data;
    for (size_t q = 0; q < QUARTERS; q++)
        f->quarter[q] = small_rows(data, q * EACH, EACH);
    f->auxiliary = small_rows(data, 2 * EACH, 2 * EACH);
    teach(f, epochs);
    hear(f);
    aim(f, 0);
}

static inline void open_fixture(struct fixture *f, unsigned box, size_t epochs)
{
    open_fixture_on(f, noise(box), epochs);
}

static inline void close_fixture(struct fixture *f)
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

#endif
