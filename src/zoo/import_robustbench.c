/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A RobustBench entry: model_info/DATASET/THREAT/NAME.json, one object with
 * accuracies in percent as text. The file's name is the model's, the folder
 * is the threat model, which the object does not name.
 */

#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "zoo/import.h"

/* The first letter is an object's, and a key is there that no other kind
 * has. */
static bool probe(const struct assay__zoo_input *in)
{
    const char *text = (const char *)in->data;

    text += strspn(text, " \t\r\n");
    return *text == '{' && (strstr(text, "\"autoattack_acc\"") != NULL ||
                            strstr(text, "\"clean_acc\"") != NULL ||
                            strstr(text, "\"corruptions_acc") != NULL);
}

/* Text of a member: its own, or `room`, for numbers and booleans; NULL when
 * it is not there. */
static int text_of(const json_t *entry, const char *key, char room[64],
                   const char **out, struct assay_error *err)
{
    const json_t *value = json_object_get(entry, key);

    *out = NULL;
    if (value == NULL || json_is_null(value))
        return ASSAY_OK;
    if (json_is_string(value)) {
        *out = json_string_value(value);
        return ASSAY_OK;
    }
    if (json_is_boolean(value))
        (void)snprintf(room, 64, "%s", json_is_true(value) ? "true" : "false");
    else if (json_is_number(value))
        (void)snprintf(room, 64, "%.12g", json_number_value(value));
    else
        return assay_error_set(err, ASSAY_FORMAT,
                               "%s is a list or an object, not a value", key);
    *out = room;
    return ASSAY_OK;
}

/* The last four digits of "NeurIPS 2019" that stand for a year. */
static const char *year_in(const char *venue, char room[64])
{
    size_t n = venue != NULL ? strlen(venue) : 0;
    size_t i;

    for (i = n; i >= 4; i--) {
        const char *p = venue + i - 4;

        if (strspn(p, "0123456789") >= 4 &&
            (strncmp(p, "19", 2) == 0 || strncmp(p, "20", 2) == 0)) {
            (void)snprintf(room, 64, "%.4s", p);
            return room;
        }
    }
    return NULL;
}

static int take_stored(struct assay__zoo_row *row, const json_t *entry,
                       char (*room)[64], struct assay_error *err)
{
    static const struct {
        const char *key;
        size_t column;
        double scale;
    } map[] = {
        {"architecture", ASSAY__ZOO_architecture, 1},
        {"venue", ASSAY__ZOO_venue, 1},
        {"link", ASSAY__ZOO_paper_url, 1},
        {"footnote", ASSAY__ZOO_note, 1},
        {"clean_acc", ASSAY__ZOO_test_accuracy, 0.01},
        {"corruptions_acc_2d", ASSAY__ZOO_robust_accuracy, 0.01},
        {"corruptions_acc", ASSAY__ZOO_robust_accuracy, 0.01},
        {"autoattack_acc", ASSAY__ZOO_robust_accuracy, 0.01},
    };
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < sizeof(map) / sizeof(map[0]) && code == ASSAY_OK; i++) {
        const char *text;

        code = text_of(entry, map[i].key, room[i], &text, err);
        if (code == ASSAY_OK)
            code =
                assay__zoo_row_set(row, map[i].column, text, map[i].scale, err);
    }
    return code;
}

static int take_extra(struct assay__zoo_row *row, const json_t *entry,
                      char (*room)[64], struct assay_error *err)
{
    static const struct {
        const char *key;
        const char *fact;
        const char *unit;
    } map[] = {
        {"name", "paper_title", ""},
        {"eps", "eps", ""},
        {"additional_data", "additional_data", ""},
        {"number_forward_passes", "forward_passes", ""},
        {"reported", "reported_robust_accuracy", "percent"},
        {"external", "external_robust_accuracy", "percent"},
        {"corruptions_mce", "corruptions_mce", "percent"},
        {"corruptions_acc_3d", "corruptions_acc_3d", "percent"},
        {"corruptions_mce_2d", "corruptions_mce_2d", "percent"},
        {"corruptions_mce_3d", "corruptions_mce_3d", "percent"},
        {"unreliable", "unreliable", ""},
    };
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < sizeof(map) / sizeof(map[0]) && code == ASSAY_OK; i++) {
        const char *text;

        code = text_of(entry, map[i].key, room[i], &text, err);
        if (code == ASSAY_OK)
            code = assay__zoo_row_add(row, map[i].fact, map[i].unit, text, err);
    }
    return code;
}

static int take_entry(const json_t *entry, const struct assay__zoo_input *in,
                      assay__zoo_sink *sink, void *user,
                      struct assay_error *err)
{
    struct assay__zoo_row *row = assay__calloc(1, sizeof(*row));
    struct assay__zoo_value *v;
    char name[ASSAY__ZOO_NAME_MAX + 1];
    char stored[8][64];
    char extra[12][64];
    char dataset[64];
    char year[64];
    size_t n = strlen(in->name);
    int code;

    if (row == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a row");
    v = row->value;
    if (n > 5 && strcmp(in->name + n - 5, ".json") == 0)
        n -= 5;
    (void)snprintf(name, sizeof(name), "%.*s", (int)n, in->name);
    row->name = name;
    code = text_of(entry, "dataset", dataset, &row->dataset, err);
    /* The one data set whose name there says less than it means. */
    if (row->dataset != NULL && strcmp(row->dataset, "imagenet") == 0)
        row->dataset = "ImageNet-1k";
    if (code == ASSAY_OK)
        code = take_stored(row, entry, stored, err);
    if (code == ASSAY_OK)
        code = take_extra(row, entry, extra, err);
    if (code == ASSAY_OK)
        code =
            assay__zoo_row_set(row, ASSAY__ZOO_year,
                               year_in(v[ASSAY__ZOO_venue].raw, year), 1, err);
    v[ASSAY__ZOO_collection].raw = "RobustBench";
    v[ASSAY__ZOO_framework].raw = "pytorch";
    v[ASSAY__ZOO_purpose].raw = "security";
    v[ASSAY__ZOO_task].raw = "image-classification";
    if (*in->folder != '\0')
        v[ASSAY__ZOO_threat].raw = in->folder;
    if (code == ASSAY_OK)
        code = sink(user, row, err);
    assay__free(row);
    return code;
}

static int read_entry(const struct assay__zoo_input *in, assay__zoo_sink *sink,
                      void *user, struct assay_error *err)
{
    json_error_t where;
    json_t *entry = json_loadb((const char *)in->data, in->size,
                               JSON_REJECT_DUPLICATES, &where);
    int code;

    if (entry == NULL)
        return assay_error_set(
            err,
            json_error_code(&where) == json_error_out_of_memory ? ASSAY_NOMEM
                                                                : ASSAY_FORMAT,
            "line %d, column %d: %.100s", where.line, where.column, where.text);
    if (json_is_object(entry))
        code = take_entry(entry, in, sink, user, err);
    else
        code = assay_error_set(err, ASSAY_FORMAT, "not an object");
    json_decref(entry);
    return code;
}

const struct assay__zoo_importer assay__zoo_importer_robustbench = {
    "robustbench", "robustbench", false, probe, read_entry};
