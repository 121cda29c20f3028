/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a network can be looked into: at what its layers with weights read,
 * which is behind activations, norms and poolings.
 */

#include "detectors/middle.h"

#include "assay/layers.h"
#include "core/mem.h"

int assay__activations(const assay_model *m, const char *task,
                       assay_value **out, size_t *n, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(m);
    int layers = assay_graph_n_layers(g);
    assay_value *list = assay__calloc((size_t)layers, sizeof(*list));
    assay_value first = assay_graph_layer_at(g, 0).source;
    size_t found = 0;

    if (!list)
        return assay_error_set(err, ASSAY_NOMEM,
                               "%s: out of memory for %d layers", task, layers);
    for (int i = 0; i < layers; i++) {
        struct assay_layer l = assay_graph_layer_at(g, i);
        int there =
            l.source == first ||
            (l.kind != ASSAY_LAYER_CONV && l.kind != ASSAY_LAYER_LINEAR &&
             l.kind != ASSAY_LAYER_CONV_TRANSPOSED) ||
            assay_graph_shape(g, l.source)->rank < 2;

        for (size_t k = 0; k < found; k++)
            there = there || list[k] == l.source;
        if (!there)
            list[found++] = l.source;
    }
    if (found == 0) {
        assay__free(list);
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "%s: the network has no inner layer", task);
    }
    *out = list;
    *n = found;
    return ASSAY_OK;
}

struct assay_plan_options assay__evaluation(const struct assay_context *ctx,
                                            const struct assay_compute *c,
                                            size_t batch)
{
    struct assay_plan_options o = {.backend = c->backend,
                                   .batch = (int64_t)batch,
                                   .mode = ASSAY_MODE_EVAL,
                                   .threads =
                                       c->threads ? c->threads : ctx->threads,
                                   .algorithms = c->algorithms,
                                   .compute = c->dtype,
                                   .tuning = c->tuning};

    return o;
}

int assay__row_slopes(assay_graph *g, assay_value loss, const assay_value *wrt,
                      int n, assay_value *d, struct assay_error *err)
{
    struct assay_attrs attrs = {.alpha = 1};
    assay_value sum;
    int rc;

    attrs.shape = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    sum = assay_op_weighted_sum(g, loss,
                                assay_graph_node(g, "fill", NULL, 0, &attrs));
    rc = assay_graph_check(g, err);
    return rc ? rc : assay_differentiate(g, sum, wrt, n, d, err);
}
