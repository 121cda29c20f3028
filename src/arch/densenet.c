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

struct part {
    assay_graph *g;
    const struct assay_arch_options *o;
    char name[64]; /* "features.denseblock1.denselayer1." */
};

static assay_value conv(const struct part *p, assay_value x, const char *name,
                        int out, int kernel, int stride)
{
    struct assay_conv c = {.out = out,
                           .kernel = kernel,
                           .stride = stride,
                           .pad = kernel / 2,
                           .no_bias = 1,
                           .fan_out = 1};
    char full[96];

    snprintf(full, sizeof(full), "%s%s", p->name, name);
    return assay_layer_conv(p->g, x, full, &c);
}

static assay_value norm_relu(const struct part *p, assay_value x,
                             const char *name)
{
    char full[96];

    snprintf(full, sizeof(full), "%s%s", p->name, name);
    return assay_op_relu(p->g, assay_layer_norm(p->g, x, full, p->o->norm));
}

static assay_value dense_layer(const struct part *p, assay_value x, int growth)
{
    assay_value both[2] = {x, ASSAY_NO_VALUE};
    assay_value y =
        conv(p, norm_relu(p, x, "norm1"), "conv1", 4 * growth, 1, 1);

    both[1] = conv(p, norm_relu(p, y, "norm2"), "conv2", growth, 3, 1);
    return assay_op_concat(p->g, both, 2, 1);
}

static assay_value transition(const struct part *p, assay_value x)
{
    int half = (int)assay_graph_shape(p->g, x)->dim[1] / 2;

    x = conv(p, norm_relu(p, x, "norm"), "conv", half, 1, 1);
    return assay_op_avgpool(p->g, x, 2, 2, 0);
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    struct part p = {g, o, "features."};

    x = norm_relu(&p, conv(&p, x, "conv0", v->stem, 7, 2), "norm0");
    x = assay_op_maxpool(g, x, 3, 2, 1);
    for (int b = 0; b < BLOCKS; b++) {
        for (int i = 0; i < v->depth[b]; i++) {
            snprintf(p.name, sizeof(p.name),
                     "features.denseblock%d.denselayer%d.", b + 1, i + 1);
            x = dense_layer(&p, x, v->growth);
        }
        snprintf(p.name, sizeof(p.name), "features.transition%d.", b + 1);
        if (b + 1 < BLOCKS)
            x = transition(&p, x);
    }
    snprintf(p.name, sizeof(p.name), "features.");
    x = norm_relu(&p, x, "norm5");
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
