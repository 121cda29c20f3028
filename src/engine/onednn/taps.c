/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small-map convolutions (taps.h) over blocks of 16 channels.
 *
 * Data is first packed by place: [block][place][record][16], records filled
 * up with zeros to whole tiles of 16. Then
 *   forward and data: a tile of 16 records at one place of the destination
 *     is 16 accumulators; each (place of the source, tap) that reaches it
 *     adds products of 16 x 16 numbers per block of source channels;
 *   weights: one tap of one pair of blocks is 16 accumulators; each pair of
 *     places that the tap joins adds one outer product per record.
 * One thread sums an element in one order, whatever the number of threads.
 */

#include "engine/onednn/taps.h"

#include <string.h>

#include "core/cpu.h"
#include "core/mem.h"

enum { LANES = 16, TILE = 16, BLOCK = LANES * TILE, PLACES_MAX = 256 };

#define SRC ASSAY__TAPS_SRC
#define WEI ASSAY__TAPS_WEI
#define DST ASSAY__TAPS_DST
#define BIAS ASSAY__TAPS_BIAS
#define ROOM ASSAY__TAPS_ROOM

#if defined(__GNUC__) && !defined(__clang__)
#define ASSAY__FUSED \
    ASSAY__CLONES __attribute__((optimize("O3", "fp-contract=fast")))
#else
#define ASSAY__FUSED ASSAY__CLONES
#endif

typedef float vec
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef int32_t mask
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));

/* A tap that joins a place of x with one of y. */
struct join {
    int16_t from, to; /* places: of the source, of the destination */
    int16_t tap;
};

struct taps {
    int64_t n, tiles;
    int64_t src_blocks, dst_blocks; /* weights: blocks of x, of y */
    int64_t src_places, dst_places;
    int64_t taps;
    int64_t src_step, dst_step; /* between blocks of weights */
    bool sum, relu;
    /* joins of place (or tap) i: first[i] .. first[i + 1] - 1 */
    int32_t *first;
    struct join *join;
};

/* --- packing ---------------------------------------------------------- */

/* One block of channels: from [record][place][16] to [place][record][16]. */
static void pack_block(float *to, const float *from, const struct taps *k,
                       int64_t places, int64_t step)
{
    int64_t rows = k->tiles * TILE;

    for (int64_t n = 0; n < rows; n++) {
        for (int64_t s = 0; s < places; s++) {
            float *row = to + (s * rows + n) * LANES;

            if (n < k->n)
                memcpy(row, from + n * step + s * LANES, LANES * sizeof(float));
            else
                memset(row, 0, LANES * sizeof(float));
        }
    }
}

static int64_t packed_size(const struct taps *k, int64_t places)
{
    return places * k->tiles * TILE * LANES;
}

/* --- forward and data ------------------------------------------------- */

/* Add 16 records times 16 source channels times 16 destination channels. */
ASSAY__FUSED static void multiply(float *acc, const float *x, const float *w,
                                  const struct taps *k, int64_t x_step,
                                  const struct join *join, int32_t n_joins)
{
    vec a[TILE];
    int64_t rows = k->tiles * TILE * LANES;

#pragma GCC unroll 16
    for (int r = 0; r < TILE; r++)
        a[r] = *(const vec *)(acc + r * LANES);
    for (int64_t b = 0; b < k->src_blocks; b++) {
        for (int32_t j = 0; j < n_joins; j++) {
            const float *from = x + b * x_step + join[j].from * rows;
            const float *wei = w + b * k->src_step + join[j].tap * BLOCK;

#pragma GCC unroll 4
            for (int c = 0; c < LANES; c++) {
                vec v = *(const vec *)(wei + c * LANES);

#pragma GCC unroll 16
                for (int r = 0; r < TILE; r++)
                    a[r] += v * from[r * LANES + c];
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < TILE; r++)
        *(vec *)(acc + r * LANES) = a[r];
}

/* Records of a tile to the destination: bias, sum, relu. */
ASSAY__CLONES static void finish(float *dst, const float *acc,
                                 const float *bias, const struct taps *k,
                                 int64_t n, int64_t step)
{
    vec zero = {0};

    for (int64_t r = 0; r < n; r++) {
        vec v = *(const vec *)(acc + r * LANES);

        if (bias != NULL)
            v += *(const vec *)bias;
        if (k->sum)
            v += *(const vec *)(dst + r * step);
        if (k->relu)
            v = (vec)((mask)v & (v > zero));
        *(vec *)(dst + r * step) = v;
    }
}

static void one_tile(const struct assay__task *t, const struct taps *k,
                     int64_t block, int64_t tile)
{
    const float *bias = t->p[BIAS];
    const float *w = (const float *)t->p[WEI] + block * k->dst_step;
    int64_t step = k->dst_blocks * k->dst_places * LANES;
    int64_t left = k->n - tile * TILE;

    for (int64_t s = 0; s < k->dst_places; s++) {
        _Alignas(64) float acc[BLOCK] = {0};
        float *dst = (float *)t->p[DST] + tile * TILE * step +
                     (block * k->dst_places + s) * LANES;

        multiply(acc, (const float *)t->p[ROOM] + tile * BLOCK, w, k,
                 packed_size(k, k->src_places), k->join + k->first[s],
                 k->first[s + 1] - k->first[s]);
        finish(dst, acc, bias != NULL ? bias + block * LANES : NULL, k,
               left < TILE ? left : TILE, step);
    }
}

static void run_data(const struct assay__task *t)
{
    const struct taps *k = t->table;
    int64_t step = k->src_blocks * k->src_places * LANES;

#pragma omp parallel num_threads(t->threads) if (t->threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t b = 0; b < k->src_blocks; b++)
            pack_block((float *)t->p[ROOM] + b * packed_size(k, k->src_places),
                       (const float *)t->p[SRC] + b * k->src_places * LANES, k,
                       k->src_places, step);
#pragma omp for schedule(static)
        for (int64_t j = 0; j < k->dst_blocks * k->tiles; j++)
            one_tile(t, k, j / k->tiles, j % k->tiles);
    }
}

/* --- weights ---------------------------------------------------------- */

/* The 16 x 16 numbers of one tap of one pair of blocks. */
ASSAY__FUSED static void outer(float *dw, const float *x, const float *dy,
                               const struct taps *k, const struct join *join,
                               int32_t n_joins)
{
    vec a[TILE];
    int64_t rows = k->tiles * TILE * LANES;

#pragma GCC unroll 16
    for (int c = 0; c < LANES; c++)
        a[c] = (vec){0};
    for (int32_t j = 0; j < n_joins; j++) {
        const float *px = x + join[j].from * rows;
        const float *py = dy + join[j].to * rows;

        for (int64_t n = 0; n < k->n; n++, px += LANES, py += LANES) {
            vec v = *(const vec *)py;

#pragma GCC unroll 16
            for (int c = 0; c < LANES; c++)
                a[c] += v * px[c];
        }
    }
#pragma GCC unroll 16
    for (int c = 0; c < LANES; c++)
        *(vec *)(dw + c * LANES) = a[c];
}

/* The sum of dy, for the bias; packed rows beyond the last record are 0. */
ASSAY__CLONES static void sum_rows(float *db, const float *dy,
                                   const struct taps *k)
{
    vec total = {0};
    int64_t rows = k->tiles * TILE;

    for (int64_t s = 0; s < k->dst_places; s++) {
        vec sum = {0};

        for (int64_t n = 0; n < rows; n++, dy += LANES)
            sum += *(const vec *)dy;
        total += sum;
    }
    *(vec *)db = total;
}

static void run_weights(const struct assay__task *t)
{
    const struct taps *k = t->table;
    int64_t x_size = packed_size(k, k->src_places);
    int64_t y_size = packed_size(k, k->dst_places);
    float *x = t->p[ROOM];
    float *dy = x + k->src_blocks * x_size;

#pragma omp parallel num_threads(t->threads) if (t->threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t b = 0; b < k->src_blocks + k->dst_blocks; b++) {
            int64_t y = b - k->src_blocks;

            if (b < k->src_blocks)
                pack_block(x + b * x_size,
                           (const float *)t->p[SRC] + b * k->src_places * LANES,
                           k, k->src_places,
                           k->src_blocks * k->src_places * LANES);
            else
                pack_block(dy + y * y_size,
                           (const float *)t->p[WEI] + y * k->dst_places * LANES,
                           k, k->dst_places,
                           k->dst_blocks * k->dst_places * LANES);
        }
#pragma omp for schedule(static)
        for (int64_t j = 0; j < k->src_blocks * k->dst_blocks; j++) {
            int64_t b = j % k->src_blocks;
            int64_t y = j / k->src_blocks;
            float *dw = (float *)t->p[DST] + j * k->taps * BLOCK;

            for (int64_t tap = 0; tap < k->taps; tap++)
                outer(dw + tap * BLOCK, x + b * x_size, dy + y * y_size, k,
                      k->join + k->first[tap],
                      k->first[tap + 1] - k->first[tap]);
            if (b == 0 && t->p[BIAS] != NULL)
                sum_rows((float *)t->p[BIAS] + y * LANES, dy + y * y_size, k);
        }
    }
}

/* --- the joins -------------------------------------------------------- */

/* The place of x that output place (i, j) reads with tap (r, c), or -1. */
static int64_t reach(const struct assay__conv_problem *p, int64_t i, int64_t j,
                     int64_t r, int64_t c)
{
    int64_t h = i * p->strides[0] - p->pad_l[0] + r * (p->dilates[0] + 1);
    int64_t w = j * p->strides[1] - p->pad_l[1] + c * (p->dilates[1] + 1);

    if (h < 0 || h >= p->x[2] || w < 0 || w >= p->x[3])
        return -1;
    return h * p->x[3] + w;
}

/* All joins, sorted by destination place or by tap; their number. */
static int32_t list_joins(const struct assay__conv_problem *p,
                          enum assay__direction direction, struct taps *k,
                          int64_t bins)
{
    int32_t n = 0;

    for (int64_t bin = 0; bin < bins; bin++) {
        if (k != NULL)
            k->first[bin] = n;
        for (int64_t y = 0; y < p->y[2] * p->y[3]; y++) {
            for (int64_t tap = 0; tap < p->w[2] * p->w[3]; tap++) {
                int64_t x = reach(p, y / p->y[3], y % p->y[3], tap / p->w[3],
                                  tap % p->w[3]);
                int64_t here = direction == ASSAY__FORWARD         ? y
                               : direction == ASSAY__BACKWARD_DATA ? x
                                                                   : tap;

                if (x < 0 || here != bin)
                    continue;
                if (k != NULL) {
                    bool back = direction == ASSAY__BACKWARD_DATA;

                    k->join[n].from = (int16_t)(back ? y : x);
                    k->join[n].to = (int16_t)(back ? x : y);
                    k->join[n].tap = (int16_t)tap;
                }
                n++;
            }
        }
    }
    if (k != NULL)
        k->first[bins] = n;
    return n;
}

bool assay__taps_fit(const struct assay__dnn *d,
                     const struct assay__conv_problem *p)
{
    int64_t places = p->y[2] * p->y[3] > p->x[2] * p->x[3] ? p->y[2] * p->y[3]
                                                           : p->x[2] * p->x[3];

    return d->lanes == LANES && p->w_rank == 4 && p->x[1] % LANES == 0 &&
           p->y[1] % LANES == 0 && p->x[0] >= TILE / 2 &&
           p->w[2] * p->w[3] > 1 && places <= PLACES_MAX;
}

bool assay__taps_small(const struct assay__conv_problem *p)
{
    return p->y[2] * p->y[3] <= 4;
}

const_dnnl_memory_desc_t assay__taps_weights(
    struct assay__dnn *d, const struct assay__conv_problem *p,
    enum assay__direction direction)
{
    return assay__dnn_md(d, 4, p->w,
                         direction == ASSAY__BACKWARD_DATA ? dnnl_OIhw16o16i
                                                           : dnnl_OIhw16i16o);
}

static void fill_sizes(const struct assay__conv_problem *p,
                       const struct taps *k, bool weights,
                       size_t bytes[ASSAY__TASK_ARGS])
{
    size_t x = (size_t)(k->n * k->src_blocks * k->src_places * LANES);
    size_t y = (size_t)(k->n * k->dst_blocks * k->dst_places * LANES);
    size_t w = (size_t)(k->taps * k->src_blocks * k->dst_blocks * BLOCK);
    size_t room = (size_t)(k->src_blocks * packed_size(k, k->src_places));

    if (weights)
        room += (size_t)(k->dst_blocks * packed_size(k, k->dst_places));
    bytes[SRC] = x * sizeof(float);
    bytes[WEI] = (weights ? y : w) * sizeof(float);
    bytes[DST] = (weights ? w : y) * sizeof(float);
    bytes[BIAS] =
        p->has_bias ? (size_t)(k->dst_blocks * LANES) * sizeof(float) : 0;
    bytes[ROOM] = room * sizeof(float);
}

struct assay__task assay__taps_task(struct assay__dnn *d, int index,
                                    const struct assay__conv_problem *p,
                                    enum assay__direction direction,
                                    size_t bytes[ASSAY__TASK_ARGS])
{
    bool weights = direction == ASSAY__BACKWARD_WEIGHTS;
    bool back = direction == ASSAY__BACKWARD_DATA;
    struct assay__task t =
        assay__dnn_task(d, index, "own:taps", weights ? run_weights : run_data);
    struct taps *k = assay__dnn_keep(d, sizeof(*k));
    int64_t bins;

    memset(bytes, 0, ASSAY__TASK_ARGS * sizeof(*bytes));
    if (k == NULL)
        return t;
    k->n = p->x[0];
    k->tiles = (k->n + TILE - 1) / TILE;
    k->src_blocks = (back ? p->y[1] : p->x[1]) / LANES;
    k->dst_blocks = (back ? p->x[1] : p->y[1]) / LANES;
    k->src_places = back ? p->y[2] * p->y[3] : p->x[2] * p->x[3];
    k->dst_places = back ? p->x[2] * p->x[3] : p->y[2] * p->y[3];
    k->taps = p->w[2] * p->w[3];
    k->src_step = k->taps * BLOCK * (back ? k->dst_blocks : 1);
    k->dst_step = k->taps * BLOCK * (back ? 1 : k->src_blocks);
    k->sum = p->sum && !weights && !back;
    k->relu = p->relu && !weights && !back;
    bins = weights ? k->taps : k->dst_places;
    k->first = assay__dnn_keep(d, (size_t)(bins + 1) * sizeof(*k->first));
    k->join =
        assay__dnn_keep(d, (size_t)(list_joins(p, direction, NULL, bins) + 1) *
                               sizeof(*k->join));
    if (d->code != ASSAY_OK)
        return t;
    (void)list_joins(p, direction, k, bins);
    t.table = k;
    fill_sizes(p, k, weights, bytes);
    return t;
}
