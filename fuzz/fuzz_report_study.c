/* SPDX-License-Identifier: Apache-2.0 */
/* study.json of a stranger: what passes the check becomes a page. */

#include "fuzz.h"
#include "report/study_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay__buf page = ASSAY__BUF_INIT;
    struct assay__study_view view;
    struct assay_error err;
    json_t *doc =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

    if (doc && !assay__study_view_take(&view, doc, &err)) {
        assay__study_page_write(&view, &page);
        assay__study_view_release(&view);
    }
    assay__buf_release(&page);
    return 0;
}
