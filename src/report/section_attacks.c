/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of attacks. Every number comes with its interval as text and
 * as a bar; all bars of a column share one scale, on which the baseline and
 * guessing are marked, so that the eye sees which attacks beat them. Below
 * it the numbers for those who need all, and what each attack does.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/plot.h"
#include "report/sections.h"

/* A column of estimates. */
struct column {
    const char *title;
    double fpr; /* of a TPR; NaN for a field of the attack */
    enum assay__number_kind kind;
    double guess;
    double low; /* the bars' scale */
    double high;
    struct assay_estimate base; /* the baseline's; NaN without one */
    double best;
};

enum { N_COLUMNS = 4 };

static struct assay__rate column_value(const struct column *c, size_t index,
                                       const struct assay__attack_view *a)
{
    struct assay__rate rate = {index == 0 ? a->auc : a->accuracy,
                               ASSAY__MISSING, NULL};

    return isnan(c->fpr) ? rate : assay__view_rate(a, c->fpr);
}

static void fill_column(const struct assay__view *view, struct column *c,
                        size_t index)
{
    struct assay__plot_axis axis = {
        .low = isnan(c->fpr) ? c->guess : 0, .high = c->guess, .ticks = 4};

    c->base = (struct assay_estimate){ASSAY__MISSING, ASSAY__MISSING,
                                      ASSAY__MISSING, 0};
    c->best = ASSAY__MISSING;
    if (view->baseline)
        c->base = column_value(c, index, view->baseline).tpr;
    for (size_t i = 0; i < view->n_ran; i++) {
        struct assay_estimate e = column_value(c, index, view->ranked[i]).tpr;

        axis.low = fmin(fmin(axis.low, e.low), e.value);
        axis.high = fmax(fmax(axis.high, e.high), e.value);
        if (!view->ranked[i]->discredited)
            c->best = fmax(c->best, e.value);
    }
    axis = assay__plot_nice(axis);
    c->low = axis.low;
    c->high = fmin(axis.high, 1);
}

/* The interval lies above guessing and above the baseline's. */
static bool is_above(const struct column *c, const struct assay_estimate *e)
{
    const struct assay_estimate guess = {c->guess, c->guess, c->guess, 0};

    return assay__view_standing(e, &guess) == ASSAY__STANDING_ABOVE &&
           (isnan(c->base.value) ||
            assay__view_standing(e, &c->base) == ASSAY__STANDING_ABOVE);
}

static void put_number(struct assay__buf *b, struct assay__notes *notes,
                       const struct column *c, size_t index,
                       const struct assay__attack_view *a)
{
    struct assay__rate rate = column_value(c, index, a);
    bool above = !a->baseline && !a->discredited && is_above(c, &rate.tpr);

    assay__html(b, "<td class=\"number%s\" data-label=\"%s\">",
                !a->discredited && rate.tpr.value >= c->best ? " best" : "",
                c->title);
    if (isnan(rate.tpr.value)) {
        assay__part_missing(b, notes,
                            rate.refused ? rate.refused : "not measured");
    } else {
        assay__part_estimate(b, &rate.tpr, c->kind);
        assay__plot_interval(b, &rate.tpr, c->low, c->high, c->base.value,
                             c->guess,
                             a->baseline ? "baseline"
                             : above     ? "above"
                                         : "level");
        if (above)
            assay__buf_puts(b, "<span class=\"unseen\">, above the "
                               "baseline and guessing</span>");
    }
    assay__buf_puts(b, "</td>\n");
}

static void put_attack(struct assay__buf *b, struct assay__notes *notes,
                       const struct column *columns,
                       const struct assay__attack_view *a)
{
    assay__html(b, "<tr class=\"%s\"><th scope=\"row\">%s",
                a->baseline ? "baseline"
                : a->ran    ? "ran"
                            : "gone",
                a->title);
    if (a->baseline)
        assay__buf_puts(b, " <span class=\"tag\">baseline</span>");
    if (a->discredited)
        assay__buf_puts(b, " <span class=\"tag\">failed the control</span>");
    assay__html(b, "<span class=\"sub\">%s \xc2\xb7 %s</span></th>\n",
                a->access, a->auxiliary);
    if (a->ran)
        for (size_t i = 0; i < N_COLUMNS; i++)
            put_number(b, notes, &columns[i], i, a);
    else
        assay__html(b,
                    "<td colspan=\"%d\" class=\"why\"><b>Not run:</b> %s</td>"
                    "\n",
                    N_COLUMNS, *a->why ? a->why : "no reason was recorded");
    assay__buf_puts(b, "</tr>\n");
}

/* A column without numbers has no scale. */
static void put_scale(struct assay__buf *b, const struct column *c)
{
    bool percent = c->kind == ASSAY__NUMBER_PERCENT;

    if (isnan(c->best))
        return;
    assay__html(
        b, "<span class=\"scale\"><span>%s</span><span>%s</span></span>",
        percent ? assay__number_rate(c->low).s : assay__number_plain(c->low).s,
        percent ? assay__number_rate(c->high).s
                : assay__number_plain(c->high).s);
}

static void put_head(struct assay__buf *b, const struct column *columns)
{
    assay__buf_puts(b, "<thead><tr><th scope=\"col\">Attack"
                       "<span class=\"sub\">access \xc2\xb7 other knowledge"
                       "</span></th>\n");
    for (size_t i = 0; i < N_COLUMNS; i++) {
        assay__html(b, "<th scope=\"col\">%s", columns[i].title);
        put_scale(b, &columns[i]);
        assay__buf_puts(b, "</th>\n");
    }
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
}

static void put_key(struct assay__buf *b, bool with_baseline)
{
    static const struct assay_estimate e = {.6, .42, .78, 0};

    assay__buf_puts(b, "<ul class=\"key\"><li>");
    assay__plot_interval(b, &e, 0, 1, ASSAY__MISSING, ASSAY__MISSING, "above");
    assay__html(b, " value and 95 %% interval, above %sguessing</li><li>",
                with_baseline ? "the baseline and " : "");
    assay__plot_interval(b, &e, 0, 1, ASSAY__MISSING, ASSAY__MISSING, "level");
    assay__buf_puts(b, " not above</li>");
    if (with_baseline)
        assay__buf_puts(b, "<li><svg class=\"bar\" viewBox=\"0 0 14 14\" "
                           "aria-hidden=\"true\"><path class=\"base\" "
                           "d=\"M7 0V14\"/></svg> baseline</li>");
    assay__buf_puts(b, "<li><svg class=\"bar\" viewBox=\"0 0 14 14\" "
                       "aria-hidden=\"true\"><path class=\"guess\" "
                       "d=\"M7 0V14\"/></svg> guessing</li></ul>\n");
}

static void put_table(const struct assay__view *view, struct assay__buf *b)
{
    struct column columns[N_COLUMNS] = {
        {.title = "AUC",
         .fpr = ASSAY__MISSING,
         .kind = ASSAY__NUMBER_FRACTION,
         .guess = .5},
        {.title = "Balanced accuracy",
         .fpr = ASSAY__MISSING,
         .kind = ASSAY__NUMBER_PERCENT,
         .guess = .5},
        {.title = "TPR at 1\xc2\xa0% FPR",
         .fpr = .01,
         .kind = ASSAY__NUMBER_PERCENT,
         .guess = .01},
        {.title = "TPR at 0.1\xc2\xa0% FPR",
         .fpr = .001,
         .kind = ASSAY__NUMBER_PERCENT,
         .guess = .001},
    };
    struct assay__notes notes = {.id = "note-attacks"};

    for (size_t i = 0; i < N_COLUMNS; i++)
        fill_column(view, &columns[i], i);
    put_key(b, view->baseline != NULL);
    assay__part_table_begin(b, "stack attacks", "Attacks, with 95 % intervals");
    put_head(b, columns);
    for (size_t i = 0; i < view->n_attacks; i++)
        put_attack(b, &notes, columns, &view->attacks[i]);
    assay__part_table_end(b);
    assay__part_notes(b, &notes);
}

static void put_rate_cell(struct assay__buf *b, struct assay__notes *notes,
                          const char *label, const struct assay__attack_view *a,
                          double fpr)
{
    struct assay__rate rate = assay__view_rate(a, fpr);

    assay__html(b, "<td data-label=\"%s\">", label);
    if (isnan(rate.tpr.value))
        assay__part_missing(b, notes,
                            rate.refused ? rate.refused : "not measured");
    else
        assay__part_estimate(b, &rate.tpr, ASSAY__NUMBER_PERCENT);
    assay__buf_puts(b, "</td>");
}

static void put_plain_cell(struct assay__buf *b, struct assay__notes *notes,
                           const char *label, struct assay__text text,
                           bool missing)
{
    assay__html(b, "<td class=\"nowrap\" data-label=\"%s\">", label);
    if (missing)
        assay__part_missing(b, notes, "not measured");
    else
        assay__html_text(b, text.s);
    assay__buf_puts(b, "</td>");
}

static void put_estimate_cell(struct assay__buf *b, struct assay__notes *notes,
                              const char *label, const struct assay_estimate *e)
{
    assay__html(b, "<td data-label=\"%s\">", label);
    if (isnan(e->value))
        assay__part_missing(b, notes, "not measured");
    else
        assay__part_estimate(b, e, ASSAY__NUMBER_PERCENT);
    assay__buf_puts(b, "</td>");
}

static void put_more_row(struct assay__buf *b, struct assay__notes *notes,
                         const struct assay__attack_view *a)
{
    struct assay_estimate ppv = assay__field_estimate(a->json, "ppv");
    struct assay_estimate most = assay__field_estimate(a->json, "advantage");
    double epsilon = assay__field_number(a->json, "epsilon_lower_bound");
    const char *from = assay__field_text(a->json, "threshold_from");
    struct assay__text counts;

    snprintf(counts.s, sizeof counts.s, "%.20s / %.20s",
             assay__number_count(a->n_members).s,
             assay__number_count(a->n_nonmembers).s);
    assay__html(b, "<tr><th scope=\"row\">%s</th>", a->title);
    put_rate_cell(b, notes, "TPR at 10\xc2\xa0% FPR", a, .1);
    put_rate_cell(b, notes, "TPR at 0.01\xc2\xa0% FPR", a, .0001);
    put_rate_cell(b, notes, "TPR at 0 FPR", a, 0);
    put_estimate_cell(b, notes, "Advantage", &most);
    put_estimate_cell(b, notes, "PPV", &ppv);
    put_plain_cell(b, notes, "Epsilon at least",
                   assay__number_fixed(epsilon, 2), isnan(epsilon));
    put_plain_cell(b, notes, "Members / others", counts,
                   isnan(a->n_members) || isnan(a->n_nonmembers));
    assay__html(b, "<td data-label=\"Threshold from\">%s</td></tr>\n",
                *from ? from : "\xe2\x80\x93");
}

static void put_more(const struct assay__view *view, struct assay__buf *b)
{
    struct assay__notes notes = {.id = "note-numbers"};
    double delta = ASSAY__MISSING;
    double prior = ASSAY__MISSING;

    if (!view->n_ran)
        return;
    for (size_t i = 0; i < view->n_ran && isnan(delta); i++)
        delta = assay__field_number(view->ranked[i]->json, "delta");
    for (size_t i = 0; i < view->n_ran && isnan(prior); i++)
        prior = assay__field_number(view->ranked[i]->json, "prior");
    assay__buf_puts(b, "<h3>All numbers</h3>\n");
    assay__part_table_begin(b, "stack numbers", "Further numbers");
    assay__html(
        b,
        "<thead><tr><th scope=\"col\">Attack</th>"
        "<th scope=\"col\">TPR at 10\xc2\xa0%% FPR</th>"
        "<th scope=\"col\">TPR at 0.01\xc2\xa0%% FPR</th>"
        "<th scope=\"col\">TPR at 0 FPR</th>"
        "<th scope=\"col\">Advantage</th>"
        "<th scope=\"col\">PPV<span class=\"sub\">if %s are members</span>"
        "</th>"
        "<th scope=\"col\">Epsilon\xc2\xa0\xe2\x89\xa5<span class=\"sub\">"
        "\xce\xb4\xc2\xa0=\xc2\xa0%s</span></th>"
        "<th scope=\"col\">Members / others</th>"
        "<th scope=\"col\">Threshold from</th></tr></thead>\n"
        "<tbody>\n",
        assay__number_rate(prior).s, assay__number_plain(delta).s);
    for (size_t i = 0; i < view->n_attacks; i++)
        if (view->attacks[i].ran)
            put_more_row(b, &notes, &view->attacks[i]);
    assay__part_table_end(b);
    assay__part_notes(b, &notes);
    assay__buf_puts(
        b, "<p class=\"small\">TPR at an FPR is the largest share of members "
           "found at a threshold whose share of false alarms does not exceed "
           "it; nothing is interpolated. Advantage is the largest TPR minus "
           "FPR; its threshold is chosen on the same records, so the value is "
           "optimistic, and its interval allows for that. PPV is the share of "
           "members among those called members, if members are as rare among "
           "the candidates as its column says. Epsilon is a lower bound with "
           "95 % confidence, corrected for choosing the threshold, if records "
           "are independent; for one trained model it is an estimate. The "
           "threshold of balanced accuracy and PPV is fixed beforehand, taken "
           "from a shadow model or from the part of the records that the "
           "attacker knows, or (cross-fitting) fitted on one half of the "
           "records and used on the other: never on the records it is "
           "reported for."
           "</p>\n");
}

static void put_descriptions(const struct assay__view *view,
                             struct assay__buf *b)
{
    assay__buf_puts(b, "<h3>What each attack does</h3>\n"
                       "<dl class=\"attacks-list\">\n");
    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];
        const json_t *params = json_object_get(a->json, "params");
        const char *scores = assay__field_text(a->json, "scores");

        assay__html(b,
                    "<div><dt>%s</dt><dd>%s<span class=\"sub\">"
                    "<cite>%s</cite>",
                    a->title, assay__field_text(a->json, "summary"),
                    assay__field_text(a->json, "cites"));
        if (json_object_size(params)) {
            assay__buf_puts(b, "<dl class=\"params\">");
            assay__part_facts(b, params);
            assay__buf_puts(b, "</dl>");
        }
        if (*scores)
            assay__html(b, "<code>%s</code>", scores);
        assay__buf_puts(b, "</span></dd></div>\n");
    }
    assay__buf_puts(b, "</dl>\n");
}

void assay__section_attacks(const struct assay__view *view,
                            struct assay__buf *b)
{
    if (!view->n_attacks) {
        assay__buf_puts(b, "<p>No attack applied to this model.</p>\n");
        return;
    }
    assay__buf_puts(
        b, "<p>An attack matters when it beats guessing, and it shows more "
           "than the accuracy gap when it beats the baseline. TPR at a low "
           "FPR says how many members are named with hardly any false "
           "accusation; AUC, how well members and others are told apart on "
           "the whole.</p>\n");
    put_table(view, b);
    put_more(view, b);
    put_descriptions(view, b);
}
