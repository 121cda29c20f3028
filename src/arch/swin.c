/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Swin transformers (Liu et al., ICCV 2021) under torchvision's names:
 * attention within windows of 7x7 places, every other block with windows
 * that are shifted by half of one, and between stages four neighbouring
 * places made one. A map is [N, H, W, C] throughout. In training no block is
 * left out at random (stochastic depth).
 *
 * Where a side is no multiple of the window it is padded with zeros, which
 * take part as torchvision's do; a side that one window covers is not shifted.
 */

#include <math.h>
#include <stdio.h>

#include "arch/arch.h"

enum { WINDOW = 7, STAGES = 4, NAME_MAX_LENGTH = 128 };
static const double norm_eps = 1e-5;

struct variant {
    int width; /* of the first stage; doubled from stage to stage */
    int depth[STAGES];
    int heads[STAGES];
};

/* One block's place in the network, and its windows. */
struct block {
    assay_graph *g;
    char base[48]; /* "features.1.0" */
    char name[NAME_MAX_LENGTH];
    int heads;
    int64_t width;
    int64_t size[2];   /* the map, */
    int64_t padded[2]; /* with whole windows */
    int64_t shift[2];
};

static const char *named(struct block *b, const char *part)
{
    snprintf(b->name, sizeof(b->name), "%s.%s", b->base, part);
    return b->name;
}

static assay_value norm(assay_graph *g, assay_value x, const char *name)
{
    return assay__arch_layernorm_with(
        g, x, name, assay_graph_shape(g, x)->rank - 1, norm_eps);
}

static assay_value fill(assay_graph *g, struct assay_shape shape, double value)
{
    struct assay_attrs attrs = {.alpha = value, .shape = shape};

    return assay_graph_node(g, "fill", NULL, 0, &attrs);
}

/* The first `by` entries of an axis moved to its end. */
static assay_value roll(assay_graph *g, assay_value x, int axis, int64_t by)
{
    int64_t n = assay_graph_shape(g, x)->dim[axis];
    assay_value two[2];

    if (by == 0)
        return x;
    two[0] = assay_op_slice(g, x, axis, by, n - by);
    two[1] = assay_op_slice(g, x, axis, 0, by);
    return assay_op_concat(g, two, 2, axis);
}

static assay_value pad(const struct block *b, assay_value x)
{
    for (int i = 0; i < 2; i++) {
        struct assay_shape more = *assay_graph_shape(b->g, x);
        assay_value two[2] = {x, ASSAY_NO_VALUE};

        if (b->padded[i] == b->size[i])
            continue;
        more.dim[1 + i] = b->padded[i] - b->size[i];
        two[1] = fill(b->g, more, 0);
        x = assay_op_concat(b->g, two, 2, 1 + i);
    }
    return x;
}

/* [N, H, W, C] to [N, windows, places of one, C]. */
static assay_value to_windows(const struct block *b, assay_value x)
{
    static const int windows_first[] = {0, 1, 3, 2, 4, 5};
    const struct assay_shape *s = assay_graph_shape(b->g, x);
    int64_t rows = b->padded[0] / WINDOW;
    int64_t columns = b->padded[1] / WINDOW;
    int64_t n = s->dim[0];
    int64_t c = s->dim[3];
    struct assay_shape cut = assay_shape_make(6, n, rows, (int64_t)WINDOW,
                                              columns, (int64_t)WINDOW, c);
    const int64_t places = WINDOW * WINDOW;
    struct assay_shape flat = assay_shape_make(4, n, rows * columns, places, c);

    x = assay_op_transpose(b->g, assay_op_reshape(b->g, x, &cut),
                           windows_first);
    return assay_op_reshape(b->g, x, &flat);
}

static assay_value from_windows(const struct block *b, assay_value x)
{
    static const int rows_first[] = {0, 1, 3, 2, 4, 5};
    int64_t n = assay_graph_shape(b->g, x)->dim[0];
    struct assay_shape cut =
        assay_shape_make(6, n, b->padded[0] / WINDOW, b->padded[1] / WINDOW,
                         (int64_t)WINDOW, (int64_t)WINDOW, b->width);
    struct assay_shape map =
        assay_shape_make(4, n, b->padded[0], b->padded[1], b->width);

    x = assay_op_transpose(b->g, assay_op_reshape(b->g, x, &cut), rows_first);
    return assay_op_reshape(b->g, x, &map);
}

/*
 * Along one axis of a table of 2 WINDOW - 1 entries, for each place of a
 * window the entries of its distances from all places: [.., 2 W - 1, ..] to
 * [.., W, W, ..].
 */
static assay_value spread(assay_graph *g, assay_value table, int axis)
{
    struct assay_shape s = *assay_graph_shape(g, table);
    struct assay_shape one = {.rank = s.rank + 1};
    assay_value row[WINDOW];

    for (int i = 0; i < one.rank; i++)
        one.dim[i] = i < axis        ? s.dim[i]
                     : i == axis     ? 1
                     : i == axis + 1 ? WINDOW
                                     : s.dim[i - 1];
    for (int from = 0; from < WINDOW; from++) {
        struct assay_attrs attrs = {.shape = s};

        for (int i = 0; i < s.rank; i++) {
            attrs.axes[i] = i;
            attrs.step[i] = 1;
        }
        attrs.shape.dim[axis] = WINDOW;
        attrs.begin[axis] = WINDOW - 1 + from;
        attrs.step[axis] = -1;
        row[from] = assay_op_reshape(
            g, assay_graph_node(g, "pick", &table, 1, &attrs), &one);
    }
    return assay_op_concat(g, row, WINDOW, axis);
}

/* What the distance of two places adds to their attention: [1, 1, heads,
 * places, places]. */
static assay_value position_bias(struct block *b)
{
    static const int heads_first[] = {0, 3, 1, 2};
    static const int columns_inside[] = {0, 1, 3, 2, 4, 5};
    const struct assay_init near = {ASSAY_INIT_NORMAL, .02, 0};
    const int64_t side = 2 * WINDOW - 1;
    const int64_t places = WINDOW * WINDOW;
    int64_t heads = b->heads;
    struct assay_shape table = assay_shape_make(2, side * side, heads);
    struct assay_shape map = assay_shape_make(4, (int64_t)1, side, side, heads);
    struct assay_shape pairs =
        assay_shape_make(4, (int64_t)1, places, places, heads);
    struct assay_shape out =
        assay_shape_make(5, (int64_t)1, (int64_t)1, heads, places, places);
    assay_value x =
        assay_graph_param(b->g, named(b, "attn.relative_position_bias_table"),
                          &table, near, ASSAY_PARAM_TRAINABLE);

    x = spread(b->g, assay_op_reshape(b->g, x, &map), 1); /* 1 W W side h */
    x = spread(b->g, x, 3);                               /* 1 W W W W h */
    x = assay_op_transpose(b->g, x, columns_inside);
    x = assay_op_transpose(b->g, assay_op_reshape(b->g, x, &pairs),
                           heads_first);
    return assay_op_reshape(b->g, x, &out);
}

/* Along one side, which of the parts that a shift puts together: [1, n]. */
static assay_value parts_of_side(const struct block *b, int side)
{
    int64_t n = b->padded[side];
    int64_t length[3] = {n - WINDOW, WINDOW - b->shift[side], b->shift[side]};
    assay_value piece[3];
    int k = 0;

    if (b->shift[side] == 0)
        return fill(b->g, assay_shape_make(2, (int64_t)1, n), 0);
    for (int i = 0; i < 3; i++)
        if (length[i] > 0)
            piece[k++] =
                fill(b->g, assay_shape_make(2, (int64_t)1, length[i]), i);
    return assay_op_concat(b->g, piece, k, 1);
}

/* 0 where both places of a window were neighbours before the shift, else
 * -100: [1, windows, 1, places, places]. */
static assay_value shift_mask(const struct block *b)
{
    const int64_t places = WINDOW * WINDOW;
    int64_t windows = b->padded[0] / WINDOW * (b->padded[1] / WINDOW);
    struct assay_shape down =
        assay_shape_make(4, (int64_t)1, b->padded[0], (int64_t)1, (int64_t)1);
    struct assay_shape across =
        assay_shape_make(4, (int64_t)1, (int64_t)1, b->padded[1], (int64_t)1);
    struct assay_shape one = assay_shape_make(5, (int64_t)1, windows,
                                              (int64_t)1, places, (int64_t)1);
    struct assay_shape other = assay_shape_make(5, (int64_t)1, windows,
                                                (int64_t)1, (int64_t)1, places);
    assay_value row = assay_op_reshape(b->g, parts_of_side(b, 0), &down);
    assay_value column = assay_op_reshape(b->g, parts_of_side(b, 1), &across);
    assay_value kind = assay_op_binary(
        b->g, ASSAY_BINARY_ADD, assay_op_affine(b->g, row, 3, 0), column);
    assay_value same;

    kind = to_windows(b, kind);
    same = assay_op_binary(b->g, ASSAY_BINARY_EQUAL,
                           assay_op_reshape(b->g, kind, &one),
                           assay_op_reshape(b->g, kind, &other));
    return assay_op_affine(b->g, same, 100, -100);
}

/* Queries, keys or values, as heads: [N, windows, heads, places, d]. */
static assay_value head_part(const struct block *b, assay_value qkv, int k,
                             const struct assay_shape *windows)
{
    static const int heads_first[] = {0, 1, 3, 2, 4};
    struct assay_shape split =
        assay_shape_make(5, windows->dim[0], windows->dim[1], windows->dim[2],
                         (int64_t)b->heads, b->width / b->heads);
    assay_value x = assay_op_slice(b->g, qkv, 2, k * b->width, b->width);

    return assay_op_transpose(b->g, assay_op_reshape(b->g, x, &split),
                              heads_first);
}

/* Attention within each window of [N, windows, places, C]. */
static assay_value attend(struct block *b, assay_value x)
{
    static const int places_first[] = {0, 1, 3, 2, 4};
    struct assay_shape windows = *assay_graph_shape(b->g, x);
    struct assay_shape tokens = assay_shape_make(
        3, windows.dim[0], windows.dim[1] * windows.dim[2], b->width);
    double scale = 1 / sqrt((double)b->width / b->heads);
    assay_value qkv, q, k, v, a;

    qkv = assay__arch_token_linear(b->g, assay_op_reshape(b->g, x, &tokens),
                                   named(b, "attn.qkv"), 0, 3 * (int)b->width);
    q = head_part(b, qkv, 0, &windows);
    k = head_part(b, qkv, 1, &windows);
    v = head_part(b, qkv, 2, &windows);
    a = assay_op_affine(b->g, assay_op_matmul(b->g, q, k, 0, 1), scale, 0);
    a = assay_op_binary(b->g, ASSAY_BINARY_ADD, a, position_bias(b));
    if (b->shift[0] > 0 || b->shift[1] > 0)
        a = assay_op_binary(b->g, ASSAY_BINARY_ADD, a, shift_mask(b));
    a = assay_op_matmul(b->g, assay_op_softmax_axis(b->g, a, 4, 0), v, 0, 0);
    a = assay_op_transpose(b->g, a, places_first);
    a = assay__arch_token_linear(b->g, assay_op_reshape(b->g, a, &tokens),
                                 named(b, "attn.proj"), 0, (int)b->width);
    return assay_op_reshape(b->g, a, &windows);
}

static assay_value shifted_attention(struct block *b, assay_value x)
{
    x = pad(b, x);
    for (int i = 0; i < 2; i++)
        x = roll(b->g, x, 1 + i, b->shift[i]);
    x = from_windows(b, attend(b, to_windows(b, x)));
    for (int i = 0; i < 2; i++)
        if (b->shift[i] > 0)
            x = roll(b->g, x, 1 + i, b->padded[i] - b->shift[i]);
    for (int i = 0; i < 2; i++)
        if (b->padded[i] > b->size[i])
            x = assay_op_slice(b->g, x, 1 + i, 0, b->size[i]);
    return x;
}

static assay_value perceptron(struct block *b, assay_value x)
{
    struct assay_shape map = *assay_graph_shape(b->g, x);
    struct assay_shape tokens =
        assay_shape_make(3, map.dim[0], map.dim[1] * map.dim[2], map.dim[3]);

    x = assay_op_reshape(b->g, x, &tokens);
    x = assay__arch_token_linear(b->g, x, named(b, "mlp.0"), 0,
                                 4 * (int)b->width);
    x = assay_op_unary(b->g, ASSAY_UNARY_GELU, x, 0, 0);
    x = assay__arch_token_linear(b->g, x, named(b, "mlp.3"), 0, (int)b->width);
    return assay_op_reshape(b->g, x, &map);
}

static assay_value one_block(struct block *b, assay_value x, int shifted)
{
    const struct assay_shape *s = assay_graph_shape(b->g, x);

    b->width = s->dim[3];
    for (int i = 0; i < 2; i++) {
        b->size[i] = s->dim[1 + i];
        b->padded[i] = (b->size[i] + WINDOW - 1) / WINDOW * WINDOW;
        b->shift[i] = shifted && b->padded[i] > WINDOW ? WINDOW / 2 : 0;
    }
    x = assay_op_add(b->g, x,
                     shifted_attention(b, norm(b->g, x, named(b, "norm1"))));
    return assay_op_add(b->g, x,
                        perceptron(b, norm(b->g, x, named(b, "norm2"))));
}

/* Every other place along both axes, from (row, column) on. */
static assay_value every_other(assay_graph *g, assay_value x, int row,
                               int column)
{
    struct assay_attrs attrs = {.shape = *assay_graph_shape(g, x)};

    for (int i = 0; i < 4; i++) {
        attrs.axes[i] = i;
        attrs.step[i] = i == 1 || i == 2 ? 2 : 1;
    }
    attrs.begin[1] = row;
    attrs.begin[2] = column;
    attrs.shape.dim[1] /= 2;
    attrs.shape.dim[2] /= 2;
    return assay_graph_node(g, "pick", &x, 1, &attrs);
}

/* Four places made one, of twice the width. */
static assay_value merge(assay_graph *g, assay_value x, const char *base)
{
    struct block b = {.g = g};
    struct assay_shape s = *assay_graph_shape(g, x);
    struct assay_shape kernel = assay_shape_make(2, 2 * s.dim[3], 4 * s.dim[3]);
    const struct assay_init init = {ASSAY_INIT_UNIFORM,
                                    1 / sqrt(4 * (double)s.dim[3]), 0};
    assay_value weight;
    assay_value four[4];

    snprintf(b.base, sizeof(b.base), "%s", base);
    for (int i = 0; i < 2; i++) {
        b.size[i] = s.dim[1 + i];
        b.padded[i] = s.dim[1 + i] + s.dim[1 + i] % 2;
    }
    x = pad(&b, x);
    for (int i = 0; i < 4; i++)
        four[i] = every_other(g, x, i % 2, i / 2);
    x = norm(g, assay_op_concat(g, four, 4, 3), named(&b, "norm"));
    weight = assay_graph_param(g, named(&b, "reduction.weight"), &kernel, init,
                               ASSAY_PARAM_TRAINABLE);
    return assay_op_matmul(g, x, weight, 0, 1);
}

static int build(const struct assay_arch *self, assay_graph *g, assay_value x,
                 const struct assay_arch_options *o,
                 struct assay_arch_values *out)
{
    static const int channels_last[] = {0, 2, 3, 1};
    const struct variant *v = self->variant;
    struct assay_conv patches = {.out = v->width, .kernel = 4, .stride = 4};
    char base[48];

    x = assay_layer_conv(g, x, "features.0.0", &patches);
    x = norm(g, assay_op_transpose(g, x, channels_last), "features.0.2");
    for (int stage = 0; stage < STAGES; stage++) {
        for (int i = 0; i < v->depth[stage]; i++) {
            struct block b = {.g = g, .heads = v->heads[stage]};

            snprintf(b.base, sizeof(b.base), "features.%d.%d", 2 * stage + 1,
                     i);
            x = one_block(&b, x, i % 2);
        }
        if (stage == STAGES - 1)
            break;
        snprintf(base, sizeof(base), "features.%d", 2 * stage + 2);
        x = merge(g, x, base);
    }
    x = assay_op_reduce(g, ASSAY_REDUCE_MEAN, norm(g, x, "norm"),
                        1U << 1 | 1U << 2);
    x = assay_op_flatten(g, x);
    return assay__arch_finish(
        g, x, assay_layer_linear(g, x, "head", o->n_classes), out);
}

#define ROW(id, name_, ...)                                 \
    static const struct variant variant_##id = __VA_ARGS__; \
    const struct assay_arch assay_arch_##id = {             \
        .name = name_,                                      \
        .summary = "Swin transformer as in torchvision",    \
        .min_size = 32,                                     \
        .stock_size = 224,                                  \
        .variant = &variant_##id,                           \
        .build = build}

ROW(swin_t, "swin-t", {96, {2, 2, 6, 2}, {3, 6, 12, 24}});
ROW(swin_s, "swin-s", {96, {2, 2, 18, 2}, {3, 6, 12, 24}});
ROW(swin_b, "swin-b", {128, {2, 2, 18, 2}, {4, 8, 16, 32}});
