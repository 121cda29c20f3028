/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear layers, by oneDNN's inner product on rows [N, F]. Flattened images
 * are brought to plain order for it: the library's fast kernels take no
 * other, and with them one layout of the weights serves all directions.
 */

#include <string.h>

#include "engine/onednn/conv.h"

/* The descriptors to ask with. */
struct problem {
    const_dnnl_memory_desc_t x, w, y, bias;
};

/* From the values of data, weights and output (or their gradients). */
static void make_problem(struct assay__dnn *d, assay_value x, assay_value y,
                         bool has_bias, struct problem *p)
{
    dnnl_dims_t x_dims;
    dnnl_dims_t y_dims;
    dnnl_dims_t w_dims;

    (void)assay__dnn_dims(d, x, x_dims);
    (void)assay__dnn_dims(d, y, y_dims);
    w_dims[0] = y_dims[1];
    w_dims[1] = x_dims[1];
    p->x = assay__dnn_md(d, 2, x_dims, dnnl_format_tag_any);
    p->y = assay__dnn_md(d, 2, y_dims, dnnl_format_tag_any);
    p->w = assay__dnn_md(d, 2, w_dims, dnnl_format_tag_any);
    p->bias = has_bias ? assay__dnn_plain(d, 1, w_dims) : NULL;
}

static dnnl_primitive_desc_t forward_pd(struct assay__dnn *d,
                                        const struct problem *p, bool relu)
{
    dnnl_primitive_attr_t attr = assay__dnn_attributes(d);
    dnnl_primitive_desc_t pd = NULL;

    assay__dnn_append_post_ops(d, attr, false, relu);
    if (d->code == ASSAY_OK &&
        !assay__dnn_ok(d,
                       dnnl_inner_product_forward_primitive_desc_create(
                           &pd, d->engine,
                           d->plan->options.mode == ASSAY_MODE_TRAIN
                               ? dnnl_forward_training
                               : dnnl_forward_inference,
                           p->x, p->w, p->bias, p->y, attr),
                       "make a linear layer"))
        pd = NULL;
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return pd;
}

/* dw: the layout wanted for it, NULL: any. */
static dnnl_primitive_desc_t backward_pd(struct assay__dnn *d,
                                         const struct problem *p, bool data,
                                         const_dnnl_memory_desc_t dw)
{
    dnnl_primitive_attr_t attr = assay__dnn_attributes(d);
    dnnl_primitive_desc_t hint = forward_pd(d, p, false);
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t s = dnnl_success;

    if (hint != NULL && data)
        s = dnnl_inner_product_backward_data_primitive_desc_create(
            &pd, d->engine, p->x, p->w, p->y, hint, attr);
    else if (hint != NULL)
        s = dnnl_inner_product_backward_weights_primitive_desc_create(
            &pd, d->engine, p->x, dw != NULL ? dw : p->w, p->bias, p->y, hint,
            attr);
    if (s != dnnl_success && dw != NULL)
        s = dnnl_inner_product_backward_weights_primitive_desc_create(
            &pd, d->engine, p->x, p->w, p->bias, p->y, hint, attr);
    if (!assay__dnn_ok(d, s, "go back through a linear layer"))
        pd = NULL;
    if (hint != NULL)
        dnnl_primitive_desc_destroy(hint);
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
    pd = forward_pd(d, &p, false);
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
    int relu = assay__dnn_relu_after(d, node->out);
    assay_value y = relu >= 0 ? d->plan->graph->node[relu].out : node->out;
    struct problem p;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[4];
    int n = 0;

    make_problem(d, node->in[0], y, b != ASSAY_NO_VALUE, &p);
    pd = forward_pd(d, &p, relu >= 0);
    if (pd == NULL)
        return;
    arg[n++] =
        assay__dnn_reads(d, pd, DNNL_ARG_SRC, dnnl_query_src_md, node->in[0]);
    arg[n++] = assay__dnn_reads(d, pd, DNNL_ARG_WEIGHTS, dnnl_query_weights_md,
                                node->in[1]);
    if (b != ASSAY_NO_VALUE)
        arg[n++] = assay__dnn_reads_plain(d, DNNL_ARG_BIAS, b);
    arg[n++] = assay__dnn_makes(d, pd, DNNL_ARG_DST, dnnl_query_dst_md, y);
    assay__dnn_primitive(d, index, pd, arg, n);
    if (relu >= 0)
        assay__dnn_done(d, relu);
}

void assay__lower_linear_bwd_data(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct problem p;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[3];

    make_problem(d, node->out, node->in[0], false, &p);
    pd = backward_pd(d, &p, true, NULL);
    if (pd == NULL)
        return;
    arg[0] = assay__dnn_reads(d, pd, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md,
                              node->in[0]);
    arg[1] = assay__dnn_reads(d, pd, DNNL_ARG_WEIGHTS, dnnl_query_weights_md,
                              node->in[1]);
    arg[2] = assay__dnn_makes(d, pd, DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md,
                              node->out);
    assay__dnn_primitive(d, index, pd, arg, 3);
}

void assay__lower_linear_bwd_weights(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    bool has_bias = d->plan->uses[node->out + 1] > 0;
    struct problem p;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[4];
    int n = 0;

    make_problem(d, node->in[0], node->in[1], has_bias, &p);
    pd = backward_pd(d, &p, false, assay__dnn_gradient_md(d, node->out));
    if (pd == NULL)
        return;
    arg[n++] =
        assay__dnn_reads(d, pd, DNNL_ARG_SRC, dnnl_query_src_md, node->in[0]);
    arg[n++] = assay__dnn_reads(d, pd, DNNL_ARG_DIFF_DST,
                                dnnl_query_diff_dst_md, node->in[1]);
    arg[n++] = assay__dnn_makes(d, pd, DNNL_ARG_DIFF_WEIGHTS,
                                dnnl_query_diff_weights_md, node->out);
    if (has_bias)
        arg[n++] = assay__dnn_makes_plain(d, DNNL_ARG_DIFF_BIAS, node->out + 1);
    assay__dnn_primitive(d, index, pd, arg, n);
}
