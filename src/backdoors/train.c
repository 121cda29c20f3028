/* SPDX-License-Identifier: Apache-2.0 */
/* Training on poisoned records. */

#include "backdoors/backdoors.h"

static int train(const struct assay_backdoor_input *in, assay_model *m,
                 const assay_view *view, struct assay_error *err)
{
    struct assay_training t = {.model = m,
                               .train = view,
                               .test = in->test,
                               .recipe = in->recipe,
                               .seed = in->seed,
                               .task = "backdoor",
                               .checkpoint = in->checkpoint};
    int rc = assay_models_train(in->ctx, in->compute, &t, 1, err);

    assay_curve_release(&t.curve);
    return rc;
}

int assay__backdoor_train(const struct assay_backdoor_input *in, double rate,
                          struct assay_backdoored *out, struct assay_error *err)
{
    struct assay_poison poison = {.trigger = &out->trigger,
                                  .target = in->target,
                                  .rate = rate,
                                  .seed = in->seed};
    assay_dataset *poisoned = NULL;
    assay_view *view = NULL;
    int rc = assay_dataset_poison(&poisoned, in->train, &poison, NULL, err);

    if (!rc)
        rc = assay_view_new(&view, poisoned, NULL, 0, &in->spec->preprocess,
                            err);
    if (!rc)
        rc = assay_model_new(&out->model, in->spec, in->seed, err);
    if (!rc)
        rc = train(in, out->model, view, err);
    assay_view_free(view);
    assay_dataset_free(poisoned);
    return rc;
}
