/* SPDX-License-Identifier: Apache-2.0 */
/*
 * study.json, the part that is read: the grid, and of each cell what its
 * findings say, as pairs of attack and metric. Nothing here knows which
 * metrics there are: whatever stands in an attack's findings as an estimate
 * is one. The target itself is the first "attack", of the goal "utility".
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "study/study.h"

enum { FINDINGS_MAX_BYTES = 256 << 20, KEYS_MAX = 256 };

/* The metric that stands for an attack in figures and correlations: the
 * first of its goal's that it has. */
static const struct headline {
    const char *goal;
    const char *metric[3];
} headlines[] = {
    {"utility", {"test_accuracy"}},
    {"membership", {"accuracy", "auc"}},
    {"inversion", {"success", "mse"}},
    {"attribute", {"accuracy", "advantage"}},
    {"stealing", {"agreement", "accuracy"}},
    {"backdoor", {"success", "accuracy"}},
    {"reuse", {"success", "accuracy"}},
};
enum { N_HEADLINES = sizeof(headlines) / sizeof(headlines[0]) };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static json_t *number_of(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_incref(value) : json_null();
}

/* What guessing gives, for membership, where findings do not say. */
static json_t *guessing(const json_t *attack, const char *metric)
{
    if (strcmp(text_of(attack, "goal"), "membership") != 0)
        return json_null();
    if (strcmp(metric, "auc") == 0 || strcmp(metric, "accuracy") == 0)
        return json_real(0.5);
    if (strcmp(metric, "advantage") == 0)
        return json_real(0);
    if (strcmp(metric, "ppv") == 0)
        return number_of(attack, "prior");
    return json_null();
}

static void add_estimate(json_t *metrics, const json_t *attack,
                         const char *name, const json_t *e)
{
    json_t *baseline = json_is_number(json_object_get(e, "baseline"))
                           ? number_of(e, "baseline")
                           : guessing(attack, name);

    json_object_set_new(
        metrics, name,
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "value", number_of(e, "value"),
                  "low", number_of(e, "low"), "high", number_of(e, "high"), "n",
                  number_of(e, "n"), "baseline", baseline));
}

/* "tpr@0.001" and so on. */
static void add_rates(json_t *metrics, const json_t *rates)
{
    char name[32];
    size_t i;

    for (i = 0; i < json_array_size(rates); i++) {
        const json_t *row = json_array_get(rates, i);

        snprintf(name, sizeof(name), "tpr@%g",
                 json_number_value(json_object_get(row, "fpr")));
        json_object_set_new(metrics, name,
                            json_pack("{s:o, s:o, s:o, s:o, s:o}", "value",
                                      number_of(row, "tpr"), "low",
                                      number_of(row, "low"), "high",
                                      number_of(row, "high"), "n",
                                      number_of(row, "n_neg"), "baseline",
                                      number_of(row, "fpr")));
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same object with its keys in the order of their bytes. Takes it. */
static json_t *sorted(json_t *object)
{
    const char *key[KEYS_MAX];
    json_t *out = json_object();
    json_t *value;
    const char *name;
    size_t n = 0;
    size_t i;

    json_object_foreach(object, name, value)
    {
        if (n < KEYS_MAX)
            key[n++] = name;
    }
    qsort(key, n, sizeof(key[0]), by_text);
    for (i = 0; i < n; i++)
        json_object_set(out, key[i], json_object_get(object, key[i]));
    json_decref(object);
    return out;
}

static json_t *metrics_of(const json_t *attack)
{
    json_t *metrics = json_object();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)attack, key, value)
    {
        if (strcmp(key, "params") == 0)
            continue;
        if (json_object_get(value, "value") != NULL)
            add_estimate(metrics, attack, key, value);
        else if (strcmp(key, "tpr_at_fpr") == 0)
            add_rates(metrics, value);
        else if (strcmp(key, "epsilon_lower_bound") == 0)
            json_object_set_new(metrics, key,
                                json_pack("{s:o, s:o, s:n, s:n, s:f}", "value",
                                          number_of(attack, key), "low",
                                          number_of(attack, key), "high", "n",
                                          "baseline", 0.0));
    }
    return sorted(metrics);
}

static json_t *attack_json(const json_t *attack)
{
    int ran = strcmp(text_of(attack, "status"), "ran") == 0;

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:o}", "name",
        text_of(attack, "name"), "title", text_of(attack, "title"), "goal",
        text_of(attack, "goal"), "access", text_of(attack, "access"),
        "auxiliary", text_of(attack, "auxiliary"), "baseline",
        json_is_true(json_object_get(attack, "baseline")), "ran", ran, "why",
        ran ? json_null() : json_string(text_of(attack, "why")), "metrics",
        ran ? metrics_of(attack) : json_object());
}

/* Accuracies and gap as the metrics of an attack that only asks. */
static json_t *target_json(const json_t *model)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:n, s:o}", "name",
                     "target", "title", "The model itself", "goal", "utility",
                     "access", "", "auxiliary", "", "baseline", 1, "ran", 1,
                     "why", "metrics", metrics_of(model));
}

json_t *assay__study_digest(const json_t *findings)
{
    const json_t *data = json_object_get(findings, "data");
    const json_t *model = json_object_get(findings, "model");
    const json_t *attacks = json_object_get(findings, "attacks");
    const json_t *verdict = json_object_get(findings, "verdict");
    json_t *list = json_array();
    size_t i;

    json_array_append_new(list, target_json(model));
    for (i = 0; i < json_array_size(attacks); i++)
        json_array_append_new(list, attack_json(json_array_get(attacks, i)));
    return json_pack(
        "{s:s, s:{s:s, s:s, s:o, s:I, s:o}, s:o, s:o, s:o}", "verdict",
        text_of(verdict, "level"), "data", "name", text_of(data, "name"),
        "sha256", text_of(data, "sha256"), "records",
        number_of(data, "records"), "classes",
        (json_int_t)json_array_size(json_object_get(data, "classes")),
        "per_quarter", number_of(json_object_get(data, "split"), "n"),
        "parameters", number_of(model, "parameters"), "input",
        json_is_array(json_object_get(model, "input"))
            ? json_incref(json_object_get(model, "input"))
            : json_null(),
        "attacks", list);
}

static json_t *cell_json(const assay_study *s, size_t i)
{
    const struct assay__study_file *f = s->file;
    const struct assay__study_cell *c = &s->cell[i];
    const struct assay__study_work *work = &s->work[i];
    const char *failed = work->failed[0] != '\0' ? work->failed : work->why;
    int done = work->state == ASSAY_STUDY_DONE;

    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:s, s:o}", "name",
                     c->name, "dataset", f->datasets[c->dataset].name,
                     "architecture", f->architectures[c->architecture],
                     "defense", assay__study_defense_name(f, c->defense),
                     "seed", (json_int_t)c->seed, "epochs",
                     (json_int_t)c->settings.recipe.epochs, "sweep", c->sweep,
                     "status", done ? "done" : "failed", "why",
                     done ? json_null() : assay__json_string(failed));
}

static int add_findings(const assay_study *s, size_t i, json_t *cell,
                        struct assay_error *err)
{
    char *path = assay__study_cell_path(s, i, "findings.json");
    json_t *findings = NULL;
    json_t *digest = NULL;
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "cell %s", s->cell[i].name);
    code = assay__json_read(path, FINDINGS_MAX_BYTES, &findings, err);
    if (code == ASSAY_OK) {
        digest = assay__study_digest(findings);
        if (digest == NULL || json_object_update(cell, digest) != 0)
            code =
                assay_error_set(err, ASSAY_NOMEM, "cell %s", s->cell[i].name);
    }
    json_decref(digest);
    json_decref(findings);
    assay__free(path);
    return code;
}

static json_t *find_attack(json_t *list, const char *name)
{
    size_t i;

    for (i = 0; i < json_array_size(list); i++) {
        json_t *row = json_array_get(list, i);

        if (strcmp(text_of(row, "name"), name) == 0)
            return row;
    }
    return NULL;
}

static const char *headline_of(const json_t *attack)
{
    const json_t *metrics = json_object_get(attack, "metrics");
    const char *goal = text_of(attack, "goal");
    const char *metric;
    int i;
    int k;

    for (i = 0; i < N_HEADLINES; i++) {
        if (strcmp(headlines[i].goal, goal) != 0)
            continue;
        for (k = 0; k < 3 && headlines[i].metric[k] != NULL; k++) {
            metric = headlines[i].metric[k];
            if (json_object_get(metrics, metric) != NULL)
                return metric;
        }
    }
    return json_object_iter_key(json_object_iter((json_t *)(uintptr_t)metrics));
}

/* All attacks of all cells, in the order in which they come up. */
static json_t *list_attacks(const json_t *cells)
{
    json_t *list = json_array();
    size_t i;
    size_t k;

    for (i = 0; i < json_array_size(cells); i++) {
        const json_t *attacks =
            json_object_get(json_array_get(cells, i), "attacks");

        for (k = 0; k < json_array_size(attacks); k++) {
            const json_t *a = json_array_get(attacks, k);
            json_t *row = find_attack(list, text_of(a, "name"));
            const char *headline = headline_of(a);

            if (row == NULL) {
                row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:n}", "name",
                                text_of(a, "name"), "title",
                                text_of(a, "title"), "goal", text_of(a, "goal"),
                                "access", text_of(a, "access"), "auxiliary",
                                text_of(a, "auxiliary"), "baseline",
                                json_object_get(a, "baseline"), "headline");
                json_array_append_new(list, row);
            }
            if (headline != NULL &&
                json_is_null(json_object_get(row, "headline")))
                json_object_set_new(row, "headline", json_string(headline));
        }
    }
    return list;
}

static json_t *defenses_json(const assay_study *s)
{
    const struct assay__study_file *f = s->file;
    json_t *list = json_array();
    unsigned i;
    unsigned k;

    for (i = 0; i < assay__study_n_defenses(f); i++) {
        json_t *params = json_array();

        for (k = 0; f->defenses_count > 0 && k < f->defenses[i].params_count;
             k++)
            json_array_append_new(params,
                                  assay__json_string(f->defenses[i].params[k]));
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o}", "name",
                            assay__study_defense_name(f, i), "kind",
                            assay__study_defense_kind(f, i), "params", params));
    }
    return list;
}

static json_t *grid_json(const assay_study *s)
{
    const struct assay__study_file *f = s->file;
    json_t *datasets = json_array();
    json_t *architectures = json_array();
    json_t *seeds = json_array();
    unsigned i;

    for (i = 0; i < f->datasets_count; i++)
        json_array_append_new(datasets, json_string(f->datasets[i].name));
    for (i = 0; i < f->architectures_count; i++)
        json_array_append_new(architectures, json_string(f->architectures[i]));
    for (i = 0; i < f->seeds_count; i++)
        json_array_append_new(seeds, json_integer((json_int_t)f->seeds[i]));
    if (f->seeds_count == 0)
        json_array_append_new(seeds, json_integer(0));
    return json_pack("{s:o, s:o, s:o, s:o}", "datasets", datasets,
                     "architectures", architectures, "defenses",
                     defenses_json(s), "seeds", seeds);
}

int assay__study_collect(const assay_study *s, json_t **out,
                         struct assay_error *err)
{
    json_t *cells = json_array();
    json_t *root;
    size_t i;
    int code = ASSAY_OK;

    for (i = 0; i < s->n_cells && code == ASSAY_OK; i++) {
        json_t *cell = cell_json(s, i);

        if (cell == NULL || json_array_append_new(cells, cell) != 0)
            code =
                assay_error_set(err, ASSAY_NOMEM, "cell %s", s->cell[i].name);
        else if (s->work[i].state == ASSAY_STUDY_DONE)
            code = add_findings(s, i, cell, err);
    }
    if (code != ASSAY_OK) {
        json_decref(cells);
        return code;
    }
    root =
        json_pack("{s:s, s:{s:s, s:s}, s:o, s:s, s:o, s:o, s:o}", "schema",
                  "assay-study/1", "tool", "name", "assay", "version",
                  assay_version(), "name", assay__json_string(s->file->name),
                  "preset", assay__study_preset(s->file)->name, "grid",
                  grid_json(s), "attacks", list_attacks(cells), "cells", cells);
    if (root == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "study.json");
    *out = root;
    return ASSAY_OK;
}
