/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What private training costs: steps of one architecture with group norm,
 * plain and private (clip by record, noise), in turns.
 *
 *   dp ARCH SIZE [--batch N] [--threads N] [--direct] [--blocks N]
 *      [--steps N] [--tuning FILE] [--profile]
 *      [--train [--only plain|private]]
 *
 * A step is forward, backward and SGD with momentum 0.9. Blocks of a few
 * steps alternate between the two; printed are the medians over blocks of
 * each, and of the ratio with its quartiles, the same in time of the CPU
 * (what counts on a machine that others use too; set GOMP_SPINCOUNT=0), and
 * the bytes of both plans.
 * --train compares epochs of assay_train() instead: there private batches
 * are drawn, filled up and prepared as they are in use. With --only one of
 * the two runs alone, and its peak of memory is printed.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "assay/arch.h"
#include "assay/layers.h"
#include "assay/rng.h"
#include "assay/train.h"
#include "core/mem.h"
#include "core/thread.h"
#include "engine/backend.h"
#include "engine/noise.h"

enum { CLASSES = 10, CHANNELS = 3, PARAMS_MAX = 1024, BLOCKS_MAX = 1000 };

/* One of the two programs. */
struct side {
    assay_graph *g;
    assay_value x, labels, losses, loss, weights;
    struct assay_gradient grad[PARAMS_MAX];
    int n_grad;
    assay_plan *plan;
    assay_optimizer *optimizer;
    double block[BLOCKS_MAX];
    double busy[BLOCKS_MAX]; /* the same in time of the CPU */
};

struct bench {
    const char *arch;
    const char *tuning_path;
    int size, batch, threads, steps, blocks;
    int direct, profile, train;
    const char *only; /* "plain", "private": no comparison */
    assay_tuning *tuning;
    struct side plain, private;
};

static void must(int code, const struct assay_error *err)
{
    if (code == ASSAY_OK)
        return;
    fprintf(stderr, "dp: %s\n", err->msg);
    exit(2);
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        exit(2);
    return p;
}

static void build(const struct bench *b, struct side *s)
{
    struct assay_error err = {0};
    const struct assay_arch *arch = assay_arch_find(b->arch);
    struct assay_arch_options o = {
        .n_classes = CLASSES, .norm = ASSAY_NORM_GROUP, .no_dropout = 1};
    struct assay_arch_values values;
    struct assay_shape image =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)CHANNELS,
                         (int64_t)b->size, (int64_t)b->size);
    struct assay_shape row = assay_shape_make(1, (int64_t)ASSAY_BATCH);

    if (arch == NULL) {
        fprintf(stderr, "dp: there is no architecture '%s'\n", b->arch);
        exit(4);
    }
    must(assay_graph_new(&s->g, &err), &err);
    s->x = assay_graph_input(s->g, "x", &image);
    must(assay_arch_build(arch, s->g, s->x, &o, &values), &err);
    s->labels = assay_graph_input(s->g, "labels", &row);
    s->losses = assay_op_softmax_xent(s->g, values.logits, s->labels);
    s->loss = assay_op_mean(s->g, s->losses);
    s->weights = ASSAY_NO_VALUE;
    must(assay_graph_check(s->g, &err), &err);
}

static void differentiate(struct side *s, int private)
{
    struct assay_error err = {0};
    struct assay_shape row = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_clip clip = {.loss = s->losses, .norm = 1.0};
    assay_value wrt[PARAMS_MAX];
    assay_value grad[PARAMS_MAX];
    assay_value norms;

    for (int i = 0; i < assay_graph_n_params(s->g); i++)
        wrt[s->n_grad++] = assay_graph_param_at(s->g, i);
    if (private) {
        clip.weights = s->weights = assay_graph_input(s->g, "weights", &row);
        must(assay_differentiate_clipped(s->g, &clip, wrt, s->n_grad, grad,
                                         &norms, &err),
             &err);
    } else {
        must(assay_differentiate(s->g, s->loss, wrt, s->n_grad, grad, &err),
             &err);
    }
    for (int i = 0; i < s->n_grad; i++) {
        s->grad[i].param = wrt[i];
        s->grad[i].gradient = grad[i];
    }
}

static void feed(const struct bench *b, struct side *s)
{
    struct assay_error err = {0};
    struct assay_rng rng;
    size_t count = (size_t)b->batch * CHANNELS * (size_t)(b->size * b->size);
    float *x = room(count, sizeof *x);
    float *row = room((size_t)b->batch, sizeof *row);

    assay_rng_init(&rng, 1, "bench", 0);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)assay_rng_normal(&rng);
    must(assay_plan_write(s->plan, s->x, x, &err), &err);
    for (int i = 0; i < b->batch; i++)
        row[i] = (float)assay_rng_below(&rng, CLASSES);
    must(assay_plan_write(s->plan, s->labels, row, &err), &err);
    for (int i = 0; i < b->batch; i++)
        row[i] = 1.0F;
    if (s->weights != ASSAY_NO_VALUE)
        must(assay_plan_write(s->plan, s->weights, row, &err), &err);
    free(x);
    free(row);
}

static void compile(const struct bench *b, struct side *s)
{
    struct assay_error err = {0};
    struct assay_optimizer_options sgd = {.momentum = 0.9};
    struct assay_plan_options o = {0};
    struct assay_params p;

    o.batch = b->batch;
    o.mode = ASSAY_MODE_TRAIN;
    o.threads = b->threads;
    o.algorithms = b->direct ? ASSAY_ALGORITHMS_DIRECT : ASSAY_ALGORITHMS_TUNED;
    o.tuning = b->tuning;
    o.outputs = &s->losses;
    o.n_outputs = 1;
    o.gradients = s->grad;
    o.n_gradients = s->n_grad;
    must(assay_plan_new(&s->plan, s->g, &o, &err), &err);
    must(assay_params_make(&p, s->g, &err), &err);
    must(assay_params_init(&p, s->g, 1, &err), &err);
    must(assay_plan_load(s->plan, &p, &err), &err);
    assay_params_release(&p);
    must(assay_optimizer_new(&s->optimizer, s->plan, &sgd, &err), &err);
    must(assay__noise_open(s->plan->store, &err), &err);
    feed(b, s);
}

static void step(const struct bench *b, struct side *s, uint64_t index)
{
    struct assay_error err = {0};
    struct assay__noise noise = {.store = s->plan->store,
                                 .key = {1, index},
                                 .deviation = 1.0,
                                 .factor = 1.0 / b->batch};

    must(assay_plan_run(s->plan, &err), &err);
    must(assay__optimizer_step(s->optimizer, s->plan, 1e-3,
                               s == &b->private ? &noise : NULL, &err),
         &err);
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void block(const struct bench *b, struct side *s, int index)
{
    double start = assay__clock_seconds();
    double busy = cpu_seconds();

    for (int i = 0; i < b->steps; i++)
        step(b, s, (uint64_t)(index * b->steps + i));
    s->block[index] = (assay__clock_seconds() - start) / b->steps;
    s->busy[index] = (cpu_seconds() - busy) / b->steps;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double quantile(double *sorted, int n, double at)
{
    return sorted[(int)(at * (n - 1) + 0.5)];
}

static double mib(const struct side *s)
{
    struct assay_plan_memory m;

    assay_plan_memory(s->plan, &m);
    /* The moments are as large as the gradients. */
    return ((double)(m.activations + m.parameters + m.scratch) +
            (double)s->plan->store->n_trained * sizeof(float)) /
           1048576.0;
}

/* Medians of both sides and of their ratio, with its quartiles. */
static void print_times(int n, const char *what, double *plain, double *private)
{
    static double ratio[BLOCKS_MAX];

    for (int i = 0; i < n; i++)
        ratio[i] = private[i] / plain[i];
    qsort(plain, (size_t)n, sizeof *plain, ascending);
    qsort(private, (size_t)n, sizeof *private, ascending);
    qsort(ratio, (size_t)n, sizeof *ratio, ascending);
    printf("; %s: plain %.2f ms, private %.2f ms, ratio %.3f [%.3f, %.3f]",
           what, quantile(plain, n, 0.5) * 1e3, quantile(private, n, 0.5) * 1e3,
           quantile(ratio, n, 0.5), quantile(ratio, n, 0.25),
           quantile(ratio, n, 0.75));
}

static void print(struct bench *b)
{
    printf("%s %d batch %d threads %d %s", b->arch, b->size, b->batch,
           b->threads, b->direct ? "direct" : "tuned");
    print_times(b->blocks, "clock", b->plain.block, b->private.block);
    print_times(b->blocks, "CPU", b->plain.busy, b->private.busy);
}

static void describe(const struct side *s)
{
    char *text = assay_plan_describe(s->plan);

    if (text != NULL)
        fputs(text, stdout);
    free(text);
}

static void run(struct bench *b)
{
    block(b, &b->plain, 0);
    block(b, &b->private, 0);
    assay_plan_profile(b->plain.plan, b->profile);
    assay_plan_profile(b->private.plan, b->profile);
    for (int i = 0; i < b->blocks; i++) {
        block(b, &b->plain, i);
        block(b, &b->private, i);
    }
    print(b);
    printf("; MiB %.1f and %.1f, ratio %.3f\n", mib(&b->plain),
           mib(&b->private), mib(&b->private) / mib(&b->plain));
    if (b->profile) {
        describe(&b->plain);
        describe(&b->private);
    }
}

/* Notes when an epoch ended. */
struct ends {
    double at[2];
    double busy[2];
};

static int note_end(void *user, assay_trainer *t, size_t epoch,
                    struct assay_error *err)
{
    struct ends *e = user;

    (void)t;
    (void)err;
    e->at[epoch - 1] = assay__clock_seconds();
    e->busy[epoch - 1] = cpu_seconds();
    return ASSAY_OK;
}

/* Seconds per step of the second of two epochs. */
static void epoch(const struct bench *b, struct side *s, size_t n,
                  const float *const *array, int index)
{
    size_t width[2] = {(size_t)CHANNELS * (size_t)b->size * (size_t)b->size, 1};
    struct assay_memory_source memory = {array, width, 2};
    assay_value inputs[2] = {s->x, s->labels};
    struct assay_program program = {
        .graph = s->g, .inputs = inputs, .n_inputs = 2, .loss = s->loss};
    struct assay_train_options o;
    struct assay_source source;
    struct assay_context ctx;
    struct assay_params p;
    struct assay_error err = {0};
    struct ends ends;

    assay_context_init(&ctx);
    ctx.threads = b->threads;
    assay_memory_source(&source, &memory, n);
    assay_train_options_init(&o, 2);
    o.batch = (size_t)b->batch;
    o.tuning = b->tuning;
    o.lr = 1e-3;
    o.on_epoch = note_end;
    o.user = &ends;
    if (s == &b->private)
        o.privacy = (struct assay_privacy_options){.clip_norm = 1,
                                                   .noise_multiplier = 1};
    must(assay_params_make(&p, s->g, &err), &err);
    must(assay_params_init(&p, s->g, 1, &err), &err);
    must(assay_train(&ctx, &program, &source, &o, &p, NULL, &err), &err);
    s->block[index] = (ends.at[1] - ends.at[0]) / b->steps;
    s->busy[index] = (ends.busy[1] - ends.busy[0]) / b->steps;
    assay_params_release(&p);
}

/* One side alone, for its peak of memory. */
static void run_alone(struct bench *b, size_t n, const float *const *array)
{
    if (strcmp(b->only, "plain") == 0)
        epoch(b, &b->plain, n, array, 0);
    else
        epoch(b, &b->private, n, array, 0);
    printf("%s %d batch %d, %s training: peak %.1f MiB, of which records "
           "%.1f\n",
           b->arch, b->size, b->batch, b->only,
           (double)assay__peak_memory() / 1048576.0,
           (double)(n * (size_t)CHANNELS * (size_t)(b->size * b->size) *
                    sizeof(float)) /
               1048576.0);
}

static void run_training(struct bench *b)
{
    size_t n = (size_t)b->batch * (size_t)b->steps;
    size_t width = (size_t)CHANNELS * (size_t)b->size * (size_t)b->size;
    float *x = room(n * width, sizeof *x);
    float *labels = room(n, sizeof *labels);
    const float *array[2] = {x, labels};
    struct assay_rng rng;

    assay_rng_init(&rng, 1, "bench", 0);
    for (size_t i = 0; i < n * width; i++)
        x[i] = (float)assay_rng_uniform(&rng);
    for (size_t i = 0; i < n; i++)
        labels[i] = (float)assay_rng_below(&rng, CLASSES);
    if (b->only != NULL) {
        run_alone(b, n, array);
        goto out;
    }
    for (int i = 0; i < b->blocks; i++) {
        epoch(b, &b->plain, n, array, i);
        epoch(b, &b->private, n, array, i);
    }
    print(b);
    printf(" (training of %zu records)\n", n);
out:
    free(x);
    free(labels);
}

static int number(int argc, char **argv, int *i)
{
    if (*i + 1 >= argc)
        exit(4);
    return atoi(argv[++*i]);
}

static int parse(struct bench *b, int argc, char **argv)
{
    if (argc < 3)
        return 0;
    b->arch = argv[1];
    b->size = atoi(argv[2]);
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--batch") == 0)
            b->batch = number(argc, argv, &i);
        else if (strcmp(argv[i], "--threads") == 0)
            b->threads = number(argc, argv, &i);
        else if (strcmp(argv[i], "--steps") == 0)
            b->steps = number(argc, argv, &i);
        else if (strcmp(argv[i], "--blocks") == 0)
            b->blocks = number(argc, argv, &i);
        else if (strcmp(argv[i], "--tuning") == 0 && i + 1 < argc)
            b->tuning_path = argv[++i];
        else if (strcmp(argv[i], "--direct") == 0)
            b->direct = 1;
        else if (strcmp(argv[i], "--profile") == 0)
            b->profile = 1;
        else if (strcmp(argv[i], "--train") == 0)
            b->train = 1;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            b->only = argv[++i];
        else
            return 0;
    }
    return b->steps >= 1 && b->blocks >= 1 && b->blocks <= BLOCKS_MAX &&
           b->batch >= 1;
}

static void free_side(struct side *s)
{
    assay_optimizer_free(s->optimizer);
    assay_plan_free(s->plan);
    assay_graph_free(s->g);
}

int main(int argc, char **argv)
{
    static struct bench b = {
        .batch = 64, .threads = 2, .steps = 5, .blocks = 15};
    struct assay_error err = {0};

    if (!parse(&b, argc, argv)) {
        fprintf(stderr, "usage: dp ARCH SIZE [options]\n");
        return 4;
    }
    must(assay_tuning_new(&b.tuning, &err), &err);
    if (b.tuning_path != NULL)
        must(assay_tuning_read(b.tuning, b.tuning_path, &err), &err);
    build(&b, &b.plain);
    build(&b, &b.private);
    if (b.train) {
        run_training(&b);
    } else {
        differentiate(&b.plain, 0);
        differentiate(&b.private, 1);
        compile(&b, &b.plain);
        compile(&b, &b.private);
        run(&b);
    }
    if (b.tuning_path != NULL)
        must(assay_tuning_write(b.tuning, b.tuning_path, &err), &err);
    free_side(&b.plain);
    free_side(&b.private);
    assay_tuning_free(b.tuning);
    return 0;
}
