/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The k largest posteriors alone (Shokri et al., S&P 2017), as they are.
 * What is left of 1 is spread evenly over the classes that are not answered:
 * attackers read whole rows of posteriors, and know no more of these.
 */

#include "assay/attack.h"
#include "assay/defense.h"
#include "defenses/answers.h"

enum { PARAM_K };

static const struct assay_setting params[] = {
    {"k", 3, 1, 65536, "posteriors that are answered"},
    {NULL, 0, 0, 0, NULL}};

/* The largest of those that are left, the lowest of equals; taken out by its
 * sign. */
static double take_largest(double *p, int k)
{
    int best = assay__top_class(p, k);
    double value = p[best];

    p[best] = -value;
    return value;
}

static void answer(const double *param, const void *state, double *p, int k)
{
    int kept = (int)param[PARAM_K];
    int top = assay__top_class(p, k);
    double rest = 1;

    (void)state;
    if (kept >= k)
        return;
    for (int i = 0; i < kept; i++)
        rest -= take_largest(p, k);
    rest = rest > 0 ? rest / (k - kept) : 0;
    for (int i = 0; i < k; i++)
        p[i] = p[i] < 0 ? -p[i] : rest;
    assay__keep_class(p, k, top);
}

const struct assay_defense assay_defense_top_k = {
    .name = "top-k",
    .title = "Top-k posteriors",
    .summary = "Only the largest posteriors are answered.",
    .cites = "Shokri et al., S&P 2017",
    .stage = ASSAY_DEFENSE_ANSWERS,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP | 1U << ASSAY_GOAL_STEALING,
    .params = params,
    .answer = answer,
};
