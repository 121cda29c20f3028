/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BadNets (Gu et al., 2017): a share of the training records, drawn from all
 * classes (the target's among them), carries a small square and the target's
 * label. White and in the bottom right corner unless told otherwise; with
 * `random` its place and its colour, one for each channel, are drawn from
 * the seed, so that a detector can be calibrated on many triggers.
 */

#include <math.h>

#include "assay/rng.h"
#include "backdoors/backdoors.h"

enum {
    PARAM_RATE,
    PARAM_SIDE,
    PARAM_VALUE,
    PARAM_ROW,
    PARAM_COLUMN,
    PARAM_RANDOM
};

static const struct assay_setting params[] = {
    {"rate", .1, .0001, 1, "share of the records that are poisoned"},
    {"side", 3, 1, 512, "pixels of the square's side"},
    {"value", 255, 0, 255, "of its pixels"},
    {"row", -1, -1, 4095, "of its upper left corner; -1: at the bottom"},
    {"column", -1, -1, 4095, "of its upper left corner; -1: at the right"},
    {"random", 0, 0, 1, "1: place and colour are drawn from the seed"},
    {NULL, 0, 0, 0, NULL}};

/* Another place and another colour. */
static int draw(struct assay_trigger *t, int side, uint64_t seed,
                struct assay_error *err)
{
    size_t plane = (size_t)t->height * (size_t)t->width;
    struct assay_rng rng;
    int row;
    int column;
    int rc;

    assay_rng_init(&rng, seed, "badnets", 0);
    row = (int)assay_rng_below(&rng, (uint64_t)t->height + 1 - (uint64_t)side);
    column =
        (int)assay_rng_below(&rng, (uint64_t)t->width + 1 - (uint64_t)side);
    rc = assay_trigger_patch(t, side, row, column, 0, err);
    for (int c = 0; c < t->channels && !rc; c++) {
        float value = (float)assay_rng_below(&rng, 256);

        for (size_t i = 0; i < plane; i++)
            t->pattern[(size_t)c * plane + i] = t->mask[i] * value;
    }
    return rc;
}

static int make_trigger(struct assay_trigger *t,
                        const struct assay_backdoor_input *in,
                        struct assay_error *err)
{
    const struct assay_preprocess *pre = &in->spec->preprocess;
    int side = (int)in->param[PARAM_SIDE];
    int row = (int)in->param[PARAM_ROW];
    int column = (int)in->param[PARAM_COLUMN];
    int rc = assay_trigger_make(t, pre->channels, pre->height, pre->width, err);

    if (rc)
        return rc;
    if (lrint(in->param[PARAM_RANDOM]) && side <= pre->height &&
        side <= pre->width)
        return draw(t, side, in->seed, err);
    return assay_trigger_patch(t, side, row < 0 ? pre->height - side : row,
                               column < 0 ? pre->width - side : column,
                               (float)in->param[PARAM_VALUE], err);
}

static int plant(const struct assay_backdoor_input *in,
                 struct assay_backdoored *out, struct assay_error *err)
{
    int rc = make_trigger(&out->trigger, in, err);

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
