/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images per second of training steps and of inference; the other side is
 * speed_torch.py, the referee speed.py.
 *
 * usage: bench_speed MODE NET SIZE ALGORITHMS SECONDS [TUNING.json]
 *   MODE  train   forward, backward, SGD with momentum, all threads
 *         infer   forward in evaluation mode
 *         pair    two trainings side by side, one thread each; their sum
 *         profile train, with the seconds of each step
 *         peak    GFLOP/s of a 2048-cubed matrix product (NET and SIZE are
 *                 not used)
 *
 * Prints one JSON object. Rates are the median over blocks of a tenth of
 * SECONDS.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/arch.h"
#include "assay/dataset.h"
#include "assay/layers.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "core/thread.h"

enum { BATCH = 64, CLASSES = 10, CHANNELS = 3, BLOCKS = 10, PEAK = 2048 };

struct job {
    const char *net;
    int size;
    enum assay_algorithms algorithms;
    enum assay_dtype compute;
    int train;
    int threads;
    int profile;
    double seconds;
    assay_tuning *tuning;

    assay_graph *graph;
    assay_value x, labels, logits, loss;
    struct assay_gradient *gradient;
    int n_gradients;
    assay_plan *plan;
    assay_optimizer *optimizer;
    float *input;
    float label[BATCH];
    double rate;  /* out: images per second */
    double flops; /* out: of a forward pass, per image */
};

static int build(struct job *j, struct assay_error *err)
{
    struct assay_arch_options o = {.n_classes = CLASSES};
    struct assay_arch_values v;
    const struct assay_arch *arch = assay_arch_find(j->net);
    struct assay_shape in =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)CHANNELS,
                         (int64_t)j->size, (int64_t)j->size);
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    int rc;

    if (!arch)
        return assay_error_set(err, ASSAY_ARG, "no network '%s'", j->net);
    rc = assay_graph_new(&j->graph, err);
    if (rc)
        return rc;
    j->x = assay_graph_input(j->graph, "input", &in);
    assay_arch_build(arch, j->graph, j->x, &o, &v);
    j->logits = v.logits;
    j->flops = assay_graph_flops(j->graph, v.logits);
    if (j->train) {
        j->labels = assay_graph_input(j->graph, "labels", &rows);
        j->loss = assay_op_mean(
            j->graph, assay_op_softmax_xent(j->graph, v.logits, j->labels));
    }
    return assay_graph_check(j->graph, err);
}

static int differentiate(struct job *j, struct assay_error *err)
{
    int n = assay_graph_n_params(j->graph);
    assay_value *wrt = assay__calloc((size_t)n, sizeof(*wrt));
    assay_value *d = assay__calloc((size_t)n, sizeof(*d));
    int rc;

    j->gradient = assay__calloc((size_t)n, sizeof(*j->gradient));
    if (!wrt || !d || !j->gradient)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory");
    for (int i = 0; i < n; i++) {
        assay_value v = assay_graph_param_at(j->graph, i);

        if (assay_graph_param_flags(j->graph, v) & ASSAY_PARAM_TRAINABLE)
            wrt[j->n_gradients++] = v;
    }
    rc = assay_differentiate(j->graph, j->loss, wrt, j->n_gradients, d, err);
    for (int i = 0; i < j->n_gradients; i++) {
        j->gradient[i].param = wrt[i];
        j->gradient[i].gradient = d[i];
    }
    assay__free(wrt);
    assay__free(d);
    return rc;
}

static int compile(struct job *j, struct assay_error *err)
{
    struct assay_plan_options o = {0};
    struct assay_optimizer_options sgd = {
        .kind = ASSAY_OPTIMIZER_SGD, .momentum = .9, .weight_decay = 5e-4};
    struct assay_params params;
    int rc;

    o.batch = BATCH;
    o.mode = j->train ? ASSAY_MODE_TRAIN : ASSAY_MODE_EVAL;
    o.threads = j->threads;
    o.algorithms = j->algorithms;
    o.compute = j->compute;
    o.tuning = j->tuning;
    o.outputs = j->train ? &j->loss : &j->logits;
    o.n_outputs = 1;
    o.gradients = j->gradient;
    o.n_gradients = j->n_gradients;
    rc = assay_plan_new(&j->plan, j->graph, &o, err);
    if (rc)
        return rc;
    rc = assay_params_make(&params, j->graph, err);
    if (rc)
        return rc;
    rc = assay_params_init(&params, j->graph, 1, err);
    if (!rc)
        rc = assay_plan_load(j->plan, &params, err);
    assay_params_release(&params);
    if (!rc && j->train)
        rc = assay_optimizer_new(&j->optimizer, j->plan, &sgd, err);
    return rc;
}

static int draw(struct job *j, struct assay_error *err)
{
    size_t n = (size_t)BATCH * CHANNELS * (size_t)j->size * (size_t)j->size;
    struct assay_rng rng;

    j->input = assay__calloc(n, sizeof(float));
    if (!j->input)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory");
    assay_rng_init(&rng, 1, "speed", 0);
    for (size_t i = 0; i < n; i++)
        j->input[i] = (float)assay_rng_normal(&rng);
    for (int i = 0; i < BATCH; i++)
        j->label[i] = (float)assay_rng_below(&rng, CLASSES);
    return ASSAY_OK;
}

static int step(struct job *j, struct assay_error *err)
{
    float result[BATCH * CLASSES];
    int rc = assay_plan_write(j->plan, j->x, j->input, err);

    if (!rc && j->train)
        rc = assay_plan_write(j->plan, j->labels, j->label, err);
    if (!rc)
        rc = assay_plan_run(j->plan, err);
    if (!rc)
        rc = assay_plan_read(j->plan, j->train ? j->loss : j->logits, result,
                             err);
    if (!rc && j->train)
        rc = assay_optimizer_step(j->optimizer, j->plan, 1e-4, err);
    return rc;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static int measure(struct job *j, struct assay_error *err)
{
    double rate[BLOCKS];
    int rc = ASSAY_OK;

    for (int i = 0; !rc && i < 3; i++)
        rc = step(j, err);
    if (j->profile)
        assay_plan_profile(j->plan, 1);
    for (int b = 0; !rc && b < BLOCKS; b++) {
        double start = assay__clock_seconds();
        double now = start;
        int n = 0;

        while (!rc && now - start < j->seconds / BLOCKS) {
            rc = step(j, err);
            now = assay__clock_seconds();
            n++;
        }
        rate[b] = n * BATCH / (now - start);
    }
    qsort(rate, BLOCKS, sizeof(rate[0]), compare);
    j->rate = (rate[BLOCKS / 2 - 1] + rate[BLOCKS / 2]) / 2;
    return rc;
}

static void release(struct job *j)
{
    assay_optimizer_free(j->optimizer);
    assay_plan_free(j->plan);
    assay_graph_free(j->graph);
    assay__free(j->gradient);
    assay__free(j->input);
}

static int run_job(struct job *j, struct assay_error *err)
{
    int rc;

    assay__thread_set_omp(j->threads);
    rc = build(j, err);
    if (!rc && j->train)
        rc = differentiate(j, err);
    if (!rc)
        rc = draw(j, err);
    if (!rc)
        rc = compile(j, err);
    if (!rc)
        rc = measure(j, err);
    if (!rc && j->profile) {
        char *text = assay_plan_describe(j->plan);

        fprintf(stderr, "%s\n", text ? text : "");
        assay_bytes_free(text);
    }
    release(j);
    return rc;
}

static int pair_job(void *user, size_t index, struct assay_error *err)
{
    struct job *jobs = user;

    return run_job(&jobs[index], err);
}

static int run_pair(struct job *j, struct assay_error *err)
{
    struct job jobs[2];
    int rc;

    j->threads = 1;
    jobs[0] = *j;
    jobs[1] = *j;
    rc = assay__thread_run(2, 2, pair_job, jobs, err);
    j->rate = jobs[0].rate + jobs[1].rate;
    j->flops = jobs[0].flops;
    return rc;
}

/* GFLOP/s of one big linear layer. */
static int run_peak(double *gflops, struct assay_error *err)
{
    assay_graph *g = NULL;
    assay_plan *plan = NULL;
    struct assay_plan_options o = {0};
    struct assay_params params = {0};
    struct assay_shape in =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)PEAK);
    assay_value x;
    assay_value y;
    double best = (double)INFINITY;
    int rc = assay_graph_new(&g, err);

    if (rc)
        return rc;
    x = assay_graph_input(g, "x", &in);
    y = assay_layer_linear(g, x, "w", PEAK);
    o.batch = PEAK;
    o.threads = assay__thread_cores();
    o.outputs = &y;
    o.n_outputs = 1;
    rc = assay_plan_new(&plan, g, &o, err);
    if (!rc)
        rc = assay_params_make(&params, g, err);
    if (!rc)
        rc = assay_params_init(&params, g, 1, err);
    if (!rc)
        rc = assay_plan_load(plan, &params, err);
    for (int i = 0; !rc && i < 30; i++) {
        double start = assay__clock_seconds();

        rc = assay_plan_run(plan, err);
        best = fmin(best, assay__clock_seconds() - start);
    }
    *gflops = 2.0 * PEAK * PEAK * PEAK / best / 1e9;
    assay_params_release(&params);
    assay_plan_free(plan);
    assay_graph_free(g);
    return rc;
}

int main(int argc, char **argv)
{
    struct assay_error err = {0};
    struct job j = {0};
    double gflops = 0;
    int rc;

    if (argc < 6) {
        fprintf(stderr, "usage: bench_speed train|infer|pair|profile|peak NET "
                        "SIZE direct|tuned|bf16 SECONDS [TUNING]\n");
        return 4;
    }
    j.net = argv[2];
    j.size = atoi(argv[3]);
    j.algorithms = strcmp(argv[4], "direct") == 0 ? ASSAY_ALGORITHMS_DIRECT
                                                  : ASSAY_ALGORITHMS_TUNED;
    j.compute =
        strcmp(argv[4], "bf16") == 0 ? ASSAY_DTYPE_BF16 : ASSAY_DTYPE_F32;
    j.seconds = atof(argv[5]);
    j.train = strcmp(argv[1], "infer") != 0;
    j.profile = strcmp(argv[1], "profile") == 0;
    j.threads = assay__thread_cores();
    rc = assay_tuning_new(&j.tuning, &err);
    if (!rc && argc > 6)
        rc = assay_tuning_read(j.tuning, argv[6], &err);
    if (!rc && strcmp(argv[1], "peak") == 0)
        rc = run_peak(&gflops, &err);
    else if (!rc && strcmp(argv[1], "pair") == 0)
        rc = run_pair(&j, &err);
    else if (!rc)
        rc = run_job(&j, &err);
    if (!rc && argc > 6)
        rc = assay_tuning_write(j.tuning, argv[6], &err);
    if (!rc)
        printf("{\"rate\": %.2f, \"flops\": %.6g, \"gflops\": %.1f}\n", j.rate,
               j.flops, gflops);
    else
        fprintf(stderr, "bench_speed: %s\n", err.msg);
    assay_tuning_free(j.tuning);
    return rc ? 2 : 0;
}
