/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_CHECK_H
#define ASSAY_REPORT_CHECK_H

/*
 * Does a document fit docs/findings.md? After this check the rest of the
 * report takes types for granted: a key holds what the document promises,
 * or null, or (where null is allowed) is absent.
 */

#include "assay/error.h"
#include "core/json.h"

/* ASSAY_FORMAT with the place in words: "attacks[3].auc.value is text, not
 * a number or null"; ASSAY_LIMIT when a list is too long. */
int assay__report_check(const json_t *doc,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#endif
