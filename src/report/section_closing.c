/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The closing sections: what to do, how to run it again, names in other
 * people's lists, what this cannot tell, and the words.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/parts.h"
#include "report/sections.h"

void assay__section_advice(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *list = json_object_get(view->doc, "advice");

    if (!json_array_size(list)) {
        assay__buf_puts(b, "<p>Nothing follows from this audit that would "
                           "have to be done.</p>\n");
        return;
    }
    assay__buf_puts(b, "<ol class=\"advice\">\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);
        const json_t *mitigation = json_object_get(a, "mitigation");

        assay__html(b, "<li><h3>%s</h3>\n<p>%s</p>\n",
                    assay__field_text(a, "title"),
                    assay__field_text(a, "text"));
        if (json_is_object(mitigation))
            assay__html(b,
                        "<p class=\"small\">MITRE ATLAS mitigation "
                        "<code>%s</code> %s</p>\n",
                        assay__field_text(mitigation, "id"),
                        assay__field_text(mitigation, "name"));
        assay__buf_puts(b, "</li>\n");
    }
    assay__buf_puts(b, "</ol>\n");
}

/* A word as a POSIX shell takes it; plain words stay as they are. */
static void add_shell_word(struct assay__buf *line, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz"
                                "0123456789_@%+=:,./-";
    const char *quote;

    if (*word && strspn(word, plain) == strlen(word)) {
        assay__buf_puts(line, word);
        return;
    }
    assay__buf_puts(line, "'");
    while ((quote = strchr(word, '\''))) {
        assay__buf_add(line, word, (size_t)(quote - word));
        assay__buf_puts(line, "'\\''");
        word = quote + 1;
    }
    assay__buf_puts(line, word);
    assay__buf_puts(line, "'");
}

static void put_command(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *words =
        json_object_get(json_object_get(view->doc, "run"), "command");
    struct assay__buf line = ASSAY__BUF_INIT;

    if (!json_array_size(words))
        return;
    for (size_t i = 0; i < json_array_size(words); i++) {
        assay__buf_puts(&line, i ? " " : "");
        add_shell_word(&line, json_string_value(json_array_get(words, i)));
    }
    assay__html(b, "<pre><code>%s</code></pre>\n", line.data);
    b->failed = b->failed || line.failed;
    assay__buf_release(&line);
}

static void put_count(struct assay__buf *b, const char *name,
                      const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_number(v))
        return;
    assay__html(b, "<div><dt>%s</dt><dd>", name);
    assay__part_value(b, v); /* a seed is not a quantity: no commas */
    assay__buf_puts(b, "</dd></div>\n");
}

static void put_run(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *run = json_object_get(view->doc, "run");
    const json_t *tool = json_object_get(view->doc, "tool");
    const json_t *model = json_object_get(view->doc, "model");
    const json_t *data = json_object_get(view->doc, "data");
    const json_t *split = json_object_get(data, "split");

    assay__buf_puts(b, "<div>\n<h3>Run</h3>\n<dl class=\"facts\">\n");
    assay__html(b, "<div><dt>Tool</dt><dd>%s %s</dd></div>\n",
                assay__field_text(tool, "name"),
                assay__field_text(tool, "version"));
    put_count(b, "Seed", run, "seed");
    put_count(b, "Threads", run, "threads");
    assay__part_fact(b, "Backend", assay__field_text(run, "backend"));
    assay__part_fact(b, "Algorithms", assay__field_text(run, "algorithms"));
    assay__part_fact(b, "Number type", assay__field_text(run, "dtype"));
    put_count(b, "Seed of the split", split, "seed");
    put_count(b, "Records in the split", split, "n");
    assay__part_hash(b, "Model, SHA-256", assay__field_text(model, "sha256"));
    assay__part_hash(b, "Data, SHA-256", assay__field_text(data, "sha256"));
    assay__part_hash(b, "Split, SHA-256", assay__field_text(split, "sha256"));
    assay__buf_puts(b, "</dl>\n</div>\n");
}

/* An object's keys as facts below a heading; nothing for other values. */
static void put_object(struct assay__buf *b, const char *title,
                       const json_t *object)
{
    if (!json_is_object(object) || !json_object_size(object))
        return;
    assay__html(b, "<div>\n<h3>%s</h3>\n<dl class=\"facts\">\n", title);
    assay__part_facts(b, object);
    assay__buf_puts(b, "</dl>\n</div>\n");
}

static void put_times(const struct assay__view *view, struct assay__buf *b)
{
    const char *start = assay__field_text(view->manifest, "start");

    if (!*start)
        return;
    assay__buf_puts(b, "<div>\n<h3>Time</h3>\n<dl class=\"facts\">\n");
    assay__part_fact(b, "Started", start);
    assay__part_fact(b, "Finished", assay__field_text(view->manifest, "end"));
    assay__buf_puts(b, "</dl>\n</div>\n");
}

void assay__section_reproduce(const struct assay__view *view,
                              struct assay__buf *b)
{
    const json_t *data = json_object_get(view->doc, "data");

    assay__buf_puts(b, "<p>The same command, seed and number of threads on "
                       "the same model and data give the same findings, "
                       "byte for byte, where the fastest algorithms are not "
                       "chosen anew by timing: copy <code>tuning.json</code> "
                       "of this run folder into the new one, or run with "
                       "<code>--algorithms direct</code>.</p>\n");
    put_command(view, b);
    assay__buf_puts(b, "<div class=\"columns\">\n");
    put_run(view, b);
    put_object(b, "Recipe", json_object_get(view->doc, "recipe"));
    put_object(b, "Preprocessing", json_object_get(data, "preprocess"));
    put_times(view, b);
    put_object(b, "Machine", json_object_get(view->manifest, "host"));
    assay__buf_puts(b, "</div>\n");
}

void assay__section_taxonomy(const struct assay__view *view,
                             struct assay__buf *b)
{
    const json_t *list = json_object_get(view->doc, "taxonomy");

    if (!json_array_size(list)) {
        assay__buf_puts(b, "<p>No entries.</p>\n");
        return;
    }
    assay__buf_puts(b, "<p>What was tested, in the terms of public "
                       "lists.</p>\n");
    assay__part_table_begin(b, "stack taxonomy", "Entries in public lists");
    assay__buf_puts(b, "<thead><tr><th scope=\"col\">List</th>"
                       "<th scope=\"col\">Entry</th><th scope=\"col\">Name"
                       "</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i);

        assay__html(b,
                    "<tr><th scope=\"row\">%s <span class=\"sub\">%s</span>"
                    "</th><td data-label=\"Entry\"><code>%s</code></td>"
                    "<td data-label=\"Name\">%s</td></tr>\n",
                    assay__field_text(t, "scheme"),
                    assay__field_text(t, "version"), assay__field_text(t, "id"),
                    assay__field_text(t, "name"));
    }
    assay__part_table_end(b);
}

void assay__section_limits(const struct assay__view *view, struct assay__buf *b)
{
    const json_t *list = json_object_get(view->doc, "limits");

    assay__buf_puts(b, "<ul class=\"limits\">\n<li>A passed audit is not a "
                       "proof: it says that these attacks, under these "
                       "assumptions, stayed within the policy.</li>\n");
    for (size_t i = 0; i < json_array_size(list); i++)
        assay__html(b, "<li>%s</li>\n",
                    json_string_value(json_array_get(list, i)));
    assay__buf_puts(b, "</ul>\n");
}

void assay__section_glossary(const struct assay__view *view,
                             struct assay__buf *b)
{
    static const char *const words[][2] = {
        {"Member", "A record that the model was trained on. All others are "
                   "non-members."},
        {"Membership inference", "Deciding from the model's behaviour "
                                 "whether a record is a member."},
        {"TPR, FPR", "True positive rate: the share of members that are "
                     "named. False positive rate: the share of non-members "
                     "that are wrongly named."},
        {"TPR at 0.1 % FPR", "Members found while at most one non-member in "
                             "a thousand is wrongly named. The interval allows "
                             "for both shares being measured on the records "
                             "there are; with few of them it is wide."},
        {"AUC", "The chance that a random member scores higher than a "
                "random non-member. 0.5 is guessing, 1 is certainty."},
        {"Balanced accuracy", "The mean of the shares of members and of "
                              "non-members that are called rightly."},
        {"Attribute inference", "Finding out something about a record that "
                                "the model was not asked to tell, from what "
                                "the model makes of it."},
        {"Imputation", "Guessing an attribute without the model, from the "
                       "picture or the class. What it tells is no leak of "
                       "the model."},
        {"Model stealing", "Training a copy to a model\xe2\x80\x99s answers. "
                           "Agreement is the share of new records to which "
                           "both give the same class."},
        {"Model inversion", "Making pictures that a model takes for a class. "
                            "The evaluation classifier is another model, "
                            "which the attack does not see, that says whether "
                            "they show it."},
        {"Backdoor, trigger", "A model with a backdoor answers as it should "
                              "until an input carries the trigger, a patch or "
                              "pattern that leads to a class of "
                              "somebody\xe2\x80\x99s choice."},
        {"ACC, ASR, RA", "Accuracy on clean records; the share of stamped "
                         "records of other classes that the trigger leads to "
                         "its class; the share of them that are called "
                         "rightly."},
        {"Beyond chance", "The share of right guesses less what guesses "
                          "would get that favour the same values but know "
                          "nothing. 0 is nothing found."},
        {"Posteriors", "The probabilities that the model gives to the classes "
                       "for a record."},
        {"PPV", "Positive predictive value: of the records called members, "
                "the share that are, where only a part of the candidates are "
                "members. How far an accusation can be believed."},
        {"Baseline", "What an attack must beat. For membership: what is "
                     "classified correctly is a member, which sees no more "
                     "than the accuracy gap. For the other goals: what can be "
                     "had without asking the model."},
        {"Shadow or reference model", "A model that the attacker trains on "
                                      "data of the same kind, to learn how "
                                      "membership shows."},
        {"Black-box, white-box", "Access to the answers of a model; access "
                                 "to the model itself."},
        {"95 % interval", "Had other records been drawn, 95 of 100 such "
                          "intervals would hold the true value. The rules of "
                          "the policy use wider ones that hold for the best "
                          "of all attacks together."},
        {"Epsilon", "The strength of a differential privacy guarantee; "
                    "smaller is stronger. \xe2\x80\x9c"
                    "Epsilon at least\xe2\x80\x9d is how large it would "
                    "have to be to allow what was found, were all records "
                    "independent. As they share one model, it is an "
                    "estimate: a value above a claimed epsilon casts doubt "
                    "on the claim and does not refute it."},
    };

    (void)view; /* the words are the same for all runs */
    assay__buf_puts(b, "<dl class=\"glossary\">\n");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assay__html(b, "<div><dt>%s</dt><dd>%s</dd></div>\n", words[i][0],
                    words[i][1]);
    assay__buf_puts(b, "</dl>\n");
}
