/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores: the parameters of a graph in a backend's layouts, with the
 * gradients of those that are trained beside them.
 *
 * Invariants: slots are the graph's parameters, trained ones first, each
 * group in the graph's order; offsets and counts are multiples of 16
 * elements; padding is zero and stays zero under every update. Plans and
 * optimizers each hold one reference.
 */

#include <string.h>

#include "core/checked.h"
#include "core/mem.h"
#include "engine/backend.h"

enum { SLOT_ALIGN = 16 };

static bool is_trained(const assay_plan *plan, assay_value param)
{
    for (int i = 0; i < plan->options.n_gradients; i++) {
        if (plan->options.gradients[i].param == param)
            return true;
    }
    return false;
}

static bool is_used(const assay_plan *plan, assay_value param)
{
    return plan->uses[param] > 0 || is_trained(plan, param);
}

/* Append the slot of one parameter. */
static int add_slot(assay_plan *plan, struct assay__store *store,
                    assay_value param, assay__layout_of *layout_of,
                    struct assay_error *err)
{
    const struct assay__value *v = &plan->graph->value[param];
    struct assay__store_slot *slot = &store->slot[store->n_slots];
    size_t count = assay_shape_count(&v->shape, 1);
    void *layout = NULL;
    int code;

    if (is_used(plan, param)) {
        code = layout_of(plan, param, &count, &layout, err);
        if (code != ASSAY_OK)
            return code;
    }
    slot->layout = layout;
    slot->shape = v->shape;
    slot->trained = is_trained(plan, param);
    slot->offset = store->n_elements;
    slot->name = assay__strdup(v->name);
    store->n_slots++;
    if (!slot->name)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a parameter's name");
    slot->count = (count + SLOT_ALIGN - 1) / SLOT_ALIGN * SLOT_ALIGN;
    if (!assay__add_size(store->n_elements, slot->count, &store->n_elements))
        return assay_error_set(err, ASSAY_LIMIT,
                               "'%s' exceeds the address space", v->name);
    if (slot->trained)
        store->n_trained = store->n_elements;
    return ASSAY_OK;
}

static int add_slots(assay_plan *plan, struct assay__store *store,
                     assay__layout_of *layout_of, struct assay_error *err)
{
    const assay_graph *g = plan->graph;
    int code = ASSAY_OK;

    for (int trained = 1; trained >= 0; trained--) {
        for (int i = 0; i < g->n_params && code == ASSAY_OK; i++) {
            if (is_trained(plan, g->param[i]) == (trained != 0))
                code = add_slot(plan, store, g->param[i], layout_of, err);
        }
    }
    return code;
}

static int allocate(struct assay__store *store, struct assay_error *err)
{
    const struct assay__backend *backend = store->backend;
    size_t element = assay_dtype_size(backend->element);
    size_t bytes;

    if (!assay__mul_size(store->n_elements, element, &bytes))
        return assay_error_set(err, ASSAY_LIMIT,
                               "%zu parameters exceed the address space",
                               store->n_elements);
    store->weights = backend->alloc(bytes ? bytes : element);
    if (store->weights && store->n_trained > 0)
        store->gradients = backend->alloc(store->n_trained * element);
    if (!store->weights || (store->n_trained > 0 && !store->gradients))
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu parameters",
                               store->n_elements);
    return ASSAY_OK;
}

int assay__plan_make_store(assay_plan *plan, assay__layout_of *layout_of,
                           struct assay_error *err)
{
    struct assay__store *store = assay__calloc(1, sizeof(*store));
    int code = ASSAY_OK;

    if (!store)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for a store");
    store->backend = plan->backend;
    store->references = 1;
    store->slot =
        assay__calloc((size_t)plan->graph->n_params, sizeof(*store->slot));
    if (!store->slot)
        code =
            assay_error_set(err, ASSAY_NOMEM, "out of memory for %d parameters",
                            plan->graph->n_params);
    if (code == ASSAY_OK)
        code = add_slots(plan, store, layout_of, err);
    if (code == ASSAY_OK)
        code = allocate(store, err);
    if (code != ASSAY_OK) {
        assay__store_drop(store);
        return code;
    }
    plan->store = store;
    plan->gradients = store->gradients;
    return ASSAY_OK;
}

int assay__store_find(const struct assay__store *store, const char *name)
{
    for (int i = 0; i < store->n_slots; i++) {
        if (strcmp(store->slot[i].name, name) == 0)
            return i;
    }
    return -1;
}

void assay__store_hold(struct assay__store *store)
{
    __atomic_add_fetch(&store->references, 1, __ATOMIC_RELAXED);
}

void assay__store_drop(struct assay__store *store)
{
    if (!store ||
        __atomic_sub_fetch(&store->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (int i = 0; i < store->n_slots; i++) {
        assay__free(store->slot[i].name);
        assay__free(store->slot[i].mask);
        if (store->slot[i].layout)
            store->backend->layout_free(store->slot[i].layout);
    }
    assay__free(store->slot);
    if (store->weights)
        store->backend->dealloc(store->weights);
    if (store->gradients)
        store->backend->dealloc(store->gradients);
    assay__free(store);
}

int assay__store_to_tensors(struct assay__store *store, const void *base,
                            bool trained, const char *prefix,
                            struct assay_tensors *list, struct assay_error *err)
{
    int code = ASSAY_OK;

    for (int i = 0; i < store->n_slots && code == ASSAY_OK; i++) {
        const struct assay__store_slot *slot = &store->slot[i];
        struct assay_tensor *t;
        char *name;

        if (trained && !slot->trained)
            continue;
        name = assay__format("%s%s", prefix, slot->name);
        if (!name)
            return assay_error_set(err, ASSAY_NOMEM,
                                   "out of memory for a tensor's name");
        code = assay_tensors_add(list, name, store->backend->element,
                                 &slot->shape, &t, err);
        assay__free(name);
        if (code == ASSAY_OK)
            code = store->backend->slot_read(store, i, base, t->data, t->dtype,
                                             err);
    }
    return code;
}

/* The tensor that belongs to a slot, or NULL with the reason in err. */
static const struct assay_tensor *tensor_for(const struct assay__store *store,
                                             const struct assay__store_slot *s,
                                             const char *prefix,
                                             const struct assay_tensors *list,
                                             struct assay_error *err)
{
    char *name = assay__format("%s%s", prefix, s->name);
    const struct assay_tensor *t = NULL;

    if (!name) {
        (void)assay_error_set(err, ASSAY_NOMEM,
                              "out of memory for a tensor's name");
        return NULL;
    }
    t = assay_tensors_find(list, name);
    if (!t) {
        (void)assay_error_set(err, ASSAY_FORMAT, "there is no tensor '%.150s'",
                              name);
    } else if (t->dtype != store->backend->element ||
               !assay_shape_equal(&t->shape, &s->shape)) {
        (void)assay_error_set(err, ASSAY_FORMAT,
                              "tensor '%.150s' has another shape or type",
                              name);
        t = NULL;
    }
    assay__free(name);
    return t;
}

int assay__store_from_tensors(struct assay__store *store, void *base,
                              bool trained, const char *prefix,
                              const struct assay_tensors *list,
                              struct assay_error *err)
{
    struct assay_error why = {ASSAY_OK, ""};
    int code = ASSAY_OK;

    for (int i = 0; i < store->n_slots && code == ASSAY_OK; i++) {
        const struct assay_tensor *t;

        if (trained && !store->slot[i].trained)
            continue;
        t = tensor_for(store, &store->slot[i], prefix, list, &why);
        if (!t)
            return assay_error_set(err, why.code, "%s", why.msg);
        code =
            store->backend->slot_write(store, i, base, t->data, t->dtype, err);
    }
    return code;
}
