/* SPDX-License-Identifier: Apache-2.0 */
/* The class alone. What is left is what label-only attacks find. */

#include "assay/attack.h"
#include "assay/defense.h"
#include "defenses/answers.h"

static void answer(const double *param, const void *state, double *p, int k)
{
    int top = assay__top_class(p, k);

    (void)param;
    (void)state;
    for (int i = 0; i < k; i++)
        p[i] = i == top;
}

const struct assay_defense assay_defense_label_only = {
    .name = "label-only",
    .title = "Labels alone",
    .summary = "Only the class is answered, no posteriors.",
    .cites = "Choquette-Choo et al., ICML 2021",
    .stage = ASSAY_DEFENSE_ANSWERS,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP | 1U << ASSAY_GOAL_STEALING,
    .answer = answer,
};
