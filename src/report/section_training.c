/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training curves: the target's in front, those of shadow and reference
 * models thin behind it. Loss on a logarithmic axis where it spans decades.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/plot.h"
#include "report/sections.h"

enum { MAX_POINTS = 240, MAX_OTHERS = 32 };

struct range {
    double low;
    double high;
};

static void widen(struct range *r, double v)
{
    r->low = fmin(r->low, v);
    r->high = fmax(r->high, v);
}

/* Smallest and largest of `key` over all curves that are drawn. */
static struct range range_of(const json_t *curves, const char *key)
{
    struct range r = {ASSAY__MISSING, ASSAY__MISSING};

    for (size_t i = 0; i < json_array_size(curves) && i <= MAX_OTHERS; i++) {
        const json_t *points =
            json_object_get(json_array_get(curves, i), "points");

        for (size_t k = 0; k < json_array_size(points); k++)
            widen(&r, assay__field_number(json_array_get(points, k), key));
    }
    return r;
}

static bool is_target(const json_t *curve)
{
    return strcmp(assay__field_text(curve, "name"), "target") == 0;
}

/* Epochs without the number (test accuracy is taken every few) are passed
 * over: those that have it are joined. */
static void put_curve(struct assay__plot *p, const json_t *curve,
                      const char *key, const char *class_name)
{
    const json_t *points = json_object_get(curve, "points");
    size_t n = 0;
    size_t seen = 0;
    size_t every;

    for (size_t i = 0; i < json_array_size(points); i++)
        if (!isnan(assay__field_number(json_array_get(points, i), key)))
            n++;
    every = 1 + (n ? n - 1 : 0) / MAX_POINTS;
    assay__plot_path_begin(p, class_name);
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        double y = assay__field_number(point, key);

        if (isnan(y))
            continue;
        if (seen % every == 0 || seen + 1 == n)
            assay__plot_path_line(p, assay__field_number(point, "epoch"), y);
        seen++;
    }
    assay__plot_path_end(p);
}

static void put_curves(struct assay__plot *p, const json_t *curves,
                       const char *key, const char *target_class)
{
    for (size_t i = 0; i < json_array_size(curves) && i <= MAX_OTHERS; i++)
        if (!is_target(json_array_get(curves, i)))
            put_curve(p, json_array_get(curves, i), key, "curve thin");
    for (size_t i = 0; i < json_array_size(curves); i++)
        if (is_target(json_array_get(curves, i)))
            put_curve(p, json_array_get(curves, i), key, target_class);
}

static struct assay__plot_axis epochs_axis(const json_t *curves)
{
    struct range r = range_of(curves, "epoch");
    struct assay__plot_axis x = {"epoch", r.low, r.high, ASSAY__PLOT_LINEAR,
                                 false,   true,  6};

    if (!(r.low < r.high)) {
        x.low = isnan(r.low) ? 0 : r.low - 1;
        x.high = isnan(r.low) ? 1 : r.low + 1;
    }
    return x;
}

static void put_loss(const json_t *curves, struct assay__buf *b)
{
    struct range r = range_of(curves, "loss");
    struct assay__plot_axis x = epochs_axis(curves);
    struct assay__plot_axis y = {
        "training loss", 0, r.high, ASSAY__PLOT_LINEAR, false, false, 4};
    struct assay__plot p;

    if (isnan(r.low))
        return;
    if (r.low > 0 && r.high / r.low > 20) {
        y.scale = ASSAY__PLOT_LOG;
        y.low = r.low * 0.8;
        y.high = r.high * 1.2;
    }
    y = assay__plot_nice(y);
    assay__plot_begin(&p, b, 440, 270, "Training loss by epoch", &x, &y);
    put_curves(&p, curves, "loss", "curve s1");
    assay__plot_end(&p);
}

static void put_accuracy(const json_t *curves, struct assay__buf *b)
{
    struct range train = range_of(curves, "train_accuracy");
    struct range test = range_of(curves, "test_accuracy");
    struct assay__plot_axis x = epochs_axis(curves);
    struct assay__plot_axis y = {"accuracy",
                                 fmin(train.low, test.low),
                                 fmax(train.high, test.high),
                                 ASSAY__PLOT_LINEAR,
                                 true,
                                 false,
                                 4};
    struct assay__plot p;

    if (isnan(y.low))
        return;
    y = assay__plot_nice(y);
    y.high = fmin(y.high, 1);
    if (!(y.low < y.high))
        y.low = 0;
    assay__plot_begin(&p, b, 440, 270,
                      "Accuracy on training and on other records by epoch", &x,
                      &y);
    put_curves(&p, curves, "train_accuracy", "curve s1");
    put_curves(&p, curves, "test_accuracy", "curve s1 dashed");
    assay__plot_end(&p);
}

static void put_key(const json_t *curves, struct assay__buf *b)
{
    size_t n = json_array_size(curves);

    assay__buf_puts(
        b, "<ul class=\"key\"><li><svg viewBox=\"0 0 34 10\" "
           "aria-hidden=\"true\"><path class=\"curve s1\" d=\"M1 5H33\"/>"
           "</svg> target, training records</li>"
           "<li><svg viewBox=\"0 0 34 10\" aria-hidden=\"true\">"
           "<path class=\"curve s1 dashed\" d=\"M1 5H33\"/></svg> target, "
           "other records</li>");
    if (n > 1) {
        assay__buf_puts(b, "<li><svg viewBox=\"0 0 34 10\" "
                           "aria-hidden=\"true\"><path class=\"curve thin\" "
                           "d=\"M1 5H33\"/></svg> ");
        if (n == 2)
            assay__buf_puts(b, "shadow model</li>");
        else
            assay__html(b, "%zu shadow and reference models%s</li>", n - 1,
                        n - 1 > MAX_OTHERS ? " (some are drawn)" : "");
    }
    assay__buf_puts(b, "</ul>\n");
}

void assay__section_training(const struct assay__view *view,
                             struct assay__buf *b)
{
    const json_t *curves = json_object_get(view->doc, "curves");

    if (!json_array_size(curves)) {
        assay__buf_puts(b, "<p>No curves: this run trained no model.</p>\n");
        return;
    }
    assay__buf_puts(
        b, "<p>A gap that opens between training and other records is what "
           "membership inference lives on.</p>\n");
    put_key(curves, b);
    assay__buf_puts(b, "<div class=\"panels two\">\n");
    put_loss(curves, b);
    put_accuracy(curves, b);
    assay__buf_puts(b, "</div>\n");
}
