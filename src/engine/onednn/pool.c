/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pooling by our own kernels over blocks of channels. All kinds share one
 * description: for each output row and column the input rows and columns
 * that its window covers, and what the window counts as.
 *
 * Where a maximum was is kept as the number of the cell in its window, a
 * byte each. A relu's gradient that follows that of the maximum is done in
 * passing when the pooling read that relu: the maximum is above 0 just when
 * its cell is. The graph knows nothing of that read of the maxima, so where
 * it may come they are pinned: nothing is laid over them.
 */

#include <math.h>
#include <string.h>

#include "core/cpu.h"
#include "core/mem.h"
#include "engine/onednn/lower.h"

/* Windows larger than this number of cells go to the reference kernel. */
enum { CELLS_MAX = 256 };

struct windows {
    int h, w, oh, ow;
    int64_t x_row, x_step, y_step; /* elements */
    int *row0, *row1;              /* per output row: [row0, row1) */
    int *col0, *col1;
    float *height, *width; /* what a window counts as */
    bool tiled;            /* each input cell lies in one window */
    struct assay__view x, y;
    int kind;
};

enum { MAX, AVERAGE };
enum { X, Y, AT, TOP };

#define LANES 16
#define NAMED(x) x##_16
#include "engine/onednn/pool_loops.h"
#undef LANES
#undef NAMED
#define LANES 8
#define NAMED(x) x##_8
#include "engine/onednn/pool_loops.h"
#undef LANES
#undef NAMED

static void run_forward(const struct assay__task *t)
{
    const struct windows *w = t->table;
    const struct assay__view *x = &w->x;
    const struct assay__view *y = &w->y;
    int64_t jobs = x->n * x->blocks;
    int64_t plane = (int64_t)w->oh * w->ow * x->lanes;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t j = 0; j < jobs; j++) {
        int64_t n = j / x->blocks;
        int64_t b = j % x->blocks;
        const float *from =
            (const float *)t->p[X] + n * x->stride_n + b * x->stride_b;
        float *to = (float *)t->p[Y] + n * y->stride_n + b * y->stride_b;
        uint8_t *at = w->kind == MAX ? (uint8_t *)t->p[AT] + j * plane : NULL;

        if (w->kind == MAX && x->lanes == 16)
            max_16(to, at, from, w);
        else if (w->kind == MAX)
            max_8(to, at, from, w);
        else if (x->lanes == 16)
            average_16(to, from, w);
        else
            average_8(to, from, w);
    }
}

static void run_backward(const struct assay__task *t)
{
    const struct windows *w = t->table;
    const struct assay__view *x = &w->x;
    const struct assay__view *y = &w->y;
    int64_t jobs = x->n * x->blocks;
    int64_t plane = (int64_t)w->oh * w->ow * x->lanes;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t j = 0; j < jobs; j++) {
        int64_t n = j / x->blocks;
        int64_t b = j % x->blocks;
        int64_t at_y = n * y->stride_n + b * y->stride_b;
        float *dx = (float *)t->p[X] + n * x->stride_n + b * x->stride_b;
        const float *dy = (const float *)t->p[Y] + at_y;
        const float *top =
            t->p[TOP] != NULL ? (const float *)t->p[TOP] + at_y : NULL;
        const uint8_t *at =
            w->kind == MAX ? (const uint8_t *)t->p[AT] + j * plane : NULL;

        if (!w->tiled && x->lanes == 16)
            clear_16(dx, w);
        else if (!w->tiled)
            clear_8(dx, w);
        if (w->kind == MAX && x->lanes == 16)
            max_bwd_16(dx, dy, at, top, w);
        else if (w->kind == MAX)
            max_bwd_8(dx, dy, at, top, w);
        else if (x->lanes == 16)
            average_bwd_16(dx, dy, w);
        else
            average_bwd_8(dx, dy, w);
    }
}

/* --- windows ---------------------------------------------------------- */

/* One direction of a sliding window. */
static void slide(const struct assay_attrs *a, int axis, int size, int out,
                  bool maximum, int *from, int *to, float *count)
{
    for (int i = 0; i < out; i++) {
        int start = i * a->stride[axis] - a->pad[axis];
        int end = start + a->kernel[axis];
        int edge = size + a->pad[axis + 2];

        from[i] = start > 0 ? start : 0;
        to[i] = end < size ? end : size;
        count[i] = (float)(to[i] - from[i]);
        if (!maximum && a->count_include_pad)
            count[i] = (float)((end < edge ? end : edge) - start);
    }
}

/* One direction of windows that divide the map as evenly as it goes. */
static void divide(int size, int out, int *from, int *to, float *count)
{
    for (int i = 0; i < out; i++) {
        from[i] = (int)((int64_t)i * size / out);
        to[i] = (int)(((int64_t)(i + 1) * size + out - 1) / out);
        count[i] = (float)(to[i] - from[i]);
    }
}

/* Whether the windows of one direction cover each cell just once. */
static bool tiles(const int *from, const int *to, int out, int size)
{
    int at = 0;

    for (int i = 0; i < out; i++) {
        if (from[i] != at || to[i] <= from[i])
            return false;
        at = to[i];
    }
    return at == size;
}

static struct windows *make_windows(struct assay__dnn *d, int index,
                                    const struct assay__view *x,
                                    const struct assay__view *y)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    const struct assay_op *op = node->op;
    const struct assay_attrs *a = &node->attrs;
    struct windows *w = assay__dnn_keep(d, sizeof(*w));
    int *cells = assay__dnn_keep(d, (size_t)(2 * (y->h + y->w)) *
                                        (sizeof(int) + sizeof(float)));
    bool slides = op == &assay__op_maxpool || op == &assay__op_maxpool_bwd ||
                  op == &assay__op_avgpool || op == &assay__op_avgpool_bwd;

    if (w == NULL || cells == NULL)
        return NULL;
    w->kind = op == &assay__op_maxpool || op == &assay__op_maxpool_bwd
                  ? MAX
                  : AVERAGE;
    w->x = *x;
    w->y = *y;
    w->h = (int)x->h;
    w->w = (int)x->w;
    w->oh = (int)y->h;
    w->ow = (int)y->w;
    w->x_step = x->stride_s;
    w->x_row = x->w * x->stride_s;
    w->y_step = y->stride_s;
    w->row0 = cells;
    w->row1 = w->row0 + w->oh;
    w->col0 = w->row1 + w->oh;
    w->col1 = w->col0 + w->ow;
    w->height = (float *)(void *)(w->col1 + w->ow);
    w->width = w->height + w->oh;
    if (slides) {
        slide(a, 0, w->h, w->oh, w->kind == MAX, w->row0, w->row1, w->height);
        slide(a, 1, w->w, w->ow, w->kind == MAX, w->col0, w->col1, w->width);
    } else {
        divide(w->h, w->oh, w->row0, w->row1, w->height);
        divide(w->w, w->ow, w->col0, w->col1, w->width);
    }
    w->tiled = tiles(w->row0, w->row1, w->oh, w->h) &&
               tiles(w->col0, w->col1, w->ow, w->w);
    return w;
}

/* --- lowering --------------------------------------------------------- */

/* What the forward direction leaves for the gradient. */
struct trail {
    int at; /* buffer of the cells' numbers */
    const_dnnl_memory_desc_t x_md, y_md;
    assay_value x, y;
};

/* The layout of `v` that goes with a view: same kind and lanes, other map. A
 * grouped convolution may give fewer lanes than the machine's own. */
static const_dnnl_memory_desc_t like(struct assay__dnn *d, assay_value v,
                                     const_dnnl_memory_desc_t md)
{
    struct assay__md_facts f;
    dnnl_dims_t dims;
    int rank = assay__dnn_dims(d, v, dims);

    assay__md_query(md, &f);
    if (f.n_inner == 0)
        return assay__dnn_md(d, rank, dims, dnnl_nhwc);
    return assay__dnn_md(d, rank, dims,
                         f.inner_block[0] == 8 ? dnnl_nChw8c : dnnl_nChw16c);
}

/* A view of `v` and its form, blocked channels. */
static struct assay__form open_x(struct assay__dnn *d, assay_value v,
                                 struct assay__view *view)
{
    struct assay__form form = assay__dnn_want_view(d, v, view);

    /* A form of a flattened image lacks the map. */
    if (d->code == ASSAY_OK) {
        dnnl_dims_t dims;

        (void)assay__dnn_dims(d, v, dims);
        if (view->h == dims[2] && view->w == dims[3])
            return form;
        form.md = assay__dnn_blocked_of(d, v);
        form.buffer = assay__dnn_want(d, v, form.md);
        if (d->code == ASSAY_OK && !assay__dnn_view(form.md, view))
            assay__dnn_fail(d, ASSAY_INTERNAL, "value %d has no map", v);
    }
    return form;
}

/* Whether the gradient of node `index` may read what it made. */
static bool output_is_read_later(const struct assay__dnn *d, int index)
{
    const assay_graph *g = d->plan->graph;
    const struct assay__node *node = &g->node[index];
    int maker = g->value[node->in[0]].node;

    return d->plan->uses[node->out + 1] > 0 && maker >= 0 &&
           g->node[maker].op == &assay__op_relu;
}

static void lower_forward(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_forward);
    struct trail *trail = assay__dnn_keep(d, sizeof(*trail));
    struct assay__view x_view;
    struct assay__view y_view;
    struct assay__form x = open_x(d, node->in[0], &x_view);
    const_dnnl_memory_desc_t md;
    struct windows *w;

    if (d->code != ASSAY_OK)
        return;
    md = like(d, node->out, x.md);
    if (d->code != ASSAY_OK || !assay__dnn_view(md, &y_view))
        return;
    w = make_windows(d, index, &x_view, &y_view);
    if (w == NULL)
        return;
    t.table = w;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, node->in[0]));
    t.buffer[X] = x.buffer;
    t.buffer[Y] = assay__dnn_result(d, node->out, md);
    if (w->kind == MAX) {
        trail->x = node->in[0];
        trail->y = node->out;
        trail->x_md = x.md;
        trail->y_md = md;
        trail->at = assay__dnn_buffer(
            d, (size_t)(x_view.n * x_view.blocks * x_view.lanes) *
                   (size_t)(y_view.h * y_view.w));
        t.buffer[AT] = trail->at;
        d->value[node->out + 1].secret = trail;
        if (d->code == ASSAY_OK && output_is_read_later(d, index))
            d->pinned[t.buffer[Y]] = true;
    }
    assay__dnn_append(d, &t);
}

/* A relu's gradient that alone reads `dx`, with the relu that the pooling
 * read, or -1. */
static int relu_bwd_after(const struct assay__dnn *d, assay_value dx,
                          assay_value x)
{
    int reader = d->reader[dx];
    const struct assay__node *node;

    if (reader < 0 || x == ASSAY_NO_VALUE)
        return -1;
    node = &d->plan->graph->node[reader];
    return node->op == &assay__op_relu_bwd && node->in[0] == dx &&
                   node->in[1] == x
               ? reader
               : -1;
}

static void lower_backward(struct assay__dnn *d, int index,
                           const struct trail *trail)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run_backward);
    assay_value dx = node->out;
    struct assay__view x_view;
    struct assay__view y_view;
    struct assay__form dy;
    const_dnnl_memory_desc_t md;
    int relu = -1;

    if (trail != NULL) {
        dy.md = trail->y_md;
        dy.buffer = assay__dnn_want(d, node->in[0], dy.md);
        md = trail->x_md;
        relu = relu_bwd_after(d, dx, trail->x);
        (void)assay__dnn_view(dy.md, &y_view);
    } else {
        dy = open_x(d, node->in[0], &y_view);
        md = d->code == ASSAY_OK ? like(d, dx, dy.md) : NULL;
    }
    if (d->code != ASSAY_OK || !assay__dnn_view(md, &x_view))
        return;
    t.table = make_windows(d, index, &x_view, &y_view);
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, dx));
    t.buffer[Y] = dy.buffer;
    if (trail != NULL)
        t.buffer[AT] = trail->at;
    if (relu >= 0) {
        t.name = "own+relu";
        dx = d->plan->graph->node[relu].out;
        t.buffer[TOP] = assay__dnn_want(d, trail->y, trail->y_md);
    }
    t.buffer[X] = assay__dnn_result(d, dx, md);
    assay__dnn_append(d, &t);
    if (relu >= 0)
        assay__dnn_done(d, relu);
}

void assay__lower_maxpool(struct assay__dnn *d, int index)
{
    const struct assay_attrs *a = &d->plan->graph->node[index].attrs;

    if (a->kernel[0] * a->kernel[1] > CELLS_MAX)
        assay__dnn_fallback(d, index);
    else
        lower_forward(d, index);
}

void assay__lower_maxpool_bwd(struct assay__dnn *d, int index)
{
    const struct trail *trail =
        d->value[d->plan->graph->node[index].in[1]].secret;

    if (trail == NULL)
        assay__dnn_fallback(d, index);
    else
        lower_backward(d, index, trail);
}

void assay__lower_avgpool(struct assay__dnn *d, int index)
{
    lower_forward(d, index);
}

void assay__lower_avgpool_bwd(struct assay__dnn *d, int index)
{
    lower_backward(d, index, NULL);
}
