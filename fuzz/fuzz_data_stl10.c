/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte says how many labels come first; the rest is images. Pixels make
 * no difference to the reader, so the input is repeated to fill them.
 */

#include <string.h>

#include "core/mem.h"
#include "data/data.h"
#include "fuzz.h"

enum { REPEAT = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_dataset *ds = assay__calloc(1, sizeof(*ds));
    struct assay__bytes images = {NULL, 0};
    struct assay__bytes labels = {NULL, 0};
    struct assay_error err;
    size_t left;

    if (size == 0 || size > 256)
        goto out;
    labels.size = data[0] < size - 1 ? data[0] : size - 1;
    left = size - 1 - labels.size;
    images.size = left * REPEAT;
    labels.data = assay__malloc(labels.size);
    images.data = assay__malloc(images.size);
    if (!ds || !labels.data || !images.data)
        goto out;
    memcpy(labels.data, data + 1, labels.size);
    for (size_t i = 0; i < REPEAT && left; i++)
        memcpy(images.data + i * left, data + 1 + labels.size, left);
    if (!assay__stl10_read(ds, &images, &labels, SIZE_MAX, &err))
        (void)!assay__dataset_finish(ds, &err);

out:
    assay_dataset_free(ds);
    assay__bytes_release(&images);
    assay__bytes_release(&labels);
    return 0;
}
