/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dataset as its users see it: made from memory, read, freed. All
 * records lie in one block, record after record, so that record i is found
 * by one multiplication. How files fill a dataset is in build.c and in the
 * readers.
 */

#include <string.h>

#include "core/mem.h"
#include "data/data.h"

size_t assay__dataset_elements(const struct assay_dataset *ds)
{
    return (size_t)ds->channels * (size_t)ds->height * (size_t)ds->width;
}

void assay__names_free(char **names, size_t n)
{
    for (size_t i = 0; names && i < n; i++)
        assay__free(names[i]);
    assay__free(names);
}

char **assay__names_copy(const char *const *names, size_t n)
{
    char **copy = assay__calloc(n, sizeof(*copy));

    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = assay__strdup(names[i]);
        if (!copy[i]) {
            assay__names_free(copy, n);
            return NULL;
        }
    }
    return copy;
}

static int check_source(const struct assay_dataset_source *s,
                        struct assay_error *err)
{
    if (!s->name || !s->labels || (!s->pixels && !s->values))
        return assay_error_set(err, ASSAY_ARG,
                               "a dataset needs a name, labels and pixels");
    if (s->n == 0)
        return assay_error_set(err, ASSAY_DATA,
                               "dataset '%.60s' has no records", s->name);
    if (s->n_classes < 1 || s->n_classes > ASSAY__CLASSES_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "dataset '%.60s': %d classes, not 1 to %d",
                               s->name, s->n_classes, ASSAY__CLASSES_MAX);
    return ASSAY_OK;
}

int assay_dataset_new(assay_dataset **out,
                      const struct assay_dataset_source *source,
                      struct assay_error *err)
{
    const struct assay__dataset_shape shape = {
        .channels = source->channels,
        .height = source->height,
        .width = source->width,
        .is_float = !source->pixels,
    };
    struct assay_dataset *ds = NULL;
    size_t count;
    int rc;

    rc = check_source(source, err);
    if (rc)
        return rc;
    ds = assay__calloc(1, sizeof(*ds));
    if (ds)
        ds->name = assay__strdup(source->name);
    if (!ds || !ds->name) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory for a dataset");
        goto out;
    }
    rc = assay__dataset_shape(ds, &shape, err);
    if (!rc)
        rc = assay__dataset_classes(ds, source->n_classes, NULL, err);
    if (!rc)
        rc = assay__dataset_grow(ds, source->n, err);
    if (rc)
        goto out;

    count = source->n * assay__dataset_elements(ds);
    if (shape.is_float)
        memcpy(ds->values, source->values, count * sizeof(float));
    else
        memcpy(ds->pixels, source->pixels, count);
    memcpy(ds->labels, source->labels, source->n * sizeof(int32_t));
    rc = assay__dataset_finish(ds, err);

out:
    if (rc)
        assay_dataset_free(ds);
    else
        *out = ds;
    return rc;
}

void assay_dataset_free(assay_dataset *ds)
{
    if (!ds)
        return;
    for (size_t a = 0; a < ds->n_attributes; a++) {
        struct assay__attribute *attribute = &ds->attribute[a];

        assay__free(attribute->name);
        assay__free(attribute->value);
        assay__names_free(attribute->value_name,
                          (size_t)attribute->cardinality);
    }
    assay__free(ds->attribute);
    assay__names_free(ds->class_name, (size_t)ds->n_classes);
    assay__free(ds->pixels);
    assay__free(ds->values);
    assay__free(ds->labels);
    assay__free(ds->name);
    assay__free(ds);
}

const char *assay_dataset_name(const assay_dataset *ds)
{
    return ds->name;
}

size_t assay_dataset_count(const assay_dataset *ds)
{
    return ds->n;
}

int assay_dataset_channels(const assay_dataset *ds)
{
    return ds->channels;
}

int assay_dataset_height(const assay_dataset *ds)
{
    return ds->height;
}

int assay_dataset_width(const assay_dataset *ds)
{
    return ds->width;
}

int assay_dataset_n_classes(const assay_dataset *ds)
{
    return ds->n_classes;
}

const char *assay_dataset_class_name(const assay_dataset *ds, int k)
{
    return ds->class_name[k];
}

int32_t assay_dataset_label(const assay_dataset *ds, size_t i)
{
    return ds->labels[i];
}

const char *assay_dataset_sha256(const assay_dataset *ds)
{
    return ds->sha256;
}

void assay_dataset_record(const assay_dataset *ds, size_t i, float *out)
{
    size_t n = assay__dataset_elements(ds);

    if (ds->is_float) {
        memcpy(out, ds->values + i * n, n * sizeof(*out));
        return;
    }
    for (size_t k = 0; k < n; k++)
        out[k] = (float)ds->pixels[i * n + k];
}

const uint8_t *assay_dataset_pixels(const assay_dataset *ds, size_t i)
{
    return ds->is_float ? NULL : ds->pixels + i * assay__dataset_elements(ds);
}

size_t assay_dataset_n_attributes(const assay_dataset *ds)
{
    return ds->n_attributes;
}

const char *assay_dataset_attribute_name(const assay_dataset *ds, size_t a)
{
    return ds->attribute[a].name;
}

int assay_dataset_attribute_cardinality(const assay_dataset *ds, size_t a)
{
    return ds->attribute[a].cardinality;
}

int32_t assay_dataset_attribute(const assay_dataset *ds, size_t a, size_t i)
{
    return ds->attribute[a].value[i];
}
