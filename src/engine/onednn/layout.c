/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory layouts: interned descriptors, and what our kernels can read from
 * one. Alike layouts are one pointer, so that forms compare cheaply; such as
 * differ in the strides of dimensions of one may be two, which
 * assay__dnn_same_memory() finds to be the same. Descriptors live as long as
 * the plan.
 */

#include <string.h>

#include "core/mem.h"
#include "engine/grow.h"
#include "engine/onednn/lower.h"

int assay__dnn_dims(const struct assay__dnn *d, assay_value v, dnnl_dims_t dims)
{
    const struct assay_shape *s = &d->plan->graph->value[v].shape;
    int i;

    for (i = 0; i < s->rank; i++)
        dims[i] = s->dim[i] == ASSAY_BATCH ? d->plan->options.batch : s->dim[i];
    if (s->rank > 0)
        return s->rank;
    dims[0] = 1;
    return 1;
}

int64_t assay__dnn_count(const struct assay__dnn *d, assay_value v)
{
    return (int64_t)assay_shape_count(&d->plan->graph->value[v].shape,
                                      d->plan->options.batch);
}

static bool same_strides(const_dnnl_memory_desc_t a, const_dnnl_memory_desc_t b)
{
    struct assay__md_facts fa;
    struct assay__md_facts fb;

    assay__md_query(a, &fa);
    assay__md_query(b, &fb);
    return memcmp(fa.stride, fb.stride,
                  (size_t)fa.rank * sizeof(fa.stride[0])) == 0;
}

/* `exact`: alike in the strides of dimensions of one too, which the library's
 * comparison passes over and its kernels do not. */
static const_dnnl_memory_desc_t intern(struct assay__dnn *d,
                                       const_dnnl_memory_desc_t md, bool exact)
{
    dnnl_memory_desc_t *grown;
    dnnl_memory_desc_t copy = NULL;
    int i;

    if (d->code != ASSAY_OK || md == NULL)
        return NULL;
    for (i = 0; i < d->n_md; i++) {
        if (d->md[i] == md || (dnnl_memory_desc_equal(d->md[i], md) &&
                               (!exact || same_strides(d->md[i], md))))
            return d->md[i];
    }
    grown = assay__grown(d->md, d->n_md, &d->cap_md, sizeof(*d->md));
    if (grown == NULL) {
        assay__dnn_fail(d, ASSAY_NOMEM, "out of memory for a layout");
        return NULL;
    }
    d->md = grown;
    if (!assay__dnn_ok(d, dnnl_memory_desc_clone(&copy, md), "copy a layout"))
        return NULL;
    d->md[d->n_md++] = copy;
    return copy;
}

const_dnnl_memory_desc_t assay__dnn_intern(struct assay__dnn *d,
                                           const_dnnl_memory_desc_t md)
{
    return intern(d, md, false);
}

/* What is asked for is asked for exactly: a kernel that wants a plain image of
 * one channel does not take the same with its channel last for one. */
static const_dnnl_memory_desc_t typed_md(struct assay__dnn *d, int rank,
                                         const dnnl_dims_t dims,
                                         dnnl_data_type_t type,
                                         dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md = NULL;
    const_dnnl_memory_desc_t kept;

    if (d->code != ASSAY_OK ||
        !assay__dnn_ok(
            d, dnnl_memory_desc_create_with_tag(&md, rank, dims, type, tag),
            "describe a layout"))
        return NULL;
    kept = intern(d, md, true);
    dnnl_memory_desc_destroy(md);
    return kept;
}

const_dnnl_memory_desc_t assay__dnn_md(struct assay__dnn *d, int rank,
                                       const dnnl_dims_t dims,
                                       dnnl_format_tag_t tag)
{
    return typed_md(d, rank, dims, dnnl_f32, tag);
}

const_dnnl_memory_desc_t assay__dnn_any(struct assay__dnn *d, int rank,
                                        const dnnl_dims_t dims)
{
    return typed_md(d, rank, dims, d->half ? dnnl_bf16 : dnnl_f32,
                    dnnl_format_tag_any);
}

const_dnnl_memory_desc_t assay__dnn_plain(struct assay__dnn *d, int rank,
                                          const dnnl_dims_t dims)
{
    static const dnnl_format_tag_t tag[] = {dnnl_a,    dnnl_ab,    dnnl_abc,
                                            dnnl_abcd, dnnl_abcde, dnnl_abcdef};

    return assay__dnn_md(d, rank, dims, tag[rank - 1]);
}

const_dnnl_memory_desc_t assay__dnn_plain_of(struct assay__dnn *d,
                                             assay_value v)
{
    dnnl_dims_t dims;
    int rank = assay__dnn_dims(d, v, dims);

    return assay__dnn_plain(d, rank, dims);
}

const_dnnl_memory_desc_t assay__dnn_blocked_of(struct assay__dnn *d,
                                               assay_value v)
{
    dnnl_dims_t dims;
    int rank = assay__dnn_dims(d, v, dims);

    if (rank == 1)
        dims[rank++] = 1;
    for (; rank < 4; rank++)
        dims[rank] = 1;
    return assay__dnn_md(d, rank, dims,
                         d->lanes == 8 ? dnnl_nChw8c : dnnl_nChw16c);
}

/*
 * The order of a layout's numbers as (size, stride) pairs, slowest first in
 * row-major order of the dimensions, without ones and with neighbours
 * joined where they lie so. Returns their number, -1 for padding or a
 * format without strides.
 */
static int walk_order(const_dnnl_memory_desc_t md, dnnl_dim_t size[],
                      dnnl_dim_t stride[])
{
    struct assay__md_facts f;
    int n = 0;
    int axis;
    int k;

    assay__md_query(md, &f);
    if (f.n_inner < 0)
        return -1;
    for (axis = 0; axis < f.rank; axis++) {
        dnnl_dim_t outer = f.dim[axis];
        dnnl_dim_t step = 1;

        if (f.padded[axis] != f.dim[axis])
            return -1;
        for (k = 0; k < f.n_inner; k++) {
            if (f.inner_axis[k] == axis)
                outer /= f.inner_block[k];
        }
        size[n] = outer;
        stride[n++] = f.stride[axis];
        for (k = 0; k < f.n_inner; k++) {
            int later;

            if (f.inner_axis[k] != axis)
                continue;
            step = 1;
            for (later = k + 1; later < f.n_inner; later++)
                step *= f.inner_block[later];
            size[n] = f.inner_block[k];
            stride[n++] = step;
        }
    }
    for (k = 0, axis = 0; axis < n; axis++) {
        if (size[axis] == 1)
            continue;
        if (k > 0 && stride[k - 1] == size[axis] * stride[axis]) {
            size[k - 1] *= size[axis];
            stride[k - 1] = stride[axis];
            continue;
        }
        size[k] = size[axis];
        stride[k++] = stride[axis];
    }
    return k;
}

bool assay__dnn_same_memory(const_dnnl_memory_desc_t a,
                            const_dnnl_memory_desc_t b)
{
    dnnl_dim_t size[2][2 * DNNL_MAX_NDIMS];
    dnnl_dim_t stride[2][2 * DNNL_MAX_NDIMS];
    struct assay__md_facts fa;
    struct assay__md_facts fb;
    int n;

    if (a == b)
        return true;
    assay__md_query(a, &fa);
    assay__md_query(b, &fb);
    if (fa.type != fb.type)
        return false;
    n = walk_order(a, size[0], stride[0]);
    if (n < 0 || n != walk_order(b, size[1], stride[1]))
        return false;
    return memcmp(size[0], size[1], (size_t)n * sizeof(size[0][0])) == 0 &&
           memcmp(stride[0], stride[1], (size_t)n * sizeof(size[0][0])) == 0;
}

bool assay__dnn_padded(const_dnnl_memory_desc_t md)
{
    struct assay__md_facts f;

    assay__md_query(md, &f);
    return f.n_inner < 0 ||
           memcmp(f.dim, f.padded, (size_t)f.rank * sizeof(f.dim[0])) != 0;
}

bool assay__dnn_view(const_dnnl_memory_desc_t md, struct assay__view *view)
{
    struct assay__md_facts f;
    int i;

    if (md == NULL)
        return false;
    assay__md_query(md, &f);
    if (f.type != dnnl_f32 || f.n_inner < 0 || f.n_inner > 1 || f.rank < 2 ||
        f.rank > 4)
        return false;
    for (i = f.rank; i < 4; i++) {
        f.dim[i] = 1;
        f.stride[i] = f.n_inner > 0 ? f.inner_block[0] : f.dim[1];
    }
    view->n = f.dim[0];
    view->channels = f.dim[1];
    view->h = f.dim[2];
    view->w = f.dim[3];
    view->stride_n = f.stride[0];
    view->stride_s = f.stride[3];
    if (f.dim[2] > 1 && f.stride[2] != f.dim[3] * f.stride[3])
        return false;
    if (f.dim[3] == 1)
        view->stride_s = f.stride[2];
    if (f.n_inner == 1) {
        view->lanes = (int)f.inner_block[0];
        view->blocks = f.padded[1] / view->lanes;
        view->stride_b = f.stride[1];
        return f.inner_axis[0] == 1 && (view->lanes == 8 || view->lanes == 16);
    }
    /* Channels last: blocks of 16 neighbours. */
    view->lanes = f.dim[1] % 16 == 0 ? 16 : 8;
    view->blocks = f.dim[1] / view->lanes;
    view->stride_b = view->lanes;
    return f.dim[1] % view->lanes == 0 && f.stride[1] == 1;
}
