/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The summary for a terminal: built in memory, then written in one go, so
 * that a closed pipe is one error. Lines are filled to the width; columns
 * of the table that do not fit are left out from the right of a list
 * ordered by what a reader can spare.
 *
 * Widths are counted in characters, not bytes. Wide characters of a hostile
 * or foreign name may push a line over, never corrupt the terminal: control
 * characters are taken out where text enters.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "assay/report.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"
#include "report/html.h"
#include "report/number.h"
#include "report/view.h"

enum { MIN_WIDTH = 40, NAME_MAX_WIDTH = 36 };

enum style { PLAIN, BOLD, DIM, RED, YELLOW, GREEN, N_STYLES };

struct sheet {
    struct assay__buf b;
    size_t width;
    size_t column; /* of the cursor, from 0 */
    bool color;
};

static void set_style(struct sheet *s, enum style style)
{
    static const char *const codes[N_STYLES] = {"\x1b[0m",    "\x1b[1m",
                                                "\x1b[2m",    "\x1b[1;31m",
                                                "\x1b[1;33m", "\x1b[1;32m"};

    if (s->color)
        assay__buf_puts(&s->b, codes[style]);
}

/* Characters of `text` as they will be shown. */
static size_t shown_width(const char *text)
{
    size_t n = 0;

    for (const char *p = text; *p;) {
        size_t unsafe = assay__html_unsafe(p);

        if (((unsigned char)*p & 0xc0) != 0x80)
            n++;
        p += unsafe ? unsafe : 1;
    }
    return n;
}

/* At most `max` characters; unsafe ones become '?', a hard space a soft
 * one. */
static void put_cut(struct sheet *s, const char *text, size_t max)
{
    size_t n = 0;

    for (const char *p = text; *p;) {
        size_t unsafe = assay__html_unsafe(p);
        bool starts = ((unsigned char)*p & 0xc0) != 0x80;

        if (starts && n++ == max)
            break;
        if (unsafe || *p == '\n' || *p == '\t') {
            assay__buf_puts(&s->b, unsafe ? "?" : " ");
        } else if (memcmp(p, "\xc2\xa0", 2) == 0) {
            assay__buf_puts(&s->b, " ");
            p++;
        } else {
            assay__buf_add(&s->b, p, 1);
        }
        p += unsafe ? unsafe : 1;
    }
    s->column += n < max ? n : max;
}

static void put(struct sheet *s, const char *text)
{
    put_cut(s, text, (size_t)-1);
}

static void line_end(struct sheet *s)
{
    assay__buf_puts(&s->b, "\n");
    s->column = 0;
}

static void go_to(struct sheet *s, size_t column)
{
    while (s->column < column) {
        assay__buf_puts(&s->b, " ");
        s->column++;
    }
}

/* Words filled to the width, continued at `indent`. */
static void put_filled(struct sheet *s, const char *text, size_t indent)
{
    struct assay__buf word = ASSAY__BUF_INIT;

    while (*text) {
        size_t size = strcspn(text, " \n\t");

        word.size = 0;
        assay__buf_add(&word, text, size);
        text += size;
        text += strspn(text, " \n\t");
        if (word.failed || !size)
            continue;
        if (s->column > indent &&
            s->column + 1 + shown_width(word.data) > s->width) {
            line_end(s);
            go_to(s, indent);
        } else if (s->column > indent) {
            put(s, " ");
        }
        put(s, word.data);
    }
    s->b.failed = s->b.failed || word.failed;
    assay__buf_release(&word);
}

/* The same for one word in parentheses. */
static void put_aside(struct sheet *s, const char *word, size_t indent)
{
    struct assay__buf b = ASSAY__BUF_INIT;

    assay__buf_printf(&b, "(%s)", word);
    if (b.failed)
        s->b.failed = true;
    else
        put_filled(s, b.data, indent);
    assay__buf_release(&b);
}

static void put_verdict(struct sheet *s, const struct assay__view *view)
{
    static const struct {
        const char *level;
        const char *word;
        enum style style;
    } levels[] = {{"pass", "PASSED", GREEN},
                  {"warning", "WARNING", YELLOW},
                  {"fail", "FAILED", RED},
                  {"inconclusive", "INCONCLUSIVE", YELLOW}};
    const json_t *verdict = json_object_get(view->doc, "verdict");
    const json_t *reasons = json_object_get(verdict, "reasons");
    const char *level = assay__field_text(verdict, "level");

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(level, levels[i].level) != 0)
            continue;
        set_style(s, levels[i].style);
        put(s, levels[i].word);
        set_style(s, PLAIN);
        put(s, "  ");
    }
    set_style(s, BOLD);
    put_filled(s, assay__field_text(verdict, "headline"), s->column);
    set_style(s, PLAIN);
    line_end(s);
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        put(s, "  - ");
        put_filled(s, json_string_value(json_array_get(reasons, i)), 4);
        line_end(s);
    }
}

static void put_subject(struct sheet *s, const struct assay__view *view)
{
    const json_t *model = json_object_get(view->doc, "model");
    const json_t *data = json_object_get(view->doc, "data");
    double test = assay__field_estimate(model, "test_accuracy").value;
    double gap = assay__field_estimate(model, "gap").value;

    put(s, "Model   ");
    put_filled(s, assay__field_text(model, "name"), 8);
    if (*assay__field_text(model, "arch"))
        put_aside(s, assay__field_text(model, "arch"), 8);
    put_filled(s, "on", 8);
    put_filled(s, assay__field_text(data, "name"), 8);
    line_end(s);
    if (isnan(test))
        return;
    put(s, "        accuracy ");
    put(s, assay__number_percent(test).s);
    if (!isnan(gap)) {
        put(s, ", gap ");
        put(s, assay__number_fixed(gap * 100, 1).s);
        put(s, " points");
    }
    line_end(s);
}

/* The table's columns, from the left. */
enum {
    COL_AUC,
    COL_INTERVAL,
    COL_ACCURACY,
    COL_TPR1,
    COL_TPR01,
    COL_MODEL,
    N_COLS
};

static const struct {
    const char *title;
    size_t width;
    int spare; /* left out first: the largest */
} cols[N_COLS] = {{"AUC", 5, 0},      {"95 % interval", 13, 2},
                  {"accuracy", 8, 3}, {"TPR@1%", 7, 1},
                  {"TPR@0.1%", 8, 0}, {"attacker", 18, 4}};

struct layout {
    size_t name_width;
    bool shown[N_COLS];
};

static size_t table_width(const struct layout *l)
{
    size_t width = 2 + l->name_width;

    for (size_t i = 0; i < N_COLS; i++)
        width += l->shown[i] ? 2 + cols[i].width : 0;
    return width;
}

static struct layout choose_layout(const struct assay__view *view, size_t width)
{
    struct layout l = {.name_width = 6};

    for (size_t i = 0; i < N_COLS; i++)
        l.shown[i] = true;
    for (size_t i = 0; i < view->n_attacks; i++) {
        size_t name = shown_width(view->attacks[i].title);

        if (name > l.name_width)
            l.name_width = name < NAME_MAX_WIDTH ? name : NAME_MAX_WIDTH;
    }
    for (int spare = 4; spare > 0 && table_width(&l) > width; spare--)
        for (size_t i = 0; i < N_COLS; i++)
            if (cols[i].spare == spare)
                l.shown[i] = false;
    if (table_width(&l) > width)
        l.name_width -= table_width(&l) - width;
    return l;
}

/* Right-aligned; the attacker's words left-aligned. */
static void put_cell(struct sheet *s, const struct layout *l, size_t col,
                     const char *text)
{
    size_t size = shown_width(text);

    if (!l->shown[col])
        return;
    put(s, "  ");
    if (col != COL_MODEL && size < cols[col].width)
        go_to(s, s->column + cols[col].width - size);
    put_cut(s, text, cols[col].width);
}

static void put_attack(struct sheet *s, const struct layout *l,
                       const struct assay__view *view,
                       const struct assay__attack_view *a)
{
    double tpr1 = assay__view_rate(a, .01).tpr.value;
    double tpr01 = assay__view_rate(a, .001).tpr.value;
    struct assay__buf model = ASSAY__BUF_INIT;
    bool above = view->baseline && !a->discredited &&
                 assay__view_standing(&a->auc, &view->baseline->auc) ==
                     ASSAY__STANDING_ABOVE;

    if (a->baseline)
        set_style(s, DIM);
    else if (above)
        set_style(s, BOLD);
    put(s, a->baseline ? "= " : above ? "* " : "  ");
    if (shown_width(a->title) > l->name_width) {
        put_cut(s, a->title, l->name_width - 1);
        put(s, "\xe2\x80\xa6");
    } else {
        put(s, a->title);
    }
    go_to(s, 2 + l->name_width);
    put_cell(s, l, COL_AUC, assay__number_fixed(a->auc.value, 3).s);
    put_cell(s, l, COL_INTERVAL,
             assay__number_interval(&a->auc, ASSAY__NUMBER_FRACTION).s);
    put_cell(s, l, COL_ACCURACY, assay__number_percent(a->accuracy.value).s);
    put_cell(s, l, COL_TPR1, assay__number_percent(tpr1).s);
    put_cell(s, l, COL_TPR01, assay__number_percent(tpr01).s);
    assay__buf_printf(&model, "%s/%s", a->access, a->auxiliary);
    if (!model.failed)
        put_cell(s, l, COL_MODEL, model.data);
    s->b.failed = s->b.failed || model.failed;
    assay__buf_release(&model);
    set_style(s, PLAIN);
    line_end(s);
}

static void put_table(struct sheet *s, const struct assay__view *view)
{
    struct layout l = choose_layout(view, s->width);

    if (view->n_ran) {
        set_style(s, DIM);
        put(s, "  attack");
        go_to(s, 2 + l.name_width);
        for (size_t i = 0; i < N_COLS; i++)
            put_cell(s, &l, i, cols[i].title);
        set_style(s, PLAIN);
        line_end(s);
    }
    for (size_t i = 0; i < view->n_attacks; i++)
        if (view->attacks[i].ran)
            put_attack(s, &l, view, &view->attacks[i]);
    if (view->baseline) {
        set_style(s, DIM);
        put_filled(s, "= baseline, * AUC above the baseline's interval", 0);
        set_style(s, PLAIN);
        line_end(s);
    }
    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];

        if (a->ran)
            continue;
        put(s, "not run: ");
        put_filled(s, a->title, 9);
        put(s, ":");
        put_filled(s, *a->why ? a->why : "no reason was recorded", 9);
        line_end(s);
    }
}

static void put_worst(struct sheet *s, const struct assay__view *view)
{
    double fpr = assay__view_lowest_fpr(view);
    const struct assay__attack_view *best = assay__view_best_at(view, fpr);
    struct assay__rate rate;
    double tpr;
    double sure;

    if (!best)
        return;
    rate = assay__view_rate(best, fpr);
    tpr = rate.tpr.value;
    sure = isnan(rate.joint_low) ? rate.tpr.low : rate.joint_low;
    line_end(s);
    set_style(s, BOLD);
    put(s, "Worst   ");
    set_style(s, PLAIN);
    put_filled(s, best->title, 8);
    put_filled(s, "finds", 8);
    put_filled(s, assay__number_percent(tpr).s, 8);
    put_filled(s, "of the members while wrongly naming at most", 8);
    put_filled(s, assay__number_rate(fpr).s, 8);
    put_filled(s, "of the others:", 8);
    put_filled(s, assay__number_fixed(tpr / fpr, 1).s, 8);
    put_filled(s,
               sure <= fpr ? "times guessing, which may be chance."
                           : "times guessing.",
               8);
    line_end(s);
}

static void put_advice(struct sheet *s, const struct assay__view *view)
{
    const json_t *list = json_object_get(view->doc, "advice");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);
        const char *id =
            assay__field_text(json_object_get(a, "mitigation"), "id");

        set_style(s, BOLD);
        put(s, i ? "        " : "Do      ");
        set_style(s, PLAIN);
        put_filled(s, assay__field_text(a, "title"), 8);
        if (*id)
            put_aside(s, id, 8);
        line_end(s);
    }
}

static int put_report_path(struct sheet *s, const struct assay__view *view,
                           struct assay_error *err)
{
    char *path = assay__path_join(view->run_dir, "report.html");

    if (!path)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    if (assay__exists(path)) {
        set_style(s, BOLD);
        put(s, "Report  ");
        set_style(s, PLAIN);
        put(s, path);
        line_end(s);
    }
    assay__free(path);
    return ASSAY_OK;
}

int assay_report_terminal(const char *run_dir, FILE *out, int color, int width,
                          struct assay_error *err)
{
    struct assay__view view = {.run_dir = run_dir};
    struct sheet s = {.b = ASSAY__BUF_INIT, .color = color != 0};
    int code;

    s.width = width <= 0 ? 80 : (size_t)width;
    if (s.width < MIN_WIDTH)
        s.width = MIN_WIDTH;
    code = assay__view_open(&view, run_dir, err);
    if (code != ASSAY_OK)
        goto out;
    put_verdict(&s, &view);
    line_end(&s);
    put_subject(&s, &view);
    line_end(&s);
    put_table(&s, &view);
    put_worst(&s, &view);
    put_advice(&s, &view);
    code = put_report_path(&s, &view, err);
    if (code == ASSAY_OK && s.b.failed)
        code = assay_error_set(err, ASSAY_NOMEM,
                               "no memory for the summary of %s", run_dir);
    if (code == ASSAY_OK &&
        (fwrite(s.b.data, 1, s.b.size, out) != s.b.size || fflush(out)))
        code = assay_error_set(err, ASSAY_IO, "summary: cannot write: %s",
                               strerror(errno));
out:
    assay__buf_release(&s.b);
    assay__view_release(&view);
    return code;
}
