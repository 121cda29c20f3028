/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch norms made a part of the convolutions before them, for networks that
 * stay as they are: which can be, the convolution that stands for both, and
 * its parameters NAME.folded from both's. A norm is left as it is where its
 * parameters or the convolution's serve others, too.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/params.h"
#include "core/mem.h"
#include "engine/graph.h"

/* The convolution whose result the norm reads, where all they read beside are
 * parameters, or NULL. */
static const struct assay__node *conv_before(const assay_graph *other,
                                             const struct assay__node *norm)
{
    int at = norm->n_in > 4 ? other->value[norm->in[0]].node : -1;
    const struct assay__node *conv = at < 0 ? NULL : &other->node[at];

    if (!conv || strcmp(norm->op->name, "batchnorm") != 0 ||
        strcmp(conv->op->name, "conv") != 0)
        return NULL;
    for (int k = 1; k < conv->n_in; k++)
        if (conv->in[k] != ASSAY_NO_VALUE &&
            other->value[conv->in[k]].kind != ASSAY__PARAM)
            return NULL;
    for (int k = 1; k < norm->n_in; k++)
        if (other->value[norm->in[k]].kind != ASSAY__PARAM)
            return NULL;
    return conv;
}

/* Whether another norm or convolution uses one of the two's parameters. */
static bool shared(const assay_graph *other, const struct assay__node *conv,
                   const struct assay__node *norm)
{
    int users[2] = {0, 0};

    for (int i = 0; i < other->n_nodes; i++) {
        for (int k = 0; k < other->node[i].n_in; k++) {
            users[0] += other->node[i].in[k] == conv->in[1];
            users[1] += other->node[i].in[k] == norm->in[2];
        }
    }
    return users[0] != 1 || users[1] != 1;
}

const struct assay__node *assay__graph_folds(const assay_graph *other,
                                             const struct assay__node *norm)
{
    const struct assay__node *conv = conv_before(other, norm);

    return conv && !shared(other, conv, norm) ? conv : NULL;
}

/* A parameter NAME.folded, of which the shape is that of `like`. */
static assay_value folded_param(assay_graph *g, const char *name,
                                const struct assay_shape *like)
{
    struct assay_init zero = {ASSAY_INIT_ZERO, 0, 0};
    char *full = assay__format("%s.folded", name);
    assay_value v;

    if (!full)
        return assay_graph_fail(g, ASSAY_NOMEM,
                                "out of memory for a parameter's name");
    v = assay_graph_param(g, full, like, zero, 0);
    assay__free(full);
    return v;
}

/* A convolution and the norm behind it as one convolution, whose weight and
 * bias assay_params_fold() makes. */
assay_value assay__graph_fold(assay_graph *g, const assay_graph *other,
                              const struct assay__node *conv,
                              const struct assay__node *norm,
                              const assay_value *map)
{
    const struct assay__value *w = &other->value[conv->in[1]];
    const struct assay__value *beta = &other->value[norm->in[2]];
    assay_value weight = folded_param(g, w->name, &w->shape);
    assay_value bias = folded_param(g, beta->name, &beta->shape);

    return assay_op_conv(g, map[conv->in[0]], weight, bias, &conv->attrs);
}

/* The slot of a value's name, or of NAME.folded; NULL when there is none. */
static const struct assay_param_slot *slot_of(const struct assay_params *p,
                                              const assay_graph *g,
                                              assay_value v, bool folded)
{
    const char *name = v == ASSAY_NO_VALUE ? NULL : g->value[v].name;
    char *full = name ? assay__format(folded ? "%s.folded" : "%s", name) : NULL;
    const struct assay_param_slot *slot =
        full ? assay_params_find(p, full) : NULL;

    assay__free(full);
    return slot;
}

/* w gamma / sqrt(var + eps), beta + (b - mean) gamma / sqrt(var + eps). */
static void fold(struct assay_params *to, const struct assay_params *from,
                 const struct assay_param_slot *const to_slot[2],
                 const struct assay_param_slot *const slot[6], double eps)
{
    const float *at[6] = {0};
    float *weight = to->data + to_slot[0]->offset;
    size_t each = to_slot[0]->count / to_slot[1]->count;

    for (int i = 0; i < 6; i++)
        at[i] = slot[i] ? from->data + slot[i]->offset : NULL;
    for (size_t o = 0; o < to_slot[1]->count; o++) {
        double factor = (double)at[2][o] / sqrt((double)at[5][o] + eps);
        double bias = at[1] ? (double)at[1][o] : 0;

        for (size_t k = o * each; k < (o + 1) * each; k++)
            weight[k] = (float)((double)at[0][k] * factor);
        to->data[to_slot[1]->offset + o] =
            (float)((double)at[3][o] + (bias - (double)at[4][o]) * factor);
    }
}

static int fold_norm(struct assay_params *to, const assay_graph *g,
                     const struct assay__node *norm,
                     const struct assay_params *from, struct assay_error *err)
{
    const struct assay__node *conv = assay__graph_folds(g, norm);
    const struct assay_param_slot *to_slot[2];
    const struct assay_param_slot *slot[6] = {0};
    bool has_bias;

    if (!conv)
        return ASSAY_OK;
    has_bias = conv->n_in > 2 && conv->in[2] != ASSAY_NO_VALUE;
    to_slot[0] = slot_of(to, g, conv->in[1], true);
    to_slot[1] = slot_of(to, g, norm->in[2], true);
    slot[0] = slot_of(from, g, conv->in[1], false);
    slot[1] = has_bias ? slot_of(from, g, conv->in[2], false) : NULL;
    for (int i = 0; i < 4; i++)
        slot[2 + i] = slot_of(from, g, norm->in[1 + i], false);
    for (int i = 0; i < 6; i++)
        if (!slot[i] && (i != 1 || has_bias))
            return assay_error_set(err, ASSAY_NOMEM,
                                   "out of memory for folded parameters");
    if (!to_slot[0] || !to_slot[1])
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for folded parameters");
    fold(to, from, to_slot, slot, norm->attrs.eps);
    return ASSAY_OK;
}

int assay_params_fold(struct assay_params *to, const assay_graph *folded,
                      const assay_graph *g, const struct assay_params *from,
                      struct assay_error *err)
{
    int rc = assay_params_make(to, folded, err);

    for (int i = 0; i < to->n_slots && !rc; i++) {
        const struct assay_param_slot *slot =
            assay_params_find(from, to->slot[i].name);

        if (slot && slot->count == to->slot[i].count)
            memcpy(to->data + to->slot[i].offset, from->data + slot->offset,
                   slot->count * sizeof(float));
    }
    for (int i = 0; i < g->n_nodes && !rc; i++)
        rc = fold_norm(to, g, &g->node[i], from, err);
    return rc;
}
