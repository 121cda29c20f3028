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
    int stock_size;      /* what the published network is made for */
    const void *variant; /* the builder's own: depth, width and so on */
    /* Append the network; assay_arch_build() has checked the size. */
    int (*build)(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *options,
                 struct assay_arch_values *out);
};

/* Append the network on x [N, C, H, W], C 1 to 4. Errors stick in `g` and are
 * returned as well: ASSAY_SHAPE for an input below min_size. */
int assay_arch_build(const struct assay_arch *arch, assay_graph *g,
                     assay_value x, const struct assay_arch_options *options,
                     struct assay_arch_values *out);

/* What a state dict is of. */
struct assay_arch_match {
    const struct assay_arch *arch;
    int channels;  /* of the input */
    int n_classes; /* rows of the last layer */
    int size;      /* of an input at which the network has these layers */
};

/*
 * The architecture whose parameters are those of `list`, name for name and
 * shape for shape; "num_batches_tracked" is passed over, anything else that
 * no layer has is not. Of several the first of the table. ASSAY_FORMAT when
 * there is none, with the one that comes nearest and a tensor in which it
 * differs. With `wanted` (may be NULL) that architecture alone is tried, with
 * `size` above 0 that size alone: some networks have other layers on small
 * images. Else it is each row's own and 32.
 */
int assay_arch_identify(struct assay_arch_match *out,
                        const struct assay_tensors *list,
                        const struct assay_arch *wanted, int size,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Give tensors that are named as others do (torchvision before 0.3, pytorchcv's
 * ResNet) the names of the table; other lists stay as they are. _FORMAT when
 * two tensors would be called alike, _UNSUPPORTED when names and shapes do not
 * tell the network: then nothing is renamed.
 */
int assay_arch_rename(struct assay_tensors *list,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* The table, ends with NULL; and one of its rows by name, or NULL. */
const struct assay_arch *const *assay_arch_table(void);
const struct assay_arch *assay_arch_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
