/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_JSON_H
#define ASSAY_CORE_JSON_H

/*
 * JSON on jansson, with the project's habits: caps on input, non-finite
 * numbers written as null, numbers with 17 digits only where needed,
 * sorted keys so that equal content is equal bytes, atomic files.
 * jansson's functions are used directly for building and walking.
 */

#include <jansson.h>

#include "assay/error.h"

/* Parse a file of at most max_bytes; the message has line and column. */
int assay__json_read(const char *path, size_t max_bytes, json_t **out,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* Indented by 2, keys sorted, final newline, atomic. */
int assay__json_write(const char *path, const json_t *value,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* The same into a fresh string (assay__free). */
char *assay__json_text(const json_t *value);
/* A real, or null when x is not finite. New reference. */
json_t *assay__json_real(double x);
/* An estimate as every document has it: {"value", "low", "high", "n"}. New
 * reference, NULL when out of memory. */
json_t *assay__json_estimate(double value, double low, double high, size_t n);
/*
 * A string from bytes that may be anything, as names in files and folders
 * are: what is not UTF-8 becomes U+FFFD, a byte at a time. New reference,
 * NULL when out of memory. jansson's own functions refuse such bytes.
 */
json_t *assay__json_string(const char *bytes);

#endif
