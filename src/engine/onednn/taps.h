/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_TAPS_H
#define ASSAY_ENGINE_ONEDNN_TAPS_H

/*
 * Convolutions on small maps by our own kernels, which multiply only what
 * lies inside the map: of a 3x3 kernel on a 1x1 map that is 1 tap of 9, on
 * a 2x2 map 4 of 9. Exact up to the order of sums. For AVX-512's blocks of
 * 16 channels.
 */

#include "engine/onednn/conv.h"

/* Whether the kernels can do the problem in this direction. */
bool assay__taps_fit(const struct assay__dnn *d,
                     const struct assay__conv_problem *p,
                     enum assay__direction direction);
/* Whether they should without timing: outputs of 2x2 at most. */
bool assay__taps_small(const struct assay__conv_problem *p);

/* The layout of weights, and of their gradient. */
const_dnnl_memory_desc_t assay__taps_weights(
    struct assay__dnn *d, const struct assay__conv_problem *p);

/* Buffers of the task: source (x or dy), weights or second source (dy),
 * destination, bias (or db), working room. */
enum {
    ASSAY__TAPS_SRC,
    ASSAY__TAPS_WEI,
    ASSAY__TAPS_DST,
    ASSAY__TAPS_BIAS,
    ASSAY__TAPS_ROOM
};

/* The task without its buffers, and the bytes that each needs. */
struct assay__task assay__taps_task(struct assay__dnn *d, int index,
                                    const struct assay__conv_problem *p,
                                    enum assay__direction direction,
                                    size_t bytes[ASSAY__TASK_ARGS]);

#endif
