/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a study's page: means, defences, cost, what is missing. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/study_view.h"

static void put_empty(struct assay__buf *b, const char *why)
{
    assay__html(b, "<p class=\"none\">%s</p>\n", why);
}

static void put_moments(struct assay__buf *b, const struct assay__moments *m,
                        const char *metric)
{
    assay__html(b, "<td><span class=\"value\">%s</span>",
                assay__moments_text(m, metric).s);
    if (!isnan(m->interval.low))
        assay__html(
            b, "<span class=\"interval\">%s</span>",
            assay__number_interval(&m->interval, strcmp(metric, "mse") == 0
                                                     ? ASSAY__NUMBER_PLAIN
                                                     : ASSAY__NUMBER_FRACTION)
                .s);
    assay__buf_puts(b, "</td>");
}

/* "RMIA, black-box, shadow" in two lines. */
static void put_attack(struct assay__buf *b,
                       const struct assay__study_attack *a, const char *metric)
{
    assay__html(b, "<th scope=\"row\">%s<span class=\"sub\">%s", a->title,
                assay__study_metric(metric));
    if (*a->access)
        assay__html(b, ", %s, %s", a->access, a->auxiliary);
    assay__buf_puts(b, "</span></th>");
}

static void put_mean_row(const struct assay__study_view *view,
                         const char *dataset,
                         const struct assay__study_attack *a,
                         const char *metric, struct assay__buf *b)
{
    assay__buf_puts(b, "<tr>");
    put_attack(b, a, metric);
    for (size_t i = 0; i < view->n_architectures; i++) {
        struct assay__study_place at = {dataset, view->architecture[i],
                                        view->plain};
        struct assay__moments m =
            assay__study_moments(view, &at, a->name, metric);

        put_moments(b, &m, metric);
    }
    assay__buf_puts(b, "</tr>\n");
}

void assay__study_means(const struct assay__study_view *view,
                        struct assay__buf *b)
{
    if (!*view->plain) {
        put_empty(b, "No cell is without a defence.");
        return;
    }
    assay__buf_puts(b, "<p>Models without defence. Mean over seeds, \xc2\xb1 "
                       "its deviation; below it the interval of the mean. All "
                       "other metrics are in summary.csv.</p>\n");
    assay__part_table_begin(b, "means", "Means of all attacks");
    assay__buf_puts(b, "<thead><tr><th>Attack</th>");
    for (size_t i = 0; i < view->n_architectures; i++)
        assay__html(b, "<th>%s</th>", view->architecture[i]);
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t d = 0; d < view->n_datasets; d++) {
        assay__html(b,
                    "<tr class=\"dataset\"><th scope=\"rowgroup\" "
                    "colspan=\"%zu\">%s</th></tr>\n",
                    view->n_architectures + 1, view->dataset[d]);
        for (size_t i = 0; i < view->n_attacks; i++) {
            const struct assay__study_attack *a = &view->attack[i];

            if (!*a->headline)
                continue;
            put_mean_row(view, view->dataset[d], a, a->headline, b);
            if (strcmp(a->name, "target") == 0)
                put_mean_row(view, view->dataset[d], a, "gap", b);
        }
    }
    assay__part_table_end(b);
}

/* The row of "defenses" for that place, attack and metric. */
static const json_t *find_change(const struct assay__study_view *view,
                                 const struct assay__study_place *at,
                                 const char *attack, const char *metric)
{
    const json_t *rows = json_object_get(view->doc, "defenses");

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (strcmp(assay__field_text(row, "dataset"), at->dataset) == 0 &&
            strcmp(assay__field_text(row, "architecture"), at->architecture) ==
                0 &&
            strcmp(assay__field_text(row, "defense"), at->defense) == 0 &&
            strcmp(assay__field_text(row, "attack"), attack) == 0 &&
            strcmp(assay__field_text(row, "metric"), metric) == 0)
            return row;
    }
    return NULL;
}

static void put_change(const struct assay__study_view *view,
                       const struct assay__study_place *at,
                       const struct assay__study_attack *a, const char *metric,
                       struct assay__buf *b)
{
    const json_t *row = find_change(view, at, a->name, metric);
    struct assay__moments after =
        assay__moments_of(json_object_get(row, "after"));
    struct assay__moments change =
        assay__moments_of(json_object_get(row, "difference"));
    const char *sign = change.mean > 0 ? "+" : "";

    assay__html(b, "<td><span class=\"value\">%s</span>",
                assay__moments_text(&after, metric).s);
    if (!isnan(change.mean))
        assay__html(b, "<span class=\"interval\">%s%s", sign,
                    assay__number_fixed(change.mean, 3).s);
    if (!isnan(change.interval.low))
        assay__html(
            b, " (%s)",
            assay__number_interval(&change.interval, ASSAY__NUMBER_FRACTION).s);
    assay__buf_puts(b, isnan(change.mean) ? "</td>" : "</span></td>");
}

/* Whether a defence, any for "", was tried there. */
static bool is_defended(const struct assay__study_view *view,
                        const char *dataset, const char *architecture,
                        const char *defense)
{
    const json_t *rows = json_object_get(view->doc, "defenses");

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (strcmp(assay__field_text(row, "dataset"), dataset) == 0 &&
            strcmp(assay__field_text(row, "architecture"), architecture) == 0 &&
            (!*defense ||
             strcmp(assay__field_text(row, "defense"), defense) == 0))
            return true;
    }
    return false;
}

static void put_defense_row(const struct assay__study_view *view,
                            struct assay__study_place at,
                            const struct assay__study_attack *a,
                            const char *metric, struct assay__buf *b)
{
    struct assay__moments before;

    at.defense = view->plain;
    before = assay__study_moments(view, &at, a->name, metric);
    assay__buf_puts(b, "<tr>");
    put_attack(b, a, metric);
    assay__html(b, "<td><span class=\"value\">%s</span></td>",
                assay__moments_text(&before, metric).s);
    for (size_t k = 0; k < view->n_defenses; k++) {
        at.defense = view->defense[k];
        if (is_defended(view, at.dataset, at.architecture, at.defense))
            put_change(view, &at, a, metric, b);
    }
    assay__buf_puts(b, "</tr>\n");
}

static void put_defense_table(const struct assay__study_view *view,
                              const char *dataset, const char *architecture,
                              struct assay__buf *b)
{
    struct assay__study_place at = {dataset, architecture, ""};

    assay__html(b, "<h3>%s, %s</h3>\n", dataset, architecture);
    assay__part_table_begin(b, "means", "Attacks under each defence");
    assay__html(b, "<thead><tr><th>Attack</th><th>%s</th>", view->plain);
    for (size_t k = 0; k < view->n_defenses; k++)
        if (is_defended(view, dataset, architecture, view->defense[k]))
            assay__html(b, "<th>%s</th>", view->defense[k]);
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__study_attack *a = &view->attack[i];

        if (!*a->headline)
            continue;
        put_defense_row(view, at, a, a->headline, b);
        if (strcmp(a->name, "target") == 0)
            put_defense_row(view, at, a, "gap", b);
    }
    assay__part_table_end(b);
}

void assay__study_defenses(const struct assay__study_view *view,
                           struct assay__buf *b)
{
    if (!json_array_size(json_object_get(view->doc, "defenses"))) {
        put_empty(b, "The study has no cells with and without a defence.");
        return;
    }
    assay__buf_puts(b, "<p>Mean \xc2\xb1 deviation over seeds; below it the "
                       "change against the undefended model, seed by seed, "
                       "with its interval.</p>\n");
    for (size_t d = 0; d < view->n_datasets; d++)
        for (size_t i = 0; i < view->n_architectures; i++)
            if (is_defended(view, view->dataset[d], view->architecture[i], ""))
                put_defense_table(view, view->dataset[d], view->architecture[i],
                                  b);
}

/* Mean seconds of a place's cells that were done in one go; how many. */
static size_t seconds_of(const struct assay__study_view *view,
                         const struct assay__study_place *at, double *mean)
{
    const json_t *cells = json_object_get(view->doc, "cells");
    const json_t *times = json_object_get(view->timings, "cells");
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        const json_t *time =
            json_object_get(times, assay__field_text(cell, "name"));
        double seconds = assay__field_number(time, "seconds");

        if (strcmp(assay__field_text(cell, "dataset"), at->dataset) != 0 ||
            strcmp(assay__field_text(cell, "architecture"), at->architecture) !=
                0 ||
            strcmp(assay__field_text(cell, "defense"), at->defense) != 0 ||
            assay__field_true(cell, "sweep") || isnan(seconds) ||
            assay__field_number(time, "starts") > 1)
            continue;
        sum += seconds;
        n++;
    }
    *mean = n ? sum / (double)n : ASSAY__MISSING;
    return n;
}

static void put_seconds(struct assay__buf *b, double seconds)
{
    if (isnan(seconds) || seconds < 100)
        assay__html(b, "<td>%s%s</td>", assay__number_fixed(seconds, 1).s,
                    isnan(seconds) ? "" : " s");
    else
        assay__html(b, "<td>%s min</td>",
                    assay__number_fixed(seconds / 60, 1).s);
}

void assay__study_cost(const struct assay__study_view *view,
                       struct assay__buf *b)
{
    if (!view->timings) {
        put_empty(b, "No times are known.");
        return;
    }
    assay__buf_puts(b, "<p>Time per cell, all attacks included; cells that "
                       "were interrupted or found parts of their work done "
                       "are left out. Unlike all else here, times differ from "
                       "run to run.</p>\n");
    assay__part_table_begin(b, "means", "Time per cell");
    assay__buf_puts(b, "<thead><tr><th>Data, architecture</th>");
    for (size_t k = 0; k < view->n_defenses; k++)
        assay__html(b, "<th>%s</th>", view->defense[k]);
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t d = 0; d < view->n_datasets; d++)
        for (size_t i = 0; i < view->n_architectures; i++) {
            assay__html(b, "<tr><th scope=\"row\">%s, %s</th>",
                        view->dataset[d], view->architecture[i]);
            for (size_t k = 0; k < view->n_defenses; k++) {
                struct assay__study_place at = {
                    view->dataset[d], view->architecture[i], view->defense[k]};
                double mean;

                (void)seconds_of(view, &at, &mean);
                put_seconds(b, mean);
            }
            assay__buf_puts(b, "</tr>\n");
        }
    assay__part_table_end(b);
}

/* Cells in which an attack did not run for the same reason; 0 when an
 * earlier cell has told of it. */
static size_t count_alike(const json_t *cells, size_t from,
                          const json_t *attack)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *list =
            json_object_get(json_array_get(cells, i), "attacks");

        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *a = json_array_get(list, k);

            if (assay__field_true(a, "ran") ||
                strcmp(assay__field_text(a, "name"),
                       assay__field_text(attack, "name")) != 0 ||
                strcmp(assay__field_text(a, "why"),
                       assay__field_text(attack, "why")) != 0)
                continue;
            if (i < from)
                return 0;
            n++;
        }
    }
    return n;
}

static size_t put_not_run(const json_t *cells, size_t i, struct assay__buf *b)
{
    const json_t *list = json_object_get(json_array_get(cells, i), "attacks");
    size_t n = 0;

    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *a = json_array_get(list, k);
        size_t alike =
            assay__field_true(a, "ran") ? 0 : count_alike(cells, i, a);

        if (!alike)
            continue;
        assay__html(b, "<li><b>%s</b> did not run in %zu cells: %s</li>\n",
                    assay__field_text(a, "title"), alike,
                    assay__field_text(a, "why"));
        n++;
    }
    return n;
}

void assay__study_missing(const struct assay__study_view *view,
                          struct assay__buf *b)
{
    const json_t *cells = json_object_get(view->doc, "cells");
    size_t n = 0;

    assay__buf_puts(b, "<ul class=\"limits\">\n");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);

        if (strcmp(assay__field_text(cell, "status"), "done") == 0) {
            n += put_not_run(cells, i, b);
            continue;
        }
        assay__html(b, "<li>Cell <code>%s</code> has no findings: %s</li>\n",
                    assay__field_text(cell, "name"),
                    assay__field_text(cell, "why"));
        n++;
    }
    if (!n)
        assay__buf_puts(b, "<li>Nothing: every attack ran in every "
                           "cell.</li>\n");
    assay__buf_puts(b, "</ul>\n");
}
