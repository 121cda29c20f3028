/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What inverted images are worth, on images of 4x4 and softmax regression
 * whose embedding is the flattened image: every measure by hand.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/inversion.h"
#include "linear_model.h"

enum { SIDE = 4, PIXELS = SIDE * SIDE, CLASSES = 7, N = 5, RECORDS = 12 };

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_model *model;
    float image[N * PIXELS];
    int32_t wanted[N];
    struct assay_inversion_judge judge;
};

static void draw(float *x, size_t n, uint64_t stream)
{
    struct assay_rng rng;

    assay_rng_init(&rng, 6, "test", stream);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)assay_rng_normal(&rng);
}

static void desk_open(struct desk *d)
{
    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->model = linear_model(SIDE, CLASSES, 1, 3);
    draw(d->image, N * PIXELS, 1);
    for (int i = 0; i < N; i++)
        d->wanted[i] = i % CLASSES;
    d->judge.ctx = &d->ctx;
    d->judge.compute = &d->compute;
}

static struct assay_inversion_quality measure(struct desk *d,
                                              const struct assay_preprocess *p)
{
    struct assay_inversion_quality q = {0};
    struct assay_error err = {0};

    CHECK_OK(
        assay_inversion_judge(&q, &d->judge, p, d->image, d->wanted, N, &err),
        err);
    CHECK_UINT_EQ(q.n, N);
    return q;
}

/* Logits larger than the wanted one's, of softmax regression on x. */
static int above(assay_model *m, const double *x, int32_t wanted)
{
    const struct assay_params *p = assay_model_params(m);
    const float *w = p->data + assay_params_find(p, "fc.weight")->offset;
    const float *b = p->data + assay_params_find(p, "fc.bias")->offset;
    double logits[CLASSES];
    int n = 0;

    for (size_t k = 0; k < CLASSES; k++) {
        logits[k] = (double)b[k];
        for (size_t i = 0; i < PIXELS; i++)
            logits[k] += (double)w[k * PIXELS + i] * x[i];
    }
    for (int k = 0; k < CLASSES; k++)
        n += logits[k] > logits[wanted];
    return n;
}

/* The evaluator sees the pixels through its own preprocessing. */
static void test_success_is_the_evaluators_class(void)
{
    struct assay_preprocess pre = {.channels = 1,
                                   .height = SIDE,
                                   .width = SIDE,
                                   .scale = 1 / 255.0,
                                   .mean = {.5},
                                   .std = {.1}};
    struct assay_inversion_quality q;
    size_t top1 = 0;
    size_t beyond5 = 0;
    struct desk d;

    desk_open(&d);
    for (int32_t first = 0; first < CLASSES; first++) {
        for (int i = 0; i < N; i++)
            d.wanted[i] = (first + i) % CLASSES;
        d.judge.evaluator = d.model;
        q = measure(&d, &pre);
        for (size_t i = 0; i < N; i++) {
            double x[PIXELS];
            int rank;

            for (size_t k = 0; k < PIXELS; k++)
                x[k] = ((double)d.image[i * PIXELS + k] * .1 + .5 - .3) / .25;
            rank = above(d.model, x, d.wanted[i]);
            CHECK_INT_EQ(q.top1[i], rank == 0);
            CHECK_INT_EQ(q.top5[i], rank < 5);
            CHECK(isnan(q.mse[i]));
            CHECK(isnan(q.member_distance[i]));
            top1 += q.top1[i];
            beyond5 += !q.top5[i];
        }
        assay_inversion_quality_release(&q);
    }
    CHECK_UINT_EQ(top1, N); /* each image once, over all classes */
    CHECK_UINT_EQ(beyond5, N * (CLASSES - 5));
    assay_model_free(d.model);
}

static struct assay_evidence embeddings(uint64_t stream)
{
    static float x[2][RECORDS * PIXELS];
    static int32_t label[RECORDS];
    struct assay_evidence e = {
        .n = RECORDS, .n_classes = CLASSES, .embedding_dim = PIXELS};

    draw(x[stream % 2], RECORDS * PIXELS, stream);
    for (int i = 0; i < RECORDS; i++)
        label[i] = i % 4; /* classes 4 to 6 have none */
    e.embedding = x[stream % 2];
    e.label = label;
    return e;
}

static void test_distance_is_to_the_nearest_of_the_class(void)
{
    struct assay_evidence e[2] = {embeddings(2), embeddings(3)};
    struct assay_inversion_quality q;
    float mean[PIXELS];
    struct desk d;

    desk_open(&d);
    d.wanted[4] = 5;
    d.judge.evaluator = d.model;
    d.judge.members = &e[0];
    d.judge.nonmembers = &e[1];
    q = measure(&d, &d.model->preprocess);
    for (size_t i = 0; i < N; i++) {
        double *got[2] = {&q.member_distance[i], &q.nonmember_distance[i]};

        for (int side = 0; side < 2; side++) {
            double best = (double)INFINITY;

            for (size_t r = 0; r < RECORDS; r++) {
                double sum = 0;

                if (e[side].label[r] != d.wanted[i])
                    continue;
                for (size_t k = 0; k < PIXELS; k++)
                    sum += pow((double)e[side].embedding[r * PIXELS + k] -
                                   (double)d.image[i * PIXELS + k],
                               2);
                best = sqrt(sum) < best ? sqrt(sum) : best;
            }
            if (isinf(best))
                CHECK(isnan(*got[side]));
            else
                CHECK_NEAR(*got[side], best, 1e-4);
        }
    }
    CHECK(isnan(q.member_distance[4]));
    assay_evidence_mean_embedding(&e[0], mean);
    CHECK_NEAR(mean[2],
               ((double)e[0].embedding[2] + (double)e[0].embedding[18] +
                (double)e[0].embedding[34] + (double)e[0].embedding[50] +
                (double)e[0].embedding[66] + (double)e[0].embedding[82] +
                (double)e[0].embedding[98] + (double)e[0].embedding[114] +
                (double)e[0].embedding[130] + (double)e[0].embedding[146] +
                (double)e[0].embedding[162] + (double)e[0].embedding[178]) /
                   12,
               1e-6);
    assay_inversion_quality_release(&q);
    assay_model_free(d.model);
}

static void test_means_are_those_of_classes(void)
{
    enum { MANY = 150 };
    static uint8_t pixels[MANY * PIXELS];
    static int32_t labels[MANY];
    static float means[3 * PIXELS];
    struct assay_dataset_source source = {.name = "tiny",
                                          .n = MANY,
                                          .channels = 1,
                                          .height = SIDE,
                                          .width = SIDE,
                                          .pixels = pixels,
                                          .labels = labels,
                                          .n_classes = 3};
    struct assay_inversion_quality q;
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    assay_view *view = NULL;
    double sum[2] = {0, 0};
    double want = 0;
    struct desk d;

    desk_open(&d);
    for (int i = 0; i < MANY; i++) {
        labels[i] = i % 3 == 0; /* 50 of class 1, none of class 2 */
        for (int k = 0; k < PIXELS; k++)
            pixels[i * PIXELS + k] = (uint8_t)((i * 7 + k * 3) % 251);
        sum[labels[i]] += pixels[i * PIXELS + 2];
    }
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    CHECK_OK(assay_view_new(&view, ds, NULL, MANY, &d.model->preprocess, &err),
             err);
    CHECK_OK(assay_class_means(view, 3, means, &err), err);
    CHECK_NEAR(means[2], (sum[0] / 100 / 255 - .3) / .25, 1e-5);
    CHECK_NEAR(means[PIXELS + 2], (sum[1] / 50 / 255 - .3) / .25, 1e-5);
    CHECK(isnan(means[2 * PIXELS]));
    CHECK_FAILS(assay_class_means(view, 1, means, &err), ASSAY_DATA, err);

    for (int i = 0; i < N; i++)
        d.wanted[i] = i % 3;
    d.judge.class_means = means;
    q = measure(&d, &d.model->preprocess);
    for (size_t k = 0; k < PIXELS; k++)
        want += pow((double)d.image[PIXELS + k] - (double)means[PIXELS + k], 2);
    CHECK_NEAR(q.mse[1], want / PIXELS, 1e-9);
    CHECK(isnan(q.mse[2]));
    CHECK_INT_EQ(q.top1[1], 0);
    assay_inversion_quality_release(&q);
    assay_view_free(view);
    assay_dataset_free(ds);
    assay_model_free(d.model);
}

static void test_wrong_calls_are_refused(void)
{
    struct assay_evidence e = embeddings(2);
    struct assay_inversion_quality q = {0};
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d);
    d.judge.evaluator = d.model;
    d.judge.members = &e;
    e.embedding_dim = PIXELS - 1;
    CHECK_FAILS(assay_inversion_judge(&q, &d.judge, &d.model->preprocess,
                                      d.image, d.wanted, N, &err),
                ASSAY_ARG, err);
    e.embedding_dim = PIXELS;
    d.wanted[3] = CLASSES;
    CHECK_FAILS(assay_inversion_judge(&q, &d.judge, &d.model->preprocess,
                                      d.image, d.wanted, N, &err),
                ASSAY_DATA, err);
    d.wanted[3] = 0;
    d.image[5] = (float)NAN;
    CHECK_FAILS(assay_inversion_judge(&q, &d.judge, &d.model->preprocess,
                                      d.image, d.wanted, N, &err),
                ASSAY_DATA, err);
    CHECK(!q.top1);
    assay_model_free(d.model);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_success_is_the_evaluators_class),
    CHECK_TEST(test_distance_is_to_the_nearest_of_the_class),
    CHECK_TEST(test_means_are_those_of_classes),
    CHECK_TEST(test_wrong_calls_are_refused),
};

CHECK_MAIN(tests)
