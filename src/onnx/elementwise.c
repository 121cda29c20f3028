/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators number by number. Types are followed only where they change
 * numbers: division and powers of integers are cut to integers, comparisons
 * give truth values. A cast to float16 leaves numbers as exact as they are.
 */

#include <math.h>

#include "onnx/import.h"

/* Default constants of an activation, by kind. */
static void constants(struct assay__importer *im, int kind, double *a,
                      double *b)
{
    *a = *b = 0.0;
    switch (kind) {
    case ASSAY_UNARY_ELU:
    case ASSAY_UNARY_CELU:
    case ASSAY_UNARY_THRESHOLD:
        *a = assay__im_real(im, "alpha", 1.0);
        break;
    case ASSAY_UNARY_SELU:
        *a = assay__im_real(im, "alpha", 1.67326319217681884765625);
        *b = assay__im_real(im, "gamma", 1.05070102214813232421875);
        break;
    case ASSAY_UNARY_HARDSIGMOID:
        *a = assay__im_real(im, "alpha", 0.2);
        *b = assay__im_real(im, "beta", 0.5);
        break;
    case ASSAY_UNARY_SHRINK:
        *a = assay__im_real(im, "lambd", 0.5);
        *b = assay__im_real(im, "bias", 0.0);
        break;
    case ASSAY_UNARY_ISINF:
        *a = (double)assay__im_int(im, "detect_positive", 1);
        *b = (double)assay__im_int(im, "detect_negative", 1);
        break;
    default:
        break;
    }
}

void assay__onnx_unary(struct assay__importer *im, int kind)
{
    double a;
    double b;
    int y;

    constants(im, kind, &a, &b);
    y = assay__im_unary(im, (enum assay_unary_kind)kind, assay__im_need(im, 0),
                        a, b);
    if (kind == ASSAY_UNARY_NOT || kind == ASSAY_UNARY_ISNAN ||
        kind == ASSAY_UNARY_ISINF)
        assay__im_set_type(im, y, ASSAY__ONNX_BOOL);
    assay__im_output(im, 0, y);
}

void assay__onnx_gelu(struct assay__importer *im, int argument)
{
    static const char *const ways[] = {"none", "tanh", NULL};
    int way = assay__im_choice(im, "approximate", ways);

    (void)argument;
    assay__im_output(
        im, 0,
        assay__im_unary(im, way == 1 ? ASSAY_UNARY_GELU_TANH : ASSAY_UNARY_GELU,
                        assay__im_need(im, 0), 0.0, 0.0));
}

/* Ops that the engine has under one name. */
void assay__onnx_plain(struct assay__importer *im, int which)
{
    static const char *const names[] = {"relu", "sigmoid", "tanh"};
    int x = assay__im_need(im, 0);

    assay__im_output(im, 0, assay__im_op(im, names[which], &x, 1, NULL));
}

void assay__onnx_leaky_relu(struct assay__importer *im, int argument)
{
    struct assay_attrs attrs = {.alpha = assay__im_real(im, "alpha", 0.01)};
    int x = assay__im_need(im, 0);

    (void)argument;
    if (attrs.alpha > 0.0)
        x = assay__im_op(im, "leaky_relu", &x, 1, &attrs);
    else
        x = assay__im_binary(
            im, ASSAY_BINARY_PRELU, x,
            assay__im_number(im, attrs.alpha, ASSAY__ONNX_F32));
    assay__im_output(im, 0, x);
}

void assay__onnx_negative(struct assay__importer *im, int argument)
{
    (void)argument;
    assay__im_output(im, 0, assay__im_affine(im, assay__im_need(im, 0), -1, 0));
}

void assay__onnx_identity(struct assay__importer *im, int argument)
{
    (void)argument;
    assay__im_output(im, 0, assay__im_need(im, 0));
}

/* As it is when a model answers: nothing is dropped. */
void assay__onnx_dropout(struct assay__importer *im, int argument)
{
    int x = assay__im_need(im, 0);
    int training = assay__im_input(im, 2);
    const double *flag;
    int mask;

    (void)argument;
    if (im->o->opset < 7 && assay__im_int(im, "is_test", 0) == 0)
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "in training mode it is not supported");
    if (training >= 0) {
        flag = assay__im_data(im, training, "training_mode");
        if (flag && *flag != 0.0)
            assay__im_fail(im, ASSAY_UNSUPPORTED,
                           "in training mode it is not supported");
    }
    assay__im_output(im, 0, x);
    if (!assay__im_wants(im, 1) || im->code != ASSAY_OK)
        return;
    mask = assay__im_fill(im, assay__im_shape(im, x), 1.0, ASSAY__ONNX_BOOL);
    assay__im_output(im, 1, mask);
}

/* `like`: to the type of input 1. */
void assay__onnx_cast(struct assay__importer *im, int like)
{
    int to = like ? assay__im_at(im, assay__im_need(im, 1))->type
                  : (int)assay__im_int(im, "to", 0);
    int x = assay__im_need(im, 0);
    int from = assay__im_at(im, x)->type;

    if (assay__onnx_type_size(to) == 0 || to == ASSAY__ONNX_BF16 ||
        from == ASSAY__ONNX_BF16) {
        assay__im_fail(im, ASSAY_UNSUPPORTED, "from %s to %s",
                       assay__onnx_type_name(from), assay__onnx_type_name(to));
        return;
    }
    if (assay__im_is_integer(to) && !assay__im_is_integer(from) &&
        from != ASSAY__ONNX_BOOL) {
        x = assay__im_unary(im, ASSAY_UNARY_TRUNC, x, 0.0, 0.0);
    } else if (to == ASSAY__ONNX_BOOL && from != ASSAY__ONNX_BOOL) {
        x = assay__im_unary(im, ASSAY_UNARY_NOT, x, 0.0, 0.0);
        x = assay__im_unary(im, ASSAY_UNARY_NOT, x, 0.0, 0.0);
    } else if (to != from) {
        x = assay__im_known(im, x)
                ? assay__im_alias(im, x, assay__im_shape(im, x))
                : assay__im_of_value(im, assay__im_at(im, x)->v, to);
    }
    if (to != from)
        assay__im_set_type(im, x, to);
    assay__im_output(im, 0, x);
}

/* A bound of Clip: none, a constant, or a value. */
static int clip_by(struct assay__importer *im, enum assay_binary_kind kind,
                   int x, int bound)
{
    return bound < 0 ? x : assay__im_binary(im, kind, x, bound);
}

void assay__onnx_clip(struct assay__importer *im, int argument)
{
    double bound[2] = {-(double)INFINITY, (double)INFINITY};
    int x = assay__im_need(im, 0);
    int item[2] = {-1, -1};
    bool fixed = true;

    (void)argument;
    if (im->o->opset < 11) {
        bound[0] = assay__im_real(im, "min", bound[0]);
        bound[1] = assay__im_real(im, "max", bound[1]);
    } else {
        for (int i = 0; i < 2; i++) {
            item[i] = assay__im_input(im, 1 + i);
            if (item[i] < 0)
                continue;
            fixed = fixed && assay__im_known(im, item[i]) &&
                    assay__im_count(assay__im_shape(im, item[i])) == 1;
        }
        for (int i = 0; i < 2 && fixed; i++) {
            const double *data = assay__im_data(im, item[i], "a bound");

            if (data && !isnan(*data))
                bound[i] = *data;
        }
    }
    if (fixed) {
        x = assay__im_unary(im, ASSAY_UNARY_CLIP, x, bound[0], bound[1]);
    } else {
        x = clip_by(im, ASSAY_BINARY_MAX, x, item[0]);
        x = clip_by(im, ASSAY_BINARY_MIN, x, item[1]);
    }
    assay__im_output(im, 0, x);
}

static bool gives_truth(int kind)
{
    return kind >= ASSAY_BINARY_EQUAL;
}

/* Operator set 6: b is repeated only where the node says so, from an axis
 * of a on. */
static int aligned(struct assay__importer *im, int a, int b)
{
    struct assay_shape s = *assay__im_shape(im, b);
    int rank = assay__im_shape(im, a)->rank;
    int axis;

    if (im->code != ASSAY_OK || !assay__im_has(im, "axis"))
        return b;
    axis = assay__im_axis(im, assay__im_int(im, "axis", 0), rank);
    if (axis + s.rank > rank) {
        assay__im_fail(im, ASSAY_SHAPE, "axis %d and rank %d of %d", axis,
                       s.rank, rank);
        return b;
    }
    for (; s.rank < rank - axis; s.rank++)
        s.dim[s.rank] = 1;
    return assay__im_reshape(im, b, &s);
}

/* Operator set 6: a slope for each channel, or one. */
static int per_channel(struct assay__importer *im, int a, int b)
{
    struct assay_shape s = {0, {0}};
    int64_t n = assay__im_count(assay__im_shape(im, b));

    for (int i = 1; i < assay__im_shape(im, a)->rank && n > 1; i++)
        s.dim[s.rank++] = i == 1 ? n : 1;
    return assay__im_reshape(im, b, &s);
}

void assay__onnx_binary(struct assay__importer *im, int kind)
{
    int a = assay__im_need(im, 0);
    int b = assay__im_need(im, 1);
    int type = assay__im_at(im, a)->type;
    int y;

    if (im->o->opset < 7)
        b = aligned(im, a, b);
    if (kind == ASSAY_BINARY_PRELU && im->o->opset < 7)
        b = per_channel(im, a, b);
    if (kind == ASSAY_BINARY_MOD && assay__im_int(im, "fmod", 0) != 0)
        kind = ASSAY_BINARY_FMOD;
    y = assay__im_binary(im, (enum assay_binary_kind)kind, a, b);
    if (assay__im_is_integer(type) &&
        (kind == ASSAY_BINARY_DIV || kind == ASSAY_BINARY_POW))
        y = assay__im_unary(im, ASSAY_UNARY_TRUNC, y, 0.0, 0.0);
    assay__im_set_type(im, y, gives_truth(kind) ? ASSAY__ONNX_BOOL : type);
    assay__im_output(im, 0, y);
}

void assay__onnx_many(struct assay__importer *im, int kind)
{
    int y = assay__im_need(im, 0);
    int n = im->node->n_in;
    enum assay_binary_kind by =
        kind < 0 ? ASSAY_BINARY_ADD : (enum assay_binary_kind)kind;

    for (int i = 1; i < n; i++)
        y = assay__im_binary(im, by, y, assay__im_need(im, i));
    if (kind < 0)
        y = assay__im_affine(im, y, 1.0 / (n > 0 ? n : 1), 0.0);
    assay__im_output(im, 0, y);
}

void assay__onnx_where(struct assay__importer *im, int argument)
{
    int in[3];
    int y;

    (void)argument;
    for (int i = 0; i < 3; i++)
        in[i] = assay__im_need(im, i);
    y = assay__im_op(im, "select", in, 3, NULL);
    assay__im_set_type(im, y, assay__im_at(im, in[1])->type);
    assay__im_output(im, 0, y);
}
