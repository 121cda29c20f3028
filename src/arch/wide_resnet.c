/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wide residual networks for small images (Zagoruyko and Komodakis, BMVC
 * 2016): three stages of (depth - 4) / 6 pre-activation blocks, 16, 32 and
 * 64 channels times a width. Names as in the models of robustness research:
 * `block1.layer.0.conv1`, `convShortcut`, last layer `fc`.
 */

#include <stdio.h>

#include "arch/arch.h"

struct variant {
    int depth;
    int width;
};

/* A block that widens takes its shortcut after the first activation. */
static assay_value one_block(const struct assay__block *b, assay_value x,
                             int channels, int stride)
{
    int same = assay_graph_shape(b->g, x)->dim[1] == channels;
    assay_value y = assay__block_norm_relu(b, x, "bn1");
    assay_value way =
        same ? x
             : assay__block_conv(b, y, "convShortcut", channels, 1, stride, 1);

    y = assay__block_conv(b, y, "conv1", channels, 3, stride, 1);
    y = assay__block_norm_relu(b, y, "bn2");
    y = assay__block_conv(b, y, "conv2", channels, 3, 1, 1);
    return assay_op_add(b->g, way, y);
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    struct assay__block b = {.g = g, .o = o};

    x = assay__block_conv(&b, x, "conv1", 16, 3, 1, 1);
    for (int stage = 0; stage < 3; stage++) {
        for (int i = 0; i < (v->depth - 4) / 6; i++) {
            snprintf(b.name, sizeof(b.name), "block%d.layer.%d.", stage + 1, i);
            x = one_block(&b, x, (16 << stage) * v->width,
                          stage > 0 && i == 0 ? 2 : 1);
        }
    }
    b.name[0] = '\0';
    x = assay__block_norm_relu(&b, x, "bn1");
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, "fc", o->n_classes), out);
}

#define ROW(id, depth_, width_)                                              \
    static const struct variant variant_##id = {depth_, width_};             \
    const struct assay_arch assay_arch_##id = {                              \
        .name = "wrn-" #depth_ "-" #width_,                                  \
        .summary = "Wide ResNet-" #depth_ " of width " #width_ " for CIFAR", \
        .min_size = 8,                                                       \
        .stock_size = 32,                                                    \
        .variant = &variant_##id,                                            \
        .build = build}

ROW(wrn_16_4, 16, 4);
ROW(wrn_28_10, 28, 10);
ROW(wrn_34_10, 34, 10);
ROW(wrn_40_2, 40, 2);
ROW(wrn_70_16, 70, 16);
