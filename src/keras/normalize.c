/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that shift and scale, by channel or all alike. */

#include <math.h>

#include "core/mem.h"
#include "keras/import.h"

static int64_t channels_of(const struct assay__keras_builder *b, assay_value v)
{
    const struct assay_shape *s = assay__keras_shape(b, v);

    return s->rank == 4 ? s->dim[1] : s->dim[s->rank - 1];
}

/* Values of 2 and 4 dimensions, over the last axis as Keras counts. */
static bool by_channel(struct assay__keras_builder *b, assay_value v)
{
    int rank = assay__keras_shape(b, v)->rank;
    const json_t *axis = assay__keras_get(b, "axis");

    if (rank != 2 && rank != 4)
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "it reads a value of %d dimensions; 2 and 4 are "
                          "supported",
                          rank);
    if (json_is_array(axis) && json_array_size(axis) == 1)
        axis = json_array_get(axis, 0);
    if (axis &&
        (!json_is_integer(axis) || (json_integer_value(axis) != -1 &&
                                    json_integer_value(axis) != rank - 1)))
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "over another axis than the last, which is not "
                          "supported");
    return b->code == ASSAY_OK;
}

/* A weight of the layer, or, where it has none, x for each channel. */
static assay_value vector(struct assay__keras_builder *b, bool there,
                          const char *what, const char *suffix, int64_t n,
                          double x, unsigned flags)
{
    struct assay_shape s = {1, {n}};

    if (!there)
        return assay__keras_constant(b, suffix, n, x);
    return assay__keras_param(b, suffix, &s, assay__keras_weight(b, what, &s),
                              flags);
}

void assay__keras_batchnorm(struct assay__keras_builder *b,
                            const struct assay__keras_item *in, int n,
                            struct assay__keras_item *out, int argument)
{
    struct assay_attrs a = {.eps = 1e-3};
    bool scale = assay__keras_bool(b, "scale", true);
    bool center = assay__keras_bool(b, "center", true);
    int64_t channels = channels_of(b, in[0].v);
    assay_value v[5];

    (void)n;
    (void)argument;
    a.eps = assay__keras_real(b, "epsilon", 1e-3);
    a.momentum = 1.0 - assay__keras_real(b, "momentum", 0.99);
    if (!(a.eps > 0.0 && a.eps <= 1.0 && a.momentum >= 0.0 &&
          a.momentum <= 1.0))
        assay__keras_fail(b, ASSAY_FORMAT, "epsilon %g and momentum %g", a.eps,
                          1.0 - a.momentum);
    if (!by_channel(b, in[0].v))
        return;
    v[0] = in[0].v;
    v[1] = vector(b, scale, "gamma", "weight", channels, 1.0,
                  ASSAY_PARAM_TRAINABLE);
    v[2] =
        vector(b, center, "beta", "bias", channels, 0.0, ASSAY_PARAM_TRAINABLE);
    v[3] = vector(b, true, "moving_mean", "running_mean", channels, 0.0,
                  ASSAY_PARAM_BUFFER);
    v[4] = vector(b, true, "moving_variance", "running_var", channels, 1.0,
                  ASSAY_PARAM_BUFFER);
    if (b->code == ASSAY_OK)
        out->v = assay_graph_node(b->g, "batchnorm", v, 5, &a);
}

/* x times one constant plus another, for each channel; takes both. */
static assay_value scale_and_shift(struct assay__keras_builder *b,
                                   assay_value x, float *factor, float *shift)
{
    struct assay_shape s = {1, {channels_of(b, x), 1, 1}};
    assay_value f, t;

    if (assay__keras_shape(b, x)->rank == 4)
        s.rank = 3;
    f = assay__keras_param(b, "factor", &s, factor, 0);
    t = assay__keras_param(b, "shift", &s, shift, 0);
    if (b->code != ASSAY_OK)
        return ASSAY_NO_VALUE;
    x = assay_op_binary(b->g, ASSAY_BINARY_MUL, x, f);
    return assay_op_binary(b->g, ASSAY_BINARY_ADD, x, t);
}

/* Number i of a list, of a number, or of what is nested in lists. */
static float listed(struct assay__keras_builder *b, const json_t *v, int64_t i,
                    const char *key)
{
    for (int depth = 0; depth < 8 && json_is_array(v); depth++)
        v = json_array_get(v, json_array_size(v) == 1 ? 0 : (size_t)i);
    if (!json_is_number(v) || !isfinite(json_number_value(v))) {
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "'%s' is no number for each channel", key);
        return 0.0F;
    }
    return (float)json_number_value(v);
}

/* "mean" or "variance": of the settings, or a weight. */
static float *statistic(struct assay__keras_builder *b, const char *key,
                        int64_t n)
{
    struct assay_shape s = {1, {n}};
    const json_t *said = assay__keras_get(b, key);
    float *data;

    if (!said)
        return assay__keras_weight(b, key, &s);
    if (b->code != ASSAY_OK)
        return NULL;
    data = assay__malloc((size_t)n * sizeof(*data));
    if (!data)
        assay__keras_fail(b, ASSAY_NOMEM, "no memory to read Keras");
    for (int64_t i = 0; data && i < n; i++)
        data[i] = listed(b, said, i, key);
    return data;
}

/* (x - mean) / max(sqrt(variance), 1e-7) */
void assay__keras_normalization(struct assay__keras_builder *b,
                                const struct assay__keras_item *in, int n,
                                struct assay__keras_item *out, int argument)
{
    static const struct assay_shape scalar = {0, {0}};
    int64_t channels = channels_of(b, in[0].v);
    float *mean, *variance;

    (void)n;
    (void)argument;
    if (assay__keras_bool(b, "invert", false))
        assay__keras_fail(b, ASSAY_UNSUPPORTED, "'invert' is not supported");
    if (!by_channel(b, in[0].v))
        return;
    mean = statistic(b, "mean", channels);
    variance = statistic(b, "variance", channels);
    /* How many records it has seen. */
    if (b->code == ASSAY_OK && assay__keras_weights_left(b))
        assay__free(assay__keras_weight(b, "count", &scalar));
    for (int64_t i = 0; mean && variance && i < channels; i++) {
        double deviation = sqrt(fmax((double)variance[i], 0.0));

        variance[i] = (float)(1.0 / fmax(deviation, 1e-7));
        mean[i] = -mean[i] * variance[i];
    }
    if (b->code != ASSAY_OK) {
        assay__free(mean);
        assay__free(variance);
        return;
    }
    out->v = scale_and_shift(b, in[0].v, variance, mean);
}

void assay__keras_rescaling(struct assay__keras_builder *b,
                            const struct assay__keras_item *in, int n,
                            struct assay__keras_item *out, int argument)
{
    const json_t *scale = assay__keras_get(b, "scale");
    const json_t *offset = assay__keras_get(b, "offset");
    int64_t channels = channels_of(b, in[0].v);
    float *factor, *shift;

    (void)n;
    (void)argument;
    if (!json_is_array(scale) && !json_is_array(offset)) {
        double f = assay__keras_real(b, "scale", 1.0);
        double t = assay__keras_real(b, "offset", 0.0);

        if (b->code == ASSAY_OK)
            out->v = assay_op_affine(b->g, in[0].v, f, t);
        return;
    }
    if (!by_channel(b, in[0].v))
        return;
    factor = assay__malloc((size_t)channels * sizeof(*factor));
    shift = assay__malloc((size_t)channels * sizeof(*shift));
    if (!factor || !shift)
        assay__keras_fail(b, ASSAY_NOMEM, "no memory to read Keras");
    for (int64_t i = 0; factor && shift && i < channels; i++) {
        factor[i] = scale ? listed(b, scale, i, "scale") : 1.0F;
        shift[i] = offset ? listed(b, offset, i, "offset") : 0.0F;
    }
    if (b->code != ASSAY_OK) {
        assay__free(factor);
        assay__free(shift);
        return;
    }
    out->v = scale_and_shift(b, in[0].v, factor, shift);
}
