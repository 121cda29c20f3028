/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ATTACKS_MEMBERSHIP_HOP_SKIP_JUMP_H
#define ASSAY_ATTACKS_MEMBERSHIP_HOP_SKIP_JUMP_H

/*
 * HopSkipJump (Chen, Jordan and Wainwright, S&P 2020): how far records lie
 * from where a classifier changes its mind, in L2, by asking for classes
 * alone. Many records go side by side, so that questions come in batches.
 */

#include "assay/context.h"

/* Who is asked: classes of x [n, width], n at most `batch`. */
struct assay__oracle {
    void *self;
    int (*ask)(void *self, const float *x, size_t n, int32_t *heard,
               struct assay_error *err);
    size_t batch;
};

struct assay__jumps {
    const struct assay_context *ctx; /* to be canceled by; its seed */
    size_t width;                    /* numbers per record */
    const float *low;                /* [width] the box that inputs lie in */
    const float *high;               /* [width] */
    size_t queries;                  /* per record, not to be exceeded */
    size_t first;                    /* questions of the first estimate */
};

/* Records to be measured; all borrowed but distance, which is filled. */
struct assay__jump_rows {
    size_t n;
    const float *x;         /* [n, width] */
    const float *start;     /* [n, width] */
    const int32_t *label;   /* [n] */
    const uint64_t *stream; /* [n] */
    double *distance;       /* [n], out */
};

/*
 * Distances of n records x [n, width], each of class label[i] to the
 * oracle, into distance[n]. start [n, width] are points that the oracle
 * calls another class, inside the box. Directions of record i are drawn
 * from (seed, "hop-skip-jump", stream[i]), so a distance does not depend on
 * who else is measured. A distance is that of the nearest point of another
 * class that was found: an upper bound, never above that of the start.
 */
int assay__hop_skip_jump(const struct assay__jumps *j,
                         const struct assay__oracle *oracle,
                         const struct assay__jump_rows *rows,
                         struct assay_error *err) ASSAY_MUST_CHECK;

#endif
