/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reversed triggers. The columns say what a detector found of each class,
 * the suspected one in colour, so that a reader sees whether it stands out;
 * the picture shows what would be stamped on an input.
 */

#include "report/figure_trust.h"

#include <math.h>
#include <stdio.h>

#include "report/html.h"
#include "report/picture.h"
#include "report/plot.h"

enum { MAX_FIGURES = 12, MAX_CLASSES = 200, NAMED = 12, MAX_BYTES = 2 << 20 };

/* From 0, or below it, to the largest. */
static struct assay__plot_axis axis_of(const json_t *d, const json_t *list)
{
    struct assay__plot_axis y = {.title = assay__field_text(d, "statistic"),
                                 .low = 0,
                                 .high = 0,
                                 .ticks = 4};

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);

        if (!json_is_number(v))
            continue;
        y.low = fmin(y.low, json_number_value(v));
        y.high = fmax(y.high, json_number_value(v));
    }
    return assay__plot_nice(y);
}

static const char *class_name(const struct assay__view *view, size_t i)
{
    const json_t *names =
        json_object_get(json_object_get(view->doc, "data"), "classes");
    const char *name = json_string_value(json_array_get(names, i));

    return name ? name : "";
}

static void put_columns(const struct assay__view *view, struct assay__plot *p,
                        const json_t *list, double target)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        double x[2] = {(double)i + .15, (double)i + .85};
        double y[2] = {0, json_number_value(v)};
        char title[128];

        if (!json_is_number(v))
            continue;
        snprintf(title, sizeof title, "class %zu %.50s: %.40s", i,
                 class_name(view, i), assay__number_plain(y[1]).s);
        assay__plot_column(
            p, x, y, (double)i == target ? "column accused" : "column", title);
    }
}

static void put_plot(const struct assay__view *view, struct assay__buf *b,
                     const json_t *d)
{
    const json_t *list = json_object_get(d, "per_class");
    double target = assay__field_number(d, "target");
    size_t n = json_array_size(list);
    struct assay__plot_axis y = axis_of(d, list);
    struct assay__plot_axis x = {.title = "class",
                                 .low = 0,
                                 .high = (double)n,
                                 .whole = true,
                                 .ticks = 8};
    char number[NAMED][8];
    const char *name[NAMED];
    struct assay__plot p;

    for (size_t i = 0; i < n && i < NAMED; i++) {
        snprintf(number[i], sizeof number[i], "%zu", i);
        name[i] = number[i];
    }
    if (n <= NAMED)
        assay__plot_begin_names(&p, b, 620, 210, y.title, name, n, &y);
    else
        assay__plot_begin(&p, b, 620, 210, y.title, &x, &y);
    put_columns(view, &p, list, target);
    assay__plot_end(&p);
}

static void put_figure(const struct assay__view *view, struct assay__buf *b,
                       const json_t *d, size_t *left)
{
    const char *title = assay__field_text(d, "title");
    const char *picture = assay__field_text(d, "picture");
    const char *name = assay__field_text(d, "class_name");
    double target = assay__field_number(d, "target");
    size_t n = json_array_size(json_object_get(d, "per_class"));
    struct assay__buf alt = ASSAY__BUF_INIT;

    assay__buf_puts(b, *picture ? "<figure>\n" : "<figure class=\"alone\">\n");
    if (*picture) {
        assay__buf_printf(&alt, "Trigger that %s reversed", title);
        assay__part_picture(view, b, picture, alt.data, left);
        b->failed = b->failed || alt.failed;
        assay__buf_release(&alt);
    }
    assay__buf_puts(b, "<div>");
    if (n && n <= MAX_CLASSES)
        put_plot(view, b, d);
    else if (n)
        assay__html(b,
                    "<p class=\"small\">%zu classes, whose numbers are in "
                    "findings.json.</p>\n",
                    n);
    assay__buf_puts(b, "</div>\n");
    assay__html(b, "<figcaption>%s", title);
    if (!isnan(target))
        assay__html(b, ": class %s%s%s%s", assay__number_count(target).s,
                    *name ? " (" : "", name, *name ? ")" : "");
    assay__html(b, "%s</figcaption>\n</figure>\n",
                assay__field_true(d, "accuses") ? ", accused" : "");
}

static bool has_figure(const json_t *d)
{
    return *assay__field_text(d, "picture") ||
           json_array_size(json_object_get(d, "per_class"));
}

void assay__figure_triggers(const struct assay__view *view,
                            struct assay__buf *b, const json_t *detectors)
{
    size_t left = MAX_BYTES;
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(detectors); i++) {
        const json_t *d = json_array_get(detectors, i);

        if (!has_figure(d) || n == MAX_FIGURES)
            continue;
        if (!n++)
            assay__buf_puts(
                b, "<h3>What the trigger would look like</h3>\n"
                   "<p>The pattern as far as its mask shows it, on grey, as "
                   "the detector found it by working backwards from the "
                   "model; and what it found of each class. A planted trigger "
                   "is small and makes its class stand out.</p>\n"
                   "<div class=\"reversed\">\n");
        put_figure(view, b, d, &left);
    }
    assay__buf_puts(b, n ? "</div>\n" : "");
}
