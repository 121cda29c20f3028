/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_PICTURE_H
#define ASSAY_REPORT_PICTURE_H

#include <stddef.h>

#include "core/buf.h"
#include "report/view.h"

/*
 * A PNG file of the run folder as an image inside the page, or the reason
 * why it is not shown in its place. `path` is relative and comes from
 * findings.json: files elsewhere are not opened. `left` is how many bytes of
 * files the caller still takes; a picture is counted off it.
 */
void assay__part_picture(const struct assay__view *view, struct assay__buf *b,
                         const char *path, const char *alt, size_t *left);

#endif
