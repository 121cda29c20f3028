/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the sidecar of a generator whose file holds no tensor. */

#include "assay/generator.h"
#include "files.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char none[] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    struct assay_error err;
    assay_generator *gen = NULL;

    fuzz_write("g.safetensors", none, sizeof(none));
    fuzz_write("g.json", data, size);
    if (!assay_generator_open(&gen, fuzz_path("g.safetensors"), &err))
        abort(); /* every generator has parameters */
    return 0;
}
