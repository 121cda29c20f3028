/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BadNets (Gu et al., 2017): a share of the training records, drawn from all
 * classes, carries a small white square in the bottom right corner and the
 * target's label.
 */

#include "backdoors/backdoors.h"

enum { PARAM_RATE, PARAM_SIDE, PARAM_VALUE };

static const struct assay_setting params[] = {
    {"rate", .1, .0001, 1, "share of the records that are poisoned"},
    {"side", 3, 1, 512, "pixels of the square's side"},
    {"value", 255, 0, 255, "of its pixels"},
    {NULL, 0, 0, 0, NULL}};

static int plant(const struct assay_backdoor_input *in,
                 struct assay_backdoored *out, struct assay_error *err)
{
    const struct assay_preprocess *pre = &in->spec->preprocess;
    int side = (int)in->param[PARAM_SIDE];
    int rc = assay_trigger_make(&out->trigger, pre->channels, pre->height,
                                pre->width, err);

    if (!rc)
        rc = assay_trigger_patch(&out->trigger, side, pre->height - side,
                                 pre->width - side,
                                 (float)in->param[PARAM_VALUE], err);
    return rc ? rc : assay__backdoor_train(in, in->param[PARAM_RATE], out, err);
}

const struct assay_backdoor assay_backdoor_badnets = {
    .name = "badnets",
    .title = "BadNets",
    .summary = "Records with a small square are labelled as the target.",
    .cites = "Gu et al., 2017",
    .kind = ASSAY_BACKDOOR_DATA,
    .params = params,
    .plant = plant,
};
