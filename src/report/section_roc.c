/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ROC curves on two logarithmic axes, where the few records that an attack
 * is sure of can be seen. Curves are staircases, as rates are read off
 * without interpolation, save those of a few points. Every curve carries its
 * number at the place where it is farthest from the others, so that the drawing
 * can be read without colours; numbers are ranks by AUC and lead into the
 * legend.
 */

#include <math.h>
#include <stdio.h>

#include "report/html.h"
#include "report/plot.h"
#include "report/sections.h"

enum {
    MAX_CURVES = 16, /* more would not be readable */
    N_PLACES = 44,   /* where a number may stand along a curve */
    N_SMOOTH = 64,   /* pieces of a line that a log axis bends */
    N_COLORS = 8
};

struct curve {
    const struct assay__attack_view *attack;
    const json_t *roc;
    double y[N_PLACES]; /* drawing units */
};

struct curves {
    struct curve curve[MAX_CURVES];
    size_t n;
    double x[N_PLACES]; /* drawing units */
};

static double rate_of(const json_t *roc, size_t i, size_t which)
{
    return json_number_value(json_array_get(json_array_get(roc, i), which));
}

/* Scores of few values, such as right and wrong: guessing among ties joins
 * the points by straight lines, without which there would be no curve. */
static bool is_coarse(const json_t *roc)
{
    return json_array_size(roc) < 8;
}

/*
 * The largest TPR among points whose FPR does not exceed `fpr`; between the
 * points of a coarse curve, on the line that joins them.
 */
static double tpr_at(const json_t *roc, double fpr)
{
    size_t low = 0;
    size_t high = json_array_size(roc);
    double x;
    double y;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (rate_of(roc, mid, 0) <= fpr)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low)
        return 0;
    x = rate_of(roc, low - 1, 0);
    y = rate_of(roc, low - 1, 1);
    if (is_coarse(roc) && low < json_array_size(roc))
        y +=
            (rate_of(roc, low, 1) - y) * (fpr - x) / (rate_of(roc, low, 0) - x);
    return y;
}

static void collect(struct curves *c, const struct assay__view *view)
{
    for (size_t i = 0; i < view->n_ranked && c->n < MAX_CURVES; i++) {
        const json_t *roc = json_object_get(view->ranked[i]->json, "roc");

        if (!json_array_size(roc))
            continue;
        c->curve[c->n].attack = view->ranked[i];
        c->curve[c->n].roc = roc;
        c->n++;
    }
}

/* A little below one false alarm among the non-members. */
static double lowest_rate(const struct curves *c)
{
    double most = 20;

    for (size_t i = 0; i < c->n; i++)
        most = fmax(most, c->curve[i].attack->n_nonmembers);
    return fmax(1e-7, 0.6 / most);
}

static struct assay__text curve_class(const struct curves *c, size_t i)
{
    struct assay__text t;

    if (c->curve[i].attack->baseline)
        snprintf(t.s, sizeof t.s, "curve basis");
    else
        snprintf(t.s, sizeof t.s, "curve s%zu%s", i % N_COLORS + 1,
                 i >= N_COLORS ? " dashed" : "");
    return t;
}

static void put_curve(struct assay__plot *p, const struct curves *c, size_t i)
{
    const json_t *roc = c->curve[i].roc;

    assay__plot_path_begin(p, curve_class(c, i).s);
    if (is_coarse(roc)) {
        for (int k = 0; k <= N_SMOOTH; k++) {
            double t = (double)k / N_SMOOTH;
            double fpr = p->x.low * pow(p->x.high / p->x.low, t);

            assay__plot_path_line(p, fpr, tpr_at(roc, fpr));
        }
    } else {
        assay__plot_path_step(p, p->x.low, tpr_at(roc, p->x.low));
        for (size_t k = 0; k < json_array_size(roc); k++)
            if (rate_of(roc, k, 0) > p->x.low)
                assay__plot_path_step(p, rate_of(roc, k, 0),
                                      rate_of(roc, k, 1));
    }
    assay__plot_path_end(p);
}

static void sample(const struct assay__plot *p, struct curves *c)
{
    for (size_t k = 0; k < N_PLACES; k++) {
        double t = ((double)k + 1.5) / (N_PLACES + 8);
        double fpr = p->x.low * pow(p->x.high / p->x.low, t);

        c->x[k] = assay__plot_px(p, fpr);
        for (size_t i = 0; i < c->n; i++)
            c->curve[i].y[k] = assay__plot_py(p, tpr_at(c->curve[i].roc, fpr));
    }
}

/* How far place k of curve i is from what must not be covered. */
static double room(const struct assay__plot *p, const struct curves *c,
                   size_t i, size_t k, const size_t *taken)
{
    double y = c->curve[i].y[k];
    double least = fmin(p->bottom - y, y - p->top + 4);

    for (size_t j = 0; j < c->n; j++) {
        if (j != i)
            least = fmin(least, fabs(c->curve[j].y[k] - y));
        if (j < i && taken[j] < N_PLACES)
            least = fmin(least, hypot(c->x[taken[j]] - c->x[k],
                                      c->curve[j].y[taken[j]] - y) /
                                    1.6);
    }
    return least;
}

static void put_numbers(struct assay__plot *p, struct curves *c)
{
    size_t taken[MAX_CURVES];

    sample(p, c);
    for (size_t i = 0; i < c->n; i++) {
        double most = 5; /* closer than that, the legend must do */
        struct assay__text class_name;
        char digits[24];

        taken[i] = N_PLACES;
        for (size_t k = 0; k < N_PLACES; k++) {
            double r = room(p, c, i, k, taken);

            if (r > most + 0.25) {
                most = r;
                taken[i] = k;
            }
        }
        if (taken[i] == N_PLACES)
            continue;
        snprintf(class_name.s, sizeof class_name.s, "mark%.40s",
                 curve_class(c, i).s + sizeof("curve") - 1);
        snprintf(digits, sizeof digits, "%zu", i + 1);
        assay__html(p->b, "<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n",
                    class_name.s, (int)lround(c->x[taken[i]]),
                    (int)lround(c->curve[i].y[taken[i]]) + 4, digits);
    }
}

static void put_legend(const struct curves *c, struct assay__buf *b)
{
    assay__buf_puts(b, "<ol class=\"legend\">\n");
    for (size_t i = 0; i < c->n; i++) {
        const struct assay__attack_view *a = c->curve[i].attack;

        assay__html(b,
                    "<li><svg viewBox=\"0 0 34 10\" aria-hidden=\"true\">"
                    "<path class=\"%s\" d=\"M1 5H33\"/></svg>"
                    "<b>%zu</b> <span>%s%s</span> <i>%s</i></li>\n",
                    curve_class(c, i).s, i + 1, a->title,
                    a->baseline ? ", baseline" : "",
                    assay__number_fixed(a->auc.value, 3).s);
    }
    assay__buf_puts(b, "<li><svg viewBox=\"0 0 34 10\" aria-hidden=\"true\">"
                       "<path class=\"chance\" d=\"M1 5H33\"/></svg>"
                       "<b></b> <span>guessing</span> <i>0.500</i></li>\n"
                       "</ol>\n");
}

static void put_plot(struct curves *c, struct assay__buf *b)
{
    double low = lowest_rate(c);
    struct assay__plot_axis x = {"False positive rate: others wrongly named",
                                 low,
                                 1,
                                 ASSAY__PLOT_LOG,
                                 true,
                                 false,
                                 0};
    struct assay__plot_axis y = {"True positive rate: members rightly named",
                                 low,
                                 1,
                                 ASSAY__PLOT_LOG,
                                 true,
                                 false,
                                 0};
    struct assay__plot p;
    char alt[160];

    snprintf(alt, sizeof alt,
             "ROC curves of %zu attacks on logarithmic axes from %.12s to "
             "100 %%; the table of attacks has the numbers.",
             c->n, assay__number_rate(low).s);
    assay__plot_begin(&p, b, 500, 460, alt, &x, &y);
    assay__plot_path_begin(&p, "chance");
    assay__plot_path_line(&p, low, low);
    assay__plot_path_line(&p, 1, 1);
    assay__plot_path_end(&p);
    /* The best on top. */
    for (size_t i = c->n; i-- > 0;)
        put_curve(&p, c, i);
    put_numbers(&p, c);
    assay__plot_end(&p);
}

void assay__section_roc(const struct assay__view *view, struct assay__buf *b)
{
    struct curves c = {.n = 0};

    collect(&c, view);
    if (!c.n) {
        assay__buf_puts(b, "<p>No attack that ran has a curve.</p>\n");
        return;
    }
    assay__buf_puts(
        b, "<p>Each curve trades members found (up) against others wrongly "
           "named (right). The lower left is where an attacker accuses few "
           "and is nearly always right; a curve above the diagonal there is "
           "a leak even when the AUC is close to 0.5. Attacks whose "
           "scores take few values are drawn as straight lines between "
           "their points, which is guessing among equal scores.</p>\n"
           "<figure class=\"roc\">\n");
    put_plot(&c, b);
    assay__buf_puts(b, "<figcaption><p>By AUC, largest first</p>\n");
    put_legend(&c, b);
    assay__buf_puts(b, "</figcaption>\n</figure>\n");
}
