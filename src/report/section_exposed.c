/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most exposed records as pictures inside the page. Paths come from
 * findings.json, which may be a stranger's: only PNG files within the run
 * folder are taken, and not beyond a size.
 */

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "report/html.h"
#include "report/parts.h"
#include "report/sections.h"

enum { MAX_SHOWN = 32, MAX_PICTURE = 256 << 10 };

/* No way out of the run folder: relative, and never up. */
static bool path_stays_inside(const char *path)
{
    const char *p = path;

    if (*path == '/' || *path == '\0')
        return false;
    while (p) {
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            return false;
        p = strchr(p, '/');
        p = p ? p + 1 : NULL;
    }
    return true;
}

/* NULL when shown, else why not. */
static const char *put_picture(const struct assay__view *view,
                               struct assay__buf *b, const json_t *e)
{
    static const unsigned char signature[8] = {0x89, 'P',  'N',  'G',
                                               '\r', '\n', 0x1a, '\n'};
    const char *image = assay__field_text(e, "image");
    unsigned char *data = NULL;
    size_t size = 0;
    char *path;
    int code;

    if (!*image)
        return "no picture";
    if (!path_stays_inside(image))
        return "picture is outside the run folder";
    path = assay__path_join(view->run_dir, image);
    if (!path) {
        b->failed = true;
        return "no memory";
    }
    code = assay__read_file(path, MAX_PICTURE, &data, &size, NULL);
    assay__free(path);
    if (code != ASSAY_OK)
        return "picture cannot be read";
    if (size < sizeof signature ||
        memcmp(data, signature, sizeof signature) != 0) {
        assay__free(data);
        return "picture is not a PNG file";
    }
    assay__html(b,
                "<img alt=\"Training record of class %s\" "
                "src=\"data:image/png;base64,",
                assay__field_text(e, "class_name"));
    assay__html_base64(b, data, size);
    assay__buf_puts(b, "\">");
    assay__free(data);
    return NULL;
}

static void put_record(const struct assay__view *view, struct assay__buf *b,
                       const json_t *e)
{
    struct assay__text record =
        assay__number_count(assay__field_number(e, "record"));
    const char *why;

    assay__buf_puts(b, "<li>");
    why = put_picture(view, b, e);
    if (why)
        assay__html(b, "<span class=\"picture\">%s</span>", why);
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
        put_record(view, b, json_array_get(list, i));
    assay__buf_puts(b, "</ol>\n");
    if (shown < n)
        assay__html(b,
                    "<p class=\"small\">%zu more are in findings.json."
                    "</p>\n",
                    n - shown);
}
