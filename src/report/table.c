/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes over the attacks: one finds each column's scale and its best
 * value, the other writes.
 */

#include "report/table.h"

#include <math.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/plot.h"

/* What the first pass finds. */
struct scale {
    double low;
    double high;
    double best;
};

struct assay__cell assay__cell_empty(void)
{
    static const struct assay_estimate none = {ASSAY__MISSING, ASSAY__MISSING,
                                               ASSAY__MISSING, 0};
    struct assay__cell cell = {none, none, ASSAY__MISSING, NULL};

    return cell;
}

static struct assay__cell read_cell(const struct assay__column *c,
                                    const struct assay__view *view,
                                    const struct assay__attack_view *a)
{
    struct assay__cell cell = assay__cell_empty();

    c->read(view, a, c, &cell);
    return cell;
}

static double better(const struct assay__column *c, double x, double y)
{
    if (c->sense == ASSAY__COLUMN_PLAIN)
        return ASSAY__MISSING;
    return c->sense == ASSAY__COLUMN_LESS ? fmin(x, y) : fmax(x, y);
}

static struct scale find_scale(const struct assay__table *t,
                               const struct assay__view *view,
                               const struct assay__column *c)
{
    struct assay__plot_axis axis = {.low = c->zero, .high = c->zero};
    struct scale scale = {.best = ASSAY__MISSING};

    axis.ticks = 4;
    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];
        struct assay__cell cell;

        if (a->goal != t->goal || !a->ran)
            continue;
        cell = read_cell(c, view, a);
        if (isnan(cell.e.value))
            continue;
        axis.low = fmin(fmin(axis.low, cell.e.low), cell.e.value);
        axis.low = fmin(fmin(axis.low, cell.base.value), cell.guess);
        axis.high = fmax(fmax(axis.high, cell.e.high), cell.e.value);
        axis.high = fmax(fmax(axis.high, cell.base.value), cell.guess);
        if (!a->discredited)
            scale.best = better(c, scale.best, cell.e.value);
    }
    axis = assay__plot_nice(axis);
    scale.low = axis.low;
    scale.high = axis.high;
    if (c->kind != ASSAY__NUMBER_PLAIN)
        scale.high = fmin(scale.high, 1);
    return scale;
}

/* The whole interval lies on the side that is a leak. */
static bool is_above(const struct assay__column *c,
                     const struct assay__cell *cell)
{
    const struct assay_estimate guess = {cell->guess, cell->guess, cell->guess,
                                         0};
    enum assay__standing to_guess = assay__view_standing(&cell->e, &guess);
    enum assay__standing to_base = assay__view_standing(&cell->e, &cell->base);
    bool any = to_guess != ASSAY__STANDING_UNKNOWN ||
               to_base != ASSAY__STANDING_UNKNOWN;

    if (c->sense == ASSAY__COLUMN_PLAIN)
        return false;
    if (c->sense == ASSAY__COLUMN_LESS)
        return to_base == ASSAY__STANDING_BELOW;
    return any && (isnan(cell->guess) || to_guess == ASSAY__STANDING_ABOVE) &&
           (isnan(cell->base.value) || to_base == ASSAY__STANDING_ABOVE);
}

static void put_number(struct assay__buf *b, struct assay__notes *notes,
                       const struct assay__column *c, const struct scale *scale,
                       const struct assay__attack_view *a,
                       const struct assay__cell *cell)
{
    bool above = !a->baseline && !a->discredited && is_above(c, cell);
    bool best = !a->discredited &&
                (c->sense == ASSAY__COLUMN_LESS ? cell->e.value <= scale->best
                                                : cell->e.value >= scale->best);

    assay__html(b, "<td class=\"number%s\" data-label=\"%s\">",
                best ? " best" : "", c->title);
    if (isnan(cell->e.value)) {
        assay__part_missing(b, notes, cell->why ? cell->why : "not measured");
    } else {
        assay__part_estimate(b, &cell->e, c->kind);
        assay__plot_interval(b, &cell->e, scale->low, scale->high,
                             cell->base.value, cell->guess,
                             a->baseline ? "baseline"
                             : above     ? "above"
                                         : "level");
        if (above)
            assay__buf_puts(b, c->sense == ASSAY__COLUMN_LESS
                                   ? "<span class=\"unseen\">, below what it "
                                     "is held against</span>"
                                   : "<span class=\"unseen\">, above the "
                                     "baseline and guessing</span>");
    }
    assay__buf_puts(b, "</td>\n");
}

static void put_name(const struct assay__table *t, struct assay__buf *b,
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
    assay__html(b, "<span class=\"sub\">%s \xc2\xb7 %s</span>", a->access,
                a->auxiliary);
    if (t->sub && a->ran)
        t->sub(b, a);
    assay__buf_puts(b, "</th>\n");
}

static void put_attack(const struct assay__table *t, struct assay__buf *b,
                       struct assay__notes *notes, const struct scale *scales,
                       const struct assay__view *view,
                       const struct assay__attack_view *a)
{
    put_name(t, b, a);
    for (size_t i = 0; a->ran && i < t->n_columns; i++) {
        struct assay__cell cell = read_cell(&t->columns[i], view, a);

        put_number(b, notes, &t->columns[i], &scales[i], a, &cell);
    }
    if (!a->ran)
        assay__html(b,
                    "<td colspan=\"%zu\" class=\"why\"><b>Not run:</b> %s</td>"
                    "\n",
                    t->n_columns, *a->why ? a->why : "no reason was recorded");
    assay__buf_puts(b, "</tr>\n");
}

/* A column without numbers has no scale. */
static void put_scale(struct assay__buf *b, const struct assay__column *c,
                      const struct scale *scale)
{
    bool percent = c->kind == ASSAY__NUMBER_PERCENT;

    if (isnan(scale->best) && c->sense != ASSAY__COLUMN_PLAIN)
        return;
    assay__html(b,
                "<span class=\"scale\"><span>%s</span><span>%s</span></span>",
                percent ? assay__number_rate(scale->low).s
                        : assay__number_plain(scale->low).s,
                percent ? assay__number_rate(scale->high).s
                        : assay__number_plain(scale->high).s);
}

static void put_head(const struct assay__table *t, struct assay__buf *b,
                     const struct scale *scales)
{
    assay__buf_puts(b, "<thead><tr><th scope=\"col\">Attack"
                       "<span class=\"sub\">access \xc2\xb7 other knowledge"
                       "</span></th>\n");
    for (size_t i = 0; i < t->n_columns; i++) {
        assay__html(b, "<th scope=\"col\">%s", t->columns[i].title);
        if (t->columns[i].sub)
            assay__html(b, "<span class=\"sub\">%s</span>", t->columns[i].sub);
        put_scale(b, &t->columns[i], &scales[i]);
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

void assay__table_write(const struct assay__table *t,
                        const struct assay__view *view, struct assay__buf *b)
{
    struct assay__notes notes = {.id = t->notes};
    struct scale scales[ASSAY__COLUMNS_MAX] = {{0, 0, ASSAY__MISSING}};

    for (size_t i = 0; i < t->n_columns; i++)
        scales[i] = find_scale(t, view, &t->columns[i]);
    put_key(b, t->with_baseline);
    assay__part_table_begin(b, t->class_name, t->caption);
    put_head(t, b, scales);
    for (size_t i = 0; i < view->n_attacks; i++)
        if (view->attacks[i].goal == t->goal)
            put_attack(t, b, &notes, scales, view, &view->attacks[i]);
    assay__part_table_end(b);
    assay__part_notes(b, &notes);
}

void assay__table_descriptions(enum assay__goal goal,
                               const struct assay__view *view,
                               struct assay__buf *b)
{
    assay__buf_puts(b, "<h3>What each attack does</h3>\n"
                       "<dl class=\"attacks-list\">\n");
    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];
        const json_t *params = json_object_get(a->json, "params");
        const char *scores = assay__field_text(a->json, "scores");

        if (a->goal != goal)
            continue;
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
