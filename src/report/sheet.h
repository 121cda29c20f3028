/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_SHEET_H
#define ASSAY_REPORT_SHEET_H

/*
 * Text for a terminal, built in memory. Widths are counted in characters,
 * not bytes. Control characters are taken out where text enters.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

enum assay__style {
    ASSAY__STYLE_PLAIN,
    ASSAY__STYLE_BOLD,
    ASSAY__STYLE_DIM,
    ASSAY__STYLE_RED,
    ASSAY__STYLE_YELLOW,
    ASSAY__STYLE_GREEN,
    ASSAY__N_STYLES
};

struct assay__sheet {
    struct assay__buf b;
    size_t width;
    size_t column; /* of the cursor, from 0 */
    bool color;
};

/* From here on; nothing without colour. */
void assay__sheet_style(struct assay__sheet *s, enum assay__style style);

/* Characters of `text` as they will be shown. */
size_t assay__sheet_width(const char *text);

/* `text`, or at most `max` characters of it; unsafe ones become '?', a hard
 * space a soft one. */
void assay__sheet_put(struct assay__sheet *s, const char *text);
void assay__sheet_cut(struct assay__sheet *s, const char *text, size_t max);

/* Spaces up to `column`; nothing when the cursor is there or beyond. */
void assay__sheet_go(struct assay__sheet *s, size_t column);
void assay__sheet_line_end(struct assay__sheet *s);

/* Words filled to the width, continued at `indent`. */
void assay__sheet_fill(struct assay__sheet *s, const char *text, size_t indent);
/* The same for one word in parentheses. */
void assay__sheet_aside(struct assay__sheet *s, const char *word,
                        size_t indent);

#endif
