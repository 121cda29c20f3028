/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_TINY_NET_H
#define ASSAY_TESTS_TINY_NET_H

/*
 * Small graphs for the engine's tests: a network of two layers with its
 * loss, on data that a few epochs can learn, and the plan options most
 * tests start from. All of it runs on the reference backend in well under
 * a millisecond per step.
 */

#include <string.h>

#include "assay/layers.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "check.h"

enum { TINY_FEATURES = 4, TINY_HIDDEN = 5, TINY_CLASSES = 3 };

struct tiny_net {
    assay_graph *graph;
    assay_value x;      /* [N, 4] */
    assay_value labels; /* [N] */
    assay_value hidden; /* [N, 5], called "hidden" */
    assay_value logits; /* [N, 3] */
    assay_value losses; /* [N] */
    assay_value correct;
    assay_value loss; /* scalar */
};

/* x - linear - relu (- dropout) - linear - cross-entropy - mean. */
static inline void tiny_net_make(struct tiny_net *t, double dropout)
{
    struct assay_shape rows =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)TINY_FEATURES);
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_error err = {0};
    assay_value pair[2];
    assay_value h;

    CHECK_OK(assay_graph_new(&t->graph, &err), err);
    t->x = assay_graph_input(t->graph, "x", &rows);
    h = assay_layer_linear(t->graph, t->x, "fc1", TINY_HIDDEN);
    t->hidden = assay_op_relu(t->graph, h);
    assay_graph_name(t->graph, t->hidden, "hidden");
    h = t->hidden;
    if (dropout > 0.0)
        h = assay_op_dropout(t->graph, h, dropout);
    t->logits = assay_layer_linear(t->graph, h, "fc2", TINY_CLASSES);
    t->labels = assay_graph_input(t->graph, "labels", &each);
    t->losses = assay_op_softmax_xent(t->graph, t->logits, t->labels);
    pair[0] = t->logits;
    pair[1] = t->labels;
    t->correct = assay_graph_node(t->graph, "correct", pair, 2, NULL);
    t->loss = assay_op_mean(t->graph, t->losses);
    CHECK_OK(assay_graph_check(t->graph, &err), err);
}

/* n records whose label is the largest of the first three features. */
static inline void tiny_data(float *x, float *labels, size_t n, uint64_t seed)
{
    struct assay_rng rng;

    assay_rng_init(&rng, seed, "test", 0);
    for (size_t i = 0; i < n; i++) {
        float *row = x + i * TINY_FEATURES;
        int best = 0;

        for (int k = 0; k < TINY_FEATURES; k++)
            row[k] = (float)assay_rng_normal(&rng);
        for (int k = 1; k < TINY_CLASSES; k++) {
            if (row[k] > row[best])
                best = k;
        }
        labels[i] = (float)best;
    }
}

static inline struct assay_plan_options tiny_options(int64_t batch,
                                                     const assay_value *outputs,
                                                     int n_outputs)
{
    struct assay_plan_options o;

    memset(&o, 0, sizeof(o));
    o.backend = "reference";
    o.batch = batch;
    o.mode = ASSAY_MODE_TRAIN;
    o.threads = 1;
    o.outputs = outputs;
    o.n_outputs = n_outputs;
    return o;
}

#endif
