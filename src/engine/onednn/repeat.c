/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Summing the weights of repeated numbers (repeat.h), in whatever layout the
 * store keeps them: the place of weight (o, i) is that of its row o plus that
 * of its column i. Sums are taken in double. Runs when parameters change.
 */

#include "engine/onednn/repeat.h"

enum { W, OUT, ROWS = 16 };

struct sums {
    int64_t rows, channels, repeats;
    int64_t *row;    /* [rows] */
    int64_t *column; /* [channels * repeats] */
};

static void sum_rows(const struct assay__task *t, const struct sums *k,
                     int64_t first, int64_t n)
{
    const float *w = t->p[W];
    float *out = t->p[OUT];

    for (int64_t c = 0; c < k->channels; c++) {
        const int64_t *column = k->column + c * k->repeats;
        double sum[ROWS] = {0};

        for (int64_t r = 0; r < k->repeats; r++) {
            for (int64_t o = 0; o < n; o++)
                sum[o] += (double)w[k->row[first + o] + column[r]];
        }
        for (int64_t o = 0; o < n; o++)
            out[(first + o) * k->channels + c] = (float)sum[o];
    }
}

static void run_sums(const struct assay__task *t)
{
    const struct sums *k = t->table;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t first = 0; first < k->rows; first += ROWS) {
        int64_t left = k->rows - first;

        sum_rows(t, k, first, left < ROWS ? left : ROWS);
    }
}

/* Where index i of an axis lies. */
static int64_t place(const struct assay__md_facts *f, int axis, int64_t i)
{
    int64_t inner_size = 1;
    int64_t stride = 1;
    int64_t at = 0;

    for (int b = f->n_inner - 1; b >= 0; b--) {
        if (f->inner_axis[b] == axis) {
            at += i / inner_size % f->inner_block[b] * stride;
            inner_size *= f->inner_block[b];
        }
        stride *= f->inner_block[b];
    }
    return at + i / inner_size * f->stride[axis];
}

static struct sums *make_sums(struct assay__dnn *d,
                              const struct assay__md_facts *f, int64_t repeats)
{
    struct sums *k = assay__dnn_keep(d, sizeof(*k));

    if (k == NULL)
        return NULL;
    k->rows = f->dim[0];
    k->channels = f->dim[1] / repeats;
    k->repeats = repeats;
    k->row = assay__dnn_keep(d, (size_t)f->dim[0] * sizeof(*k->row));
    k->column = assay__dnn_keep(d, (size_t)f->dim[1] * sizeof(*k->column));
    if (k->row == NULL || k->column == NULL)
        return NULL;
    for (int64_t i = 0; i < f->dim[0]; i++)
        k->row[i] = place(f, 0, i);
    for (int64_t i = 0; i < f->dim[1]; i++)
        k->column[i] = place(f, 1, i);
    return k;
}

/* Whether the op leaves all numbers as and where they are. */
static bool passes(const struct assay__dnn *d, const struct assay_op *op)
{
    return op == &assay__op_reshape ||
           (op == &assay__op_dropout &&
            d->plan->options.mode == ASSAY_MODE_EVAL);
}

/* The value whose single places `v` repeats, or ASSAY_NO_VALUE. */
static assay_value repeated(const struct assay__dnn *d, assay_value v)
{
    const assay_graph *g = d->plan->graph;
    int maker = g->value[v].node;

    while (maker >= 0 && passes(d, g->node[maker].op))
        maker = g->value[g->node[maker].in[0]].node;
    if (maker < 0 || g->node[maker].op != &assay__op_adaptive_avgpool)
        return ASSAY_NO_VALUE;
    v = g->node[maker].in[0];
    if (g->value[v].shape.dim[2] != 1 || g->value[v].shape.dim[3] != 1)
        return ASSAY_NO_VALUE;
    return v;
}

void assay__fold_repeats(struct assay__dnn *d, int index,
                         struct assay__ports *v, struct assay__folded *out)
{
    assay_value x = repeated(d, v->x);
    struct assay__task t = assay__dnn_task(d, index, "own:sum", run_sums);
    struct assay__form form;
    struct assay__md_facts f;
    dnnl_dims_t dims;
    int64_t repeats;

    if (!d->frozen || x == ASSAY_NO_VALUE || v->b == ASSAY_NO_VALUE)
        return;
    form = assay__dnn_form(d, v->w);
    repeats = assay__dnn_count(d, v->x) / assay__dnn_count(d, x);
    if (d->code != ASSAY_OK || repeats < 2)
        return;
    assay__md_query(form.md, &f);
    if (f.n_inner < 0 || f.rank != 2 || f.type != dnnl_f32)
        return;
    t.table = make_sums(d, &f, repeats);
    if (t.table == NULL)
        return;
    dims[0] = f.dim[0];
    dims[1] = f.dim[1] / repeats;
    t.threads = assay__dnn_threads(d, f.dim[0] * f.dim[1]);
    t.buffer[W] = form.buffer;
    out->md = assay__dnn_plain(d, 2, dims);
    t.buffer[OUT] = out->weights =
        assay__dnn_derived(d, (size_t)(dims[0] * dims[1]) * sizeof(float));
    assay__dnn_append(d, &t);
    out->bias = assay__plain(d, v->b);
    v->x = x;
    v->folded = out;
}
