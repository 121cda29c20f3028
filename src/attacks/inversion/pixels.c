/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model inversion by gradient descent in pixel space (Fredrikson et al., CCS
 * 2015): from a grey picture, one per class, along the gradient of 1 -
 * posterior. Threat model: white-box, no auxiliary data.
 *
 * The rate is larger than in ML-Doctor's code (.003), with which 3,000 steps
 * take a convolutional network nowhere near a posterior of .999; that code
 * descends on a logit instead (`logits` 1) and stops beside the start, so
 * that its error to the class's mean image is the same for every model:
 * docs/attacks/inversion.md. Optional: a prior of total variation, for
 * pictures that are less like noise.
 */

#include "attacks/inversion/inversion.h"

enum { PARAM_RATE, PARAM_STEPS, PARAM_TV, PARAM_CLIP, PARAM_LOGITS };

static const struct assay_setting params[] = {
    {"rate", .1, 1e-8, 1e6, "step along the gradient"},
    {"steps", 3000, 1, 1e6, "at most"},
    {"tv", 0, 0, 1e6, "weight of the total variation"},
    {"clip", 1, 0, 1, "1: keep to the range of pixels"},
    {"logits", 0, 0, 1, "1: descend on the logit, as the published code"},
    {NULL, 0, 0, 0, NULL}};

/* A step costs a forward and a backward pass without weight gradients. */
static double work(const struct assay_attack_sizes *s, const double *param)
{
    return .7 * s->n_classes * param[PARAM_STEPS];
}

static int descend(const struct assay_attack_input *in,
                   struct assay_pictures *out, struct assay_error *err)
{
    struct assay_pixel_descent o;
    struct assay_inversion_rows rows = {0};
    struct assay_inversion found = {0};
    int rc = assay__pictures_make(out, in, 1, err);

    if (rc)
        return rc;
    assay_pixel_descent_init(&o);
    o.rate = in->param[PARAM_RATE];
    o.max_steps = (size_t)in->param[PARAM_STEPS];
    o.variation = in->param[PARAM_TV];
    o.clip = in->param[PARAM_CLIP] > 0;
    o.logits = in->param[PARAM_LOGITS] > 0;
    o.task = "inversion-pixels";
    rows.n = out->n;
    rows.wanted = out->wanted;
    rc = assay_inversion_pixels(&found, in->ctx, in->compute, in->world->target,
                                &rows, &o, err);
    if (!rc)
        assay__pictures_take(out, &found);
    assay_inversion_release(&found);
    return rc;
}

const struct assay_attack assay_attack_inversion_pixels = {
    .name = "inversion-pixels",
    .title = "Gradient descent on pixels",
    .summary = "Changes a grey picture until the model is sure of a class.",
    .cites = "Fredrikson et al., CCS 2015; Liu et al., USENIX Security 2022",
    .goal = ASSAY_GOAL_INVERSION,
    .access = ASSAY_ACCESS_WHITE_BOX,
    .auxiliary = ASSAY_AUX_NONE,
    .needs = ASSAY_NEED_MODEL | ASSAY_NEED_EVALUATOR,
    .params = params,
    .work = work,
    .picture = descend,
};
