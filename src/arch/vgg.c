/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VGG (Simonyan and Zisserman, ICLR 2015), plain and with batch
 * normalisation, as in torchvision. From 128 pixels on the stock head: 7x7
 * average pooling and three linear layers. Below, the map that is left is
 * averaged and one linear layer classifies it, `classifier.0`; a pooling that
 * would leave nothing is left out. The rows for CIFAR are that small network
 * with normalisation at every size, its last layer called `classifier`, as
 * public models of 32x32 pixels have it.
 */

#include <stdio.h>

#include "arch/arch.h"

enum { STOCK_SIZE = 128, STAGES = 5 };

struct variant {
    int depth[STAGES]; /* convolutions before each pooling */
    int normalised;
    int cifar;
};

static assay_value stage(assay_graph *g, assay_value x, const struct variant *v,
                         int which, int *index,
                         const struct assay_arch_options *o)
{
    static const int channels[STAGES] = {64, 128, 256, 512, 512};
    struct assay_conv conv = {
        .out = channels[which], .kernel = 3, .pad = 1, .fan_out = 1};
    const struct assay_shape *s;
    char name[128];

    for (int i = 0; i < v->depth[which]; i++) {
        x = assay__arch_conv(g, x, "features", *index, &conv);
        if (v->normalised) {
            snprintf(name, sizeof(name), "features.%d", ++*index);
            x = assay_layer_norm(g, x, name, o->norm);
        }
        x = assay_op_relu(g, x);
        *index += 2;
    }
    ++*index;
    s = assay_graph_shape(g, x);
    if (s->dim[2] > 1 && s->dim[3] > 1)
        x = assay_op_maxpool(g, x, 2, 2, 0);
    return x;
}

/* Three linear layers; returns the last one's input. */
static assay_value stock_head(assay_graph *g, assay_value x,
                              const struct assay_arch_options *o)
{
    x = assay_op_flatten(g, assay_op_adaptive_avgpool(g, x, 7, 7));
    for (int i = 0; i < 2; i++) {
        x = assay__arch_linear(g, x, "classifier", 3 * i, 4096);
        x = assay_op_relu(g, x);
        if (!o->no_dropout)
            x = assay_op_dropout(g, x, .5);
    }
    return x;
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    const struct assay_shape *s = assay_graph_shape(g, x);
    int stock = !v->cifar && s->dim[2] >= STOCK_SIZE && s->dim[3] >= STOCK_SIZE;
    const char *head = v->cifar ? "classifier"
                       : stock  ? "classifier.6"
                                : "classifier.0";
    int index = 0;

    for (int i = 0; i < STAGES; i++)
        x = stage(g, x, v, i, &index, o);
    if (stock)
        x = stock_head(g, x, o);
    else
        x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, head, o->n_classes), out);
}

#define ROW(id, name_, summary_, size_, ...)                             \
    static const struct variant variant_##id = __VA_ARGS__;              \
    const struct assay_arch assay_arch_##id = {.name = name_,            \
                                               .summary = summary_,      \
                                               .min_size = 16,           \
                                               .stock_size = size_,      \
                                               .variant = &variant_##id, \
                                               .build = build}

/* clang-format off */
ROW(vgg11, "vgg11", "VGG-11 as in torchvision", 224, {{1, 1, 2, 2, 2}, 0, 0});
ROW(vgg11_bn, "vgg11-bn", "the same with batch normalisation", 224, {{1, 1, 2, 2, 2}, 1, 0});
ROW(vgg13, "vgg13", "VGG-13 as in torchvision", 224, {{2, 2, 2, 2, 2}, 0, 0});
ROW(vgg13_bn, "vgg13-bn", "the same with batch normalisation", 224, {{2, 2, 2, 2, 2}, 1, 0});
ROW(vgg16, "vgg16", "VGG-16 as in torchvision", 224, {{2, 2, 3, 3, 3}, 0, 0});
ROW(vgg16_bn, "vgg16-bn", "the same with batch normalisation", 224, {{2, 2, 3, 3, 3}, 1, 0});
ROW(vgg19, "vgg19", "VGG-19 as in torchvision; one linear layer below 128 pixels", 224, {{2, 2, 4, 4, 4}, 0, 0});
ROW(vgg19_bn, "vgg19-bn", "the same with batch normalisation", 224, {{2, 2, 4, 4, 4}, 1, 0});
ROW(vgg11_cifar, "vgg11-cifar", "VGG-11 for CIFAR: one linear layer", 32, {{1, 1, 2, 2, 2}, 1, 1});
ROW(vgg13_cifar, "vgg13-cifar", "VGG-13 for CIFAR", 32, {{2, 2, 2, 2, 2}, 1, 1});
ROW(vgg16_cifar, "vgg16-cifar", "VGG-16 for CIFAR", 32, {{2, 2, 3, 3, 3}, 1, 1});
ROW(vgg19_cifar, "vgg19-cifar", "VGG-19 for CIFAR", 32, {{2, 2, 4, 4, 4}, 1, 1});
/* clang-format on */
