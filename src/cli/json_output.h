/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_JSON_OUTPUT_H
#define ASSAY_CLI_JSON_OUTPUT_H

/* The one way of JSON to stdout. */

#include <jansson.h>

#include "assay/error.h"

/* Takes the reference, also on failure. ASSAY_NOMEM for NULL too, which is a
 * value that could not be made; `what` it is, for that message. */
int assay__print_json(json_t *value, const char *what,
                      struct assay_error *err) ASSAY_MUST_CHECK;

#endif
