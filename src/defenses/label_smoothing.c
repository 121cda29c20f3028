/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label smoothing (Szegedy et al., CVPR 2016): cross-entropy with
 * (1 - eps) on the label and eps spread over all K classes, so the model is
 * never asked for certainty. Known to raise the risk of membership
 * inference rather than to lower it (Kaya and Dumitras, ICML 2021), and that
 * of inversion, which negative smoothing lowers (Struppek et al., ICLR 2024;
 * not offered here). What it does is measured, not assumed.
 */

#include <math.h>

#include "assay/attack.h"
#include "assay/defense.h"
#include "core/mem.h"

enum { PARAM_EPS };

static const struct assay_setting params[] = {
    {"eps", .1, 0, .9, "share of the label spread over all classes"},
    {NULL, 0, 0, 0, NULL}};

static int train(struct assay_defense_training *t, struct assay_error *err)
{
    size_t n = assay_view_count(t->train);
    size_t k = (size_t)t->n_classes;
    double eps = t->param[PARAM_EPS];
    float rest = (float)log(fmax(eps / t->n_classes, 1e-30));
    float top = (float)log(1 - eps + eps / t->n_classes);
    float *soft = assay__malloc(n * k * sizeof(*soft));

    if (!soft)
        return assay_error_set(err, ASSAY_NOMEM,
                               "label smoothing: out of memory for %zu "
                               "records",
                               n);
    for (size_t i = 0; i < n * k; i++)
        soft[i] = rest;
    for (size_t i = 0; i < n; i++)
        soft[i * k + (size_t)assay_view_label(t->train, i)] = top;
    t->state = soft;
    t->objective->soft = soft;
    t->objective->variants = 1;
    return ASSAY_OK;
}

const struct assay_defense assay_defense_label_smoothing = {
    .name = "label-smoothing",
    .title = "Label smoothing",
    .summary = "The model is trained to leave a share of its confidence to "
               "the other classes.",
    .cites = "Szegedy et al., CVPR 2016",
    .stage = ASSAY_DEFENSE_TRAINING,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP,
    .params = params,
    .train = train,
    .release = assay__free,
};
