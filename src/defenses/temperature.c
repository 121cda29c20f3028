/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Posteriors of logits divided by a temperature (Shokri et al., S&P 2017):
 * flatter for T > 1. It can be undone but for the digits lost, so it stops
 * no attacker who knows of it; attacks that learn on a shadow model with
 * the same temperature show that.
 */

#include <math.h>

#include "assay/attack.h"
#include "assay/defense.h"

enum { PARAM_T };

static const struct assay_setting params[] = {
    {"t", 5, .01, 1000, "temperature: logits are divided by it"},
    {NULL, 0, 0, 0, NULL}};

static void answer(const double *param, const void *state, double *p, int k)
{
    double sum = 0;
    double top = 0;

    (void)state;
    for (int i = 0; i < k; i++)
        top = fmax(top, p[i]);
    for (int i = 0; i < k; i++)
        sum += p[i] = pow(p[i] / top, 1 / param[PARAM_T]);
    for (int i = 0; i < k; i++)
        p[i] /= sum;
}

const struct assay_defense assay_defense_temperature = {
    .name = "temperature",
    .title = "Softmax temperature",
    .summary = "Posteriors are made flatter by dividing logits by a "
               "temperature.",
    .cites = "Shokri et al., S&P 2017",
    .stage = ASSAY_DEFENSE_ANSWERS,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP,
    .params = params,
    .answer = answer,
};
