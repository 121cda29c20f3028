/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Residual networks for large images, under torchvision's names: ResNet (He
 * et al., CVPR 2016; the stride is in the 3x3 convolution of a bottleneck),
 * ResNeXt (Xie et al., CVPR 2017), Wide ResNet-50-2 and -101-2 (Zagoruyko
 * and Komodakis, BMVC 2016), and with squeeze and excitation (Hu et al.,
 * CVPR 2018) under timm's. The same at every input size: 7x7 stem of stride
 * 2, max pooling, four stages.
 */

#include <stdio.h>

#include "arch/arch.h"

struct variant {
    int depth[4];    /* blocks of each stage */
    int bottleneck;  /* else basic blocks */
    int groups;      /* of the 3x3 convolution; 0: 1 */
    int group_width; /* at 64 channels; 0: 64 */
    int excited;     /* squeeze and excitation */
};

static assay_value basic(const struct assay__block *b, assay_value x,
                         int channels, int stride)
{
    x = assay__block_conv(b, x, "conv1", channels, 3, stride, 1);
    x = assay__block_norm_relu(b, x, "bn1");
    x = assay__block_conv(b, x, "conv2", channels, 3, 1, 1);
    return assay__block_norm(b, x, "bn2");
}

static assay_value bottleneck(const struct assay__block *b, assay_value x,
                              const struct variant *v, int channels, int stride)
{
    int groups = v->groups ? v->groups : 1;
    int per_group = v->group_width ? v->group_width : 64;
    int width = channels * per_group / 64 * groups;

    x = assay__block_conv(b, x, "conv1", width, 1, 1, 1);
    x = assay__block_norm_relu(b, x, "bn1");
    x = assay__block_conv(b, x, "conv2", width, 3, stride, groups);
    x = assay__block_norm_relu(b, x, "bn2");
    x = assay__block_conv(b, x, "conv3", 4 * channels, 1, 1, 1);
    return assay__block_norm(b, x, "bn3");
}

static assay_value one_block(const struct assay__block *b, assay_value x,
                             const struct variant *v, int channels, int stride)
{
    int out = v->bottleneck ? 4 * channels : channels;
    assay_value y = v->bottleneck ? bottleneck(b, x, v, channels, stride)
                                  : basic(b, x, channels, stride);

    if (v->excited) {
        struct assay__excite e = {.squeeze = out / 16, .out = "sigmoid"};

        y = assay__arch_excite(b->g, y, b->name, "se.fc1", "se.fc2", &e);
    }
    if (stride != 1 || assay_graph_shape(b->g, x)->dim[1] != out) {
        x = assay__block_conv(b, x, "downsample.0", out, 1, stride, 1);
        x = assay__block_norm(b, x, "downsample.1");
    }
    return assay_op_relu(b->g, assay_op_add(b->g, y, x));
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    struct assay__block b = {g, o, ""};

    x = assay__block_conv(&b, x, "conv1", 64, 7, 2, 1);
    x = assay__block_norm_relu(&b, x, "bn1");
    x = assay_op_maxpool(g, x, 3, 2, 1);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < v->depth[stage]; i++) {
            snprintf(b.name, sizeof(b.name), "layer%d.%d.", stage + 1, i);
            x = one_block(&b, x, v, 64 << stage, stage > 0 && i == 0 ? 2 : 1);
        }
    }
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, "fc", o->n_classes), out);
}

#define ROW(id, name_, summary_, ...)                                    \
    static const struct variant variant_##id = __VA_ARGS__;              \
    const struct assay_arch assay_arch_##id = {.name = name_,            \
                                               .summary = summary_,      \
                                               .min_size = 8,            \
                                               .stock_size = 224,        \
                                               .variant = &variant_##id, \
                                               .build = build}

/* clang-format off */
ROW(resnet18, "resnet18", "ResNet-18 as in torchvision", {{2, 2, 2, 2}, 0, 0, 0, 0});
ROW(resnet34, "resnet34", "ResNet-34 as in torchvision", {{3, 4, 6, 3}, 0, 0, 0, 0});
ROW(resnet50, "resnet50", "ResNet-50 as in torchvision", {{3, 4, 6, 3}, 1, 0, 0, 0});
ROW(resnet101, "resnet101", "ResNet-101 as in torchvision", {{3, 4, 23, 3}, 1, 0, 0, 0});
ROW(resnet152, "resnet152", "ResNet-152 as in torchvision", {{3, 8, 36, 3}, 1, 0, 0, 0});
ROW(resnext50_32x4d, "resnext50-32x4d", "ResNeXt-50, 32 groups of 4", {{3, 4, 6, 3}, 1, 32, 4, 0});
ROW(resnext101_32x8d, "resnext101-32x8d", "ResNeXt-101, 32 groups of 8", {{3, 4, 23, 3}, 1, 32, 8, 0});
ROW(resnext101_64x4d, "resnext101-64x4d", "ResNeXt-101, 64 groups of 4", {{3, 4, 23, 3}, 1, 64, 4, 0});
ROW(wide_resnet50_2, "wide-resnet50-2", "ResNet-50 of twice the width within", {{3, 4, 6, 3}, 1, 1, 128, 0});
ROW(wide_resnet101_2, "wide-resnet101-2", "ResNet-101 of twice the width within", {{3, 4, 23, 3}, 1, 1, 128, 0});
ROW(seresnet18, "seresnet18", "SE-ResNet-18 as in timm", {{2, 2, 2, 2}, 0, 0, 0, 1});
ROW(seresnet50, "seresnet50", "SE-ResNet-50 as in timm", {{3, 4, 6, 3}, 1, 0, 0, 1});
/* clang-format on */
