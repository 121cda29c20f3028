/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clipping record by record on small graphs: numbers worked out by hand,
 * how far one record can move the sum, what weight 0 leaves out, and what is
 * refused. Whole networks: test_arch_clip.c.
 */

#include <math.h>
#include <stdlib.h>

#include "tiny_net.h"

enum { RECORDS = 6, SIDE = 7, PARAMS = 6, IMAGE = 3 * SIDE * SIDE };

static const float classes[RECORDS] = {0.0F, 1.0F, 2.0F, 3.0F, 0.0F, 1.0F};

/* convolution, group norm, relu, pooling, linear, cross-entropy. */
struct net {
    assay_graph *g;
    assay_value x, labels, weights, losses, norms;
    assay_value param[PARAMS];
    assay_value d[PARAMS];
    assay_plan *plan;
};

static void open_net(struct net *t, const char *backend, double limit)
{
    struct assay_conv conv = {.out = 16, .kernel = 3, .pad = 1};
    struct assay_shape image = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)3, (int64_t)SIDE, (int64_t)SIDE);
    struct assay_shape row = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_clip clip = {.norm = limit};
    struct assay_plan_options o = {.backend = backend, .batch = RECORDS};
    assay_value outputs[1 + PARAMS];
    struct assay_error err = {0};
    struct assay_params p;
    assay_value v;

    CHECK_OK(assay_graph_new(&t->g, &err), err);
    t->x = assay_graph_input(t->g, "x", &image);
    v = assay_layer_conv(t->g, t->x, "conv", &conv);
    v = assay_op_relu(t->g, assay_layer_groupnorm(t->g, v, "norm", 4));
    v = assay_op_flatten(t->g, assay_op_maxpool(t->g, v, 2, 2, 0));
    v = assay_layer_linear(t->g, v, "fc", 4);
    t->labels = assay_graph_input(t->g, "labels", &row);
    t->losses = assay_op_softmax_xent(t->g, v, t->labels);
    t->weights = assay_graph_input(t->g, "weights", &row);
    CHECK_INT_EQ(assay_graph_n_params(t->g), PARAMS);
    for (int i = 0; i < PARAMS; i++)
        t->param[i] = assay_graph_param_at(t->g, i);
    clip.loss = t->losses;
    clip.weights = t->weights;
    CHECK_OK(assay_differentiate_clipped(t->g, &clip, t->param, PARAMS, t->d,
                                         &t->norms, &err),
             err);
    o.mode = ASSAY_MODE_TRAIN;
    o.threads = 2;
    outputs[0] = t->norms;
    for (int i = 0; i < PARAMS; i++)
        outputs[1 + i] = t->d[i];
    o.outputs = outputs;
    o.n_outputs = 1 + PARAMS;
    CHECK_OK(assay_plan_new(&t->plan, t->g, &o, &err), err);
    CHECK_OK(assay_params_make(&p, t->g, &err), err);
    CHECK_OK(assay_params_init(&p, t->g, 5, &err), err);
    CHECK_OK(assay_plan_load(t->plan, &p, &err), err);
    assay_params_release(&p);
}

static void close_net(struct net *t)
{
    assay_plan_free(t->plan);
    assay_graph_free(t->g);
}

static size_t count_of(const struct net *t)
{
    size_t n = 0;

    for (int i = 0; i < PARAMS; i++)
        n += assay_shape_count(assay_graph_shape(t->g, t->param[i]), 1);
    return n;
}

/* The gradients, one behind the other. The caller frees them. */
static double *run_net(struct net *t, const float *x, const float *weights,
                       double norms[RECORDS])
{
    struct assay_error err = {0};
    double *d = calloc(count_of(t), sizeof *d);
    double *at = d;

    CHECK(d != NULL);
    CHECK_OK(assay_plan_write(t->plan, t->x, x, &err), err);
    CHECK_OK(assay_plan_write(t->plan, t->labels, classes, &err), err);
    CHECK_OK(assay_plan_write(t->plan, t->weights, weights, &err), err);
    CHECK_OK(assay_plan_run(t->plan, &err), err);
    CHECK_OK(assay_plan_read_f64(t->plan, t->norms, norms, &err), err);
    for (int i = 0; i < PARAMS; i++) {
        CHECK_OK(assay_plan_read_f64(t->plan, t->d[i], at, &err), err);
        at += assay_shape_count(assay_graph_shape(t->g, t->param[i]), 1);
    }
    return d;
}

static void make_images(float *x, float scale)
{
    struct assay_rng rng;

    assay_rng_init(&rng, 2, "test", 0);
    for (int i = 0; i < RECORDS * IMAGE; i++)
        x[i] = scale * (float)assay_rng_normal(&rng);
}

static const char *const backends[] = {"reference", "onednn"};

/* Without one record the sum differs by that record's clipped gradient: its
 * norm, C at most. */
static void check_sensitivity(const char *backend, double limit)
{
    static float x[RECORDS * IMAGE];
    float weights[RECORDS] = {1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F};
    double norms[RECORDS];
    double ignored[RECORDS];
    double *all;
    struct net t;

    open_net(&t, backend, limit);
    make_images(x, 1.0F);
    all = run_net(&t, x, weights, norms);
    for (int i = 0; i < RECORDS; i++) {
        double want = fmin(limit, norms[i]);
        double squares = 0.0;
        double *without;

        weights[i] = 0.0F;
        without = run_net(&t, x, weights, ignored);
        weights[i] = 1.0F;
        for (size_t k = 0; k < count_of(&t); k++)
            squares += (all[k] - without[k]) * (all[k] - without[k]);
        CHECK_NEAR(sqrt(squares), want, 1e-4 * want);
        CHECK(sqrt(squares) <= limit * (1.0 + 1e-4));
        CHECK_NEAR(ignored[i], norms[i], 1e-6 * norms[i]);
        free(without);
    }
    free(all);
    close_net(&t);
}

static void test_one_record_moves_the_sum_by_at_most_the_limit(void)
{
    for (int b = 0; b < 2; b++) {
        check_sensitivity(backends[b], 0.05);
        check_sensitivity(backends[b], 1.0);
        check_sensitivity(backends[b], 1e6);
    }
}

/* Whatever rows of weight 0 hold, not a bit of the sum changes. */
static void test_rows_of_weight_0_add_nothing(void)
{
    static const float weights[RECORDS] = {1.0F, 1.0F, 0.0F, 1.0F, 0.0F, 0.0F};
    static float x[RECORDS * IMAGE];
    double norms[RECORDS];

    for (int b = 0; b < 2; b++) {
        double *with[3];
        struct net t;

        open_net(&t, backends[b], 0.5);
        for (int k = 0; k < 3; k++) {
            make_images(x, 1.0F);
            for (int i = 0; i < RECORDS * IMAGE; i++) {
                if (weights[i / IMAGE] == 0.0F)
                    x[i] = k == 0 ? 0.0F : k == 1 ? -3e4F * x[i] : 7.0F;
            }
            with[k] = run_net(&t, x, weights, norms);
        }
        CHECK_MEM_EQ(with[1], with[0], count_of(&t) * sizeof(double));
        CHECK_MEM_EQ(with[2], with[0], count_of(&t) * sizeof(double));
        for (int k = 0; k < 3; k++)
            free(with[k]);
        close_net(&t);
    }
}

/* Linear, 2 features to 1 output, zero weights: y = 0, loss (y - t)^2. */
struct line {
    assay_graph *g;
    assay_value x, t, losses, loss;
    assay_value param[2]; /* weight, bias */
};

static void open_line(struct line *l)
{
    struct assay_shape rows =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)2);
    struct assay_shape one =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)1);
    struct assay_error err = {0};

    CHECK_OK(assay_graph_new(&l->g, &err), err);
    l->x = assay_graph_input(l->g, "x", &rows);
    l->t = assay_graph_input(l->g, "t", &one);
    l->losses =
        assay_op_mse(l->g, assay_layer_linear(l->g, l->x, "fc", 1), l->t);
    l->loss = assay_op_mean(l->g, l->losses);
    l->param[0] = assay_graph_find(l->g, "fc.weight");
    l->param[1] = assay_graph_find(l->g, "fc.bias");
    CHECK_OK(assay_graph_check(l->g, &err), err);
}

/*
 * dy = -2 t, so records (x, t) = ((3, 4), -1), ((0, 1), 2), ((1, 1), 1e30)
 * have gradients (6, 8, 2), (0, -4, -4) and one whose square exceeds f32 but
 * not f64. Limit 5: factors 5 / sqrt(104), 5 / sqrt(32); the third is
 * left out by f32 and 5 / |g| in f64.
 */
static void test_numbers_worked_out_by_hand(void)
{
    static const float x[6] = {3.0F, 4.0F, 0.0F, 1.0F, 1.0F, 1.0F};
    static const float target[3] = {-1.0F, 2.0F, 1e30F};

    for (int b = 0; b < 2; b++) {
        struct assay_clip clip = {.norm = 5.0, .weights = ASSAY_NO_VALUE};
        struct assay_plan_options o = {.backend = backends[b], .batch = 3};
        double third = b == 0 ? -5.0 / sqrt(3.0) : 0.0;
        struct assay_error err = {0};
        assay_plan *plan = NULL;
        assay_value out[3];
        struct assay_params p;
        struct line l;
        double norms[3];
        double d[3];

        open_line(&l);
        clip.loss = l.losses;
        CHECK_OK(assay_differentiate_clipped(l.g, &clip, l.param, 2, out,
                                             &out[2], &err),
                 err);
        o.mode = ASSAY_MODE_TRAIN;
        o.threads = 1;
        o.outputs = out;
        o.n_outputs = 3;
        CHECK_OK(assay_plan_new(&plan, l.g, &o, &err), err);
        CHECK_OK(assay_params_make(&p, l.g, &err), err);
        CHECK_OK(assay_plan_load(plan, &p, &err), err);
        CHECK_OK(assay_plan_write(plan, l.x, x, &err), err);
        CHECK_OK(assay_plan_write(plan, l.t, target, &err), err);
        CHECK_OK(assay_plan_run(plan, &err), err);
        CHECK_OK(assay_plan_read_f64(plan, out[2], norms, &err), err);
        CHECK_OK(assay_plan_read_f64(plan, out[0], d, &err), err);
        CHECK_OK(assay_plan_read_f64(plan, out[1], d + 2, &err), err);
        CHECK_NEAR(norms[0], sqrt(104.0), 1e-5);
        CHECK_NEAR(norms[1], sqrt(32.0), 1e-5);
        CHECK_NEAR(d[0], 30.0 / sqrt(104.0) + third, 1e-5);
        CHECK_NEAR(d[1], 40.0 / sqrt(104.0) - 20.0 / sqrt(32.0) + third, 1e-5);
        CHECK_NEAR(d[2], 10.0 / sqrt(104.0) - 20.0 / sqrt(32.0) + third, 1e-5);
        assay_params_release(&p);
        assay_plan_free(plan);
        assay_graph_free(l.g);
    }
}

/* Nothing clipped: the plain gradient, times the number of records. */
static void test_no_limit_gives_the_plain_gradient(void)
{
    static float x[RECORDS * IMAGE];
    float weights[RECORDS] = {1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F};
    double norms[RECORDS];

    make_images(x, 1.0F);
    for (int b = 0; b < 2; b++) {
        struct assay_plan_options o = {.backend = backends[b],
                                       .batch = RECORDS};
        struct assay_error err = {0};
        struct net t;
        struct net plain;
        assay_plan *plan = NULL;
        double *got;
        double *want;
        double *at;

        open_net(&t, backends[b], (double)INFINITY);
        plain = t;
        CHECK_OK(assay_graph_clone(&plain.g, t.g, &err), err);
        CHECK_OK(assay_differentiate(plain.g, assay_op_mean(plain.g, t.losses),
                                     plain.param, PARAMS, plain.d, &err),
                 err);
        got = run_net(&t, x, weights, norms);
        o.mode = ASSAY_MODE_TRAIN;
        o.threads = 2;
        o.share = t.plan;
        o.outputs = plain.d;
        o.n_outputs = PARAMS;
        CHECK_OK(assay_plan_new(&plan, plain.g, &o, &err), err);
        want = calloc(count_of(&t), sizeof *want);
        CHECK(want != NULL);
        CHECK_OK(assay_plan_write(plan, t.x, x, &err), err);
        at = want;
        CHECK_OK(assay_plan_write(plan, t.labels, classes, &err), err);
        CHECK_OK(assay_plan_run(plan, &err), err);
        for (int i = 0; i < PARAMS; i++) {
            CHECK_OK(assay_plan_read_f64(plan, plain.d[i], at, &err), err);
            at += assay_shape_count(assay_graph_shape(t.g, t.param[i]), 1);
        }
        for (size_t k = 0; k < count_of(&t); k++)
            CHECK_NEAR(got[k] / RECORDS, want[k], 2e-6);
        free(got);
        free(want);
        assay_plan_free(plan);
        assay_graph_free(plain.g);
        close_net(&t);
    }
}

static void test_what_cannot_be_clipped_is_refused(void)
{
    struct assay_error err = {0};
    struct assay_clip clip = {.norm = 1.0, .weights = ASSAY_NO_VALUE};
    assay_value norms;
    assay_value d[4];
    assay_value wrt[4];
    assay_value v;
    struct line l;

    open_line(&l);
    clip.loss = l.losses;
    clip.norm = 0.0;
    CHECK_FAILS(
        assay_differentiate_clipped(l.g, &clip, l.param, 2, d, &norms, &err),
        ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "norm 0");
    clip.norm = 1.0;
    CHECK_FAILS(
        assay_differentiate_clipped(l.g, &clip, &l.x, 1, d, &norms, &err),
        ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "not a parameter");
    clip.loss = l.loss;
    CHECK_FAILS(
        assay_differentiate_clipped(l.g, &clip, l.param, 2, d, &norms, &err),
        ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "per record");
    clip.loss = l.losses;
    clip.weights = l.x;
    CHECK_FAILS(
        assay_differentiate_clipped(l.g, &clip, l.param, 2, d, &norms, &err),
        ASSAY_SHAPE, err);
    clip.weights = ASSAY_NO_VALUE;

    /* The same layer twice. */
    v = assay_op_linear(l.g, l.x, l.param[0], l.param[1]);
    v = assay_op_add(l.g, v, assay_op_linear(l.g, l.x, l.param[0], l.param[1]));
    clip.loss = assay_op_mse(l.g, v, l.t);
    CHECK_FAILS(
        assay_differentiate_clipped(l.g, &clip, l.param, 2, d, &norms, &err),
        ASSAY_UNSUPPORTED, err);
    CHECK_STR_HAS(err.msg, "used by two layers");

    /* Batch norm, also where nothing of it is trained. */
    v = assay_layer_linear(l.g, assay_layer_batchnorm(l.g, l.x, "bn"), "fc2",
                           1);
    clip.loss = assay_op_mse(l.g, v, l.t);
    wrt[0] = assay_graph_find(l.g, "fc2.weight");
    CHECK_FAILS(
        assay_differentiate_clipped(l.g, &clip, wrt, 1, d, &norms, &err),
        ASSAY_UNSUPPORTED, err);
    CHECK_STR_HAS(err.msg, "bn.weight");
    CHECK_STR_HAS(err.msg, "group norm");
    assay_graph_free(l.g);
}

/* A weight made from a parameter, and an op without a rule. */
static void test_parameters_elsewhere_are_refused(void)
{
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    struct assay_shape row = assay_shape_make(2, (int64_t)1, (int64_t)2);
    struct assay_clip clip = {.norm = 1.0, .weights = ASSAY_NO_VALUE};
    struct assay_error err = {0};
    assay_value norms;
    assay_value d;
    assay_value p;
    struct line l;

    open_line(&l);
    p = assay_graph_param(l.g, "p", &row, zero, ASSAY_PARAM_TRAINABLE);
    clip.loss = assay_op_mse(l.g,
                             assay_op_linear(l.g, l.x,
                                             assay_op_affine(l.g, p, 2.0, 0.0),
                                             ASSAY_NO_VALUE),
                             l.t);
    CHECK_FAILS(
        assay_differentiate_clipped(l.g, &clip, &p, 1, &d, &norms, &err),
        ASSAY_UNSUPPORTED, err);
    CHECK_STR_HAS(err.msg, "computed from parameters");
    assay_graph_free(l.g);
}

/* Parameters that the loss does not depend on. */
static void test_parameters_aside_have_no_gradient(void)
{
    struct assay_clip clip = {.norm = 1.0, .weights = ASSAY_NO_VALUE};
    struct assay_error err = {0};
    assay_value norms = 0;
    assay_value wrt[2];
    assay_value d[2];
    struct line l;

    open_line(&l);
    clip.loss = l.losses;
    (void)assay_layer_linear(l.g, l.x, "other", 3);
    wrt[0] = assay_graph_find(l.g, "other.weight");
    wrt[1] = l.param[1];
    CHECK_OK(assay_differentiate_clipped(l.g, &clip, wrt, 2, d, &norms, &err),
             err);
    CHECK_INT_EQ(d[0], ASSAY_NO_VALUE);
    CHECK(d[1] != ASSAY_NO_VALUE && norms != ASSAY_NO_VALUE);
    CHECK_OK(assay_differentiate_clipped(l.g, &clip, wrt, 1, d, &norms, &err),
             err);
    CHECK_INT_EQ(d[0], ASSAY_NO_VALUE);
    CHECK_INT_EQ(norms, ASSAY_NO_VALUE);
    assay_graph_free(l.g);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_numbers_worked_out_by_hand),
    CHECK_TEST(test_one_record_moves_the_sum_by_at_most_the_limit),
    CHECK_TEST(test_rows_of_weight_0_add_nothing),
    CHECK_TEST(test_no_limit_gives_the_plain_gradient),
    CHECK_TEST(test_what_cannot_be_clipped_is_refused),
    CHECK_TEST(test_parameters_elsewhere_are_refused),
    CHECK_TEST(test_parameters_aside_have_no_gradient),
};
CHECK_MAIN(tests)
