/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts: what they are made of, that partial tuning leaves the extractor bit
 * for bit as it was, that the head begins and learns alike whatever the
 * extractor is, ensembles, numbers in the place of classes.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/host.h"
#include "linear_model.h"
#include "small_data.h"

enum { RECORDS = 60, THREADS = 1 };

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_view *view;
    assay_model *f;
    struct assay_host_spec spec;
    const assay_model *list[3];
};

static void desk_open(struct desk *d)
{
    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = THREADS;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->data = small_records(RECORDS, 1);
    d->view = small_view(d->data);
    d->f = small_model(1);
    d->list[0] = d->f;
    assay_host_spec_init(&d->spec, d->list, 1, SMALL_CLASSES);
}

static void desk_close(struct desk *d)
{
    assay_model_free(d->f);
    assay_view_free(d->view);
    assay_dataset_free(d->data);
}

static assay_model *make(struct desk *d, uint64_t seed)
{
    struct assay_error err = {0};
    assay_model *host = NULL;

    CHECK_OK(assay_host_new(&host, &d->spec, seed, &err), err);
    return host;
}

/* All images of the view. */
static float *images(const struct desk *d)
{
    float *x = calloc(RECORDS * SMALL_PIXELS, sizeof(*x));
    uint32_t rows[RECORDS];

    CHECK(x != NULL);
    for (uint32_t i = 0; i < RECORDS; i++)
        rows[i] = i;
    assay_view_fill(d->view, rows, RECORDS, NULL, 0, 0, x);
    return x;
}

static void run_host(struct desk *d, const assay_model *host, float *out)
{
    struct assay_error err = {0};
    float *x = images(d);

    CHECK_OK(assay_host_run(host, x, RECORDS, out, &d->ctx, &d->compute, &err),
             err);
    free(x);
}

static size_t n_right(const struct desk *d, const float *logits)
{
    size_t right = 0;

    for (size_t i = 0; i < RECORDS; i++)
        right += assay__argmax(logits + i * SMALL_CLASSES, SMALL_CLASSES) ==
                 assay_view_label(d->view, i);
    return right;
}

/* Whether extractor 0 has the values of `f`. */
static bool holds(const assay_model *host, const assay_model *f)
{
    const assay_model *h = host;

    for (int i = 0; i < f->params.n_slots; i++) {
        const struct assay_param_slot *from = &f->params.slot[i];
        char name[128];
        const struct assay_param_slot *to;

        snprintf(name, sizeof(name), "extractor0.%s", from->name);
        to = assay_params_find(&h->params, name);
        CHECK(to != NULL);
        if (memcmp(h->params.data + to->offset, f->params.data + from->offset,
                   from->count * sizeof(float)) != 0)
            return false;
    }
    return true;
}

static void test_a_host_begins_as_its_extractor(void)
{
    float out[RECORDS * SMALL_CLASSES];
    float by_head[RECORDS * SMALL_CLASSES];
    struct assay_error err = {0};
    float *features = NULL;
    assay_model *host;
    struct desk d;

    desk_open(&d);
    for (d.spec.depth = 1; d.spec.depth <= 3; d.spec.depth++) {
        host = make(&d, 5);
        CHECK_STR_EQ(assay_model_arch(host), "host");
        CHECK(holds(host, d.f));
        CHECK_OK(assay_host_features(&features, host, d.view, &d.ctx,
                                     &d.compute, &err),
                 err);
        CHECK_OK(assay_host_head(host, features, RECORDS, by_head, &err), err);
        run_host(&d, host, out);
        for (size_t i = 0; i < RECORDS * SMALL_CLASSES; i++)
            CHECK_NEAR(by_head[i], out[i], 1e-4);
        CHECK_FAILS(
            assay_model_save(host, check_temp_path("h.safetensors"), &err),
            ASSAY_UNSUPPORTED, err);
        assay_bytes_free(features);
        assay_model_free(host);
    }
    desk_close(&d);
}

static void test_partial_tuning_leaves_the_extractor(void)
{
    struct assay_host_recipe recipe;
    float out[RECORDS * SMALL_CLASSES];
    float again[RECORDS * SMALL_CLASSES];
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d);
    assay_host_recipe_init(&recipe, ASSAY_HOST_PARTIAL);
    recipe.epochs = 40;
    recipe.rate = .01;
    for (int i = 0; i < 2; i++) {
        assay_model *host = make(&d, 5);

        CHECK_OK(assay_host_tune(host, d.view, NULL, &recipe, &d.ctx,
                                 &d.compute, &err),
                 err);
        CHECK(holds(host, d.f));
        run_host(&d, host, i ? again : out);
        assay_model_free(host);
    }
    CHECK(n_right(&d, out) > RECORDS * 9 / 10);
    CHECK_MEM_EQ(again, out, sizeof(out));
    desk_close(&d);
}

static void test_full_tuning_changes_all(void)
{
    struct assay_host_recipe recipe;
    float out[RECORDS * SMALL_CLASSES];
    struct assay_error err = {0};
    assay_model *host;
    struct desk d;

    desk_open(&d);
    assay_host_recipe_init(&recipe, ASSAY_HOST_FULL);
    recipe.rate = .002;
    recipe.epochs = 10;
    recipe.batch = 10;
    host = make(&d, 5);
    CHECK_OK(
        assay_host_tune(host, d.view, NULL, &recipe, &d.ctx, &d.compute, &err),
        err);
    CHECK(!holds(host, d.f));
    run_host(&d, host, out);
    CHECK(n_right(&d, out) > RECORDS * 9 / 10);
    /* What no output depends on stays: the extractor's own classifier. */
    CHECK_MEM_EQ(
        host->params.data +
            assay_params_find(&host->params, "extractor0.classifier.2.weight")
                ->offset,
        d.f->params.data +
            assay_params_find(&d.f->params, "classifier.2.weight")->offset,
        SMALL_CLASSES * sizeof(float));
    assay_model_free(host);
    desk_close(&d);
}

static const float *head_of(const assay_model *host)
{
    return host->params.data +
           assay_params_find(&host->params, "head.0.weight")->offset;
}

static void test_heads_begin_alike_on_all_extractors(void)
{
    assay_model *one;
    assay_model *two;
    assay_model *other;
    struct desk d;
    size_t bytes;

    desk_open(&d);
    one = make(&d, 7);
    d.list[0] = small_model(2);
    two = make(&d, 7);
    other = make(&d, 8);
    bytes = assay_host_width(one) * SMALL_CLASSES * sizeof(float);
    CHECK_MEM_EQ(head_of(two), head_of(one), bytes);
    CHECK(memcmp(head_of(other), head_of(one), bytes) != 0);
    assay_model_free((assay_model *)(uintptr_t)d.list[0]);
    assay_model_free(one);
    assay_model_free(two);
    assay_model_free(other);
    desk_close(&d);
}

/* Two extractors, the second of which wants pixels by other numbers: its
 * features are those it has alone. */
static void test_ensembles_join_features(void)
{
    struct assay_preprocess pre;
    struct assay_error err = {0};
    float *joined = NULL;
    float *alone = NULL;
    assay_model *second = small_model(3);
    assay_model *host;
    assay_model *single;
    assay_view *view = NULL;
    size_t width;
    struct desk d;

    desk_open(&d);
    pre = *assay_model_preprocess(second);
    pre.mean[0] = .1;
    pre.std[0] = .7;
    pre.scale = 1 / 200.0;
    CHECK_OK(assay_model_set_pixels(second, &pre, &err), err);
    d.list[0] = second;
    single = make(&d, 1);
    width = assay_host_width(single);
    CHECK_OK(assay_view_new(&view, d.data, NULL, RECORDS, &pre, &err), err);
    CHECK_OK(
        assay_host_features(&alone, single, view, &d.ctx, &d.compute, &err),
        err);
    d.list[0] = d.f;
    d.list[1] = second;
    d.spec.n_extractors = 2;
    host = make(&d, 1);
    CHECK_UINT_EQ(assay_host_width(host), 2 * width);
    CHECK_OK(
        assay_host_features(&joined, host, d.view, &d.ctx, &d.compute, &err),
        err);
    for (size_t r = 0; r < RECORDS; r++)
        for (size_t i = 0; i < width; i++)
            CHECK_NEAR(joined[r * 2 * width + width + i], alone[r * width + i],
                       1e-4);
    assay_bytes_free(joined);
    assay_bytes_free(alone);
    assay_view_free(view);
    assay_model_free(host);
    assay_model_free(single);
    assay_model_free(second);
    desk_close(&d);
}

static void test_regression_learns_numbers(void)
{
    static const enum assay_host_tuning tunings[] = {ASSAY_HOST_PARTIAL,
                                                     ASSAY_HOST_FULL};
    float target[RECORDS];
    float out[RECORDS];
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d);
    d.spec.regression = 1;
    d.spec.n_outputs = 1;
    d.spec.depth = 2;
    for (size_t i = 0; i < RECORDS; i++)
        target[i] = (float)assay_view_label(d.view, i) / 2.0F;
    for (int t = 0; t < 2; t++) {
        struct assay_host_recipe recipe;
        assay_model *host = make(&d, 5);
        double squares = 0;

        assay_host_recipe_init(&recipe, tunings[t]);
        recipe.epochs = 30;
        recipe.batch = 10;
        CHECK_OK(assay_host_tune(host, d.view, target, &recipe, &d.ctx,
                                 &d.compute, &err),
                 err);
        run_host(&d, host, out);
        for (size_t i = 0; i < RECORDS; i++)
            squares += pow((double)out[i] - (double)target[i], 2);
        CHECK(squares / RECORDS < .02); /* 1/6 for the mean */
        assay_model_free(host);
    }
    desk_close(&d);
}

static void test_bad_hosts_are_refused(void)
{
    struct assay_error err = {0};
    assay_model *other = linear_model(6, 3, 1, 1);
    assay_model *host = NULL;
    struct desk d;

    desk_open(&d);
    d.spec.depth = 5;
    CHECK_FAILS(assay_host_new(&host, &d.spec, 1, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "a head of 5 layers; 1 to 4");
    d.spec.depth = 1;
    d.spec.n_outputs = 1;
    CHECK_FAILS(assay_host_new(&host, &d.spec, 1, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "1 outputs; 2 to");
    d.spec.n_outputs = 3;
    d.list[1] = other;
    d.spec.n_extractors = 2;
    CHECK_FAILS(assay_host_new(&host, &d.spec, 1, &err), ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "takes images of 1x6x6, the first one 1x10x10");
    d.spec.n_extractors = 0;
    CHECK_FAILS(assay_host_new(&host, &d.spec, 1, &err), ASSAY_ARG, err);
    CHECK(host == NULL);
    assay_model_free(other);
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_host_begins_as_its_extractor),
    CHECK_TEST(test_partial_tuning_leaves_the_extractor),
    CHECK_TEST(test_full_tuning_changes_all),
    CHECK_TEST(test_heads_begin_alike_on_all_extractors),
    CHECK_TEST(test_ensembles_join_features),
    CHECK_TEST(test_regression_learns_numbers),
    CHECK_TEST(test_bad_hosts_are_refused),
};
CHECK_MAIN(tests)
