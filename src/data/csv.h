/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DATA_CSV_H
#define ASSAY_DATA_CSV_H

/*
 * A table of text: comma-separated values with a header line, as RFC 4180
 * has them. Fields may be quoted, quotes inside doubled; lines end in LF or
 * CRLF; blank lines are skipped. Every row has as many fields as the
 * header. The cells live as long as the table.
 */

#include <stddef.h>

#include "data/data.h"

struct assay__csv {
    char *text;        /* the file, cut up; cells point into it */
    const char **cell; /* header first, then row after row */
    size_t n_columns;
    size_t n_rows; /* without the header */
};

int assay__csv_parse(struct assay__csv *out, const unsigned char *data,
                     size_t size, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__csv_release(struct assay__csv *csv);

const char *assay__csv_header(const struct assay__csv *csv, size_t column);
const char *assay__csv_cell(const struct assay__csv *csv, size_t row,
                            size_t column);
/* Column of that name, or SIZE_MAX. */
size_t assay__csv_find(const struct assay__csv *csv, const char *name);

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
