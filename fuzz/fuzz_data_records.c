/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three bytes give the shape, the next (up to a NUL) the names of the
 * labels; the rest is a file of packed records.
 */

#include <string.h>

#include "core/mem.h"
#include "data/data.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_dataset *ds = assay__calloc(1, sizeof(*ds));
    struct assay__spec spec = {.max_records = SIZE_MAX};
    struct assay__bytes file = {NULL, 0};
    const uint8_t *nul = size > 3 ? memchr(data + 3, 0, size - 3) : NULL;
    struct assay_error err;

    if (!ds || !nul)
        goto out;
    for (int i = 0; i < 3; i++)
        spec.shape[i] = data[i];
    spec.labels = assay__strdup((const char *)data + 3);
    file.size = size - (size_t)(nul + 1 - data);
    file.data = assay__malloc(file.size);
    if (!spec.labels || !file.data)
        goto out;
    memcpy(file.data, nul + 1, file.size);
    if (!assay__records_read(ds, &file, &spec, &err))
        (void)!assay__dataset_finish(ds, &err);

out:
    assay_dataset_free(ds);
    assay__free(spec.labels);
    assay__bytes_release(&file);
    return 0;
}
