/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a trigger's file, and what is one as a picture. */

#include "assay/trigger.h"
#include "files.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *png = NULL;
    struct assay_trigger t;
    struct assay_error err;
    size_t bytes;

    fuzz_write("t.safetensors", data, size);
    if (assay_trigger_read(&t, fuzz_path("t.safetensors"), &err))
        return 0;
    if (!assay_trigger_png(&t, &png, &bytes, &err))
        assay_bytes_free(png);
    assay_trigger_release(&t);
    return 0;
}
