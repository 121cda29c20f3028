/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_PORTS_H
#define ASSAY_ENGINE_ONEDNN_PORTS_H

/* The values that one direction of a weighted layer reads and makes; plain
 * ones also for normalisations. */

#include "engine/onednn/conv.h"
#include "engine/onednn/fold.h"

struct assay__ports {
    assay_value x, w, b, y;
    const struct assay__folded *folded; /* in place of w and b, or NULL */
    assay_value over;                   /* a value that y is added to */
};

/* The weights as `md`, from the value or from the fold. */
int assay__weights_as(struct assay__dnn *d, const_dnnl_memory_desc_t md,
                      assay_value w, const struct assay__folded *folded);
/* The value in plain order; -1 for ASSAY_NO_VALUE. */
int assay__plain(struct assay__dnn *d, assay_value v);
/* A place in plain order for a value that is made. */
int assay__plain_result(struct assay__dnn *d, assay_value v);
/* Where y goes: over `over`, to which it is added, if there is one. */
int assay__place_output(struct assay__dnn *d, assay_value y,
                        const_dnnl_memory_desc_t md, assay_value over);

/* Linear layers, on values of any rank that hold rows [N, ...]. */
void assay__linear_forward(struct assay__dnn *d, int index,
                           const struct assay__ports *v, bool sum, bool relu);
void assay__linear_backward_data(struct assay__dnn *d, int index, assay_value y,
                                 assay_value w, assay_value x);
void assay__linear_backward_weights(struct assay__dnn *d, int index,
                                    assay_value x, assay_value y,
                                    assay_value dw, assay_value db);
const_dnnl_memory_desc_t assay__linear_layout(struct assay__dnn *d,
                                              assay_value x, assay_value y);

#endif
