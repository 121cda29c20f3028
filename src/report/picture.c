/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures inside the page. Paths come from findings.json, which may be a
 * stranger's: only PNG files within the run folder are taken, and not
 * beyond a size.
 */

#include "report/picture.h"

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "report/html.h"

enum { MAX_PICTURE = 256 << 10 };

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
                               struct assay__buf *b, const char *image,
                               const char *alt, size_t *left)
{
    static const unsigned char signature[8] = {0x89, 'P',  'N',  'G',
                                               '\r', '\n', 0x1a, '\n'};
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
    if (code == ASSAY_NOMEM) {
        b->failed = true;
        return "no memory";
    }
    if (code != ASSAY_OK)
        return "picture cannot be read";
    if (size < sizeof signature ||
        memcmp(data, signature, sizeof signature) != 0) {
        assay__free(data);
        return "picture is not a PNG file";
    }
    if (size > *left) {
        assay__free(data);
        return "too many pictures";
    }
    *left -= size;
    assay__html(b, "<img alt=\"%s\" src=\"data:image/png;base64,", alt);
    assay__html_base64(b, data, size);
    assay__buf_puts(b, "\">");
    assay__free(data);
    return NULL;
}

void assay__part_picture(const struct assay__view *view, struct assay__buf *b,
                         const char *path, const char *alt, size_t *left)
{
    const char *why = put_picture(view, b, path, alt ? alt : "", left);

    if (why)
        assay__html(b, "<span class=\"picture\">%s</span>", why);
}
