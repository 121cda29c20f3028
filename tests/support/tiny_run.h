/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_TINY_RUN_H
#define ASSAY_TESTS_TINY_RUN_H

/*
 * A training of the tiny network with dropout on 22 records in memory, in
 * batches of 8 (so the last one is smaller), on the reference backend.
 */

#include "assay/train.h"

#include "test_io.h"
#include "tiny_net.h"

enum { N = 22, BATCH = 8, EPOCHS = 4, BATCHES = 3 };

/* All that a run needs; options may be changed before run(). */
struct run {
    struct tiny_net net;
    assay_value inputs[2];
    struct assay_program program;
    float x[N * TINY_FEATURES];
    float labels[N];
    const float *array[2];
    size_t width[2];
    struct assay_memory_source memory;
    struct assay_source source;
    struct assay_train_options options;
    struct assay_context ctx;
    struct assay_params params;
    struct assay_history history;
};

static inline void run_open(struct run *r)
{
    struct assay_error err = {0};

    memset(r, 0, sizeof(*r));
    tiny_net_make(&r->net, 0.2);
    r->inputs[0] = r->net.x;
    r->inputs[1] = r->net.labels;
    r->program.graph = r->net.graph;
    r->program.inputs = r->inputs;
    r->program.n_inputs = 2;
    r->program.loss = r->net.loss;
    r->program.monitor[0] = r->net.correct;
    r->program.n_monitors = 1;
    tiny_data(r->x, r->labels, N, 4);
    r->array[0] = r->x;
    r->array[1] = r->labels;
    r->width[0] = TINY_FEATURES;
    r->width[1] = 1;
    r->memory.array = r->array;
    r->memory.width = r->width;
    r->memory.n_arrays = 2;
    assay_memory_source(&r->source, &r->memory, N);
    assay_train_options_init(&r->options, EPOCHS);
    r->options.batch = BATCH;
    r->options.backend = "reference";
    r->options.lr = 0.1;
    r->options.seed = 11;
    r->options.task = "tiny";
    r->options.io.write = test_io_write;
    r->options.io.read = test_io_read;
    assay_context_init(&r->ctx);
    r->ctx.threads = 1;
    CHECK_OK(assay_params_make(&r->params, r->net.graph, &err), err);
    CHECK_OK(assay_params_init(&r->params, r->net.graph, 7, &err), err);
}

static inline int run(struct run *r, struct assay_error *err)
{
    assay_history_release(&r->history);
    return assay_train(&r->ctx, &r->program, &r->source, &r->options,
                       &r->params, &r->history, err);
}

/* As before the first run. */
static inline void start_over(struct run *r)
{
    struct assay_error err = {0};

    CHECK_OK(assay_params_init(&r->params, r->net.graph, 7, &err), err);
}

static inline void run_close(struct run *r)
{
    assay_history_release(&r->history);
    assay_params_release(&r->params);
    assay_graph_free(r->net.graph);
}

#endif
