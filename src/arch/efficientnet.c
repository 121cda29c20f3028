/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EfficientNet B0 to B7 (Tan and Le, ICML 2019) under torchvision's names:
 * MobileNet's blocks with SiLU and squeeze and excitation, deeper and wider
 * by two factors. In training no block is left out at random (stochastic
 * depth), which the published recipe does.
 */

#include <math.h>
#include <stdio.h>

#include "arch/arch.h"

struct variant {
    double width;
    double depth;
    double dropout;
    int wide_eps; /* normalisation with eps .001 and momentum .01 */
};

struct stage {
    int factor; /* by which a block widens */
    int kernel;
    int stride;
    int out;
    int blocks;
};

static const struct stage stages[] = {
    {1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3},
    {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1}};
enum { N_STAGES = sizeof(stages) / sizeof(stages[0]) };

struct net {
    assay_graph *g;
    const struct assay_arch_options *o;
    const struct variant *v;
};

static assay_value conv_norm(const struct net *n, assay_value x,
                             const char *name, int out, int kernel, int stride,
                             int groups)
{
    struct assay_conv conv = {.out = out,
                              .kernel = kernel,
                              .stride = stride,
                              .pad = kernel / 2,
                              .groups = groups,
                              .no_bias = 1,
                              .fan_out = 1};
    char full[128];

    snprintf(full, sizeof(full), "%s.0", name);
    x = assay_layer_conv(n->g, x, full, &conv);
    snprintf(full, sizeof(full), "%s.1", name);
    return assay_layer_norm_with(n->g, x, full, n->o->norm,
                                 n->v->wide_eps ? 1e-3 : 1e-5,
                                 n->v->wide_eps ? .01 : .1);
}

static assay_value one_block(const struct net *n, assay_value x,
                             const char *base, const struct stage *s, int out,
                             int stride)
{
    int in = (int)assay_graph_shape(n->g, x)->dim[1];
    int wide = assay__arch_round_channels(in * s->factor, 8);
    struct assay__excite e = {
        .squeeze = in / 4 > 1 ? in / 4 : 1, .in = "silu", .out = "sigmoid"};
    assay_value y = x;
    char name[128];
    int part = 0;

    if (wide != in) {
        snprintf(name, sizeof(name), "%s.%d", base, part++);
        y = assay__arch_silu(n->g, conv_norm(n, y, name, wide, 1, 1, 1));
    }
    snprintf(name, sizeof(name), "%s.%d", base, part++);
    y = assay__arch_silu(n->g,
                         conv_norm(n, y, name, wide, s->kernel, stride, wide));
    snprintf(name, sizeof(name), "%s.%d.", base, part++);
    y = assay__arch_excite(n->g, y, name, "fc1", "fc2", &e);
    snprintf(name, sizeof(name), "%s.%d", base, part);
    y = conv_norm(n, y, name, out, 1, 1, 1);
    return stride == 1 && in == out ? assay_op_add(n->g, y, x) : y;
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    const struct net n = {g, o, v};
    int channels = assay__arch_round_channels(32 * v->width, 8);
    char base[64];

    x = assay__arch_silu(g, conv_norm(&n, x, "features.0", channels, 3, 2, 1));
    for (int s = 0; s < N_STAGES; s++) {
        int blocks = (int)ceil(stages[s].blocks * v->depth);

        channels = assay__arch_round_channels(stages[s].out * v->width, 8);
        for (int i = 0; i < blocks; i++) {
            snprintf(base, sizeof(base), "features.%d.%d.block", s + 1, i);
            x = one_block(&n, x, base, &stages[s], channels,
                          i == 0 ? stages[s].stride : 1);
        }
    }
    x = assay__arch_silu(g,
                         conv_norm(&n, x, "features.8", 4 * channels, 1, 1, 1));
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    if (!o->no_dropout)
        x = assay_op_dropout(g, x, v->dropout);
    return assay__arch_finish(
        g, x, assay__arch_linear(g, x, "classifier", 1, o->n_classes), out);
}

#define ROW(id, number, ...)                                     \
    static const struct variant variant_##id = __VA_ARGS__;      \
    const struct assay_arch assay_arch_##id = {                  \
        .name = "efficientnet-" #number,                         \
        .summary = "EfficientNet " #number " as in torchvision", \
        .min_size = 8,                                           \
        .stock_size = 224,                                       \
        .variant = &variant_##id,                                \
        .build = build}

ROW(efficientnet_b0, b0, {1.0, 1.0, .2, 0});
ROW(efficientnet_b1, b1, {1.0, 1.1, .2, 0});
ROW(efficientnet_b2, b2, {1.1, 1.2, .3, 0});
ROW(efficientnet_b3, b3, {1.2, 1.4, .3, 0});
ROW(efficientnet_b4, b4, {1.4, 1.8, .4, 0});
ROW(efficientnet_b5, b5, {1.6, 2.2, .4, 1});
ROW(efficientnet_b6, b6, {1.8, 2.6, .5, 1});
ROW(efficientnet_b7, b7, {2.0, 3.1, .5, 1});
