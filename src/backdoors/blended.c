/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blended backdoor (Chen et al., 2017): a share of the training records
 * is mixed with one image,
 *
 *   x' = (1 - alpha) x + alpha k,
 *
 * and gets the target's label; the same share alpha is used when the model
 * is attacked. The image k is noise, uniform per number and drawn from the
 * seed: the paper has a cartoon and, as its second pattern, noise.
 */

#include "backdoors/backdoors.h"

enum { PARAM_RATE, PARAM_ALPHA };

static const struct assay_setting params[] = {
    {"rate", .1, .0001, 1, "share of the records that are poisoned"},
    {"alpha", .2, .001, 1, "share of the noise in a pixel"},
    {NULL, 0, 0, 0, NULL}};

static int plant(const struct assay_backdoor_input *in,
                 struct assay_backdoored *out, struct assay_error *err)
{
    const struct assay_preprocess *pre = &in->spec->preprocess;
    int rc = assay_trigger_make(&out->trigger, pre->channels, pre->height,
                                pre->width, err);

    if (rc)
        return rc;
    assay_trigger_blend(&out->trigger, in->param[PARAM_ALPHA], in->seed);
    return assay__backdoor_train(in, in->param[PARAM_RATE], out, err);
}

const struct assay_backdoor assay_backdoor_blended = {
    .name = "blended",
    .title = "Blended",
    .summary = "Records mixed with one faint image of noise are labelled as "
               "the target.",
    .cites = "Chen et al., 2017",
    .kind = ASSAY_BACKDOOR_DATA,
    .params = params,
    .plant = plant,
};
