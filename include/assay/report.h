/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_H
#define ASSAY_REPORT_H

/*
 * Reports: what a finished run found, for people. They read
 * `findings.json` of a run folder (docs/findings.md), compute nothing
 * anew, and never touch models or data. Equal run folders give equal bytes.
 */

#include <stdio.h>

#include "assay/context.h"
#include "assay/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Write `run_dir`/report.html: one page that needs no network and no
 * scripts, for screens, phones and paper (docs/report.md).
 *
 * run_dir  a run folder: findings.json; optional manifest.json (times,
 *          host) and the pictures that findings.json names
 * ctx      optional; cancels, and is told of pictures that cannot be shown
 *
 * Atomic: on failure an older report stays as it was. ASSAY_IO when a file
 * cannot be read or written, ASSAY_FORMAT when findings.json is malformed
 * (the message names the place), _NOMEM, _CANCELED.
 */
int assay_report_write(const char *run_dir, const struct assay_context *ctx,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Print a summary to `out`: verdict, table of attacks, worst finding, what
 * to do, where the report is.
 *
 * out    the caller's; may be a pipe
 * color  non-zero: ANSI colours (the caller honours NO_COLOR)
 * width  columns; 0: 80. Below 40 counts as 40.
 *
 * Text from files is stripped of control characters. Errors as above;
 * ASSAY_IO also when `out` cannot be written.
 */
int assay_report_terminal(const char *run_dir, FILE *out, int color, int width,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Print two runs side by side to `out`, as text or as JSON: test accuracy,
 * gap, the headline metric of each attack of `before` (AUC, agreement,
 * attribute accuracy, success), the changes with their intervals, and the
 * seconds that the targets' training took. Errors as above.
 */
int assay_report_diff(const char *before, const char *after, FILE *out,
                      int as_json, struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Write `dir`/study.html from `dir`/study.json, and from timings.json when it
 * is there: tables and figures of a study (docs/study.md). Otherwise as
 * assay_report_write(), errors too.
 */
int assay_study_report_write(const char *dir, const struct assay_context *ctx,
                             struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Write `dir`/index.html and `dir`/models/ID.html from `dir`/zoo.json, the
 * JSON export of a zoo (assay/zoo.h): tables by dataset with filters, and a
 * page for each model. The index is written last. Otherwise as
 * assay_report_write(), errors too.
 */
int assay_zoo_report_write(const char *dir, const struct assay_context *ctx,
                           struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
