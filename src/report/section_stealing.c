/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model stealing: how like the target a copy becomes, and what that is
 * worth beside a model that the attacker trains without asking. The curve
 * by queries stands in curve_stealing.c.
 */

#include <math.h>

#include "report/curve_stealing.h"
#include "report/html.h"
#include "report/parts.h"
#include "report/sections.h"
#include "report/table.h"

static void read_agreement(const struct assay__view *view,
                           const struct assay__attack_view *a,
                           const struct assay__column *c,
                           struct assay__cell *cell)
{
    const struct assay__attack_view *base = assay__view_baseline(view, a);
    double excess = assay__field_estimate(a->json, "excess").value;

    (void)c;
    cell->e = assay__field_estimate(a->json, "agreement");
    cell->guess = cell->e.value - excess;
    if (base)
        cell->base = assay__field_estimate(base->json, "agreement");
}

/* A copy is worth asking for when it beats one that was made alone. */
static void read_accuracy(const struct assay__view *view,
                          const struct assay__attack_view *a,
                          const struct assay__column *c,
                          struct assay__cell *cell)
{
    (void)view;
    (void)c;
    cell->e = a->accuracy;
    cell->base = assay__field_estimate(a->json, "baseline_accuracy");
}

static void read_scratch(const struct assay__view *view,
                         const struct assay__attack_view *a,
                         const struct assay__column *c,
                         struct assay__cell *cell)
{
    (void)view;
    (void)c;
    cell->e = assay__field_estimate(a->json, "baseline_accuracy");
    cell->why = a->baseline ? "A baseline: the others are held against it."
                            : "No model of the attacker's own ran on the same "
                              "records with true labels.";
}

static void read_excess(const struct assay__view *view,
                        const struct assay__attack_view *a,
                        const struct assay__column *c, struct assay__cell *cell)
{
    const struct assay__attack_view *base = assay__view_baseline(view, a);

    (void)c;
    cell->e = assay__field_estimate(a->json, "excess");
    cell->guess = 0;
    if (base)
        cell->base = assay__field_estimate(base->json, "excess");
}

static const struct assay__column columns[] = {
    {.title = "Agreement",
     .sub = "with the target's answers",
     .kind = ASSAY__NUMBER_PERCENT,
     .zero = ASSAY__MISSING,
     .read = read_agreement},
    {.title = "Beyond chance",
     .sub = "agreement less that of guesses",
     .kind = ASSAY__NUMBER_PERCENT,
     .read = read_excess},
    {.title = "Accuracy",
     .sub = "of the copy",
     .kind = ASSAY__NUMBER_PERCENT,
     .zero = ASSAY__MISSING,
     .read = read_accuracy},
    {.title = "Without asking",
     .sub = "accuracy from the same records",
     .kind = ASSAY__NUMBER_PERCENT,
     .sense = ASSAY__COLUMN_PLAIN,
     .zero = ASSAY__MISSING,
     .read = read_scratch},
};

static void put_queries(struct assay__buf *b,
                        const struct assay__attack_view *a)
{
    double n = assay__field_number(a->json, "queries");

    if (!isnan(n))
        assay__html(b, "<span class=\"sub\">%s %s</span>",
                    assay__number_count(n).s,
                    a->baseline ? "labelled records, no queries" : "queries");
}

static void say_worth(struct assay__buf *b, const struct assay__attack_view *a)
{
    struct assay_estimate base =
        assay__field_estimate(a->json, "baseline_accuracy");

    if (isnan(base.value)) {
        assay__buf_puts(b, "No model of the attacker\xe2\x80\x99s own ran to "
                           "say what the queries were worth.");
        return;
    }
    assay__html(b,
                "A model of the attacker\xe2\x80\x99s own, made from the same "
                "records with their true labels and without asking, is right "
                "for %s: ",
                assay__number_percent(base.value).s);
    switch (assay__view_standing(&a->accuracy, &base)) {
    case ASSAY__STANDING_ABOVE:
        assay__buf_puts(b, "<strong>asking gave the attacker what their own "
                           "data could not.</strong>");
        break;
    case ASSAY__STANDING_BELOW:
        assay__buf_puts(b, "true labels would have served the attacker "
                           "better.");
        break;
    default:
        assay__buf_puts(b, "as much as asking gave, within the intervals. "
                           "What the queries save is the labels.");
        break;
    }
}

void assay__say_stealing(const struct assay__view *view, struct assay__buf *b)
{
    const struct assay__attack_view *a =
        assay__view_best_by(view, ASSAY__GOAL_STEALING, "agreement");
    double queries;

    if (!a) {
        assay__buf_puts(b, "No stealing attack that can be relied on ran.");
        return;
    }
    queries = assay__field_number(a->json, "queries");
    assay__html(b, "The copy that is most like the model (%s) gives", a->title);
    if (!isnan(queries))
        assay__html(b, ", after %s queries,", assay__number_count(queries).s);
    assay__html(
        b,
        " the same class for <strong>%s</strong> of new records, and "
        "the true one for %s. ",
        assay__number_percent(assay__field_estimate(a->json, "agreement").value)
            .s,
        assay__number_percent(a->accuracy.value).s);
    say_worth(b, a);
}

void assay__section_stealing(const struct assay__view *view,
                             struct assay__buf *b)
{
    static const struct assay__table table = {.goal = ASSAY__GOAL_STEALING,
                                              .class_name = "stack attacks",
                                              .caption = "Stealing attacks, "
                                                         "with 95 % intervals",
                                              .notes = "note-stealing",
                                              .columns = columns,
                                              .n_columns = sizeof columns /
                                                           sizeof *columns,
                                              .sub = put_queries,
                                              .with_baseline = true};

    assay__buf_puts(
        b, "<p>Can somebody who may ask the model make another that answers "
           "like it? What was paid for in data and training is then taken "
           "along, and attacks that need the model itself can be prepared on "
           "the copy. Numbers are of records that neither model was trained "
           "on.</p>\n<p>");
    assay__say_stealing(view, b);
    assay__buf_puts(b, "</p>\n");
    assay__table_write(&table, view, b);
    assay__buf_puts(
        b, "<p class=\"small\">The baseline of a copy is the model that was "
           "made from scratch from records of the same kind. Guessing, in the "
           "column of agreement, is what answers get that favour the same "
           "classes but know nothing of the record.</p>\n");
    assay__curve_stealing(view, b);
    assay__buf_puts(
        b,
        "<h3>What helps</h3>\n"
        "<p>The curve says what each number of queries buys: a limit per "
        "client decides how far to the right an attacker comes, and does "
        "nothing for a model that was handed over. Where posteriors stand "
        "above labels, answering with the class alone takes the difference "
        "away. Differential privacy is no defence here: in the measurements "
        "of Liu et al. (USENIX Security 2022) it raised the copies\xe2\x80\x99 "
        "agreement by 9 to 15 points on one of four sets of pictures and "
        "lowered it on two. Nor is a model safe because it leaks members "
        "little: the less a model overfits, the better it was copied "
        "there.</p>\n");
    assay__table_descriptions(ASSAY__GOAL_STEALING, view, b);
}
