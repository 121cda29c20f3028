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

int assay__arch_fits(assay_graph *g, assay_value x, const char *name, int size)
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    char text[80];

    if (assay_graph_check(g, NULL))
        return 0;
    if (s->rank == 4 && s->dim[2] >= size && s->dim[3] >= size)
        return 1;
    assay_graph_fail(g, ASSAY_SHAPE,
                     "%s: input %s is too small; at least %dx%d is needed",
                     name, assay_shape_text(s, text, sizeof(text)), size, size);
    return 0;
}

assay_value assay__arch_conv(assay_graph *g, assay_value x, const char *prefix,
                             int index, const struct assay_conv *conv)
{
    char name[64];

    snprintf(name, sizeof(name), "%s.%d", prefix, index);
    return assay_layer_conv(g, x, name, conv);
}

assay_value assay__arch_linear(assay_graph *g, assay_value x,
                               const char *prefix, int index, int out)
{
    char name[64];

    snprintf(name, sizeof(name), "%s.%d", prefix, index);
    return assay_layer_linear(g, x, name, out);
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
