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

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What normalises: X(name, text). GROUP puts a group norm of the same names
 * (`weight` and `bias`; no running statistics) in the place of each batch
 * norm, so that a record's gradient depends on that record alone, as private
 * training needs. Groups: the largest divisor of the channels up to 32.
 * Architectures without normalisation are the same either way.
 */
#define ASSAY_NORMS(X) \
    X(BATCH, "batch")  \
    X(GROUP, "group")

enum assay_norm {
#define ASSAY_X(name, text) ASSAY_NORM_##name,
    ASSAY_NORMS(ASSAY_X)
#undef ASSAY_X
};

/* "batch", "group"; the norm of that name into *out, or ASSAY_ARG with the
 * names there are. */
const char *assay_norm_name(enum assay_norm norm);
int assay_norm_parse(enum assay_norm *out, const char *text,
                     struct assay_error *err) ASSAY_MUST_CHECK;

struct assay_arch_options {
    int n_classes;
    enum assay_norm norm;
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
