/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CSV that names images: a column `file` (else the first) with paths
 * relative to the CSV's own folder, and any number of others, each of which
 * becomes an attribute (csv.h says how text becomes categories). The label
 * is the column that was asked for, else `label`. A path that is absolute
 * or climbs by ".." is refused. A column of more different values than
 * there can be classes, such as a date or an id, is no attribute and is
 * left out, unless it is the label.
 */

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "data/csv.h"
#include "data/data.h"

#define FILE_MAX_BYTES ((size_t)1 << 30)

static bool stays_below(const char *path)
{
    const char *at = path;

    if (*path == '/' || *path == '\0')
        return false;
    while (at) {
        if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == '\0'))
            return false;
        at = strchr(at, '/');
        if (at)
            at++;
    }
    return true;
}

/* Fresh paths of n_rows images. */
static int list_paths(char ***out, const struct assay__csv *csv, size_t column,
                      size_t n_rows, const char *folder,
                      struct assay_error *err)
{
    char **path = assay__calloc(n_rows, sizeof(*path));
    int rc = ASSAY_OK;

    if (!path)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for paths");
    for (size_t i = 0; i < n_rows && !rc; i++) {
        const char *name = assay__csv_cell(csv, i, column);

        if (!stays_below(name)) {
            rc = assay_error_set(err, ASSAY_FORMAT,
                                 "row %zu: image '%.80s' is empty, absolute "
                                 "or leaves the CSV's folder",
                                 i + 1, name);
            break;
        }
        path[i] = assay__path_join(folder, name);
        if (!path[i])
            rc = assay_error_set(err, ASSAY_NOMEM, "no memory for paths");
    }
    if (rc)
        assay__names_free(path, n_rows);
    else
        *out = path;
    return rc;
}

/* Every column but that of the files, in order. */
static int add_attributes(struct assay_dataset *ds,
                          const struct assay__csv *csv, size_t file_column,
                          struct assay_error *err)
{
    for (size_t c = 0; c < csv->n_columns; c++) {
        int rc;

        if (c == file_column)
            continue;
        rc = assay__dataset_attribute(ds, assay__csv_header(csv, c), err);
        if (rc)
            return rc;
    }
    return ASSAY_OK;
}

static void drop_attribute(struct assay_dataset *ds, size_t a)
{
    assay__free(ds->attribute[a].name);
    assay__free(ds->attribute[a].value);
    ds->n_attributes--;
    memmove(&ds->attribute[a], &ds->attribute[a + 1],
            (ds->n_attributes - a) * sizeof(*ds->attribute));
}

static int fill_attributes(struct assay_dataset *ds,
                           const struct assay__csv *csv, size_t file_column,
                           const char *label, struct assay_error *err)
{
    size_t a = 0;

    for (size_t c = 0; c < csv->n_columns; c++) {
        bool is_label = strcmp(assay__csv_header(csv, c), label) == 0;
        int rc;

        if (c == file_column)
            continue;
        rc = assay__csv_categories(&ds->attribute[a], csv, c, ds->n,
                                   is_label ? err : NULL);
        if (rc == ASSAY_LIMIT && !is_label) {
            drop_attribute(ds, a);
            continue;
        }
        if (rc)
            return is_label ? rc
                            : assay_error_set(err, rc,
                                              "no memory for column '%.60s'",
                                              assay__csv_header(csv, c));
        a++;
    }
    return ASSAY_OK;
}

static int check_label(const struct assay__csv *csv, const char *label,
                       size_t n_rows, size_t *file_column,
                       struct assay_error *err)
{
    size_t column = assay__csv_find(csv, label);

    *file_column = assay__csv_find(csv, "file");
    if (*file_column == SIZE_MAX)
        *file_column = 0;
    if (column == SIZE_MAX || column == *file_column)
        return assay_error_set(
            err, ASSAY_ARG,
            "line 1: no column '%.60s' to use as label; choose one by name",
            label);
    for (size_t i = 0; i < n_rows; i++) {
        if (!*assay__csv_cell(csv, i, column))
            return assay_error_set(err, ASSAY_DATA,
                                   "row %zu: column '%.60s' is empty", i + 1,
                                   label);
    }
    return ASSAY_OK;
}

static int read_table(struct assay_dataset *ds, const struct assay__csv *csv,
                      const struct assay__spec *spec, const char *folder,
                      struct assay_error *err)
{
    const char *label = spec->label ? spec->label : "label";
    size_t n = csv->n_rows;
    size_t file_column = 0;
    char **path = NULL;
    int rc;

    if (n > spec->max_records)
        n = spec->max_records;
    rc = check_label(csv, label, n, &file_column, err);
    if (!rc)
        rc = list_paths(&path, csv, file_column, n, folder, err);
    if (!rc)
        rc = add_attributes(ds, csv, file_column, err);
    if (!rc)
        rc = assay__images_load(ds, path, n, spec->size, err);
    if (!rc)
        rc = fill_attributes(ds, csv, file_column, label, err);
    if (!rc)
        rc = assay__dataset_relabel(ds, label, err);
    assay__names_free(path, n);
    return rc;
}

static int open_csv(struct assay_dataset *ds, const struct assay__spec *spec,
                    struct assay_error *err)
{
    struct assay__csv csv = {0};
    unsigned char *text = NULL;
    char *folder = NULL;
    size_t size = 0;
    int rc;

    rc = assay__read_file(spec->path, FILE_MAX_BYTES, &text, &size, err);
    if (rc)
        return rc;
    folder = assay__data_folder_of(spec->path);
    if (!folder)
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    if (!rc)
        rc = assay__csv_parse(&csv, text, size, err);
    if (!rc)
        rc = read_table(ds, &csv, spec, folder, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", spec->path);
    assay__csv_release(&csv);
    assay__free(folder);
    assay__free(text);
    return rc;
}

static bool probe(const char *path)
{
    size_t n = strlen(path);

    return n > 4 && strcmp(path + n - 4, ".csv") == 0 && !assay__is_dir(path);
}

const struct assay_dataset_kind assay_dataset_kind_csv = {
    .name = "csv",
    .takes = ASSAY__SPEC_SIZE,
    .probe = probe,
    .open = open_csv,
};
