/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controls: what shows that the attacks work, and that they see nothing
 * where there is nothing. A row per attack, a column per control.
 */

#include <math.h>
#include <string.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/plot.h"
#include "report/sections.h"

static void put_passed(struct assay__buf *b, const json_t *passed)
{
    if (json_is_boolean(passed))
        assay__part_badge(b, json_is_true(passed) ? "passed" : "failed",
                          json_is_true(passed) ? "passed" : "failed");
    else
        assay__part_badge(b, "unknown", "not judged");
}

static const json_t *result_of(const json_t *control, const char *attack)
{
    const json_t *results = json_object_get(control, "results");

    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *r = json_array_get(results, i);

        if (strcmp(assay__field_text(r, "attack"), attack) == 0)
            return r;
    }
    return NULL;
}

/* Attacks on membership are judged by AUC, others by right guesses beyond
 * chance: a table for each. */
struct kind {
    const char *field;
    const char *title;
    const char *id; /* of its footnotes */
    const char *small;
    double nothing; /* what an attack finds where there is nothing */
    enum assay__number_kind number;
    struct assay__plot_axis axis;
};

/* What the control was judged by. */
static struct assay_estimate judged_by(const struct kind *kind,
                                       const json_t *result)
{
    struct assay_estimate e = assay__field_estimate(result, kind->field);
    double low = assay__field_number(result, "widened_low");
    double high = assay__field_number(result, "widened_high");

    e.low = isnan(low) ? e.low : low;
    e.high = isnan(high) ? e.high : high;
    return e;
}

static void put_cell(struct assay__buf *b, struct assay__notes *notes,
                     const struct kind *kind, const json_t *control,
                     const json_t *result)
{
    struct assay_estimate e = judged_by(kind, result);

    assay__html(b, "<td class=\"number\" data-label=\"%s\">",
                assay__field_text(control, "name"));
    if (isnan(e.value)) {
        assay__part_missing(b, notes,
                            "This attack was not part of the control.");
    } else {
        assay__part_estimate(b, &e, kind->number);
        assay__buf_puts(b, " ");
        put_passed(b, json_object_get(result, "passed"));
        assay__plot_interval(b, &e, kind->axis.low, kind->axis.high,
                             ASSAY__MISSING, kind->nothing, "above");
    }
    assay__buf_puts(b, "</td>");
}

static struct assay__text end_text(const struct kind *kind, double v)
{
    return kind->number == ASSAY__NUMBER_PERCENT ? assay__number_rate(v)
                                                 : assay__number_plain(v);
}

static bool has_results(const struct kind *kind, const json_t *control)
{
    const json_t *results = json_object_get(control, "results");

    for (size_t i = 0; i < json_array_size(results); i++) {
        struct assay_estimate e =
            assay__field_estimate(json_array_get(results, i), kind->field);

        if (!isnan(e.value))
            return true;
    }
    return false;
}

static void put_head(struct assay__buf *b, const struct kind *kind,
                     const json_t *controls)
{
    assay__buf_puts(b, "<thead><tr><th scope=\"col\">Attack</th>");
    for (size_t k = 0; k < json_array_size(controls); k++) {
        const json_t *c = json_array_get(controls, k);

        if (has_results(kind, c))
            assay__html(b,
                        "<th scope=\"col\">%s<span class=\"scale\"><span>%s"
                        "</span><span>%s</span></span></th>",
                        assay__field_text(c, "name"),
                        end_text(kind, kind->axis.low).s,
                        end_text(kind, kind->axis.high).s);
    }
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
}

static void put_row(struct assay__buf *b, struct assay__notes *notes,
                    const struct kind *kind, const json_t *controls,
                    const struct assay__attack_view *a)
{
    assay__html(b, "<tr><th scope=\"row\">%s</th>", a->title);
    for (size_t k = 0; k < json_array_size(controls); k++) {
        const json_t *c = json_array_get(controls, k);

        if (has_results(kind, c))
            put_cell(b, notes, kind, c, result_of(c, a->name));
    }
    assay__buf_puts(b, "</tr>\n");
}

/* The largest distance from nothing on both sides, so that it is in the
 * middle. */
static void find_axis(struct kind *kind, const json_t *controls)
{
    double most = ASSAY__MISSING;

    for (size_t k = 0; k < json_array_size(controls); k++) {
        const json_t *results =
            json_object_get(json_array_get(controls, k), "results");

        for (size_t i = 0; i < json_array_size(results); i++) {
            struct assay_estimate e =
                judged_by(kind, json_array_get(results, i));

            if (!isnan(e.value))
                most = fmax(fmax(most, fabs(e.value)),
                            fmax(fabs(e.low), fabs(e.high)));
        }
    }
    kind->axis.low = -most;
    kind->axis.high = most;
    kind->axis = assay__plot_nice(kind->axis);
}

static void put_table(const struct assay__view *view, const json_t *controls,
                      const struct kind *kind, struct assay__buf *b)
{
    struct assay__notes notes = {.id = kind->id};
    bool membership = kind->nothing > 0;
    bool any = false;

    for (size_t k = 0; k < json_array_size(controls); k++)
        any = any || has_results(kind, json_array_get(controls, k));
    if (!any)
        return;
    assay__part_table_begin(b, "stack controls", kind->title);
    put_head(b, kind, controls);
    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];

        if (a->ran && (a->goal == ASSAY__GOAL_MEMBERSHIP) == membership)
            put_row(b, &notes, kind, controls, a);
    }
    assay__part_table_end(b);
    assay__part_notes(b, &notes);
    assay__html(b, "<p class=\"small\">%s</p>\n", kind->small);
}

static void put_tables(const struct assay__view *view, const json_t *controls,
                       struct assay__buf *b)
{
    struct kind auc = {.field = "auc",
                       .title = "AUC of each attack in the controls",
                       .id = "note-controls",
                       .small = "AUC with the interval by which the control "
                                "was judged; 0.5 is nothing found.",
                       .nothing = .5,
                       .number = ASSAY__NUMBER_FRACTION,
                       .axis = {.low = 0, .high = 1}};
    struct kind excess = {
        .field = "excess",
        .title = "Right guesses beyond chance in the controls",
        .id = "note-controls-excess",
        .small = "Right guesses beyond chance, with the interval by which the "
                 "control was judged; 0 is nothing found.",
        .number = ASSAY__NUMBER_PERCENT,
        .axis = {.ticks = 4}};

    find_axis(&excess, controls);
    put_table(view, controls, &auc, b);
    put_table(view, controls, &excess, b);
}

void assay__section_controls(const struct assay__view *view,
                             struct assay__buf *b)
{
    const json_t *controls = json_object_get(view->doc, "controls");
    size_t n = json_array_size(controls);

    if (!n) {
        assay__buf_puts(b, "<p>No controls ran. Without them, a low score "
                           "may mean a broken attack and a high one a "
                           "broken split.</p>\n");
        return;
    }
    assay__buf_puts(b, "<p>The same attacks where the answer is known: on a "
                       "negative control they must see nothing, on a "
                       "positive one they must see the leak.</p>\n"
                       "<ul class=\"controls-list\">\n");
    for (size_t i = 0; i < n; i++) {
        const json_t *c = json_array_get(controls, i);

        assay__buf_puts(b, "<li>");
        put_passed(b, json_object_get(c, "passed"));
        assay__html(b, "<span><b>%s</b> (%s). %s</span></li>\n",
                    assay__field_text(c, "name"), assay__field_text(c, "kind"),
                    assay__field_text(c, "what"));
    }
    assay__buf_puts(b, "</ul>\n");
    put_tables(view, controls, b);
}
