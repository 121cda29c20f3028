/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Residual networks for small images, all with a 3x3 stem of stride 1, as
 * public models of CIFAR have them.
 *
 *   resnetN-cifar-a   He et al. (CVPR 2016), section 4.2: three stages of 16,
 *                     32 and 64 channels; a shortcut that changes shape takes
 *                     every second place and adds channels of zeros (option
 *                     A). Last layer `linear`
 *   resnetN-cifar-b   the same with 1x1 convolutions there, `downsample`; `fc`
 *   resnetN-cifar     the four stages of the large networks, `shortcut`;
 *                     `linear`
 *   preactN-cifar     normalisation and ReLU before each convolution (He et
 *                     al., ECCV 2016); none after the last block
 */

#include <stdio.h>

#include "arch/arch.h"

enum shortcut { PADDED, CONVOLVED };

struct variant {
    int depth[4]; /* blocks of each stage; 0: no such stage */
    int width;    /* channels of the first stage */
    int bottleneck;
    int preact;
    enum shortcut shortcut;
    const char *down; /* name of a convolved shortcut */
    const char *head;
};

struct block {
    struct assay__block at;
    const struct variant *v;
    int channels;
    int stride;
};

static assay_value conv(const struct block *b, assay_value x, const char *name,
                        int out, int kernel, int stride)
{
    return assay__block_conv(&b->at, x, name, out, kernel, stride, 1);
}

static assay_value norm(const struct block *b, assay_value x, const char *name)
{
    return assay__block_norm(&b->at, x, name);
}

static assay_value norm_relu(const struct block *b, assay_value x,
                             const char *name)
{
    return assay__block_norm_relu(&b->at, x, name);
}

/* Every second place of x, which an average over one place is, between as
 * many channels of zeros on either side. */
static assay_value padded(const struct block *b, assay_value x)
{
    struct assay_attrs zeros = {.alpha = 0};
    assay_value part[3];
    int missing;

    x = assay_op_avgpool(b->at.g, x, 1, b->stride, 0);
    zeros.shape = *assay_graph_shape(b->at.g, x);
    missing = b->channels - (int)zeros.shape.dim[1];
    if (missing == 0)
        return x;
    zeros.shape.dim[1] = missing / 2;
    part[0] = assay_graph_node(b->at.g, "fill", NULL, 0, &zeros);
    part[1] = x;
    part[2] = part[0];
    return assay_op_concat(b->at.g, part, 3, 1);
}

static assay_value shortcut(const struct block *b, assay_value x, int out)
{
    char name[48];

    if (b->v->shortcut == PADDED)
        return padded(b, x);
    snprintf(name, sizeof(name), "%s.0", b->v->down);
    x = conv(b, x, name, out, 1, b->stride);
    if (b->v->preact)
        return x;
    snprintf(name, sizeof(name), "%s.1", b->v->down);
    return norm(b, x, name);
}

static assay_value postact(const struct block *b, assay_value x)
{
    int out = b->v->bottleneck ? 4 * b->channels : b->channels;
    int middle = b->v->bottleneck ? 1 : b->stride;
    int changes =
        b->stride != 1 || assay_graph_shape(b->at.g, x)->dim[1] != out;
    assay_value y =
        conv(b, x, "conv1", b->channels, b->v->bottleneck ? 1 : 3, middle);

    y = norm_relu(b, y, "bn1");
    y = norm(
        b,
        conv(b, y, "conv2", b->channels, 3, b->v->bottleneck ? b->stride : 1),
        "bn2");
    if (b->v->bottleneck) {
        y = conv(b, assay_op_relu(b->at.g, y), "conv3", out, 1, 1);
        y = norm(b, y, "bn3");
    }
    if (changes)
        x = shortcut(b, x, out);
    return assay_op_relu(b->at.g, assay_op_add(b->at.g, y, x));
}

static assay_value preact(const struct block *b, assay_value x)
{
    int changes =
        b->stride != 1 || assay_graph_shape(b->at.g, x)->dim[1] != b->channels;
    assay_value y = norm_relu(b, x, "bn1");

    if (changes)
        x = shortcut(b, y, b->channels);
    y = conv(b, y, "conv1", b->channels, 3, b->stride);
    y = conv(b, norm_relu(b, y, "bn2"), "conv2", b->channels, 3, 1);
    return assay_op_add(b->at.g, y, x);
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    struct block b = {.at = {.g = g, .o = o}, .v = v};

    x = conv(&b, x, "conv1", v->width, 3, 1);
    if (!v->preact)
        x = norm_relu(&b, x, "bn1");
    for (int stage = 0; stage < 4; stage++) {
        b.channels = v->width << stage;
        for (int i = 0; i < v->depth[stage]; i++) {
            snprintf(b.at.name, sizeof(b.at.name), "layer%d.%d.", stage + 1, i);
            b.stride = stage > 0 && i == 0 ? 2 : 1;
            x = v->preact ? preact(&b, x) : postact(&b, x);
        }
    }
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, v->head, o->n_classes), out);
}

#define ROW(id, name_, summary_, ...)                                    \
    static const struct variant variant_##id = __VA_ARGS__;              \
    const struct assay_arch assay_arch_##id = {.name = name_,            \
                                               .summary = summary_,      \
                                               .min_size = 8,            \
                                               .stock_size = 32,         \
                                               .variant = &variant_##id, \
                                               .build = build}

#define OPTION_A(n)                                    \
    {                                                  \
        {n, n, n, 0}, 16, 0, 0, PADDED, NULL, "linear" \
    }
#define OPTION_B(n)                                           \
    {                                                         \
        {n, n, n, 0}, 16, 0, 0, CONVOLVED, "downsample", "fc" \
    }
#define FOUR(a, b, c, d, deep, pre)                                  \
    {                                                                \
        {a, b, c, d}, 64, deep, pre, CONVOLVED, "shortcut", "linear" \
    }

/* clang-format off */
ROW(resnet20_cifar_a, "resnet20-cifar-a", "ResNet-20 for CIFAR, shortcuts without weights", OPTION_A(3));
ROW(resnet32_cifar_a, "resnet32-cifar-a", "ResNet-32 for CIFAR, the same", OPTION_A(5));
ROW(resnet44_cifar_a, "resnet44-cifar-a", "ResNet-44 for CIFAR, the same", OPTION_A(7));
ROW(resnet56_cifar_a, "resnet56-cifar-a", "ResNet-56 for CIFAR, the same", OPTION_A(9));
ROW(resnet110_cifar_a, "resnet110-cifar-a", "ResNet-110 for CIFAR, the same", OPTION_A(18));
ROW(resnet20_cifar_b, "resnet20-cifar-b", "ResNet-20 for CIFAR, convolved shortcuts", OPTION_B(3));
ROW(resnet32_cifar_b, "resnet32-cifar-b", "ResNet-32 for CIFAR, the same", OPTION_B(5));
ROW(resnet44_cifar_b, "resnet44-cifar-b", "ResNet-44 for CIFAR, the same", OPTION_B(7));
ROW(resnet56_cifar_b, "resnet56-cifar-b", "ResNet-56 for CIFAR, the same", OPTION_B(9));
ROW(resnet110_cifar_b, "resnet110-cifar-b", "ResNet-110 for CIFAR, the same", OPTION_B(18));
ROW(resnet18_cifar, "resnet18-cifar", "ResNet-18 with a 3x3 stem", FOUR(2, 2, 2, 2, 0, 0));
ROW(resnet34_cifar, "resnet34-cifar", "ResNet-34 with a 3x3 stem", FOUR(3, 4, 6, 3, 0, 0));
ROW(resnet50_cifar, "resnet50-cifar", "ResNet-50 with a 3x3 stem", FOUR(3, 4, 6, 3, 1, 0));
ROW(resnet101_cifar, "resnet101-cifar", "ResNet-101 with a 3x3 stem", FOUR(3, 4, 23, 3, 1, 0));
ROW(preact18_cifar, "preact18-cifar", "pre-activation ResNet-18 for CIFAR", FOUR(2, 2, 2, 2, 0, 1));
ROW(preact34_cifar, "preact34-cifar", "pre-activation ResNet-34 for CIFAR", FOUR(3, 4, 6, 3, 0, 1));
/* clang-format on */
