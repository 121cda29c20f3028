/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows over maps. "same" gives as many outputs as strides go into the
 * map, and pads by what that takes, the odd one below and to the right;
 * averages do not count what is padded.
 */

#include <string.h>

#include "keras/import.h"

void assay__keras_padding(struct assay__keras_builder *b,
                          const struct assay_shape *x, struct assay_attrs *a)
{
    const char *text = assay__keras_text(b, "padding");
    bool same = text && strcmp(text, "same") == 0;

    if (text && !same && strcmp(text, "valid") != 0)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "padding '%.40s'; same and valid are supported",
                          text);
    for (int i = 0; i < 2 && same && b->code == ASSAY_OK; i++) {
        int64_t in = x->dim[2 + i];
        int64_t out = (in - 1) / a->stride[i] + 1;
        int64_t total = (out - 1) * a->stride[i] +
                        (int64_t)(a->kernel[i] - 1) * a->dilation[i] + 1 - in;

        if (total > ASSAY__KERAS_SIZE_MAX)
            assay__keras_fail(b, ASSAY_LIMIT, "it pads by over %d",
                              ASSAY__KERAS_SIZE_MAX);
        if (total <= 0 || b->code != ASSAY_OK)
            continue;
        a->pad[i] = (int)(total / 2);
        a->pad[2 + i] = (int)total - a->pad[i];
    }
}

void assay__keras_pool(struct assay__keras_builder *b,
                       const struct assay__keras_item *in, int n,
                       struct assay__keras_item *out, int largest)
{
    struct assay_attrs a = {.dilation = {1, 1}};

    (void)n;
    if (!assay__keras_is_map(b, in[0].v))
        return;
    assay__keras_channels_last(b);
    assay__keras_pair(b, "pool_size", 2, a.kernel);
    a.stride[0] = a.kernel[0];
    a.stride[1] = a.kernel[1];
    if (assay__keras_get(b, "strides"))
        assay__keras_pair(b, "strides", 1, a.stride);
    assay__keras_padding(b, assay__keras_shape(b, in[0].v), &a);
    a.dilation[0] = a.dilation[1] = 0;
    if (b->code == ASSAY_OK)
        out->v = assay_graph_node(b->g, largest ? "maxpool" : "avgpool",
                                  &in[0].v, 1, &a);
    out->reads = ASSAY_NO_VALUE;
}

void assay__keras_global_pool(struct assay__keras_builder *b,
                              const struct assay__keras_item *in, int n,
                              struct assay__keras_item *out, int largest)
{
    bool keep = assay__keras_bool(b, "keepdims", false);

    (void)n;
    if (!assay__keras_is_map(b, in[0].v))
        return;
    assay__keras_channels_last(b);
    if (b->code != ASSAY_OK)
        return;
    out->v = largest ? assay_op_reduce(b->g, ASSAY_REDUCE_MAX, in[0].v,
                                       1U << 2 | 1U << 3)
                     : assay_op_global_avgpool(b->g, in[0].v);
    if (!keep)
        out->v = assay_op_flatten(b->g, out->v);
}
