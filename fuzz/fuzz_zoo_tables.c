/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as each kind of table of models. */

#include "fuzz_zoo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_zoo_read(&assay__zoo_importer_models, data, size);
    fuzz_zoo_read(&assay__zoo_importer_securitynet, data, size);
    fuzz_zoo_read(&assay__zoo_importer_timm, data, size);
    return 0;
}
