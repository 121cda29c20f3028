/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_FOLD_H
#define ASSAY_ENGINE_ONEDNN_FOLD_H

#include "engine/onednn/lower.h"

/* Weights and bias that no value of the graph holds. */
struct assay__folded {
    const_dnnl_memory_desc_t md; /* of the weights */
    int weights, bias;           /* buffers */
};

/*
 * The weights w [O, ...] and bias (b may be ASSAY_NO_VALUE) of a layer with
 * the batch normalisation `norm`, in evaluation, multiplied in:
 *   w'[o] = s w[o],  b'[o] = beta + s (b - mean),  s = gamma / sqrt(var + eps)
 * Frozen plans compute them when parameters change, others each run.
 */
struct assay__folded assay__dnn_fold(struct assay__dnn *d, int index,
                                     assay_value w, assay_value b, int norm);

#endif
