/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DATA_CELEBA_H
#define ASSAY_DATA_CELEBA_H

/* list_attr_celeba.txt in memory, apart from its file for tests and fuzzing. */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

enum { ASSAY__CELEBA_COLUMNS_MAX = 256 };

struct assay__celeba {
    size_t n; /* images, at most so many as were asked for */
    size_t n_columns;
    char **column;  /* [n_columns] names */
    char **file;    /* [n] names without a folder */
    uint8_t *value; /* [n, n_columns] 0 for -1, 1 for 1 */
};

/* `text` has `size` bytes and a NUL behind them, and is cut up. On failure,
 * which names the line, nothing is left to release. */
int assay__celeba_read(struct assay__celeba *table, char *text, size_t size,
                       size_t max_records,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* A released or zeroed table is accepted. */
void assay__celeba_release(struct assay__celeba *table);

#endif
