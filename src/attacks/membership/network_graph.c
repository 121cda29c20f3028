/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attack networks of ML-Doctor (Liu et al., USENIX Security 2022): one
 * small branch per feature, joined and classified into non-member and
 * member. Linear layers start from Xavier-normal weights and zero biases,
 * the gradient branch's convolution from N(0, 1), as there.
 *
 * Deviation: dropout of a branch comes before its hidden layers, not on the
 * raw features, of which a dropped one cannot be recovered from the others.
 * The branch of altered copies is not there; it has the form of the others.
 */

#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "attacks/membership/network.h"
#include "core/mem.h"

static const double DROPOUT = .2;

static assay_value linear(assay_graph *g, assay_value x, const char *name,
                          int index, int out)
{
    const struct assay_shape *in = assay_graph_shape(g, x);
    struct assay_shape shape = assay_shape_make(2, (int64_t)out, in->dim[1]);
    struct assay_init xavier = {ASSAY_INIT_XAVIER_NORMAL, 0, 0};
    struct assay_init zero = {ASSAY_INIT_ZERO, 0, 0};
    assay_value w;
    assay_value b;
    char text[64];

    snprintf(text, sizeof(text), "%s.%d.weight", name, index);
    w = assay_graph_param(g, text, &shape, xavier, ASSAY_PARAM_TRAINABLE);
    shape = assay_shape_make(1, (int64_t)out);
    snprintf(text, sizeof(text), "%s.%d.bias", name, index);
    b = assay_graph_param(g, text, &shape, zero, ASSAY_PARAM_TRAINABLE);
    return assay_op_linear(g, x, w, b);
}

/* Linear layers of the given widths with ReLU between (not after). */
static assay_value branch(assay_graph *g, assay_value x, const char *name,
                          double dropout, const int *width)
{
    for (int i = 0; width[i]; i++) {
        if (i > 0)
            x = assay_op_relu(g, x);
        if (dropout > 0 && i > 0 && i < 3)
            x = assay_op_dropout(g, x, dropout);
        x = linear(g, x, name, i, width[i]);
    }
    return x;
}

/* [N, 1, K, h] -> 64 values. */
static assay_value gradient_branch(assay_graph *g, assay_value x)
{
    static const int width[] = {256, 128, 64, 0};
    struct assay_init normal = {ASSAY_INIT_NORMAL, 1, 0};
    struct assay_init zero = {ASSAY_INIT_ZERO, 0, 0};
    struct assay_shape wei =
        assay_shape_make(4, (int64_t)1, (int64_t)1, (int64_t)5, (int64_t)5);
    struct assay_shape bias = assay_shape_make(1, (int64_t)1);
    struct assay_attrs attrs = {.kernel = {5, 5},
                                .stride = {1, 1},
                                .pad = {2, 2, 2, 2},
                                .dilation = {1, 1},
                                .groups = 1};
    assay_value w = assay_graph_param(g, "gradient.conv.weight", &wei, normal,
                                      ASSAY_PARAM_TRAINABLE);
    assay_value b = assay_graph_param(g, "gradient.conv.bias", &bias, zero,
                                      ASSAY_PARAM_TRAINABLE);

    x = assay_op_conv(g, x, w, b, &attrs);
    x = assay_layer_batchnorm(g, x, "gradient.norm");
    x = assay_op_relu(g, x);
    x = assay_op_maxpool(g, x, 2, 2, 0);
    x = assay_op_dropout(g, assay_op_flatten(g, x), DROPOUT);
    return branch(g, x, "gradient", DROPOUT, width);
}

static assay_value add_input(struct assay__network *net, int kind,
                             const char *name, const struct assay_shape *shape)
{
    int i = net->n_features++;

    net->kind[i] = kind;
    net->input[i] = assay_graph_input(net->graph, name, shape);
    net->width[i] = assay_shape_count(shape, 1);
    return net->input[i];
}

static struct assay_shape row_shape(int width)
{
    return assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)width);
}

/* Features -> list of branch outputs; returns how many. */
static int black_box(struct assay__network *net,
                     const struct assay__feature_scale *scale,
                     assay_value *part)
{
    static const int width[] = {128, 64, 0};
    struct assay_shape shape = row_shape(scale->n_top);
    assay_value x;

    x = add_input(net, ASSAY__FEATURE_POSTERIORS, "posteriors", &shape);
    part[0] = branch(net->graph, x, "posteriors", 0, width);
    shape = row_shape(1);
    x = add_input(net, ASSAY__FEATURE_CORRECT, "correct", &shape);
    part[1] = branch(net->graph, x, "correct", 0, width);
    return 2;
}

static int white_box_parts(struct assay__network *net,
                           const struct assay__feature_scale *scale, int h,
                           assay_value *part)
{
    static const int width[] = {128, 64, 0};
    int k = scale->n_classes;
    int q = scale->n_queries;
    struct assay_shape shape = row_shape(scale->n_top);
    assay_value x;

    x = add_input(net, ASSAY__FEATURE_POSTERIORS, "posteriors", &shape);
    part[0] = branch(net->graph, x, "posteriors", DROPOUT, width);
    shape = row_shape(1);
    x = add_input(net, ASSAY__FEATURE_LOSS, "loss", &shape);
    part[1] = branch(net->graph, x, "loss", DROPOUT, width);
    shape = assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)1, (int64_t)k,
                             (int64_t)h);
    x = add_input(net, ASSAY__FEATURE_GRADIENT, "gradient", &shape);
    part[2] = gradient_branch(net->graph, x);
    shape = row_shape(k);
    x = add_input(net, ASSAY__FEATURE_LABEL, "label", &shape);
    part[3] = branch(net->graph, x, "label", DROPOUT, width);
    if (q == 0)
        return 4;
    shape = row_shape(1 + q);
    x = add_input(net, ASSAY__FEATURE_QUERIES, "queries", &shape);
    part[4] = branch(net->graph, x, "queries", DROPOUT, width);
    return 5;
}

int assay__network_build(struct assay__network *net,
                         const struct assay__feature_scale *scale,
                         int embedding_dim, struct assay_error *err)
{
    static const int width[] = {256, 128, 64, 2, 0};
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value part[ASSAY__FEATURES];
    assay_value x;
    int n;
    int rc;

    memset(net, 0, sizeof(*net));
    rc = assay_graph_new(&net->graph, err);
    if (rc)
        return rc;
    n = embedding_dim ? white_box_parts(net, scale, embedding_dim, part)
                      : black_box(net, scale, part);
    x = assay_op_concat(net->graph, part, n, 1);
    net->logits =
        branch(net->graph, x, "join", embedding_dim ? DROPOUT : 0, width);
    net->input[net->n_features] =
        assay_graph_input(net->graph, "member", &rows);
    net->width[net->n_features] = 1;
    net->loss = assay_op_mean(
        net->graph, assay_op_softmax_xent(net->graph, net->logits,
                                          net->input[net->n_features]));
    rc = assay_graph_check(net->graph, err);
    if (rc)
        assay__network_release(net);
    return rc;
}

void assay__network_release(struct assay__network *net)
{
    assay_graph_free(net->graph);
    net->graph = NULL;
}
