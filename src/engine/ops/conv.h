/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_OPS_CONV_H
#define ASSAY_ENGINE_OPS_CONV_H

/*
 * The geometry of a convolution from a big map to a small one, shared by
 * convolution and its transpose: a transposed convolution is the data
 * gradient of the convolution with the same weights, so the two have the
 * same three loops with roles exchanged.
 */

#include "engine/ops/common.h"

struct assay__conv_map {
    int64_t batch;
    int64_t groups;
    int64_t big_channels; /* all groups */
    int64_t small_channels;
    int64_t big[2];   /* height, width */
    int64_t small[2]; /* height, width */
    int64_t kernel[2];
    int64_t stride[2];
    int64_t pad[2]; /* top, left */
    int64_t dilation[2];
};

/* big [N,B,h,w], small [N,S,h',w'], weight [S, B/groups, kh, kw]. */
void assay__conv_map(struct assay__conv_map *m, const struct assay_attrs *a,
                     const struct assay_shape *big,
                     const struct assay_shape *small,
                     const struct assay_shape *weight);

/* Each sets its result: small from big, big from small, weight. */
void assay__conv_to_small(const struct assay__conv_map *m, double *big,
                          double *small, double *weight);
void assay__conv_to_big(const struct assay__conv_map *m, double *big,
                        double *small, double *weight);
void assay__conv_to_weight(const struct assay__conv_map *m, double *big,
                           double *small, double *weight);

/* The sum of squares of what assay__conv_to_weight would give for record n
 * alone. */
double assay__conv_squares(const struct assay__conv_map *m, const double *big,
                           const double *small, int64_t n);

/* y [N,C,...] += b [C]; db [C] = sum of dy. `b` may be NULL. */
void assay__bias_add(const struct assay_shape *shape, double *y,
                     const double *b);
void assay__bias_sum(const struct assay_shape *shape, const double *dy,
                     double *db);

/* The i-th axis (0 height, 1 width) of a convolution's window. */
struct assay__window assay__conv_window(const struct assay_attrs *a, int i,
                                        int64_t in, int64_t kernel);
/* The ops of a layer's gradients; appends those that are wanted. */
struct assay__conv_gradients {
    const struct assay_op *data;
    const struct assay_op *weights; /* and of the bias */
};
void assay__conv_backward(assay_graph *g, const struct assay__node *node,
                          const struct assay__conv_gradients *op,
                          assay_value dy, const bool *want, assay_value *d_in);
/* Output shape of a convolution of x with weights w, after all checks. */
int assay__conv_infer(const char *op, const struct assay_attrs *a,
                      const struct assay_shape *x, const struct assay_shape *w,
                      struct assay_shape *y,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* The layer's gradients record by record (records.c). */
extern const struct assay__record_rule assay__conv_records;
extern const struct assay__record_rule assay__deconv_records;

/* Groups in range and dividing `channels`. */
int assay__need_groups(const char *op, const char *what, int64_t channels,
                       int groups, struct assay_error *err) ASSAY_MUST_CHECK;

#endif
