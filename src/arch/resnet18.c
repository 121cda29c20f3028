/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ResNet-18 (He et al., CVPR 2016), as in torchvision at every input size:
 * 7x7 stem of stride 2, max pooling, four stages of two basic blocks.
 */

#include <stdio.h>

#include "arch/arch.h"

static assay_value conv_norm(assay_graph *g, assay_value x, const char *block,
                             const char *conv_name, const char *norm_name,
                             const struct assay_conv *conv,
                             const struct assay_arch_options *o)
{
    char name[64];

    snprintf(name, sizeof(name), "%s%s", block, conv_name);
    x = assay_layer_conv(g, x, name, conv);
    snprintf(name, sizeof(name), "%s%s", block, norm_name);
    return assay_layer_norm(g, x, name, o->norm);
}

static assay_value basic_block(assay_graph *g, assay_value x, int stage,
                               int index, int channels, int stride,
                               const struct assay_arch_options *o)
{
    struct assay_conv conv = {.out = channels,
                              .kernel = 3,
                              .stride = stride,
                              .pad = 1,
                              .no_bias = 1,
                              .fan_out = 1};
    char block[32];
    assay_value y;

    snprintf(block, sizeof(block), "layer%d.%d.", stage, index);
    y = conv_norm(g, x, block, "conv1", "bn1", &conv, o);
    y = assay_op_relu(g, y);
    conv.stride = 1;
    y = conv_norm(g, y, block, "conv2", "bn2", &conv, o);
    if (stride != 1 || assay_graph_shape(g, x)->dim[1] != channels) {
        conv.kernel = 1;
        conv.stride = stride;
        conv.pad = 0;
        x = conv_norm(g, x, block, "downsample.0", "downsample.1", &conv, o);
    }
    return assay_op_relu(g, assay_op_add(g, y, x));
}

static int build(assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    struct assay_conv stem = {.out = 64,
                              .kernel = 7,
                              .stride = 2,
                              .pad = 3,
                              .no_bias = 1,
                              .fan_out = 1};

    if (!assay__arch_fits(g, x, "resnet18", 8))
        return assay_graph_check(g, NULL);
    x = assay_op_relu(g, conv_norm(g, x, "", "conv1", "bn1", &stem, o));
    x = assay_op_maxpool(g, x, 3, 2, 1);
    for (int stage = 1; stage <= 4; stage++) {
        int channels = 32 << stage;

        x = basic_block(g, x, stage, 0, channels, stage == 1 ? 1 : 2, o);
        x = basic_block(g, x, stage, 1, channels, 1, o);
    }
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, "fc", o->n_classes), out);
}

const struct assay_arch assay_arch_resnet18 = {
    .name = "resnet18",
    .summary = "ResNet-18 as in torchvision",
    .min_size = 8,
    .build = build};
