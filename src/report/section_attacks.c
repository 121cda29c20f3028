/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership attacks: the table, the numbers for those who need all, and
 * what each attack does.
 */

#include <math.h>
#include <stdio.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/sections.h"
#include "report/table.h"

static void read_auc(const struct assay__view *view,
                     const struct assay__attack_view *a,
                     const struct assay__column *c, struct assay__cell *cell)
{
    (void)c;
    cell->e = a->auc;
    cell->guess = .5;
    if (view->baseline)
        cell->base = view->baseline->auc;
}

static void read_accuracy(const struct assay__view *view,
                          const struct assay__attack_view *a,
                          const struct assay__column *c,
                          struct assay__cell *cell)
{
    (void)c;
    cell->e = a->accuracy;
    cell->guess = .5;
    if (view->baseline)
        cell->base = view->baseline->accuracy;
}

static void read_rate(const struct assay__view *view,
                      const struct assay__attack_view *a,
                      const struct assay__column *c, struct assay__cell *cell)
{
    struct assay__rate rate = assay__view_rate(a, c->at);

    cell->e = rate.tpr;
    cell->guess = c->at;
    cell->why = rate.refused;
    if (view->baseline)
        cell->base = assay__view_rate(view->baseline, c->at).tpr;
}

static const struct assay__column columns[] = {
    {.title = "AUC",
     .kind = ASSAY__NUMBER_FRACTION,
     .zero = .5,
     .read = read_auc},
    {.title = "Balanced accuracy",
     .kind = ASSAY__NUMBER_PERCENT,
     .zero = .5,
     .read = read_accuracy},
    {.title = "TPR at 1\xc2\xa0% FPR",
     .kind = ASSAY__NUMBER_PERCENT,
     .at = .01,
     .read = read_rate},
    {.title = "TPR at 0.1\xc2\xa0% FPR",
     .kind = ASSAY__NUMBER_PERCENT,
     .at = .001,
     .read = read_rate},
};

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

    if (!view->n_ranked)
        return;
    for (size_t i = 0; i < view->n_ranked && isnan(delta); i++)
        delta = assay__field_number(view->ranked[i]->json, "delta");
    for (size_t i = 0; i < view->n_ranked && isnan(prior); i++)
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
        if (view->attacks[i].ran &&
            view->attacks[i].goal == ASSAY__GOAL_MEMBERSHIP)
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

void assay__section_attacks(const struct assay__view *view,
                            struct assay__buf *b)
{
    const struct assay__table table = {
        .goal = ASSAY__GOAL_MEMBERSHIP,
        .class_name = "stack attacks",
        .caption = "Membership attacks, with 95 % intervals",
        .notes = "note-attacks",
        .columns = columns,
        .n_columns = sizeof columns / sizeof *columns,
        .with_baseline = view->baseline != NULL};

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
    assay__table_write(&table, view, b);
    put_more(view, b);
    assay__table_descriptions(ASSAY__GOAL_MEMBERSHIP, view, b);
}
