/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a study's page, its sections in order, what it is, and how
 * its numbers are made. */

#include <string.h>

#include "report/html.h"
#include "report/page.h"
#include "report/parts.h"
#include "report/study_view.h"

static const struct section {
    const char *id;
    const char *title;
    void (*write)(const struct assay__study_view *view, struct assay__buf *b);
} sections[] = {
    {"overview", "What was studied", assay__study_overview},
    {"attacks", "Attacks by architecture", assay__study_bars},
    {"overfitting", "Overfitting and attacks", assay__study_overfitting},
    {"pairs", "Attack against attack", assay__study_pairs},
    {"epochs", "Epochs and attacks", assay__study_epochs},
    {"complexity", "Accuracy of the model and attacks",
     assay__study_complexity},
    {"defenses", "Defences", assay__study_defenses},
    {"means", "All means", assay__study_means},
    {"cost", "Cost", assay__study_cost},
    {"missing", "What is missing", assay__study_missing},
    {"method", "How the numbers are made", assay__study_method},
};
enum { N_SECTIONS = sizeof sections / sizeof *sections };

static size_t count_done(const struct assay__study_view *view)
{
    const json_t *cells = json_object_get(view->doc, "cells");
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(cells); i++)
        n += strcmp(assay__field_text(json_array_get(cells, i), "status"),
                    "done") == 0;
    return n;
}

static void put_masthead(const struct assay__study_view *view,
                         struct assay__buf *b)
{
    const json_t *tool = json_object_get(view->doc, "tool");

    assay__html(b,
                "<a class=\"skip\" href=\"#overview\">To the content</a>\n"
                "<header class=\"masthead\">\n"
                "<p class=\"brand\"><b>Assay</b> study</p>\n"
                "<h1>%s</h1>\n<p class=\"meta\">%zu of %zu cells "
                "<span>preset %s</span> <span>%s %s</span></p>\n</header>\n",
                assay__field_text(view->doc, "name"), count_done(view),
                json_array_size(json_object_get(view->doc, "cells")),
                assay__field_text(view->doc, "preset"),
                assay__field_text(tool, "name"),
                assay__field_text(tool, "version"));
}

static void put_contents(struct assay__buf *b)
{
    assay__buf_puts(b, "<nav class=\"contents\" aria-label=\"Contents\">\n"
                       "<ul>\n");
    for (size_t i = 0; i < N_SECTIONS; i++)
        assay__html(b, "<li><a href=\"#%s\">%s</a></li>\n", sections[i].id,
                    sections[i].title);
    assay__buf_puts(b, "</ul>\n</nav>\n");
}

void assay__study_page_write(const struct assay__study_view *view,
                             struct assay__buf *b)
{
    const char *const css[] = {(const char *)assay__style_css,
                               (const char *)assay__study_css, NULL};

    assay__page_head(b, json_object_get(view->doc, "tool"),
                     assay__field_text(view->doc, "name"), css);
    put_masthead(view, b);
    assay__buf_puts(b, "<div class=\"page\">\n");
    put_contents(b);
    assay__buf_puts(b, "<main>\n");
    for (size_t i = 0; i < N_SECTIONS; i++) {
        assay__html(b,
                    "<section id=\"%s\" aria-labelledby=\"%s-title\">\n"
                    "<h2 id=\"%s-title\">%s</h2>\n",
                    sections[i].id, sections[i].id, sections[i].id,
                    sections[i].title);
        sections[i].write(view, b);
        assay__buf_puts(b, "</section>\n");
    }
    assay__buf_puts(b, "</main>\n</div>\n<footer>All numbers of this page are "
                       "in study.json and the CSV files beside it, those of a "
                       "cell in its own folder. Missing numbers are dashes, "
                       "never zeros.</footer>\n</body>\n</html>\n");
}

static void put_list(struct assay__buf *b, const char *name, const char **list,
                     size_t n)
{
    assay__html(b, "<div><dt>%s</dt><dd>", name);
    for (size_t i = 0; i < n; i++)
        assay__html(b, "%s%s", i ? ", " : "", list[i]);
    assay__buf_puts(b, "</dd></div>\n");
}

static void put_seeds(const struct assay__study_view *view,
                      struct assay__buf *b)
{
    const json_t *seeds =
        json_object_get(json_object_get(view->doc, "grid"), "seeds");

    assay__buf_puts(b, "<div><dt>Seeds</dt><dd>");
    assay__part_value(b, seeds);
    assay__buf_puts(b, "</dd></div>\n");
}

/* Facts of a dataset, from the first cell that has any. */
static const json_t *data_of(const struct assay__study_view *view,
                             const char *dataset, const json_t **cell)
{
    const json_t *cells = json_object_get(view->doc, "cells");

    for (size_t i = 0; i < json_array_size(cells); i++) {
        *cell = json_array_get(cells, i);
        if (strcmp(assay__field_text(*cell, "dataset"), dataset) == 0 &&
            json_is_object(json_object_get(*cell, "data")))
            return json_object_get(*cell, "data");
    }
    return NULL;
}

static void put_dataset(const struct assay__study_view *view,
                        const char *dataset, struct assay__buf *b)
{
    const json_t *cell = NULL;
    const json_t *data = data_of(view, dataset, &cell);

    assay__html(b, "<tr><th scope=\"row\">%s</th><td>%s</td>", dataset,
                assay__field_text(data, "name"));
    assay__html(b, "<td>%s</td>",
                assay__number_count(assay__field_number(data, "records")).s);
    assay__html(
        b, "<td>%s</td>",
        assay__number_count(assay__field_number(data, "per_quarter")).s);
    assay__html(b, "<td>%s</td><td>",
                assay__number_count(assay__field_number(data, "classes")).s);
    if (data)
        assay__part_value(b, json_object_get(cell, "input"));
    assay__buf_puts(b, "</td></tr>\n");
}

void assay__study_overview(const struct assay__study_view *view,
                           struct assay__buf *b)
{
    const char *goal[16];
    size_t n = assay__study_goals(view, goal, 16);

    assay__buf_puts(b, "<dl class=\"facts\">\n");
    put_list(b, "Architectures", view->architecture, view->n_architectures);
    put_list(b, "Defences", view->defense, view->n_defenses);
    put_list(b, "Goals of the attacks", goal, n);
    put_seeds(view, b);
    assay__buf_puts(b, "</dl>\n<h3>Data</h3>\n");
    assay__part_table_begin(b, "means", "Data of the study");
    assay__buf_puts(b, "<thead><tr><th>Name</th><th>Kind</th><th>Records</th>"
                       "<th>In each quarter</th><th>Classes</th>"
                       "<th>Input of the models</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < view->n_datasets; i++)
        put_dataset(view, view->dataset[i], b);
    assay__part_table_end(b);
}

void assay__study_method(const struct assay__study_view *view,
                         struct assay__buf *b)
{
    (void)view;
    assay__buf_puts(
        b,
        "<ul class=\"limits\">\n"
        "<li>Every cell is an audit of its own, with its own split, models "
        "and report, under <code>cells/</code>. The numbers here are read "
        "from there.</li>\n"
        "<li>A mean is taken over seeds: each draws another split and trains "
        "other models. The deviation is that of the sample. The interval of a "
        "mean is Student's, and wide for few seeds. Bars in figures reach one "
        "deviation to each side; with one seed there are none.</li>\n"
        "<li>Correlations are over pairs of dataset and architecture without "
        "defence, each counted once with its mean over seeds. Pearson's "
        "interval is Fisher's, Spearman's that of Bonett and Wright; beside "
        "each stands a percentile interval of 2,000 bootstrap draws of pairs. "
        "Fewer than 4 pairs give no correlation.</li>\n"
        "<li>Pairs of one dataset are not independent of each other: with few "
        "datasets all of these intervals are too narrow for what they would "
        "say of another dataset.</li>\n"
        "<li>The effect of a defence is taken seed by seed, after minus "
        "before, so that what a seed does to both falls out.</li>\n"
        "<li>Intervals hold one by one. Among many pairs some reach beyond 0 "
        "by chance.</li>\n</ul>\n");
}
