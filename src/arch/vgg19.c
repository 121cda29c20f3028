/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VGG-19 (Simonyan and Zisserman, ICLR 2015), as in torchvision, plain and
 * with batch normalisation. From 128 pixels on the stock head: 7x7 average
 * pooling and three linear layers. Below, the map that is left is averaged
 * and one linear layer classifies it, `classifier.0`; a pooling that would
 * leave nothing is left out.
 */

#include <stdio.h>

#include "arch/arch.h"

enum { STOCK_SIZE = 128, POOL = -1, END = 0 };

static const int layout[] = {64,  64,  POOL, 128, 128,  POOL, 256, 256,
                             256, 256, POOL, 512, 512,  512,  512, POOL,
                             512, 512, 512,  512, POOL, END};

static assay_value features(assay_graph *g, assay_value x, int norm,
                            const struct assay_arch_options *o)
{
    struct assay_conv conv = {.kernel = 3, .pad = 1, .fan_out = 1};
    int index = 0;
    char name[32];

    for (int i = 0; layout[i] != END; i++) {
        const struct assay_shape *s = assay_graph_shape(g, x);

        if (layout[i] == POOL) {
            if (s->dim[2] > 1 && s->dim[3] > 1)
                x = assay_op_maxpool(g, x, 2, 2, 0);
            index++;
            continue;
        }
        conv.out = layout[i];
        x = assay__arch_conv(g, x, "features", index, &conv);
        if (norm) {
            snprintf(name, sizeof(name), "features.%d", ++index);
            x = assay_layer_norm(g, x, name, o->norm);
        }
        x = assay_op_relu(g, x);
        index += 2;
    }
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

static int build(assay_graph *g, assay_value x, int norm,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    int stock = s->dim[2] >= STOCK_SIZE && s->dim[3] >= STOCK_SIZE;

    if (!assay__arch_fits(g, x, "vgg19", 16))
        return assay_graph_check(g, NULL);
    x = features(g, x, norm, o);
    if (stock)
        x = stock_head(g, x, o);
    else
        x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x,
        assay__arch_linear(g, x, "classifier", stock ? 6 : 0, o->n_classes),
        out);
}

static int build_plain(assay_graph *g, assay_value x,
                       const struct assay_arch_options *o,
                       struct assay_arch_values *out)
{
    return build(g, x, 0, o, out);
}

static int build_norm(assay_graph *g, assay_value x,
                      const struct assay_arch_options *o,
                      struct assay_arch_values *out)
{
    return build(g, x, 1, o, out);
}

const struct assay_arch assay_arch_vgg19 = {
    .name = "vgg19",
    .summary = "VGG-19 as in torchvision; one linear layer below 128 pixels",
    .min_size = 16,
    .build = build_plain};

const struct assay_arch assay_arch_vgg19_bn = {
    .name = "vgg19-bn",
    .summary = "the same with batch normalisation",
    .min_size = 16,
    .build = build_norm};
