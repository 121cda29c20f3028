/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_SAFETENSORS_H
#define ASSAY_FORMATS_SAFETENSORS_H

#include <stddef.h>

#include "assay/tensor.h"

/*
 * All rules of the format held against a file, without its tensors being
 * copied; `meta` (initialised, empty) gets its metadata.
 * Errors as of reading.
 */
int assay__safetensors_check(struct assay_tensors *meta,
                             const unsigned char *data, size_t size,
                             struct assay_error *err) ASSAY_MUST_CHECK;

#endif
