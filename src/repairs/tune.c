/* SPDX-License-Identifier: Apache-2.0 */
/* Training on, accuracy on held-out records, and finding layers. */

#include "repairs/repairs.h"

int assay__repair_tune(const struct assay_repair_input *in, assay_model *m,
                       const struct assay__tuning *tuning,
                       struct assay_error *err)
{
    struct assay_recipe recipe = *in->recipe;
    struct assay_training t = {.model = m,
                               .train = tuning->view ? tuning->view : in->clean,
                               .recipe = &recipe,
                               .objective = tuning->objective,
                               .frozen = tuning->frozen,
                               .n_frozen = tuning->n_frozen,
                               .seed = in->ctx->seed,
                               .task = tuning->task};
    int rc;

    recipe.epochs = tuning->epochs;
    recipe.lr = tuning->lr;
    rc = assay_models_train(in->ctx, in->compute, &t, 1, err);
    assay_curve_release(&t.curve);
    return rc;
}

int assay__repair_accuracy(const struct assay_repair_input *in,
                           const assay_model *m, double *accuracy,
                           struct assay_error *err)
{
    struct assay_evidence e = {0};
    int rc = assay_evidence_collect(&e, in->ctx, m, in->held_out, 0,
                                    in->compute, "held-out", err);

    if (!rc)
        *accuracy = assay_evidence_accuracy(&e).value;
    assay_evidence_release(&e);
    return rc;
}

int assay__repair_norm_of(const assay_graph *g, assay_value v,
                          struct assay_layer *norm)
{
    for (int i = 0; i < assay_graph_n_layers(g); i++) {
        struct assay_layer l = assay_graph_layer_at(g, i);

        if (l.source == v && (l.kind == ASSAY_LAYER_BATCHNORM ||
                              l.kind == ASSAY_LAYER_GROUPNORM)) {
            *norm = l;
            return 1;
        }
    }
    return 0;
}

static const struct assay_param_slot *slot_of(const assay_model *m,
                                              assay_value v)
{
    const char *name = assay_graph_value_name(assay_model_graph(m), v);

    return v == ASSAY_NO_VALUE || !name
               ? NULL
               : assay_params_find(assay_model_weights(m), name);
}

float *assay__repair_numbers(assay_model *m, assay_value v)
{
    const struct assay_param_slot *slot = slot_of(m, v);

    return slot ? assay_model_params(m)->data + slot->offset : NULL;
}

size_t assay__repair_count(const assay_model *m, assay_value v)
{
    const struct assay_param_slot *slot = slot_of(m, v);

    return slot ? slot->count : 0;
}
