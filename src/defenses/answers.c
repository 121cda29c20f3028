/* SPDX-License-Identifier: Apache-2.0 */
/* What answer-side defences share: no answer changes its class. */

#include "defenses/answers.h"

#include <math.h>

int assay__top_class(const double *p, int k)
{
    int best = 0;

    for (int i = 1; i < k; i++)
        if (p[i] > p[best])
            best = i;
    return best;
}

void assay__keep_class(double *p, int k, int top)
{
    int now = assay__top_class(p, k);
    double kept = p[now];

    if (now == top)
        return;
    /* Of equals the lowest index wins: the next number tells them apart. */
    p[now] = p[top] < kept ? p[top] : kept;
    p[top] = p[now] < kept ? kept : nextafter(kept, 2);
}
