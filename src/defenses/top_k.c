/* SPDX-License-Identifier: Apache-2.0 */
/* The k largest posteriors alone (Shokri et al., S&P 2017), as they are; the
 * others are answered as 0. */

#include "assay/attack.h"
#include "assay/defense.h"

enum { PARAM_K };

static const struct assay_setting params[] = {
    {"k", 3, 1, 65536, "posteriors that are answered"},
    {NULL, 0, 0, 0, NULL}};

/* Classes before `i`: larger, or as large and of a lower index. */
static int rank_of(const double *p, int k, int i)
{
    int rank = 0;

    for (int j = 0; j < k; j++)
        rank += p[j] > p[i] || (!(p[j] < p[i]) && j < i);
    return rank;
}

static void answer(const double *param, const void *state, double *p, int k)
{
    int kept = (int)param[PARAM_K];

    (void)state;
    /* From the smallest kept one up nothing changes; each pass removes the
     * last of what is left. */
    for (int left = k; left > kept; left--) {
        for (int i = 0; i < k; i++) {
            if (p[i] >= 0 && rank_of(p, k, i) == left - 1) {
                p[i] = -1;
                break;
            }
        }
    }
    for (int i = 0; i < k; i++)
        p[i] = p[i] < 0 ? 0 : p[i];
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
