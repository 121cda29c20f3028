/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed records of any shape, described by the user:
 * `records:FILE?labels=age,gender,race&shape=3x32x32`.
 *
 *   byte 0   a byte per label, in the order of `labels`
 *   then     C planes of H rows of W pixels
 *
 * and so on to the end of the file, without a header. Every label is an
 * attribute that takes the values 0 to its largest byte; the first is the
 * label unless another was asked for. Files may be gzipped.
 */

#include <string.h>

#include "core/mem.h"
#include "data/data.h"

/* One attribute per name of "age,gender,race". */
static int add_labels(struct assay_dataset *ds, const char *labels,
                      struct assay_error *err)
{
    const char *next = labels;

    while (next) {
        const char *comma = strchr(next, ',');
        size_t n = comma ? (size_t)(comma - next) : strlen(next);
        char *name = assay__format("%.*s", (int)n, next);
        int rc;

        if (!name)
            return assay_error_set(err, ASSAY_NOMEM, "no memory for labels");
        rc = assay__dataset_attribute(ds, name, err);
        assay__free(name);
        if (rc)
            return rc;
        next = comma ? comma + 1 : NULL;
    }
    return ASSAY_OK;
}

static void count_values(struct assay_dataset *ds)
{
    for (size_t a = 0; a < ds->n_attributes; a++) {
        struct assay__attribute *attribute = &ds->attribute[a];
        int32_t largest = 0;

        for (size_t i = 0; i < ds->n; i++) {
            if (attribute->value[i] > largest)
                largest = attribute->value[i];
        }
        attribute->cardinality = largest + 1;
    }
}

int assay__records_read(struct assay_dataset *ds,
                        const struct assay__bytes *file,
                        const struct assay__spec *spec, struct assay_error *err)
{
    const struct assay__dataset_shape shape = {.channels = spec->shape[0],
                                               .height = spec->shape[1],
                                               .width = spec->shape[2]};
    size_t elements;
    size_t stride;
    size_t n;
    int rc;

    rc = assay__dataset_shape(ds, &shape, err);
    if (!rc)
        rc = add_labels(ds, spec->labels, err);
    if (rc)
        return rc;

    elements = assay__dataset_elements(ds);
    stride = ds->n_attributes + elements;
    n = file->size / stride;
    if (file->size == 0 || file->size % stride)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "%zu bytes, but records have %zu (%zu labels, %dx%dx%d pixels): "
            "%zu records and %zu bytes over",
            file->size, stride, ds->n_attributes, ds->channels, ds->height,
            ds->width, n, file->size % stride);
    if (n > spec->max_records)
        n = spec->max_records;

    rc = assay__dataset_grow(ds, n, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *record = file->data + i * stride;

        ds->labels[i] = record[0];
        for (size_t a = 0; a < ds->n_attributes; a++)
            ds->attribute[a].value[i] = record[a];
        memcpy(ds->pixels + i * elements, record + ds->n_attributes, elements);
    }
    count_values(ds);
    return ASSAY_OK;
}

static int open_records(struct assay_dataset *ds,
                        const struct assay__spec *spec, struct assay_error *err)
{
    struct assay__bytes file = {NULL, 0};
    int rc;

    if (!spec->labels || !spec->shape[0])
        return assay_error_set(err, ASSAY_ARG,
                               "%s: records need ?labels=NAME,NAME&shape=CxHxW",
                               spec->path);
    rc = assay__data_load(&file, spec->path, err);
    if (rc)
        return rc;
    rc = assay__records_read(ds, &file, spec, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", spec->path);
    assay__bytes_release(&file);
    return rc;
}

const struct assay_dataset_kind assay_dataset_kind_records = {
    .name = "records",
    .takes = ASSAY__SPEC_LABELS | ASSAY__SPEC_SHAPE,
    .open = open_records,
};
