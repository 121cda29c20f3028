/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this folder's users of plans share: options from how kernels shall
 * run, and parameters of several networks in one graph.
 */

#include <string.h>

#include "core/mem.h"
#include "model/model.h"

struct assay_plan_options assay__plan_options(
    const struct assay_context *ctx, const struct assay_compute *compute)
{
    struct assay_plan_options o = {0};

    o.backend = compute->backend;
    o.mode = ASSAY_MODE_EVAL;
    o.threads = compute->threads ? compute->threads : ctx->threads;
    o.algorithms = compute->algorithms;
    o.compute = compute->dtype;
    o.tuning = compute->tuning;
    return o;
}

static int fill_slot(struct assay_params *to, const char *prefix,
                     const struct assay_params *from,
                     const struct assay_param_slot *slot,
                     struct assay_error *err)
{
    char *name = assay__format("%s%s", prefix, slot->name);
    const struct assay_param_slot *there;
    int rc = ASSAY_OK;

    if (!name)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a parameter's name");
    there = assay_params_find(to, name);
    if (!there || !assay_shape_equal(&there->shape, &slot->shape))
        rc = assay_error_set(err, ASSAY_SHAPE,
                             "there is no parameter '%.150s' of this shape",
                             name);
    else
        memcpy(to->data + there->offset, from->data + slot->offset,
               slot->count * sizeof(float));
    assay__free(name);
    return rc;
}

int assay__params_fill(struct assay_params *to, const char *prefix,
                       const struct assay_params *from, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (int i = 0; i < from->n_slots && !rc; i++)
        rc = fill_slot(to, prefix, from, &from->slot[i], err);
    return rc;
}
