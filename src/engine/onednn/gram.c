/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Squared norms of a convolution's gradients by Gram matrices. With x(t, k)
 * the place of x that tap k joins with place t of dy,
 *   |dw|^2 = sum over s, t of (dy_s . dy_t) sum over k of x(s,k) . x(t,k),
 * dots over channels. So two matrices of dots are enough, D over places of
 * dy and P over places of x, and no gradient is made: few operations where
 * maps are small and channels many. Both are symmetric; their upper
 * triangles are computed, and pairs s < t count twice.
 *
 * P is laid out over the places of the padded plane, which hold zeros at the
 * edge, and at stride 1 a row of D has the plane's width with zeros between
 * its rows: then x(t, k) is t moved by a number that depends on k alone, and
 * the sum over t is a dot product of two runs of memory.
 *
 * A thread takes one record at a time. Dots are f32, sums of them double.
 */

#include <string.h>

#include "core/cpu.h"
#include "engine/onednn/squares.h"

#define X ASSAY__SQUARES_X
#define DY ASSAY__SQUARES_DY
#define OUT ASSAY__SQUARES_OUT
#define SUMS ASSAY__SQUARES_SUMS
#define ROOM ASSAY__SQUARES_ROOM

/* Rows of a tile; numbers of both matrices that the second cache can hold;
 * numbers that a run may be read beyond its end. */
enum { ROWS = 4, NUMBERS_MAX = 1 << 18, SLACK = 16 };

/* Places whose dots are taken. */
struct places {
    struct assay__view view;
    int64_t n;
    int32_t *at;     /* of each in its record's block */
    int32_t *row;    /* of the matrix */
    int32_t *column; /* of the matrix */
    int64_t width;   /* of the matrix */
};

struct gram {
    struct places x, dy;
    int64_t n_taps;
    int32_t *tap;        /* places by which a tap moves */
    int32_t *moved;      /* place of dy in the padded plane of x */
    bool dense;          /* stride 1 */
    int64_t run;         /* dense: from the first place of dy to the last */
    size_t p_size, size; /* numbers: of P, of the room of a thread */
    int64_t bias_at;     /* behind D */
    bool wants_sums, counts_sums;
};

/* NOLINTBEGIN(bugprone-macro-parentheses): lane numbers, used as they are. */
#define LOW(i, s, n) (((i) & (s)) == 0 ? (i) : (n) + (i) - (s))
#define HIGH(i, s, n) (((i) & (s)) == 0 ? (i) + (s) : (n) + (i))
#define EIGHT(M, s, n, o)                                       \
    M(o, s, n), M(o + 1, s, n), M(o + 2, s, n), M(o + 3, s, n), \
        M(o + 4, s, n), M(o + 5, s, n), M(o + 6, s, n), M(o + 7, s, n)
/* NOLINTEND(bugprone-macro-parentheses) */

#define LANES 16
#define NAMED(x) x##_16
#define FOLD(a, b, s)                                     \
    (__builtin_shufflevector(a, b, EIGHT(LOW, s, 16, 0),  \
                             EIGHT(LOW, s, 16, 8)) +      \
     __builtin_shufflevector(a, b, EIGHT(HIGH, s, 16, 0), \
                             EIGHT(HIGH, s, 16, 8)))
#include "engine/onednn/gram_loops.h"
#undef LANES
#undef NAMED
#undef FOLD
#define LANES 8
#define NAMED(x) x##_8
#define FOLD(a, b, s)                                     \
    (__builtin_shufflevector(a, b, EIGHT(LOW, s, 8, 0)) + \
     __builtin_shufflevector(a, b, EIGHT(HIGH, s, 8, 0)))
#include "engine/onednn/gram_loops.h"
#undef LANES
#undef NAMED
#undef FOLD

/* A tile's dots of rows i .. and columns j .. to their places. */
static void put_tile(float *out, const float *tile, int columns,
                     const struct places *p, int64_t i, int64_t j)
{
    for (int64_t r = 0; r < ROWS && i + r < p->n; r++) {
        float *row = out + p->row[i + r] * p->width;

        for (int64_t c = 0; c < columns && j + c < p->n; c++)
            row[p->column[j + c]] = tile[r * columns + c];
    }
}

/* The upper triangle of the matrix of one record, and some beside it. */
static void dots(float *out, const float *x, const struct places *p)
{
    _Alignas(64) float tile[16];
    const float *row[ROWS];
    const float *column[ROWS];
    int columns = p->view.lanes / ROWS;

    for (int64_t i = 0; i < p->n; i += ROWS) {
        for (int64_t r = 0; r < ROWS; r++)
            row[r] = x + p->at[i + r < p->n ? i + r : p->n - 1];
        for (int64_t j = i; j < p->n; j += columns) {
            for (int64_t c = 0; c < columns; c++)
                column[c] = x + p->at[j + c < p->n ? j + c : p->n - 1];
            if (p->view.lanes == 16)
                tile_16(tile, row, column, p->view.blocks, p->view.stride_b);
            else
                tile_8(tile, row, column, p->view.blocks, p->view.stride_b);
            put_tile(out, tile, columns, p, i, j);
        }
    }
}

/* Sum over taps of the dot products of a row of D from place s on. */
ASSAY__FUSED static float join_row(const float *from, const float *p,
                                   int64_t width, const int32_t *tap,
                                   int64_t n_taps, int64_t n)
{
    float sum[16] = {0};
    float all = 0.0F;

    for (int64_t k = 0; k < n_taps; k++) {
        const float *to = p + tap[k] * (width + 1);

        for (int64_t i = 0; i < n; i += 16) {
            for (int l = 0; l < 16; l++)
                sum[l] += from[i + l] * to[i + l];
        }
    }
    for (int l = 0; l < 16; l++)
        all += sum[l];
    return all;
}

static double join_dense(const struct gram *k, const float *p, const float *d)
{
    double total = 0.0;

    for (int64_t s = 0; s < k->dy.n; s++) {
        int64_t at = k->moved[s];
        const float *from = d + s * k->dy.width + at;
        const float *to = p + at * (k->x.width + 1);
        double once = 0.0;

        for (int64_t t = 0; t < k->n_taps; t++)
            once += (double)to[k->tap[t] * (k->x.width + 1)];
        total += 2.0 * (double)join_row(from, to, k->x.width, k->tap, k->n_taps,
                                        k->run - at) -
                 once * (double)from[0];
    }
    return total;
}

static double join_sparse(const struct gram *k, const float *p, const float *d)
{
    double total = 0.0;

    for (int64_t s = 0; s < k->dy.n; s++) {
        for (int64_t t = s; t < k->dy.n; t++) {
            float sum = 0.0F;

            for (int64_t i = 0; i < k->n_taps; i++)
                sum += p[(k->moved[s] + k->tap[i]) * k->x.width + k->moved[t] +
                         k->tap[i]];
            total += (t > s ? 2.0 : 1.0) * (double)d[s * k->dy.width + t] *
                     (double)sum;
        }
    }
    return total;
}

/* Sums of dy by channel to t->p[SUMS]; the squares of them. */
static double bias(const struct assay__task *t, const struct gram *k,
                   const float *dy, float *room, int64_t n)
{
    const struct assay__view *v = &k->dy.view;

    if (v->lanes == 16)
        sums_16(room, dy, v);
    else
        sums_8(room, dy, v);
    if (t->p[SUMS] != NULL)
        memcpy((float *)t->p[SUMS] + n * v->channels, room,
               (size_t)v->channels * sizeof(float));
    return assay__sum_squares(room, v->channels);
}

static void one_record(const struct assay__task *t, const struct gram *k,
                       float *room, int64_t n)
{
    const float *x = (const float *)t->p[X] + n * k->x.view.stride_n;
    const float *dy = (const float *)t->p[DY] + n * k->dy.view.stride_n;
    float *d = room + k->p_size;
    double sum;

    dots(room, x, &k->x);
    dots(d, dy, &k->dy);
    sum = k->dense ? join_dense(k, room, d) : join_sparse(k, room, d);
    /* Rounding may leave less than nothing of what is 0. */
    if (sum < 0.0)
        sum = 0.0;
    if (k->wants_sums) {
        double more = bias(t, k, dy, d + k->bias_at, n);

        sum += k->counts_sums ? more : 0.0;
    }
    ((float *)t->p[OUT])[n] = (float)sum;
}

static void run_gram(const struct assay__task *t)
{
    const struct gram *k = t->table;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++) {
        float *room = (float *)t->p[ROOM] + (size_t)part * k->size;
        int64_t n = k->x.view.n;

        memset(room, 0, k->size * sizeof(*room));
        for (int64_t i = n * part / t->threads; i < n * (part + 1) / t->threads;
             i++)
            one_record(t, k, room, i);
    }
}

/* --- geometry --------------------------------------------------------- */

static bool make_lists(struct assay__dnn *d, struct places *p, int64_t most)
{
    p->at = assay__dnn_keep(d, (size_t)most * sizeof(*p->at));
    p->row = assay__dnn_keep(d, (size_t)most * sizeof(*p->row));
    p->column = assay__dnn_keep(d, (size_t)most * sizeof(*p->column));
    return p->at != NULL && p->row != NULL && p->column != NULL;
}

static void add_place(struct places *p, int64_t place, int64_t row,
                      int64_t column)
{
    p->at[p->n] = (int32_t)(place * p->view.stride_s);
    p->row[p->n] = (int32_t)row;
    p->column[p->n++] = (int32_t)column;
}

/* Whether a tap joins place i of axis a with any output. */
static bool is_read(const struct assay__conv_problem *p, int a, int64_t i)
{
    const dnnl_dim_t *w = &p->w[p->w_rank - 2];

    for (int64_t tap = 0; tap < w[a]; tap++) {
        int64_t from = i + p->pad_l[a] - tap * (p->dilates[a] + 1);

        if (from >= 0 && from % p->strides[a] == 0 &&
            from / p->strides[a] < p->y[2 + a])
            return true;
    }
    return false;
}

/* Of the padded plane, as far as windows reach. */
static int64_t plane(const struct assay__conv_problem *p, int a)
{
    return (p->y[2 + a] - 1) * p->strides[a] +
           (p->w[p->w_rank - 2 + a] - 1) * (p->dilates[a] + 1) + 1;
}

static void list_places(struct gram *k, const struct assay__conv_problem *p)
{
    int64_t pw = plane(p, 1);

    for (int64_t i = 0; i < p->x[2]; i++) {
        for (int64_t j = 0; j < p->x[3]; j++) {
            int64_t at = (i + p->pad_l[0]) * pw + j + p->pad_l[1];

            if (is_read(p, 0, i) && is_read(p, 1, j))
                add_place(&k->x, i * p->x[3] + j, at, at);
        }
    }
    for (int64_t s = 0; s < p->y[2] * p->y[3]; s++) {
        int64_t at =
            s / p->y[3] * p->strides[0] * pw + s % p->y[3] * p->strides[1];

        k->moved[s] = (int32_t)at;
        add_place(&k->dy, s, s, k->dense ? at : s);
    }
}

static void list_taps(struct gram *k, const struct assay__conv_problem *p)
{
    const dnnl_dim_t *w = &p->w[p->w_rank - 2];
    int64_t pw = plane(p, 1);

    for (int64_t u = 0; u < w[0]; u++) {
        for (int64_t v = 0; v < w[1]; v++)
            k->tap[k->n_taps++] = (int32_t)(u * (p->dilates[0] + 1) * pw +
                                            v * (p->dilates[1] + 1));
    }
}

static bool measure(struct gram *k, const struct assay__conv_problem *p)
{
    int64_t places = p->y[2] * p->y[3];
    int64_t whole = plane(p, 0) * plane(p, 1);

    k->dense = p->strides[0] == 1 && p->strides[1] == 1;
    k->x.width = whole;
    k->run = (p->y[2] - 1) * plane(p, 1) + p->y[3];
    k->dy.width = k->dense ? k->run + SLACK : places;
    if (whole > NUMBERS_MAX / whole || places > NUMBERS_MAX / k->dy.width)
        return false;
    k->p_size = (size_t)(whole * whole + SLACK + 15) / 16 * 16;
    k->bias_at = (places * k->dy.width + SLACK + 15) / 16 * 16;
    k->size = k->p_size +
              (size_t)(k->bias_at + k->dy.view.blocks * k->dy.view.lanes + 16) /
                  16 * 16;
    return true;
}

bool assay__gram_small(const struct assay__conv_problem *p)
{
    double taps = (double)(p->w[p->w_rank - 2] * p->w[p->w_rank - 1]);
    double big = (double)(p->x[2] * p->x[3]);
    double small = (double)(p->y[2] * p->y[3]);
    double dot = big * big * (double)p->x[1] + small * small * (double)p->y[1];

    return dot + small * small * taps <
           0.5 * small * (double)p->x[1] * (double)p->y[1] * taps;
}

/* A layout of the value that the loops can walk. */
static const_dnnl_memory_desc_t walkable(struct assay__dnn *d, assay_value v,
                                         const dnnl_dims_t dims,
                                         struct assay__view *view)
{
    for (int i = 0; i < d->value[v].n; i++) {
        const_dnnl_memory_desc_t md = d->value[v].item[i].md;

        if (assay__dnn_view(md, view) && view->h == dims[2] &&
            view->w == dims[3] && view->channels == dims[1])
            return md;
    }
    return assay__dnn_view(assay__conv_blocked(d, dims), view)
               ? assay__conv_blocked(d, dims)
               : NULL;
}

void assay__gram_squares(struct assay__dnn *d, int index,
                         const struct assay__conv_problem *p, assay_value x,
                         assay_value dy, struct assay__squares_way *way)
{
    enum { CHANNELS_MIN = 8 };
    struct gram *k;
    int64_t taps = p->w[p->w_rank - 2] * p->w[p->w_rank - 1];

    if (p->w_rank != 4 || p->x[1] < CHANNELS_MIN || p->y[1] < CHANNELS_MIN)
        return;
    k = assay__dnn_keep(d, sizeof(*k));
    if (k == NULL)
        return;
    (void)assay__dnn_form(d, x);
    (void)assay__dnn_form(d, dy);
    way->x = walkable(d, x, p->x, &k->x.view);
    way->dy = walkable(d, dy, p->y, &k->dy.view);
    if (way->x == NULL || way->dy == NULL || !measure(k, p) ||
        !make_lists(d, &k->x, p->x[2] * p->x[3]) ||
        !make_lists(d, &k->dy, p->y[2] * p->y[3]))
        return;
    k->moved =
        assay__dnn_keep(d, (size_t)(p->y[2] * p->y[3]) * sizeof(*k->moved));
    k->tap = assay__dnn_keep(d, (size_t)taps * sizeof(*k->tap));
    if (k->moved == NULL || k->tap == NULL)
        return;
    k->wants_sums = p->has_bias;
    k->counts_sums = way->counts_sums;
    list_places(k, p);
    list_taps(k, p);
    if (k->x.n == 0)
        return;
    way->task = assay__dnn_task(d, index, "gram", run_gram);
    way->task.table = k;
    if (way->task.threads > p->x[0])
        way->task.threads = (int)p->x[0];
    way->room = (size_t)way->task.threads * k->size * sizeof(float);
}
