/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many models of one program: a worker per core, or all cores on one?
 *
 * Both ways train a few real steps on the same batch; steps per second
 * decide. The answer goes into the caller's tuning under a key that names
 * the program's structure, its batch, the backend and the cores, so that a
 * rerun does as the run before did.
 */

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/thread.h"
#include "engine/graph.h"
#include "engine/trainer.h"

/* A measurement ends after MAX_STEPS, or after MIN_STEPS and MAX_SECONDS. */
enum { MIN_STEPS = 3, MAX_STEPS = 10, KEY_TEXT = 200 };
static const double max_seconds = 1.0;

static const char side_by_side[] = "workers";
static const char one_by_one[] = "threads";

struct measurement {
    const struct assay_context *ctx;
    const struct assay_program *program;
    struct assay_source source; /* cut to one batch */
    const struct assay_params *params;
    struct assay_train_options options;
    float **inputs; /* one batch, the same for all */
    double *rate;   /* steps per second, per worker */
};

/* Steps until there are enough; the rate of those after the first, which
 * pays for everything's first use. */
static int run_steps(struct assay_trainer *t, struct measurement *m,
                     double *rate, struct assay_error *err)
{
    double start = 0.0;
    double seconds = 0.0;
    struct assay__fed fed = {
        .inputs = m->inputs, .n = t->options.batch, .last = true};
    double loss;
    int n = 0;
    int code = ASSAY_OK;

    while (code == ASSAY_OK && n <= MAX_STEPS &&
           (n <= MIN_STEPS || seconds < max_seconds)) {
        code = assay_context_check(m->ctx, err);
        if (code == ASSAY_OK)
            code = assay__trainer_step(t, &fed, (uint64_t)n, 0.0, &loss, err);
        if (n++ == 0)
            start = assay__clock_seconds();
        seconds = assay__clock_seconds() - start;
    }
    *rate = (double)(n - 1) / (seconds > 1e-9 ? seconds : 1e-9);
    return code;
}

static int run_worker(void *user, size_t index, struct assay_error *err)
{
    struct measurement *m = user;
    struct assay_trainer t;
    int code = assay__trainer_prepare(&t, m->ctx, m->program, &m->source,
                                      &m->options, m->params, err);

    if (code == ASSAY_OK)
        code = assay__trainer_compile(&t, err);
    if (code == ASSAY_OK)
        code = run_steps(&t, m, &m->rate[index], err);
    assay__trainer_release(&t);
    return code;
}

/* Total rate of n workers with `threads` each. */
static int total_rate(struct measurement *m, int n, int threads, double *total,
                      struct assay_error *err)
{
    int code;

    m->options.threads = threads;
    m->rate = assay__calloc((size_t)n, sizeof(*m->rate));
    if (!m->rate)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a measurement");
    code = assay__thread_run(n, (size_t)n, run_worker, m, err);
    *total = 0.0;
    for (int i = 0; i < n; i++)
        *total += m->rate[i];
    assay__free(m->rate);
    m->rate = NULL;
    return code;
}

static void free_batch(float **inputs, int n)
{
    for (int i = 0; inputs && i < n; i++)
        assay__free(inputs[i]);
    assay__free(inputs);
}

/* The source's first rows, as a batch of their own. */
static int make_batch(struct measurement *m, float ***out,
                      struct assay_error *err)
{
    const struct assay_program *p = m->program;
    size_t n = m->options.batch;
    float **inputs = assay__calloc((size_t)p->n_inputs, sizeof(*inputs));
    uint32_t *rows = assay__calloc(n, sizeof(*rows));
    struct assay_batch batch;
    bool ok = inputs && rows;
    int code;

    for (int i = 0; i < p->n_inputs && ok; i++) {
        size_t width =
            assay_shape_count(assay_graph_shape(p->graph, p->inputs[i]), 1);

        inputs[i] = assay__slab(n * width * sizeof(float));
        ok = inputs[i] != NULL;
    }
    if (!ok) {
        code = assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a batch of %zu records", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        rows[i] = (uint32_t)i;
    batch.rows = rows;
    batch.n = n;
    batch.epoch = 0;
    batch.inputs = inputs;
    code = m->source.fill(m->source.self, &batch, err);
out:
    assay__free(rows);
    if (code != ASSAY_OK) {
        free_batch(inputs, p->n_inputs);
        inputs = NULL;
    }
    *out = inputs;
    return code;
}

static int compare(struct measurement *m, const char **choice,
                   struct assay_error *err)
{
    int cores = m->ctx->threads;
    float **inputs = NULL;
    double many = 0.0;
    double one = 0.0;
    int code = make_batch(m, &inputs, err);

    if (code != ASSAY_OK)
        return code;
    m->inputs = inputs;
    code = total_rate(m, 1, cores, &one, err);
    if (code == ASSAY_OK)
        code = total_rate(m, cores, 1, &many, err);
    free_batch(inputs, m->program->n_inputs);
    if (code != ASSAY_OK)
        return code;
    *choice = many >= one ? side_by_side : one_by_one;
    assay_log(m->ctx, ASSAY_LOG_INFO,
              "%s: %.3g steps/s with %d workers of one thread, %.3g with one "
              "of %d threads",
              m->options.task ? m->options.task : "training", many, cores, one,
              cores);
    return ASSAY_OK;
}

static void make_key(const struct measurement *m, char key[KEY_TEXT])
{
    snprintf(key, KEY_TEXT, "parallel|%016llx|batch %zu|%s|%s|%d cores%s",
             (unsigned long long)assay__graph_hash(m->program->graph),
             m->options.batch,
             m->options.backend ? m->options.backend : "onednn",
             assay_dtype_name(m->options.compute), m->ctx->threads,
             m->options.privacy.clip_norm > 0.0 ? "|private" : "");
}

int assay_train_measure(const struct assay_context *ctx,
                        const struct assay_program *program,
                        const struct assay_source *source,
                        const struct assay_train_options *options,
                        const struct assay_params *params, int *workers,
                        int *threads, struct assay_error *err)
{
    struct measurement m = {.ctx = ctx,
                            .program = program,
                            .source = *source,
                            .params = params,
                            .options = *options};
    const char *choice = side_by_side;
    const char *known = NULL;
    char key[KEY_TEXT];
    int code = ASSAY_OK;

    if (source->n == 0)
        return assay_error_set(err, ASSAY_DATA, "no records to measure with");
    if (m.options.batch > source->n)
        m.options.batch = source->n;
    m.source.n = m.options.batch;
    make_key(&m, key);
    if (options->tuning)
        known = assay_tuning_get(options->tuning, key);
    if (known)
        choice = strcmp(known, one_by_one) == 0 ? one_by_one : side_by_side;
    else if (ctx->threads > 1)
        code = compare(&m, &choice, err);
    if (code == ASSAY_OK && !known && options->tuning)
        code = assay_tuning_put(options->tuning, key, choice, err);
    if (code != ASSAY_OK)
        return code;
    *workers = choice == side_by_side ? ctx->threads : 1;
    *threads = choice == side_by_side ? 1 : ctx->threads;
    return ASSAY_OK;
}
