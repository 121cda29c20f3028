/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear layers, by oneDNN's inner product on rows [N, F]. Flattened images
 * are brought to plain order for it: the library's fast kernels take no
 * other, and with them one layout of the weights serves all directions.
 */

#include "engine/onednn/repeat.h"

/* The descriptors to ask with. */
struct problem {
    const_dnnl_memory_desc_t x, w, y, bias;
};

/* From the values of data and output (or their gradients). What is read may
 * be bf16; what is made is f32. */
static void make_problem(struct assay__dnn *d, assay_value x, assay_value y,
                         bool has_bias, enum assay__direction direction,
                         struct problem *p)
{
    dnnl_dims_t x_dims;
    dnnl_dims_t y_dims;
    dnnl_dims_t w_dims;

    /* Rows are those of the output, which need not be the plan's batch. */
    (void)assay__dnn_dims(d, y, y_dims);
    x_dims[0] = y_dims[0];
    w_dims[1] = x_dims[1] = assay__dnn_count(d, x) / x_dims[0];
    w_dims[0] = y_dims[1] = assay__dnn_count(d, y) / y_dims[0];
    p->x = assay__dnn_any(d, 2, x_dims);
    p->y = assay__dnn_any(d, 2, y_dims);
    p->w = assay__dnn_any(d, 2, w_dims);
    if (direction == ASSAY__FORWARD)
        p->y = assay__dnn_md(d, 2, y_dims, dnnl_format_tag_any);
    else if (direction == ASSAY__BACKWARD_DATA)
        p->x = assay__dnn_md(d, 2, x_dims, dnnl_format_tag_any);
    else
        p->w = assay__dnn_md(d, 2, w_dims, dnnl_format_tag_any);
    p->bias = has_bias ? assay__dnn_plain(d, 1, w_dims) : NULL;
}

static dnnl_primitive_desc_t forward_pd(struct assay__dnn *d,
                                        const struct problem *p, bool sum,
                                        bool relu)
{
    dnnl_primitive_attr_t attr = assay__dnn_attributes(d);
    dnnl_primitive_desc_t pd = NULL;

    assay__dnn_append_post_ops(d, attr, sum, relu);
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
                                         const struct problem *p,
                                         const struct problem *forward,
                                         bool data, const_dnnl_memory_desc_t dw)
{
    dnnl_primitive_attr_t attr = assay__dnn_attributes(d);
    dnnl_primitive_desc_t hint = forward_pd(d, forward, false, false);
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

const_dnnl_memory_desc_t assay__linear_layout(struct assay__dnn *d,
                                              assay_value x, assay_value y)
{
    struct problem p;
    dnnl_primitive_desc_t pd;
    const_dnnl_memory_desc_t md;

    make_problem(d, x, y, false, ASSAY__FORWARD, &p);
    pd = forward_pd(d, &p, false, false);
    if (pd == NULL)
        return NULL;
    md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(pd);
    return md;
}

void assay__linear_forward(struct assay__dnn *d, int index,
                           const struct assay__ports *v, bool sum, bool relu)
{
    bool has_bias = v->b != ASSAY_NO_VALUE || v->folded != NULL;
    struct problem p;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[4];
    int n = 0;

    make_problem(d, v->x, v->y, has_bias, ASSAY__FORWARD, &p);
    pd = forward_pd(d, &p, sum, relu);
    if (pd == NULL)
        return;
    arg[n++] = assay__dnn_reads(d, pd, DNNL_ARG_SRC, dnnl_query_src_md, v->x);
    arg[n].arg = DNNL_ARG_WEIGHTS;
    arg[n].md = assay__dnn_pd_md(d, pd, dnnl_query_weights_md, 0);
    arg[n].buffer = assay__weights_as(d, arg[n].md, v->w, v->folded);
    n++;
    if (has_bias) {
        arg[n].arg = DNNL_ARG_BIAS;
        arg[n].md = p.bias;
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

void assay__linear_backward_data(struct assay__dnn *d, int index, assay_value y,
                                 assay_value w, assay_value x)
{
    struct problem p;
    struct problem hint;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[3];

    make_problem(d, x, y, false, ASSAY__BACKWARD_DATA, &p);
    make_problem(d, x, y, false, ASSAY__FORWARD, &hint);
    pd = backward_pd(d, &p, &hint, true, NULL);
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

void assay__linear_backward_weights(struct assay__dnn *d, int index,
                                    assay_value x, assay_value y,
                                    assay_value dw, assay_value db)
{
    struct problem p;
    struct problem hint;
    dnnl_primitive_desc_t pd;
    struct assay__arg arg[4];
    int n = 0;

    make_problem(d, x, y, db != ASSAY_NO_VALUE, ASSAY__BACKWARD_WEIGHTS, &p);
    make_problem(d, x, y, false, ASSAY__FORWARD, &hint);
    pd = backward_pd(d, &p, &hint, false, assay__dnn_gradient_md(d, dw));
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

/* A relu behind it stays a step of its own, cheap on so few numbers: the
 * library's makes 0 of a NaN, and the last layers of a network are where
 * one must show. */
void assay__lower_linear(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__ports v = {node->in[0], node->in[1], ASSAY_NO_VALUE,
                             node->out,   NULL,        ASSAY_NO_VALUE};
    struct assay__folded sums;

    if (node->n_in > 2)
        v.b = node->in[2];
    assay__fold_repeats(d, index, &v, &sums);
    assay__linear_forward(d, index, &v, false, false);
}

void assay__lower_linear_bwd_data(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    assay__linear_backward_data(d, index, node->in[0], node->in[1], node->out);
}

void assay__lower_linear_bwd_weights(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    assay__linear_backward_weights(
        d, index, node->in[0], node->in[1], node->out,
        d->plan->uses[node->out + 1] > 0 ? node->out + 1 : ASSAY_NO_VALUE);
}
