/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times training steps or evaluation of one architecture on random images,
 * and with --profile prints what each step of the plan took.
 *
 *   step ARCH SIZE [--batch N] [--threads N] [--eval] [--direct]
 *        [--bf16]
 *        [--steps N] [--tuning FILE] [--profile]
 *
 * A training step is forward, mean cross-entropy, backward, and SGD with
 * momentum 0.9. Prints the least and the median milliseconds and records
 * per second by the least.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/arch.h"
#include "assay/layers.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "core/thread.h"

enum { CLASSES = 10, CHANNELS = 3, PARAMS_MAX = 1024, STEPS_MAX = 10000 };

struct bench {
    const char *arch;
    const char *tuning_path;
    int size, batch, threads, steps;
    int eval, direct, profile, half;
    assay_graph *g;
    assay_value x, labels, loss;
    struct assay_arch_values values;
    struct assay_gradient grad[PARAMS_MAX];
    int n_grad;
    assay_tuning *tuning;
    assay_plan *plan;
    assay_optimizer *optimizer;
};

static void must(int code, const struct assay_error *err)
{
    if (code == ASSAY_OK)
        return;
    fprintf(stderr, "step: %s\n", err->msg);
    exit(2);
}

static void build(struct bench *b)
{
    struct assay_error err = {0};
    const struct assay_arch *arch = assay_arch_find(b->arch);
    struct assay_arch_options o = {.n_classes = CLASSES, .no_dropout = 1};
    struct assay_shape image =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)CHANNELS,
                         (int64_t)b->size, (int64_t)b->size);
    struct assay_shape row = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value wrt[PARAMS_MAX];
    assay_value grad[PARAMS_MAX];

    if (arch == NULL) {
        fprintf(stderr, "step: there is no architecture '%s'\n", b->arch);
        exit(4);
    }
    must(assay_graph_new(&b->g, &err), &err);
    b->x = assay_graph_input(b->g, "x", &image);
    must(assay_arch_build(arch, b->g, b->x, &o, &b->values), &err);
    must(assay_graph_check(b->g, &err), &err);
    if (b->eval)
        return;
    b->labels = assay_graph_input(b->g, "labels", &row);
    b->loss = assay_op_mean(
        b->g, assay_op_softmax_xent(b->g, b->values.logits, b->labels));
    for (int i = 0; i < assay_graph_n_params(b->g); i++) {
        assay_value p = assay_graph_param_at(b->g, i);

        if (assay_graph_param_flags(b->g, p) & ASSAY_PARAM_TRAINABLE)
            wrt[b->n_grad++] = p;
    }
    must(assay_differentiate(b->g, b->loss, wrt, b->n_grad, grad, &err), &err);
    for (int i = 0; i < b->n_grad; i++) {
        b->grad[i].param = wrt[i];
        b->grad[i].gradient = grad[i];
    }
}

static void compile(struct bench *b)
{
    struct assay_error err = {0};
    struct assay_optimizer_options sgd = {.momentum = 0.9};
    struct assay_plan_options o = {0};
    struct assay_params p;
    double start = assay__clock_seconds();

    must(assay_tuning_new(&b->tuning, &err), &err);
    if (b->tuning_path != NULL)
        must(assay_tuning_read(b->tuning, b->tuning_path, &err), &err);
    o.batch = b->batch;
    o.mode = b->eval ? ASSAY_MODE_EVAL : ASSAY_MODE_TRAIN;
    o.threads = b->threads;
    o.algorithms = b->direct ? ASSAY_ALGORITHMS_DIRECT : ASSAY_ALGORITHMS_TUNED;
    o.tuning = b->tuning;
    o.compute = b->half ? ASSAY_DTYPE_BF16 : ASSAY_DTYPE_F32;
    o.outputs = b->eval ? &b->values.logits : &b->loss;
    o.n_outputs = 1;
    o.gradients = b->grad;
    o.n_gradients = b->n_grad;
    must(assay_plan_new(&b->plan, b->g, &o, &err), &err);
    if (b->tuning_path != NULL)
        must(assay_tuning_write(b->tuning, b->tuning_path, &err), &err);
    fprintf(stderr, "plan made in %.2f s\n", assay__clock_seconds() - start);
    must(assay_params_make(&p, b->g, &err), &err);
    must(assay_params_init(&p, b->g, 1, &err), &err);
    must(assay_plan_load(b->plan, &p, &err), &err);
    assay_params_release(&p);
    if (!b->eval)
        must(assay_optimizer_new(&b->optimizer, b->plan, &sgd, &err), &err);
}

static void feed(const struct bench *b)
{
    struct assay_error err = {0};
    struct assay_rng rng;
    size_t count = (size_t)b->batch * CHANNELS * (size_t)(b->size * b->size);
    float *x = malloc(count * sizeof *x);
    float *labels = malloc((size_t)b->batch * sizeof *labels);

    if (x == NULL || labels == NULL)
        exit(2);
    assay_rng_init(&rng, 1, "bench", 0);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)assay_rng_normal(&rng);
    for (int i = 0; i < b->batch; i++)
        labels[i] = (float)assay_rng_below(&rng, CLASSES);
    must(assay_plan_write(b->plan, b->x, x, &err), &err);
    if (!b->eval)
        must(assay_plan_write(b->plan, b->labels, labels, &err), &err);
    free(x);
    free(labels);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void run(struct bench *b)
{
    static double took[STEPS_MAX];
    struct assay_error err = {0};
    double update = 0.0;

    for (int i = -2; i < b->steps; i++) {
        double start = assay__clock_seconds();
        double mid;

        if (i == 0)
            assay_plan_profile(b->plan, b->profile);
        must(assay_plan_run(b->plan, &err), &err);
        mid = assay__clock_seconds();
        if (!b->eval)
            must(assay_optimizer_step(b->optimizer, b->plan, 1e-3, &err), &err);
        if (i < 0)
            continue;
        took[i] = assay__clock_seconds() - start;
        update += assay__clock_seconds() - mid;
    }
    qsort(took, (size_t)b->steps, sizeof took[0], ascending);
    printf("%s %d %s %s: least %.2f ms, median %.2f ms, %.0f records/s, "
           "update %.2f ms\n",
           b->arch, b->size, b->eval ? "eval" : "train",
           b->direct ? "direct" : "tuned", took[0] * 1e3,
           took[b->steps / 2] * 1e3, b->batch / took[0],
           update / b->steps * 1e3);
    if (b->profile) {
        char *text = assay_plan_describe(b->plan);

        if (text != NULL)
            fputs(text, stdout);
        free(text);
    }
}

static int number(int argc, char **argv, int *i)
{
    if (*i + 1 >= argc)
        exit(4);
    return atoi(argv[++*i]);
}

int main(int argc, char **argv)
{
    static struct bench b = {.batch = 64, .threads = 2, .steps = 10};

    if (argc < 3) {
        fprintf(stderr, "usage: step ARCH SIZE [options]\n");
        return 4;
    }
    b.arch = argv[1];
    b.size = atoi(argv[2]);
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--batch") == 0)
            b.batch = number(argc, argv, &i);
        else if (strcmp(argv[i], "--threads") == 0)
            b.threads = number(argc, argv, &i);
        else if (strcmp(argv[i], "--steps") == 0)
            b.steps = number(argc, argv, &i);
        else if (strcmp(argv[i], "--tuning") == 0 && i + 1 < argc)
            b.tuning_path = argv[++i];
        else if (strcmp(argv[i], "--eval") == 0)
            b.eval = 1;
        else if (strcmp(argv[i], "--bf16") == 0)
            b.half = 1;
        else if (strcmp(argv[i], "--direct") == 0)
            b.direct = 1;
        else if (strcmp(argv[i], "--profile") == 0)
            b.profile = 1;
        else
            return 4;
    }
    if (b.steps < 1 || b.steps > STEPS_MAX)
        return 4;
    build(&b);
    compile(&b);
    feed(&b);
    run(&b);
    assay_optimizer_free(b.optimizer);
    assay_plan_free(b.plan);
    assay_tuning_free(b.tuning);
    assay_graph_free(b.g);
    return 0;
}
