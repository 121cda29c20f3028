/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a graph: nodes that read parameters, in their order. */

#include <string.h>

#include "engine/graph.h"

/* Which ops are layers, and at which inputs their parameters stand. */
static const struct {
    const char *op;
    enum assay_layer_kind kind;
    int n_params;
} kinds[] = {{"conv", ASSAY_LAYER_CONV, 2},
             {"deconv", ASSAY_LAYER_CONV_TRANSPOSED, 2},
             {"linear", ASSAY_LAYER_LINEAR, 2},
             {"batchnorm", ASSAY_LAYER_BATCHNORM, 4},
             {"groupnorm", ASSAY_LAYER_GROUPNORM, 2}};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* The row of `kinds` that the node is, or -1. */
static int kind_of(const assay_graph *g, const struct assay__node *node)
{
    for (int i = 0; i < N_KINDS; i++) {
        assay_value weight;

        if (strcmp(node->op->name, kinds[i].op) != 0)
            continue;
        weight = node->n_in > 1 ? node->in[1] : ASSAY_NO_VALUE;
        return weight != ASSAY_NO_VALUE && g->value[weight].kind == ASSAY__PARAM
                   ? i
                   : -1;
    }
    return -1;
}

int assay_graph_n_layers(const assay_graph *g)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        n += kind_of(g, &g->node[i]) >= 0;
    return n;
}

/* What the readers of v get: a ReLU's output, if that alone reads it. */
static assay_value active_of(const assay_graph *g, assay_value v)
{
    const struct assay__node *reader = NULL;

    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_in; k++) {
            if (g->node[i].in[k] != v)
                continue;
            if (reader)
                return v;
            reader = &g->node[i];
        }
    }
    return reader && strcmp(reader->op->name, "relu") == 0 ? reader->out : v;
}

static struct assay_layer describe(const assay_graph *g,
                                   const struct assay__node *node, int row)
{
    struct assay_layer l = {.kind = kinds[row].kind,
                            .source = node->in[0],
                            .result = node->out,
                            .active = active_of(g, node->out),
                            .bias = ASSAY_NO_VALUE,
                            .mean = ASSAY_NO_VALUE,
                            .variance = ASSAY_NO_VALUE,
                            .groups = node->attrs.groups,
                            .eps = node->attrs.eps};
    assay_value *const param[] = {&l.weight, &l.bias, &l.mean, &l.variance};

    for (int k = 0; k < kinds[row].n_params; k++)
        *param[k] = k + 1 < node->n_in ? node->in[k + 1] : ASSAY_NO_VALUE;
    return l;
}

struct assay_layer assay_graph_layer_at(const assay_graph *g, int i)
{
    struct assay_layer none = {.kind = (enum assay_layer_kind) - 1};

    for (int k = 0; k < g->n_nodes; k++) {
        int row = kind_of(g, &g->node[k]);

        if (row >= 0 && i-- == 0)
            return describe(g, &g->node[k], row);
    }
    return none;
}

static bool is_map(const struct assay_shape *s)
{
    return s->rank == 4 && s->dim[0] == ASSAY_BATCH &&
           (s->dim[2] > 1 || s->dim[3] > 1);
}

/* Whether a later node gives a map of the size of node i's. */
static bool comes_again(const assay_graph *g, int i,
                        const struct assay_shape *s)
{
    for (int k = i + 1; k < g->n_nodes; k++) {
        const struct assay_shape *t = &g->value[g->node[k].out].shape;

        if (is_map(t) && t->dim[2] == s->dim[2] && t->dim[3] == s->dim[3])
            return true;
    }
    return false;
}

int assay_graph_maps(const assay_graph *g, assay_value *out, int n)
{
    int found = 0;

    for (int i = g->n_nodes - 1; i >= 0 && found < n; i--) {
        const struct assay_shape *s = &g->value[g->node[i].out].shape;

        if (is_map(s) && !comes_again(g, i, s))
            out[found++] = g->node[i].out;
    }
    for (int i = 0; i < found / 2; i++) {
        assay_value last = out[found - 1 - i];

        out[found - 1 - i] = out[i];
        out[i] = last;
    }
    return found;
}

static const struct assay__node *maker_of(const assay_graph *g, assay_value v)
{
    for (int i = 0; v != ASSAY_NO_VALUE && i < g->n_nodes; i++)
        if (g->node[i].out == v)
            return &g->node[i];
    return NULL;
}

/* Whether the node leaves every number as and where it is, in evaluation. */
static bool keeps_numbers(const assay_graph *g, const struct assay__node *node)
{
    static const char *const always[] = {"reshape", "dropout"};
    static const char *const of_one[] = {"global_avgpool", "adaptive_avgpool"};
    const struct assay_shape *in = &g->value[node->in[0]].shape;
    const struct assay_shape *out = &g->value[node->out].shape;

    for (int i = 0; i < 2; i++) {
        if (strcmp(node->op->name, always[i]) == 0)
            return true;
        if (strcmp(node->op->name, of_one[i]) == 0)
            return assay_shape_count(in, 1) == assay_shape_count(out, 1);
    }
    return false;
}

assay_value assay_graph_before_relu(const assay_graph *g, assay_value v)
{
    const struct assay__node *node = maker_of(g, v);

    while (node && keeps_numbers(g, node))
        node = maker_of(g, node->in[0]);
    return node && strcmp(node->op->name, "relu") == 0 ? node->in[0]
                                                       : ASSAY_NO_VALUE;
}
