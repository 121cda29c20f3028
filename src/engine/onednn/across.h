/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_ACROSS_H
#define ASSAY_ENGINE_ONEDNN_ACROSS_H

/*
 * Convolutions of few channels by our own kernel, whose vectors lie across 16
 * records instead of 16 channels, so that no lane is idle for want of a
 * channel. Forward, for AVX-512; data and weights are plain.
 */

#include "engine/onednn/conv.h"

/* Whether the kernel can do the problem, and may be worth its while. */
bool assay__across_fit(const struct assay__dnn *d,
                       const struct assay__conv_problem *p);
const_dnnl_memory_desc_t assay__across_weights(
    struct assay__dnn *d, const struct assay__conv_problem *p);

/* The task without its buffers (ASSAY__TAPS_SRC, ...), and the bytes that each
 * needs. */
struct assay__task assay__across_task(struct assay__dnn *d, int index,
                                      const struct assay__conv_problem *p,
                                      size_t bytes[ASSAY__TASK_ARGS]);

#endif
