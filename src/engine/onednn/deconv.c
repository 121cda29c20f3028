/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transposed convolutions: those directions of the convolution that has the
 * same weights, swapped. Its output is that convolution's gradient of the
 * data, its own gradient of the data that one's output. Bias is beside.
 */

#include "engine/onednn/conv.h"

#include "core/cpu.h"
#include "engine/onednn/norm.h"

enum { ADD_Y, ADD_BIAS };

ASSAY__CLONES static void add_bias_block(float *y, const float *bias,
                                         int64_t places, int64_t stride,
                                         int lanes)
{
    for (int64_t s = 0; s < places; s++) {
        for (int l = 0; l < lanes; l++)
            y[s * stride + l] += bias[l];
    }
}

/* p: y, bias; table: struct assay__view. */
static void run_add_bias(const struct assay__task *t)
{
    const struct assay__view *v = t->table;
    int64_t jobs = v->n * v->blocks;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t j = 0; j < jobs; j++) {
        int64_t block = j % v->blocks;
        int64_t left = v->channels - block * v->lanes;
        float *y = (float *)t->p[ADD_Y] + j / v->blocks * v->stride_n +
                   block * v->stride_b;

        add_bias_block(y, (const float *)t->p[ADD_BIAS] + block * v->lanes,
                       v->h * v->w, v->stride_s,
                       left < v->lanes ? (int)left : v->lanes);
    }
}

/* Row-major images, as blocks of one channel. */
static void view_plain(const struct assay__dnn *d, assay_value v,
                       struct assay__view *view)
{
    dnnl_dims_t dims;

    (void)assay__dnn_dims(d, v, dims);
    view->n = dims[0];
    view->blocks = view->channels = dims[1];
    view->h = dims[2];
    view->w = dims[3];
    view->stride_s = view->lanes = 1;
    view->stride_b = dims[2] * dims[3];
    view->stride_n = view->stride_b * dims[1];
}

static void add_bias(struct assay__dnn *d, int index, assay_value y,
                     assay_value b)
{
    struct assay__task t = assay__dnn_task(d, index, "bias", run_add_bias);
    struct assay__view *view = assay__dnn_keep(d, sizeof(*view));
    struct assay__form form = assay__dnn_form(d, y);

    if (view == NULL)
        return;
    if (!assay__dnn_view(form.md, view)) {
        form.md = assay__dnn_plain_of(d, y);
        form.buffer = assay__dnn_want(d, y, form.md);
        view_plain(d, y, view);
        /* Nobody has read `y` yet: from here on it is the plain form alone,
         * for the other one misses the bias. */
        if (d->code == ASSAY_OK) {
            d->value[y].item[0] = form;
            d->value[y].n = 1;
        }
    }
    t.table = view;
    t.buffer[ADD_Y] = form.buffer;
    t.buffer[ADD_BIAS] = assay__dnn_want(d, b, assay__dnn_plain_of(d, b));
    assay__dnn_append(d, &t);
}

void assay__lower_deconv(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    assay_value b = node->n_in > 2 ? node->in[2] : ASSAY_NO_VALUE;
    struct assay__conv_problem p;

    assay__conv_problem(d, index, node->out, node->in[1], node->in[0], false,
                        &p);
    assay__conv_backward_data(d, index, &p, node->in[0], node->in[1],
                              node->out);
    if (b != ASSAY_NO_VALUE)
        add_bias(d, index, node->out, b);
}

void assay__lower_deconv_bwd_data(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__conv_problem p;

    assay__conv_problem(d, index, node->in[0], node->in[1], node->out, false,
                        &p);
    assay__conv_forward(d, index, &p, node->in[0], node->in[1], node->out);
}

/* p: dy, db; table: struct assay__view. */
static void run_sum(const struct assay__task *t)
{
    const struct assay__view *v = t->table;

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t b = 0; b < v->blocks; b++) {
        _Alignas(64) float zero[ASSAY__LANES_MAX] = {0};
        double sum[ASSAY__LANES_MAX] = {0};
        double square[ASSAY__LANES_MAX] = {0};
        struct assay__span r = {0,           v->n,        v->stride_n,
                                v->stride_s, v->h * v->w, v->lanes};
        int64_t first = b * v->lanes;

        assay__norm_sums((const float *)t->p[0] + b * v->stride_b, &r, zero,
                         sum, square);
        for (int64_t l = 0; l < v->lanes && first + l < v->channels; l++)
            ((float *)t->p[1])[first + l] = (float)sum[l];
    }
}

static void sum_bias(struct assay__dnn *d, int index, assay_value dy,
                     assay_value db)
{
    struct assay__task t = assay__dnn_task(d, index, "bias", run_sum);
    struct assay__view *view = assay__dnn_keep(d, sizeof(*view));

    if (view == NULL)
        return;
    t.table = view;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, dy));
    t.buffer[0] = assay__dnn_want_view(d, dy, view).buffer;
    t.buffer[1] = assay__dnn_result(d, db, assay__dnn_plain_of(d, db));
    assay__dnn_append(d, &t);
}

void assay__lower_deconv_bwd_weights(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__conv_problem p;

    assay__conv_problem(d, index, node->in[1], node->out, node->in[0], false,
                        &p);
    assay__conv_backward_weights(d, index, &p, node->in[1], node->in[0],
                                 node->out, ASSAY_NO_VALUE);
    if (d->plan->uses[node->out + 1] > 0)
        sum_bias(d, index, node->in[1], node->out + 1);
}
