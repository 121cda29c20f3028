/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this folder's users of plans share: options from how kernels shall
 * run, and parameters of several networks in one graph.
 */

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

int assay__params_fill(struct assay_params *to, const char *prefix,
                       const struct assay_params *from, struct assay_error *err)
{
    return assay_params_fill(to, prefix, from, err);
}
