/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of the terminal's summary. Columns that do not fit are left out in
 * the order of what a reader can spare; when that is not enough, names are
 * cut.
 */

#include "report/terminal_table.h"

#include <stdio.h>

#include "report/number.h"

enum { NAME_MAX_WIDTH = 36, MAX_COLUMNS = 7, MOST_SPARE = 4 };

struct column {
    const char *title;
    size_t width;
    int spare; /* left out first: the largest; 0: never */
    bool left; /* aligned */
    struct assay__text (*text)(const struct assay__attack_view *a,
                               const char *field);
    const char *field;
};

struct table {
    const char *key; /* of the marks before the names */
    struct column column[MAX_COLUMNS + 1];
    /* Beats its baseline. */
    bool (*above)(const struct assay__view *view,
                  const struct assay__attack_view *a);
};

static struct assay__text fraction(const struct assay__attack_view *a,
                                   const char *field)
{
    return assay__number_fixed(assay__field_estimate(a->json, field).value, 3);
}

static struct assay__text percent(const struct assay__attack_view *a,
                                  const char *field)
{
    return assay__number_percent(assay__field_estimate(a->json, field).value);
}

static struct assay__text plain(const struct assay__attack_view *a,
                                const char *field)
{
    return assay__number_plain(assay__field_estimate(a->json, field).value);
}

static struct assay__text count(const struct assay__attack_view *a,
                                const char *field)
{
    return assay__number_count(assay__field_number(a->json, field));
}

static struct assay__text fraction_range(const struct assay__attack_view *a,
                                         const char *field)
{
    struct assay_estimate e = assay__field_estimate(a->json, field);

    return assay__number_interval(&e, ASSAY__NUMBER_FRACTION);
}

static struct assay__text percent_range(const struct assay__attack_view *a,
                                        const char *field)
{
    struct assay_estimate e = assay__field_estimate(a->json, field);

    return assay__number_interval(&e, ASSAY__NUMBER_PERCENT);
}

static struct assay__text tpr_01(const struct assay__attack_view *a,
                                 const char *field)
{
    (void)field;
    return assay__number_percent(assay__view_rate(a, .01).tpr.value);
}

static struct assay__text tpr_001(const struct assay__attack_view *a,
                                  const char *field)
{
    (void)field;
    return assay__number_percent(assay__view_rate(a, .001).tpr.value);
}

static struct assay__text attacker(const struct assay__attack_view *a,
                                   const char *field)
{
    struct assay__text t;

    (void)field;
    snprintf(t.s, sizeof t.s, "%.30s/%.30s", a->access, a->auxiliary);
    return t;
}

static bool finds_members(const struct assay__view *view,
                          const struct assay__attack_view *a)
{
    return view->baseline &&
           assay__view_standing(&a->auc, &view->baseline->auc) ==
               ASSAY__STANDING_ABOVE;
}

static bool gains_attribute(const struct assay__view *view,
                            const struct assay__attack_view *a)
{
    (void)view;
    return assay__field_estimate(a->json, "advantage").low > 0;
}

static bool beats_scratch(const struct assay__view *view,
                          const struct assay__attack_view *a)
{
    struct assay_estimate base =
        assay__field_estimate(a->json, "baseline_accuracy");

    (void)view;
    return assay__view_standing(&a->accuracy, &base) == ASSAY__STANDING_ABOVE;
}

static bool gains_pictures(const struct assay__view *view,
                           const struct assay__attack_view *a)
{
    (void)view;
    return assay__field_estimate(a->json, "gain").low > 0;
}

/* clang-format off */
static const struct table tables[ASSAY__N_GOALS] = {
    [ASSAY__GOAL_MEMBERSHIP] = {
        "= baseline, * AUC above the baseline's interval",
        {{"AUC", 5, 0, false, fraction, "auc"},
         {"95 % interval", 13, 2, false, fraction_range, "auc"},
         {"accuracy", 8, 3, false, percent, "accuracy"},
         {"TPR@1%", 7, 1, false, tpr_01, ""},
         {"TPR@0.1%", 8, 0, false, tpr_001, ""},
         {"attacker", 18, 4, true, attacker, ""}},
        finds_members},
    [ASSAY__GOAL_ATTRIBUTE] = {
        "= imputation without the model, * gains over the best of it",
        {{"accuracy", 8, 0, false, percent, "accuracy"},
         {"95 % interval", 15, 2, false, percent_range, "accuracy"},
         {"F1", 5, 3, false, fraction, "f1"},
         {"gain", 8, 0, false, percent, "advantage"},
         {"its interval", 16, 1, false, percent_range, "advantage"},
         {"attacker", 18, 4, true, attacker, ""}},
        gains_attribute},
    [ASSAY__GOAL_STEALING] = {
        "= made without asking, * more accurate than that",
        {{"queries", 8, 2, false, count, "queries"},
         {"agreement", 9, 0, false, percent, "agreement"},
         {"95 % interval", 15, 3, false, percent_range, "agreement"},
         {"accuracy", 8, 0, false, percent, "accuracy"},
         {"unasked", 8, 1, false, percent, "baseline_accuracy"},
         {"attacker", 18, 4, true, attacker, ""}},
        beats_scratch},
    [ASSAY__GOAL_INVERSION] = {
        "= baseline, * succeeds more often than it",
        {{"success", 8, 0, false, percent, "success"},
         {"95 % interval", 15, 2, false, percent_range, "success"},
         {"gain", 8, 0, false, percent, "gain"},
         {"to member", 9, 1, false, plain, "nearest"},
         {"to other", 8, 1, false, plain, "nearest_nonmember"},
         {"MSE", 7, 3, false, plain, "mse"},
         {"attacker", 18, 4, true, attacker, ""}},
        gains_pictures},
    [ASSAY__GOAL_OTHER] = {
        NULL, {{"attacker", 18, 4, true, attacker, ""}}, NULL}};
/* clang-format on */

struct layout {
    const struct table *table;
    size_t name_width;
    bool shown[MAX_COLUMNS];
};

static size_t table_width(const struct layout *l)
{
    size_t width = 2 + l->name_width;

    for (size_t i = 0; l->table->column[i].title; i++)
        width += l->shown[i] ? 2 + l->table->column[i].width : 0;
    return width;
}

static struct layout choose_layout(const struct assay__view *view,
                                   enum assay__goal goal, size_t width)
{
    struct layout l = {.table = &tables[goal], .name_width = 6};

    for (size_t i = 0; i < MAX_COLUMNS; i++)
        l.shown[i] = true;
    /* Of all goals, so that their tables stand in line. */
    for (size_t i = 0; i < view->n_attacks; i++) {
        size_t name = assay__sheet_width(view->attacks[i].title);

        if (name > l.name_width)
            l.name_width = name < NAME_MAX_WIDTH ? name : NAME_MAX_WIDTH;
    }
    for (int spare = MOST_SPARE; spare > 0 && table_width(&l) > width; spare--)
        for (size_t i = 0; l.table->column[i].title; i++)
            if (l.table->column[i].spare == spare)
                l.shown[i] = false;
    if (table_width(&l) > width)
        l.name_width -= table_width(&l) - width;
    return l;
}

/* Right-aligned; the attacker's words left-aligned. */
static void put_cell(struct assay__sheet *s, const struct layout *l, size_t col,
                     const char *text)
{
    const struct column *c = &l->table->column[col];
    size_t size = assay__sheet_width(text);

    if (!l->shown[col])
        return;
    assay__sheet_put(s, "  ");
    if (!c->left && size < c->width)
        assay__sheet_go(s, s->column + c->width - size);
    assay__sheet_cut(s, text, c->width);
}

static void put_attack(struct assay__sheet *s, const struct layout *l,
                       const struct assay__view *view,
                       const struct assay__attack_view *a)
{
    bool above = l->table->above && !a->baseline && !a->discredited &&
                 l->table->above(view, a);

    if (a->baseline)
        assay__sheet_style(s, ASSAY__STYLE_DIM);
    else if (above)
        assay__sheet_style(s, ASSAY__STYLE_BOLD);
    assay__sheet_put(s, a->baseline ? "= " : above ? "* " : "  ");
    if (assay__sheet_width(a->title) > l->name_width) {
        assay__sheet_cut(s, a->title, l->name_width - 1);
        assay__sheet_put(s, "\xe2\x80\xa6");
    } else {
        assay__sheet_put(s, a->title);
    }
    assay__sheet_go(s, 2 + l->name_width);
    for (size_t i = 0; l->table->column[i].title; i++)
        put_cell(s, l, i,
                 l->table->column[i].text(a, l->table->column[i].field).s);
    assay__sheet_style(s, ASSAY__STYLE_PLAIN);
    assay__sheet_line_end(s);
}

static void put_head(struct assay__sheet *s, const struct layout *l)
{
    assay__sheet_style(s, ASSAY__STYLE_DIM);
    assay__sheet_put(s, "  attack");
    assay__sheet_go(s, 2 + l->name_width);
    for (size_t i = 0; l->table->column[i].title; i++)
        put_cell(s, l, i, l->table->column[i].title);
    assay__sheet_style(s, ASSAY__STYLE_PLAIN);
    assay__sheet_line_end(s);
}

static void put_key(struct assay__sheet *s, const char *key)
{
    assay__sheet_style(s, ASSAY__STYLE_DIM);
    assay__sheet_fill(s, key, 0);
    assay__sheet_style(s, ASSAY__STYLE_PLAIN);
    assay__sheet_line_end(s);
}

static void put_gone(struct assay__sheet *s, const struct assay__attack_view *a)
{
    assay__sheet_put(s, "not run: ");
    assay__sheet_fill(s, a->title, 9);
    assay__sheet_put(s, ":");
    assay__sheet_fill(s, *a->why ? a->why : "no reason was recorded", 9);
    assay__sheet_line_end(s);
}

static void put_table(struct assay__sheet *s, const struct assay__view *view,
                      enum assay__goal goal)
{
    struct layout l = choose_layout(view, goal, s->width);
    bool baseline = false;
    size_t n = 0;

    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];

        if (a->goal != goal || !a->ran)
            continue;
        if (!n++)
            put_head(s, &l);
        put_attack(s, &l, view, a);
        baseline = baseline || a->baseline;
    }
    if (baseline && l.table->key)
        put_key(s, l.table->key);
    for (size_t i = 0; i < view->n_attacks; i++)
        if (view->attacks[i].goal == goal && !view->attacks[i].ran)
            put_gone(s, &view->attacks[i]);
}

/* The attribute that the goal's attacks are about, or "". */
static const char *attribute_of(const struct assay__view *view,
                                enum assay__goal goal)
{
    for (size_t i = 0; i < view->n_attacks; i++) {
        const char *name =
            assay__field_text(view->attacks[i].json, "attribute");

        if (view->attacks[i].goal == goal && *name)
            return name;
    }
    return "";
}

void assay__terminal_tables(struct assay__sheet *s,
                            const struct assay__view *view)
{
    bool several = view->n_attacks != view->n_of[ASSAY__GOAL_MEMBERSHIP];
    bool first = true;

    for (int i = 0; i < ASSAY__N_GOALS; i++) {
        enum assay__goal goal = (enum assay__goal)i;
        const char *attribute = attribute_of(view, goal);

        if (!view->n_of[goal])
            continue;
        if (!first)
            assay__sheet_line_end(s);
        first = false;
        if (several) {
            assay__sheet_style(s, ASSAY__STYLE_BOLD);
            assay__sheet_fill(s, assay__goal_title(goal), 0);
            if (*attribute)
                assay__sheet_aside(s, attribute, 0);
            assay__sheet_style(s, ASSAY__STYLE_PLAIN);
            assay__sheet_line_end(s);
        }
        put_table(s, view, goal);
    }
}
