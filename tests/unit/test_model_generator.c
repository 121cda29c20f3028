/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generators on pictures of 16x16: a bright half, left or right. What is
 * trained must make such pictures, of both kinds, where an untrained one
 * makes none; and a training that was killed must end in the same bytes.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/format.h"
#include "assay/generator.h"
#include "assay/layers.h"
#include "assay/rng.h"
#include "check.h"

enum { SIDE = 16, PIXELS = SIDE * SIDE, N = 128, Z = 8, BRIGHT = 200 };

static assay_dataset *halves(size_t n)
{
    struct assay_dataset_source source = {.name = "halves",
                                          .n = n,
                                          .channels = 1,
                                          .height = SIDE,
                                          .width = SIDE,
                                          .n_classes = 2};
    uint8_t *pixels = calloc(n, PIXELS);
    int32_t *labels = calloc(n, sizeof(*labels));
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    struct assay_rng rng;

    CHECK(pixels && labels);
    assay_rng_init(&rng, 5, "test-halves", 0);
    for (size_t i = 0; i < n; i++) {
        labels[i] = (int32_t)(i % 2);
        for (size_t k = 0; k < PIXELS; k++) {
            bool lit = (k % SIDE >= SIDE / 2) == (labels[i] == 1);

            pixels[i * PIXELS + k] =
                (uint8_t)((lit ? BRIGHT : 20) + assay_rng_below(&rng, 30));
        }
    }
    source.pixels = pixels;
    source.labels = labels;
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    free(pixels);
    free(labels);
    return ds;
}

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_preprocess pre;
    struct assay_generator_options options;
    assay_dataset *data;
    assay_view *view;
    volatile sig_atomic_t stop;
    uint64_t stop_after; /* records; 0: never */
    char log[512];
};

static void on_progress(void *user, const struct assay_progress *step)
{
    struct desk *d = user;

    if (d->stop_after && step->done >= d->stop_after)
        d->stop = 1;
}

static void on_log(void *user, enum assay_log_level level, const char *text)
{
    struct desk *d = user;

    (void)level;
    snprintf(d->log, sizeof(d->log), "%s", text);
}

static void desk_open(struct desk *d, const char *backend, size_t epochs)
{
    struct assay_error err = {0};

    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->ctx.cancel = &d->stop;
    d->ctx.progress = on_progress;
    d->ctx.log = on_log;
    d->ctx.user = d;
    d->compute.backend = backend;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->data = halves(N);
    assay_preprocess_init(&d->pre, d->data);
    d->pre.channels = 1;
    d->pre.height = d->pre.width = SIDE;
    d->pre.mean[0] = .3;
    d->pre.std[0] = .25;
    CHECK_OK(assay_view_new(&d->view, d->data, NULL, N, &d->pre, &err), err);
    assay_generator_options_init(&d->options, epochs);
    d->options.batch = 16;
    d->options.z_dim = Z;
    d->options.width = 8;
    d->options.lr = 1e-3;
    d->options.seed = 1;
}

static void desk_close(struct desk *d)
{
    assay_view_free(d->view);
    assay_dataset_free(d->data);
}

static int train(struct desk *d, assay_generator **gen,
                 struct assay_generator_history *history,
                 struct assay_error *err)
{
    d->stop = 0;
    return assay_generator_train(gen, &d->ctx, &d->compute, d->view,
                                 &d->options, history, err);
}

static assay_generator *trained(struct desk *d)
{
    struct assay_error err = {0};
    assay_generator *gen = NULL;

    CHECK_OK(train(d, &gen, NULL, &err), err);
    return gen;
}

static void check_same(assay_generator *a, assay_generator *b)
{
    const struct assay_params *x = assay_generator_params(a);
    const struct assay_params *y = assay_generator_params(b);

    CHECK_UINT_EQ(x->size, y->size);
    CHECK_MEM_EQ(x->data, y->data, x->size * sizeof(float));
    CHECK_STR_EQ(assay_generator_key(a), assay_generator_key(b));
}

/* Pictures, of n made, with one half above 150 on average and the other
 * below 90, by the bright half. */
static void count_halves(struct desk *d, const assay_generator *gen, size_t n,
                         size_t count[2])
{
    float *images = calloc(n * PIXELS, sizeof(*images));
    float *z = calloc(n * Z, sizeof(*z));
    struct assay_error err = {0};

    count[0] = count[1] = 0;
    CHECK(z && images);
    assay_generator_draw(gen, 9, n, z);
    CHECK_OK(
        assay_generator_sample(gen, &d->ctx, &d->compute, z, n, images, &err),
        err);
    for (size_t i = 0; i < n; i++) {
        uint8_t pixels[PIXELS];
        double mean[2] = {0, 0};

        assay_preprocess_invert(&d->pre, images + i * PIXELS, pixels);
        for (size_t k = 0; k < PIXELS; k++)
            mean[k % SIDE >= SIDE / 2] += pixels[k] / (PIXELS / 2.0);
        for (int side = 0; side < 2; side++)
            count[side] += mean[side] > 150 && mean[1 - side] < 90;
    }
    free(images);
    free(z);
}

static void test_it_learns_a_distribution(void)
{
    struct assay_error err = {0};
    assay_generator *gen = NULL;
    size_t count[2];
    struct desk d;

    desk_open(&d, "onednn", 60);
    assay_view_free(d.view);
    assay_dataset_free(d.data);
    d.data = halves(3 * N);
    CHECK_OK(assay_view_new(&d.view, d.data, NULL, 3 * N, &d.pre, &err), err);
    d.options.batch = 8;
    d.options.width = 4;
    d.options.lr = 3e-4;
    CHECK_OK(assay_generator_new(&gen, &d.pre, &d.options, &err), err);
    count_halves(&d, gen, 200, count);
    CHECK_UINT_EQ(count[0] + count[1], 0);
    CHECK_STR_EQ(assay_generator_key(gen), "");
    assay_generator_free(gen);

    gen = trained(&d);
    count_halves(&d, gen, 200, count);
    printf("# %zu left, %zu right of 200\n", count[0], count[1]);
    CHECK(count[0] + count[1] >= 150);
    CHECK(count[0] >= 40 && count[1] >= 40);
    assay_generator_free(gen);
    desk_close(&d);
}

/* Pictures as they are, and resized in three channels of other ranges. */
static void check_backends(bool colour)
{
    struct assay_generator_history h[2] = {{0}};

    for (int i = 0; i < 2; i++) {
        struct assay_error err = {0};
        assay_generator *gen = NULL;
        struct desk d;

        desk_open(&d, i ? "onednn" : "reference", 1);
        if (colour) {
            assay_view_free(d.view);
            d.pre.channels = 3;
            d.pre.height = d.pre.width = 2 * SIDE;
            d.pre.mean[1] = .6;
            d.pre.std[2] = .1;
            d.options.width = 2;
            CHECK_OK(assay_view_new(&d.view, d.data, NULL, N / 4, &d.pre, &err),
                     err);
        }
        CHECK_OK(train(&d, &gen, &h[i], &err), err);
        CHECK_UINT_EQ(h[i].n, 1);
        CHECK(h[i].epoch[0].discriminator_loss > .01);
        CHECK(h[i].epoch[0].generator_loss > .01);
        assay_generator_free(gen);
        desk_close(&d);
    }
    CHECK_NEAR(h[1].epoch[0].discriminator_loss,
               h[0].epoch[0].discriminator_loss, 1e-3);
    CHECK_NEAR(h[1].epoch[0].generator_loss, h[0].epoch[0].generator_loss,
               1e-3);
    for (int i = 0; i < 2; i++)
        assay_generator_history_release(&h[i]);
}

static void test_backends_train_alike(void)
{
    check_backends(false);
    check_backends(true);
}

static void test_a_seed_is_a_result(void)
{
    assay_generator *gen[3];
    struct desk d;

    desk_open(&d, "onednn", 1);
    gen[0] = trained(&d);
    gen[1] = trained(&d);
    check_same(gen[0], gen[1]);
    d.options.seed = 2;
    gen[2] = trained(&d);
    CHECK(memcmp(assay_generator_params(gen[0])->data,
                 assay_generator_params(gen[2])->data,
                 assay_generator_params(gen[0])->size * sizeof(float)) != 0);
    for (int i = 0; i < 3; i++)
        assay_generator_free(gen[i]);
    desk_close(&d);
}

/* Killed in the second epoch and again in the third. */
static void check_interruptions(const char *backend,
                                enum assay_algorithms algorithms)
{
    static const uint64_t stops[2] = {N + N / 2, 2 * N + N / 2};
    const char *path = check_temp_path("gan.checkpoint");
    struct assay_generator_history h = {0};
    struct assay_error err = {0};
    assay_generator *whole;
    assay_generator *gen = NULL;
    struct desk d;

    desk_open(&d, backend, 3);
    d.compute.algorithms = algorithms;
    if (algorithms == ASSAY_ALGORITHMS_TUNED)
        CHECK_OK(assay_tuning_new(&d.compute.tuning, &err), err);
    whole = trained(&d);
    d.options.checkpoint = path;
    for (int i = 0; i < 2; i++) {
        d.stop_after = stops[i];
        CHECK_FAILS(train(&d, &gen, NULL, &err), ASSAY_CANCELED, err);
        CHECK(!gen);
    }
    d.stop_after = 0;
    CHECK_OK(train(&d, &gen, &h, &err), err);
    CHECK_UINT_EQ(h.resumed_at, 2);
    CHECK_UINT_EQ(h.n, 3);
    check_same(whole, gen);
    assay_generator_history_release(&h);
    assay_generator_free(gen);

    /* The finished run is found whole; one with another rate is not it. */
    CHECK_OK(train(&d, &gen, &h, &err), err);
    CHECK_UINT_EQ(h.resumed_at, 3);
    check_same(whole, gen);
    assay_generator_history_release(&h);
    assay_generator_free(gen);
    d.options.lr = 5e-4;
    CHECK_OK(train(&d, &gen, &h, &err), err);
    CHECK_UINT_EQ(h.resumed_at, 0);
    CHECK_STR_HAS(d.log, "of another run");
    assay_generator_history_release(&h);
    assay_generator_free(gen);
    assay_generator_free(whole);
    assay_tuning_free(d.compute.tuning);
    desk_close(&d);
    remove(path);
}

static void test_a_killed_training_goes_on(void)
{
    check_interruptions("reference", ASSAY_ALGORITHMS_DIRECT);
    check_interruptions("onednn", ASSAY_ALGORITHMS_DIRECT);
    check_interruptions("onednn", ASSAY_ALGORITHMS_TUNED);
}

static void test_a_damaged_checkpoint_is_no_obstacle(void)
{
    const char *path = check_temp_path("damaged.checkpoint");
    struct assay_generator_history h = {0};
    struct assay_error err = {0};
    struct assay_tensors list;
    assay_generator *gen = NULL;
    struct desk d;

    desk_open(&d, "onednn", 1);
    d.options.checkpoint = path;
    check_write_file(path, "nothing", 7);
    CHECK_OK(train(&d, &gen, &h, &err), err);
    CHECK_STR_HAS(d.log, "starting anew");
    CHECK_UINT_EQ(h.resumed_at, 0);
    assay_generator_free(gen);
    assay_generator_history_release(&h);

    /* All is there but for one parameter. */
    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, path, &err), err);
    list.item[0].name[0] = 'x';
    CHECK_OK(assay_tensors_write(&list, path, &err), err);
    assay_tensors_release(&list);
    CHECK_OK(train(&d, &gen, &h, &err), err);
    CHECK_STR_HAS(d.log, "starting anew");
    CHECK_UINT_EQ(h.resumed_at, 0);
    assay_generator_free(gen);
    assay_generator_history_release(&h);
    desk_close(&d);
}

static void test_files_hold_all_of_it(void)
{
    const char *path = check_temp_path("g.safetensors");
    float images[2][3 * PIXELS];
    float z[3 * Z];
    struct assay_error err = {0};
    assay_generator *back = NULL;
    assay_generator *gen;
    struct desk d;

    desk_open(&d, "onednn", 1);
    gen = trained(&d);
    CHECK_OK(assay_generator_save(gen, path, &err), err);
    CHECK_OK(assay_generator_open(&back, path, &err), err);
    check_same(gen, back);
    CHECK_INT_EQ(assay_generator_z_dim(back), Z);
    CHECK_NEAR(assay_generator_preprocess(back)->mean[0], .3, 0);
    CHECK_INT_EQ(assay_generator_preprocess(back)->height, SIDE);
    assay_generator_draw(back, 3, 3, z);
    CHECK_OK(
        assay_generator_sample(gen, &d.ctx, &d.compute, z, 3, images[0], &err),
        err);
    CHECK_OK(
        assay_generator_sample(back, &d.ctx, &d.compute, z, 3, images[1], &err),
        err);
    CHECK_MEM_EQ(images[0], images[1], sizeof(images[0]));
    assay_generator_free(back);
    assay_generator_free(gen);
    desk_close(&d);
}

static void test_bad_sidecars_are_refused(void)
{
    static const char *const bad[][2] = {
        {"{\"kind\": \"other\"", "must be 'dcgan'"},
        {"{\"kind\": \"dcgan\", \"more\": 1", "unknown key 'more'"},
        {"{\"kind\": \"dcgan\", \"key\": \"\", \"z\": 0", "'z' must be"},
        {"{\"kind\": \"dcgan\", \"key\": \"\", \"z\": 8, \"width\": 8, "
         "\"pixels\": [0]",
         "'pixels' must hold"},
        {"{\"kind\": \"dcgan\", \"key\": \"\", \"z\": 8, \"width\": 8, "
         "\"pixels\": [255, 0], \"preprocess\": {\"channels\": 1, \"height\": "
         "16, \"width\": 16, \"scale\": 1, \"mean\": [0], \"std\": [1]}",
         "pixels from 255 to 0"},
        {"{\"kind\": \"dcgan\", \"key\": \"\", \"z\": 8, \"width\": 9, "
         "\"pixels\": [0, 255], \"preprocess\": {\"channels\": 1, \"height\": "
         "16, \"width\": 16, \"scale\": 1, \"mean\": [0], \"std\": [1]}",
         "generator.0.weight"},
    };
    const char *path = check_temp_path("b.safetensors");
    struct assay_error err = {0};
    assay_generator *gen = NULL;
    struct desk d;

    desk_open(&d, "onednn", 1);
    CHECK_OK(assay_generator_new(&gen, &d.pre, &d.options, &err), err);
    CHECK_OK(assay_generator_save(gen, path, &err), err);
    assay_generator_free(gen);
    gen = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[400];

        snprintf(text, sizeof(text), "%s}", bad[i][0]);
        check_write_file(check_temp_path("b.json"), text, strlen(text));
        CHECK(assay_generator_open(&gen, path, &err) != ASSAY_OK);
        CHECK_STR_HAS(err.msg, bad[i][1]);
        CHECK(!gen);
    }
    desk_close(&d);
}

static void test_an_image_depends_on_its_own_z(void)
{
    enum { MANY = 70 };
    static float z[MANY * Z];
    static float images[2][MANY * PIXELS];
    struct assay_error err = {0};
    assay_generator *gen;
    struct desk d;
    struct assay_rng rng;

    desk_open(&d, "onednn", 1);
    gen = trained(&d);
    assay_rng_init(&rng, 1, "test", 0);
    for (size_t i = 0; i < MANY * Z; i++)
        z[i] = (float)assay_rng_normal(&rng);
    CHECK_OK(assay_generator_sample(gen, &d.ctx, &d.compute, z, MANY, images[0],
                                    &err),
             err);
    CHECK_OK(assay_generator_sample(gen, &d.ctx, &d.compute, z + 67 * Z, 1,
                                    images[1], &err),
             err);
    CHECK_MEM_EQ(images[1], images[0] + 67 * PIXELS, PIXELS * sizeof(float));
    CHECK(memcmp(images[0], images[1], PIXELS * sizeof(float)) != 0);
    assay_generator_free(gen);
    desk_close(&d);
}

/* Three channels of different ranges: an image is the raw one, mapped. */
static void test_ranges_are_mapped_exactly(void)
{
    enum { ALL = 3 * PIXELS };
    static float raw[4 * ALL];
    static float image[4 * ALL];
    struct assay_preprocess pre = {.channels = 3,
                                   .height = SIDE,
                                   .width = SIDE,
                                   .scale = 1 / 255.0,
                                   .mean = {.4914, .4822, .4465},
                                   .std = {.2023, .1994, .2010}};
    struct assay_shape shape =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)Z);
    struct assay_generator_options o;
    struct assay_generator_values v;
    struct assay_params params = {0};
    struct assay_error err = {0};
    assay_generator *gen = NULL;
    assay_graph *g = NULL;
    assay_plan *plan = NULL;
    assay_value outputs[2];
    float z[4 * Z] = {1, -1, 2, .5F};
    assay_value in;
    struct assay_plan_options p = {.batch = 4,
                                   .threads = 1,
                                   .outputs = outputs,
                                   .n_outputs = 2,
                                   .algorithms = ASSAY_ALGORITHMS_DIRECT};

    assay_generator_options_init(&o, 1);
    o.z_dim = Z;
    o.width = 8;
    CHECK_OK(assay_generator_new(&gen, &pre, &o, &err), err);
    CHECK_OK(assay_graph_new(&g, &err), err);
    in = assay_graph_input(g, "z", &shape);
    assay_generator_append(gen, g, in, "gan.", &v);
    CHECK_OK(assay_graph_check(g, &err), err);
    CHECK_INT_EQ(assay_graph_shape(g, v.realism)->rank, 1);
    CHECK_OK(assay_params_make(&params, g, &err), err);
    CHECK_OK(assay_generator_fill(gen, "gan.", &params, &err), err);
    CHECK_FAILS(assay_generator_fill(gen, "none.", &params, &err), ASSAY_SHAPE,
                err);
    outputs[0] = v.raw;
    outputs[1] = v.image;
    CHECK_OK(assay_plan_new(&plan, g, &p, &err), err);
    CHECK_OK(assay_plan_load(plan, &params, &err), err);
    CHECK_OK(assay_plan_write(plan, in, z, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, v.raw, raw, &err), err);
    CHECK_OK(assay_plan_read(plan, v.image, image, &err), err);
    for (size_t i = 0; i < 4 * ALL; i++) {
        size_t c = i / PIXELS % 3;
        double pixel = ((double)raw[i] + 1) * 127.5;

        CHECK_NEAR(image[i], (pixel * pre.scale - pre.mean[c]) / pre.std[c],
                   1e-5);
    }
    assay_plan_free(plan);
    assay_params_release(&params);
    assay_graph_free(g);
    assay_generator_free(gen);
}

static void test_wrong_options_are_refused(void)
{
    struct assay_error err = {0};
    assay_generator *gen = NULL;
    struct desk d;

    desk_open(&d, "onednn", 0);
    CHECK_FAILS(train(&d, &gen, NULL, &err), ASSAY_ARG, err);
    d.options.epochs = 1;
    d.options.z_dim = 0;
    CHECK_FAILS(train(&d, &gen, NULL, &err), ASSAY_ARG, err);
    d.options.z_dim = Z;
    d.options.width = 0;
    CHECK_FAILS(train(&d, &gen, NULL, &err), ASSAY_ARG, err);
    d.options.width = 8;
    d.options.pixel_high = 0;
    CHECK_FAILS(train(&d, &gen, NULL, &err), ASSAY_ARG, err);
    d.options.pixel_high = 255;
    d.options.lr = -1;
    CHECK_FAILS(train(&d, &gen, NULL, &err), ASSAY_ARG, err);
    d.options.lr = 1e-3;
    d.pre.height = 20;
    CHECK_FAILS(assay_generator_new(&gen, &d.pre, &d.options, &err), ASSAY_ARG,
                err);
    d.pre.height = d.pre.width = 17;
    CHECK_FAILS(assay_generator_new(&gen, &d.pre, &d.options, &err), ASSAY_ARG,
                err);
    CHECK_STR_HAS(err.msg, "side 17");
    d.pre.height = d.pre.width = 28;
    CHECK_OK(assay_generator_new(&gen, &d.pre, &d.options, &err), err);
    assay_generator_free(gen);
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_it_learns_a_distribution),
    CHECK_TEST(test_backends_train_alike),
    CHECK_TEST(test_a_seed_is_a_result),
    CHECK_TEST(test_a_killed_training_goes_on),
    CHECK_TEST(test_a_damaged_checkpoint_is_no_obstacle),
    CHECK_TEST(test_files_hold_all_of_it),
    CHECK_TEST(test_bad_sidecars_are_refused),
    CHECK_TEST(test_an_image_depends_on_its_own_z),
    CHECK_TEST(test_ranges_are_mapped_exactly),
    CHECK_TEST(test_wrong_options_are_refused),
};

CHECK_MAIN(tests)
