/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs, parameters, plans, optimizers, tunings and trainings while memory
 * runs out: whichever allocation fails, the answer is ASSAY_NOMEM, nothing
 * is handed out and nothing leaks.
 */

#include <stdio.h>

#include "core/mem.h"
#include "engine/tuning.h"
#include "fail_alloc.h"
#include "tiny_run.h"

/* After a round: a failed allocation was told, or all is well. */
static void check_round(int code, long n, const struct assay_error *err)
{
    fail_alloc_off();
    if (fail_alloc_hit() && code != ASSAY_NOMEM)
        printf("# allocation %ld: %d %s\n", n, code, err->msg);
    CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
}

/* The same where one allocation can be done without: the one with which a
 * finished file's folder is synced. */
static void check_file_round(int code, long n, const struct assay_error *err,
                             int *spared)
{
    fail_alloc_off();
    if (!fail_alloc_hit() || code != ASSAY_OK) {
        check_round(code, n, err);
        return;
    }
    CHECK(++*spared <= 1);
}

/* Building is checked at its end: errors stick. */
static int build(assay_graph **out, struct assay_error *err)
{
    struct assay_shape rows =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)TINY_FEATURES);
    assay_graph *g;
    assay_value x;
    int code = assay_graph_new(&g, err);

    if (code != ASSAY_OK)
        return code;
    x = assay_graph_input(g, "x", &rows);
    for (int i = 0; i < 12; i++) {
        char name[16];

        snprintf(name, sizeof(name), "fc%d", i);
        x = assay_op_relu(g, assay_layer_linear(g, x, name, TINY_FEATURES));
    }
    assay_graph_name(g, x, "end");
    code = assay_graph_check(g, err);
    if (code == ASSAY_OK)
        *out = g;
    else
        assay_graph_free(g);
    return code;
}

static void test_graphs(void)
{
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_graph *g = NULL;

        check_round(build(&g, &err), n, &err);
        assay_graph_free(g);
    }
}

static void test_clones_and_derivatives(void)
{
    struct tiny_net t;

    tiny_net_make(&t, 0.3);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_graph *copy = NULL;
        assay_value wrt = 0;
        assay_value d;
        int code = assay_graph_clone(&copy, t.graph, &err);

        if (code == ASSAY_OK)
            code = assay_differentiate(copy, t.loss, &wrt, 1, &d, &err);
        check_round(code, n, &err);
        assay_graph_free(copy);
    }
    assay_graph_free(t.graph);
}

static void test_appending_a_graph(void)
{
    struct tiny_net t;

    tiny_net_make(&t, 0.3);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_graph *both = NULL;
        assay_value in[2] = {t.x, t.labels};
        assay_value loss = t.loss;
        int code = assay_graph_clone(&both, t.graph, &err);

        if (code == ASSAY_OK)
            code =
                assay_graph_append(both, t.graph, "more.", in, &loss, 1, &err);
        check_round(code, n, &err);
        assay_graph_free(both);
    }
    assay_graph_free(t.graph);
}

static int params_there_and_back(const assay_graph *g, struct assay_error *err)
{
    struct assay_tensors list;
    struct assay_params p;
    int code = assay_params_make(&p, g, err);

    if (code != ASSAY_OK)
        return code;
    assay_tensors_init(&list);
    code = assay_params_init(&p, g, 1, err);
    if (code == ASSAY_OK)
        code = assay_params_to_tensors(&p, "a.", &list, err);
    if (code == ASSAY_OK)
        code = assay_params_from_tensors(&p, "a.", &list, err);
    assay_tensors_release(&list);
    assay_params_release(&p);
    return code;
}

static void test_params(void)
{
    struct tiny_net t;

    tiny_net_make(&t, 0.0);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};

        check_round(params_there_and_back(t.graph, &err), n, &err);
    }
    assay_graph_free(t.graph);
}

static int plan_and_optimizer(const struct tiny_net *t,
                              const struct assay_plan_options *o,
                              struct assay_error *err)
{
    const struct assay_optimizer_options adam = {
        ASSAY_OPTIMIZER_ADAM, 0.0, 0.0, 0.0, 0.0, 0.0};
    struct assay_plan_options rest = *o;
    struct assay_tensors list;
    assay_plan *plan = NULL;
    assay_plan *share = NULL;
    assay_optimizer *optimizer = NULL;
    int code = assay_plan_new(&plan, t->graph, o, err);

    assay_tensors_init(&list);
    rest.share = plan;
    rest.batch = 2;
    if (code == ASSAY_OK)
        code = assay_plan_new(&share, t->graph, &rest, err);
    if (code == ASSAY_OK)
        code = assay_optimizer_new(&optimizer, plan, &adam, err);
    if (code == ASSAY_OK)
        code = assay_optimizer_to_tensors(optimizer, &list, err);
    if (code == ASSAY_OK)
        code = assay_optimizer_from_tensors(optimizer, &list, err);
    assay_tensors_release(&list);
    assay_optimizer_free(optimizer);
    assay_plan_free(share);
    assay_plan_free(plan);
    return code;
}

static void walk_plans(const char *backend)
{
    struct tiny_net t;
    struct assay_error err = {0};
    struct assay_gradient d;
    struct assay_plan_options o;

    tiny_net_make(&t, 0.3);
    d.param = assay_graph_param_at(t.graph, 0);
    CHECK_OK(
        assay_differentiate(t.graph, t.loss, &d.param, 1, &d.gradient, &err),
        err);
    o = tiny_options(4, &t.loss, 1);
    o.backend = backend;
    o.gradients = &d;
    o.n_gradients = 1;
    for (long n = 1; fail_alloc_next(n); n++)
        check_round(plan_and_optimizer(&t, &o, &err), n, &err);
    assay_graph_free(t.graph);
}

static void test_plans_of_reference(void)
{
    walk_plans("reference");
}

static void test_plans_of_onednn(void)
{
    walk_plans("onednn");
}

static int use_tuning(assay_tuning *t, struct assay_error *err)
{
    const char *path = check_temp_path("tuning.json");
    char *text = NULL;
    int code = ASSAY_OK;

    for (int i = 0; i < 10 && code == ASSAY_OK; i++) {
        char key[16];

        snprintf(key, sizeof(key), "%d", i % 9);
        code = assay_tuning_put(t, key, i == 9 ? "new" : "old", err);
    }
    if (code == ASSAY_OK)
        code = assay_tuning_write(t, path, err);
    if (code == ASSAY_OK)
        code = assay_tuning_read(t, path, err);
    if (code == ASSAY_OK) {
        text = assay__tuning_text(t);
        code = text ? assay__tuning_take(t, text, false, err) : ASSAY_NOMEM;
    }
    assay__free(text);
    return code;
}

static void test_tunings(void)
{
    int spared = 0;

    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0};
        assay_tuning *t = NULL;
        int code = assay_tuning_new(&t, &err);

        if (code == ASSAY_OK)
            code = use_tuning(t, &err);
        check_file_round(code, n, &err, &spared);
        assay_tuning_free(t);
    }
}

/* From a checkpoint of the first epoch through the second. */
static void check_trainings(const struct assay_privacy_options *privacy)
{
    const char *path = check_temp_path("checkpoint");
    struct assay_error err = {0};
    unsigned char *first;
    size_t size;
    int spared = 0;
    struct run r;

    run_open(&r);
    r.options.privacy = *privacy;
    r.options.checkpoint = path;
    r.options.epochs = 1;
    CHECK_OK(run(&r, &err), err);
    CHECK_OK(assay__read_file(path, 1 << 20, &first, &size, &err), err);
    r.options.epochs = 2;
    assay_history_release(&r.history);
    for (long n = 1; fail_alloc_next(n); n++) {
        int code;

        check_write_file(path, first, size);
        code = assay_train(&r.ctx, &r.program, &r.source, &r.options, &r.params,
                           &r.history, &err);
        check_file_round(code, n, &err, &spared);
        CHECK((r.history.epoch == NULL) == (code != ASSAY_OK));
        if (code == ASSAY_OK)
            CHECK_UINT_EQ(r.history.resumed_at, 1);
        assay_history_release(&r.history);
    }
    assay__free(first);
    run_close(&r);
}

static void test_trainings(void)
{
    static const struct assay_privacy_options none;

    check_trainings(&none);
}

/* In parts, so that their sum is allocated. */
static void test_private_trainings(void)
{
    static const struct assay_privacy_options parts = {1.0, 0.5, 3};

    check_trainings(&parts);
}

/* A convolution that is clipped, normed in groups, and a linear layer. */
struct clipped {
    assay_graph *g;
    assay_value losses;
    assay_value param[6];
};

static void make_clipped(struct clipped *c)
{
    struct assay_conv wide = {.out = 32, .kernel = 3, .no_bias = 1};
    struct assay_shape image = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)16, (int64_t)3, (int64_t)3);
    struct assay_shape row = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_conv small = {.out = 16, .kernel = 3, .pad = 1, .no_bias = 1};
    struct assay_error err = {0};
    assay_value x;
    int n;

    CHECK_OK(assay_graph_new(&c->g, &err), err);
    x = assay_graph_input(c->g, "x", &image);
    x = assay_layer_conv(c->g, x, "small", &small);
    x = assay_layer_groupnorm(c->g, x, "norm", 4);
    x = assay_op_flatten(c->g, assay_layer_conv(c->g, x, "wide", &wide));
    x = assay_layer_linear(c->g, x, "fc", 3);
    c->losses =
        assay_op_softmax_xent(c->g, x, assay_graph_input(c->g, "labels", &row));
    CHECK_OK(assay_graph_check(c->g, &err), err);
    n = assay_graph_n_params(c->g);
    CHECK_INT_EQ(n, 6);
    for (int i = 0; i < n; i++)
        c->param[i] = assay_graph_param_at(c->g, i);
}

static int clip_and_compile(const struct clipped *c, const char *backend,
                            struct assay_error *err)
{
    struct assay_clip clip = {
        .loss = c->losses, .norm = 1.0, .weights = ASSAY_NO_VALUE};
    struct assay_plan_options o = {.backend = backend, .batch = 4};
    assay_plan *plan = NULL;
    assay_graph *g = NULL;
    assay_value out[7];
    int code = assay_graph_clone(&g, c->g, err);

    if (code == ASSAY_OK)
        code = assay_differentiate_clipped(g, &clip, c->param, 6, out, &out[6],
                                           err);
    o.mode = ASSAY_MODE_TRAIN;
    o.algorithms = ASSAY_ALGORITHMS_DIRECT;
    o.threads = 2;
    o.outputs = out;
    o.n_outputs = 7;
    if (code == ASSAY_OK)
        code = assay_plan_new(&plan, g, &o, err);
    assay_plan_free(plan);
    assay_graph_free(g);
    return code;
}

static void test_clipped_gradients(void)
{
    static const char *const backends[] = {"reference", "onednn"};
    struct clipped c;

    make_clipped(&c);
    for (int b = 0; b < 2; b++) {
        for (long n = 1; fail_alloc_next(n); n++) {
            struct assay_error err = {0};

            check_round(clip_and_compile(&c, backends[b], &err), n, &err);
        }
    }
    assay_graph_free(c.g);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_graphs),
    CHECK_TEST(test_clones_and_derivatives),
    CHECK_TEST(test_appending_a_graph),
    CHECK_TEST(test_params),
    CHECK_TEST(test_plans_of_reference),
    CHECK_TEST(test_plans_of_onednn),
    CHECK_TEST(test_tunings),
    CHECK_TEST(test_trainings),
    CHECK_TEST(test_private_trainings),
    CHECK_TEST(test_clipped_gradients),
};

CHECK_MAIN(tests)
