/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stealing by queries, on a logarithmic axis. Colour tells the attack, line
 * and mark tell the number (solid: agreement, dashed: accuracy), and the
 * attack's number stands at the end of both lines, so that the drawing can
 * be read without colours.
 */

#include "report/curve_stealing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"
#include "report/plot.h"

enum { MAX_LINES = 12, MAX_POINTS = 64, MAX_PANELS = 4 };

struct spot {
    double queries;
    struct assay_estimate e;
};

struct line {
    struct spot spot[MAX_POINTS];
    size_t n;
    size_t number;    /* of the attack in the legend, from 1; 0: baseline */
    const char *form; /* "" or " dashed" */
    double label;     /* where its number stands, in drawing units */
};

struct panel {
    const char *auxiliary;
    struct line line[MAX_LINES];
    size_t n;
    struct assay__plot_axis x;
    struct assay__plot_axis y;
};

static int by_queries(const void *a, const void *b)
{
    const struct spot *left = a;
    const struct spot *right = b;

    return (left->queries > right->queries) - (left->queries < right->queries);
}

static void widen(struct assay__plot_axis *axis, double v)
{
    axis->low = fmin(axis->low, v);
    axis->high = fmax(axis->high, v);
}

/* Adds a line when there is something to draw. */
static void add_line(struct panel *p, const json_t *curve, const char *field,
                     size_t number, const char *form)
{
    struct line *line = &p->line[p->n];

    if (p->n == MAX_LINES)
        return;
    line->n = 0;
    line->number = number;
    line->form = form;
    for (size_t i = 0; i < json_array_size(curve) && line->n < MAX_POINTS;
         i++) {
        const json_t *row = json_array_get(curve, i);
        struct spot s = {assay__field_number(row, "queries"),
                         assay__field_estimate(row, field)};

        if (!(s.queries > 0) || isnan(s.e.value))
            continue;
        line->spot[line->n++] = s;
        widen(&p->x, s.queries);
        widen(&p->y, s.e.value);
        widen(&p->y, s.e.low);
        widen(&p->y, s.e.high);
    }
    qsort(line->spot, line->n, sizeof *line->spot, by_queries);
    p->n += line->n > 0;
}

/* The lines of the attacks that learn from records of one kind. */
static void collect(struct panel *p, const struct assay__view *view)
{
    size_t number = 0;

    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];
        const json_t *curve = json_object_get(a->json, "curve");

        if (a->goal != ASSAY__GOAL_STEALING || !a->ran ||
            strcmp(a->auxiliary, p->auxiliary) != 0)
            continue;
        if (a->baseline) {
            add_line(p, curve, "accuracy", 0, " basis");
            continue;
        }
        number++;
        add_line(p, curve, "agreement", number, "");
        add_line(p, curve, "accuracy", number, " dashed");
    }
}

static struct assay__text line_class(const struct line *line, const char *what)
{
    struct assay__text t;

    if (line->number)
        snprintf(t.s, sizeof t.s, "%.20s s%zu%.10s", what,
                 (line->number - 1) % 8 + 1, line->form);
    else
        snprintf(t.s, sizeof t.s, "%.20s basis", what);
    return t;
}

/* Lines of one drawing have their points at the same queries: each is moved
 * aside a little, so that intervals do not cover each other. */
static void put_line(struct assay__plot *plot, const struct panel *p,
                     const struct line *line)
{
    double place = (double)(line - p->line) - ((double)p->n - 1) / 2;
    double aside =
        pow(plot->x.high / plot->x.low, 3 * place / (plot->right - plot->left));

    assay__plot_path_begin(plot, line_class(line, "curve").s);
    for (size_t i = 0; i < line->n; i++)
        assay__plot_path_line(plot, line->spot[i].queries * aside,
                              line->spot[i].e.value);
    assay__plot_path_end(plot);
    for (size_t i = 0; i < line->n; i++)
        assay__plot_estimate(plot, line->spot[i].queries * aside,
                             &line->spot[i].e, line_class(line, "point").s);
}

static int by_label(const void *a, const void *b)
{
    const struct line *const *left = a;
    const struct line *const *right = b;

    return ((*left)->label > (*right)->label) -
           ((*left)->label < (*right)->label);
}

/* At the lines' right ends, pushed apart until none covers another. */
static void put_numbers(struct assay__plot *plot, struct panel *p)
{
    struct line *order[MAX_LINES];
    size_t n = 0;
    double least = plot->top;

    for (size_t i = 0; i < p->n; i++) {
        struct line *line = &p->line[i];

        line->label = assay__plot_py(plot, line->spot[line->n - 1].e.value);
        if (line->number)
            order[n++] = line;
    }
    qsort(order, n, sizeof *order, by_label);
    for (size_t i = 0; i < n; i++) {
        order[i]->label = fmax(order[i]->label, least);
        least = order[i]->label + 14;
        assay__html(plot->b,
                    "<text class=\"%s\" x=\"%d\" y=\"%d\">%zu</text>\n",
                    line_class(order[i], "mark").s, (int)plot->right + 12,
                    (int)lround(order[i]->label) + 4, order[i]->number);
    }
}

static void put_plot(struct assay__buf *b, struct panel *p)
{
    struct assay__plot plot;
    char alt[160];

    snprintf(alt, sizeof alt,
             "Agreement and accuracy of copies after %.20s to %.20s queries, "
             "with 95 %% intervals",
             assay__number_count(p->x.low).s, assay__number_count(p->x.high).s);
    /* Room for bars that stand side by side at the ends. */
    p->x.low /= 1.25;
    p->x.high *= 1.25;
    p->x = assay__plot_nice(p->x);
    p->y = assay__plot_nice(p->y);
    p->y.low = fmax(p->y.low, 0);
    p->y.high = fmin(p->y.high, 1);
    if (!(p->y.low < p->y.high)) {
        p->y.low = 0;
        p->y.high = 1;
    }
    assay__plot_begin(&plot, b, 460, 320, alt, &p->x, &p->y);
    for (size_t i = p->n; i-- > 0;)
        put_line(&plot, p, &p->line[i]);
    put_numbers(&plot, p);
    assay__plot_end(&plot);
}

static void put_legend_row(struct assay__buf *b, const char *class_name,
                           size_t number, const char *title)
{
    assay__html(b,
                "<li><svg viewBox=\"0 0 34 10\" aria-hidden=\"true\">"
                "<path class=\"%s\" d=\"M1 5H33\"/></svg><b>",
                class_name);
    if (number)
        assay__html(b, "%zu", number);
    assay__html(b, "</b> <span>%s</span></li>\n", title);
}

static void put_legend(struct assay__buf *b, const struct assay__view *view,
                       const struct panel *p)
{
    size_t number = 0;

    assay__buf_puts(b, "<ol class=\"legend\">\n");
    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];
        struct line line = {.form = ""};

        if (a->goal != ASSAY__GOAL_STEALING || !a->ran ||
            strcmp(a->auxiliary, p->auxiliary) != 0)
            continue;
        line.number = a->baseline ? 0 : ++number;
        put_legend_row(b, line_class(&line, "curve").s, line.number, a->title);
    }
    assay__buf_puts(b, "</ol>\n");
}

static void put_panel(struct assay__buf *b, const struct assay__view *view,
                      struct panel *p)
{
    static const char *const titles[][2] = {
        {"shadow", "Asked about shadow records"},
        {"partial", "Asked about training records"},
        {"none", "Asked about other data"}};
    const char *title = p->auxiliary;

    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (strcmp(title, titles[i][0]) == 0)
            title = titles[i][1];
    assay__html(b, "<figure>\n<figcaption>%s</figcaption>\n", title);
    put_plot(b, p);
    put_legend(b, view, p);
    assay__buf_puts(b, "</figure>\n");
}

/* The kinds of records that curves were made of, each once. */
static size_t find_kinds(const struct assay__view *view, const char **kind)
{
    size_t n = 0;

    for (size_t i = 0; i < view->n_attacks && n < MAX_PANELS; i++) {
        const struct assay__attack_view *a = &view->attacks[i];
        size_t k = 0;

        if (a->goal != ASSAY__GOAL_STEALING || !a->ran ||
            !json_array_size(json_object_get(a->json, "curve")))
            continue;
        while (k < n && strcmp(kind[k], a->auxiliary) != 0)
            k++;
        if (k == n)
            kind[n++] = a->auxiliary;
    }
    return n;
}

static void put_key(struct assay__buf *b)
{
    assay__buf_puts(
        b, "<h3>By queries</h3>\n"
           "<ul class=\"key\"><li><svg viewBox=\"0 0 34 10\" "
           "aria-hidden=\"true\"><path class=\"curve\" d=\"M1 5H33\"/>"
           "</svg> agreement with the target</li>"
           "<li><svg viewBox=\"0 0 34 10\" aria-hidden=\"true\"><path "
           "class=\"curve dashed\" d=\"M1 5H33\"/></svg> accuracy</li>"
           "<li><svg viewBox=\"0 0 34 10\" aria-hidden=\"true\"><path "
           "class=\"curve basis\" d=\"M1 5H33\"/></svg> accuracy of the "
           "model made without asking</li></ul>\n");
}

/* A panel of one kind of records, whose y axis holds at least that of
 * `y`, which it widens. */
static void make_panel(struct panel *p, const struct assay__view *view,
                       const char *kind, struct assay__plot_axis *y)
{
    p->auxiliary = kind;
    p->n = 0;
    p->x = (struct assay__plot_axis){.title = "Queries, or records learnt from",
                                     .low = ASSAY__MISSING,
                                     .high = ASSAY__MISSING,
                                     .scale = ASSAY__PLOT_LOG};
    p->y = *y;
    collect(p, view);
    *y = p->y;
}

void assay__curve_stealing(const struct assay__view *view, struct assay__buf *b)
{
    const char *kind[MAX_PANELS];
    size_t n = find_kinds(view, kind);
    struct assay__plot_axis y = {.title = "Share of new records",
                                 .low = ASSAY__MISSING,
                                 .high = ASSAY__MISSING,
                                 .rates = true,
                                 .ticks = 5};
    struct panel p;
    size_t shown = 0;

    /* Once for the axis that all share, once to draw. */
    for (size_t i = 0; i < n; i++)
        make_panel(&p, view, kind[i], &y);
    for (size_t i = 0; i < n; i++) {
        make_panel(&p, view, kind[i], &y);
        if (!p.n)
            continue;
        if (!shown++) {
            put_key(b);
            assay__buf_puts(b, "<div class=\"panels two\">\n");
        }
        put_panel(b, view, &p);
    }
    assay__buf_puts(b, shown ? "</div>\n" : "");
}
