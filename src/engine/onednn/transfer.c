/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of numbers in and out: whole inputs and outputs, and parameters in
 * the store's layouts, as plain row-major f32 or f64 on the caller's side.
 * A layout that is not row-major goes through one reorder.
 */

#include <string.h>

#include "core/cpu.h"
#include "core/mem.h"
#include "engine/onednn/lower.h"

ASSAY__CLONES static void to_double(double *dst, const float *src, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        dst[i] = (double)src[i];
}

ASSAY__CLONES static void to_float(float *dst, const double *src, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        dst[i] = (float)src[i];
}

static int failed(struct assay_error *err, dnnl_status_t status)
{
    return assay_error_set(
        err, status == dnnl_out_of_memory ? ASSAY_NOMEM : ASSAY_INTERNAL,
        "oneDNN: a copy failed (status %d)", (int)status);
}

/* One reorder, made and thrown away. */
static dnnl_status_t copy_with(dnnl_engine_t engine,
                               const_dnnl_memory_desc_t from_md, void *from,
                               const_dnnl_memory_desc_t to_md, void *to)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_exec_arg_t arg[2] = {{DNNL_ARG_FROM, NULL}, {DNNL_ARG_TO, NULL}};
    dnnl_status_t s;

    s = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    if (s == dnnl_success)
        s = dnnl_reorder_primitive_desc_create(&pd, from_md, engine, to_md,
                                               engine, NULL);
    if (s == dnnl_success)
        s = dnnl_primitive_create(&primitive, pd);
    if (s == dnnl_success)
        s = dnnl_memory_create(&arg[0].memory, from_md, engine, from);
    if (s == dnnl_success)
        s = dnnl_memory_create(&arg[1].memory, to_md, engine, to);
    if (s == dnnl_success)
        s = dnnl_primitive_execute(primitive, stream, 2, arg);
    if (s == dnnl_success)
        s = dnnl_stream_wait(stream);
    if (arg[0].memory != NULL)
        dnnl_memory_destroy(arg[0].memory);
    if (arg[1].memory != NULL)
        dnnl_memory_destroy(arg[1].memory);
    if (primitive != NULL)
        dnnl_primitive_destroy(primitive);
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    if (stream != NULL)
        dnnl_stream_destroy(stream);
    return s;
}

/* The row-major layout of md's dimensions; NULL when it fails. */
static dnnl_memory_desc_t plain_like(const_dnnl_memory_desc_t md)
{
    static const dnnl_format_tag_t tag[] = {dnnl_a,    dnnl_ab,    dnnl_abc,
                                            dnnl_abcd, dnnl_abcde, dnnl_abcdef};
    struct assay__md_facts f;
    dnnl_memory_desc_t plain = NULL;

    assay__md_query(md, &f);
    if (dnnl_memory_desc_create_with_tag(&plain, f.rank, f.dim, dnnl_f32,
                                         tag[f.rank - 1]) != dnnl_success)
        return NULL;
    return plain;
}

/* Between `place` laid out as md and plain f32; `out`: from `place`. */
static int reorder_plain(const_dnnl_memory_desc_t md, void *place, float *plain,
                         bool out, struct assay_error *err)
{
    dnnl_memory_desc_t plain_md = plain_like(md);
    dnnl_engine_t engine = NULL;
    dnnl_status_t s = dnnl_out_of_memory;

    if (plain_md != NULL)
        s = dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (s == dnnl_success)
        s = out ? copy_with(engine, md, place, plain_md, plain)
                : copy_with(engine, plain_md, plain, md, place);
    if (plain_md != NULL)
        dnnl_memory_desc_destroy(plain_md);
    if (engine != NULL)
        dnnl_engine_destroy(engine);
    return s == dnnl_success ? ASSAY_OK : failed(err, s);
}

/* Row-major f32 without padding: told from strides, so that writing inputs
 * and reading outputs in a loop asks for no memory. */
static bool is_plain(const_dnnl_memory_desc_t md)
{
    struct assay__md_facts f;
    dnnl_dim_t stride = 1;

    assay__md_query(md, &f);
    if (f.type != dnnl_f32 || f.n_inner != 0)
        return false;
    for (int i = f.rank - 1; i >= 0; i--) {
        if (f.padded[i] != f.dim[i] || (f.dim[i] > 1 && f.stride[i] != stride))
            return false;
        stride *= f.dim[i];
    }
    return true;
}

/*
 * `count` numbers from the caller to `place`; md NULL means plain. The
 * caller's array is copied first when it is of another type or, laid out
 * otherwise, needs a reorder: oneDNN wants an address it may write to.
 */
static int take_in(const_dnnl_memory_desc_t md, void *place, const void *src,
                   size_t count, enum assay_dtype type, struct assay_error *err)
{
    bool plain = md == NULL || is_plain(md);
    float *copy = plain ? place : assay__slab(count * sizeof(float));
    int code = ASSAY_OK;

    if (copy == NULL)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu numbers", count);
    if (type == ASSAY_DTYPE_F64)
        to_float(copy, src, count);
    else
        memcpy(copy, src, count * sizeof(float));
    if (!plain) {
        code = reorder_plain(md, place, copy, false, err);
        assay__free(copy);
    }
    return code;
}

static int give_out(const_dnnl_memory_desc_t md, void *place, void *dst,
                    size_t count, enum assay_dtype type,
                    struct assay_error *err)
{
    bool plain = md == NULL || is_plain(md);
    float *copy = plain ? place : assay__slab(count * sizeof(float));
    int code = ASSAY_OK;

    if (copy == NULL)
        return assay_error_set(err, ASSAY_NOMEM,
                               "out of memory for %zu numbers", count);
    if (!plain)
        code = reorder_plain(md, place, copy, true, err);
    if (code == ASSAY_OK && type == ASSAY_DTYPE_F64)
        to_double(dst, copy, count);
    else if (code == ASSAY_OK)
        memcpy(dst, copy, count * sizeof(float));
    if (!plain)
        assay__free(copy);
    return code;
}

int assay__dnn_write(assay_plan *plan, assay_value v, const void *src,
                     enum assay_dtype type, struct assay_error *err)
{
    struct assay__dnn *d = plan->self;
    const struct assay__form *form = d->value[v].item;

    return take_in(form->md, assay__plan_address(plan, form->buffer), src,
                   (size_t)assay__dnn_count(d, v), type, err);
}

int assay__dnn_read(assay_plan *plan, assay_value v, void *dst,
                    enum assay_dtype type, struct assay_error *err)
{
    struct assay__dnn *d = plan->self;
    const struct assay__form *form = d->value[v].item;

    return give_out(form->md, assay__plan_address(plan, form->buffer), dst,
                    (size_t)assay__dnn_count(d, v), type, err);
}

int assay__dnn_slot_write(struct assay__store *store, int slot, void *base,
                          const void *src, enum assay_dtype type,
                          struct assay_error *err)
{
    const struct assay__store_slot *s = &store->slot[slot];

    if (base == store->weights)
        store->version++;
    return take_in(s->layout, (float *)base + s->offset, src,
                   assay_shape_count(&s->shape, 1), type, err);
}

int assay__dnn_slot_read(struct assay__store *store, int slot, const void *base,
                         void *dst, enum assay_dtype type,
                         struct assay_error *err)
{
    const struct assay__store_slot *s = &store->slot[slot];
    /* oneDNN takes an address without const, and reads only. */
    uintptr_t address = (uintptr_t)((const float *)base + s->offset);

    return give_out(s->layout, (void *)address, dst,
                    assay_shape_count(&s->shape, 1), type, err);
}
