/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear layers, by oneDNN's inner product. A flattened image is taken
 * unflattened: the weights are then seen as [O, C, H, W], and the blocked
 * layout of the image need not be undone.
 */

#include <stdio.h>
#include <string.h>

#include "engine/onednn/conv.h"

struct problem {
    dnnl_dims_t x, w, y, bias;
    int rank; /* of x and w */
    bool has_bias;
    const_dnnl_memory_desc_t store;
};

/* The image that `x` is the flattened form of, or x itself. */
static assay_value unflattened(const struct assay__dnn *d, assay_value x)
{
    const assay_graph *g = d->plan->graph;
    int maker = g->value[x].node;
    assay_value image;

    if (maker < 0 || g->node[maker].op != &assay__op_reshape)
        return x;
    image = g->node[maker].in[0];
    return g->value[image].shape.rank == 4 ? image : x;
}

static void make_problem(struct assay__dnn *d, assay_value x, assay_value y,
                         bool has_bias, struct problem *p)
{
    memset(p, 0, sizeof *p);
    p->rank = assay__dnn_dims(d, unflattened(d, x), p->x);
    (void)assay__dnn_dims(d, y, p->y);
    memcpy(p->w, p->x, sizeof p->w);
    p->w[0] = p->bias[0] = p->y[1];
    p->has_bias = has_bias;
}

/* The gradient of a flattened image becomes an image right away. */
static assay_value image_of_gradient(const struct assay__dnn *d, assay_value dx)
{
    const assay_graph *g = d->plan->graph;
    int reader = d->reader[dx];

    if (reader < 0 || g->node[reader].op != &assay__op_reshape ||
        g->value[g->node[reader].out].shape.rank != 4)
        return dx;
    return g->node[reader].out;
}

static const_dnnl_memory_desc_t any(struct assay__dnn *d, int rank,
                                    const dnnl_dims_t dims)
{
    return assay__dnn_md(d, rank, dims, dnnl_format_tag_any);
}

/* Flattened images keep their channels in blocks. */
static const_dnnl_memory_desc_t data(struct assay__dnn *d, int rank,
                                     const dnnl_dims_t dims)
{
    if (rank != 4)
        return any(d, rank, dims);
    return assay__dnn_md(d, 4, dims,
                         d->lanes == 8 ? dnnl_nChw8c : dnnl_nChw16c);
}

static dnnl_primitive_desc_t create_forward(struct assay__dnn *d,
                                            const struct problem *p,
                                            const_dnnl_memory_desc_t x,
                                            const_dnnl_memory_desc_t w,
                                            dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t s = dnnl_inner_product_forward_primitive_desc_create(
        &pd, d->engine,
        d->plan->options.mode == ASSAY_MODE_TRAIN ? dnnl_forward_training
                                                  : dnnl_forward_inference,
        x, w, p->has_bias ? assay__dnn_plain(d, 1, p->bias) : NULL,
        any(d, 2, p->y), attr);

    return s == dnnl_success ? pd : NULL;
}

static dnnl_primitive_desc_t forward_pd(struct assay__dnn *d,
                                        const struct problem *p)
{
    dnnl_primitive_attr_t attr = assay__dnn_attributes(d);
    const_dnnl_memory_desc_t w = any(d, p->rank, p->w);
    dnnl_primitive_desc_t pd = NULL;

    if (d->code == ASSAY_OK)
        pd = create_forward(d, p, data(d, p->rank, p->x), w, attr);
    if (pd == NULL && d->code == ASSAY_OK)
        pd = create_forward(d, p, any(d, p->rank, p->x), w, attr);
    if (pd == NULL)
        assay__dnn_fail(d, ASSAY_UNSUPPORTED, "oneDNN has no linear layer");
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return pd;
}

const_dnnl_memory_desc_t assay__dnn_linear_layout(struct assay__dnn *d,
                                                  int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct problem p;
    dnnl_primitive_desc_t pd;
    const_dnnl_memory_desc_t md;

    make_problem(d, node->in[0], node->out, false, &p);
    pd = forward_pd(d, &p);
    if (pd == NULL)
        return NULL;
    md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(pd);
    return md;
}

void assay__lower_linear(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    assay_value b = node->n_in > 2 ? node->in[2] : ASSAY_NO_VALUE;
    struct problem p;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[4];
    int n = 3;

    make_problem(d, node->in[0], node->out, b != ASSAY_NO_VALUE, &p);
    pd = forward_pd(d, &p);
    if (pd == NULL)
        return;
    arg[0].arg = DNNL_ARG_SRC;
    arg[0].md = assay__dnn_pd_md(d, pd, dnnl_query_src_md, 0);
    arg[0].buffer = assay__dnn_want(d, node->in[0], arg[0].md);
    arg[1].arg = DNNL_ARG_WEIGHTS;
    arg[1].md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 0);
    arg[1].buffer = assay__dnn_want(d, node->in[1], arg[1].md);
    arg[2].arg = DNNL_ARG_DST;
    arg[2].md = assay__dnn_pd_md(d, pd, dnnl_query_dst_md, 0);
    arg[2].buffer = assay__dnn_result(d, node->out, arg[2].md);
    if (b != ASSAY_NO_VALUE) {
        arg[n].arg = DNNL_ARG_BIAS;
        arg[n].md = assay__dnn_plain(d, 1, p.bias);
        arg[n].buffer = assay__dnn_want(d, b, arg[n].md);
        n++;
    }
    assay__dnn_primitive(d, index, pd, arg, n);
}

void assay__lower_linear_bwd_data(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct problem p;
    dnnl_primitive_desc_t hint;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = assay__dnn_attributes(d);
    assay_value image = image_of_gradient(d, node->out);
    struct assay__arg arg[3];
    dnnl_status_t s;

    memset(&p, 0, sizeof p);
    p.rank = assay__dnn_dims(d, image, p.x);
    (void)assay__dnn_dims(d, node->in[0], p.y);
    memcpy(p.w, p.x, sizeof p.w);
    p.w[0] = p.y[1];
    hint = forward_pd(d, &p);
    if (hint == NULL)
        goto out;
    s = dnnl_inner_product_backward_data_primitive_desc_create(
        &pd, d->engine, data(d, p.rank, p.x), any(d, p.rank, p.w),
        any(d, 2, p.y), hint, attr);
    if (s != dnnl_success)
        s = dnnl_inner_product_backward_data_primitive_desc_create(
            &pd, d->engine, any(d, p.rank, p.x), any(d, p.rank, p.w),
            any(d, 2, p.y), hint, attr);
    if (!assay__dnn_ok(d, s, "go back through a linear layer"))
        goto out;
    arg[0].arg = DNNL_ARG_DIFF_DST;
    arg[0].md = assay__dnn_pd_md(d, pd, dnnl_query_diff_dst_md, 0);
    arg[0].buffer = assay__dnn_want(d, node->in[0], arg[0].md);
    arg[1].arg = DNNL_ARG_WEIGHTS;
    arg[1].md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 0);
    arg[1].buffer = assay__dnn_want(d, node->in[1], arg[1].md);
    arg[2].arg = DNNL_ARG_DIFF_SRC;
    arg[2].md = assay__dnn_pd_md(d, pd, dnnl_query_diff_src_md, 0);
    arg[2].buffer = assay__dnn_result(d, node->out, arg[2].md);
    assay__dnn_primitive(d, index, pd, arg, 3);
out:
    if (hint != NULL)
        dnnl_primitive_desc_destroy(hint);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
}

void assay__lower_linear_bwd_weights(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    bool has_bias = d->plan->uses[node->out + 1] > 0;
    struct problem p;
    dnnl_primitive_desc_t hint;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = assay__dnn_attributes(d);
    const_dnnl_memory_desc_t dw;
    struct assay__arg arg[4];
    dnnl_status_t s;
    int n = 3;

    make_problem(d, node->in[0], node->in[1], has_bias, &p);
    hint = forward_pd(d, &p);
    if (hint == NULL)
        goto out;
    dw = assay__dnn_gradient_md(d, node->out);
    if (dw == NULL)
        dw = any(d, p.rank, p.w);
    s = dnnl_inner_product_backward_weights_primitive_desc_create(
        &pd, d->engine, data(d, p.rank, p.x), dw,
        has_bias ? assay__dnn_plain(d, 1, p.bias) : NULL, any(d, 2, p.y), hint,
        attr);
    if (s != dnnl_success)
        s = dnnl_inner_product_backward_weights_primitive_desc_create(
            &pd, d->engine, any(d, p.rank, p.x), any(d, p.rank, p.w),
            has_bias ? assay__dnn_plain(d, 1, p.bias) : NULL, any(d, 2, p.y),
            hint, attr);
    if (!assay__dnn_ok(d, s, "find a linear layer's gradient"))
        goto out;
    arg[0].arg = DNNL_ARG_SRC;
    arg[0].md = assay__dnn_pd_md(d, pd, dnnl_query_src_md, 0);
    arg[0].buffer = assay__dnn_want(d, node->in[0], arg[0].md);
    arg[1].arg = DNNL_ARG_DIFF_DST;
    arg[1].md = assay__dnn_pd_md(d, pd, dnnl_query_diff_dst_md, 0);
    arg[1].buffer = assay__dnn_want(d, node->in[1], arg[1].md);
    arg[2].arg = DNNL_ARG_DIFF_WEIGHTS;
    arg[2].md = assay__dnn_pd_md(d, pd, dnnl_query_diff_weights_md, 0);
    arg[2].buffer = assay__dnn_result(d, node->out, arg[2].md);
    if (has_bias) {
        arg[n].arg = DNNL_ARG_DIFF_BIAS;
        arg[n].md = assay__dnn_plain(d, 1, p.bias);
        arg[n].buffer = assay__dnn_result(d, node->out + 1, arg[n].md);
        n++;
    }
    assay__dnn_primitive(d, index, pd, arg, n);
out:
    if (hint != NULL)
        dnnl_primitive_desc_destroy(hint);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
}
