/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DCGAN's two networks as graphs (Radford et al., ICLR 2016; layers and
 * initial values as ML-Doctor's).
 *
 * A parameter that the graph has already is used again: the discriminator
 * looks at real and at made images with one set of weights.
 */

#include <stdio.h>

#include "assay/layers.h"
#include "model/generator.h"

enum { NAME = 160, BASE_MIN = 4, BASE_MAX = 15, MAPS_MAX = 1 << 14 };

static const double leak = .2;

int assay__dcgan_plan(struct assay__dcgan *net, struct assay_error *err)
{
    if (net->channels != 1 && net->channels != 3)
        return assay_error_set(err, ASSAY_ARG,
                               "generator: %d channels; 1 and 3 are possible",
                               net->channels);
    net->base = net->size;
    net->stages = 0;
    while (net->base % 2 == 0 && net->base / 2 >= BASE_MIN) {
        net->base /= 2;
        net->stages++;
    }
    if (net->stages < 1 || net->base > BASE_MAX || net->stages > 8)
        return assay_error_set(err, ASSAY_ARG,
                               "generator: images of side %d; it must be 4 to "
                               "15 times a power of two from 2 to 256",
                               net->size);
    if (net->z_dim < 1 || net->z_dim > 4096)
        return assay_error_set(err, ASSAY_ARG,
                               "generator: z of %d; 1 to 4096 are possible",
                               net->z_dim);
    if (net->width < 1 || net->width > MAPS_MAX >> (net->stages - 1))
        return assay_error_set(err, ASSAY_ARG,
                               "generator: width %d; 1 to %d are possible",
                               net->width, MAPS_MAX >> (net->stages - 1));
    return ASSAY_OK;
}

/* The parameter PREFIX NET.INDEX.WHAT, new or already there. */
struct place {
    assay_graph *g;
    const char *prefix;
    const char *net;
    int index;
};

static assay_value param(const struct place *p, const char *what,
                         const struct assay_shape *shape,
                         const struct assay_init *init, unsigned flags)
{
    char name[NAME];
    assay_value v;

    snprintf(name, sizeof(name), "%s%s.%d.%s", p->prefix, p->net, p->index,
             what);
    v = assay_graph_find(p->g, name);
    return v != ASSAY_NO_VALUE
               ? v
               : assay_graph_param(p->g, name, shape, *init, flags);
}

static assay_value weight(const struct place *p,
                          const struct assay_shape *shape)
{
    static const struct assay_init init = {ASSAY_INIT_NORMAL, .02, 0};

    return param(p, "weight", shape, &init, ASSAY_PARAM_TRAINABLE);
}

static assay_value batchnorm(const struct place *p, assay_value x)
{
    static const struct assay_init gain = {ASSAY_INIT_NORMAL, .02, 1};
    static const struct assay_init zero = {ASSAY_INIT_ZERO, 0, 0};
    static const struct assay_init one = {ASSAY_INIT_ONE, 0, 0};
    struct assay_attrs attrs = {.eps = 1e-5, .momentum = .1};
    struct assay_shape row =
        assay_shape_make(1, assay_graph_shape(p->g, x)->dim[1]);
    assay_value in[5];

    if (assay_graph_check(p->g, NULL))
        return ASSAY_NO_VALUE;
    in[0] = x;
    in[1] = param(p, "norm.weight", &row, &gain, ASSAY_PARAM_TRAINABLE);
    in[2] = param(p, "norm.bias", &row, &zero, ASSAY_PARAM_TRAINABLE);
    in[3] = param(p, "norm.running_mean", &row, &zero, ASSAY_PARAM_BUFFER);
    in[4] = param(p, "norm.running_var", &row, &one, ASSAY_PARAM_BUFFER);
    return assay_graph_node(p->g, "batchnorm", in, 5, &attrs);
}

/* A 4x4 kernel of stride 2 that halves or, transposed, doubles the side. */
static assay_value scale(const struct place *p, assay_value x, int from, int to,
                         int transposed)
{
    struct assay_attrs attrs = {.stride = {2, 2}, .pad = {1, 1, 1, 1}};
    struct assay_shape shape =
        transposed ? assay_shape_make(4, (int64_t)from, (int64_t)to, (int64_t)4,
                                      (int64_t)4)
                   : assay_shape_make(4, (int64_t)to, (int64_t)from, (int64_t)4,
                                      (int64_t)4);
    assay_value w = weight(p, &shape);

    return transposed
               ? assay_op_conv_transposed(p->g, x, w, ASSAY_NO_VALUE, &attrs)
               : assay_op_conv(p->g, x, w, ASSAY_NO_VALUE, &attrs);
}

assay_value assay__dcgan_generator(assay_graph *g, assay_value z,
                                   const struct assay__dcgan *net,
                                   const char *prefix)
{
    struct place p = {g, prefix, "generator", 0};
    int maps = net->width << (net->stages - 1);
    int64_t numbers = (int64_t)maps * net->base * net->base;
    struct assay_shape shape =
        assay_shape_make(2, numbers, (int64_t)net->z_dim);
    assay_value x = assay_op_linear(g, z, weight(&p, &shape), ASSAY_NO_VALUE);

    shape = assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)maps,
                             (int64_t)net->base, (int64_t)net->base);
    x = assay_op_reshape(g, x, &shape);
    for (int i = 1; i < net->stages; i++, maps /= 2) {
        x = assay_op_relu(g, batchnorm(&p, x));
        p.index = i;
        x = scale(&p, x, maps, maps / 2, 1);
    }
    x = assay_op_relu(g, batchnorm(&p, x));
    p.index = net->stages;
    return assay_op_tanh(g, scale(&p, x, maps, net->channels, 1));
}

assay_value assay__dcgan_discriminator(assay_graph *g, assay_value image,
                                       const struct assay__dcgan *net,
                                       const char *prefix)
{
    struct place p = {g, prefix, "discriminator", 0};
    struct assay_shape shape;
    int maps = net->width;
    assay_value x = scale(&p, image, net->channels, maps, 0);

    x = assay_op_leaky_relu(g, x, leak);
    for (p.index = 1; p.index < net->stages; p.index++, maps *= 2) {
        x = batchnorm(&p, scale(&p, x, maps, maps * 2, 0));
        x = assay_op_leaky_relu(g, x, leak);
    }
    shape =
        assay_shape_make(2, (int64_t)1, (int64_t)maps * net->base * net->base);
    x = assay_op_linear(g, assay_op_flatten(g, x), weight(&p, &shape),
                        ASSAY_NO_VALUE);
    shape = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    return assay_op_reshape(g, x, &shape);
}
