/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_CONV_H
#define ASSAY_ENGINE_ONEDNN_CONV_H

/*
 * A convolution as oneDNN wants it told, for all three directions. A
 * transposed convolution is the same problem with the directions swapped:
 * its output is the gradient of the data of the convolution whose weights
 * it has.
 */

#include "engine/onednn/lower.h"

enum assay__direction {
    ASSAY__FORWARD,
    ASSAY__BACKWARD_DATA,
    ASSAY__BACKWARD_WEIGHTS
};

struct assay__conv_problem {
    dnnl_dims_t x, w, y, bias; /* w: with groups a dimension more, in front */
    int w_rank;
    bool has_bias;
    dnnl_dims_t strides, dilates, pad_l, pad_r;
    dnnl_prop_kind_t kind;          /* of the forward direction */
    dnnl_primitive_attr_t attr;     /* forward only; borrowed */
    const_dnnl_memory_desc_t store; /* layout of w (dw) in the store or NULL */
    const_dnnl_memory_desc_t x_now; /* forward: as x is there, or NULL */
    const_dnnl_memory_desc_t y_fixed; /* forward: as y must be, or NULL */
    bool sum, relu; /* forward: add to what y holds; cut off below 0 */
};

/* From the values of data, weights and output (or their gradients). */
void assay__conv_problem(struct assay__dnn *d, int node, assay_value x,
                         assay_value w, assay_value y, bool has_bias,
                         struct assay__conv_problem *p);
/* The same of a conv_bwd_squares node. */
void assay__conv_squares_problem(struct assay__dnn *d, int node, bool has_bias,
                                 struct assay__conv_problem *p);
/* The fastest way: a primitive, or our kernels for small maps or for few
 * channels. All absent after a failure. */
struct assay__conv_way {
    dnnl_primitive_desc_t pd; /* to be taken or destroyed */
    bool taps;
    bool across;
};
/* Whether a forward problem with fixed layouts has any way. */
bool assay__conv_possible(struct assay__dnn *d,
                          const struct assay__conv_problem *p);
struct assay__conv_way assay__conv_best(struct assay__dnn *d,
                                        const struct assay__conv_problem *p,
                                        enum assay__direction direction);
/* The library's gradient of weights, in any layouts; NULL when it has none. */
dnnl_primitive_desc_t assay__conv_weights_pd(
    struct assay__dnn *d, const struct assay__conv_problem *p);
/* Not the library's naive loops; false for NULL. */
bool assay__conv_is_fast(const_dnnl_primitive_desc_t pd);
/* A tuning's key for computing `what` of the problem at this batch. */
void assay__conv_key(const struct assay__conv_problem *p, const char *what,
                     int64_t batch, bool half, char *key, size_t size);
/* Data with channels in blocks. */
const_dnnl_memory_desc_t assay__conv_blocked(struct assay__dnn *d,
                                             const dnnl_dims_t dims);
/* Steps of one direction, from and to the values of data x, weights w (dw)
 * and output y; db may be ASSAY_NO_VALUE. */
void assay__conv_forward(struct assay__dnn *d, int index,
                         const struct assay__conv_problem *p, assay_value x,
                         assay_value w, assay_value y);
void assay__conv_backward_data(struct assay__dnn *d, int index,
                               struct assay__conv_problem *p, assay_value y,
                               assay_value w, assay_value x);
void assay__conv_backward_weights(struct assay__dnn *d, int index,
                                  struct assay__conv_problem *p, assay_value x,
                                  assay_value y, assay_value dw,
                                  assay_value db);
/* A relu that alone reads `y`, or -1. */
int assay__dnn_relu_after(const struct assay__dnn *d, assay_value y);
/* Post-ops: add to what the output holds; then cut off below 0. */
void assay__dnn_append_post_ops(struct assay__dnn *d,
                                dnnl_primitive_attr_t attr, bool sum,
                                bool relu);
/* Attributes with a user's scratchpad; destroy. NULL after a failure. */
dnnl_primitive_attr_t assay__dnn_attributes(struct assay__dnn *d);
/* The interned descriptor of an argument of pd. */
const_dnnl_memory_desc_t assay__dnn_pd_md(struct assay__dnn *d,
                                          const_dnnl_primitive_desc_t pd,
                                          dnnl_query_t query, int index);

#endif
