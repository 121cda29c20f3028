/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch normalisation by our own kernels, so that what surrounds it is done
 * in passing. Forward: the addition of a skip connection and the relu that
 * follow. Backward: the sum of two gradients and the relu's gradient that
 * precede.
 *
 * Statistics take one pass over the numbers, shifted by each channel's first
 * one; sums are f32 within a record and double across records. The work is
 * cut into blocks of channels, so that the second pass finds a block in the
 * cache, and into parts of the batch where blocks alone do not fill the
 * threads. The cut depends on shapes and threads only: results repeat.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "engine/onednn/incoming.h"
#include "engine/onednn/norm.h"
#include "engine/onednn/ports.h"

enum { LANES = ASSAY__LANES_MAX, PART_SUMS = 2 * LANES };

/* What both directions know. */
struct cut {
    struct assay__view view;
    int parts;     /* of the batch */
    bool training; /* statistics are the batch's */
    bool relu;
    float eps, momentum;
    double count; /* numbers per channel */
};

/* Pointers of the tasks. */
enum { X, Y, SKIP, GAMMA, BETA, MEAN, VAR, SAVE_MEAN, SAVE_RSTD, SUMS };
enum {
    B_X,
    B_DY,
    B_MORE,
    B_Z,
    B_OUT,
    B_DX,
    B_GAMMA,
    B_MEAN,
    B_RSTD,
    B_DGAMMA,
    B_DBETA,
    B_SUMS
};

/* --- common ----------------------------------------------------------- */

static struct cut *make_cut(struct assay__dnn *d, int index,
                            const struct assay__view *view)
{
    const struct assay_attrs *a = &d->plan->graph->node[index].attrs;
    struct cut *c = assay__dnn_keep(d, sizeof(*c));
    int threads = d->plan->options.threads;

    if (c == NULL)
        return NULL;
    c->view = *view;
    c->training = d->plan->options.mode == ASSAY_MODE_TRAIN;
    c->eps = (float)a->eps;
    c->momentum = (float)a->momentum;
    c->count = (double)(view->n * view->h * view->w);
    c->parts = 1;
    while (view->blocks * c->parts < 4 * threads && c->parts < view->n &&
           view->blocks * c->parts % threads != 0)
        c->parts++;
    return c;
}

static int sums_buffer(struct assay__dnn *d, const struct cut *c)
{
    if (c == NULL)
        return -1;
    return assay__dnn_buffer(d, (size_t)(c->view.blocks * c->parts) *
                                    PART_SUMS * sizeof(double));
}

static struct assay__span span_of(const struct cut *c, int part)
{
    struct assay__span r;

    r.first = c->view.n * part / c->parts;
    r.last = c->view.n * (part + 1) / c->parts;
    r.stride_n = c->view.stride_n;
    r.stride_s = c->view.stride_s;
    r.places = c->view.h * c->view.w;
    r.lanes = c->view.lanes;
    return r;
}

/* Channels of a block that are not padding. */
static int filled(const struct cut *c, int64_t block)
{
    int64_t left = c->view.channels - block * c->view.lanes;

    return left < c->view.lanes ? (int)left : c->view.lanes;
}

/* A block's entries of an array per channel; `missing` in the padding. */
static void take(float *dst, const float *src, const struct cut *c,
                 int64_t block, float missing)
{
    int n = filled(c, block);

    for (int l = 0; l < LANES; l++)
        dst[l] = l < n ? src[block * c->view.lanes + l] : missing;
}

static void give(void *dst, const float *src, const struct cut *c,
                 int64_t block)
{
    if (dst != NULL)
        memcpy((float *)dst + block * c->view.lanes, src,
               (size_t)filled(c, block) * sizeof(float));
}

static float *block_of(void *p, const struct cut *c, int64_t block)
{
    return p != NULL ? (float *)p + block * c->view.stride_b : NULL;
}

/* The sums of all parts of a block. */
static void add_parts(const double *sums, const struct cut *c, int64_t block,
                      double *total)
{
    memset(total, 0, PART_SUMS * sizeof(double));
    for (int part = 0; part < c->parts; part++) {
        const double *s = sums + (block * c->parts + part) * PART_SUMS;

        for (int i = 0; i < PART_SUMS; i++)
            total[i] += s[i];
    }
}

/* --- forward ---------------------------------------------------------- */

static void gather(const struct assay__task *t, const struct cut *c,
                   int64_t block, int part)
{
    const float *x = block_of(t->p[X], c, block);
    struct assay__span r = span_of(c, part);
    double *sums = (double *)t->p[SUMS] + (block * c->parts + part) * PART_SUMS;

    memset(sums, 0, PART_SUMS * sizeof(double));
    assay__norm_sums(x, &r, x, sums, sums + LANES);
}

/* Mean and variance of one channel from the sums; the running ones move. */
static void settle(const struct assay__task *t, const struct cut *c, int64_t at,
                   double sum, double square, double shift, float *mean,
                   float *rstd)
{
    double m = sum / c->count;
    double spread = square - sum * m;
    double var;
    float *run_mean = (float *)t->p[MEAN] + at;
    float *run_var = (float *)t->p[VAR] + at;

    if (spread < 0.0)
        spread = 0.0;
    var = spread / c->count;
    *mean = (float)(shift + m);
    *rstd = (float)(1.0 / sqrt(var + (double)c->eps));
    if (c->count > 1.0)
        var = spread / (c->count - 1.0);
    *run_mean += c->momentum * ((float)(shift + m) - *run_mean);
    *run_var += c->momentum * ((float)var - *run_var);
}

/* Mean and rstd of a block, kept for the gradient. Once per run and block:
 * in training the running ones move. */
static void statistics(const struct assay__task *t, const struct cut *c,
                       int64_t block)
{
    const float *x = block_of(t->p[X], c, block);
    double total[PART_SUMS];
    float mean[LANES] = {0};
    float rstd[LANES] = {0};
    int n = filled(c, block);
    int64_t first = block * c->view.lanes;

    if (c->training)
        add_parts(t->p[SUMS], c, block, total);
    for (int l = 0; l < n; l++) {
        if (c->training) {
            settle(t, c, first + l, total[l], total[LANES + l], (double)x[l],
                   &mean[l], &rstd[l]);
        } else {
            mean[l] = ((const float *)t->p[MEAN])[first + l];
            rstd[l] =
                1.0F / sqrtf(((const float *)t->p[VAR])[first + l] + c->eps);
        }
    }
    give(t->p[SAVE_MEAN], mean, c, block);
    give(t->p[SAVE_RSTD], rstd, c, block);
}

static void normalise(const struct assay__task *t, const struct cut *c,
                      int64_t block, int part)
{
    _Alignas(64) float scale[LANES];
    _Alignas(64) float offset[LANES];
    float mean[LANES];
    float rstd[LANES];
    float beta[LANES];
    struct assay__span r = span_of(c, part);

    take(scale, t->p[GAMMA], c, block, 0.0F);
    take(beta, t->p[BETA], c, block, 0.0F);
    take(mean, t->p[SAVE_MEAN], c, block, 0.0F);
    take(rstd, t->p[SAVE_RSTD], c, block, 0.0F);
    for (int l = 0; l < LANES; l++) {
        scale[l] *= rstd[l];
        offset[l] = beta[l] - mean[l] * scale[l];
    }
    assay__norm_scale(block_of(t->p[Y], c, block), block_of(t->p[X], c, block),
                      block_of(t->p[SKIP], c, block), c->relu, &r, scale,
                      offset);
}

static void run_forward(const struct assay__task *t)
{
    const struct cut *c = t->table;
    int64_t jobs = c->view.blocks * c->parts;

#pragma omp parallel num_threads(t->threads) if (t->threads > 1)
    {
        if (c->parts > 1 && c->training) {
#pragma omp for schedule(static)
            for (int64_t j = 0; j < jobs; j++)
                gather(t, c, j / c->parts, (int)(j % c->parts));
        }
        if (c->parts > 1) {
#pragma omp for schedule(static)
            for (int64_t b = 0; b < c->view.blocks; b++)
                statistics(t, c, b);
        }
#pragma omp for schedule(static)
        for (int64_t j = 0; j < jobs; j++) {
            if (c->parts == 1) {
                if (c->training)
                    gather(t, c, j, 0);
                statistics(t, c, j);
            }
            normalise(t, c, j / c->parts, (int)(j % c->parts));
        }
    }
    if (c->training)
        t->plan->store->version++;
}

/* An addition that alone reads `y` and whose other operand is there: that
 * operand, and the node into *add. */
static assay_value skip_after(const struct assay__dnn *d, assay_value y,
                              int *add)
{
    int reader = d->reader[y];
    const struct assay__node *node;
    assay_value other;

    if (assay__dnn_op(d, reader) != &assay__op_add)
        return ASSAY_NO_VALUE;
    node = &d->plan->graph->node[reader];
    other = node->in[0] == y ? node->in[1] : node->in[0];
    if (d->value[other].n == 0)
        return ASSAY_NO_VALUE;
    *add = reader;
    return other;
}

void assay__lower_batchnorm(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_forward);
    struct assay__view view;
    struct assay__form x = assay__dnn_want_view(d, node->in[0], &view);
    struct cut *c = d->code == ASSAY_OK ? make_cut(d, index, &view) : NULL;
    assay_value y = node->out;
    assay_value skip;
    int add = -1;
    int relu;

    if (c == NULL)
        return;
    skip = skip_after(d, y, &add);
    if (add >= 0)
        y = d->plan->graph->node[add].out;
    relu = d->reader[y];
    if (assay__dnn_op(d, relu) == &assay__op_relu)
        y = d->plan->graph->node[relu].out;
    else
        relu = -1;
    c->relu = relu >= 0;
    t.name = c->relu ? (add >= 0 ? "own+add+relu" : "own+relu")
                     : (add >= 0 ? "own+add" : "own");
    t.table = c;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, y));
    t.buffer[X] = x.buffer;
    if (add >= 0)
        t.buffer[SKIP] = assay__dnn_want(d, skip, x.md);
    t.buffer[GAMMA] = assay__plain(d, node->in[1]);
    t.buffer[BETA] = assay__plain(d, node->in[2]);
    t.buffer[MEAN] = assay__plain(d, node->in[3]);
    t.buffer[VAR] = assay__plain(d, node->in[4]);
    t.buffer[SAVE_MEAN] = assay__plain_result(d, node->out + 1);
    t.buffer[SAVE_RSTD] = assay__plain_result(d, node->out + 2);
    if (c->training)
        t.buffer[SUMS] = sums_buffer(d, c);
    t.buffer[Y] =
        add >= 0 ? assay__dnn_result_over(d, y, x.md, skip, t.buffer[SKIP])
                 : assay__dnn_result_over(d, y, x.md, node->in[0], x.buffer);
    assay__dnn_append(d, &t);
    if (add >= 0)
        assay__dnn_done(d, add);
    if (relu >= 0)
        assay__dnn_done(d, relu);
}

/* --- backward --------------------------------------------------------- */

static void bwd_gather(const struct assay__task *t, const struct cut *c,
                       int64_t block, int part)
{
    _Alignas(64) float mean[LANES];
    struct assay__span r = span_of(c, part);
    double *sums =
        (double *)t->p[B_SUMS] + (block * c->parts + part) * PART_SUMS;

    memset(sums, 0, PART_SUMS * sizeof(double));
    take(mean, t->p[B_MEAN], c, block, 0.0F);
    assay__norm_bwd_sums(
        block_of(t->p[B_X], c, block), block_of(t->p[B_DY], c, block),
        block_of(t->p[B_MORE], c, block), block_of(t->p[B_Z], c, block),
        block_of(t->p[B_OUT], c, block), &r, mean, sums);
}

static void bwd_apply(const struct assay__task *t, const struct cut *c,
                      int64_t block, int part)
{
    _Alignas(64) float mean[LANES];
    _Alignas(64) float scale[LANES];
    _Alignas(64) float slope[LANES] = {0};
    _Alignas(64) float offset[LANES] = {0};
    float rstd[LANES];
    float dgamma[LANES];
    float dbeta[LANES];
    double total[PART_SUMS];
    struct assay__span r = span_of(c, part);
    void *dy = t->p[B_OUT] != NULL ? t->p[B_OUT] : t->p[B_DY];

    add_parts(t->p[B_SUMS], c, block, total);
    take(mean, t->p[B_MEAN], c, block, 0.0F);
    take(rstd, t->p[B_RSTD], c, block, 0.0F);
    take(scale, t->p[B_GAMMA], c, block, 0.0F);
    for (int l = 0; l < LANES; l++) {
        dgamma[l] = (float)(total[LANES + l] * (double)rstd[l]);
        dbeta[l] = (float)total[l];
        scale[l] *= rstd[l];
        if (!c->training)
            continue;
        offset[l] = (float)(-(double)scale[l] * total[l] / c->count);
        slope[l] = (float)(-(double)(scale[l] * rstd[l] * rstd[l]) *
                           total[LANES + l] / c->count);
    }
    if (part == 0) {
        give(t->p[B_DGAMMA], dgamma, c, block);
        give(t->p[B_DBETA], dbeta, c, block);
    }
    if (t->p[B_DX] != NULL)
        assay__norm_bwd_apply(
            block_of(t->p[B_DX], c, block), block_of(t->p[B_X], c, block),
            block_of(dy, c, block), &r, mean, scale, slope, offset);
}

static void run_backward(const struct assay__task *t)
{
    const struct cut *c = t->table;
    int64_t jobs = c->view.blocks * c->parts;

#pragma omp parallel num_threads(t->threads) if (t->threads > 1)
    {
        if (c->parts > 1) {
#pragma omp for schedule(static)
            for (int64_t j = 0; j < jobs; j++)
                bwd_gather(t, c, j / c->parts, (int)(j % c->parts));
        }
#pragma omp for schedule(static)
        for (int64_t j = 0; j < jobs; j++) {
            if (c->parts == 1)
                bwd_gather(t, c, j, 0);
            bwd_apply(t, c, j / c->parts, (int)(j % c->parts));
        }
    }
}

void assay__lower_batchnorm_bwd(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_backward);
    struct assay__incoming in = assay__dnn_incoming(d, node->in[1]);
    struct assay__view view;
    struct assay__form x = assay__dnn_want_view(d, node->in[0], &view);
    struct cut *c = d->code == ASSAY_OK ? make_cut(d, index, &view) : NULL;

    if (c == NULL)
        return;
    t.name = assay__dnn_incoming_name(&in);
    t.table = c;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, node->in[0]));
    t.buffer[B_X] = x.buffer;
    assay__dnn_open_incoming(d, &in, x.md);
    t.buffer[B_DY] = in.dy_buffer;
    t.buffer[B_MORE] = in.more_buffer;
    t.buffer[B_Z] = in.z_buffer;
    t.buffer[B_OUT] = in.out_buffer;
    t.buffer[B_GAMMA] = assay__plain(d, node->in[2]);
    t.buffer[B_MEAN] = assay__plain(d, node->in[3]);
    t.buffer[B_RSTD] = assay__plain(d, node->in[4]);
    if (d->plan->uses[node->out + 1] > 0)
        t.buffer[B_DGAMMA] = assay__plain_result(d, node->out + 1);
    if (d->plan->uses[node->out + 2] > 0)
        t.buffer[B_DBETA] = assay__plain_result(d, node->out + 2);
    t.buffer[B_SUMS] = sums_buffer(d, c);
    if (d->plan->uses[node->out] > 0)
        t.buffer[B_DX] =
            assay__dnn_result_over(d, node->out, x.md, node->in[0], x.buffer);
    assay__dnn_append(d, &t);
    assay__dnn_close_incoming(d, &in);
}
