/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builders (assay/layers.h): each appends one node, layers make their
 * parameters first. Nothing is checked here that the op's shape phase
 * checks; errors stick in the graph. Initial values are PyTorch's: weights
 * of convolution and linear Kaiming-uniform with a = sqrt(5), which is
 * U(+-1 / sqrt(fan_in)), and biases the same bound.
 */

#include "assay/layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 200, SQUARE_MAX = 1 << 15 };

static assay_value node_of(assay_graph *g, const char *op, assay_value a,
                           const struct assay_attrs *attrs)
{
    return assay_graph_node(g, op, &a, 1, attrs);
}

static assay_value node_of_two(assay_graph *g, const char *op, assay_value a,
                               assay_value b, const struct assay_attrs *attrs)
{
    assay_value in[2];

    in[0] = a;
    in[1] = b;
    return assay_graph_node(g, op, in, 2, attrs);
}

/* The parameter `<name>.<what>`. */
static assay_value param(assay_graph *g, const char *name, const char *what,
                         struct assay_shape shape, struct assay_init init,
                         unsigned flags)
{
    char full[NAME_MAX_BYTES + 40];

    if (strlen(name) > NAME_MAX_BYTES)
        return assay_graph_fail(g, ASSAY_LIMIT,
                                "a layer's name has %zu bytes, at most %d",
                                strlen(name), NAME_MAX_BYTES);
    snprintf(full, sizeof full, "%s.%s", name, what);
    return assay_graph_param(g, full, &shape, init, flags);
}

/* U(+-1 / sqrt(fan_in)). */
static struct assay_init uniform(double fan_in)
{
    struct assay_init init = {ASSAY_INIT_UNIFORM, 0.0, 0.0};

    init.a = fan_in > 0.0 ? 1.0 / sqrt(fan_in) : 0.0;
    return init;
}

static struct assay_init constant(enum assay_init_rule rule)
{
    struct assay_init init = {ASSAY_INIT_ZERO, 0.0, 0.0};

    init.rule = rule;
    return init;
}

static int or_one(int x)
{
    return x == 0 ? 1 : x;
}

static void fill_pair(int pair[2], int x)
{
    pair[0] = x;
    pair[1] = x;
}

assay_value assay_layer_conv(assay_graph *g, assay_value x, const char *name,
                             const struct assay_conv *c)
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    struct assay_attrs attrs = {.axis = 0};
    struct assay_shape w;
    assay_value weight;
    assay_value bias = ASSAY_NO_VALUE;
    double fan_in;
    int i;

    if (assay_graph_check(g, NULL) != ASSAY_OK)
        return ASSAY_NO_VALUE;
    attrs.groups = or_one(c->groups);
    if (s->rank != 4 || attrs.groups < 1 || c->out < 1 ||
        c->out % attrs.groups != 0 || c->kernel < 1 || c->kernel > SQUARE_MAX)
        return assay_graph_fail(
            g, ASSAY_SHAPE,
            "%.100s: input of rank %d, %d outputs, kernel %d, %d groups", name,
            s->rank, c->out, c->kernel, attrs.groups);
    fill_pair(attrs.stride, or_one(c->stride));
    fill_pair(attrs.dilation, or_one(c->dilation));
    fill_pair(attrs.output_pad, c->output_pad);
    for (i = 0; i < 4; i++)
        attrs.pad[i] = c->pad;
    w = assay_shape_make(4, (int64_t)c->out, s->dim[1] / attrs.groups,
                         (int64_t)c->kernel, (int64_t)c->kernel);
    if (c->transposed) {
        w.dim[0] = s->dim[1];
        w.dim[1] = c->out / attrs.groups;
    }
    fan_in = (double)(w.dim[1] * w.dim[2] * w.dim[3]);
    weight = param(g, name, "weight", w,
                   c->fan_out ? constant(ASSAY_INIT_KAIMING_FAN_OUT)
                              : uniform(fan_in),
                   ASSAY_PARAM_TRAINABLE);
    if (!c->no_bias)
        bias = param(g, name, "bias", assay_shape_make(1, (int64_t)c->out),
                     c->fan_out ? constant(ASSAY_INIT_ZERO) : uniform(fan_in),
                     ASSAY_PARAM_TRAINABLE);
    if (c->transposed)
        return assay_op_conv_transposed(g, x, weight, bias, &attrs);
    return assay_op_conv(g, x, weight, bias, &attrs);
}

assay_value assay_layer_linear(assay_graph *g, assay_value x, const char *name,
                               int out_features)
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    int64_t features = s->dim[1];
    assay_value weight;
    assay_value bias;

    if (assay_graph_check(g, NULL) != ASSAY_OK)
        return ASSAY_NO_VALUE;
    if (s->rank != 2)
        return assay_graph_fail(g, ASSAY_SHAPE,
                                "%.100s: input of rank %d, rank 2 needed", name,
                                s->rank);
    weight = param(g, name, "weight",
                   assay_shape_make(2, (int64_t)out_features, features),
                   uniform((double)features), ASSAY_PARAM_TRAINABLE);
    bias = param(g, name, "bias", assay_shape_make(1, (int64_t)out_features),
                 uniform((double)features), ASSAY_PARAM_TRAINABLE);
    return assay_op_linear(g, x, weight, bias);
}

/* x, a scale and a shift per channel; their shape. */
static struct assay_shape norm_inputs(assay_graph *g, assay_value x,
                                      const char *name, assay_value in[3])
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    struct assay_shape row =
        assay_shape_make(1, s->rank > 1 ? s->dim[1] : (int64_t)0);

    in[0] = x;
    in[1] = param(g, name, "weight", row, constant(ASSAY_INIT_ONE),
                  ASSAY_PARAM_TRAINABLE);
    in[2] = param(g, name, "bias", row, constant(ASSAY_INIT_ZERO),
                  ASSAY_PARAM_TRAINABLE);
    return row;
}

static assay_value batchnorm(assay_graph *g, assay_value x, const char *name,
                             double eps, double momentum)
{
    struct assay_attrs attrs = {.eps = eps, .momentum = momentum};
    struct assay_shape row;
    assay_value in[5];

    if (assay_graph_check(g, NULL) != ASSAY_OK)
        return ASSAY_NO_VALUE;
    row = norm_inputs(g, x, name, in);
    in[3] = param(g, name, "running_mean", row, constant(ASSAY_INIT_ZERO),
                  ASSAY_PARAM_BUFFER);
    in[4] = param(g, name, "running_var", row, constant(ASSAY_INIT_ONE),
                  ASSAY_PARAM_BUFFER);
    return assay_graph_node(g, "batchnorm", in, 5, &attrs);
}

assay_value assay_layer_batchnorm(assay_graph *g, assay_value x,
                                  const char *name)
{
    return batchnorm(g, x, name, 1e-5, 0.1);
}

assay_value assay_layer_groupnorm(assay_graph *g, assay_value x,
                                  const char *name, int n_groups)
{
    struct assay_attrs attrs = {.eps = 1e-5, .groups = n_groups};
    assay_value in[3];

    if (assay_graph_check(g, NULL) != ASSAY_OK)
        return ASSAY_NO_VALUE;
    (void)norm_inputs(g, x, name, in);
    return assay_graph_node(g, "groupnorm", in, 3, &attrs);
}

static const char *const norm_names[] = {
#define ASSAY_X(name, text) text,
    ASSAY_NORMS(ASSAY_X)
#undef ASSAY_X
};

enum { N_NORMS = sizeof(norm_names) / sizeof(norm_names[0]), GROUPS_MAX = 32 };

const char *assay_norm_name(enum assay_norm norm)
{
    return (int)norm >= 0 && (int)norm < N_NORMS ? norm_names[norm] : "?";
}

int assay_norm_parse(enum assay_norm *out, const char *text,
                     struct assay_error *err)
{
    for (int i = 0; i < N_NORMS; i++) {
        if (strcmp(text, norm_names[i]) == 0) {
            *out = (enum assay_norm)i;
            return ASSAY_OK;
        }
    }
    return assay_error_set(err, ASSAY_ARG,
                           "norm '%.40s' is unknown; there are batch, group",
                           text);
}

assay_value assay_layer_norm(assay_graph *g, assay_value x, const char *name,
                             enum assay_norm norm)
{
    return assay_layer_norm_with(g, x, name, norm, 1e-5, 0.1);
}

assay_value assay_layer_norm_with(assay_graph *g, assay_value x,
                                  const char *name, enum assay_norm norm,
                                  double eps, double momentum)
{
    int64_t channels = assay_graph_shape(g, x)->dim[1];
    int groups = GROUPS_MAX;

    if (norm == ASSAY_NORM_BATCH)
        return batchnorm(g, x, name, eps, momentum);
    if (norm != ASSAY_NORM_GROUP)
        return assay_graph_fail(g, ASSAY_ARG, "%s: norm %d does not exist",
                                name, (int)norm);
    while (groups > 1 && channels % groups != 0)
        groups--;
    return assay_layer_groupnorm(g, x, name, groups);
}

/* x, weight and, when there is one, bias; 0 in attrs taken as 1. */
static assay_value weighted(assay_graph *g, const char *op, assay_value x,
                            assay_value weight, assay_value bias,
                            const struct assay_attrs *attrs)
{
    struct assay_attrs a = *attrs;
    assay_value in[3];
    int i;

    for (i = 0; i < 2; i++) {
        a.stride[i] = or_one(a.stride[i]);
        a.dilation[i] = or_one(a.dilation[i]);
    }
    a.groups = or_one(a.groups);
    in[0] = x;
    in[1] = weight;
    in[2] = bias;
    return assay_graph_node(g, op, in, bias == ASSAY_NO_VALUE ? 2 : 3, &a);
}

assay_value assay_op_conv(assay_graph *g, assay_value x, assay_value weight,
                          assay_value bias, const struct assay_attrs *attrs)
{
    return weighted(g, "conv", x, weight, bias, attrs);
}

assay_value assay_op_conv_transposed(assay_graph *g, assay_value x,
                                     assay_value weight, assay_value bias,
                                     const struct assay_attrs *attrs)
{
    return weighted(g, "deconv", x, weight, bias, attrs);
}

assay_value assay_op_linear(assay_graph *g, assay_value x, assay_value weight,
                            assay_value bias)
{
    assay_value in[3];

    in[0] = x;
    in[1] = weight;
    in[2] = bias;
    return assay_graph_node(g, "linear", in, bias == ASSAY_NO_VALUE ? 2 : 3,
                            NULL);
}

assay_value assay_op_relu(assay_graph *g, assay_value x)
{
    return node_of(g, "relu", x, NULL);
}

assay_value assay_op_leaky_relu(assay_graph *g, assay_value x, double slope)
{
    struct assay_attrs attrs = {.alpha = slope};

    return node_of(g, "leaky_relu", x, &attrs);
}

assay_value assay_op_sigmoid(assay_graph *g, assay_value x)
{
    return node_of(g, "sigmoid", x, NULL);
}

assay_value assay_op_tanh(assay_graph *g, assay_value x)
{
    return node_of(g, "tanh", x, NULL);
}

static assay_value pool(assay_graph *g, const char *op, assay_value x,
                        int kernel, int stride, int pad)
{
    struct assay_attrs attrs = {.pad = {pad, pad, pad, pad}};

    fill_pair(attrs.kernel, kernel);
    fill_pair(attrs.stride, stride);
    attrs.count_include_pad = strcmp(op, "avgpool") == 0;
    return node_of(g, op, x, &attrs);
}

assay_value assay_op_maxpool(assay_graph *g, assay_value x, int kernel,
                             int stride, int pad)
{
    return pool(g, "maxpool", x, kernel, stride, pad);
}

assay_value assay_op_avgpool(assay_graph *g, assay_value x, int kernel,
                             int stride, int pad)
{
    return pool(g, "avgpool", x, kernel, stride, pad);
}

assay_value assay_op_global_avgpool(assay_graph *g, assay_value x)
{
    return node_of(g, "global_avgpool", x, NULL);
}

assay_value assay_op_adaptive_avgpool(assay_graph *g, assay_value x, int out_h,
                                      int out_w)
{
    struct assay_attrs attrs = {.kernel = {out_h, out_w}};

    return node_of(g, "adaptive_avgpool", x, &attrs);
}

assay_value assay_op_add(assay_graph *g, assay_value a, assay_value b)
{
    return node_of_two(g, "add", a, b, NULL);
}

assay_value assay_op_mul(assay_graph *g, assay_value a, assay_value b)
{
    return node_of_two(g, "mul", a, b, NULL);
}

assay_value assay_op_concat(assay_graph *g, const assay_value *x, int n,
                            int axis)
{
    struct assay_attrs attrs = {.axis = axis};

    return assay_graph_node(g, "concat", x, n, &attrs);
}

assay_value assay_op_reshape(assay_graph *g, assay_value x,
                             const struct assay_shape *shape)
{
    struct assay_attrs attrs = {.shape = *shape};

    return node_of(g, "reshape", x, &attrs);
}

assay_value assay_op_slice(assay_graph *g, assay_value x, int axis,
                           int64_t first, int64_t n)
{
    struct assay_attrs attrs = {.axis = axis, .index = (int)first};

    attrs.shape = *assay_graph_shape(g, x);
    if (axis < 0 || axis >= attrs.shape.rank)
        return assay_graph_fail(g, ASSAY_SHAPE,
                                "slice: axis %d of value %d with %d axes", axis,
                                x, attrs.shape.rank);
    attrs.shape.dim[axis] = n;
    return assay_graph_node(g, "slice", &x, 1, &attrs);
}

assay_value assay_op_flatten(assay_graph *g, assay_value x)
{
    struct assay_shape s = *assay_graph_shape(g, x);
    int64_t features = 1;
    int i;

    if (s.rank < 1)
        return assay_graph_fail(g, ASSAY_SHAPE,
                                "flatten: value %d has no batch", x);
    for (i = 1; i < s.rank; i++)
        features *= s.dim[i];
    s = assay_shape_make(2, s.dim[0], features);
    return assay_op_reshape(g, x, &s);
}

assay_value assay_op_dropout(assay_graph *g, assay_value x, double p)
{
    struct assay_attrs attrs = {.p = p};

    return node_of(g, "dropout", x, &attrs);
}

assay_value assay_op_affine(assay_graph *g, assay_value x, double factor,
                            double shift)
{
    struct assay_attrs attrs = {.alpha = factor, .momentum = shift};

    return node_of(g, "affine", x, &attrs);
}

assay_value assay_op_softmax(assay_graph *g, assay_value x)
{
    return node_of(g, "softmax", x, NULL);
}

assay_value assay_op_softmax_xent(assay_graph *g, assay_value logits,
                                  assay_value labels)
{
    return node_of_two(g, "softmax_xent", logits, labels, NULL);
}

assay_value assay_op_bce_logits(assay_graph *g, assay_value logits,
                                assay_value targets)
{
    return node_of_two(g, "bce_logits", logits, targets, NULL);
}

assay_value assay_op_mse(assay_graph *g, assay_value a, assay_value b)
{
    return node_of_two(g, "mse", a, b, NULL);
}

assay_value assay_op_kl_logits(assay_graph *g, assay_value student,
                               assay_value teacher, double temperature)
{
    struct assay_attrs attrs = {.alpha = temperature};

    return node_of_two(g, "kl_logits", student, teacher, &attrs);
}

assay_value assay_op_relax(assay_graph *g, assay_value logits,
                           assay_value labels, assay_value epoch, double alpha)
{
    struct assay_attrs attrs = {.alpha = alpha};
    assay_value in[3] = {logits, labels, epoch};

    return assay_graph_node(g, "relax", in, 3, &attrs);
}

assay_value assay_op_correct(assay_graph *g, assay_value logits,
                             assay_value labels)
{
    return node_of_two(g, "correct", logits, labels, NULL);
}

assay_value assay_op_mean(assay_graph *g, assay_value x)
{
    return node_of(g, "mean", x, NULL);
}

assay_value assay_op_weighted_sum(assay_graph *g, assay_value x, assay_value w)
{
    return node_of_two(g, "weighted_sum", x, w, NULL);
}

assay_value assay_op_unary(assay_graph *g, enum assay_unary_kind kind,
                           assay_value x, double a, double b)
{
    struct assay_attrs attrs = {.index = (int)kind, .alpha = a, .momentum = b};

    return assay_graph_node(g, "unary", &x, 1, &attrs);
}

assay_value assay_op_binary(assay_graph *g, enum assay_binary_kind kind,
                            assay_value a, assay_value b)
{
    struct assay_attrs attrs = {.index = (int)kind};
    assay_value in[2] = {a, b};

    return assay_graph_node(g, "binary", in, 2, &attrs);
}

assay_value assay_op_select(assay_graph *g, assay_value cond, assay_value a,
                            assay_value b)
{
    assay_value in[3] = {cond, a, b};

    return assay_graph_node(g, "select", in, 3, NULL);
}

assay_value assay_op_reduce(assay_graph *g, enum assay_reduction kind,
                            assay_value x, unsigned axes)
{
    struct assay_attrs attrs = {.index = (int)kind};

    for (int i = 0; i < ASSAY_RANK_MAX; i++)
        attrs.axes[i] = (int)(axes >> i & 1U);
    return assay_graph_node(g, "reduce", &x, 1, &attrs);
}

assay_value assay_op_transpose(assay_graph *g, assay_value x, const int *perm)
{
    const struct assay_shape *s = assay_graph_shape(g, x);
    struct assay_attrs attrs = {.shape = *s};

    for (int i = 0; i < s->rank; i++) {
        if (perm[i] < 0 || perm[i] >= s->rank)
            return assay_graph_fail(g, ASSAY_SHAPE,
                                    "transpose: axis %d is %d, must be 0 to %d",
                                    i, perm[i], s->rank - 1);
        attrs.axes[i] = perm[i];
        attrs.step[i] = 1;
        attrs.shape.dim[i] = s->dim[perm[i]];
    }
    return assay_graph_node(g, "pick", &x, 1, &attrs);
}

assay_value assay_op_gather(assay_graph *g, assay_value x, assay_value index,
                            int axis)
{
    struct assay_attrs attrs = {.axis = axis,
                                .shape = *assay_graph_shape(g, x)};
    assay_value in[2] = {x, index};

    if (axis >= 0 && axis < attrs.shape.rank)
        attrs.shape.dim[axis] = assay_graph_shape(g, index)->dim[0];
    return assay_graph_node(g, "gather", in, 2, &attrs);
}

assay_value assay_op_matmul(assay_graph *g, assay_value a, assay_value b,
                            int transpose_a, int transpose_b)
{
    struct assay_attrs attrs = {.index = (transpose_a ? 1 : 0) |
                                         (transpose_b ? 2 : 0)};
    assay_value in[2] = {a, b};

    return assay_graph_node(g, "matmul", in, 2, &attrs);
}

assay_value assay_op_softmax_axis(assay_graph *g, assay_value x, int axis,
                                  int log)
{
    struct assay_attrs attrs = {.axis = axis, .index = log ? 1 : 0};

    return assay_graph_node(g, "softmax_axis", &x, 1, &attrs);
}
