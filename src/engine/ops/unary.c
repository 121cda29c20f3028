/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One elementwise op with a kind (assay/layers.h): functions of one number
 * and at most two constants, a and b, each with its slope. At a kink the
 * slope is PyTorch's; steps (floor, sign) have slope 0.
 */

#include <math.h>

#include "assay/layers.h"
#include "engine/ops/common.h"
#include "engine/ops/general.h"

#define PI 3.14159265358979323846

/* NAME(x, a, b) and its slope. Constants that it ignores are not named. */
#define FUNCTION(name, value, slope)                         \
    static double name##_value(double x, double a, double b) \
    {                                                        \
        (void)a;                                             \
        (void)b;                                             \
        return (value);                                      \
    }                                                        \
    static double name##_slope(double x, double a, double b) \
    {                                                        \
        (void)x;                                             \
        (void)a;                                             \
        (void)b;                                             \
        return (slope);                                      \
    }

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double softplus(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

static double sign_of(double x)
{
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x;
}

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* tanh's argument in the approximation of gelu, and its slope. */
static double gelu_inner(double x)
{
    return sqrt(2.0 / PI) * (x + 0.044715 * x * x * x);
}

static double gelu_tanh_slope_at(double x)
{
    double t = tanh(gelu_inner(x));
    double inner = sqrt(2.0 / PI) * (1.0 + 3.0 * 0.044715 * x * x);

    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner;
}

static double mish_slope_at(double x)
{
    double t = tanh(softplus(x));

    return t + x * (1.0 - t * t) * sigmoid(x);
}

static double hardswish_slope_at(double x)
{
    if (x <= -3.0)
        return 0.0;
    return x < 3.0 ? x / 3.0 + 0.5 : 1.0;
}

FUNCTION(EXP, exp(x), exp(x))
FUNCTION(LOG, log(x), 1.0 / x)
FUNCTION(SQRT, sqrt(x), 0.5 / sqrt(x))
FUNCTION(RSQRT, 1.0 / sqrt(x), -0.5 / (x * sqrt(x)))
FUNCTION(ABS, fabs(x), sign_of(x))
FUNCTION(SIGN, sign_of(x), 0.0)
FUNCTION(FLOOR, floor(x), 0.0)
FUNCTION(CEIL, ceil(x), 0.0)
FUNCTION(ROUND, nearbyint(x), 0.0)
FUNCTION(TRUNC, trunc(x), 0.0)
FUNCTION(RECIPROCAL, 1.0 / x, -1.0 / (x * x))
FUNCTION(ERF, erf(x), 2.0 / sqrt(PI) * exp(-x * x))
FUNCTION(SIN, sin(x), cos(x))
FUNCTION(COS, cos(x), -sin(x))
FUNCTION(TAN, tan(x), 1.0 + tan(x) * tan(x))
FUNCTION(ASIN, asin(x), 1.0 / sqrt(1.0 - x * x))
FUNCTION(ACOS, acos(x), -1.0 / sqrt(1.0 - x * x))
FUNCTION(ATAN, atan(x), 1.0 / (1.0 + x * x))
FUNCTION(SINH, sinh(x), cosh(x))
FUNCTION(COSH, cosh(x), sinh(x))
FUNCTION(ASINH, asinh(x), 1.0 / sqrt(x * x + 1.0))
FUNCTION(ACOSH, acosh(x), 1.0 / sqrt(x * x - 1.0))
FUNCTION(ATANH, atanh(x), 1.0 / (1.0 - x * x))
FUNCTION(ELU, x > 0.0 ? x : a * expm1(x), x > 0.0 ? 1.0 : a * exp(x))
FUNCTION(CELU, x > 0.0 ? x : a * expm1(x / a), x > 0.0 ? 1.0 : exp(x / a))
FUNCTION(SELU, b *(x > 0.0 ? x : a * expm1(x)), b *(x > 0.0 ? 1.0 : a * exp(x)))
FUNCTION(SOFTPLUS, softplus(x), sigmoid(x))
FUNCTION(SOFTSIGN, x / (1.0 + fabs(x)),
         1.0 / ((1.0 + fabs(x)) * (1.0 + fabs(x))))
FUNCTION(HARDSIGMOID, clip(a *x + b, 0.0, 1.0),
         a *x + b > 0.0 && a * x + b < 1.0 ? a : 0.0)
FUNCTION(HARDSWISH, x *clip(x / 6.0 + 0.5, 0.0, 1.0), hardswish_slope_at(x))
FUNCTION(GELU, 0.5 * x * (1.0 + erf(x / sqrt(2.0))),
         0.5 * (1.0 + erf(x / sqrt(2.0))) +
             x * exp(-0.5 * x * x) / sqrt(2.0 * PI))
FUNCTION(GELU_TANH, 0.5 * x * (1.0 + tanh(gelu_inner(x))),
         gelu_tanh_slope_at(x))
FUNCTION(MISH, x *tanh(softplus(x)), mish_slope_at(x))
FUNCTION(THRESHOLD, x > a || isnan(x) ? x : 0.0, x > a ? 1.0 : 0.0)
FUNCTION(SHRINK,
         x > a    ? x - b
         : x < -a ? x + b
                  : 0.0,
         x > a || x < -a ? 1.0 : 0.0)
FUNCTION(CLIP, clip(x, a, b), x >= a && x <= b ? 1.0 : 0.0)
FUNCTION(NOT, x == 0.0 ? 1.0 : 0.0, 0.0)
FUNCTION(ISNAN, isnan(x) ? 1.0 : 0.0, 0.0)
FUNCTION(ISINF, isinf(x) && (x > 0.0 ? a : b) != 0.0 ? 1.0 : 0.0, 0.0)

static const struct {
    const char *name;
    assay__unary_function *value;
    assay__unary_function *slope;
} kinds[] = {
#define ASSAY_X(name, text) {text, name##_value, name##_slope},
    ASSAY_UNARIES(ASSAY_X)
#undef ASSAY_X
};

assay__unary_function *assay__unary_value(int kind)
{
    return kinds[kind].value;
}

assay__unary_function *assay__unary_slope(int kind)
{
    return kinds[kind].slope;
}

static int check(const char *op, const struct assay_attrs *attrs,
                 struct assay_error *err)
{
    int code = assay__need_range(op, "kind", attrs->index, 0,
                                 ASSAY_UNARY_COUNT - 1, err);

    if (code != ASSAY_OK)
        return code;
    if (isnan(attrs->alpha) || isnan(attrs->momentum) ||
        (attrs->index == ASSAY_UNARY_CELU && attrs->alpha == 0.0))
        return assay_error_set(
            err, ASSAY_SHAPE, "%s: %s cannot be had with constants %g, %g", op,
            kinds[attrs->index].name, attrs->alpha, attrs->momentum);
    return ASSAY_OK;
}

static int unary_shape(const struct assay_attrs *attrs, int n_in,
                       const struct assay_shape *in, struct assay_shape *out,
                       struct assay_error *err)
{
    (void)n_in;
    out[0] = in[0];
    return check("unary", attrs, err);
}

static void unary_backward(assay_graph *g, const struct assay__node *node,
                           const assay_value *d_out, const bool *want,
                           assay_value *d_in)
{
    (void)want;
    d_in[0] = assay__node2(g, &assay__op_unary_bwd, &node->attrs, d_out[0],
                           node->in[0]);
}

static void unary_reference(const struct assay__call *call)
{
    assay__unary_function *f = kinds[call->attrs->index].value;
    double a = call->attrs->alpha;
    double b = call->attrs->momentum;
    int64_t n = assay__volume(&call->in_shape[0], 0);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = f(call->in[0][i], a, b);
}

static int bwd_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    int code = check("unary_bwd", attrs, err);

    if (code != ASSAY_OK)
        return code;
    return assay__need_alike("unary_bwd", n_in, in, out, err);
}

static void bwd_reference(const struct assay__call *call)
{
    assay__unary_function *f = kinds[call->attrs->index].slope;
    double a = call->attrs->alpha;
    double b = call->attrs->momentum;
    int64_t n = assay__volume(&call->in_shape[0], 0);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[0][i] * f(call->in[1][i], a, b);
}

/* clang-format off */
#define ROWS ASSAY__D2(3, 7)
#define CASE(kind, lo, hi, off, ...) \
    {.label = #kind, .n_in = 1, .in = {ROWS}, .low = (lo), .high = (hi), \
     .away = (off), .attrs = {.index = ASSAY_UNARY_##kind, __VA_ARGS__}}

static const struct assay__op_case unary_cases[] = {
    CASE(EXP, -2.0, 2.0, 0.0, .axis = 0), CASE(LOG, 0.2, 3.0, 0.0, .axis = 0),
    CASE(SQRT, 0.2, 3.0, 0.0, .axis = 0), CASE(RSQRT, 0.2, 3.0, 0.0, .axis = 0),
    CASE(ABS, -2.0, 2.0, 0.05, .axis = 0),
    CASE(SIGN, -2.0, 2.0, 0.05, .axis = 0),
    CASE(FLOOR, 0.05, 0.95, 0.0, .axis = 0),
    CASE(CEIL, 0.05, 0.95, 0.0, .axis = 0),
    CASE(ROUND, -0.45, 0.45, 0.0, .axis = 0),
    CASE(TRUNC, 0.05, 0.95, 0.0, .axis = 0),
    CASE(RECIPROCAL, -2.0, 2.0, 0.3, .axis = 0),
    CASE(ERF, -2.0, 2.0, 0.0, .axis = 0), CASE(SIN, -4.0, 4.0, 0.0, .axis = 0),
    CASE(COS, -4.0, 4.0, 0.0, .axis = 0), CASE(TAN, -1.2, 1.2, 0.0, .axis = 0),
    CASE(ASIN, -0.8, 0.8, 0.0, .axis = 0),
    CASE(ACOS, -0.8, 0.8, 0.0, .axis = 0),
    CASE(ATAN, -3.0, 3.0, 0.0, .axis = 0),
    CASE(SINH, -2.0, 2.0, 0.0, .axis = 0),
    CASE(COSH, -2.0, 2.0, 0.0, .axis = 0),
    CASE(ASINH, -2.0, 2.0, 0.0, .axis = 0),
    CASE(ACOSH, 1.2, 3.0, 0.0, .axis = 0),
    CASE(ATANH, -0.8, 0.8, 0.0, .axis = 0),
    CASE(ELU, -2.0, 2.0, 0.05, .alpha = 1.5),
    CASE(CELU, -2.0, 2.0, 0.05, .alpha = 1.5),
    CASE(SELU, -2.0, 2.0, 0.05, .alpha = 1.67, .momentum = 1.05),
    CASE(SOFTPLUS, -3.0, 3.0, 0.0, .axis = 0),
    CASE(SOFTSIGN, -3.0, 3.0, 0.05, .axis = 0),
    CASE(HARDSIGMOID, -2.0, 2.0, 0.0, .alpha = 0.2, .momentum = 0.5),
    CASE(HARDSIGMOID, 3.0, 4.0, 0.0, .alpha = 0.2, .momentum = 0.5),
    CASE(HARDSWISH, -2.9, 2.9, 0.0, .axis = 0),
    CASE(HARDSWISH, 3.1, 4.0, 0.0, .axis = 0),
    CASE(GELU, -3.0, 3.0, 0.0, .axis = 0),
    CASE(GELU_TANH, -3.0, 3.0, 0.0, .axis = 0),
    CASE(MISH, -3.0, 3.0, 0.0, .axis = 0),
    CASE(THRESHOLD, 1.1, 2.0, 0.0, .alpha = 1.0),
    CASE(SHRINK, -2.0, 2.0, 0.6, .alpha = 0.5, .momentum = 0.25),
    CASE(CLIP, -0.4, 0.4, 0.0, .alpha = -0.5, .momentum = 0.5),
    CASE(CLIP, -2.0, 2.0, 0.6, .alpha = -0.5, .momentum = 0.5),
    CASE(NOT, -1.0, 1.0, 0.1, .axis = 0), CASE(ISNAN, -1.0, 1.0, 0.0, .axis = 0),
    CASE(ISINF, -1.0, 1.0, 0.0, .alpha = 1.0),
    {.label = "maps", .n_in = 1, .in = {ASSAY__D4(2, 17, 3, 5)}, .low = -1.0,
     .high = 1.0, .attrs = {.index = ASSAY_UNARY_COS}},
    {.label = "one per record", .n_in = 1, .in = {ASSAY__D1(5)}, .low = -1.0,
     .high = 1.0, .attrs = {.index = ASSAY_UNARY_SIN}},
    {.label = "scalar", .n_in = 1, .in = {{0}}, .low = -1.0, .high = 1.0,
     .attrs = {.index = ASSAY_UNARY_SIN}},
    {.label = NULL},
};

static const struct assay__op_case bwd_cases[] = {
    {.label = "gelu", .n_in = 2, .in = {ROWS, ROWS}, .low = -2.0, .high = 2.0,
     .attrs = {.index = ASSAY_UNARY_GELU}},
    {.label = "maps", .n_in = 2,
     .in = {ASSAY__D4(2, 17, 3, 5), ASSAY__D4(2, 17, 3, 5)}, .low = -2.0,
     .high = 2.0, .attrs = {.index = ASSAY_UNARY_EXP}},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_unary = {
    .name = "unary",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = unary_cases,
    .shape = unary_shape,
    .backward = unary_backward,
    .reference = unary_reference,
};

const struct assay_op assay__op_unary_bwd = {
    .name = "unary_bwd",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = bwd_cases,
    .shape = bwd_shape,
    .reference = bwd_reference,
};
