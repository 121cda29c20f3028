/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole trainings against PyTorch in double: logits, loss and every
 * gradient of the first step, the losses of ten SGD steps, then running
 * statistics and the logits in evaluation mode. The numbers and how they
 * were made: tests/golden/make_parity.py, whose nets are built here once
 * more. Errors are relative L2 norms per tensor.
 *
 * The reference backend computes in double as PyTorch did, so only the
 * order of sums differs: 6e-16 at worst here, and 1e-12 is allowed.
 * oneDNN computes in float: FLOAT_FACTOR times the worst error of PyTorch's
 * own float run of the net (2e-7 to 7e-7 here), at least FLOAT_FLOOR. The
 * factor allows for other orders of summation, which differ from CPU to
 * CPU; a wrong kernel is off by 1e-3 and more.
 */

#include <math.h>

#include "assay/layers.h"
#include "assay/params.h"
#include "assay/plan.h"
#include "golden.h"

enum { ROWS = 8, CLASSES = 5, STEPS = 10, PARAMS_MAX = 32 };

static const double REFERENCE_TOLERANCE = 1e-12;
static const double FLOAT_FACTOR = 4;
static const double FLOAT_FLOOR = 2e-6;

static assay_value mlp(assay_graph *g, assay_value x)
{
    x = assay_op_relu(g, assay_layer_linear(g, x, "fc1", 24));
    x = assay_op_tanh(g, assay_layer_linear(g, x, "fc2", 16));
    return assay_layer_linear(g, x, "fc3", CLASSES);
}

static assay_value cnn(assay_graph *g, assay_value x)
{
    struct assay_conv conv1 = {.out = 8, .kernel = 3, .pad = 1};
    struct assay_conv conv2 = {.out = 12, .kernel = 3};

    x = assay_op_relu(g, assay_layer_conv(g, x, "conv1", &conv1));
    x = assay_op_maxpool(g, x, 2, 2, 0);
    x = assay_op_relu(g, assay_layer_conv(g, x, "conv2", &conv2));
    x = assay_op_maxpool(g, x, 2, 2, 0);
    return assay_layer_linear(g, assay_op_flatten(g, x), "fc", CLASSES);
}

static assay_value conv_norm(assay_graph *g, assay_value x, const char *conv,
                             const char *norm, struct assay_conv c)
{
    c.no_bias = 1;
    return assay_layer_batchnorm(g, assay_layer_conv(g, x, conv, &c), norm);
}

static assay_value residual(assay_graph *g, assay_value x)
{
    struct assay_conv stem = {.out = 6, .kernel = 3, .pad = 1};
    struct assay_conv half = {.out = 8, .kernel = 3, .stride = 2, .pad = 1};
    struct assay_conv same = {.out = 8, .kernel = 3, .pad = 1};
    struct assay_conv skip = {.out = 8, .kernel = 1, .stride = 2};
    assay_value y;

    x = assay_op_relu(g, conv_norm(g, x, "conv1", "bn1", stem));
    y = assay_op_relu(g, conv_norm(g, x, "conv2", "bn2", half));
    y = conv_norm(g, y, "conv3", "bn3", same);
    x = conv_norm(g, x, "down", "bn4", skip);
    x = assay_op_relu(g, assay_op_add(g, y, x));
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay_layer_linear(g, x, "fc", CLASSES);
}

struct net {
    const char *file;
    struct assay_shape input;
    assay_value (*build)(assay_graph *g, assay_value x);
};

static const struct net nets[] = {
    {"parity/mlp.safetensors", {2, {ASSAY_BATCH, 12}}, mlp},
    {"parity/cnn.safetensors", {4, {ASSAY_BATCH, 3, 9, 9}}, cnn},
    {"parity/residual.safetensors", {4, {ASSAY_BATCH, 3, 8, 8}}, residual},
};

/* One net on one backend. */
struct run {
    const struct net *net;
    struct golden golden;
    double tolerance;
    assay_graph *g;
    assay_value x, labels, logits, loss;
    struct assay_gradient gradient[PARAMS_MAX];
    int n_gradients;
    struct assay_params params;
    assay_plan *train;
    assay_plan *eval;
    assay_optimizer *optimizer;
};

static void build(struct run *r)
{
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_error err = {0};
    assay_value wrt[PARAMS_MAX];
    assay_value d[PARAMS_MAX];

    CHECK_OK(assay_graph_new(&r->g, &err), err);
    r->x = assay_graph_input(r->g, "x", &r->net->input);
    r->logits = r->net->build(r->g, r->x);
    r->labels = assay_graph_input(r->g, "labels", &rows);
    r->loss =
        assay_op_mean(r->g, assay_op_softmax_xent(r->g, r->logits, r->labels));
    CHECK_OK(assay_graph_check(r->g, &err), err);
    for (int i = 0; i < assay_graph_n_params(r->g); i++) {
        assay_value p = assay_graph_param_at(r->g, i);

        if (assay_graph_param_flags(r->g, p) & ASSAY_PARAM_TRAINABLE)
            wrt[r->n_gradients++] = p;
    }
    CHECK_OK(assay_differentiate(r->g, r->loss, wrt, r->n_gradients, d, &err),
             err);
    for (int i = 0; i < r->n_gradients; i++) {
        r->gradient[i].param = wrt[i];
        r->gradient[i].gradient = d[i];
    }
}

static void load(struct run *r)
{
    struct assay_error err = {0};

    CHECK_OK(assay_params_make(&r->params, r->g, &err), err);
    for (int i = 0; i < r->params.n_slots; i++) {
        const struct assay_param_slot *s = &r->params.slot[i];
        char name[64];
        double *value;

        snprintf(name, sizeof(name), "param.%s", s->name);
        value = golden_values(&r->golden, name, s->count);
        for (size_t k = 0; k < s->count; k++)
            r->params.data[s->offset + k] = (float)value[k];
        assay__free(value);
    }
    CHECK_OK(assay_plan_load(r->train, &r->params, &err), err);
}

static void compile(struct run *r, const char *backend)
{
    struct assay_optimizer_options sgd = {
        .kind = ASSAY_OPTIMIZER_SGD, .momentum = .9, .weight_decay = 5e-4};
    struct assay_error err = {0};
    assay_value outputs[2 + PARAMS_MAX] = {r->loss, r->logits};
    struct assay_plan_options o = {.backend = backend,
                                   .batch = ROWS,
                                   .mode = ASSAY_MODE_TRAIN,
                                   .threads = 1,
                                   .algorithms = ASSAY_ALGORITHMS_DIRECT,
                                   .outputs = outputs,
                                   .n_outputs = 2 + r->n_gradients,
                                   .gradients = r->gradient,
                                   .n_gradients = r->n_gradients};

    for (int i = 0; i < r->n_gradients; i++)
        outputs[2 + i] = r->gradient[i].gradient;
    CHECK_OK(assay_plan_new(&r->train, r->g, &o, &err), err);
    CHECK_OK(assay_optimizer_new(&r->optimizer, r->train, &sgd, &err), err);
    o.mode = ASSAY_MODE_EVAL;
    o.outputs = &r->logits;
    o.n_outputs = 1;
    o.n_gradients = 0;
    o.share = r->train;
    CHECK_OK(assay_plan_new(&r->eval, r->g, &o, &err), err);
}

static void run_open(struct run *r, const struct net *net, const char *backend)
{
    size_t count = assay_shape_count(&net->input, ROWS);
    struct assay_error err = {0};
    double *value;

    memset(r, 0, sizeof(*r));
    r->net = net;
    golden_open(&r->golden, net->file);
    r->tolerance = REFERENCE_TOLERANCE;
    if (strcmp(backend, "reference") != 0) {
        value = golden_values(&r->golden, "float_error", 1);
        r->tolerance = fmax(FLOAT_FACTOR * *value, FLOAT_FLOOR);
        assay__free(value);
    }
    build(r);
    compile(r, backend);
    load(r);
    value = golden_values(&r->golden, "input", count);
    CHECK_OK(assay_plan_write_f64(r->train, r->x, value, &err), err);
    CHECK_OK(assay_plan_write_f64(r->eval, r->x, value, &err), err);
    assay__free(value);
    value = golden_values(&r->golden, "labels", ROWS);
    CHECK_OK(assay_plan_write_f64(r->train, r->labels, value, &err), err);
    assay__free(value);
}

static void run_close(struct run *r)
{
    assay_optimizer_free(r->optimizer);
    assay_plan_free(r->eval);
    assay_plan_free(r->train);
    assay_params_release(&r->params);
    assay_graph_free(r->g);
    golden_close(&r->golden);
}

/* Relative L2 error of `got` against the golden tensor. */
static void compare(const struct run *r, const char *name, const double *got,
                    size_t count)
{
    double *want = golden_values(&r->golden, name, count);
    double off = 0;
    double size = 0;

    for (size_t i = 0; i < count; i++) {
        off += (got[i] - want[i]) * (got[i] - want[i]);
        size += want[i] * want[i];
    }
    assay__free(want);
    CHECK(size > 0);
    if (!(sqrt(off / size) <= r->tolerance))
        printf("# %s, %s\n", r->net->file, name);
    CHECK_NEAR(sqrt(off / size), 0, r->tolerance);
}

static void compare_value(const struct run *r, assay_plan *plan, assay_value v,
                          const char *name)
{
    size_t count = assay_shape_count(assay_graph_shape(r->g, v), ROWS);
    struct assay_error err = {0};
    double *got = assay__calloc(count, sizeof(*got));

    CHECK(got != NULL);
    CHECK_OK(assay_plan_read_f64(plan, v, got, &err), err);
    compare(r, name, got, count);
    assay__free(got);
}

static void compare_gradients(const struct run *r)
{
    char name[64];

    for (int i = 0; i < r->n_gradients; i++) {
        snprintf(name, sizeof(name), "grad.%s",
                 assay_graph_value_name(r->g, r->gradient[i].param));
        compare_value(r, r->train, r->gradient[i].gradient, name);
    }
}

static void compare_buffers(const struct run *r)
{
    char name[64];

    for (int i = 0; i < assay_graph_n_params(r->g); i++) {
        assay_value p = assay_graph_param_at(r->g, i);

        if (!(assay_graph_param_flags(r->g, p) & ASSAY_PARAM_BUFFER))
            continue;
        snprintf(name, sizeof(name), "after.%s",
                 assay_graph_value_name(r->g, p));
        compare_value(r, r->train, p, name);
    }
}

static void check_net(const struct net *net, const char *backend)
{
    double losses[STEPS];
    struct assay_error err = {0};
    struct run r;

    run_open(&r, net, backend);
    for (int step = 0; step < STEPS; step++) {
        CHECK_OK(assay_plan_run(r.train, &err), err);
        CHECK_OK(assay_plan_read_f64(r.train, r.loss, &losses[step], &err),
                 err);
        if (step == 0) {
            compare_value(&r, r.train, r.logits, "logits");
            compare_gradients(&r);
        }
        CHECK_OK(assay_optimizer_step(r.optimizer, r.train, .05, &err), err);
    }
    compare(&r, "losses", losses, STEPS);
    compare_buffers(&r);
    CHECK_OK(assay_plan_run(r.eval, &err), err);
    compare_value(&r, r.eval, r.logits, "eval_logits");
    run_close(&r);
}

static void test_mlp_on_reference_equals_pytorch(void)
{
    check_net(&nets[0], "reference");
}

static void test_cnn_on_reference_equals_pytorch(void)
{
    check_net(&nets[1], "reference");
}

static void test_residual_on_reference_equals_pytorch(void)
{
    check_net(&nets[2], "reference");
}

static void test_mlp_on_onednn_is_as_close_as_pytorch_in_float(void)
{
    check_net(&nets[0], "onednn");
}

static void test_cnn_on_onednn_is_as_close_as_pytorch_in_float(void)
{
    check_net(&nets[1], "onednn");
}

static void test_residual_on_onednn_is_as_close_as_pytorch_in_float(void)
{
    check_net(&nets[2], "onednn");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_mlp_on_reference_equals_pytorch),
    CHECK_TEST(test_cnn_on_reference_equals_pytorch),
    CHECK_TEST(test_residual_on_reference_equals_pytorch),
    CHECK_TEST(test_mlp_on_onednn_is_as_close_as_pytorch_in_float),
    CHECK_TEST(test_cnn_on_onednn_is_as_close_as_pytorch_in_float),
    CHECK_TEST(test_residual_on_onednn_is_as_close_as_pytorch_in_float),
};

CHECK_MAIN(tests)
