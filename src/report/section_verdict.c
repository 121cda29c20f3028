/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The card at the top, for readers who read no further: the verdict, what
 * it means in whole numbers of records, four figures. Then the policy whose
 * rules gave the verdict.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/sections.h"

/* "32", "fewer than 1": of 1,000 records. */
static struct assay__text of_thousand(double rate)
{
    struct assay__text t;

    if (rate > 0 && rate < 0.0005)
        snprintf(t.s, sizeof t.s, "fewer than 1");
    else
        t = assay__number_count(round(rate * 1000));
    return t;
}

/*
 * The strongest attack at the lowest false positive rate that was measured,
 * told as a count of people or things.
 */
static void put_plain_words(const struct assay__view *view,
                            struct assay__buf *b)
{
    double fpr = assay__view_lowest_fpr(view);
    const struct assay__attack_view *best = assay__view_best_at(view, fpr);
    double base = ASSAY__MISSING;
    struct assay__rate rate;
    double sure; /* what the best of all attacks surely names */

    if (!best) {
        assay__buf_puts(b, "<p class=\"plain\">No attack gave a rate of "
                           "members found at a low rate of false alarms."
                           "</p>\n");
        return;
    }
    rate = assay__view_rate(best, fpr);
    sure = isnan(rate.joint_low) ? rate.tpr.low : rate.joint_low;
    assay__html(b,
                "<p class=\"plain\">Of every 1,000 records the model was "
                "trained on, the strongest attack that ran (%s) rightly "
                "names <strong>%s</strong>, while wrongly naming at most %s "
                "of 1,000 records it was not trained on. Guessing would "
                "name %s",
                best->title, of_thousand(rate.tpr.value).s, of_thousand(fpr).s,
                of_thousand(fpr).s);
    if (view->baseline)
        base = assay__view_rate(view->baseline, fpr).tpr.value;
    /* Where the baseline is no better than guessing it says nothing. */
    if (view->baseline && view->baseline != best && base > fpr)
        assay__html(b, "; the simple baseline (%s) names %s",
                    view->baseline->title, of_thousand(base).s);
    assay__buf_puts(b, ". ");
    if (sure <= fpr)
        assay__buf_puts(b, "With this few records, and the best of all attacks "
                           "picked, the difference may be chance.</p>\n");
    else
        assay__html(b, "Allowing for chance, it is %s or more.</p>\n",
                    of_thousand(sure).s);
}

/* Without attacks on membership the other goals speak for the audit. */
static void put_other_words(const struct assay__view *view,
                            struct assay__buf *b)
{
    static const struct {
        enum assay__goal goal;
        void (*say)(const struct assay__view *view, struct assay__buf *b);
    } rows[] = {{ASSAY__GOAL_ATTRIBUTE, assay__say_attribute},
                {ASSAY__GOAL_INVERSION, assay__say_inversion},
                {ASSAY__GOAL_STEALING, assay__say_stealing}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!view->n_of[rows[i].goal])
            continue;
        assay__buf_puts(b, "<p class=\"plain\">");
        rows[i].say(view, b);
        assay__buf_puts(b, "</p>\n");
    }
}

static void put_reasons(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *reasons =
        json_object_get(json_object_get(view->doc, "verdict"), "reasons");

    if (!json_array_size(reasons))
        return;
    assay__buf_puts(b, "<ul class=\"reasons\">\n");
    for (size_t i = 0; i < json_array_size(reasons); i++)
        assay__html(b, "<li>%s</li>\n",
                    json_string_value(json_array_get(reasons, i)));
    assay__buf_puts(b, "</ul>\n");
}

/* What stands below the value is the caller's, until figure_end(). */
static void figure_begin(struct assay__buf *b, const char *name,
                         struct assay__text value)
{
    assay__html(b,
                "<div><dt>%s</dt><dd><span class=\"figure\">%s</span>"
                "<span class=\"below\">",
                name, value.s);
}

static void figure_end(struct assay__buf *b)
{
    assay__buf_puts(b, "</span></dd></div>\n");
}

/* " (0.705 - 0.721)", nothing without an interval. */
static void put_range(struct assay__buf *b, const struct assay_estimate *e,
                      enum assay__number_kind kind)
{
    if (!isnan(e->low) || !isnan(e->high))
        assay__html(b, " <span class=\"nowrap\">(%s)</span>",
                    assay__number_interval(e, kind).s);
}

static void put_strongest(const struct assay__view *view, struct assay__buf *b)
{
    const struct assay__attack_view *best = assay__view_best(view);
    double fpr = assay__view_lowest_fpr(view);
    const struct assay__attack_view *at = assay__view_best_at(view, fpr);
    struct assay_estimate tpr;
    struct assay__text name;

    figure_begin(
        b, "Largest AUC",
        assay__number_fixed(best ? best->auc.value : ASSAY__MISSING, 3));
    assay__html(b, "%s", best ? best->title : "no attack ran");
    if (best)
        put_range(b, &best->auc, ASSAY__NUMBER_FRACTION);
    assay__buf_puts(b, "; guessing 0.5");
    if (view->baseline)
        assay__html(b, ", baseline %s",
                    assay__number_fixed(view->baseline->auc.value, 3).s);
    figure_end(b);
    if (!at)
        return;
    snprintf(name.s, sizeof name.s, "Found at %.20s false alarms",
             assay__number_rate(fpr).s);
    tpr = assay__view_rate(at, fpr).tpr;
    figure_begin(b, name.s, assay__number_percent(tpr.value));
    assay__html(b, "%s", at->title);
    put_range(b, &tpr, ASSAY__NUMBER_PERCENT);
    assay__html(b, "; guessing %s", assay__number_rate(fpr).s);
    figure_end(b);
}

/* The best attack of a goal other than membership, by `field`. */
static void put_best_of(const struct assay__view *view, struct assay__buf *b,
                        enum assay__goal goal, const char *name,
                        const char *field, const char *base_field)
{
    const struct assay__attack_view *a = assay__view_best_by(view, goal, field);
    const struct assay__attack_view *base;
    struct assay_estimate e;
    double held;

    if (!a)
        return;
    base = assay__view_baseline(view, a);
    held = base_field ? assay__field_estimate(a->json, base_field).value
           : base     ? assay__field_estimate(base->json, field).value
                      : ASSAY__MISSING;
    e = assay__field_estimate(a->json, field);
    figure_begin(b, name, assay__number_percent(e.value));
    assay__html(b, "%s", a->title);
    put_range(b, &e, ASSAY__NUMBER_PERCENT);
    if (!isnan(held))
        assay__html(b, "; baseline %s", assay__number_percent(held).s);
    figure_end(b);
}

static void put_best_of_others(const struct assay__view *view,
                               struct assay__buf *b)
{
    put_best_of(view, b, ASSAY__GOAL_ATTRIBUTE, "Attribute told", "accuracy",
                NULL);
    put_best_of(view, b, ASSAY__GOAL_INVERSION, "Rebuilt and recognised",
                "success", "baseline_success");
    put_best_of(view, b, ASSAY__GOAL_STEALING, "Copy agrees", "agreement",
                NULL);
}

static void put_detectors(const struct assay__view *view, struct assay__buf *b)
{
    struct assay__trust_tally n = assay__trust_count(view);
    struct assay__text share;

    snprintf(share.s, sizeof share.s, "%zu of %zu", n.accuse, n.ran);
    figure_begin(b, "Detectors that accuse", share);
    assay__html(b, "for %zu a rank or a p-value says what that is worth",
                n.calibrated);
    figure_end(b);
}

static void put_clean_accuracy(const struct assay__view *view,
                               struct assay__buf *b)
{
    const json_t *trust = json_object_get(view->doc, "trust");
    struct assay_estimate e = assay__field_estimate(trust, "accuracy");

    figure_begin(b, "Accuracy", assay__number_percent(e.value));
    assay__buf_puts(b, "on the clean records");
    put_range(b, &e, ASSAY__NUMBER_PERCENT);
    figure_end(b);
}

static void put_figures(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *model = json_object_get(view->doc, "model");
    const json_t *controls = json_object_get(view->doc, "controls");
    double test = assay__field_estimate(model, "test_accuracy").value;
    double gap = assay__field_estimate(model, "gap").value;
    struct assay__text runs;
    size_t passed = 0;

    for (size_t i = 0; i < json_array_size(controls); i++)
        passed += assay__field_true(json_array_get(controls, i), "passed");
    assay__buf_puts(b, "<dl class=\"figures\">\n");
    if (view->n_of[ASSAY__GOAL_MEMBERSHIP])
        put_strongest(view, b);
    put_best_of_others(view, b);
    if (assay__view_has_trust(view))
        put_detectors(view, b);
    if (assay__view_trust_alone(view) && isnan(test)) {
        put_clean_accuracy(view, b);
        assay__buf_puts(b, "</dl>\n");
        return;
    }
    figure_begin(b, "Accuracy", assay__number_percent(test));
    assay__buf_puts(b, "on records it did not see");
    if (!isnan(gap))
        assay__html(b, "; %s points less than on those it did",
                    assay__number_fixed(gap * 100, 1).s);
    figure_end(b);
    if (assay__view_trust_alone(view)) {
        assay__buf_puts(b, "</dl>\n");
        return;
    }
    snprintf(runs.s, sizeof runs.s, "%zu of %zu", view->n_ran, view->n_attacks);
    figure_begin(b, "Attacks run", runs);
    if (json_array_size(controls))
        assay__html(b, "controls passed: %zu of %zu", passed,
                    json_array_size(controls));
    else
        assay__buf_puts(b, "no controls ran");
    figure_end(b);
    assay__buf_puts(b, "</dl>\n");
}

/* The words of a verdict, by its level. */
static const struct {
    const char *level;
    const char *state;
    const char *word;
} levels[] = {{"pass", "passed", "Passed"},
              {"warning", "warning", "Passed with warnings"},
              {"fail", "failed", "Failed"},
              {"inconclusive", "unknown", "Inconclusive"}};

void assay__section_verdict(const struct assay__view *view,
                            struct assay__buf *b)
{
    const json_t *verdict = json_object_get(view->doc, "verdict");
    const char *level = assay__field_text(verdict, "level");
    const char *state = "unknown";
    const char *word = level;

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(level, levels[i].level) == 0) {
            state = levels[i].state;
            word = levels[i].word;
        }
    }
    assay__html(b,
                "<section id=\"verdict\" class=\"verdict %s\" "
                "aria-labelledby=\"verdict-title\">\n",
                state);
    assay__part_badge(b, state, word);
    assay__html(b, "\n<h2 id=\"verdict-title\">%s</h2>\n",
                assay__field_text(verdict, "headline"));
    if (view->n_of[ASSAY__GOAL_MEMBERSHIP] ||
        (!view->n_attacks && !assay__view_has_trust(view)))
        put_plain_words(view, b);
    else
        put_other_words(view, b);
    if (assay__view_has_trust(view)) {
        assay__buf_puts(b, "<p class=\"plain\">");
        assay__say_trust(view, b);
        assay__buf_puts(b, "</p>\n");
    }
    put_reasons(view, b);
    put_figures(view, b);
    assay__buf_puts(b, "</section>\n");
}

static bool only_warns(const json_t *rule)
{
    return strcmp(assay__field_text(rule, "level"), "warning") == 0;
}

static void put_result(struct assay__buf *b, const json_t *rule, double value)
{
    const json_t *passed = json_object_get(rule, "passed");
    bool warning = only_warns(rule);

    if (json_is_true(passed)) {
        assay__part_badge(b, "passed", "kept");
        if (value > assay__field_number(rule, "limit"))
            assay__buf_puts(b, "<span class=\"sub\">the excess may be chance"
                               "</span>");
    } else if (!json_is_false(passed))
        assay__part_badge(b, "unknown", "not judged");
    else if (warning)
        assay__part_badge(b, "warning", "warning");
    else
        assay__part_badge(b, "failed", "broken");
}

/* What the rule is about, and what it would mean to break it. */
static void put_rule_head(struct assay__buf *b, const json_t *rule)
{
    const char *metric = assay__field_text(rule, "metric");
    const char *why = assay__field_text(rule, "why");
    bool broken = json_is_false(json_object_get(rule, "passed"));
    double limit = assay__field_number(rule, "limit");
    struct assay__text title =
        assay__part_metric(metric, assay__field_number(rule, "fpr"));

    assay__html(b, "<tr><th scope=\"row\">%s", *title.s ? title.s : metric);
    if (*why)
        assay__html(b, "<span class=\"sub\">%s%s</span>",
                    broken ? "" : "If broken: ", why);
    assay__html(b,
                "</th><td data-label=\"Limit\">at most %s"
                "<span class=\"sub\">%s</span></td><td data-label=\"Worst\">",
                assay__number_kind_of(metric) == ASSAY__NUMBER_PERCENT
                    ? assay__number_rate(limit).s
                    : assay__number_plain(limit).s,
                only_warns(rule) ? "above: a warning" : "above: failed");
}

static void put_rule(const struct assay__view *view, struct assay__buf *b,
                     struct assay__notes *notes, const json_t *rule)
{
    const char *metric = assay__field_text(rule, "metric");
    const json_t *worst = json_object_get(rule, "worst");
    struct assay_estimate e = assay__field_estimate(worst, "estimate");
    const char *attack = assay__field_text(worst, "attack");

    put_rule_head(b, rule);
    if (e.low >= e.value && e.high <= e.value) /* a count has no interval */
        e.low = e.high = ASSAY__MISSING;
    /* A lower bound is its own interval. */
    if (e.low >= e.value && isnan(e.high))
        e.low = ASSAY__MISSING;
    if (isnan(e.value))
        assay__part_missing(b, notes,
                            "No attack that ran has this number; the verdict "
                            "says why.");
    else
        assay__part_estimate(b, &e, assay__number_kind_of(metric));
    assay__html(b,
                "</td><td data-label=\"Attack\">%s</td>"
                "<td data-label=\"Result\">",
                isnan(e.value) ? "\xe2\x80\x93"
                : *attack      ? assay__part_attack_title(view, attack)
                               : "the model itself");
    put_result(b, rule, e.value);
    assay__buf_puts(b, "</td></tr>\n");
}

void assay__section_policy(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *policy = json_object_get(view->doc, "policy");
    const json_t *rules = json_object_get(policy, "rules");
    struct assay__notes notes = {.id = "note-policy"};

    assay__html(b,
                "<p>The verdict follows from policy \xe2\x80\x9c%s\xe2\x80"
                "\x9d. Each rule holds one number of every attack on one "
                "goal against a limit. It is broken when even the lower end of "
                "the 95 %% interval is above it: what was surely found counts, "
                "not what chance may have added. The intervals here are wider "
                "than those of the table of attacks, as they hold for the best "
                "of all attacks on that goal together. A broken rule fails the "
                "audit, unless it only warns.</p>\n",
                assay__field_text(policy, "name"));
    if (!json_array_size(rules)) {
        assay__buf_puts(b, "<p>The policy has no rules.</p>\n");
        return;
    }
    assay__part_table_begin(b, "stack policy", "Rules of the policy");
    assay__buf_puts(b, "<thead><tr><th scope=\"col\">Rule</th>"
                       "<th scope=\"col\">Limit</th>"
                       "<th scope=\"col\">Worst value</th>"
                       "<th scope=\"col\">Attack</th>"
                       "<th scope=\"col\">Result</th></tr></thead>\n"
                       "<tbody>\n");
    for (size_t i = 0; i < json_array_size(rules); i++)
        put_rule(view, b, &notes, json_array_get(rules, i));
    assay__part_table_end(b);
    assay__part_notes(b, &notes);
}
