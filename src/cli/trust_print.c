/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detections and repairs as tables. Names of models and classes are
 * strangers' and lose their control bytes.
 */

#include "trust_print.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/printable.h"

static double number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static const char *text(const json_t *object, const char *key)
{
    const char *v = json_string_value(json_object_get(object, key));

    return v != NULL ? v : "";
}

/* A stranger's text without control bytes, into name[], which is returned. */
static const char *safe(char name[200], const char *value)
{
    snprintf(name, 200, "%s", value);
    assay__make_printable(name);
    return name;
}

/* A number that may be missing, in w columns. */
static void print_number(double x, int w, int digits)
{
    if (isnan(x))
        printf(" %*s", w, "-");
    else if (x != 0.0 && fabs(x) < 1e-3)
        printf(" %*.1e", w, x);
    else
        printf(" %*.*f", w, digits, x);
}

/* ".050 (.001-.249)" or "-". */
static void print_share(const json_t *e, int w)
{
    char cell[48];

    if (!json_is_object(e)) {
        printf(" %*s", w, "-");
        return;
    }
    snprintf(cell, sizeof(cell), "%.3f (%.3f-%.3f)", number(e, "value"),
             number(e, "low"), number(e, "high"));
    printf(" %*s", w, cell);
}

static const char *verdict_of(const json_t *d)
{
    const json_t *accuses = json_object_get(d, "accuses");

    if (json_is_null(accuses))
        return "cannot tell";
    return json_is_true(accuses) ? "ACCUSES" : "passes";
}

static void print_model_row(const json_t *d)
{
    char name[200];
    const json_t *target = json_object_get(d, "target");

    printf("  %-22s", text(d, "name"));
    print_number(number(d, "score"), 10, 3);
    print_number(number(d, "threshold"), 9, 3);
    print_number(number(d, "p_value"), 9, 3);
    print_number(number(d, "reference_p"), 9, 3);
    print_share(json_object_get(d, "false_alarms"), 21);
    printf("  %s", verdict_of(d));
    if (json_is_integer(target))
        printf(", class %d", (int)json_integer_value(target));
    if (text(d, "class_name")[0] != '\0')
        printf(" (%.40s)", safe(name, text(d, "class_name")));
    printf("\n");
}

static void print_record_row(const json_t *d)
{
    printf("  %-22s accuses", text(d, "name"));
    print_share(json_object_get(d, "accused"), 1);
    printf(" of the suspects and");
    print_share(json_object_get(d, "false_alarms"), 1);
    printf(" of clean records\n");
}

static void print_detections(const json_t *list)
{
    char name[200];
    const json_t *d;
    size_t i;

    printf("  %-22s %10s %9s %9s %9s %21s  %s\n", "detector", "score",
           "threshold", "p-value", "rank p", "false alarms", "verdict");
    json_array_foreach(list, i, d)
    {
        if (strcmp(text(d, "status"), "ran") != 0)
            continue;
        if (strcmp(text(d, "subject"), "model") == 0)
            print_model_row(d);
        else
            print_record_row(d);
        if (json_is_null(json_object_get(d, "accuses")))
            printf("  %-22s %s\n", "", safe(name, text(d, "note")));
    }
    json_array_foreach(list, i, d)
    {
        if (strcmp(text(d, "status"), "ran") == 0)
            continue;
        printf("  %-22s not run: ", text(d, "name"));
        printf("%s\n", safe(name, text(d, "why")));
    }
}

static void print_changes(const json_t *list)
{
    char name[200];
    const json_t *d;
    size_t i;

    json_array_foreach(list, i, d)
    {
        const json_t *change;
        size_t k;

        json_array_foreach(json_object_get(d, "changes"), k, change)
        {
            if (k == 0)
                printf("\n  %-40s %9s %9s %9s %9s %9s\n", "tensor", "weights",
                       "changed", "largest", "relative", "p-value");
            if (k == 8)
                break;
            printf("  %-40.40s", safe(name, text(change, "tensor")));
            print_number(number(change, "weights"), 9, 0);
            print_number(number(change, "changed"), 9, 0);
            print_number(number(change, "largest"), 9, 4);
            print_number(number(change, "relative"), 9, 4);
            print_number(number(change, "p_value"), 9, 3);
            printf("\n");
        }
    }
}

static void print_one(const json_t *model)
{
    char name[200];
    const json_t *verdict = json_object_get(model, "verdict");
    const json_t *list = json_object_get(model, "detectors");
    int n = (int)json_integer_value(json_object_get(verdict, "detectors"));

    printf("\n%s", safe(name, text(model, "name")));
    printf(": %s, by %d detector%s\n", text(verdict, "level"), n,
           n == 1 ? "" : "s");
    print_detections(list);
    print_changes(list);
}

static void print_summary(const json_t *root)
{
    const json_t *row;
    size_t i;

    printf("\n%-24s %7s %11s %23s %21s\n", "all models", "models", "references",
           "told apart, AUC", "at its threshold");
    json_array_foreach(json_object_get(root, "summary"), i, row)
    {
        printf("%-24s", text(row, "name"));
        print_number(number(row, "models"), 7, 0);
        print_number(number(row, "references"), 11, 0);
        print_share(json_object_get(row, "auc"), 23);
        print_share(json_object_get(row, "at_threshold"), 21);
        printf("\n");
    }
}

/* Whether records alone were judged, and were: there is no verdict on the
 * model then, and none was asked for. */
static int is_about_records(const json_t *model)
{
    const json_t *d;
    size_t i;
    int judged = 0;

    json_array_foreach(json_object_get(model, "detectors"), i, d)
    {
        if (strcmp(text(d, "subject"), "model") == 0)
            return 0;
        judged |= strcmp(text(d, "status"), "ran") == 0;
    }
    return judged;
}

static int is_level(const json_t *model, const char *level)
{
    return strcmp(text(json_object_get(model, "verdict"), "level"), level) == 0;
}

static int load(const char *findings, json_t **root, struct assay_error *err)
{
    *root = json_loads(findings, 0, NULL);
    return *root != NULL
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "no memory for the result");
}

int assay__trust_print(const char *findings, int as_json, const char *out,
                       int *status, struct assay_error *err)
{
    int suspicious = 0;
    int unknown = 0;
    const json_t *model;
    json_t *root;
    size_t i;
    int code = load(findings, &root, err);

    if (code != ASSAY_OK)
        return code;
    if (as_json)
        fputs(findings, stdout);
    json_array_foreach(json_object_get(root, "models"), i, model)
    {
        if (!as_json)
            print_one(model);
        suspicious |= is_level(model, "suspicious");
        unknown |= is_level(model, "inconclusive") && !is_about_records(model);
    }
    *status = suspicious ? 1 : unknown ? 3 : 0;
    if (!as_json && json_array_size(json_object_get(root, "models")) > 1)
        print_summary(root);
    if (!as_json && json_array_size(json_object_get(root, "references")) < 19)
        printf("\nFewer than 19 clean models (--references) were given, so "
               "false alarms of this\nfamily of models are %s.\n",
               json_array_size(json_object_get(root, "references")) > 0
                   ? "known roughly"
                   : "not known");
    if (!as_json && out != NULL)
        printf("\nfindings and pictures: %s\n", out);
    json_decref(root);
    return ASSAY_OK;
}

static void print_repair(const char *name, const json_t *effect,
                         const json_t *row)
{
    printf("%-16s", name);
    print_share(json_object_get(effect, "accuracy"), 22);
    print_share(json_object_get(effect, "success"), 22);
    print_share(json_object_get(effect, "restored"), 22);
    print_number(number(row, "pruned"), 7, 0);
    print_number(number(row, "seconds"), 8, 1);
    printf("\n");
}

static void print_repairs(const json_t *root)
{
    char name[200];
    const json_t *row;
    size_t i;

    printf("%-16s %22s %22s %22s %7s %8s\n", "repair", "accuracy (ACC)",
           "success (ASR)", "restored (RA)", "pruned", "seconds");
    print_repair("none", json_object_get(root, "before"), NULL);
    json_array_foreach(json_object_get(root, "repairs"), i, row)
    {
        if (strcmp(text(row, "status"), "ran") == 0) {
            print_repair(text(row, "name"), json_object_get(row, "after"), row);
        } else {
            printf("%-16s not run: ", text(row, "name"));
            printf("%s\n", safe(name, text(row, "why")));
        }
    }
    row = json_object_get(root, "trigger");
    if (!json_is_object(row))
        printf(
            "\nNo trigger is known or was found: success is not measured.\n");
    else if (strcmp(text(row, "from"), "file") != 0)
        printf("\nSuccess is that of the trigger which %s reversed (class "
               "%d); it need not be one\nthat somebody planted.\n",
               text(row, "from"), (int)number(row, "target"));
}

int assay__repairs_print(const char *findings, int as_json,
                         struct assay_error *err)
{
    json_t *root;
    int code = load(findings, &root, err);

    if (code != ASSAY_OK)
        return code;
    if (as_json)
        fputs(findings, stdout);
    else
        print_repairs(root);
    json_decref(root);
    return ASSAY_OK;
}
