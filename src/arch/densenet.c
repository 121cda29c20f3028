/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DenseNet (Huang et al., CVPR 2017) under torchvision's names: each layer
 * reads all maps before it in its block, through 1x1 to four times the growth
 * and 3x3 to the growth; between blocks half of the channels and of the size.
 */

#include <stdio.h>

#include "arch/arch.h"

enum { BLOCKS = 4 };

struct variant {
    int depth[BLOCKS];
    int growth;
    int stem;
};

static assay_value conv(const struct assay__block *b, assay_value x,
                        const char *name, int out, int kernel)
{
    return assay__block_conv(b, x, name, out, kernel, 1, 1);
}

static assay_value dense_layer(const struct assay__block *b, assay_value x,
                               int growth)
{
    assay_value both[2] = {x, ASSAY_NO_VALUE};
    assay_value y = assay__block_norm_relu(b, x, "norm1");

    y = assay__block_norm_relu(b, conv(b, y, "conv1", 4 * growth, 1), "norm2");
    both[1] = conv(b, y, "conv2", growth, 3);
    return assay_op_concat(b->g, both, 2, 1);
}

static assay_value transition(const struct assay__block *b, assay_value x)
{
    int half = (int)assay_graph_shape(b->g, x)->dim[1] / 2;

    x = conv(b, assay__block_norm_relu(b, x, "norm"), "conv", half, 1);
    return assay_op_avgpool(b->g, x, 2, 2, 0);
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    struct assay__block b = {g, o, "features."};

    x = assay__block_conv(&b, x, "conv0", v->stem, 7, 2, 1);
    x = assay__block_norm_relu(&b, x, "norm0");
    x = assay_op_maxpool(g, x, 3, 2, 1);
    for (int k = 0; k < BLOCKS; k++) {
        for (int i = 0; i < v->depth[k]; i++) {
            snprintf(b.name, sizeof(b.name),
                     "features.denseblock%d.denselayer%d.", k + 1, i + 1);
            x = dense_layer(&b, x, v->growth);
        }
        snprintf(b.name, sizeof(b.name), "features.transition%d.", k + 1);
        if (k + 1 < BLOCKS)
            x = transition(&b, x);
    }
    snprintf(b.name, sizeof(b.name), "features.");
    x = assay__block_norm_relu(&b, x, "norm5");
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, "classifier", o->n_classes), out);
}

#define ROW(id, depth_, ...)                                 \
    static const struct variant variant_##id = __VA_ARGS__;  \
    const struct assay_arch assay_arch_##id = {              \
        .name = #id,                                         \
        .summary = "DenseNet-" #depth_ " as in torchvision", \
        .min_size = 29,                                      \
        .stock_size = 224,                                   \
        .variant = &variant_##id,                            \
        .build = build}

ROW(densenet121, 121, {{6, 12, 24, 16}, 32, 64});
ROW(densenet161, 161, {{6, 12, 36, 24}, 48, 96});
ROW(densenet169, 169, {{6, 12, 32, 32}, 32, 64});
ROW(densenet201, 201, {{6, 12, 48, 32}, 32, 64});
