/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clipping record by record on whole networks, with group norm where they
 * normalise: norms and clipped sums against gradients that are made one
 * record at a time, by plans of batch 1 and the ordinary derivative. On the
 * smallest inputs in both backends, and on some of 32x32, where maps are
 * large enough for every kind of kernel.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "check.h"

enum { CLASSES = 5, RECORDS = 2, PARAMS_MAX = 400 };

struct setting {
    const char *backend;
    enum assay_algorithms algorithms;
    int threads;
};

/* A network with its loss, one of its derivatives and a plan of that. */
struct net {
    assay_graph *g;
    assay_value x, labels, losses, loss, weights, norms;
    assay_value param[PARAMS_MAX];
    assay_value d[PARAMS_MAX];
    int n;
    assay_plan *plan;
};

static void open_net(struct net *t, const char *arch, int size)
{
    struct assay_arch_options o = {
        .n_classes = CLASSES, .norm = ASSAY_NORM_GROUP, .no_dropout = 1};
    struct assay_shape image = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)3, (int64_t)size, (int64_t)size);
    struct assay_shape row = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_arch_values values;
    struct assay_error err = {0};

    memset(t, 0, sizeof(*t));
    CHECK_OK(assay_graph_new(&t->g, &err), err);
    t->x = assay_graph_input(t->g, "x", &image);
    CHECK_OK(assay_arch_build(assay_arch_find(arch), t->g, t->x, &o, &values),
             err);
    t->labels = assay_graph_input(t->g, "labels", &row);
    t->losses = assay_op_softmax_xent(t->g, values.logits, t->labels);
    t->loss = assay_op_mean(t->g, t->losses);
    t->n = assay_graph_n_params(t->g);
    CHECK(t->n <= PARAMS_MAX);
    for (int i = 0; i < t->n; i++)
        t->param[i] = assay_graph_param_at(t->g, i);
    CHECK_OK(assay_graph_check(t->g, &err), err);
}

/* Compile with every gradient (and `first`, if any) to be read. */
static void open_plan(struct net *t, const struct setting *s, int64_t batch,
                      assay_value first)
{
    struct assay_plan_options o = {.backend = s->backend};
    assay_value outputs[1 + PARAMS_MAX];
    struct assay_error err = {0};
    struct assay_params p;

    o.batch = batch;
    o.mode = ASSAY_MODE_TRAIN;
    o.threads = s->threads;
    o.algorithms = s->algorithms;
    o.outputs = outputs;
    if (first != ASSAY_NO_VALUE)
        outputs[o.n_outputs++] = first;
    for (int i = 0; i < t->n; i++)
        outputs[o.n_outputs++] = t->d[i];
    CHECK_OK(assay_plan_new(&t->plan, t->g, &o, &err), err);
    CHECK_OK(assay_params_make(&p, t->g, &err), err);
    CHECK_OK(assay_params_init(&p, t->g, 3, &err), err);
    CHECK_OK(assay_plan_load(t->plan, &p, &err), err);
    assay_params_release(&p);
}

static void close_net(struct net *t)
{
    assay_plan_free(t->plan);
    assay_graph_free(t->g);
}

static size_t count_of(const struct net *t, int i)
{
    return assay_shape_count(assay_graph_shape(t->g, t->param[i]), 1);
}

/* RECORDS random images, the second brighter, and labels. */
static float *make_images(int size, float *labels)
{
    size_t each = (size_t)(3 * size * size);
    float *x = calloc(RECORDS * each, sizeof *x);
    struct assay_rng rng;

    CHECK(x != NULL);
    assay_rng_init(&rng, 9, "test", 0);
    for (size_t i = 0; i < RECORDS * each; i++)
        x[i] = (float)assay_rng_normal(&rng) * (i / each == 1 ? 2.0F : 1.0F);
    for (int i = 0; i < RECORDS; i++)
        labels[i] = (float)assay_rng_below(&rng, CLASSES);
    return x;
}

static void run(struct net *t, const float *x, const float *labels)
{
    struct assay_error err = {0};

    CHECK_OK(assay_plan_write(t->plan, t->x, x, &err), err);
    CHECK_OK(assay_plan_write(t->plan, t->labels, labels, &err), err);
    CHECK_OK(assay_plan_run(t->plan, &err), err);
}

/* sum += factor times each gradient; the norm of all of them. */
static double take_gradients(struct net *t, double factor, double *sum)
{
    struct assay_error err = {0};
    double squares = 0.0;

    for (int i = 0; i < t->n; i++) {
        size_t n = count_of(t, i);
        double *d = calloc(n, sizeof *d);

        CHECK(d != NULL);
        CHECK_OK(assay_plan_read_f64(t->plan, t->d[i], d, &err), err);
        for (size_t k = 0; k < n; k++) {
            squares += d[k] * d[k];
            sum[k] += factor * d[k];
        }
        sum += n;
        free(d);
    }
    return sqrt(squares);
}

static size_t count_all(const struct net *t)
{
    size_t n = 0;

    for (int i = 0; i < t->n; i++)
        n += count_of(t, i);
    return n;
}

static void check_network(const char *arch, int size, const struct setting *s)
{
    static const float weight[RECORDS] = {1.0F, 1.0F};
    size_t each = (size_t)(3 * size * size);
    struct assay_error err = {0};
    struct assay_clip clip;
    struct net one;
    struct net all;
    double norm[RECORDS];
    double got[RECORDS];
    double error = 0.0;
    double squares = 0.0;
    float labels[RECORDS];
    float *x = make_images(size, labels);
    double *want;
    double *sum;
    struct assay_shape row = assay_shape_make(1, (int64_t)ASSAY_BATCH);

    open_net(&one, arch, size);
    CHECK_OK(
        assay_differentiate(one.g, one.loss, one.param, one.n, one.d, &err),
        err);
    open_plan(&one, s, 1, ASSAY_NO_VALUE);
    want = calloc(count_all(&one), sizeof *want);
    sum = calloc(count_all(&one), sizeof *sum);
    CHECK(want != NULL && sum != NULL);
    /* The first record is cut to nine tenths of its norm. */
    for (int i = 0; i < RECORDS; i++) {
        run(&one, x + (size_t)i * each, &labels[i]);
        norm[i] = take_gradients(&one, i == 0 ? 0.9 : 0.0, want);
        if (i == 0)
            clip.norm = 0.9 * norm[0];
        else
            take_gradients(
                &one, (double)weight[i] * fmin(1.0, clip.norm / norm[i]), want);
    }
    close_net(&one);

    open_net(&all, arch, size);
    clip.loss = all.losses;
    clip.weights = all.weights = assay_graph_input(all.g, "weights", &row);
    CHECK_OK(assay_differentiate_clipped(all.g, &clip, all.param, all.n, all.d,
                                         &all.norms, &err),
             err);
    open_plan(&all, s, RECORDS, all.norms);
    CHECK_OK(assay_plan_write(all.plan, all.weights, weight, &err), err);
    run(&all, x, labels);
    CHECK_OK(assay_plan_read_f64(all.plan, all.norms, got, &err), err);
    for (int i = 0; i < RECORDS; i++) {
        if (!(fabs(got[i] - norm[i]) <= 1e-4 * norm[i])) {
            printf("%s, %s: norm %d is %.9g, one by one %.9g\n", arch,
                   s->backend, i, got[i], norm[i]);
            FAIL("a norm is wrong");
        }
    }
    take_gradients(&all, 1.0, sum);
    for (size_t k = 0; k < count_all(&all); k++) {
        error += (sum[k] - want[k]) * (sum[k] - want[k]);
        squares += want[k] * want[k];
    }
    if (!(sqrt(error) <= 1e-4 * sqrt(squares))) {
        printf("%s, %s: clipped sum is off by %.3g of %.3g\n", arch, s->backend,
               sqrt(error), sqrt(squares));
        FAIL("a clipped sum is wrong");
    }
    close_net(&all);
    free(want);
    free(sum);
    free(x);
}

static const struct setting settings[] = {
    {"reference", ASSAY_ALGORITHMS_DIRECT, 1},
    {"onednn", ASSAY_ALGORITHMS_DIRECT, 2},
    {"onednn", ASSAY_ALGORITHMS_TUNED, 1},
};

/* In both backends; the larger networks below in the fast one alone, as the
 * other takes a minute for them and has each of their ops in tests of ops. */
static void check_both(const char *arch, int size)
{
    check_network(arch, size, &settings[0]);
    check_network(arch, size, &settings[1]);
}

static void test_simplecnn_is_clipped_right(void)
{
    check_both("simplecnn", 16);
    check_both("simplecnn", 32);
    check_network("simplecnn", 32, &settings[2]);
}

static void test_resnet18_is_clipped_right(void)
{
    check_network("resnet18", 16, &settings[1]);
    check_network("resnet18", 32, &settings[1]);
}

static void test_alexnet_is_clipped_right(void)
{
    check_network("alexnet", 16, &settings[1]);
}

static void test_vgg19_is_clipped_right(void)
{
    check_network("vgg19-bn", 16, &settings[1]);
}

static void test_xception_is_clipped_right(void)
{
    check_network("xception", 16, &settings[1]);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_simplecnn_is_clipped_right),
    CHECK_TEST(test_resnet18_is_clipped_right),
    CHECK_TEST(test_alexnet_is_clipped_right),
    CHECK_TEST(test_vgg19_is_clipped_right),
    CHECK_TEST(test_xception_is_clipped_right),
};
CHECK_MAIN(tests)
