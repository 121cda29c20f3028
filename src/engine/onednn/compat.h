/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_COMPAT_H
#define ASSAY_ENGINE_ONEDNN_COMPAT_H

/*
 * oneDNN 3's C API, also where oneDNN 2 (2.6 and later 2.x) is installed.
 * This is the one header that includes dnnl.h. The backend is written to
 * version 3; under version 2 the names below are mapped to adapters in
 * compat.c:
 *   - a memory descriptor is a pointer (version 2: a struct by value);
 *   - a primitive descriptor is created in one call (version 2: an operation
 *     descriptor first);
 *   - post-ops take no scale for an eltwise.
 * Two calls are our own, for the versions differ in whether they exist.
 */

#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR < 3

typedef dnnl_memory_desc_t *assay__md_pointer;
typedef const dnnl_memory_desc_t *assay__md_const_pointer;

#define dnnl_memory_desc_t assay__md_pointer
#define const_dnnl_memory_desc_t assay__md_const_pointer

#define dnnl_memory_desc_create_with_tag assay__md_create_with_tag
#define dnnl_memory_desc_clone assay__md_clone
#define dnnl_memory_desc_destroy assay__md_destroy
#define dnnl_post_ops_append_eltwise assay__append_eltwise
#define dnnl_post_ops_append_sum dnnl_post_ops_append_sum_v3
#define dnnl_convolution_forward_primitive_desc_create assay__conv_fwd
#define dnnl_convolution_backward_data_primitive_desc_create assay__conv_bwd_d
#define dnnl_convolution_backward_weights_primitive_desc_create \
    assay__conv_bwd_w
#define dnnl_inner_product_forward_primitive_desc_create assay__linear_fwd
#define dnnl_inner_product_backward_data_primitive_desc_create \
    assay__linear_bwd_d
#define dnnl_inner_product_backward_weights_primitive_desc_create \
    assay__linear_bwd_w

dnnl_status_t assay__md_create_with_tag(dnnl_memory_desc_t *md, int ndims,
                                        const dnnl_dims_t dims,
                                        dnnl_data_type_t type,
                                        dnnl_format_tag_t tag);
dnnl_status_t assay__md_clone(dnnl_memory_desc_t *md,
                              const_dnnl_memory_desc_t from);
dnnl_status_t assay__md_destroy(dnnl_memory_desc_t md);
dnnl_status_t assay__append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg,
                                    float alpha, float beta);
dnnl_status_t assay__conv_fwd(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t kind,
    dnnl_alg_kind_t alg, const_dnnl_memory_desc_t src,
    const_dnnl_memory_desc_t wei, const_dnnl_memory_desc_t bia,
    const_dnnl_memory_desc_t dst, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_attr_t attr);
dnnl_status_t assay__conv_bwd_d(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg,
    const_dnnl_memory_desc_t d_src, const_dnnl_memory_desc_t wei,
    const_dnnl_memory_desc_t d_dst, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr);
dnnl_status_t assay__conv_bwd_w(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg,
    const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t d_wei,
    const_dnnl_memory_desc_t d_bia, const_dnnl_memory_desc_t d_dst,
    const dnnl_dims_t strides, const dnnl_dims_t dilates,
    const dnnl_dims_t pad_l, const dnnl_dims_t pad_r,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr);
dnnl_status_t assay__linear_fwd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                dnnl_prop_kind_t kind,
                                const_dnnl_memory_desc_t src,
                                const_dnnl_memory_desc_t wei,
                                const_dnnl_memory_desc_t bia,
                                const_dnnl_memory_desc_t dst,
                                const_dnnl_primitive_attr_t attr);
dnnl_status_t assay__linear_bwd_d(dnnl_primitive_desc_t *pd,
                                  dnnl_engine_t engine,
                                  const_dnnl_memory_desc_t d_src,
                                  const_dnnl_memory_desc_t wei,
                                  const_dnnl_memory_desc_t d_dst,
                                  const_dnnl_primitive_desc_t hint,
                                  const_dnnl_primitive_attr_t attr);
dnnl_status_t assay__linear_bwd_w(
    dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
    const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t d_wei,
    const_dnnl_memory_desc_t d_bia, const_dnnl_memory_desc_t d_dst,
    const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr);

#endif

/* What the kernels of our own need to know of a memory descriptor. */
struct assay__md_facts {
    int rank;
    dnnl_dims_t dim;
    dnnl_dims_t padded;
    dnnl_dims_t stride; /* elements, of the outer blocks */
    dnnl_data_type_t type;
    int n_inner; /* inner blocks; -1: a format that has no strides */
    dnnl_dims_t inner_block;
    dnnl_dims_t inner_axis;
};
void assay__md_query(const_dnnl_memory_desc_t md, struct assay__md_facts *out);

/* The library's name for the implementation, "?" when it has none. */
const char *assay__pd_name(const_dnnl_primitive_desc_t pd);

#endif
