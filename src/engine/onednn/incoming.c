/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients that are put together by the kernel that reads them
 * (incoming.h).
 */

#include "engine/onednn/incoming.h"

struct assay__incoming assay__dnn_incoming(const struct assay__dnn *d,
                                           assay_value out)
{
    struct assay__incoming in = {
        out, out, ASSAY_NO_VALUE, ASSAY_NO_VALUE, -1, -1, -1, -1, -1, -1};
    const struct assay__node *node;
    int maker = assay__dnn_waiting(d, out);

    if (assay__dnn_op(d, maker) == &assay__op_relu_bwd) {
        node = &d->plan->graph->node[maker];
        in.relu = maker;
        in.dy = node->in[0];
        in.z = node->in[1];
        maker = assay__dnn_waiting(d, in.dy);
        if (d->reader[in.dy] != in.relu)
            maker = -1;
    }
    if (assay__dnn_op(d, maker) == &assay__op_add) {
        node = &d->plan->graph->node[maker];
        in.add = maker;
        in.dy = node->in[0];
        in.more = node->in[1];
    }
    return in;
}

void assay__dnn_open_incoming(struct assay__dnn *d, struct assay__incoming *in,
                              const_dnnl_memory_desc_t md)
{
    in->dy_buffer = assay__dnn_want(d, in->dy, md);
    if (in->more != ASSAY_NO_VALUE)
        in->more_buffer = assay__dnn_want(d, in->more, md);
    if (in->z != ASSAY_NO_VALUE)
        in->z_buffer = assay__dnn_want(d, in->z, md);
    if (in->dy != in->out)
        in->out_buffer =
            assay__dnn_result_over(d, in->out, md, in->dy, in->dy_buffer);
}

void assay__dnn_close_incoming(struct assay__dnn *d,
                               const struct assay__incoming *in)
{
    if (in->add >= 0)
        assay__dnn_done(d, in->add);
    if (in->relu >= 0)
        assay__dnn_done(d, in->relu);
}

const char *assay__dnn_incoming_name(const struct assay__incoming *in)
{
    if (in->relu >= 0)
        return in->add >= 0 ? "own+add+relu" : "own+relu";
    return in->add >= 0 ? "own+add" : "own";
}

bool assay__dnn_feeds_norm(const struct assay__dnn *d, assay_value v)
{
    const assay_graph *g = d->plan->graph;

    for (int i = g->value[v].node + 1; i < g->n_nodes; i++) {
        const struct assay__node *node = &g->node[i];

        if (d->plan->live[i] && !d->done[i] &&
            (node->op == &assay__op_batchnorm_bwd ||
             node->op == &assay__op_groupnorm_bwd ||
             node->op == &assay__op_groupnorm_bwd_records) &&
            node->in[1] == v)
            return true;
    }
    return false;
}
