/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was measured, and under which attacker: facts of model and data,
 * and the attacks placed by what they see and what they know.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/sections.h"

struct word {
    const char *name;
    const char *meaning;
};

static const struct word accesses[] = {
    {"label-only", "sees the predicted class"},
    {"black-box", "sees the class probabilities"},
    {"white-box", "has the model file"}};
static const struct word auxiliaries[] = {
    {"none", "knows nothing besides"},
    {"partial", "knows some of the training records"},
    {"shadow", "has other data of the same kind, and trains models on it"}};

enum { N_ACCESS = 3, N_AUX = 3 };

static size_t word_index(const struct word *words, size_t n, const char *name)
{
    size_t i = 0;

    while (i < n && strcmp(words[i].name, name) != 0)
        i++;
    return i;
}

static void put_chip(struct assay__buf *b, const struct assay__attack_view *a)
{
    assay__buf_puts(b, a->ran ? "<li>" : "<li class=\"gone\">");
    assay__html(b, "%s%s</li>", a->title, a->ran ? "" : " (not run)");
}

static bool is_at(const struct assay__attack_view *a, size_t access, size_t aux)
{
    return word_index(accesses, N_ACCESS, a->access) == access &&
           word_index(auxiliaries, N_AUX, a->auxiliary) == aux;
}

/* A goal's attacks of one cell; how many. */
static size_t put_chips(const struct assay__view *view, struct assay__buf *b,
                        enum assay__goal goal, size_t access, size_t aux)
{
    size_t n = 0;

    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];

        if (a->goal != goal || !is_at(a, access, aux))
            continue;
        if (!n++)
            assay__html(b,
                        "<span class=\"goal\">%s</span>"
                        "<ul class=\"chips\">",
                        assay__goal_title(goal));
        put_chip(b, a);
    }
    assay__buf_puts(b, n ? "</ul>" : "");
    return n;
}

static void put_cell(const struct assay__view *view, struct assay__buf *b,
                     size_t access, size_t aux)
{
    size_t n = 0;

    assay__html(b, "<td data-label=\"%s\">", auxiliaries[aux].name);
    for (int goal = 0; goal < ASSAY__N_GOALS; goal++)
        n += put_chips(view, b, (enum assay__goal)goal, access, aux);
    assay__buf_puts(b, n ? "</td>"
                         : "<span class=\"none\">no "
                           "attack</span></td>");
}

/* Attacks whose words the matrix does not know. */
static void put_others(const struct assay__view *view, struct assay__buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < view->n_attacks; i++) {
        const struct assay__attack_view *a = &view->attacks[i];

        if (word_index(accesses, N_ACCESS, a->access) < N_ACCESS &&
            word_index(auxiliaries, N_AUX, a->auxiliary) < N_AUX)
            continue;
        assay__html(b, "%s%s (%s, %s)", n++ ? ", " : "<p>Elsewhere: ", a->title,
                    a->access, a->auxiliary);
    }
    assay__buf_puts(b, n ? ".</p>\n" : "");
}

static void put_matrix(const struct assay__view *view, struct assay__buf *b)
{
    assay__part_table_begin(b, "stack matrix",
                            "Attacks by what the attacker sees and knows");
    assay__buf_puts(b, "<thead><tr><td></td>");
    for (size_t k = 0; k < N_AUX; k++)
        assay__html(b,
                    "<th scope=\"col\">%s<span class=\"sub\">%s</span>"
                    "</th>",
                    auxiliaries[k].name, auxiliaries[k].meaning);
    assay__buf_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < N_ACCESS; i++) {
        assay__html(b,
                    "<tr><th scope=\"row\">%s<span class=\"sub\">%s"
                    "</span></th>",
                    accesses[i].name, accesses[i].meaning);
        for (size_t k = 0; k < N_AUX; k++)
            put_cell(view, b, i, k);
        assay__buf_puts(b, "</tr>\n");
    }
    assay__part_table_end(b);
    put_others(view, b);
}

static void put_accuracy(struct assay__buf *b, const char *name,
                         const json_t *model, const char *key)
{
    struct assay_estimate e = assay__field_estimate(model, key);

    assay__html(b, "<div><dt>%s</dt><dd>", name);
    if (isnan(e.value)) {
        assay__buf_puts(b, "<span class=\"missing\" title=\"not measured\">"
                           "\xe2\x80\x93</span> not measured");
    } else {
        assay__part_estimate(b, &e, ASSAY__NUMBER_PERCENT);
        if (e.n)
            assay__html(b, " <span class=\"interval\">(%s records)</span>",
                        assay__number_count((double)e.n).s);
    }
    assay__buf_puts(b, "</dd></div>\n");
}

static void put_model(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *model = json_object_get(view->doc, "model");
    const json_t *input = json_object_get(model, "input");
    const json_t *trust = json_object_get(view->doc, "trust");
    double parameters = assay__field_number(model, "parameters");

    assay__buf_puts(b, "<div>\n<h3>Model</h3>\n<dl class=\"facts\">\n");
    assay__part_fact(b, "Name", assay__field_text(model, "name"));
    assay__part_fact(b, "Architecture", assay__field_text(model, "arch"));
    if (!isnan(parameters))
        assay__part_fact(b, "Parameters", assay__number_count(parameters).s);
    if (json_array_size(input)) {
        assay__buf_puts(b, "<div><dt>Input</dt><dd>");
        for (size_t i = 0; i < json_array_size(input); i++) {
            assay__buf_puts(b, i ? " \xc3\x97 " : "");
            assay__part_value(b, json_array_get(input, i));
        }
        assay__buf_puts(b, "</dd></div>\n");
    }
    assay__part_fact(b, "Origin", assay__field_text(model, "origin"));
    if (json_is_object(json_object_get(trust, "accuracy"))) {
        put_accuracy(b, "Accuracy on clean records", trust, "accuracy");
    } else {
        put_accuracy(b, "Accuracy on training records", model,
                     "train_accuracy");
        put_accuracy(b, "Accuracy on other records", model, "test_accuracy");
        put_accuracy(b, "Difference (gap)", model, "gap");
    }
    assay__buf_puts(b, "</dl>\n</div>\n");
}

/* Every attack may score other records; the largest numbers stand here. */
static void put_scored(const struct assay__view *view, struct assay__buf *b)
{
    double members = ASSAY__MISSING;
    double others = ASSAY__MISSING;

    for (size_t i = 0; i < view->n_ranked; i++) {
        members = fmax(members, view->ranked[i]->n_members);
        others = fmax(others, view->ranked[i]->n_nonmembers);
    }
    if (isnan(members) || isnan(others))
        return;
    assay__html(b,
                "<div><dt>Records attacked</dt><dd>%s members, %s "
                "non-members</dd></div>\n",
                assay__number_count(members).s, assay__number_count(others).s);
}

static void put_data(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *data = json_object_get(view->doc, "data");
    const json_t *references = json_object_get(view->doc, "references");
    size_t n_classes = json_array_size(json_object_get(data, "classes"));
    double records = assay__field_number(data, "records");

    assay__buf_puts(b, "<div>\n<h3>Data</h3>\n<dl class=\"facts\">\n");
    assay__part_fact(b, "Name", assay__field_text(data, "name"));
    if (!isnan(records))
        assay__part_fact(b, "Records", assay__number_count(records).s);
    if (n_classes)
        assay__part_fact(b, "Classes",
                         assay__number_count((double)n_classes).s);
    put_scored(view, b);
    if (json_is_object(references)) {
        assay__html(
            b, "<div><dt>Reference models</dt><dd>%s",
            assay__number_count(assay__field_number(references, "n")).s);
        if (!isnan(assay__field_number(references, "in_share")))
            assay__html(
                b, ", each trained on %s of the records",
                assay__number_rate(assay__field_number(references, "in_share"))
                    .s);
        assay__buf_puts(b, "</dd></div>\n");
    }
    assay__buf_puts(b, "</dl>\n</div>\n");
}

static void put_number(struct assay__buf *b, const char *name,
                       const json_t *object, const char *key)
{
    double value = assay__field_number(object, key);

    if (!isnan(value))
        assay__part_fact(b, name, assay__number_plain(value).s);
}

/* What a defence promises, and what the attacks show of it. */
static void put_claim(const struct assay__view *view, struct assay__buf *b,
                      const json_t *claim)
{
    const json_t *bound = json_object_get(claim, "epsilon_lower_bound");
    double epsilon = assay__field_number(bound, "epsilon");

    assay__buf_puts(b, "<h4>What it claims</h4>\n<dl class=\"facts\">\n");
    put_number(b, "Epsilon at most", claim, "epsilon_prv");
    put_number(b, "The same by RDP", claim, "epsilon_rdp");
    put_number(b, "Delta", claim, "delta");
    put_number(b, "Noise multiplier", claim, "noise_multiplier");
    put_number(b, "Clipping norm", claim, "clip_norm");
    put_number(b, "Sampling rate", claim, "sample_rate");
    put_number(b, "Steps", claim, "steps");
    if (!isnan(epsilon))
        assay__html(
            b,
            "<div><dt>Epsilon at least, shown by attacks</dt><dd>%s "
            "<span class=\"interval\">(95 %% confidence; %s)</span>"
            "</dd></div>\n",
            assay__number_fixed(epsilon, 2).s,
            assay__part_attack_title(view, assay__field_text(bound, "attack")));
    assay__buf_puts(b, "</dl>\n");
}

static void put_defense(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *defense = json_object_get(view->doc, "defense");
    const json_t *protects = json_object_get(defense, "protects");
    const json_t *claim = json_object_get(defense, "claim");
    const char *title = assay__field_text(defense, "title");

    if (!json_is_object(defense))
        return;
    assay__buf_puts(b, "<div>\n<h3>Defence</h3>\n<dl class=\"facts\">\n");
    assay__part_fact(b, "Name",
                     *title ? title : assay__field_text(defense, "name"));
    assay__part_fact(b, "Where", assay__field_text(defense, "stage"));
    assay__part_fact(b, "From", assay__field_text(defense, "cites"));
    if (json_array_size(protects)) {
        assay__buf_puts(b, "<div><dt>Meant against</dt><dd>");
        assay__part_value(b, protects);
        assay__buf_puts(b, "</dd></div>\n");
    }
    assay__part_facts(b, json_object_get(defense, "params"));
    assay__buf_puts(b, "</dl>\n");
    if (json_is_object(claim))
        put_claim(view, b, claim);
    assay__buf_puts(b, "</div>\n");
}

/* One line, so that no number is read as that of the bare model. */
static void say_defense(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *defense = json_object_get(view->doc, "defense");
    const json_t *claim = json_object_get(defense, "claim");
    const char *title = assay__field_text(defense, "title");
    double claimed = assay__field_number(claim, "epsilon_prv");
    double shown = assay__field_number(
        json_object_get(claim, "epsilon_lower_bound"), "epsilon");

    if (!json_is_object(defense))
        return;
    assay__html(b,
                "<p>The model is defended: <b>%s</b>. Every number is of the "
                "defended model.",
                *title ? title : assay__field_text(defense, "name"));
    if (!isnan(claimed) && !isnan(shown))
        assay__html(
            b,
            " The training claims an epsilon of at most %s; the attacks "
            "show at least %s%s",
            assay__number_fixed(claimed, 2).s, assay__number_fixed(shown, 2).s,
            shown > claimed ? ": the claim does not hold."
                            : ", which is no contradiction.");
    assay__buf_puts(b, "</p>\n");
}

/* What was asked, a sentence for each goal. */
static void put_questions(const struct assay__view *view, struct assay__buf *b)
{
    static const char *const about_itself =
        "<b>Can one build on it:</b> does the model, or its file, do something "
        "that its owner does not know of?";
    static const char *const questions[ASSAY__N_GOALS] = {
        "can they tell whether a given record was used to train it? If so, "
        "taking part in the training data is itself disclosed, be it a "
        "patient list or a customer base",
        "can they find out something about a record that the model was never "
        "asked to tell",
        "can they make a copy that answers like it",
        "can they make pictures of what it was trained on",
        "can they do what this version of the report has no words for"};
    size_t n = 0;

    for (int i = 0; i < ASSAY__N_GOALS; i++)
        n += view->n_of[i] > 0;
    if (assay__view_trust_alone(view)) {
        assay__buf_puts(b, "<p>");
        assay__buf_puts(b, about_itself);
        assay__buf_puts(b, " No attack on privacy was run.</p>\n");
        return;
    }
    assay__buf_puts(b, "<p>Given somebody who has access to this model:</p>\n"
                       "<ul class=\"limits\">\n");
    for (int i = 0; i < ASSAY__N_GOALS; i++)
        if (view->n_of[i] || (!n && i == ASSAY__GOAL_MEMBERSHIP))
            assay__html(b, "<li><b>%s:</b> %s%s</li>\n",
                        assay__goal_title((enum assay__goal)i), questions[i],
                        i == ASSAY__GOAL_MEMBERSHIP ? "." : "?");
    assay__buf_puts(b, "</ul>\n<p>Every attack answers under assumptions about "
                       "the attacker, and holds only under them.</p>\n");
    if (assay__view_has_trust(view)) {
        assay__buf_puts(b, "<p>And of the model itself: ");
        assay__buf_puts(b, about_itself);
        assay__buf_puts(b, "</p>\n");
    }
}

void assay__section_scope(const struct assay__view *view, struct assay__buf *b)
{
    put_questions(view, b);
    say_defense(view, b);
    if (!assay__view_trust_alone(view))
        put_matrix(view, b);
    assay__buf_puts(b, "<div class=\"columns\">\n");
    put_model(view, b);
    put_data(view, b);
    put_defense(view, b);
    assay__buf_puts(b, "</div>\n");
}
