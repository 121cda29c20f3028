/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of models: the public index (`models`: name, provenance and more),
 * SecurityNet's released table (`securitynet`) and timm's result tables
 * (`timm`). A kind is known by its header; what becomes of its columns is in
 * a map, columns with the zoo's own names need no row there, and the rest
 * become facts under their own names.
 *
 * SecurityNet's table writes 0 or nan for what it does not have, and 0.999
 * for each training accuracy on SVHN: these are missing here, the raw text
 * is kept with the reason.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/csv.h"
#include "core/mem.h"
#include "zoo/import.h"

/* Targets that are no stored column. */
enum {
    TO_NAME = ASSAY__ZOO_STORED,
    TO_DATASET,
    TO_CATEGORY,
    TO_SIZE,
    TO_URLS,
    TO_NOTHING,
    TO_FACT /* an extra one, under its own name */
};

struct mapping {
    const char *header;
    size_t to;
    double scale; /* 0: 1 */
};

struct kind {
    const struct mapping *map; /* ends with NULL */
    /* Last changes to the row made of line i of the table. */
    int (*amend)(struct assay__zoo_row *row, const struct assay__csv *csv,
                 size_t i, const struct assay__zoo_input *in,
                 struct assay_error *err);
};

static size_t target(const struct kind *kind, const char *header, double *scale)
{
    const struct mapping *m;
    size_t i;

    *scale = 1;
    for (m = kind->map; m->header != NULL; m++) {
        if (strcmp(m->header, header) == 0) {
            if (m->scale > 0)
                *scale = m->scale;
            return m->to;
        }
    }
    for (i = 0; i < ASSAY__ZOO_STORED; i++) {
        if (strcmp(assay__zoo_column(i)->told.name, header) == 0)
            return i;
    }
    return TO_FACT;
}

static int take_cell(struct assay__zoo_row *row, const struct kind *kind,
                     const char *header, const char *text,
                     struct assay_error *err)
{
    double scale;
    size_t to = target(kind, header, &scale);

    if (*text == '\0')
        return ASSAY_OK;
    switch (to) {
    case TO_NAME:
        row->name = text;
        break;
    case TO_DATASET:
        row->dataset = text;
        break;
    case TO_CATEGORY:
        row->data_category = text;
        break;
    case TO_SIZE:
        row->training_size = text;
        break;
    case TO_URLS:
        row->urls = text;
        break;
    case TO_NOTHING:
        break;
    case TO_FACT:
        return assay__zoo_row_add(row, header, "", text, err);
    default:
        return assay__zoo_row_set(row, to, text, scale, err);
    }
    return ASSAY_OK;
}

static int read_rows(const struct assay__csv *csv, const struct kind *kind,
                     const struct assay__zoo_input *in, assay__zoo_sink *sink,
                     void *user, struct assay_error *err)
{
    struct assay__zoo_row *row = assay__malloc(sizeof(*row));
    int code = ASSAY_OK;
    size_t i;
    size_t c;

    if (row == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a row");
    for (i = 0; i < csv->n_rows && code == ASSAY_OK; i++) {
        memset(row, 0, sizeof(*row));
        for (c = 0; c < csv->n_columns && code == ASSAY_OK; c++)
            code = take_cell(row, kind, assay__csv_header(csv, c),
                             assay__csv_cell(csv, i, c), err);
        if (code == ASSAY_OK && kind->amend != NULL)
            code = kind->amend(row, csv, i, in, err);
        if (code == ASSAY_OK)
            code = sink(user, row, err);
        if (code != ASSAY_OK)
            code = assay_error_prefix(err, code, "row %zu", i + 1);
    }
    assay__free(row);
    return code;
}

static int read_kind(const struct kind *kind, const struct assay__zoo_input *in,
                     assay__zoo_sink *sink, void *user, struct assay_error *err)
{
    struct assay__csv csv;
    int code = assay__csv_parse(&csv, in->data, in->size, err);

    if (code != ASSAY_OK)
        return code;
    code = read_rows(&csv, kind, in, sink, user, err);
    assay__csv_release(&csv);
    return code;
}

/* Whether the first line, unquoted, has each of these names as a field. */
static bool header_has(const struct assay__zoo_input *in,
                       const char *const *names)
{
    const char *text = (const char *)in->data;
    size_t line;

    if (in->size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    line = strcspn(text, "\r\n");
    for (; *names != NULL; names++) {
        size_t n = strlen(*names);
        size_t at = 0;
        bool found = false;

        while (at <= line && !found) {
            size_t field = strcspn(text + at, ",\r\n");

            found = field == n && memcmp(text + at, *names, n) == 0;
            at += field + 1;
        }
        if (!found)
            return false;
    }
    return true;
}

/* --- the public index --------------------------------------------------- */

static const struct mapping models_map[] = {
    {"name", TO_NAME, 0},
    {"dataset", TO_DATASET, 0},
    {"weights_url", TO_URLS, 0},
    {"source", ASSAY__ZOO_collection, 0},
    {"file_format", ASSAY__ZOO_format, 0},
    {"top1", ASSAY__ZOO_test_accuracy, 0.01},
    {"top5", ASSAY__ZOO_test_accuracy_top5, 0.01},
    {"provenance", ASSAY__ZOO_origin, 0},
    {NULL, 0, 0},
};

static const struct kind models_kind = {models_map, NULL};

static bool probe_models(const struct assay__zoo_input *in)
{
    static const char *const names[] = {"name", "architecture", "dataset",
                                        "provenance", NULL};

    return header_has(in, names);
}

static int read_models(const struct assay__zoo_input *in, assay__zoo_sink *sink,
                       void *user, struct assay_error *err)
{
    return read_kind(&models_kind, in, sink, user, err);
}

const struct assay__zoo_importer assay__zoo_importer_models = {
    "models", "public-models", false, probe_models, read_models};

/* --- SecurityNet -------------------------------------------------------- */

static const struct mapping securitynet_map[] = {
    {"model_name", TO_NAME, 0},        {"dataset", TO_DATASET, 0},
    {"data_category", TO_CATEGORY, 0}, {"training_size", TO_SIZE, 0},
    {"weights_url", TO_URLS, 0},       {NULL, 0, 0},
};

static int amend_securitynet(struct assay__zoo_row *row,
                             const struct assay__csv *csv, size_t line,
                             const struct assay__zoo_input *in,
                             struct assay_error *err)
{
    const struct assay__zoo_value *train =
        &row->value[ASSAY__ZOO_train_accuracy];
    size_t i;

    (void)csv;
    (void)line;
    (void)in;
    (void)err;
    for (i = 0; i < ASSAY__ZOO_STORED; i++) {
        const struct assay__zoo_value *v = &row->value[i];

        if (strcmp(assay__zoo_column(i)->told.unit, "fraction") == 0 &&
            v->raw != NULL && !v->missing && v->real <= 0)
            assay__zoo_row_void(row, i, "the source writes 0 for missing");
    }
    if (row->dataset != NULL && strcmp(row->dataset, "SVHN") == 0 &&
        train->raw != NULL && !train->missing && train->real > 0.9985 &&
        train->real < 0.9995)
        assay__zoo_row_void(row, ASSAY__ZOO_train_accuracy,
                            "a placeholder, the same for all of SVHN");
    return ASSAY_OK;
}

static const struct kind securitynet_kind = {securitynet_map,
                                             amend_securitynet};

static bool probe_securitynet(const struct assay__zoo_input *in)
{
    static const char *const names[] = {"model_name", "dataset",
                                        "steal_accuracy", NULL};

    return header_has(in, names);
}

static int read_securitynet(const struct assay__zoo_input *in,
                            assay__zoo_sink *sink, void *user,
                            struct assay_error *err)
{
    return read_kind(&securitynet_kind, in, sink, user, err);
}

const struct assay__zoo_importer assay__zoo_importer_securitynet = {
    "securitynet", "securitynet", false, probe_securitynet, read_securitynet};

/* --- timm --------------------------------------------------------------- */

/* Numbers that need work are left to amend_timm(). */
static const struct mapping timm_map[] = {
    {"model", TO_NAME, 0},
    {"top1", TO_NOTHING, 0},
    {"top5", TO_NOTHING, 0},
    {"top1_err", TO_NOTHING, 0},
    {"top5_err", TO_NOTHING, 0},
    {"top1_diff", TO_NOTHING, 0},
    {"top5_diff", TO_NOTHING, 0},
    {"rank_diff", TO_NOTHING, 0},
    {"param_count", TO_NOTHING, 0},
    {"img_size", ASSAY__ZOO_input_height, 0},
    {"infer_img_size", ASSAY__ZOO_input_height, 0},
    {"infer_gmacs", ASSAY__ZOO_gflops, 0},
    {NULL, 0, 0},
};

/* NULL when there is no such column. */
static const char *cell_of(const struct assay__csv *csv, size_t i,
                           const char *header)
{
    size_t column = assay__csv_find(csv, header);

    return column != SIZE_MAX ? assay__csv_cell(csv, i, column) : NULL;
}

/* "1,013.01" millions are 1013010000. The text kept is the source's. */
static int take_parameters(struct assay__zoo_row *row, const char *text,
                           struct assay_error *err)
{
    struct assay__zoo_value *v = &row->value[ASSAY__ZOO_parameters];
    char plain[32];
    size_t n = 0;
    double x;

    if (text == NULL || *text == '\0')
        return ASSAY_OK;
    for (; *text != '\0' && n + 1 < sizeof(plain); text++) {
        if (*text != ',')
            plain[n++] = *text;
    }
    plain[n] = '\0';
    if (*text != '\0' || !assay__zoo_number(plain, &x) || x < 0 || x > 1e9)
        return assay_error_set(err, ASSAY_FORMAT,
                               "param_count is \"%.30s\", not a number of "
                               "millions",
                               plain);
    v->real = (double)(int64_t)(x * 1e6 + 0.5);
    return ASSAY_OK;
}

/* What was it measured on? ImageNet's validation set, and other sets in
 * tables that also have differences to that one. */
static bool on_validation_set(const struct assay__csv *csv)
{
    return assay__csv_find(csv, "top1_diff") == SIZE_MAX;
}

/* "top1:sketch" for results-sketch.csv. */
static const char *other_set(const struct assay__zoo_input *in)
{
    static const struct {
        const char *file;
        const char *fact;
    } sets[] = {
        {"results-imagenet-a.csv", "top1:imagenet-a"},
        {"results-imagenet-r.csv", "top1:imagenet-r"},
        {"results-imagenet-real.csv", "top1:imagenet-real"},
        {"results-imagenetv2-matched-frequency.csv", "top1:imagenet-v2"},
        {"results-sketch.csv", "top1:sketch"},
    };
    size_t i;

    for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (strcmp(in->name, sets[i].file) == 0)
            return sets[i].fact;
    }
    return NULL;
}

static int take_accuracy(struct assay__zoo_row *row,
                         const struct assay__csv *csv, size_t i,
                         const struct assay__zoo_input *in,
                         struct assay_error *err)
{
    const char *top1 = cell_of(csv, i, "top1");
    int code;

    if (top1 == NULL)
        return ASSAY_OK;
    if (!on_validation_set(csv)) {
        const char *fact = other_set(in);

        if (fact == NULL)
            return assay_error_set(
                err, ASSAY_UNSUPPORTED,
                "accuracies with differences are of another set than "
                "ImageNet's own, and the file's name does not say which "
                "(results-sketch.csv ...)");
        return assay__zoo_row_add(row, fact, "percent", top1, err);
    }
    code = assay__zoo_row_set(row, ASSAY__ZOO_test_accuracy, top1, 0.01, err);
    if (code == ASSAY_OK)
        code = assay__zoo_row_set(row, ASSAY__ZOO_test_accuracy_top5,
                                  cell_of(csv, i, "top5"), 0.01, err);
    return code;
}

static int amend_timm(struct assay__zoo_row *row, const struct assay__csv *csv,
                      size_t i, const struct assay__zoo_input *in,
                      struct assay_error *err)
{
    struct assay__zoo_value *v = row->value;
    const char *count;
    int code;

    if (row->name == NULL)
        return ASSAY_OK; /* the sink refuses it */
    row->dataset = "ImageNet-1k";
    v[ASSAY__ZOO_collection].raw = "timm";
    v[ASSAY__ZOO_framework].raw = "pytorch";
    v[ASSAY__ZOO_task].raw = "image-classification";
    v[ASSAY__ZOO_input_width] = v[ASSAY__ZOO_input_height];
    count = cell_of(csv, i, "param_count");
    code = take_parameters(row, count, err);
    if (code == ASSAY_OK && count != NULL && *count != '\0')
        v[ASSAY__ZOO_parameters].raw = count;
    if (code == ASSAY_OK)
        code = take_accuracy(row, csv, i, in, err);
    return code;
}

static const struct kind timm_kind = {timm_map, amend_timm};

static bool probe_timm(const struct assay__zoo_input *in)
{
    static const char *const results[] = {"model", "top1", "param_count", NULL};
    static const char *const speed[] = {"model", "infer_gmacs", "param_count",
                                        NULL};

    return header_has(in, results) || header_has(in, speed);
}

static int read_timm(const struct assay__zoo_input *in, assay__zoo_sink *sink,
                     void *user, struct assay_error *err)
{
    return read_kind(&timm_kind, in, sink, user, err);
}

const struct assay__zoo_importer assay__zoo_importer_timm = {
    "timm", "timm", false, probe_timm, read_timm};
