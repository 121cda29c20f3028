/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as CelebA's list of attributes. */

#include <string.h>

#include "core/mem.h"
#include "data/celeba.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__celeba table;
    struct assay_error err;
    char *text = assay__malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (assay__celeba_read(&table, text, size, SIZE_MAX, &err) == ASSAY_OK)
        assay__celeba_release(&table);
    assay__free(text);
    return 0;
}
