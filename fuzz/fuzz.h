/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FUZZ_FUZZ_H
#define ASSAY_FUZZ_FUZZ_H

/*
 * What libFuzzer calls with each input. `data` is a block of exactly `size`
 * bytes, so that the address sanitizer sees a read past its end. Returns 0.
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
