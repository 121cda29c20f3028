/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several operators are made of: engine ops with their attributes, and
 * small compositions. What moves nothing makes no op. Joining along
 * dimension 0, where the engine keeps the batch, is done one dimension
 * deeper.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "engine/graph.h"
#include "onnx/import.h"

int assay__im_unary(struct assay__importer *im, enum assay_unary_kind kind,
                    int x, double a, double b)
{
    struct assay_attrs attrs = {.index = (int)kind, .alpha = a, .momentum = b};

    return assay__im_op(im, "unary", &x, 1, &attrs);
}

int assay__im_affine(struct assay__importer *im, int x, double factor,
                     double shift)
{
    struct assay_attrs attrs = {.alpha = factor, .momentum = shift};

    return assay__im_op(im, "affine", &x, 1, &attrs);
}

/* The one number of a constant, if it has one. */
static bool single(struct assay__importer *im, int item, double *x)
{
    const double *data;

    if (!assay__im_known(im, item) ||
        assay__im_count(assay__im_shape(im, item)) != 1)
        return false;
    data = assay__im_data(im, item, "a number");
    if (data)
        *x = *data;
    return data && isfinite(*x);
}

/* x op c as factor x + shift; false when it is none. */
static bool as_affine(enum assay_binary_kind kind, double c, bool left,
                      double *factor, double *shift)
{
    *factor = 1.0;
    *shift = 0.0;
    if (kind == ASSAY_BINARY_ADD)
        *shift = c;
    else if (kind == ASSAY_BINARY_MUL)
        *factor = c;
    else if (kind == ASSAY_BINARY_SUB && left)
        *factor = -1.0, *shift = c;
    else if (kind == ASSAY_BINARY_SUB)
        *shift = -c;
    else if (kind == ASSAY_BINARY_DIV && !left && c != 0.0)
        *factor = 1.0 / c;
    else
        return false;
    return isfinite(*factor);
}

int assay__im_binary(struct assay__importer *im, enum assay_binary_kind kind,
                     int a, int b)
{
    struct assay_attrs attrs = {.index = (int)kind};
    int in[2] = {a, b};
    double c;
    double factor;
    double shift;

    if (im->code != ASSAY_OK || a < 0 || b < 0)
        return -1;
    for (int side = 0; side < 2; side++) {
        int x = in[side];
        int other = in[1 - side];

        if (assay__im_known(im, x) || !single(im, other, &c) ||
            assay__im_shape(im, other)->rank > assay__im_shape(im, x)->rank)
            continue;
        if (as_affine(kind, c, side == 1, &factor, &shift))
            return assay__im_affine(im, x, factor, shift);
    }
    if (!assay__im_known(im, a) && !assay__im_known(im, b) &&
        assay_shape_equal(assay__im_shape(im, a), assay__im_shape(im, b)) &&
        (kind == ASSAY_BINARY_ADD || kind == ASSAY_BINARY_MUL))
        return assay__im_op(im, kind == ASSAY_BINARY_ADD ? "add" : "mul", in, 2,
                            NULL);
    return assay__im_op(im, "binary", in, 2, &attrs);
}

int assay__im_reshape(struct assay__importer *im, int x,
                      const struct assay_shape *shape)
{
    struct assay_attrs attrs = {.shape = *shape};

    if (im->code != ASSAY_OK || x < 0)
        return -1;
    if (assay_shape_equal(shape, assay__im_shape(im, x)))
        return x;
    if (assay__im_known(im, x)) {
        if (shape->rank > 0 && shape->dim[0] == ASSAY_BATCH)
            return assay__im_fail(im, ASSAY_SHAPE,
                                  "a constant cannot take the batch's shape");
        if (assay__im_count(shape) != assay__im_count(assay__im_shape(im, x)))
            return assay__im_fail(
                im, ASSAY_SHAPE, "%lld numbers cannot take a shape of %lld",
                (long long)assay__im_count(assay__im_shape(im, x)),
                (long long)assay__im_count(shape));
        return assay__im_alias(im, x, shape);
    }
    return assay__im_op(im, "reshape", &x, 1, &attrs);
}

/* Does `perm` put the axes of `y`, which the node made, back in the order of
 * its input? */
static bool is_undone(const struct assay__node *node,
                      const struct assay_shape *y, const int *perm)
{
    if (node->op != &assay__op_pick)
        return false;
    for (int i = 0; i < y->rank; i++) {
        int axis = node->attrs.axes[perm[i]];

        if (axis != i || node->attrs.step[perm[i]] != 1 ||
            node->attrs.begin[perm[i]] != 0)
            return false;
    }
    return true;
}

/* What `x` was before a transpose that `perm` undoes, as when a file wants
 * the channels of images last and puts them first itself; else -1. */
static int before_transpose(struct assay__importer *im, int x, const int *perm)
{
    const struct assay__item *item = assay__im_at(im, x);
    const struct assay__node *node;

    if (item->known || item->v == ASSAY_NO_VALUE || item->folded > 0 ||
        im->g->value[item->v].node < 0)
        return -1;
    node = &im->g->node[im->g->value[item->v].node];
    if (!is_undone(node, &item->shape, perm) ||
        assay_graph_shape(im->g, node->in[0])->rank != item->shape.rank)
        return -1;
    /* Parts are picked too: the whole must come back. */
    for (int i = 0; i < item->shape.rank; i++) {
        if (assay_graph_shape(im->g, node->in[0])->dim[i] !=
            item->shape.dim[perm[i]])
            return -1;
    }
    return assay__im_of_value(im, node->in[0], item->type);
}

int assay__im_transpose(struct assay__importer *im, int x, const int *perm)
{
    struct assay_attrs attrs = {.index = 0};
    const struct assay_shape *s = assay__im_shape(im, x);
    bool moved = false;

    attrs.shape = *s;
    for (int i = 0; i < s->rank; i++) {
        attrs.axes[i] = perm[i];
        attrs.step[i] = 1;
        attrs.shape.dim[i] = s->dim[perm[i]];
        moved = moved || perm[i] != i;
    }
    if (moved) {
        int y = im->code == ASSAY_OK ? before_transpose(im, x, perm) : -1;

        if (y >= 0)
            return y;
        y = assay__im_op(im, "pick", &x, 1, &attrs);

        assay__im_inherit(im, y, x);
        return y;
    }
    return x;
}

int assay__im_reduce(struct assay__importer *im, enum assay_reduction kind,
                     int x, unsigned axes, bool keep)
{
    struct assay_attrs attrs = {.index = (int)kind};
    struct assay_shape to = {0, {0}};
    struct assay_shape s = *assay__im_shape(im, x);

    for (int i = 0; i < s.rank; i++) {
        attrs.axes[i] = (int)(axes >> i & 1U);
        if (!attrs.axes[i])
            to.dim[to.rank++] = s.dim[i];
    }
    x = assay__im_op(im, "reduce", &x, 1, &attrs);
    return keep ? x : assay__im_reshape(im, x, &to);
}

int assay__im_matmul(struct assay__importer *im, int a, int b, bool ta, bool tb)
{
    struct assay_attrs attrs = {.index = (ta ? 1 : 0) | (tb ? 2 : 0)};
    int in[2] = {a, b};

    return assay__im_op(im, "matmul", in, 2, &attrs);
}

int assay__im_gather(struct assay__importer *im, int x, int axis,
                     const double *index, int64_t n)
{
    struct assay_shape row = {1, {n}};
    struct assay_attrs attrs = {.axis = axis, .shape = *assay__im_shape(im, x)};
    int in[2];

    if (im->code != ASSAY_OK)
        return -1;
    attrs.shape.dim[axis] = n;
    in[0] = x;
    in[1] = assay__im_constant(im, &row, index, ASSAY__ONNX_I64);
    return assay__im_op(im, "gather", in, 2, &attrs);
}

/* The shape as [before.., length, after] around an axis; the batch stays. */
static struct assay_shape around(const struct assay_shape *s, int axis)
{
    struct assay_shape three = {3, {1, s->dim[axis], 1}};

    if (s->dim[0] == ASSAY_BATCH && axis > 0) {
        three.rank = 4;
        three.dim[0] = ASSAY_BATCH;
        three.dim[1] = 1;
        three.dim[2] = s->dim[axis];
        three.dim[3] = 1;
    }
    for (int i = three.rank - 3; i < s->rank; i++) {
        if (i != axis)
            three.dim[i < axis ? three.rank - 3 : three.rank - 1] *= s->dim[i];
    }
    return three;
}

int assay__im_along(struct assay__importer *im, int x, int axis, int matrix)
{
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_shape flat;
    int y;

    if (im->code != ASSAY_OK)
        return -1;
    if (s.dim[axis] == ASSAY_BATCH)
        return assay__im_fail(im, ASSAY_UNSUPPORTED,
                              "the records of the batch would be mixed");
    flat = around(&s, axis);
    y = assay__im_matmul(im, matrix, assay__im_reshape(im, x, &flat), false,
                         false);
    s.dim[axis] = assay__im_shape(im, matrix)->dim[0];
    return assay__im_reshape(im, y, &s);
}

/* Constants without numbers add nothing. */
static int drop_empty(struct assay__importer *im, const int *item, int n,
                      int *kept)
{
    int m = 0;

    for (int i = 0; i < n; i++) {
        if (assay__im_count(assay__im_shape(im, item[i])) > 0)
            kept[m++] = item[i];
    }
    return m;
}

/* All inputs with a dimension of 1 in front; the shape of the result. */
static struct assay_shape lift(struct assay__importer *im, int *in, int n)
{
    struct assay_shape whole = *assay__im_shape(im, in[0]);

    whole.dim[0] = 0;
    for (int i = 0; i < n; i++) {
        struct assay_shape s = *assay__im_shape(im, in[i]);
        struct assay_shape flat = {3, {1, s.dim[0], 1}};

        whole.dim[0] += s.dim[0];
        s.dim[0] = 1;
        flat.dim[2] = assay__im_count(&s);
        in[i] = assay__im_reshape(im, in[i], &flat);
    }
    return whole;
}

int assay__im_concat(struct assay__importer *im, const int *item, int n,
                     int axis)
{
    struct assay_attrs attrs = {.axis = axis};
    struct assay_shape whole = {0, {0}};
    int in[ASSAY__OP_INPUTS_MAX];
    int y;

    if (im->code != ASSAY_OK)
        return -1;
    if (n > ASSAY__OP_INPUTS_MAX)
        return assay__im_fail(im, ASSAY_LIMIT,
                              "%d inputs, over the limit of %d", n,
                              (int)ASSAY__OP_INPUTS_MAX);
    if (drop_empty(im, item, n, in) <= 1) {
        y = drop_empty(im, item, n, in) == 1 ? in[0] : item[0];
        return y;
    }
    n = drop_empty(im, item, n, in);
    for (int i = 1; i < n; i++) {
        if (assay__im_shape(im, in[i])->rank !=
            assay__im_shape(im, in[0])->rank)
            return assay__im_fail(im, ASSAY_SHAPE,
                                  "inputs 0 and %d have other ranks", i);
    }
    if (axis == 0) {
        for (int i = 0; i < n; i++) {
            if (assay__im_batched(im, in[i]))
                return assay__im_fail(im, ASSAY_UNSUPPORTED,
                                      "records of the batch would be joined");
        }
        whole = lift(im, in, n);
        attrs.axis = 1;
    }
    y = assay__im_op(im, "concat", in, n, &attrs);
    return axis == 0 ? assay__im_reshape(im, y, &whole) : y;
}

int assay__im_fill(struct assay__importer *im, const struct assay_shape *shape,
                   double x, int type)
{
    struct assay_attrs attrs = {.alpha = x, .shape = *shape};
    int item;

    if (im->code != ASSAY_OK)
        return -1;
    if (shape->rank == 0 || shape->dim[0] != ASSAY_BATCH) {
        double *data;
        int64_t n = assay__im_count(shape);

        item = assay__im_constant(im, shape, NULL, type);
        data = assay__im_room(im, item);
        for (int64_t i = 0; data && i < n; i++)
            data[i] = x;
        return item;
    }
    item = assay__im_op(im, "fill", NULL, 0, &attrs);
    assay__im_set_type(im, item, type);
    return item;
}

int assay__im_expand(struct assay__importer *im, int x,
                     const struct assay_shape *shape)
{
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_attrs attrs = {.shape = *shape};
    int shift = shape->rank - s.rank;

    if (im->code != ASSAY_OK)
        return -1;
    if (assay_shape_equal(&s, shape))
        return x;
    if (shape->rank > 0 && shape->dim[0] == ASSAY_BATCH &&
        !assay__im_batched(im, x)) {
        /* The batch comes from a value that has it. */
        struct assay_shape ones = {shape->rank, {ASSAY_BATCH, 1, 1, 1, 1, 1}};

        return assay__im_binary(
            im, ASSAY_BINARY_ADD,
            assay__im_fill(im, &ones, 0.0, assay__im_at(im, x)->type),
            assay__im_expand(
                im, x,
                &(struct assay_shape){shape->rank,
                                      {1, shape->dim[1], shape->dim[2],
                                       shape->dim[3], shape->dim[4],
                                       shape->dim[5]}}));
    }
    for (int i = 0; i < shape->rank; i++) {
        bool own = i >= shift;

        attrs.axes[i] = own ? i - shift : -1;
        attrs.step[i] =
            own && s.dim[i - shift] == 1 && shape->dim[i] != 1 ? 0 : 1;
    }
    return assay__im_op(im, "pick", &x, 1, &attrs);
}

int assay__im_part(struct assay__importer *im, int x, int axis, int64_t begin,
                   int64_t step, int64_t n)
{
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_attrs attrs = {.shape = s};

    if (im->code != ASSAY_OK)
        return -1;
    if (begin == 0 && step == 1 && n == s.dim[axis])
        return x;
    if (begin < 0 || begin > INT32_MAX || step < -INT32_MAX || step > INT32_MAX)
        return assay__im_fail(im, ASSAY_SHAPE,
                              "a part from %lld by %lld is out of range",
                              (long long)begin, (long long)step);
    attrs.shape.dim[axis] = n;
    if (step == 1 && axis > 0 && !assay__im_known(im, x)) {
        attrs.axis = axis;
        attrs.index = (int)begin;
        return assay__im_op(im, "slice", &x, 1, &attrs);
    }
    for (int i = 0; i < s.rank; i++) {
        attrs.axes[i] = i;
        attrs.step[i] = i == axis ? (int)step : 1;
        attrs.begin[i] = i == axis ? (int)begin : 0;
    }
    return assay__im_op(im, "pick", &x, 1, &attrs);
}
