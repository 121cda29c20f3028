/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_OP_CASE_H
#define ASSAY_TESTS_OP_CASE_H

/*
 * One case of one op as a graph that runs: inputs and parameters drawn from
 * the case's range, the op, and on request a scalar loss over its outputs
 * and the gradients of that loss by every input that has one.
 *
 * The loss is the sum over public outputs of the mean squared distance to a
 * random target. Numbers are rounded to f32 once, so that every backend
 * computes from the same ones. In an op that passes records through, the
 * batch is symbolic, as it is in a model.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/plan.h"
#include "assay/rng.h"
#include "check.h"
#include "engine/op.h"

enum { OP_CASE_INPUTS = 6, OP_CASE_FED = 12, OP_CASE_READ = 16 };

enum op_case_flags {
    OP_CASE_LOSS = 1 << 0,  /* with loss and gradients */
    OP_CASE_PARAMS = 1 << 1 /* weights are parameters, else inputs */
};

struct op_case_feed {
    assay_value value;
    double *data;
    size_t count;
};

struct op_case {
    const struct assay_op *op;
    const struct assay__op_case *with;
    assay_graph *g;
    int64_t batch;
    struct op_case_feed feed[OP_CASE_FED]; /* the op's inputs, then targets */
    int n_feeds;
    assay_value out; /* first of the op's outputs */
    assay_value loss;
    assay_value wrt[OP_CASE_INPUTS];
    assay_value d[OP_CASE_INPUTS];
    int input[OP_CASE_INPUTS]; /* which input wrt[i] is */
    int n_wrt;
};

/* Records pass through: dimension 0 of data may be symbolic. Gradient ops
 * are built with the shapes as they stand. */
static inline bool op_case_symbolic(const struct assay_op *op)
{
    return strstr(op->name, "_bwd") == NULL;
}

/* A number for an input, or (-1) for a target. */
static inline double op_case_draw(const struct assay__op_case *with, int input,
                                  struct assay_rng *rng)
{
    double span = with->high - with->low;
    double x;

    if (input >= 0 && (with->integer_inputs >> input & 1u))
        return floor(assay_rng_uniform(rng) * with->high);
    do
        x = with->low + span * assay_rng_uniform(rng);
    while (fabs(x) < with->away);
    return (double)(float)x;
}

static inline int op_case_feed_add(struct op_case *t, assay_value v, int input,
                                   struct assay_rng *rng)
{
    struct op_case_feed *f = &t->feed[t->n_feeds];
    size_t i;

    CHECK(t->n_feeds < OP_CASE_FED);
    f->value = v;
    f->count = assay_shape_count(assay_graph_shape(t->g, v), t->batch);
    f->data = calloc(f->count, sizeof *f->data);
    CHECK(f->data != NULL);
    for (i = 0; i < f->count; i++)
        f->data[i] = op_case_draw(t->with, input, rng);
    return t->n_feeds++;
}

static inline void op_case_inputs(struct op_case *t, unsigned flags,
                                  assay_value *in, struct assay_rng *rng)
{
    struct assay_init zero = {ASSAY_INIT_ZERO, 0.0, 0.0};
    char name[24];
    int i;

    for (i = 0; i < t->with->n_in; i++) {
        struct assay_shape s = t->with->in[i];
        bool fixed = (t->op->fixed | t->with->fixed) >> i & 1u;
        bool buffer = t->op->mutates >> i & 1u;

        snprintf(name, sizeof name, "in%d", i);
        if (buffer || (fixed && (flags & OP_CASE_PARAMS))) {
            in[i] = assay_graph_param(t->g, name, &s, zero,
                                      buffer ? ASSAY_PARAM_BUFFER
                                             : ASSAY_PARAM_TRAINABLE);
        } else {
            if (op_case_symbolic(t->op) && !fixed && s.rank > 0)
                s.dim[0] = ASSAY_BATCH;
            in[i] = assay_graph_input(t->g, name, &s);
        }
        op_case_feed_add(t, in[i], i, rng);
    }
}

static inline void op_case_loss(struct op_case *t, struct assay_rng *rng)
{
    assay_value sum = ASSAY_NO_VALUE;
    assay_value term;
    assay_value target;
    char name[24];
    int i;

    for (i = 0; i < t->op->n_out; i++) {
        if (t->op->private_out >> i & 1u)
            continue;
        term = t->out + i;
        if (assay_graph_shape(t->g, term)->rank > 0) {
            snprintf(name, sizeof name, "target%d", i);
            target =
                assay_graph_input(t->g, name, assay_graph_shape(t->g, term));
            op_case_feed_add(t, target, -1, rng);
            term = assay_op_mean(t->g, assay_op_mse(t->g, term, target));
        }
        sum = sum == ASSAY_NO_VALUE ? term : assay_op_add(t->g, sum, term);
    }
    t->loss = sum;
}

/* Build it all; fails the test when the graph does not. */
static inline void op_case_open(struct op_case *t, const struct assay_op *op,
                                const struct assay__op_case *with,
                                unsigned flags)
{
    struct assay_attrs attrs = with->attrs;
    struct assay_error err = {0, ""};
    assay_value in[OP_CASE_INPUTS];
    struct assay_rng rng;
    int i;

    memset(t, 0, sizeof *t);
    t->op = op;
    t->with = with;
    t->batch = 1;
    if (with->n_in > 0 && with->in[0].rank > 0)
        t->batch = with->in[0].dim[0];
    else if (with->n_in == 0 && attrs.shape.rank > 0)
        t->batch = attrs.shape.dim[0];
    if (op_case_symbolic(op) && attrs.shape.rank > 0)
        attrs.shape.dim[0] = ASSAY_BATCH;
    assay_rng_init(&rng, 7, op->name, (uint64_t)(with - op->cases));
    CHECK_OK(assay_graph_new(&t->g, &err), err);
    op_case_inputs(t, flags, in, &rng);
    t->out = assay_graph_node(t->g, op->name, in, with->n_in, &attrs);
    if (flags & OP_CASE_LOSS)
        op_case_loss(t, &rng);
    CHECK_OK(assay_graph_check(t->g, &err), err);
    if (!(flags & OP_CASE_LOSS))
        return;
    for (i = 0; i < with->n_in; i++) {
        if ((with->integer_inputs | with->no_grad | op->mutates) >> i & 1u)
            continue;
        t->input[t->n_wrt] = i;
        t->wrt[t->n_wrt++] = in[i];
    }
    CHECK_OK(assay_differentiate(t->g, t->loss, t->wrt, t->n_wrt, t->d, &err),
             err);
}

static inline void op_case_close(struct op_case *t)
{
    int i;

    for (i = 0; i < t->n_feeds; i++)
        free(t->feed[i].data);
    assay_graph_free(t->g);
}

/* All inputs and parameters into the plan. */
static inline void op_case_write(const struct op_case *t, assay_plan *plan)
{
    struct assay_error err = {0, ""};
    int i;

    for (i = 0; i < t->n_feeds; i++)
        CHECK_OK(
            assay_plan_write_f64(plan, t->feed[i].value, t->feed[i].data, &err),
            err);
    assay_plan_set_stream(plan, 11, 3);
}

static inline size_t op_case_count(const struct op_case *t, assay_value v)
{
    return assay_shape_count(assay_graph_shape(t->g, v), t->batch);
}

#endif
