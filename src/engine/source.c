/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source of batches over arrays in memory: rows are copied, nothing else.
 */

#include <string.h>

#include "assay/train.h"

static int fill(void *self, const struct assay_batch *batch,
                struct assay_error *err)
{
    const struct assay_memory_source *m = self;

    (void)err;
    for (int a = 0; a < m->n_arrays; a++) {
        size_t width = m->width[a];

        for (size_t i = 0; i < batch->n; i++)
            memcpy(batch->inputs[a] + i * width,
                   m->array[a] + batch->rows[i] * width, width * sizeof(float));
    }
    return ASSAY_OK;
}

void assay_memory_source(struct assay_source *source,
                         const struct assay_memory_source *memory, size_t n)
{
    /* Only read; `self` has no const because other sources change. */
    source->self = (void *)(uintptr_t)memory;
    source->n = n;
    source->fill = fill;
}
