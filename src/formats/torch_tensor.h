/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_TORCH_TENSOR_H
#define ASSAY_FORMATS_TORCH_TENSOR_H

/* One tensor of a PyTorch pickle: from the call that rebuilds it to a row of
 * the list. */

#include "formats/torch_state.h"

/* Is this a call that rebuilds a tensor? */
bool assay__torch_is_tensor(const struct assay__pickle_value *value);
/* `*total` counts the bytes of all tensors of the file. */
int assay__torch_add_tensor(struct assay_tensors *list, const char *name,
                            const struct assay__pickle_value *value,
                            const struct assay__torch_source *source,
                            size_t *total,
                            struct assay_error *err) ASSAY_MUST_CHECK;

#endif
