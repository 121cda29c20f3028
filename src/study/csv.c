/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of study.json as CSV (RFC 4180, lines end in "\n"), missing
 * numbers empty.
 */

#include <stdint.h>

#include "core/csv.h"
#include "core/fs.h"
#include "core/mem.h"
#include "study/study.h"

static void put_value(struct assay__buf *b, const json_t *value)
{
    if (json_is_string(value))
        assay__csv_put_text(b, json_string_value(value));
    else if (json_is_integer(value))
        assay__buf_printf(b, "%" JSON_INTEGER_FORMAT,
                          json_integer_value(value));
    else if (json_is_real(value))
        assay__csv_put_real(b, json_real_value(value));
    else if (json_is_boolean(value))
        assay__buf_puts(b, json_is_true(value) ? "1" : "0");
}

/* Members of an object, each with a comma behind or, after the last of a
 * line, a line's end. */
static void put_members(struct assay__buf *b, const json_t *object,
                        const char *const *key, const char *end)
{
    for (; *key != NULL; key++) {
        put_value(b, json_object_get(object, *key));
        assay__buf_puts(b, key[1] != NULL ? "," : end);
    }
}

static const char *const place[] = {"dataset", "architecture", "defense",
                                    "epochs", NULL};
static const char *const threat[] = {"goal", "access", "auxiliary", NULL};
static const char *const moments[] = {"mean", "sd", "low", "high", "n", NULL};

static void put_metrics(struct assay__buf *b, const json_t *cell,
                        const json_t *attack)
{
    static const char *const cell_keys[] = {"seed", "sweep", NULL};
    static const char *const numbers[] = {"value", "low",      "high",
                                          "n",     "baseline", NULL};
    const json_t *metrics = json_object_get(attack, "metrics");
    const char *name;
    json_t *metric;

    json_object_foreach((json_t *)(uintptr_t)metrics, name, metric)
    {
        put_members(b, cell, place, ",");
        put_members(b, cell, cell_keys, ",");
        put_value(b, json_object_get(attack, "name"));
        assay__buf_puts(b, ",");
        put_members(b, attack, threat, ",");
        assay__csv_put_text(b, name);
        assay__buf_puts(b, ",");
        put_members(b, metric, numbers, "\n");
    }
}

static void put_results(struct assay__buf *b, const json_t *study)
{
    const json_t *cells = json_object_get(study, "cells");
    size_t i;
    size_t k;

    assay__buf_puts(b, "dataset,architecture,defense,epochs,seed,sweep,attack,"
                       "goal,access,auxiliary,metric,value,low,high,n,"
                       "baseline\n");
    for (i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        const json_t *attacks = json_object_get(cell, "attacks");

        for (k = 0; k < json_array_size(attacks); k++)
            put_metrics(b, cell, json_array_get(attacks, k));
    }
}

static const json_t *find_attack(const json_t *study, const json_t *row)
{
    const json_t *attacks = json_object_get(study, "attacks");
    size_t i;

    for (i = 0; i < json_array_size(attacks); i++) {
        const json_t *a = json_array_get(attacks, i);

        if (json_equal(json_object_get(a, "name"),
                       json_object_get(row, "attack")))
            return a;
    }
    return NULL;
}

static void put_summary(struct assay__buf *b, const json_t *study)
{
    static const char *const middle[] = {"sweep", "attack", NULL};
    static const char *const metric[] = {"metric", NULL};
    static const char *const last[] = {"baseline", NULL};
    const json_t *rows = json_object_get(study, "summary");
    size_t i;

    assay__buf_puts(b, "dataset,architecture,defense,epochs,sweep,attack,goal,"
                       "access,auxiliary,metric,mean,sd,low,high,seeds,"
                       "baseline\n");
    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        put_members(b, row, place, ",");
        put_members(b, row, middle, ",");
        put_members(b, find_attack(study, row), threat, ",");
        put_members(b, row, metric, ",");
        put_members(b, row, moments, ",");
        put_members(b, row, last, "\n");
    }
}

static void put_defenses(struct assay__buf *b, const json_t *study)
{
    static const char *const first[] = {"dataset", "architecture", "defense",
                                        "attack",  "metric",       NULL};
    const json_t *rows = json_object_get(study, "defenses");
    size_t i;

    assay__buf_puts(b, "dataset,architecture,defense,attack,metric");
    assay__buf_puts(b, ",before_mean,before_sd,before_low,before_high,"
                       "before_seeds");
    assay__buf_puts(b, ",after_mean,after_sd,after_low,after_high,"
                       "after_seeds");
    assay__buf_puts(b, ",difference_mean,difference_sd,difference_low,"
                       "difference_high,difference_seeds\n");
    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        put_members(b, row, first, ",");
        put_members(b, json_object_get(row, "before"), moments, ",");
        put_members(b, json_object_get(row, "after"), moments, ",");
        put_members(b, json_object_get(row, "difference"), moments, "\n");
    }
}

static void put_correlations(struct assay__buf *b, const json_t *study)
{
    static const char *const kind[] = {"kind", NULL};
    static const char *const name[] = {"attack", "metric", NULL};
    static const char *const n[] = {"n", NULL};
    static const char *const numbers[] = {"value",    "low",       "high",
                                          "boot_low", "boot_high", NULL};
    static const char *const why[] = {"why", NULL};
    const json_t *rows = json_object_get(study, "correlations");
    size_t i;

    assay__buf_puts(b, "kind,x_attack,x_metric,y_attack,y_metric,n,pearson,"
                       "pearson_low,pearson_high,pearson_boot_low,"
                       "pearson_boot_high,spearman,spearman_low,spearman_high,"
                       "spearman_boot_low,spearman_boot_high,why\n");
    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        put_members(b, row, kind, ",");
        put_members(b, json_object_get(row, "x"), name, ",");
        put_members(b, json_object_get(row, "y"), name, ",");
        put_members(b, row, n, ",");
        put_members(b, json_object_get(row, "pearson"), numbers, ",");
        put_members(b, json_object_get(row, "spearman"), numbers, ",");
        put_members(b, row, why, "\n");
    }
}

int assay__study_write_csv(const json_t *study, const char *folder,
                           struct assay_error *err)
{
    static const struct {
        const char *name;
        void (*put)(struct assay__buf *b, const json_t *study);
    } tables[] = {
        {"results.csv", put_results},
        {"summary.csv", put_summary},
        {"defenses.csv", put_defenses},
        {"correlations.csv", put_correlations},
    };
    size_t i;
    int code = ASSAY_OK;

    for (i = 0; i < sizeof(tables) / sizeof(tables[0]) && code == ASSAY_OK;
         i++) {
        struct assay__buf b = ASSAY__BUF_INIT;
        char *path = assay__path_join(folder, tables[i].name);

        tables[i].put(&b, study);
        if (b.failed || path == NULL)
            code = assay_error_set(err, ASSAY_NOMEM, "%s", tables[i].name);
        else
            code = assay__write_file(path, b.data, b.size, err);
        assay__free(path);
        assay__buf_release(&b);
    }
    return code;
}
