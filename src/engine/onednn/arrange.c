/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that only arrange numbers. A reshape takes no step: its output has
 * the forms of its input, whose dimensions then differ from its own.
 *
 * Joining and cutting are copies of rows: with `rows` rows of `length`
 * numbers each, the part of a row that is copied starts at an offset. In
 * plain order rows end before the axis; blocked channels are joined so too,
 * when blocks are not cut.
 */

#include <string.h>

#include "engine/onednn/lower.h"

enum { TO, FROM };
enum { ROWS, LENGTH, TO_STEP, TO_OFFSET, FROM_STEP, FROM_OFFSET, CLEAR };

void assay__dnn_pass_on(struct assay__dnn *d, assay_value from, assay_value to)
{
    (void)assay__dnn_form(d, from);
    for (int i = 0; d->code == ASSAY_OK && i < d->value[from].n; i++) {
        struct assay__form form = d->value[from].item[i];

        if (d->plan->uses[from] > 1 || d->plan->kept[to])
            d->pinned[form.buffer] = true;
        assay__dnn_add_form(d, to, form.md, form.buffer);
    }
}

void assay__lower_reshape(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    assay__dnn_pass_on(d, node->in[0], node->out);
}

static void run_copy(const struct assay__task *t)
{
    size_t length = (size_t)t->n[LENGTH];
    size_t step = (size_t)t->n[TO_STEP];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t r = 0; r < t->n[ROWS]; r++) {
        float *row = (float *)t->p[TO] + r * t->n[TO_STEP];
        size_t before = (size_t)t->n[TO_OFFSET];

        memcpy(row + before,
               (const float *)t->p[FROM] + r * t->n[FROM_STEP] +
                   t->n[FROM_OFFSET],
               length * sizeof(float));
        if (t->n[CLEAR] == 0)
            continue;
        memset(row, 0, before * sizeof(float));
        memset(row + before + length, 0,
               (step - before - length) * sizeof(float));
    }
}

/* A layout in which values that differ along `axis` can be joined by rows,
 * each part starting at a multiple of `granule`. */
static const_dnnl_memory_desc_t layout_for(struct assay__dnn *d, assay_value v,
                                           int axis, int64_t granule)
{
    struct assay__form form = assay__dnn_form(d, v);
    struct assay__view view;

    if (d->code != ASSAY_OK)
        return NULL;
    if (axis == 1 && granule % d->lanes == 0 &&
        d->plan->graph->value[v].shape.rank == 4 &&
        assay__dnn_view(form.md, &view))
        return assay__dnn_blocked_of(d, v);
    return assay__dnn_plain_of(d, v);
}

static int64_t greatest_common(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Numbers per step along the axis, and rows before it. */
static void measure(struct assay__dnn *d, assay_value v, int axis,
                    int64_t *rows, int64_t *inner)
{
    dnnl_dims_t dims;
    int rank = assay__dnn_dims(d, v, dims);

    *rows = *inner = 1;
    for (int i = 0; i < axis; i++)
        *rows *= dims[i];
    for (int i = axis + 1; i < rank; i++)
        *inner *= dims[i];
}

static int64_t size_along(const struct assay__dnn *d, assay_value v, int axis)
{
    dnnl_dims_t dims;

    (void)assay__dnn_dims(d, v, dims);
    return dims[axis];
}

void assay__lower_concat(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    int axis = node->attrs.axis;
    struct assay__task t = assay__dnn_task(d, index, "own", run_copy);
    int64_t granule = 0;
    int64_t offset = 0;
    int64_t inner;
    bool blocked;
    const_dnnl_memory_desc_t md;

    for (int i = 0; i < node->n_in; i++)
        granule = greatest_common(granule, size_along(d, node->in[i], axis));
    md = layout_for(d, node->in[0], axis, granule);
    if (md == NULL)
        return;
    blocked = md != assay__dnn_plain_of(d, node->in[0]);
    t.buffer[TO] =
        assay__dnn_result(d, node->out,
                          blocked ? assay__dnn_blocked_of(d, node->out)
                                  : assay__dnn_plain_of(d, node->out));
    measure(d, node->out, axis, &t.n[ROWS], &inner);
    t.n[TO_STEP] = size_along(d, node->out, axis) * inner;
    for (int i = 0; i < node->n_in && d->code == ASSAY_OK; i++) {
        assay_value x = node->in[i];

        t.n[LENGTH] = t.n[FROM_STEP] = size_along(d, x, axis) * inner;
        t.n[TO_OFFSET] = offset;
        offset += t.n[LENGTH];
        t.threads = assay__dnn_threads(d, t.n[LENGTH] * t.n[ROWS]);
        t.buffer[FROM] = assay__dnn_want(d, x,
                                         blocked ? assay__dnn_blocked_of(d, x)
                                                 : assay__dnn_plain_of(d, x));
        assay__dnn_append(d, &t);
    }
}

/* The part of `whole` that `part` is, copied to it or (`back`) from it. */
static void lower_slice(struct assay__dnn *d, int index, assay_value whole,
                        assay_value part, bool back)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    int axis = node->attrs.axis;
    struct assay__task t = assay__dnn_task(d, index, "own", run_copy);
    assay_value from = back ? part : whole;
    assay_value to = back ? whole : part;
    int64_t size = size_along(d, part, axis);
    int64_t granule = greatest_common(
        greatest_common(size_along(d, whole, axis), size), node->attrs.index);
    int64_t inner;
    const_dnnl_memory_desc_t md = layout_for(d, from, axis, granule);
    bool blocked;

    if (md == NULL)
        return;
    blocked = md != assay__dnn_plain_of(d, from);
    measure(d, whole, axis, &t.n[ROWS], &inner);
    t.n[LENGTH] = size * inner;
    t.n[back ? TO_STEP : FROM_STEP] = size_along(d, whole, axis) * inner;
    t.n[back ? FROM_STEP : TO_STEP] = t.n[LENGTH];
    t.n[back ? TO_OFFSET : FROM_OFFSET] = node->attrs.index * inner;
    t.n[CLEAR] = back;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, to));
    t.buffer[FROM] = assay__dnn_want(d, from, md);
    t.buffer[TO] = assay__dnn_result(d, to,
                                     blocked ? assay__dnn_blocked_of(d, to)
                                             : assay__dnn_plain_of(d, to));
    assay__dnn_append(d, &t);
}

void assay__lower_slice(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    lower_slice(d, index, node->in[0], node->out, false);
}

void assay__lower_slice_bwd(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    lower_slice(d, index, node->out, node->in[0], true);
}
