/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_DEPTHWISE_H
#define ASSAY_ENGINE_ONEDNN_DEPTHWISE_H

#include "engine/onednn/conv.h"

/* The gradients of depthwise weights (and bias, if wanted) by our own
 * kernel. False, and nothing appended, when the problem is another. */
bool assay__dnn_depthwise(struct assay__dnn *d, int index,
                          const struct assay__conv_problem *p, assay_value x,
                          assay_value dy, assay_value dw, assay_value db);

#endif
