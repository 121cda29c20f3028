/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unlearning (Wang et al., S&P 2019, section on patching): the model is
 * trained on with clean records, a share of which carry the reversed trigger
 * and their true label, so that the trigger stops to mean anything. The
 * paper: a tenth of the training records, a fifth of these stamped, one
 * epoch.
 *
 * It repairs what was reversed: with the trigger of another class, or a poor
 * likeness of the true one, the backdoor stays.
 */

#include "repairs/repairs.h"

enum { PARAM_RATE, PARAM_EPOCHS, PARAM_LR };

static const struct assay_setting params[] = {
    {"rate", .2, .0001, 1, "share of the records that are stamped"},
    {"epochs", 5, 1, 1000, "epochs on these records"},
    {"lr", .01, 1e-6, 10, "learning rate"},
    {NULL, 0, 0, 0, NULL}};

static int run(const struct assay_repair_input *in, assay_model *m,
               struct assay_repaired *out, struct assay_error *err)
{
    struct assay_poison poison = {.trigger = in->trigger,
                                  .target = in->target,
                                  .rate = in->param[PARAM_RATE],
                                  .keep_label = 1,
                                  .seed = in->ctx->seed};
    struct assay__tuning tuning = {.task = "unlearning",
                                   .epochs = (size_t)in->param[PARAM_EPOCHS],
                                   .lr = in->param[PARAM_LR]};
    assay_dataset *stamped = NULL;
    assay_view *view = NULL;
    int rc = assay_dataset_poison(&stamped, in->clean, &poison, NULL, err);

    if (!rc)
        rc = assay_view_new(&view, stamped, NULL, 0, assay_model_preprocess(m),
                            err);
    tuning.view = view;
    if (!rc)
        rc = assay__repair_tune(in, m, &tuning, out, err);
    assay_view_free(view);
    assay_dataset_free(stamped);
    return rc;
}

const struct assay_repair assay_repair_unlearning = {
    .name = "unlearning",
    .title = "Unlearning",
    .summary = "The model is trained on with clean records, some of them "
               "stamped with the reversed trigger under their true label.",
    .cites = "Wang et al., S&P 2019",
    .needs = ASSAY_REPAIR_NEEDS_CLEAN | ASSAY_REPAIR_NEEDS_TRIGGER,
    .params = params,
    .run = run,
};
