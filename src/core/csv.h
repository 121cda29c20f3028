/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_CSV_H
#define ASSAY_CORE_CSV_H

/*
 * A table of text: comma-separated values with a header line, as RFC 4180
 * has them. Fields may be quoted, quotes inside doubled; lines end in LF or
 * CRLF; blank lines are skipped. Every row has as many fields as the
 * header. The cells live as long as the table.
 */

#include <stddef.h>

#include "assay/error.h"
#include "core/buf.h"

enum { ASSAY__CSV_COLUMNS_MAX = 1 << 10 };

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
 * Writing: a field, quoted where it must be; a number with as many digits as
 * bring back the same double, the same in every locale. Commas and line ends
 * are the caller's.
 */
void assay__csv_put_text(struct assay__buf *b, const char *text);
void assay__csv_put_real(struct assay__buf *b, double x);

#endif
