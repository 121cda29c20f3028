/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference backend: every live node is one step that calls the op's
 * loop on plain row-major arrays of double. No dependency, no fusion, no
 * threads; what other backends are tested against.
 *
 * Each value has a buffer; a parameter's lies in the store itself, so that
 * running means change there. A gradient is copied from its value's buffer
 * into its slot by a step at the end, which works for any value.
 */

#include <string.h>

#include "core/mem.h"
#include "engine/backend.h"
#include "engine/noise.h"

/* Index of each value's buffer; -1 for those not in the plan. */
struct reference {
    int *buffer;
};

struct call_step {
    struct assay__call call;
    struct assay_shape *shape; /* inputs, then outputs */
    double **address;          /* the same order */
};

struct copy_step {
    double *dst;
    const double *src;
    size_t count;
    int buffer;
};

static void *reference_alloc(size_t bytes)
{
    return assay__slab(bytes);
}

static size_t value_count(const assay_plan *plan, assay_value v)
{
    return assay_shape_count(&plan->graph->value[v].shape, plan->options.batch);
}

static int plain_layout(assay_plan *plan, assay_value param, size_t *count,
                        void **layout, struct assay_error *err)
{
    (void)err;
    *count = value_count(plan, param);
    *layout = NULL;
    return ASSAY_OK;
}

/* The buffer of a value, made at its first mention; or a negative code. */
static int buffer_of(assay_plan *plan, assay_value v, struct assay_error *err)
{
    struct reference *self = plan->self;
    const struct assay__value *value = &plan->graph->value[v];
    int b = self->buffer[v];

    if (b >= 0)
        return b;
    b = assay__plan_buffer(plan, value_count(plan, v) * sizeof(double), err);
    if (b < 0)
        return b;
    plan->buffer[b].keep = plan->kept[v];
    if (value->kind == ASSAY__PARAM) {
        int slot = assay__store_find(plan->store, value->name);

        plan->buffer[b].fixed =
            (double *)plan->store->weights + plan->store->slot[slot].offset;
    }
    self->buffer[v] = b;
    return b;
}

static int run_call(assay_plan *plan, void *arg, struct assay_error *err)
{
    struct call_step *s = arg;

    (void)err;
    s->call.seed = plan->seed;
    s->call.step = plan->stream_step;
    plan->graph->node[s->call.node].op->reference(&s->call);
    return ASSAY_OK;
}

static void release_call(void *arg)
{
    struct call_step *s = arg;

    assay__free(s->shape);
    assay__free(s->address);
    assay__free(s);
}

static int run_copy(assay_plan *plan, void *arg, struct assay_error *err)
{
    struct copy_step *s = arg;

    (void)plan;
    (void)err;
    memcpy(s->dst, s->src, s->count * sizeof(double));
    return ASSAY_OK;
}

static struct assay_shape shape_of(const assay_plan *plan, assay_value v)
{
    struct assay_shape shape;

    memset(&shape, 0, sizeof(shape));
    if (v == ASSAY_NO_VALUE)
        return shape;
    shape = plan->graph->value[v].shape;
    if (shape.rank > 0 && shape.dim[0] == ASSAY_BATCH)
        shape.dim[0] = plan->options.batch;
    return shape;
}

/* Value k of a node: its inputs, then its outputs. */
static assay_value port(const struct assay__node *node, int k)
{
    return k < node->n_in ? node->in[k] : node->out + (k - node->n_in);
}

static struct call_step *new_call(assay_plan *plan, int index)
{
    const struct assay__node *node = &plan->graph->node[index];
    int n = node->n_in + node->op->n_out;
    struct call_step *s = assay__calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->shape = assay__calloc((size_t)n, sizeof(*s->shape));
    s->address = assay__calloc((size_t)n, sizeof(*s->address));
    if (!s->shape || !s->address) {
        release_call(s);
        return NULL;
    }
    for (int k = 0; k < n; k++)
        s->shape[k] = shape_of(plan, port(node, k));
    s->call.attrs = &node->attrs;
    s->call.mode = plan->options.mode;
    s->call.n_in = node->n_in;
    s->call.n_out = node->op->n_out;
    s->call.in_shape = s->shape;
    s->call.out_shape = s->shape + node->n_in;
    s->call.in = s->address;
    s->call.out = s->address + node->n_in;
    s->call.node = index;
    return s;
}

static int add_call(assay_plan *plan, int index, struct assay_error *err)
{
    const struct assay__node *node = &plan->graph->node[index];
    int use[ASSAY__OP_INPUTS_MAX + ASSAY__OP_OUTPUTS_MAX];
    struct assay__step step = {.run = run_call,
                               .release = release_call,
                               .use = use,
                               .node = index,
                               .impl = "reference"};
    struct call_step *s;
    int code;

    for (int k = 0; k < node->n_in + node->op->n_out; k++) {
        if (port(node, k) == ASSAY_NO_VALUE)
            continue;
        code = buffer_of(plan, port(node, k), err);
        if (code < 0)
            return code;
        use[step.n_use++] = code;
    }
    s = new_call(plan, index);
    if (!s)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a step (%s)", node->op->name);
    step.arg = s;
    code = assay__plan_step(plan, &step, err);
    if (code < 0) {
        release_call(s);
        return code;
    }
    return ASSAY_OK;
}

static int add_copy(assay_plan *plan, const struct assay_gradient *d,
                    struct assay_error *err)
{
    const struct assay__store *store = plan->store;
    const char *name = plan->graph->value[d->param].name;
    int slot = assay__store_find(store, name);
    int b = buffer_of(plan, d->gradient, err);
    struct assay__step step = {.run = run_copy,
                               .release = assay__free,
                               .use = &b,
                               .n_use = 1,
                               .node = -1,
                               .impl = "copy"};
    struct copy_step *s;
    int code;

    if (b < 0)
        return b;
    s = assay__calloc(1, sizeof(*s));
    if (!s)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a gradient's step");
    s->buffer = b;
    s->count = value_count(plan, d->param);
    s->dst = (double *)plan->gradients + store->slot[slot].offset;
    step.arg = s;
    code = assay__plan_step(plan, &step, err);
    if (code < 0) {
        assay__free(s);
        return code;
    }
    return ASSAY_OK;
}

static int reference_lower(assay_plan *plan, struct assay_error *err)
{
    const assay_graph *g = plan->graph;
    struct reference *self = assay__calloc(1, sizeof(*self));
    int code = ASSAY_OK;

    plan->self = self;
    if (self)
        self->buffer =
            assay__calloc((size_t)g->n_values, sizeof(*self->buffer));
    if (!self || !self->buffer)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for %d values",
                               g->n_values);
    for (int i = 0; i < g->n_values; i++)
        self->buffer[i] = -1;
    if (!plan->store)
        code = assay__plan_make_store(plan, plain_layout, err);
    for (int i = 0; i < g->n_values && code == ASSAY_OK; i++) {
        if (plan->kept[i]) {
            int b = buffer_of(plan, i, err);

            code = b < 0 ? b : ASSAY_OK;
        }
    }
    for (int i = 0; i < g->n_nodes && code == ASSAY_OK; i++) {
        if (plan->live[i])
            code = add_call(plan, i, err);
    }
    for (int i = 0; i < plan->options.n_gradients && code == ASSAY_OK; i++)
        code = add_copy(plan, &plan->options.gradients[i], err);
    return code;
}

static int reference_bind(assay_plan *plan, struct assay_error *err)
{
    const struct reference *self = plan->self;

    (void)err;
    for (int i = 0; i < plan->n_steps; i++) {
        const struct assay__node *node;
        struct call_step *s = plan->step[i].arg;

        if (plan->step[i].node < 0) {
            struct copy_step *copy = plan->step[i].arg;

            copy->src = assay__plan_address(plan, copy->buffer);
            continue;
        }
        node = &plan->graph->node[plan->step[i].node];
        for (int k = 0; k < node->n_in + node->op->n_out; k++) {
            assay_value v = port(node, k);

            if (v != ASSAY_NO_VALUE)
                s->address[k] = assay__plan_address(plan, self->buffer[v]);
        }
    }
    return ASSAY_OK;
}

static void reference_close(assay_plan *plan)
{
    struct reference *self = plan->self;

    if (!self)
        return;
    assay__free(self->buffer);
    assay__free(self);
    plan->self = NULL;
}

static void take_in(double *dst, const void *src, size_t count,
                    enum assay_dtype type)
{
    const float *narrow = src;

    if (type == ASSAY_DTYPE_F64) {
        memcpy(dst, src, count * sizeof(double));
        return;
    }
    for (size_t i = 0; i < count; i++)
        dst[i] = (double)narrow[i];
}

static void give_out(void *dst, const double *src, size_t count,
                     enum assay_dtype type)
{
    float *narrow = dst;

    if (type == ASSAY_DTYPE_F64) {
        memcpy(dst, src, count * sizeof(double));
        return;
    }
    for (size_t i = 0; i < count; i++)
        narrow[i] = (float)src[i];
}

static int reference_write(assay_plan *plan, assay_value v, const void *src,
                           enum assay_dtype type, struct assay_error *err)
{
    const struct reference *self = plan->self;

    (void)err;
    take_in(assay__plan_address(plan, self->buffer[v]), src,
            value_count(plan, v), type);
    return ASSAY_OK;
}

static int reference_read(assay_plan *plan, assay_value v, void *dst,
                          enum assay_dtype type, struct assay_error *err)
{
    const struct reference *self = plan->self;

    (void)err;
    give_out(dst, assay__plan_address(plan, self->buffer[v]),
             value_count(plan, v), type);
    return ASSAY_OK;
}

static int reference_slot_write(struct assay__store *store, int slot,
                                void *base, const void *src,
                                enum assay_dtype type, struct assay_error *err)
{
    const struct assay__store_slot *s = &store->slot[slot];

    (void)err;
    take_in((double *)base + s->offset, src, assay_shape_count(&s->shape, 1),
            type);
    return ASSAY_OK;
}

static int reference_slot_read(struct assay__store *store, int slot,
                               const void *base, void *dst,
                               enum assay_dtype type, struct assay_error *err)
{
    const struct assay__store_slot *s = &store->slot[slot];

    (void)err;
    give_out(dst, (const double *)base + s->offset,
             assay_shape_count(&s->shape, 1), type);
    return ASSAY_OK;
}

static int reference_update(assay_plan *plan, const struct assay__update *u,
                            struct assay_error *err)
{
    (void)err;
    assay__update_f64(plan->store->weights, plan->gradients,
                      plan->store->n_trained, u, plan->options.threads);
    return ASSAY_OK;
}

static int reference_add(assay_plan *plan, void *to, const void *from,
                         struct assay_error *err)
{
    (void)err;
    assay__add_f64(to, from, plan->store->n_trained, plan->options.threads);
    return ASSAY_OK;
}

static int reference_clear(assay_plan *plan, void *to, struct assay_error *err)
{
    (void)err;
    memset(to, 0, plan->store->n_trained * sizeof(double));
    return ASSAY_OK;
}

const struct assay__backend assay__backend_reference = {
    .name = "reference",
    .element = ASSAY_DTYPE_F64,
    .lower = reference_lower,
    .bind = reference_bind,
    .close = reference_close,
    .alloc = reference_alloc,
    .dealloc = assay__free,
    .write = reference_write,
    .read = reference_read,
    .slot_write = reference_slot_write,
    .slot_read = reference_slot_read,
    .update = reference_update,
    .add = reference_add,
    .clear = reference_clear,
    .noise_open = assay__noise_open,
};
