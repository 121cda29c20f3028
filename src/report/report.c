/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of a run: open, write the page into memory, replace the old
 * file in one step.
 */

#include "assay/report.h"

#include "core/fs.h"
#include "core/mem.h"
#include "report/page.h"

int assay_report_write(const char *run_dir, const struct assay_context *ctx,
                       struct assay_error *err)
{
    struct assay__view view = {.run_dir = run_dir};
    struct assay__buf page = ASSAY__BUF_INIT;
    char *path = NULL;
    int code;

    code = assay__view_open(&view, run_dir, err);
    if (code != ASSAY_OK)
        goto out;
    assay__page_write(&view, &page);
    path = assay__path_join(run_dir, "report.html");
    if (page.failed || !path) {
        code = assay_error_set(err, ASSAY_NOMEM,
                               "no memory for the report of %s", run_dir);
        goto out;
    }
    if (ctx)
        code = assay_context_check(ctx, err);
    if (code == ASSAY_OK)
        code = assay__write_file(path, page.data, page.size, err);
out:
    assay__free(path);
    assay__buf_release(&page);
    assay__view_release(&view);
    return code;
}
