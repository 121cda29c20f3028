/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Early stopping (as a defence: Song and Mittal, USENIX Security 2021):
 * training ends after a share of its epochs, before the records are known
 * by heart. The share is given beforehand: a stop that watches held-out
 * records would need records that are neither members nor audited. The
 * learning rate follows the whole recipe's schedule up to there: milestones
 * beyond the stop are never reached, a cosine does not get to 0.
 */

#include <math.h>

#include "assay/attack.h"
#include "assay/defense.h"

enum { PARAM_SHARE };

static const struct assay_setting params[] = {
    {"share", .2, .001, 1, "of the recipe's epochs that are trained"},
    {NULL, 0, 0, 0, NULL}};

static int train(struct assay_defense_training *t, struct assay_error *err)
{
    double epochs = (double)t->recipe->epochs * t->param[PARAM_SHARE];

    (void)err;
    if (t->recipe->schedule_epochs == 0)
        t->recipe->schedule_epochs = t->recipe->epochs;
    t->recipe->epochs = (size_t)fmax(1, floor(epochs + 0.5));
    return ASSAY_OK;
}

const struct assay_defense assay_defense_early_stopping = {
    .name = "early-stopping",
    .title = "Early stopping",
    .summary = "Training ends after a share of its epochs.",
    .cites = "Song and Mittal, USENIX Security 2021",
    .stage = ASSAY_DEFENSE_TRAINING,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP,
    .params = params,
    .train = train,
};
