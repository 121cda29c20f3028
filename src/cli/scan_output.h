/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_SCAN_OUTPUT_H
#define ASSAY_CLI_SCAN_OUTPUT_H

/* What assay scan says of files: for people, as JSON, as SARIF 2.1.0. */

#include <jansson.h>
#include <stdio.h>

#include "assay/scan.h"

struct assay__scanned {
    const char *path;
    int code; /* not ASSAY_OK: the file could not be read, `err` says why */
    struct assay_error err;
    struct assay_scan scan;
};

enum assay_severity assay__scanned_verdict(const struct assay__scanned *s);

/* Everything but clean files' names goes where `quiet` is set. */
void assay__scan_print(FILE *out, const struct assay__scanned *s, size_t n,
                       int quiet, int color);
/* NULL when out of memory. */
json_t *assay__scan_json(const struct assay__scanned *s, size_t n);
json_t *assay__scan_sarif(const struct assay__scanned *s, size_t n);

#endif
