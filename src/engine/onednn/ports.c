/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What weighted layers read and make (ports.h).
 */

#include "engine/onednn/ports.h"

int assay__weights_as(struct assay__dnn *d, const_dnnl_memory_desc_t md,
                      assay_value w, const struct assay__folded *folded)
{
    int id;

    if (md == NULL || folded == NULL)
        return md != NULL ? assay__dnn_want(d, w, md) : -1;
    if (assay__dnn_same_memory(md, folded->md))
        return folded->weights;
    id = assay__dnn_derived(d, dnnl_memory_desc_get_size(md));
    assay__dnn_reorder(d, folded->md, folded->weights, md, id);
    return id;
}

int assay__plain(struct assay__dnn *d, assay_value v)
{
    return v != ASSAY_NO_VALUE
               ? assay__dnn_want(d, v, assay__dnn_plain_of(d, v))
               : -1;
}

int assay__plain_result(struct assay__dnn *d, assay_value v)
{
    return assay__dnn_result(d, v, assay__dnn_plain_of(d, v));
}

int assay__place_output(struct assay__dnn *d, assay_value y,
                        const_dnnl_memory_desc_t md, assay_value over)
{
    int id = assay__dnn_result(d, y, md);
    int from;

    if (over == ASSAY_NO_VALUE || d->code != ASSAY_OK)
        return id;
    from = assay__dnn_want(d, over, md);
    assay__dnn_over(d, id, over, from);
    if (d->code == ASSAY_OK && d->plan->buffer[id].alias < 0)
        assay__dnn_reorder(d, md, from, md, id);
    return id;
}
