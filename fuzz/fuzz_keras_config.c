/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the configuration of a Keras model without weights, when they
 * begin like JSON; else as a whole file, taken as a classifier. */

#include <string.h>

#include "fuzz.h"
#include "keras/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_keras_roles roles = {0};
    struct assay_keras_classifier c;
    struct assay__keras_file file;
    struct assay_error err = {0, ""};

    if (size > 0 && data[0] != '{') {
        if (assay_keras_parse(&c, data, size, &roles, &err) == ASSAY_OK)
            assay_keras_classifier_release(&c);
        return 0;
    }
    memset(&file, 0, sizeof(file));
    memset(&c, 0, sizeof(c));
    file.zipped = true;
    file.config.data = data;
    file.config.size = size;
    (void)!assay__keras_classify(&c, &file, &roles, &err);
    assay_keras_classifier_release(&c);
    return 0;
}
