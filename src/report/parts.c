/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of markup that more than one section needs. */

#include "report/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"
#include "report/view.h"

void assay__part_missing(struct assay__buf *b, struct assay__notes *notes,
                         const char *why)
{
    size_t i = 0;

    while (i < notes->n && strcmp(notes->text[i], why) != 0)
        i++;
    if (!*why || i == ASSAY__NOTES_MAX) {
        assay__html(b,
                    "<span class=\"missing\" title=\"%s\">\xe2\x80\x93"
                    "</span>",
                    *why ? why : "not measured");
        return;
    }
    if (i == notes->n)
        notes->text[notes->n++] = why;
    assay__html(b,
                "<span class=\"missing\" title=\"%s\">\xe2\x80\x93<sup>"
                "<a href=\"#%s-%zu\">",
                why, notes->id, i + 1);
    assay__buf_printf(b, "%c</a></sup></span>", (int)('a' + i));
}

void assay__part_notes(struct assay__buf *b, const struct assay__notes *notes)
{
    if (!notes->n)
        return;
    assay__buf_puts(b, "<ol class=\"notes\">\n");
    for (size_t i = 0; i < notes->n; i++)
        assay__html(b, "<li id=\"%s-%zu\">%s</li>\n", notes->id, i + 1,
                    notes->text[i]);
    assay__buf_puts(b, "</ol>\n");
}

void assay__part_table_begin(struct assay__buf *b, const char *class_name,
                             const char *caption)
{
    assay__html(b,
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                "aria-label=\"%s\">\n<table class=\"%s\">\n"
                "<caption>%s</caption>\n",
                caption, class_name, caption);
}

void assay__part_table_end(struct assay__buf *b)
{
    assay__buf_puts(b, "</tbody>\n</table>\n</div>\n");
}

void assay__part_estimate(struct assay__buf *b, const struct assay_estimate *e,
                          enum assay__number_kind kind)
{
    assay__html(b, "<span class=\"value\">%s</span>",
                assay__number(e->value, kind).s);
    if (!isnan(e->low) || !isnan(e->high))
        assay__html(b, " <span class=\"interval\">%s</span>",
                    assay__number_interval(e, kind).s);
}

static const char *badge_sign(const char *state)
{
    if (strcmp(state, "passed") == 0)
        return "<path d=\"M3 8.5l3.4 3.5L13 4.5\"/>";
    if (strcmp(state, "failed") == 0)
        return "<path d=\"M4 4l8 8M12 4l-8 8\"/>";
    if (strcmp(state, "warning") == 0)
        return "<path d=\"M8 2.5v7M8 13h0\"/>";
    return "<path d=\"M3.5 8h9\"/>";
}

void assay__part_badge(struct assay__buf *b, const char *state,
                       const char *word)
{
    assay__html(b,
                "<span class=\"badge %s\"><svg viewBox=\"0 0 16 16\" "
                "aria-hidden=\"true\">",
                state);
    assay__buf_puts(b, badge_sign(state));
    assay__html(b, "</svg>%s</span>", word);
}

void assay__part_fact(struct assay__buf *b, const char *name, const char *value)
{
    if (*value)
        assay__html(b, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, value);
}

void assay__part_hash(struct assay__buf *b, const char *name, const char *value)
{
    if (*value)
        assay__html(b,
                    "<div><dt>%s</dt><dd><code class=\"hash\">%s</code></dd>"
                    "</div>\n",
                    name, value);
}

static void value_array(struct assay__buf *b, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);

        assay__buf_puts(b, i ? ", " : "");
        /* Lists of lists would call assay__part_value() without end. */
        if (json_is_array(item) || json_is_object(item))
            assay__buf_puts(b, "\xe2\x80\xa6");
        else
            assay__part_value(b, item);
    }
}

static void value_object(struct assay__buf *b, const json_t *v)
{
    char *text =
        json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));

    if (!text)
        b->failed = true;
    assay__html_text(b, text);
    free(text); /* jansson's own */
}

void assay__part_value(struct assay__buf *b, const json_t *v)
{
    if (json_is_string(v)) {
        assay__html_text(b, json_string_value(v));
    } else if (json_is_integer(v)) {
        assay__buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else if (json_is_real(v)) {
        assay__html_text(b, assay__number_plain(json_real_value(v)).s);
    } else if (json_is_boolean(v)) {
        assay__buf_puts(b, json_is_true(v) ? "yes" : "no");
    } else if (json_is_array(v)) {
        value_array(b, v);
    } else if (json_is_object(v)) {
        value_object(b, v);
    } else {
        assay__buf_puts(b, "\xe2\x80\x93");
    }
}

static int by_name(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return strcmp(*left, *right);
}

void assay__part_facts(struct assay__buf *b, const json_t *object)
{
    enum { MAX_KEYS = 128 };
    const char *keys[MAX_KEYS];
    size_t n = 0;

    for (const char *key = json_object_iter_key(
             json_object_iter((json_t *)(uintptr_t)object));
         key && n < MAX_KEYS;
         key = json_object_iter_key(json_object_iter_next(
             (json_t *)(uintptr_t)object, json_object_key_to_iter(key))))
        keys[n++] = key;
    qsort(keys, n, sizeof *keys, by_name);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(object, keys[i]);

        if (json_is_null(v))
            continue;
        assay__html(b, "<div><dt>%s</dt><dd>", keys[i]);
        assay__part_value(b, v);
        assay__buf_puts(b, "</dd></div>\n");
    }
}

struct assay__text assay__part_metric(const char *metric, double fpr)
{
    static const char *const titles[][2] = {
        {"auc", "AUC"},
        {"accuracy", "Balanced accuracy"},
        {"balanced_accuracy", "Balanced accuracy"},
        {"advantage", "Advantage"},
        {"epsilon_lower_bound", "Epsilon, lower bound"},
        {"train_test_gap", "Accuracy gap"},
        {"attribute_advantage", "Attribute, advantage"},
        {"copy_agreement", "Copy, agreement"},
        {"inversion_gain", "Inversion, gain"},
        {"backdoor", "Detectors that accuse"},
    };
    struct assay__text t = {""};

    if (strstr(metric, "tpr") && !isnan(fpr)) {
        snprintf(t.s, sizeof t.s, "TPR at %.30s FPR",
                 assay__number_rate(fpr).s);
        return t;
    }
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (strcmp(metric, titles[i][0]) == 0)
            snprintf(t.s, sizeof t.s, "%s", titles[i][1]);
    return t;
}

const char *assay__part_attack_title(const struct assay__view *view,
                                     const char *name)
{
    const struct assay__attack_view *a = assay__view_attack(view, name);

    return a ? a->title : name;
}
