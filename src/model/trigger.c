/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triggers as masks and patterns in pixels: made, stamped, kept in files,
 * drawn.
 */

#include "assay/trigger.h"

#include <math.h>
#include <string.h>

#include "assay/format.h"
#include "assay/rng.h"
#include "core/checked.h"
#include "core/mem.h"

enum { SIDE_MAX = 4096 };

static size_t plane_of(const struct assay_trigger *t)
{
    return (size_t)t->height * (size_t)t->width;
}

int assay_trigger_make(struct assay_trigger *t, int channels, int height,
                       int width, struct assay_error *err)
{
    size_t plane;

    memset(t, 0, sizeof(*t));
    if (channels < 1 || channels > ASSAY_CHANNELS_MAX || height < 1 ||
        height > SIDE_MAX || width < 1 || width > SIDE_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "trigger: %d channels of %dx%d; 1 to %d of 1x1 "
                               "to %dx%d are possible",
                               channels, height, width, (int)ASSAY_CHANNELS_MAX,
                               (int)SIDE_MAX, (int)SIDE_MAX);
    plane = (size_t)height * (size_t)width;
    t->mask = assay__calloc(plane, sizeof(float));
    t->pattern = assay__calloc((size_t)channels * plane, sizeof(float));
    if (!t->mask || !t->pattern) {
        assay_trigger_release(t);
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a trigger of %dx%d", height,
                               width);
    }
    t->channels = channels;
    t->height = height;
    t->width = width;
    return ASSAY_OK;
}

void assay_trigger_release(struct assay_trigger *t)
{
    if (!t)
        return;
    assay__free(t->mask);
    assay__free(t->pattern);
    memset(t, 0, sizeof(*t));
}

int assay_trigger_copy(struct assay_trigger *out, const struct assay_trigger *t,
                       struct assay_error *err)
{
    int rc = assay_trigger_make(out, t->channels, t->height, t->width, err);

    if (rc)
        return rc;
    memcpy(out->mask, t->mask, plane_of(t) * sizeof(float));
    memcpy(out->pattern, t->pattern,
           (size_t)t->channels * plane_of(t) * sizeof(float));
    return ASSAY_OK;
}

int assay_trigger_patch(struct assay_trigger *t, int side, int row, int column,
                        float value, struct assay_error *err)
{
    if (side < 1 || row < 0 || column < 0 || row > t->height - side ||
        column > t->width - side)
        return assay_error_set(err, ASSAY_ARG,
                               "trigger: a square of %d at %d,%d is not inside "
                               "%dx%d",
                               side, row, column, t->height, t->width);
    for (int y = row; y < row + side; y++) {
        for (int x = column; x < column + side; x++) {
            size_t at = (size_t)y * (size_t)t->width + (size_t)x;

            t->mask[at] = 1;
            for (int c = 0; c < t->channels; c++)
                t->pattern[(size_t)c * plane_of(t) + at] = value;
        }
    }
    return ASSAY_OK;
}

void assay_trigger_blend(struct assay_trigger *t, double alpha, uint64_t seed)
{
    struct assay_rng rng;
    size_t plane = plane_of(t);

    assay_rng_init(&rng, seed, "trigger", 0);
    for (size_t i = 0; i < plane; i++)
        t->mask[i] = (float)alpha;
    for (size_t i = 0; i < (size_t)t->channels * plane; i++)
        t->pattern[i] = (float)(assay_rng_uniform(&rng) * 255);
}

double assay_trigger_l1(const struct assay_trigger *t)
{
    double sum = 0;

    for (size_t i = 0; i < plane_of(t); i++)
        sum += fabs((double)t->mask[i]);
    return sum;
}

void assay_trigger_stamp(const struct assay_trigger *t,
                         const struct assay_preprocess *pre, float *x, size_t n)
{
    size_t plane = plane_of(t);

    for (size_t i = 0; i < n * (size_t)t->channels; i++) {
        size_t c = i % (size_t)t->channels;
        const float *pattern = t->pattern + c * plane;
        float *image = x + i * plane;

        for (size_t j = 0; j < plane; j++) {
            double p =
                ((double)pattern[j] * pre->scale - pre->mean[c]) / pre->std[c];
            double m = (double)t->mask[j];

            if (m > 0)
                image[j] = (float)((1 - m) * (double)image[j] + m * p);
        }
    }
}

int assay_trigger_write(const struct assay_trigger *t, const char *path,
                        struct assay_error *err)
{
    struct assay_shape mask =
        assay_shape_make(2, (int64_t)t->height, (int64_t)t->width);
    struct assay_shape pattern = assay_shape_make(
        3, (int64_t)t->channels, (int64_t)t->height, (int64_t)t->width);
    struct assay_tensors list;
    int rc;

    assay_tensors_init(&list);
    rc = assay_tensors_add_f32(&list, "mask", &mask, t->mask, err);
    if (!rc)
        rc = assay_tensors_add_f32(&list, "pattern", &pattern, t->pattern, err);
    if (!rc)
        rc = assay_tensors_write(&list, path, err);
    assay_tensors_release(&list);
    return rc;
}

/* Numbers of a file into a trigger's, each within its range. */
static int read_values(const struct assay_tensor *from, size_t n, double high,
                       float *to, const char *path, struct assay_error *err)
{
    for (size_t i = 0; i < n; i++) {
        double value = assay_tensor_value(from, i);

        if (!(value >= 0 && value <= high))
            return assay_error_set(err, ASSAY_DATA,
                                   "%.100s: %s[%zu] is %g, not in 0..%g", path,
                                   from->name, i, value, high);
        to[i] = (float)value;
    }
    return ASSAY_OK;
}

static int from_tensors(struct assay_trigger *t,
                        const struct assay_tensors *list, const char *path,
                        struct assay_error *err)
{
    const struct assay_tensor *mask = assay_tensors_find(list, "mask");
    const struct assay_tensor *pattern = assay_tensors_find(list, "pattern");
    const int64_t *p;
    int rc;

    if (!mask || !pattern)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.100s: a trigger has the tensors mask and "
                               "pattern; %s is missing",
                               path, mask ? "pattern" : "mask");
    p = pattern->shape.dim;
    if (mask->shape.rank != 2 || pattern->shape.rank != 3 ||
        p[1] != mask->shape.dim[0] || p[2] != mask->shape.dim[1] || p[0] < 1 ||
        p[0] > ASSAY_CHANNELS_MAX || p[1] < 1 || p[1] > SIDE_MAX || p[2] < 1 ||
        p[2] > SIDE_MAX)
        return assay_error_set(err, ASSAY_SHAPE,
                               "%.100s: mask must be [H, W] and pattern [C, H, "
                               "W], C at most %d, H and W at most %d",
                               path, (int)ASSAY_CHANNELS_MAX, (int)SIDE_MAX);
    rc = assay_trigger_make(t, (int)p[0], (int)p[1], (int)p[2], err);
    if (!rc)
        rc = read_values(mask, plane_of(t), 1, t->mask, path, err);
    if (!rc)
        rc = read_values(pattern, (size_t)t->channels * plane_of(t), 255,
                         t->pattern, path, err);
    if (rc)
        assay_trigger_release(t);
    return rc;
}

int assay_trigger_read(struct assay_trigger *t, const char *path,
                       struct assay_error *err)
{
    struct assay_tensors list;
    int rc;

    memset(t, 0, sizeof(*t));
    assay_tensors_init(&list);
    rc = assay_tensors_read(&list, path, err);
    if (!rc)
        rc = from_tensors(t, &list, path, err);
    assay_tensors_release(&list);
    return rc;
}

int assay_trigger_png(const struct assay_trigger *t, unsigned char **png,
                      size_t *size, struct assay_error *err)
{
    size_t plane = plane_of(t);
    size_t n = plane * (size_t)t->channels;
    uint8_t *pixels = assay__malloc(n);
    int rc;

    if (!pixels)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a trigger's picture");
    for (size_t i = 0; i < n; i++) {
        double m = (double)t->mask[i % plane];

        pixels[i] = (uint8_t)lrint((1 - m) * 128 + m * (double)t->pattern[i]);
    }
    rc = assay_pixels_png(pixels, t->channels, t->height, t->width, png, size,
                          err);
    assay__free(pixels);
    return rc;
}
