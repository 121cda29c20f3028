/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a stranger's predictions. */

#include "assay/model.h"
#include "files.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_evidence e = {0};
    struct assay_error err;

    fuzz_write("e.safetensors", data, size);
    if (!assay_evidence_import(&e, fuzz_path("e.safetensors"), &err))
        assay_evidence_release(&e);
    return 0;
}
