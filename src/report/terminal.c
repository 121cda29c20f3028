/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The summary for a terminal: built in memory, then written in one go, so
 * that a closed pipe is one error. Lines are filled to the width. The tables
 * are terminal_table.c's.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "assay/report.h"
#include "core/fs.h"
#include "core/mem.h"
#include "report/number.h"
#include "report/sheet.h"
#include "report/terminal_table.h"
#include "report/terminal_trust.h"
#include "report/view.h"

enum { MIN_WIDTH = 40 };

static void put_verdict(struct assay__sheet *s, const struct assay__view *view)
{
    static const struct {
        const char *level;
        const char *word;
        enum assay__style style;
    } levels[] = {{"pass", "PASSED", ASSAY__STYLE_GREEN},
                  {"warning", "WARNING", ASSAY__STYLE_YELLOW},
                  {"fail", "FAILED", ASSAY__STYLE_RED},
                  {"inconclusive", "INCONCLUSIVE", ASSAY__STYLE_YELLOW}};
    const json_t *verdict = json_object_get(view->doc, "verdict");
    const json_t *reasons = json_object_get(verdict, "reasons");
    const char *level = assay__field_text(verdict, "level");

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(level, levels[i].level) != 0)
            continue;
        assay__sheet_style(s, levels[i].style);
        assay__sheet_put(s, levels[i].word);
        assay__sheet_style(s, ASSAY__STYLE_PLAIN);
        assay__sheet_put(s, "  ");
    }
    assay__sheet_style(s, ASSAY__STYLE_BOLD);
    assay__sheet_fill(s, assay__field_text(verdict, "headline"), s->column);
    assay__sheet_style(s, ASSAY__STYLE_PLAIN);
    assay__sheet_line_end(s);
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        assay__sheet_put(s, "  - ");
        assay__sheet_fill(s, json_string_value(json_array_get(reasons, i)), 4);
        assay__sheet_line_end(s);
    }
}

static void put_defense(struct assay__sheet *s, const struct assay__view *view)
{
    const json_t *defense = json_object_get(view->doc, "defense");
    const char *title = assay__field_text(defense, "title");

    if (!json_is_object(defense))
        return;
    assay__sheet_put(s, "Defence ");
    assay__sheet_fill(s, *title ? title : assay__field_text(defense, "name"),
                      8);
    assay__sheet_line_end(s);
}

static void put_subject(struct assay__sheet *s, const struct assay__view *view)
{
    const json_t *model = json_object_get(view->doc, "model");
    const json_t *data = json_object_get(view->doc, "data");
    double test = assay__field_estimate(model, "test_accuracy").value;
    double gap = assay__field_estimate(model, "gap").value;

    assay__sheet_put(s, "Model   ");
    assay__sheet_fill(s, assay__field_text(model, "name"), 8);
    if (*assay__field_text(model, "arch"))
        assay__sheet_aside(s, assay__field_text(model, "arch"), 8);
    assay__sheet_fill(s, "on", 8);
    assay__sheet_fill(s, assay__field_text(data, "name"), 8);
    assay__sheet_line_end(s);
    if (isnan(test))
        return;
    assay__sheet_put(s, "        accuracy ");
    assay__sheet_put(s, assay__number_percent(test).s);
    if (!isnan(gap)) {
        assay__sheet_put(s, ", gap ");
        assay__sheet_put(s, assay__number_fixed(gap * 100, 1).s);
        assay__sheet_put(s, " points");
    }
    assay__sheet_line_end(s);
}

static void put_worst(struct assay__sheet *s, const struct assay__view *view)
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
    assay__sheet_line_end(s);
    assay__sheet_style(s, ASSAY__STYLE_BOLD);
    assay__sheet_put(s, "Worst   ");
    assay__sheet_style(s, ASSAY__STYLE_PLAIN);
    assay__sheet_fill(s, best->title, 8);
    assay__sheet_fill(s, "finds", 8);
    assay__sheet_fill(s, assay__number_percent(tpr).s, 8);
    assay__sheet_fill(s, "of the members while wrongly naming at most", 8);
    assay__sheet_fill(s, assay__number_rate(fpr).s, 8);
    assay__sheet_fill(s, "of the others:", 8);
    assay__sheet_fill(s, assay__number_fixed(tpr / fpr, 1).s, 8);
    assay__sheet_fill(s,
                      sure <= fpr ? "times guessing, which may be chance."
                                  : "times guessing.",
                      8);
    assay__sheet_line_end(s);
}

static void put_advice(struct assay__sheet *s, const struct assay__view *view)
{
    const json_t *list = json_object_get(view->doc, "advice");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);
        const char *id =
            assay__field_text(json_object_get(a, "mitigation"), "id");

        assay__sheet_style(s, ASSAY__STYLE_BOLD);
        assay__sheet_put(s, i ? "        " : "Do      ");
        assay__sheet_style(s, ASSAY__STYLE_PLAIN);
        assay__sheet_fill(s, assay__field_text(a, "title"), 8);
        if (*id)
            assay__sheet_aside(s, id, 8);
        assay__sheet_line_end(s);
    }
}

static int put_report_path(struct assay__sheet *s,
                           const struct assay__view *view,
                           struct assay_error *err)
{
    char *path = assay__path_join(view->run_dir, "report.html");

    if (!path)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    if (assay__exists(path)) {
        assay__sheet_style(s, ASSAY__STYLE_BOLD);
        assay__sheet_put(s, "Report  ");
        assay__sheet_style(s, ASSAY__STYLE_PLAIN);
        assay__sheet_put(s, path);
        assay__sheet_line_end(s);
    }
    assay__free(path);
    return ASSAY_OK;
}

int assay_report_terminal(const char *run_dir, FILE *out, int color, int width,
                          struct assay_error *err)
{
    struct assay__view view = {.run_dir = run_dir};
    struct assay__sheet s = {.b = ASSAY__BUF_INIT, .color = color != 0};
    int code;

    s.width = width <= 0 ? 80 : (size_t)width;
    if (s.width < MIN_WIDTH)
        s.width = MIN_WIDTH;
    code = assay__view_open(&view, run_dir, err);
    if (code != ASSAY_OK)
        goto out;
    put_verdict(&s, &view);
    assay__sheet_line_end(&s);
    put_subject(&s, &view);
    put_defense(&s, &view);
    assay__sheet_line_end(&s);
    assay__terminal_tables(&s, &view);
    assay__terminal_trust(&s, &view);
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
