/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_LISTING_H
#define ASSAY_CLI_LISTING_H

/* What the commands that list a table of plug-ins share. */

#include <jansson.h>

#include "assay/error.h"
#include "assay/setting.h"

/* An array of {"name", "default", "min", "max", "help"}. New reference. */
json_t *assay__listing_settings(const struct assay_setting *rows);
/* "  gamma = 2 (0.01 to 100): ..." per row, to stdout. */
void assay__listing_print_settings(const struct assay_setting *rows);
/* ASSAY_ARG: there is no `kind` ("attack") of that name; the nearest of
 * names[n] is told. */
int assay__listing_refuse(const char *kind, const char *name,
                          const char *const *names, size_t n,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#endif
