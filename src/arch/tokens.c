/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of networks that work on tokens, made of the engine's general ops. */

#include <math.h>
#include <stdio.h>

#include "arch/arch.h"

static assay_value parameter(assay_graph *g, const char *name, const char *end,
                             struct assay_shape shape, struct assay_init init)
{
    char full[128];

    snprintf(full, sizeof(full), "%s%s", name, end);
    return assay_graph_param(g, full, &shape, init, ASSAY_PARAM_TRAINABLE);
}

static struct assay_init uniform(int64_t fan_in)
{
    struct assay_init init = {ASSAY_INIT_UNIFORM,
                              1 / sqrt((double)(fan_in > 0 ? fan_in : 1)), 0};

    return init;
}

/* A vector along `axis` of something of that rank. */
static assay_value along(assay_graph *g, assay_value v, int rank, int axis,
                         int64_t n)
{
    struct assay_shape shape = {.rank = rank};

    for (int i = 0; i < rank; i++)
        shape.dim[i] = i == axis ? n : 1;
    return assay_op_reshape(g, v, &shape);
}

assay_value assay__arch_layernorm(assay_graph *g, assay_value x,
                                  const char *name, int axis)
{
    return assay__arch_layernorm_with(g, x, name, axis, 1e-6);
}

assay_value assay__arch_layernorm_with(assay_graph *g, assay_value x,
                                       const char *name, int axis, double eps)
{
    const struct assay_init one = {ASSAY_INIT_ONE, 0, 0};
    const struct assay_init zero = {ASSAY_INIT_ZERO, 0, 0};
    int rank = assay_graph_shape(g, x)->rank;
    int64_t n = assay_graph_shape(g, x)->dim[axis];
    struct assay_shape row = assay_shape_make(1, n);
    unsigned over = 1U << axis;
    assay_value weight = parameter(g, name, ".weight", row, one);
    assay_value bias = parameter(g, name, ".bias", row, zero);
    assay_value mean = assay_op_reduce(g, ASSAY_REDUCE_MEAN, x, over);
    assay_value d = assay_op_binary(g, ASSAY_BINARY_SUB, x, mean);
    assay_value var =
        assay_op_reduce(g, ASSAY_REDUCE_MEAN, assay_op_mul(g, d, d), over);
    assay_value scale = assay_op_unary(g, ASSAY_UNARY_RSQRT,
                                       assay_op_affine(g, var, 1, eps), 0, 0);

    d = assay_op_binary(g, ASSAY_BINARY_MUL, d, scale);
    d = assay_op_binary(g, ASSAY_BINARY_MUL, d,
                        along(g, weight, rank, axis, n));
    return assay_op_binary(g, ASSAY_BINARY_ADD, d,
                           along(g, bias, rank, axis, n));
}

assay_value assay__arch_token_linear(assay_graph *g, assay_value x,
                                     const char *name, int under, int out)
{
    int64_t in = assay_graph_shape(g, x)->dim[2];
    assay_value weight =
        parameter(g, name, under ? "_weight" : ".weight",
                  assay_shape_make(2, (int64_t)out, in), uniform(in));
    assay_value bias =
        parameter(g, name, under ? "_bias" : ".bias",
                  assay_shape_make(1, (int64_t)out), uniform(in));

    x = assay_op_matmul(g, x, weight, 0, 1);
    return assay_op_binary(g, ASSAY_BINARY_ADD, x, along(g, bias, 3, 2, out));
}

assay_value assay__arch_place_linear(assay_graph *g, assay_value x,
                                     const char *name, int out)
{
    struct assay_attrs attrs = {.groups = 1};
    int64_t in = assay_graph_shape(g, x)->dim[1];
    struct assay_shape kernel =
        assay_shape_make(4, (int64_t)out, in, (int64_t)1, (int64_t)1);
    assay_value weight = parameter(
        g, name, ".weight", assay_shape_make(2, (int64_t)out, in), uniform(in));
    assay_value bias = parameter(
        g, name, ".bias", assay_shape_make(1, (int64_t)out), uniform(in));

    return assay_op_conv(g, x, assay_op_reshape(g, weight, &kernel), bias,
                         &attrs);
}
