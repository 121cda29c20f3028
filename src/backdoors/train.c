/* SPDX-License-Identifier: Apache-2.0 */
/* Training on poisoned records, and where a model's head is. */

#include "backdoors/backdoors.h"

#include <math.h>

static int train(const struct assay_backdoor_input *in, const assay_view *view,
                 struct assay_training *t, struct assay_error *err)
{
    int rc;

    t->train = view;
    t->test = in->test;
    t->seed = in->seed;
    t->task = "backdoor";
    t->checkpoint = in->checkpoint;
    rc = assay_models_train(in->ctx, in->compute, t, 1, err);
    assay_curve_release(&t->curve);
    return rc;
}

int assay__backdoor_train_on(const struct assay_backdoor_input *in, double rate,
                             const struct assay_recipe *recipe,
                             const char *const *frozen, size_t n_frozen,
                             struct assay_backdoored *out,
                             struct assay_error *err)
{
    struct assay_poison poison = {.trigger = &out->trigger,
                                  .target = in->target,
                                  .rate = rate,
                                  .seed = in->seed};
    struct assay_training t = {.model = out->model,
                               .recipe = recipe,
                               .frozen = frozen,
                               .n_frozen = n_frozen};
    assay_dataset *poisoned = NULL;
    assay_view *view = NULL;
    int rc = assay_dataset_poison(&poisoned, in->train, &poison, NULL, err);

    if (!rc)
        rc = assay_view_new(&view, poisoned, NULL, 0, &in->spec->preprocess,
                            err);
    if (!rc)
        rc = train(in, view, &t, err);
    assay_view_free(view);
    assay_dataset_free(poisoned);
    return rc;
}

int assay__backdoor_train(const struct assay_backdoor_input *in, double rate,
                          struct assay_backdoored *out, struct assay_error *err)
{
    int rc = assay_model_new(&out->model, in->spec, in->seed, err);

    return rc ? rc
              : assay__backdoor_train_on(in, rate, in->recipe, NULL, 0, out,
                                         err);
}

int assay__backdoor_head(const assay_model *m, const char *what,
                         struct assay_layer *head, struct assay_error *err)
{
    const assay_graph *g = assay_model_graph(m);
    assay_value embedding = assay_model_embedding(m);

    for (int i = 0; i < assay_graph_n_layers(g); i++) {
        *head = assay_graph_layer_at(g, i);
        if (head->kind == ASSAY_LAYER_LINEAR &&
            head->result == assay_model_logits(m) &&
            head->source == embedding &&
            assay_graph_shape(g, embedding)->rank == 2)
            return ASSAY_OK;
    }
    return assay_error_set(err, ASSAY_UNSUPPORTED,
                           "%s: the logits of %s are not a linear layer of "
                           "its embedding",
                           what, assay_model_arch(m));
}

int assay__backdoor_corner(struct assay_trigger *t,
                           const struct assay_preprocess *pre, double part,
                           float value, struct assay_error *err)
{
    int small = pre->height < pre->width ? pre->height : pre->width;
    int side = (int)lrint(part * small);
    int rc = assay_trigger_make(t, pre->channels, pre->height, pre->width, err);

    side = side < 1 ? 1 : side > small ? small : side;
    return rc ? rc
              : assay_trigger_patch(t, side, pre->height - side,
                                    pre->width - side, value, err);
}
