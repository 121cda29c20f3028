/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vision transformers (Dosovitskiy et al., ICLR 2021; DeiT: Touvron et al.,
 * ICML 2021), under torchvision's names or timm's: patches as tokens, one more
 * for the class, learnt positions, blocks of attention and two linear layers,
 * each after a layer normalisation. The positions fix the image's size.
 */

#include <math.h>
#include <stdio.h>

#include "arch/arch.h"

/* What a state dict calls things; "%d" is the block. */
struct names {
    const char *patch, *token, *positions;
    const char *norm1, *qkv, *proj, *norm2, *fc1, *fc2;
    const char *norm, *head;
    int qkv_under; /* "in_proj_weight" */
};

static const struct names torchvision = {
    "conv_proj",
    "class_token",
    "encoder.pos_embedding",
    "encoder.layers.encoder_layer_%d.ln_1",
    "encoder.layers.encoder_layer_%d.self_attention.in_proj",
    "encoder.layers.encoder_layer_%d.self_attention.out_proj",
    "encoder.layers.encoder_layer_%d.ln_2",
    "encoder.layers.encoder_layer_%d.mlp.0",
    "encoder.layers.encoder_layer_%d.mlp.3",
    "encoder.ln",
    "heads.head",
    1};

static const struct names timm = {"patch_embed.proj",
                                  "cls_token",
                                  "pos_embed",
                                  "blocks.%d.norm1",
                                  "blocks.%d.attn.qkv",
                                  "blocks.%d.attn.proj",
                                  "blocks.%d.norm2",
                                  "blocks.%d.mlp.fc1",
                                  "blocks.%d.mlp.fc2",
                                  "norm",
                                  "head",
                                  0};

struct variant {
    const struct names *names;
    int patch;
    int width;
    int heads;
    int depth;
};

struct net {
    assay_graph *g;
    const struct variant *v;
    int block;
    char name[96];
};

/* The name that a pattern has in this block. */
static const char *named(struct net *n, const char *pattern)
{
    const char *number = pattern;

    while (*number && *number != '%')
        number++;
    if (*number)
        snprintf(n->name, sizeof(n->name), "%.*s%d%s", (int)(number - pattern),
                 pattern, n->block, number + 2);
    else
        snprintf(n->name, sizeof(n->name), "%s", pattern);
    return n->name;
}

/* Part k of three along the last axis, as heads: [N, h, T, d]. */
static assay_value head_part(const struct net *n, assay_value qkv, int k)
{
    static const int heads_first[] = {0, 2, 1, 3};
    const int64_t width = n->v->width;
    const struct assay_shape *s = assay_graph_shape(n->g, qkv);
    struct assay_shape split = assay_shape_make(
        4, s->dim[0], s->dim[1], (int64_t)n->v->heads, width / n->v->heads);
    assay_value x = assay_op_slice(n->g, qkv, 2, k * width, width);

    return assay_op_transpose(n->g, assay_op_reshape(n->g, x, &split),
                              heads_first);
}

static assay_value attention(struct net *n, assay_value x)
{
    static const int tokens_first[] = {0, 2, 1, 3};
    const struct names *names = n->v->names;
    struct assay_shape shape = *assay_graph_shape(n->g, x);
    double scale = 1 / sqrt((double)n->v->width / n->v->heads);
    assay_value qkv = assay__arch_token_linear(
        n->g, x, named(n, names->qkv), names->qkv_under, 3 * n->v->width);
    assay_value q = head_part(n, qkv, 0);
    assay_value k = head_part(n, qkv, 1);
    assay_value v = head_part(n, qkv, 2);
    assay_value a =
        assay_op_affine(n->g, assay_op_matmul(n->g, q, k, 0, 1), scale, 0);

    a = assay_op_matmul(n->g, assay_op_softmax_axis(n->g, a, 3, 0), v, 0, 0);
    a = assay_op_transpose(n->g, a, tokens_first);
    a = assay_op_reshape(n->g, a, &shape);
    return assay__arch_token_linear(n->g, a, named(n, names->proj), 0,
                                    n->v->width);
}

static assay_value one_block(struct net *n, assay_value x)
{
    const struct names *names = n->v->names;
    assay_value y = assay__arch_layernorm(n->g, x, named(n, names->norm1), 2);

    x = assay_op_add(n->g, x, attention(n, y));
    y = assay__arch_layernorm(n->g, x, named(n, names->norm2), 2);
    y = assay__arch_token_linear(n->g, y, named(n, names->fc1), 0,
                                 4 * n->v->width);
    y = assay_op_unary(n->g, ASSAY_UNARY_GELU, y, 0, 0);
    y = assay__arch_token_linear(n->g, y, named(n, names->fc2), 0, n->v->width);
    return assay_op_add(n->g, x, y);
}

/* The class's token before the patches' [N, T, D], and positions added. */
static assay_value with_class(const struct net *n, assay_value x)
{
    const struct assay_init zero = {ASSAY_INIT_ZERO, 0, 0};
    const struct assay_init near = {ASSAY_INIT_NORMAL, .02, 0};
    struct assay_shape one =
        assay_shape_make(3, (int64_t)1, (int64_t)1, (int64_t)n->v->width);
    struct assay_attrs nothing = {.alpha = 0};
    assay_value part[2];
    assay_value positions;

    nothing.shape = *assay_graph_shape(n->g, x);
    nothing.shape.dim[1] = 1;
    part[0] = assay_op_binary(n->g, ASSAY_BINARY_ADD,
                              assay_graph_node(n->g, "fill", NULL, 0, &nothing),
                              assay_graph_param(n->g, n->v->names->token, &one,
                                                zero, ASSAY_PARAM_TRAINABLE));
    part[1] = x;
    x = assay_op_concat(n->g, part, 2, 1);
    one.dim[1] = assay_graph_shape(n->g, x)->dim[1];
    positions = assay_graph_param(n->g, n->v->names->positions, &one, near,
                                  ASSAY_PARAM_TRAINABLE);
    return assay_op_binary(n->g, ASSAY_BINARY_ADD, x, positions);
}

/* [N, D, H, W] to [N, H W, D]. */
static assay_value to_tokens(assay_graph *g, assay_value x)
{
    static const int channels_last[] = {0, 2, 1};
    const struct assay_shape *s = assay_graph_shape(g, x);
    struct assay_shape flat =
        assay_shape_make(3, s->dim[0], s->dim[1], s->dim[2] * s->dim[3]);

    return assay_op_transpose(g, assay_op_reshape(g, x, &flat), channels_last);
}

static assay_value first_token(assay_graph *g, assay_value x)
{
    return assay_op_flatten(g, assay_op_slice(g, x, 1, 0, 1));
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    const struct variant *v = self->variant;
    struct assay_conv patches = {
        .out = v->width, .kernel = v->patch, .stride = v->patch};
    struct net n = {.g = g, .v = v};

    x = assay_layer_conv(g, x, v->names->patch, &patches);
    x = with_class(&n, to_tokens(g, x));
    for (n.block = 0; n.block < v->depth; n.block++)
        x = one_block(&n, x);
    x = first_token(g, assay__arch_layernorm(g, x, v->names->norm, 2));
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, v->names->head, o->n_classes), out);
}

/* {names, patch, width, heads, depth} */
#define ROW(id, name_, summary_, size_, ...)                             \
    static const struct variant variant_##id = __VA_ARGS__;              \
    const struct assay_arch assay_arch_##id = {.name = name_,            \
                                               .summary = summary_,      \
                                               .min_size = size_,        \
                                               .stock_size = 224,        \
                                               .variant = &variant_##id, \
                                               .build = build}

/* clang-format off */
ROW(vit_b_16, "vit-b-16", "vision transformer as in torchvision", 16, {&torchvision, 16, 768, 12, 12});
ROW(vit_b_32, "vit-b-32", "the same, patches of 32", 32, {&torchvision, 32, 768, 12, 12});
ROW(vit_l_16, "vit-l-16", "the large one", 16, {&torchvision, 16, 1024, 16, 24});
ROW(vit_l_32, "vit-l-32", "the large one, patches of 32", 32, {&torchvision, 32, 1024, 16, 24});
ROW(deit_tiny, "deit-tiny", "DeiT and ViT-Ti/16 as in timm", 16, {&timm, 16, 192, 3, 12});
ROW(deit_small, "deit-small", "DeiT and ViT-S/16 as in timm", 16, {&timm, 16, 384, 6, 12});
ROW(deit_base, "deit-base", "DeiT and ViT-B/16 as in timm", 16, {&timm, 16, 768, 12, 12});
/* clang-format on */
