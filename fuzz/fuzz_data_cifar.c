/* SPDX-License-Identifier: Apache-2.0 */
/* A byte whose lowest bit chooses CIFAR-10 or CIFAR-100, then a batch. */

#include <string.h>

#include "core/mem.h"
#include "data/data.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_dataset *ds = assay__calloc(1, sizeof(*ds));
    struct assay__bytes file = {NULL, size ? size - 1 : 0};
    struct assay_error err;

    file.data = assay__malloc(file.size);
    if (ds && file.data && size) {
        memcpy(file.data, data + 1, file.size);
        if (!assay__dataset_classes(ds, 100, NULL, &err) &&
            !assay__cifar_read(ds, &file, 1 + data[0] % 2, SIZE_MAX, &err))
            (void)!assay__dataset_finish(ds, &err);
    }
    assay_dataset_free(ds);
    assay__bytes_release(&file);
    return 0;
}
