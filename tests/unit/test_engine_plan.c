/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans on the reference backend: numbers in and out, what is live, where
 * buffers lie, stores that are shared.
 */

#include "assay/plan.h"

#include <stdlib.h>

#include "core/mem.h"
#include "engine/backend.h"
#include "tiny_net.h"

static assay_plan *new_plan(const assay_graph *g,
                            const struct assay_plan_options *o)
{
    struct assay_error err = {0};
    assay_plan *plan;

    CHECK_OK(assay_plan_new(&plan, g, o, &err), err);
    return plan;
}

static void load_initial(assay_plan *plan, const assay_graph *g, uint64_t seed)
{
    struct assay_error err = {0};
    struct assay_params p;

    CHECK_OK(assay_params_make(&p, g, &err), err);
    CHECK_OK(assay_params_init(&p, g, seed, &err), err);
    CHECK_OK(assay_plan_load(plan, &p, &err), err);
    assay_params_release(&p);
}

/* y = x w^T + b by hand: F = 2, O = 1. */
static void test_linear_gives_known_numbers(void)
{
    struct assay_shape rows =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)2);
    struct assay_error err = {0};
    const float x[] = {1.0f, 2.0f, -3.0f, 0.5f};
    const float w[] = {10.0f, 100.0f};
    const float b[] = {7.0f};
    float y[2];
    assay_graph *g;
    assay_value in;
    assay_value out;
    struct assay_plan_options o;
    assay_plan *plan;

    CHECK_OK(assay_graph_new(&g, &err), err);
    in = assay_graph_input(g, "x", &rows);
    out = assay_layer_linear(g, in, "fc", 1);
    o = tiny_options(2, &out, 1);
    plan = new_plan(g, &o);
    CHECK_OK(assay_plan_write(plan, assay_graph_find(g, "fc.weight"), w, &err),
             err);
    CHECK_OK(assay_plan_write(plan, assay_graph_find(g, "fc.bias"), b, &err),
             err);
    CHECK_OK(assay_plan_write(plan, in, x, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, out, y, &err), err);
    CHECK_NEAR(y[0], 217.0, 0.0);
    CHECK_NEAR(y[1], 27.0, 0.0);
    CHECK_INT_EQ(assay_plan_batch(plan), 2);
    assay_plan_free(plan);
    assay_graph_free(g);
}

static void test_input_may_be_output(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value out[2];
    float x[TINY_FEATURES] = {1.0f, 2.0f, 3.0f, 4.0f};
    float y[TINY_FEATURES];
    struct assay_plan_options o;
    assay_plan *plan;

    tiny_net_make(&t, 0.0);
    out[0] = out[1] = t.x;
    o = tiny_options(1, out, 2);
    plan = new_plan(t.graph, &o);
    CHECK_OK(assay_plan_write(plan, t.x, x, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, t.x, y, &err), err);
    CHECK_MEM_EQ(y, x, sizeof(x));
    /* The labels are not used: writing them is harmless. */
    CHECK_OK(assay_plan_write(plan, t.labels, x, &err), err);
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

static void test_only_outputs_can_be_read(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    float y[64];
    struct assay_plan_options o;
    assay_plan *plan;

    tiny_net_make(&t, 0.0);
    o = tiny_options(2, &t.logits, 1);
    plan = new_plan(t.graph, &o);
    CHECK_FAILS(assay_plan_read(plan, t.hidden, y, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "hidden");
    CHECK_FAILS(assay_plan_read(plan, 1000, y, &err), ASSAY_ARG, err);
    CHECK_FAILS(assay_plan_write(plan, t.hidden, y, &err), ASSAY_ARG, err);
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

static void test_options_are_copied(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    assay_value out[1];
    float x[TINY_FEATURES] = {1.0f, -1.0f, 0.5f, 2.0f};
    float y[TINY_CLASSES];
    struct assay_plan_options o;
    assay_plan *plan;

    tiny_net_make(&t, 0.0);
    out[0] = t.logits;
    o = tiny_options(1, out, 1);
    plan = new_plan(t.graph, &o);
    out[0] = 1 << 20;
    memset(&o, 0x7f, sizeof(o));
    CHECK_OK(assay_plan_write(plan, t.x, x, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, t.logits, y, &err), err);
    CHECK_NEAR(y[0], 0.0, 0.0); /* parameters start at zero */
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

static void test_bad_options_are_refused(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_gradient d;
    struct assay_plan_options good;
    struct assay_plan_options o;
    assay_value nowhere = 9999;
    assay_plan *plan = NULL;

    tiny_net_make(&t, 0.0);
    good = tiny_options(2, &t.logits, 1);
    o = good;
    o.backend = "abacus";
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "abacus");
    o = good;
    o.batch = 0;
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_ARG, err);
    o = good;
    o.threads = 0;
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_ARG, err);
    o = good;
    o.compute = ASSAY_DTYPE_I8;
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_ARG, err);
    o = good;
    o.outputs = &nowhere;
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_ARG, err);
    o = good;
    o.gradients = &d;
    o.n_gradients = 1;
    d.param = t.x;
    d.gradient = t.x;
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_ARG, err);
    d.param = assay_graph_param_at(t.graph, 0);
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "fc1.weight");
    d.gradient = 12345;
    CHECK_FAILS(assay_plan_new(&plan, t.graph, &o, &err), ASSAY_ARG, err);
    CHECK(plan == NULL);
    assay_graph_free(t.graph);
}

/* Gradients of all parameters, one of them without a value. */
static void test_gradients_are_read_as_values(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_gradient d[4];
    assay_value wrt[4];
    assay_value grad[4];
    float x[2 * TINY_FEATURES];
    float labels[2];
    float by_value[64];
    double wide[64];
    struct assay_plan_options o;
    assay_plan *plan;

    tiny_net_make(&t, 0.0);
    for (int i = 0; i < 4; i++)
        wrt[i] = assay_graph_param_at(t.graph, i);
    CHECK_OK(assay_differentiate(t.graph, t.loss, wrt, 4, grad, &err), err);
    for (int i = 0; i < 4; i++) {
        d[i].param = wrt[i];
        d[i].gradient = i == 1 ? ASSAY_NO_VALUE : grad[i];
    }
    o = tiny_options(2, &t.loss, 1);
    o.gradients = d;
    o.n_gradients = 4;
    plan = new_plan(t.graph, &o);
    CHECK_INT_EQ(plan->options.n_gradients, 3);
    CHECK(!plan->store->slot[3].trained);
    CHECK_STR_EQ(plan->store->slot[3].name, "fc1.bias");
    load_initial(plan, t.graph, 5);
    tiny_data(x, labels, 2, 1);
    CHECK_OK(assay_plan_write(plan, t.x, x, &err), err);
    CHECK_OK(assay_plan_write(plan, t.labels, labels, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, grad[3], by_value, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, grad[3], wide, &err), err);
    /* The gradient of a bias under cross-entropy sums to zero. */
    CHECK_NEAR(wide[0] + wide[1] + wide[2], 0.0, 1e-15);
    CHECK(wide[0] != 0.0);
    CHECK_NEAR(by_value[0], wide[0], 1e-7);
    CHECK_FAILS(assay_plan_read(plan, grad[1], by_value, &err), ASSAY_ARG, err);
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

/* d (p + q) / dp and / dq are one value, also an output. */
static void test_one_value_may_be_two_gradients(void)
{
    struct assay_shape one = assay_shape_make(1, (int64_t)3);
    struct assay_init init = {ASSAY_INIT_ONE, 0.0, 0.0};
    struct assay_error err = {0};
    struct assay_gradient d[2];
    float got[3];
    assay_graph *g;
    assay_value p[2];
    assay_value grad[2];
    assay_value loss;
    struct assay_plan_options o;
    assay_plan *plan;

    CHECK_OK(assay_graph_new(&g, &err), err);
    p[0] = assay_graph_param(g, "p", &one, init, ASSAY_PARAM_TRAINABLE);
    p[1] = assay_graph_param(g, "q", &one, init, ASSAY_PARAM_TRAINABLE);
    loss = assay_op_mean(g, assay_op_add(g, p[0], p[1]));
    CHECK_OK(assay_differentiate(g, loss, p, 2, grad, &err), err);
    CHECK_INT_EQ(grad[0], grad[1]);
    for (int i = 0; i < 2; i++) {
        d[i].param = p[i];
        d[i].gradient = grad[i];
    }
    o = tiny_options(1, grad, 1);
    o.gradients = d;
    o.n_gradients = 2;
    plan = new_plan(g, &o);
    CHECK_OK(assay_plan_run(plan, &err), err);
    for (int s = 0; s < 2; s++) {
        const double *slab = plan->gradients;

        for (size_t i = 0; i < 3; i++)
            CHECK_NEAR(slab[plan->store->slot[s].offset + i], 1.0 / 3.0, 1e-15);
    }
    CHECK_OK(assay_plan_read(plan, grad[0], got, &err), err);
    CHECK_NEAR(got[2], 1.0 / 3.0, 1e-7);
    assay_plan_free(plan);
    assay_graph_free(g);
}

/* A random graph of adds, products and activations over one input. */
static int random_graph(assay_graph *g, struct assay_rng *rng, assay_value *all)
{
    struct assay_shape rows =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)3);
    int n = 0;

    all[n++] = assay_graph_input(g, "x", &rows);
    while (n < 30) {
        assay_value a = all[assay_rng_below(rng, (uint64_t)n)];
        assay_value b = all[assay_rng_below(rng, (uint64_t)n)];

        switch (assay_rng_below(rng, 4)) {
        case 0:
            all[n++] = assay_op_add(g, a, b);
            break;
        case 1:
            all[n++] = assay_op_mul(g, a, b);
            break;
        case 2:
            all[n++] = assay_op_tanh(g, a);
            break;
        default:
            all[n++] = assay_op_affine(g, a, 0.5, 0.25);
            break;
        }
    }
    return n;
}

/* With memory reused, results are those of a plan that keeps everything. */
static void test_reuse_of_memory_changes_nothing(void)
{
    struct assay_error err = {0};

    for (uint64_t seed = 0; seed < 30; seed++) {
        struct assay_rng rng;
        assay_value all[30];
        const float x[] = {0.3f, -0.7f, 1.1f, 0.2f, 0.9f, -1.3f};
        double tight_y[6];
        double loose_y[6];
        assay_graph *g;
        struct assay_plan_options o;
        assay_plan *tight;
        assay_plan *loose;
        int n;

        assay_rng_init(&rng, seed, "test", 0);
        CHECK_OK(assay_graph_new(&g, &err), err);
        n = random_graph(g, &rng, all);
        o = tiny_options(2, &all[n - 1], 1);
        tight = new_plan(g, &o);
        o = tiny_options(2, all, n);
        loose = new_plan(g, &o);
        CHECK_OK(assay_plan_write(tight, all[0], x, &err), err);
        CHECK_OK(assay_plan_write(loose, all[0], x, &err), err);
        for (int repeat = 0; repeat < 2; repeat++) {
            CHECK_OK(assay_plan_run(tight, &err), err);
            CHECK_OK(assay_plan_run(loose, &err), err);
            CHECK_OK(assay_plan_read_f64(tight, all[n - 1], tight_y, &err),
                     err);
            CHECK_OK(assay_plan_read_f64(loose, all[n - 1], loose_y, &err),
                     err);
            CHECK_MEM_EQ(tight_y, loose_y, sizeof(tight_y));
        }
        CHECK(tight->slab_bytes <= loose->slab_bytes);
        CHECK(tight->n_steps <= loose->n_steps);
        assay_plan_free(tight);
        assay_plan_free(loose);
        assay_graph_free(g);
    }
}

enum { N_BUFFERS = 40, N_STEPS = 60, USES = 4 };

static bool alive_together(const struct assay__buffer *a,
                           const struct assay__buffer *b)
{
    return a->first >= 0 && b->first >= 0 && a->first <= b->last &&
           b->first <= a->last;
}

static bool overlap(const struct assay__buffer *a,
                    const struct assay__buffer *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* Bytes alive at a step: what no placement can go below. */
static size_t alive_bytes(const struct assay__buffer *b, int step)
{
    size_t sum = 0;

    for (int i = 0; i < N_BUFFERS; i++) {
        if (b[i].alias < 0 && b[i].first >= 0 && b[i].first <= step &&
            step <= b[i].last)
            sum += (b[i].bytes + 63) / 64 * 64;
    }
    return sum;
}

static void test_buffers_alive_together_are_apart(void)
{
    struct assay_error err = {0};

    for (uint64_t seed = 0; seed < 50; seed++) {
        struct assay__buffer b[N_BUFFERS];
        struct assay__step s[N_STEPS];
        int use[N_STEPS][USES];
        struct assay_rng rng;
        size_t bytes = 0;
        size_t least = 0;
        size_t sum = 0;

        assay_rng_init(&rng, seed, "test", 1);
        memset(b, 0, sizeof(b));
        memset(s, 0, sizeof(s));
        for (int i = 0; i < N_BUFFERS; i++) {
            b[i].bytes = (size_t)assay_rng_below(&rng, 5000);
            b[i].alias = -1;
            b[i].keep = assay_rng_below(&rng, 10) == 0;
            if (i > 0 && assay_rng_below(&rng, 6) == 0)
                b[i].alias = (int)assay_rng_below(&rng, (uint64_t)i);
        }
        for (int i = 0; i < N_STEPS; i++) {
            int near = i * N_BUFFERS / N_STEPS;

            for (int k = 0; k < USES; k++)
                use[i][k] = (near + (int)assay_rng_below(&rng, 6)) % N_BUFFERS;
            s[i].use = use[i];
            s[i].n_use = USES;
        }
        CHECK_OK(assay__place_buffers(b, N_BUFFERS, s, N_STEPS, &bytes, &err),
                 err);
        for (int i = 0; i < N_BUFFERS; i++) {
            if (b[i].alias >= 0 || b[i].first < 0)
                continue;
            CHECK_UINT_EQ(b[i].offset % 64, 0);
            CHECK(b[i].offset + b[i].bytes <= bytes);
            sum += (b[i].bytes + 63) / 64 * 64;
            for (int k = 0; k < i; k++) {
                if (b[k].alias < 0 && alive_together(&b[i], &b[k]))
                    CHECK(!overlap(&b[i], &b[k]));
            }
        }
        for (int i = 0; i < N_STEPS; i++) {
            if (alive_bytes(b, i) > least)
                least = alive_bytes(b, i);
        }
        CHECK(bytes >= least);
        CHECK(bytes <= sum);
        /* Best fit is not optimal; far off it would be a defect. */
        CHECK(bytes <= least + least / 2);
    }
}

static void test_alias_extends_its_root(void)
{
    struct assay__buffer b[3];
    struct assay__step s[4];
    const int use0[] = {0};
    const int use1[] = {1};
    const int use2[] = {2};
    struct assay_error err = {0};
    size_t bytes;

    memset(b, 0, sizeof(b));
    memset(s, 0, sizeof(s));
    for (int i = 0; i < 3; i++) {
        b[i].alias = -1;
        b[i].bytes = 100;
    }
    b[1].alias = 0;
    b[1].bytes = 300;
    s[0].use = use0;
    s[1].use = use2;
    s[2].use = use1;
    s[3].use = use1;
    for (int i = 0; i < 4; i++)
        s[i].n_use = 1;
    CHECK_OK(assay__place_buffers(b, 3, s, 4, &bytes, &err), err);
    CHECK_INT_EQ(b[0].first, 0);
    CHECK_INT_EQ(b[0].last, 3);
    CHECK_UINT_EQ(b[0].bytes, 300);
    CHECK(!overlap(&b[0], &b[2]));
    b[0].alias = 1;
    CHECK_FAILS(assay__place_buffers(b, 3, s, 4, &bytes, &err), ASSAY_INTERNAL,
                err);
}

static void test_plans_share_parameters(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    float x[5 * TINY_FEATURES];
    float labels[5];
    double five[5 * TINY_CLASSES];
    double two[2 * TINY_CLASSES];
    float w[64] = {0};
    struct assay_plan_options o;
    assay_plan *a;
    assay_plan *b;

    tiny_net_make(&t, 0.0);
    o = tiny_options(5, &t.logits, 1);
    a = new_plan(t.graph, &o);
    o = tiny_options(2, &t.logits, 1);
    o.share = a;
    b = new_plan(t.graph, &o);
    CHECK_INT_EQ(a->store->references, 2);
    load_initial(a, t.graph, 2);
    tiny_data(x, labels, 5, 3);
    CHECK_OK(assay_plan_write(a, t.x, x, &err), err);
    CHECK_OK(assay_plan_write(b, t.x, x, &err), err);
    CHECK_OK(assay_plan_run(a, &err), err);
    CHECK_OK(assay_plan_run(b, &err), err);
    CHECK_OK(assay_plan_read_f64(a, t.logits, five, &err), err);
    CHECK_OK(assay_plan_read_f64(b, t.logits, two, &err), err);
    CHECK_MEM_EQ(five, two, sizeof(two));
    CHECK_OK(
        assay_plan_write(a, assay_graph_find(t.graph, "fc2.weight"), w, &err),
        err);
    /* The first plan may go before the one that shares. */
    assay_plan_free(a);
    CHECK_OK(assay_plan_run(b, &err), err);
    CHECK_OK(assay_plan_read_f64(b, t.logits, two, &err), err);
    CHECK_NEAR(two[0], two[3], 0.0); /* only the bias is left */
    assay_plan_free(b);
    assay_graph_free(t.graph);
}

static void test_wrong_sharing_is_refused(void)
{
    struct tiny_net t;
    struct tiny_net bare;
    struct assay_error err = {0};
    struct assay_gradient d[2];
    assay_value wrt[2];
    assay_value grad[2];
    struct assay_shape s = assay_shape_make(1, (int64_t)2);
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    struct assay_plan_options o;
    assay_plan *a;
    assay_plan *b = NULL;

    tiny_net_make(&t, 0.0);
    for (int i = 0; i < 2; i++)
        wrt[i] = assay_graph_param_at(t.graph, i);
    CHECK_OK(assay_differentiate(t.graph, t.loss, wrt, 2, grad, &err), err);
    for (int i = 0; i < 2; i++) {
        d[i].param = wrt[i];
        d[i].gradient = grad[i];
    }
    o = tiny_options(2, &t.loss, 1);
    o.gradients = d;
    o.n_gradients = 2;
    a = new_plan(t.graph, &o);
    o.share = a;
    o.n_gradients = 1;
    CHECK_FAILS(assay_plan_new(&b, t.graph, &o, &err), ASSAY_ARG, err);
    o.n_gradients = 0;
    b = new_plan(t.graph, &o);
    CHECK(b->gradients == NULL);
    assay_plan_free(b);
    b = NULL;

    tiny_net_make(&bare, 0.0);
    assay_graph_param(bare.graph, "extra", &s, zero, 0);
    CHECK_FAILS(assay_plan_new(&b, bare.graph, &o, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "extra");
    CHECK(b == NULL);
    assay_plan_free(a);
    assay_graph_free(t.graph);
    assay_graph_free(bare.graph);
}

static void test_load_and_save_go_by_name(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_params p;
    struct assay_params q;
    struct assay_plan_options o;
    assay_plan *plan;
    char *name;

    tiny_net_make(&t, 0.0);
    CHECK_OK(assay_params_make(&p, t.graph, &err), err);
    CHECK_OK(assay_params_make(&q, t.graph, &err), err);
    CHECK_OK(assay_params_init(&p, t.graph, 4, &err), err);
    o = tiny_options(1, &t.logits, 1);
    plan = new_plan(t.graph, &o);
    CHECK_OK(assay_plan_load(plan, &p, &err), err);
    CHECK_OK(assay_plan_save(plan, &q, &err), err);
    CHECK_MEM_EQ(q.data, p.data, p.size * sizeof(float));
    name = p.slot[2].name;
    p.slot[2].name = assay__strdup("other");
    CHECK_FAILS(assay_plan_load(plan, &p, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "fc2.weight");
    assay__free(p.slot[2].name);
    p.slot[2].name = name;
    p.slot[2].shape.dim[0]++;
    CHECK_FAILS(assay_plan_load(plan, &p, &err), ASSAY_SHAPE, err);
    CHECK_STR_HAS(err.msg, "[4, 5]");
    assay_plan_free(plan);
    assay_params_release(&p);
    assay_params_release(&q);
    assay_graph_free(t.graph);
}

/* Running statistics move in training and stand still in evaluation. */
static void test_buffers_change_in_training_alone(void)
{
    struct assay_shape rows =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)1);
    struct assay_error err = {0};
    const float x[] = {2.0f, 4.0f};
    float mean;
    float var;
    assay_graph *g;
    assay_value in;
    assay_value y;
    struct assay_plan_options o;
    assay_plan *train;
    assay_plan *eval;

    CHECK_OK(assay_graph_new(&g, &err), err);
    in = assay_graph_input(g, "x", &rows);
    y = assay_layer_batchnorm(g, in, "bn");
    o = tiny_options(2, &y, 1);
    train = new_plan(g, &o);
    o.mode = ASSAY_MODE_EVAL;
    o.share = train;
    eval = new_plan(g, &o);
    load_initial(train, g, 1);
    CHECK_OK(assay_plan_write(train, in, x, &err), err);
    CHECK_OK(assay_plan_write(eval, in, x, &err), err);
    CHECK_OK(assay_plan_run(eval, &err), err);
    CHECK_OK(assay_plan_read(train, assay_graph_find(g, "bn.running_mean"),
                             &mean, &err),
             err);
    CHECK_NEAR(mean, 0.0, 0.0);
    CHECK_OK(assay_plan_run(train, &err), err);
    CHECK_OK(assay_plan_read(eval, assay_graph_find(g, "bn.running_mean"),
                             &mean, &err),
             err);
    CHECK_OK(assay_plan_read(eval, assay_graph_find(g, "bn.running_var"), &var,
                             &err),
             err);
    CHECK_NEAR(mean, 0.3, 1e-7);
    CHECK_NEAR(var, 0.9 + 0.1 * 2.0, 1e-7);
    assay_plan_free(train);
    assay_plan_free(eval);
    assay_graph_free(g);
}

static void test_dropout_follows_the_stream(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    float x[8 * TINY_FEATURES];
    float labels[8];
    double y[3][8 * TINY_CLASSES];
    struct assay_plan_options o;
    assay_plan *plan;

    tiny_net_make(&t, 0.5);
    o = tiny_options(8, &t.logits, 1);
    plan = new_plan(t.graph, &o);
    load_initial(plan, t.graph, 1);
    tiny_data(x, labels, 8, 6);
    CHECK_OK(assay_plan_write(plan, t.x, x, &err), err);
    for (int i = 0; i < 3; i++) {
        assay_plan_set_stream(plan, 1, i == 1 ? 8 : 7);
        CHECK_OK(assay_plan_run(plan, &err), err);
        CHECK_OK(assay_plan_read_f64(plan, t.logits, y[i], &err), err);
    }
    CHECK_MEM_EQ(y[0], y[2], sizeof(y[0]));
    CHECK(memcmp(y[0], y[1], sizeof(y[0])) != 0);
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

static void test_description_names_steps(void)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_plan_memory memory;
    struct assay_plan_options o;
    assay_plan *plan;
    char *text;

    tiny_net_make(&t, 0.0);
    o = tiny_options(4, &t.logits, 1);
    plan = new_plan(t.graph, &o);
    text = assay_plan_describe(plan);
    CHECK(text != NULL);
    CHECK_STR_HAS(text, "reference, batch 4");
    CHECK_STR_HAS(text, "linear");
    CHECK_STR_HAS(text, "fc1");
    CHECK_STR_HAS(text, "hidden");
    CHECK(strstr(text, " ms") == NULL);
    CHECK(strstr(text, "softmax_xent") == NULL); /* not live */
    assay__free(text);
    assay_plan_profile(plan, 1);
    CHECK_OK(assay_plan_run(plan, &err), err);
    text = assay_plan_describe(plan);
    CHECK_STR_HAS(text, " ms");
    assay__free(text);
    assay_plan_memory(plan, &memory);
    CHECK(memory.activations > 0);
    CHECK_UINT_EQ(memory.parameters, plan->store->n_elements * sizeof(double));
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_linear_gives_known_numbers),
    CHECK_TEST(test_input_may_be_output),
    CHECK_TEST(test_only_outputs_can_be_read),
    CHECK_TEST(test_options_are_copied),
    CHECK_TEST(test_bad_options_are_refused),
    CHECK_TEST(test_gradients_are_read_as_values),
    CHECK_TEST(test_one_value_may_be_two_gradients),
    CHECK_TEST(test_reuse_of_memory_changes_nothing),
    CHECK_TEST(test_buffers_alive_together_are_apart),
    CHECK_TEST(test_alias_extends_its_root),
    CHECK_TEST(test_plans_share_parameters),
    CHECK_TEST(test_wrong_sharing_is_refused),
    CHECK_TEST(test_load_and_save_go_by_name),
    CHECK_TEST(test_buffers_change_in_training_alone),
    CHECK_TEST(test_dropout_follows_the_stream),
    CHECK_TEST(test_description_names_steps),
};

CHECK_MAIN(tests)
