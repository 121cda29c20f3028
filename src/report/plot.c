/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SVG writer. Text sizes are the style sheet's: margins are measured
 * for its largest (phones show drawings smaller and their text larger).
 */

#include "report/plot.h"

#include <math.h>
#include <stdlib.h>

#include "report/html.h"

enum { MAX_TICKS = 24 };

/* One decimal, no exponent, no locale. */
static void put(struct assay__buf *b, double v)
{
    long tenths = lround(v * 10);
    long size = labs(tenths);

    assay__buf_printf(b, "%s%ld", tenths < 0 ? "-" : "", size / 10);
    if (size % 10)
        assay__buf_printf(b, ".%ld", size % 10);
}

/* ` name="12.3"` */
static void put_attribute(struct assay__buf *b, const char *name, double v)
{
    assay__buf_printf(b, " %s=\"", name);
    put(b, v);
    assay__buf_puts(b, "\"");
}

static void put_segment(struct assay__buf *b, const char *class_name, double x1,
                        double y1, double x2, double y2)
{
    assay__html(b, "<path class=\"%s\" d=\"M", class_name);
    put(b, x1);
    assay__buf_puts(b, " ");
    put(b, y1);
    assay__buf_puts(b, "L");
    put(b, x2);
    assay__buf_puts(b, " ");
    put(b, y2);
    assay__buf_puts(b, "\"/>");
}

/* The smallest of 1, 2, 5 times a power of ten that is not below x. */
static double nice_step(double x)
{
    double power = pow(10, floor(log10(x)));
    double share = x / power;

    if (share <= 1 + 1e-9)
        return power;
    if (share <= 2 + 1e-9)
        return 2 * power;
    if (share <= 5 + 1e-9)
        return 5 * power;
    return 10 * power;
}

static double step_of(const struct assay__plot_axis *axis)
{
    int wanted = axis->ticks > 0 ? axis->ticks : 5;

    double least = (axis->high - axis->low) / wanted;

    return nice_step(axis->whole ? fmax(least, 1) : least);
}

struct assay__plot_axis assay__plot_nice(struct assay__plot_axis axis)
{
    double room;

    if (!isfinite(axis.low) || !isfinite(axis.high) || fabs(axis.low) > 1e300 ||
        fabs(axis.high) > 1e300) {
        axis.low = axis.scale == ASSAY__PLOT_LOG ? 1e-3 : 0;
        axis.high = 1;
        return axis;
    }
    if (axis.scale == ASSAY__PLOT_LOG) {
        axis.high = axis.high > 1e-12 ? axis.high : 1;
        axis.low = axis.low > 1e-12 ? axis.low : axis.high / 1e3;
        if (!(axis.low < axis.high * 0.999))
            axis.low = axis.high / 10;
        return axis;
    }
    room = fmax(fabs(axis.low), fabs(axis.high)) * 1e-9;
    if (!(axis.high - axis.low > room)) {
        axis.high = fmax(axis.low, axis.high);
        axis.low = axis.high;
        room = fmax(room * 1e8, 0.5);
        axis.low -= room;
        axis.high += room;
    }
    room = step_of(&axis);
    axis.low = floor(axis.low / room + 1e-6) * room;
    axis.high = ceil(axis.high / room - 1e-6) * room;
    return axis;
}

/* Decades; over less than 2.5 of them also 2 and 5 times. */
static size_t log_ticks(const struct assay__plot_axis *axis, double *tick,
                        size_t max)
{
    static const int parts[] = {1, 2, 5};
    double decades = log10(axis->high / axis->low);
    int from = (int)floor(log10(axis->low));
    int to = (int)floor(log10(axis->high) + 1e-6);
    int every = 1 + (to - from) / 8;
    size_t n = 0;

    /* Aligned to the upper end, where rates have their 100 %. */
    for (int i = from + (to - from) % every; i <= to; i += every) {
        for (size_t k = 0; k < (decades < 2.5 ? 3 : 1); k++) {
            double at = parts[k] * pow(10, i);

            if (at >= axis->low * (1 - 1e-6) && at <= axis->high * (1 + 1e-6) &&
                n < max)
                tick[n++] = at;
        }
    }
    return n;
}

size_t assay__plot_ticks(const struct assay__plot_axis *axis, double *tick,
                         size_t max)
{
    double step;
    double first;
    size_t n = 0;

    if (!(axis->low < axis->high))
        return 0;
    if (axis->scale == ASSAY__PLOT_LOG)
        return log_ticks(axis, tick, max);
    step = step_of(axis);
    first = ceil(axis->low / step - 1e-6);
    for (; n < max; n++) {
        double at = (first + (double)n) * step;

        if (at > axis->high + step * 1e-6)
            break;
        tick[n] = fabs(at) < step * 1e-6 ? 0 : at;
    }
    return n;
}

/* 0 .. 1 along an axis; NaN stays. */
static double place(const struct assay__plot_axis *axis, double v)
{
    double t;

    if (isnan(v))
        return v;
    if (axis->scale == ASSAY__PLOT_LOG)
        t = log(fmax(v, axis->low) / axis->low) / log(axis->high / axis->low);
    else
        t = (v - axis->low) / (axis->high - axis->low);
    return fmin(1, fmax(0, t));
}

double assay__plot_px(const struct assay__plot *p, double x)
{
    return p->left + place(&p->x, x) * (p->right - p->left);
}

double assay__plot_py(const struct assay__plot *p, double y)
{
    return p->bottom - place(&p->y, y) * (p->bottom - p->top);
}

static struct assay__text tick_text(const struct assay__plot_axis *axis,
                                    double v)
{
    return axis->rates ? assay__number_rate(v) : assay__number_plain(v);
}

static void put_text(struct assay__buf *b, const char *class_name, double x,
                     double y, const char *text)
{
    assay__html(b, "<text class=\"%s\"", class_name);
    put_attribute(b, "x", x);
    put_attribute(b, "y", y);
    assay__html(b, ">%s</text>", text);
}

static void put_x_axis(struct assay__plot *p, double height)
{
    double tick[MAX_TICKS];
    size_t n = assay__plot_ticks(&p->x, tick, MAX_TICKS);

    for (size_t i = 0; i < n; i++) {
        double at = assay__plot_px(p, tick[i]);

        put_segment(p->b, "grid", at, p->top, at, p->bottom);
        put_text(p->b, "tick tx", at, p->bottom + 16,
                 tick_text(&p->x, tick[i]).s);
    }
    put_text(p->b, "axis tx", (p->left + p->right) / 2, height - 6, p->x.title);
}

static void put_y_axis(struct assay__plot *p)
{
    double tick[MAX_TICKS];
    size_t n = assay__plot_ticks(&p->y, tick, MAX_TICKS);

    for (size_t i = 0; i < n; i++) {
        double at = assay__plot_py(p, tick[i]);

        put_segment(p->b, "grid", p->left, at, p->right, at);
        put_text(p->b, "tick ty", p->left - 6, at + 4,
                 tick_text(&p->y, tick[i]).s);
    }
    /* Above its axis: read without turning the head. */
    put_text(p->b, "axis", 2, p->top - 16, p->y.title);
}

/* Everything but what stands along the x axis. */
static void begin(struct assay__plot *p, double width, double height,
                  const char *alt)
{
    p->left = 58;
    p->top = 38;
    p->right = width - 22;
    p->bottom = height - 46;
    assay__buf_puts(p->b, "<svg class=\"plot\" viewBox=\"0 0 ");
    put(p->b, width);
    assay__buf_puts(p->b, " ");
    put(p->b, height);
    assay__html(p->b, "\" role=\"img\" aria-label=\"%s\">\n", alt);
}

static void put_frame(struct assay__plot *p)
{
    put_y_axis(p);
    put_segment(p->b, "frame", p->left, p->bottom, p->right, p->bottom);
    assay__buf_puts(p->b, "\n");
}

void assay__plot_begin(struct assay__plot *p, struct assay__buf *b,
                       double width, double height, const char *alt,
                       const struct assay__plot_axis *x,
                       const struct assay__plot_axis *y)
{
    const struct assay__plot plot = {.b = b, .x = *x, .y = *y};

    *p = plot;
    begin(p, width, height, alt);
    put_x_axis(p, height);
    put_frame(p);
}

void assay__plot_begin_names(struct assay__plot *p, struct assay__buf *b,
                             double width, double height, const char *alt,
                             const char *const *name, size_t n,
                             const struct assay__plot_axis *y)
{
    const struct assay__plot plot = {
        .b = b, .x = {.low = 0, .high = (double)n}, .y = *y};

    *p = plot;
    begin(p, width, height, alt);
    for (size_t i = 0; i < n; i++)
        put_text(b, "tick tx", assay__plot_px(p, (double)i + 0.5),
                 p->bottom + 16, name[i]);
    put_frame(p);
}

void assay__plot_end(struct assay__plot *p)
{
    assay__buf_puts(p->b, "</svg>\n");
}

void assay__plot_path_begin(struct assay__plot *p, const char *class_name)
{
    assay__html(p->b, "<path class=\"%s\" d=\"", class_name);
    p->down = false;
}

/* Go to a place in drawing units; steps too small to see are left out. */
static void go(struct assay__plot *p, double x, double y)
{
    double px = round(x * 10);
    double py = round(y * 10);
    bool same_x = p->down && fabs(px - p->px) < 0.5;
    bool same_y = p->down && fabs(py - p->py) < 0.5;

    if (same_x && same_y)
        return;
    if (!p->down) {
        assay__buf_puts(p->b, "M");
        put(p->b, x);
        assay__buf_puts(p->b, " ");
        put(p->b, y);
    } else if (same_y) {
        assay__buf_puts(p->b, "H");
        put(p->b, x);
    } else if (same_x) {
        assay__buf_puts(p->b, "V");
        put(p->b, y);
    } else {
        assay__buf_puts(p->b, "L");
        put(p->b, x);
        assay__buf_puts(p->b, " ");
        put(p->b, y);
    }
    p->down = true;
    p->px = px;
    p->py = py;
}

void assay__plot_path_line(struct assay__plot *p, double x, double y)
{
    if (isnan(x) || isnan(y)) {
        p->down = false;
        return;
    }
    go(p, assay__plot_px(p, x), assay__plot_py(p, y));
}

void assay__plot_path_step(struct assay__plot *p, double x, double y)
{
    if (isnan(x) || isnan(y)) {
        p->down = false;
        return;
    }
    if (p->down)
        go(p, assay__plot_px(p, x), p->py / 10);
    go(p, assay__plot_px(p, x), assay__plot_py(p, y));
}

void assay__plot_path_end(struct assay__plot *p)
{
    /* A single point still shows, as a dot of the line's round cap. */
    if (p->down)
        assay__buf_puts(p->b, "h0");
    assay__buf_puts(p->b, "\"/>\n");
}

void assay__plot_bins(struct assay__plot *p, const double *height, size_t n,
                      const char *class_name)
{
    double width = (p->right - p->left) / (double)(n ? n : 1);

    assay__plot_path_begin(p, class_name);
    go(p, p->left, p->bottom);
    for (size_t i = 0; i < n; i++) {
        double y = assay__plot_py(p, height[i]);

        if (isnan(y))
            y = p->bottom;
        go(p, p->left + width * (double)i, y);
        go(p, p->left + width * (double)(i + 1), y);
    }
    go(p, p->right, p->bottom);
    assay__plot_path_end(p);
}

void assay__plot_column(struct assay__plot *p, const double x[2],
                        const double y[2], const char *class_name,
                        const char *title)
{
    double from = assay__plot_py(p, fmax(y[0], y[1]));
    double to = assay__plot_py(p, fmin(y[0], y[1]));

    if (!isfinite(x[0]) || !isfinite(x[1]) || !isfinite(y[0]) ||
        !isfinite(y[1]))
        return;
    assay__html(p->b, "<rect class=\"%s\"", class_name);
    put_attribute(p->b, "x", assay__plot_px(p, x[0]));
    put_attribute(p->b, "y", from);
    put_attribute(p->b, "width",
                  assay__plot_px(p, x[1]) - assay__plot_px(p, x[0]));
    put_attribute(p->b, "height", to - from);
    assay__html(p->b, "><title>%s</title></rect>\n", title);
}

void assay__plot_whisker(struct assay__plot *p, double x, double low,
                         double high, const char *class_name)
{
    double at = assay__plot_px(p, x);
    double from = assay__plot_py(p, low);
    double to = assay__plot_py(p, high);

    if (!isfinite(x) || !isfinite(low) || !isfinite(high))
        return;
    put_segment(p->b, class_name, at, from, at, to);
    put_segment(p->b, class_name, at - 2.5, from, at + 2.5, from);
    put_segment(p->b, class_name, at - 2.5, to, at + 2.5, to);
    assay__buf_puts(p->b, "\n");
}

void assay__plot_dot(struct assay__plot *p, double x, double y,
                     const char *class_name, const char *title)
{
    if (!isfinite(x) || !isfinite(y))
        return;
    assay__html(p->b, "<circle class=\"%s\" r=\"4\"", class_name);
    put_attribute(p->b, "cx", assay__plot_px(p, x));
    put_attribute(p->b, "cy", assay__plot_py(p, y));
    assay__html(p->b, "><title>%s</title></circle>\n", title);
}

void assay__plot_estimate(struct assay__plot *p, double x,
                          const struct assay_estimate *e,
                          const char *class_name)
{
    double at = assay__plot_px(p, x);

    if (isnan(at) || isnan(e->value))
        return;
    if (!isnan(e->low) && !isnan(e->high))
        put_segment(p->b, class_name, at, assay__plot_py(p, e->low), at,
                    assay__plot_py(p, e->high));
    assay__html(p->b, "<circle class=\"%s\" r=\"3\"", class_name);
    put_attribute(p->b, "cx", at);
    put_attribute(p->b, "cy", assay__plot_py(p, e->value));
    assay__buf_puts(p->b, "/>\n");
}

void assay__plot_text(struct assay__plot *p, double x, double y,
                      const char *class_name, const char *text)
{
    put_text(p->b, class_name, assay__plot_px(p, x), assay__plot_py(p, y) + 4,
             text);
}

void assay__plot_interval(struct assay__buf *b, const struct assay_estimate *e,
                          double low, double high, double baseline,
                          double guess, const char *class_name)
{
    struct assay__plot_axis axis = {.low = low, .high = high};
    const double from = 4;
    const double size = 112;

    if (!(low < high) || isnan(e->value))
        return;
    assay__html(b,
                "<svg class=\"bar %s\" viewBox=\"0 0 120 14\" "
                "aria-hidden=\"true\">",
                class_name);
    put_segment(b, "rail", from, 7, from + size, 7);
    if (!isnan(guess)) {
        double at = from + size * place(&axis, guess);

        put_segment(b, "guess", at, 1, at, 13);
    }
    if (!isnan(baseline)) {
        double at = from + size * place(&axis, baseline);

        put_segment(b, "base", at, 0, at, 14);
    }
    if (!isnan(e->low) && !isnan(e->high))
        put_segment(b, "reach", from + size * place(&axis, e->low), 7,
                    from + size * place(&axis, e->high), 7);
    assay__buf_puts(b, "<circle class=\"dot\" cy=\"7\" r=\"3.5\"");
    put_attribute(b, "cx", from + size * place(&axis, e->value));
    assay__buf_puts(b, "/></svg>");
}
