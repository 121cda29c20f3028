/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of ops without a kernel here: inputs in plain layout are widened
 * to double, the op's reference kernel runs, and its outputs are narrowed
 * again. Slow and right; steps made so are called "reference" in a plan's
 * description.
 */

#include <string.h>

#include "core/cpu.h"
#include "core/mem.h"
#include "engine/onednn/lower.h"

struct fallback {
    struct assay__call call;
    struct assay_shape in_shape[ASSAY__OP_INPUTS_MAX];
    struct assay_shape out_shape[ASSAY__OP_OUTPUTS_MAX];
    double *in[ASSAY__OP_INPUTS_MAX];
    double *out[ASSAY__OP_OUTPUTS_MAX];
    /* f32 and f64 buffer of each input, then of each output; -1: absent */
    int narrow[ASSAY__OP_INPUTS_MAX + ASSAY__OP_OUTPUTS_MAX];
    int wide[ASSAY__OP_INPUTS_MAX + ASSAY__OP_OUTPUTS_MAX];
    const struct assay_op *op;
};

ASSAY__CLONES static void widen(double *dst, const float *src, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        dst[i] = (double)src[i];
}

ASSAY__CLONES static void narrow(float *dst, const double *src, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        dst[i] = (float)src[i];
}

static bool is_written(const assay_plan *plan, const struct fallback *f, int i)
{
    return plan->options.mode == ASSAY_MODE_TRAIN &&
           (f->op->mutates & (1U << i)) != 0;
}

static int run_fallback(assay_plan *plan, void *arg, struct assay_error *err)
{
    struct fallback *f = arg;
    const int *wide_out = &f->wide[f->call.n_in];
    const int *narrow_out = &f->narrow[f->call.n_in];
    int i;

    (void)err;
    f->call.seed = plan->seed;
    f->call.step = plan->stream_step;
    for (i = 0; i < f->call.n_in; i++) {
        if (f->wide[i] < 0)
            continue;
        f->in[i] = assay__plan_address(plan, f->wide[i]);
        widen(f->in[i], assay__plan_address(plan, f->narrow[i]),
              assay_shape_count(&f->in_shape[i], 1));
    }
    for (i = 0; i < f->call.n_out; i++)
        f->out[i] = assay__plan_address(plan, wide_out[i]);
    f->op->reference(&f->call);
    for (i = 0; i < f->call.n_out; i++)
        narrow(assay__plan_address(plan, narrow_out[i]), f->out[i],
               assay_shape_count(&f->out_shape[i], 1));
    for (i = 0; i < f->call.n_in; i++) {
        if (f->wide[i] < 0 || !is_written(plan, f, i))
            continue;
        narrow(assay__plan_address(plan, f->narrow[i]), f->in[i],
               assay_shape_count(&f->in_shape[i], 1));
        plan->store->version++;
    }
    return ASSAY_OK;
}

static struct assay_shape shape_of(const struct assay__dnn *d, assay_value v)
{
    struct assay_shape s = d->plan->graph->value[v].shape;

    if (s.rank > 0 && s.dim[0] == ASSAY_BATCH)
        s.dim[0] = d->plan->options.batch;
    return s;
}

static int wide_buffer(struct assay__dnn *d, assay_value v)
{
    return assay__dnn_buffer(d,
                             (size_t)assay__dnn_count(d, v) * sizeof(double));
}

/* Buffers for inputs and outputs; the number of entries in the lists. */
static int fill_buffers(struct assay__dnn *d, const struct assay__node *node,
                        struct fallback *f)
{
    int n = 0;
    int i;

    for (i = 0; i < node->n_in; i++, n++) {
        f->narrow[n] = f->wide[n] = -1;
        if (node->in[i] == ASSAY_NO_VALUE)
            continue;
        f->in_shape[i] = shape_of(d, node->in[i]);
        f->narrow[n] = assay__dnn_want(d, node->in[i],
                                       assay__dnn_plain_of(d, node->in[i]));
        f->wide[n] = wide_buffer(d, node->in[i]);
    }
    for (i = 0; i < node->op->n_out; i++, n++) {
        assay_value v = node->out + i;

        f->out_shape[i] = shape_of(d, v);
        f->narrow[n] = assay__dnn_result(d, v, assay__dnn_plain_of(d, v));
        f->wide[n] = wide_buffer(d, v);
    }
    return n;
}

void assay__dnn_fallback(struct assay__dnn *d, int index)
{
    const struct assay__node *node = &d->plan->graph->node[index];
    struct assay__step step = {0};
    struct fallback *f;
    int use[2 * (ASSAY__OP_INPUTS_MAX + ASSAY__OP_OUTPUTS_MAX)];
    int n;
    int i;
    int code;

    f = assay__dnn_keep(d, sizeof(*f));
    if (f == NULL)
        return;
    f->op = node->op;
    f->call.attrs = &node->attrs;
    f->call.mode = d->plan->options.mode;
    f->call.n_in = node->n_in;
    f->call.n_out = node->op->n_out;
    f->call.in_shape = f->in_shape;
    f->call.out_shape = f->out_shape;
    f->call.in = f->in;
    f->call.out = f->out;
    f->call.node = index;
    n = fill_buffers(d, node, f);
    if (d->code != ASSAY_OK)
        return;
    step.use = use;
    for (i = 0; i < n; i++) {
        if (f->wide[i] < 0)
            continue;
        use[step.n_use++] = f->narrow[i];
        use[step.n_use++] = f->wide[i];
    }
    step.run = run_fallback;
    step.arg = f;
    step.node = index;
    step.impl = "reference";
    code = assay__plan_step(d->plan, &step, d->err);
    if (code < 0)
        d->code = code;
}
