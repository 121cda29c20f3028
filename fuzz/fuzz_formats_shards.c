/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an index of safetensors in several files. */

#include "formats/shards.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__shards s;
    struct assay_error err;

    if (assay__shards_parse(&s, data, size, &err) == ASSAY_OK)
        assay__shards_release(&s);
    return 0;
}
