/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers into and out of a plan: inputs, outputs, parameters, gradients.
 *
 * Inputs and outputs are the backend's business; parameters and gradients
 * are slots of the store. A store in f32 that is asked for f64 is read into
 * the upper half of the caller's array and widened from there in place, so
 * that reading allocates nothing.
 */

#include <string.h>

#include "core/mem.h"
#include "engine/backend.h"

/* The slot a value's numbers are in, and of which array; -1: no slot. */
static int slot_of(const assay_plan *plan, assay_value v, void **base)
{
    const assay_graph *g = plan->graph;

    if (g->value[v].kind == ASSAY__PARAM) {
        *base = plan->store->weights;
        return assay__store_find(plan->store, g->value[v].name);
    }
    for (int i = 0; i < plan->options.n_gradients; i++) {
        const struct assay_gradient *d = &plan->options.gradients[i];

        if (d->gradient == v) {
            *base = plan->gradients;
            return assay__store_find(plan->store, g->value[d->param].name);
        }
    }
    return -1;
}

static void widen(double *dst, size_t count)
{
    const char *src = (const char *)(dst + count) - count * sizeof(float);

    for (size_t i = 0; i < count; i++) {
        float x;

        memcpy(&x, src + i * sizeof(float), sizeof(x));
        dst[i] = (double)x;
    }
}

static int read_slot(assay_plan *plan, int slot, const void *base, void *dst,
                     enum assay_dtype type, struct assay_error *err)
{
    struct assay__store *store = plan->store;
    size_t count = assay_shape_count(&store->slot[slot].shape, 1);
    int code;

    if (type == ASSAY_DTYPE_F32 || plan->backend->element == ASSAY_DTYPE_F64)
        return plan->backend->slot_read(store, slot, base, dst, type, err);
    code = plan->backend->slot_read(store, slot, base,
                                    (char *)dst + count * sizeof(float),
                                    ASSAY_DTYPE_F32, err);
    if (code == ASSAY_OK)
        widen(dst, count);
    return code;
}

static int read_value(assay_plan *plan, assay_value v, void *dst,
                      enum assay_dtype type, struct assay_error *err)
{
    const assay_graph *g = plan->graph;
    void *base = NULL;
    int slot;

    if (v < 0 || v >= g->n_values)
        return assay_error_set(err, ASSAY_ARG,
                               "value %d, to be read, does not exist", v);
    slot = slot_of(plan, v, &base);
    if (slot >= 0)
        return read_slot(plan, slot, base, dst, type, err);
    if (!plan->kept[v])
        return assay_error_set(err, ASSAY_ARG,
                               "value %d (%.100s) is not an output of this "
                               "plan",
                               v, g->value[v].name ? g->value[v].name : "-");
    return plan->backend->read(plan, v, dst, type, err);
}

int assay_plan_read(assay_plan *plan, assay_value v, float *dst,
                    struct assay_error *err)
{
    return read_value(plan, v, dst, ASSAY_DTYPE_F32, err);
}

int assay_plan_read_f64(assay_plan *plan, assay_value v, double *dst,
                        struct assay_error *err)
{
    return read_value(plan, v, dst, ASSAY_DTYPE_F64, err);
}

/* A parameter from the host; f64 into an f32 store by way of a copy. */
static int write_slot(assay_plan *plan, assay_value v, const void *src,
                      enum assay_dtype type, struct assay_error *err)
{
    struct assay__store *store = plan->store;
    int slot = assay__store_find(store, plan->graph->value[v].name);
    size_t count = assay_shape_count(&store->slot[slot].shape, 1);
    const double *wide = src;
    float *copy;
    int code;

    if (type == ASSAY_DTYPE_F32 || plan->backend->element == ASSAY_DTYPE_F64)
        return plan->backend->slot_write(store, slot, store->weights, src, type,
                                         err);
    copy = assay__calloc(count, sizeof(*copy));
    if (!copy)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for parameter '%.100s'",
                               store->slot[slot].name);
    for (size_t i = 0; i < count; i++)
        copy[i] = (float)wide[i];
    code = plan->backend->slot_write(store, slot, store->weights, copy,
                                     ASSAY_DTYPE_F32, err);
    assay__free(copy);
    return code;
}

static int write_value(assay_plan *plan, assay_value v, const void *src,
                       enum assay_dtype type, struct assay_error *err)
{
    const assay_graph *g = plan->graph;

    if (v < 0 || v >= g->n_values || g->value[v].kind == ASSAY__RESULT)
        return assay_error_set(err, ASSAY_ARG,
                               "value %d, to be written, is neither an input "
                               "nor a parameter",
                               v);
    if (g->value[v].kind == ASSAY__PARAM)
        return write_slot(plan, v, src, type, err);
    if (!plan->kept[v])
        return ASSAY_OK;
    return plan->backend->write(plan, v, src, type, err);
}

int assay_plan_write(assay_plan *plan, assay_value v, const float *src,
                     struct assay_error *err)
{
    return write_value(plan, v, src, ASSAY_DTYPE_F32, err);
}

int assay_plan_write_f64(assay_plan *plan, assay_value v, const double *src,
                         struct assay_error *err)
{
    return write_value(plan, v, src, ASSAY_DTYPE_F64, err);
}

/* The host slot for a store's slot, equal in shape. */
static const struct assay_param_slot *host_slot(
    const struct assay_params *p, const struct assay__store_slot *slot,
    struct assay_error *err)
{
    const struct assay_param_slot *host = assay_params_find(p, slot->name);

    if (!host) {
        (void)assay_error_set(err, ASSAY_ARG, "the parameters have no '%.150s'",
                              slot->name);
        return NULL;
    }
    if (!assay_shape_equal(&host->shape, &slot->shape)) {
        char is[80];
        char should[80];

        assay_shape_text(&host->shape, is, sizeof(is));
        assay_shape_text(&slot->shape, should, sizeof(should));
        (void)assay_error_set(err, ASSAY_SHAPE,
                              "parameter '%.60s' has shape %s, the graph's %s",
                              slot->name, is, should);
        return NULL;
    }
    return host;
}

int assay_plan_load(assay_plan *plan, const struct assay_params *p,
                    struct assay_error *err)
{
    struct assay__store *store = plan->store;
    struct assay_error why = {ASSAY_OK, ""};
    int code = ASSAY_OK;

    for (int i = 0; i < store->n_slots && code == ASSAY_OK; i++) {
        const struct assay_param_slot *host =
            host_slot(p, &store->slot[i], &why);

        if (!host)
            return assay_error_set(err, why.code, "%s", why.msg);
        code = plan->backend->slot_write(store, i, store->weights,
                                         p->data + host->offset,
                                         ASSAY_DTYPE_F32, err);
    }
    return code;
}

int assay_plan_save(assay_plan *plan, struct assay_params *p,
                    struct assay_error *err)
{
    struct assay__store *store = plan->store;
    struct assay_error why = {ASSAY_OK, ""};
    int code = ASSAY_OK;

    for (int i = 0; i < store->n_slots && code == ASSAY_OK; i++) {
        const struct assay_param_slot *host =
            host_slot(p, &store->slot[i], &why);

        if (!host)
            return assay_error_set(err, why.code, "%s", why.msg);
        code = plan->backend->slot_read(store, i, store->weights,
                                        p->data + host->offset, ASSAY_DTYPE_F32,
                                        err);
    }
    return code;
}
