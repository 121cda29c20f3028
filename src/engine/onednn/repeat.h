/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_REPEAT_H
#define ASSAY_ENGINE_ONEDNN_REPEAT_H

/*
 * Linear layers on repeated numbers. The stock heads of AlexNet and VGG-19
 * spread what is left of a small image, one place, over 6x6 or 7x7 of them;
 * the layer behind multiplies each number as many times. In plans whose
 * parameters stay, the weights that meet the same number are summed once.
 */

#include "engine/onednn/ports.h"

/* When the layer's input only repeats: take the pooling's own input as
 * v->x, sums of weights into *out, and that as v->folded. */
void assay__fold_repeats(struct assay__dnn *d, int index,
                         struct assay__ports *v, struct assay__folded *out);

#endif
