/* SPDX-License-Identifier: Apache-2.0 */
/* Activations, by name within a layer or as layers. */

#include <math.h>
#include <string.h>

#include "keras/import.h"

/* Numbers of the unary ops; where Keras 3 differs from 2, both. */
static const struct {
    const char *name;
    int version; /* from this first number of Keras's version on, 0: any; the
                    first row that fits is taken */
    enum assay_unary_kind kind;
    double a, b;
} unaries[] = {
    {"elu", 0, ASSAY_UNARY_ELU, 1.0, 0.0},
    {"selu", 0, ASSAY_UNARY_SELU, 1.6732632423543772, 1.0507009873554805},
    {"softplus", 0, ASSAY_UNARY_SOFTPLUS, 0.0, 0.0},
    {"softsign", 0, ASSAY_UNARY_SOFTSIGN, 0.0, 0.0},
    {"exponential", 0, ASSAY_UNARY_EXP, 0.0, 0.0},
    {"gelu", 0, ASSAY_UNARY_GELU, 0.0, 0.0},
    {"mish", 0, ASSAY_UNARY_MISH, 0.0, 0.0},
    {"relu6", 0, ASSAY_UNARY_CLIP, 0.0, 6.0},
    {"hard_sigmoid", 3, ASSAY_UNARY_HARDSIGMOID, 1.0 / 6.0, 0.5},
    {"hard_sigmoid", 0, ASSAY_UNARY_HARDSIGMOID, 0.2, 0.5},
};

static void soften(struct assay__keras_builder *b,
                   struct assay__keras_item *item, int log)
{
    int rank = assay__keras_shape(b, item->v)->rank;
    int axis = rank == 4 ? 1 : rank - 1;

    item->before = item->v;
    item->last = ASSAY__KERAS_SOFTMAX;
    item->v = rank == 2 && !log
                  ? assay_op_softmax(b->g, item->v)
                  : assay_op_softmax_axis(b->g, item->v, axis, log);
}

static bool unary(struct assay__keras_builder *b, const char *name,
                  struct assay__keras_item *item)
{
    for (size_t i = 0; i < sizeof(unaries) / sizeof(unaries[0]); i++) {
        if (strcmp(unaries[i].name, name) == 0 &&
            b->model.version >= unaries[i].version) {
            item->v = assay_op_unary(b->g, unaries[i].kind, item->v,
                                     unaries[i].a, unaries[i].b);
            return true;
        }
    }
    return false;
}

static void activate(struct assay__keras_builder *b, const char *name,
                     struct assay__keras_item *item)
{
    if (strcmp(name, "linear") == 0)
        return;
    item->last = ASSAY__KERAS_PLAIN;
    item->before = ASSAY_NO_VALUE;
    if (strcmp(name, "softmax") == 0 || strcmp(name, "log_softmax") == 0) {
        soften(b, item, name[0] == 'l');
    } else if (strcmp(name, "sigmoid") == 0) {
        item->before = item->v;
        item->last = ASSAY__KERAS_SIGMOID;
        item->v = assay_op_sigmoid(b->g, item->v);
    } else if (strcmp(name, "relu") == 0) {
        item->v = assay_op_relu(b->g, item->v);
    } else if (strcmp(name, "tanh") == 0) {
        item->v = assay_op_tanh(b->g, item->v);
    } else if (strcmp(name, "leaky_relu") == 0) {
        item->v = assay_op_leaky_relu(b->g, item->v, 0.2);
    } else if (strcmp(name, "swish") == 0 || strcmp(name, "silu") == 0) {
        item->v = assay_op_mul(b->g, item->v, assay_op_sigmoid(b->g, item->v));
    } else if (!unary(b, name, item)) {
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "the activation '%.40s' is not supported", name);
    }
}

void assay__keras_activate(struct assay__keras_builder *b, const char *key,
                           struct assay__keras_item *item)
{
    const char *name = assay__keras_text(b, key);

    if (name && b->code == ASSAY_OK)
        activate(b, name, item);
}

void assay__keras_activation(struct assay__keras_builder *b,
                             const struct assay__keras_item *in, int n,
                             struct assay__keras_item *out, int argument)
{
    (void)n;
    (void)argument;
    *out = in[0];
    if (!assay__keras_text(b, "activation"))
        assay__keras_fail(b, ASSAY_FORMAT, "it has no 'activation'");
    assay__keras_activate(b, "activation", out);
}

/* x below 0 by `slope`. */
static assay_value leaky(struct assay__keras_builder *b, assay_value x,
                         double slope)
{
    if (slope < 0.0)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "a slope of %g; it must not be below 0", slope);
    if (b->code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    return slope > 0.0 ? assay_op_leaky_relu(b->g, x, slope)
                       : assay_op_relu(b->g, x);
}

void assay__keras_relu(struct assay__keras_builder *b,
                       const struct assay__keras_item *in, int n,
                       struct assay__keras_item *out, int argument)
{
    double slope = assay__keras_real(b, "negative_slope", 0.0);
    double threshold = assay__keras_real(b, "threshold", 0.0);
    double most = assay__keras_real(b, "max_value", INFINITY);

    (void)n;
    (void)argument;
    if (threshold != 0.0 || most <= 0.0)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "a threshold of %g and a maximum of %g; 0 and above "
                          "0 are supported",
                          threshold, most);
    if (slope == 0.0 && isfinite(most) && b->code == ASSAY_OK) {
        out->v = assay_op_unary(b->g, ASSAY_UNARY_CLIP, in[0].v, 0.0, most);
        return;
    }
    out->v = leaky(b, in[0].v, slope);
    if (isfinite(most))
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "a slope and a maximum together are not supported");
}

void assay__keras_leaky_relu(struct assay__keras_builder *b,
                             const struct assay__keras_item *in, int n,
                             struct assay__keras_item *out, int argument)
{
    double slope = assay__keras_real(b, "alpha", 0.3);

    (void)n;
    (void)argument;
    out->v = leaky(b, in[0].v, assay__keras_real(b, "negative_slope", slope));
}

void assay__keras_elu(struct assay__keras_builder *b,
                      const struct assay__keras_item *in, int n,
                      struct assay__keras_item *out, int argument)
{
    double alpha = assay__keras_real(b, "alpha", 1.0);

    (void)n;
    (void)argument;
    if (b->code == ASSAY_OK)
        out->v = assay_op_unary(b->g, ASSAY_UNARY_ELU, in[0].v, alpha, 0.0);
}

void assay__keras_softmax(struct assay__keras_builder *b,
                          const struct assay__keras_item *in, int n,
                          struct assay__keras_item *out, int argument)
{
    int rank = assay__keras_shape(b, in[0].v)->rank;
    int axis = assay__keras_int(b, "axis", -rank, rank - 1, -1);

    (void)n;
    (void)argument;
    if (axis != -1 && axis != rank - 1)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "over the axis %d; the last is supported", axis);
    out->v = in[0].v;
    if (b->code == ASSAY_OK)
        soften(b, out, 0);
}
