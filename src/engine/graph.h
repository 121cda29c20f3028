/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_GRAPH_H
#define ASSAY_ENGINE_GRAPH_H

/*
 * The inside of a graph, for the engine alone. Nodes and values are arrays;
 * a node's inputs were made before it, so array order is topological.
 */

#include "engine/op.h"

enum assay__value_kind { ASSAY__INPUT, ASSAY__PARAM, ASSAY__RESULT };

struct assay__value {
    enum assay__value_kind kind;
    char *name; /* NULL when unnamed */
    struct assay_shape shape;
    int node; /* producer; -1 for inputs and parameters */
    int slot; /* which output of it */
    struct assay_init init;
    unsigned flags; /* assay_param_flags */
};

struct assay__node {
    const struct assay_op *op;
    assay_value *in; /* n_in; ASSAY_NO_VALUE for an absent optional input */
    int n_in;
    assay_value out; /* first of op->n_out consecutive values */
    struct assay_attrs attrs;
};

struct assay_graph {
    struct assay__value *value;
    int n_values, cap_values;
    struct assay__node *node;
    int n_nodes, cap_nodes;
    assay_value *input;
    int n_inputs, cap_inputs;
    assay_value *param;
    int n_params, cap_params;
    struct assay_error error; /* the one that sticks */
};

/* A number that differs when structure, shapes or attributes differ; names
 * and initial values do not count. */
uint64_t assay__graph_hash(const assay_graph *g);

/* The convolution that a batch norm can be made a part of, or NULL. */
const struct assay__node *assay__graph_folds(const assay_graph *other,
                                             const struct assay__node *norm);
/* Append to g the convolution that stands for both; map takes values of
 * `other` to those of g. */
assay_value assay__graph_fold(assay_graph *g, const assay_graph *other,
                              const struct assay__node *conv,
                              const struct assay__node *norm,
                              const assay_value *map);

#endif
