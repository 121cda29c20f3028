/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ARCH_H
#define ASSAY_ARCH_H

/*
 * Architectures: builders of classifier graphs, rows of arch/archs.def.
 * Parameters carry the names of the published state dicts, and at the stock
 * input size the graph is the stock network. What changes for small inputs
 * is told layer by layer in docs/architectures.md.
 */

#include "assay/graph.h"
#include "assay/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

struct assay_arch_options {
    int n_classes;
    enum assay_norm norm; /* GROUP: in the place of each batch norm */
    int no_dropout; /* leave dropout out: to compare training step by step */
};

/* The values of a classifier that others need. */
struct assay_arch_values {
    assay_value logits;    /* [N, K] */
    assay_value embedding; /* [N, h]: input of the last linear layer */
};

struct assay_arch {
    const char *name;    /* "resnet18" */
    const char *summary; /* one line for people */
    int min_size;        /* smallest height and width of the input */
    /* Append the network on x [N, C, H, W], C 1 to 4. Errors stick in `g`
     * and are returned as well. */
    int (*build)(assay_graph *g, assay_value x,
                 const struct assay_arch_options *options,
                 struct assay_arch_values *out);
};

/* The table, ends with NULL; and one of its rows by name, or NULL. */
const struct assay_arch *const *assay_arch_table(void);
const struct assay_arch *assay_arch_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
