/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the sidecar of a model whose file holds no tensor. */

#include "assay/model.h"
#include "files.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char none[] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    struct assay_error err;
    assay_model *m = NULL;

    fuzz_write("m.safetensors", none, sizeof(none));
    fuzz_write("m.json", data, size);
    if (!assay_model_open(&m, fuzz_path("m.safetensors"), &err))
        abort(); /* every architecture has parameters */
    return 0;
}
