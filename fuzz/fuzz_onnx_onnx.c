/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ONNX model: read, then taken as a classifier. */

#include "assay/onnx.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_onnx_classifier c;
    struct assay_onnx_roles roles = {0};
    struct assay_error err;
    assay_onnx *o = NULL;

    if (assay_onnx_parse(&o, data, size, NULL, &err) != ASSAY_OK)
        return 0;
    if (assay_onnx_classify(&c, o, &roles, &err) == ASSAY_OK)
        assay_onnx_classifier_release(&c);
    assay_onnx_free(o);
    return 0;
}
