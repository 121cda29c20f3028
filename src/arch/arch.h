/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ARCH_ARCH_H
#define ASSAY_ARCH_ARCH_H

/* What the builders of this folder share. */

#include "assay/arch.h"
#include "assay/layers.h"

/* Layers called "prefix.N"; no activation. */
assay_value assay__arch_conv(assay_graph *g, assay_value x, const char *prefix,
                             int index, const struct assay_conv *conv);
assay_value assay__arch_linear(assay_graph *g, assay_value x,
                               const char *prefix, int index, int out);

/* A part of a network whose layers' names begin alike. */
struct assay__block {
    assay_graph *g;
    const struct assay_arch_options *o;
    char name[64]; /* "layer1.0." */
};
/* A convolution without bias that keeps the size at stride 1; `groups` 0 is
 * 1. */
assay_value assay__block_conv(const struct assay__block *b, assay_value x,
                              const char *name, int out, int kernel, int stride,
                              int groups);
assay_value assay__block_norm(const struct assay__block *b, assay_value x,
                              const char *name);
assay_value assay__block_norm_relu(const struct assay__block *b, assay_value x,
                                   const char *name);

/*
 * Squeeze and excitation (Hu et al., CVPR 2018): the means of the channels,
 * two 1x1 convolutions called prefix + name, a factor for each channel.
 */
struct assay__excite {
    int squeeze;     /* channels between the two */
    const char *in;  /* after the first: "silu", else ReLU */
    const char *out; /* after the second: "sigmoid" or "hardsigmoid" */
};
assay_value assay__arch_excite(assay_graph *g, assay_value x,
                               const char *prefix, const char *first,
                               const char *second,
                               const struct assay__excite *e);

/* x sigmoid(x). */
assay_value assay__arch_silu(assay_graph *g, assay_value x);

/* Channels rounded to a multiple of `step`, by at most a tenth down, as
 * MobileNet's authors round. */
int assay__arch_round_channels(double channels, int step);

/*
 * Layer normalisation (Ba et al., 2016) over one axis, with a weight and a
 * bias for each place of it: the last axis of tokens [N, T, D], or axis 1 of
 * maps [N, C, H, W]. eps 1e-6, as transformers have it.
 */
assay_value assay__arch_layernorm(assay_graph *g, assay_value x,
                                  const char *name, int axis);
/* The same with an eps of its own, of any rank. */
assay_value assay__arch_layernorm_with(assay_graph *g, assay_value x,
                                       const char *name, int axis, double eps);
/* A linear layer on each token: [N, T, D] to [N, T, out]. Its parameters are
 * called name + ".weight" and so on, or name + "_weight" where `under`. */
assay_value assay__arch_token_linear(assay_graph *g, assay_value x,
                                     const char *name, int under, int out);
/* A linear layer on each place of a map, [N, C, H, W] to [N, out, H, W]. */
assay_value assay__arch_place_linear(assay_graph *g, assay_value x,
                                     const char *name, int out);

/* The end of every builder: name what was made, return the graph's code. */
int assay__arch_finish(assay_graph *g, assay_value embedding,
                       assay_value logits, struct assay_arch_values *out);

#endif
