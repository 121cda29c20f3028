/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fine-tuning: the whole model is trained on with clean records alone. What
 * every other repair has to beat.
 */

#include "repairs/repairs.h"

enum { PARAM_EPOCHS, PARAM_LR };

static const struct assay_setting params[] = {
    {"epochs", 20, 1, 1000, "epochs on the clean records"},
    {"lr", .01, 1e-6, 10, "learning rate"},
    {NULL, 0, 0, 0, NULL}};

static int run(const struct assay_repair_input *in, assay_model *m,
               struct assay_repaired *out, struct assay_error *err)
{
    struct assay__tuning tuning = {.task = "fine-tuning",
                                   .epochs = (size_t)in->param[PARAM_EPOCHS],
                                   .lr = in->param[PARAM_LR]};

    return assay__repair_tune(in, m, &tuning, out, err);
}

const struct assay_repair assay_repair_fine_tuning = {
    .name = "fine-tuning",
    .title = "Fine-tuning",
    .summary = "The whole model is trained on with clean records.",
    .cites = "Liu et al., RAID 2018",
    .needs = ASSAY_REPAIR_NEEDS_CLEAN,
    .params = params,
    .run = run,
};
