/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a PNG image. */

#include "data/image.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__image image = {0};
    struct assay_error err;

    if (assay__png_read(&image, data, size, 0, &err) == ASSAY_OK)
        assay__image_release(&image);
    return 0;
}
