/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clipping record by record: squared norms of linear layers, factors, and
 * what is multiplied with them. A factor of 0 writes 0 without reading.
 */

#include <math.h>
#include <string.h>

#include "core/cpu.h"
#include "engine/onednn/ports.h"
#include "engine/onednn/squares.h"

/* --- linear_bwd_squares ----------------------------------------------- */

enum { L_X, L_DY, L_OUT };
enum { WEIGHTS = 1, BIAS = 2 };

static void run_linear(const struct assay__task *t)
{
    int64_t features = t->n[1];
    int64_t outputs = t->n[2];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t n = 0; n < t->n[0]; n++) {
        double dy = assay__sum_squares((const float *)t->p[L_DY] + n * outputs,
                                       outputs);
        double sum = t->n[3] & BIAS ? dy : 0.0;

        if (t->n[3] & WEIGHTS)
            sum += dy * assay__sum_squares(
                            (const float *)t->p[L_X] + n * features, features);
        ((float *)t->p[L_OUT])[n] = (float)sum;
    }
}

void assay__lower_linear_bwd_squares(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_linear);

    t.n[0] = d->plan->options.batch;
    t.n[1] = assay__dnn_count(d, node->in[0]) / t.n[0];
    t.n[2] = assay__dnn_count(d, node->in[1]) / t.n[0];
    t.n[3] = node->attrs.index;
    t.threads = assay__dnn_threads(d, t.n[0] * (t.n[1] + t.n[2]));
    t.buffer[L_X] = assay__plain(d, node->in[0]);
    t.buffer[L_DY] = assay__plain(d, node->in[1]);
    t.buffer[L_OUT] = assay__plain_result(d, node->out);
    assay__dnn_append(d, &t);
}

/* --- clip_factors ----------------------------------------------------- */

enum { C_SQUARES, C_WEIGHT, C_FACTOR, C_NORM };

static void run_factors(const struct assay__task *t)
{
    const double *limit = t->table;
    const float *weight = t->p[C_WEIGHT];
    float *factors = t->p[C_FACTOR];
    float *norms = t->p[C_NORM];

    for (int64_t n = 0; n < t->n[0]; n++) {
        double norm = sqrt((double)((const float *)t->p[C_SQUARES])[n]);
        double factor = norm > *limit ? *limit / norm : 1.0;

        if (weight != NULL)
            factor *= (double)weight[n];
        if (!isfinite(norm) || (weight != NULL && weight[n] == 0.0F))
            factor = 0.0;
        if (factors != NULL)
            factors[n] = (float)factor;
        if (norms != NULL)
            norms[n] = (float)norm;
    }
}

void assay__lower_clip_factors(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_factors);
    double *limit = assay__dnn_keep(d, sizeof(*limit));

    if (limit == NULL)
        return;
    *limit = node->attrs.alpha;
    t.table = limit;
    t.n[0] = d->plan->options.batch;
    t.buffer[C_SQUARES] = assay__plain(d, node->in[0]);
    if (node->n_in > 1)
        t.buffer[C_WEIGHT] = assay__plain(d, node->in[1]);
    if (d->plan->uses[node->out] > 0)
        t.buffer[C_FACTOR] = assay__plain_result(d, node->out);
    if (d->plan->uses[node->out + 1] > 0)
        t.buffer[C_NORM] = assay__plain_result(d, node->out + 1);
    assay__dnn_append(d, &t);
}

/* --- scale_records ---------------------------------------------------- */

enum { S_X, S_FACTOR, S_OUT };

ASSAY__CLONES static void scale(float *out, const float *x, int64_t n, float s)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] * s;
}

static void run_scale(const struct assay__task *t)
{
    int64_t size = t->n[1];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t n = 0; n < t->n[0]; n++) {
        float s = ((const float *)t->p[S_FACTOR])[n];
        const float *x = (const float *)t->p[S_X] + n * size;
        float *out = (float *)t->p[S_OUT] + n * size;

        if (s == 0.0F)
            memset(out, 0, (size_t)size * sizeof(*out));
        else if (s != 1.0F || out != x)
            scale(out, x, size, s);
    }
}

/* Numbers of a record, when records lie behind each other; else 0. */
static int64_t record_size(const_dnnl_memory_desc_t md, int64_t n)
{
    struct assay__md_facts f;
    int64_t size = (int64_t)(dnnl_memory_desc_get_size(md) / sizeof(float)) / n;

    assay__md_query(md, &f);
    return f.type == dnnl_f32 && f.n_inner >= 0 && f.dim[0] == n &&
                   (n == 1 || f.stride[0] == size)
               ? size
               : 0;
}

/* In the layout that was made last: the one that a step before this, also
 * one that reads weights' gradients, has asked for. */
void assay__lower_scale_records(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_scale);
    struct assay__form form = assay__dnn_form(d, node->in[0]);

    if (d->code != ASSAY_OK)
        return;
    t.n[0] = d->plan->options.batch;
    for (int i = d->value[node->in[0]].n - 1; i >= 0 && t.n[1] == 0; i--) {
        form = d->value[node->in[0]].item[i];
        t.n[1] = record_size(form.md, t.n[0]);
    }
    if (t.n[1] == 0) {
        form.md = assay__dnn_plain_of(d, node->in[0]);
        form.buffer = assay__dnn_want(d, node->in[0], form.md);
        t.n[1] = assay__dnn_count(d, node->in[0]) / t.n[0];
    }
    t.threads = assay__dnn_threads(d, t.n[0] * t.n[1]);
    t.buffer[S_X] = form.buffer;
    t.buffer[S_FACTOR] = assay__plain(d, node->in[1]);
    t.buffer[S_OUT] =
        assay__dnn_result_over(d, node->out, form.md, node->in[0], form.buffer);
    assay__dnn_append(d, &t);
}

/* --- weighted_rows ---------------------------------------------------- */

enum { R_X, R_WEIGHT, R_OUT, R_CHUNK = 256 };

ASSAY__CLONES static void add_row(float *restrict sum, const float *restrict x,
                                  int64_t n, float w)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] += w * x[i];
}

void assay__add_scaled(float *to, const float *x, int64_t n, float w)
{
    add_row(to, x, n, w);
}

static void run_rows(const struct assay__task *t)
{
    int64_t width = t->n[1];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t at = 0; at < width; at += R_CHUNK) {
        int64_t n = width - at < R_CHUNK ? width - at : (int64_t)R_CHUNK;
        float *out = (float *)t->p[R_OUT] + at;

        memset(out, 0, (size_t)n * sizeof(*out));
        for (int64_t r = 0; r < t->n[0]; r++) {
            float w = ((const float *)t->p[R_WEIGHT])[r];

            if (w != 0.0F)
                add_row(out, (const float *)t->p[R_X] + r * width + at, n, w);
        }
    }
}

void assay__lower_weighted_rows(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_rows);

    t.n[0] = d->plan->options.batch;
    t.n[1] = assay__dnn_count(d, node->in[0]) / t.n[0];
    t.threads = assay__dnn_threads(d, t.n[0] * t.n[1] / 4);
    t.buffer[R_X] = assay__plain(d, node->in[0]);
    t.buffer[R_WEIGHT] = assay__plain(d, node->in[1]);
    t.buffer[R_OUT] = assay__plain_result(d, node->out);
    assay__dnn_append(d, &t);
}
