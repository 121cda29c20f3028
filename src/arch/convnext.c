/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ConvNeXt (Liu et al., CVPR 2022) under torchvision's names: 7x7 filters of
 * each channel, layer normalisation, two linear layers on each place with a
 * GELU between, scaled and added. In training no block is left out at random
 * (stochastic depth).
 */

#include <stdio.h>

#include "arch/arch.h"

struct variant {
    int depth[4];
    int width; /* of the first stage; doubled from stage to stage */
};

static assay_value conv(assay_graph *g, assay_value x, const char *name,
                        int out, int kernel, int stride, int groups)
{
    struct assay_conv c = {.out = out,
                           .kernel = kernel,
                           .stride = stride,
                           .pad = stride == 1 ? kernel / 2 : 0,
                           .groups = groups};

    return assay_layer_conv(g, x, name, &c);
}

static assay_value one_block(assay_graph *g, assay_value x, const char *base)
{
    int width = (int)assay_graph_shape(g, x)->dim[1];
    const struct assay_init small = {ASSAY_INIT_CONST, 1e-6, 0};
    struct assay_shape scale =
        assay_shape_make(3, (int64_t)width, (int64_t)1, (int64_t)1);
    assay_value y;
    assay_value s;
    char name[128];

    snprintf(name, sizeof(name), "%.40s.layer_scale", base);
    s = assay_graph_param(g, name, &scale, small, ASSAY_PARAM_TRAINABLE);
    snprintf(name, sizeof(name), "%.40s.block.0", base);
    y = conv(g, x, name, width, 7, 1, width);
    snprintf(name, sizeof(name), "%.40s.block.2", base);
    y = assay__arch_layernorm(g, y, name, 1);
    snprintf(name, sizeof(name), "%.40s.block.3", base);
    y = assay__arch_place_linear(g, y, name, 4 * width);
    y = assay_op_unary(g, ASSAY_UNARY_GELU, y, 0, 0);
    snprintf(name, sizeof(name), "%.40s.block.5", base);
    y = assay__arch_place_linear(g, y, name, width);
    return assay_op_add(g, assay_op_binary(g, ASSAY_BINARY_MUL, y, s), x);
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    char name[128];

    x = conv(g, x, "features.0.0", v->width, 4, 4, 1);
    x = assay__arch_layernorm(g, x, "features.0.1", 1);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < v->depth[stage]; i++) {
            snprintf(name, sizeof(name), "features.%d.%d", 2 * stage + 1, i);
            x = one_block(g, x, name);
        }
        if (stage == 3)
            break;
        snprintf(name, sizeof(name), "features.%d.0", 2 * stage + 2);
        x = assay__arch_layernorm(g, x, name, 1);
        snprintf(name, sizeof(name), "features.%d.1", 2 * stage + 2);
        x = conv(g, x, name, v->width << (stage + 1), 2, 2, 1);
    }
    x = assay__arch_layernorm(g, assay_op_global_avgpool(g, x), "classifier.0",
                              1);
    x = assay_op_flatten(g, x);
    return assay__arch_finish(
        g, x, assay__arch_linear(g, x, "classifier", 2, o->n_classes), out);
}

#define ROW(id, name_, ...)                                 \
    static const struct variant variant_##id = __VA_ARGS__; \
    const struct assay_arch assay_arch_##id = {             \
        .name = name_,                                      \
        .summary = "ConvNeXt as in torchvision",            \
        .min_size = 32,                                     \
        .stock_size = 224,                                  \
        .variant = &variant_##id,                           \
        .build = build}

ROW(convnext_tiny, "convnext-tiny", {{3, 3, 9, 3}, 96});
ROW(convnext_small, "convnext-small", {{3, 3, 27, 3}, 96});
ROW(convnext_base, "convnext-base", {{3, 3, 27, 3}, 128});
ROW(convnext_large, "convnext-large", {{3, 3, 27, 3}, 192});
