/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal's lines on whether one can build on the model. */

#include "report/terminal_trust.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/number.h"

enum { NAME = 2, FACTS = 24 };

static bool ran(const json_t *row)
{
    return strcmp(assay__field_text(row, "status"), "ran") == 0;
}

static void put_name(struct assay__sheet *s, const char *mark,
                     const char *title)
{
    assay__sheet_put(s, mark);
    assay__sheet_cut(s, title, FACTS - NAME - 2);
    assay__sheet_put(s, "  ");
    assay__sheet_go(s, FACTS);
}

static void put_gone(struct assay__sheet *s, const json_t *row)
{
    const char *why = assay__field_text(row, "why");

    assay__sheet_put(s, "not run: ");
    assay__sheet_fill(s, assay__field_text(row, "title"), 9);
    assay__sheet_put(s, ":");
    assay__sheet_fill(s, *why ? why : "no reason was recorded", 9);
    assay__sheet_line_end(s);
}

/* A word and what must not be parted from it. */
static void put_word(struct assay__sheet *s, const char *word, const char *end)
{
    char text[160];

    snprintf(text, sizeof text, "%.120s%.30s", word, end);
    assay__sheet_fill(s, text, FACTS);
}

/* "name value" where there is one. */
static void put_fact(struct assay__sheet *s, const char *name,
                     struct assay__text value, bool there, const char *end)
{
    if (!there)
        return;
    assay__sheet_fill(s, name, FACTS);
    put_word(s, value.s, end);
}

static void put_alarms(struct assay__sheet *s, const json_t *d)
{
    struct assay_estimate e = assay__field_estimate(d, "false_alarms");
    double n = assay__field_number(d, "references");
    double p = assay__field_number(d, "reference_p");

    put_fact(s, "rank p", assay__number_fixed(p, 3), !isnan(p), "");
    put_fact(s, "among", assay__number_count(n), n > 0, "");
    assay__sheet_fill(s, n > 0 ? "clean," : "", FACTS);
    if (isnan(e.value)) {
        assay__sheet_fill(s, "false alarms not known:", FACTS);
        return;
    }
    put_fact(s, "false alarms", assay__number_percent(e.value), true, "");
    put_fact(s, "(95 %:", assay__number_interval(&e, ASSAY__NUMBER_PERCENT),
             true, "):");
}

static void put_model_detector(struct assay__sheet *s, const json_t *d)
{
    bool accuses = assay__field_true(d, "accuses");
    double threshold = assay__field_number(d, "threshold");
    double p = assay__field_number(d, "p_value");
    double target = assay__field_number(d, "target");
    const char *name = assay__field_text(d, "class_name");

    assay__sheet_style(s, accuses ? ASSAY__STYLE_BOLD : ASSAY__STYLE_PLAIN);
    put_name(s, accuses ? "* " : "  ", assay__field_text(d, "title"));
    assay__sheet_fill(s, "score", FACTS);
    assay__sheet_fill(s, assay__number_plain(assay__field_number(d, "score")).s,
                      FACTS);
    assay__sheet_put(s, ",");
    put_fact(s, "threshold", assay__number_plain(threshold), !isnan(threshold),
             ",");
    put_fact(s, "own p", assay__number_plain(p), !isnan(p), ",");
    put_alarms(s, d);
    assay__sheet_fill(s,
                      accuses                           ? "accuses"
                      : assay__field_null(d, "accuses") ? "cannot tell"
                                                        : "silent",
                      FACTS);
    if (assay__field_null(d, "accuses"))
        assay__sheet_fill(s, assay__field_text(d, "note"), FACTS);
    if (accuses && !isnan(target)) {
        put_fact(s, "class", assay__number_count(target), true, "");
        if (*name)
            assay__sheet_aside(s, name, FACTS);
    }
    assay__sheet_style(s, ASSAY__STYLE_PLAIN);
    assay__sheet_line_end(s);
}

static void put_record_detector(struct assay__sheet *s, const json_t *d)
{
    struct assay_estimate bad = assay__field_estimate(d, "accused");
    struct assay_estimate clean = assay__field_estimate(d, "false_alarms");

    put_name(s, "  ", assay__field_text(d, "title"));
    put_fact(s, "accuses", assay__number_percent(bad.value), true, "");
    put_fact(s, "of the records,", assay__number_percent(clean.value), true,
             "");
    assay__sheet_fill(s, "of clean ones", FACTS);
    assay__sheet_line_end(s);
}

static void put_detectors(struct assay__sheet *s, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *d = json_array_get(list, i);

        if (!ran(d))
            continue;
        if (strcmp(assay__field_text(d, "subject"), "model") == 0)
            put_model_detector(s, d);
        else
            put_record_detector(s, d);
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!ran(json_array_get(list, i)))
            put_gone(s, json_array_get(list, i));
}

/* "accuracy 76.0 % to 75.1 %," */
static void put_effect(struct assay__sheet *s, const char *what,
                       const json_t *before, const json_t *after,
                       const char *key, const char *end)
{
    double was = assay__field_estimate(before, key).value;
    double is = assay__field_estimate(after, key).value;

    if (isnan(was) && isnan(is))
        return;
    put_fact(s, what, assay__number_percent(was), true, "");
    put_fact(s, "to", assay__number_percent(is), true, end);
}

static void put_repairs(struct assay__sheet *s, const json_t *trust)
{
    const json_t *repairs = json_object_get(trust, "repairs");
    const json_t *before = json_object_get(repairs, "before");
    const json_t *rows = json_object_get(repairs, "rows");
    bool success = !isnan(assay__field_estimate(before, "success").value);

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const json_t *after = json_object_get(row, "after");

        if (!ran(row)) {
            put_gone(s, row);
            continue;
        }
        put_name(s, "  ", assay__field_text(row, "title"));
        put_effect(s, "repair: accuracy", before, after, "accuracy",
                   success ? "," : "");
        put_effect(s, "trigger works", before, after, "success", "");
        assay__sheet_line_end(s);
    }
    if (*assay__field_text(trust, "no_repairs")) {
        assay__sheet_put(s, "not run: repairs:");
        assay__sheet_fill(s, assay__field_text(trust, "no_repairs"), 9);
        assay__sheet_line_end(s);
    }
}

void assay__terminal_trust(struct assay__sheet *s,
                           const struct assay__view *view)
{
    const json_t *trust = json_object_get(view->doc, "trust");
    const json_t *scan = json_object_get(trust, "scan");
    const json_t *list =
        json_object_get(json_object_get(trust, "detection"), "detectors");

    if (!json_is_object(trust))
        return;
    if (view->n_attacks)
        assay__sheet_line_end(s);
    assay__sheet_style(s, ASSAY__STYLE_BOLD);
    assay__sheet_fill(s, "Can one build on it?", 0);
    assay__sheet_style(s, ASSAY__STYLE_PLAIN);
    assay__sheet_line_end(s);
    if (json_is_object(scan)) {
        put_name(s, "  ", "The file");
        assay__sheet_fill(s, assay__field_text(scan, "verdict"), FACTS);
        assay__sheet_aside(s, assay__field_text(scan, "kind"), FACTS);
        assay__sheet_line_end(s);
    }
    put_detectors(s, list);
    put_repairs(s, trust);
    if (!view->n_attacks)
        assay__sheet_line_end(s);
}
