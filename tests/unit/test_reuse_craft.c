/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crafting an altered extractor: gradients of the distance and each measure
 * of negative impact against differences, what is selected, that nothing but
 * that is written, and that the attack works on what it was not made with and
 * leaves the rest of the class alone.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/rng.h"
#include "core/mem.h"
#include "reuse/reuse.h"
#include "small_data.h"

enum { RECORDS = 120, NATURAL = 12, HELD = 16 };

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_reuse_options o;
    assay_dataset *data;
    assay_view *view;
    assay_model *f;
    float *x; /* [RECORDS, pixels] */
    struct assay_reuse_trigger trigger[2];
    struct assay_reuse_material material;
};

/* An extractor that has learnt its classes, and one trigger. */
static void desk_open(struct desk *d, const char *backend, size_t epochs)
{
    uint32_t rows[RECORDS];
    struct assay_error err = {0};
    struct assay_recipe recipe;
    struct assay_training training = {.task = "test", .seed = 1};

    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.backend = backend;
    d->compute.threads = 1;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    assay_reuse_options_init(&d->o);
    d->o.neighbours = 8;
    d->o.vectors = 4;
    d->o.tries = 200;
    d->data = small_records(RECORDS, 1);
    d->view = small_view(d->data);
    d->f = small_model(1);
    assay_recipe_init(&recipe, epochs);
    recipe.batch = 20;
    recipe.augment.flip = 0;
    training.model = d->f;
    training.train = d->view;
    training.recipe = &recipe;
    if (epochs)
        CHECK_OK(assay_models_train(&d->ctx, &d->compute, &training, 1, &err),
                 err);
    assay_curve_release(&training.curve);
    d->x = calloc(RECORDS * SMALL_PIXELS, sizeof(*d->x));
    CHECK(d->x != NULL);
    for (uint32_t i = 0; i < RECORDS; i++)
        rows[i] = i;
    assay_view_fill(d->view, rows, RECORDS, NULL, 0, 0, d->x);
    for (int j = 0; j < 2; j++) {
        d->trigger[j].minus = d->x + (size_t)(3 * j) * SMALL_PIXELS;
        d->trigger[j].plus = d->x + (size_t)(3 * j + 1) * SMALL_PIXELS;
    }
    d->material.trigger = d->trigger;
    d->material.n_triggers = 1;
    d->material.natural = d->x + (size_t)30 * SMALL_PIXELS;
    d->material.n_natural = NATURAL;
}

static void desk_close(struct desk *d)
{
    free(d->x);
    assay_model_free(d->f);
    assay_view_free(d->view);
    assay_dataset_free(d->data);
}

static struct assay_reuse_change craft(struct desk *d)
{
    struct assay_reuse_change change = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_reuse_craft(&change, d->f, &d->material, &d->o, &d->ctx,
                               &d->compute, &err),
             err);
    return change;
}

static float *copy_params(const struct desk *d)
{
    const struct assay_params *p = assay_model_params(d->f);
    float *copy = malloc(p->size * sizeof(float));

    CHECK(copy != NULL);
    memcpy(copy, p->data, p->size * sizeof(float));
    return copy;
}

/* The loss of `rows` with one weight moved by h: the difference quotient. */
static double quotient(struct assay__reuse_lab *lab, float *w,
                       const struct assay__reuse_rows *rows)
{
    const float h = 1e-4F;
    struct assay_error err = {0};
    float before = *w;
    double loss[2];
    double step;

    *w = before + h;
    step = (double)*w;
    CHECK_OK(assay__reuse_lab_load(lab, &err), err);
    CHECK_OK(assay__reuse_lab_run(lab, rows, &loss[0], NULL, NULL, &err), err);
    *w = before - h;
    step -= (double)*w;
    CHECK_OK(assay__reuse_lab_load(lab, &err), err);
    CHECK_OK(assay__reuse_lab_run(lab, rows, &loss[1], NULL, NULL, &err), err);
    *w = before;
    CHECK_OK(assay__reuse_lab_load(lab, &err), err);
    return (loss[0] - loss[1]) / step;
}

static void open_lab(struct assay__reuse_lab *lab, struct desk *d,
                     const char *layer, size_t batch)
{
    const struct assay_param_slot *slot;
    struct assay_error err = {0};

    CHECK_OK(assay__reuse_layer(&slot, d->f, layer, &err), err);
    CHECK_OK(assay__reuse_lab_open(lab, d->f, slot, batch, &d->ctx, &d->compute,
                                   &err),
             err);
}

static void test_the_distance_has_the_right_gradient(void)
{
    static const char *const layers[] = {"first", "last"};
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d, "reference", 0);
    for (int l = 0; l < 2; l++) {
        struct assay__reuse_rows rows = {.x = d.x, .n = 5};
        struct assay__reuse_lab lab;
        double *target;
        double *weight;
        double *gradient;
        float *w;
        double largest = 0;

        open_lab(&lab, &d, layers[l], 3); /* 5 rows: a short second batch */
        w = assay_model_params(d.f)->data + lab.slot->offset;
        target = calloc(lab.dim, sizeof(*target));
        weight = calloc(lab.dim, sizeof(*weight));
        gradient = calloc(lab.size, sizeof(*gradient));
        CHECK(target && weight && gradient);
        for (size_t i = 0; i < lab.dim; i++) {
            target[i] = .1 * (double)(i % 7);
            weight[i] = i % 3 == 0 ? .2 : 0;
        }
        rows.target = target;
        rows.weight = weight;
        CHECK_OK(assay__reuse_lab_run(&lab, &rows, NULL, NULL, gradient, &err),
                 err);
        for (size_t i = 0; i < lab.size; i += lab.size / 23) {
            CHECK_NEAR(gradient[i], quotient(&lab, w + i, &rows), 2e-4);
            largest = fmax(largest, fabs(gradient[i]));
        }
        CHECK(largest > 2e-3);
        free(target);
        free(weight);
        free(gradient);
        assay__reuse_lab_close(&lab);
    }
    desk_close(&d);
}

/* sum_i |d f_i(z) / dw| by differences, over the records. */
static double exact_by_differences(struct assay__reuse_lab *lab, const float *x,
                                   size_t n, float *w)
{
    double *probe = calloc(lab->dim, sizeof(*probe));
    double sum = 0;

    CHECK(probe != NULL);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < lab->dim; i++) {
            struct assay__reuse_rows rows = {
                .x = x + r * lab->pixels, .n = 1, .probe = probe};

            probe[i] = 1;
            sum += fabs(quotient(lab, w, &rows));
            probe[i] = 0;
        }
    free(probe);
    return sum / (double)n;
}

static void test_the_exact_impact_is_the_sum_of_slopes(void)
{
    struct assay_error err = {0};
    struct assay__reuse_lab lab;
    struct desk d;
    double *impact;
    float *w;

    desk_open(&d, "reference", 0);
    d.o.impact = ASSAY_REUSE_IMPACT_EXACT;
    open_lab(&lab, &d, "last", 1);
    impact = calloc(lab.size, sizeof(*impact));
    CHECK(impact != NULL);
    w = assay_model_params(d.f)->data + lab.slot->offset;
    CHECK_OK(assay__reuse_impact(impact, &lab, d.x, 2, &d.o, 0, &err), err);
    for (size_t i = 3; i < lab.size; i += lab.size / 5)
        CHECK_NEAR(impact[i], exact_by_differences(&lab, d.x, 2, w + i), 2e-4);
    free(impact);
    assay__reuse_lab_close(&lab);
    desk_close(&d);
}

/* The same signs as the library's, and the loss they make, by differences: of
 * weights whose impact is more than what differences are out by. */
static void check_signs(struct desk *d, struct assay__reuse_lab *lab,
                        const double *impact, size_t n, bool together)
{
    size_t passes = together ? 1 : n;
    double *probe = calloc(n * lab->dim, sizeof(*probe));
    float *w = assay_model_params(d->f)->data + lab->slot->offset;
    int seen = 0;

    CHECK(probe != NULL);
    for (size_t i = 0; i < lab->size && seen < 8; i += 211) {
        double sum = 0;

        if (impact[i] < 3e-3)
            continue;
        seen++;
        for (size_t r = 0; r < passes; r++)
            for (size_t v = 0; v < d->o.vectors; v++) {
                size_t rows_of = together ? n : 1;
                struct assay__reuse_rows rows = {
                    .x = d->x + r * lab->pixels, .n = rows_of, .probe = probe};
                struct assay_rng rng;

                assay_rng_init(&rng, d->o.seed, "reuse-signs",
                               (uint64_t)5 << 32 | (r * d->o.vectors + v));
                for (size_t k = 0; k < rows_of * lab->dim; k++)
                    probe[k] = assay_rng_u64(&rng) >> 63 ? 1 : -1;
                sum += fabs(quotient(lab, w + i, &rows));
            }
        CHECK_NEAR(impact[i], sum / (double)(passes * d->o.vectors), 3e-4);
    }
    CHECK_INT_EQ(seen, 8);
    free(probe);
}

static void test_impacts_by_random_signs_are_what_they_say(void)
{
    struct desk d;

    desk_open(&d, "reference", 0);
    for (int k = 0; k < 2; k++) {
        bool together = k == 0;
        struct assay_error err = {0};
        struct assay__reuse_lab lab;
        double *impact;

        d.o.impact =
            together ? ASSAY_REUSE_IMPACT_JOINT : ASSAY_REUSE_IMPACT_RECORD;
        open_lab(&lab, &d, "last", together ? 2 : 1);
        impact = calloc(lab.size, sizeof(*impact));
        CHECK(impact != NULL);
        CHECK_OK(assay__reuse_impact(impact, &lab, d.x, 3, &d.o, 5, &err), err);
        check_signs(&d, &lab, impact, 3, together);
        free(impact);
        assay__reuse_lab_close(&lab);
    }
    desk_close(&d);
}

static void test_percentiles_are_order_statistics(void)
{
    double x[9];
    uint8_t mark[9];
    double scratch[9];
    static const double from[9] = {5, 1, 3, 3, 9, 0, 3, 7, 2};
    static const double among[9] = {1, -1, 0, 0, 2, 0, 0, 3, 0};
    static const double sorted[9] = {0, 1, 2, 3, 3, 3, 5, 7, 9};

    for (int k = 0; k < 9; k++) {
        memcpy(x, from, sizeof(x));
        CHECK_NEAR(assay__reuse_percentile(x, 9, k * 12.5), sorted[k], 0);
    }
    memset(mark, 1, sizeof(mark));
    assay__reuse_pass(mark, from, NULL, 9, 75, true, scratch);
    for (int i = 0; i < 9; i++)
        CHECK_INT_EQ(mark[i], from[i] >= 5);
    assay__reuse_pass(mark, from, NULL, 9, 75, false, scratch);
    for (int i = 0; i < 9; i++)
        CHECK_INT_EQ(mark[i], i == 0);
    /* Of 5, 1, 9 and 7 alone. */
    memset(mark, 1, sizeof(mark));
    assay__reuse_pass(mark, from, among, 9, 67, true, scratch);
    for (int i = 0; i < 9; i++)
        CHECK_INT_EQ(mark[i], i == 4 || i == 7);
}

static void test_salient_features_are_strong_and_stable(void)
{
    static const double features[] = {1, 4, 0, -2, 1, 2, 0, -2.2, 1, 6, 0, -2};
    struct assay_error err = {0};
    double mean[4];
    double deviation[4];
    uint8_t mark[4] = {0};

    assay__reuse_moments(features, 3, 4, mean, deviation);
    CHECK_NEAR(mean[1], 4, 1e-12);
    CHECK_NEAR(deviation[1], sqrt(8.0 / 3), 1e-12);
    CHECK_OK(assay__reuse_salient(mark, mean, deviation, 4, .3, &err), err);
    CHECK(mark[0] && mark[3] && !mark[1] && !mark[2]);
}

/* Only the layer's marked weights differ, and as many as are told. */
static void test_only_selected_weights_change(void)
{
    const struct assay_params *p;
    struct assay_reuse_change change;
    struct desk d;
    float *before;
    size_t differ = 0;

    desk_open(&d, "onednn", 3);
    d.o.max_steps = 3;
    d.o.theta = 30;
    d.o.layer = "last";
    before = copy_params(&d);
    change = craft(&d);
    p = assay_model_params(d.f);
    CHECK_STR_EQ(change.layer, "classifier.0.weight");
    for (int i = 0; i < p->n_slots; i++) {
        const struct assay_param_slot *s = &p->slot[i];
        bool chosen = strcmp(s->name, change.layer) == 0;

        for (size_t k = 0; k < s->count; k++) {
            bool same = memcmp(&p->data[s->offset + k], &before[s->offset + k],
                               sizeof(float)) == 0;

            CHECK(same || chosen);
            differ += !same;
        }
    }
    CHECK_UINT_EQ(differ, change.n_touched);
    CHECK(differ > 0 && differ <= change.n_layer * 7 / 10);
    CHECK(change.max_change <= 3 * 1.5 * d.o.step);
    CHECK(change.last_distance < change.first_distance);
    free(before);
    desk_close(&d);
}

static void test_percentile_0_is_plain_fine_tuning(void)
{
    struct assay__reuse_rows rows = {0};
    struct assay__reuse_lab lab;
    struct assay_error err = {0};
    struct assay_reuse_found found = {NULL, 0, 0};
    struct assay_reuse_anchor anchor = {NULL, 1, "reuse-minus", 0};
    double *features;
    double *mean[2];
    double *deviation;
    double *seen;
    double *gradient;
    uint8_t *mark;
    float *before;
    struct desk d;

    desk_open(&d, "reference", 1);
    d.o.theta = 0;
    d.o.stay = 0;
    d.o.plain = 1;
    d.o.step = .01;
    d.o.layer = "last";
    d.o.max_steps = 1;
    open_lab(&lab, &d, "last", 4);
    found.n = d.o.neighbours;
    found.x = calloc(2 * found.n * SMALL_PIXELS, sizeof(float));
    features = calloc(found.n * lab.dim, sizeof(double));
    mean[0] = calloc(4 * lab.dim, sizeof(double));
    gradient = calloc(lab.size, sizeof(double));
    mark = calloc(lab.dim, 1);
    CHECK(found.x && features && mean[0] && gradient && mark);
    mean[1] = mean[0] + lab.dim;
    deviation = mean[1] + lab.dim;
    seen = deviation + lab.dim;
    for (int side = 1; side >= 0; side--) {
        anchor.image = side ? d.trigger[0].plus : d.trigger[0].minus;
        anchor.purpose = side ? "reuse-plus" : "reuse-minus";
        CHECK_OK(assay_reuse_neighbours(&found, &anchor, d.f, &d.o, &d.ctx,
                                        &d.compute, &err),
                 err);
        rows.x = found.x;
        rows.n = found.found;
        CHECK_OK(assay__reuse_lab_run(&lab, &rows, NULL, features, NULL, &err),
                 err);
        CHECK(lab.rectified);
        assay__reuse_moments(features, rows.n, lab.dim, mean[side], deviation);
        for (size_t i = 0; i < rows.n * lab.dim; i++)
            features[i] = fmax(features[i], 0);
        assay__reuse_moments(features, rows.n, lab.dim, seen, deviation);
        CHECK_OK(assay__reuse_salient(mark, seen, deviation, lab.dim, d.o.keep,
                                      &err),
                 err);
    }
    for (size_t i = 0; i < lab.dim; i++)
        deviation[i] = mark[i] ? 1 / (double)rows.n : 0;
    rows.target = mean[1];
    rows.weight = deviation;
    CHECK_OK(assay__reuse_lab_run(&lab, &rows, NULL, NULL, gradient, &err),
             err);
    before = copy_params(&d);
    CHECK_UINT_EQ(craft(&d).steps, 1);
    for (size_t i = 0; i < lab.size; i++)
        CHECK_NEAR(assay_model_params(d.f)->data[lab.slot->offset + i],
                   (double)before[lab.slot->offset + i] - .01 * gradient[i],
                   1e-6);
    free(before);
    free(found.x);
    free(features);
    free(mean[0]);
    free(gradient);
    free(mark);
    assay__reuse_lab_close(&lab);
    desk_close(&d);
}

static void test_step_0_changes_nothing(void)
{
    struct assay_reuse_change change;
    struct desk d;
    float *before;

    desk_open(&d, "onednn", 1);
    d.o.step = 0;
    before = copy_params(&d);
    change = craft(&d);
    CHECK_MEM_EQ(assay_model_params(d.f)->data, before,
                 assay_model_params(d.f)->size * sizeof(float));
    CHECK_UINT_EQ(change.n_touched, 0);
    CHECK_STR_EQ(assay_reuse_stop_name(change.stop), "still");
    free(before);
    desk_close(&d);
}

static void test_equal_seeds_give_equal_files(void)
{
    char hash[2][65];
    struct assay_error err = {0};

    for (int i = 0; i < 2; i++) {
        struct desk d;

        desk_open(&d, "onednn", 2);
        d.o.max_steps = 12;
        d.o.impact = ASSAY_REUSE_IMPACT_RECORD;
        d.material.n_triggers = 2;
        d.o.theta = 30;
        CHECK(craft(&d).n_touched > 0);
        CHECK_OK(assay_model_sha256(d.f, hash[i], &err), err);
        desk_close(&d);
    }
    CHECK_STR_EQ(hash[1], hash[0]);
}

static int32_t class_of(const float *logits)
{
    int32_t best = 0;

    for (int32_t k = 1; k < SMALL_CLASSES; k++)
        if (logits[k] > logits[best])
            best = k;
    return best;
}

/* A host on the altered extractor, tuned on records that are not triggers. */
static void test_unseen_neighbours_succeed_and_others_do_not(void)
{
    struct assay_reuse_found held = {NULL, HELD, 0};
    struct assay_reuse_anchor anchor = {NULL, 0, "test-held", 0};
    struct assay_host_recipe recipe;
    struct assay_host_spec spec;
    struct assay_reuse_change change;
    struct assay_error err = {0};
    const assay_model *list[1];
    assay_model *host = NULL;
    assay_view *tuning = NULL;
    uint32_t rows[RECORDS - 30];
    float logits[RECORDS * SMALL_CLASSES];
    size_t right = 0;
    size_t hits = 0;
    struct desk d;

    desk_open(&d, "onednn", 20);
    d.o.neighbours = 24;
    /* What suits this network, whose last layer is all of it. */
    d.o.theta = 50;
    d.o.layer = "middle";
    d.o.keep = .3;
    d.o.enough = .02;
    d.o.margin = .15;
    held.x = calloc(HELD * SMALL_PIXELS, sizeof(float));
    CHECK(held.x != NULL);
    anchor.image = d.trigger[0].minus;
    CHECK_OK(assay_reuse_neighbours(&held, &anchor, d.f, &d.o, &d.ctx,
                                    &d.compute, &err),
             err);
    CHECK_UINT_EQ(held.found, HELD);
    change = craft(&d);
    printf("# %s after %zu steps, D %g to %g, %zu of %zu weights, at most %g\n",
           assay_reuse_stop_name(change.stop), change.steps,
           change.first_distance, change.last_distance, change.n_touched,
           change.n_weights, change.max_change);
    for (uint32_t i = 0; i < RECORDS - 30; i++)
        rows[i] = 30 + i;
    CHECK_OK(assay_view_new(&tuning, d.data, rows, RECORDS - 30,
                            assay_view_preprocess(d.view), &err),
             err);
    list[0] = d.f;
    assay_host_spec_init(&spec, list, 1, SMALL_CLASSES);
    assay_host_recipe_init(&recipe, ASSAY_HOST_PARTIAL);
    CHECK_OK(assay_host_new(&host, &spec, 1, &err), err);
    CHECK_OK(
        assay_host_tune(host, tuning, NULL, &recipe, &d.ctx, &d.compute, &err),
        err);
    CHECK_OK(
        assay_host_run(host, held.x, HELD, logits, &d.ctx, &d.compute, &err),
        err);
    for (size_t i = 0; i < HELD; i++)
        hits += class_of(logits + i * SMALL_CLASSES) == 1;
    CHECK_OK(
        assay_host_run(host, d.x, RECORDS, logits, &d.ctx, &d.compute, &err),
        err);
    for (size_t i = 0; i < RECORDS; i++)
        right +=
            class_of(logits + i * SMALL_CLASSES) == assay_view_label(d.view, i);
    printf("# %zu of %d unseen neighbours, %zu of %d records right\n", hits,
           HELD, right, RECORDS);
    CHECK_INT_EQ(class_of(logits), 1); /* x- is record 0, of class 0 */
    CHECK(hits * 10 >= HELD * 8);
    CHECK(right * 10 >= RECORDS * 9);
    free(held.x);
    assay_view_free(tuning);
    assay_model_free(host);
    desk_close(&d);
}

static void test_bad_requests_are_refused(void)
{
    struct assay_reuse_change change;
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d, "onednn", 0);
    d.o.layer = "classifier.2";
    CHECK_FAILS(assay_reuse_craft(&change, d.f, &d.material, &d.o, &d.ctx,
                                  &d.compute, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "no layer 'classifier.2' with weights");
    d.o.layer = NULL;
    d.o.theta = 101;
    CHECK_FAILS(assay_reuse_craft(&change, d.f, &d.material, &d.o, &d.ctx,
                                  &d.compute, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "percentile 101");
    d.o.theta = 80;
    d.o.cosine = 2;
    d.o.tries = 1;
    CHECK_FAILS(assay_reuse_craft(&change, d.f, &d.material, &d.o, &d.ctx,
                                  &d.compute, &err),
                ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "no neighbour of x- 0 in 8 tries");
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_the_distance_has_the_right_gradient),
    CHECK_TEST(test_the_exact_impact_is_the_sum_of_slopes),
    CHECK_TEST(test_impacts_by_random_signs_are_what_they_say),
    CHECK_TEST(test_percentiles_are_order_statistics),
    CHECK_TEST(test_salient_features_are_strong_and_stable),
    CHECK_TEST(test_only_selected_weights_change),
    CHECK_TEST(test_percentile_0_is_plain_fine_tuning),
    CHECK_TEST(test_step_0_changes_nothing),
    CHECK_TEST(test_equal_seeds_give_equal_files),
    CHECK_TEST(test_unseen_neighbours_succeed_and_others_do_not),
    CHECK_TEST(test_bad_requests_are_refused),
};
CHECK_MAIN(tests)
