/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PNG and JPEG have in common: telling them apart by their first
 * bytes, caps on size, and planes filled row by row; and a dataset's record
 * as a picture for reports.
 */

#include "data/image.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "data/data.h"

static const unsigned char PNG_MAGIC[4] = {0x89, 'P', 'N', 'G'};
static const unsigned char JPEG_MAGIC[3] = {0xff, 0xd8, 0xff};

int assay__image_check(size_t height, size_t width, struct assay_error *err)
{
    if (height < 1 || width < 1 || height > ASSAY__SIDE_MAX ||
        width > ASSAY__SIDE_MAX ||
        height * width > (size_t)ASSAY__IMAGE_PIXELS_MAX)
        return assay_error_set(
            err, ASSAY_LIMIT,
            "image of %zux%zu pixels, limits are %d a side and %d in all",
            height, width, ASSAY__SIDE_MAX, ASSAY__IMAGE_PIXELS_MAX);
    return ASSAY_OK;
}

void assay__image_put_row(struct assay__image *image, int y,
                          const unsigned char *row)
{
    size_t w = (size_t)image->width;
    size_t plane = w * (size_t)image->height;
    uint8_t *dst = image->pixels + (size_t)y * w;

    if (image->channels == 1) {
        memcpy(dst, row, w);
        return;
    }
    for (size_t x = 0; x < w; x++) {
        dst[x] = row[3 * x];
        dst[plane + x] = row[3 * x + 1];
        dst[2 * plane + x] = row[3 * x + 2];
    }
}

static int read_image(struct assay__image *out, const unsigned char *data,
                      size_t size, int measure_only, struct assay_error *err)
{
    *out = (struct assay__image){0};
    if (size >= sizeof(PNG_MAGIC) &&
        memcmp(data, PNG_MAGIC, sizeof(PNG_MAGIC)) == 0)
        return assay__png_read(out, data, size, measure_only, err);
    if (size >= sizeof(JPEG_MAGIC) &&
        memcmp(data, JPEG_MAGIC, sizeof(JPEG_MAGIC)) == 0)
        return assay__jpeg_read(out, data, size, measure_only, err);
    return assay_error_set(err, ASSAY_FORMAT,
                           "byte 0: neither a PNG nor a JPEG image");
}

int assay__image_measure(struct assay__image *out, const unsigned char *data,
                         size_t size, struct assay_error *err)
{
    return read_image(out, data, size, 1, err);
}

int assay__image_decode(struct assay__image *out, const unsigned char *data,
                        size_t size, struct assay_error *err)
{
    return read_image(out, data, size, 0, err);
}

void assay__image_release(struct assay__image *image)
{
    assay__free(image->pixels);
    image->pixels = NULL;
}

/* Floats have no range of their own: theirs is from least to most. */
static void stretch(uint8_t *dst, const float *src, size_t n)
{
    double least = (double)src[0];
    double most = (double)src[0];
    double scale;

    for (size_t i = 1; i < n; i++) {
        least = fmin(least, (double)src[i]);
        most = fmax(most, (double)src[i]);
    }
    scale = most > least ? 255.0 / (most - least) : 0.0;
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(((double)src[i] - least) * scale + 0.5);
}

int assay_pixels_png(const uint8_t *pixels, int channels, int height, int width,
                     unsigned char **png, size_t *size, struct assay_error *err)
{
    struct assay__image image = {
        .channels = channels >= 3 ? 3 : 1, .height = height, .width = width};
    size_t shown;
    int rc;

    if (channels < 1 || height < 1 || width < 1)
        return assay_error_set(err, ASSAY_ARG,
                               "a picture of %dx%d pixels, %d channels", height,
                               width, channels);
    rc = assay__image_check((size_t)height, (size_t)width, err);
    if (rc)
        return rc;
    shown = (size_t)image.channels * (size_t)height * (size_t)width;
    image.pixels = assay__malloc(shown);
    if (!image.pixels)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a picture");
    memcpy(image.pixels, pixels, shown);
    rc = assay__png_write(png, size, &image, err);
    assay__image_release(&image);
    return rc;
}

void assay_preprocess_invert(const struct assay_preprocess *pre,
                             const float *image, uint8_t *pixels)
{
    size_t plane = (size_t)pre->height * (size_t)pre->width;

    for (size_t i = 0; i < plane * (size_t)pre->channels; i++) {
        size_t c = i / plane;
        double x =
            ((double)image[i] * pre->std[c] + pre->mean[c]) / pre->scale + 0.5;

        pixels[i] = x >= 255.0 ? 255 : x > 0.0 ? (uint8_t)x : 0;
    }
}

int assay_dataset_png(const assay_dataset *ds, size_t i, unsigned char **png,
                      size_t *size, struct assay_error *err)
{
    size_t elements = assay__dataset_elements(ds);
    uint8_t *own;
    int rc;

    if (i >= ds->n)
        return assay_error_set(err, ASSAY_ARG, "record %zu of %zu", i, ds->n);
    if (!ds->is_float)
        return assay_pixels_png(ds->pixels + i * elements, ds->channels,
                                ds->height, ds->width, png, size, err);
    own = assay__malloc(elements);
    if (!own)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a picture");
    stretch(own, ds->values + i * elements,
            ds->channels >= 3 ? 3 * elements / (size_t)ds->channels
                              : elements / (size_t)ds->channels);
    rc = assay_pixels_png(own, ds->channels, ds->height, ds->width, png, size,
                          err);
    assay__free(own);
    return rc;
}

void assay_bytes_free(void *bytes)
{
    assay__free(bytes);
}
