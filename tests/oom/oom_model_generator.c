/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generators and inversion while memory runs out: whichever allocation
 * fails, the answer is ASSAY_NOMEM, nothing is handed out and nothing leaks.
 * The JSON library allocates by itself; its failures are not walked.
 */

#include <stdio.h>
#include <string.h>

#include "assay/inversion.h"
#include "fail_alloc.h"
#include "linear_model.h"
#include "small_data.h"

enum { SIDE = 8, Z = 2, PIXELS = SIDE * SIDE };

/* After a round: a failed allocation was told, or all is well. */
static void check_round(int code, long n, const struct assay_error *err)
{
    fail_alloc_off();
    if (fail_alloc_hit() && code != ASSAY_NOMEM)
        printf("# allocation %ld: %d %s\n", n, code, err->msg);
    CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
}

/* The same where up to `most` allocations can be done without: those with
 * which finished files' folders are synced. */
static void check_file_round(int code, long n, const struct assay_error *err,
                             int *spared, int most)
{
    fail_alloc_off();
    if (!fail_alloc_hit() || code != ASSAY_OK)
        check_round(code, n, err);
    else
        CHECK(++*spared <= most);
}

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_preprocess pre;
    struct assay_generator_options o;
    assay_dataset *data;
    assay_view *view;
};

static void desk_open(struct desk *d)
{
    struct assay_error err = {0};

    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.backend = "onednn";
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->data = small_records(4, 1);
    d->pre = small_spec().preprocess;
    d->pre.height = d->pre.width = SIDE;
    CHECK_OK(assay_view_new(&d->view, d->data, NULL, 4, &d->pre, &err), err);
    assay_generator_options_init(&d->o, 1);
    d->o.batch = 4;
    d->o.width = 1;
    d->o.z_dim = Z;
}

static void desk_close(struct desk *d)
{
    assay_view_free(d->view);
    assay_dataset_free(d->data);
}

static void test_training_a_generator(void)
{
    const char *path = check_temp_path("g.checkpoint");
    struct desk d;

    desk_open(&d);
    for (int resumed = 0; resumed < 2; resumed++) {
        int spared = 0;

        d.o.checkpoint = path;
        d.o.epochs = 1 + (size_t)resumed;
        for (long n = 1; fail_alloc_next(n); n++) {
            struct assay_generator_history h = {0};
            struct assay_error err = {0};
            assay_generator *gen = NULL;
            int code = assay_generator_train(&gen, &d.ctx, &d.compute, d.view,
                                             &d.o, &h, &err);

            check_file_round(code, n, &err, &spared, 2);
            CHECK((gen != NULL) == (code == ASSAY_OK));
            CHECK((h.epoch != NULL) == (code == ASSAY_OK));
            assay_generator_history_release(&h);
            assay_generator_free(gen);
            if (!resumed)
                remove(path);
        }
        d.o.epochs = 1;
        if (!resumed) {
            struct assay_error err = {0};
            assay_generator *gen = NULL;

            CHECK_OK(assay_generator_train(&gen, &d.ctx, &d.compute, d.view,
                                           &d.o, NULL, &err),
                     err);
            assay_generator_free(gen);
        }
    }
    desk_close(&d);
}

static void test_generators_on_disk(void)
{
    const char *path = check_temp_path("g.safetensors");
    float z[Z] = {0};
    float images[PIXELS];
    int spared = 0;
    struct desk d;

    desk_open(&d);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_generator *gen = NULL;
        int code = assay_generator_new(&gen, &d.pre, &d.o, &err);

        if (code == ASSAY_OK)
            code = assay_generator_save(gen, path, &err);
        check_file_round(code, n, &err, &spared, 2);
        assay_generator_free(gen);
    }
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_generator *gen = NULL;
        int code = assay_generator_open(&gen, path, &err);

        if (code == ASSAY_OK)
            code = assay_generator_sample(gen, &d.ctx, &d.compute, z, 1, images,
                                          &err);
        check_round(code, n, &err);
        assay_generator_free(gen);
    }
    desk_close(&d);
}

static void test_inverting(void)
{
    int32_t wanted[2] = {0, 1};
    struct assay_inversion_rows rows = {.n = 2, .wanted = wanted};
    assay_model *m = linear_model(SIDE, 3, .1, 1);
    float mean[PIXELS] = {0};
    struct assay_pixel_descent pixels;
    struct assay_latent_descent latent;
    struct assay_error err = {0};
    assay_generator *gen = NULL;
    struct desk d;

    desk_open(&d);
    m->preprocess = d.pre;
    CHECK_OK(assay_generator_new(&gen, &d.pre, &d.o, &err), err);
    assay_pixel_descent_init(&pixels);
    assay_latent_descent_init(&latent);
    latent.identity = ASSAY_IDENTITY_LOGIT;
    latent.feature_mean = mean;
    pixels.max_steps = latent.steps = 2;
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_inversion found = {0};
        int code = assay_inversion_pixels(&found, &d.ctx, &d.compute, m, &rows,
                                          &pixels, &err);

        check_round(code, n, &err);
        CHECK((found.image != NULL) == (code == ASSAY_OK));
        assay_inversion_release(&found);
    }
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_inversion found = {0};
        const assay_model *models[2] = {m, m};
        struct assay_latent_nets nets = {gen, models, 2};
        int code = assay_inversion_latent(&found, &d.ctx, &d.compute, &nets,
                                          &rows, &latent, &err);

        check_round(code, n, &err);
        CHECK((found.latent != NULL) == (code == ASSAY_OK));
        assay_inversion_release(&found);
    }
    assay_generator_free(gen);
    assay_model_free(m);
    desk_close(&d);
}

static void test_judging(void)
{
    static float images[2 * PIXELS];
    static float means[3 * PIXELS];
    int32_t wanted[2] = {0, 1};
    assay_model *m = linear_model(SIDE, 3, .1, 1);
    struct desk d;

    desk_open(&d);
    m->preprocess = d.pre;
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_inversion_judge judge = {.ctx = &d.ctx,
                                              .compute = &d.compute,
                                              .evaluator = m,
                                              .class_means = means};
        struct assay_inversion_quality q = {0};
        struct assay_error err = {0};
        int code = assay_class_means(d.view, 3, means, &err);

        if (code == ASSAY_OK)
            code = assay_inversion_judge(&q, &judge, &d.pre, images, wanted, 2,
                                         &err);
        check_round(code, n, &err);
        CHECK((q.top1 != NULL) == (code == ASSAY_OK));
        assay_inversion_quality_release(&q);
    }
    assay_model_free(m);
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_training_a_generator),
    CHECK_TEST(test_generators_on_disk),
    CHECK_TEST(test_inverting),
    CHECK_TEST(test_judging),
};

CHECK_MAIN(tests)
