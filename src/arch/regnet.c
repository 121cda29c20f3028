/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RegNet (Radosavovic et al., CVPR 2020) under torchvision's names: stages
 * whose widths come from a line, w_0 + w_a i for block i, rounded to powers of
 * w_m times w_0 and to multiples of 8; Y has squeeze and excitation, X none.
 */

#include <math.h>
#include <stdio.h>

#include "arch/arch.h"

struct variant {
    int depth;
    int w_0;
    double w_a;
    double w_m;
    int group_width;
    int excited;
};

static assay_value conv_norm(const struct assay__block *b, assay_value x,
                             const char *part, int out, int kernel, int stride,
                             int groups)
{
    char name[32];

    snprintf(name, sizeof(name), "%s.0", part);
    x = assay__block_conv(b, x, name, out, kernel, stride, groups);
    snprintf(name, sizeof(name), "%s.1", part);
    return assay__block_norm(b, x, name);
}

static assay_value one_block(const struct assay__block *b, assay_value x,
                             const struct variant *v, int out, int stride)
{
    int in = (int)assay_graph_shape(b->g, x)->dim[1];
    int per_group = v->group_width < out ? v->group_width : out;
    struct assay__excite e = {.squeeze = (int)rint(.25 * in), .out = "sigmoid"};
    assay_value way = x;
    assay_value y;

    if (in != out || stride != 1)
        way = conv_norm(b, x, "proj", out, 1, stride, 1);
    y = assay_op_relu(b->g, conv_norm(b, x, "f.a", out, 1, 1, 1));
    y = assay_op_relu(b->g,
                      conv_norm(b, y, "f.b", out, 3, stride, out / per_group));
    if (v->excited)
        y = assay__arch_excite(b->g, y, b->name, "f.se.fc1", "f.se.fc2", &e);
    y = conv_norm(b, y, "f.c", out, 1, 1, 1);
    return assay_op_relu(b->g, assay_op_add(b->g, way, y));
}

/* Width of block i before it is made a multiple of the groups. */
static int raw_width(const struct variant *v, int i)
{
    double line = v->w_0 + v->w_a * i;
    double power = rint(log(line / v->w_0) / log(v->w_m));

    return (int)rint(v->w_0 * pow(v->w_m, power) / 8) * 8;
}

static int width_of(const struct variant *v, int i)
{
    int raw = raw_width(v, i);
    int group = v->group_width < raw ? v->group_width : raw;

    return assay__arch_round_channels(raw, group);
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    struct assay__block b = {.g = g, .o = o};
    int stage = 0;
    int index = 0;

    x = assay_op_relu(g, conv_norm(&b, x, "stem", 32, 3, 2, 1));
    for (int i = 0; i < v->depth; i++, index++) {
        int first = i == 0 || raw_width(v, i) != raw_width(v, i - 1);

        if (first) {
            stage++;
            index = 0;
        }
        snprintf(b.name, sizeof(b.name), "trunk_output.block%d.block%d-%d.",
                 stage, stage, index);
        x = one_block(&b, x, v, width_of(v, i), first ? 2 : 1);
    }
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, "fc", o->n_classes), out);
}

#define ROW(id, name_, ...)                                                    \
    static const struct variant variant_##id = __VA_ARGS__;                    \
    const struct assay_arch assay_arch_##id = {.name = name_,                  \
                                               .summary =                      \
                                                   "RegNet as in torchvision", \
                                               .min_size = 8,                  \
                                               .stock_size = 224,              \
                                               .variant = &variant_##id,       \
                                               .build = build}

/* clang-format off */
ROW(regnet_y_400mf, "regnet-y-400mf", {16, 48, 27.89, 2.09, 8, 1});
ROW(regnet_y_800mf, "regnet-y-800mf", {14, 56, 38.84, 2.4, 16, 1});
ROW(regnet_y_1_6gf, "regnet-y-1-6gf", {27, 48, 20.71, 2.65, 24, 1});
ROW(regnet_y_3_2gf, "regnet-y-3-2gf", {21, 80, 42.63, 2.66, 24, 1});
ROW(regnet_y_8gf, "regnet-y-8gf", {17, 192, 76.82, 2.19, 56, 1});
ROW(regnet_y_16gf, "regnet-y-16gf", {18, 200, 106.23, 2.48, 112, 1});
ROW(regnet_y_32gf, "regnet-y-32gf", {20, 232, 115.89, 2.53, 232, 1});
ROW(regnet_x_400mf, "regnet-x-400mf", {22, 24, 24.48, 2.54, 16, 0});
ROW(regnet_x_800mf, "regnet-x-800mf", {16, 56, 35.73, 2.28, 16, 0});
ROW(regnet_x_1_6gf, "regnet-x-1-6gf", {18, 80, 34.01, 2.25, 24, 0});
ROW(regnet_x_3_2gf, "regnet-x-3-2gf", {25, 88, 26.31, 2.25, 48, 0});
ROW(regnet_x_8gf, "regnet-x-8gf", {23, 80, 49.56, 2.88, 120, 0});
ROW(regnet_x_16gf, "regnet-x-16gf", {22, 216, 55.59, 2.1, 128, 0});
ROW(regnet_x_32gf, "regnet-x-32gf", {23, 320, 69.86, 2.0, 168, 0});
/* clang-format on */
