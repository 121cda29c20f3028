/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A safetensors file whose tensors are taken for the arrays of a dataset:
 * names, types and shapes in any combination.
 */

#include "core/mem.h"
#include "data/data.h"
#include "formats/format.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_dataset *ds = assay__calloc(1, sizeof(*ds));
    struct assay_tensors list;
    struct assay_error err;

    assay_tensors_init(&list);
    if (ds && !assay__tensors_parse(&list, data, size, NULL, &err) &&
        !assay__npz_read(ds, &list, SIZE_MAX, &err))
        (void)!assay__dataset_finish(ds, &err);
    assay_tensors_release(&list);
    assay_dataset_free(ds);
    return 0;
}
