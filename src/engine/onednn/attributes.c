/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same for all primitives: attributes with scratch memory of
 * ours, and post-ops.
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

/* The library's relu makes 0 of a NaN, where our own keeps it: behind a
 * convolution an overflow shows by its infinities alone. */
void assay__dnn_append_post_ops(struct assay__dnn *d,
                                dnnl_primitive_attr_t attr, bool sum, bool relu)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t s = dnnl_success;

    if (attr == NULL || (!sum && !relu) ||
        !assay__dnn_ok(d, dnnl_post_ops_create(&ops), "fuse post-ops"))
        return;
    if (sum)
        s = dnnl_post_ops_append_sum(ops, 1.0F, 0, dnnl_data_type_undef);
    if (s == dnnl_success && relu)
        s = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0F, 0.0F);
    if (s == dnnl_success)
        s = dnnl_primitive_attr_set_post_ops(attr, ops);
    (void)assay__dnn_ok(d, s, "fuse post-ops");
    dnnl_post_ops_destroy(ops);
}
