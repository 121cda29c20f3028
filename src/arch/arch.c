/* SPDX-License-Identifier: Apache-2.0 */
/* The table of architectures, and what their builders share. */

#include "arch/arch.h"

#include <stdio.h>
#include <string.h>

#define ASSAY_ARCH(name) extern const struct assay_arch assay_arch_##name;
#include "arch/archs.def"
#undef ASSAY_ARCH

static const struct assay_arch *const table[] = {
#define ASSAY_ARCH(name) &assay_arch_##name,
#include "arch/archs.def"
#undef ASSAY_ARCH
    NULL};

const struct assay_arch *const *assay_arch_table(void)
{
    return table;
}

const struct assay_arch *assay_arch_find(const char *name)
{
    for (size_t i = 0; name && table[i]; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

int assay_arch_build(const struct assay_arch *arch, assay_graph *g,
                     assay_value x, const struct assay_arch_options *options,
                     struct assay_arch_values *out)
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    char text[80];

    if (assay_graph_check(g, NULL))
        return assay_graph_check(g, NULL);
    if (s->rank == 4 && s->dim[2] >= arch->min_size &&
        s->dim[3] >= arch->min_size)
        return arch->build(arch, g, x, options, out);
    assay_graph_fail(g, ASSAY_SHAPE,
                     "%s: input %s is too small; at least %dx%d is needed",
                     arch->name, assay_shape_text(s, text, sizeof(text)),
                     arch->min_size, arch->min_size);
    return assay_graph_check(g, NULL);
}

assay_value assay__arch_conv(assay_graph *g, assay_value x, const char *prefix,
                             int index, const struct assay_conv *conv)
{
    char name[128];

    snprintf(name, sizeof(name), "%s.%d", prefix, index);
    return assay_layer_conv(g, x, name, conv);
}

assay_value assay__arch_linear(assay_graph *g, assay_value x,
                               const char *prefix, int index, int out)
{
    char name[128];

    snprintf(name, sizeof(name), "%s.%d", prefix, index);
    return assay_layer_linear(g, x, name, out);
}

assay_value assay__block_conv(const struct assay__block *b, assay_value x,
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

    snprintf(full, sizeof(full), "%s%s", b->name, name);
    return assay_layer_conv(b->g, x, full, &conv);
}

assay_value assay__block_norm(const struct assay__block *b, assay_value x,
                              const char *name)
{
    char full[128];

    snprintf(full, sizeof(full), "%s%s", b->name, name);
    return assay_layer_norm(b->g, x, full, b->o->norm);
}

assay_value assay__block_norm_relu(const struct assay__block *b, assay_value x,
                                   const char *name)
{
    return assay_op_relu(b->g, assay__block_norm(b, x, name));
}

assay_value assay__arch_silu(assay_graph *g, assay_value x)
{
    return assay_op_mul(g, x, assay_op_sigmoid(g, x));
}

static assay_value pointwise(assay_graph *g, assay_value x, const char *prefix,
                             const char *name, int out)
{
    struct assay_conv conv = {.out = out, .kernel = 1};
    char full[128];

    snprintf(full, sizeof(full), "%s%s", prefix, name);
    return assay_layer_conv(g, x, full, &conv);
}

assay_value assay__arch_excite(assay_graph *g, assay_value x,
                               const char *prefix, const char *first,
                               const char *second,
                               const struct assay__excite *e)
{
    int channels = (int)assay_graph_shape(g, x)->dim[1];
    assay_value s = assay_op_global_avgpool(g, x);

    s = pointwise(g, s, prefix, first, e->squeeze);
    s = e->in != NULL && strcmp(e->in, "silu") == 0 ? assay__arch_silu(g, s)
                                                    : assay_op_relu(g, s);
    s = pointwise(g, s, prefix, second, channels);
    if (strcmp(e->out, "sigmoid") == 0)
        s = assay_op_sigmoid(g, s);
    else
        s = assay_op_unary(g, ASSAY_UNARY_HARDSIGMOID, s, 1.0 / 6, .5);
    return assay_op_binary(g, ASSAY_BINARY_MUL, x, s);
}

int assay__arch_round_channels(double channels, int step)
{
    int rounded = (int)(channels + step / 2.0) / step * step;

    if (rounded < step)
        rounded = step;
    return rounded < .9 * channels ? rounded + step : rounded;
}

int assay__arch_finish(assay_graph *g, assay_value embedding,
                       assay_value logits, struct assay_arch_values *out)
{
    out->embedding = embedding;
    out->logits = logits;
    assay_graph_name(g, embedding, "embedding");
    assay_graph_name(g, logits, "logits");
    return assay_graph_check(g, NULL);
}
