/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a dataset comes to be (order of calls in data.h). Growing asks for
 * memory only after the caps on records and bytes; finishing is where every
 * kind of dataset, however it was read, meets the same checks: there are
 * records, labels lie in range, floats are finite. Then the hash is taken,
 * over shape, classes, labels and pixels, so that splits, evidence and
 * reports can tell one dataset from another.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/tensor.h"
#include "core/checked.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

int assay__dataset_shape(struct assay_dataset *ds,
                         const struct assay__dataset_shape *shape,
                         struct assay_error *err)
{
    if (shape->channels < 1 || shape->channels > ASSAY_CHANNELS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "%d channels, not 1 to %d",
                               shape->channels, ASSAY_CHANNELS_MAX);
    if (shape->height < 1 || shape->height > ASSAY__SIDE_MAX ||
        shape->width < 1 || shape->width > ASSAY__SIDE_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%d rows and %d columns of pixels, not 1 to %d",
                               shape->height, shape->width, ASSAY__SIDE_MAX);

    if (ds->channels == 0) {
        ds->channels = shape->channels;
        ds->height = shape->height;
        ds->width = shape->width;
        ds->is_float = shape->is_float;
        return ASSAY_OK;
    }
    if (ds->channels != shape->channels || ds->height != shape->height ||
        ds->width != shape->width)
        return assay_error_set(
            err, ASSAY_SHAPE,
            "records are %dx%dx%d, those read before are %dx%dx%d",
            shape->channels, shape->height, shape->width, ds->channels,
            ds->height, ds->width);
    if (ds->is_float != shape->is_float)
        return assay_error_set(err, ASSAY_SHAPE,
                               "bytes and floats cannot be joined");
    return ASSAY_OK;
}

int assay__dataset_attribute(struct assay_dataset *ds, const char *name,
                             struct assay_error *err)
{
    struct assay__attribute *grown;
    char *copy;

    if (ds->n_attributes == ASSAY__ATTRIBUTES_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d attributes",
                               ASSAY__ATTRIBUTES_MAX);
    if (!name[0])
        return assay_error_set(err, ASSAY_ARG, "attribute %zu has no name",
                               ds->n_attributes + 1);
    for (size_t a = 0; a < ds->n_attributes; a++) {
        if (strcmp(ds->attribute[a].name, name) == 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "attribute '%.60s' is named twice", name);
    }

    grown = assay__realloc(ds->attribute, ds->n_attributes + 1,
                           sizeof(*ds->attribute));
    if (grown)
        ds->attribute = grown;
    copy = assay__strdup(name);
    if (!grown || !copy) {
        assay__free(copy);
        return assay_error_set(err, ASSAY_NOMEM, "no memory for attributes");
    }
    grown[ds->n_attributes++] = (struct assay__attribute){.name = copy};
    return ASSAY_OK;
}

/* Make *column [total], zero from `n` on. */
static bool grow_column(int32_t **column, size_t n, size_t total)
{
    int32_t *grown = assay__realloc(*column, total, sizeof(**column));

    if (!grown)
        return false;
    memset(grown + n, 0, (total - n) * sizeof(*grown));
    *column = grown;
    return true;
}

static bool grow_pixels(struct assay_dataset *ds, size_t total)
{
    size_t elements = assay__dataset_elements(ds);
    void *grown;

    if (ds->is_float)
        grown = assay__realloc(ds->values, total, elements * sizeof(float));
    else
        grown = assay__realloc(ds->pixels, total, elements);
    if (!grown)
        return false;
    if (ds->is_float)
        ds->values = grown;
    else
        ds->pixels = grown;
    return true;
}

int assay__dataset_grow(struct assay_dataset *ds, size_t n,
                        struct assay_error *err)
{
    size_t width = ds->is_float ? sizeof(float) : 1;
    size_t total;
    size_t bytes;
    bool ok;

    if (!assay__add_size(ds->n, n, &total) || total > ASSAY__RECORDS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%zu records and %zu before, limit %zu", n,
                               ds->n, ASSAY__RECORDS_MAX);
    if (!assay__mul_size(total, assay__dataset_elements(ds) * width, &bytes) ||
        bytes > ASSAY__PIXELS_MAX_BYTES)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%zu records of %dx%dx%d need over %zu bytes",
                               total, ds->channels, ds->height, ds->width,
                               ASSAY__PIXELS_MAX_BYTES);

    ok = grow_pixels(ds, total) && grow_column(&ds->labels, ds->n, total);
    for (size_t a = 0; ok && a < ds->n_attributes; a++)
        ok = grow_column(&ds->attribute[a].value, ds->n, total);
    if (!ok)
        return assay_error_set(err, ASSAY_NOMEM,
                               "no memory for %zu records (%zu bytes)", total,
                               bytes);
    ds->n = total;
    return ASSAY_OK;
}

static char **digits(int n)
{
    char **names = assay__calloc((size_t)n, sizeof(*names));

    for (int k = 0; names && k < n; k++) {
        names[k] = assay__format("%d", k);
        if (!names[k]) {
            assay__names_free(names, (size_t)n);
            return NULL;
        }
    }
    return names;
}

int assay__dataset_classes(struct assay_dataset *ds, int n,
                           const char *const *names, struct assay_error *err)
{
    char **copy;

    if (n < 1 || n > ASSAY__CLASSES_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "%d classes, not 1 to %d", n,
                               ASSAY__CLASSES_MAX);
    copy = names ? assay__names_copy(names, (size_t)n) : digits(n);
    if (!copy)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for class names");
    assay__names_free(ds->class_name, (size_t)ds->n_classes);
    ds->class_name = copy;
    ds->n_classes = n;
    return ASSAY_OK;
}

int assay__dataset_check_labels(const struct assay_dataset *ds, size_t first,
                                struct assay_error *err)
{
    for (size_t i = first; ds->n_classes && i < ds->n; i++) {
        if (ds->labels[i] < 0 || ds->labels[i] >= ds->n_classes)
            return assay_error_set(
                err, ASSAY_DATA,
                "record %zu: label %d, but classes are 0 to %d", i - first,
                ds->labels[i], ds->n_classes - 1);
    }
    return ASSAY_OK;
}

static int unknown_attribute(const struct assay_dataset *ds, const char *name,
                             struct assay_error *err)
{
    char known[128] = "";
    size_t used = 0;

    for (size_t a = 0; a < ds->n_attributes && used < sizeof(known); a++) {
        int n = snprintf(known + used, sizeof(known) - used, "%s%s",
                         a ? ", " : "", ds->attribute[a].name);

        if (n < 0)
            break;
        used += (size_t)n;
    }
    return assay_error_set(
        err, ASSAY_ARG, "no attribute '%.60s' to use as label; there %s%s",
        name, ds->n_attributes ? "are: " : "are none", known);
}

int assay__dataset_relabel(struct assay_dataset *ds, const char *name,
                           struct assay_error *err)
{
    for (size_t a = 0; a < ds->n_attributes; a++) {
        const struct assay__attribute *attribute = &ds->attribute[a];
        const char *const *names = (const char *const *)attribute->value_name;
        int rc;

        if (strcmp(attribute->name, name) != 0)
            continue;
        rc = assay__dataset_classes(ds, attribute->cardinality, names, err);
        if (rc)
            return rc;
        memcpy(ds->labels, attribute->value, ds->n * sizeof(*ds->labels));
        return ASSAY_OK;
    }
    return unknown_attribute(ds, name, err);
}

static int check_finite(const struct assay_dataset *ds, struct assay_error *err)
{
    size_t n = assay__dataset_elements(ds);

    for (size_t i = 0; i < ds->n; i++) {
        const float *v = ds->values + i * n;

        for (size_t k = 0; k < n; k++) {
            if (!isfinite(v[k]))
                return assay_error_set(
                    err, ASSAY_DATA, "record %zu: value %zu is not finite (%s)",
                    i, k, isnan(v[k]) ? "NaN" : "infinite");
        }
    }
    return ASSAY_OK;
}

static int hash(struct assay_dataset *ds, struct assay_error *err)
{
    size_t bytes = ds->n * assay__dataset_elements(ds);
    struct assay__sha256 h;
    char shape[128];
    int rc;

    rc = assay__sha256_begin(&h);
    if (rc)
        return assay_error_set(err, rc, "cannot hash the dataset");
    snprintf(shape, sizeof(shape), "dataset 1 %zu %d %d %d %d %s\n", ds->n,
             ds->channels, ds->height, ds->width, ds->n_classes,
             ds->is_float ? "f32" : "u8");
    assay__sha256_add(&h, shape, strlen(shape));
    assay__sha256_add(&h, ds->labels, ds->n * sizeof(*ds->labels));
    if (ds->is_float)
        assay__sha256_add(&h, ds->values, bytes * sizeof(*ds->values));
    else
        assay__sha256_add(&h, ds->pixels, bytes);
    assay__sha256_end(&h, ds->sha256);
    return ASSAY_OK;
}

int assay__dataset_finish(struct assay_dataset *ds, struct assay_error *err)
{
    int rc;

    if (ds->n == 0)
        return assay_error_set(err, ASSAY_DATA, "there are no records");
    if (ds->n_classes == 0) {
        int32_t largest = 0;

        for (size_t i = 0; i < ds->n; i++) {
            if (ds->labels[i] > largest)
                largest = ds->labels[i];
        }
        if (largest >= ASSAY__CLASSES_MAX)
            return assay_error_set(err, ASSAY_LIMIT,
                                   "label %d, but classes are at most %d",
                                   largest, ASSAY__CLASSES_MAX);
        rc = assay__dataset_classes(ds, largest + 1, NULL, err);
        if (rc)
            return rc;
    }
    rc = assay__dataset_check_labels(ds, 0, err);
    if (!rc && ds->is_float)
        rc = check_finite(ds, err);
    if (!rc)
        rc = hash(ds, err);
    return rc;
}
