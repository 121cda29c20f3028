/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelaxLoss (Chen, Yu and Fritz, ICLR 2022): training stops lowering the
 * loss at a level, so that members' losses spread as non-members' do. The
 * mean cross-entropy of a batch is held at `level`: in even epochs by
 * descent above and ascent below it, in odd ones by descent above, and below
 * by ascent together with flattened posteriors of what is misclassified
 * (assay_op_relax()). Epochs count from 0, as in the authors' code; their
 * bound on the flattened confidence is 1, as in their settings for CIFAR.
 *
 * The level is the paper's alpha: 1 in its runs on CIFAR-10 with ResNet20, 3
 * on CIFAR-100. It is a trade of accuracy for privacy to be chosen for the
 * data; a level above log K leaves nothing to learn.
 */

#include "assay/attack.h"
#include "assay/defense.h"
#include "assay/layers.h"

enum { PARAM_LEVEL };

static const struct assay_setting params[] = {
    {"level", 1, 0, 100, "mean cross-entropy that training holds"},
    {NULL, 0, 0, 0, NULL}};

static assay_value loss(const void *self, assay_graph *g,
                        const struct assay_loss_values *v)
{
    const double *param = self;

    return assay_op_relax(g, v->logits, v->labels, v->epoch,
                          param[PARAM_LEVEL]);
}

static int train(struct assay_defense_training *t, struct assay_error *err)
{
    (void)err;
    t->objective->self = t->param;
    t->objective->loss = loss;
    t->objective->wants_epoch = 1;
    return ASSAY_OK;
}

const struct assay_defense assay_defense_relaxloss = {
    .name = "relaxloss",
    .title = "RelaxLoss",
    .summary = "The training loss is held at a level, not lowered to 0.",
    .cites = "Chen et al., ICLR 2022",
    .stage = ASSAY_DEFENSE_TRAINING,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP,
    .params = params,
    .train = train,
};
