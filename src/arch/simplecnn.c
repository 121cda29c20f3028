/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SimpleCNN of ML-Doctor (Liu et al., USENIX Security 2022).
 *
 *   simplecnn   two convolutions and two linear layers: the paper's, for
 *               32x32
 *   simplecnn3  three convolutions, 512 wide: its later code's, for 64x64
 *
 * Each convolution is 3x3 without padding, then ReLU and 2x2 max pooling.
 */

#include "arch/arch.h"

static int build(assay_graph *g, assay_value x, const char *name,
                 const int *channels, int hidden,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    struct assay_conv conv = {.kernel = 3};

    if (!assay__arch_fits(g, x, name, channels[2] ? 22 : 10))
        return assay_graph_check(g, NULL);
    for (int i = 0; channels[i]; i++) {
        conv.out = channels[i];
        x = assay__arch_conv(g, x, "features", 3 * i, &conv);
        x = assay_op_maxpool(g, assay_op_relu(g, x), 2, 2, 0);
    }
    x = assay_op_flatten(g, x);
    x = assay_op_relu(g, assay__arch_linear(g, x, "classifier", 0, hidden));
    return assay__arch_finish(
        g, x, assay__arch_linear(g, x, "classifier", 2, o->n_classes), out);
}

static int build_two(assay_graph *g, assay_value x,
                     const struct assay_arch_options *o,
                     struct assay_arch_values *out)
{
    static const int channels[] = {32, 64, 0};

    return build(g, x, "simplecnn", channels, 128, o, out);
}

static int build_three(assay_graph *g, assay_value x,
                       const struct assay_arch_options *o,
                       struct assay_arch_values *out)
{
    static const int channels[] = {32, 64, 128, 0};

    return build(g, x, "simplecnn3", channels, 512, o, out);
}

const struct assay_arch assay_arch_simplecnn = {
    .name = "simplecnn",
    .summary = "ML-Doctor's SimpleCNN: 2 convolutions, 2 linear layers",
    .min_size = 10,
    .build = build_two};

const struct assay_arch assay_arch_simplecnn3 = {
    .name = "simplecnn3",
    .summary = "its later form: 3 convolutions, 2 linear layers",
    .min_size = 22,
    .build = build_three};
