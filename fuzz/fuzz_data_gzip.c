/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a gzip file that may unpack to at most a mebibyte. */

#include "data/data.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__bytes out;
    struct assay_error err;

    if (assay__gunzip(&out, data, size, 1 << 20, &err) == ASSAY_OK)
        assay__bytes_release(&out);
    return 0;
}
