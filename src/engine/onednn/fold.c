/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch normalisation folded into the weights before it (fold.h), in
 * whatever layout the store keeps these.
 */

#include "engine/onednn/fold.h"

#include <math.h>

#include "core/mem.h"
#include "engine/onednn/ports.h"

enum { W, B, GAMMA, BETA, MEAN, VAR, OUT_W, OUT_B, SCALE };

/* How the weights lie: outer blocks by index, and within a block the output
 * channel of each number relative to the block's first. */
struct walk {
    struct assay__md_facts f;
    dnnl_dim_t outer[DNNL_MAX_NDIMS];
    dnnl_dim_t first[DNNL_MAX_NDIMS]; /* output channels per outer step */
    int64_t block;                    /* numbers in a block */
    int32_t *channel;                 /* block entries */
    int64_t channels;
    float eps;
};

/* The scales, and the bias. */
static void fold_bias(const struct assay__task *t, const struct walk *k)
{
    const float *b = t->p[B];
    const float *gamma = t->p[GAMMA];
    const float *beta = t->p[BETA];
    const float *mean = t->p[MEAN];
    const float *var = t->p[VAR];
    float *scale = t->p[SCALE];
    float *out = t->p[OUT_B];

    for (int64_t o = 0; o < k->channels; o++) {
        scale[o] = gamma[o] / sqrtf(var[o] + k->eps);
        out[o] = beta[o] + scale[o] * ((b != NULL ? b[o] : 0.0F) - mean[o]);
    }
}

static void fold_block(const struct assay__task *t, const struct walk *k,
                       int64_t at, int64_t first)
{
    const float *w = (const float *)t->p[W] + at;
    float *out = (float *)t->p[OUT_W] + at;
    const float *scale = t->p[SCALE];

    for (int64_t i = 0; i < k->block; i++) {
        int64_t o = first + k->channel[i];

        /* Padding is 0 and stays so. */
        out[i] = o < k->channels ? w[i] * scale[o] : 0.0F;
    }
}

static void run_fold(const struct assay__task *t)
{
    const struct walk *k = t->table;
    int64_t blocks = 1;

    fold_bias(t, k);
    for (int i = 0; i < k->f.rank; i++)
        blocks *= k->outer[i];
#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t j = 0; j < blocks; j++) {
        int64_t rest = j;
        int64_t at = 0;
        int64_t first = 0;

        for (int i = k->f.rank - 1; i >= 0; i--) {
            at += rest % k->outer[i] * k->f.stride[i];
            first += rest % k->outer[i] * k->first[i];
            rest /= k->outer[i];
        }
        fold_block(t, k, at, first);
    }
}

/* Output channel of each number within a block. */
static void fill_channels(struct walk *k, const dnnl_dim_t *per_step)
{
    for (int64_t i = 0; i < k->block; i++) {
        dnnl_dim_t inside[DNNL_MAX_NDIMS] = {0};
        dnnl_dim_t size[DNNL_MAX_NDIMS];
        int64_t rest = i;

        for (int a = 0; a < k->f.rank; a++)
            size[a] = 1;
        for (int b = k->f.n_inner - 1; b >= 0; b--) {
            dnnl_dim_t axis = k->f.inner_axis[b];

            inside[axis] += rest % k->f.inner_block[b] * size[axis];
            size[axis] *= k->f.inner_block[b];
            rest /= k->f.inner_block[b];
        }
        k->channel[i] = 0;
        for (int a = 0; a < k->f.rank; a++)
            k->channel[i] += (int32_t)(inside[a] * per_step[a]);
    }
}

static struct walk *make_walk(struct assay__dnn *d, const_dnnl_memory_desc_t md,
                              int norm)
{
    const struct assay__node *node = &d->plan->graph->node[norm];
    struct walk *k = assay__dnn_keep(d, sizeof(*k));
    dnnl_dim_t per_step[DNNL_MAX_NDIMS] = {0};

    if (k == NULL)
        return NULL;
    assay__md_query(md, &k->f);
    k->channels = assay__dnn_count(d, node->in[1]);
    k->eps = (float)node->attrs.eps;
    k->block = 1;
    for (int b = 0; b < k->f.n_inner; b++)
        k->block *= k->f.inner_block[b];
    k->channel = assay__dnn_keep(d, (size_t)k->block * sizeof(*k->channel));
    if (k->channel == NULL)
        return NULL;
    /* Rank 5 has groups in front. */
    per_step[0] = k->f.rank == 5 ? k->f.dim[1] : 1;
    per_step[1] = k->f.rank == 5 ? 1 : 0;
    for (int a = 0; a < k->f.rank; a++) {
        dnnl_dim_t inner = 1;

        for (int b = 0; b < k->f.n_inner; b++) {
            if (k->f.inner_axis[b] == a)
                inner *= k->f.inner_block[b];
        }
        k->outer[a] = k->f.padded[a] / inner;
        k->first[a] = inner * per_step[a];
    }
    fill_channels(k, per_step);
    return k;
}

struct assay__folded assay__dnn_fold(struct assay__dnn *d, int index,
                                     assay_value w, assay_value b, int norm)
{
    const struct assay__node *node = &d->plan->graph->node[norm];
    struct assay__task t = assay__dnn_task(d, index, "fold", run_fold);
    struct assay__form form = assay__dnn_form(d, w);
    struct assay__folded out = {form.md, -1, -1};
    struct walk *k = d->code == ASSAY_OK ? make_walk(d, form.md, norm) : NULL;
    size_t row;

    if (k == NULL)
        return out;
    row = (size_t)k->channels * sizeof(float);
    t.table = k;
    t.threads = assay__dnn_threads(d, assay__dnn_count(d, w));
    t.buffer[W] = form.buffer;
    t.buffer[B] = assay__plain(d, b);
    t.buffer[GAMMA] = assay__plain(d, node->in[1]);
    t.buffer[BETA] = assay__plain(d, node->in[2]);
    t.buffer[MEAN] = assay__plain(d, node->in[3]);
    t.buffer[VAR] = assay__plain(d, node->in[4]);
    t.buffer[OUT_W] = out.weights =
        assay__dnn_derived(d, dnnl_memory_desc_get_size(form.md));
    t.buffer[OUT_B] = out.bias = assay__dnn_derived(d, row);
    t.buffer[SCALE] = assay__dnn_derived(d, row);
    assay__dnn_append(d, &t);
    return out;
}
