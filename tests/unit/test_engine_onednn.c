/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oneDNN backend as a whole: small networks that lead through its
 * fusions, layouts, sharing and tuning, each beside the reference backend in
 * double. Single ops are compared elsewhere.
 */

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "check.h"

enum { PARAMS_MAX = 64, CLASSES = 10 };

/* A network with its loss and the gradients of all its parameters. */
struct net {
    assay_graph *g;
    assay_value x, labels, logits, loss;
    struct assay_gradient grad[PARAMS_MAX];
    int n_grad;
    int64_t batch;
    int channels, size;
};

typedef assay_value body(assay_graph *g, assay_value x);

static void net_open(struct net *n, body *make, int64_t batch, int channels,
                     int size)
{
    struct assay_error err;
    struct assay_shape image =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)channels,
                         (int64_t)size, (int64_t)size);
    struct assay_shape row = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value wrt[PARAMS_MAX];
    assay_value grad[PARAMS_MAX];

    memset(n, 0, sizeof *n);
    n->batch = batch;
    n->channels = channels;
    n->size = size;
    CHECK_OK(assay_graph_new(&n->g, &err), err);
    n->x = assay_graph_input(n->g, "x", &image);
    n->labels = assay_graph_input(n->g, "labels", &row);
    n->logits = make(n->g, n->x);
    n->loss =
        assay_op_mean(n->g, assay_op_softmax_xent(n->g, n->logits, n->labels));
    CHECK_OK(assay_graph_check(n->g, &err), err);
    for (int i = 0; i < assay_graph_n_params(n->g); i++) {
        assay_value p = assay_graph_param_at(n->g, i);

        if (assay_graph_param_flags(n->g, p) & ASSAY_PARAM_TRAINABLE)
            wrt[n->n_grad++] = p;
    }
    CHECK(n->n_grad <= PARAMS_MAX);
    CHECK_OK(assay_differentiate(n->g, n->loss, wrt, n->n_grad, grad, &err),
             err);
    for (int i = 0; i < n->n_grad; i++) {
        n->grad[i].param = wrt[i];
        n->grad[i].gradient = grad[i];
    }
}

static struct assay_plan_options options(const struct net *n,
                                         const char *backend)
{
    struct assay_plan_options o = {0};

    o.backend = backend;
    o.batch = n->batch;
    o.mode = ASSAY_MODE_TRAIN;
    o.threads = 2;
    o.outputs = &n->loss;
    o.n_outputs = 1;
    o.gradients = n->grad;
    o.n_gradients = n->n_grad;
    return o;
}

static void feed(const struct net *n, assay_plan *plan, uint64_t seed)
{
    struct assay_error err;
    struct assay_rng rng;
    int64_t batch = assay_plan_batch(plan);
    size_t count = (size_t)(batch * n->channels * n->size * n->size);
    float *x = malloc(count * sizeof *x);
    float *labels = malloc((size_t)batch * sizeof *labels);

    CHECK(x != NULL && labels != NULL);
    assay_rng_init(&rng, seed, "test", 0);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)assay_rng_normal(&rng);
    for (int64_t i = 0; i < batch; i++)
        labels[i] = (float)assay_rng_below(&rng, CLASSES);
    CHECK_OK(assay_plan_write(plan, n->x, x, &err), err);
    CHECK_OK(assay_plan_write(plan, n->labels, labels, &err), err);
    free(x);
    free(labels);
}

/* One batch of images, for all callers the same; not thread-safe. */
static const float *image(const struct net *n)
{
    static float x[64 * 1024];
    size_t count = (size_t)(n->batch * n->channels * n->size * n->size);
    struct assay_rng rng;

    CHECK(count <= sizeof x / sizeof x[0]);
    assay_rng_init(&rng, 11, "test", 1);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)assay_rng_normal(&rng);
    return x;
}

static void load(const struct net *n, assay_plan *plan)
{
    struct assay_error err;
    struct assay_params p;

    CHECK_OK(assay_params_make(&p, n->g, &err), err);
    CHECK_OK(assay_params_init(&p, n->g, 7, &err), err);
    CHECK_OK(assay_plan_load(plan, &p, &err), err);
    assay_params_release(&p);
}

static double read_loss(const struct net *n, assay_plan *plan)
{
    struct assay_error err;
    double loss;

    CHECK_OK(assay_plan_read_f64(plan, n->loss, &loss, &err), err);
    return loss;
}

/* |a - b| / |b|, both read from `v`. */
static double distance(const struct net *n, assay_plan *a, assay_plan *b,
                       assay_value v)
{
    struct assay_error err;
    size_t count = assay_shape_count(assay_graph_shape(n->g, v), n->batch);
    double *x = malloc(count * sizeof *x);
    double *y = malloc(count * sizeof *y);
    double diff = 0.0;
    double size = 0.0;

    CHECK(x != NULL && y != NULL);
    CHECK_OK(assay_plan_read_f64(a, v, x, &err), err);
    CHECK_OK(assay_plan_read_f64(b, v, y, &err), err);
    for (size_t i = 0; i < count; i++) {
        diff += (x[i] - y[i]) * (x[i] - y[i]);
        size += y[i] * y[i];
    }
    free(x);
    free(y);
    /* A bias in front of a normalisation has no gradient but rounding. */
    return sqrt(diff / (size > 1e-12 ? size : 1e-12 + diff * 1e6));
}

static void check_gradients(const struct net *n, assay_plan *plan,
                            assay_plan *reference, double tolerance)
{
    for (int i = 0; i < n->n_grad; i++) {
        double d = distance(n, plan, reference, n->grad[i].gradient);

        if (!(d <= tolerance))
            CHECK_STR_EQ(assay_graph_value_name(n->g, n->grad[i].param),
                         "(its gradient is off)");
        CHECK_NEAR(d, 0.0, tolerance);
    }
}

/* The parameters after training of one plan against those of the other. */
static void check_params(const struct net *n, assay_plan *plan,
                         assay_plan *reference, double tolerance)
{
    struct assay_error err;
    struct assay_params p;
    struct assay_params q;

    CHECK_OK(assay_params_make(&p, n->g, &err), err);
    CHECK_OK(assay_params_make(&q, n->g, &err), err);
    CHECK_OK(assay_plan_save(plan, &p, &err), err);
    CHECK_OK(assay_plan_save(reference, &q, &err), err);
    for (int i = 0; i < p.n_slots; i++) {
        const struct assay_param_slot *s = &p.slot[i];
        double diff = 0.0;
        double size = 1e-9;

        for (size_t k = 0; k < s->count; k++) {
            double a = (double)p.data[s->offset + k];
            double b = (double)q.data[s->offset + k];

            diff += (a - b) * (a - b);
            size += b * b;
        }
        if (!(sqrt(diff / size) <= tolerance))
            CHECK_STR_EQ(s->name, "(its value is off)");
        CHECK_NEAR(sqrt(diff / size), 0.0, tolerance);
    }
    assay_params_release(&p);
    assay_params_release(&q);
}

/* Loss and gradients of one step, then parameters after five. */
static void compare_with(body *make, int64_t batch, int channels, int size,
                         enum assay_algorithms algorithms, double tolerance)
{
    struct assay_error err;
    struct assay_optimizer_options sgd = {.momentum = 0.9,
                                          .weight_decay = 5e-4};
    struct assay_plan_options o;
    assay_plan *plan;
    assay_plan *reference;
    assay_optimizer *opt[2];
    struct net n;

    net_open(&n, make, batch, channels, size);
    o = options(&n, "onednn");
    o.algorithms = algorithms;
    CHECK_OK(assay_plan_new(&plan, n.g, &o, &err), err);
    o = options(&n, "reference");
    CHECK_OK(assay_plan_new(&reference, n.g, &o, &err), err);
    load(&n, plan);
    load(&n, reference);
    CHECK_OK(assay_optimizer_new(&opt[0], plan, &sgd, &err), err);
    CHECK_OK(assay_optimizer_new(&opt[1], reference, &sgd, &err), err);
    for (int step = 0; step < 5; step++) {
        feed(&n, plan, (uint64_t)step);
        feed(&n, reference, (uint64_t)step);
        assay_plan_set_stream(plan, 1, (uint64_t)step);
        assay_plan_set_stream(reference, 1, (uint64_t)step);
        CHECK_OK(assay_plan_run(plan, &err), err);
        CHECK_OK(assay_plan_run(reference, &err), err);
        CHECK_NEAR(read_loss(&n, plan), read_loss(&n, reference),
                   tolerance * (1 + step));
        if (step == 0)
            check_gradients(&n, plan, reference, tolerance);
        CHECK_OK(assay_optimizer_step(opt[0], plan, 0.01, &err), err);
        CHECK_OK(assay_optimizer_step(opt[1], reference, 0.01, &err), err);
    }
    check_params(&n, plan, reference, 10 * tolerance);
    assay_optimizer_free(opt[0]);
    assay_optimizer_free(opt[1]);
    assay_plan_free(plan);
    assay_plan_free(reference);
    assay_graph_free(n.g);
}

static void compare(body *make, int64_t batch, int channels, int size)
{
    compare_with(make, batch, channels, size, ASSAY_ALGORITHMS_DIRECT, 2e-4);
}

/* --- the networks ----------------------------------------------------- */

static assay_value conv(assay_graph *g, assay_value x, const char *name,
                        int out, int kernel, int stride)
{
    struct assay_conv c = {.out = out, .kernel = kernel, .stride = stride};

    c.pad = kernel / 2;
    return assay_layer_conv(g, x, name, &c);
}

static assay_value conv_plain(assay_graph *g, assay_value x, const char *name,
                              int out, int kernel, int stride)
{
    struct assay_conv c = {.out = out, .kernel = kernel, .stride = stride};

    c.pad = kernel / 2;
    c.no_bias = 1;
    return assay_layer_conv(g, x, name, &c);
}

static assay_value plain_body(assay_graph *g, assay_value x)
{
    x = assay_op_relu(g, conv(g, x, "c1", 32, 3, 1));
    x = assay_op_maxpool(g, x, 2, 2, 0);
    x = assay_op_relu(g, conv(g, x, "c2", 48, 3, 1));
    x = assay_op_maxpool(g, x, 2, 2, 0);
    x = assay_op_flatten(g, x);
    x = assay_op_relu(g, assay_layer_linear(g, x, "f1", 40));
    return assay_layer_linear(g, x, "f2", CLASSES);
}

/* Channel counts that no block divides. */
static assay_value odd_body(assay_graph *g, assay_value x)
{
    x = assay_op_relu(g, conv(g, x, "c1", 6, 5, 1));
    x = assay_op_maxpool(g, x, 3, 2, 1);
    x = assay_op_sigmoid(g, conv(g, x, "c2", 21, 3, 1));
    x = assay_op_avgpool(g, x, 2, 2, 0);
    x = assay_op_tanh(g, conv(g, x, "c3", 19, 3, 2));
    x = assay_op_flatten(g, x);
    return assay_layer_linear(g, x, "f", CLASSES);
}

static assay_value norm_relu(assay_graph *g, assay_value x, const char *name)
{
    return assay_op_relu(g, assay_layer_batchnorm(g, x, name));
}

static assay_value residual_body(assay_graph *g, assay_value x)
{
    assay_value skip;

    x = norm_relu(g, conv_plain(g, x, "c0", 32, 3, 1), "n0");
    skip = x;
    x = norm_relu(g, conv_plain(g, x, "a1", 32, 3, 1), "an1");
    x = assay_layer_batchnorm(g, conv_plain(g, x, "a2", 32, 3, 1), "an2");
    x = assay_op_relu(g, assay_op_add(g, x, skip));
    skip = assay_layer_batchnorm(g, conv_plain(g, x, "bs", 48, 1, 2), "bns");
    x = norm_relu(g, conv_plain(g, x, "b1", 48, 3, 2), "bn1");
    x = assay_layer_batchnorm(g, conv_plain(g, x, "b2", 48, 3, 1), "bn2");
    x = assay_op_relu(g, assay_op_add(g, x, skip));
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay_layer_linear(g, x, "f", CLASSES);
}

/* A stem that pools a relu, read by the block's skip alone. */
static assay_value pooled_body(assay_graph *g, assay_value x)
{
    assay_value skip;

    x = norm_relu(g, conv_plain(g, x, "c0", 32, 3, 1), "n0");
    skip = x = assay_op_maxpool(g, x, 3, 2, 1);
    x = norm_relu(g, conv_plain(g, x, "a1", 32, 3, 1), "an1");
    x = assay_layer_batchnorm(g, conv_plain(g, x, "a2", 32, 3, 1), "an2");
    x = assay_op_relu(g, assay_op_add(g, x, skip));
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay_layer_linear(g, x, "f", CLASSES);
}

static assay_value separable(assay_graph *g, assay_value x, const char *name,
                             int out, int kernel)
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    struct assay_conv c = {.out = (int)s->dim[1], .kernel = kernel};
    char part[32];

    c.pad = kernel / 2;
    c.groups = (int)s->dim[1];
    c.no_bias = 1;
    snprintf(part, sizeof part, "%s.depth", name);
    x = assay_layer_conv(g, x, part, &c);
    snprintf(part, sizeof part, "%s.point", name);
    return conv_plain(g, x, part, out, 1, 1);
}

static assay_value separable_body(assay_graph *g, assay_value x)
{
    assay_value skip;

    x = norm_relu(g, conv_plain(g, x, "c0", 24, 3, 2), "n0");
    skip = x;
    x = assay_layer_batchnorm(g, separable(g, x, "s1", 24, 3), "n1");
    x = assay_layer_batchnorm(g, separable(g, assay_op_relu(g, x), "s2", 24, 5),
                              "n2");
    x = assay_op_add(g, x, skip);
    x = assay_layer_batchnorm(g, separable(g, assay_op_relu(g, x), "s3", 40, 3),
                              "n3");
    x = assay_op_maxpool(g, x, 3, 2, 1);
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay_layer_linear(g, x, "f", CLASSES);
}

static assay_value grouped_body(assay_graph *g, assay_value x)
{
    struct assay_conv c = {.out = 32, .kernel = 3, .pad = 1, .groups = 8};
    assay_value y;
    assay_value both[2];

    x = conv(g, x, "c1", 32, 3, 1);
    x = assay_op_relu(g, assay_layer_groupnorm(g, x, "n1", 4));
    y = assay_layer_conv(g, x, "c2", &c);
    y = assay_op_leaky_relu(g, assay_layer_groupnorm(g, y, "n2", 8), 0.1);
    both[0] = x;
    both[1] = y;
    x = assay_op_concat(g, both, 2, 1);
    x = assay_op_dropout(g, x, 0.3);
    x = assay_op_adaptive_avgpool(g, x, 2, 2);
    return assay_layer_linear(g, assay_op_flatten(g, x), "f", CLASSES);
}

/* Maps so small that most of a 3x3 kernel lies outside. */
static assay_value small_map_body(assay_graph *g, assay_value x)
{
    x = norm_relu(g, conv_plain(g, x, "c0", 32, 3, 2), "n0");
    x = norm_relu(g, conv_plain(g, x, "c1", 32, 3, 2), "n1");
    x = norm_relu(g, conv_plain(g, x, "c2", 64, 3, 2), "n2");
    x = norm_relu(g, conv_plain(g, x, "c3", 64, 3, 1), "n3");
    return assay_layer_linear(g, assay_op_flatten(g, x), "f", CLASSES);
}

static assay_value transposed_body(assay_graph *g, assay_value x)
{
    struct assay_conv c = {.out = 16, .kernel = 3, .stride = 2, .pad = 1};

    c.transposed = 1;
    c.output_pad = 1;
    x = assay_op_relu(g, conv(g, x, "c1", 24, 3, 2));
    x = assay_op_relu(g, assay_layer_conv(g, x, "t1", &c));
    c.out = 7;
    x = assay_op_tanh(g, assay_layer_conv(g, x, "t2", &c));
    c.out = 3;
    c.stride = 1;
    c.output_pad = 0;
    x = assay_op_sigmoid(g, assay_layer_conv(g, x, "t3", &c));
    x = assay_op_avgpool(g, x, 4, 4, 0);
    return assay_layer_linear(g, assay_op_flatten(g, x), "f", CLASSES);
}

static void test_half_precision_stays_near_the_reference(void)
{
    struct assay_error err;
    struct assay_plan_options o;
    assay_plan *plan;
    assay_plan *reference;
    struct net n;
    int code;

    net_open(&n, residual_body, 8, 3, 8);
    o = options(&n, "onednn");
    o.compute = ASSAY_DTYPE_BF16;
    code = assay_plan_new(&plan, n.g, &o, &err);
    if (code == ASSAY_UNSUPPORTED) {
        assay_graph_free(n.g);
        SKIP("this CPU does not compute in BF16");
    }
    CHECK_OK(code, err);
    o = options(&n, "reference");
    CHECK_OK(assay_plan_new(&reference, n.g, &o, &err), err);
    load(&n, plan);
    load(&n, reference);
    feed(&n, plan, 1);
    feed(&n, reference, 1);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_run(reference, &err), err);
    CHECK_NEAR(read_loss(&n, plan), read_loss(&n, reference), 0.05);
    check_gradients(&n, plan, reference, 0.2);
    assay_plan_free(plan);
    assay_plan_free(reference);
    assay_graph_free(n.g);
}

static void test_plain_net_trains_as_the_reference(void)
{
    compare(plain_body, 8, 3, 12);
}

static void test_odd_channels_train_as_the_reference(void)
{
    compare(odd_body, 5, 1, 16);
}

static void test_residual_net_trains_as_the_reference(void)
{
    compare(residual_body, 8, 3, 8);
}

static void test_separable_net_trains_as_the_reference(void)
{
    compare(separable_body, 8, 3, 12);
}

static void test_grouped_net_trains_as_the_reference(void)
{
    compare(grouped_body, 6, 3, 8);
}

static void test_small_maps_train_as_the_reference(void)
{
    compare(small_map_body, 16, 3, 8);
}

static void test_transposed_net_trains_as_the_reference(void)
{
    compare(transposed_body, 6, 3, 8);
}

static void test_tuned_net_trains_as_the_reference(void)
{
    compare_with(plain_body, 4, 3, 20, ASSAY_ALGORITHMS_TUNED, 1e-3);
}

/* Logits of an evaluation plan that shares with a trained one, before and
 * after more training, against the reference backend doing the same. */
static void check_evaluation(body *make, int channels, int size)
{
    struct assay_error err;
    struct assay_optimizer_options sgd = {.momentum = 0.9};
    struct assay_plan_options o;
    assay_plan *train[2];
    assay_plan *eval[2];
    assay_optimizer *opt[2];
    struct net n;

    net_open(&n, make, 8, channels, size);
    for (int i = 0; i < 2; i++) {
        o = options(&n, i == 0 ? "onednn" : "reference");
        o.algorithms = ASSAY_ALGORITHMS_DIRECT;
        CHECK_OK(assay_plan_new(&train[i], n.g, &o, &err), err);
        o.mode = ASSAY_MODE_EVAL;
        o.gradients = NULL;
        o.n_gradients = 0;
        o.outputs = &n.logits;
        o.share = train[i];
        CHECK_OK(assay_plan_new(&eval[i], n.g, &o, &err), err);
        load(&n, train[i]);
        CHECK_OK(assay_optimizer_new(&opt[i], train[i], &sgd, &err), err);
    }
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < 2; i++) {
            feed(&n, train[i], (uint64_t)step);
            CHECK_OK(assay_plan_run(train[i], &err), err);
            CHECK_OK(assay_optimizer_step(opt[i], train[i], 0.05, &err), err);
            CHECK_OK(assay_plan_write(eval[i], n.x, image(&n), &err), err);
            CHECK_OK(assay_plan_run(eval[i], &err), err);
        }
        CHECK_NEAR(distance(&n, eval[0], eval[1], n.logits), 0.0, 5e-4);
    }
    for (int i = 0; i < 2; i++) {
        assay_optimizer_free(opt[i]);
        assay_plan_free(eval[i]);
        assay_plan_free(train[i]);
    }
    assay_graph_free(n.g);
}

static void test_evaluation_sees_what_training_changes(void)
{
    check_evaluation(residual_body, 3, 8);
    check_evaluation(separable_body, 3, 12);
    check_evaluation(plain_body, 3, 12);
    check_evaluation(grouped_body, 3, 8);
}

/* The head of a network made for larger images. */
static assay_value spread_body(assay_graph *g, assay_value x)
{
    x = assay_op_relu(g, conv(g, x, "c", 20, 3, 1));
    x = assay_op_adaptive_avgpool(g, x, 1, 1);
    x = assay_op_flatten(g, assay_op_adaptive_avgpool(g, x, 3, 2));
    x = assay_op_relu(g, assay_layer_linear(g, x, "f", 37));
    return assay_layer_linear(g, x, "out", CLASSES);
}

static assay_value dropped_body(assay_graph *g, assay_value x)
{
    x = assay_op_adaptive_avgpool(g, x, 1, 1);
    x = assay_op_flatten(g, assay_op_adaptive_avgpool(g, x, 2, 2));
    x = assay_op_dropout(g, x, .5);
    return assay_layer_linear(g, x, "out", CLASSES);
}

/* The steps of its evaluation; freed with free(). */
static char *describe_evaluation(body *make)
{
    struct assay_error err;
    struct assay_plan_options o;
    assay_plan *plan;
    char *text;
    struct net n;

    net_open(&n, make, 4, 3, 8);
    o = options(&n, "onednn");
    o.mode = ASSAY_MODE_EVAL;
    o.outputs = &n.logits;
    o.n_gradients = 0;
    CHECK_OK(assay_plan_new(&plan, n.g, &o, &err), err);
    text = assay_plan_describe(plan);
    assay_plan_free(plan);
    assay_graph_free(n.g);
    return text;
}

static void test_evaluation_sums_weights_of_repeated_numbers(void)
{
    char *text = describe_evaluation(spread_body);

    CHECK_STR_HAS(text, "own:sum");
    free(text);
    text = describe_evaluation(dropped_body);
    CHECK_STR_HAS(text, "own:sum");
    free(text);
    check_evaluation(spread_body, 3, 8);
}

static void test_evaluation_folds_normalisation(void)
{
    char *text = describe_evaluation(residual_body);

    CHECK_STR_HAS(text, "fold");
    CHECK(strstr(text, "  add") == NULL);
    CHECK(strstr(text, "relu") == NULL);
    free(text);
}

/* A smaller last batch: its plan shares the store, its gradients go through
 * the same optimizer. */
static void test_smaller_batch_shares_the_store(void)
{
    struct assay_error err;
    struct assay_optimizer_options sgd = {.momentum = 0.9};
    struct assay_plan_options o;
    assay_plan *plan[2][2];
    assay_optimizer *opt[2];
    struct net n;

    net_open(&n, residual_body, 8, 3, 8);
    for (int i = 0; i < 2; i++) {
        o = options(&n, i == 0 ? "onednn" : "reference");
        CHECK_OK(assay_plan_new(&plan[i][0], n.g, &o, &err), err);
        o.batch = 3;
        o.share = plan[i][0];
        CHECK_OK(assay_plan_new(&plan[i][1], n.g, &o, &err), err);
        load(&n, plan[i][1]);
        CHECK_OK(assay_optimizer_new(&opt[i], plan[i][0], &sgd, &err), err);
        for (int step = 0; step < 4; step++) {
            feed(&n, plan[i][step % 2], (uint64_t)step);
            CHECK_OK(assay_plan_run(plan[i][step % 2], &err), err);
            CHECK_OK(
                assay_optimizer_step(opt[i], plan[i][step % 2], 0.01, &err),
                err);
        }
    }
    check_params(&n, plan[0][0], plan[1][0], 1e-3);
    for (int i = 0; i < 2; i++) {
        assay_optimizer_free(opt[i]);
        assay_plan_free(plan[i][0]);
        assay_plan_free(plan[i][1]);
    }
    assay_graph_free(n.g);
}

/* All parameters after a few steps with given options, as one array. */
static void train_bytes(const struct net *n, const struct assay_plan_options *o,
                        struct assay_params *p)
{
    struct assay_error err;
    struct assay_optimizer_options adam = {.kind = ASSAY_OPTIMIZER_ADAM};
    assay_plan *plan;
    assay_optimizer *opt;

    CHECK_OK(assay_plan_new(&plan, n->g, o, &err), err);
    load(n, plan);
    CHECK_OK(assay_optimizer_new(&opt, plan, &adam, &err), err);
    for (int step = 0; step < 3; step++) {
        feed(n, plan, (uint64_t)step);
        assay_plan_set_stream(plan, 5, (uint64_t)step);
        CHECK_OK(assay_plan_run(plan, &err), err);
        CHECK_OK(assay_optimizer_step(opt, plan, 1e-3, &err), err);
    }
    CHECK_OK(assay_params_make(p, n->g, &err), err);
    CHECK_OK(assay_plan_save(plan, p, &err), err);
    assay_optimizer_free(opt);
    assay_plan_free(plan);
}

static void check_repeats(body *make, int channels, int size)
{
    struct assay_error err;
    struct assay_plan_options o;
    struct assay_params p[2];
    struct net n;

    net_open(&n, make, 8, channels, size);
    o = options(&n, "onednn");
    CHECK_OK(assay_tuning_new(&o.tuning, &err), err);
    train_bytes(&n, &o, &p[0]);
    train_bytes(&n, &o, &p[1]);
    CHECK_MEM_EQ(p[0].data, p[1].data, p[0].size * sizeof(float));
    assay_params_release(&p[0]);
    assay_params_release(&p[1]);
    assay_tuning_free(o.tuning);
    assay_graph_free(n.g);
}

static void test_training_again_gives_the_same_bytes(void)
{
    check_repeats(residual_body, 3, 20);
    check_repeats(grouped_body, 3, 8);
    check_repeats(separable_body, 3, 12);
}

struct worker {
    const struct net *n;
    struct assay_plan_options o;
    struct assay_params p;
};

static void *work(void *arg)
{
    struct worker *w = arg;

    train_bytes(w->n, &w->o, &w->p);
    return NULL;
}

static void test_plans_train_side_by_side(void)
{
    enum { N = 4 };
    struct worker worker[N];
    pthread_t thread[N];
    struct net n;

    net_open(&n, residual_body, 8, 3, 8);
    for (int i = 0; i < N; i++) {
        worker[i].n = &n;
        worker[i].o = options(&n, "onednn");
        worker[i].o.threads = 1;
        worker[i].o.algorithms = ASSAY_ALGORITHMS_DIRECT;
        CHECK(pthread_create(&thread[i], NULL, work, &worker[i]) == 0);
    }
    for (int i = 0; i < N; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    for (int i = 1; i < N; i++)
        CHECK_MEM_EQ(worker[i].p.data, worker[0].p.data,
                     worker[0].p.size * sizeof(float));
    for (int i = 0; i < N; i++)
        assay_params_release(&worker[i].p);
    assay_graph_free(n.g);
}

/* The gradient of the input with parameters that nobody trains: what is
 * derived from these must follow when they are loaded anew. */
static void check_input_gradient(body *make)
{
    struct assay_error err;
    struct assay_plan_options o;
    struct assay_params p;
    assay_plan *plan[2];
    assay_value dx;
    struct net n;

    net_open(&n, make, 4, 3, 8);
    CHECK_OK(assay_differentiate(n.g, n.loss, &n.x, 1, &dx, &err), err);
    CHECK_OK(assay_params_make(&p, n.g, &err), err);
    for (int i = 0; i < 2; i++) {
        o = options(&n, i == 0 ? "onednn" : "reference");
        o.mode = ASSAY_MODE_EVAL;
        o.outputs = &dx;
        o.gradients = NULL;
        o.n_gradients = 0;
        CHECK_OK(assay_plan_new(&plan[i], n.g, &o, &err), err);
    }
    for (uint64_t seed = 1; seed < 4; seed++) {
        CHECK_OK(assay_params_init(&p, n.g, seed, &err), err);
        for (int i = 0; i < 2; i++) {
            CHECK_OK(assay_plan_load(plan[i], &p, &err), err);
            feed(&n, plan[i], 3);
            CHECK_OK(assay_plan_run(plan[i], &err), err);
            CHECK_OK(assay_plan_run(plan[i], &err), err);
        }
        CHECK_NEAR(distance(&n, plan[0], plan[1], dx), 0.0, 2e-4);
    }
    assay_params_release(&p);
    assay_plan_free(plan[0]);
    assay_plan_free(plan[1]);
    assay_graph_free(n.g);
}

static void test_input_gradient_follows_new_parameters(void)
{
    check_input_gradient(residual_body);
}

/* The pooling's gradient reads what the pooling made, in place of the relu
 * before it; nothing may have been laid over that. */
static void test_input_gradient_passes_a_pooled_relu(void)
{
    check_input_gradient(pooled_body);
    check_input_gradient(plain_body);
}

static assay_value relu_body(assay_graph *g, assay_value x)
{
    return assay_op_relu(g, x);
}

static assay_value pool_body(assay_graph *g, assay_value x)
{
    return assay_op_maxpool(g, x, 2, 2, 0);
}

static assay_value norm_body(assay_graph *g, assay_value x)
{
    return norm_relu(g, x, "n");
}

static assay_value skip_body(assay_graph *g, assay_value x)
{
    assay_value y = assay_layer_batchnorm(g, x, "n");

    return assay_op_relu(g, assay_op_add(g, y, x));
}

static assay_value group_body(assay_graph *g, assay_value x)
{
    return assay_op_relu(g, assay_layer_groupnorm(g, x, "n", 4));
}

static assay_value linear_body(assay_graph *g, assay_value x)
{
    return assay_op_relu(
        g, assay_layer_linear(g, assay_op_flatten(g, x), "f", CLASSES));
}

static assay_value conv_body(assay_graph *g, assay_value x)
{
    return assay_op_relu(g, conv(g, x, "c", 16, 3, 1));
}

enum { NAN_BATCH = 8, NAN_CHANNELS = 16, NAN_NUMBERS = NAN_CHANNELS * 4 * 4 };

/* x with a NaN at one place of record 1, through the plan to y. */
static void run_nan(assay_plan *plan, const struct net *n, size_t place,
                    assay_value out, float *y)
{
    size_t width = (size_t)(n->channels * n->size * n->size);
    float x[NAN_BATCH * NAN_NUMBERS];
    struct assay_error err;

    load(n, plan);
    for (size_t i = 0; i < NAN_BATCH * width; i++)
        x[i] = (float)(i % 7) - 3.0F;
    x[width + place] = NAN;
    CHECK_OK(assay_plan_write(plan, n->x, x, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, out, y, &err), err);
}

/* NaNs of the output that come of one; false when a library's kernel would
 * do it all. */
static bool count_nans(body *make, int size, size_t place, size_t *n_nan)
{
    struct assay_shape image =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)NAN_CHANNELS,
                         (int64_t)size, (int64_t)size);
    struct assay_plan_options o = {.batch = NAN_BATCH, .threads = 1};
    struct net n = {.channels = NAN_CHANNELS, .size = size};
    float y[NAN_BATCH * NAN_NUMBERS];
    struct assay_error err;
    assay_plan *plan;
    assay_value out;
    size_t width;
    bool ours;
    char *text;

    CHECK_OK(assay_graph_new(&n.g, &err), err);
    n.x = assay_graph_input(n.g, "x", &image);
    out = make(n.g, n.x);
    o.algorithms = ASSAY_ALGORITHMS_DIRECT;
    o.outputs = &out;
    o.n_outputs = 1;
    CHECK_OK(assay_plan_new(&plan, n.g, &o, &err), err);
    text = assay_plan_describe(plan);
    ours = strstr(text, "own") != NULL;
    free(text);
    run_nan(plan, &n, place, out, y);
    width = assay_shape_count(assay_graph_shape(n.g, out), 1);
    *n_nan = 0;
    for (size_t i = 0; i < NAN_BATCH * width; i++) {
        if (isnan(y[i])) {
            CHECK_UINT_EQ(i / width, 1);
            ++*n_nan;
        }
    }
    assay_plan_free(plan);
    assay_graph_free(n.g);
    return ours;
}

/* What went wrong before must not look like a number after. */
static void test_nan_survives_what_cuts_off(void)
{
    static const struct {
        body *make;
        int size;
        size_t n; /* NaNs that come of one */
    } table[] = {
        {relu_body, 4, 1},  {pool_body, 4, 1},   {norm_body, 4, 1},
        {skip_body, 4, 1},  {group_body, 4, 64}, {linear_body, 4, CLASSES},
        {conv_body, 2, 64},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t place = 0; place < 8; place++) {
            size_t n;

            if (!count_nans(table[i].make, table[i].size, place, &n)) {
                CHECK(table[i].make == conv_body);
                continue;
            }
            if (n != table[i].n)
                printf("# row %zu, place %zu\n", i, place);
            CHECK_UINT_EQ(n, table[i].n);
        }
    }
}

/* Loading and saving pass through the store's layouts unchanged. */
static void test_parameters_survive_the_store(void)
{
    struct assay_error err;
    struct assay_plan_options o;
    struct assay_params p;
    struct assay_params q;
    assay_plan *plan;
    struct net n;

    net_open(&n, grouped_body, 4, 3, 8);
    o = options(&n, "onednn");
    CHECK_OK(assay_plan_new(&plan, n.g, &o, &err), err);
    CHECK_OK(assay_params_make(&p, n.g, &err), err);
    CHECK_OK(assay_params_make(&q, n.g, &err), err);
    CHECK_OK(assay_params_init(&p, n.g, 3, &err), err);
    CHECK_OK(assay_plan_load(plan, &p, &err), err);
    CHECK_OK(assay_plan_save(plan, &q, &err), err);
    CHECK_MEM_EQ(q.data, p.data, p.size * sizeof(float));
    assay_params_release(&p);
    assay_params_release(&q);
    assay_plan_free(plan);
    assay_graph_free(n.g);
}

static void test_tuning_is_remembered(void)
{
    struct assay_error err;
    struct assay_plan_options o;
    const char *path = check_temp_path("tuning.json");
    assay_tuning *again;
    assay_plan *plan;
    char *first;
    char *second;
    struct net n;

    net_open(&n, plain_body, 4, 3, 20);
    o = options(&n, "onednn");
    CHECK_OK(assay_tuning_new(&o.tuning, &err), err);
    CHECK_OK(assay_plan_new(&plan, n.g, &o, &err), err);
    first = assay_plan_describe(plan);
    assay_plan_free(plan);
    CHECK_OK(assay_tuning_write(o.tuning, path, &err), err);
    CHECK_OK(assay_tuning_new(&again, &err), err);
    CHECK_OK(assay_tuning_read(again, path, &err), err);
    assay_tuning_free(o.tuning);
    o.tuning = again;
    CHECK_OK(assay_plan_new(&plan, n.g, &o, &err), err);
    second = assay_plan_describe(plan);
    CHECK_STR_EQ(second, first);
    free(first);
    free(second);
    assay_plan_free(plan);
    assay_tuning_free(again);
    assay_graph_free(n.g);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_plain_net_trains_as_the_reference),
    CHECK_TEST(test_odd_channels_train_as_the_reference),
    CHECK_TEST(test_residual_net_trains_as_the_reference),
    CHECK_TEST(test_separable_net_trains_as_the_reference),
    CHECK_TEST(test_grouped_net_trains_as_the_reference),
    CHECK_TEST(test_small_maps_train_as_the_reference),
    CHECK_TEST(test_transposed_net_trains_as_the_reference),
    CHECK_TEST(test_tuned_net_trains_as_the_reference),
    CHECK_TEST(test_half_precision_stays_near_the_reference),
    CHECK_TEST(test_evaluation_sees_what_training_changes),
    CHECK_TEST(test_evaluation_folds_normalisation),
    CHECK_TEST(test_evaluation_sums_weights_of_repeated_numbers),
    CHECK_TEST(test_smaller_batch_shares_the_store),
    CHECK_TEST(test_training_again_gives_the_same_bytes),
    CHECK_TEST(test_plans_train_side_by_side),
    CHECK_TEST(test_input_gradient_follows_new_parameters),
    CHECK_TEST(test_input_gradient_passes_a_pooled_relu),
    CHECK_TEST(test_nan_survives_what_cuts_off),
    CHECK_TEST(test_parameters_survive_the_store),
    CHECK_TEST(test_tuning_is_remembered),
};
CHECK_MAIN(tests)
