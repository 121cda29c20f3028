/* SPDX-License-Identifier: Apache-2.0 */
/*
 * findings.json (docs/findings.md): the whole result of a run as one
 * document, a function of inputs, seed and thread count alone. Times, host
 * and paths are the manifest's.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "core/json.h"
#include "core/mem.h"

/* The words of the command, without the run folder: it changes nothing. */
static json_t *command_json(const assay_audit *a)
{
    const struct assay_audit_options *o = &a->options;
    json_t *words = json_array();
    int i;

    for (i = 0; i < o->n_command; i++) {
        const char *word = o->command[i];

        if (strcmp(word, "--out") == 0 || strcmp(word, "-o") == 0) {
            i++;
            continue;
        }
        if (strncmp(word, "--out=", 6) == 0)
            continue;
        json_array_append_new(words, assay__json_string(word));
    }
    return words;
}

static json_t *run_json(const assay_audit *a)
{
    const struct assay_compute *c = &a->options.compute;

    return json_pack(
        "{s:o, s:I, s:i, s:s, s:s, s:s}", "command", command_json(a), "seed",
        (json_int_t)a->ctx.seed, "threads",
        c->threads > 0 ? c->threads : a->ctx.threads, "algorithms",
        c->algorithms == ASSAY_ALGORITHMS_DIRECT ? "direct" : "tuned", "dtype",
        c->dtype == ASSAY_DTYPE_BF16 ? "bf16" : "f32", "backend",
        c->backend != NULL ? c->backend : "onednn");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static json_t *accuracy_json(const struct assay_evidence *e)
{
    struct assay_estimate estimate;

    if (e->n == 0)
        return json_null();
    estimate = assay_evidence_accuracy(e);
    return assay__estimate_json(&estimate);
}

static json_t *gap_json(const assay_audit *a)
{
    struct assay_estimate gap = assay__verdict_gap(a);

    return isnan(gap.value) ? json_null() : assay__estimate_json(&gap);
}

static json_t *model_json(const assay_audit *a)
{
    const struct assay__scene *s = &a->scene;
    const char *file = a->options.model != NULL
                           ? a->options.model
                           : a->options.predictions.members;
    const char *arch =
        a->opened != NULL ? assay_model_arch(a->opened) : a->arch;
    const char *origin = "trained by this run";
    const char *name = file != NULL ? base_name(file) : "target";
    json_t *input = json_null();

    if (a->data == NULL)
        origin = "predictions only";
    else if (a->opened != NULL)
        origin = name;
    if (a->data != NULL)
        input = json_pack("[i, i, i]", a->preprocess.channels,
                          a->preprocess.height, a->preprocess.width);
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                     assay__json_string(name), "arch",
                     a->data != NULL ? json_string(arch) : json_null(),
                     "sha256", s->target_sha256, "parameters",
                     a->data != NULL
                         ? json_integer((json_int_t)s->target_parameters)
                         : json_null(),
                     "origin", assay__json_string(origin), "train_accuracy",
                     accuracy_json(&s->target[ASSAY__MEMBERS]), "test_accuracy",
                     accuracy_json(&s->target[ASSAY__NONMEMBERS]), "gap",
                     gap_json(a), "input", input);
}

static json_t *class_names(const assay_audit *a)
{
    json_t *list = json_array();
    char number[16];
    int n = a->data != NULL ? assay_dataset_n_classes(a->data)
                            : a->scene.target[ASSAY__MEMBERS].n_classes;
    int k;

    for (k = 0; k < n; k++) {
        const char *name = number;

        snprintf(number, sizeof(number), "%d", k);
        if (a->data != NULL)
            name = assay_dataset_class_name(a->data, k);
        if (json_array_append_new(list, assay__json_string(name)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *data_json(const assay_audit *a)
{
    size_t n_given = a->scene.target[0].n + a->scene.target[1].n;
    json_t *split = json_null();

    if (a->data == NULL)
        return json_pack("{s:s, s:n, s:I, s:o, s:n, s:n}", "name",
                         "predictions", "sha256", "records",
                         (json_int_t)n_given, "classes", class_names(a),
                         "split", "preprocess");
    if (a->split.n > 0)
        split =
            json_pack("{s:I, s:s, s:I}", "seed", (json_int_t)a->split.seed,
                      "sha256", a->split.sha256, "n", (json_int_t)a->split.n);
    return json_pack("{s:o, s:s, s:I, s:o, s:o, s:o}", "name",
                     assay__json_string(assay_dataset_name(a->data)), "sha256",
                     assay_dataset_sha256(a->data), "records",
                     (json_int_t)assay_dataset_count(a->data), "classes",
                     class_names(a), "split", split, "preprocess",
                     json_loads(a->preprocess_text, 0, NULL));
}

static json_t *recipe_json(const assay_audit *a)
{
    char *text;
    json_t *recipe;

    if (a->data == NULL || a->split.n == 0)
        return json_null();
    text = assay_recipe_text(&a->recipe);
    recipe = text != NULL ? json_loads(text, 0, NULL) : NULL;
    assay__free(text);
    return recipe;
}

static void add_curve(json_t *list, const char *name,
                      const struct assay_curve *curve)
{
    json_t *points = json_array();
    size_t i;

    for (i = 0; i < curve->n; i++) {
        const struct assay_curve_point *p = &curve->point[i];

        json_array_append_new(
            points,
            json_pack("{s:I, s:o, s:o, s:o, s:o}", "epoch",
                      (json_int_t)p->epoch, "loss", assay__json_real(p->loss),
                      "train_accuracy", assay__json_real(p->train_accuracy),
                      "test_accuracy", assay__json_real(p->test_accuracy), "lr",
                      assay__json_real(p->lr)));
    }
    json_array_append_new(
        list, json_pack("{s:s, s:o}", "name", name, "points", points));
}

static json_t *curves_json(const assay_audit *a)
{
    json_t *list = json_array();

    if (a->scene.target_curve.n > 0)
        add_curve(list, "target", &a->scene.target_curve);
    if (a->scene.shadow_curve.n > 0)
        add_curve(list, "shadow", &a->scene.shadow_curve);
    return list;
}

/* Share of (model, record) pairs where the model was trained on it. */
static json_t *references_json(const assay_audit *a)
{
    const struct assay__scene *s = &a->scene;
    size_t total = s->target[ASSAY__MEMBERS].n + s->target[ASSAY__NONMEMBERS].n;
    size_t in = 0;
    size_t i;
    int m;

    if (s->n_references == 0)
        return json_null();
    for (m = 0; m < s->n_references; m++) {
        for (i = 0; i < total; i++)
            in += s->trained_on[m][i] != 0;
    }
    return json_pack(
        "{s:i, s:o}", "n", s->n_references, "in_share",
        assay__json_real((double)in / (double)total / s->n_references));
}

static json_t *attacks_json(const assay_audit *a)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        json_t *attack = assay__outcome_json(a, &a->outcome[i]);

        if (json_array_append_new(list, attack) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static void add_control(json_t *list, const struct assay__control *c)
{
    json_t *results;
    int i;

    if (!c->ran)
        return;
    results = json_array();
    for (i = 0; i < c->n_results; i++) {
        const struct assay__control_result *r = &c->result[i];

        json_array_append_new(
            results,
            json_pack("{s:s, s:o, s:o, s:o, s:b}", "attack", r->attack->name,
                      r->attack->goal == ASSAY_GOAL_MEMBERSHIP ? "auc"
                                                               : "excess",
                      assay__estimate_json(&r->found), "widened_low",
                      assay__json_real(r->low), "widened_high",
                      assay__json_real(r->high), "passed", r->passed));
    }
    json_array_append_new(
        list,
        json_pack("{s:s, s:s, s:s, s:o, s:b}", "name",
                  c->positive ? "overfitted model" : "model of other records",
                  "kind", c->positive ? "positive" : "negative", "what",
                  c->what, "results", results, "passed", c->passed));
}

static json_t *controls_json(const assay_audit *a)
{
    json_t *list = json_array();

    add_control(list, &a->negative);
    add_control(list, &a->positive);
    return list;
}

int assay__findings_write(assay_audit *a, struct assay_error *err)
{
    json_t *exposed = NULL;
    json_t *policy = NULL;
    json_t *verdict = NULL;
    json_t *root = NULL;
    char *path = assay__cache_path(&a->cache, "findings.json");
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "findings.json");
    code = assay__claim_measure(a, err);
    if (code == ASSAY_OK)
        code = assay__exposed_make(a, &exposed, err);
    if (code == ASSAY_OK)
        code = assay__verdict_make(a, &policy, &verdict, err);
    if (code != ASSAY_OK) {
        json_decref(exposed);
        goto out;
    }
    root = json_pack(
        "{s:s, s:{s:s, s:s}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, "
        "s:o, s:o, s:o, s:o, s:o}",
        "schema", "assay-findings/1", "tool", "name", "assay", "version",
        assay_version(), "run", run_json(a), "model", model_json(a), "data",
        data_json(a), "recipe", recipe_json(a), "defense",
        assay__defense_json(a), "curves", curves_json(a), "references",
        references_json(a), "attacks", attacks_json(a), "exposed", exposed,
        "controls", controls_json(a), "policy", policy, "verdict", verdict,
        "advice", assay__advice_make(a), "taxonomy", assay__taxonomy_make(a),
        "limits", assay__limits_make(a), "trust",
        a->trust != NULL ? json_incref(a->trust) : json_null());
    if (root == NULL) {
        code = assay_error_set(err, ASSAY_NOMEM, "findings.json");
        goto out;
    }
    code = assay__json_write(path, root, err);
    if (code == ASSAY_OK)
        code =
            assay__cache_set(&a->cache, "verdict",
                             json_string(assay_verdict_name(a->verdict)), err);

out:
    json_decref(root);
    assay__free(path);
    return code;
}
