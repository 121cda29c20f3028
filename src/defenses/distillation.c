/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knowledge distillation (Hinton et al., 2015) as ML-Doctor uses it (Liu et
 * al., USENIX Security 2022): a student of the same architecture learns from
 * a teacher trained on the same records,
 *
 *   alpha T^2 KL(softmax(teacher / T) || softmax(student / T))
 *   + (1 - alpha) cross-entropy with the label
 *
 * with T = 2 and alpha = .95 as in the paper's first code. The teacher
 * answers to the record as the student sees it, mirrored or not; it does not
 * follow shifts of a padded crop.
 *
 * Known to fall short: an attacker with reference models gets past it
 * (Jagielski et al., NeurIPS 2023).
 */

#include "assay/attack.h"
#include "assay/defense.h"
#include "assay/layers.h"

enum { PARAM_TEMPERATURE, PARAM_ALPHA };

static const struct assay_setting params[] = {
    {"temperature", 2, .1, 100, "T, by which logits are divided"},
    {"alpha", .95, 0, 1, "weight of the teacher's answers"},
    {NULL, 0, 0, 0, NULL}};

static assay_value loss(const void *self, assay_graph *g,
                        const struct assay_loss_values *v)
{
    const double *param = self;
    double alpha = param[PARAM_ALPHA];
    assay_value soft =
        assay_op_kl_logits(g, v->logits, v->soft, param[PARAM_TEMPERATURE]);
    assay_value hard = assay_op_softmax_xent(g, v->logits, v->labels);

    return assay_op_add(g, assay_op_affine(g, soft, alpha, 0),
                        assay_op_affine(g, hard, 1 - alpha, 0));
}

static int train(struct assay_defense_training *t, struct assay_error *err)
{
    if (!t->teacher)
        return assay_error_set(err, ASSAY_ARG, "distillation: no teacher");
    t->objective->self = t->param;
    t->objective->loss = loss;
    t->objective->soft = t->teacher;
    t->objective->variants = 2;
    return ASSAY_OK;
}

const struct assay_defense assay_defense_distillation = {
    .name = "distillation",
    .title = "Knowledge distillation",
    .summary = "A student learns from a teacher's answers on the training "
               "records instead of their labels.",
    .cites = "Hinton et al., 2015; Liu et al., USENIX Security 2022",
    .stage = ASSAY_DEFENSE_TRAINING,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP,
    .params = params,
    .needs_teacher = 1,
    .train = train,
};
