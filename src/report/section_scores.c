/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms of scores, members against non-members, for the attacks that
 * tell them apart best: small drawings side by side.
 */

#include <math.h>
#include <stdio.h>

#include "report/html.h"
#include "report/plot.h"
#include "report/sections.h"

enum { MAX_PANELS = 6, MAX_BINS = 200 };

struct bins {
    double members[MAX_BINS]; /* shares of all members */
    double others[MAX_BINS];
    size_t n;
    double low;
    double high;
    double most;
};

static size_t read_shares(const json_t *counts, double *share)
{
    size_t n = json_array_size(counts);
    double sum = 0;

    n = n < MAX_BINS ? n : MAX_BINS;
    for (size_t i = 0; i < n; i++) {
        share[i] = fmax(0, json_number_value(json_array_get(counts, i)));
        sum += share[i];
    }
    for (size_t i = 0; i < n; i++)
        share[i] = sum > 0 ? share[i] / sum : 0;
    return n;
}

/* False when there is nothing to draw. */
static bool read_bins(struct bins *bins, const json_t *attack)
{
    const json_t *h = json_object_get(attack, "histogram");
    size_t n = read_shares(json_object_get(h, "members"), bins->members);

    bins->n = read_shares(json_object_get(h, "nonmembers"), bins->others);
    bins->low = assay__field_number(h, "low");
    bins->high = assay__field_number(h, "high");
    bins->most = 0;
    if (n != bins->n)
        return false;
    for (size_t i = 0; i < n; i++)
        bins->most = fmax(bins->most, fmax(bins->members[i], bins->others[i]));
    return bins->low <= bins->high && bins->most > 0;
}

static void put_panel(struct assay__buf *b, const struct bins *bins,
                      const char *title)
{
    struct assay__plot_axis x = {
        "score", bins->low, bins->high, ASSAY__PLOT_LINEAR, false, false, 5};
    struct assay__plot_axis y = {
        "share of records", 0, bins->most, ASSAY__PLOT_LINEAR, true, false, 3};
    struct assay__plot p;
    char alt[160];

    if (!(x.low < x.high)) { /* all scores equal */
        x.low -= 0.5;
        x.high += 0.5;
    }
    y = assay__plot_nice(y);
    snprintf(alt, sizeof alt,
             "Histogram of the scores of members and of non-members, from "
             "%.20s to %.20s",
             assay__number_plain(bins->low).s,
             assay__number_plain(bins->high).s);
    assay__html(b, "<figure>\n<figcaption>%s</figcaption>\n", title);
    assay__plot_begin(&p, b, 330, 220, alt, &x, &y);
    assay__plot_bins(&p, bins->others, bins->n, "bins others");
    assay__plot_bins(&p, bins->members, bins->n, "bins members");
    assay__plot_end(&p);
    assay__buf_puts(b, "</figure>\n");
}

void assay__section_scores(const struct assay__view *view, struct assay__buf *b)
{
    struct bins bins;
    size_t n = 0;

    for (size_t i = 0; i < view->n_ranked && n < MAX_PANELS; i++) {
        const struct assay__attack_view *a = view->ranked[i];

        if (a->baseline || a->discredited || !read_bins(&bins, a->json))
            continue;
        if (!n++)
            assay__buf_puts(
                b, "<p>What the attacker sees of each record, for the "
                   "attacks with the largest AUC. Where the filled shape "
                   "rises above the outline, a score gives members away. "
                   "The outermost bins hold all scores beyond.</p>\n"
                   "<ul class=\"key\"><li><span class=\"swatch members\">"
                   "</span> members</li><li><span class=\"swatch others\">"
                   "</span> non-members</li></ul>\n"
                   "<div class=\"panels\">\n");
        put_panel(b, &bins, a->title);
    }
    assay__buf_puts(b, n ? "</div>\n"
                         : "<p>No attack that ran has a histogram of its "
                           "scores.</p>\n");
}
