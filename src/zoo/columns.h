/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_COLUMNS_H
#define ASSAY_ZOO_COLUMNS_H

/*
 * The names that a user may ask for, and what stands for them in SQL: the
 * stored columns of columns.def, first and in their order, then those that a
 * query computes or joins. Composed SQL consists of these texts alone.
 */

#include <stddef.h>

#include "assay/zoo.h"

enum assay__zoo_index {
#define ASSAY_ZOO_COLUMN(name, type, unit, sense, help) ASSAY__ZOO_##name,
#include "zoo/columns.def"
#undef ASSAY_ZOO_COLUMN
    ASSAY__ZOO_STORED /* how many */
};

/* `m` models, `s` sources, `d` datasets. */
#define ASSAY__ZOO_FROM                                 \
    " FROM models m JOIN sources s ON s.id=m.source_id" \
    " LEFT JOIN datasets d ON d.id=m.dataset_id"

struct assay__zoo_column {
    struct assay_zoo_column told;
    const char *sql;
};

size_t assay__zoo_column_count(void);
const struct assay__zoo_column *assay__zoo_column(size_t i);
/* NULL when there is none. */
const struct assay__zoo_column *assay__zoo_column_find(const char *name);

/* "imagenet1k" for "ImageNet-1k": in lower case, letters, digits and what is
 * not ASCII alone, at most size - 1 bytes. */
void assay__zoo_dataset_key(const char *name, char *key, size_t size);

#endif
