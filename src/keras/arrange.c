/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that arrange numbers, and those that put several values together. */

#include "core/checked.h"
#include "keras/import.h"

void assay__keras_identity(struct assay__keras_builder *b,
                           const struct assay__keras_item *in, int n,
                           struct assay__keras_item *out, int argument)
{
    (void)b;
    (void)n;
    (void)argument;
    *out = in[0];
}

void assay__keras_dropout(struct assay__keras_builder *b,
                          const struct assay__keras_item *in, int n,
                          struct assay__keras_item *out, int argument)
{
    double rate = assay__keras_real(b, "rate", 0.0);

    (void)n;
    (void)argument;
    if (!(rate >= 0.0 && rate < 1.0))
        assay__keras_fail(b, ASSAY_FORMAT, "'rate' is %g, must be 0 to 1",
                          rate);
    *out = in[0];
    if (b->code == ASSAY_OK && rate > 0.0)
        out->v = assay_op_dropout(b->g, in[0].v, rate);
}

void assay__keras_flatten(struct assay__keras_builder *b,
                          const struct assay__keras_item *in, int n,
                          struct assay__keras_item *out, int argument)
{
    assay_value v = in[0].v;

    (void)n;
    (void)argument;
    *out = in[0];
    assay__keras_channels_last(b);
    if (assay__keras_shape(b, v)->rank == 2 || b->code != ASSAY_OK)
        return;
    out->v = assay_op_flatten(b->g, assay__keras_to_last(b, v));
    if (out->before != ASSAY_NO_VALUE)
        out->before =
            assay_op_flatten(b->g, assay__keras_to_last(b, out->before));
}

/* "target_shape" behind the batch; one number may be -1. */
static bool target(struct assay__keras_builder *b, int64_t count,
                   struct assay_shape *s)
{
    const json_t *list = assay__keras_get(b, "target_shape");
    size_t rank = json_array_size(list);
    int64_t known = 1;
    int open = 0;

    if (rank < 1 || rank > 4) {
        assay__keras_fail(b, ASSAY_UNSUPPORTED,
                          "'target_shape' has %zu numbers; 1 to 4 are "
                          "supported",
                          rank);
        return false;
    }
    *s = (struct assay_shape){(int)rank + 1, {ASSAY_BATCH}};
    for (int i = 0; i < (int)rank; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        int64_t size = json_is_integer(v) ? json_integer_value(v) : 0;

        s->dim[i + 1] = size;
        if (size == -1)
            open = open ? -1 : i + 1;
        else if (size < 1 || __builtin_mul_overflow(known, size, &known))
            known = 0;
        if (known == 0 || open < 0)
            break;
    }
    if (open > 0 && known > 0 && count % known == 0) {
        s->dim[open] = count / known;
        known = count;
    }
    if (known != count || open < 0)
        assay__keras_fail(b, ASSAY_FORMAT,
                          "'target_shape' is none of %lld numbers",
                          (long long)count);
    return b->code == ASSAY_OK;
}

void assay__keras_reshape(struct assay__keras_builder *b,
                          const struct assay__keras_item *in, int n,
                          struct assay__keras_item *out, int argument)
{
    struct assay_shape s;

    (void)n;
    (void)argument;
    if (!target(b, assay__keras_count(assay__keras_shape(b, in[0].v)), &s))
        return;
    out->v = assay_op_reshape(b->g, assay__keras_to_last(b, in[0].v), &s);
    out->v = assay__keras_to_first(b, out->v);
}

/* --- padding -------------------------------------------------------------- */

static int one_pad(struct assay__keras_builder *b, const json_t *v)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 ||
        json_integer_value(v) > 4096) {
        assay__keras_fail(b, ASSAY_FORMAT,
                          "'padding' holds what is no integer from 0 to 4096");
        return 0;
    }
    return (int)json_integer_value(v);
}

/* n, [n, m] or [[top, bottom], [left, right]] as top, bottom, left, right. */
static void pads_of(struct assay__keras_builder *b, int pad[4])
{
    const json_t *v = assay__keras_get(b, "padding");

    if (v && json_is_array(v) && json_array_size(v) != 2)
        assay__keras_fail(b, ASSAY_FORMAT,
                          "'padding' has %zu parts, must "
                          "have 2",
                          json_array_size(v));
    for (size_t i = 0; i < 4; i++) {
        const json_t *side = json_is_array(v) ? json_array_get(v, i / 2) : v;

        if (json_is_array(side))
            side = json_array_get(side, i % 2);
        pad[i] = v ? one_pad(b, side) : 1;
    }
}

static assay_value zeros(struct assay__keras_builder *b, assay_value like,
                         int axis, int size)
{
    struct assay_attrs a = {.shape = *assay__keras_shape(b, like)};

    a.shape.dim[axis] = size;
    return assay_graph_node(b->g, "fill", NULL, 0, &a);
}

void assay__keras_pad(struct assay__keras_builder *b,
                      const struct assay__keras_item *in, int n,
                      struct assay__keras_item *out, int argument)
{
    int pad[4];

    (void)n;
    (void)argument;
    if (!assay__keras_is_map(b, in[0].v))
        return;
    assay__keras_channels_last(b);
    pads_of(b, pad);
    out->v = in[0].v;
    out->reads = ASSAY_NO_VALUE;
    for (int i = 0; i < 2 && b->code == ASSAY_OK; i++) {
        assay_value part[3];
        int parts = 0;

        if (pad[2 * i] > 0)
            part[parts++] = zeros(b, out->v, 2 + i, pad[2 * i]);
        part[parts++] = out->v;
        if (pad[2 * i + 1] > 0)
            part[parts++] = zeros(b, out->v, 2 + i, pad[2 * i + 1]);
        if (parts > 1)
            out->v = assay_op_concat(b->g, part, parts, 2 + i);
    }
}

/* --- several values ------------------------------------------------------- */

static bool same_rank(struct assay__keras_builder *b,
                      const struct assay__keras_item *in, int n)
{
    int rank = assay__keras_shape(b, in[0].v)->rank;

    for (int i = 1; i < n; i++) {
        if (assay__keras_shape(b, in[i].v)->rank != rank)
            assay__keras_fail(b, ASSAY_UNSUPPORTED,
                              "it reads values of %d and %d dimensions", rank,
                              assay__keras_shape(b, in[i].v)->rank);
    }
    return b->code == ASSAY_OK;
}

void assay__keras_merge(struct assay__keras_builder *b,
                        const struct assay__keras_item *in, int n,
                        struct assay__keras_item *out, int kind)
{
    if (!same_rank(b, in, n))
        return;
    out->v = in[0].v;
    out->reads = ASSAY_NO_VALUE;
    for (int i = 1; i < n; i++) {
        bool equal = assay_shape_equal(assay__keras_shape(b, out->v),
                                       assay__keras_shape(b, in[i].v)) != 0;

        out->v = equal && kind == ASSAY_BINARY_ADD
                     ? assay_op_add(b->g, out->v, in[i].v)
                     : assay_op_binary(b->g, (enum assay_binary_kind)kind,
                                       out->v, in[i].v);
    }
}

void assay__keras_concatenate(struct assay__keras_builder *b,
                              const struct assay__keras_item *in, int n,
                              struct assay__keras_item *out, int argument)
{
    int rank = assay__keras_shape(b, in[0].v)->rank;
    int axis = assay__keras_int(b, "axis", -rank, rank - 1, -1);
    assay_value part[ASSAY__KERAS_INPUTS_MAX];

    (void)argument;
    if (!same_rank(b, in, n))
        return;
    axis = axis < 0 ? axis + rank : axis;
    if (axis == 0) {
        assay__keras_fail(b, ASSAY_UNSUPPORTED, "it joins records of a batch");
        return;
    }
    if (rank == 4)
        axis = axis == 3 ? 1 : axis + 1;
    for (int i = 0; i < n; i++)
        part[i] = in[i].v;
    out->v = n == 1 ? part[0] : assay_op_concat(b->g, part, n, axis);
    out->reads = ASSAY_NO_VALUE;
}
