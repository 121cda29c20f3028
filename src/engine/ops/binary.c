/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two operands, broadcast: arithmetic, comparisons and logic by kind
 * (assay/layers.h), and the choice by a condition. A gradient is made in the
 * broadcast shape and summed to the operand's. Of equal numbers, the
 * gradient of min and max gives each half.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "engine/ops/common.h"
#include "engine/ops/general.h"

static double floor_mod(double a, double b)
{
    double r = fmod(a, b);

    return r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r;
}

/* NaN of either is the result. */
static double least(double a, double b)
{
    return a < b || isnan(a) ? a : b;
}

static double greatest(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}

static double pow_by_a(double a, double b)
{
    return b == 0.0 ? 0.0 : b * pow(a, b - 1.0);
}

static double pow_by_b(double a, double b)
{
    if (a == 0.0 && b >= 0.0)
        return 0.0;
    return pow(a, b) * log(a);
}

#define FUNCTION(name, value, by_a, by_b)          \
    static double name##_value(double a, double b) \
    {                                              \
        return (value);                            \
    }                                              \
    static double name##_by_a(double a, double b)  \
    {                                              \
        (void)a;                                   \
        (void)b;                                   \
        return (by_a);                             \
    }                                              \
    static double name##_by_b(double a, double b)  \
    {                                              \
        (void)a;                                   \
        (void)b;                                   \
        return (by_b);                             \
    }
#define STEP(name, condition) FUNCTION(name, (condition) ? 1.0 : 0.0, 0.0, 0.0)

FUNCTION(ADD, a + b, 1.0, 1.0)
FUNCTION(SUB, a - b, 1.0, -1.0)
FUNCTION(MUL, a *b, b, a)
FUNCTION(DIV, a / b, 1.0 / b, -a / (b * b))
FUNCTION(POW, pow(a, b), pow_by_a(a, b), pow_by_b(a, b))
FUNCTION(MIN, least(a, b),
         a < b    ? 1.0
         : a == b ? 0.5
                  : 0.0,
         b < a    ? 1.0
         : a == b ? 0.5
                  : 0.0)
FUNCTION(MAX, greatest(a, b),
         a > b    ? 1.0
         : a == b ? 0.5
                  : 0.0,
         b > a    ? 1.0
         : a == b ? 0.5
                  : 0.0)
FUNCTION(PRELU, a > 0.0 ? a : a * b, a > 0.0 ? 1.0 : b, a > 0.0 ? 0.0 : a)
FUNCTION(MOD, floor_mod(a, b), 1.0, -floor(a / b))
FUNCTION(FMOD, fmod(a, b), 1.0, -trunc(a / b))
STEP(EQUAL, a == b)
STEP(LESS, a < b)
STEP(LESS_EQUAL, a <= b)
STEP(GREATER, a > b)
STEP(GREATER_EQUAL, a >= b)
STEP(AND, a != 0.0 && b != 0.0)
STEP(OR, a != 0.0 || b != 0.0)
STEP(XOR, (a != 0.0) != (b != 0.0))

static const struct {
    assay__binary_function *value;
    assay__binary_function *slope[2];
} kinds[] = {
#define ASSAY_X(name, text) {name##_value, {name##_by_a, name##_by_b}},
    ASSAY_BINARIES(ASSAY_X)
#undef ASSAY_X
};

assay__binary_function *assay__binary_value(int kind)
{
    return kinds[kind].value;
}

assay__binary_function *assay__binary_slope(int kind, int side)
{
    return kinds[kind].slope[side];
}

static int check_kind(const char *op, const struct assay_attrs *attrs,
                      struct assay_error *err)
{
    return assay__need_range(op, "kind", attrs->index, 0,
                             ASSAY_BINARY_COUNT - 1, err);
}

static int binary_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    int code = check_kind("binary", attrs, err);

    (void)n_in;
    if (code != ASSAY_OK)
        return code;
    return assay__broadcast("binary", &in[0], &in[1], &out[0], err);
}

static void binary_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;
    int side;

    if (attrs.index >= ASSAY_BINARY_EQUAL)
        return;
    for (side = 0; side < 2; side++) {
        struct assay_shape s = *assay_graph_shape(g, node->in[side]);
        assay_value d = d_out[0];

        if (!want[side])
            continue;
        attrs.axis = side;
        if (attrs.index != ASSAY_BINARY_ADD)
            d = assay__node3(g, &assay__op_binary_bwd, &attrs, d, node->in[0],
                             node->in[1]);
        d_in[side] = assay__sum_to(g, d, &s);
    }
}

static void binary_reference(const struct assay__call *call)
{
    assay__binary_function *f = kinds[call->attrs->index].value;
    struct assay__walk w = {.shape = call->out_shape[0]};
    double *y = call->out[0];
    int64_t r;
    int64_t i;

    assay__broadcast_steps(&call->in_shape[0], &w.shape, w.step[0]);
    assay__broadcast_steps(&call->in_shape[1], &w.shape, w.step[1]);
    assay__walk_begin(&w);
    for (r = 0; r < w.rows; r++) {
        const double *a = call->in[0] + w.at[0];
        const double *b = call->in[1] + w.at[1];

        for (i = 0; i < w.length; i++)
            *y++ = f(a[i * assay__walk_step(&w, 0)],
                     b[i * assay__walk_step(&w, 1)]);
        assay__walk_next_row(&w);
    }
}

static int bwd_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    int code = check_kind("binary_bwd", attrs, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_range("binary_bwd", "side", attrs->axis, 0, 1, err);
    if (code == ASSAY_OK)
        code = assay__broadcast("binary_bwd", &in[1], &in[2], &out[0], err);
    if (code == ASSAY_OK)
        code = assay__need_shape("binary_bwd", "dy", &in[0], &out[0], err);
    return code;
}

static void bwd_reference(const struct assay__call *call)
{
    assay__binary_function *f =
        kinds[call->attrs->index].slope[call->attrs->axis];
    struct assay__walk w = {.shape = call->out_shape[0]};
    const double *dy = call->in[0];
    double *d = call->out[0];
    int64_t r;
    int64_t i;

    assay__broadcast_steps(&call->in_shape[1], &w.shape, w.step[0]);
    assay__broadcast_steps(&call->in_shape[2], &w.shape, w.step[1]);
    assay__walk_begin(&w);
    for (r = 0; r < w.rows; r++) {
        const double *a = call->in[1] + w.at[0];
        const double *b = call->in[2] + w.at[1];

        for (i = 0; i < w.length; i++)
            *d++ = *dy++ * f(a[i * assay__walk_step(&w, 0)],
                             b[i * assay__walk_step(&w, 1)]);
        assay__walk_next_row(&w);
    }
}

static int select_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    struct assay_shape both;
    int code = assay__broadcast("select", &in[1], &in[2], &both, err);

    (void)attrs;
    (void)n_in;
    if (code != ASSAY_OK)
        return code;
    return assay__broadcast("select", &in[0], &both, &out[0], err);
}

/* dy where the condition holds (side 0), or where it does not. */
static assay_value masked(assay_graph *g, assay_value dy, assay_value cond,
                          int side)
{
    struct assay_attrs zero = {.alpha = 0.0};
    assay_value in[3];

    in[0] = cond;
    in[1 + side] = dy;
    in[2 - side] = assay_graph_node(g, "fill", NULL, 0, &zero);
    return assay_graph_node(g, "select", in, 3, NULL);
}

static void select_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    int side;

    for (side = 0; side < 2; side++) {
        struct assay_shape s = *assay_graph_shape(g, node->in[1 + side]);

        if (want[1 + side])
            d_in[1 + side] =
                assay__sum_to(g, masked(g, d_out[0], node->in[0], side), &s);
    }
}

static void select_reference(const struct assay__call *call)
{
    struct assay__walk w = {.shape = call->out_shape[0]};
    double *y = call->out[0];
    int64_t r;
    int64_t i;
    int k;

    for (k = 0; k < 3; k++)
        assay__broadcast_steps(&call->in_shape[k], &w.shape, w.step[k]);
    assay__walk_begin(&w);
    for (r = 0; r < w.rows; r++) {
        for (i = 0; i < w.length; i++) {
            bool yes =
                call->in[0][w.at[0] + i * assay__walk_step(&w, 0)] != 0.0;
            int from = yes ? 1 : 2;

            *y++ = call->in[from][w.at[from] + i * assay__walk_step(&w, from)];
        }
        assay__walk_next_row(&w);
    }
}

/* clang-format off */
#define MAPS ASSAY__D4(2, 3, 4, 5)
#define CASE(kind, A, B, lo, hi, off, ...) \
    {.label = #kind, .n_in = 2, .in = {A, B}, .low = (lo), .high = (hi), \
     .away = (off), .attrs = {.index = ASSAY_BINARY_##kind}, __VA_ARGS__}

static const struct assay__op_case binary_cases[] = {
    CASE(ADD, MAPS, ASSAY__D4(2, 1, 4, 1), -1.0, 1.0, 0.0, .fixed = 0),
    CASE(ADD, MAPS, ASSAY__D3(3, 1, 1), -1.0, 1.0, 0.0, .fixed = 2),
    CASE(ADD, ASSAY__D2(4, 7), ASSAY__D1(7), -1.0, 1.0, 0.0, .fixed = 2),
    CASE(ADD, {0}, ASSAY__D3(1, 3, 4), -1.0, 1.0, 0.0, .fixed = 0),
    CASE(SUB, ASSAY__D3(2, 1, 5), ASSAY__D3(2, 4, 5), -1.0, 1.0, 0.0,
         .fixed = 0),
    CASE(MUL, ASSAY__D4(2, 17, 3, 3), ASSAY__D4(2, 17, 1, 1), -1.0, 1.0, 0.0,
         .fixed = 0),
    CASE(MUL, MAPS, ASSAY__D4(1, 3, 1, 5), -1.0, 1.0, 0.0, .fixed = 2),
    CASE(DIV, MAPS, ASSAY__D4(2, 1, 1, 5), -2.0, 2.0, 0.4, .fixed = 0),
    CASE(POW, MAPS, ASSAY__D4(2, 3, 1, 5), 0.3, 2.0, 0.0, .fixed = 0),
    CASE(MIN, MAPS, ASSAY__D4(2, 3, 1, 5), -2.0, 2.0, 0.0, .fixed = 0),
    CASE(MAX, MAPS, ASSAY__D4(2, 3, 1, 5), -2.0, 2.0, 0.0, .fixed = 0),
    CASE(PRELU, MAPS, ASSAY__D3(3, 1, 1), -2.0, 2.0, 0.05, .fixed = 2),
    CASE(MOD, ASSAY__D2(2, 3), ASSAY__D2(2, 3), 0.5, 0.9, 0.0, .fixed = 0),
    CASE(FMOD, ASSAY__D2(2, 3), ASSAY__D2(2, 3), 0.5, 0.9, 0.0, .fixed = 0),
    CASE(EQUAL, MAPS, MAPS, -1.0, 1.0, 0.0, .no_grad = 3),
    CASE(LESS, MAPS, MAPS, -1.0, 1.0, 0.0, .no_grad = 3),
    CASE(LESS_EQUAL, MAPS, MAPS, -1.0, 1.0, 0.0, .no_grad = 3),
    CASE(GREATER, MAPS, MAPS, -1.0, 1.0, 0.0, .no_grad = 3),
    CASE(GREATER_EQUAL, MAPS, MAPS, -1.0, 1.0, 0.0, .no_grad = 3),
    CASE(AND, MAPS, MAPS, 0.0, 2.0, 0.0, .integer_inputs = 3),
    CASE(OR, MAPS, MAPS, 0.0, 2.0, 0.0, .integer_inputs = 3),
    CASE(XOR, MAPS, MAPS, 0.0, 2.0, 0.0, .integer_inputs = 3),
    {.label = NULL},
};

static const struct assay__op_case bwd_cases[] = {
    {.label = "mul", .n_in = 3, .in = {MAPS, MAPS, ASSAY__D4(2, 1, 4, 1)},
     .low = -1.0, .high = 1.0, .attrs = {.index = ASSAY_BINARY_MUL}},
    {.label = "div, side 1", .n_in = 3, .in = {MAPS, MAPS, MAPS}, .low = 0.5,
     .high = 1.0, .attrs = {.index = ASSAY_BINARY_DIV, .axis = 1}},
    {.label = NULL},
};

static const struct assay__op_case select_cases[] = {
    {.label = "maps", .n_in = 3,
     .in = {MAPS, MAPS, ASSAY__D4(2, 1, 4, 1)}, .low = 0.0, .high = 2.0,
     .integer_inputs = 1},
    {.label = "rows, a scalar", .n_in = 3,
     .in = {ASSAY__D2(3, 7), {0}, ASSAY__D2(3, 7)}, .low = 0.0, .high = 2.0,
     .integer_inputs = 1},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_binary = {
    .name = "binary",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = binary_cases,
    .shape = binary_shape,
    .backward = binary_backward,
    .reference = binary_reference,
};

const struct assay_op assay__op_binary_bwd = {
    .name = "binary_bwd",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = bwd_cases,
    .shape = bwd_shape,
    .reference = bwd_reference,
};

const struct assay_op assay__op_select = {
    .name = "select",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = select_cases,
    .shape = select_shape,
    .backward = select_backward,
    .reference = select_reference,
};
