/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a RobustBench entry. */

#include "fuzz_zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_zoo_read(&assay__zoo_importer_robustbench, data, size);
    return 0;
}
