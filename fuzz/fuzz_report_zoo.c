/* SPDX-License-Identifier: Apache-2.0 */
/* zoo.json of a stranger: what passes the check becomes pages. */

#include "fuzz.h"
#include "report/zoo_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__buf page = ASSAY__BUF_INIT;
    struct assay_error err;
    json_t *doc =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

    if (doc && !assay__zoo_document_check(doc, &err)) {
        const json_t *models = json_object_get(doc, "models");

        assay__zoo_index_write(doc, &page);
        for (size_t i = 0; i < json_array_size(models); i++)
            assay__zoo_model_write(doc, json_array_get(models, i), &page);
    }
    assay__buf_release(&page);
    json_decref(doc);
    return 0;
}
