/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gradient of depthwise weights: dw[r, c] = sum over records and places
 * of dy[i, j] x[i stride + r dilation - pad, ...], channel by channel. The
 * library has a fast kernel for 3x3 on larger maps only.
 *
 * One job is a block of channels: each record's plane is copied into a
 * padded one, so that the inner loop has no edges, and all taps accumulate
 * in registers. Sums are f32 within a record, then f32 over records.
 */

#include "engine/onednn/conv.h"

#include <string.h>

#include "core/cpu.h"
#include "core/mem.h"
#include "engine/onednn/depthwise.h"
#include "engine/onednn/squares.h"

enum { TAPS_MAX = 25 };

struct depth {
    struct assay__view x, y;
    int64_t pw, ph; /* the padded plane */
    int64_t oh, ow;
    int64_t stride[2], dilation[2], pad[2];
    int kernel;
    bool counts_bias; /* squares */
};

enum { X, DY, DW, DB, ROOM };

#define LANES 16
#define KERNEL 3
#define NAMED(x) x##_16_3
#include "engine/onednn/depthwise_loops.h"
#undef KERNEL
#undef NAMED
#define KERNEL 5
#define NAMED(x) x##_16_5
#include "engine/onednn/depthwise_loops.h"
#undef KERNEL
#undef NAMED
#undef LANES
#define LANES 8
#define KERNEL 3
#define NAMED(x) x##_8_3
#include "engine/onednn/depthwise_loops.h"
#undef KERNEL
#undef NAMED
#define KERNEL 5
#define NAMED(x) x##_8_5
#include "engine/onednn/depthwise_loops.h"
#undef KERNEL
#undef NAMED
#undef LANES

static void gradient(float *total, const float *x, const float *dy,
                     const struct depth *p)
{
    if (p->x.lanes == 16 && p->kernel == 3)
        gradient_16_3(total, x, dy, p);
    else if (p->x.lanes == 16)
        gradient_16_5(total, x, dy, p);
    else if (p->kernel == 3)
        gradient_8_3(total, x, dy, p);
    else
        gradient_8_5(total, x, dy, p);
}

/* The map into the middle of the padded plane, whose edge stays 0. */
static void copy_plane(float *room, const float *x, const struct depth *p)
{
    int64_t rows = p->ph - p->pad[0] < p->x.h ? p->ph - p->pad[0] : p->x.h;
    int64_t cols = p->pw - p->pad[1] < p->x.w ? p->pw - p->pad[1] : p->x.w;

    /* With long strides all windows may lie in the padding. */
    if (cols <= 0)
        return;
    for (int64_t i = 0; i < rows; i++)
        memcpy(room + ((i + p->pad[0]) * p->pw + p->pad[1]) * p->x.lanes,
               x + i * p->x.w * p->x.lanes,
               (size_t)(cols * p->x.lanes) * sizeof(float));
}

static void one_block(const struct assay__task *t, const struct depth *p,
                      int64_t block, float *room)
{
    _Alignas(64) float total[(TAPS_MAX + 1) * 16] = {0};
    int taps = p->kernel * p->kernel;
    int lanes = p->x.lanes;
    int64_t left = p->x.channels - block * lanes;
    size_t n_left = (size_t)(left < lanes ? left : lanes);

    for (int64_t n = 0; n < p->x.n; n++) {
        copy_plane(room,
                   (const float *)t->p[X] + n * p->x.stride_n +
                       block * p->x.stride_b,
                   p);
        gradient(total, room,
                 (const float *)t->p[DY] + n * p->y.stride_n +
                     block * p->y.stride_b,
                 p);
    }
    memcpy((float *)t->p[DW] + block * taps * lanes, total,
           (size_t)(taps * lanes) * sizeof(float));
    if (t->p[DB] != NULL)
        memcpy((float *)t->p[DB] + block * lanes, total + taps * lanes,
               n_left * sizeof(float));
}

static void run(const struct assay__task *t)
{
    const struct depth *p = t->table;
    int64_t room = t->n[0];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++) {
        int64_t first = p->x.blocks * part / t->threads;
        int64_t last = p->x.blocks * (part + 1) / t->threads;
        float *plane = (float *)t->p[ROOM] + part * room;

        memset(plane, 0, (size_t)room * sizeof(float));
        for (int64_t b = first; b < last; b++)
            one_block(t, p, b, plane);
    }
}

/* --- squared norms, record by record ---------------------------------- */

static double squares_of_block(const float *total, int n, int lanes,
                               const struct assay__task *t,
                               const struct depth *p, int64_t record,
                               int64_t block)
{
    double sum = assay__sum_squares(total, (int64_t)n * lanes);
    int64_t left = p->x.channels - block * lanes;
    const float *sums = total + (ptrdiff_t)n * lanes;

    if (left > lanes)
        left = lanes;
    if (p->counts_bias)
        sum += assay__sum_squares(sums, left);
    if (t->p[ASSAY__SQUARES_SUMS] != NULL)
        memcpy((float *)t->p[ASSAY__SQUARES_SUMS] + record * p->x.channels +
                   block * lanes,
               sums, (size_t)left * sizeof(float));
    return sum;
}

static void run_squares(const struct assay__task *t)
{
    const struct depth *p = t->table;
    int64_t room = t->n[0];
    int taps = p->kernel * p->kernel;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++) {
        float *plane = (float *)t->p[ASSAY__SQUARES_ROOM] + part * room;

        memset(plane, 0, (size_t)room * sizeof(float));
        for (int64_t n = p->x.n * part / t->threads;
             n < p->x.n * (part + 1) / t->threads; n++) {
            double sum = 0.0;

            for (int64_t b = 0; b < p->x.blocks; b++) {
                _Alignas(64) float total[(TAPS_MAX + 1) * 16] = {0};

                copy_plane(plane,
                           (const float *)t->p[ASSAY__SQUARES_X] +
                               n * p->x.stride_n + b * p->x.stride_b,
                           p);
                gradient(total, plane,
                         (const float *)t->p[ASSAY__SQUARES_DY] +
                             n * p->y.stride_n + b * p->y.stride_b,
                         p);
                if (t->p[ASSAY__SQUARES_ROWS] != NULL)
                    memcpy((float *)t->p[ASSAY__SQUARES_ROWS] +
                               (n * p->x.blocks + b) * taps * p->x.lanes,
                           total, (size_t)(taps * p->x.lanes) * sizeof(float));
                sum += squares_of_block(total, taps, p->x.lanes, t, p, n, b);
            }
            ((float *)t->p[ASSAY__SQUARES_OUT])[n] = (float)sum;
        }
    }
}

/* Whether the kernels are made for the problem. */
static bool fits(const struct assay__conv_problem *p)
{
    return p->w_rank == 5 && p->w[0] == p->x[1] && p->y[1] == p->x[1] &&
           p->w[3] == p->w[4] && (p->w[3] == 3 || p->w[3] == 5);
}

/* The geometry of the problem on blocked data; NULL after a failure. */
static struct depth *make_depth(struct assay__dnn *d,
                                const struct assay__conv_problem *p)
{
    struct depth *depth = assay__dnn_keep(d, sizeof(*depth));

    if (depth == NULL)
        return NULL;
    depth->kernel = (int)p->w[3];
    for (int i = 0; i < 2; i++) {
        depth->stride[i] = p->strides[i];
        depth->dilation[i] = p->dilates[i] + 1;
        depth->pad[i] = p->pad_l[i];
    }
    depth->oh = p->y[2];
    depth->ow = p->y[3];
    depth->ph =
        (p->y[2] - 1) * p->strides[0] + (p->w[3] - 1) * depth->dilation[0] + 1;
    depth->pw =
        (p->y[3] - 1) * p->strides[1] + (p->w[4] - 1) * depth->dilation[1] + 1;
    return assay__dnn_view(assay__conv_blocked(d, p->x), &depth->x) &&
                   assay__dnn_view(assay__conv_blocked(d, p->y), &depth->y)
               ? depth
               : NULL;
}

void assay__depthwise_squares(struct assay__dnn *d, int index,
                              const struct assay__conv_problem *p,
                              struct assay__squares_way *way)
{
    struct depth *depth = fits(p) ? make_depth(d, p) : NULL;

    if (depth == NULL)
        return;
    depth->counts_bias = way->counts_sums;
    way->dw =
        assay__dnn_md(d, 5, p->w, d->lanes == 8 ? dnnl_Goihw8g : dnnl_Goihw16g);
    way->x = assay__conv_blocked(d, p->x);
    way->dy = assay__conv_blocked(d, p->y);
    way->task = assay__dnn_task(d, index, "own", run_squares);
    way->task.table = depth;
    way->task.n[0] = depth->ph * depth->pw * depth->x.lanes;
    if (way->task.threads > p->x[0])
        way->task.threads = (int)p->x[0];
    way->room = (size_t)(way->task.n[0] * way->task.threads) * sizeof(float);
}

/* The blocked layout of depthwise weights, or NULL when the store (`dw`) has
 * another. */
static const_dnnl_memory_desc_t weights_layout(
    struct assay__dnn *d, const struct assay__conv_problem *p, assay_value dw)
{
    const_dnnl_memory_desc_t md =
        assay__dnn_md(d, 5, p->w, d->lanes == 8 ? dnnl_Goihw8g : dnnl_Goihw16g);

    return d->gradient[dw] < 0 || assay__dnn_gradient_md(d, dw) == md ? md
                                                                      : NULL;
}

bool assay__dnn_depthwise(struct assay__dnn *d, int index,
                          const struct assay__conv_problem *p, assay_value x,
                          assay_value dy, assay_value dw, assay_value db)
{
    struct assay__task t = assay__dnn_task(d, index, "own", run);
    const_dnnl_memory_desc_t md;
    struct depth *depth;

    if (d->code != ASSAY_OK || !fits(p))
        return false;
    md = weights_layout(d, p, dw);
    depth = md != NULL ? make_depth(d, p) : NULL;
    if (depth == NULL)
        return false;
    t.buffer[X] = assay__dnn_want(d, x, assay__conv_blocked(d, p->x));
    t.buffer[DY] = assay__dnn_want(d, dy, assay__conv_blocked(d, p->y));
    t.table = depth;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, x));
    t.n[0] = depth->ph * depth->pw * depth->x.lanes;
    t.buffer[ROOM] =
        assay__dnn_buffer(d, (size_t)(t.n[0] * t.threads) * sizeof(float));
    t.buffer[DW] = assay__dnn_result(d, dw, md);
    if (db != ASSAY_NO_VALUE)
        t.buffer[DB] = assay__dnn_result(d, db, assay__dnn_plain_of(d, db));
    assay__dnn_append(d, &t);
    return true;
}
