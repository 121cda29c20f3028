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
/* The same with an eps and a momentum of the batch norm's own. */
assay_value assay_layer_norm_with(assay_graph *g, assay_value x,
                                  const char *name, enum assay_norm norm,
                                  double eps, double momentum);

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
/* The n entries from `first` on along `axis`, others as they are. */
assay_value assay_op_slice(assay_graph *g, assay_value x, int axis,
                           int64_t first, int64_t n);
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

/*
 * General ops, of any rank, with NumPy's rules of broadcasting: shapes are
 * aligned at their last dimension, and a dimension of 1 is repeated. A
 * symbolic batch stays dimension 0.
 */

/* X(NAME, text); a and b are the node's two numbers. */
#define ASSAY_UNARIES(X)                                                    \
    X(EXP, "exp")                                                           \
    X(LOG, "log")                                                           \
    X(SQRT, "sqrt")                                                         \
    X(RSQRT, "rsqrt")                                                       \
    X(ABS, "abs")                                                           \
    X(SIGN, "sign")                                                         \
    X(FLOOR, "floor")                                                       \
    X(CEIL, "ceil")                                                         \
    X(ROUND, "round") /* halves to even */                                  \
    X(TRUNC, "trunc")                                                       \
    X(RECIPROCAL, "reciprocal")                                             \
    X(ERF, "erf")                                                           \
    X(SIN, "sin")                                                           \
    X(COS, "cos")                                                           \
    X(TAN, "tan")                                                           \
    X(ASIN, "asin")                                                         \
    X(ACOS, "acos")                                                         \
    X(ATAN, "atan")                                                         \
    X(SINH, "sinh")                                                         \
    X(COSH, "cosh")                                                         \
    X(ASINH, "asinh")                                                       \
    X(ACOSH, "acosh")                                                       \
    X(ATANH, "atanh")                                                       \
    X(ELU, "elu")                 /* x > 0 ? x : a (exp(x) - 1) */          \
    X(CELU, "celu")               /* x > 0 ? x : a (exp(x / a) - 1) */      \
    X(SELU, "selu")               /* b (x > 0 ? x : a (exp(x) - 1)) */      \
    X(SOFTPLUS, "softplus")       /* log(1 + exp(x)) */                     \
    X(SOFTSIGN, "softsign")       /* x / (1 + |x|) */                       \
    X(HARDSIGMOID, "hardsigmoid") /* a x + b, cut to 0 .. 1 */              \
    X(HARDSWISH, "hardswish")     /* x hardsigmoid(x), a 1/6, b 1/2 */      \
    X(GELU, "gelu")               /* x (1 + erf(x / sqrt(2))) / 2 */        \
    X(GELU_TANH, "gelu_tanh")     /* its approximation by tanh */           \
    X(MISH, "mish")               /* x tanh(softplus(x)) */                 \
    X(THRESHOLD, "threshold")     /* x > a ? x : 0 */                       \
    X(SHRINK, "shrink")           /* x - b above a, x + b below -a, or 0 */ \
    X(CLIP, "clip")               /* cut to a .. b */                       \
    X(NOT, "not")                 /* 1 where x is 0, else 0 */              \
    X(ISNAN, "isnan")                                                       \
    X(ISINF, "isinf") /* a: counts above, b: below */

enum assay_unary_kind {
#define ASSAY_X(name, text) ASSAY_UNARY_##name,
    ASSAY_UNARIES(ASSAY_X)
#undef ASSAY_X
        ASSAY_UNARY_COUNT
};

/* Comparisons and logic give 1 or 0, and have derivative 0. */
#define ASSAY_BINARIES(X)                               \
    X(ADD, "add")                                       \
    X(SUB, "sub")                                       \
    X(MUL, "mul")                                       \
    X(DIV, "div")                                       \
    X(POW, "pow")                                       \
    X(MIN, "min")                                       \
    X(MAX, "max")                                       \
    X(PRELU, "prelu") /* a > 0 ? a : a b */             \
    X(MOD, "mod")     /* remainder, of the sign of b */ \
    X(FMOD, "fmod")   /* remainder, of the sign of a */ \
    X(EQUAL, "equal")                                   \
    X(LESS, "less")                                     \
    X(LESS_EQUAL, "less_equal")                         \
    X(GREATER, "greater")                               \
    X(GREATER_EQUAL, "greater_equal")                   \
    X(AND, "and")                                       \
    X(OR, "or")                                         \
    X(XOR, "xor")

enum assay_binary_kind {
#define ASSAY_X(name, text) ASSAY_BINARY_##name,
    ASSAY_BINARIES(ASSAY_X)
#undef ASSAY_X
        ASSAY_BINARY_COUNT
};

#define ASSAY_REDUCTIONS(X) \
    X(SUM, "sum")           \
    X(MEAN, "mean")         \
    X(MAX, "max")           \
    X(MIN, "min")           \
    X(PROD, "prod")         \
    X(LOG_SUM_EXP, "log_sum_exp")

enum assay_reduction {
#define ASSAY_X(name, text) ASSAY_REDUCE_##name,
    ASSAY_REDUCTIONS(ASSAY_X)
#undef ASSAY_X
        ASSAY_REDUCE_COUNT
};

assay_value assay_op_unary(assay_graph *g, enum assay_unary_kind kind,
                           assay_value x, double a, double b);
assay_value assay_op_binary(assay_graph *g, enum assay_binary_kind kind,
                            assay_value a, assay_value b);
/* cond != 0 ? a : b; no gradient to cond. */
assay_value assay_op_select(assay_graph *g, assay_value cond, assay_value a,
                            assay_value b);
/* Over the axes whose bit is set; they stay, with length 1. */
assay_value assay_op_reduce(assay_graph *g, enum assay_reduction kind,
                            assay_value x, unsigned axes);
/* Output axis i is input axis perm[i]. */
assay_value assay_op_transpose(assay_graph *g, assay_value x, const int *perm);
/* Entries index[0 .. K-1] (a parameter or input, [K]) along an axis. */
assay_value assay_op_gather(assay_graph *g, assay_value x, assay_value index,
                            int axis);
/* [..., M, K] [..., K, N] to [..., M, N]; with a flag the last two
 * dimensions of that factor are taken as transposed. */
assay_value assay_op_matmul(assay_graph *g, assay_value a, assay_value b,
                            int transpose_a, int transpose_b);
assay_value assay_op_softmax_axis(assay_graph *g, assay_value x, int axis,
                                  int log);

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
