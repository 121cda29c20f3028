/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model card. */

#include "fuzz_zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_zoo_read(&assay__zoo_importer_card, data, size);
    return 0;
}
