/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group normalisation by our own kernels over blocks of channels, a record
 * at a time; groups may be smaller or larger than blocks. Sums are taken
 * per channel and joined per group in double.
 *
 * With t = x - mean, and per group A = sum gamma dy, B = sum gamma dy t over
 * its m numbers:
 *   dx = rstd (gamma dy - A / m - t rstd^2 B / m)
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "engine/onednn/incoming.h"
#include "engine/onednn/norm.h"
#include "engine/onednn/ports.h"

enum { LANES = ASSAY__LANES_MAX };

struct groups {
    struct assay__view view;
    int64_t groups, per_group;
    bool relu;
    double eps;
    int counted; /* of each record's gradients: 1 dgamma, 2 dbeta */
};

enum { X, Y, GAMMA, BETA, MEAN, RSTD, ROOM };
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
    B_ROOM,
    B_SQUARES
};

static struct assay__span record(const struct groups *k)
{
    struct assay__span r;

    r.first = 0;
    r.last = 1;
    r.stride_n = 0;
    r.stride_s = k->view.stride_s;
    r.places = k->view.h * k->view.w;
    r.lanes = k->view.lanes;
    return r;
}

static float *at(void *p, const struct groups *k, int64_t n, int64_t b)
{
    return p != NULL ? (float *)p + n * k->view.stride_n + b * k->view.stride_b
                     : NULL;
}

/* A record's room: two sums per channel, then two per group. */
static size_t room_size(const struct groups *k)
{
    return (size_t)(2 * k->view.blocks * LANES + 2 * k->groups);
}

static double *room_of(void *p, const struct groups *k, int64_t n)
{
    return (double *)p + (size_t)n * room_size(k);
}

static double *block_sums(double *room, int64_t b)
{
    return room + b * 2 * LANES;
}

static double *group_sums(double *room, const struct groups *k)
{
    return room + 2 * k->view.blocks * LANES;
}

/* --- forward ---------------------------------------------------------- */

/* Mean and rstd of one group from its channels' shifted sums. */
static void join_group(const struct groups *k, const float *x, double *room,
                       int64_t group, float *mean, float *rstd)
{
    double places = (double)(k->view.h * k->view.w);
    double size = places * (double)k->per_group;
    double sum = 0.0;
    double spread = 0.0;
    double m;

    for (int64_t c = group * k->per_group; c < (group + 1) * k->per_group;
         c++) {
        int64_t b = c / k->view.lanes;
        int64_t l = c % k->view.lanes;

        sum += block_sums(room, b)[l] +
               places * (double)x[b * k->view.stride_b + l];
    }
    m = sum / size;
    for (int64_t c = group * k->per_group; c < (group + 1) * k->per_group;
         c++) {
        int64_t b = c / k->view.lanes;
        int64_t l = c % k->view.lanes;
        double s = block_sums(room, b)[l];
        double from_mean = (double)x[b * k->view.stride_b + l] + s / places - m;

        spread += block_sums(room, b)[LANES + l] - s * s / places +
                  places * from_mean * from_mean;
    }
    if (spread < 0.0)
        spread = 0.0;
    *mean = (float)m;
    *rstd = (float)(1.0 / sqrt(spread / size + k->eps));
}

static void forward_record(const struct assay__task *t, const struct groups *k,
                           int64_t n)
{
    double *room = room_of(t->p[ROOM], k, n);
    float *mean = (float *)t->p[MEAN] + n * k->groups;
    float *rstd = (float *)t->p[RSTD] + n * k->groups;
    const float *gamma = t->p[GAMMA];
    const float *beta = t->p[BETA];
    struct assay__span r = record(k);

    memset(room, 0, room_size(k) * sizeof(*room));
    for (int64_t b = 0; b < k->view.blocks; b++) {
        const float *x = at(t->p[X], k, n, b);
        double *sums = block_sums(room, b);

        assay__norm_sums(x, &r, x, sums, sums + LANES);
    }
    for (int64_t g = 0; g < k->groups; g++)
        join_group(k, at(t->p[X], k, n, 0), room, g, &mean[g], &rstd[g]);
    for (int64_t b = 0; b < k->view.blocks; b++) {
        _Alignas(64) float scale[LANES] = {0};
        _Alignas(64) float offset[LANES] = {0};

        for (int64_t l = 0; l < k->view.lanes; l++) {
            int64_t c = b * k->view.lanes + l;

            if (c >= k->view.channels)
                break;
            scale[l] = gamma[c] * rstd[c / k->per_group];
            offset[l] = beta[c] - mean[c / k->per_group] * scale[l];
        }
        assay__norm_scale(at(t->p[Y], k, n, b), at(t->p[X], k, n, b), NULL,
                          k->relu, &r, scale, offset);
    }
}

static void run_forward(const struct assay__task *t)
{
    const struct groups *k = t->table;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t n = 0; n < k->view.n; n++)
        forward_record(t, k, n);
}

static struct groups *make_groups(struct assay__dnn *d, int index,
                                  const struct assay__view *view)
{
    const struct assay_attrs *a = &d->plan->graph->node[index].attrs;
    struct groups *k = assay__dnn_keep(d, sizeof(*k));

    if (k == NULL)
        return NULL;
    k->view = *view;
    k->groups = a->groups;
    k->per_group = view->channels / a->groups;
    k->eps = a->eps;
    k->counted = a->index;
    return k;
}

void assay__lower_groupnorm(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_forward);
    struct assay__view view;
    struct assay__form x = assay__dnn_want_view(d, node->in[0], &view);
    struct groups *k =
        d->code == ASSAY_OK ? make_groups(d, index, &view) : NULL;
    assay_value y = node->out;
    int relu = d->reader[y];

    if (k == NULL)
        return;
    if (relu >= 0 && d->plan->graph->node[relu].op == &assay__op_relu) {
        y = d->plan->graph->node[relu].out;
        k->relu = true;
        t.name = "own+relu";
    }
    t.table = k;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, y));
    t.buffer[X] = x.buffer;
    t.buffer[GAMMA] = assay__plain(d, node->in[1]);
    t.buffer[BETA] = assay__plain(d, node->in[2]);
    t.buffer[MEAN] = assay__plain_result(d, node->out + 1);
    t.buffer[RSTD] = assay__plain_result(d, node->out + 2);
    t.buffer[ROOM] =
        assay__dnn_buffer(d, (size_t)view.n * room_size(k) * sizeof(double));
    t.buffer[Y] = assay__dnn_result_over(d, y, x.md, node->in[0], x.buffer);
    assay__dnn_append(d, &t);
    if (k->relu)
        assay__dnn_done(d, relu);
}

/* --- backward --------------------------------------------------------- */

/* A and B of each group. */
static void join_gradient(const struct groups *k, const float *gamma,
                          double *room)
{
    double *joined = group_sums(room, k);

    for (int64_t c = 0; c < k->view.channels; c++) {
        const double *sums = block_sums(room, c / k->view.lanes);
        int64_t l = c % k->view.lanes;
        double *g = joined + 2 * (c / k->per_group);

        g[0] += (double)gamma[c] * sums[l];
        g[1] += (double)gamma[c] * sums[LANES + l];
    }
}

static void apply_block(const struct assay__task *t, const struct groups *k,
                        int64_t n, int64_t b)
{
    _Alignas(64) float mean[LANES] = {0};
    _Alignas(64) float scale[LANES] = {0};
    _Alignas(64) float slope[LANES] = {0};
    _Alignas(64) float offset[LANES] = {0};
    const double *joined = group_sums(room_of(t->p[B_ROOM], k, n), k);
    const float *means = (const float *)t->p[B_MEAN] + n * k->groups;
    const float *rstds = (const float *)t->p[B_RSTD] + n * k->groups;
    double size = (double)(k->per_group * k->view.h * k->view.w);
    void *dy = t->p[B_OUT] != NULL ? t->p[B_OUT] : t->p[B_DY];
    struct assay__span r = record(k);

    for (int64_t l = 0; l < k->view.lanes; l++) {
        int64_t c = b * k->view.lanes + l;
        int64_t g = c / k->per_group;
        double s;

        if (c >= k->view.channels)
            break;
        s = (double)rstds[g];
        mean[l] = means[g];
        scale[l] = ((const float *)t->p[B_GAMMA])[c] * rstds[g];
        offset[l] = (float)(-s * joined[2 * g] / size);
        slope[l] = (float)(-s * s * s * joined[2 * g + 1] / size);
    }
    assay__norm_bwd_apply(at(t->p[B_DX], k, n, b), at(t->p[B_X], k, n, b),
                          at(dy, k, n, b), &r, mean, scale, slope, offset);
}

static void backward_record(const struct assay__task *t, const struct groups *k,
                            int64_t n)
{
    double *room = room_of(t->p[B_ROOM], k, n);
    const float *means = (const float *)t->p[B_MEAN] + n * k->groups;
    struct assay__span r = record(k);

    memset(room, 0, room_size(k) * sizeof(*room));
    for (int64_t b = 0; b < k->view.blocks; b++) {
        _Alignas(64) float mean[LANES] = {0};
        double *sums = block_sums(room, b);

        for (int64_t l = 0; l < k->view.lanes; l++) {
            int64_t c = b * k->view.lanes + l;

            mean[l] = c < k->view.channels ? means[c / k->per_group] : 0.0F;
        }
        assay__norm_bwd_sums(at(t->p[B_X], k, n, b), at(t->p[B_DY], k, n, b),
                             at(t->p[B_MORE], k, n, b), at(t->p[B_Z], k, n, b),
                             at(t->p[B_OUT], k, n, b), &r, mean, sums);
    }
    if (t->p[B_DX] == NULL)
        return;
    join_gradient(k, t->p[B_GAMMA], room);
    for (int64_t b = 0; b < k->view.blocks; b++)
        apply_block(t, k, n, b);
}

/* dgamma and dbeta of one channel, over the records in order. */
static void sum_channel(const struct assay__task *t, const struct groups *k,
                        int64_t c)
{
    double dgamma = 0.0;
    double dbeta = 0.0;

    for (int64_t n = 0; n < k->view.n; n++) {
        const double *sums =
            block_sums(room_of(t->p[B_ROOM], k, n), c / k->view.lanes);
        int64_t l = c % k->view.lanes;
        float rstd =
            ((const float *)t->p[B_RSTD])[n * k->groups + c / k->per_group];

        dbeta += sums[l];
        dgamma += sums[LANES + l] * (double)rstd;
    }
    if (t->p[B_DGAMMA] != NULL)
        ((float *)t->p[B_DGAMMA])[c] = (float)dgamma;
    if (t->p[B_DBETA] != NULL)
        ((float *)t->p[B_DBETA])[c] = (float)dbeta;
}

/* One record's dgamma and dbeta, and the squares of those counted. */
static void record_rows(const struct assay__task *t, const struct groups *k,
                        int64_t n)
{
    double *room = room_of(t->p[B_ROOM], k, n);
    const float *rstd = (const float *)t->p[B_RSTD] + n * k->groups;
    float *dgamma = t->p[B_DGAMMA];
    float *dbeta = t->p[B_DBETA];
    double squares = 0.0;

    for (int64_t c = 0; c < k->view.channels; c++) {
        const double *sums = block_sums(room, c / k->view.lanes);
        int64_t l = c % k->view.lanes;
        double gain = sums[LANES + l] * (double)rstd[c / k->per_group];

        if (k->counted & 1)
            squares += gain * gain;
        if (k->counted & 2)
            squares += sums[l] * sums[l];
        if (dgamma != NULL)
            dgamma[n * k->view.channels + c] = (float)gain;
        if (dbeta != NULL)
            dbeta[n * k->view.channels + c] = (float)sums[l];
    }
    ((float *)t->p[B_SQUARES])[n] = (float)squares;
}

static void run_records(const struct assay__task *t)
{
    const struct groups *k = t->table;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t n = 0; n < k->view.n; n++) {
        backward_record(t, k, n);
        record_rows(t, k, n);
    }
}

static void run_backward(const struct assay__task *t)
{
    const struct groups *k = t->table;

#pragma omp parallel num_threads(t->threads) if (t->threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t n = 0; n < k->view.n; n++)
            backward_record(t, k, n);
        if (t->p[B_DGAMMA] != NULL || t->p[B_DBETA] != NULL) {
#pragma omp for schedule(static)
            for (int64_t c = 0; c < k->view.channels; c++)
                sum_channel(t, k, c);
        }
    }
}

void assay__lower_groupnorm_bwd(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_backward);
    struct assay__incoming in = assay__dnn_incoming(d, node->in[1]);
    struct assay__view view;
    struct assay__form x = assay__dnn_want_view(d, node->in[0], &view);
    struct groups *k =
        d->code == ASSAY_OK ? make_groups(d, index, &view) : NULL;

    if (k == NULL)
        return;
    assay__dnn_open_incoming(d, &in, x.md);
    t.name = assay__dnn_incoming_name(&in);
    t.table = k;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, node->in[0]));
    t.buffer[B_X] = x.buffer;
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
    t.buffer[B_ROOM] =
        assay__dnn_buffer(d, (size_t)view.n * room_size(k) * sizeof(double));
    if (node->op == &assay__op_groupnorm_bwd_records) {
        t.run = run_records;
        t.buffer[B_SQUARES] = assay__plain_result(d, node->out + 3);
    }
    if (d->plan->uses[node->out] > 0)
        t.buffer[B_DX] =
            assay__dnn_result_over(d, node->out, x.md, node->in[0], x.buffer);
    assay__dnn_append(d, &t);
    assay__dnn_close_incoming(d, &in);
}
