/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_AUDIT_FOLDER_H
#define ASSAY_CLI_AUDIT_FOLDER_H

#include <stdint.h>

#include "assay/audit.h"

/*
 * The run folder of an audit that was given none, fresh (assay__free), NULL
 * when out of memory: "runs/fashion-mnist-simplecnn-0-1a2b3c4d", from data,
 * architecture or model, seed, and the start of a SHA-256 of what is audited
 * and how its models are trained. So another recipe or other --records get
 * a folder of their own; other attacks, references, controls or policies go
 * to the folder whose models they can use.
 */
char *assay__audit_default_folder(const struct assay_audit_options *o,
                                  int64_t seed);

#endif
