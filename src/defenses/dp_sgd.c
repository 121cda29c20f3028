/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DP-SGD (Abadi et al., CCS 2016): each record's gradient is clipped to a
 * norm and the sum gets Gaussian noise, so that no record changes the model
 * much. The engine does it exactly (assay/train.h, private training: Poisson
 * samples, no materialised gradients); batch norm, through which records see
 * each other, is replaced by group norm.
 *
 * The noise follows from a target epsilon, or is given: then epsilon does.
 * What is claimed is in findings.json: by Renyi divergence and by the privacy
 * loss random variable (assay/privacy.h).
 */

#include <math.h>

#include "assay/attack.h"
#include "assay/defense.h"
#include "assay/privacy.h"

enum { PARAM_NOISE, PARAM_EPSILON, PARAM_DELTA, PARAM_CLIP };

static const struct assay_setting params[] = {
    {"noise", 0, 0, ASSAY_NOISE_MAX,
     "noise multiplier; 0: as much as epsilon needs"},
    {"epsilon", 8, .01, 1e4, "target, where no noise is given"},
    {"delta", 1e-5, 1e-30, .1, "of the guarantee"},
    {"clip", 1.5, 1e-6, 1e6, "norm that gradients are clipped to"},
    {NULL, 0, 0, 0, NULL}};

/* The mechanism that a recipe over n records is. */
static void describe(struct assay_dpsgd *m, const double *param,
                     const struct assay_recipe *recipe, size_t n)
{
    size_t batch = recipe->batch < n ? recipe->batch : n;

    m->rate = (double)batch / (double)n;
    m->noise = param[PARAM_NOISE];
    m->steps = (uint64_t)((n + batch - 1) / batch * recipe->epochs);
}

static int settle(struct assay_dpsgd *m, const double *param,
                  const struct assay_recipe *recipe, size_t n,
                  struct assay_error *err)
{
    describe(m, param, recipe, n);
    if (param[PARAM_NOISE] > 0)
        return ASSAY_OK;
    return assay_privacy_noise(&m->noise, m, param[PARAM_DELTA],
                               param[PARAM_EPSILON], ASSAY_ACCOUNTANT_PRV, err);
}

static int train(struct assay_defense_training *t, struct assay_error *err)
{
    struct assay_dpsgd m;
    int rc = settle(&m, t->param, t->recipe, assay_view_count(t->train), err);

    if (rc)
        return rc;
    t->privacy->clip_norm = t->param[PARAM_CLIP];
    t->privacy->noise_multiplier = m.noise;
    return ASSAY_OK;
}

static int claim(const double *param, const struct assay_recipe *recipe,
                 size_t n, struct assay_privacy_claim *out,
                 struct assay_error *err)
{
    struct assay_dpsgd m;
    struct assay_rdp_result rdp;
    struct assay_prv_result prv;
    int rc = settle(&m, param, recipe, n, err);

    if (!rc)
        rc = assay_rdp_epsilon(&rdp, &m, param[PARAM_DELTA], ASSAY_RDP_CLASSIC,
                               err);
    if (!rc)
        rc = assay_prv_epsilon(&prv, &m, param[PARAM_DELTA], err);
    if (rc)
        return rc;
    out->noise_multiplier = m.noise;
    out->clip_norm = param[PARAM_CLIP];
    out->sample_rate = m.rate;
    out->steps = (size_t)m.steps;
    out->delta = param[PARAM_DELTA];
    out->epsilon_rdp = rdp.epsilon;
    out->epsilon_prv = prv.high;
    return ASSAY_OK;
}

const struct assay_defense assay_defense_dp_sgd = {
    .name = "dp-sgd",
    .title = "DP-SGD",
    .summary = "Records' gradients are clipped and noise is added, so that no "
               "record shows; with a proven epsilon.",
    .cites = "Abadi et al., CCS 2016",
    .stage = ASSAY_DEFENSE_TRAINING,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP,
    .params = params,
    .group_norm = 1,
    .train = train,
    .claim = claim,
};
