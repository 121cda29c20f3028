/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_HTML_H
#define ASSAY_REPORT_HTML_H

/*
 * Writing HTML so that forgetting to escape is not possible by accident:
 * assay__html() is printf for markup, in which every %s is escaped. Markup
 * that is already made is added with assay__buf_puts().
 */

#include <stddef.h>

#include "core/buf.h"

/*
 * Text, safe between tags and inside quoted attributes. & < > " ' become
 * entities; control characters, and those that turn the direction of text
 * around, become U+FFFD; a space before a per cent sign becomes one that
 * does not break. NULL adds nothing.
 */
void assay__html_text(struct assay__buf *b, const char *text);

/* Understands %s (escaped), %d, %zu and %%, nothing else. */
void assay__html(struct assay__buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void assay__html_base64(struct assay__buf *b, const unsigned char *data,
                        size_t size);

/*
 * Length in bytes of the UTF-8 character at `text` when it must not be
 * shown (controls, direction overrides), else 0. For terminals as well.
 */
size_t assay__html_unsafe(const char *text);

#endif
