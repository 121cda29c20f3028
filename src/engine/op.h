/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_OP_H
#define ASSAY_ENGINE_OP_H

/*
 * What an op is. One file in ops/ per op (with its gradient ops beside it),
 * one row each in ops.def. An op gives its output shapes, its derivative as
 * further nodes, a naive loop in double, and the cases on which the generic
 * tests check its derivative and every other backend.
 */

#include <stdbool.h>

#include "assay/plan.h"

struct assay__node;

enum {
    ASSAY__OP_INPUTS_MAX = 64,
    ASSAY__OP_OUTPUTS_MAX = 5,
    ASSAY__RECORDS_KEPT = 3
};

/* A call of a reference kernel: plain row-major arrays of double. */
struct assay__call {
    const struct assay_attrs *attrs;
    enum assay_mode mode;
    int n_in;
    int n_out;
    const struct assay_shape *in_shape;  /* batch filled in */
    const struct assay_shape *out_shape; /* batch filled in */
    double *const *in; /* NULL where an optional input is absent; written
                          only where op->mutates says so */
    double *const *out;
    uint64_t seed; /* stream of this run */
    uint64_t step;
    int node; /* index in the graph: part of dropout's stream */
};

/* Inputs for the generic tests of an op. Values are drawn from the case's
 * range, with distance `away` kept from 0 (kinks). */
struct assay__op_case {
    const char *label;
    int n_in;
    struct assay_shape in[6]; /* concrete; batch included */
    struct assay_attrs attrs;
    double low, high;
    double away;
    unsigned integer_inputs; /* bit i: input i holds labels 0..high-1 */
    unsigned no_grad;        /* bit i: not differentiated */
    unsigned fixed;          /* bit i: as assay_op.fixed, in this case */
};

/*
 * How the gradients of an op's parameters are had record by record, for
 * assay_differentiate_clipped().
 */
struct assay__record_rule {
    unsigned params; /* bit i: input i may be a parameter */
    /*
     * As assay_op.backward, but d_in of those inputs stays ASSAY_NO_VALUE:
     * kept[0] becomes the sum of their squared gradients, [N], for each
     * record, the others what gather() will need.
     */
    void (*backward)(assay_graph *g, const struct assay__node *node,
                     const assay_value *d_out, const bool *want,
                     assay_value *d_in, assay_value *kept);
    /* d_in of those inputs: the sum of the records' gradients, each times
     * its factor [N]. */
    void (*gather)(assay_graph *g, const struct assay__node *node,
                   const assay_value *kept, assay_value factor,
                   const bool *want, assay_value *d_in);
};

struct assay_op {
    const char *name;
    int min_in, max_in;
    int n_out;
    unsigned mutates; /* bit i: input i (a buffer) is updated in training */
    double tolerance; /* normalised squared error allowed against double */
    const struct assay__op_case *cases; /* ends with label NULL */

    /* Fill out[0..n_out); dimension 0 may be ASSAY_BATCH. Says what is wrong
     * through err. An absent optional input has rank 0. */
    int (*shape)(const struct assay_attrs *attrs, int n_in,
                 const struct assay_shape *in, struct assay_shape *out,
                 struct assay_error *err);
    /*
     * Append the adjoint. d_out[i] is the gradient of output i or
     * ASSAY_NO_VALUE; want[i] tells whether d_in[i] is asked for; d_in[]
     * starts as ASSAY_NO_VALUE. NULL: not differentiable.
     */
    void (*backward)(assay_graph *g, const struct assay__node *node,
                     const assay_value *d_out, const bool *want,
                     assay_value *d_in);
    void (*reference)(const struct assay__call *call);
    /* 2 x multiply-adds per record, or NULL. */
    double (*flops)(const struct assay_attrs *attrs,
                    const struct assay_shape *in,
                    const struct assay_shape *out);

    const struct assay__record_rule *records; /* NULL: parameters cannot be
                                                 clipped by record */

    unsigned fixed;       /* bit i: dimension 0 of input i is never the batch
                             (weights, statistics per channel) */
    unsigned private_out; /* bit i: output i is in the backend's own form,
                             read by the gradient op only (ops.def: ~) */
    unsigned private_in;  /* bit i: input i is such an output */
};

/* By name; NULL when there is none. */
const struct assay_op *assay__op_find(const char *name);
/* The table, for tests: ends with NULL. */
const struct assay_op *const *assay__op_table(void);

/* Identity for switch-free dispatch in backends. */
#define ASSAY_OP(name) extern const struct assay_op assay__op_##name;
#include "engine/ops.def"
#undef ASSAY_OP

#endif
