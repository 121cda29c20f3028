/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mixup (Zhang et al., ICLR 2018): the model sees mixtures of two records
 * with the same mixture of their labels, never a record alone.
 */

#include "assay/attack.h"
#include "assay/defense.h"

enum { PARAM_ALPHA };

static const struct assay_setting params[] = {
    {"alpha", 1, .01, 100, "shares are drawn from Beta(alpha, alpha)"},
    {NULL, 0, 0, 0, NULL}};

static int train(struct assay_defense_training *t, struct assay_error *err)
{
    (void)err;
    t->objective->mixup = t->param[PARAM_ALPHA];
    return ASSAY_OK;
}

const struct assay_defense assay_defense_mixup = {
    .name = "mixup",
    .title = "mixup",
    .summary = "The model is trained on mixtures of records and of their "
               "labels.",
    .cites = "Zhang et al., ICLR 2018",
    .stage = ASSAY_DEFENSE_TRAINING,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP,
    .params = params,
    .train = train,
};
