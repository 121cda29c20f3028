/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The adapters of compat.h: oneDNN 3's calls made from oneDNN 2's, and two
 * queries that read the same under both.
 */

#include "engine/onednn/compat.h"

#include <string.h>

#include "core/mem.h"

const char *assay__pd_name(const_dnnl_primitive_desc_t pd)
{
    const char *name = NULL;

    if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0,
                                  (void *)&name) != dnnl_success ||
        name == NULL)
        return "?";
    return name;
}

#if DNNL_VERSION_MAJOR >= 3

void assay__md_query(const_dnnl_memory_desc_t md, struct assay__md_facts *out)
{
    const dnnl_dims_t *dims = NULL;
    dnnl_format_kind_t kind = dnnl_format_kind_undef;

    memset(out, 0, sizeof *out);
    dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &out->rank);
    dnnl_memory_desc_query(md, dnnl_query_data_type, &out->type);
    dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind);
    if (dnnl_memory_desc_query(md, dnnl_query_dims, (void *)&dims) ==
        dnnl_success)
        memcpy(out->dim, *dims, sizeof out->dim);
    if (kind != dnnl_blocked) {
        out->n_inner = -1;
        return;
    }
    if (dnnl_memory_desc_query(md, dnnl_query_padded_dims, (void *)&dims) ==
        dnnl_success)
        memcpy(out->padded, *dims, sizeof out->padded);
    if (dnnl_memory_desc_query(md, dnnl_query_strides, (void *)&dims) ==
        dnnl_success)
        memcpy(out->stride, *dims, sizeof out->stride);
    dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &out->n_inner);
    if (dnnl_memory_desc_query(md, dnnl_query_inner_blks, (void *)&dims) ==
        dnnl_success)
        memcpy(out->inner_block, *dims, sizeof out->inner_block);
    if (dnnl_memory_desc_query(md, dnnl_query_inner_idxs, (void *)&dims) ==
        dnnl_success)
        memcpy(out->inner_axis, *dims, sizeof out->inner_axis);
}

#else

void assay__md_query(const_dnnl_memory_desc_t md, struct assay__md_facts *out)
{
    memset(out, 0, sizeof *out);
    out->rank = md->ndims;
    out->type = md->data_type;
    memcpy(out->dim, md->dims, sizeof out->dim);
    memcpy(out->padded, md->padded_dims, sizeof out->padded);
    if (md->format_kind != dnnl_blocked) {
        out->n_inner = -1;
        return;
    }
    out->n_inner = md->format_desc.blocking.inner_nblks;
    memcpy(out->stride, md->format_desc.blocking.strides, sizeof out->stride);
    memcpy(out->inner_block, md->format_desc.blocking.inner_blks,
           sizeof out->inner_block);
    memcpy(out->inner_axis, md->format_desc.blocking.inner_idxs,
           sizeof out->inner_axis);
}

dnnl_status_t assay__md_clone(dnnl_memory_desc_t *md,
                              const_dnnl_memory_desc_t from)
{
    dnnl_memory_desc_t copy = assay__malloc(sizeof *copy);

    if (copy == NULL)
        return dnnl_out_of_memory;
    *copy = *from;
    *md = copy;
    return dnnl_success;
}

dnnl_status_t assay__md_destroy(dnnl_memory_desc_t md)
{
    assay__free(md);
    return dnnl_success;
}

dnnl_status_t assay__md_create_with_tag(dnnl_memory_desc_t *md, int ndims,
                                        const dnnl_dims_t dims,
                                        dnnl_data_type_t type,
                                        dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t made = assay__malloc(sizeof *made);
    dnnl_status_t status;

    if (made == NULL)
        return dnnl_out_of_memory;
    status = dnnl_memory_desc_init_by_tag(made, ndims, dims, type, tag);
    if (status == dnnl_success)
        *md = made;
    else
        assay__free(made);
    return status;
}

dnnl_status_t assay__append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg,
                                    float alpha, float beta)
{
#undef dnnl_post_ops_append_eltwise
    return dnnl_post_ops_append_eltwise(ops, 1.0F, alg, alpha, beta);
}

/* The parameters are those of oneDNN 3. */
/* NOLINTBEGIN(readability-function-size) */
dnnl_status_t assay__conv_fwd(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t kind,
    dnnl_alg_kind_t alg, const_dnnl_memory_desc_t src,
    const_dnnl_memory_desc_t wei, const_dnnl_memory_desc_t bia,
    const_dnnl_memory_desc_t dst, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &op, kind, alg, src, wei, bia, dst, strides, dilates, pad_l, pad_r);

    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(pd, &op, attr, engine, NULL);
}

dnnl_status_t assay__conv_bwd_d(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg,
    const_dnnl_memory_desc_t d_src, const_dnnl_memory_desc_t wei,
    const_dnnl_memory_desc_t d_dst, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
        &op, alg, d_src, wei, d_dst, strides, dilates, pad_l, pad_r);

    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(pd, &op, attr, engine, hint);
}

dnnl_status_t assay__conv_bwd_w(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg,
    const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t d_wei,
    const_dnnl_memory_desc_t d_bia, const_dnnl_memory_desc_t d_dst,
    const dnnl_dims_t strides, const dnnl_dims_t dilates,
    const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
        &op, alg, src, d_wei, d_bia, d_dst, strides, dilates, pad_l, pad_r);

    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(pd, &op, attr, engine, hint);
}
/* NOLINTEND(readability-function-size) */

dnnl_status_t assay__linear_fwd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                dnnl_prop_kind_t kind,
                                const_dnnl_memory_desc_t src,
                                const_dnnl_memory_desc_t wei,
                                const_dnnl_memory_desc_t bia,
                                const_dnnl_memory_desc_t dst,
                                const_dnnl_primitive_attr_t attr)
{
    dnnl_inner_product_desc_t op;
    dnnl_status_t status =
        dnnl_inner_product_forward_desc_init(&op, kind, src, wei, bia, dst);

    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(pd, &op, attr, engine, NULL);
}

dnnl_status_t assay__linear_bwd_d(dnnl_primitive_desc_t *pd,
                                  dnnl_engine_t engine,
                                  const_dnnl_memory_desc_t d_src,
                                  const_dnnl_memory_desc_t wei,
                                  const_dnnl_memory_desc_t d_dst,
                                  const_dnnl_primitive_desc_t hint,
                                  const_dnnl_primitive_attr_t attr)
{
    dnnl_inner_product_desc_t op;
    dnnl_status_t status =
        dnnl_inner_product_backward_data_desc_init(&op, d_src, wei, d_dst);

    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(pd, &op, attr, engine, hint);
}

dnnl_status_t assay__linear_bwd_w(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
    const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t d_wei,
    const_dnnl_memory_desc_t d_bia, const_dnnl_memory_desc_t d_dst,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_inner_product_desc_t op;
    dnnl_status_t status = dnnl_inner_product_backward_weights_desc_init(
        &op, src, d_wei, d_bia, d_dst);

    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(pd, &op, attr, engine, hint);
}

#endif
