/* SPDX-License-Identifier: Apache-2.0 */
/* Rounding of posteriors to a number of decimal places (Shokri et al., S&P
 * 2017): the last digits tell most. What rounds to 0 is 0. */

#include <math.h>

#include "assay/attack.h"
#include "assay/defense.h"
#include "defenses/answers.h"

enum { PARAM_DIGITS };

static const struct assay_setting params[] = {
    {"digits", 2, 0, 8, "decimal places"},
    {NULL, 0, 0, 0, NULL}};

static void answer(const double *param, const void *state, double *p, int k)
{
    double unit = pow(10, floor(param[PARAM_DIGITS]));
    int top = assay__top_class(p, k);

    (void)state;
    for (int i = 0; i < k; i++)
        p[i] = floor(p[i] * unit + 0.5) / unit;
    if (p[top] <= 0)
        p[top] = 1 / unit;
    assay__keep_class(p, k, top);
}

const struct assay_defense assay_defense_rounding = {
    .name = "rounding",
    .title = "Rounded posteriors",
    .summary = "Posteriors are answered with a few decimal places.",
    .cites = "Shokri et al., S&P 2017",
    .stage = ASSAY_DEFENSE_ANSWERS,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP | 1U << ASSAY_GOAL_STEALING,
    .params = params,
    .answer = answer,
};
