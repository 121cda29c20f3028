/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as HDF5 or a zip of Keras: all its tensors. */

#include "formats/format.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_tensors list;
    struct assay_error err;

    assay_tensors_init(&list);
    (void)!assay_format_hdf5.read(&list, data, size, &err);
    assay_tensors_release(&list);
    return 0;
}
