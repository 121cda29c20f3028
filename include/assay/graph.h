/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_GRAPH_H
#define ASSAY_GRAPH_H

/*
 * Graphs: values with shapes, made by nodes in topological order.
 *
 * A graph is built by appending; nothing is ever changed or removed, so a
 * value's id stays good. Dimension 0 of a value that has one entry per
 * record is ASSAY_BATCH. All values are numbers of one kind (f32 in the
 * oneDNN backend, f64 in the reference); labels are class indices held as
 * numbers, shape [N].
 *
 * Building is terse because errors stick: once a call fails, the graph
 * keeps the first error, later calls return ASSAY_NO_VALUE and do nothing,
 * and assay_graph_check() tells. Builders for each op: assay/layers.h.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"
#include "assay/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_graph assay_graph;
typedef int assay_value; /* an id within its graph */

#define ASSAY_NO_VALUE (-1)

/* How a parameter starts. fan_in follows PyTorch: dim 1 times the kernel. */
enum assay_init_rule {
    ASSAY_INIT_ZERO,
    ASSAY_INIT_ONE,
    ASSAY_INIT_CONST,           /* a */
    ASSAY_INIT_UNIFORM,         /* U(-a, a) */
    ASSAY_INIT_NORMAL,          /* N(b, a^2) */
    ASSAY_INIT_KAIMING_UNIFORM, /* U(-k, k), k = sqrt(6/((1+a^2) fan_in)) */
    ASSAY_INIT_KAIMING_FAN_OUT, /* N(0, 2 / fan_out) */
    ASSAY_INIT_XAVIER_NORMAL    /* N(0, 2 / (fan_in + fan_out)) */
};
struct assay_init {
    enum assay_init_rule rule;
    double a;
    double b;
};

enum assay_param_flags {
    ASSAY_PARAM_TRAINABLE = 1 << 0,
    /* Changed by running in training mode (running means), not by the
     * optimizer. */
    ASSAY_PARAM_BUFFER = 1 << 1
};

/*
 * Attributes of a node: one flat struct for all ops, so that it can be
 * compared, hashed and printed. Fields an op does not use are 0. Spatial
 * pairs are (height, width); padding is top, left, bottom, right.
 */
struct assay_attrs {
    int kernel[2];
    int stride[2];
    int pad[4];
    int dilation[2];   /* 1 = dense */
    int output_pad[2]; /* transposed convolution */
    int groups;
    int axis;
    int count_include_pad; /* average pooling */
    int ceil_mode;         /* pooling */
    int index;             /* which output or input a gradient node serves */
    double alpha;          /* slope, factor, temperature */
    double eps;
    double momentum; /* running statistics: new = (1-m) old + m batch */
    double p;        /* dropout */
    struct assay_shape shape; /* reshape's target, slices */
    /* One entry per axis, for ops of any rank (pick, reduce). */
    int axes[ASSAY_RANK_MAX];
    int begin[ASSAY_RANK_MAX];
    int step[ASSAY_RANK_MAX];
};

int assay_graph_new(assay_graph **out,
                    struct assay_error *err) ASSAY_MUST_CHECK;
void assay_graph_free(assay_graph *g);
/* A deep copy with equal ids: to append a loss to a model's graph. */
int assay_graph_clone(assay_graph **out, const assay_graph *g,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Append a copy of `other` to g, to compute with both: its inputs are the
 * values inputs[i] of g (one for each of other's, in their order, of any
 * shape the nodes take), its parameters are called prefix + their name. One
 * that has such a name in g already is that one, so that a graph appended
 * twice under one prefix shares its parameters. Inner values lose their
 * names. wanted[i], values of `other`, become those of g. What no plan asks
 * for costs nothing. Errors stick in g, too.
 */
int assay_graph_append(assay_graph *g, const assay_graph *other,
                       const char *prefix, const assay_value *inputs,
                       assay_value *wanted, int n_wanted,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * The same as `other` is in evaluation, also in a plan for training: batch
 * norms take their running statistics, which stay as they are, and dropouts
 * are left out. For a teacher beside a student.
 */
int assay_graph_append_evaluating(assay_graph *g, const assay_graph *other,
                                  const char *prefix, const assay_value *inputs,
                                  assay_value *wanted, int n_wanted,
                                  struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * The same with each batch norm made a part of the convolution before it,
 * whose weight and bias are parameters NAME.folded: for searches by gradient
 * through a network that stays as it is. Values of the parameters of what was
 * so made: assay_params_fold().
 */
int assay_graph_append_folded(assay_graph *g, const assay_graph *other,
                              const assay_value *inputs, assay_value *wanted,
                              int n_wanted,
                              struct assay_error *err) ASSAY_MUST_CHECK;

/* Another value in the place of `at`: what replace() makes of it in g, of its
 * shape. */
struct assay_splice {
    assay_value at;
    assay_value (*replace)(void *user, assay_graph *g, assay_value original);
    void *user;
};
/*
 * The same as assay_graph_append() with prefix "", but all that `other`
 * computes from splice->at is computed from what replaces it: to start a
 * network in its middle, or to change what a layer says.
 */
int assay_graph_append_spliced(assay_graph *g, const assay_graph *other,
                               const assay_value *inputs,
                               const struct assay_splice *splice,
                               assay_value *wanted, int n_wanted,
                               struct assay_error *err) ASSAY_MUST_CHECK;

/* A fed value; the order of calls is the order of inputs. */
assay_value assay_graph_input(assay_graph *g, const char *name,
                              const struct assay_shape *shape);
/* A named parameter. A second parameter of the same name is an error. */
assay_value assay_graph_param(assay_graph *g, const char *name,
                              const struct assay_shape *shape,
                              struct assay_init init, unsigned flags);
/*
 * Append a node of the op called `op` (a row of engine/ops.def). Returns
 * the first output; outputs have consecutive ids. `attrs` may be NULL.
 */
assay_value assay_graph_node(assay_graph *g, const char *op,
                             const assay_value *inputs, int n_inputs,
                             const struct assay_attrs *attrs);

/* Give an inner value a name ("embedding"), to find it later. */
void assay_graph_name(assay_graph *g, assay_value v, const char *name);
/* The value of that name (input, parameter or named), or ASSAY_NO_VALUE. */
assay_value assay_graph_find(const assay_graph *g, const char *name);

/* What the layer of that name computes: the first output of the node whose
 * weights are the parameter "NAME.weight", or the inner value called NAME.
 * ASSAY_NO_VALUE when there is none. */
assay_value assay_graph_layer(const assay_graph *g, const char *name);

/* Layers with parameters, in the order in which they compute. */
enum assay_layer_kind {
    ASSAY_LAYER_CONV,
    ASSAY_LAYER_CONV_TRANSPOSED,
    ASSAY_LAYER_LINEAR,
    ASSAY_LAYER_BATCHNORM,
    ASSAY_LAYER_GROUPNORM
};
struct assay_layer {
    enum assay_layer_kind kind;
    assay_value source; /* what it reads, and what it gives */
    assay_value result;
    assay_value active; /* `result` after its ReLU, where nothing but a ReLU
                           reads it; else `result` */
    assay_value weight; /* parameters; ASSAY_NO_VALUE where it has none */
    assay_value bias;
    assay_value mean; /* running statistics of a batch norm */
    assay_value variance;
    int groups;
    double eps; /* of a norm */
};
/* Their number, and layer i of them: zeroed, with kind -1, when there is
 * none. Values name parameters by assay_graph_value_name(). */
int assay_graph_n_layers(const assay_graph *g);
struct assay_layer assay_graph_layer_at(const assay_graph *g, int i);
/*
 * Where the network goes over to another size: of each size H x W above 1x1
 * that maps [N, C, H, W] have, the value that is computed last. The last of
 * these, at most n, in their order; returns their number. Private outputs of
 * nodes are not among them.
 */
int assay_graph_maps(const assay_graph *g, assay_value *out, int n);

/*
 * v before the ReLU that it ends in, which is looked for through reshapes,
 * dropouts and averages over one pixel, so that element i of a record is
 * element i of v. ASSAY_NO_VALUE when v ends in something else.
 */
assay_value assay_graph_before_relu(const assay_graph *g, assay_value v);

/* The first error of building, if any. */
int assay_graph_check(const assay_graph *g,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* For builders in other folders: make an error stick. No effect when one
 * already does. Returns ASSAY_NO_VALUE. */
assay_value assay_graph_fail(assay_graph *g, int code, const char *fmt, ...)
    ASSAY_PRINTF(3, 4);

/* Shape of a value; a valid pointer for any id, rank 0 when unknown. Valid
 * until the graph grows. */
const struct assay_shape *assay_graph_shape(const assay_graph *g,
                                            assay_value v);
/* Name of a value, or NULL. */
const char *assay_graph_value_name(const assay_graph *g, assay_value v);
int assay_graph_n_inputs(const assay_graph *g);
assay_value assay_graph_input_at(const assay_graph *g, int i);
int assay_graph_n_params(const assay_graph *g);
assay_value assay_graph_param_at(const assay_graph *g, int i);
unsigned assay_graph_param_flags(const assay_graph *g, assay_value v);
/* Floating-point operations of one forward pass per record, for the ops
 * that dominate (convolution, linear): 2 per multiply-add. */
double assay_graph_flops(const assay_graph *g, assay_value until);

/*
 * Append the nodes that compute d loss / d wrt[i] into d_out[i].
 *
 * loss  a scalar (rank 0)
 * wrt   any values: parameters, inputs, inner values; only what they need
 *       is computed
 * d_out n values; ASSAY_NO_VALUE where loss does not depend on wrt[i]
 * An op on the way that has no derivative: ASSAY_UNSUPPORTED, naming it.
 */
int assay_differentiate(assay_graph *g, assay_value loss,
                        const assay_value *wrt, int n, assay_value *d_out,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* What is clipped, and to what (Abadi et al., CCS 2016, algorithm 1). */
struct assay_clip {
    assay_value loss;    /* one number per record, [N] */
    double norm;         /* C > 0; INFINITY clips nothing */
    assay_value weights; /* per record, [N], or ASSAY_NO_VALUE: 1 each */
};

/*
 * Append the nodes that compute
 *   d_out[i] = sum_n weights[n] min(1, C / |g_n|) d loss[n] / d wrt[i]
 * where g_n is the gradient of record n's loss by all wrt together. Sums,
 * not means. No record's gradient is kept: norms come from what a layer
 * reads and the gradient of what it gives, and each layer's gradient is
 * then made once for all records, so the cost is one backward pass and the
 * norms.
 *
 * A record of weight 0, or whose norm is not finite, adds exactly nothing as
 * long as its own values are finite: rows that fill up a batch may hold any
 * such numbers.
 *
 * wrt    distinct parameters
 * d_out  n values; ASSAY_NO_VALUE where loss does not depend on wrt[i]
 * norms  |g_n| before clipping, [N]; ASSAY_NO_VALUE when loss depends on no
 *        wrt[i]
 *
 * Refused, as ASSAY_UNSUPPORTED naming op and parameter: what mixes the
 * records of a batch (batch norm: use group norm), a parameter that two
 * layers share, parameters of ops other than convolutions (both kinds),
 * linear layers and group norm.
 */
int assay_differentiate_clipped(assay_graph *g, const struct assay_clip *clip,
                                const assay_value *wrt, int n,
                                assay_value *d_out, assay_value *norms,
                                struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
