/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model inversion: pictures that were made to look like a class, beside
 * true members of it, and what an independent classifier makes of them.
 */

#include <math.h>
#include <stdio.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/picture.h"
#include "report/sections.h"
#include "report/table.h"

enum {
    MAX_CLASSES = 24,
    MAX_COLUMNS = 6,
    MAX_PICTURES = 4, /* of a cell */
    MAX_BYTES = 8 << 20
};

static void read_success(const struct assay__view *view,
                         const struct assay__attack_view *a,
                         const struct assay__column *c,
                         struct assay__cell *cell)
{
    double excess = assay__field_estimate(a->json, "excess").value;

    (void)view;
    (void)c;
    cell->e = assay__field_estimate(a->json, "success");
    cell->guess = cell->e.value - excess;
    cell->base = assay__field_estimate(a->json, "baseline_success");
}

static void read_excess(const struct assay__view *view,
                        const struct assay__attack_view *a,
                        const struct assay__column *c, struct assay__cell *cell)
{
    (void)view;
    (void)c;
    cell->e = assay__field_estimate(a->json, "excess");
    cell->guess = 0;
}

static void read_gain(const struct assay__view *view,
                      const struct assay__attack_view *a,
                      const struct assay__column *c, struct assay__cell *cell)
{
    (void)view;
    (void)c;
    cell->e = assay__field_estimate(a->json, "gain");
    cell->guess = 0;
    cell->why = a->baseline ? "A baseline: the others are held against it."
                            : "No baseline ran to hold it against.";
}

static void read_nearest(const struct assay__view *view,
                         const struct assay__attack_view *a,
                         const struct assay__column *c,
                         struct assay__cell *cell)
{
    (void)view;
    (void)c;
    cell->e = assay__field_estimate(a->json, "nearest");
    cell->base = assay__field_estimate(a->json, "nearest_nonmember");
}

static void read_mse(const struct assay__view *view,
                     const struct assay__attack_view *a,
                     const struct assay__column *c, struct assay__cell *cell)
{
    (void)view;
    (void)c;
    cell->e = assay__field_estimate(a->json, "mse");
}

static const struct assay__column columns[] = {
    {.title = "Success",
     .sub = "taken for the class wanted",
     .kind = ASSAY__NUMBER_PERCENT,
     .read = read_success},
    {.title = "Beyond chance",
     .kind = ASSAY__NUMBER_PERCENT,
     .read = read_excess},
    {.title = "Gain over baseline",
     .sub = "success less the baseline's",
     .kind = ASSAY__NUMBER_PERCENT,
     .read = read_gain},
    {.title = "Nearest member",
     .sub = "dashed: nearest other record",
     .kind = ASSAY__NUMBER_PLAIN,
     .sense = ASSAY__COLUMN_LESS,
     .read = read_nearest},
    {.title = "MSE",
     .sub = "to the mean of the class",
     .kind = ASSAY__NUMBER_PLAIN,
     .sense = ASSAY__COLUMN_PLAIN,
     .read = read_mse},
};

static void put_count(struct assay__buf *b, const struct assay__attack_view *a)
{
    double n = assay__field_number(a->json, "n_pictures");

    if (!isnan(n))
        assay__html(b, "<span class=\"sub\">%s pictures</span>",
                    assay__number_count(n).s);
}

static void say_gain(struct assay__buf *b, const struct assay__view *view,
                     const struct assay__attack_view *a)
{
    struct assay_estimate base =
        assay__field_estimate(a->json, "baseline_success");
    struct assay_estimate gain = assay__field_estimate(a->json, "gain");
    const char *over = assay__field_text(a->json, "gain_over");

    if (isnan(base.value)) {
        assay__buf_puts(b, "No baseline ran beside it.");
        return;
    }
    assay__html(b, "%s, without this model, reaches %s: ",
                *over ? assay__part_attack_title(view, over) : "The baseline",
                assay__number_percent(base.value).s);
    if (gain.low > 0)
        assay__buf_puts(b, "<strong>the model shows what its classes look "
                           "like.</strong>");
    else
        assay__buf_puts(b, "that the model shows more is not shown.");
}

static void say_nearest(struct assay__buf *b,
                        const struct assay__attack_view *a)
{
    struct assay_estimate member = assay__field_estimate(a->json, "nearest");
    struct assay_estimate other =
        assay__field_estimate(a->json, "nearest_nonmember");

    if (isnan(member.value) || isnan(other.value))
        return;
    assay__html(b,
                " Its pictures are %s away from the nearest member of their "
                "class and %s from the nearest record that was not trained "
                "on",
                assay__number_plain(member.value).s,
                assay__number_plain(other.value).s);
    if (assay__view_standing(&member, &other) == ASSAY__STANDING_BELOW)
        assay__buf_puts(b, ": <strong>nearer to members, so single training "
                           "records may have been rebuilt.</strong>");
    else
        assay__buf_puts(b, ": that single "
                           "training records were rebuilt is not shown.");
}

void assay__say_inversion(const struct assay__view *view, struct assay__buf *b)
{
    const struct assay__attack_view *a =
        assay__view_best_by(view, ASSAY__GOAL_INVERSION, "success");
    struct assay_estimate judge;

    if (!a) {
        assay__buf_puts(b, "No inversion attack that can be relied on ran.");
        return;
    }
    judge = assay__field_estimate(a->json, "evaluator_accuracy");
    assay__html(
        b,
        "Of the pictures made by the attack that succeeds most (%s), "
        "an independent classifier takes <strong>%s</strong> for the "
        "class that was wanted",
        a->title,
        assay__number_percent(assay__field_estimate(a->json, "success").value)
            .s);
    if (!isnan(judge.value))
        assay__html(b, " (of true records it gets %s right)",
                    assay__number_percent(judge.value).s);
    assay__buf_puts(b, ". ");
    say_gain(b, view, a);
    say_nearest(b, a);
}

/* The grid's columns: attacks that have pictures. */
struct grid {
    const struct assay__attack_view *attack[MAX_COLUMNS];
    size_t n;
    size_t left; /* bytes of pictures */
};

static const json_t *classes_of(const struct assay__attack_view *a)
{
    return json_object_get(a->json, "classes");
}

static void find_columns(struct grid *grid, const struct assay__view *view)
{
    for (size_t i = 0; i < view->n_attacks && grid->n < MAX_COLUMNS; i++) {
        const struct assay__attack_view *a = &view->attacks[i];

        if (a->goal == ASSAY__GOAL_INVERSION && a->ran &&
            json_array_size(classes_of(a)))
            grid->attack[grid->n++] = a;
    }
}

/* An attack's entry for a class, or NULL. */
static const json_t *entry_of(const struct assay__attack_view *a, double index)
{
    const json_t *list = classes_of(a);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);

        if (assay__field_number(entry, "class") == index)
            return entry;
    }
    return NULL;
}

static void put_pictures(const struct assay__view *view, struct assay__buf *b,
                         struct grid *grid, const json_t *paths,
                         const char *what, const char *class_name)
{
    struct assay__buf alt = ASSAY__BUF_INIT;
    size_t n = json_array_size(paths);

    assay__buf_printf(&alt, "%s of class %s", what, class_name);
    assay__buf_puts(b, n ? "<div class=\"strip\">"
                         : "<span class=\"none\">none</span>");
    for (size_t i = 0; i < n && i < MAX_PICTURES; i++)
        assay__part_picture(view, b,
                            json_string_value(json_array_get(paths, i)),
                            alt.data, &grid->left);
    assay__buf_puts(b, n ? "</div>" : "");
    b->failed = b->failed || alt.failed;
    assay__buf_release(&alt);
}

static void put_made(const struct assay__view *view, struct assay__buf *b,
                     struct grid *grid, const struct assay__attack_view *a,
                     const json_t *entry, const char *class_name)
{
    struct assay_estimate success = assay__field_estimate(entry, "success");

    assay__html(b, "<td data-label=\"%s\">", a->title);
    put_pictures(view, b, grid, json_object_get(entry, "pictures"),
                 "Rebuilt picture", class_name);
    if (!isnan(success.value))
        assay__html(b, "<span class=\"sub\">%s taken for it</span>",
                    assay__number_percent(success.value).s);
    assay__buf_puts(b, "</td>\n");
}

static void put_row(const struct assay__view *view, struct assay__buf *b,
                    struct grid *grid, const json_t *first)
{
    double index = assay__field_number(first, "class");
    const char *name = assay__field_text(first, "name");
    const json_t *members = json_object_get(first, "members");

    assay__html(b, "<tr><th scope=\"row\">%s</th>\n",
                *name ? name : assay__number_count(index).s);
    for (size_t k = 0; k < grid->n; k++) {
        const json_t *entry = k ? entry_of(grid->attack[k], index) : first;

        if (!json_array_size(members))
            members = json_object_get(entry, "members");
        put_made(view, b, grid, grid->attack[k], entry, name);
    }
    assay__buf_puts(b, "<td data-label=\"True members\">");
    put_pictures(view, b, grid, members, "Training record", name);
    assay__buf_puts(b, "</td></tr>\n");
}

static void put_grid(const struct assay__view *view, struct assay__buf *b)
{
    struct grid grid = {.left = MAX_BYTES};
    const json_t *list;
    size_t n;

    find_columns(&grid, view);
    if (!grid.n)
        return;
    list = classes_of(grid.attack[0]);
    n = json_array_size(list);
    assay__buf_puts(b, "<h3>What was rebuilt</h3>\n<p>Classes from above to "
                       "below, attacks from left to right, true members last. "
                       "<strong>The last column shows training records: treat "
                       "this report as you would treat the data.</strong>"
                       "</p>\n");
    assay__part_table_begin(b, "stack rebuilt",
                            "Rebuilt pictures beside true members");
    assay__buf_puts(b, "<thead><tr><th scope=\"col\">Class</th>\n");
    for (size_t k = 0; k < grid.n; k++)
        assay__html(b, "<th scope=\"col\">%s</th>\n", grid.attack[k]->title);
    assay__buf_puts(b, "<th scope=\"col\">True members</th></tr></thead>\n"
                       "<tbody>\n");
    for (size_t i = 0; i < n && i < MAX_CLASSES; i++)
        put_row(view, b, &grid, json_array_get(list, i));
    assay__part_table_end(b);
    if (n > MAX_CLASSES)
        assay__html(b,
                    "<p class=\"small\">%zu more classes are in findings.json."
                    "</p>\n",
                    n - MAX_CLASSES);
}

void assay__section_inversion(const struct assay__view *view,
                              struct assay__buf *b)
{
    static const struct assay__table table = {
        .goal = ASSAY__GOAL_INVERSION,
        .class_name = "stack attacks five",
        .caption = "Inversion attacks, with 95 % intervals",
        .notes = "note-inversion",
        .columns = columns,
        .n_columns = sizeof columns / sizeof *columns,
        .sub = put_count,
        .with_baseline = true};

    assay__buf_puts(
        b, "<p>Can somebody who has the model make pictures of what it was "
           "trained on? Where a class is one person, a picture of the class is "
           "a picture of the person. Whether a picture shows its class is "
           "judged by a classifier that the attack never saw.</p>\n<p>");
    assay__say_inversion(view, b);
    assay__buf_puts(b, "</p>\n");
    assay__table_write(&table, view, b);
    assay__buf_puts(
        b, "<p class=\"small\">Distances to the nearest record are taken in "
           "the features of the independent classifier and mean something only "
           "beside each other: the dashed mark is the nearest record that was "
           "not trained on. MSE is taken in the model\xe2\x80\x99s "
           "normalised pixels, from a picture to the mean of its class: a low "
           "one says that pictures resemble an average, not that they "
           "resemble a record.</p>\n");
    put_grid(view, b);
    assay__buf_puts(
        b, "<h3>What helps</h3>\n"
           "<p>These attacks climb the model\xe2\x80\x99s own gradients: "
           "behind an interface they cannot be run as they are. In the "
           "measurements of Liu et al. (USENIX Security 2022) DP-SGD took 1 to "
           "17 points off the success of white-box inversion with a generator, "
           "about in step with the model\xe2\x80\x99s own accuracy, and left "
           "the MSE as it was; knowledge distillation helped on one of four "
           "sets of pictures (Fashion-MNIST) and not on the others.</p>\n");
    assay__table_descriptions(ASSAY__GOAL_INVERSION, view, b);
}
