/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DATA_CSV_H
#define ASSAY_DATA_CSV_H

/* Columns of a table of text (core/csv.h) as attributes of records. */

#include "core/csv.h"
#include "data/data.h"

/*
 * Turn the first n_rows cells of a column into categories 0, 1, ...: sorted
 * by value when all are whole numbers, else by bytes; empty cells form a
 * last one, "missing". attribute->value must have room for n_rows.
 * ASSAY_LIMIT when there are more than ASSAY__CLASSES_MAX.
 */
int assay__csv_categories(struct assay__attribute *attribute,
                          const struct assay__csv *csv, size_t column,
                          size_t n_rows,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#endif
