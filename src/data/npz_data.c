/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays of a NPZ (or safetensors) file as a dataset: images under `x`,
 * `images` or `data`, labels under `y` or `labels`; or `x_train`, `y_train`
 * and `x_test`, `y_test`, joined in this order. Every other array of one
 * integer per record becomes an attribute of its name, when all of these
 * could be labels.
 *
 * Images are bytes or floats of shape [N, H, W], [N, C, H, W] or
 * [N, H, W, C]; C is 1, 3 or 4. Where both readings of four dimensions are
 * possible, channels are taken to come first. Labels are integers, [N] or
 * [N, 1].
 */

#include <math.h>
#include <string.h>

#include "assay/format.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

enum { N_WHOLE = 3, N_NAMES = 5 };

static const char *const image_names[N_NAMES] = {"x", "images", "data",
                                                 "x_train", "x_test"};
static const char *const label_names[N_NAMES] = {"y", "labels", "y", "y_train",
                                                 "y_test"};

struct layout {
    struct assay__dataset_shape shape;
    size_t n;
    bool channels_last;
};

static bool is_channels(int64_t n)
{
    return n == 1 || n == 3 || n == 4;
}

static bool is_integer(const struct assay_tensor *t)
{
    switch (t->dtype) {
    case ASSAY_DTYPE_F32:
    case ASSAY_DTYPE_F64:
    case ASSAY_DTYPE_F16:
    case ASSAY_DTYPE_BF16:
    case ASSAY_DTYPE_COUNT:
        return false;
    default:
        return true;
    }
}

static bool is_column(const struct assay_tensor *t, size_t n)
{
    return (t->shape.rank == 1 ||
            (t->shape.rank == 2 && t->shape.dim[1] == 1)) &&
           (size_t)t->shape.dim[0] == n && is_integer(t);
}

static int find_layout(struct layout *l, const struct assay_tensor *t,
                       struct assay_error *err)
{
    const int64_t *d = t->shape.dim;
    int64_t h = d[1];
    int64_t w = d[2];
    int64_t c = 1;
    char text[80];

    if (t->shape.rank == 4 && is_channels(d[1])) {
        c = d[1];
        h = d[2];
        w = d[3];
    } else if (t->shape.rank == 4 && is_channels(d[3])) {
        c = d[3];
        l->channels_last = true;
    } else if (t->shape.rank != 3) {
        return assay_error_set(
            err, ASSAY_SHAPE,
            "array '%.60s' is %s, not [N, H, W], [N, C, H, W] or [N, H, W, C] "
            "with C 1, 3 or 4",
            t->name, assay_shape_text(&t->shape, text, sizeof(text)));
    }
    if (h < 1 || h > ASSAY__SIDE_MAX || w < 1 || w > ASSAY__SIDE_MAX)
        return assay_error_set(
            err, ASSAY_LIMIT, "array '%.60s' is %s, sides are 1 to %d", t->name,
            assay_shape_text(&t->shape, text, sizeof(text)), ASSAY__SIDE_MAX);

    l->n = (size_t)d[0];
    l->shape.channels = (int)c;
    l->shape.height = (int)h;
    l->shape.width = (int)w;
    switch (t->dtype) {
    case ASSAY_DTYPE_U8:
        l->shape.is_float = false;
        return ASSAY_OK;
    case ASSAY_DTYPE_F32:
    case ASSAY_DTYPE_F64:
    case ASSAY_DTYPE_F16:
    case ASSAY_DTYPE_BF16:
        l->shape.is_float = true;
        return ASSAY_OK;
    default:
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "array '%.60s' holds %s; images are bytes (U8) "
                               "or floats",
                               t->name, assay_dtype_name(t->dtype));
    }
}

/* Element of record i in the file's order, for element k in ours. */
static size_t source_of(const struct layout *l, size_t i, size_t k)
{
    size_t c = (size_t)l->shape.channels;
    size_t plane = (size_t)l->shape.height * (size_t)l->shape.width;

    if (!l->channels_last)
        return i * c * plane + k;
    return (i * plane + k % plane) * c + k / plane;
}

static int copy_images(struct assay_dataset *ds, const struct assay_tensor *t,
                       const struct layout *l, size_t first, size_t n,
                       struct assay_error *err)
{
    size_t elements = assay__dataset_elements(ds);
    const uint8_t *bytes = t->data;

    if (!ds->is_float && !l->channels_last && n) {
        memcpy(ds->pixels + first * elements, bytes, n * elements);
        return ASSAY_OK;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < elements; k++) {
            size_t from = source_of(l, i, k);
            size_t to = (first + i) * elements + k;
            double v;

            if (!ds->is_float) {
                ds->pixels[to] = bytes[from];
                continue;
            }
            v = assay_tensor_value(t, from);
            ds->values[to] = (float)v;
            if (!isfinite(ds->values[to]))
                return assay_error_set(
                    err, ASSAY_DATA, "record %zu: array '%.60s' holds %s", i,
                    t->name,
                    isnan(v) ? "NaN"
                             : "infinity, or more than a 32-bit float can");
        }
    }
    return ASSAY_OK;
}

/* The first of n values that cannot be a label; n: none. */
static size_t first_outside(const struct assay_tensor *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = assay_tensor_value(t, i);

        if (v < 0 || v >= ASSAY__CLASSES_MAX)
            return i;
    }
    return n;
}

static void copy_column(int32_t *dst, const struct assay_tensor *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (int32_t)assay_tensor_value(t, i);
}

static int copy_labels(int32_t *dst, const struct assay_tensor *t, size_t n,
                       struct assay_error *err)
{
    size_t bad = first_outside(t, n);

    if (bad < n)
        return assay_error_set(
            err, ASSAY_DATA, "record %zu: '%.60s' is %.0f, not 0 to %d", bad,
            t->name, assay_tensor_value(t, bad), ASSAY__CLASSES_MAX - 1);
    copy_column(dst, t, n);
    return ASSAY_OK;
}

static int read_part(struct assay_dataset *ds, const struct assay_tensor *x,
                     const struct assay_tensor *y, size_t max_records,
                     struct assay_error *err)
{
    struct layout l = {0};
    size_t first = ds->n;
    char text[80];
    size_t n;
    int rc;

    rc = find_layout(&l, x, err);
    if (rc)
        return rc;
    if (!is_column(y, l.n))
        return assay_error_set(
            err, ASSAY_SHAPE,
            "array '%.60s' is %s %s, not an integer for each of %zu records",
            y->name, assay_dtype_name(y->dtype),
            assay_shape_text(&y->shape, text, sizeof(text)), l.n);

    n = l.n < max_records ? l.n : max_records;
    rc = assay__dataset_shape(ds, &l.shape, err);
    if (!rc)
        rc = assay__dataset_grow(ds, n, err);
    if (!rc)
        rc = copy_images(ds, x, &l, first, n, err);
    if (!rc)
        rc = copy_labels(ds->labels + first, y, n, err);
    return rc;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        if (strcmp(name, image_names[i]) == 0 ||
            strcmp(name, label_names[i]) == 0)
            return true;
    }
    return false;
}

static const struct assay_tensor *find_labels(const struct assay_tensors *list,
                                              size_t i)
{
    const struct assay_tensor *y = assay_tensors_find(list, label_names[i]);

    /* x, images and data go with either of y and labels. */
    if (!y && strcmp(label_names[i], "y") == 0)
        y = assay_tensors_find(list, "labels");
    if (!y && strcmp(label_names[i], "labels") == 0)
        y = assay_tensors_find(list, "y");
    return y;
}

/* The other columns; for joined parts there is no telling whose they are.
 * Times and identifiers are no categories and left out. */
static int add_columns(struct assay_dataset *ds,
                       const struct assay_tensors *list, size_t n_file,
                       struct assay_error *err)
{
    for (size_t i = 0; i < list->n_items; i++) {
        const struct assay_tensor *t = &list->item[i];
        struct assay__attribute *attribute;
        int rc;

        if (is_known(t->name) || !is_column(t, n_file) ||
            first_outside(t, ds->n) < ds->n)
            continue;
        rc = assay__dataset_attribute(ds, t->name, err);
        if (rc)
            return rc;
        attribute = &ds->attribute[ds->n_attributes - 1];
        attribute->value = assay__calloc(ds->n, sizeof(*attribute->value));
        if (!attribute->value)
            return assay_error_set(err, ASSAY_NOMEM,
                                   "no memory for attribute '%.60s'", t->name);
        copy_column(attribute->value, t, ds->n);
        for (size_t k = 0; k < ds->n; k++) {
            if (attribute->value[k] >= attribute->cardinality)
                attribute->cardinality = attribute->value[k] + 1;
        }
    }
    return ASSAY_OK;
}

/* A set of images is read once: under one of x, images and data, or in
 * parts. */
static int check_names(const struct assay_tensors *list,
                       struct assay_error *err)
{
    const char *whole = NULL;

    for (size_t i = 0; i < N_NAMES; i++) {
        if (!assay_tensors_find(list, image_names[i]))
            continue;
        if (whole)
            return assay_error_set(err, ASSAY_DATA,
                                   "there are '%s' and '%s'; which holds the "
                                   "images is not clear",
                                   whole, image_names[i]);
        if (i < N_WHOLE)
            whole = image_names[i];
    }
    return ASSAY_OK;
}

int assay__npz_read(struct assay_dataset *ds, const struct assay_tensors *list,
                    size_t max_records, struct assay_error *err)
{
    size_t n_file = 0;
    size_t parts = 0;
    int rc = check_names(list, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < N_NAMES; i++) {
        const struct assay_tensor *x = assay_tensors_find(list, image_names[i]);
        const struct assay_tensor *y = find_labels(list, i);

        if (!x)
            continue;
        if (!y)
            return assay_error_set(err, ASSAY_DATA,
                                   "there is '%s', but no '%s' for its labels",
                                   image_names[i], label_names[i]);
        rc = read_part(ds, x, y, max_records, err);
        if (rc)
            return rc;
        n_file = (size_t)x->shape.dim[0];
        parts++;
    }
    if (!parts)
        return assay_error_set(err, ASSAY_DATA,
                               "no array named x, images, data or x_train");
    return parts == 1 ? add_columns(ds, list, n_file, err) : ASSAY_OK;
}

static int open_npz(struct assay_dataset *ds, const struct assay__spec *spec,
                    struct assay_error *err)
{
    struct assay_tensors list;
    int rc;

    assay_tensors_init(&list);
    rc = assay_tensors_read(&list, spec->path, err);
    if (rc)
        return rc;
    rc = assay__npz_read(ds, &list, spec->max_records, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", spec->path);
    assay_tensors_release(&list);
    return rc;
}

static bool probe(const char *path)
{
    size_t n = strlen(path);

    return n > 4 && strcmp(path + n - 4, ".npz") == 0 && !assay__is_dir(path);
}

const struct assay_dataset_kind assay_dataset_kind_npz = {
    .name = "npz",
    .probe = probe,
    .open = open_npz,
};
