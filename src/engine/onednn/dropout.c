/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dropout on plain layouts, for an element's fate is a hash of its row-major
 * index. The mask is kept for the gradient as one byte per element. In
 * evaluation there is nothing to do: the output is the input's forms.
 *
 * The hash is assay_rng_hash() with its first two words mixed in ahead of
 * the loop, so that the loop vectorises; a test holds the two together.
 */

#include <math.h>

#include "core/cpu.h"
#include "core/mem.h"
#include "engine/onednn/lower.h"

enum { X, Y, MASK };

struct mask {
    int buffer;
};

/* The mixing of SplitMix64, as in assay_rng_hash(). */
static inline uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#define GAMMA UINT64_C(0x9e3779b97f4a7c15)

ASSAY__CLONES static void draw(uint8_t *mask, uint64_t base, uint64_t limit,
                               int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        uint64_t h = mix((base ^ (uint64_t)i) + GAMMA);

        mask[i] = (uint8_t)((h >> 11) >= limit);
    }
}

ASSAY__CLONES static void apply(float *y, const float *x, const uint8_t *mask,
                                float scale, int64_t first, int64_t last)
{
    _Pragma("omp simd") for (int64_t i = first; i < last; i++) y[i] =
        mask[i] != 0 ? x[i] * scale : 0.0F;
}

/* n[0] elements, n[1] the node's index, f[0] the scale; table: p. */
static void run_dropout(const struct assay__task *t)
{
    double p = *(const double *)t->table;
    uint64_t limit = (uint64_t)ceil(ldexp(p, 53));
    uint64_t base = mix(t->plan->seed + GAMMA);

    base =
        mix((base ^ (t->plan->stream_step << 16 | (uint64_t)t->n[1])) + GAMMA);
#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++) {
        int64_t first = t->n[0] * part / t->threads;
        int64_t last = t->n[0] * (part + 1) / t->threads;

        draw(t->p[MASK], base, limit, first, last);
        apply(t->p[Y], t->p[X], t->p[MASK], t->f[0], first, last);
    }
}

static void run_gradient(const struct assay__task *t)
{
#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int part = 0; part < t->threads; part++)
        apply(t->p[Y], t->p[X], t->p[MASK], t->f[0],
              t->n[0] * part / t->threads, t->n[0] * (part + 1) / t->threads);
}

static struct assay__task make_task(struct assay__dnn *d, int index,
                                    void (*run)(const struct assay__task *t),
                                    const struct mask *mask)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run);
    const_dnnl_memory_desc_t md = assay__dnn_plain_of(d, node->in[0]);

    t.table = &node->attrs.p;
    t.n[0] = assay__dnn_count(d, node->in[0]);
    t.n[1] = index;
    t.f[0] = (float)(1.0 / (1.0 - node->attrs.p));
    t.threads = assay__dnn_threads(d, t.n[0]);
    t.buffer[X] = assay__dnn_want(d, node->in[0], md);
    t.buffer[Y] =
        assay__dnn_result_over(d, node->out, md, node->in[0], t.buffer[X]);
    t.buffer[MASK] = mask->buffer;
    return t;
}

void assay__lower_dropout(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct mask *mask = assay__dnn_keep(d, sizeof(*mask));
    struct assay__task t;

    if (mask == NULL)
        return;
    d->value[node->out + 1].secret = mask;
    if (d->plan->options.mode == ASSAY_MODE_EVAL) {
        assay__dnn_pass_on(d, node->in[0], node->out);
        return;
    }
    mask->buffer =
        assay__dnn_buffer(d, (size_t)assay__dnn_count(d, node->in[0]));
    t = make_task(d, index, run_dropout, mask);
    assay__dnn_append(d, &t);
}

void assay__lower_dropout_bwd(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    const struct mask *mask = d->value[node->in[1]].secret;
    struct assay__task t;

    if (mask == NULL) {
        assay__dnn_fail(d, ASSAY_INTERNAL, "a dropout left no mask");
        return;
    }
    if (d->plan->options.mode == ASSAY_MODE_EVAL) {
        assay__dnn_pass_on(d, node->in[0], node->out);
        return;
    }
    t = make_task(d, index, run_gradient, mask);
    assay__dnn_append(d, &t);
}
