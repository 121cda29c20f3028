/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that only arrange numbers. A reshape takes no step: its output has
 * the forms of its input, whose dimensions then differ from its own.
 */

#include "engine/onednn/lower.h"

void assay__dnn_pass_on(struct assay__dnn *d, assay_value from, assay_value to)
{
    (void)assay__dnn_form(d, from);
    for (int i = 0; d->code == ASSAY_OK && i < d->value[from].n; i++) {
        struct assay__form form = d->value[from].item[i];

        if (d->plan->uses[from] > 1 || d->plan->kept[to])
            d->pinned[form.buffer] = true;
        assay__dnn_add_form(d, to, form.md, form.buffer);
    }
}

void assay__lower_reshape(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    assay__dnn_pass_on(d, node->in[0], node->out);
}
