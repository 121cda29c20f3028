/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views: what a model sees of a dataset.
 *
 * A view whose size and channels are the dataset's own reads the dataset's
 * memory; any other converts its records once, when it is made, on all
 * cores. Filling then is a single pass over the pixels:
 *
 *   (x * scale - mean) / std = (x - shift) * factor
 *   shift = mean / scale,  factor = scale / std
 *
 * a subtraction and a product, which no compiler contracts into one
 * rounding, so that every machine computes the same bits; it differs from
 * the formula in double by two roundings. Padding is with zero pixels, that
 * is black, before normalisation, as torchvision pads pictures; cropping
 * comes before flipping.
 */

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "assay/rng.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/mem.h"
#include "core/thread.h"
#include "data/data.h"
#include "data/resize.h"

enum { CHUNK = 256 }; /* records converted by one job */

struct assay_view {
    const struct assay_dataset *ds;
    uint32_t *index; /* [n] */
    size_t n;
    int attribute; /* that is the label; -1: the dataset's label is */
    int channels;
    int height;
    int width;
    struct assay_preprocess pre; /* its size made definite */
    float shift[ASSAY_CHANNELS_MAX];
    float factor[ASSAY_CHANNELS_MAX];
    void *converted; /* [n, C, H, W] u8 or f32; NULL: read the dataset */
};

void assay_preprocess_init(struct assay_preprocess *pre,
                           const assay_dataset *ds)
{
    *pre = (struct assay_preprocess){.scale = ds->is_float ? 1.0 : 1.0 / 255};
    for (int c = 0; c < ASSAY_CHANNELS_MAX; c++) {
        pre->mean[c] = 0.5;
        pre->std[c] = 0.5;
    }
}

static int check_pre(const struct assay_view *view,
                     const struct assay_preprocess *pre,
                     struct assay_error *err)
{
    int from = view->ds->channels;
    int to = view->channels;

    if (to != from && !(from == 1 && to == 3) && !(from == 3 && to == 1))
        return assay_error_set(err, ASSAY_SHAPE,
                               "%d channels cannot be made of %d", to, from);
    if (view->height < 1 || view->height > ASSAY__SIDE_MAX || view->width < 1 ||
        view->width > ASSAY__SIDE_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "resize to %dx%d pixels, not 1 to %d",
                               view->height, view->width, ASSAY__SIDE_MAX);
    if (!isfinite(pre->scale) || pre->scale <= 0)
        return assay_error_set(err, ASSAY_ARG, "scale %g is not above 0",
                               pre->scale);
    for (int c = 0; c < to; c++) {
        if (!isfinite(pre->mean[c]) || !isfinite(pre->std[c]) ||
            pre->std[c] <= 0)
            return assay_error_set(
                err, ASSAY_ARG,
                "channel %d: mean %g, deviation %g; both finite, the second "
                "above 0",
                c, pre->mean[c], pre->std[c]);
    }
    return ASSAY_OK;
}

static int set_index(struct assay_view *view, const uint32_t *index,
                     struct assay_error *err)
{
    view->index = assay__calloc(view->n, sizeof(*view->index));
    if (!view->index)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for %zu indices",
                               view->n);
    for (size_t i = 0; i < view->n; i++) {
        view->index[i] = index ? index[i] : (uint32_t)i;
        if (view->index[i] >= view->ds->n)
            return assay_error_set(err, ASSAY_ARG,
                                   "row %zu: record %u, the dataset has %zu", i,
                                   view->index[i], view->ds->n);
    }
    return ASSAY_OK;
}

/* Work shared by the conversion's jobs, and one job's scratch. */
struct conversion {
    struct assay_view *view;
    struct assay__resizer resizer;
};

struct scratch {
    float *sums; /* of the resizer */
    void *grey;  /* one plane of the old size */
};

/* Luma of ITU-R 601 with 16-bit weights, as image libraries round it. */
static void grey_u8(uint8_t *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t sum = 19595u * src[i] + 38470u * src[n + i] +
                       7471u * src[2 * n + i] + 32768u;

        dst[i] = (uint8_t)(sum >> 16);
    }
}

static void grey_f32(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] =
            0.299f * src[i] + 0.587f * src[n + i] + 0.114f * src[2 * n + i];
}

static void convert(const struct conversion *cv, const struct scratch *scratch,
                    size_t row)
{
    const struct assay_view *view = cv->view;
    const struct assay_dataset *ds = view->ds;
    size_t old_plane = (size_t)ds->height * (size_t)ds->width;
    size_t new_plane = (size_t)view->height * (size_t)view->width;
    size_t record = view->index[row] * assay__dataset_elements(ds);
    size_t at = row * (size_t)view->channels * new_plane;
    int planes = view->channels < ds->channels ? 1 : ds->channels;

    if (ds->is_float) {
        const float *src = ds->values + record;
        float *dst = (float *)view->converted + at;

        if (planes < ds->channels) {
            grey_f32(scratch->grey, src, old_plane);
            src = scratch->grey;
        }
        for (size_t c = 0; c < (size_t)planes; c++)
            assay__resize_f32(&cv->resizer, dst + c * new_plane,
                              src + c * old_plane, scratch->sums);
        for (size_t c = 1; planes == 1 && c < (size_t)view->channels; c++)
            memcpy(dst + c * new_plane, dst, new_plane * sizeof(*dst));
    } else {
        const uint8_t *src = ds->pixels + record;
        uint8_t *dst = (uint8_t *)view->converted + at;

        if (planes < ds->channels) {
            grey_u8(scratch->grey, src, old_plane);
            src = scratch->grey;
        }
        for (size_t c = 0; c < (size_t)planes; c++)
            assay__resize_u8(&cv->resizer, dst + c * new_plane,
                             src + c * old_plane, scratch->sums);
        for (size_t c = 1; planes == 1 && c < (size_t)view->channels; c++)
            memcpy(dst + c * new_plane, dst, new_plane);
    }
}

static int convert_chunk(void *user, size_t chunk, struct assay_error *err)
{
    const struct conversion *cv = user;
    const struct assay_dataset *ds = cv->view->ds;
    size_t plane = (size_t)ds->height * (size_t)ds->width;
    size_t last = (chunk + 1) * CHUNK;
    struct scratch scratch;
    int rc = ASSAY_OK;

    scratch.sums = assay__calloc(assay__resizer_scratch(&cv->resizer),
                                 sizeof(*scratch.sums));
    scratch.grey = assay__calloc(plane, sizeof(float));
    if (!scratch.sums || !scratch.grey) {
        rc = assay_error_set(err, ASSAY_NOMEM, "no memory to resize");
        goto out;
    }
    if (last > cv->view->n)
        last = cv->view->n;
    for (size_t row = chunk * CHUNK; row < last; row++)
        convert(cv, &scratch, row);

out:
    assay__free(scratch.sums);
    assay__free(scratch.grey);
    return rc;
}

static int convert_all(struct assay_view *view, struct assay_error *err)
{
    const struct assay_dataset *ds = view->ds;
    struct conversion cv = {.view = view};
    size_t bytes = ds->is_float ? sizeof(float) : 1;
    int rc;

    bytes *=
        (size_t)view->channels * (size_t)view->height * (size_t)view->width;
    if (!assay__mul_size(bytes, view->n, &bytes) ||
        bytes > ASSAY__PIXELS_MAX_BYTES)
        return assay_error_set(err, ASSAY_LIMIT,
                               "%zu records of %dx%dx%d need over %zu bytes",
                               view->n, view->channels, view->height,
                               view->width, ASSAY__PIXELS_MAX_BYTES);

    rc = assay__resizer_init(&cv.resizer, ds->height, ds->width, view->height,
                             view->width, err);
    if (rc)
        return rc;
    view->converted = assay__malloc(bytes);
    if (view->converted)
        rc = assay__thread_run(assay__thread_cores(),
                               (view->n + CHUNK - 1) / CHUNK, convert_chunk,
                               &cv, err);
    else
        rc = assay_error_set(err, ASSAY_NOMEM,
                             "no memory for %zu resized records (%zu bytes)",
                             view->n, bytes);
    assay__resizer_release(&cv.resizer);
    return rc;
}

int assay_view_new(assay_view **out, const assay_dataset *ds,
                   const uint32_t *index, size_t n,
                   const struct assay_preprocess *pre, struct assay_error *err)
{
    struct assay_view *view = assay__calloc(1, sizeof(*view));
    int rc;

    if (!view)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a view");
    view->ds = ds;
    view->attribute = -1;
    view->n = index ? n : ds->n;
    view->channels = pre->channels ? pre->channels : ds->channels;
    view->height = pre->height ? pre->height : ds->height;
    view->width = pre->width ? pre->width : ds->width;

    rc = check_pre(view, pre, err);
    if (!rc)
        rc = set_index(view, index, err);
    if (!rc && (view->channels != ds->channels || view->height != ds->height ||
                view->width != ds->width))
        rc = convert_all(view, err);
    if (rc) {
        assay_view_free(view);
        return rc;
    }
    for (int c = 0; c < view->channels; c++) {
        view->shift[c] = (float)(pre->mean[c] / pre->scale);
        view->factor[c] = (float)(pre->scale / pre->std[c]);
    }
    view->pre = *pre;
    view->pre.channels = view->channels;
    view->pre.height = view->height;
    view->pre.width = view->width;
    *out = view;
    return ASSAY_OK;
}

void assay_view_free(assay_view *view)
{
    if (!view)
        return;
    assay__free(view->index);
    assay__free(view->converted);
    assay__free(view);
}

const assay_dataset *assay_view_dataset(const assay_view *view)
{
    return view->ds;
}

const struct assay_preprocess *assay_view_preprocess(const assay_view *view)
{
    return &view->pre;
}

size_t assay_view_count(const assay_view *view)
{
    return view->n;
}

int assay_view_channels(const assay_view *view)
{
    return view->channels;
}

int assay_view_height(const assay_view *view)
{
    return view->height;
}

int assay_view_width(const assay_view *view)
{
    return view->width;
}

int32_t assay_view_label(const assay_view *view, size_t row)
{
    if (view->attribute >= 0)
        return assay_dataset_attribute(view->ds, (size_t)view->attribute,
                                       view->index[row]);
    return view->ds->labels[view->index[row]];
}

void assay_view_set_label(assay_view *view, int attribute)
{
    view->attribute = attribute;
}

int assay_view_n_classes(const assay_view *view)
{
    if (view->attribute >= 0)
        return assay_dataset_attribute_cardinality(view->ds,
                                                   (size_t)view->attribute);
    return assay_dataset_n_classes(view->ds);
}

uint32_t assay_view_record(const assay_view *view, size_t row)
{
    return view->index[row];
}

/* Output (y, x) before flipping shows source (y + dy, x + dx). */
struct move {
    int dy;
    int dx;
    bool flip;
};

struct plane {
    const void *src; /* [h, w] */
    size_t width;    /* bytes of an element: 1 (u8) or 4 (f32) */
    int h;
    int w;
    float shift;
    float factor;
};

ASSAY__CLONES static void normalise_u8(float *restrict dst,
                                       const uint8_t *restrict src, size_t n,
                                       float shift, float factor)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = ((float)src[i] - shift) * factor;
}

ASSAY__CLONES static void normalise_f32(float *restrict dst,
                                        const float *restrict src, size_t n,
                                        float shift, float factor)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (src[i] - shift) * factor;
}

static void normalise(float *dst, const struct plane *p, const void *src,
                      size_t n)
{
    if (p->width == 1)
        normalise_u8(dst, src, n, p->shift, p->factor);
    else
        normalise_f32(dst, src, n, p->shift, p->factor);
}

/* Turn n bytes round in place, eight at a time from both ends. */
static void reverse_u8(uint8_t *row, size_t n)
{
    size_t low = 0;

    for (; n - low >= low + 16 && n >= 16; low += 8) {
        uint64_t a;
        uint64_t b;

        memcpy(&a, row + low, 8);
        memcpy(&b, row + n - low - 8, 8);
        a = __builtin_bswap64(a);
        b = __builtin_bswap64(b);
        memcpy(row + low, &b, 8);
        memcpy(row + n - low - 8, &a, 8);
    }
    for (; low + 1 < n - low; low++) {
        uint8_t a = row[low];

        row[low] = row[n - 1 - low];
        row[n - 1 - low] = a;
    }
}

static void reverse_f32(float *row, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        float a = row[i];

        row[i] = row[n - 1 - i];
        row[n - 1 - i] = a;
    }
}

/* Raw row y of the moved picture; zero bytes are black in either type. */
static void move_row(void *dst, const struct plane *p, const struct move *m,
                     int y)
{
    int first = m->dx < 0 ? -m->dx : 0;
    int last = m->dx > 0 ? p->w - m->dx : p->w;
    bool outside = y + m->dy < 0 || y + m->dy >= p->h || first >= last;

    if (outside || first > 0 || last < p->w)
        memset(dst, 0, (size_t)p->w * p->width);
    if (outside)
        return;
    memcpy((char *)dst + (size_t)first * p->width,
           (const char *)p->src +
               ((size_t)(y + m->dy) * (size_t)p->w + (size_t)(first + m->dx)) *
                   p->width,
           (size_t)(last - first) * p->width);
    if (!m->flip)
        return;
    if (p->width == 1)
        reverse_u8(dst, (size_t)p->w);
    else
        reverse_f32(dst, (size_t)p->w);
}

/* As many rows as fit are moved, then normalised in one long loop: rows of
 * 32 pixels are too short for it. */
static void fill_moved(float *dst, const struct plane *p, const struct move *m)
{
    float rows[ASSAY__SIDE_MAX];
    size_t row_bytes = (size_t)p->w * p->width;
    int fit = (int)(sizeof(rows) / row_bytes);

    for (int y = 0; y < p->h; y += fit) {
        int n = y + fit < p->h ? fit : p->h - y;

        for (int i = 0; i < n; i++)
            move_row((char *)rows + (size_t)i * row_bytes, p, m, y + i);
        normalise(dst, p, rows, (size_t)n * (size_t)p->w);
        dst += n * p->w;
    }
}

/* Draws in a fixed order: flip, rows, columns. */
static void draw_move(struct move *m, const struct assay_augment *aug,
                      uint64_t seed, uint64_t stream)
{
    int pad = aug->crop_pad < ASSAY__SIDE_MAX ? aug->crop_pad : ASSAY__SIDE_MAX;
    struct assay_rng rng;

    *m = (struct move){0};
    assay_rng_init(&rng, seed, "augment", stream);
    if (aug->flip)
        m->flip = assay_rng_below(&rng, 2) == 1;
    if (pad > 0) {
        uint64_t places = 2 * (uint64_t)pad + 1;

        m->dy = (int)assay_rng_below(&rng, places) - pad;
        m->dx = (int)assay_rng_below(&rng, places) - pad;
    }
}

/* First element of a row's record, in the view's copy or the dataset. */
static size_t first_element(const struct assay_view *view, uint32_t row)
{
    size_t elements =
        (size_t)view->channels * (size_t)view->height * (size_t)view->width;

    return elements * (view->converted ? row : view->index[row]);
}

void assay_view_fill(const assay_view *view, const uint32_t *rows, size_t n,
                     const struct assay_augment *aug, uint64_t seed,
                     uint64_t epoch, float *x)
{
    const struct assay_dataset *ds = view->ds;
    size_t n_plane = (size_t)view->height * (size_t)view->width;
    bool moves = aug && (aug->flip || aug->crop_pad > 0);
    struct plane p = {.width = ds->is_float ? sizeof(float) : 1,
                      .h = view->height,
                      .w = view->width};
    const char *base = view->converted ? view->converted
                       : ds->is_float  ? (const void *)ds->values
                                       : ds->pixels;
    struct move m;

    for (size_t r = 0; r < n; r++) {
        size_t at = first_element(view, rows[r]);

        if (moves)
            draw_move(&m, aug, seed, epoch << 32 | rows[r]);
        for (int c = 0; c < view->channels; c++) {
            p.src = base + at * p.width;
            p.shift = view->shift[c];
            p.factor = view->factor[c];
            if (moves)
                fill_moved(x, &p, &m);
            else
                normalise(x, &p, p.src, n_plane);
            at += n_plane;
            x += n_plane;
        }
    }
}

int assay_view_mirrors(const struct assay_augment *aug, uint64_t seed,
                       uint64_t epoch, uint32_t row)
{
    struct move m;

    if (!aug || !aug->flip)
        return 0;
    draw_move(&m, aug, seed, epoch << 32 | row);
    return m.flip;
}
