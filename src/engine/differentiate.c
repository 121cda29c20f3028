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
 *
 * Clipped: the walk starts with a gradient of 1 at the loss of each record,
 * so that all gradients are those of the sum. At a layer with parameters
 * the layer's rule (assay__record_rule) appends the squared norms of its
 * gradients instead of the gradients, and keeps what these are made from.
 * When the walk is over, norms give factors, and each layer's gradient is
 * made once, of all records with their factors: one backward pass in all.
 */

#include <string.h>

#include "core/mem.h"
#include "engine/graph.h"

/* A layer whose parameters' gradients are made after the walk. */
struct layer {
    int node;
    bool want[ASSAY__OP_INPUTS_MAX];
    assay_value kept[ASSAY__RECORDS_KEPT];
};

struct walk {
    assay_graph *g;
    int n_values;   /* before anything was appended */
    bool *on_way;   /* per value: depends on some wrt */
    assay_value *d; /* per value: its gradient so far */
    assay_value loss;
    bool by_record;
    struct layer *layer; /* by_record: those with parameters to train */
    int n_layers;
    assay_value squares; /* by_record: their sum so far */
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

/* Which inputs of a node are parameters on the way. */
static unsigned wanted_params(const struct walk *w,
                              const struct assay__node *node, const bool *want)
{
    unsigned params = 0;

    for (int k = 0; k < node->n_in && k < 32; k++) {
        if (want[k] && w->g->value[node->in[k]].kind == ASSAY__PARAM)
            params |= 1U << k;
    }
    return params;
}

/* Whether the gradients of these parameters can be had record by record. */
static int check_layer(const struct walk *w, const struct assay__node *node,
                       const bool *want, unsigned params,
                       struct assay_error *err)
{
    unsigned allowed = node->op->records ? node->op->records->params : 0;

    for (int k = 0; k < node->n_in; k++) {
        bool param = k < 32 && (params >> k & 1U);

        if (param && !(allowed >> k & 1U))
            return assay_error_set(
                err, ASSAY_UNSUPPORTED,
                "%s: the gradient of '%.100s' cannot be clipped by record",
                node->op->name, w->g->value[node->in[k]].name);
        if (want[k] && !param && k < 32 && (allowed >> k & 1U))
            return assay_error_set(
                err, ASSAY_UNSUPPORTED,
                "%s: a weight that is computed from parameters cannot be "
                "clipped by record",
                node->op->name);
        if (param && w->d[node->in[k]] != ASSAY_NO_VALUE)
            return assay_error_set(
                err, ASSAY_UNSUPPORTED,
                "'%.100s' is used by two layers: its gradient cannot be "
                "clipped by record",
                w->g->value[node->in[k]].name);
    }
    return ASSAY_OK;
}

/* A layer with parameters: squares now, gradients later. */
static int visit_layer(struct walk *w, int index, const assay_value *d_out,
                       const bool *want, unsigned params, assay_value *d_in,
                       struct assay_error *err)
{
    const struct assay__node node = w->g->node[index];
    struct layer *layer = &w->layer[w->n_layers];

    layer->node = index;
    memset(layer->want, 0, sizeof(layer->want));
    for (int k = 0; k < node.n_in; k++)
        layer->want[k] = want[k];
    for (int k = 0; k < ASSAY__RECORDS_KEPT; k++)
        layer->kept[k] = ASSAY_NO_VALUE;
    node.op->records->backward(w->g, &node, d_out, want, d_in, layer->kept);
    w->n_layers++;
    for (int k = 0; k < node.n_in; k++) {
        /* Taken: a second layer that reads it is refused. */
        if (k < 32 && (params >> k & 1U))
            w->d[node.in[k]] = layer->kept[0];
    }
    if (w->squares == ASSAY_NO_VALUE) {
        w->squares = layer->kept[0];
    } else {
        assay_value pair[2] = {w->squares, layer->kept[0]};

        w->squares = assay_graph_node(w->g, "add", pair, 2, NULL);
    }
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
    unsigned params;
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
    params = w->by_record ? wanted_params(w, &node, want) : 0;
    if (w->by_record) {
        code = check_layer(w, &node, want, params, err);
        if (code != ASSAY_OK)
            return code;
    }
    if (params != 0) {
        code = visit_layer(w, index, d_out, want, params, d_in, err);
    } else {
        node.op->backward(w->g, &node, d_out, want, d_in);
        code = assay_graph_check(w->g, err);
    }
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
    for (int i = 0; i < n; i++) {
        if (wrt[i] < 0 || wrt[i] >= g->n_values)
            return assay_error_set(
                err, ASSAY_ARG, "wrt[%d], value %d, does not exist", i, wrt[i]);
    }
    return ASSAY_OK;
}

/* d loss / d loss: 1, or 1 for each record. */
static assay_value append_one(assay_graph *g, assay_value loss)
{
    struct assay_attrs attrs;

    memset(&attrs, 0, sizeof(attrs));
    attrs.alpha = 1.0;
    attrs.shape = *assay_graph_shape(g, loss);
    return assay_graph_node(g, "fill", NULL, 0, &attrs);
}

static int walk_back(struct walk *w, struct assay_error *err)
{
    int n_nodes = w->g->n_nodes;
    int code;

    for (int i = 0; i < w->n_values; i++)
        w->d[i] = ASSAY_NO_VALUE;
    w->d[w->loss] = append_one(w->g, w->loss);
    code = assay_graph_check(w->g, err);
    for (int i = n_nodes - 1; i >= 0 && code == ASSAY_OK; i--)
        code = visit(w, i, err);
    return code;
}

static int open_walk(struct walk *w, struct assay_error *err)
{
    assay_graph *g = w->g;
    bool ok;

    w->n_values = g->n_values;
    w->squares = ASSAY_NO_VALUE;
    w->on_way = assay__calloc((size_t)g->n_values, sizeof(*w->on_way));
    w->d = assay__calloc((size_t)g->n_values, sizeof(*w->d));
    ok = w->on_way && w->d;
    if (w->by_record) {
        w->layer = assay__calloc((size_t)g->n_nodes, sizeof(*w->layer));
        ok = ok && w->layer;
    }
    return ok ? ASSAY_OK
              : assay_error_set(err, ASSAY_NOMEM,
                                "out of memory for a derivative");
}

static void close_walk(struct walk *w)
{
    assay__free(w->on_way);
    assay__free(w->d);
    assay__free(w->layer);
}

int assay_differentiate(assay_graph *g, assay_value loss,
                        const assay_value *wrt, int n, assay_value *d_out,
                        struct assay_error *err)
{
    struct walk w = {.g = g, .loss = loss};
    int code = assay_graph_check(g, err);

    if (code == ASSAY_OK)
        code = check_arguments(g, loss, wrt, n, err);
    if (code == ASSAY_OK && g->value[loss].shape.rank != 0)
        code = assay_error_set(err, ASSAY_SHAPE,
                               "the loss has rank %d, must be a scalar",
                               g->value[loss].shape.rank);
    if (code != ASSAY_OK)
        return code;
    code = open_walk(&w, err);
    if (code == ASSAY_OK)
        mark_way(&w, wrt, n);
    if (code == ASSAY_OK && w.on_way[loss])
        code = walk_back(&w, err);
    for (int i = 0; i < n && code == ASSAY_OK; i++)
        d_out[i] = w.on_way[loss] ? w.d[wrt[i]] : ASSAY_NO_VALUE;
    close_walk(&w);
    return code;
}

/* --- clipped ---------------------------------------------------------- */

static bool is_per_record(const struct assay_shape *s)
{
    return s->rank > 0 && s->dim[0] == ASSAY_BATCH;
}

static int check_clip(const assay_graph *g, const struct assay_clip *clip,
                      const assay_value *wrt, int n, struct assay_error *err)
{
    const struct assay_shape *s;

    if (!(clip->norm > 0.0))
        return assay_error_set(
            err, ASSAY_ARG, "clipping to norm %g, must be above 0", clip->norm);
    s = assay_graph_shape(g, clip->loss);
    if (s->rank != 1 || !is_per_record(s))
        return assay_error_set(err, ASSAY_SHAPE,
                               "the loss to clip must be one number per "
                               "record, [N]");
    if (clip->weights != ASSAY_NO_VALUE &&
        !assay_shape_equal(assay_graph_shape(g, clip->weights), s))
        return assay_error_set(err, ASSAY_SHAPE,
                               "the weights to clip with must be one number "
                               "per record, [N]");
    for (int i = 0; i < n; i++) {
        if (g->value[wrt[i]].kind != ASSAY__PARAM)
            return assay_error_set(err, ASSAY_ARG,
                                   "wrt[%d], value %d, is not a parameter: "
                                   "only theirs can be clipped by record",
                                   i, wrt[i]);
    }
    return ASSAY_OK;
}

/* Each record's loss must be a function of that record alone. */
static int check_node_apart(const assay_graph *g,
                            const struct assay__node *node,
                            struct assay_error *err)
{
    bool records_in = false;
    bool records_out = false;

    if (node->op == &assay__op_batchnorm)
        return assay_error_set(
            err, ASSAY_UNSUPPORTED,
            "batchnorm ('%.100s') mixes the records of a batch, so no record "
            "has a gradient of its own to clip; use group norm instead",
            g->value[node->in[1]].name ? g->value[node->in[1]].name : "?");
    for (int k = 0; k < node->n_in; k++)
        records_in =
            records_in || (node->in[k] != ASSAY_NO_VALUE &&
                           is_per_record(&g->value[node->in[k]].shape));
    for (int k = 0; k < node->op->n_out; k++)
        records_out =
            records_out || is_per_record(&g->value[node->out + k].shape);
    if (records_in && !records_out)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "%s mixes the records of a batch, so no "
                               "record has a gradient of its own to clip",
                               node->op->name);
    return ASSAY_OK;
}

/* All that the loss depends on. `needed` has a place per value. */
static int check_apart(const assay_graph *g, assay_value loss, bool *needed,
                       struct assay_error *err)
{
    int code = ASSAY_OK;

    needed[loss] = true;
    for (int i = g->n_nodes - 1; i >= 0 && code == ASSAY_OK; i--) {
        const struct assay__node *node = &g->node[i];
        bool live = false;

        for (int k = 0; k < node->op->n_out; k++)
            live = live || needed[node->out + k];
        if (!live)
            continue;
        code = check_node_apart(g, node, err);
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] != ASSAY_NO_VALUE)
                needed[node->in[k]] = true;
        }
    }
    return code;
}

/* The factors, and the gradients of all layers with them. */
static int gather_layers(struct walk *w, const struct assay_clip *clip,
                         assay_value *norms, struct assay_error *err)
{
    assay_value in[2] = {w->squares, clip->weights};
    int n_in = clip->weights != ASSAY_NO_VALUE ? 2 : 1;
    struct assay_attrs attrs;
    assay_value factor;
    int code;

    memset(&attrs, 0, sizeof(attrs));
    attrs.alpha = clip->norm;
    factor = assay_graph_node(w->g, "clip_factors", in, n_in, &attrs);
    code = assay_graph_check(w->g, err);
    *norms = factor + 1;
    for (int i = 0; i < w->n_layers && code == ASSAY_OK; i++) {
        const struct layer *layer = &w->layer[i];
        const struct assay__node node = w->g->node[layer->node];
        assay_value d_in[ASSAY__OP_INPUTS_MAX];

        for (int k = 0; k < node.n_in; k++)
            d_in[k] = ASSAY_NO_VALUE;
        node.op->records->gather(w->g, &node, layer->kept, factor, layer->want,
                                 d_in);
        for (int k = 0; k < node.n_in; k++) {
            if (layer->want[k] && (node.op->records->params >> k & 1U))
                w->d[node.in[k]] = d_in[k];
        }
        code = assay_graph_check(w->g, err);
    }
    return code;
}

int assay_differentiate_clipped(assay_graph *g, const struct assay_clip *clip,
                                const assay_value *wrt, int n,
                                assay_value *d_out, assay_value *norms,
                                struct assay_error *err)
{
    struct walk w = {.g = g, .loss = clip->loss, .by_record = true};
    int code = assay_graph_check(g, err);

    if (code == ASSAY_OK)
        code = check_arguments(g, clip->loss, wrt, n, err);
    if (code == ASSAY_OK)
        code = check_clip(g, clip, wrt, n, err);
    if (code != ASSAY_OK)
        return code;
    *norms = ASSAY_NO_VALUE;
    code = open_walk(&w, err);
    if (code == ASSAY_OK)
        code = check_apart(g, clip->loss, w.on_way, err);
    if (code == ASSAY_OK) {
        memset(w.on_way, 0, (size_t)w.n_values * sizeof(*w.on_way));
        mark_way(&w, wrt, n);
    }
    if (code == ASSAY_OK && w.on_way[clip->loss]) {
        code = walk_back(&w, err);
        if (code == ASSAY_OK)
            code = gather_layers(&w, clip, norms, err);
    }
    for (int i = 0; i < n && code == ASSAY_OK; i++)
        d_out[i] = w.on_way[clip->loss] ? w.d[wrt[i]] : ASSAY_NO_VALUE;
    close_walk(&w);
    return code;
}
