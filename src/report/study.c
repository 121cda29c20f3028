/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a study: read, check, write into memory, replace in one step. */

#include "assay/report.h"

#include "core/fs.h"
#include "core/mem.h"
#include "report/study_view.h"

int assay_study_report_write(const char *dir, const struct assay_context *ctx,
                             struct assay_error *err)
{
    struct assay__study_view view;
    struct assay__buf page = ASSAY__BUF_INIT;
    char *path = assay__path_join(dir, "study.html");
    int code = assay__study_view_open(&view, dir, err);

    if (code != ASSAY_OK)
        goto out;
    assay__study_page_write(&view, &page);
    if (page.failed || path == NULL) {
        code = assay_error_set(err, ASSAY_NOMEM,
                               "no memory for the page of "
                               "%s",
                               dir);
        goto out;
    }
    if (ctx)
        code = assay_context_check(ctx, err);
    if (code == ASSAY_OK)
        code = assay__write_file(path, page.data, page.size, err);
out:
    assay__free(path);
    assay__buf_release(&page);
    assay__study_view_release(&view);
    return code;
}
