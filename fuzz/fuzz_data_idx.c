/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two bytes say how long the images file is; it follows, then the labels
 * file. Both are copied, so that a read past either is seen.
 */

#include <string.h>

#include "core/mem.h"
#include "data/data.h"
#include "fuzz.h"

static struct assay__bytes copy(const uint8_t *data, size_t size)
{
    struct assay__bytes bytes = {assay__malloc(size), size};

    if (bytes.data && size)
        memcpy(bytes.data, data, size);
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_dataset *ds = assay__calloc(1, sizeof(*ds));
    struct assay__bytes images;
    struct assay__bytes labels;
    struct assay_error err;
    size_t n = 0;

    if (size >= 2) {
        n = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
    }
    if (n > size)
        n = size;
    images = copy(data, n);
    labels = copy(data + n, size - n);
    if (ds && images.data && labels.data &&
        assay__idx_read(ds, &images, &labels, SIZE_MAX, &err) == ASSAY_OK)
        (void)!assay__dataset_finish(ds, &err);
    assay_dataset_free(ds);
    assay__bytes_release(&images);
    assay__bytes_release(&labels);
    return 0;
}
