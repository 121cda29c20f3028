/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many image files into one dataset, for folder.c and csv_index.c.
 *
 * Two rounds over the files, each on all cores: the headers first, so that
 * sizes that do not fit and files that are no images are told before the
 * long work and before memory is asked for; then the pixels, each file
 * straight into its record.
 */

#include <string.h>

#include "core/fs.h"
#include "core/mem.h"
#include "core/thread.h"
#include "data/data.h"
#include "data/image.h"
#include "data/resize.h"

#define FILE_MAX_BYTES ((size_t)1 << 28)

struct loading {
    struct assay_dataset *ds;
    char *const *path;
    size_t n;
    size_t first; /* record of path[0] */
    struct assay__image *header;
};

typedef int take_image(struct assay__image *out, const unsigned char *data,
                       size_t size, struct assay_error *err);

static int read_image(struct assay__image *out, const char *path,
                      take_image *take, struct assay_error *err)
{
    unsigned char *data = NULL;
    size_t size = 0;
    int rc;

    rc = assay__read_file(path, FILE_MAX_BYTES, &data, &size, err);
    if (rc)
        return rc;
    rc = take(out, data, size, err);
    if (rc)
        rc = assay_error_prefix(err, rc, "%s", path);
    assay__free(data);
    return rc;
}

static int measure(void *user, size_t i, struct assay_error *err)
{
    const struct loading *l = user;

    return read_image(&l->header[i], l->path[i], assay__image_measure, err);
}

static int resize(const struct assay_dataset *ds, uint8_t *dst,
                  const struct assay__image *image, struct assay_error *err)
{
    size_t old_plane = (size_t)image->height * (size_t)image->width;
    size_t new_plane = (size_t)ds->height * (size_t)ds->width;
    struct assay__resizer resizer;
    float *scratch;
    int rc;

    rc = assay__resizer_init(&resizer, image->height, image->width, ds->height,
                             ds->width, err);
    if (rc)
        return rc;
    scratch = assay__calloc(assay__resizer_scratch(&resizer), sizeof(*scratch));
    if (!scratch)
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory to resize");
    for (size_t c = 0; c < (size_t)image->channels && !rc; c++)
        assay__resize_u8(&resizer, dst + c * new_plane,
                         image->pixels + c * old_plane, scratch);
    assay__free(scratch);
    assay__resizer_release(&resizer);
    return rc;
}

/* Most files have the size already; a resizer would copy them slowly. */
static int fit(const struct assay_dataset *ds, uint8_t *dst,
               const struct assay__image *image, struct assay_error *err)
{
    size_t plane = (size_t)ds->height * (size_t)ds->width;

    if (image->height != ds->height || image->width != ds->width)
        return resize(ds, dst, image, err);
    memcpy(dst, image->pixels, (size_t)image->channels * plane);
    return ASSAY_OK;
}

static int decode(void *user, size_t i, struct assay_error *err)
{
    const struct loading *l = user;
    const struct assay_dataset *ds = l->ds;
    size_t plane = (size_t)ds->height * (size_t)ds->width;
    uint8_t *dst = ds->pixels + (l->first + i) * assay__dataset_elements(ds);
    struct assay__image image = {0};
    int rc;

    rc = read_image(&image, l->path[i], assay__image_decode, err);
    if (rc)
        return rc;
    if (image.channels > ds->channels)
        rc = assay_error_set(err, ASSAY_IO, "%s: changed while it was read",
                             l->path[i]);
    else
        rc = fit(ds, dst, &image, err);
    for (int c = image.channels; c < ds->channels && !rc; c++)
        memcpy(dst + (size_t)c * plane, dst, plane);
    assay__image_release(&image);
    return rc;
}

/* The shape of all: the most channels, one size. */
static int find_shape(const struct loading *l, const int size[2],
                      struct assay__dataset_shape *shape,
                      struct assay_error *err)
{
    const struct assay__image *first = &l->header[0];

    shape->channels = l->ds->channels ? l->ds->channels : 1;
    shape->height = size[0] ? size[0] : first->height;
    shape->width = size[0] ? size[1] : first->width;
    for (size_t i = 0; i < l->n; i++) {
        const struct assay__image *image = &l->header[i];

        if (image->channels > shape->channels)
            shape->channels = image->channels;
        if (!size[0] &&
            (image->height != first->height || image->width != first->width))
            return assay_error_set(
                err, ASSAY_SHAPE,
                "%s: %dx%d pixels, but %dx%d in %.60s; with ?size=64x64 all "
                "are resized",
                l->path[i], image->height, image->width, first->height,
                first->width, l->path[0]);
    }
    return ASSAY_OK;
}

int assay__images_load(struct assay_dataset *ds, char *const *path, size_t n,
                       const int size[2], struct assay_error *err)
{
    struct assay__dataset_shape shape = {0};
    struct loading l = {.ds = ds, .path = path, .n = n, .first = ds->n};
    int workers = assay__thread_cores();
    int rc;

    if (n == 0)
        return assay_error_set(err, ASSAY_DATA, "there are no images");
    l.header = assay__calloc(n, sizeof(*l.header));
    if (!l.header)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for %zu images", n);
    rc = assay__thread_run(workers, n, measure, &l, err);
    if (!rc)
        rc = find_shape(&l, size, &shape, err);
    if (!rc)
        rc = assay__dataset_shape(ds, &shape, err);
    if (!rc)
        rc = assay__dataset_grow(ds, n, err);
    if (!rc)
        rc = assay__thread_run(workers, n, decode, &l, err);
    assay__free(l.header);
    return rc;
}
