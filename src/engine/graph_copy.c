/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A graph as a whole: deep copies, copies into another graph, the count of
 * its arithmetic, and a hash of its structure.
 */

#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "engine/graph.h"

/* A copy of n elements, never NULL except when out of memory. */
static void *copied(const void *from, int n, size_t size)
{
    void *to = assay__calloc((size_t)n, size);

    if (to && n > 0)
        memcpy(to, from, (size_t)n * size);
    return to;
}

static bool copy_values(assay_graph *to, const assay_graph *from)
{
    to->value = copied(from->value, from->n_values, sizeof(*to->value));
    if (!to->value)
        return false;
    to->n_values = to->cap_values = from->n_values;
    for (int i = 0; i < to->n_values; i++)
        to->value[i].name = NULL;
    for (int i = 0; i < to->n_values; i++) {
        if (!from->value[i].name)
            continue;
        to->value[i].name = assay__strdup(from->value[i].name);
        if (!to->value[i].name)
            return false;
    }
    return true;
}

static bool copy_nodes(assay_graph *to, const assay_graph *from)
{
    to->node = copied(from->node, from->n_nodes, sizeof(*to->node));
    if (!to->node)
        return false;
    to->n_nodes = to->cap_nodes = from->n_nodes;
    for (int i = 0; i < to->n_nodes; i++)
        to->node[i].in = NULL;
    for (int i = 0; i < to->n_nodes; i++) {
        const struct assay__node *n = &from->node[i];

        to->node[i].in = copied(n->in, n->n_in, sizeof(*n->in));
        if (!to->node[i].in)
            return false;
    }
    return true;
}

int assay_graph_clone(assay_graph **out, const assay_graph *g,
                      struct assay_error *err)
{
    assay_graph *copy = assay__calloc(1, sizeof(*copy));
    bool ok = copy && copy_values(copy, g) && copy_nodes(copy, g);

    if (ok) {
        copy->input = copied(g->input, g->n_inputs, sizeof(*g->input));
        copy->param = copied(g->param, g->n_params, sizeof(*g->param));
        ok = copy->input && copy->param;
    }
    if (!ok) {
        assay_graph_free(copy);
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a copy of a graph");
    }
    copy->n_inputs = copy->cap_inputs = g->n_inputs;
    copy->n_params = copy->cap_params = g->n_params;
    copy->error = g->error;
    *out = copy;
    return ASSAY_OK;
}

/* A parameter of `other` in g: the one that has its name there, or a new
 * one. */
static assay_value append_param(assay_graph *g, const struct assay__value *v,
                                const char *prefix)
{
    char *name = assay__format("%s%s", prefix, v->name);
    assay_value found;

    if (!name)
        return assay_graph_fail(g, ASSAY_NOMEM,
                                "out of memory for a parameter's name");
    found = assay_graph_find(g, name);
    if (found == ASSAY_NO_VALUE)
        found = assay_graph_param(g, name, &v->shape, v->init, v->flags);
    else if (g->value[found].kind != ASSAY__PARAM ||
             !assay_shape_equal(&g->value[found].shape, &v->shape))
        found = assay_graph_fail(
            g, ASSAY_SHAPE, "'%.150s' is another thing in this graph", name);
    assay__free(name);
    return found;
}

/* [C] as it stands beside maps of the rank of x. */
static assay_value along_channels(assay_graph *g, assay_value v, assay_value x)
{
    struct assay_shape shape = *assay_graph_shape(g, v);

    if (assay_graph_shape(g, x)->rank != 4 || shape.rank != 1)
        return v;
    shape =
        assay_shape_make(4, (int64_t)1, shape.dim[0], (int64_t)1, (int64_t)1);
    return assay_op_reshape(g, v, &shape);
}

/* (x - mean) gamma / sqrt(var + eps) + beta. */
static assay_value append_running_norm(assay_graph *g, const assay_value *in,
                                       double eps)
{
    assay_value rstd = assay_op_unary(g, ASSAY_UNARY_RSQRT,
                                      assay_op_affine(g, in[4], 1, eps), 0, 0);
    assay_value factor = assay_op_mul(g, in[1], rstd);
    assay_value y = assay_op_binary(g, ASSAY_BINARY_SUB, in[0],
                                    along_channels(g, in[3], in[0]));

    y = assay_op_binary(g, ASSAY_BINARY_MUL, y, along_channels(g, factor, y));
    return assay_op_binary(g, ASSAY_BINARY_ADD, y, along_channels(g, in[2], y));
}

/* What stands for a node in evaluation, or ASSAY_NO_VALUE: itself. */
static assay_value append_evaluated(assay_graph *g,
                                    const struct assay__node *node,
                                    const assay_value *in)
{
    if (strcmp(node->op->name, "batchnorm") == 0)
        return append_running_norm(g, in, node->attrs.eps);
    return strcmp(node->op->name, "dropout") == 0 ? in[0] : ASSAY_NO_VALUE;
}

/* How a graph is appended. */
struct how {
    const char *prefix;
    bool evaluating;
    bool folding; /* norms into the convolutions before them */
    const struct assay_splice *splice; /* NULL: none */
};

static void append_node(assay_graph *g, const assay_graph *other, int index,
                        const struct how *how, assay_value *map)
{
    const struct assay__node *node = &other->node[index];
    const struct assay__node *conv;
    assay_value in[ASSAY__OP_INPUTS_MAX];
    assay_value out;

    for (int k = 0; k < node->n_in; k++)
        in[k] =
            node->in[k] == ASSAY_NO_VALUE ? ASSAY_NO_VALUE : map[node->in[k]];
    conv = how->folding ? assay__graph_folds(other, node) : NULL;
    if (conv)
        out = assay__graph_fold(g, other, conv, node, map);
    else
        out = how->evaluating ? append_evaluated(g, node, in) : ASSAY_NO_VALUE;
    if (out != ASSAY_NO_VALUE) {
        map[node->out] = out;
        return;
    }
    out = assay_graph_node(g, node->op->name, in, node->n_in, &node->attrs);
    for (int k = 0; k < node->op->n_out && out != ASSAY_NO_VALUE; k++)
        map[node->out + k] = out + k;
}

/* What readers of splice->at read from here on, if that is one of the n
 * values from `first`. */
static void put_splice(assay_graph *g, const assay_graph *other,
                       const struct assay_splice *splice, assay_value first,
                       int n, assay_value *map)
{
    assay_value at;

    if (!splice)
        return;
    at = splice->at;
    if (at < first || at >= first + n || map[at] == ASSAY_NO_VALUE)
        return;
    map[at] = splice->replace(splice->user, g, map[at]);
    if (map[at] != ASSAY_NO_VALUE &&
        !assay_shape_equal(assay_graph_shape(g, map[at]),
                           assay_graph_shape(other, at)))
        (void)assay_graph_fail(g, ASSAY_SHAPE,
                               "a value is replaced by one of another shape");
}

static int append(assay_graph *g, const assay_graph *other,
                  const struct how *how, const assay_value *inputs,
                  assay_value *wanted, int n_wanted, struct assay_error *err)
{
    assay_value *map;
    int code = assay_graph_check(other, err);

    if (code == ASSAY_OK)
        code = assay_graph_check(g, err);
    if (code != ASSAY_OK)
        return code;
    map = assay__calloc((size_t)other->n_values, sizeof(*map));
    if (!map)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a copy of a graph");
    for (int i = 0; i < other->n_values; i++)
        map[i] = ASSAY_NO_VALUE;
    for (int i = 0; i < other->n_inputs; i++) {
        map[other->input[i]] = inputs[i];
        put_splice(g, other, how->splice, other->input[i], 1, map);
    }
    for (int i = 0; i < other->n_params; i++)
        map[other->param[i]] =
            append_param(g, &other->value[other->param[i]], how->prefix);
    for (int i = 0; i < other->n_nodes; i++) {
        append_node(g, other, i, how, map);
        put_splice(g, other, how->splice, other->node[i].out,
                   other->node[i].op->n_out, map);
    }
    for (int i = 0; i < n_wanted; i++)
        wanted[i] = wanted[i] >= 0 && wanted[i] < other->n_values
                        ? map[wanted[i]]
                        : ASSAY_NO_VALUE;
    assay__free(map);
    return assay_graph_check(g, err);
}

int assay_graph_append(assay_graph *g, const assay_graph *other,
                       const char *prefix, const assay_value *inputs,
                       assay_value *wanted, int n_wanted,
                       struct assay_error *err)
{
    struct how how = {.prefix = prefix};

    return append(g, other, &how, inputs, wanted, n_wanted, err);
}

int assay_graph_append_evaluating(assay_graph *g, const assay_graph *other,
                                  const char *prefix, const assay_value *inputs,
                                  assay_value *wanted, int n_wanted,
                                  struct assay_error *err)
{
    struct how how = {.prefix = prefix, .evaluating = true};

    return append(g, other, &how, inputs, wanted, n_wanted, err);
}

int assay_graph_append_folded(assay_graph *g, const assay_graph *other,
                              const assay_value *inputs, assay_value *wanted,
                              int n_wanted, struct assay_error *err)
{
    struct how how = {.prefix = "", .evaluating = true, .folding = true};

    return append(g, other, &how, inputs, wanted, n_wanted, err);
}

int assay_graph_append_spliced(assay_graph *g, const assay_graph *other,
                               const assay_value *inputs,
                               const struct assay_splice *splice,
                               assay_value *wanted, int n_wanted,
                               struct assay_error *err)
{
    struct how how = {.prefix = "", .splice = splice};

    return append(g, other, &how, inputs, wanted, n_wanted, err);
}

static struct assay_shape of_one_record(const assay_graph *g, assay_value v)
{
    struct assay_shape shape = *assay_graph_shape(g, v);

    if (shape.rank > 0 && shape.dim[0] == ASSAY_BATCH)
        shape.dim[0] = 1;
    return shape;
}

static double node_flops(const assay_graph *g, const struct assay__node *node)
{
    struct assay_shape in[ASSAY__OP_INPUTS_MAX];
    struct assay_shape out[ASSAY__OP_OUTPUTS_MAX];

    if (!node->op->flops)
        return 0.0;
    for (int i = 0; i < node->n_in; i++)
        in[i] = of_one_record(g, node->in[i]);
    for (int i = 0; i < node->op->n_out; i++)
        out[i] = of_one_record(g, node->out + i);
    return node->op->flops(&node->attrs, in, out);
}

double assay_graph_flops(const assay_graph *g, assay_value until)
{
    double sum = 0.0;
    bool *needed;

    if (until < 0 || until >= g->n_values)
        return 0.0;
    needed = assay__calloc((size_t)g->n_values, sizeof(*needed));
    if (!needed)
        return 0.0;
    needed[until] = true;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const struct assay__node *node = &g->node[i];
        bool live = false;

        for (int k = 0; k < node->op->n_out; k++)
            live = live || needed[node->out + k];
        if (!live)
            continue;
        sum += node_flops(g, node);
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] != ASSAY_NO_VALUE)
                needed[node->in[k]] = true;
        }
    }
    assay__free(needed);
    return sum;
}

static uint64_t hash_int(uint64_t h, int64_t x)
{
    return assay_rng_hash(h, (uint64_t)x, 1);
}

static uint64_t hash_real(uint64_t h, double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return assay_rng_hash(h, bits, 2);
}

static uint64_t hash_text(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = hash_int(h, *text);
    return h;
}

static uint64_t hash_shape(uint64_t h, const struct assay_shape *shape)
{
    h = hash_int(h, shape->rank);
    for (int i = 0; i < shape->rank; i++)
        h = hash_int(h, shape->dim[i]);
    return h;
}

/* Field by field: the struct has padding. */
static uint64_t hash_attrs(uint64_t h, const struct assay_attrs *a)
{
    for (int i = 0; i < 2; i++) {
        h = hash_int(h, a->kernel[i]);
        h = hash_int(h, a->stride[i]);
        h = hash_int(h, a->dilation[i]);
        h = hash_int(h, a->output_pad[i]);
    }
    for (int i = 0; i < 4; i++)
        h = hash_int(h, a->pad[i]);
    h = hash_int(h, a->groups);
    h = hash_int(h, a->axis);
    h = hash_int(h, a->count_include_pad);
    h = hash_int(h, a->ceil_mode);
    h = hash_int(h, a->index);
    h = hash_real(h, a->alpha);
    h = hash_real(h, a->eps);
    h = hash_real(h, a->momentum);
    h = hash_real(h, a->p);
    h = hash_shape(h, &a->shape);
    /* Ops without such lists keep the hash that they had before there were
     * any. */
    for (int i = 0; i < ASSAY_RANK_MAX; i++) {
        if (a->axes[i] == 0 && a->begin[i] == 0 && a->step[i] == 0)
            continue;
        h = hash_int(h, i);
        h = hash_int(h, a->axes[i]);
        h = hash_int(h, a->begin[i]);
        h = hash_int(h, a->step[i]);
    }
    return h;
}

uint64_t assay__graph_hash(const assay_graph *g)
{
    uint64_t h = hash_int(0, g->n_values);

    for (int i = 0; i < g->n_values; i++) {
        h = hash_int(h, g->value[i].kind);
        h = hash_int(h, g->value[i].flags);
        h = hash_shape(h, &g->value[i].shape);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct assay__node *node = &g->node[i];

        h = hash_text(h, node->op->name);
        h = hash_attrs(h, &node->attrs);
        for (int k = 0; k < node->n_in; k++)
            h = hash_int(h, node->in[k]);
    }
    return h;
}
