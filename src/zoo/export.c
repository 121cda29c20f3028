/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models for other programs: `csv`, the columns; `json`, all that is known
 * with provenance; `cyclonedx`, a machine-learning bill of materials
 * (CycloneDX 1.6); `model-index`, the head of a Hugging Face model card,
 * whose YAML holds JSON, as YAML may. No dates of the export and no random
 * serial numbers: equal zoos give equal bytes.
 */

#include <stdio.h>
#include <string.h>

#include "assay/context.h"
#include "core/csv.h"
#include "core/mem.h"
#include "zoo/query.h"
#include "zoo/show.h"
#include "zoo/store.h"

/* --- models as JSON, one after the other -------------------------------- */

static int list_ids(assay_zoo *zoo, const struct assay_zoo_query *query,
                    struct assay_zoo_table *ids, struct assay_error *err)
{
    static const char *const column[] = {"id"};
    struct assay_zoo_query q = *query;

    q.column = column;
    q.n_columns = 1;
    q.sort = NULL;
    return assay_zoo_select(zoo, &q, ids, err);
}

/* Append make(model) of each model to `list`. */
static int collect(assay_zoo *zoo, const struct assay_zoo_query *query,
                   json_t *list, json_t *(*make)(const json_t *model),
                   struct assay_error *err)
{
    struct assay_zoo_table ids = {0};
    int code = list_ids(zoo, query, &ids, err);
    size_t i;

    for (i = 0; i < ids.n_rows && code == ASSAY_OK; i++) {
        json_t *model = NULL;
        json_t *made;

        code = assay__zoo_json_model(zoo, ids.cell[i].integer, &model, err);
        if (code != ASSAY_OK)
            break;
        made = make(model);
        json_decref(model);
        if (made == NULL || json_array_append_new(list, made) != 0)
            code = assay_error_set(err, ASSAY_NOMEM, "no memory for a model");
    }
    assay_zoo_table_release(&ids);
    return code;
}

static int finish(json_t *value, char **text, struct assay_error *err)
{
    char *made = value != NULL ? assay__json_text(value) : NULL;

    json_decref(value);
    if (made == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for an export");
    *text = made;
    return ASSAY_OK;
}

static const char *text_of(const json_t *model, const char *key)
{
    return json_string_value(json_object_get(model, key));
}

/* A number or text as text, "" for none. */
static const char *plain(const json_t *value, char room[64])
{
    if (json_is_string(value))
        return json_string_value(value);
    room[0] = '\0';
    if (json_is_integer(value))
        (void)snprintf(room, 64, "%" JSON_INTEGER_FORMAT,
                       json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(room, 64, "%.10g", json_real_value(value));
    return room;
}

/* --- json ---------------------------------------------------------------- */

static json_t *same(const json_t *model)
{
    return json_deep_copy(model);
}

static int export_json(assay_zoo *zoo, const struct assay_zoo_query *query,
                       char **text, struct assay_error *err)
{
    json_t *models = json_array();
    int code = collect(zoo, query, models, same, err);

    if (code != ASSAY_OK) {
        json_decref(models);
        return code;
    }
    return finish(json_pack("{s:s, s:{s:s, s:s}, s:o}", "schema", "assay-zoo/1",
                            "tool", "name", "assay", "version", assay_version(),
                            "models", models),
                  text, err);
}

/* --- csv ----------------------------------------------------------------- */

static void put_cell(struct assay__buf *b, const struct assay_zoo_cell *cell)
{
    switch (cell->type) {
    case ASSAY_ZOO_TEXT:
        assay__csv_put_text(b, cell->text);
        break;
    case ASSAY_ZOO_INTEGER:
        assay__buf_printf(b, "%lld", (long long)cell->integer);
        break;
    case ASSAY_ZOO_REAL:
        assay__csv_put_real(b, cell->real);
        break;
    default:
        break;
    }
}

static int export_csv(assay_zoo *zoo, const struct assay_zoo_query *query,
                      char **text, struct assay_error *err)
{
    const char *column[64];
    struct assay_zoo_query q = *query;
    struct assay_zoo_table t = {0};
    struct assay__buf b = ASSAY__BUF_INIT;
    int code;
    size_t i;

    q.sort = NULL;
    q.column = column;
    q.n_columns = 0;
    /* Paths are of this machine and say nothing elsewhere. */
    for (i = 0; i < assay__zoo_column_count(); i++) {
        column[q.n_columns] = assay__zoo_column(i)->told.name;
        q.n_columns += strcmp(column[q.n_columns], "path") != 0;
    }
    code = assay_zoo_select(zoo, &q, &t, err);
    if (code != ASSAY_OK)
        return code;
    for (i = 0; i < t.n_columns; i++)
        assay__buf_printf(&b, "%s%s", column[i],
                          i + 1 < t.n_columns ? "," : "\n");
    for (i = 0; i < t.n_rows * t.n_columns; i++) {
        put_cell(&b, &t.cell[i]);
        assay__buf_puts(&b, (i + 1) % t.n_columns != 0 ? "," : "\n");
    }
    assay_zoo_table_release(&t);
    if (b.failed) {
        assay__buf_release(&b);
        return assay_error_set(err, ASSAY_NOMEM, "no memory for an export");
    }
    *text = b.data;
    return ASSAY_OK;
}

/* --- CycloneDX ----------------------------------------------------------- */

static json_t *hashes(const json_t *model)
{
    const char *sha256 = text_of(model, "sha256");
    json_t *list = json_array();

    if (sha256 != NULL)
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "alg", "SHA-256", "content", sha256));
    return list;
}

static json_t *licenses(const json_t *model)
{
    const char *licence = text_of(model, "licence");
    json_t *list = json_array();

    if (licence != NULL)
        json_array_append_new(
            list, json_pack("{s:{s:s}}", "license", "name", licence));
    return list;
}

/* A stranger's text as a reference of RFC 3987: what may not stand in one is
 * encoded. */
static json_t *encoded(const char *url)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    struct assay__buf b = ASSAY__BUF_INIT;
    json_t *text;

    for (const char *p = url; *p; p++) {
        bool digits =
            *p == '%' && p[1] && strchr(hex, p[1]) && p[2] && strchr(hex, p[2]);

        if ((unsigned char)*p <= 0x20 || *p == 0x7f ||
            strchr("<>\"{}|\\^`", *p) || (*p == '%' && !digits))
            assay__buf_printf(&b, "%%%02X", (unsigned)(unsigned char)*p);
        else
            assay__buf_printf(&b, "%c", *p);
    }
    text = b.failed || b.size == 0 ? NULL : json_string(b.data);
    assay__buf_release(&b);
    return text;
}

static json_t *references(const json_t *model)
{
    const json_t *files = json_object_get(model, "files");
    const char *paper = text_of(model, "paper_url");
    json_t *list = json_array();
    size_t i;

    for (i = 0; i < json_array_size(files); i++) {
        const char *url = text_of(json_array_get(files, i), "url");

        if (url != NULL && *url != '\0')
            json_array_append_new(list, json_pack("{s:s, s:o}", "type",
                                                  "distribution", "url",
                                                  encoded(url)));
    }
    if (paper != NULL && *paper != '\0')
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", "other",
                                              "url", encoded(paper)));
    return list;
}

/* Columns that are measurements. */
static json_t *metrics(const json_t *model)
{
    const json_t *findings = json_object_get(model, "findings");
    json_t *list = json_array();
    char room[3][64];
    size_t i;

    for (i = 0; i < ASSAY__ZOO_STORED; i++) {
        const struct assay_zoo_column *c = &assay__zoo_column(i)->told;
        const json_t *value = json_object_get(model, c->name);

        if (c->sense != 0 && json_is_number(value))
            json_array_append_new(list,
                                  json_pack("{s:s, s:s}", "type", c->name,
                                            "value", plain(value, room[0])));
    }
    for (i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);
        json_t *metric =
            json_pack("{s:s, s:s, s:s}", "type", text_of(f, "metric"), "slice",
                      text_of(f, "attack"), "value",
                      plain(json_object_get(f, "value"), room[0]));

        if (json_is_number(json_object_get(f, "low")) &&
            json_is_number(json_object_get(f, "high")))
            json_object_set_new(
                metric, "confidenceInterval",
                json_pack("{s:s, s:s}", "lowerBound",
                          plain(json_object_get(f, "low"), room[1]),
                          "upperBound",
                          plain(json_object_get(f, "high"), room[2])));
        json_array_append_new(list, metric);
    }
    return list;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL)
        json_object_set_new(object, key, json_string(text));
}

static json_t *model_card(const json_t *model)
{
    const char *dataset = text_of(model, "dataset");
    json_t *parameters = json_object();

    set_text(parameters, "task", text_of(model, "task"));
    set_text(parameters, "architectureFamily", text_of(model, "family"));
    set_text(parameters, "modelArchitecture", text_of(model, "architecture"));
    if (dataset != NULL)
        json_object_set_new(
            parameters, "datasets",
            json_pack("[{s:s, s:s}]", "type", "dataset", "name", dataset));
    return json_pack("{s:o, s:{s:o}}", "modelParameters", parameters,
                     "quantitativeAnalysis", "performanceMetrics",
                     metrics(model));
}

/* What has no place of its own, under "assay:". */
static json_t *properties(const json_t *model)
{
    static const char *const keys[] = {
        "source",      "collection", "purpose", "framework", "format",
        "pretraining", "threat",     "venue",   "year",      "country",
        "parameters",  "classes",    "origin",  "note"};
    json_t *list = json_array();
    char room[64];
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_object_get(model, keys[i]);
        char name[40];

        if (value == NULL || json_is_null(value))
            continue;
        (void)snprintf(name, sizeof(name), "assay:%s", keys[i]);
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", name,
                                              "value", plain(value, room)));
    }
    return list;
}

static json_t *component(const json_t *model)
{
    char ref[40];

    (void)snprintf(ref, sizeof(ref), "model-%lld",
                   (long long)json_integer_value(json_object_get(model, "id")));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "type",
                     "machine-learning-model", "bom-ref", ref, "name",
                     text_of(model, "name"), "hashes", hashes(model),
                     "licenses", licenses(model), "externalReferences",
                     references(model), "modelCard", model_card(model),
                     "properties", properties(model));
}

static int export_cyclonedx(assay_zoo *zoo, const struct assay_zoo_query *query,
                            char **text, struct assay_error *err)
{
    json_t *list = json_array();
    int code = collect(zoo, query, list, component, err);

    if (code != ASSAY_OK) {
        json_decref(list);
        return code;
    }
    return finish(
        json_pack("{s:s, s:s, s:s, s:i, s:{s:{s:[{s:s, s:s, s:s}]}}, s:o}",
                  "$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json",
                  "bomFormat", "CycloneDX", "specVersion", "1.6", "version", 1,
                  "metadata", "tools", "components", "type", "application",
                  "name", "assay", "version", assay_version(), "components",
                  list),
        text, err);
}

/* --- model-index ---------------------------------------------------------- */

static json_t *index_entry(const json_t *model)
{
    const char *dataset = text_of(model, "dataset");
    const char *task = text_of(model, "task");
    json_t *list = json_array();
    char key[128] = "";
    size_t i;

    if (dataset != NULL)
        assay__zoo_dataset_key(dataset, key, sizeof(key));
    for (i = 0; i < ASSAY__ZOO_STORED; i++) {
        const struct assay_zoo_column *c = &assay__zoo_column(i)->told;
        json_t *value = json_object_get(model, c->name);
        bool is_accuracy = i == ASSAY__ZOO_test_accuracy;

        if (c->sense != 0 && json_is_number(value))
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:O}", "type",
                                            is_accuracy ? "accuracy" : c->name,
                                            "name", c->name, "value", value));
    }
    return json_pack("{s:s, s:[{s:{s:s}, s:{s:s, s:s}, s:o}]}", "name",
                     text_of(model, "name"), "results", "task", "type",
                     task != NULL ? task : "image-classification", "dataset",
                     "type", *key != '\0' ? key : "unknown", "name",
                     dataset != NULL ? dataset : "unknown", "metrics", list);
}

static int export_index(assay_zoo *zoo, const struct assay_zoo_query *query,
                        char **text, struct assay_error *err)
{
    json_t *list = json_array();
    char *made = NULL;
    int code = collect(zoo, query, list, index_entry, err);

    if (code != ASSAY_OK) {
        json_decref(list);
        return code;
    }
    code = finish(json_pack("{s:o}", "model-index", list), &made, err);
    if (code != ASSAY_OK)
        return code;
    *text = assay__format("---\n%s---\n", made);
    assay__free(made);
    return *text != NULL
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "no memory for an export");
}

static const struct {
    const char *name;
    int (*make)(assay_zoo *zoo, const struct assay_zoo_query *query,
                char **text, struct assay_error *err);
} forms[] = {
    {"csv", export_csv},
    {"json", export_json},
    {"cyclonedx", export_cyclonedx},
    {"model-index", export_index},
};

enum { N_FORMS = sizeof(forms) / sizeof(forms[0]) };

const char *assay_zoo_export_form(size_t i)
{
    return i < N_FORMS ? forms[i].name : NULL;
}

int assay_zoo_export(assay_zoo *zoo, const char *form,
                     const struct assay_zoo_query *query, char **text,
                     struct assay_error *err)
{
    size_t i;

    for (i = 0; i < N_FORMS; i++) {
        if (strcmp(forms[i].name, form) == 0)
            return forms[i].make(zoo, query, text, err);
    }
    return assay_error_set(err, ASSAY_ARG, "no form of export \"%.40s\"", form);
}
