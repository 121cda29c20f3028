/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Xception (Chollet, CVPR 2017), with the layer names of the widely used
 * PyTorch weights, at every input size: two 3x3 convolutions without
 * padding, the first of stride 2; twelve blocks of separable convolutions
 * with skip connections; two more separable convolutions; a linear layer.
 */

#include <stdio.h>

#include "arch/arch.h"

static assay_value norm(assay_graph *g, assay_value x, const char *prefix,
                        const char *name, const struct assay_arch_options *o)
{
    char full[64];

    snprintf(full, sizeof(full), "%s%s", prefix, name);
    return assay_layer_norm(g, x, full, o->norm);
}

/* Depthwise 3x3 `<name>.conv1`, then 1x1 `<name>.pointwise`. */
static assay_value separable(assay_graph *g, assay_value x, const char *name,
                             int out)
{
    int in = (int)assay_graph_shape(g, x)->dim[1];
    struct assay_conv depth = {.out = in,
                               .kernel = 3,
                               .pad = 1,
                               .groups = in,
                               .no_bias = 1,
                               .fan_out = 1};
    struct assay_conv point = {
        .out = out, .kernel = 1, .no_bias = 1, .fan_out = 1};
    char full[64];

    snprintf(full, sizeof(full), "%s.conv1", name);
    x = assay_layer_conv(g, x, full, &depth);
    snprintf(full, sizeof(full), "%s.pointwise", name);
    return assay_layer_conv(g, x, full, &point);
}

struct block {
    int out;
    int reps;
    int stride;
    int relu_first; /* block1 starts without */
    int grow_first; /* channels change in the first repetition or the last */
};

/* The repetitions `rep.N`; N counts ReLUs, separable layers and norms. */
static assay_value repetitions(assay_graph *g, assay_value x, const char *name,
                               const struct block *b,
                               const struct assay_arch_options *o)
{
    int in = (int)assay_graph_shape(g, x)->dim[1];
    int index = 0;
    char part[64];

    for (int r = 0; r < b->reps; r++) {
        int grown = b->grow_first || r == b->reps - 1;

        if (r > 0 || b->relu_first) {
            x = assay_op_relu(g, x);
            index++;
        }
        snprintf(part, sizeof(part), "%srep.%d", name, index++);
        x = separable(g, x, part, grown ? b->out : in);
        snprintf(part, sizeof(part), "%srep.%d", name, index++);
        x = assay_layer_norm(g, x, part, o->norm);
    }
    if (b->stride > 1)
        x = assay_op_maxpool(g, x, 3, b->stride, 1);
    return x;
}

static assay_value block(assay_graph *g, assay_value x, int number,
                         const struct block *b,
                         const struct assay_arch_options *o)
{
    struct assay_conv skip = {.out = b->out,
                              .kernel = 1,
                              .stride = b->stride,
                              .no_bias = 1,
                              .fan_out = 1};
    char name[32];
    char full[64];
    assay_value y;

    snprintf(name, sizeof(name), "block%d.", number);
    y = repetitions(g, x, name, b, o);
    if (b->stride > 1 || assay_graph_shape(g, x)->dim[1] != b->out) {
        snprintf(full, sizeof(full), "%sskip", name);
        x = assay_layer_conv(g, x, full, &skip);
        x = norm(g, x, name, "skipbn", o);
    }
    return assay_op_add(g, y, x);
}

static assay_value stem(assay_graph *g, assay_value x,
                        const struct assay_arch_options *o)
{
    struct assay_conv conv = {
        .out = 32, .kernel = 3, .stride = 2, .no_bias = 1, .fan_out = 1};

    x = assay_layer_conv(g, x, "conv1", &conv);
    x = assay_op_relu(g, norm(g, x, "", "bn1", o));
    conv.out = 64;
    conv.stride = 1;
    x = assay_layer_conv(g, x, "conv2", &conv);
    return assay_op_relu(g, norm(g, x, "", "bn2", o));
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    static const struct block entry[] = {
        {128, 2, 2, 0, 1}, {256, 2, 2, 1, 1}, {728, 2, 2, 1, 1}};
    static const struct block middle = {728, 3, 1, 1, 1};
    static const struct block last = {1024, 2, 2, 1, 0};
    int number = 1;

    (void)self;
    x = stem(g, x, o);
    for (int i = 0; i < 3; i++)
        x = block(g, x, number++, &entry[i], o);
    for (int i = 0; i < 8; i++)
        x = block(g, x, number++, &middle, o);
    x = block(g, x, number, &last, o);
    x = assay_op_relu(g, norm(g, separable(g, x, "conv3", 1536), "", "bn3", o));
    x = assay_op_relu(g, norm(g, separable(g, x, "conv4", 2048), "", "bn4", o));
    x = assay_op_flatten(g, assay_op_global_avgpool(g, x));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, "fc", o->n_classes), out);
}

const struct assay_arch assay_arch_xception = {
    .name = "xception",
    .summary = "Xception with the names of the published PyTorch weights",
    .min_size = 16,
    .stock_size = 299,
    .build = build};
