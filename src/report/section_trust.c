/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can one build on the model? The scan of its file, what detectors say
 * beside their false alarms, how it differs from an upstream copy, and what
 * repairs do. Reversed triggers are figure_trust.c's.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/figure_trust.h"
#include "report/html.h"
#include "report/parts.h"
#include "report/sections.h"

enum { MAX_CHANGES = 12, MAX_REASONS = 20 };

static bool ran(const json_t *row)
{
    return strcmp(assay__field_text(row, "status"), "ran") == 0;
}

static bool of_model(const json_t *d)
{
    return strcmp(assay__field_text(d, "subject"), "model") == 0;
}

static const json_t *trust_of(const struct assay__view *view)
{
    return json_object_get(view->doc, "trust");
}

static const json_t *detectors_of(const struct assay__view *view)
{
    return json_object_get(json_object_get(trust_of(view), "detection"),
                           "detectors");
}

struct assay__trust_tally assay__trust_count(const struct assay__view *view)
{
    const json_t *list = detectors_of(view);
    struct assay__trust_tally n = {0};

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *d = json_array_get(list, i);

        if (!ran(d) || !of_model(d))
            continue;
        if (assay__field_null(d, "accuses")) {
            n.undecided++;
            continue;
        }
        n.ran++;
        n.accuse += assay__field_true(d, "accuses");
        n.calibrated += assay__field_true(d, "calibrated");
    }
    return n;
}

void assay__say_trust(const struct assay__view *view, struct assay__buf *b)
{
    struct assay__trust_tally n = assay__trust_count(view);
    const json_t *references = json_object_get(trust_of(view), "references");
    double clean = assay__field_number(references, "n");

    if (!n.ran) {
        assay__html(b, "%s: nothing is known of backdoors in it.",
                    n.undecided ? "The detectors that looked into the model "
                                  "had too little to tell by"
                                : "No detector could look into the model");
        return;
    }
    assay__html(b, "Of %zu detector%s that looked into the model, ", n.ran,
                n.ran == 1 ? "" : "s");
    if (n.accuse)
        assay__html(b, "<strong>%zu accuse%s it</strong>. ", n.accuse,
                    n.accuse == 1 ? "s" : "");
    else
        assay__buf_puts(b, "<strong>none accuses it</strong>. ");
    if (clean > 0)
        assay__html(b,
                    "They were also tried on %s clean models of the same "
                    "family, to know how often they are wrong.",
                    assay__number_count(clean).s);
    else
        assay__buf_puts(b, "They were tried on no clean model of the same "
                           "family, so how often they accuse such is not "
                           "known.");
}

static const char *scan_state(const char *verdict)
{
    if (strcmp(verdict, "clean") == 0)
        return "passed";
    if (strcmp(verdict, "dangerous") == 0)
        return "failed";
    return strcmp(verdict, "suspicious") == 0 ? "warning" : "unknown";
}

static void put_scan(const json_t *scan, struct assay__buf *b)
{
    const json_t *reasons = json_object_get(scan, "reasons");
    const char *verdict = assay__field_text(scan, "verdict");

    if (!json_is_object(scan))
        return;
    assay__buf_puts(b, "<h3>The file</h3>\n<p>");
    assay__part_badge(b, scan_state(verdict), verdict);
    assay__html(b,
                " as %s: what opening it with the usual programs would "
                "do.</p>\n",
                assay__field_text(scan, "kind"));
    if (!json_array_size(reasons))
        return;
    assay__buf_puts(b, "<ul class=\"limits\">\n");
    for (size_t i = 0; i < json_array_size(reasons) && i < MAX_REASONS; i++) {
        const json_t *r = json_array_get(reasons, i);
        const char *what = assay__field_text(r, "what");

        assay__html(b, "<li><code>%s</code> %s%s%s</li>\n",
                    assay__field_text(r, "rule"), what, *what ? ": " : "",
                    assay__field_text(r, "why"));
    }
    assay__buf_puts(b, "</ul>\n");
}

static void put_number(struct assay__buf *b, const char *label,
                       struct assay__notes *notes, const json_t *d,
                       const char *key, const char *why)
{
    double x = assay__field_number(d, key);

    assay__html(b, "<td data-label=\"%s\">", label);
    if (isnan(x))
        assay__part_missing(b, notes, why);
    else
        assay__html(b, "<span class=\"value\">%s</span>",
                    assay__number_plain(x).s);
    assay__buf_puts(b, "</td>\n");
}

static void put_alarms(struct assay__buf *b, struct assay__notes *notes,
                       const json_t *d)
{
    struct assay_estimate e = assay__field_estimate(d, "false_alarms");

    assay__buf_puts(b, "<td data-label=\"False alarms\">");
    if (isnan(e.value)) {
        assay__part_missing(b, notes,
                            "No clean model of the family was given, or the "
                            "detector has no threshold of its own.");
    } else {
        assay__part_estimate(b, &e, ASSAY__NUMBER_PERCENT);
        assay__html(b, "<span class=\"sub\">of %s clean models</span>",
                    assay__number_count((double)e.n).s);
    }
    assay__buf_puts(b, "</td>\n");
}

static void put_verdict(struct assay__buf *b, const json_t *d)
{
    bool accuses = assay__field_true(d, "accuses");
    bool calibrated = assay__field_true(d, "calibrated");
    double target = assay__field_number(d, "target");
    const char *name = assay__field_text(d, "class_name");

    assay__buf_puts(b, "<td data-label=\"Verdict\">");
    if (assay__field_null(d, "accuses")) {
        assay__part_badge(b, "unknown", "cannot tell");
        assay__buf_puts(b, "</td></tr>\n");
        return;
    }
    if (accuses)
        assay__part_badge(b, calibrated ? "failed" : "warning", "accuses");
    else
        assay__part_badge(b, calibrated ? "passed" : "unknown", "silent");
    if (accuses && !isnan(target))
        assay__html(b, "<span class=\"sub\">class %s%s%s%s</span>",
                    assay__number_count(target).s, *name ? " (" : "", name,
                    *name ? ")" : "");
    assay__html(b, "<span class=\"sub\">by its %s%s</span></td></tr>\n",
                strcmp(assay__field_text(d, "decided_by"), "references") == 0
                    ? "rank"
                    : assay__field_text(d, "decided_by"),
                calibrated ? "" : "; worth not known");
}

static void put_detector(struct assay__buf *b, struct assay__notes *notes,
                         const json_t *d)
{
    double n = assay__field_number(d, "references");
    const char *note = assay__field_text(d, "note");

    assay__html(b, "<tr><th scope=\"row\">%s", assay__field_text(d, "title"));
    if (*note)
        assay__html(b, "<span class=\"sub\">%s</span>", note);
    assay__buf_puts(b, "</th>\n");
    put_number(b, "Score", notes, d, "score",
               "There was too little to score the model by.");
    put_number(b, "Threshold", notes, d, "threshold",
               "Its paper sets none, or there was too little to compare.");
    put_number(b, "Own p-value", notes, d, "p_value",
               "There is none for this model.");
    assay__buf_puts(b, "<td data-label=\"Rank\">");
    if (n > 0 && !isnan(assay__field_number(d, "reference_p")))
        assay__html(
            b,
            "<span class=\"value\">%s</span><span class=\"sub\">among "
            "%s clean</span>",
            assay__number_fixed(assay__field_number(d, "reference_p"), 3).s,
            assay__number_count(n).s);
    else
        assay__part_missing(b, notes,
                            n > 0 ? "Without a score there is no rank."
                                  : "No clean model of the family was given "
                                    "to rank it among.");
    assay__buf_puts(b, "</td>\n");
    put_alarms(b, notes, d);
    put_verdict(b, d);
}

/* One that judges records: what it accuses of them, and of clean ones. */
static void put_record_detector(struct assay__buf *b, const json_t *d)
{
    struct assay_estimate bad = assay__field_estimate(d, "accused");
    struct assay_estimate clean = assay__field_estimate(d, "false_alarms");

    assay__html(b,
                "<tr><th scope=\"row\">%s</th>\n<td colspan=\"6\">of the "
                "records to judge it accuses ",
                assay__field_text(d, "title"));
    assay__html(b, "<b>%s</b> (%s), of clean ones %s (%s)</td></tr>\n",
                assay__number_percent(bad.value).s,
                assay__number_interval(&bad, ASSAY__NUMBER_PERCENT).s,
                assay__number_percent(clean.value).s,
                assay__number_interval(&clean, ASSAY__NUMBER_PERCENT).s);
}

static void put_gone(struct assay__buf *b, const json_t *row, const char *span)
{
    const char *why = assay__field_text(row, "why");

    assay__html(b,
                "<tr class=\"gone\"><th scope=\"row\">%s</th>\n<td "
                "colspan=\"%s\" class=\"why\"><b>Not run:</b> %s</td></tr>\n",
                assay__field_text(row, "title"), span,
                *why ? why : "no reason was recorded");
}

static void put_detectors(const json_t *list, struct assay__buf *b)
{
    struct assay__notes notes = {.id = "note-trust"};

    if (!json_array_size(list))
        return;
    assay__buf_puts(b, "<h3>What detectors say</h3>\n");
    assay__part_table_begin(b, "stack detectors",
                            "Detectors of backdoors and altered weights");
    assay__buf_puts(b,
                    "<thead><tr><th scope=\"col\">Detector</th>"
                    "<th scope=\"col\">Score</th>"
                    "<th scope=\"col\">Threshold</th>"
                    "<th scope=\"col\">Own p-value</th>"
                    "<th scope=\"col\">Rank"
                    "<span class=\"sub\">p-value</span></th>"
                    "<th scope=\"col\">False alarms"
                    "<span class=\"sub\">at the threshold</span></th>"
                    "<th scope=\"col\">Verdict</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *d = json_array_get(list, i);

        if (!ran(d))
            put_gone(b, d, "6");
        else if (of_model(d))
            put_detector(b, &notes, d);
        else
            put_record_detector(b, d);
    }
    assay__part_table_end(b);
    assay__part_notes(b, &notes);
    assay__buf_puts(
        b, "<p class=\"small\">Scores of different detectors cannot be "
           "compared. The rank says how probable so high a score is for a "
           "clean model: with 19 clean models or more it decides at .05, with "
           "fewer the detector\xe2\x80\x99s own p-value does, without one the "
           "threshold of its paper. Several detectors have several chances of "
           "a false alarm.</p>\n");
}

static void put_change(struct assay__buf *b, const json_t *c)
{
    static const char *const keys[][2] = {{"weights", "Weights"},
                                          {"changed", "Changed"}};
    double p = assay__field_number(c, "p_value");

    assay__html(b, "<tr><th scope=\"row\"><code>%s</code></th>\n",
                assay__field_text(c, "tensor"));
    for (size_t i = 0; i < 2; i++)
        assay__html(b, "<td data-label=\"%s\">%s</td>\n", keys[i][1],
                    assay__number_count(assay__field_number(c, keys[i][0])).s);
    assay__html(b,
                "<td data-label=\"Largest\">%s</td>\n"
                "<td data-label=\"Relative\">%s</td>\n"
                "<td data-label=\"p-value\">%s</td></tr>\n",
                assay__number_plain(assay__field_number(c, "largest")).s,
                assay__number_plain(assay__field_number(c, "relative")).s,
                assay__number_plain(p).s);
}

static void put_changes(const json_t *d, struct assay__buf *b)
{
    const json_t *list = json_object_get(d, "changes");
    size_t n = json_array_size(list);
    double all = assay__field_number(d, "n_changes");

    if (!n)
        return;
    assay__buf_puts(b, "<h3>How it differs from the upstream copy</h3>\n"
                       "<p>Tensors, the least probable under fine-tuning "
                       "first.</p>\n");
    assay__part_table_begin(b, "stack changes",
                            "Tensors that differ from the upstream copy");
    assay__buf_puts(b, "<thead><tr><th scope=\"col\">Tensor</th>"
                       "<th scope=\"col\">Weights</th>"
                       "<th scope=\"col\">Changed</th>"
                       "<th scope=\"col\">Largest difference</th>"
                       "<th scope=\"col\">Relative<span class=\"sub\">of the "
                       "norms</span></th>"
                       "<th scope=\"col\">p-value</th></tr></thead>\n"
                       "<tbody>\n");
    for (size_t i = 0; i < n && i < MAX_CHANGES; i++)
        put_change(b, json_array_get(list, i));
    assay__part_table_end(b);
    if (all > MAX_CHANGES)
        assay__html(b, "<p class=\"small\">%s tensors differ in all.</p>\n",
                    assay__number_count(all).s);
}

static void put_effect(struct assay__buf *b, const json_t *effect)
{
    static const char *const keys[][2] = {{"accuracy", "Accuracy (ACC)"},
                                          {"success", "Trigger works (ASR)"},
                                          {"restored", "Restored (RA)"}};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct assay_estimate e = assay__field_estimate(effect, keys[i][0]);

        assay__html(b, "<td data-label=\"%s\">", keys[i][1]);
        assay__part_estimate(b, &e, ASSAY__NUMBER_PERCENT);
        assay__buf_puts(b, "</td>\n");
    }
}

static void put_repair(const struct assay__view *view, struct assay__buf *b,
                       const json_t *row)
{
    const json_t *seconds = json_object_get(
        json_object_get(view->manifest, "trust_seconds"), "repairs");
    double took = assay__field_number(seconds, assay__field_text(row, "name"));
    double pruned = assay__field_number(row, "pruned");
    const char *note = assay__field_text(row, "note");

    assay__html(b, "<tr><th scope=\"row\">%s", assay__field_text(row, "title"));
    if (*note)
        assay__html(b, "<span class=\"sub\">%s</span>", note);
    if (pruned > 0)
        assay__html(
            b, "<span class=\"sub\">%s of %s channels off</span>",
            assay__number_count(pruned).s,
            assay__number_count(assay__field_number(row, "channels")).s);
    assay__buf_puts(b, "</th>\n");
    put_effect(b, json_object_get(row, "after"));
    assay__html(b, "<td data-label=\"Seconds\">%s</td></tr>\n",
                assay__number_fixed(took, 1).s);
}

static void say_trigger(const json_t *repairs, struct assay__buf *b)
{
    const json_t *trigger = json_object_get(repairs, "trigger");
    const json_t *data = json_object_get(repairs, "data");

    if (json_is_object(trigger))
        assay__html(
            b,
            "<p>The trigger is the one that <code>%s</code> reversed "
            "(class %s). It need not be one that somebody planted: "
            "every model has patterns that lead to a class. ",
            assay__field_text(trigger, "from"),
            assay__number_count(assay__field_number(trigger, "target")).s);
    else
        assay__buf_puts(b, "<p>No detector reversed a trigger and named its "
                           "class, so only the cost in accuracy can be told. ");
    assay__html(
        b,
        "Tuned on %s clean records, thresholds by %s others, measured "
        "on %s more.</p>\n",
        assay__number_count(assay__field_number(data, "tuned_on")).s,
        assay__number_count(assay__field_number(data, "held_out")).s,
        assay__number_count(assay__field_number(data, "measured_on")).s);
}

static void put_repairs(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *repairs = json_object_get(trust_of(view), "repairs");
    const json_t *rows = json_object_get(repairs, "rows");
    const char *why = assay__field_text(trust_of(view), "no_repairs");

    assay__buf_puts(b, "<h3>What repairs would and would not remove</h3>\n");
    if (!json_is_object(repairs)) {
        assay__html(b, "<p>Not run: %s.</p>\n",
                    *why ? why : "no reason was recorded");
        return;
    }
    say_trigger(repairs, b);
    assay__part_table_begin(b, "stack repairs", "Repairs, before and after");
    assay__buf_puts(
        b, "<thead><tr><th scope=\"col\">Repair</th>"
           "<th scope=\"col\">Accuracy (ACC)<span class=\"sub\">on clean "
           "records</span></th>"
           "<th scope=\"col\">Trigger works (ASR)<span class=\"sub\">stamped "
           "records that go to its class</span></th>"
           "<th scope=\"col\">Restored (RA)<span class=\"sub\">stamped records "
           "called rightly</span></th>"
           "<th scope=\"col\">Seconds</th></tr></thead>\n<tbody>\n"
           "<tr><th scope=\"row\">None: the model as it came</th>\n");
    put_effect(b, json_object_get(repairs, "before"));
    assay__buf_puts(b, "<td data-label=\"Seconds\">\xe2\x80\x93</td></tr>\n");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (ran(row))
            put_repair(view, b, row);
        else
            put_gone(b, row, "4");
    }
    assay__part_table_end(b);
}

/* Summary, source and settings of detectors, then of repairs. */
static void put_descriptions(const struct assay__view *view,
                             struct assay__buf *b)
{
    const json_t *lists[] = {
        detectors_of(view),
        json_object_get(json_object_get(trust_of(view), "repairs"), "rows")};

    assay__buf_puts(b, "<h3>What each does</h3>\n<dl class=\"attacks-list\">"
                       "\n");
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < json_array_size(lists[k]); i++) {
            const json_t *d = json_array_get(lists[k], i);

            assay__html(b,
                        "<div><dt>%s</dt><dd>%s <cite class=\"sub\">%s"
                        "</cite></dd></div>\n",
                        assay__field_text(d, "title"),
                        assay__field_text(d, "summary"),
                        assay__field_text(d, "cites"));
        }
    assay__buf_puts(b, "</dl>\n");
}

void assay__section_trust(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *list = detectors_of(view);

    assay__buf_puts(
        b, "<p>A model by others may answer to a trigger: a patch or a pattern "
           "that leads whatever carries it to a class of somebody\xe2\x80\x99s "
           "choice. What is built on such a model inherits that. Detectors "
           "look for what a planted trigger leaves behind, and are wrong about "
           "some clean models too.</p>\n<p>");
    assay__say_trust(view, b);
    assay__buf_puts(b, "</p>\n");
    put_scan(json_object_get(trust_of(view), "scan"), b);
    put_detectors(list, b);
    for (size_t i = 0; i < json_array_size(list); i++)
        put_changes(json_array_get(list, i), b);
    assay__figure_triggers(view, b, list);
    put_repairs(view, b);
    put_descriptions(view, b);
}
