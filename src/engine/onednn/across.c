/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions across records (across.h). Of each 16 records
 *   the image is turned, so that the 16 numbers of one place lie side by
 *     side, into a frame of zeros: then no sum has an edge;
 *   four places of a row times four output channels are 16 accumulators; each
 *     input channel and tap adds four vectors of the image times four weights;
 *   bias and ReLU follow, and the result is turned back.
 * One thread sums an element in one order, whatever the number of threads.
 */

#include "engine/onednn/across.h"

#include <string.h>

#include "core/cpu.h"
#include "engine/onednn/taps.h"

enum {
    LANES = 16,
    PLACES = 4,         /* of a row, at once */
    CHANNELS = 4,       /* of the output, at once */
    FEW = 16,           /* channels that fill no vector */
    FRAME_MAX = 1 << 18 /* numbers of a frame over lanes: 16 MiB with them */
};

typedef float vec
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef int32_t pick __attribute__((vector_size(LANES * sizeof(int32_t))));

struct across {
    int64_t n, c, h, w;     /* x */
    int64_t oc, oh, ow;     /* y */
    int64_t kh, kw;         /* taps */
    int64_t sh, sw, dh, dw; /* strides, distances of taps */
    int64_t top, left;      /* padding */
    int64_t fh, fw;         /* the frame */
    int64_t row;            /* places of an output row, whole tiles */
    int64_t groups;         /* of output channels */
    int64_t parts;          /* of the records, one for each thread */
    bool relu;
};

/* --- turning ----------------------------------------------------------- */

#if defined(__clang__)
static vec shuffle(vec one, vec other, pick which)
{
    vec out;

    for (int i = 0; i < LANES; i++)
        out[i] = which[i] < LANES ? one[which[i]] : other[which[i] - LANES];
    return out;
}
#else
#define shuffle __builtin_shuffle
#endif

/* Where vectors i and i + s of a pair get their numbers: they exchange every
 * other s of them. */
#define AT(i, s) (((i) & (s)) ? LANES + (i) - (s) : (i))
#define ROW(s)                                                                \
    {                                                                         \
        AT(0, s), AT(1, s), AT(2, s), AT(3, s), AT(4, s), AT(5, s), AT(6, s), \
            AT(7, s), AT(8, s), AT(9, s), AT(10, s), AT(11, s), AT(12, s),    \
            AT(13, s), AT(14, s), AT(15, s)                                   \
    }
static const pick exchanges[4] = {ROW(1), ROW(2), ROW(4), ROW(8)};
#undef ROW
#undef AT

/* 16 x 16 numbers, rows to columns. */
static inline __attribute__((always_inline)) void turn(vec a[LANES])
{
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        pick low = exchanges[k];
        pick high = low + (1 << k);

#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) {
            vec one = a[i];

            if (i & (1 << k))
                continue;
            a[i] = shuffle(one, a[i + (1 << k)], low);
            a[i + (1 << k)] = shuffle(one, a[i + (1 << k)], high);
        }
    }
}

/* Rows that lie `step` apart to columns where `to` says. */
ASSAY__CLONES static void turn_in(float *const to[LANES], const float *from,
                                  int64_t step)
{
    vec a[LANES];

#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        memcpy(&a[i], from + i * step, sizeof(vec));
    turn(a);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        *(vec *)to[i] = a[i];
}

/* And back. */
ASSAY__CLONES static void turn_out(float *to, int64_t step,
                                   const float *const from[LANES])
{
    vec a[LANES];

#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        a[i] = *(const vec *)from[i];
    turn(a);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        memcpy(to + i * step, &a[i], sizeof(vec));
}

/* The same of fewer records or places: through a block that is filled up. */
static void turn_some_in(float *const to[LANES], const float *from,
                         int64_t step, int64_t n, int64_t count)
{
    float block[LANES * LANES] = {0};
    _Alignas(64) float spare[LANES];
    float *place[LANES];

    for (int64_t r = 0; r < n; r++)
        memcpy(block + r * LANES, from + r * step,
               (size_t)count * sizeof(float));
    for (int64_t i = 0; i < LANES; i++)
        place[i] = i < count ? to[i] : spare;
    turn_in(place, block, LANES);
}

static void turn_some_out(float *to, int64_t step, const float *const from[],
                          int64_t n, int64_t count)
{
    float block[LANES * LANES];
    const float *place[LANES];

    for (int64_t i = 0; i < LANES; i++)
        place[i] = from[i < count ? i : 0];
    turn_out(block, LANES, place);
    for (int64_t r = 0; r < n; r++)
        memcpy(to + r * step, block + r * LANES, (size_t)count * sizeof(float));
}

/* A walk over the places of a map whose rows are longer where it lies. */
struct walk {
    int64_t width, row; /* of the map, of where it lies */
    int64_t at, left;   /* the next place, and how many of its row are left */
};

static int64_t step_on(struct walk *w)
{
    int64_t at = w->at++;

    if (--w->left == 0) {
        w->at += w->row - w->width;
        w->left = w->width;
    }
    return at;
}

/* Images of n records into the frame, whose border is 0 already. */
static void frame_images(float *frame, const float *x, const struct across *k,
                         int64_t n)
{
    int64_t places = k->h * k->w;
    int64_t image = k->c * places;

    for (int64_t c = 0; c < k->c; c++) {
        struct walk walk = {k->w, k->fw, (c * k->fh + k->top) * k->fw + k->left,
                            k->w};

        for (int64_t i = 0; i < places; i += LANES) {
            int64_t count = places - i < LANES ? places - i : LANES;
            const float *from = x + c * places + i;
            float *to[LANES];

            for (int64_t j = 0; j < count; j++)
                to[j] = frame + step_on(&walk) * LANES;
            if (count == LANES && n == LANES)
                turn_in(to, from, image);
            else
                turn_some_in(to, from, image, n, count);
        }
    }
}

/* --- sums -------------------------------------------------------------- */

/* Weights as they are read: [group][c][tap][4], zeros beyond the last. */
static void pack_weights(float *to, const float *w, const struct across *k)
{
    int64_t taps = k->c * k->kh * k->kw;

    for (int64_t g = 0; g < k->groups; g++)
        for (int64_t t = 0; t < taps; t++)
            for (int64_t o = 0; o < CHANNELS; o++) {
                int64_t channel = g * CHANNELS + o;

                *to++ = channel < k->oc ? w[channel * taps + t] : 0;
            }
}

/* Four places of one channel; a NaN stays. */
static inline __attribute__((always_inline)) void store(float *out,
                                                        const vec a[PLACES],
                                                        bool relu)
{
#pragma GCC unroll 4
    for (int i = 0; i < PLACES; i++) {
        vec x = a[i];

        *(vec *)(out + i * LANES) = relu ? (vec)((pick)x & ~(pick)(x < 0)) : x;
    }
}

/* Four places of four channels: to out[channel][place][16], of which channels
 * lie `apart`. */
ASSAY__FUSED static void tile(float *out, int64_t apart, const float *frame,
                              const float *w, const float *bias,
                              const struct across *k)
{
    vec a[CHANNELS][PLACES];
    vec zero = {0};

#pragma GCC unroll 4
    for (int o = 0; o < CHANNELS; o++)
#pragma GCC unroll 4
        for (int i = 0; i < PLACES; i++)
            a[o][i] = zero + bias[o];
    for (int64_t c = 0; c < k->c; c++)
        for (int64_t r = 0; r < k->kh; r++) {
            const float *line = frame + (c * k->fh + r * k->dh) * k->fw * LANES;

            for (int64_t s = 0; s < k->kw; s++, w += CHANNELS) {
                const float *x = line + s * k->dw * LANES;
                vec v[PLACES];

#pragma GCC unroll 4
                for (int i = 0; i < PLACES; i++)
                    v[i] = *(const vec *)(x + i * k->sw * LANES);
#pragma GCC unroll 4
                for (int o = 0; o < CHANNELS; o++)
#pragma GCC unroll 4
                    for (int i = 0; i < PLACES; i++)
                        a[o][i] += v[i] * w[o];
            }
        }
#pragma GCC unroll 4
    for (int o = 0; o < CHANNELS; o++)
        store(out + o * apart, a[o], k->relu);
}

/* One group of output channels of 16 records: to [4][oh][row][16]. */
static void sum_group(float *out, const float *frame, const float *w,
                      const float *bias, const struct across *k)
{
    int64_t apart = k->oh * k->row * LANES;

    for (int64_t i = 0; i < k->oh; i++)
        for (int64_t j = 0; j < k->row; j += PLACES)
            tile(out + (i * k->row + j) * LANES, apart,
                 frame + (i * k->sh * k->fw + j * k->sw) * LANES, w, bias, k);
}

static void write_channel(float *y, const float *out, const struct across *k,
                          int64_t n)
{
    int64_t places = k->oh * k->ow;
    int64_t image = k->oc * places;
    struct walk walk = {k->ow, k->row, 0, k->ow};

    for (int64_t i = 0; i < places; i += LANES) {
        int64_t count = places - i < LANES ? places - i : LANES;
        const float *from[LANES];

        for (int64_t j = 0; j < count; j++)
            from[j] = out + step_on(&walk) * LANES;
        if (count == LANES && n == LANES)
            turn_out(y + i, image, from);
        else
            turn_some_out(y + i, image, from, n, count);
    }
}

static void write_group(float *y, const float *out, const struct across *k,
                        int64_t group, int64_t n)
{
    for (int64_t o = 0; o < CHANNELS; o++) {
        int64_t channel = group * CHANNELS + o;

        if (channel < k->oc)
            write_channel(y + channel * k->oh * k->ow,
                          out + o * k->oh * k->row * LANES, k, n);
    }
}

static int64_t frame_size(const struct across *k)
{
    return k->c * k->fh * k->fw * LANES;
}

static int64_t out_size(const struct across *k)
{
    return CHANNELS * k->oh * k->row * LANES;
}

static int64_t weights_size(const struct across *k)
{
    int64_t n = k->groups * CHANNELS * k->c * k->kh * k->kw;

    return (n + LANES - 1) / LANES * LANES;
}

static void biases(float to[CHANNELS], const float *bias,
                   const struct across *k, int64_t group)
{
    for (int64_t o = 0; o < CHANNELS; o++) {
        int64_t channel = group * CHANNELS + o;

        to[o] = bias != NULL && channel < k->oc ? bias[channel] : 0;
    }
}

/* 16 records, or the last n. */
static void run_set(const struct assay__task *t, const struct across *k,
                    const float *packed, float *frame, int64_t first, int64_t n)
{
    int64_t taps = k->c * k->kh * k->kw;
    float *out = frame + frame_size(k);

    frame_images(frame,
                 (const float *)t->p[ASSAY__TAPS_SRC] +
                     first * k->c * k->h * k->w,
                 k, n);
    for (int64_t g = 0; g < k->groups; g++) {
        float bias[CHANNELS];

        biases(bias, t->p[ASSAY__TAPS_BIAS], k, g);
        sum_group(out, frame, packed + g * taps * CHANNELS, bias, k);
        write_group((float *)t->p[ASSAY__TAPS_DST] +
                        first * k->oc * k->oh * k->ow,
                    out, k, g, n);
    }
}

static int64_t sets_of(const struct across *k)
{
    return (k->n + LANES - 1) / LANES;
}

/* Each thread has a frame of its own, whose border it clears once. */
static void run(const struct assay__task *t)
{
    const struct across *k = t->table;
    float *packed = t->p[ASSAY__TAPS_ROOM];
    float *room = packed + weights_size(k);
    int64_t each = frame_size(k) + out_size(k);
    int64_t sets = sets_of(k);

    pack_weights(packed, t->p[ASSAY__TAPS_WEI], k);
#pragma omp parallel for schedule(static) \
    num_threads(t->threads) if (t->threads > 1)
    for (int64_t part = 0; part < k->parts; part++) {
        float *frame = room + part * each;

        memset(frame, 0, (size_t)frame_size(k) * sizeof(float));
        for (int64_t set = sets * part / k->parts;
             set < sets * (part + 1) / k->parts; set++) {
            int64_t first = set * LANES;

            run_set(t, k, packed, frame, first,
                    k->n - first < LANES ? k->n - first : LANES);
        }
    }
}

/* --- the problem ------------------------------------------------------- */

static void measure(struct across *k, const struct assay__conv_problem *p)
{
    k->n = p->x[0];
    k->c = p->x[1];
    k->h = p->x[2];
    k->w = p->x[3];
    k->oc = p->y[1];
    k->oh = p->y[2];
    k->ow = p->y[3];
    k->kh = p->w[2];
    k->kw = p->w[3];
    k->sh = p->strides[0];
    k->sw = p->strides[1];
    k->dh = p->dilates[0] + 1;
    k->dw = p->dilates[1] + 1;
    k->top = p->pad_l[0];
    k->left = p->pad_l[1];
    k->relu = p->relu;
    k->groups = (k->oc + CHANNELS - 1) / CHANNELS;
    k->row = (k->ow + PLACES - 1) / PLACES * PLACES;
    k->fh = (k->oh - 1) * k->sh + (k->kh - 1) * k->dh + 1;
    k->fw = (k->row - 1) * k->sw + (k->kw - 1) * k->dw + 1;
    if (k->fh < k->h + k->top)
        k->fh = k->h + k->top;
    if (k->fw < k->w + k->left)
        k->fw = k->w + k->left;
}

bool assay__across_fit(const struct assay__dnn *d,
                       const struct assay__conv_problem *p)
{
    struct across k;

    if (d->lanes != LANES || d->half || p->w_rank != 4 || p->sum ||
        p->kind != dnnl_forward_inference || p->y_fixed != NULL ||
        p->x[0] < LANES / 2 || (p->x[1] >= FEW && p->y[1] >= FEW))
        return false;
    measure(&k, p);
    return k.c * k.fh * k.fw <= FRAME_MAX &&
           CHANNELS * k.oh * k.row <= FRAME_MAX;
}

const_dnnl_memory_desc_t assay__across_weights(
    struct assay__dnn *d, const struct assay__conv_problem *p)
{
    return assay__dnn_plain(d, 4, p->w);
}

struct assay__task assay__across_task(struct assay__dnn *d, int index,
                                      const struct assay__conv_problem *p,
                                      size_t bytes[ASSAY__TASK_ARGS])
{
    struct assay__task t = assay__dnn_task(d, index, "own:across", run);
    struct across *k = assay__dnn_keep(d, sizeof(*k));

    memset(bytes, 0, ASSAY__TASK_ARGS * sizeof(*bytes));
    if (k == NULL)
        return t;
    memset(k, 0, sizeof(*k));
    measure(k, p);
    k->parts = t.threads < sets_of(k) ? t.threads : sets_of(k);
    t.table = k;
    bytes[ASSAY__TAPS_SRC] = (size_t)(k->n * k->c * k->h * k->w);
    bytes[ASSAY__TAPS_WEI] = (size_t)(k->oc * k->c * k->kh * k->kw);
    bytes[ASSAY__TAPS_DST] = (size_t)(k->n * k->oc * k->oh * k->ow);
    bytes[ASSAY__TAPS_BIAS] = p->has_bias ? (size_t)k->oc : 0;
    bytes[ASSAY__TAPS_ROOM] =
        (size_t)(weights_size(k) + k->parts * (frame_size(k) + out_size(k)));
    for (int i = 0; i <= ASSAY__TAPS_ROOM; i++)
        bytes[i] *= sizeof(float);
    return t;
}
