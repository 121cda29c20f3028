/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters on the host: one slab, one table.
 *
 * Slot i is the graph's parameter i. Offsets are multiples of 16 elements,
 * so each slot starts on a cache line and padding stays zero. Values drawn
 * for a slot depend on (seed, slot) alone: widening one layer leaves the
 * others' values as they were.
 */

#include "assay/params.h"

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "core/checked.h"
#include "core/mem.h"
#include "engine/graph.h"

enum { PAD = 16 };

static int fill_table(struct assay_params *p, const assay_graph *g,
                      struct assay_error *err)
{
    for (int i = 0; i < g->n_params; i++) {
        const struct assay__value *v = &g->value[g->param[i]];
        struct assay_param_slot *slot = &p->slot[i];
        size_t padded;

        slot->name = assay__strdup(v->name);
        p->n_slots++;
        if (!slot->name)
            return assay_error_set(err, ASSAY_NOMEM,
                                   "out of memory for a parameter's name");
        slot->shape = v->shape;
        slot->flags = v->flags;
        slot->count = assay_shape_count(&v->shape, 1);
        slot->offset = p->size;
        padded = (slot->count + PAD - 1) / PAD * PAD;
        if (!assay__add_size(p->size, padded, &p->size) ||
            p->size > SIZE_MAX / sizeof(float))
            return assay_error_set(err, ASSAY_LIMIT,
                                   "parameter '%.100s' exceeds the address "
                                   "space",
                                   v->name);
    }
    return ASSAY_OK;
}

int assay_params_make(struct assay_params *p, const assay_graph *g,
                      struct assay_error *err)
{
    struct assay_params made;
    int code = assay_graph_check(g, err);

    if (code != ASSAY_OK)
        return code;
    memset(&made, 0, sizeof(made));
    made.slot = assay__calloc((size_t)g->n_params, sizeof(*made.slot));
    if (!made.slot)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %d parameters", g->n_params);
    code = fill_table(&made, g, err);
    if (code == ASSAY_OK) {
        made.data = assay__slab(made.size * sizeof(float));
        if (!made.data)
            code =
                assay_error_set(err, ASSAY_NOMEM,
                                "out of memory for %zu parameters", made.size);
    }
    if (code != ASSAY_OK) {
        assay_params_release(&made);
        return code;
    }
    *p = made;
    return ASSAY_OK;
}

void assay_params_release(struct assay_params *p)
{
    for (int i = 0; i < p->n_slots; i++)
        assay__free(p->slot[i].name);
    assay__free(p->slot);
    assay__free(p->data);
    memset(p, 0, sizeof(*p));
}

/* Numbers per output (fan in) and per input (fan out) of a weight. */
static void fans(const struct assay_shape *shape, double *in, double *out)
{
    double kernel = 1.0;

    for (int i = 2; i < shape->rank; i++)
        kernel *= (double)shape->dim[i];
    *in = (double)shape->dim[1] * kernel;
    *out = (double)shape->dim[0] * kernel;
}

static void draw_uniform(float *dst, size_t n, double bound,
                         struct assay_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)((2.0 * assay_rng_uniform(rng) - 1.0) * bound);
}

static void draw_normal(float *dst, size_t n, double sigma, double mean,
                        struct assay_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(mean + sigma * assay_rng_normal(rng));
}

static void set_all(float *dst, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)value;
}

static int init_slot(float *dst, size_t n, const struct assay__value *v,
                     struct assay_rng *rng, struct assay_error *err)
{
    const struct assay_init *init = &v->init;
    double fan_in = 1.0;
    double fan_out = 1.0;

    if (init->rule >= ASSAY_INIT_KAIMING_UNIFORM) {
        if (v->shape.rank < 2)
            return assay_error_set(err, ASSAY_SHAPE,
                                   "'%.100s' has rank %d; its rule of "
                                   "initial values needs 2",
                                   v->name, v->shape.rank);
        fans(&v->shape, &fan_in, &fan_out);
    }
    switch (init->rule) {
    case ASSAY_INIT_ZERO:
        set_all(dst, n, 0.0);
        break;
    case ASSAY_INIT_ONE:
        set_all(dst, n, 1.0);
        break;
    case ASSAY_INIT_CONST:
        set_all(dst, n, init->a);
        break;
    case ASSAY_INIT_UNIFORM:
        draw_uniform(dst, n, init->a, rng);
        break;
    case ASSAY_INIT_NORMAL:
        draw_normal(dst, n, init->a, init->b, rng);
        break;
    case ASSAY_INIT_KAIMING_UNIFORM:
        draw_uniform(dst, n, sqrt(6.0 / ((1.0 + init->a * init->a) * fan_in)),
                     rng);
        break;
    case ASSAY_INIT_KAIMING_FAN_OUT:
        draw_normal(dst, n, sqrt(2.0 / fan_out), 0.0, rng);
        break;
    case ASSAY_INIT_XAVIER_NORMAL:
        draw_normal(dst, n, sqrt(2.0 / (fan_in + fan_out)), 0.0, rng);
        break;
    }
    return ASSAY_OK;
}

int assay_params_init(struct assay_params *p, const assay_graph *g,
                      uint64_t seed, struct assay_error *err)
{
    int code = ASSAY_OK;

    if (p->n_slots != g->n_params)
        return assay_error_set(err, ASSAY_ARG,
                               "%d parameters, the graph has %d", p->n_slots,
                               g->n_params);
    for (int i = 0; i < p->n_slots && code == ASSAY_OK; i++) {
        const struct assay__value *v = &g->value[g->param[i]];
        struct assay_param_slot *slot = &p->slot[i];
        struct assay_rng rng;

        if (strcmp(slot->name, v->name) != 0 ||
            !assay_shape_equal(&slot->shape, &v->shape))
            return assay_error_set(err, ASSAY_ARG,
                                   "parameter %d is '%.80s', the graph's is "
                                   "'%.80s'",
                                   i, slot->name, v->name);
        assay_rng_init(&rng, seed, "init", (uint64_t)i);
        code = init_slot(p->data + slot->offset, slot->count, v, &rng, err);
    }
    return code;
}

int assay_params_copy(struct assay_params *dst, const struct assay_params *src,
                      struct assay_error *err)
{
    if (dst->n_slots != src->n_slots)
        return assay_error_set(err, ASSAY_ARG, "copying %d parameters into %d",
                               src->n_slots, dst->n_slots);
    for (int i = 0; i < dst->n_slots; i++) {
        if (strcmp(dst->slot[i].name, src->slot[i].name) != 0 ||
            !assay_shape_equal(&dst->slot[i].shape, &src->slot[i].shape))
            return assay_error_set(err, ASSAY_ARG,
                                   "copying parameter '%.80s' into '%.80s' of "
                                   "another name or shape",
                                   src->slot[i].name, dst->slot[i].name);
    }
    if (dst->size > 0)
        memcpy(dst->data, src->data, dst->size * sizeof(float));
    return ASSAY_OK;
}

static int fill_slot(struct assay_params *to, const char *prefix,
                     const struct assay_params *from,
                     const struct assay_param_slot *slot,
                     struct assay_error *err)
{
    char *name = assay__format("%s%s", prefix, slot->name);
    const struct assay_param_slot *there;
    int rc = ASSAY_OK;

    if (!name)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a parameter's name");
    there = assay_params_find(to, name);
    if (!there || !assay_shape_equal(&there->shape, &slot->shape))
        rc = assay_error_set(err, ASSAY_SHAPE,
                             "there is no parameter '%.150s' of this shape",
                             name);
    else
        memcpy(to->data + there->offset, from->data + slot->offset,
               slot->count * sizeof(float));
    assay__free(name);
    return rc;
}

int assay_params_fill(struct assay_params *to, const char *prefix,
                      const struct assay_params *from, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (int i = 0; i < from->n_slots && !rc; i++)
        rc = fill_slot(to, prefix, from, &from->slot[i], err);
    return rc;
}

const struct assay_param_slot *assay_params_find(const struct assay_params *p,
                                                 const char *name)
{
    for (int i = 0; i < p->n_slots; i++) {
        if (strcmp(p->slot[i].name, name) == 0)
            return &p->slot[i];
    }
    return NULL;
}

int assay_params_to_tensors(const struct assay_params *p, const char *prefix,
                            struct assay_tensors *list, struct assay_error *err)
{
    int code = ASSAY_OK;

    for (int i = 0; i < p->n_slots && code == ASSAY_OK; i++) {
        char *name = assay__format("%s%s", prefix, p->slot[i].name);

        if (!name)
            return assay_error_set(err, ASSAY_NOMEM,
                                   "out of memory for a tensor's name");
        code = assay_tensors_add_f32(list, name, &p->slot[i].shape,
                                     p->data + p->slot[i].offset, err);
        assay__free(name);
    }
    return code;
}

/* The tensor of a parameter, borrowed. */
static int find_tensor(const struct assay_tensors *list, const char *prefix,
                       const char *param, const struct assay_shape *shape,
                       const struct assay_tensor **out, struct assay_error *err)
{
    char *name = assay__format("%s%s", prefix, param);
    int code = ASSAY_OK;
    char is[80];
    char should[80];

    if (!name)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for a tensor's name");
    *out = assay_tensors_find(list, name);
    if (!*out)
        code = assay_error_set(err, ASSAY_FORMAT, "there is no tensor '%.150s'",
                               name);
    else if (!assay_shape_equal(&(*out)->shape, shape))
        code = assay_error_set(err, ASSAY_SHAPE,
                               "tensor '%.60s' has shape %s, must be %s", name,
                               assay_shape_text(&(*out)->shape, is, sizeof(is)),
                               assay_shape_text(shape, should, sizeof(should)));
    assay__free(name);
    return code;
}

/* Every number of a tensor is finite in f32. */
static int check_finite(const struct assay_tensor *t, size_t n,
                        struct assay_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite((float)assay_tensor_value(t, i)))
            return assay_error_set(err, ASSAY_NUMERIC,
                                   "tensor '%.100s': element %zu is not a "
                                   "finite 32-bit number",
                                   t->name, i);
    }
    return ASSAY_OK;
}

int assay_params_match(const assay_graph *g, const char *prefix,
                       const struct assay_tensors *list,
                       struct assay_error *err)
{
    const struct assay_tensor *found;
    int code = ASSAY_OK;

    for (int i = 0; i < g->n_params && code == ASSAY_OK; i++) {
        const struct assay__value *v = &g->value[g->param[i]];

        code = find_tensor(list, prefix, v->name, &v->shape, &found, err);
    }
    return code;
}

static void copy_tensor(float *dst, const struct assay_tensor *t, size_t n)
{
    if (t->dtype == ASSAY_DTYPE_F32) {
        memcpy(dst, t->data, n * sizeof(*dst));
        return;
    }
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)assay_tensor_value(t, i);
}

int assay_params_from_tensors(struct assay_params *p, const char *prefix,
                              const struct assay_tensors *list,
                              struct assay_error *err)
{
    const struct assay_tensor **found;
    int code = ASSAY_OK;

    found = assay__calloc((size_t)p->n_slots, sizeof(*found));
    if (!found)
        return assay_error_set(err, ASSAY_NOMEM, "out of memory for %d tensors",
                               p->n_slots);
    for (int i = 0; i < p->n_slots && code == ASSAY_OK; i++) {
        const struct assay_param_slot *slot = &p->slot[i];

        code =
            find_tensor(list, prefix, slot->name, &slot->shape, &found[i], err);
        if (code == ASSAY_OK)
            code = check_finite(found[i], slot->count, err);
    }
    for (int i = 0; i < p->n_slots && code == ASSAY_OK; i++)
        copy_tensor(p->data + p->slot[i].offset, found[i], p->slot[i].count);
    assay__free(found);
    return code;
}
