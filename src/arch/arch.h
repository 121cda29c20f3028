/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ARCH_ARCH_H
#define ASSAY_ARCH_ARCH_H

/* What the builders of this folder share. */

#include "assay/arch.h"
#include "assay/layers.h"

/* Input [N, C, H, W] of at least `size` on both sides? Else the graph's
 * error is set and false returned. */
int assay__arch_fits(assay_graph *g, assay_value x, const char *name, int size);

/* Layers called "prefix.N"; no activation. */
assay_value assay__arch_conv(assay_graph *g, assay_value x, const char *prefix,
                             int index, const struct assay_conv *conv);
assay_value assay__arch_linear(assay_graph *g, assay_value x,
                               const char *prefix, int index, int out);

/* The end of every builder: name what was made, return the graph's code. */
int assay__arch_finish(assay_graph *g, assay_value embedding,
                       assay_value logits, struct assay_arch_values *out);

#endif
