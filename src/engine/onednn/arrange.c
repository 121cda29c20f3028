/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that only arrange numbers. A reshape takes no step: its output has
 * the forms of its input, whose dimensions then differ from its own.
 */

#include "engine/onednn/lower.h"

void assay__lower_reshape(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    assay_value x = node->in[0];

    (void)assay__dnn_form(d, x);
    for (int i = 0; d->code == ASSAY_OK && i < d->value[x].n; i++) {
        struct assay__form form = d->value[x].item[i];

        if (d->plan->uses[x] > 1 || d->plan->kept[node->out])
            d->pinned[form.buffer] = true;
        assay__dnn_add_form(d, node->out, form.md, form.buffer);
    }
}
