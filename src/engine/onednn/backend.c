/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oneDNN backend: its table for plan.c, opening and closing of a plan's
 * own state, and the way of numbers in and out.
 *
 * lower() first settles the layouts of the weights with the layers that use
 * them, makes the store, and then walks the nodes. Gradients that were not
 * made at their place in the store are brought there at the end.
 *
 * The store's version counts changes of weights, so that what frozen plans
 * derive from these (reordered, folded) is made again when need be.
 */

#include <string.h>

#include "core/mem.h"
#include "engine/noise.h"
#include "engine/onednn/ports.h"

struct row {
    const struct assay_op *op;
    void (*lower)(struct assay__dnn *d, int node);
};

static const struct row rows[] = {
#define ASSAY_LOWER(name, function) {&assay__op_##name, function},
#include "engine/onednn/lower.def"
#undef ASSAY_LOWER
};

void assay__dnn_lower_node(struct assay__dnn *d, int index)
{
    const struct assay_op *op = d->plan->graph->node[index].op;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].op == op) {
            rows[i].lower(d, index);
            return;
        }
    }
    assay__dnn_fallback(d, index);
}

/* --- weights ---------------------------------------------------------- */

/* The layout a node would like its weights in, or NULL. */
static const_dnnl_memory_desc_t layout_by(struct assay__dnn *d, int index,
                                          assay_value param)
{
    const struct assay__node *node = &d->plan->graph->node[index];

    if (!d->plan->live[index] || node->n_in < 2 || node->in[1] != param)
        return NULL;
    if (node->op == &assay__op_conv || node->op == &assay__op_deconv)
        return assay__dnn_conv_layout(d, index);
    if (node->op == &assay__op_linear)
        return assay__linear_layout(d, node->in[0], node->out);
    return NULL;
}

/* assay__layout_of: the first layer that reads a weight decides. */
static int layout_of(assay_plan *plan, assay_value param, size_t *count,
                     void **layout, struct assay_error *err)
{
    struct assay__dnn *d = plan->self;
    const_dnnl_memory_desc_t md = NULL;
    dnnl_memory_desc_t own = NULL;
    bool half = d->half;

    /* The store holds f32, also for layers that compute in bf16; their
     * gradients come in the layout of plain f32 convolutions. */
    d->half = false;
    d->untimed = half;
    *layout = NULL;
    *count = assay_shape_count(&plan->graph->value[param].shape, 1);
    for (int i = 0; i < plan->graph->n_nodes && md == NULL; i++)
        md = layout_by(d, i, param);
    d->half = half;
    d->untimed = false;
    if (d->code != ASSAY_OK)
        return d->code;
    if (md == NULL)
        return ASSAY_OK;
    if (dnnl_memory_desc_clone(&own, md) != dnnl_success)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a layout of weights");
    *layout = own;
    *count = dnnl_memory_desc_get_size(md) / sizeof(float);
    return ASSAY_OK;
}

static void layout_free(void *layout)
{
    dnnl_memory_desc_destroy(layout);
}

/* --- opening ---------------------------------------------------------- */

/*
 * The library's cache of primitives is off, for the whole process: it takes
 * descriptors for equal that differ in the stride of a dimension of one, so
 * that a plan could get the kernel of an earlier one, and other last bits. A
 * plan keeps its own primitives; the cache saved no measurable time.
 */
static int open_engine(struct assay__dnn *d)
{
    if (!assay__dnn_ok(d, dnnl_set_primitive_cache_capacity(0),
                       "turn the cache of primitives off") ||
        !assay__dnn_ok(d, dnnl_engine_create(&d->engine, dnnl_cpu, 0),
                       "open the CPU"))
        return d->code;
    (void)assay__dnn_ok(
        d, dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags),
        "open a stream");
    return d->code;
}

static int open_tables(struct assay__dnn *d)
{
    const assay_graph *g = d->plan->graph;
    size_t n = (size_t)g->n_values;

    d->value = assay__calloc(n, sizeof(*d->value));
    d->reader = assay__calloc(n, sizeof(*d->reader));
    d->left = assay__calloc(n, sizeof(*d->left));
    d->gradient = assay__calloc(n, sizeof(*d->gradient));
    d->done = assay__calloc((size_t)g->n_nodes, sizeof(*d->done));
    d->waiting = assay__calloc((size_t)g->n_nodes, sizeof(*d->waiting));
    if (!d->value || !d->reader || !d->left || !d->gradient || !d->done ||
        !d->waiting)
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for %d values",
                        g->n_values);
    return d->code;
}

static void find_readers(struct assay__dnn *d)
{
    const assay_graph *g = d->plan->graph;

    for (int v = 0; v < g->n_values; v++) {
        d->reader[v] = d->gradient[v] = -1;
        d->left[v] = d->plan->uses[v];
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct assay__node *node = &g->node[i];

        for (int k = 0; d->plan->live[i] && k < node->n_in; k++) {
            if (node->in[k] != ASSAY_NO_VALUE &&
                d->plan->uses[node->in[k]] == 1)
                d->reader[node->in[k]] = i;
        }
    }
}

static void find_gradients(struct assay__dnn *d)
{
    const struct assay_plan_options *o = &d->plan->options;

    for (int i = 0; i < o->n_gradients; i++) {
        const char *name = d->plan->graph->value[o->gradients[i].param].name;

        if (d->gradient[o->gradients[i].gradient] < 0)
            d->gradient[o->gradients[i].gradient] =
                assay__store_find(d->plan->store, name);
    }
}

/* --- walking ---------------------------------------------------------- */

static void open_inputs(struct assay__dnn *d)
{
    const assay_graph *g = d->plan->graph;

    for (int i = 0; i < g->n_inputs; i++) {
        assay_value v = g->input[i];
        const_dnnl_memory_desc_t md;
        int id;

        if (!d->plan->kept[v])
            continue;
        md = assay__dnn_plain_of(d, v);
        id = md != NULL ? assay__dnn_buffer(d, dnnl_memory_desc_get_size(md))
                        : -1;
        if (id < 0)
            return;
        d->plan->buffer[id].keep = true;
        d->pinned[id] = true;
        assay__dnn_add_form(d, v, md, id);
    }
}

/* Outputs outlive the run. */
static void keep_outputs(struct assay__dnn *d)
{
    const struct assay_plan_options *o = &d->plan->options;

    for (int i = 0; i < o->n_outputs; i++) {
        struct assay__form form = assay__dnn_form(d, o->outputs[i]);

        if (form.buffer >= 0)
            d->plan->buffer[form.buffer].keep = true;
    }
}

/* Bring gradients that were made elsewhere to their slots. */
static void finish_gradients(struct assay__dnn *d)
{
    const struct assay_plan_options *o = &d->plan->options;
    const assay_graph *g = d->plan->graph;
    const struct assay__store *store = d->plan->store;

    for (int i = 0; i < o->n_gradients && d->code == ASSAY_OK; i++) {
        assay_value v = o->gradients[i].gradient;
        int slot =
            assay__store_find(store, g->value[o->gradients[i].param].name);
        void *place = (float *)store->gradients + store->slot[slot].offset;
        const_dnnl_memory_desc_t md = assay__dnn_slot_md(d, slot);
        struct assay__form form = assay__dnn_form(d, v);
        bool there = false;
        int id;

        for (int k = 0; d->code == ASSAY_OK && k < d->value[v].n; k++) {
            id = d->value[v].item[k].buffer;
            there = there || d->plan->buffer[id].fixed == place;
        }
        if (there || d->code != ASSAY_OK)
            continue;
        id = assay__dnn_want(d, v, md);
        form.buffer = assay__dnn_buffer(d, dnnl_memory_desc_get_size(md));
        if (d->code != ASSAY_OK)
            return;
        d->plan->buffer[form.buffer].fixed = place;
        assay__dnn_reorder(d, md, id, md, form.buffer);
    }
}

static bool has_isa(dnnl_cpu_isa_t isa)
{
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) ==
           (unsigned)isa;
}

static int lower(assay_plan *plan, struct assay_error *err)
{
    struct assay__dnn *d = assay__calloc(1, sizeof(*d));

    plan->self = d;
    if (d == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for a plan");
    d->plan = plan;
    d->err = err;
    d->asked = -1;
    d->lanes = has_isa(dnnl_cpu_isa_avx512_core) ? 16 : 8;
    d->frozen = plan->options.n_gradients == 0;
    d->half = plan->options.compute == ASSAY_DTYPE_BF16;
    if (d->half && !has_isa(dnnl_cpu_isa_avx512_core_bf16))
        return assay_error_set(err, ASSAY_UNSUPPORTED,
                               "this CPU does not compute in BF16 (AVX-512 "
                               "BF16 or AMX needed)");
    if (open_engine(d) != ASSAY_OK || open_tables(d) != ASSAY_OK)
        return d->code;
    find_readers(d);
    if (plan->store == NULL)
        d->code = assay__plan_make_store(plan, layout_of, err);
    if (d->code != ASSAY_OK)
        return d->code;
    find_gradients(d);
    open_inputs(d);
    for (int i = 0; i < plan->graph->n_nodes && d->code == ASSAY_OK; i++) {
        if (!plan->live[i] || d->done[i])
            continue;
        assay__dnn_lower_node(d, i);
        if (!d->waiting[i])
            assay__dnn_done(d, i);
    }
    keep_outputs(d);
    finish_gradients(d);
    plan->scratch_bytes = d->scratch_bytes;
    d->err = NULL;
    return d->code;
}

static int bind(assay_plan *plan, struct assay_error *err)
{
    struct assay__dnn *d = plan->self;

    if (plan->slab_borrowed) {
        const struct assay__dnn *lender = plan->options.share->self;

        if (lender->scratch_bytes >= d->scratch_bytes) {
            d->scratch = lender->scratch;
            d->scratch_borrowed = true;
        }
    }
    if (d->scratch_bytes > 0 && d->scratch == NULL) {
        d->scratch = assay__slab(d->scratch_bytes);
        if (d->scratch == NULL)
            return assay_error_set(err, ASSAY_NOMEM,
                                   "out of memory for %zu MiB of scratch",
                                   d->scratch_bytes >> 20);
    }
    return assay__dnn_bind(plan, err);
}

static void close_values(struct assay__dnn *d)
{
    int i;

    for (i = 0; d->value != NULL && i < d->plan->graph->n_values; i++)
        assay__free(d->value[i].item);
    assay__free(d->value);
    for (i = 0; i < d->n_md; i++)
        dnnl_memory_desc_destroy(d->md[i]);
    assay__free(d->md);
    for (i = 0; i < d->n_kept; i++)
        assay__free(d->kept[i]);
    assay__free(d->kept);
}

static void close_plan(assay_plan *plan)
{
    struct assay__dnn *d = plan->self;

    if (d == NULL)
        return;
    for (int i = 0; i < d->n_closing; i++)
        d->closing[i].release(d->closing[i].what);
    assay__free(d->closing);
    close_values(d);
    assay__free(d->reader);
    assay__free(d->left);
    assay__free(d->gradient);
    assay__free(d->done);
    assay__free(d->waiting);
    assay__free(d->pinned);
    assay__free(d->constant);
    if (!d->scratch_borrowed)
        assay__free(d->scratch);
    if (d->stream != NULL)
        dnnl_stream_destroy(d->stream);
    if (d->engine != NULL)
        dnnl_engine_destroy(d->engine);
    assay__free(d);
    plan->self = NULL;
}

static void *alloc(size_t bytes)
{
    return assay__slab(bytes);
}

static int update(assay_plan *plan, const struct assay__update *u,
                  struct assay_error *err)
{
    (void)err;
    assay__update_f32(plan->store->weights, plan->gradients,
                      plan->store->n_trained, u, plan->options.threads);
    plan->store->version++;
    return ASSAY_OK;
}

static int add(assay_plan *plan, void *to, const void *from,
               struct assay_error *err)
{
    (void)err;
    assay__add_f32(to, from, plan->store->n_trained, plan->options.threads);
    return ASSAY_OK;
}

static int clear(assay_plan *plan, void *to, struct assay_error *err)
{
    (void)err;
    memset(to, 0, plan->store->n_trained * sizeof(float));
    return ASSAY_OK;
}

const struct assay__backend assay__backend_onednn = {
    .name = "onednn",
    .element = ASSAY_DTYPE_F32,
    .lower = lower,
    .bind = bind,
    .close = close_plan,
    .alloc = alloc,
    .dealloc = assay__free,
    .write = assay__dnn_write,
    .read = assay__dnn_read,
    .slot_write = assay__dnn_slot_write,
    .slot_read = assay__dnn_slot_read,
    .layout_free = layout_free,
    .update = update,
    .add = add,
    .clear = clear,
    .noise_open = assay__noise_open,
};
