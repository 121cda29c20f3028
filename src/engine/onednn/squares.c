/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Squared norms of a convolution's gradients, record by record (squares.h):
 * the choice among the ways, and the library's.
 *
 * The library's gradient of weights for a batch of one, made for one thread,
 * runs for record after record, records spread over threads; each thread
 * keeps the gradient only until its squares are summed. Records of a batch
 * lie behind each other in every layout that is used here, so a record is a
 * batch of one at an offset.
 */

#include "engine/onednn/squares.h"

#include <string.h>

#include "core/cpu.h"
#include "core/mem.h"
#include "core/thread.h"
#include "engine/onednn/ports.h"

#define X ASSAY__SQUARES_X
#define DY ASSAY__SQUARES_DY
#define OUT ASSAY__SQUARES_OUT
#define SUMS ASSAY__SQUARES_SUMS
#define ROOM ASSAY__SQUARES_ROOM
#define ROWS ASSAY__SQUARES_ROWS

enum { WEIGHTS = 1, SMALL_BIAS = 2, BIG_BIAS = 4 };
enum { A_X, A_DY, A_DW, A_DB, A_SCRATCH, N_ARGS };
enum { LIBRARY, GRAM, DEPTHWISE, N_WAYS };

static const char *const way_name[] = {"record", "gram", "own"};

/* One thread's use of the primitive. */
struct user {
    dnnl_stream_t stream;
    dnnl_exec_arg_t arg[N_ARGS];
};

struct single {
    dnnl_engine_t engine; /* borrowed */
    dnnl_primitive_t primitive;
    struct user *user;
    int n_users;
    int n_args;
    int64_t n, outputs;
    int64_t x_step, dy_step; /* numbers per record */
    size_t dw_bytes, db_bytes, scratch_bytes;
    bool scratch;
    bool counts_bias;
};

ASSAY__CLONES static float squares_of(const float *x, int64_t n)
{
    float sum[32] = {0};
    float all = 0.0F;
    int64_t i = 0;

    for (; i + 32 <= n; i += 32) {
        for (int l = 0; l < 32; l++)
            sum[l] += x[i + l] * x[i + l];
    }
    for (; i < n; i++)
        sum[i % 32] += x[i] * x[i];
    for (int l = 0; l < 32; l++)
        all += sum[l];
    return all;
}

double assay__sum_squares(const float *x, int64_t n)
{
    enum { PIECE = 4096 };
    double sum = 0.0;

    for (int64_t at = 0; at < n; at += PIECE)
        sum += (double)squares_of(x + at,
                                  n - at < PIECE ? n - at : (int64_t)PIECE);
    return sum;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t room_of_one(const struct single *k)
{
    return aligned(k->dw_bytes) + aligned(k->db_bytes) +
           aligned(k->scratch_bytes);
}

static void one_record(const struct assay__task *t, const struct single *k,
                       const struct user *u, const float *dw, const float *db,
                       int64_t n)
{
    double sum;

    if (t->p[ROWS] != NULL) {
        float *row =
            (float *)t->p[ROWS] + n * (int64_t)(k->dw_bytes / sizeof(float));

        (void)dnnl_memory_set_data_handle(u->arg[A_DW].memory, row);
        dw = row;
    }

    (void)dnnl_memory_set_data_handle(u->arg[A_X].memory,
                                      (float *)t->p[X] + n * k->x_step);
    (void)dnnl_memory_set_data_handle(u->arg[A_DY].memory,
                                      (float *)t->p[DY] + n * k->dy_step);
    if (dnnl_primitive_execute(k->primitive, u->stream, k->n_args, u->arg) !=
        dnnl_success) {
        /* Not a number: the record is then left out (clip_factors). */
        ((float *)t->p[OUT])[n] = __builtin_nanf("");
        return;
    }
    sum = assay__sum_squares(dw, (int64_t)(k->dw_bytes / sizeof(float)));
    if (k->counts_bias)
        sum += assay__sum_squares(db, k->outputs);
    if (t->p[SUMS] != NULL)
        memcpy((float *)t->p[SUMS] + n * k->outputs, db,
               (size_t)k->outputs * sizeof(float));
    ((float *)t->p[OUT])[n] = (float)sum;
}

static void run_single(const struct assay__task *t)
{
    const struct single *k = t->table;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++) {
        const struct user *u = &k->user[part];
        char *room = (char *)t->p[ROOM] + (size_t)part * room_of_one(k);
        char *db = room + aligned(k->dw_bytes);

        (void)dnnl_memory_set_data_handle(u->arg[A_DW].memory, room);
        if (k->db_bytes > 0)
            (void)dnnl_memory_set_data_handle(u->arg[A_DB].memory, db);
        if (k->scratch)
            (void)dnnl_memory_set_data_handle(u->arg[k->n_args - 1].memory,
                                              db + aligned(k->db_bytes));
        for (int64_t n = k->n * part / t->threads;
             n < k->n * (part + 1) / t->threads; n++)
            one_record(t, k, u, (const float *)(const void *)room,
                       (const float *)(const void *)db, n);
    }
}

static void release_single(void *what)
{
    struct single *k = what;

    for (int i = 0; i < k->n_users; i++) {
        for (int a = 0; a < N_ARGS; a++) {
            if (k->user[i].arg[a].memory != NULL)
                dnnl_memory_destroy(k->user[i].arg[a].memory);
        }
        if (k->user[i].stream != NULL)
            dnnl_stream_destroy(k->user[i].stream);
    }
    if (k->primitive != NULL)
        dnnl_primitive_destroy(k->primitive);
    assay__free(k->user);
    assay__free(k);
}

/* The layout of a batch of n whose records lie as the one in `md`; NULL when
 * that is none of the common ones. */
static const_dnnl_memory_desc_t batch_of(struct assay__dnn *d,
                                         const_dnnl_memory_desc_t md, int64_t n)
{
    static const dnnl_format_tag_t tags[] = {dnnl_nchw, dnnl_nChw16c,
                                             dnnl_nChw8c, dnnl_nhwc};
    struct assay__md_facts f;

    if (md == NULL)
        return NULL;
    assay__md_query(md, &f);
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (assay__dnn_md(d, 4, f.dim, tags[i]) != md)
            continue;
        f.dim[0] = n;
        return assay__dnn_md(d, 4, f.dim, tags[i]);
    }
    return NULL;
}

static bool open_user(struct single *k, const_dnnl_primitive_desc_t pd,
                      struct user *u)
{
    static const struct {
        int arg;
        dnnl_query_t query;
        int index;
    } ask[N_ARGS] = {{DNNL_ARG_SRC, dnnl_query_src_md, 0},
                     {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0},
                     {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0},
                     {DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md, 1},
                     {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0}};
    int n = 0;

    if (dnnl_stream_create(&u->stream, k->engine, dnnl_stream_default_flags) !=
        dnnl_success)
        return false;
    for (int a = 0; a < N_ARGS; a++) {
        if ((a == A_DB && k->db_bytes == 0) || (a == A_SCRATCH && !k->scratch))
            continue;
        u->arg[n].arg = ask[a].arg;
        if (dnnl_memory_create(
                &u->arg[n].memory,
                dnnl_primitive_desc_query_md(pd, ask[a].query, ask[a].index),
                k->engine, DNNL_MEMORY_NONE) != dnnl_success)
            return false;
        n++;
    }
    k->n_args = n;
    return true;
}

static size_t bytes_of(const_dnnl_primitive_desc_t pd, dnnl_query_t query,
                       int index)
{
    const_dnnl_memory_desc_t md =
        dnnl_primitive_desc_query_md(pd, query, index);

    return md != NULL ? dnnl_memory_desc_get_size(md) : 0;
}

static struct single *make_single(struct assay__dnn *d,
                                  const struct assay__conv_problem *p,
                                  const_dnnl_primitive_desc_t pd, int threads)
{
    struct single *k = assay__calloc(1, sizeof(*k));
    bool ok;

    if (k != NULL)
        k->user = assay__calloc((size_t)threads, sizeof(*k->user));
    if (k == NULL || k->user == NULL) {
        assay__free(k);
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for a step of a plan");
        return NULL;
    }
    k->engine = d->engine;
    k->n = p->x[0];
    k->outputs = p->y[1];
    k->dw_bytes = bytes_of(pd, dnnl_query_diff_weights_md, 0);
    k->db_bytes = p->has_bias ? bytes_of(pd, dnnl_query_diff_weights_md, 1) : 0;
    k->scratch_bytes = bytes_of(pd, dnnl_query_scratchpad_md, 0);
    k->scratch = k->scratch_bytes > 0;
    ok = dnnl_primitive_create(&k->primitive, pd) == dnnl_success;
    for (int i = 0; i < threads && ok; i++) {
        k->n_users++;
        ok = open_user(k, pd, &k->user[i]);
    }
    if (ok)
        return k;
    release_single(k);
    assay__dnn_fail(d, ASSAY_NOMEM, "oneDNN: cannot make a primitive");
    return NULL;
}

/* The library's way; `made` is what to release when it is not taken. */
static void open_library(struct assay__dnn *d, int index,
                         const struct assay__conv_problem *p,
                         struct assay__squares_way *way, struct single **made)
{
    struct assay__conv_problem one = *p;
    dnnl_primitive_desc_t pd;
    struct single *k = NULL;
    int threads = d->plan->options.threads;
    bool half = d->half;

    one.x[0] = one.y[0] = 1;
    one.store = NULL;
    if (threads > p->x[0])
        threads = (int)p->x[0];
    d->half = false;
    assay__thread_set_omp(1);
    pd = assay__conv_weights_pd(d, &one);
    if (assay__conv_is_fast(pd)) {
        way->x =
            batch_of(d, assay__dnn_pd_md(d, pd, dnnl_query_src_md, 0), p->x[0]);
        way->dy = batch_of(
            d, assay__dnn_pd_md(d, pd, dnnl_query_diff_dst_md, 0), p->x[0]);
        way->dw = assay__dnn_pd_md(d, pd, dnnl_query_diff_weights_md, 0);
        if (way->x != NULL && way->dy != NULL)
            k = make_single(d, p, pd, threads);
    }
    assay__thread_set_omp(d->plan->options.threads);
    d->half = half;
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    if (k == NULL)
        return;
    k->x_step =
        (int64_t)(dnnl_memory_desc_get_size(way->x) / sizeof(float)) / p->x[0];
    k->dy_step =
        (int64_t)(dnnl_memory_desc_get_size(way->dy) / sizeof(float)) / p->x[0];
    k->counts_bias = way->counts_sums;
    way->task = assay__dnn_task(d, index, way_name[LIBRARY], run_single);
    way->task.table = k;
    way->task.threads = threads;
    way->room = room_of_one(k) * (size_t)threads;
    *made = k;
}

static void set_bytes(const struct assay__conv_problem *p,
                      const struct assay__squares_way *from,
                      struct assay__way *to)
{
    to->task = &from->task;
    to->bytes[X] = dnnl_memory_desc_get_size(from->x);
    to->bytes[DY] = dnnl_memory_desc_get_size(from->dy);
    to->bytes[OUT] = (size_t)p->x[0] * sizeof(float);
    if (p->has_bias)
        to->bytes[SUMS] = (size_t)(p->x[0] * p->y[1]) * sizeof(float);
    to->bytes[ROOM] = from->room;
}

/* Without timing: our kernels where they are made for it. */
static int by_rule(const struct assay__conv_problem *p,
                   const struct assay__squares_way *way)
{
    if (way[DEPTHWISE].task.run != NULL)
        return DEPTHWISE;
    if (way[GRAM].task.run != NULL &&
        (assay__gram_small(p) || way[LIBRARY].task.run == NULL))
        return GRAM;
    return LIBRARY;
}

static int choose(struct assay__dnn *d, const struct assay__conv_problem *p,
                  const struct assay__squares_way *from)
{
    const struct assay_plan_options *o = &d->plan->options;
    struct assay__way way[N_WAYS];
    char key[ASSAY__KEY_MAX];
    char like[ASSAY__KEY_MAX];

    if (o->algorithms == ASSAY_ALGORITHMS_DIRECT)
        return by_rule(p, from);
    memset(way, 0, sizeof way);
    for (int i = 0; i < N_WAYS; i++) {
        way[i].name = way_name[i];
        if (from[i].task.run != NULL)
            set_bytes(p, &from[i], &way[i]);
    }
    assay__conv_key(p, "squares", p->x[0], false, key, sizeof key);
    if (o->share != NULL)
        assay__conv_key(p, "squares", o->share->options.batch, false, like,
                        sizeof like);
    for (int i = 0, n = 0; i < N_WAYS; i++) {
        n += from[i].task.run != NULL;
        if (i == N_WAYS - 1 && n == 1)
            return by_rule(p, from);
    }
    return assay__dnn_choose(d, key, o->share != NULL ? like : NULL, way,
                             N_WAYS);
}

/* Rows to keep, in the way's layout, which becomes the value's secret. */
static int place_rows(struct assay__dnn *d, assay_value rows,
                      const struct assay__squares_way *way)
{
    size_t bytes = dnnl_memory_desc_get_size(way->dw);
    const_dnnl_memory_desc_t *secret = assay__dnn_keep(d, sizeof(*secret));
    int id = assay__dnn_buffer(d, bytes * (size_t)d->plan->options.batch);

    if (secret == NULL || id < 0)
        return -1;
    *secret = way->dw;
    d->value[rows].secret = secret;
    assay__dnn_add_form(d, rows, way->dw, id);
    return id;
}

/* Append the chosen way's task. */
static void append(struct assay__dnn *d, int index, assay_value x,
                   assay_value dy, struct assay__squares_way *way)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task *t = &way->task;
    bool keeps = node->op == &assay__op_conv_bwd_records &&
                 d->plan->uses[node->out + 2] > 0;

    t->buffer[X] = assay__dnn_want(d, x, way->x);
    t->buffer[DY] = assay__dnn_want(d, dy, way->dy);
    t->buffer[OUT] = assay__plain_result(d, node->out);
    if (d->plan->uses[node->out + 1] > 0)
        t->buffer[SUMS] = assay__plain_result(d, node->out + 1);
    if (keeps)
        t->buffer[ROWS] = place_rows(d, node->out + 2, way);
    if (way->room > 0)
        t->buffer[ROOM] = assay__dnn_buffer(d, way->room);
    assay__dnn_append(d, t);
}

void assay__lower_conv_bwd_squares(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__squares_way way[N_WAYS];
    struct assay__conv_problem p;
    struct single *made = NULL;
    int counted = node->attrs.index;
    int chosen;

    /* Few ask for anything else. */
    if (!(counted & WEIGHTS) || (counted & BIG_BIAS)) {
        assay__dnn_fallback(d, index);
        return;
    }
    memset(way, 0, sizeof way);
    for (int i = 0; i < N_WAYS; i++)
        way[i].counts_sums = (counted & SMALL_BIAS) != 0;
    assay__conv_squares_problem(
        d, index,
        (counted & SMALL_BIAS) != 0 || d->plan->uses[node->out + 1] > 0, &p);
    assay__depthwise_squares(d, index, &p, &way[DEPTHWISE]);
    if (node->op == &assay__op_conv_bwd_squares)
        assay__gram_squares(d, index, &p, node->in[0], node->in[1], &way[GRAM]);
    open_library(d, index, &p, &way[LIBRARY], &made);
    if (d->code != ASSAY_OK) {
        if (made != NULL)
            release_single(made);
        return;
    }
    if (way[LIBRARY].task.run == NULL && way[GRAM].task.run == NULL &&
        way[DEPTHWISE].task.run == NULL) {
        assay__dnn_fallback(d, index);
        return;
    }
    chosen = node->op == &assay__op_conv_bwd_squares ? choose(d, &p, way)
                                                     : by_rule(&p, way);
    if (made != NULL && chosen == LIBRARY)
        assay__dnn_on_close(d, release_single, made);
    else if (made != NULL)
        release_single(made);
    if (d->code == ASSAY_OK)
        append(d, index, node->in[0], node->in[1], &way[chosen]);
}

/* --- conv_bwd_gather -------------------------------------------------- */

enum { G_ROWS, G_WEIGHT, G_DW, G_CHUNK = 1024 };

static void run_gather(const struct assay__task *t)
{
    int64_t size = t->n[1];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t at = 0; at < size; at += G_CHUNK) {
        int64_t n = size - at < G_CHUNK ? size - at : (int64_t)G_CHUNK;
        float *out = (float *)t->p[G_DW] + at;

        memset(out, 0, (size_t)n * sizeof(*out));
        for (int64_t r = 0; r < t->n[0]; r++) {
            float w = ((const float *)t->p[G_WEIGHT])[r];

            if (w != 0.0F)
                assay__add_scaled(
                    out, (const float *)t->p[G_ROWS] + r * size + at, n, w);
        }
    }
}

void assay__lower_conv_bwd_gather(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_gather);
    const const_dnnl_memory_desc_t *md;

    (void)assay__dnn_form(d, node->in[0]);
    if (d->code != ASSAY_OK)
        return;
    md = d->value[node->in[0]].secret;
    if (md == NULL) {
        assay__dnn_fallback(d, index);
        return;
    }
    t.n[0] = d->plan->options.batch;
    t.n[1] = (int64_t)(dnnl_memory_desc_get_size(*md) / sizeof(float));
    t.threads = assay__dnn_threads(d, t.n[0] * t.n[1] / 4);
    t.buffer[G_ROWS] = d->value[node->in[0]].item[0].buffer;
    t.buffer[G_WEIGHT] = assay__plain(d, node->in[1]);
    t.buffer[G_DW] = assay__dnn_result(d, node->out, *md);
    assay__dnn_append(d, &t);
}
