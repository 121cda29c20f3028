/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an audit found: findings.json (docs/findings.md), `schema`
 * "assay-findings/1". A model under source "assay", known by the SHA-256 that
 * the document has of it, or one that the user names; a run, known by the
 * SHA-256 of the document; a finding for each metric of each attack that ran.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "zoo/import.h"

enum { FINDINGS_MAX = 4096, RATES = 5 };

/* Metrics that are estimates, whatever the attack's goal. */
static const char *const estimates[] = {
    "auc",    "accuracy",  "advantage", "ppv",  "f1",
    "excess", "agreement", "success",   "gain", "mse",
};

enum { N_ESTIMATES = sizeof(estimates) / sizeof(estimates[0]) };

static const char *const rates[RATES] = {"tpr_at_fpr_0.1", "tpr_at_fpr_0.01",
                                         "tpr_at_fpr_0.001",
                                         "tpr_at_fpr_0.0001", "tpr_at_fpr_0"};

struct findings {
    struct assay__zoo_finding *at;
    size_t n;
};

static bool probe(const struct assay__zoo_input *in)
{
    const char *text = (const char *)in->data;

    text += strspn(text, " \t\r\n");
    return *text == '{' && strstr(text, "\"assay-findings/") != NULL;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static int add(struct findings *f, const char *attack, const char *metric,
               const json_t *e, const char *value, struct assay_error *err)
{
    struct assay__zoo_finding *to = &f->at[f->n];

    if (!json_is_number(json_object_get(e, value)))
        return ASSAY_OK;
    if (f->n == FINDINGS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d metrics",
                               FINDINGS_MAX);
    to->attack = attack;
    to->metric = metric;
    to->value = number(e, value);
    to->low = number(e, "low");
    to->high = number(e, "high");
    to->n = number(e, "n");
    to->baseline = strcmp(metric, "auc") == 0 ? 0.5 : (double)NAN;
    f->n++;
    return ASSAY_OK;
}

static const char *rate_name(const json_t *point)
{
    static const double fpr[RATES] = {.1, .01, .001, .0001, 0};
    size_t i;

    for (i = 0; i < RATES; i++) {
        if (fabs(number(point, "fpr") - fpr[i]) < 1e-9)
            return rates[i];
    }
    return NULL;
}

/* Whether an attack of this name came before the i-th. */
static bool is_repeated(const json_t *attacks, size_t i, const char *name)
{
    size_t k;

    for (k = 0; k < i; k++) {
        const char *other = json_string_value(
            json_object_get(json_array_get(attacks, k), "name"));

        if (other != NULL && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

static int take_attack(struct findings *f, const json_t *attack,
                       const char *name, struct assay_error *err)
{
    const json_t *points = json_object_get(attack, "tpr_at_fpr");
    const char *metric;
    bool seen[RATES] = {false};
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < N_ESTIMATES && code == ASSAY_OK; i++)
        code = add(f, name, estimates[i], json_object_get(attack, estimates[i]),
                   "value", err);
    for (i = 0; i < json_array_size(points) && code == ASSAY_OK; i++) {
        const json_t *point = json_array_get(points, i);
        size_t r;

        metric = rate_name(point);
        for (r = 0; r < RATES; r++) {
            if (metric == rates[r] && !seen[r]) {
                seen[r] = true;
                code = add(f, name, metric, point, "tpr", err);
            }
        }
    }
    return code;
}

static int take_attacks(struct findings *f, const json_t *doc,
                        struct assay_error *err)
{
    const json_t *attacks = json_object_get(doc, "attacks");
    int code = ASSAY_OK;
    size_t i;

    if (json_array_size(attacks) > 256)
        return assay_error_set(err, ASSAY_LIMIT, "%zu attacks, limit 256",
                               json_array_size(attacks));
    for (i = 0; i < json_array_size(attacks) && code == ASSAY_OK; i++) {
        const json_t *attack = json_array_get(attacks, i);
        const char *name = json_string_value(json_object_get(attack, "name"));
        const char *status =
            json_string_value(json_object_get(attack, "status"));

        if (name == NULL || strlen(name) > 80)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "attack %zu has no name of at most 80 bytes",
                                   i + 1);
        if (is_repeated(attacks, i, name))
            return assay_error_set(err, ASSAY_FORMAT,
                                   "two attacks are called \"%.60s\"", name);
        if (status != NULL && strcmp(status, "ran") == 0)
            code = take_attack(f, attack, name, err);
    }
    return code;
}

/* The value of an estimate, as text for the row. */
static int take_number(struct assay__zoo_row *row, const json_t *value,
                       size_t column, char room[40], struct assay_error *err)
{
    if (json_is_object(value))
        value = json_object_get(value, "value");
    if (!json_is_number(value))
        return ASSAY_OK;
    (void)snprintf(room, 40, "%.15g", json_number_value(value));
    return assay__zoo_row_set(row, column, room, 1, err);
}

static int take_model(struct assay__zoo_row *row, const json_t *doc,
                      char (*room)[40], struct assay_error *err)
{
    const json_t *model = json_object_get(doc, "model");
    int code;

    row->name = json_string_value(json_object_get(model, "name"));
    row->key = json_string_value(json_object_get(model, "sha256"));
    row->dataset = json_string_value(
        json_object_get(json_object_get(doc, "data"), "name"));
    if (row->key == NULL || strlen(row->key) != 64 ||
        strspn(row->key, "0123456789abcdef") != 64)
        return assay_error_set(err, ASSAY_FORMAT,
                               "model.sha256 is no SHA-256 in hex");
    code = assay__zoo_row_set(row, ASSAY__ZOO_architecture,
                              json_string_value(json_object_get(model, "arch")),
                              1, err);
    if (code == ASSAY_OK)
        code = assay__zoo_row_add(row, "model_sha256", "", row->key, err);
    if (code == ASSAY_OK)
        code = take_number(row, json_object_get(model, "parameters"),
                           ASSAY__ZOO_parameters, room[0], err);
    if (code == ASSAY_OK)
        code = take_number(row, json_object_get(model, "train_accuracy"),
                           ASSAY__ZOO_train_accuracy, room[1], err);
    if (code == ASSAY_OK)
        code = take_number(row, json_object_get(model, "test_accuracy"),
                           ASSAY__ZOO_test_accuracy, room[2], err);
    return code;
}

static int take_document(const json_t *doc, struct assay__zoo_row *row,
                         char (*room)[40], struct findings *f,
                         struct assay_error *err)
{
    const char *schema = json_string_value(json_object_get(doc, "schema"));
    int code;

    if (schema == NULL || strcmp(schema, "assay-findings/1") != 0)
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "schema \"%.40s\"; assay-findings/1 is read",
                               schema != NULL ? schema : "");
    code = take_attacks(f, doc, err);
    if (code == ASSAY_OK)
        code = take_model(row, doc, room, err);
    return code;
}

static int read_findings(const struct assay__zoo_input *in,
                         assay__zoo_sink *sink, void *user,
                         struct assay_error *err)
{
    struct assay__zoo_row *row = assay__calloc(1, sizeof(*row));
    struct findings f = {assay__calloc(FINDINGS_MAX, sizeof(*f.at)), 0};
    struct assay__zoo_run run = {.key = in->sha256};
    json_error_t where;
    json_t *doc = json_loadb((const char *)in->data, in->size,
                             JSON_REJECT_DUPLICATES, &where);
    char room[3][40];
    char tool[80];
    int code = ASSAY_OK;

    if (row == NULL || f.at == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "no memory for findings");
    else if (doc == NULL)
        code = assay_error_set(err, ASSAY_FORMAT, "line %d, column %d: %.100s",
                               where.line, where.column, where.text);
    if (code == ASSAY_OK)
        code = take_document(doc, row, room, &f, err);
    if (code == ASSAY_OK) {
        const json_t *t = json_object_get(doc, "tool");
        const char *name = json_string_value(json_object_get(t, "name"));
        const char *version = json_string_value(json_object_get(t, "version"));

        (void)snprintf(tool, sizeof(tool), "%.30s %.30s",
                       name != NULL ? name : "",
                       version != NULL ? version : "");
        run.tool = tool;
        run.verdict = json_string_value(
            json_object_get(json_object_get(doc, "verdict"), "level"));
        run.folder = *in->folder != '\0' ? in->folder : NULL;
        run.finding = f.at;
        run.n = f.n;
        row->run = &run;
        code = sink(user, row, err);
    }
    json_decref(doc);
    assay__free(f.at);
    assay__free(row);
    return code;
}

const struct assay__zoo_importer assay__zoo_importer_findings = {
    "findings", "assay", true, probe, read_findings};
