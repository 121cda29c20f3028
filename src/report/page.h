/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_PAGE_H
#define ASSAY_REPORT_PAGE_H

/*
 * The whole page from an opened run. `b` starts empty and belongs to the
 * caller; look at b->failed afterwards.
 */

#include "core/buf.h"
#include "report/view.h"

void assay__page_write(const struct assay__view *view, struct assay__buf *b);

/* style.css, put in by the build (cmake/EmbedFile.cmake); ends in NUL. */
extern const unsigned char assay__style_css[];

#endif
