/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of a study: small drawings side by side. Colours tell attacks
 * apart in bars, data in scatter plots, pairs of data and architecture in
 * curves; there are eight, and what is over takes them anew.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/plot.h"
#include "report/study_view.h"

enum { COLORS = 8, MAX_GOALS = 8, MAX_PANELS = 12, MAX_PAIRS = 9 };

struct range {
    double low;
    double high;
};

static void widen(struct range *r, double v)
{
    if (isfinite(v)) {
        r->low = fmin(r->low, v);
        r->high = fmax(r->high, v);
    }
}

static struct assay__plot_axis axis_of(const char *title, struct range r)
{
    struct assay__plot_axis axis = {
        .title = title, .low = r.low, .high = r.high, .ticks = 5};
    double room = (r.high - r.low) * 0.06;

    if (room > 0) { /* marks at the ends stay whole */
        axis.low -= room;
        axis.high += room;
    }
    return assay__plot_nice(axis);
}

static struct range no_range(void)
{
    const struct range r = {ASSAY__MISSING, ASSAY__MISSING};

    return r;
}

static void color_class(char text[24], const char *mark, size_t i)
{
    snprintf(text, 24, "%s s%zu", mark, i % COLORS + 1);
}

static void put_empty(struct assay__buf *b, const char *why)
{
    assay__html(b, "<p class=\"none\">%s</p>\n", why);
}

static void put_key(struct assay__buf *b, size_t i, const char *text,
                    const char *more)
{
    assay__html(b, "<li class=\"s%zu\"><span>%s", i % COLORS + 1, text);
    if (*more)
        assay__html(b, ", %s", more);
    assay__buf_puts(b, "</span></li>\n");
}

static void put_dataset_key(const struct assay__study_view *view,
                            struct assay__buf *b)
{
    assay__buf_puts(b, "<ul class=\"series\">\n");
    for (size_t i = 0; i < view->n_datasets; i++)
        put_key(b, i, view->dataset[i], "");
    assay__buf_puts(b, "</ul>\n");
}

/* Bars */

static struct assay__moments at(const struct assay__study_view *view, size_t d,
                                size_t i, const struct assay__study_attack *a)
{
    struct assay__study_place place = {view->dataset[d], view->architecture[i],
                                       view->plain};

    return assay__study_moments(view, &place, a->name, a->headline);
}

/* All of a goal share one axis, so that panels can be compared. */
static struct assay__plot_axis bars_axis(
    const struct assay__study_view *view,
    const struct assay__study_attack *const *shown, size_t n, double *base)
{
    struct assay__plot_axis axis = {.ticks = 5};
    struct range r = no_range();
    struct range guess = no_range();

    for (size_t d = 0; d < view->n_datasets; d++)
        for (size_t i = 0; i < view->n_architectures; i++)
            for (size_t k = 0; k < n; k++) {
                struct assay__moments m = at(view, d, i, shown[k]);

                widen(&r, m.mean);
                widen(&r, m.mean + m.sd);
                widen(&r, m.mean - m.sd);
                widen(&r, m.baseline);
                widen(&guess, m.baseline);
            }
    /* Bars stand on what guessing gives, where that is one number. */
    *base = guess.high - guess.low < 1e-9 ? guess.low : 0;
    axis.title = assay__study_metric(shown[0]->headline);
    axis.low = fmin(r.low, *base);
    axis.high = fmax(r.high, *base);
    return assay__plot_nice(axis);
}

static void put_bar(const struct assay__study_view *view, size_t d, size_t i,
                    const struct assay__study_attack *a, size_t k,
                    const double x[2], double base, struct assay__plot *p)
{
    struct assay__moments m = at(view, d, i, a);
    const double y[2] = {base, m.mean};
    char title[160];
    char class_name[24];

    if (isnan(m.mean))
        return;
    color_class(class_name, "column", k);
    snprintf(title, sizeof title, "%.50s on %.40s: %.40s", a->title,
             view->dataset[d], assay__moments_text(&m, a->headline).s);
    assay__plot_column(p, x, y, class_name, title);
    assay__plot_whisker(p, (x[0] + x[1]) / 2, m.mean - m.sd, m.mean + m.sd,
                        "whisker");
    if (isnan(m.baseline))
        return;
    assay__plot_path_begin(p, "chance");
    assay__plot_path_line(p, x[0], m.baseline);
    assay__plot_path_line(p, x[1], m.baseline);
    assay__plot_path_end(p);
}

static void put_bar_panel(const struct assay__study_view *view, size_t i,
                          const struct assay__study_attack *const *shown,
                          size_t n, const struct assay__plot_axis *y,
                          double base, struct assay__buf *b)
{
    double room = 0.8 / (double)n;
    struct assay__plot p;
    char alt[160];

    snprintf(alt, sizeof alt,
             "%.40s of attacks on %.40s, a group of bars for "
             "each set of data",
             y->title, view->architecture[i]);
    assay__html(b, "<figure>\n<figcaption>%s</figcaption>\n",
                view->architecture[i]);
    assay__plot_begin_names(&p, b, 440, 250, alt, view->dataset,
                            view->n_datasets, y);
    for (size_t d = 0; d < view->n_datasets; d++)
        for (size_t k = 0; k < n; k++) {
            double left = (double)d + 0.1 + room * (double)k;
            const double x[2] = {left, left + room * 0.92};

            put_bar(view, d, i, shown[k], k, x, base, &p);
        }
    assay__plot_end(&p);
    assay__buf_puts(b, "</figure>\n");
}

/* Attacks of one goal that share the first one's metric: two metrics have no
 * common axis. Returns how many were taken, those first in the list. */
static size_t same_metric(const struct assay__study_attack **shown, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (strcmp(shown[i]->headline, shown[0]->headline) == 0)
            shown[kept++] = shown[i];
    return kept;
}

static void put_goal(const struct assay__study_view *view, const char *goal,
                     struct assay__buf *b)
{
    const struct assay__study_attack *shown[COLORS];
    size_t n = assay__study_shown(view, goal, shown, COLORS);
    struct assay__plot_axis y;
    double base;

    n = same_metric(shown, n);
    if (n == 0)
        return;
    y = bars_axis(view, shown, n, &base);
    assay__html(b, "<h3 class=\"goal\">%s</h3>\n<ul class=\"series\">\n", goal);
    for (size_t k = 0; k < n; k++)
        put_key(b, k, shown[k]->title, "");
    assay__buf_puts(b, "</ul>\n<div class=\"panels two\">\n");
    for (size_t i = 0; i < view->n_architectures; i++)
        put_bar_panel(view, i, shown, n, &y, base, b);
    assay__buf_puts(b, "</div>\n");
}

void assay__study_bars(const struct assay__study_view *view,
                       struct assay__buf *b)
{
    const char *goal[MAX_GOALS];
    size_t n = assay__study_goals(view, goal, MAX_GOALS);

    if (n == 0) {
        put_empty(b, "No attack has run.");
        return;
    }
    assay__buf_puts(b, "<p>Models without defence, mean over seeds; a "
                       "dotted line is what guessing or the attack's own "
                       "baseline gives, whiskers reach one deviation to each "
                       "side. At most eight attacks of a "
                       "goal are drawn; all are in the tables.</p>\n");
    for (size_t i = 0; i < n; i++)
        put_goal(view, goal[i], b);
}

/* Correlations */

static const json_t *find_correlation(const struct assay__study_view *view,
                                      const char *kind, const char *x,
                                      const char *y)
{
    const json_t *rows = json_object_get(view->doc, "correlations");

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (strcmp(assay__field_text(row, "kind"), kind) == 0 &&
            strcmp(assay__field_text(json_object_get(row, "x"), "attack"), x) ==
                0 &&
            strcmp(assay__field_text(json_object_get(row, "y"), "attack"), y) ==
                0)
            return row;
    }
    return NULL;
}

/* "r −0.82 (−0.93 – −0.59)" */
static void put_coefficient(struct assay__buf *b, const json_t *row,
                            const char *key, const char *letter)
{
    const json_t *c = json_object_get(row, key);
    struct assay_estimate e = {assay__field_number(c, "value"),
                               assay__field_number(c, "low"),
                               assay__field_number(c, "high"), 0};

    assay__html(b, "%s %s", letter, assay__number_fixed(e.value, 2).s);
    if (isfinite(e.low))
        assay__html(b, " (%s to %s)", assay__number_fixed(e.low, 2).s,
                    assay__number_fixed(e.high, 2).s);
}

static void put_coefficients(struct assay__buf *b, const json_t *row)
{
    const char *why = assay__field_text(row, "why");

    assay__buf_puts(b, "<span class=\"sub\">");
    if (!row) {
        assay__buf_puts(b, "not measured together");
    } else if (*why) {
        assay__html(b, "no correlation: %s", why);
    } else {
        put_coefficient(b, row, "pearson", "r");
        assay__buf_puts(b, ", ");
        put_coefficient(b, row, "spearman", "\xcf\x81");
        assay__html(b, ", n\xc2\xa0=\xc2\xa0%d",
                    (int)assay__field_number(row, "n"));
    }
    assay__buf_puts(b, "</span>");
}

/* One of two axes of a scatter plot. */
struct quantity {
    const char *attack;
    const char *metric;
    const char *title;
};

static double value_at(const struct assay__study_view *view, size_t d, size_t i,
                       const struct quantity *q)
{
    struct assay__study_place place = {view->dataset[d], view->architecture[i],
                                       view->plain};

    return assay__study_moments(view, &place, q->attack, q->metric).mean;
}

static struct range range_of(const struct assay__study_view *view,
                             const struct quantity *q)
{
    struct range r = no_range();

    for (size_t d = 0; d < view->n_datasets; d++)
        for (size_t i = 0; i < view->n_architectures; i++)
            widen(&r, value_at(view, d, i, q));
    return r;
}

static void put_scatter(const struct assay__study_view *view,
                        const struct quantity *x, const struct quantity *y,
                        const json_t *row, const char *caption,
                        struct assay__buf *b)
{
    struct assay__plot_axis x_axis = axis_of(x->title, range_of(view, x));
    struct assay__plot_axis y_axis = axis_of(y->title, range_of(view, y));
    struct assay__plot p;
    char class_name[24];
    char text[160];

    snprintf(text, sizeof text, "Scatter plot of %.60s against %.60s", y->title,
             x->title);
    assay__html(b, "<figure>\n<figcaption>%s", caption);
    put_coefficients(b, row);
    assay__buf_puts(b, "</figcaption>\n");
    assay__plot_begin(&p, b, 330, 250, text, &x_axis, &y_axis);
    for (size_t d = 0; d < view->n_datasets; d++)
        for (size_t i = 0; i < view->n_architectures; i++) {
            double px = value_at(view, d, i, x);
            double py = value_at(view, d, i, y);

            color_class(class_name, "point", d);
            snprintf(text, sizeof text, "%.40s, %.40s: %.20s, %.20s",
                     view->dataset[d], view->architecture[i],
                     assay__number_fixed(px, 3).s,
                     assay__number_fixed(py, 3).s);
            assay__plot_dot(&p, px, py, class_name, text);
        }
    assay__plot_end(&p);
    assay__buf_puts(b, "</figure>\n");
}

/* A panel for each attack that figures show, against one of the target. */
static void put_against(const struct assay__study_view *view, const char *kind,
                        const struct quantity *x, struct assay__buf *b)
{
    const struct assay__study_attack *shown[COLORS];
    const char *goal[MAX_GOALS];
    size_t n_goals = assay__study_goals(view, goal, MAX_GOALS);
    size_t left = MAX_PANELS;

    put_dataset_key(view, b);
    assay__buf_puts(b, "<div class=\"panels\">\n");
    for (size_t g = 0; g < n_goals; g++) {
        size_t n = assay__study_shown(view, goal[g], shown,
                                      left < COLORS ? left : COLORS);

        for (size_t k = 0; k < n; k++) {
            struct quantity y = {shown[k]->name, shown[k]->headline,
                                 assay__study_metric(shown[k]->headline)};

            put_scatter(view, x, &y,
                        find_correlation(view, kind, "target", y.attack),
                        shown[k]->title, b);
        }
        left -= n;
    }
    assay__buf_puts(b, "</div>\n");
}

static const char *short_of(const struct assay__study_view *view,
                            const char *name)
{
    for (size_t i = 0; i < view->n_attacks; i++)
        if (strcmp(view->attack[i].name, name) == 0)
            return view->attack[i].title;
    return name;
}

static void put_numbers(struct assay__buf *b, const json_t *row,
                        const char *key)
{
    const json_t *c = json_object_get(row, key);
    bool sure =
        assay__field_number(c, "low") > 0 || assay__field_number(c, "high") < 0;

    assay__buf_puts(b, sure ? "<td class=\"sure\">" : "<td>");
    assay__html(b, "%s</td><td>%s to %s</td><td>%s to %s</td>",
                assay__number_fixed(assay__field_number(c, "value"), 3).s,
                assay__number_fixed(assay__field_number(c, "low"), 2).s,
                assay__number_fixed(assay__field_number(c, "high"), 2).s,
                assay__number_fixed(assay__field_number(c, "boot_low"), 2).s,
                assay__number_fixed(assay__field_number(c, "boot_high"), 2).s);
}

static void put_correlation_row(const struct assay__study_view *view,
                                const json_t *row, struct assay__buf *b)
{
    const char *why = assay__field_text(row, "why");
    const json_t *y = json_object_get(row, "y");

    assay__html(b, "<tr><th scope=\"row\">%s</th><td>%d</td>",
                short_of(view, assay__field_text(y, "attack")),
                (int)assay__field_number(row, "n"));
    if (*why) {
        assay__html(b, "<td colspan=\"6\" class=\"missing\">%s</td></tr>\n",
                    why);
        return;
    }
    put_numbers(b, row, "pearson");
    put_numbers(b, row, "spearman");
    assay__buf_puts(b, "</tr>\n");
}

static void put_correlation_table(const struct assay__study_view *view,
                                  const char *kind, struct assay__buf *b)
{
    const json_t *rows = json_object_get(view->doc, "correlations");

    assay__part_table_begin(b, "corr", "Correlations with their intervals");
    assay__buf_puts(b, "<thead><tr><th>Attack</th><th>n</th><th>Pearson</th>"
                       "<th>Fisher</th><th>Bootstrap</th><th>Spearman</th>"
                       "<th>Bonett, Wright</th><th>Bootstrap</th></tr></thead>"
                       "\n<tbody>\n");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (strcmp(assay__field_text(row, "kind"), kind) == 0)
            put_correlation_row(view, row, b);
    }
    assay__part_table_end(b);
}

void assay__study_overfitting(const struct assay__study_view *view,
                              struct assay__buf *b)
{
    const struct quantity gap = {"target", "gap", "overfitting"};

    assay__buf_puts(b, "<p>Training minus test accuracy of the undefended "
                       "target against each attack; a dot is a pair of data "
                       "and architecture, its colour the data.</p>\n");
    put_against(view, "overfitting", &gap, b);
    put_correlation_table(view, "overfitting", b);
}

void assay__study_complexity(const struct assay__study_view *view,
                             struct assay__buf *b)
{
    const struct quantity accuracy = {"target", "test_accuracy",
                                      "test accuracy"};

    assay__buf_puts(b, "<p>How hard the data are, by the test accuracy that "
                       "the undefended target reaches on them.</p>\n");
    put_against(view, "test accuracy", &accuracy, b);
    put_correlation_table(view, "test accuracy", b);
}

/* Attack against attack */

static void put_matrix_cell(const struct assay__study_view *view, size_t i,
                            size_t j, struct assay__buf *b)
{
    const char *x = view->attack[i < j ? i : j].name;
    const char *y = view->attack[i < j ? j : i].name;
    const json_t *row = find_correlation(view, "attacks", x, y);
    const json_t *c = json_object_get(row, "pearson");
    bool sure =
        assay__field_number(c, "low") > 0 || assay__field_number(c, "high") < 0;

    assay__buf_puts(b, sure ? "<td class=\"sure\">" : "<td>");
    if (i == j)
        assay__buf_puts(b, "1</td>");
    else
        assay__html(b, "%s</td>",
                    assay__number_fixed(assay__field_number(c, "value"), 2).s);
}

/* The first attack is the model itself. */
static void put_matrix(const struct assay__study_view *view,
                       struct assay__buf *b)
{
    assay__part_table_begin(b, "corr", "Pearson's r of all pairs of attacks");
    assay__buf_puts(b, "<thead><tr><th></th>");
    for (size_t j = 0; j < view->n_attacks; j++)
        if (*view->attack[j].headline && j > 0)
            assay__html(b, "<th>%s</th>", view->attack[j].title);
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t i = 1; i < view->n_attacks; i++) {
        if (!*view->attack[i].headline)
            continue;
        assay__html(b, "<tr><th scope=\"row\">%s</th>", view->attack[i].title);
        for (size_t j = 1; j < view->n_attacks; j++)
            if (*view->attack[j].headline)
                put_matrix_cell(view, i, j, b);
        assay__buf_puts(b, "</tr>\n");
    }
    assay__part_table_end(b);
}

static void put_pair(const struct assay__study_view *view,
                     const struct assay__study_attack *x,
                     const struct assay__study_attack *y, struct assay__buf *b)
{
    const struct quantity qx = {x->name, x->headline, x->title};
    const struct quantity qy = {y->name, y->headline, y->title};
    char caption[160];

    snprintf(caption, sizeof caption, "%.60s \xc3\x97 %.60s", x->title,
             y->title);
    put_scatter(view, &qx, &qy,
                find_correlation(view, "attacks", x->name, y->name), caption,
                b);
}

/* Of two goals, the attacks with the same access and data; where no pair is
 * so, the first of each. */
static size_t put_goals(const struct assay__study_view *view, const char *x,
                        const char *y, size_t left, struct assay__buf *b)
{
    const struct assay__study_attack *xs[COLORS];
    const struct assay__study_attack *ys[COLORS];
    size_t n_x = assay__study_shown(view, x, xs, COLORS);
    size_t n_y = assay__study_shown(view, y, ys, COLORS);
    size_t n = 0;

    for (size_t i = 0; i < n_x; i++)
        for (size_t k = 0; k < n_y && n < left && n < 2; k++)
            if (strcmp(xs[i]->access, ys[k]->access) == 0 &&
                strcmp(xs[i]->auxiliary, ys[k]->auxiliary) == 0) {
                put_pair(view, xs[i], ys[k], b);
                n++;
            }
    if (n == 0 && left > 0 && n_x > 0 && n_y > 0) {
        put_pair(view, xs[0], ys[0], b);
        n = 1;
    }
    return n;
}

/* With one goal alone: its attacks among themselves. */
static void put_within(const struct assay__study_view *view, const char *goal,
                       struct assay__buf *b)
{
    const struct assay__study_attack *shown[4];
    size_t n = assay__study_shown(view, goal, shown, 4);

    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            put_pair(view, shown[i], shown[k], b);
}

void assay__study_pairs(const struct assay__study_view *view,
                        struct assay__buf *b)
{
    const char *goal[MAX_GOALS];
    size_t n = assay__study_goals(view, goal, MAX_GOALS);
    size_t left = MAX_PAIRS;

    assay__buf_puts(b, "<p>A dot is a pair of data and architecture without "
                       "defence. In the matrix, r is bold where its interval "
                       "does not hold 0; intervals of all pairs are in "
                       "correlations.csv.</p>\n");
    put_dataset_key(view, b);
    assay__buf_puts(b, "<div class=\"panels\">\n");
    if (n == 1)
        put_within(view, goal[0], b);
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            left -= put_goals(view, goal[i], goal[k], left, b);
    assay__buf_puts(b, "</div>\n");
    put_matrix(view, b);
}

/* Epochs */

/* Means of one attack's metric at one place, in the order of their epochs. */
struct curve {
    double epochs[64];
    double mean[64];
    size_t n;
};

static void add_point(struct curve *c, double epochs, double mean)
{
    size_t i = c->n;

    if (c->n == sizeof c->mean / sizeof *c->mean)
        return;
    for (; i > 0 && c->epochs[i - 1] > epochs; i--) {
        c->epochs[i] = c->epochs[i - 1];
        c->mean[i] = c->mean[i - 1];
    }
    c->epochs[i] = epochs;
    c->mean[i] = mean;
    c->n++;
}

static void take_curve(const struct assay__study_view *view, size_t d, size_t i,
                       const struct assay__study_attack *a, struct curve *c)
{
    const json_t *rows = json_object_get(view->doc, "summary");

    c->n = 0;
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const json_t *row = json_array_get(rows, r);

        if (strcmp(assay__field_text(row, "attack"), a->name) == 0 &&
            strcmp(assay__field_text(row, "metric"), a->headline) == 0 &&
            strcmp(assay__field_text(row, "dataset"), view->dataset[d]) == 0 &&
            strcmp(assay__field_text(row, "architecture"),
                   view->architecture[i]) == 0 &&
            strcmp(assay__field_text(row, "defense"), view->plain) == 0)
            add_point(c, assay__field_number(row, "epochs"),
                      assay__field_number(row, "mean"));
    }
}

static void put_epochs_panel(const struct assay__study_view *view,
                             const struct assay__study_attack *a,
                             struct assay__buf *b)
{
    struct range x = no_range();
    struct range y = no_range();
    struct assay__plot_axis x_axis;
    struct assay__plot_axis y_axis;
    struct assay__plot p;
    struct assay__plot_axis epochs = {.title = "epochs", .ticks = 5};
    struct curve c;
    char text[120];
    size_t color = 0;

    for (size_t d = 0; d < view->n_datasets; d++)
        for (size_t i = 0; i < view->n_architectures; i++) {
            take_curve(view, d, i, a, &c);
            for (size_t k = 0; k < c.n && c.n > 1; k++) {
                widen(&x, c.epochs[k]);
                widen(&y, c.mean[k]);
            }
        }
    if (isnan(x.low))
        return;
    epochs.high = x.high; /* from 0 on */
    x_axis = assay__plot_nice(epochs);
    y_axis = axis_of(assay__study_metric(a->headline), y);
    snprintf(text, sizeof text, "%.60s by epochs of training", a->title);
    assay__html(b, "<figure>\n<figcaption>%s</figcaption>\n", a->title);
    assay__plot_begin(&p, b, 330, 240, text, &x_axis, &y_axis);
    for (size_t d = 0; d < view->n_datasets; d++)
        for (size_t i = 0; i < view->n_architectures; i++) {
            take_curve(view, d, i, a, &c);
            if (c.n < 2)
                continue;
            color_class(text, "curve", color++);
            assay__plot_path_begin(&p, text);
            for (size_t k = 0; k < c.n; k++)
                assay__plot_path_line(&p, c.epochs[k], c.mean[k]);
            assay__plot_path_end(&p);
        }
    assay__plot_end(&p);
    assay__buf_puts(b, "</figure>\n");
}

/* The places that were trained for several numbers of epochs. */
static size_t put_epochs_key(const struct assay__study_view *view,
                             struct assay__buf *b)
{
    const struct assay__study_attack *target = view->attack;
    struct curve c;
    size_t n = 0;

    assay__buf_puts(b, "<ul class=\"series\">\n");
    for (size_t d = 0; d < view->n_datasets && view->n_attacks; d++)
        for (size_t i = 0; i < view->n_architectures; i++) {
            take_curve(view, d, i, target, &c);
            if (c.n > 1)
                put_key(b, n++, view->dataset[d], view->architecture[i]);
        }
    assay__buf_puts(b, "</ul>\n");
    return n;
}

void assay__study_epochs(const struct assay__study_view *view,
                         struct assay__buf *b)
{
    const struct assay__study_attack *shown[COLORS];
    const char *goal[MAX_GOALS];
    size_t n_goals = assay__study_goals(view, goal, MAX_GOALS);

    if (put_epochs_key(view, b) == 0) {
        put_empty(b, "The study trains for one number of epochs alone (sweep "
                     "in the study file).");
        return;
    }
    assay__buf_puts(b, "<div class=\"panels\">\n");
    put_epochs_panel(view, view->attack, b);
    for (size_t g = 0; g < n_goals; g++) {
        size_t n = assay__study_shown(view, goal[g], shown, COLORS);

        for (size_t k = 0; k < n; k++)
            put_epochs_panel(view, shown[k], b);
    }
    assay__buf_puts(b, "</div>\n");
}
