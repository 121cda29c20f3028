/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursor's column is counted along. Wide characters of a hostile or
 * foreign name may push a line over, never corrupt the terminal.
 */

#include "report/sheet.h"

#include <string.h>

#include "report/html.h"

void assay__sheet_style(struct assay__sheet *s, enum assay__style style)
{
    static const char *const codes[ASSAY__N_STYLES] = {
        "\x1b[0m",    "\x1b[1m",    "\x1b[2m",
        "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;32m"};

    if (s->color)
        assay__buf_puts(&s->b, codes[style]);
}

size_t assay__sheet_width(const char *text)
{
    size_t n = 0;

    for (const char *p = text; *p;) {
        size_t unsafe = assay__html_unsafe(p);

        if (((unsigned char)*p & 0xc0) != 0x80)
            n++;
        p += unsafe ? unsafe : 1;
    }
    return n;
}

void assay__sheet_cut(struct assay__sheet *s, const char *text, size_t max)
{
    size_t n = 0;

    for (const char *p = text; *p;) {
        size_t unsafe = assay__html_unsafe(p);
        bool starts = ((unsigned char)*p & 0xc0) != 0x80;

        if (starts && n++ == max)
            break;
        if (unsafe || *p == '\n' || *p == '\t') {
            assay__buf_puts(&s->b, unsafe ? "?" : " ");
        } else if (memcmp(p, "\xc2\xa0", 2) == 0) {
            assay__buf_puts(&s->b, " ");
            p++;
        } else {
            assay__buf_add(&s->b, p, 1);
        }
        p += unsafe ? unsafe : 1;
    }
    s->column += n < max ? n : max;
}

void assay__sheet_put(struct assay__sheet *s, const char *text)
{
    assay__sheet_cut(s, text, (size_t)-1);
}

void assay__sheet_line_end(struct assay__sheet *s)
{
    assay__buf_puts(&s->b, "\n");
    s->column = 0;
}

void assay__sheet_go(struct assay__sheet *s, size_t column)
{
    while (s->column < column) {
        assay__buf_puts(&s->b, " ");
        s->column++;
    }
}

void assay__sheet_fill(struct assay__sheet *s, const char *text, size_t indent)
{
    struct assay__buf word = ASSAY__BUF_INIT;

    while (*text) {
        size_t size = strcspn(text, " \n\t");

        word.size = 0;
        assay__buf_add(&word, text, size);
        text += size;
        text += strspn(text, " \n\t");
        if (word.failed || !size)
            continue;
        if (s->column > indent &&
            s->column + 1 + assay__sheet_width(word.data) > s->width) {
            assay__sheet_line_end(s);
            assay__sheet_go(s, indent);
        } else if (s->column > indent) {
            assay__sheet_put(s, " ");
        }
        assay__sheet_put(s, word.data);
    }
    s->b.failed = s->b.failed || word.failed;
    assay__buf_release(&word);
}

void assay__sheet_aside(struct assay__sheet *s, const char *word, size_t indent)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__buf_printf(&b, "(%s)", word);
    if (b.failed)
        s->b.failed = true;
    else
        assay__sheet_fill(s, b.data, indent);
    assay__buf_release(&b);
}
