/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimizers against numbers computed apart, in double, with the formulas
 * of torch.optim (SGD, Adam, AdamW, three steps, the rate halved for the
 * last): w0 = .5 -1.25 2; g = .1 -.2 .3, .05 .4 -.6, -.3 .25 .15;
 * lr = .1 .1 .05; decay .01 where there is one, momentum .9.
 */

#include "assay/plan.h"

#include <math.h>

#include "core/mem.h"
#include "engine/backend.h"
#include "tiny_net.h"

enum { WIDTH = 3, N_STEPS = 3 };

static const double start[WIDTH] = {0.5, -1.25, 2.0};
static const double gradients[N_STEPS][WIDTH] = {{0.1, -0.2, 0.3},
                                                 {0.05, 0.4, -0.6},
                                                 {-0.3, 0.25, 0.15}};
static const double rates[N_STEPS] = {0.1, 0.1, 0.05};

static const struct {
    const char *name;
    struct assay_optimizer_options options;
    double want[WIDTH];
} cases[] = {
    {"sgd",
     {ASSAY_OPTIMIZER_SGD, 0.0, 0.0, 0.0, 0.0, 0.0},
     {0.5, -1.2825, 2.0225}},
    {"sgd, decay",
     {ASSAY_OPTIMIZER_SGD, 0.0, 0.01, 0.0, 0.0, 0.0},
     {0.49876849475, -1.279387489375, 2.0175189839999996}},
    {"sgd, decay and momentum",
     {ASSAY_OPTIMIZER_SGD, 0.9, 0.01, 0.0, 0.0, 0.0},
     {0.48260044474999997, -1.269112864375, 2.001887784}},
    {"adam, defaults",
     {ASSAY_OPTIMIZER_ADAM, 0.0, 0.0, 0.0, 0.0, 0.0},
     {0.32414323232112974, -1.2145522669114954, 1.9434448882455342}},
    {"adam, decay",
     {ASSAY_OPTIMIZER_ADAM, 0.0, 0.01, 0.9, 0.999, 1e-8},
     {0.3226956878264412, -1.2095703191009932, 1.937280598084668}},
    {"adamw, decay",
     {ASSAY_OPTIMIZER_ADAMW, 0.0, 0.01, 0.9, 0.999, 1e-8},
     {0.3230907910321788, -1.2115614111032247, 1.9385805320645701}},
};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

/* loss = sum g w: its gradient is what is written to the input g. */
struct bench {
    assay_graph *graph;
    assay_value w;
    assay_value g;
    struct assay_gradient d;
    assay_plan *plan;
};

static void bench_open(struct bench *b)
{
    struct assay_shape s = assay_shape_make(1, (int64_t)WIDTH);
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    struct assay_error err = {0};
    struct assay_plan_options o;
    assay_value loss;

    CHECK_OK(assay_graph_new(&b->graph, &err), err);
    b->w = assay_graph_param(b->graph, "w", &s, zero, ASSAY_PARAM_TRAINABLE);
    b->g = assay_graph_input(b->graph, "g", &s);
    loss = assay_op_weighted_sum(b->graph, b->w, b->g);
    b->d.param = b->w;
    CHECK_OK(
        assay_differentiate(b->graph, loss, &b->w, 1, &b->d.gradient, &err),
        err);
    o = tiny_options(1, &loss, 1);
    o.gradients = &b->d;
    o.n_gradients = 1;
    CHECK_OK(assay_plan_new(&b->plan, b->graph, &o, &err), err);
    CHECK_OK(assay_plan_write_f64(b->plan, b->w, start, &err), err);
}

static void bench_close(struct bench *b)
{
    assay_plan_free(b->plan);
    assay_graph_free(b->graph);
}

static void step(struct bench *b, assay_optimizer *o, int i)
{
    struct assay_error err = {0};

    CHECK_OK(assay_plan_write_f64(b->plan, b->g, gradients[i], &err), err);
    CHECK_OK(assay_plan_run(b->plan, &err), err);
    CHECK_OK(assay_optimizer_step(o, b->plan, rates[i], &err), err);
}

static void test_steps_follow_the_formulas(void)
{
    for (int c = 0; c < N_CASES; c++) {
        struct assay_error err = {0};
        struct bench b;
        assay_optimizer *o;
        double w[WIDTH];

        bench_open(&b);
        CHECK_OK(assay_optimizer_new(&o, b.plan, &cases[c].options, &err), err);
        for (int i = 0; i < N_STEPS; i++)
            step(&b, o, i);
        CHECK_OK(assay_plan_read_f64(b.plan, b.w, w, &err), err);
        for (int i = 0; i < WIDTH; i++)
            CHECK_NEAR(w[i], cases[c].want[i], 1e-15);
        assay_optimizer_free(o);
        bench_close(&b);
    }
}

static struct assay__update update_of(int c, void *m, void *v)
{
    const struct assay_optimizer_options *o = &cases[c].options;
    struct assay__update u;

    memset(&u, 0, sizeof(u));
    u.kind = o->kind;
    u.momentum = o->momentum;
    u.weight_decay = o->weight_decay;
    u.beta1 = 0.9;
    u.beta2 = 0.999;
    u.eps = 1e-8;
    u.moment1 = o->kind != ASSAY_OPTIMIZER_SGD || o->momentum > 0.0 ? m : NULL;
    u.moment2 = o->kind != ASSAY_OPTIMIZER_SGD ? v : NULL;
    return u;
}

static void test_f32_loops_agree(void)
{
    for (int c = 0; c < N_CASES; c++) {
        float w[16] = {0};
        float g[16] = {0};
        float m[16] = {0};
        float v[16] = {0};
        struct assay__update u = update_of(c, m, v);

        for (int i = 0; i < WIDTH; i++)
            w[i] = (float)start[i];
        for (int k = 0; k < N_STEPS; k++) {
            for (int i = 0; i < WIDTH; i++)
                g[i] = (float)gradients[k][i];
            u.lr = rates[k];
            u.step = (uint64_t)k + 1;
            assay__update_f32(w, g, 16, &u, 1);
        }
        for (int i = 0; i < WIDTH; i++)
            CHECK_NEAR(w[i], cases[c].want[i], 1e-6);
        for (int i = WIDTH; i < 16; i++)
            CHECK(w[i] == 0.0f && m[i] == 0.0f && v[i] == 0.0f);
    }
}

static void test_threads_do_not_matter(void)
{
    enum { N = 50000 };
    float *slab[2][4];
    struct assay_rng rng;

    assay_rng_init(&rng, 1, "test", 0);
    for (int k = 0; k < 4; k++) {
        slab[0][k] = assay__slab(N * sizeof(float));
        slab[1][k] = assay__slab(N * sizeof(float));
        CHECK(slab[0][k] && slab[1][k]);
        for (int i = 0; i < N && k < 2; i++)
            slab[0][k][i] = slab[1][k][i] = (float)assay_rng_normal(&rng);
    }
    for (int c = 0; c < N_CASES; c++) {
        for (int s = 0; s < 2; s++) {
            struct assay__update u = update_of(c, slab[s][2], slab[s][3]);

            u.lr = 0.01;
            u.step = 1;
            assay__update_f32(slab[s][0], slab[s][1], N, &u, s ? 3 : 1);
        }
        CHECK_MEM_EQ(slab[1][0], slab[0][0], N * sizeof(float));
        CHECK_MEM_EQ(slab[1][2], slab[0][2], N * sizeof(float));
    }
    for (int k = 0; k < 4; k++) {
        assay__free(slab[0][k]);
        assay__free(slab[1][k]);
    }
}

static void test_state_goes_through_tensors(void)
{
    for (int c = 0; c < N_CASES; c++) {
        struct assay_error err = {0};
        struct assay_tensors list;
        struct bench a;
        struct bench b;
        assay_optimizer *o;
        assay_optimizer *p;
        double w[WIDTH];
        double again[WIDTH];

        bench_open(&a);
        bench_open(&b);
        assay_tensors_init(&list);
        CHECK_OK(assay_optimizer_new(&o, a.plan, &cases[c].options, &err), err);
        step(&a, o, 0);
        step(&a, o, 1);
        CHECK_OK(assay_plan_read_f64(a.plan, a.w, w, &err), err);
        CHECK_OK(assay_optimizer_to_tensors(o, &list, &err), err);
        CHECK_NEAR(
            assay_tensor_value(assay_tensors_find(&list, "optimizer.step"), 0),
            2.0, 0.0);
        CHECK_OK(assay_optimizer_new(&p, b.plan, &cases[c].options, &err), err);
        CHECK_OK(assay_optimizer_from_tensors(p, &list, &err), err);
        CHECK_OK(assay_plan_write_f64(b.plan, b.w, w, &err), err);
        step(&a, o, 2);
        step(&b, p, 2);
        CHECK_OK(assay_plan_read_f64(a.plan, a.w, w, &err), err);
        CHECK_OK(assay_plan_read_f64(b.plan, b.w, again, &err), err);
        CHECK_MEM_EQ(again, w, sizeof(w));
        assay_tensors_release(&list);
        assay_optimizer_free(o);
        assay_optimizer_free(p);
        bench_close(&a);
        bench_close(&b);
    }
}

static void test_wrong_tensors_are_refused(void)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    struct assay_shape wrong = assay_shape_make(1, (int64_t)WIDTH + 1);
    struct assay_shape scalar = {0};
    struct bench b;
    assay_optimizer *o;

    bench_open(&b);
    assay_tensors_init(&list);
    CHECK_OK(assay_optimizer_new(&o, b.plan, &cases[3].options, &err), err);
    CHECK_FAILS(assay_optimizer_from_tensors(o, &list, &err), ASSAY_FORMAT,
                err);
    CHECK_STR_HAS(err.msg, "optimizer.step");
    CHECK_OK(assay_tensors_add(&list, "optimizer.step", ASSAY_DTYPE_I64,
                               &scalar, NULL, &err),
             err);
    CHECK_FAILS(assay_optimizer_from_tensors(o, &list, &err), ASSAY_FORMAT,
                err);
    CHECK_STR_HAS(err.msg, "optimizer.exp_avg.w");
    CHECK_OK(assay_tensors_add(&list, "optimizer.exp_avg.w", ASSAY_DTYPE_F64,
                               &wrong, NULL, &err),
             err);
    CHECK_FAILS(assay_optimizer_from_tensors(o, &list, &err), ASSAY_FORMAT,
                err);
    assay_tensors_release(&list);
    assay_optimizer_free(o);
    bench_close(&b);
}

static void test_bad_options_are_refused(void)
{
    static const struct assay_optimizer_options bad[] = {
        {ASSAY_OPTIMIZER_SGD, 1.0, 0.0, 0.0, 0.0, 0.0},
        {ASSAY_OPTIMIZER_SGD, -0.1, 0.0, 0.0, 0.0, 0.0},
        {ASSAY_OPTIMIZER_SGD, (double)NAN, 0.0, 0.0, 0.0, 0.0},
        {ASSAY_OPTIMIZER_SGD, 0.0, -1.0, 0.0, 0.0, 0.0},
        {ASSAY_OPTIMIZER_ADAM, 0.0, 0.0, 1.0, 0.0, 0.0},
        {ASSAY_OPTIMIZER_ADAM, 0.0, 0.0, 0.0, 1.5, 0.0},
        {ASSAY_OPTIMIZER_ADAM, 0.0, 0.0, 0.0, 0.0, -1e-8},
        {(enum assay_optimizer_kind)77, 0.0, 0.0, 0.0, 0.0, 0.0},
    };
    struct assay_error err = {0};
    struct bench b;
    assay_optimizer *o = NULL;

    bench_open(&b);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_FAILS(assay_optimizer_new(&o, b.plan, &bad[i], &err), ASSAY_ARG,
                    err);
    CHECK(o == NULL);
    CHECK_OK(assay_optimizer_new(&o, b.plan, &cases[0].options, &err), err);
    CHECK_FAILS(assay_optimizer_step(o, b.plan, (double)NAN, &err), ASSAY_ARG,
                err);
    CHECK_FAILS(assay_optimizer_step(o, b.plan, -1.0, &err), ASSAY_ARG, err);
    assay_optimizer_free(o);
    assay_optimizer_free(NULL);
    bench_close(&b);
}

static void test_plan_without_gradients_is_refused(void)
{
    struct assay_error err = {0};
    struct tiny_net t;
    struct assay_plan_options options;
    assay_plan *plan;
    assay_optimizer *o = NULL;

    tiny_net_make(&t, 0.0);
    options = tiny_options(1, &t.logits, 1);
    CHECK_OK(assay_plan_new(&plan, t.graph, &options, &err), err);
    CHECK_FAILS(assay_optimizer_new(&o, plan, &cases[0].options, &err),
                ASSAY_ARG, err);
    assay_plan_free(plan);
    assay_graph_free(t.graph);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_steps_follow_the_formulas),
    CHECK_TEST(test_f32_loops_agree),
    CHECK_TEST(test_threads_do_not_matter),
    CHECK_TEST(test_state_goes_through_tensors),
    CHECK_TEST(test_wrong_tensors_are_refused),
    CHECK_TEST(test_bad_options_are_refused),
    CHECK_TEST(test_plan_without_gradients_is_refused),
};

CHECK_MAIN(tests)
