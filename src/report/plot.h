/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_PLOT_H
#define ASSAY_REPORT_PLOT_H

/*
 * Small plots as inline SVG. All colours come from the page's style sheet
 * by class, so that one drawing serves light, dark and paper. Coordinates
 * are written with one decimal: equal data give equal bytes.
 *
 * Order of calls: assay__plot_begin(), lines, areas and texts in the order
 * in which they lie on each other, assay__plot_end(). Nothing here fails;
 * memory is the buffer's affair. Values outside the axes are pulled to the
 * edge, non-finite ones interrupt a line.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "report/number.h"

enum assay__plot_scale {
    ASSAY__PLOT_LINEAR,
    ASSAY__PLOT_LOG /* low and high > 0 */
};

struct assay__plot_axis {
    const char *title;
    double low;
    double high;
    enum assay__plot_scale scale;
    bool rates; /* ticks as per cent */
    bool whole; /* no ticks between whole numbers */
    int ticks;  /* about how many; linear only */
};

struct assay__plot {
    struct assay__buf *b;
    struct assay__plot_axis x;
    struct assay__plot_axis y;
    double left; /* the field, in the drawing's units */
    double top;
    double right;
    double bottom;
    bool down; /* the path has a position: */
    double px; /* in tenths */
    double py;
};

/* Linear ends are rounded outwards to ticks. Equal, reversed or missing ends
 * get some room; what is returned always has low < high. */
struct assay__plot_axis assay__plot_nice(struct assay__plot_axis axis);

/*
 * Positions of ticks within [low, high] into tick[0..max): multiples of
 * 1, 2 or 5 times a power of ten; on a logarithmic axis decades, or 1, 2 and
 * 5 where there are few. Returns how many.
 */
size_t assay__plot_ticks(const struct assay__plot_axis *axis, double *tick,
                         size_t max);

/* Frame, grid, ticks and titles. `alt` says in words what is shown. */
void assay__plot_begin(struct assay__plot *p, struct assay__buf *b,
                       double width, double height, const char *alt,
                       const struct assay__plot_axis *x,
                       const struct assay__plot_axis *y);
/* The same with names along the x axis: name i stands below i + 0.5, and the
 * axis goes from 0 to n. */
void assay__plot_begin_names(struct assay__plot *p, struct assay__buf *b,
                             double width, double height, const char *alt,
                             const char *const *name, size_t n,
                             const struct assay__plot_axis *y);
void assay__plot_end(struct assay__plot *p);

/* A line through points, or a staircase that holds y until the next x. */
void assay__plot_path_begin(struct assay__plot *p, const char *class_name);
void assay__plot_path_line(struct assay__plot *p, double x, double y);
void assay__plot_path_step(struct assay__plot *p, double x, double y);
void assay__plot_path_end(struct assay__plot *p);

/* A filled outline of n bins of equal width across the x axis. */
void assay__plot_bins(struct assay__plot *p, const double *height, size_t n,
                      const char *class_name);

/* A filled rectangle, a vertical line with ends, a dot that says `title` when
 * it is pointed at. A value that is not finite draws nothing. */
void assay__plot_column(struct assay__plot *p, const double x[2],
                        const double y[2], const char *class_name,
                        const char *title);
void assay__plot_whisker(struct assay__plot *p, double x, double low,
                         double high, const char *class_name);
void assay__plot_dot(struct assay__plot *p, double x, double y,
                     const char *class_name, const char *title);
/* A point and its interval, upright. */
void assay__plot_estimate(struct assay__plot *p, double x,
                          const struct assay_estimate *e,
                          const char *class_name);

/* Text centred on a point of the field. */
void assay__plot_text(struct assay__plot *p, double x, double y,
                      const char *class_name, const char *text);

/* Where a value lies, in the drawing's units. */
double assay__plot_px(const struct assay__plot *p, double x);
double assay__plot_py(const struct assay__plot *p, double y);

/*
 * A bar of 120 x 14 units: the interval, its value, the baseline (dashed)
 * and guessing (dotted), on a scale from low to high. NaN leaves a part
 * out. `class_name` colours the interval.
 */
void assay__plot_interval(struct assay__buf *b, const struct assay_estimate *e,
                          double low, double high, double baseline,
                          double guess, const char *class_name);

#endif
