/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions as steps (conv_ways.c chooses how). In evaluation the batch
 * normalisation, sum and relu that follow become part of the primitive.
 */

#include "engine/onednn/conv.h"

#include "engine/onednn/depthwise.h"
#include "engine/onednn/fold.h"

/* The layout of a value's slot in the store, or NULL when it is no
 * parameter or there is no store yet. */
static const_dnnl_memory_desc_t slot_md_of(struct assay__dnn *d, assay_value v)
{
    const struct assay__value *value = &d->plan->graph->value[v];

    if (value->kind != ASSAY__PARAM || d->plan->store == NULL)
        return NULL;
    return assay__dnn_slot_md(d,
                              assay__store_find(d->plan->store, value->name));
}

/* The weights as pd wants them, from a value or from a fold. */
static struct assay__arg weights_arg(struct assay__dnn *d,
                                     const_dnnl_primitive_desc_t pd,
                                     assay_value w,
                                     const struct assay__folded *folded)
{
    struct assay__arg a = {DNNL_ARG_WEIGHTS, NULL, -1};

    if (folded == NULL)
        return assay__dnn_reads(d, pd, DNNL_ARG_WEIGHTS, dnnl_query_weights_md,
                                w);
    a.md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 0);
    a.buffer = folded->weights;
    if (a.md == NULL || assay__dnn_same_memory(a.md, folded->md))
        return a;
    a.buffer = assay__dnn_derived(d, dnnl_memory_desc_get_size(a.md));
    assay__dnn_reorder(d, folded->md, folded->weights, a.md, a.buffer);
    return a;
}

/* What a convolution reads and makes. */
struct operands {
    assay_value x;
    assay_value w;
    assay_value b;                      /* may be ASSAY_NO_VALUE */
    const struct assay__folded *folded; /* instead of w and b, or NULL */
    assay_value y;
    assay_value over; /* y is added to it in its place; or ASSAY_NO_VALUE */
};

static void forward(struct assay__dnn *d, int index, dnnl_primitive_desc_t pd,
                    const struct operands *o)
{
    struct assay__arg arg[4];
    int n = 0;

    if (pd == NULL)
        return;
    arg[n++] = assay__dnn_reads(d, pd, DNNL_ARG_SRC, dnnl_query_src_md, o->x);
    arg[n++] = weights_arg(d, pd, o->w, o->folded);
    if (o->folded != NULL) {
        arg[n].arg = DNNL_ARG_BIAS;
        arg[n].md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 1);
        arg[n++].buffer = o->folded->bias;
    } else if (o->b != ASSAY_NO_VALUE) {
        arg[n++] = assay__dnn_reads_plain(d, DNNL_ARG_BIAS, o->b);
    }
    arg[n] = assay__dnn_makes(d, pd, DNNL_ARG_DST, dnnl_query_dst_md, o->y);
    if (o->over != ASSAY_NO_VALUE && d->code == ASSAY_OK) {
        int from = assay__dnn_want(d, o->over, arg[n].md);

        assay__dnn_over(d, arg[n].buffer, o->over, from);
        if (d->code == ASSAY_OK && d->plan->buffer[arg[n].buffer].alias < 0)
            assay__dnn_reorder(d, arg[n].md, from, arg[n].md, arg[n].buffer);
    }
    n++;
    assay__dnn_primitive(d, index, pd, arg, n);
}

void assay__conv_backward_data(struct assay__dnn *d, int index,
                               struct assay__conv_problem *p, assay_value y,
                               assay_value w, assay_value x)
{
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[3];

    p->store = slot_md_of(d, w);
    pd = assay__conv_best(d, p, ASSAY__BACKWARD_DATA);
    if (pd == NULL)
        return;
    arg[0] =
        assay__dnn_reads(d, pd, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, y);
    arg[1] =
        assay__dnn_reads(d, pd, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, w);
    arg[2] =
        assay__dnn_makes(d, pd, DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, x);
    assay__dnn_primitive(d, index, pd, arg, 3);
}

void assay__conv_backward_weights(struct assay__dnn *d, int index,
                                  struct assay__conv_problem *p, assay_value x,
                                  assay_value y, assay_value dw, assay_value db)
{
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[4];
    int n = 0;

    p->store = assay__dnn_gradient_md(d, dw);
    pd = assay__conv_best(d, p, ASSAY__BACKWARD_WEIGHTS);
    if (pd == NULL)
        return;
    arg[n++] = assay__dnn_reads(d, pd, DNNL_ARG_SRC, dnnl_query_src_md, x);
    arg[n++] =
        assay__dnn_reads(d, pd, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, y);
    arg[n++] = assay__dnn_makes(d, pd, DNNL_ARG_DIFF_WEIGHTS,
                                dnnl_query_diff_weights_md, dw);
    if (db != ASSAY_NO_VALUE)
        arg[n++] = assay__dnn_makes_plain(d, DNNL_ARG_DIFF_BIAS, db);
    assay__dnn_primitive(d, index, pd, arg, n);
}

const_dnnl_memory_desc_t assay__dnn_conv_layout(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__conv_problem p;
    dnnl_primitive_desc_t pd;
    const_dnnl_memory_desc_t md;
    struct assay__md_facts f;
    bool transposed = node->op == &assay__op_deconv;
    assay_value x = transposed ? node->out : node->in[0];
    assay_value y = transposed ? node->in[0] : node->out;

    assay__conv_problem(
        d, index, x, node->in[1], y,
        !transposed && node->n_in > 2 && node->in[2] != ASSAY_NO_VALUE, &p);
    pd = assay__conv_best(d, &p,
                          transposed ? ASSAY__BACKWARD_DATA : ASSAY__FORWARD);
    if (pd == NULL)
        return NULL;
    md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(pd);
    if (md == NULL)
        return NULL;
    assay__md_query(md, &f);
    return f.n_inner >= 0 ? md : NULL;
}

/* What follows a convolution and is done with it; -1: absent. */
struct tail {
    int norm, add, relu;
    assay_value skip, y;
};

static const struct assay_op *op_of(const struct assay__dnn *d, int node)
{
    return node >= 0 ? d->plan->graph->node[node].op : NULL;
}

/* The other operand of an addition that alone reads `y`, when `y` can be
 * added to it in its place: it is there, and read no more. */
static assay_value skip_of(const struct assay__dnn *d, assay_value y, int add)
{
    const struct assay__node *node = &d->plan->graph->node[add];
    assay_value other = node->in[0] == y ? node->in[1] : node->in[0];
    struct assay__view view;

    if (d->left[other] != 1 || d->value[other].n == 0 ||
        d->pinned[d->value[other].item[0].buffer] ||
        !assay__dnn_view(d->value[other].item[0].md, &view))
        return ASSAY_NO_VALUE;
    return other;
}

static struct tail find_tail(const struct assay__dnn *d, assay_value y)
{
    struct tail t = {-1, -1, -1, ASSAY_NO_VALUE, y};
    const struct assay_graph *g = d->plan->graph;
    bool eval = d->plan->options.mode == ASSAY_MODE_EVAL;

    if (eval && op_of(d, d->reader[t.y]) == &assay__op_batchnorm) {
        t.norm = d->reader[t.y];
        t.y = g->node[t.norm].out;
    }
    if (eval && op_of(d, d->reader[t.y]) == &assay__op_add) {
        t.skip = skip_of(d, t.y, d->reader[t.y]);
        if (t.skip != ASSAY_NO_VALUE) {
            t.add = d->reader[t.y];
            t.y = g->node[t.add].out;
        }
    }
    t.relu = assay__dnn_relu_after(d, t.y);
    if (t.relu >= 0)
        t.y = g->node[t.relu].out;
    return t;
}

/* The primitive with its post-ops; NULL when it fails. */
static dnnl_primitive_desc_t pd_with_tail(struct assay__dnn *d,
                                          struct assay__conv_problem *p,
                                          const struct tail *t)
{
    dnnl_primitive_desc_t pd;

    p->attr = assay__dnn_attributes(d);
    assay__dnn_append_post_ops(d, p->attr, t->add >= 0, t->relu >= 0);
    pd = assay__conv_best(d, p, ASSAY__FORWARD);
    if (p->attr != NULL)
        dnnl_primitive_attr_destroy(p->attr);
    p->attr = NULL;
    return pd;
}

void assay__lower_conv(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    assay_value b = node->n_in > 2 ? node->in[2] : ASSAY_NO_VALUE;
    struct tail t = find_tail(d, node->out);
    struct assay__conv_problem p;
    struct assay__folded folded;
    struct operands o = {.x = node->in[0], .w = node->in[1], .b = b};
    dnnl_primitive_desc_t pd;

    assay__conv_problem(d, index, node->in[0], node->in[1], node->out,
                        b != ASSAY_NO_VALUE || t.norm >= 0, &p);
    p.x_now = assay__dnn_form(d, node->in[0]).md;
    if (t.add >= 0)
        p.y_fixed = assay__dnn_form(d, t.skip).md;
    pd = pd_with_tail(d, &p, &t);
    if (t.norm >= 0 && pd != NULL) {
        folded = assay__dnn_fold(d, t.norm, node->in[1], b, t.norm);
        o.folded = &folded;
    }
    o.y = t.y;
    o.over = t.skip;
    forward(d, index, pd, &o);
    if (t.norm >= 0)
        assay__dnn_done(d, t.norm);
    if (t.add >= 0)
        assay__dnn_done(d, t.add);
    if (t.relu >= 0)
        assay__dnn_done(d, t.relu);
}

void assay__lower_conv_bwd_data(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__conv_problem p;

    assay__conv_problem(d, index, node->out, node->in[1], node->in[0], false,
                        &p);
    assay__conv_backward_data(d, index, &p, node->in[0], node->in[1],
                              node->out);
}

void assay__lower_conv_bwd_weights(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    assay_value db =
        d->plan->uses[node->out + 1] > 0 ? node->out + 1 : ASSAY_NO_VALUE;
    struct assay__conv_problem p;

    assay__conv_problem(d, index, node->in[0], node->out, node->in[1],
                        db != ASSAY_NO_VALUE, &p);
    if (!assay__dnn_depthwise(d, index, &p, node->in[0], node->in[1], node->out,
                              db))
        assay__conv_backward_weights(d, index, &p, node->in[0], node->in[1],
                                     node->out, db);
}

void assay__conv_forward(struct assay__dnn *d, int index,
                         const struct assay__conv_problem *p, assay_value x,
                         assay_value w, assay_value y)
{
    const struct operands o = {
        .x = x, .w = w, .b = ASSAY_NO_VALUE, .y = y, .over = ASSAY_NO_VALUE};

    forward(d, index, assay__conv_best(d, p, ASSAY__FORWARD), &o);
}
