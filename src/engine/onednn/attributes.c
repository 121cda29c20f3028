/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same for all primitives: attributes with scratch memory of
 * ours, and a relu as a post-op.
 */

#include "engine/onednn/conv.h"

dnnl_primitive_attr_t assay__dnn_attributes(struct assay__dnn *d)
{
    dnnl_primitive_attr_t attr = NULL;

    if (d->code == ASSAY_OK &&
        assay__dnn_ok(d, dnnl_primitive_attr_create(&attr), "set attributes"))
        (void)assay__dnn_ok(d,
                            dnnl_primitive_attr_set_scratchpad_mode(
                                attr, dnnl_scratchpad_mode_user),
                            "set attributes");
    return attr;
}

const_dnnl_memory_desc_t assay__dnn_pd_md(struct assay__dnn *d,
                                          const_dnnl_primitive_desc_t pd,
                                          dnnl_query_t query, int index)
{
    return assay__dnn_intern(d, dnnl_primitive_desc_query_md(pd, query, index));
}

int assay__dnn_relu_after(const struct assay__dnn *d, assay_value y)
{
    int reader = d->reader[y];

    if (reader < 0 || d->plan->graph->node[reader].op != &assay__op_relu)
        return -1;
    return reader;
}

void assay__dnn_append_relu(struct assay__dnn *d, dnnl_primitive_attr_t attr)
{
    dnnl_post_ops_t ops = NULL;

    if (attr == NULL ||
        !assay__dnn_ok(d, dnnl_post_ops_create(&ops), "fuse a relu"))
        return;
    if (assay__dnn_ok(
            d, dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0F, 0.0F),
            "fuse a relu"))
        (void)assay__dnn_ok(d, dnnl_primitive_attr_set_post_ops(attr, ops),
                            "fuse a relu");
    dnnl_post_ops_destroy(ops);
}
