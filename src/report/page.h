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

/* From the document's first byte to its body. `css` ends in NULL. */
void assay__page_head(struct assay__buf *b, const json_t *tool,
                      const char *title, const char *const *css);

/* Style sheets, put in by the build (cmake/EmbedFile.cmake); end in NUL. */
extern const unsigned char assay__style_css[];
extern const unsigned char assay__study_css[]; /* after style.css */
extern const unsigned char assay__zoo_css[];   /* after style.css */

#endif
