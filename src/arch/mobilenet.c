/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MobileNet v2 (Sandler et al., CVPR 2018) and v3 (Howard et al., ICCV 2019)
 * under torchvision's names: blocks that widen by 1x1, filter each channel by
 * itself, and narrow by 1x1 without activation; v3 with squeeze and
 * excitation, and hard swish in its later blocks.
 */

#include <stdio.h>

#include "arch/arch.h"

enum activation { RELU, RELU6, HARDSWISH };

struct step {
    int kernel;
    int expanded; /* channels within */
    int out;
    int excited;
    enum activation act;
    int stride;
};

struct net {
    assay_graph *g;
    const struct assay_arch_options *o;
    double eps;
    double momentum;
};

static assay_value activate(const struct net *n, assay_value x,
                            enum activation act)
{
    switch (act) {
    case RELU6:
        return assay_op_unary(n->g, ASSAY_UNARY_CLIP, x, 0, 6);
    case HARDSWISH:
        return assay_op_unary(n->g, ASSAY_UNARY_HARDSWISH, x, 1.0 / 6, .5);
    default:
        return assay_op_relu(n->g, x);
    }
}

/* Convolution "NAME.first" and its normalisation "NAME.second". */
static assay_value conv_norm(const struct net *n, assay_value x,
                             const char *name, int first, int second,
                             const struct assay_conv *conv)
{
    char full[128];

    snprintf(full, sizeof(full), "%.48s.%d", name, first);
    x = assay_layer_conv(n->g, x, full, conv);
    snprintf(full, sizeof(full), "%.48s.%d", name, second);
    return assay_layer_norm_with(n->g, x, full, n->o->norm, n->eps,
                                 n->momentum);
}

static struct assay_conv square(int out, int kernel, int stride, int groups)
{
    struct assay_conv conv = {.out = out,
                              .kernel = kernel,
                              .stride = stride,
                              .pad = kernel / 2,
                              .groups = groups,
                              .no_bias = 1,
                              .fan_out = 1};

    return conv;
}

/* Parts of a block are counted: in v3 each is a sequence of its own, in v2
 * the last convolution and its normalisation stand by themselves. */
static assay_value one_block(const struct net *n, assay_value x, int index,
                             const struct step *s, const char *inner, int v2)
{
    int in = (int)assay_graph_shape(n->g, x)->dim[1];
    struct assay_conv widen = square(s->expanded, 1, 1, 1);
    struct assay_conv filter =
        square(s->expanded, s->kernel, s->stride, s->expanded);
    struct assay_conv narrow = square(s->out, 1, 1, 1);
    assay_value y = x;
    char base[64];
    char name[128];
    int part = 0;

    snprintf(base, sizeof(base), "features.%d.%s", index, inner);
    if (s->expanded != in) {
        snprintf(name, sizeof(name), "%s.%d", base, part++);
        y = activate(n, conv_norm(n, y, name, 0, 1, &widen), s->act);
    }
    snprintf(name, sizeof(name), "%s.%d", base, part++);
    y = activate(n, conv_norm(n, y, name, 0, 1, &filter), s->act);
    if (s->excited) {
        struct assay__excite e = {
            .squeeze = assay__arch_round_channels(s->expanded * .25, 8),
            .out = "hardsigmoid"};

        snprintf(name, sizeof(name), "%s.%d.", base, part++);
        y = assay__arch_excite(n->g, y, name, "fc1", "fc2", &e);
    }
    if (v2) {
        y = conv_norm(n, y, base, part, part + 1, &narrow);
    } else {
        snprintf(name, sizeof(name), "%s.%d", base, part);
        y = conv_norm(n, y, name, 0, 1, &narrow);
    }
    return s->stride == 1 && in == s->out ? assay_op_add(n->g, x, y) : y;
}

static int build_v2(const struct assay_arch *self, assay_graph *g,
                    assay_value x, const struct assay_arch_options *o,
                    struct assay_arch_values *out)
{
    /* factor, channels, blocks, stride of the first */
    static const int layout[][4] = {
        {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
        {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    const struct net n = {g, o, 1e-5, .1};
    struct assay_conv stem = square(32, 3, 2, 1);
    struct assay_conv last = square(1280, 1, 1, 1);
    int index = 1;

    (void)self;
    x = activate(&n, conv_norm(&n, x, "features.0", 0, 1, &stem), RELU6);
    for (int l = 0; l < 7; l++) {
        for (int i = 0; i < layout[l][2]; i++) {
            int in = (int)assay_graph_shape(g, x)->dim[1];
            struct step s = {3,     in * layout[l][0],        layout[l][1], 0,
                             RELU6, i == 0 ? layout[l][3] : 1};

            x = one_block(&n, x, index++, &s, "conv", 1);
        }
    }
    x = activate(&n, conv_norm(&n, x, "features.18", 0, 1, &last), RELU6);
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    if (!o->no_dropout)
        x = assay_op_dropout(g, x, .2);
    return assay__arch_finish(
        g, x, assay__arch_linear(g, x, "classifier", 1, o->n_classes), out);
}

struct variant {
    const struct step *step;
    int n_steps;
    int hidden; /* before the last layer */
};

static int build_v3(const struct assay_arch *self, assay_graph *g,
                    assay_value x, const struct assay_arch_options *o,
                    struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    const struct net n = {g, o, 1e-3, .01};
    struct assay_conv stem = square(16, 3, 2, 1);
    struct assay_conv last = square(6 * v->step[v->n_steps - 1].out, 1, 1, 1);
    char name[128];

    x = activate(&n, conv_norm(&n, x, "features.0", 0, 1, &stem), HARDSWISH);
    for (int i = 0; i < v->n_steps; i++)
        x = one_block(&n, x, i + 1, &v->step[i], "block", 0);
    snprintf(name, sizeof(name), "features.%d", v->n_steps + 1);
    x = activate(&n, conv_norm(&n, x, name, 0, 1, &last), HARDSWISH);
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    x = activate(&n, assay__arch_linear(g, x, "classifier", 0, v->hidden),
                 HARDSWISH);
    if (!o->no_dropout)
        x = assay_op_dropout(g, x, .2);
    return assay__arch_finish(
        g, x, assay__arch_linear(g, x, "classifier", 3, o->n_classes), out);
}

static const struct step large[] = {
    {3, 16, 16, 0, RELU, 1},        {3, 64, 24, 0, RELU, 2},
    {3, 72, 24, 0, RELU, 1},        {5, 72, 40, 1, RELU, 2},
    {5, 120, 40, 1, RELU, 1},       {5, 120, 40, 1, RELU, 1},
    {3, 240, 80, 0, HARDSWISH, 2},  {3, 200, 80, 0, HARDSWISH, 1},
    {3, 184, 80, 0, HARDSWISH, 1},  {3, 184, 80, 0, HARDSWISH, 1},
    {3, 480, 112, 1, HARDSWISH, 1}, {3, 672, 112, 1, HARDSWISH, 1},
    {5, 672, 160, 1, HARDSWISH, 2}, {5, 960, 160, 1, HARDSWISH, 1},
    {5, 960, 160, 1, HARDSWISH, 1}};
static const struct step small[] = {
    {3, 16, 16, 1, RELU, 2},       {3, 72, 24, 0, RELU, 2},
    {3, 88, 24, 0, RELU, 1},       {5, 96, 40, 1, HARDSWISH, 2},
    {5, 240, 40, 1, HARDSWISH, 1}, {5, 240, 40, 1, HARDSWISH, 1},
    {5, 120, 48, 1, HARDSWISH, 1}, {5, 144, 48, 1, HARDSWISH, 1},
    {5, 288, 96, 1, HARDSWISH, 2}, {5, 576, 96, 1, HARDSWISH, 1},
    {5, 576, 96, 1, HARDSWISH, 1}};
static const struct variant v3_large = {large, 15, 1280};
static const struct variant v3_small = {small, 11, 1024};

const struct assay_arch assay_arch_mobilenet_v2 = {
    .name = "mobilenet-v2",
    .summary = "MobileNet v2 as in torchvision",
    .min_size = 8,
    .stock_size = 224,
    .build = build_v2};

const struct assay_arch assay_arch_mobilenet_v3_large = {
    .name = "mobilenet-v3-large",
    .summary = "MobileNet v3, large, as in torchvision",
    .min_size = 8,
    .stock_size = 224,
    .variant = &v3_large,
    .build = build_v3};

const struct assay_arch assay_arch_mobilenet_v3_small = {
    .name = "mobilenet-v3-small",
    .summary = "MobileNet v3, small, as in torchvision",
    .min_size = 8,
    .stock_size = 224,
    .variant = &v3_small,
    .build = build_v3};
