/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most exposed records as pictures inside the page.
 */

#include "report/html.h"
#include "report/parts.h"
#include "report/picture.h"
#include "report/sections.h"

enum { MAX_SHOWN = 32, MAX_BYTES = MAX_SHOWN * (256 << 10) };

static void put_record(const struct assay__view *view, struct assay__buf *b,
                       const json_t *e, size_t *left)
{
    struct assay__text record =
        assay__number_count(assay__field_number(e, "record"));
    struct assay__buf alt = ASSAY__BUF_INIT;

    assay__buf_printf(&alt, "Training record of class %s",
                      assay__field_text(e, "class_name"));
    assay__buf_puts(b, "<li>");
    assay__part_picture(view, b, assay__field_text(e, "image"), alt.data, left);
    b->failed = b->failed || alt.failed;
    assay__buf_release(&alt);
    assay__html(b,
                "<b>%s</b><span class=\"sub\">record %s</span>"
                "<span class=\"sub\">score %s</span></li>\n",
                assay__field_text(e, "class_name"), record.s,
                assay__number_plain(assay__field_number(e, "score")).s);
}

void assay__section_exposed(const struct assay__view *view,
                            struct assay__buf *b)
{
    const json_t *list = json_object_get(view->doc, "exposed");
    size_t n = json_array_size(list);
    size_t shown = n < MAX_SHOWN ? n : MAX_SHOWN;
    size_t left = MAX_BYTES;

    if (!n) {
        assay__buf_puts(b, "<p>No records are listed: no attack that ran "
                           "scores single records, or none was chosen."
                           "</p>\n");
        return;
    }
    assay__html(
        b,
        "<p>The members that %s is surest of, first the surest. "
        "<strong>These are training records: treat this report as "
        "you would treat the data.</strong></p>\n"
        "<ol class=\"exposed\">\n",
        assay__part_attack_title(
            view, assay__field_text(json_array_get(list, 0), "attack")));
    for (size_t i = 0; i < shown; i++)
        put_record(view, b, json_array_get(list, i), &left);
    assay__buf_puts(b, "</ol>\n");
    if (shown < n)
        assay__html(b,
                    "<p class=\"small\">%zu more are in findings.json."
                    "</p>\n",
                    n - shown);
}
