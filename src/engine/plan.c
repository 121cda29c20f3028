/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: what is compiled, in which memory, and running it.
 *
 * Order within assay_plan_new: options are checked and copied; live nodes
 * are marked backwards from outputs and gradients; the backend lowers these
 * to steps and buffers; buffers get their places in one slab; the backend
 * binds addresses. After that nothing is allocated: assay_plan_run is a
 * loop over the steps.
 *
 * A plan holds its graph by borrowing, its store by counting.
 */

#include <string.h>

#include "core/mem.h"
#include "core/thread.h"
#include "engine/backend.h"
#include "engine/grow.h"
#include "engine/tuning.h"

enum { MAX_BATCH = 1 << 24, MAX_THREADS = 1024, MAX_BUFFERS = 1 << 24 };

static const struct assay__backend *const backends[] = {
    &assay__backend_reference,
    &assay__backend_onednn,
};

static const struct assay__backend *find_backend(const char *name)
{
    if (!name)
        name = "onednn";
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    }
    return NULL;
}

static bool has_value(const assay_graph *g, assay_value v)
{
    return v >= 0 && v < g->n_values;
}

static int check_gradient(const assay_graph *g, const struct assay_gradient *d,
                          int index, struct assay_error *err)
{
    const struct assay__value *param;

    if (!has_value(g, d->param) || g->value[d->param].kind != ASSAY__PARAM)
        return assay_error_set(err, ASSAY_ARG,
                               "gradients[%d]: value %d is not a parameter",
                               index, d->param);
    param = &g->value[d->param];
    if (d->gradient == ASSAY_NO_VALUE)
        return ASSAY_OK;
    if (!has_value(g, d->gradient))
        return assay_error_set(err, ASSAY_ARG,
                               "gradient of '%.100s', value %d, does not "
                               "exist",
                               param->name, d->gradient);
    if (!assay_shape_equal(&param->shape, &g->value[d->gradient].shape))
        return assay_error_set(err, ASSAY_SHAPE,
                               "gradient of '%.150s' has another shape",
                               param->name);
    return ASSAY_OK;
}

static int check_numbers(const struct assay_plan_options *o,
                         struct assay_error *err)
{
    if (o->batch < 1 || o->batch > MAX_BATCH)
        return assay_error_set(err, ASSAY_ARG, "batch %lld is not in 1..%d",
                               (long long)o->batch, MAX_BATCH);
    if (o->threads < 1 || o->threads > MAX_THREADS)
        return assay_error_set(err, ASSAY_ARG, "threads %d is not in 1..%d",
                               o->threads, MAX_THREADS);
    if (o->compute != ASSAY_DTYPE_F32 && o->compute != ASSAY_DTYPE_BF16)
        return assay_error_set(err, ASSAY_ARG,
                               "computing in %s, must be F32 or BF16",
                               assay_dtype_name(o->compute));
    return ASSAY_OK;
}

static int check_options(const assay_graph *g,
                         const struct assay_plan_options *o,
                         struct assay_error *err)
{
    int code = check_numbers(o, err);

    for (int i = 0; i < o->n_outputs && code == ASSAY_OK; i++) {
        if (!has_value(g, o->outputs[i]))
            code = assay_error_set(err, ASSAY_ARG,
                                   "outputs[%d], value %d, does not exist", i,
                                   o->outputs[i]);
    }
    for (int i = 0; i < o->n_gradients && code == ASSAY_OK; i++)
        code = check_gradient(g, &o->gradients[i], i, err);
    return code;
}

/* Own copies of the option arrays; gradients without a value dropped. */
static int copy_options(assay_plan *plan, const struct assay_plan_options *o,
                        struct assay_error *err)
{
    assay_value *outputs;
    struct assay_gradient *gradients;
    int n = 0;

    plan->options = *o;
    plan->options.backend = plan->backend->name;
    plan->options.n_outputs = plan->options.n_gradients = 0;
    outputs = assay__calloc((size_t)o->n_outputs, sizeof(*outputs));
    gradients = assay__calloc((size_t)o->n_gradients, sizeof(*gradients));
    plan->options.outputs = plan->own_outputs = outputs;
    plan->options.gradients = plan->own_gradients = gradients;
    if (!outputs || !gradients)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a plan's options");
    for (int i = 0; i < o->n_outputs; i++)
        outputs[i] = o->outputs[i];
    for (int i = 0; i < o->n_gradients; i++) {
        if (o->gradients[i].gradient != ASSAY_NO_VALUE)
            gradients[n++] = o->gradients[i];
    }
    plan->options.n_outputs = o->n_outputs;
    plan->options.n_gradients = n;
    if (!o->tuning) {
        int code = assay_tuning_new(&plan->own_tuning, err);

        if (code != ASSAY_OK)
            return code;
        plan->options.tuning = plan->own_tuning;
    }
    return ASSAY_OK;
}

/* Mark what outputs and gradients need, and count how often it is read. */
static int mark_live(assay_plan *plan, struct assay_error *err)
{
    const assay_graph *g = plan->graph;
    const struct assay_plan_options *o = &plan->options;

    plan->live = assay__calloc((size_t)g->n_nodes, sizeof(*plan->live));
    plan->kept = assay__calloc((size_t)g->n_values, sizeof(*plan->kept));
    plan->uses = assay__calloc((size_t)g->n_values, sizeof(*plan->uses));
    if (!plan->live || !plan->kept || !plan->uses)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a plan of %d nodes",
                               g->n_nodes);
    for (int i = 0; i < o->n_outputs; i++) {
        plan->uses[o->outputs[i]]++;
        plan->kept[o->outputs[i]] = true;
    }
    for (int i = 0; i < o->n_gradients; i++)
        plan->uses[o->gradients[i].gradient]++;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const struct assay__node *node = &g->node[i];

        for (int k = 0; k < node->op->n_out; k++)
            plan->live[i] = plan->live[i] || plan->uses[node->out + k] > 0;
        for (int k = 0; plan->live[i] && k < node->n_in; k++) {
            if (node->in[k] != ASSAY_NO_VALUE)
                plan->uses[node->in[k]]++;
        }
    }
    for (int i = 0; i < g->n_inputs; i++) {
        if (plan->uses[g->input[i]] > 0)
            plan->kept[g->input[i]] = true;
    }
    return ASSAY_OK;
}

/* Whether a shared store has what this plan's graph needs. */
static int check_shared(const assay_plan *plan,
                        const struct assay__store *store,
                        struct assay_error *err)
{
    const assay_graph *g = plan->graph;
    const struct assay_plan_options *o = &plan->options;
    int n_trained = 0;

    for (int i = 0; i < g->n_params; i++) {
        const struct assay__value *v = &g->value[g->param[i]];
        int slot = assay__store_find(store, v->name);

        if (slot < 0 || !assay_shape_equal(&store->slot[slot].shape, &v->shape))
            return assay_error_set(err, ASSAY_ARG,
                                   "the shared store has no '%.150s' of this "
                                   "shape",
                                   v->name);
    }
    if (o->n_gradients == 0)
        return ASSAY_OK;
    for (int i = 0; i < store->n_slots; i++)
        n_trained += store->slot[i].trained;
    for (int i = 0; i < o->n_gradients; i++) {
        const char *name = g->value[o->gradients[i].param].name;
        int slot = assay__store_find(store, name);

        if (!store->slot[slot].trained)
            return assay_error_set(err, ASSAY_ARG,
                                   "'%.150s' is not trained in the shared "
                                   "store",
                                   name);
    }
    if (n_trained != o->n_gradients)
        return assay_error_set(err, ASSAY_ARG,
                               "%d gradients, the shared store trains %d "
                               "parameters",
                               o->n_gradients, n_trained);
    return ASSAY_OK;
}

static int attach_shared(assay_plan *plan, struct assay_error *err)
{
    assay_plan *share = plan->options.share;
    int code;

    if (!share)
        return ASSAY_OK;
    if (share->backend != plan->backend)
        return assay_error_set(err, ASSAY_ARG,
                               "a plan for %s cannot share with one for %s",
                               plan->backend->name, share->backend->name);
    code = check_shared(plan, share->store, err);
    if (code != ASSAY_OK)
        return code;
    assay__store_hold(share->store);
    plan->store = share->store;
    if (plan->options.n_gradients > 0)
        plan->gradients = share->store->gradients;
    return ASSAY_OK;
}

/* Whether the values fit into the memory of the plan it shares with. What a
 * plan without gradients derives from parameters must stay. */
static bool may_borrow(const assay_plan *plan)
{
    const struct assay_plan_options *o = &plan->options;

    return o->share && o->in_its_memory && o->n_gradients > 0 &&
           o->share->slab_bytes >= plan->slab_bytes;
}

static int lay_out(assay_plan *plan, struct assay_error *err)
{
    int code = assay__place_buffers(plan->buffer, plan->n_buffers, plan->step,
                                    plan->n_steps, &plan->slab_bytes, err);

    if (code != ASSAY_OK)
        return code;
    plan->slab_borrowed = may_borrow(plan);
    plan->slab =
        plan->slab_borrowed
            ? plan->options.share->slab
            : plan->backend->alloc(plan->slab_bytes ? plan->slab_bytes : 64);
    if (!plan->slab)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu MiB of activations, "
                               "batch %lld",
                               plan->slab_bytes >> 20,
                               (long long)plan->options.batch);
    return plan->backend->bind(plan, err);
}

static int compile(assay_plan *plan, const struct assay_plan_options *o,
                   struct assay_error *err)
{
    int code = copy_options(plan, o, err);

    if (code == ASSAY_OK)
        code = mark_live(plan, err);
    if (code == ASSAY_OK)
        code = attach_shared(plan, err);
    if (code != ASSAY_OK)
        return code;
    assay__thread_set_omp(o->threads);
    assay__tuning_lock(plan->options.tuning);
    code = plan->backend->lower(plan, err);
    assay__tuning_unlock(plan->options.tuning);
    if (code == ASSAY_OK)
        code = lay_out(plan, err);
    return code;
}

int assay_plan_new(assay_plan **out, const assay_graph *g,
                   const struct assay_plan_options *options,
                   struct assay_error *err)
{
    const struct assay__backend *backend = find_backend(options->backend);
    assay_plan *plan;
    int code = assay_graph_check(g, err);

    if (code == ASSAY_OK && !backend)
        code = assay_error_set(err, ASSAY_ARG,
                               "there is no backend called '%.100s'",
                               options->backend);
    if (code == ASSAY_OK)
        code = check_options(g, options, err);
    if (code != ASSAY_OK)
        return code;
    plan = assay__calloc(1, sizeof(*plan));
    if (!plan)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for a plan");
    plan->graph = g;
    plan->backend = backend;
    code = compile(plan, options, err);
    if (code != ASSAY_OK) {
        assay_plan_free(plan);
        return code;
    }
    *out = plan;
    return ASSAY_OK;
}

void assay_plan_free(assay_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->n_steps; i++) {
        struct assay__step *s = &plan->step[i];

        if (s->release)
            s->release(s->arg);
        assay__free(s->own_use);
    }
    plan->backend->close(plan);
    if (plan->slab && !plan->slab_borrowed)
        plan->backend->dealloc(plan->slab);
    assay__store_drop(plan->store);
    assay_tuning_free(plan->own_tuning);
    assay__free(plan->own_outputs);
    assay__free(plan->own_gradients);
    assay__free(plan->live);
    assay__free(plan->kept);
    assay__free(plan->uses);
    assay__free(plan->buffer);
    assay__free(plan->step);
    assay__free(plan);
}

int assay__plan_buffer(assay_plan *plan, size_t bytes, struct assay_error *err)
{
    struct assay__buffer *all = NULL;

    if (plan->n_buffers < MAX_BUFFERS)
        all = assay__grown(plan->buffer, plan->n_buffers, &plan->cap_buffers,
                           sizeof(*all));
    if (!all)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for buffer %d of a plan",
                               plan->n_buffers);
    plan->buffer = all;
    memset(&all[plan->n_buffers], 0, sizeof(*all));
    all[plan->n_buffers].bytes = bytes;
    all[plan->n_buffers].alias = -1;
    return plan->n_buffers++;
}

int assay__plan_step(assay_plan *plan, const struct assay__step *step,
                     struct assay_error *err)
{
    struct assay__step *all;
    int *use = assay__calloc((size_t)step->n_use, sizeof(*use));

    all =
        assay__grown(plan->step, plan->n_steps, &plan->cap_steps, sizeof(*all));
    if (all)
        plan->step = all;
    if (!use || !all) {
        assay__free(use);
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for step %d of a plan",
                               plan->n_steps);
    }
    for (int i = 0; i < step->n_use; i++)
        use[i] = step->use[i];
    all[plan->n_steps] = *step;
    all[plan->n_steps].use = all[plan->n_steps].own_use = use;
    return plan->n_steps++;
}

void *assay__plan_address(const assay_plan *plan, int buffer)
{
    while (plan->buffer[buffer].alias >= 0)
        buffer = plan->buffer[buffer].alias;
    if (plan->buffer[buffer].fixed)
        return plan->buffer[buffer].fixed;
    return (char *)plan->slab + plan->buffer[buffer].offset;
}

void assay_plan_set_stream(assay_plan *plan, uint64_t seed, uint64_t step)
{
    plan->seed = seed;
    plan->stream_step = step;
}

static int run_profiled(assay_plan *plan, struct assay__step *step,
                        struct assay_error *err)
{
    double start = assay__clock_seconds();
    int code = step->run(plan, step->arg, err);

    step->seconds += assay__clock_seconds() - start;
    step->runs++;
    return code;
}

int assay_plan_run(assay_plan *plan, struct assay_error *err)
{
    assay__thread_set_omp(plan->options.threads);
    for (int i = 0; i < plan->n_steps; i++) {
        struct assay__step *step = &plan->step[i];
        int code = plan->profile ? run_profiled(plan, step, err)
                                 : step->run(plan, step->arg, err);

        if (code != ASSAY_OK)
            return assay_error_prefix(
                err, code, "step %d (%s)", i,
                step->node >= 0 ? plan->graph->node[step->node].op->name
                                : "reorder");
    }
    return ASSAY_OK;
}

int64_t assay_plan_batch(const assay_plan *plan)
{
    return plan->options.batch;
}

void assay_plan_memory(const assay_plan *plan, struct assay_plan_memory *out)
{
    size_t element = assay_dtype_size(plan->backend->element);

    out->activations = plan->slab_bytes;
    out->parameters =
        (plan->store->n_elements + plan->store->n_trained) * element;
    out->scratch = plan->scratch_bytes;
}
