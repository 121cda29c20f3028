/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small-map convolutions (taps.h) over blocks of 16 channels.
 *
 * Data is first packed: records, filled up with zeros to whole tiles of 16,
 * come to lie behind each other. Then
 *   forward and data: a tile of 16 records at one place of the destination
 *     is 16 accumulators; each (place of the source, tap) that reaches it
 *     adds products of 16 x 16 numbers per block of source channels. Several
 *     tiles and places share the weights of a block while these are in the
 *     first cache;
 *   weights: one tap of one pair of blocks is 16 accumulators; each pair of
 *     places that the tap joins adds one outer product per record.
 * One thread sums an element in one order, whatever the number of threads.
 */

#include "engine/onednn/taps.h"

#include <string.h>

#include "core/cpu.h"
#include "core/mem.h"

/* ACCUMULATORS: tiles times places that are summed at once, 16 KiB; so no
 * more places than that forward. */
enum {
    LANES = 16,
    TILE = 16,
    BLOCK = LANES * TILE,
    ACCUMULATORS = 16,
    TURNED_MAX = 25, /* taps */
    FETCH_TAPS = 8,
    PLACES_MAX = 256
};

#define SRC ASSAY__TAPS_SRC
#define WEI ASSAY__TAPS_WEI
#define DST ASSAY__TAPS_DST
#define BIAS ASSAY__TAPS_BIAS
#define ROOM ASSAY__TAPS_ROOM

typedef float vec
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef int32_t mask
    __attribute__((vector_size(LANES * sizeof(float)), may_alias));

/* A tap that joins a place of x with one of y. */
struct join {
    int16_t from, to; /* places: of the source, of the destination */
    int16_t tap;
    bool renumbered;
};

struct taps {
    int64_t n, tiles;
    int64_t src_blocks, dst_blocks; /* weights: blocks of x, of y */
    int64_t src_places, dst_places;
    int64_t taps, n_used;       /* of the kernel; inside a map at all */
    int16_t *used;              /* those taps */
    bool turned;                /* weights are to be turned over */
    int64_t src_step, dst_step; /* between blocks of weights */
    int64_t ahead;              /* source blocks ahead that are fetched */
    bool sum, relu;
    /* joins of place (or tap) i: first[i] .. first[i + 1] - 1 */
    int32_t *first;
    struct join *join;
};

/* --- packing ---------------------------------------------------------- */

/* Records of one place to one tile. */
static void pack_tile(float *to, const float *from, int64_t n, int64_t step)
{
    for (int64_t r = 0; r < TILE; r++) {
        if (r < n)
            memcpy(to + r * LANES, from + r * step, LANES * sizeof(float));
        else
            memset(to + r * LANES, 0, LANES * sizeof(float));
    }
}

static int64_t packed_size(const struct taps *k, int64_t places)
{
    return places * k->tiles * BLOCK;
}

/* One block of channels: to [place][record][16]. */
static void pack_block(float *to, const float *from, const struct taps *k,
                       int64_t places, int64_t step)
{
    for (int64_t s = 0; s < places; s++) {
        for (int64_t i = 0; i < k->tiles; i++)
            pack_tile(to + (s * k->tiles + i) * BLOCK,
                      from + i * TILE * step + s * LANES, k->n - i * TILE,
                      step);
    }
}

/* One tile of records: to [block][place][record][16]. */
static void pack_records(float *to, const float *from, const struct taps *k,
                         int64_t tile)
{
    int64_t n = k->src_blocks * k->src_places;

    for (int64_t i = 0; i < n; i++)
        pack_tile(to + i * BLOCK, from + tile * TILE * n * LANES + i * LANES,
                  k->n - tile * TILE, n * LANES);
}

/* --- forward and data ------------------------------------------------- */

/* Add 16 records times 16 source channels times 16 destination channels, for
 * each join. */
ASSAY__FUSED static void multiply(float *acc, const float *x, const float *w,
                                  const struct join *join, int32_t n_joins)
{
    vec a[TILE];

#pragma GCC unroll 16
    for (int r = 0; r < TILE; r++)
        a[r] = *(const vec *)(acc + r * LANES);
    for (int32_t j = 0; j < n_joins; j++) {
        const float *from = x + join[j].from * BLOCK;
        const float *wei = w + join[j].tap * BLOCK;

#pragma GCC unroll 4
        for (int c = 0; c < LANES; c++) {
            vec v = *(const vec *)(wei + c * LANES);

#pragma GCC unroll 16
            for (int r = 0; r < TILE; r++)
                a[r] += v * from[r * LANES + c];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < TILE; r++)
        *(vec *)(acc + r * LANES) = a[r];
}

/* Records of a tile to the destination: bias, sum, relu (a NaN stays). */
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
            v = (vec)((mask)v & ~(v < zero));
        *(vec *)(dst + r * step) = v;
    }
}

/* NOLINTBEGIN(bugprone-macro-parentheses): values and lane numbers are used
 * as they are; brackets round each of 64 would hide the pattern. */
/*
 * Turn a 16 x 16 block over: four rounds that exchange blocks of 8, 4, 2, 1
 * across the diagonal.
 */
#define TURN_LOW(a, b, s)                                                     \
    __builtin_shufflevector(a, b, LOW(0, s), LOW(1, s), LOW(2, s), LOW(3, s), \
                            LOW(4, s), LOW(5, s), LOW(6, s), LOW(7, s),       \
                            LOW(8, s), LOW(9, s), LOW(10, s), LOW(11, s),     \
                            LOW(12, s), LOW(13, s), LOW(14, s), LOW(15, s))
#define TURN_HIGH(a, b, s)                                                \
    __builtin_shufflevector(                                              \
        a, b, LOW(0, s) + s, LOW(1, s) + s, LOW(2, s) + s, LOW(3, s) + s, \
        LOW(4, s) + s, LOW(5, s) + s, LOW(6, s) + s, LOW(7, s) + s,       \
        LOW(8, s) + s, LOW(9, s) + s, LOW(10, s) + s, LOW(11, s) + s,     \
        LOW(12, s) + s, LOW(13, s) + s, LOW(14, s) + s, LOW(15, s) + s)
/* Lane i of the first row: its own, or of the second row s lanes before. */
#define LOW(i, s) (((i) & (s)) == 0 ? (i) : 16 + (i) - (s))
#define TURN_ROUND(v, s)                                     \
    _Pragma("GCC unroll 16") for (int r = 0; r < LANES; r++) \
    {                                                        \
        vec low;                                             \
                                                             \
        if ((r & (s)) != 0)                                  \
            continue;                                        \
        low = TURN_LOW(v[r], v[r + (s)], s);                 \
        v[r + (s)] = TURN_HIGH(v[r], v[r + (s)], s);         \
        v[r] = low;                                          \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

/* NOLINTNEXTLINE(readability-function-cognitive-complexity): four rounds */
ASSAY__CLONES static void turn(float *to, const float *from)
{
    vec v[LANES];

    for (int r = 0; r < LANES; r++)
        v[r] = *(const vec *)(from + r * LANES);
    TURN_ROUND(v, 8)
    TURN_ROUND(v, 4)
    TURN_ROUND(v, 2)
    TURN_ROUND(v, 1)
    for (int r = 0; r < LANES; r++)
        *(vec *)(to + r * LANES) = v[r];
}

/* Lines first .. last - 1 of the weights that come next, of the taps in use,
 * into the second cache. A prefetch beyond the end does nothing. */
static inline void fetch(const struct taps *k, const float *w, int64_t first,
                         int64_t last)
{
    for (int64_t i = first; i < last; i++)
        __builtin_prefetch(w + k->used[i / TILE] * BLOCK + i % TILE * LANES, 0,
                           2);
}

/* The taps in use of a pair of blocks, turned. */
static void turn_taps(float *to, const float *w, const struct taps *k)
{
    for (int64_t i = 0; i < k->n_used; i++)
        turn(to + i * BLOCK, w + k->used[i] * BLOCK);
}

/* Sums of tiles first .. last - 1 of one block of destination channels. */
static void sum_tiles(float *acc, const float *x, const float *weights,
                      const struct taps *k, int64_t first, int64_t last)
{
    _Alignas(64) float turned[TURNED_MAX * BLOCK];
    int64_t size = k->src_blocks * k->src_places * BLOCK;
    int64_t calls = (last - first) * k->dst_places;
    int64_t lines = (k->n_used * TILE + calls - 1) / calls;

    for (int64_t b = 0; b < k->src_blocks; b++) {
        const float *w = weights + b * k->src_step;
        const float *ahead = w + k->ahead * k->src_step;
        int64_t call = 0;

        if (k->turned)
            turn_taps(turned, w, k);
        for (int64_t i = first; i < last; i++) {
            for (int64_t s = 0; s < k->dst_places; s++, call++) {
                int64_t end = (call + 1) * lines;

                fetch(k, ahead, call * lines,
                      end < k->n_used * TILE ? end : k->n_used * TILE);
                multiply(acc + call * BLOCK,
                         x + i * size + b * k->src_places * BLOCK,
                         k->turned ? turned : w, k->join + k->first[s],
                         k->first[s + 1] - k->first[s]);
            }
        }
    }
}

static void some_tiles(const struct assay__task *t, const struct taps *k,
                       int64_t block, int64_t first, int64_t last)
{
    _Alignas(64) float acc[ACCUMULATORS * BLOCK];
    const float *bias = t->p[BIAS];
    int64_t step = k->dst_blocks * k->dst_places * LANES;

    memset(acc, 0,
           (size_t)((last - first) * k->dst_places * BLOCK) * sizeof(float));
    sum_tiles(acc, t->p[ROOM], (const float *)t->p[WEI] + block * k->dst_step,
              k, first, last);
    for (int64_t i = first; i < last; i++) {
        int64_t left = k->n - i * TILE;

        for (int64_t s = 0; s < k->dst_places; s++)
            finish((float *)t->p[DST] + i * TILE * step +
                       (block * k->dst_places + s) * LANES,
                   acc + ((i - first) * k->dst_places + s) * BLOCK,
                   bias != NULL ? bias + block * LANES : NULL, k,
                   left < TILE ? left : TILE, step);
    }
}

static void run_data(const struct assay__task *t)
{
    const struct taps *k = t->table;
    int64_t group = ACCUMULATORS / k->dst_places;
    int64_t groups;

    if (group > k->tiles)
        group = k->tiles;
    groups = (k->tiles + group - 1) / group;
#pragma omp parallel num_threads(t->threads) if (t->threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < k->tiles; i++)
            pack_records((float *)t->p[ROOM] +
                             i * k->src_blocks * k->src_places * BLOCK,
                         t->p[SRC], k, i);
#pragma omp for schedule(static)
        for (int64_t j = 0; j < k->dst_blocks * groups; j++) {
            int64_t first = j % groups * group;

            some_tiles(t, k, j / groups, first,
                       first + group < k->tiles ? first + group : k->tiles);
        }
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

/* What joins are sorted by in each direction. */
static int64_t bin_of(enum assay__direction direction, int64_t x, int64_t y,
                      int64_t tap)
{
    if (direction == ASSAY__FORWARD)
        return y;
    return direction == ASSAY__BACKWARD_DATA ? x : tap;
}

static void write_join(struct join *join, enum assay__direction direction,
                       int64_t x, int64_t y, int64_t tap)
{
    bool back = direction == ASSAY__BACKWARD_DATA;

    join->from = (int16_t)(back ? y : x);
    join->to = (int16_t)(back ? x : y);
    join->tap = (int16_t)tap;
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

                if (x < 0 || bin_of(direction, x, y, tap) != bin)
                    continue;
                if (k != NULL)
                    write_join(&k->join[n], direction, x, y, tap);
                n++;
            }
        }
    }
    if (k != NULL)
        k->first[bins] = n;
    return n;
}

bool assay__taps_fit(const struct assay__dnn *d,
                     const struct assay__conv_problem *p,
                     enum assay__direction direction)
{
    int64_t places = p->y[2] * p->y[3] > p->x[2] * p->x[3] ? p->y[2] * p->y[3]
                                                           : p->x[2] * p->x[3];
    int64_t most =
        direction == ASSAY__BACKWARD_WEIGHTS ? PLACES_MAX : ACCUMULATORS;

    return d->lanes == LANES && p->w_rank == 4 && p->x[1] % LANES == 0 &&
           p->y[1] % LANES == 0 && p->x[0] >= TILE / 2 &&
           p->w[2] * p->w[3] > 1 && p->w[2] * p->w[3] <= TURNED_MAX &&
           places <= most;
}

bool assay__taps_small(const struct assay__conv_problem *p)
{
    return p->y[2] * p->y[3] <= 4;
}

const_dnnl_memory_desc_t assay__taps_weights(
    struct assay__dnn *d, const struct assay__conv_problem *p)
{
    return assay__dnn_md(d, 4, p->w, dnnl_OIhw16i16o);
}

static void fill_sizes(const struct assay__conv_problem *p,
                       const struct taps *k, bool weights,
                       size_t bytes[ASSAY__TASK_ARGS])
{
    size_t x = (size_t)(k->n * k->src_blocks * k->src_places * LANES);
    size_t y = (size_t)(k->n * k->dst_blocks * k->dst_places * LANES);
    size_t w = (size_t)(k->src_blocks * k->dst_blocks * BLOCK);
    size_t room = (size_t)(k->src_blocks * packed_size(k, k->src_places));

    if (weights)
        room += (size_t)(k->dst_blocks * packed_size(k, k->dst_places));
    w *= (size_t)k->taps;
    bytes[SRC] = x * sizeof(float);
    bytes[WEI] = (weights ? y : w) * sizeof(float);
    bytes[DST] = (weights ? w : y) * sizeof(float);
    bytes[BIAS] =
        p->has_bias ? (size_t)(k->dst_blocks * LANES) * sizeof(float) : 0;
    bytes[ROOM] = room * sizeof(float);
}

/* List the taps in use; when they are turned over they are numbered as they
 * come out. */
static void list_used(struct assay__dnn *d, struct taps *k, int32_t n_joins)
{
    k->used = assay__dnn_keep(d, (size_t)k->taps * sizeof(*k->used));
    for (int64_t tap = 0; k->used != NULL && tap < k->taps; tap++) {
        bool found = false;

        for (int32_t j = 0; j < n_joins; j++) {
            if (k->join[j].tap != tap || k->join[j].renumbered)
                continue;
            if (k->turned)
                k->join[j].tap = (int16_t)k->n_used;
            k->join[j].renumbered = true;
            found = true;
        }
        if (found)
            k->used[k->n_used++] = (int16_t)tap;
    }
}

/* Sizes, as the direction sees them. */
static void measure(const struct assay__conv_problem *p, bool back,
                    struct taps *k)
{
    int64_t x_places = p->x[2] * p->x[3];
    int64_t y_places = p->y[2] * p->y[3];

    k->n = p->x[0];
    k->tiles = (k->n + TILE - 1) / TILE;
    k->src_blocks = (back ? p->y[1] : p->x[1]) / LANES;
    k->dst_blocks = (back ? p->x[1] : p->y[1]) / LANES;
    k->src_places = back ? y_places : x_places;
    k->dst_places = back ? x_places : y_places;
    k->taps = p->w[2] * p->w[3];
    k->src_step = k->taps * BLOCK * (back ? k->dst_blocks : 1);
    k->dst_step = k->taps * BLOCK * (back ? 1 : k->src_blocks);
    k->turned = back;
}

struct assay__task assay__taps_task(struct assay__dnn *d, int index,
                                    const struct assay__conv_problem *p,
                                    enum assay__direction direction,
                                    size_t bytes[ASSAY__TASK_ARGS])
{
    bool weights = direction == ASSAY__BACKWARD_WEIGHTS;
    struct assay__task t =
        assay__dnn_task(d, index, "own:taps", weights ? run_weights : run_data);
    struct taps *k = assay__dnn_keep(d, sizeof(*k));
    int64_t bins;
    int32_t n_joins;

    memset(bytes, 0, ASSAY__TASK_ARGS * sizeof(*bytes));
    if (k == NULL)
        return t;
    measure(p, direction == ASSAY__BACKWARD_DATA, k);
    k->sum = p->sum && direction == ASSAY__FORWARD;
    k->relu = p->relu && direction == ASSAY__FORWARD;
    bins = weights ? k->taps : k->dst_places;
    n_joins = list_joins(p, direction, NULL, bins);
    k->first = assay__dnn_keep(d, (size_t)(bins + 1) * sizeof(*k->first));
    k->join = assay__dnn_keep(d, (size_t)(n_joins + 1) * sizeof(*k->join));
    if (d->code != ASSAY_OK)
        return t;
    (void)list_joins(p, direction, k, bins);
    list_used(d, k, n_joins);
    /* Far enough that memory answers in time. */
    k->ahead = 1 + FETCH_TAPS / (k->n_used + 1);
    t.table = k;
    fill_sizes(p, k, weights, bytes);
    return t;
}
