/* SPDX-License-Identifier: Apache-2.0 */
/*
 * General ops in plain order: broadcast arithmetic, transposes and parts,
 * matrix products, softmax along an axis, sums over neighbouring axes. Rows
 * are shared out to the threads in a fixed way, and each number is made by
 * one thread, so that runs repeat.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "core/cpu.h"
#include "engine/onednn/lower.h"
#include "engine/ops/common.h"
#include "engine/ops/general.h"

enum { FIRST, SECOND, THIRD, OUT };

/* What a task's table holds: a walk over the output, and a kind. */
struct walked {
    struct assay__walk walk;
    int kind;
    int side;
};

static struct assay_shape shape_of(const struct assay__dnn *d, assay_value v)
{
    struct assay_shape s = d->plan->graph->value[v].shape;

    if (s.rank > 0 && s.dim[0] == ASSAY_BATCH)
        s.dim[0] = d->plan->options.batch;
    return s;
}

static int plain(struct assay__dnn *d, assay_value v)
{
    return assay__dnn_want(d, v, assay__dnn_plain_of(d, v));
}

static int plain_result(struct assay__dnn *d, assay_value v)
{
    return assay__dnn_result(d, v, assay__dnn_plain_of(d, v));
}

/* The walk at row r. */
static struct assay__walk at_row(const struct assay__walk *from, int64_t r)
{
    struct assay__walk w = *from;

    for (int i = w.shape.rank - 2; i >= 0; i--) {
        w.index[i] = r % w.shape.dim[i];
        r /= w.shape.dim[i];
        for (int k = 0; k < 3; k++)
            w.at[k] += w.index[i] * w.step[k][i];
    }
    return w;
}

static void rows_of(const struct assay__task *t, int part, int64_t rows,
                    int64_t *first, int64_t *last)
{
    *first = rows * part / t->threads;
    *last = rows * (part + 1) / t->threads;
}

/* --- binary -------------------------------------------------------------- */

#define ROW(name, expression)                                         \
    ASSAY__CLONES static void row_##name(float *y, const float *pa,   \
                                         const float *pb, int64_t sa, \
                                         int64_t sb, int64_t n)       \
    {                                                                 \
        if (sa == 1 && sb == 1) {                                     \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++)       \
            {                                                         \
                float a = pa[i];                                      \
                float b = pb[i];                                      \
                                                                      \
                y[i] = (expression);                                  \
            }                                                         \
            return;                                                   \
        }                                                             \
        for (int64_t i = 0; i < n; i++) {                             \
            float a = pa[i * sa];                                     \
            float b = pb[i * sb];                                     \
                                                                      \
            y[i] = (expression);                                      \
        }                                                             \
    }
ROW(add, a + b)
ROW(sub, a - b)
ROW(mul, a *b)
ROW(div, a / b)

static void run_binary(const struct assay__task *t)
{
    static void (*const rows[])(float *, const float *, const float *, int64_t,
                                int64_t,
                                int64_t) = {row_add, row_sub, row_mul, row_div};
    const struct walked *table = t->table;
    assay__binary_function *f = assay__binary_value(table->kind);

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++) {
        struct assay__walk w;
        int64_t first;
        int64_t last;

        rows_of(t, part, table->walk.rows, &first, &last);
        w = at_row(&table->walk, first);
        for (int64_t r = first; r < last; r++) {
            const float *a = (const float *)t->p[FIRST] + w.at[0];
            const float *b = (const float *)t->p[SECOND] + w.at[1];
            float *y = (float *)t->p[OUT] + r * w.length;
            int64_t sa = assay__walk_step(&w, 0);
            int64_t sb = assay__walk_step(&w, 1);

            if (table->kind <= ASSAY_BINARY_DIV)
                rows[table->kind](y, a, b, sa, sb, w.length);
            else
                for (int64_t i = 0; i < w.length; i++)
                    y[i] = (float)f((double)a[i * sa], (double)b[i * sb]);
            assay__walk_next_row(&w);
        }
    }
}

static void run_binary_bwd(const struct assay__task *t)
{
    const struct walked *table = t->table;
    assay__binary_function *f = assay__binary_slope(table->kind, table->side);

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++) {
        struct assay__walk w;
        int64_t first;
        int64_t last;

        rows_of(t, part, table->walk.rows, &first, &last);
        w = at_row(&table->walk, first);
        for (int64_t r = first; r < last; r++) {
            const float *a = (const float *)t->p[FIRST] + w.at[0];
            const float *b = (const float *)t->p[SECOND] + w.at[1];
            const float *dy = (const float *)t->p[THIRD] + r * w.length;
            float *y = (float *)t->p[OUT] + r * w.length;
            int64_t sa = assay__walk_step(&w, 0);
            int64_t sb = assay__walk_step(&w, 1);

            for (int64_t i = 0; i < w.length; i++)
                y[i] = (float)((double)dy[i] *
                               f((double)a[i * sa], (double)b[i * sb]));
            assay__walk_next_row(&w);
        }
    }
}

/* a and b broadcast to y; dy, which has y's shape, may be absent. */
static void lower_walk(struct assay__dnn *d, int index,
                       void (*run)(const struct assay__task *t), assay_value a,
                       assay_value b, assay_value dy)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run);
    struct walked *table = assay__dnn_keep(d, sizeof(*table));
    struct assay_shape sa = shape_of(d, a);
    struct assay_shape sb = shape_of(d, b);

    if (table == NULL)
        return;
    table->kind = node->attrs.index;
    table->side = node->attrs.axis;
    table->walk.shape = shape_of(d, node->out);
    assay__broadcast_steps(&sa, &table->walk.shape, table->walk.step[0]);
    assay__broadcast_steps(&sb, &table->walk.shape, table->walk.step[1]);
    assay__walk_begin(&table->walk);
    t.table = table;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, node->out));
    t.buffer[FIRST] = plain(d, a);
    t.buffer[SECOND] = plain(d, b);
    if (dy != ASSAY_NO_VALUE)
        t.buffer[THIRD] = plain(d, dy);
    t.buffer[OUT] = plain_result(d, node->out);
    assay__dnn_append(d, &t);
}

void assay__lower_binary(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    lower_walk(d, index, run_binary, node->in[0], node->in[1], ASSAY_NO_VALUE);
}

void assay__lower_binary_bwd(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    lower_walk(d, index, run_binary_bwd, node->in[1], node->in[2], node->in[0]);
}

/* --- pick ---------------------------------------------------------------- */

static void run_pick(const struct assay__task *t)
{
    const struct walked *table = t->table;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++) {
        struct assay__walk w;
        int64_t first;
        int64_t last;

        rows_of(t, part, table->walk.rows, &first, &last);
        w = at_row(&table->walk, first);
        for (int64_t r = first; r < last; r++) {
            const float *x = (const float *)t->p[FIRST] + w.at[0];
            float *y = (float *)t->p[OUT] + r * w.length;
            int64_t step = assay__walk_step(&w, 0);

            for (int64_t i = 0; i < w.length; i++)
                y[i] = x[i * step];
            assay__walk_next_row(&w);
        }
    }
}

void assay__lower_pick(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_pick);
    struct walked *table = assay__dnn_keep(d, sizeof(*table));
    struct assay_shape x = shape_of(d, node->in[0]);
    int64_t start = 0;

    if (table == NULL)
        return;
    table->walk.shape = shape_of(d, node->out);
    for (int k = 0; k < table->walk.shape.rank; k++) {
        int axis = node->attrs.axes[k];
        int64_t size = axis < 0 ? 0 : assay__volume(&x, axis + 1);

        table->walk.step[0][k] = size * node->attrs.step[k];
        start += size * node->attrs.begin[k];
    }
    assay__walk_begin(&table->walk);
    table->walk.at[0] = start;
    t.table = table;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, node->out));
    t.buffer[FIRST] = plain(d, node->in[0]);
    t.buffer[OUT] = plain_result(d, node->out);
    assay__dnn_append(d, &t);
}

/* --- matmul -------------------------------------------------------------- */

enum { M, N, K, FLAGS, STACK };

static void multiply(const struct assay__task *t, const float *a,
                     const float *b, float *y)
{
    bool ta = (t->n[FLAGS] & 1) != 0;
    bool tb = (t->n[FLAGS] & 2) != 0;

    (void)dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', t->n[M], t->n[N], t->n[K],
                     1.0F, a, ta ? t->n[M] : t->n[K], b, tb ? t->n[K] : t->n[N],
                     0.0F, y, t->n[N]);
}

/* Places of product r of the stack. */
static void multiply_at(const struct assay__task *t, int64_t r)
{
    const struct walked *table = t->table;
    struct assay__walk w = at_row(&table->walk, r / table->walk.length);
    int64_t i = r % table->walk.length;

    multiply(t,
             (const float *)t->p[FIRST] +
                 (w.at[0] + i * assay__walk_step(&w, 0)) * t->n[M] * t->n[K],
             (const float *)t->p[SECOND] +
                 (w.at[1] + i * assay__walk_step(&w, 1)) * t->n[K] * t->n[N],
             (float *)t->p[OUT] + r * t->n[M] * t->n[N]);
}

/* Many small products are shared out, few large ones take all threads. */
static void run_matmul(const struct assay__task *t)
{
    if (t->n[STACK] < 2 * t->threads || t->threads == 1) {
        for (int64_t r = 0; r < t->n[STACK]; r++)
            multiply_at(t, r);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t r = 0; r < t->n[STACK]; r++)
        multiply_at(t, r);
}

void assay__lower_matmul(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "gemm", run_matmul);
    struct walked *table = assay__dnn_keep(d, sizeof(*table));
    struct assay_shape a = shape_of(d, node->in[0]);
    struct assay_shape b = shape_of(d, node->in[1]);
    struct assay_shape y = shape_of(d, node->out);

    if (table == NULL)
        return;
    t.n[FLAGS] = node->attrs.index;
    t.n[M] = y.dim[y.rank - 2];
    t.n[N] = y.dim[y.rank - 1];
    t.n[K] = a.dim[a.rank - ((t.n[FLAGS] & 1) != 0 ? 2 : 1)];
    a.rank -= 2;
    y.rank -= 2;
    if (b.rank == 2 && (t.n[FLAGS] & 1) == 0) {
        t.n[M] *= assay__volume(&y, 0);
        a.rank = y.rank = 0;
    }
    b.rank -= 2;
    table->walk.shape = y;
    assay__broadcast_steps(&a, &y, table->walk.step[0]);
    assay__broadcast_steps(&b, &y, table->walk.step[1]);
    assay__walk_begin(&table->walk);
    t.n[STACK] = assay__volume(&y, 0);
    t.table = table;
    t.threads = assay__dnn_threads(d, t.n[STACK] * t.n[M] * t.n[N]);
    t.buffer[FIRST] = plain(d, node->in[0]);
    t.buffer[SECOND] = plain(d, node->in[1]);
    t.buffer[OUT] = plain_result(d, node->out);
    assay__dnn_append(d, &t);
}

/* --- along an axis ---------------------------------------------------------
 */

enum { OUTER, LENGTH, INNER, LOG };

static void softmax_line(const float *x, float *y, int64_t n, int64_t step,
                         bool log_of_it)
{
    float top = -INFINITY;
    double sum = 0.0;
    float scale;

    for (int64_t i = 0; i < n; i++)
        top = x[i * step] > top ? x[i * step] : top;
    for (int64_t i = 0; i < n; i++) {
        float e = expf(x[i * step] - top);

        sum += (double)e;
        y[i * step] = log_of_it ? x[i * step] - top : e;
    }
    scale = (float)(log_of_it ? log(sum) : 1.0 / sum);
    for (int64_t i = 0; i < n; i++) {
        if (log_of_it)
            y[i * step] -= scale;
        else
            y[i * step] *= scale;
    }
}

static void run_softmax(const struct assay__task *t)
{
    int64_t n = t->n[LENGTH];
    int64_t inner = t->n[INNER];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t o = 0; o < t->n[OUTER] * inner; o++) {
        int64_t at = o / inner * n * inner + o % inner;

        softmax_line((const float *)t->p[FIRST] + at, (float *)t->p[OUT] + at,
                     n, inner, t->n[LOG] != 0);
    }
}

static void run_softmax_bwd(const struct assay__task *t)
{
    int64_t n = t->n[LENGTH];
    int64_t inner = t->n[INNER];
    bool log_of_it = t->n[LOG] != 0;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t o = 0; o < t->n[OUTER] * inner; o++) {
        int64_t at = o / inner * n * inner + o % inner;
        const float *dy = (const float *)t->p[FIRST] + at;
        const float *y = (const float *)t->p[SECOND] + at;
        float *dx = (float *)t->p[OUT] + at;
        double sum = 0.0;

        for (int64_t i = 0; i < n * inner; i += inner)
            sum += log_of_it ? (double)dy[i] : (double)dy[i] * (double)y[i];
        for (int64_t i = 0; i < n * inner; i += inner)
            dx[i] = log_of_it ? dy[i] - expf(y[i]) * (float)sum
                              : y[i] * (dy[i] - (float)sum);
    }
}

/* Sums of double, over axes that are neighbours. */
static void run_sum(const struct assay__task *t)
{
    int64_t n = t->n[LENGTH];
    int64_t inner = t->n[INNER];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t o = 0; o < t->n[OUTER] * inner; o++) {
        const float *x =
            (const float *)t->p[FIRST] + o / inner * n * inner + o % inner;
        double sum = 0.0;

        for (int64_t i = 0; i < n; i++)
            sum += (double)x[i * inner];
        ((float *)t->p[OUT])[o] =
            (float)(t->n[LOG] != 0 ? sum / (double)n : sum);
    }
}

/* [outer, length, inner] around axes first .. last. */
static void split_axes(struct assay__task *t, const struct assay_shape *s,
                       int first, int last)
{
    t->n[INNER] = assay__volume(s, last + 1);
    t->n[LENGTH] = assay__volume(s, first) / t->n[INNER];
    t->n[OUTER] = assay__volume(s, 0) / t->n[LENGTH] / t->n[INNER];
}

static void lower_along(struct assay__dnn *d, int index,
                        void (*run)(const struct assay__task *t), int first,
                        int last, bool flag)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run);
    struct assay_shape s = shape_of(d, node->in[0]);

    split_axes(&t, &s, first, last);
    t.n[LOG] = flag;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, node->in[0]));
    t.buffer[FIRST] = plain(d, node->in[0]);
    if (node->n_in > 1)
        t.buffer[SECOND] = plain(d, node->in[1]);
    t.buffer[OUT] = plain_result(d, node->out);
    assay__dnn_append(d, &t);
}

void assay__lower_softmax_axis(struct assay__dnn *d, int index)
{
    const struct assay_attrs *a = &d->plan->graph->node[index].attrs;

    lower_along(d, index, run_softmax, a->axis, a->axis, a->index != 0);
}

void assay__lower_softmax_axis_bwd(struct assay__dnn *d, int index)
{
    const struct assay_attrs *a = &d->plan->graph->node[index].attrs;

    lower_along(d, index, run_softmax_bwd, a->axis, a->axis, a->index != 0);
}

/* Other reductions, and over axes with others between, are left to the
 * reference kernel. */
void assay__lower_reduce(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    const struct assay_attrs *a = &node->attrs;
    int rank = d->plan->graph->value[node->in[0]].shape.rank;
    int first = -1;
    int last = -1;
    bool together = true;

    for (int i = 0; i < rank; i++) {
        if (a->axes[i] == 0)
            continue;
        together = together && (last < 0 || last == i - 1);
        first = first < 0 ? i : first;
        last = i;
    }
    if (first >= 0 && together &&
        (a->index == ASSAY_REDUCE_SUM || a->index == ASSAY_REDUCE_MEAN))
        lower_along(d, index, run_sum, first, last,
                    a->index == ASSAY_REDUCE_MEAN);
    else
        assay__dnn_fallback(d, index);
}
