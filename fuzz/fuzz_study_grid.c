/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a study file; what is read becomes cells. */

#include <string.h>

#include "core/mem.h"
#include "fuzz.h"
#include "study/grid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__study_file *file = NULL;
    struct assay__study_cell *cells = NULL;
    struct assay_error err;
    size_t n = 0;
    char *text = assay__malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (assay__study_file_parse(&file, text, size, "fuzz", &err) == ASSAY_OK)
        (void)!assay__study_grid(file, &cells, &n, &err);
    assay__free(cells);
    assay__study_file_free(file);
    assay__free(text);
    return 0;
}
