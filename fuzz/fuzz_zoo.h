/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FUZZ_FUZZ_ZOO_H
#define ASSAY_FUZZ_FUZZ_ZOO_H

/* Bytes through one of the zoo's readers, to a sink that looks at every text
 * of a row. */

#include <string.h>

#include "core/mem.h"
#include "fuzz.h"
#include "zoo/import.h"

static inline int fuzz_zoo_sink(void *user, const struct assay__zoo_row *row,
                                struct assay_error *err)
{
    size_t *sum = user;

    (void)err;
    *sum += row->name != NULL ? strlen(row->name) : 0;
    *sum += row->dataset != NULL ? strlen(row->dataset) : 0;
    for (size_t i = 0; i < ASSAY__ZOO_STORED; i++) {
        if (row->value[i].raw != NULL)
            *sum += strlen(row->value[i].raw);
    }
    for (size_t i = 0; i < row->n_extras; i++)
        *sum += strlen(row->extra[i].name) + strlen(row->extra[i].value.raw);
    return ASSAY_OK;
}

static inline void fuzz_zoo_read(const struct assay__zoo_importer *importer,
                                 const uint8_t *data, size_t size)
{
    struct assay__zoo_input in = {"results-sketch.csv", "folder", NULL, size,
                                  "0123"};
    struct assay_error err;
    unsigned char *copy = assay__malloc(size + 1);
    size_t sum = 0;

    if (copy == NULL)
        return;
    memcpy(copy, data, size);
    copy[size] = '\0';
    in.data = copy;
    (void)importer->probe(&in);
    (void)!importer->read(&in, fuzz_zoo_sink, &sum, &err);
    assay__free(copy);
}

#endif
