/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The derivative of a scalar as further nodes of the same graph.
 *
 * A value is on the way when it depends on some wrt[i]. Nodes are walked
 * from the last to the first; a node that has a gradient at one of its
 * outputs and an input on the way appends its adjoint. Contributions to one
 * value are summed with the op `add` in the order in which they arise, so
 * the appended nodes are a function of the graph alone. Nothing is computed
 * for values that are not on the way: a frozen layer costs no weight
 * gradient, and a frozen first half of a network no gradient at all.
 */

#include <string.h>

#include "core/mem.h"
#include "engine/graph.h"

struct walk {
    assay_graph *g;
    int n_values;   /* before anything was appended */
    bool *on_way;   /* per value: depends on some wrt */
    assay_value *d; /* per value: its gradient so far */
    assay_value loss;
};

static void mark_way(struct walk *w, const assay_value *wrt, int n)
{
    const assay_graph *g = w->g;

    for (int i = 0; i < n; i++)
        w->on_way[wrt[i]] = true;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct assay__node *node = &g->node[i];
        bool depends = false;

        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] != ASSAY_NO_VALUE)
                depends = depends || w->on_way[node->in[k]];
        }
        for (int k = 0; k < node->op->n_out; k++) {
            if (depends)
                w->on_way[node->out + k] = true;
        }
    }
}

/* Sum a contribution into the gradient of v. */
static int contribute(struct walk *w, const struct assay__node *node,
                      assay_value v, assay_value d, struct assay_error *err)
{
    assay_value pair[2];

    if (d == ASSAY_NO_VALUE)
        return ASSAY_OK;
    if (!assay_shape_equal(assay_graph_shape(w->g, v),
                           assay_graph_shape(w->g, d))) {
        char is[80];
        char should[80];

        assay_shape_text(assay_graph_shape(w->g, d), is, sizeof(is));
        assay_shape_text(assay_graph_shape(w->g, v), should, sizeof(should));
        return assay_error_set(err, ASSAY_INTERNAL,
                               "%s: a gradient has shape %s, its value %s",
                               node->op->name, is, should);
    }
    if (w->d[v] == ASSAY_NO_VALUE) {
        w->d[v] = d;
        return ASSAY_OK;
    }
    pair[0] = w->d[v];
    pair[1] = d;
    w->d[v] = assay_graph_node(w->g, "add", pair, 2, NULL);
    return assay_graph_check(w->g, err);
}

/* Append the adjoint of one node, when it is on the way. */
static int visit(struct walk *w, int index, struct assay_error *err)
{
    /* A copy: appending moves the array of nodes, not the lists in it. */
    const struct assay__node node = w->g->node[index];
    assay_value d_out[ASSAY__OP_OUTPUTS_MAX];
    assay_value d_in[ASSAY__OP_INPUTS_MAX];
    bool want[ASSAY__OP_INPUTS_MAX];
    bool reached = false;
    bool wanted = false;
    int code;

    for (int k = 0; k < node.op->n_out; k++) {
        d_out[k] = w->d[node.out + k];
        reached = reached || d_out[k] != ASSAY_NO_VALUE;
    }
    for (int k = 0; k < node.n_in; k++) {
        d_in[k] = ASSAY_NO_VALUE;
        want[k] = node.in[k] != ASSAY_NO_VALUE && w->on_way[node.in[k]];
        wanted = wanted || want[k];
    }
    if (!reached || !wanted)
        return ASSAY_OK;
    if (!node.op->backward)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "%s (node %d) has no derivative", node.op->name,
                               index);
    node.op->backward(w->g, &node, d_out, want, d_in);
    code = assay_graph_check(w->g, err);
    for (int k = 0; k < node.n_in && code == ASSAY_OK; k++) {
        if (want[k])
            code = contribute(w, &node, node.in[k], d_in[k], err);
    }
    return code;
}

static int check_arguments(const assay_graph *g, assay_value loss,
                           const assay_value *wrt, int n,
                           struct assay_error *err)
{
    if (loss < 0 || loss >= g->n_values)
        return assay_error_set(err, ASSAY_ARG,
                               "the loss, value %d, does not exist", loss);
    if (g->value[loss].shape.rank != 0)
        return assay_error_set(err, ASSAY_SHAPE,
                               "the loss has rank %d, must be a scalar",
                               g->value[loss].shape.rank);
    for (int i = 0; i < n; i++) {
        if (wrt[i] < 0 || wrt[i] >= g->n_values)
            return assay_error_set(
                err, ASSAY_ARG, "wrt[%d], value %d, does not exist", i, wrt[i]);
    }
    return ASSAY_OK;
}

/* d loss / d loss. */
static assay_value append_one(assay_graph *g)
{
    struct assay_attrs attrs;

    memset(&attrs, 0, sizeof(attrs));
    attrs.alpha = 1.0;
    return assay_graph_node(g, "fill", NULL, 0, &attrs);
}

static int walk_back(struct walk *w, struct assay_error *err)
{
    int n_nodes = w->g->n_nodes;
    int code;

    for (int i = 0; i < w->n_values; i++)
        w->d[i] = ASSAY_NO_VALUE;
    w->d[w->loss] = append_one(w->g);
    code = assay_graph_check(w->g, err);
    for (int i = n_nodes - 1; i >= 0 && code == ASSAY_OK; i--)
        code = visit(w, i, err);
    return code;
}

int assay_differentiate(assay_graph *g, assay_value loss,
                        const assay_value *wrt, int n, assay_value *d_out,
                        struct assay_error *err)
{
    struct walk w = {g, g->n_values, NULL, NULL, loss};
    int code = assay_graph_check(g, err);

    if (code == ASSAY_OK)
        code = check_arguments(g, loss, wrt, n, err);
    if (code != ASSAY_OK)
        return code;
    w.on_way = assay__calloc((size_t)g->n_values, sizeof(*w.on_way));
    w.d = assay__calloc((size_t)g->n_values, sizeof(*w.d));
    if (!w.on_way || !w.d) {
        code =
            assay_error_set(err, ASSAY_NOMEM, "out of memory for a derivative");
        goto out;
    }
    mark_way(&w, wrt, n);
    if (w.on_way[loss])
        code = walk_back(&w, err);
    for (int i = 0; i < n && code == ASSAY_OK; i++)
        d_out[i] = w.on_way[loss] ? w.d[wrt[i]] : ASSAY_NO_VALUE;
out:
    assay__free(w.on_way);
    assay__free(w.d);
    return code;
}
