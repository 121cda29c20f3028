/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions over axes; none may be the batch's. */

#include <math.h>

#include "onnx/import.h"

/* Which axes: an attribute, or an input since operator set 13 (sums) or 18.
 * None given: all, or none where the node says so. */
static unsigned mask_of(struct assay__importer *im, int x, int since)
{
    int64_t list[ASSAY_RANK_MAX];
    int n = assay__im_list(im, since, 1, "axes", list, ASSAY_RANK_MAX);
    unsigned mask = 0;

    for (int i = 0; i < n; i++)
        mask |= 1U << assay__im_axis_of(im, x, list[i]);
    if (n <= 0 && assay__im_int(im, "noop_with_empty_axes", 0) == 0)
        mask = (1U << assay__im_shape(im, x)->rank) - 1U;
    return mask;
}

static enum assay_reduction reduction_of(int how)
{
    switch (how) {
    case 'M':
        return ASSAY_REDUCE_MAX;
    case 'i':
        return ASSAY_REDUCE_MIN;
    case 'm':
        return ASSAY_REDUCE_MEAN;
    case 'p':
        return ASSAY_REDUCE_PROD;
    case 'e':
        return ASSAY_REDUCE_LOG_SUM_EXP;
    default:
        return ASSAY_REDUCE_SUM;
    }
}

void assay__onnx_reduce(struct assay__importer *im, int how)
{
    int x = assay__im_need(im, 0);
    int type = assay__im_at(im, x)->type;
    unsigned mask = mask_of(im, x, how == 's' ? 13 : 18);
    bool keep = assay__im_int(im, "keepdims", 1) != 0;

    if (im->code != ASSAY_OK)
        return;
    if ((mask & 1U) && assay__im_batched(im, x)) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "the records of the batch would be mixed");
        return;
    }
    if (how == 'a')
        x = assay__im_unary(im, ASSAY_UNARY_ABS, x, 0.0, 0.0);
    if (how == 'n' || how == 'q')
        x = assay__im_binary(im, ASSAY_BINARY_MUL, x, x);
    x = assay__im_reduce(im, reduction_of(how), x, mask, keep);
    if (how == 'n')
        x = assay__im_unary(im, ASSAY_UNARY_SQRT, x, 0.0, 0.0);
    if (how == 'l')
        x = assay__im_unary(im, ASSAY_UNARY_LOG, x, 0.0, 0.0);
    if (how == 'm' && assay__im_is_integer(type))
        x = assay__im_unary(im, ASSAY_UNARY_TRUNC, x, 0.0, 0.0);
    assay__im_output(im, 0, x);
}

void assay__onnx_argmax(struct assay__importer *im, int smallest)
{
    int x = assay__im_need(im, 0);
    struct assay_shape to = *assay__im_shape(im, x);
    struct assay_attrs a = {.index = smallest};

    a.axis = assay__im_axis(im, assay__im_int(im, "axis", 0), to.rank);
    if (im->code != ASSAY_OK)
        return;
    if (assay__im_int(im, "select_last_index", 0) != 0)
        a.index |= 1;
    x = assay__im_op(im, "argmax", &x, 1, &a);
    assay__im_set_type(im, x, ASSAY__ONNX_I64);
    if (assay__im_int(im, "keepdims", 1) == 0) {
        to.rank--;
        for (int i = a.axis; i < to.rank; i++)
            to.dim[i] = to.dim[i + 1];
        x = assay__im_reshape(im, x, &to);
    }
    assay__im_set_type(im, x, ASSAY__ONNX_I64);
    assay__im_output(im, 0, x);
}

/* Running sums, by a triangle of ones. */
void assay__onnx_cumsum(struct assay__importer *im, int argument)
{
    enum { LENGTH_MAX = 1 << 12 };
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    bool exclusive = assay__im_int(im, "exclusive", 0) != 0;
    bool reverse = assay__im_int(im, "reverse", 0) != 0;
    int64_t axis = 0;
    struct assay_shape square;
    double *data;
    int matrix;

    (void)argument;
    if (assay__im_list(im, 0, 1, "axis", &axis, 1) != 1)
        assay__im_fail(im, ASSAY_FORMAT, "the axis is missing");
    axis = assay__im_axis(im, axis, s.rank);
    if (im->code != ASSAY_OK)
        return;
    if (s.dim[axis] > LENGTH_MAX || s.dim[axis] < 1) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "along an axis of %lld, must be 1 to %d",
                       (long long)s.dim[axis], (int)LENGTH_MAX);
        return;
    }
    square = (struct assay_shape){2, {s.dim[axis], s.dim[axis]}};
    matrix = assay__im_constant(im, &square, NULL, assay__im_at(im, x)->type);
    data = assay__im_room(im, matrix);
    for (int64_t i = 0; data && i < s.dim[axis] * s.dim[axis]; i++) {
        int64_t ahead = i / s.dim[axis] - i % s.dim[axis];

        ahead = reverse ? -ahead : ahead;
        data[i] = exclusive ? ahead > 0 : ahead >= 0;
    }
    assay__im_output(im, 0, assay__im_along(im, x, (int)axis, matrix));
}

/* The axis last: [.., length], flattened from the axis on before set 13. */
void assay__onnx_hardmax(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    bool old = im->o->opset < 13;
    int axis =
        assay__im_axis(im, assay__im_int(im, "axis", old ? 1 : -1), s.rank);
    struct assay_attrs a = {.axis = axis};
    struct assay_shape flat = s;
    int best;

    (void)argument;
    if (im->code != ASSAY_OK)
        return;
    if (axis == 0 && assay__im_batched(im, x)) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "the records of the batch would be mixed");
        return;
    }
    for (int i = axis + 1; old && i < s.rank; i++)
        flat.dim[axis] *= s.dim[i];
    flat.rank = old ? axis + 1 : s.rank;
    x = assay__im_reshape(im, x, &flat);
    best = assay__im_op(im, "argmax", &x, 1, &a);
    flat = (struct assay_shape){1, {flat.dim[axis]}};
    x = assay__im_constant(im, &flat, NULL, ASSAY__ONNX_F32);
    for (int64_t i = 0; im->code == ASSAY_OK && i < flat.dim[0]; i++)
        assay__im_room(im, x)[i] = (double)i;
    for (int i = axis + 1; !old && i < s.rank; i++)
        flat.dim[flat.rank++] = 1;
    x = assay__im_reshape(im, x, &flat);
    x = assay__im_binary(im, ASSAY_BINARY_EQUAL, best, x);
    assay__im_set_type(im, x, ASSAY__ONNX_F32);
    assay__im_output(im, 0, assay__im_reshape(im, x, &s));
}

/* Equal to its place along a new axis: on, else off. */
void assay__onnx_one_hot(struct assay__importer *im, int argument)
{
    enum { DEPTH_MAX = 1 << 20 };
    int x = assay__im_need(im, 0);
    const double *depth =
        assay__im_data(im, assay__im_need(im, 1), "the depth");
    int values = assay__im_need(im, 2);
    struct assay_shape s = *assay__im_shape(im, x);
    struct assay_shape to = {s.rank + 1, {0}};
    struct assay_shape places = {0, {0}};
    int in[3];
    int axis;
    int y;

    (void)argument;
    if (im->code != ASSAY_OK || !depth)
        return;
    axis = assay__im_axis(im, assay__im_int(im, "axis", -1), s.rank + 1);
    if (s.rank == ASSAY_RANK_MAX || !(*depth >= 1.0 && *depth <= DEPTH_MAX) ||
        (axis == 0 && assay__im_batched(im, x))) {
        assay__im_fail(im, ASSAY_UNSUPPORTED, "depth %g along axis %d", *depth,
                       axis);
        return;
    }
    for (int i = 0; i < to.rank; i++)
        to.dim[i] = i == axis ? 1 : s.dim[i < axis ? i : i - 1];
    places.dim[places.rank++] = (int64_t)*depth;
    y = assay__im_constant(im, &places, NULL, ASSAY__ONNX_F32);
    for (int64_t i = 0; im->code == ASSAY_OK && i < places.dim[0]; i++)
        assay__im_room(im, y)[i] = (double)i;
    for (int i = axis + 1; i < to.rank; i++)
        places.dim[places.rank++] = 1;
    y = assay__im_reshape(im, y, &places);
    /* Indices count from the end where they are negative. */
    x = assay__im_binary(im, ASSAY_BINARY_MOD, x,
                         assay__im_number(im, floor(*depth), ASSAY__ONNX_F32));
    in[0] = assay__im_binary(im, ASSAY_BINARY_EQUAL,
                             assay__im_reshape(im, x, &to), y);
    in[1] = assay__im_part(im, values, 0, 1, 1, 1);
    in[2] = assay__im_part(im, values, 0, 0, 1, 1);
    y = assay__im_op(im, "select", in, 3, NULL);
    assay__im_set_type(im, y, assay__im_at(im, values)->type);
    assay__im_output(im, 0, y);
}
