/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as findings.json for the zoo. */

#include "fuzz_zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_zoo_read(&assay__zoo_importer_findings, data, size);
    return 0;
}
