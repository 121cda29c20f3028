/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of ops, from the rows of ops.def. Looked up by name once per
 * node while a graph is built, so a linear search is enough.
 */

#include <string.h>

#include "engine/op.h"

static const struct assay_op *const table[] = {
#define ASSAY_OP(name) &assay__op_##name,
#include "engine/ops.def"
#undef ASSAY_OP
    NULL};

const struct assay_op *assay__op_find(const char *name)
{
    for (int i = 0; table[i]; i++) {
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    }
    return NULL;
}

const struct assay_op *const *assay__op_table(void)
{
    return table;
}
