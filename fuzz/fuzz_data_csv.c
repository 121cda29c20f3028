/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a table, each of its columns then as categories. */

#include "core/mem.h"
#include "data/csv.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_error err;
    struct assay__csv csv;

    if (assay__csv_parse(&csv, data, size, &err))
        return 0;
    for (size_t c = 0; c < csv.n_columns; c++) {
        struct assay__attribute attribute = {.name = NULL};

        attribute.value = assay__calloc(csv.n_rows, sizeof(int32_t));
        if (attribute.value &&
            !assay__csv_categories(&attribute, &csv, c, csv.n_rows, &err))
            assay__names_free(attribute.value_name,
                              (size_t)attribute.cardinality);
        assay__free(attribute.value);
    }
    assay__csv_release(&csv);
    return 0;
}
