/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise ops, over a value's memory from end to end, padding included:
 * all inputs are brought to one layout. Where f(0) is not 0 that layout has
 * no padding. The output overwrites an input that nobody reads later.
 *
 * A sum of gradients or a relu's gradient that a normalisation's gradient
 * reads waits for it (incoming.h).
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "core/cpu.h"
#include "engine/onednn/incoming.h"
#include "engine/ops/general.h"

enum { Y, A, B };

/* n[0] numbers, cut into one run of whole cache lines per thread. */
static void part_of(const struct assay__task *t, int part, int64_t *first,
                    int64_t *last)
{
    int64_t lines = (t->n[0] + 15) / 16;

    *first = lines * part / t->threads * 16;
    *last = lines * (part + 1) / t->threads * 16;
    if (*last > t->n[0])
        *last = t->n[0];
}

/*
 * run_NAME: y[i] = EXPRESSION of a[i], b[i] and the task's f and g. Input
 * and output may be one array, never two that overlap otherwise. A NaN of
 * an activation's input is one of its output.
 */
#define LOOP(name, expression)                                                     \
    ASSAY__CLONES static void loop_##name(float *y, const float *pa,               \
                                          const float *pb, int64_t first,          \
                                          int64_t last, float f, float g)          \
    {                                                                              \
        (void)f;                                                                   \
        (void)g;                                                                   \
        _Pragma("omp simd") for (int64_t i = first; i < last; i++)                 \
        {                                                                          \
            float a = pa[i];                                                       \
            float b = pb[i];                                                       \
                                                                                   \
            (void)b;                                                               \
            y[i] = (expression);                                                   \
        }                                                                          \
    }                                                                              \
    static void run_##name(const struct assay__task *t)                            \
    {                                                                              \
        const float *b = t->p[B] != NULL ? t->p[B] : t->p[A];                      \
                                                                                   \
        _Pragma("omp parallel for schedule(static) num_threads(t->threads)") for ( \
            int part = 0; part < t->threads; part++)                               \
        {                                                                          \
            int64_t first;                                                         \
            int64_t last;                                                          \
                                                                                   \
            part_of(t, part, &first, &last);                                       \
            loop_##name(t->p[Y], t->p[A], b, first, last, t->f[0], t->f[1]);       \
        }                                                                          \
    }

static inline float clip(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

LOOP(add, a + b)
LOOP(mul, a *b)
LOOP(affine, f *a + g)
LOOP(relu, a < 0.0F ? 0.0F : a)
LOOP(relu_bwd, b > 0.0F ? a : 0.0F)
LOOP(leaky, a > 0.0F ? a : f * a)
LOOP(leaky_bwd, b > 0.0F ? a : f * a)
LOOP(sigmoid, 1.0F / (1.0F + expf(-a)))
LOOP(sigmoid_bwd, a *b *(1.0F - b))
LOOP(tanh, tanhf(a))
LOOP(tanh_bwd, a *(1.0F - b * b))

/*
 * Functions by kind: n[1] the kind. Cheap ones are loops, all others are
 * called number by number in double.
 */
LOOP(clip, a<f ? f : a> g ? g : a)
LOOP(hardsigmoid, clip(f *a + g, 0.0F, 1.0F))
LOOP(hardswish, a *clip(a *(1.0F / 6.0F) + 0.5F, 0.0F, 1.0F))
LOOP(sqrt, sqrtf(a))
LOOP(rsqrt, 1.0F / sqrtf(a))
LOOP(abs, fabsf(a))
LOOP(exp, expf(a))
LOOP(reciprocal, 1.0F / a)

static void run_function(const struct assay__task *t)
{
    assay__unary_function *f = assay__unary_value((int)t->n[1]);
    const float *x = t->p[A];
    float *y = t->p[Y];
    double a = (double)t->f[0];
    double b = (double)t->f[1];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t i = 0; i < t->n[0]; i++)
        y[i] = (float)f((double)x[i], a, b);
}

/* a is dy, b what the function reads. */
static void run_slope(const struct assay__task *t)
{
    assay__unary_function *f = assay__unary_slope((int)t->n[1]);
    const float *dy = t->p[A];
    const float *x = t->p[B];
    float *y = t->p[Y];
    double a = (double)t->f[0];
    double b = (double)t->f[1];

#pragma omp parallel for schedule(static) num_threads(t->threads)
    for (int64_t i = 0; i < t->n[0]; i++)
        y[i] = (float)((double)dy[i] * f((double)x[i], a, b));
}

/* The layout for all inputs: one that two have, else a blocked one, else
 * the first's. */
static const_dnnl_memory_desc_t common_layout(struct assay__dnn *d,
                                              assay_value a, assay_value b)
{
    struct assay__form first = assay__dnn_form(d, a);
    struct assay__form second = {NULL, -1};
    struct assay__md_facts f;

    if (b != ASSAY_NO_VALUE)
        second = assay__dnn_form(d, b);
    if (d->code != ASSAY_OK || second.md == NULL || second.md == first.md)
        return first.md;
    for (int i = 0; i < d->value[a].n; i++) {
        for (int k = 0; k < d->value[b].n; k++) {
            if (d->value[a].item[i].md == d->value[b].item[k].md)
                return d->value[a].item[i].md;
        }
    }
    assay__md_query(first.md, &f);
    return f.n_inner == 0 ? second.md : first.md;
}

/* Append y = kernel(a, b). `zero`: the kernel maps 0 to 0. */
static void lower_loop(struct assay__dnn *d, int index,
                       void (*run)(const struct assay__task *t), assay_value a,
                       assay_value b, bool zero, const float *f)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__task t = assay__dnn_task(d, index, "own", run);
    const_dnnl_memory_desc_t md = common_layout(d, a, b);

    if (md != NULL && !zero && assay__dnn_padded(md))
        md = assay__dnn_plain_of(d, a);
    if (d->code != ASSAY_OK)
        return;
    t.n[0] = (int64_t)(dnnl_memory_desc_get_size(md) / sizeof(float));
    t.n[1] = node->attrs.index;
    t.threads = assay__dnn_threads(d, t.n[0]);
    if (f != NULL)
        memcpy(t.f, f, 2 * sizeof(*f));
    t.buffer[A] = assay__dnn_want(d, a, md);
    if (b != ASSAY_NO_VALUE)
        t.buffer[B] = assay__dnn_want(d, b, md);
    t.buffer[Y] = assay__dnn_result_over(d, node->out, md, a, t.buffer[A]);
    if (b != ASSAY_NO_VALUE && t.buffer[Y] >= 0 &&
        d->plan->buffer[t.buffer[Y]].alias < 0)
        assay__dnn_over(d, t.buffer[Y], b, t.buffer[B]);
    assay__dnn_append(d, &t);
}

static void lower_unary(struct assay__dnn *d, int index,
                        void (*run)(const struct assay__task *t), bool zero)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    float f[2];

    f[0] = (float)node->attrs.alpha;
    f[1] = (float)node->attrs.momentum;
    lower_loop(d, index, run, node->in[0], ASSAY_NO_VALUE, zero, f);
}

static void lower_binary(struct assay__dnn *d, int index,
                         void (*run)(const struct assay__task *t))
{
    const struct assay__node *node = &d->plan->graph->node[index];
    float f[2];

    f[0] = (float)node->attrs.alpha;
    f[1] = 0.0F;
    lower_loop(d, index, run, node->in[0], node->in[1], true, f);
}

void assay__lower_add(struct assay__dnn *d, int index)
{
    assay_value y = d->plan->graph->node[index].out;
    int reader = d->reader[y];

    if (assay__dnn_may_wait(d, index) &&
        (assay__dnn_feeds_norm(d, y) ||
         (reader >= 0 &&
          d->plan->graph->node[reader].op == &assay__op_relu_bwd &&
          d->plan->graph->node[reader].in[0] == y &&
          assay__dnn_feeds_norm(d, d->plan->graph->node[reader].out)))) {
        d->waiting[index] = true;
        return;
    }
    lower_binary(d, index, run_add);
}

void assay__lower_relu_bwd(struct assay__dnn *d, int index)
{
    if (assay__dnn_may_wait(d, index) &&
        assay__dnn_feeds_norm(d, d->plan->graph->node[index].out)) {
        d->waiting[index] = true;
        return;
    }
    lower_binary(d, index, run_relu_bwd);
}

void assay__lower_mul(struct assay__dnn *d, int index)
{
    lower_binary(d, index, run_mul);
}

void assay__lower_affine(struct assay__dnn *d, int index)
{
    lower_unary(d, index, run_affine,
                d->plan->graph->node[index].attrs.momentum == 0.0);
}

void assay__lower_relu(struct assay__dnn *d, int index)
{
    lower_unary(d, index, run_relu, true);
}

void assay__lower_leaky_relu(struct assay__dnn *d, int index)
{
    lower_unary(d, index, run_leaky, true);
}

void assay__lower_leaky_relu_bwd(struct assay__dnn *d, int index)
{
    lower_binary(d, index, run_leaky_bwd);
}

void assay__lower_sigmoid(struct assay__dnn *d, int index)
{
    lower_unary(d, index, run_sigmoid, false);
}

void assay__lower_sigmoid_bwd(struct assay__dnn *d, int index)
{
    lower_binary(d, index, run_sigmoid_bwd);
}

void assay__lower_tanh(struct assay__dnn *d, int index)
{
    lower_unary(d, index, run_tanh, true);
}

void assay__lower_tanh_bwd(struct assay__dnn *d, int index)
{
    lower_binary(d, index, run_tanh_bwd);
}

/* The loop of a kind of `unary`. */
static void (*loop_of(int kind))(const struct assay__task *t)
{
    switch (kind) {
    case ASSAY_UNARY_CLIP:
        return run_clip;
    case ASSAY_UNARY_HARDSIGMOID:
        return run_hardsigmoid;
    case ASSAY_UNARY_HARDSWISH:
        return run_hardswish;
    case ASSAY_UNARY_SQRT:
        return run_sqrt;
    case ASSAY_UNARY_RSQRT:
        return run_rsqrt;
    case ASSAY_UNARY_ABS:
        return run_abs;
    case ASSAY_UNARY_EXP:
        return run_exp;
    case ASSAY_UNARY_RECIPROCAL:
        return run_reciprocal;
    default:
        return run_function;
    }
}

void assay__lower_unary(struct assay__dnn *d, int index)
{
    const struct assay_attrs *a = &d->plan->graph->node[index].attrs;
    bool zero = assay__unary_value(a->index)(0.0, a->alpha, a->momentum) == 0.0;

    lower_unary(d, index, loop_of(a->index), zero);
}

void assay__lower_unary_bwd(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    const struct assay_attrs *a = &node->attrs;
    bool zero =
        isfinite(assay__unary_slope(a->index)(0.0, a->alpha, a->momentum));
    float f[2];

    f[0] = (float)a->alpha;
    f[1] = (float)a->momentum;
    lower_loop(d, index, run_slope, node->in[0], node->in[1], zero, f);
}
