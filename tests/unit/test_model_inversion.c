/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inversion in pixel space on softmax regression, where all can be worked
 * out, and on a small network: gradients against differences, the paper's
 * stopping rule, the defect of descending on logits, and rows that must not
 * see each other.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/inversion.h"
#include "linear_model.h"
#include "small_data.h"

enum { SIDE = 6, PIXELS = SIDE * SIDE, CLASSES = 4 };

static const char *const backends[] = {"reference", "onednn"};

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_pixel_descent o;
};

static void desk_init(struct desk *d, const char *backend)
{
    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.backend = backend;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    assay_pixel_descent_init(&d->o);
}

static struct assay_inversion invert(struct desk *d, const assay_model *m,
                                     const struct assay_inversion_rows *rows)
{
    struct assay_inversion found = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_inversion_pixels(&found, &d->ctx, &d->compute, m, rows,
                                    &d->o, &err),
             err);
    CHECK_UINT_EQ(found.n, rows->n);
    return found;
}

/* The cost at one image, nothing updated. */
static double cost_at(struct desk *d, const assay_model *m, int32_t wanted,
                      const float *x)
{
    struct assay_inversion_rows rows = {.n = 1, .wanted = &wanted, .start = x};
    size_t steps = d->o.max_steps;
    struct assay_inversion found;
    double cost;

    d->o.max_steps = 0;
    found = invert(d, m, &rows);
    d->o.max_steps = steps;
    CHECK_UINT_EQ(found.steps[0], 0);
    cost = found.loss[0];
    assay_inversion_release(&found);
    return cost;
}

static void draw(float *x, size_t n, uint64_t stream)
{
    struct assay_rng rng;

    assay_rng_init(&rng, 4, "test", stream);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)assay_rng_normal(&rng);
}

/* One update of rate 1 shows the gradient; some of its entries against
 * central differences of the cost. */
static void check_gradient(struct desk *d, const assay_model *m, size_t n,
                           double h, double tolerance)
{
    float *x = calloc(n, sizeof(*x));
    int32_t wanted = 1;
    struct assay_inversion_rows rows = {.n = 1, .wanted = &wanted, .start = x};
    struct assay_inversion found;
    double largest = 0;

    CHECK(x != NULL);
    draw(x, n, 1);
    d->o.rate = 1;
    d->o.max_steps = 1;
    found = invert(d, m, &rows);
    CHECK_UINT_EQ(found.steps[0], 1);
    CHECK(found.loss[0] < cost_at(d, m, wanted, x));
    for (size_t i = 0; i < n; i += 7) {
        float before = x[i];
        double slope = (double)before - (double)found.image[i];
        double difference;

        x[i] = before + (float)h;
        difference = cost_at(d, m, wanted, x);
        x[i] = before - (float)h;
        difference -= cost_at(d, m, wanted, x);
        x[i] = before;
        CHECK_NEAR(slope, difference / (2 * h), tolerance);
        largest = fabs(slope) > largest ? fabs(slope) : largest;
    }
    CHECK(largest > 10 * tolerance);
    assay_inversion_release(&found);
    free(x);
}

static void test_steps_follow_the_gradient(void)
{
    for (int b = 0; b < 2; b++) {
        assay_model *linear = linear_model(SIDE, CLASSES, .3, 1);
        assay_model *small = small_model(1);
        struct desk d;

        desk_init(&d, backends[b]);
        check_gradient(&d, linear, PIXELS, 1e-2, 2e-4);
        d.o.variation = .1;
        check_gradient(&d, linear, PIXELS, 1e-2, 2e-4);
        d.o.logits = 1;
        check_gradient(&d, linear, PIXELS, 1e-2, 2e-4);
        desk_init(&d, backends[b]);
        check_gradient(&d, small, SMALL_PIXELS, 4e-3, 2e-4);
        assay_model_free(linear);
        assay_model_free(small);
    }
}

static void test_descent_reaches_the_wanted_posterior(void)
{
    int32_t wanted[CLASSES] = {0, 1, 2, 3};
    struct assay_inversion_rows rows = {.n = CLASSES, .wanted = wanted};

    for (int b = 0; b < 2; b++) {
        assay_model *m = linear_model(SIDE, CLASSES, .5, 2);
        struct assay_inversion found;
        struct desk d;

        desk_init(&d, backends[b]);
        d.o.rate = .1;
        found = invert(&d, m, &rows);
        for (size_t i = 0; i < CLASSES; i++) {
            CHECK(found.posterior[i] >= .999);
            CHECK_NEAR(found.loss[i], 1 - found.posterior[i], 1e-6);
            CHECK(found.steps[i] > 1 && found.steps[i] < 3000);
        }
        assay_inversion_release(&found);
        assay_model_free(m);
    }
}

/* On logits the search is over once a logit is .999, near the zeros that it
 * began with, whatever the posterior is then. */
static void test_logits_stop_next_to_the_zero_image(void)
{
    int32_t wanted[CLASSES] = {0, 1, 2, 3};
    struct assay_inversion_rows rows = {.n = CLASSES, .wanted = wanted};
    assay_model *m = linear_model(SIDE, CLASSES, .5, 2);
    struct assay_inversion right;
    struct assay_inversion wrong;
    struct desk d;

    desk_init(&d, "onednn");
    d.o.rate = .003;
    d.o.max_steps = 100000;
    right = invert(&d, m, &rows);
    d.o.logits = 1;
    wrong = invert(&d, m, &rows);
    for (size_t i = 0; i < CLASSES; i++) {
        double norm[2] = {0, 0};

        for (size_t k = 0; k < PIXELS; k++) {
            norm[0] += pow((double)right.image[i * PIXELS + k], 2);
            norm[1] += pow((double)wrong.image[i * PIXELS + k], 2);
        }
        CHECK(wrong.steps[i] < right.steps[i] / 10);
        CHECK(wrong.loss[i] <= .001);
        CHECK(wrong.posterior[i] < .9);
        CHECK(right.posterior[i] >= .999);
        CHECK(norm[1] < norm[0] / 8);
    }
    assay_inversion_release(&right);
    assay_inversion_release(&wrong);
    assay_model_free(m);
}

/* After `patience` steps the cost must be below the largest since. */
static void test_patience_ends_a_row(void)
{
    int32_t wanted = 0;
    struct assay_inversion_rows rows = {.n = 1, .wanted = &wanted};
    assay_model *m = small_model(3);
    struct assay_inversion found;
    struct desk d;

    desk_init(&d, "reference");
    d.o.rate = 1e-9;
    d.o.enough = -1;
    d.o.patience = 5;
    found = invert(&d, m, &rows);
    /* The cost stands still: step 6 is not below step 5. */
    CHECK_UINT_EQ(found.steps[0], 6);
    CHECK_NEAR(found.loss[0], cost_at(&d, m, wanted, found.image), 1e-7);
    assay_inversion_release(&found);
    d.o.max_steps = 3;
    found = invert(&d, m, &rows);
    CHECK_UINT_EQ(found.steps[0], 3);
    assay_inversion_release(&found);
    assay_model_free(m);
}

/* One update of softmax regression, worked out: with posteriors p and wanted
 * class w, d (1 - p_w) / d x = -p_w (W_w - sum p_k W_k). Returns the cost
 * before it. */
static double descend_by_hand(const assay_model *m, int32_t wanted, double rate,
                              float *x)
{
    const struct assay_param_slot *slot =
        assay_params_find(&m->params, "fc.weight");
    const float *w = m->params.data + slot->offset;
    double p[CLASSES];
    double sum = 0;

    for (int k = 0; k < CLASSES; k++) {
        double logit = 0;

        for (int i = 0; i < PIXELS; i++)
            logit += (double)w[k * PIXELS + i] * (double)x[i];
        p[k] = exp(logit);
        sum += p[k];
    }
    for (int k = 0; k < CLASSES; k++)
        p[k] /= sum;
    for (int i = 0; i < PIXELS; i++) {
        double slope = (double)w[wanted * PIXELS + i];

        for (int k = 0; k < CLASSES; k++)
            slope -= p[k] * (double)w[k * PIXELS + i];
        x[i] += (float)(rate * p[wanted] * slope);
    }
    return 1 - p[wanted];
}
/* A class whose weights are twice those of the wanted one overtakes it, so
 * that at this rate the cost jumps about: however far a row has come, its
 * best iterate is what is kept. */
static void test_the_best_iterate_is_kept(void)
{
    enum { STEPS = 12 };
    int32_t wanted = 0;
    struct assay_inversion_rows rows = {.n = 1, .wanted = &wanted};
    assay_model *m = linear_model(SIDE, CLASSES, .3, 1);
    float *w =
        m->params.data + assay_params_find(&m->params, "fc.weight")->offset;
    float x[PIXELS] = {0};
    float best[PIXELS];
    double least = 2;
    int worse = 0;
    struct desk d;

    for (int i = 0; i < PIXELS; i++)
        w[PIXELS + i] = 2 * w[i];
    desk_init(&d, "reference");
    d.o.rate = 5;
    d.o.enough = -1;
    for (d.o.max_steps = 0; d.o.max_steps <= STEPS; d.o.max_steps++) {
        struct assay_inversion found = invert(&d, m, &rows);
        float here[PIXELS];
        double cost;

        memcpy(here, x, sizeof(x));
        cost = descend_by_hand(m, wanted, d.o.rate, x);
        worse += cost > least + .05;
        if (cost < least) {
            least = cost;
            memcpy(best, here, sizeof(best));
        }
        CHECK_UINT_EQ(found.steps[0], d.o.max_steps);
        CHECK_NEAR(found.loss[0], least, 1e-4);
        CHECK_NEAR(found.posterior[0], 1 - least, 1e-4);
        for (int i = 0; i < PIXELS; i++)
            CHECK_NEAR(found.image[i], best[i], 1e-3);
        assay_inversion_release(&found);
    }
    CHECK(worse > 2);
    CHECK(least < .5);
    assay_model_free(m);
}

static void test_clipping_keeps_to_pixels(void)
{
    int32_t wanted = 1;
    struct assay_inversion_rows rows = {.n = 1, .wanted = &wanted};
    assay_model *m = linear_model(SIDE, CLASSES, .1, 5);
    float low = (float)((0 - .3) / .25);
    float high = (float)((1 - .3) / .25);
    struct assay_inversion found;
    size_t outside = 0;
    struct desk d;

    desk_init(&d, "onednn");
    d.o.rate = 20;
    d.o.enough = 1e-7;
    found = invert(&d, m, &rows);
    for (size_t i = 0; i < PIXELS; i++)
        outside += found.image[i] < low || found.image[i] > high;
    CHECK(outside > 0);
    assay_inversion_release(&found);
    d.o.clip = 1;
    found = invert(&d, m, &rows);
    for (size_t i = 0; i < PIXELS; i++)
        CHECK(found.image[i] >= low && found.image[i] <= high);
    assay_inversion_release(&found);
    assay_model_free(m);
}

static void test_variation_smooths(void)
{
    int32_t wanted = 2;
    struct assay_inversion_rows rows = {.n = 1, .wanted = &wanted};
    assay_model *m = linear_model(SIDE, CLASSES, .5, 6);
    double rough[2] = {0, 0};

    for (int smooth = 0; smooth < 2; smooth++) {
        struct assay_inversion found;
        struct desk d;

        desk_init(&d, "onednn");
        d.o.rate = .05;
        d.o.max_steps = 400;
        d.o.enough = -1;
        d.o.variation = smooth ? .1 : 0;
        found = invert(&d, m, &rows);
        CHECK(found.posterior[0] > .9);
        for (size_t i = 0; i < PIXELS; i++)
            if (i % SIDE)
                rough[smooth] +=
                    fabs((double)found.image[i] - (double)found.image[i - 1]);
        assay_inversion_release(&found);
    }
    CHECK(rough[1] < .8 * rough[0]);
    assay_model_free(m);
}

/* Alone, in company, in another order, in batches of its size: a row is
 * the same to the last bit. */
static void check_rows_apart(const char *backend, assay_tuning *tuning,
                             const assay_model *m, size_t size, int n_classes)
{
    enum { ROWS = 11 };
    int32_t wanted[ROWS];
    int32_t reversed[ROWS];
    float *start = calloc(ROWS * size, sizeof(*start));
    float *back = calloc(ROWS * size, sizeof(*back));
    struct assay_inversion_rows rows = {.n = ROWS, .wanted = wanted};
    struct assay_inversion all;
    struct assay_inversion other;
    struct desk d;

    CHECK(start && back);
    draw(start, ROWS * size, 2);
    for (size_t i = 0; i < ROWS; i++) {
        wanted[i] = (int32_t)(i % (size_t)n_classes);
        reversed[ROWS - 1 - i] = wanted[i];
        memcpy(back + (ROWS - 1 - i) * size, start + i * size,
               size * sizeof(*back));
    }
    desk_init(&d, backend);
    if (tuning)
        d.compute.algorithms = ASSAY_ALGORITHMS_TUNED;
    d.compute.tuning = tuning;
    d.o.rate = .5;
    d.o.max_steps = 40;
    d.o.enough = .05;
    d.o.batch = 4;
    rows.start = start;
    all = invert(&d, m, &rows);
    rows.start = back;
    rows.wanted = reversed;
    other = invert(&d, m, &rows);
    for (size_t i = 0; i < ROWS; i++) {
        CHECK_UINT_EQ(all.steps[i], other.steps[ROWS - 1 - i]);
        CHECK_MEM_EQ(all.image + i * size, other.image + (ROWS - 1 - i) * size,
                     size * sizeof(float));
        CHECK_MEM_EQ(&all.loss[i], &other.loss[ROWS - 1 - i], sizeof(double));
    }
    assay_inversion_release(&other);
    for (size_t i = 0; i < ROWS; i += 5) {
        rows.n = 1;
        rows.wanted = wanted + i;
        rows.start = start + i * size;
        other = invert(&d, m, &rows);
        CHECK_MEM_EQ(all.image + i * size, other.image, size * sizeof(float));
        assay_inversion_release(&other);
    }
    assay_inversion_release(&all);
    free(start);
    free(back);
}

static void test_rows_do_not_see_each_other(void)
{
    for (int b = 0; b < 2; b++) {
        assay_model *linear = linear_model(SIDE, CLASSES, .3, 1);
        assay_model *small = small_model(1);

        check_rows_apart(backends[b], NULL, linear, PIXELS, CLASSES);
        check_rows_apart(backends[b], NULL, small, SMALL_PIXELS, SMALL_CLASSES);
        assay_model_free(linear);
        assay_model_free(small);
    }
}

/* The same with kernels chosen by timing, once for all. */
static void test_rows_stay_apart_when_tuned(void)
{
    assay_model *small = small_model(1);
    struct assay_error err = {0};
    assay_tuning *tuning = NULL;

    CHECK_OK(assay_tuning_new(&tuning, &err), err);
    check_rows_apart("onednn", tuning, small, SMALL_PIXELS, SMALL_CLASSES);
    assay_tuning_free(tuning);
    assay_model_free(small);
}

/* 8 and 16 classes fill the lanes of vectors. */
static void test_many_classes_are_told_apart(void)
{
    for (int k = 8; k <= 16; k += 8) {
        assay_model *m = linear_model(SIDE, k, .5, 2);
        int32_t wanted[2] = {k - 1, 3};
        struct assay_inversion_rows rows = {.n = 2, .wanted = wanted};
        struct assay_inversion found;
        struct desk d;

        desk_init(&d, "onednn");
        d.o.rate = .1;
        found = invert(&d, m, &rows);
        CHECK(found.posterior[0] >= .999 && found.posterior[1] >= .999);
        assay_inversion_release(&found);
        assay_model_free(m);
    }
}

static void test_what_is_not_finite_ends_its_row(void)
{
    enum { ROWS = 2 };
    static float start[ROWS * PIXELS];
    int32_t wanted[ROWS] = {0, 1};
    struct assay_inversion_rows rows = {
        .n = ROWS, .wanted = wanted, .start = start};
    assay_model *m = linear_model(SIDE, CLASSES, .5, 2);
    struct assay_inversion found;
    struct desk d;

    start[3] = (float)NAN;
    desk_init(&d, "onednn");
    d.o.rate = .1;
    found = invert(&d, m, &rows);
    CHECK(isnan(found.loss[0]));
    CHECK_UINT_EQ(found.steps[0], 0);
    CHECK(found.posterior[1] >= .999);
    assay_inversion_release(&found);
    assay_model_free(m);
}

static void on_progress(void *user, const struct assay_progress *step)
{
    volatile sig_atomic_t *stop = user;

    if (step->done > 0)
        *stop = 1;
}

static void test_wrong_calls_are_refused(void)
{
    int32_t wanted[2] = {0, CLASSES};
    struct assay_inversion_rows rows = {.n = 2, .wanted = wanted};
    assay_model *m = linear_model(SIDE, CLASSES, .5, 2);
    struct assay_inversion found = {0};
    volatile sig_atomic_t stop = 0;
    struct assay_error err = {0};
    struct desk d;

    desk_init(&d, "onednn");
    CHECK_FAILS(assay_inversion_pixels(&found, &d.ctx, &d.compute, m, &rows,
                                       &d.o, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "row 1 wants class 4");
    wanted[1] = 1;
    d.o.rate = 0;
    CHECK_FAILS(assay_inversion_pixels(&found, &d.ctx, &d.compute, m, &rows,
                                       &d.o, &err),
                ASSAY_ARG, err);
    desk_init(&d, "onednn");
    d.o.batch = 0;
    CHECK_FAILS(assay_inversion_pixels(&found, &d.ctx, &d.compute, m, &rows,
                                       &d.o, &err),
                ASSAY_ARG, err);
    desk_init(&d, "onednn");
    d.o.batch = 1;
    d.ctx.cancel = &stop;
    d.ctx.progress = on_progress;
    d.ctx.user = (void *)(uintptr_t)&stop;
    CHECK_FAILS(assay_inversion_pixels(&found, &d.ctx, &d.compute, m, &rows,
                                       &d.o, &err),
                ASSAY_CANCELED, err);
    CHECK(!found.image);
    rows.n = 0;
    d.ctx.cancel = NULL;
    CHECK_OK(assay_inversion_pixels(&found, &d.ctx, &d.compute, m, &rows, &d.o,
                                    &err),
             err);
    CHECK_UINT_EQ(found.n, 0);
    assay_inversion_release(&found);
    assay_model_free(m);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_steps_follow_the_gradient),
    CHECK_TEST(test_descent_reaches_the_wanted_posterior),
    CHECK_TEST(test_logits_stop_next_to_the_zero_image),
    CHECK_TEST(test_patience_ends_a_row),
    CHECK_TEST(test_the_best_iterate_is_kept),
    CHECK_TEST(test_clipping_keeps_to_pixels),
    CHECK_TEST(test_variation_smooths),
    CHECK_TEST(test_rows_do_not_see_each_other),
    CHECK_TEST(test_rows_stay_apart_when_tuned),
    CHECK_TEST(test_many_classes_are_told_apart),
    CHECK_TEST(test_what_is_not_finite_ends_its_row),
    CHECK_TEST(test_wrong_calls_are_refused),
};

CHECK_MAIN(tests)
