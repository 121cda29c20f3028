/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers with kernels. Keras has a kernel as [height, width, inputs,
 * outputs] and a matrix as [inputs, outputs]; the engine has outputs first.
 * A depthwise kernel is [height, width, channels, per channel]; its outputs
 * are the same two numbers in a row.
 */

#include <string.h>

#include "core/mem.h"
#include "keras/import.h"

/* [rows, columns] to [columns, rows]; frees `from`. */
static float *transposed(struct assay__keras_builder *b, float *from,
                         size_t rows, size_t columns)
{
    float *to = from ? assay__malloc((rows * columns + 1) * sizeof(*to)) : NULL;

    if (from && !to)
        assay__keras_fail(b, ASSAY_NOMEM, "no memory to read Keras");
    for (size_t i = 0; to && i < rows; i++) {
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
    }
    assay__free(from);
    return to;
}

/* [height, width, inputs, outputs] to [outputs, inputs, height, width]. */
static float *outputs_first(struct assay__keras_builder *b, float *from,
                            const struct assay_shape *s)
{
    size_t area = (size_t)(s->dim[0] * s->dim[1]);
    size_t in = (size_t)s->dim[2];
    size_t out = (size_t)s->dim[3];
    float *to =
        from ? assay__malloc((area * in * out + 1) * sizeof(*to)) : NULL;

    if (from && !to)
        assay__keras_fail(b, ASSAY_NOMEM, "no memory to read Keras");
    for (size_t a = 0; to && a < area; a++) {
        for (size_t i = 0; i < in; i++) {
            for (size_t o = 0; o < out; o++)
                to[(o * in + i) * area + a] = from[(a * in + i) * out + o];
        }
    }
    assay__free(from);
    return to;
}

static assay_value bias_of(struct assay__keras_builder *b, int outputs)
{
    struct assay_shape s = {1, {outputs}};

    if (!assay__keras_bool(b, "use_bias", true))
        return ASSAY_NO_VALUE;
    return assay__keras_param(b, "bias", &s, assay__keras_weight(b, "bias", &s),
                              ASSAY_PARAM_TRAINABLE);
}

/* Window, strides, dilation and padding; false on failure. */
static bool window(struct assay__keras_builder *b, assay_value x,
                   struct assay_attrs *a)
{
    memset(a, 0, sizeof(*a));
    if (!assay__keras_is_map(b, x))
        return false;
    assay__keras_channels_last(b);
    if (!assay__keras_get(b, "kernel_size"))
        assay__keras_fail(b, ASSAY_FORMAT, "it has no 'kernel_size'");
    assay__keras_pair(b, "kernel_size", 1, a->kernel);
    assay__keras_pair(b, "strides", 1, a->stride);
    assay__keras_pair(b, "dilation_rate", 1, a->dilation);
    a->groups = 1;
    assay__keras_padding(b, assay__keras_shape(b, x), a);
    return b->code == ASSAY_OK;
}

/* The engine has the kernel's size in its weight. */
static assay_value convolve(struct assay__keras_builder *b, assay_value x,
                            assay_value weight, assay_value bias,
                            const struct assay_attrs *attrs)
{
    struct assay_attrs a = *attrs;

    a.kernel[0] = a.kernel[1] = 0;
    if (b->code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    return assay_op_conv(b->g, x, weight, bias, &a);
}

void assay__keras_conv(struct assay__keras_builder *b,
                       const struct assay__keras_item *in, int n,
                       struct assay__keras_item *out, int argument)
{
    struct assay_attrs a;
    struct assay_shape keras = {4, {0}};
    struct assay_shape s = {4, {0}};
    int64_t channels;
    int filters = assay__keras_int(b, "filters", 1, ASSAY__KERAS_SIZE_MAX, 0);
    assay_value weight, bias;

    (void)n;
    (void)argument;
    if (!window(b, in[0].v, &a))
        return;
    channels = assay__keras_shape(b, in[0].v)->dim[1];
    a.groups = assay__keras_int(b, "groups", 1, ASSAY__KERAS_SIZE_MAX, 1);
    if (filters == 0 || channels % a.groups != 0 || filters % a.groups != 0)
        assay__keras_fail(b, ASSAY_FORMAT,
                          "%d filters over %lld channels in %d groups", filters,
                          (long long)channels, a.groups);
    if (b->code != ASSAY_OK)
        return;
    keras = (struct assay_shape){
        4, {a.kernel[0], a.kernel[1], channels / a.groups, filters}};
    s = (struct assay_shape){
        4, {filters, channels / a.groups, a.kernel[0], a.kernel[1]}};
    weight = assay__keras_param(
        b, "weight", &s,
        outputs_first(b, assay__keras_weight(b, "kernel", &keras), &keras),
        ASSAY_PARAM_TRAINABLE);
    bias = bias_of(b, filters);
    out->v = convolve(b, in[0].v, weight, bias, &a);
    out->reads = in[0].v;
    assay__keras_activate(b, "activation", out);
}

/* The kernel of a depthwise convolution; *outputs is told. */
static assay_value depthwise_weight(struct assay__keras_builder *b,
                                    assay_value x, struct assay_attrs *a,
                                    const char *suffix, int *outputs)
{
    int64_t channels = assay__keras_shape(b, x)->dim[1];
    int multiplier =
        assay__keras_int(b, "depth_multiplier", 1, ASSAY__KERAS_SIZE_MAX, 1);
    struct assay_shape keras = {
        4, {a->kernel[0], a->kernel[1], channels, multiplier}};
    struct assay_shape s = {
        4, {channels * multiplier, 1, a->kernel[0], a->kernel[1]}};
    float *data;

    if (channels * multiplier > ASSAY__KERAS_SIZE_MAX)
        assay__keras_fail(b, ASSAY_LIMIT, "%lld channels, %d times",
                          (long long)channels, multiplier);
    data = assay__keras_weight(b, "depthwise_kernel", &keras);
    a->groups = (int)channels;
    *outputs = (int)(channels * multiplier);
    data = transposed(b, data, (size_t)a->kernel[0] * (size_t)a->kernel[1],
                      (size_t)*outputs);
    return assay__keras_param(b, suffix, &s, data, ASSAY_PARAM_TRAINABLE);
}

void assay__keras_depthwise(struct assay__keras_builder *b,
                            const struct assay__keras_item *in, int n,
                            struct assay__keras_item *out, int argument)
{
    struct assay_attrs a;
    assay_value weight, bias;
    int outputs = 0;

    (void)n;
    (void)argument;
    if (!window(b, in[0].v, &a))
        return;
    weight = depthwise_weight(b, in[0].v, &a, "weight", &outputs);
    if (b->code != ASSAY_OK)
        return;
    bias = bias_of(b, outputs);
    out->v = convolve(b, in[0].v, weight, bias, &a);
    out->reads = in[0].v;
    assay__keras_activate(b, "activation", out);
}

void assay__keras_separable(struct assay__keras_builder *b,
                            const struct assay__keras_item *in, int n,
                            struct assay__keras_item *out, int argument)
{
    static const struct assay_attrs point = {
        .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    struct assay_attrs a;
    struct assay_shape keras, s;
    assay_value weight, bias;
    float *data;
    int inner = 0;
    int filters = assay__keras_int(b, "filters", 1, ASSAY__KERAS_SIZE_MAX, 0);

    (void)n;
    (void)argument;
    if (filters == 0)
        assay__keras_fail(b, ASSAY_FORMAT, "it has no 'filters'");
    if (!window(b, in[0].v, &a))
        return;
    weight = depthwise_weight(b, in[0].v, &a, "depthwise", &inner);
    out->reads = convolve(b, in[0].v, weight, ASSAY_NO_VALUE, &a);
    if (b->code != ASSAY_OK)
        return;
    keras = (struct assay_shape){4, {1, 1, inner, filters}};
    s = (struct assay_shape){4, {filters, inner, 1, 1}};
    data = assay__keras_weight(b, "pointwise_kernel", &keras);
    weight = assay__keras_param(b, "weight", &s, outputs_first(b, data, &keras),
                                ASSAY_PARAM_TRAINABLE);
    bias = bias_of(b, filters);
    out->v = convolve(b, out->reads, weight, bias, &point);
    assay__keras_activate(b, "activation", out);
}

/* Over the last axis: of a map, a convolution with a window of one. */
void assay__keras_dense(struct assay__keras_builder *b,
                        const struct assay__keras_item *in, int n,
                        struct assay__keras_item *out, int argument)
{
    static const struct assay_attrs point = {
        .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    const struct assay_shape x = *assay__keras_shape(b, in[0].v);
    int64_t features = x.rank == 4 ? x.dim[1] : x.dim[x.rank - 1];
    int units = assay__keras_int(b, "units", 1, ASSAY__KERAS_SIZE_MAX, 0);
    struct assay_shape keras = {2, {features, units}};
    struct assay_shape s = {2, {units, features, 1, 1}};
    assay_value weight, bias;
    float *data;

    (void)n;
    (void)argument;
    if (x.rank != 2 && x.rank != 4)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "it reads a value of %d dimensions; 2 and 4 are "
                          "supported",
                          x.rank);
    if (units == 0)
        assay__keras_fail(b, ASSAY_FORMAT, "it has no 'units'");
    if (b->code != ASSAY_OK)
        return;
    s.rank = x.rank;
    data = transposed(b, assay__keras_weight(b, "kernel", &keras),
                      (size_t)features, (size_t)units);
    weight = assay__keras_param(b, "weight", &s, data, ASSAY_PARAM_TRAINABLE);
    bias = bias_of(b, units);
    if (b->code != ASSAY_OK)
        return;
    out->v = x.rank == 2 ? assay_op_linear(b->g, in[0].v, weight, bias)
                         : convolve(b, in[0].v, weight, bias, &point);
    out->reads = in[0].v;
    assay__keras_activate(b, "activation", out);
}
