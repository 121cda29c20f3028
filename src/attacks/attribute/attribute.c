/* SPDX-License-Identifier: Apache-2.0 */
/* What attribute attacks share. */

#include "attacks/attribute/attribute.h"

#include "core/mem.h"

int32_t assay__attribute_of(const struct assay_attack_input *in,
                            const struct assay_evidence *e, size_t i)
{
    const assay_dataset *ds = assay_view_dataset(in->world->members);

    return assay_dataset_attribute(ds, (size_t)in->world->attribute,
                                   e->record[i]);
}

int assay__guesses_make(struct assay_guesses *g, size_t n, size_t learnt_from,
                        struct assay_error *err)
{
    g->n = n;
    g->n_budgets = 1;
    g->budget[0] = learnt_from;
    g->guess = assay__calloc(n, sizeof(*g->guess));
    return g->guess ? ASSAY_OK
                    : assay_error_set(err, ASSAY_NOMEM, "%zu guesses", n);
}
