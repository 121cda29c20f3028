/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a Hugging Face model card: README.md whose first line is
 * "---", YAML up to the next such line, prose after it that is not looked
 * at. One model; of model-index its first entry, of which accuracies become
 * columns and every metric a fact "METRIC/DATASET".
 */

#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "core/yaml.h"
#include "zoo/import.h"

enum { HEAD_MAX = 1 << 20, METRICS_MAX = 48, FACT_SIZE = 65 };

static bool probe(const struct assay__zoo_input *in)
{
    return in->size >= 4 && memcmp(in->data, "---", 3) == 0 &&
           (in->data[3] == '\n' || in->data[3] == '\r');
}

/* Bytes from `text` to the line that ends the head; 0 when there is none. */
static size_t head_size(const char *text)
{
    const char *at = text;

    for (at = strchr(at, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
        if (strncmp(at + 1, "---", 3) == 0 &&
            (at[4] == '\0' || at[4] == '\n' || at[4] == '\r'))
            return (size_t)(at + 1 - text);
    }
    return 0;
}

/* A string, or the first string of a list. */
static const char *first(const json_t *value)
{
    if (json_is_array(value))
        value = json_array_get(value, 0);
    return json_string_value(value);
}

/* "accuracy/cifar-10": lower case, what is not allowed as "_". */
static void fact_name(char out[FACT_SIZE], const char *metric, const char *set)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_./:-";
    char *p;

    (void)snprintf(out, FACT_SIZE, "%.31s%s%.31s", metric,
                   *set != '\0' ? "/" : "", set);
    for (p = out; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
        if (strchr(allowed, *p) == NULL)
            *p = '_';
    }
}

/* Cards write 0.93 or 93.0. The latter is scaled. */
static int take_accuracy(struct assay__zoo_row *row, const char *raw,
                         struct assay_error *err)
{
    double x;

    if (row->value[ASSAY__ZOO_test_accuracy].raw != NULL ||
        !assay__zoo_number(raw, &x) || x < 0 || x > 100)
        return ASSAY_OK;
    return assay__zoo_row_set(row, ASSAY__ZOO_test_accuracy, raw,
                              x > 1 ? 0.01 : 1, err);
}

struct facts {
    char name[METRICS_MAX][FACT_SIZE];
    size_t n;
};

static int take_metrics(struct assay__zoo_row *row, const json_t *result,
                        struct facts *facts, struct assay_error *err)
{
    const json_t *metrics = json_object_get(result, "metrics");
    const char *set = json_string_value(
        json_object_get(json_object_get(result, "dataset"), "name"));
    int code = ASSAY_OK;
    size_t i;

    if (set != NULL && row->dataset == NULL)
        row->dataset = set;
    for (i = 0; i < json_array_size(metrics) && code == ASSAY_OK; i++) {
        const json_t *metric = json_array_get(metrics, i);
        const char *type = json_string_value(json_object_get(metric, "type"));
        const char *raw = json_string_value(json_object_get(metric, "value"));

        if (type == NULL || raw == NULL || facts->n == METRICS_MAX)
            continue;
        if (strcmp(type, "accuracy") == 0)
            code = take_accuracy(row, raw, err);
        fact_name(facts->name[facts->n], type, set != NULL ? set : "");
        if (code == ASSAY_OK)
            code =
                assay__zoo_row_add(row, facts->name[facts->n++], "", raw, err);
    }
    return code;
}

static int take_index(struct assay__zoo_row *row, const json_t *card,
                      struct facts *facts, struct assay_error *err)
{
    const json_t *entry =
        json_array_get(json_object_get(card, "model-index"), 0);
    const json_t *results = json_object_get(entry, "results");
    const char *name = json_string_value(json_object_get(entry, "name"));
    int code = ASSAY_OK;
    size_t i;

    if (row->name == NULL)
        row->name = name;
    for (i = 0; i < json_array_size(results) && code == ASSAY_OK; i++)
        code = take_metrics(row, json_array_get(results, i), facts, err);
    return code;
}

static int take_card(const json_t *card, const struct assay__zoo_input *in,
                     struct assay__zoo_row *row, struct facts *facts,
                     struct assay_error *err)
{
    static const struct {
        const char *key;
        size_t column;
    } map[] = {
        {"license", ASSAY__ZOO_licence},
        {"library_name", ASSAY__ZOO_framework},
        {"pipeline_tag", ASSAY__ZOO_task},
        {"base_model", ASSAY__ZOO_pretraining},
    };
    int code = ASSAY_OK;
    size_t i;

    row->name = json_string_value(json_object_get(card, "model_name"));
    row->dataset = first(json_object_get(card, "datasets"));
    for (i = 0; i < sizeof(map) / sizeof(map[0]) && code == ASSAY_OK; i++)
        code = assay__zoo_row_set(row, map[i].column,
                                  first(json_object_get(card, map[i].key)), 1,
                                  err);
    row->value[ASSAY__ZOO_collection].raw = "Hugging Face";
    if (code == ASSAY_OK)
        code = take_index(row, card, facts, err);
    if (code == ASSAY_OK)
        code = assay__zoo_row_add(
            row, "license_name", "",
            json_string_value(json_object_get(card, "license_name")), err);
    if (row->name == NULL)
        row->name = *in->folder != '\0' ? in->folder : in->name;
    return code;
}

static int read_card(const struct assay__zoo_input *in, assay__zoo_sink *sink,
                     void *user, struct assay_error *err)
{
    const char *text = (const char *)in->data;
    size_t size = head_size(text);
    struct assay__zoo_row *row = assay__calloc(1, sizeof(*row));
    struct facts *facts = assay__calloc(1, sizeof(*facts));
    json_t *card = NULL;
    int code = ASSAY_OK;

    if (row == NULL || facts == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "no memory for a row");
    else if (size == 0)
        code = assay_error_set(err, ASSAY_FORMAT,
                               "the head's second \"---\" is missing");
    else if (size > HEAD_MAX)
        code =
            assay_error_set(err, ASSAY_LIMIT,
                            "the head has %zu bytes, limit %d", size, HEAD_MAX);
    if (code == ASSAY_OK)
        code = assay__yaml_tree(&card, text, size, "head", err);
    if (code == ASSAY_OK && !json_is_object(card))
        code = assay_error_set(err, ASSAY_FORMAT, "the head is no mapping");
    if (code == ASSAY_OK)
        code = take_card(card, in, row, facts, err);
    if (code == ASSAY_OK)
        code = sink(user, row, err);
    json_decref(card);
    assay__free(facts);
    assay__free(row);
    return code;
}

const struct assay__zoo_importer assay__zoo_importer_card = {
    "card", "huggingface", false, probe, read_card};
