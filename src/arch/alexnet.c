/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AlexNet (Krizhevsky, 2014, as in torchvision). The stock stem, 11x11 of
 * stride 4, needs 63 pixels; below that the stem is 3x3 of stride 2 and
 * pooling is 2x2, with the same layer names and channels.
 */

#include "arch/arch.h"

enum { STOCK_SIZE = 63 };

static assay_value conv_relu(assay_graph *g, assay_value x, int index, int out,
                             int kernel, int stride, int pad)
{
    struct assay_conv conv = {
        .out = out, .kernel = kernel, .stride = stride, .pad = pad};

    return assay_op_relu(g, assay__arch_conv(g, x, "features", index, &conv));
}

static assay_value features(assay_graph *g, assay_value x)
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    int stock = s->dim[2] >= STOCK_SIZE && s->dim[3] >= STOCK_SIZE;
    int pool = stock ? 3 : 2;

    if (stock)
        x = conv_relu(g, x, 0, 64, 11, 4, 2);
    else
        x = conv_relu(g, x, 0, 64, 3, 2, 1);
    x = assay_op_maxpool(g, x, pool, 2, 0);
    x = conv_relu(g, x, 3, 192, stock ? 5 : 3, 1, stock ? 2 : 1);
    x = assay_op_maxpool(g, x, pool, 2, 0);
    x = conv_relu(g, x, 6, 384, 3, 1, 1);
    x = conv_relu(g, x, 8, 256, 3, 1, 1);
    x = conv_relu(g, x, 10, 256, 3, 1, 1);
    x = assay_op_maxpool(g, x, pool, 2, 0);
    return stock ? assay_op_adaptive_avgpool(g, x, 6, 6) : x;
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    (void)self;
    x = assay_op_flatten(g, features(g, x));
    for (int i = 0; i < 2; i++) {
        if (!o->no_dropout)
            x = assay_op_dropout(g, x, .5);
        x = assay__arch_linear(g, x, "classifier", 3 * i + 1, 4096);
        x = assay_op_relu(g, x);
    }
    return assay__arch_finish(
        g, x, assay__arch_linear(g, x, "classifier", 6, o->n_classes), out);
}

const struct assay_arch assay_arch_alexnet = {
    .name = "alexnet",
    .summary = "AlexNet as in torchvision; 3x3 stem below 63 pixels",
    .min_size = 16,
    .stock_size = 224,
    .build = build};
