/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STL-10, binary version: two files per part, neither with a header.
 *
 *   train_X.bin   records of 27,648 bytes: planes R, G, B, each 96 columns
 *                 of 96 pixels (column by column, unlike all others)
 *   train_y.bin   a byte per record, 1 to 10
 *
 * Likewise test_X.bin and test_y.bin; a folder's parts are joined, training
 * first, and either alone is enough. Files may be gzipped. Class names are
 * those of class_names.txt when it is there.
 */

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

enum { SIDE = 96, PIXELS = 3 * SIDE * SIDE, N_CLASSES = 10 };

static const struct assay__pair parts[] = {
    {"train_X.bin", "train_y.bin"},
    {"test_X.bin", "test_y.bin"},
};
enum { N_PARTS = sizeof(parts) / sizeof(parts[0]) };

static void transpose(uint8_t *dst, const unsigned char *src)
{
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++)
                dst[y * SIDE + x] = src[x * SIDE + y];
        }
        dst += SIDE * SIDE;
        src += SIDE * SIDE;
    }
}

int assay__stl10_read(struct assay_dataset *ds,
                      const struct assay__bytes *images,
                      const struct assay__bytes *labels, size_t max_records,
                      struct assay_error *err)
{
    const struct assay__dataset_shape shape = {
        .channels = 3, .height = SIDE, .width = SIDE};
    size_t n = images->size / PIXELS;
    size_t first = ds->n;
    int rc;

    if (images->size == 0 || images->size % PIXELS)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "%zu bytes, but images have %d: %zu images and %zu bytes over",
            images->size, PIXELS, n, images->size % PIXELS);
    if (labels->size != n)
        return assay_error_set(err, ASSAY_FORMAT, "%zu images, but %zu labels",
                               n, labels->size);
    if (n > max_records)
        n = max_records;

    rc = assay__dataset_shape(ds, &shape, err);
    if (!rc)
        rc = assay__dataset_grow(ds, n, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++) {
        if (labels->data[i] < 1 || labels->data[i] > N_CLASSES)
            return assay_error_set(err, ASSAY_DATA,
                                   "record %zu: label %d, but they are 1 to %d",
                                   i, labels->data[i], N_CLASSES);
        ds->labels[first + i] = labels->data[i] - 1;
        transpose(ds->pixels + (first + i) * PIXELS, images->data + i * PIXELS);
    }
    return ASSAY_OK;
}

static int open_stl10(struct assay_dataset *ds, const struct assay__spec *spec,
                      struct assay_error *err)
{
    char **names = NULL;
    int rc;

    if (!assay__is_dir(spec->path))
        return assay_error_set(err, ASSAY_ARG,
                               "%s: stl10 wants the folder of train_X.bin",
                               spec->path);
    rc = assay__data_class_names(&names, spec->path, "class_names.txt",
                                 N_CLASSES, err);
    if (!rc)
        rc = assay__dataset_classes(ds, N_CLASSES, (const char *const *)names,
                                    err);
    if (!rc)
        rc =
            assay__pairs_read(ds, spec, parts, N_PARTS, assay__stl10_read, err);
    assay__names_free(names, N_CLASSES);
    return rc;
}

static bool probe(const char *path)
{
    return assay__is_dir(path) && (assay__data_has(path, parts[0].images) ||
                                   assay__data_has(path, parts[1].images));
}

const struct assay_dataset_kind assay_dataset_kind_stl10 = {
    .name = "stl10",
    .probe = probe,
    .open = open_stl10,
};
