/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions as steps (conv_ways.c chooses how). In evaluation the batch
 * normalisation, sum and relu that follow become part of the primitive.
 */

#include "engine/onednn/conv.h"

#include "engine/onednn/across.h"
#include "engine/onednn/depthwise.h"
#include "engine/onednn/ports.h"
#include "engine/onednn/taps.h"

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

/* A 1x1 kernel on a 1x1 map: the library is much faster at linear layers. */
static bool is_linear(const struct assay__conv_problem *p)
{
    return p->w_rank == 4 && p->w[2] == 1 && p->w[3] == 1 && p->x[2] == 1 &&
           p->x[3] == 1 && p->y[2] == 1 && p->y[3] == 1;
}

/* Our kernels for small maps. */
static void append_taps(struct assay__dnn *d, int index,
                        const struct assay__conv_problem *p,
                        enum assay__direction direction,
                        const struct assay__ports *v)
{
    size_t bytes[ASSAY__TASK_ARGS];
    struct assay__task t = assay__taps_task(d, index, p, direction, bytes);
    const_dnnl_memory_desc_t x = assay__conv_blocked(d, p->x);
    const_dnnl_memory_desc_t y = assay__conv_blocked(d, p->y);
    const_dnnl_memory_desc_t w = assay__taps_weights(d, p);

    if (d->code != ASSAY_OK)
        return;
    if (direction == ASSAY__FORWARD) {
        t.buffer[ASSAY__TAPS_SRC] = assay__dnn_want(d, v->x, x);
        t.buffer[ASSAY__TAPS_WEI] = assay__weights_as(d, w, v->w, v->folded);
        t.buffer[ASSAY__TAPS_BIAS] =
            v->folded != NULL ? v->folded->bias : assay__plain(d, v->b);
        t.buffer[ASSAY__TAPS_DST] = assay__place_output(d, v->y, y, v->over);
    } else if (direction == ASSAY__BACKWARD_DATA) {
        t.buffer[ASSAY__TAPS_SRC] = assay__dnn_want(d, v->y, y);
        t.buffer[ASSAY__TAPS_WEI] = assay__dnn_want(d, v->w, w);
        t.buffer[ASSAY__TAPS_DST] = assay__dnn_result(d, v->x, x);
    } else {
        t.buffer[ASSAY__TAPS_SRC] = assay__dnn_want(d, v->x, x);
        t.buffer[ASSAY__TAPS_WEI] = assay__dnn_want(d, v->y, y);
        t.buffer[ASSAY__TAPS_DST] = assay__dnn_result(d, v->w, w);
        if (v->b != ASSAY_NO_VALUE)
            t.buffer[ASSAY__TAPS_BIAS] =
                assay__dnn_result(d, v->b, assay__dnn_plain_of(d, v->b));
    }
    t.buffer[ASSAY__TAPS_ROOM] = assay__dnn_buffer(d, bytes[ASSAY__TAPS_ROOM]);
    assay__dnn_append(d, &t);
}

/* Our kernel for few channels. */
static void append_across(struct assay__dnn *d, int index,
                          const struct assay__conv_problem *p,
                          const struct assay__ports *v)
{
    size_t bytes[ASSAY__TASK_ARGS];
    struct assay__task t = assay__across_task(d, index, p, bytes);

    if (d->code != ASSAY_OK)
        return;
    t.buffer[ASSAY__TAPS_SRC] =
        assay__dnn_want(d, v->x, assay__dnn_plain(d, 4, p->x));
    t.buffer[ASSAY__TAPS_WEI] =
        assay__weights_as(d, assay__across_weights(d, p), v->w, v->folded);
    if (p->has_bias)
        t.buffer[ASSAY__TAPS_BIAS] =
            v->folded != NULL ? v->folded->bias : assay__plain(d, v->b);
    t.buffer[ASSAY__TAPS_DST] =
        assay__place_output(d, v->y, assay__dnn_plain(d, 4, p->y), v->over);
    t.buffer[ASSAY__TAPS_ROOM] = assay__dnn_buffer(d, bytes[ASSAY__TAPS_ROOM]);
    assay__dnn_append(d, &t);
}

static void forward(struct assay__dnn *d, int index,
                    const struct assay__conv_problem *p,
                    const struct assay__ports *v)
{
    struct assay__conv_way way;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[4];
    int n = 0;

    if (is_linear(p)) {
        assay__linear_forward(d, index, v, p->sum, p->relu);
        return;
    }
    way = assay__conv_best(d, p, ASSAY__FORWARD);
    pd = way.pd;
    if (way.taps)
        append_taps(d, index, p, ASSAY__FORWARD, v);
    if (way.across)
        append_across(d, index, p, v);
    if (pd == NULL)
        return;
    arg[n++] = assay__dnn_reads(d, pd, DNNL_ARG_SRC, dnnl_query_src_md, v->x);
    arg[n].arg = DNNL_ARG_WEIGHTS;
    arg[n].md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 0);
    arg[n].buffer = assay__weights_as(d, arg[n].md, v->w, v->folded);
    n++;
    if (p->has_bias) {
        arg[n].arg = DNNL_ARG_BIAS;
        arg[n].md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 1);
        arg[n].buffer =
            v->folded != NULL ? v->folded->bias : assay__plain(d, v->b);
        n++;
    }
    arg[n].arg = DNNL_ARG_DST;
    arg[n].md = assay__dnn_pd_md(d, pd, dnnl_query_dst_md, 0);
    arg[n].buffer = assay__place_output(d, v->y, arg[n].md, v->over);
    n++;
    assay__dnn_primitive(d, index, pd, arg, n);
}

void assay__conv_forward(struct assay__dnn *d, int index,
                         const struct assay__conv_problem *p, assay_value x,
                         assay_value w, assay_value y)
{
    struct assay__ports v = {x, w, ASSAY_NO_VALUE, y, NULL, ASSAY_NO_VALUE};

    forward(d, index, p, &v);
}

void assay__conv_backward_data(struct assay__dnn *d, int index,
                               struct assay__conv_problem *p, assay_value y,
                               assay_value w, assay_value x)
{
    struct assay__ports v = {x, w, ASSAY_NO_VALUE, y, NULL, ASSAY_NO_VALUE};
    struct assay__conv_way way;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[3];

    if (is_linear(p)) {
        assay__linear_backward_data(d, index, y, w, x);
        return;
    }
    p->store = slot_md_of(d, w);
    way = assay__conv_best(d, p, ASSAY__BACKWARD_DATA);
    pd = way.pd;
    if (way.taps)
        append_taps(d, index, p, ASSAY__BACKWARD_DATA, &v);
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
    struct assay__ports v = {x, dw, db, y, NULL, ASSAY_NO_VALUE};
    struct assay__conv_way way;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[4];
    int n = 0;

    if (is_linear(p)) {
        assay__linear_backward_weights(d, index, x, y, dw, db);
        return;
    }
    p->store = assay__dnn_gradient_md(d, dw);
    way = assay__conv_best(d, p, ASSAY__BACKWARD_WEIGHTS);
    pd = way.pd;
    if (way.taps)
        append_taps(d, index, p, ASSAY__BACKWARD_WEIGHTS, &v);
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
    struct assay__conv_way way;
    const_dnnl_memory_desc_t md;
    struct assay__md_facts f;
    enum assay__direction direction;
    bool transposed = node->op == &assay__op_deconv;
    assay_value x = transposed ? node->out : node->in[0];
    assay_value y = transposed ? node->in[0] : node->out;

    assay__conv_problem(
        d, index, x, node->in[1], y,
        !transposed && node->n_in > 2 && node->in[2] != ASSAY_NO_VALUE, &p);
    if (is_linear(&p))
        return assay__linear_layout(d, x, y);
    direction = transposed ? ASSAY__BACKWARD_DATA : ASSAY__FORWARD;
    way = assay__conv_best(d, &p, direction);
    if (way.taps)
        return assay__taps_weights(d, &p);
    if (way.across)
        return assay__across_weights(d, &p);
    if (way.pd == NULL)
        return NULL;
    md = assay__dnn_pd_md(d, way.pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(way.pd);
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

static struct tail find_tail(const struct assay__dnn *d, assay_value y,
                             bool may_add)
{
    struct tail t = {-1, -1, -1, ASSAY_NO_VALUE, y};
    const struct assay_graph *g = d->plan->graph;
    bool eval = d->plan->options.mode == ASSAY_MODE_EVAL;

    if (eval && assay__dnn_op(d, d->reader[t.y]) == &assay__op_batchnorm) {
        t.norm = d->reader[t.y];
        t.y = g->node[t.norm].out;
    }
    if (eval && may_add && assay__dnn_op(d, d->reader[t.y]) == &assay__op_add) {
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

/* The convolution with what is done along with it. */
static void make_problem(struct assay__dnn *d, int index, const struct tail *t,
                         struct assay__conv_problem *p)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    bool has_bias = node->n_in > 2 && node->in[2] != ASSAY_NO_VALUE;

    assay__conv_problem(d, index, node->in[0], node->in[1], node->out,
                        has_bias || t->norm >= 0, p);
    p->sum = t->add >= 0;
    p->relu = t->relu >= 0;
    if (p->kind == dnnl_forward_inference)
        p->x_now = assay__dnn_form(d, node->in[0]).md;
    if (t->add >= 0)
        p->y_fixed = assay__dnn_form(d, t->skip).md;
}

void assay__lower_conv(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    assay_value b = node->n_in > 2 ? node->in[2] : ASSAY_NO_VALUE;
    struct tail t = find_tail(d, node->out, true);
    struct assay__ports v = {.x = node->in[0], .w = node->in[1], .b = b};
    struct assay__conv_problem p;
    struct assay__folded folded;

    make_problem(d, index, &t, &p);
    /* Not every layout that an addend has can be added to: 3x3 to what a 1x1
     * made of a 1x1 map, for one. */
    if (t.add >= 0 && !assay__conv_possible(d, &p)) {
        t = find_tail(d, node->out, false);
        make_problem(d, index, &t, &p);
    }
    v.y = t.y;
    v.over = t.skip;
    if (t.norm >= 0) {
        folded = assay__dnn_fold(d, t.norm, node->in[1], b, t.norm);
        v.folded = &folded;
    }
    forward(d, index, &p, &v);
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
