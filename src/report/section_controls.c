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

static void put_cell(struct assay__buf *b, struct assay__notes *notes,
                     const json_t *control, const json_t *result)
{
    struct assay_estimate auc = assay__field_estimate(result, "auc");
    double low = assay__field_number(result, "widened_low");
    double high = assay__field_number(result, "widened_high");

    /* What the control was judged by. */
    auc.low = isnan(low) ? auc.low : low;
    auc.high = isnan(high) ? auc.high : high;
    assay__html(b, "<td class=\"number\" data-label=\"%s\">",
                assay__field_text(control, "name"));
    if (isnan(auc.value)) {
        assay__part_missing(b, notes,
                            "This attack was not part of the control.");
    } else {
        assay__part_estimate(b, &auc, ASSAY__NUMBER_FRACTION);
        assay__buf_puts(b, " ");
        put_passed(b, json_object_get(result, "passed"));
        assay__plot_interval(b, &auc, 0, 1, ASSAY__MISSING, .5, "above");
    }
    assay__buf_puts(b, "</td>");
}

static void put_table(const struct assay__view *view, const json_t *controls,
                      struct assay__buf *b)
{
    struct assay__notes notes = {.id = "note-controls"};
    size_t n = json_array_size(controls);

    assay__part_table_begin(b, "stack controls",
                            "AUC of each attack in the controls");
    assay__buf_puts(b, "<thead><tr><th scope=\"col\">Attack</th>");
    for (size_t k = 0; k < n; k++)
        assay__html(b,
                    "<th scope=\"col\">%s<span class=\"scale\"><span>0"
                    "</span><span>1</span></span></th>",
                    assay__field_text(json_array_get(controls, k), "name"));
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];

        if (!a->ran)
            continue;
        assay__html(b, "<tr><th scope=\"row\">%s</th>", a->title);
        for (size_t k = 0; k < n; k++) {
            const json_t *control = json_array_get(controls, k);

            put_cell(b, &notes, control, result_of(control, a->name));
        }
        assay__buf_puts(b, "</tr>\n");
    }
    assay__part_table_end(b);
    assay__part_notes(b, &notes);
    assay__buf_puts(b, "<p class=\"small\">AUC with the interval by which the "
                       "control was judged.</p>\n");
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
    put_table(view, controls, b);
}
