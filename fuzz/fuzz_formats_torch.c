/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a PyTorch file of either layout. */

#include "formats/format.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_tensors list;
    struct assay_error err;

    assay_tensors_init(&list);
    (void)!assay_format_torch.read(&list, data, size, &err);
    assay_tensors_release(&list);
    assay_tensors_init(&list);
    (void)!assay_format_torch_legacy.read(&list, data, size, &err);
    assay_tensors_release(&list);
    return 0;
}
