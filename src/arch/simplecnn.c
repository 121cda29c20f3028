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

struct variant {
    int channels[4]; /* ends with 0 */
    int hidden;
};

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    struct assay_conv conv = {.kernel = 3};

    for (int i = 0; v->channels[i]; i++) {
        conv.out = v->channels[i];
        x = assay__arch_conv(g, x, "features", 3 * i, &conv);
        x = assay_op_maxpool(g, assay_op_relu(g, x), 2, 2, 0);
    }
    x = assay_op_flatten(g, x);
    x = assay_op_relu(g, assay__arch_linear(g, x, "classifier", 0, v->hidden));
    return assay__arch_finish(
        g, x, assay__arch_linear(g, x, "classifier", 2, o->n_classes), out);
}

static const struct variant two = {{32, 64, 0}, 128};
static const struct variant three = {{32, 64, 128, 0}, 512};

const struct assay_arch assay_arch_simplecnn = {
    .name = "simplecnn",
    .summary = "ML-Doctor's SimpleCNN: 2 convolutions, 2 linear layers",
    .min_size = 10,
    .stock_size = 32,
    .variant = &two,
    .build = build};

const struct assay_arch assay_arch_simplecnn3 = {
    .name = "simplecnn3",
    .summary = "its later form: 3 convolutions, 2 linear layers",
    .min_size = 22,
    .stock_size = 64,
    .variant = &three,
    .build = build};
