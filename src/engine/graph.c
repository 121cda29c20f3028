/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs: appending values and nodes, with the first error kept.
 *
 * Invariants: a node's inputs have smaller ids than its outputs, and its
 * outputs are consecutive; names are unique; every dimension is at least 1
 * except a leading ASSAY_BATCH; a value's elements per record fit MAX_COUNT.
 * Cost: a node is appended in time proportional to its inputs, a name in
 * time proportional to the values there are.
 */

#include "engine/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "engine/grow.h"

/* More than any memory holds; keeps products of dimensions from wrapping. */
#define MAX_COUNT ((size_t)1 << 40)

static const struct assay_shape unknown_shape;

int assay_graph_new(assay_graph **out, struct assay_error *err)
{
    assay_graph *g = assay__calloc(1, sizeof(*g));

    if (!g)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for a graph");
    *out = g;
    return ASSAY_OK;
}

void assay_graph_free(assay_graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->n_values; i++)
        assay__free(g->value[i].name);
    for (int i = 0; i < g->n_nodes; i++)
        assay__free(g->node[i].in);
    assay__free(g->value);
    assay__free(g->node);
    assay__free(g->input);
    assay__free(g->param);
    assay__free(g);
}

assay_value assay_graph_fail(assay_graph *g, int code, const char *fmt, ...)
{
    char msg[sizeof(g->error.msg)];
    va_list args;

    if (g->error.code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    (void)assay_error_set(&g->error, code, "%s", msg);
    return ASSAY_NO_VALUE;
}

int assay_graph_check(const assay_graph *g, struct assay_error *err)
{
    if (g->error.code == ASSAY_OK)
        return ASSAY_OK;
    return assay_error_set(err, g->error.code, "%s", g->error.msg);
}

static bool known(const assay_graph *g, assay_value v)
{
    return v >= 0 && v < g->n_values;
}

/* Whether a shape is one a value may have; says why not through the graph. */
static bool shape_ok(assay_graph *g, const char *what,
                     const struct assay_shape *shape)
{
    size_t count = 1;

    if (shape->rank < 0 || shape->rank > ASSAY_RANK_MAX) {
        assay_graph_fail(g, ASSAY_SHAPE, "%s: rank %d is not in 0..%d", what,
                         shape->rank, ASSAY_RANK_MAX);
        return false;
    }
    for (int i = 0; i < shape->rank; i++) {
        int64_t d = shape->dim[i];

        if (i == 0 && d == ASSAY_BATCH)
            continue;
        if (d < 1) {
            assay_graph_fail(g, ASSAY_SHAPE,
                             "%s: dimension %d is %lld, must be at least 1",
                             what, i, (long long)d);
            return false;
        }
        if (!assay__mul_size(count, (size_t)d, &count) || count > MAX_COUNT) {
            assay_graph_fail(g, ASSAY_LIMIT,
                             "%s: more than 2^40 elements per record", what);
            return false;
        }
    }
    return true;
}

/* Room for a name that nothing else has, copied. `*copy` NULL for NULL. */
static bool take_name(assay_graph *g, const char *name, char **copy)
{
    *copy = NULL;
    if (!name)
        return true;
    if (assay_graph_find(g, name) != ASSAY_NO_VALUE) {
        assay_graph_fail(g, ASSAY_ARG, "a second value is called '%.150s'",
                         name);
        return false;
    }
    *copy = assay__strdup(name);
    if (!*copy)
        assay_graph_fail(g, ASSAY_NOMEM, "out of memory for a value's name");
    return *copy != NULL;
}

/* Append a value; the name is taken on success. */
static assay_value append_value(assay_graph *g, enum assay__value_kind kind,
                                char *name, const struct assay_shape *shape)
{
    /* A copy: the shape may be one of a value, which the array's growth
     * moves. */
    const struct assay_shape own = *shape;
    struct assay__value *all;
    struct assay__value *v;

    all = assay__grown(g->value, g->n_values, &g->cap_values, sizeof(*all));
    if (!all)
        return assay_graph_fail(g, ASSAY_NOMEM,
                                "out of memory for value %d of a graph",
                                g->n_values);
    g->value = all;
    v = &all[g->n_values];
    memset(v, 0, sizeof(*v));
    v->kind = kind;
    v->name = name;
    v->shape.rank = own.rank;
    for (int i = 0; i < own.rank; i++)
        v->shape.dim[i] = own.dim[i];
    v->node = -1;
    return g->n_values++;
}

static bool append_id(assay_graph *g, assay_value **list, int *n, int *cap,
                      assay_value v)
{
    assay_value *all = assay__grown(*list, *n, cap, sizeof(*all));

    if (!all) {
        assay_graph_fail(g, ASSAY_NOMEM, "out of memory for a list of values");
        return false;
    }
    *list = all;
    all[(*n)++] = v;
    return true;
}

assay_value assay_graph_input(assay_graph *g, const char *name,
                              const struct assay_shape *shape)
{
    char *copy;
    assay_value v;

    if (g->error.code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    if (!shape_ok(g, name ? name : "input", shape) ||
        !take_name(g, name, &copy))
        return ASSAY_NO_VALUE;
    v = append_value(g, ASSAY__INPUT, copy, shape);
    if (v == ASSAY_NO_VALUE) {
        assay__free(copy);
        return v;
    }
    if (!append_id(g, &g->input, &g->n_inputs, &g->cap_inputs, v))
        return ASSAY_NO_VALUE;
    return v;
}

assay_value assay_graph_param(assay_graph *g, const char *name,
                              const struct assay_shape *shape,
                              struct assay_init init, unsigned flags)
{
    char *copy;
    assay_value v;

    if (g->error.code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    if (!name || !*name)
        return assay_graph_fail(g, ASSAY_ARG, "a parameter has no name");
    if (!shape_ok(g, name, shape))
        return ASSAY_NO_VALUE;
    if (shape->rank > 0 && shape->dim[0] == ASSAY_BATCH)
        return assay_graph_fail(
            g, ASSAY_SHAPE, "parameter '%.150s' has a batch dimension", name);
    if (!take_name(g, name, &copy))
        return ASSAY_NO_VALUE;
    v = append_value(g, ASSAY__PARAM, copy, shape);
    if (v == ASSAY_NO_VALUE) {
        assay__free(copy);
        return v;
    }
    g->value[v].init = init;
    g->value[v].flags = flags;
    if (!append_id(g, &g->param, &g->n_params, &g->cap_params, v))
        return ASSAY_NO_VALUE;
    return v;
}

/* Check a node's inputs and collect their shapes. */
static bool input_shapes(assay_graph *g, const struct assay_op *op,
                         const assay_value *inputs, int n_inputs,
                         struct assay_shape *shape)
{
    if (n_inputs < op->min_in || n_inputs > op->max_in ||
        n_inputs > ASSAY__OP_INPUTS_MAX) {
        assay_graph_fail(g, ASSAY_ARG, "%s: %d inputs, takes %d to %d",
                         op->name, n_inputs, op->min_in, op->max_in);
        return false;
    }
    for (int i = 0; i < n_inputs; i++) {
        if (known(g, inputs[i])) {
            shape[i] = g->value[inputs[i]].shape;
        } else if (inputs[i] == ASSAY_NO_VALUE && i >= op->min_in) {
            shape[i] = unknown_shape;
        } else {
            assay_graph_fail(g, ASSAY_ARG,
                             "%s: input %d is value %d, which does not exist",
                             op->name, i, inputs[i]);
            return false;
        }
    }
    return true;
}

static bool output_shapes(assay_graph *g, const struct assay_op *op,
                          const struct assay_attrs *attrs, int n_inputs,
                          const struct assay_shape *in, struct assay_shape *out)
{
    struct assay_error why = {ASSAY_OK, ""};
    int code = op->shape(attrs, n_inputs, in, out, &why);

    if (code != ASSAY_OK) {
        assay_graph_fail(g, code, "%s", why.msg[0] ? why.msg : op->name);
        return false;
    }
    for (int i = 0; i < op->n_out; i++) {
        if (!shape_ok(g, op->name, &out[i]))
            return false;
    }
    return true;
}

/* Append a node with its list of inputs copied; its index, or -1. */
static int append_node(assay_graph *g, const struct assay_op *op,
                       const assay_value *inputs, int n_inputs,
                       const struct assay_attrs *attrs)
{
    struct assay__node *all;
    struct assay__node *node;
    assay_value *in;

    all = assay__grown(g->node, g->n_nodes, &g->cap_nodes, sizeof(*all));
    if (all)
        g->node = all;
    in = assay__calloc((size_t)n_inputs, sizeof(*in));
    if (!all || !in) {
        assay__free(in);
        assay_graph_fail(g, ASSAY_NOMEM, "out of memory for node %d (%s)",
                         g->n_nodes, op->name);
        return -1;
    }
    if (n_inputs > 0)
        memcpy(in, inputs, (size_t)n_inputs * sizeof(*in));
    node = &all[g->n_nodes];
    node->op = op;
    node->in = in;
    node->n_in = n_inputs;
    node->out = ASSAY_NO_VALUE;
    node->attrs = *attrs;
    return g->n_nodes++;
}

assay_value assay_graph_node(assay_graph *g, const char *op_name,
                             const assay_value *inputs, int n_inputs,
                             const struct assay_attrs *attrs)
{
    static const struct assay_attrs none;
    const struct assay_op *op;
    struct assay_shape in[ASSAY__OP_INPUTS_MAX];
    struct assay_shape out[ASSAY__OP_OUTPUTS_MAX];
    int node;

    if (g->error.code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    op = assay__op_find(op_name);
    if (!op)
        return assay_graph_fail(g, ASSAY_UNSUPPORTED,
                                "there is no op called '%.100s'", op_name);
    if (!attrs)
        attrs = &none;
    memset(out, 0, sizeof(out));
    if (!input_shapes(g, op, inputs, n_inputs, in) ||
        !output_shapes(g, op, attrs, n_inputs, in, out))
        return ASSAY_NO_VALUE;
    node = append_node(g, op, inputs, n_inputs, attrs);
    if (node < 0)
        return ASSAY_NO_VALUE;
    for (int i = 0; i < op->n_out; i++) {
        assay_value v = append_value(g, ASSAY__RESULT, NULL, &out[i]);

        if (v == ASSAY_NO_VALUE)
            return v;
        g->value[v].node = node;
        g->value[v].slot = i;
        if (i == 0)
            g->node[node].out = v;
    }
    return g->node[node].out;
}

void assay_graph_name(assay_graph *g, assay_value v, const char *name)
{
    char *copy;

    if (g->error.code != ASSAY_OK)
        return;
    if (!known(g, v)) {
        assay_graph_fail(g, ASSAY_ARG,
                         "value %d, to be called '%.100s', does not exist", v,
                         name);
        return;
    }
    if (g->value[v].name) {
        assay_graph_fail(g, ASSAY_ARG,
                         "value %d, to be called '%.80s', is called '%.80s'", v,
                         name, g->value[v].name);
        return;
    }
    if (take_name(g, name, &copy))
        g->value[v].name = copy;
}

assay_value assay_graph_find(const assay_graph *g, const char *name)
{
    for (int i = 0; i < g->n_values; i++) {
        if (g->value[i].name && strcmp(g->value[i].name, name) == 0)
            return i;
    }
    return ASSAY_NO_VALUE;
}

/* Whether text is name + ".weight". */
static bool is_weight_of(const char *text, const char *name)
{
    size_t n = strlen(name);

    return text && strncmp(text, name, n) == 0 &&
           strcmp(text + n, ".weight") == 0;
}

assay_value assay_graph_layer(const assay_graph *g, const char *name)
{
    assay_value v = assay_graph_find(g, name);

    if (v != ASSAY_NO_VALUE)
        return g->value[v].kind == ASSAY__RESULT ? v : ASSAY_NO_VALUE;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct assay__node *node = &g->node[i];

        for (int k = 0; k < node->n_in; k++)
            if (node->in[k] != ASSAY_NO_VALUE &&
                is_weight_of(g->value[node->in[k]].name, name))
                return node->out;
    }
    return ASSAY_NO_VALUE;
}

const struct assay_shape *assay_graph_shape(const assay_graph *g, assay_value v)
{
    return known(g, v) ? &g->value[v].shape : &unknown_shape;
}

const char *assay_graph_value_name(const assay_graph *g, assay_value v)
{
    return known(g, v) ? g->value[v].name : NULL;
}

int assay_graph_n_inputs(const assay_graph *g)
{
    return g->n_inputs;
}

assay_value assay_graph_input_at(const assay_graph *g, int i)
{
    return i >= 0 && i < g->n_inputs ? g->input[i] : ASSAY_NO_VALUE;
}

int assay_graph_n_params(const assay_graph *g)
{
    return g->n_params;
}

assay_value assay_graph_param_at(const assay_graph *g, int i)
{
    return i >= 0 && i < g->n_params ? g->param[i] : ASSAY_NO_VALUE;
}

unsigned assay_graph_param_flags(const assay_graph *g, assay_value v)
{
    if (!known(g, v) || g->value[v].kind != ASSAY__PARAM)
        return 0;
    return g->value[v].flags;
}
