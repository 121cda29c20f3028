/* SPDX-License-Identifier: Apache-2.0 */
/*
 * findings.json of a stranger: what passes the check becomes a page. No
 * picture is found, since the run folder does not exist.
 */

#include "fuzz.h"
#include "report/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__buf page = ASSAY__BUF_INIT;
    struct assay__view view;
    struct assay_error err;
    json_t *doc =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

    if (doc && !assay__view_take(&view, doc, "/nonexistent", &err)) {
        assay__page_write(&view, &page);
        assay__view_release(&view);
    }
    assay__buf_release(&page);
    return 0;
}
