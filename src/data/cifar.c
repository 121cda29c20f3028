/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CIFAR-10 and CIFAR-100, binary version: records without any header.
 *
 *   CIFAR-10    byte 0  label           then 3,072 bytes of pixels
 *   CIFAR-100   byte 0  coarse label,   byte 1  fine label, then pixels
 *   pixels      planes R, G, B of 32 rows of 32
 *
 * A folder's batches are joined, training first, then test; what is not
 * there is left out, as long as one batch is. Files may be gzipped. Class
 * names come from the text files of the original archives when they lie
 * beside the batches. CIFAR-100 has the attributes "fine" and "coarse";
 * the label is the fine one.
 */

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

enum { SIDE = 32, PIXELS = 3 * SIDE * SIDE };

struct variant {
    int n_labels;
    int n_classes;
    int n_coarse;
    const char *class_names; /* file beside the batches */
    const char *batch[6];    /* NULL ends them */
};

static const struct variant cifar10 = {
    .n_labels = 1,
    .n_classes = 10,
    .class_names = "batches.meta.txt",
    .batch = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
              "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"},
};

static const struct variant cifar100 = {
    .n_labels = 2,
    .n_classes = 100,
    .n_coarse = 20,
    .class_names = "fine_label_names.txt",
    .batch = {"train.bin", "test.bin"},
};

enum { N_BATCHES = 6 };

int assay__cifar_read(struct assay_dataset *ds, const struct assay__bytes *file,
                      int n_labels, size_t max_records, struct assay_error *err)
{
    const struct assay__dataset_shape shape = {
        .channels = 3, .height = SIDE, .width = SIDE};
    size_t stride = (size_t)n_labels + PIXELS;
    size_t n = file->size / stride;
    size_t first = ds->n;
    int rc;

    if (file->size == 0 || file->size % stride)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "%zu bytes, but records have %zu: %zu records and %zu bytes over",
            file->size, stride, n, file->size % stride);
    if (n > max_records)
        n = max_records;

    rc = assay__dataset_shape(ds, &shape, err);
    if (!rc)
        rc = assay__dataset_grow(ds, n, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *record = file->data + i * stride;

        ds->labels[first + i] = record[n_labels - 1];
        if (ds->n_attributes == 2) {
            ds->attribute[0].value[first + i] = record[1];
            ds->attribute[1].value[first + i] = record[0];
        }
        memcpy(ds->pixels + (first + i) * PIXELS, record + n_labels, PIXELS);
    }
    return assay__dataset_check_labels(ds, first, err);
}

static int read_batch(struct assay_dataset *ds, const char *path,
                      const struct variant *v, size_t max_records,
                      struct assay_error *err)
{
    struct assay__bytes file = {NULL, 0};
    int rc;

    rc = assay__data_load(&file, path, err);
    if (rc)
        return rc;
    rc = assay__cifar_read(ds, &file, v->n_labels, max_records, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", path);
    assay__bytes_release(&file);
    return rc;
}

static int read_folder(struct assay_dataset *ds, const struct assay__spec *spec,
                       const struct variant *v, struct assay_error *err)
{
    size_t found = 0;

    for (size_t i = 0; i < N_BATCHES && v->batch[i]; i++) {
        char *path = NULL;
        int rc;

        rc = assay__data_find(&path, spec->path, v->batch[i], err);
        if (!rc && path) {
            rc = read_batch(ds, path, v, spec->max_records, err);
            found++;
        }
        assay__free(path);
        if (rc)
            return rc;
    }
    if (!found)
        return assay_error_set(err, ASSAY_IO,
                               "%s: no %s(.gz), nor another batch", spec->path,
                               v->batch[0]);
    return ASSAY_OK;
}

static int name_classes(struct assay_dataset *ds, const char *path,
                        const struct variant *v, struct assay_error *err)
{
    char **names = NULL;
    char *folder = assay__data_folder_of(path);
    int rc;

    if (!folder)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    rc = assay__data_class_names(&names, folder, v->class_names,
                                 (size_t)v->n_classes, err);
    if (!rc)
        rc = assay__dataset_classes(ds, v->n_classes,
                                    (const char *const *)names, err);
    assay__names_free(names, (size_t)v->n_classes);
    if (rc || v->n_labels == 1)
        goto out;

    names = NULL;
    rc = assay__data_class_names(&names, folder, "coarse_label_names.txt",
                                 (size_t)v->n_coarse, err);
    ds->attribute[1].value_name = names;
    ds->attribute[1].cardinality = v->n_coarse;

out:
    assay__free(folder);
    return rc;
}

/* The fine attribute repeats the label, names and all. */
static int name_fine(struct assay_dataset *ds, struct assay_error *err)
{
    struct assay__attribute *fine = &ds->attribute[0];

    fine->value_name = assay__names_copy((const char *const *)ds->class_name,
                                         (size_t)ds->n_classes);
    if (!fine->value_name)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for class names");
    fine->cardinality = ds->n_classes;
    return ASSAY_OK;
}

static int check_coarse(const struct assay_dataset *ds, struct assay_error *err)
{
    const struct assay__attribute *coarse = &ds->attribute[1];

    for (size_t i = 0; i < ds->n; i++) {
        if (coarse->value[i] >= coarse->cardinality)
            return assay_error_set(
                err, ASSAY_DATA,
                "record %zu: coarse label %d, but they are 0 to %d", i,
                coarse->value[i], coarse->cardinality - 1);
    }
    return ASSAY_OK;
}

static int open_variant(struct assay_dataset *ds,
                        const struct assay__spec *spec, const struct variant *v,
                        struct assay_error *err)
{
    int rc = ASSAY_OK;

    if (v->n_labels == 2) {
        rc = assay__dataset_attribute(ds, "fine", err);
        if (!rc)
            rc = assay__dataset_attribute(ds, "coarse", err);
    }
    if (!rc)
        rc = name_classes(ds, spec->path, v, err);
    if (rc)
        return rc;
    if (assay__is_dir(spec->path))
        rc = read_folder(ds, spec, v, err);
    else
        rc = read_batch(ds, spec->path, v, spec->max_records, err);
    if (rc || v->n_labels == 1)
        return rc;

    rc = name_fine(ds, err);
    return rc ? rc : check_coarse(ds, err);
}

static int open_cifar10(struct assay_dataset *ds,
                        const struct assay__spec *spec, struct assay_error *err)
{
    return open_variant(ds, spec, &cifar10, err);
}

static int open_cifar100(struct assay_dataset *ds,
                         const struct assay__spec *spec,
                         struct assay_error *err)
{
    return open_variant(ds, spec, &cifar100, err);
}

/* A batch's name, bare or with ".gz", ends the path or lies in the folder. */
static bool probe_variant(const char *path, const struct variant *v)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    for (size_t i = 0; i < N_BATCHES && v->batch[i]; i++) {
        size_t n = strlen(v->batch[i]);

        if (strncmp(name, v->batch[i], n) == 0 &&
            (!name[n] || strcmp(name + n, ".gz") == 0))
            return true;
        if (assay__is_dir(path) && assay__data_has(path, v->batch[i]))
            return true;
    }
    return false;
}

static bool probe_cifar10(const char *path)
{
    return probe_variant(path, &cifar10);
}

static bool probe_cifar100(const char *path)
{
    return probe_variant(path, &cifar100);
}

const struct assay_dataset_kind assay_dataset_kind_cifar10 = {
    .name = "cifar10",
    .probe = probe_cifar10,
    .open = open_cifar10,
};

const struct assay_dataset_kind assay_dataset_kind_cifar100 = {
    .name = "cifar100",
    .probe = probe_cifar100,
    .open = open_cifar100,
};
