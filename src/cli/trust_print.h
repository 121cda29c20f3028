/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_TRUST_PRINT_H
#define ASSAY_CLI_TRUST_PRINT_H

/* The documents of assay/trust.h for people, or as they are. */

#include "assay/error.h"

/* What assay_trust_run() found; `out` is the folder or NULL. *status: 1 when a
 * model is suspicious, else 3 when one could not be judged, else 0. */
int assay__trust_print(const char *findings, int as_json, const char *out,
                       int *status, struct assay_error *err) ASSAY_MUST_CHECK;
/* What assay_trust_repair() did. */
int assay__repairs_print(const char *findings, int as_json,
                         struct assay_error *err) ASSAY_MUST_CHECK;

#endif
