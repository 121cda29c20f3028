/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_GZIP_H
#define ASSAY_FORMATS_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "assay/error.h"

/*
 * The first member of a gzip file into a fresh block (assay__free) of at
 * most `max_bytes`; `*whole` tells whether that was all of the file.
 * Errors: _FORMAT, _NOMEM.
 */
int assay__gzip_unpack(const unsigned char *data, size_t size, size_t max_bytes,
                       unsigned char **out, size_t *n, bool *whole,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#endif
