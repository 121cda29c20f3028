/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_LAYERS_H
#define ASSAY_LAYERS_H

/*
 * Builders: one call per op, and layers that make their parameters too,
 * named `<name>.weight`, `<name>.bias` and so on as PyTorch's state dicts
 * do and initialised as PyTorch's layers are. All return the output value,
 * or ASSAY_NO_VALUE with the graph's error set (graph.h).
 *
 * Shapes: images [N, C, H, W]; rows [N, F]; per-record numbers [N].
 */

#include "assay/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct assay_conv {
    int out;      /* output channels */
    int kernel;   /* square */
    int stride;   /* 0 means 1 */
    int pad;      /* all four sides */
    int dilation; /* 0 means 1 */
    int groups;   /* 0 means 1 */
    int no_bias;
    int transposed;
    int output_pad;
    int fan_out; /* start from N(0, 2 / fan_out) and zero biases, as residual
                    and VGG networks do; 0: PyTorch's default */
};

/*
 * What normalises: X(name, text). A record's gradient depends on that record
 * alone, as private training needs, with GROUP only. Of an architecture
 * (arch.h) it takes the place of each batch norm, under the same names
 * (`weight` and `bias`; no running statistics), with as many groups as the
 * largest divisor of the channels up to 32; one without normalisation is
 * the same either way.
 */
#define ASSAY_NORMS(X) \
    X(BATCH, "batch")  \
    X(GROUP, "group")

enum assay_norm {
#define ASSAY_X(name, text) ASSAY_NORM_##name,
    ASSAY_NORMS(ASSAY_X)
#undef ASSAY_X
};

/* "batch", "group"; the norm of that name into *out, or ASSAY_ARG with the
 * names there are. */
const char *assay_norm_name(enum assay_norm norm);
int assay_norm_parse(enum assay_norm *out, const char *text,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/* Layers (with parameters). */
assay_value assay_layer_conv(assay_graph *g, assay_value x, const char *name,
                             const struct assay_conv *c);
assay_value assay_layer_linear(assay_graph *g, assay_value x, const char *name,
                               int out_features);
/* eps 1e-5, momentum .1; parameters weight, bias, running_mean, running_var
 * and num_batches_tracked is not kept. Rank 2 or 4. */
assay_value assay_layer_batchnorm(assay_graph *g, assay_value x,
                                  const char *name);
assay_value assay_layer_groupnorm(assay_graph *g, assay_value x,
                                  const char *name, int n_groups);
/* Batch norm, or group norm as told above. */
assay_value assay_layer_norm(assay_graph *g, assay_value x, const char *name,
                             enum assay_norm norm);

/* Ops. */
/* weight [O, C/groups, kh, kw]; transposed: [C, O/groups, kh, kw]; bias may
 * be ASSAY_NO_VALUE. */
assay_value assay_op_conv(assay_graph *g, assay_value x, assay_value weight,
                          assay_value bias, const struct assay_attrs *attrs);
assay_value assay_op_conv_transposed(assay_graph *g, assay_value x,
                                     assay_value weight, assay_value bias,
                                     const struct assay_attrs *attrs);
/* weight [O, F]; bias may be ASSAY_NO_VALUE. */
assay_value assay_op_linear(assay_graph *g, assay_value x, assay_value weight,
                            assay_value bias);
assay_value assay_op_relu(assay_graph *g, assay_value x);
assay_value assay_op_leaky_relu(assay_graph *g, assay_value x, double slope);
assay_value assay_op_sigmoid(assay_graph *g, assay_value x);
assay_value assay_op_tanh(assay_graph *g, assay_value x);
assay_value assay_op_maxpool(assay_graph *g, assay_value x, int kernel,
                             int stride, int pad);
/* Padding counts as zeros in the average, as PyTorch does by default. */
assay_value assay_op_avgpool(assay_graph *g, assay_value x, int kernel,
                             int stride, int pad);
/* [N, C, H, W] to [N, C, 1, 1]. */
assay_value assay_op_global_avgpool(assay_graph *g, assay_value x);
/* Averages over equal or nearly equal windows to H' x W', as PyTorch. */
assay_value assay_op_adaptive_avgpool(assay_graph *g, assay_value x, int out_h,
                                      int out_w);
assay_value assay_op_add(assay_graph *g, assay_value a, assay_value b);
assay_value assay_op_concat(assay_graph *g, const assay_value *x, int n,
                            int axis);
assay_value assay_op_flatten(assay_graph *g, assay_value x);
assay_value assay_op_reshape(assay_graph *g, assay_value x,
                             const struct assay_shape *shape);
/* Training: zero with probability p, else divide by 1 - p. Evaluation:
 * identity. Masks are a function of (stream, node, element). */
assay_value assay_op_dropout(assay_graph *g, assay_value x, double p);
/* x * factor + shift, elementwise. */
assay_value assay_op_affine(assay_graph *g, assay_value x, double factor,
                            double shift);
/* a * b, elementwise, equal shapes. */
assay_value assay_op_mul(assay_graph *g, assay_value a, assay_value b);
/* Along the last dimension of [N, K]. */
assay_value assay_op_softmax(assay_graph *g, assay_value x);

/* Losses: one number per record, [N]. */
/* logits [N, K], labels [N]. */
assay_value assay_op_softmax_xent(assay_graph *g, assay_value logits,
                                  assay_value labels);
/* logits [N, F] or [N], targets of the same shape in [0, 1]; mean over F. */
assay_value assay_op_bce_logits(assay_graph *g, assay_value logits,
                                assay_value targets);
/* a, b [N, ...]; mean of squares over all but N; gradient to both. */
assay_value assay_op_mse(assay_graph *g, assay_value a, assay_value b);
/* T^2 * KL(softmax(teacher/T) || softmax(student/T)), [N, K] logits each;
 * gradient to the student only. */
assay_value assay_op_kl_logits(assay_graph *g, assay_value student,
                               assay_value teacher, double temperature);

/*
 * RelaxLoss (Chen, Yu and Fritz, ICLR 2022): logits [N, K], labels [N], the
 * number of the epoch [N]. Losses whose mean is the paper's at level
 * `alpha` >= 0 of the mean cross-entropy; a record's depends on the batch
 * through the side of alpha that the mean is on. K >= 2.
 */
assay_value assay_op_relax(assay_graph *g, assay_value logits,
                           assay_value labels, assay_value epoch, double alpha);

/* [N]: 1 where the largest of logits [N, K] (the first of equals) has the
 * index in labels [N], else 0. Not differentiable. */
assay_value assay_op_correct(assay_graph *g, assay_value logits,
                             assay_value labels);

/* [N] to a scalar. */
assay_value assay_op_mean(assay_graph *g, assay_value x);
/* sum_i w[i] x[i] of two [N] to a scalar: weights per record. Gradient to x
 * only. */
assay_value assay_op_weighted_sum(assay_graph *g, assay_value x, assay_value w);

#ifdef __cplusplus
}
#endif
#endif
