/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDX, the form of MNIST, Fashion-MNIST and their relatives.
 *
 *   byte 0   0 0 8 3    unsigned bytes, three dimensions (labels: 0 0 8 1)
 *   byte 4   N          each dimension u32 big-endian
 *   byte 8   H, W       (images only)
 *   then     the bytes, last dimension fastest
 *
 * The file's size must be exactly what its dimensions ask for. A folder
 * holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the same with
 * "t10k", plain or gzipped; either pair alone is enough. A single images
 * file finds its labels under its own name with "images" and "idx3" turned
 * into "labels" and "idx1".
 */

#include <string.h>

#include "core/checked.h"
#include "core/fs.h"
#include "core/mem.h"
#include "data/data.h"

enum { HEADER_LABELS = 8, HEADER_IMAGES = 16 };

static const struct assay__pair pairs[] = {
    {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
    {"train-images.idx3-ubyte", "train-labels.idx1-ubyte"},
    {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
    {"t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"},
};

enum { N_PAIRS = sizeof(pairs) / sizeof(pairs[0]) };

static const char *const fashion_names[] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot",
};

enum { N_DIGITS = 10 };

static size_t big_endian(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* Header of `rank` dimensions into dim; the data are exactly their product. */
static int parse_header(const struct assay__bytes *file, const char *what,
                        int rank, size_t *dim, struct assay_error *err)
{
    size_t header = 4 + 4 * (size_t)rank;
    size_t bytes = 1;

    if (file->size < header)
        return assay_error_set(err, ASSAY_FORMAT,
                               "IDX %s: %zu bytes, the header alone needs %zu",
                               what, file->size, header);
    if (file->data[0] || file->data[1] || file->data[2] != 8 ||
        file->data[3] != rank)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "byte 0: IDX %s: magic %02x%02x%02x%02x, expected 000008%02x", what,
            file->data[0], file->data[1], file->data[2], file->data[3],
            (unsigned)rank);

    for (int i = 0; i < rank; i++) {
        dim[i] = big_endian(file->data + 4 + 4 * i);
        if (!assay__mul_size(bytes, dim[i], &bytes))
            return assay_error_set(err, ASSAY_LIMIT,
                                   "byte 4: IDX %s: dimensions do not fit",
                                   what);
    }
    if (file->size - header != bytes)
        return assay_error_set(
            err, ASSAY_FORMAT,
            "IDX %s: dimensions ask for %zu bytes after the header, the file "
            "has %zu",
            what, bytes, file->size - header);
    return ASSAY_OK;
}

int assay__idx_read(struct assay_dataset *ds, const struct assay__bytes *images,
                    const struct assay__bytes *labels, size_t max_records,
                    struct assay_error *err)
{
    struct assay__dataset_shape shape = {.channels = 1};
    size_t first = ds->n;
    size_t n_labels = 0;
    size_t dim[3] = {0};
    size_t n;
    int rc;

    rc = parse_header(images, "images", 3, dim, err);
    if (!rc)
        rc = parse_header(labels, "labels", 1, &n_labels, err);
    if (rc)
        return rc;
    if (dim[0] != n_labels)
        return assay_error_set(err, ASSAY_FORMAT,
                               "IDX: %zu images, but %zu labels", dim[0],
                               n_labels);
    if (dim[1] > ASSAY__SIDE_MAX || dim[2] > ASSAY__SIDE_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte 8: IDX images of %zux%zu, limit %d",
                               dim[1], dim[2], ASSAY__SIDE_MAX);

    n = dim[0] < max_records ? dim[0] : max_records;
    shape.height = (int)dim[1];
    shape.width = (int)dim[2];
    rc = assay__dataset_shape(ds, &shape, err);
    if (!rc)
        rc = assay__dataset_grow(ds, n, err);
    if (rc)
        return rc;
    if (n)
        memcpy(ds->pixels + first * dim[1] * dim[2],
               images->data + HEADER_IMAGES, n * dim[1] * dim[2]);
    for (size_t i = 0; i < n; i++)
        ds->labels[first + i] = labels->data[HEADER_LABELS + i];
    return assay__dataset_check_labels(ds, first, err);
}

/* Overwrite `from` by `to`, of the same length, in the file's own name. */
static bool rename_part(char *path, const char *from, const char *to)
{
    char *slash = strrchr(path, '/');
    char *at = strstr(slash ? slash : path, from);

    if (at)
        memcpy(at, to, strlen(from));
    return at != NULL;
}

static int read_single(struct assay_dataset *ds, const struct assay__spec *spec,
                       struct assay_error *err)
{
    char *labels = assay__strdup(spec->path);
    int rc;

    if (!labels)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a path");
    if (!rename_part(labels, "images", "labels")) {
        rc = assay_error_set(err, ASSAY_ARG,
                             "%s: the images file's name must contain "
                             "\"images\", so that its labels can be found",
                             spec->path);
    } else {
        (void)rename_part(labels, "idx3", "idx1");
        rc = assay__pair_read(ds, spec->path, labels, assay__idx_read,
                              spec->max_records, err);
    }
    assay__free(labels);
    return rc;
}

static int open_idx(struct assay_dataset *ds, const struct assay__spec *spec,
                    const char *const *names, struct assay_error *err)
{
    int classes = spec->classes ? spec->classes : N_DIGITS;
    int rc;

    rc = assay__dataset_classes(ds, classes, classes == N_DIGITS ? names : NULL,
                                err);
    if (rc)
        return rc;
    if (assay__is_dir(spec->path))
        return assay__pairs_read(ds, spec, pairs, N_PAIRS, assay__idx_read,
                                 err);
    return read_single(ds, spec, err);
}

static int open_mnist(struct assay_dataset *ds, const struct assay__spec *spec,
                      struct assay_error *err)
{
    return open_idx(ds, spec, NULL, err);
}

static int open_fashion(struct assay_dataset *ds,
                        const struct assay__spec *spec, struct assay_error *err)
{
    return open_idx(ds, spec, fashion_names, err);
}

static bool probe_mnist(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!assay__is_dir(path))
        return strstr(slash ? slash : path, "images-idx3-ubyte") != NULL ||
               strstr(slash ? slash : path, "images.idx3-ubyte") != NULL;
    for (size_t i = 0; i < N_PAIRS; i++) {
        if (assay__data_has(path, pairs[i].images))
            return true;
    }
    return false;
}

/* The files are those of MNIST; only the path can tell the classes' names. */
static bool probe_fashion(const char *path)
{
    return strstr(path, "fashion") && probe_mnist(path);
}

const struct assay_dataset_kind assay_dataset_kind_fashion_mnist = {
    .name = "fashion-mnist",
    .default_path = "/usr/share/datasets/fashion-mnist",
    .takes = ASSAY__SPEC_CLASSES,
    .probe = probe_fashion,
    .open = open_fashion,
};

const struct assay_dataset_kind assay_dataset_kind_mnist = {
    .name = "mnist",
    .takes = ASSAY__SPEC_CLASSES,
    .probe = probe_mnist,
    .open = open_mnist,
};
