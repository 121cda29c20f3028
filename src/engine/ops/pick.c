/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any arrangement of an array along its axes: `pick` reads along steps
 * (transposes, parts, reversals, repetition), `gather` at a list of places.
 * The batch stays where it is: dimension 0 of both sides, in order.
 */

#include <math.h>
#include <string.h>

#include "engine/ops/common.h"

/* Output axis k reads input axis attrs->axes[k], within its bounds. */
static int check_axis(const char *op, const struct assay_attrs *attrs, int k,
                      const struct assay_shape *x, const struct assay_shape *y,
                      struct assay_error *err)
{
    int axis = attrs->axes[k];
    int64_t last = attrs->begin[k] + (int64_t)attrs->step[k] *
                                         (y->dim[k] > 0 ? y->dim[k] - 1 : 0);
    int code = assay__need_range(op, "input axis", axis, -1, x->rank - 1, err);

    if (code != ASSAY_OK || axis < 0)
        return code;
    if (x->dim[axis] == ASSAY_BATCH || y->dim[k] == ASSAY_BATCH) {
        if (x->dim[axis] == y->dim[k] && attrs->begin[k] == 0 &&
            attrs->step[k] == 1)
            return ASSAY_OK;
        return assay_error_set(err, ASSAY_SHAPE,
                               "%s: axis %d moves records of the batch", op, k);
    }
    code = assay__need_range(op, "first coordinate", attrs->begin[k], 0,
                             x->dim[axis] - 1, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "last coordinate", last, 0,
                                 x->dim[axis] - 1, err);
    return code;
}

static int check_pick(const char *op, const struct assay_attrs *attrs,
                      const struct assay_shape *x, const struct assay_shape *y,
                      struct assay_error *err)
{
    int named[ASSAY_RANK_MAX] = {0};
    int code = assay__need_rank(op, "y", y, 0, ASSAY_RANK_MAX, err);
    int k;

    if (code == ASSAY_OK)
        code = assay__need_size(op, "y", y, err);
    for (k = 0; k < y->rank && code == ASSAY_OK; k++) {
        code = check_axis(op, attrs, k, x, y, err);
        if (code == ASSAY_OK && attrs->axes[k] >= 0)
            named[attrs->axes[k]]++;
    }
    for (k = 0; k < x->rank && code == ASSAY_OK; k++) {
        if (named[k] > 1 || (named[k] == 0 && x->dim[k] != 1))
            code = assay_error_set(err, ASSAY_SHAPE,
                                   "%s: input axis %d is named %d times", op, k,
                                   named[k]);
    }
    if (code == ASSAY_OK && y->rank > 0 && y->dim[0] == ASSAY_BATCH &&
        (x->rank == 0 || x->dim[0] != ASSAY_BATCH || attrs->axes[0] != 0))
        code = assay_error_set(err, ASSAY_SHAPE,
                               "%s: the batch of y is not that of x", op);
    return code;
}

static int pick_shape(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    (void)n_in;
    out[0] = attrs->shape;
    return check_pick("pick", attrs, &in[0], &out[0], err);
}

static void pick_backward(assay_graph *g, const struct assay__node *node,
                          const assay_value *d_out, const bool *want,
                          assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.shape = *assay_graph_shape(g, node->in[0]);
    d_in[0] = assay__node1(g, &assay__op_pick_bwd, &attrs, d_out[0]);
}

/* A walk over y with the places of x that it reads. */
static struct assay__walk walk_of(const struct assay_attrs *attrs,
                                  const struct assay_shape *x,
                                  const struct assay_shape *y)
{
    struct assay__walk w = {.shape = *y};
    int64_t start = 0;
    int k;

    for (k = 0; k < y->rank; k++) {
        int axis = attrs->axes[k];
        int64_t size;

        if (axis < 0)
            continue;
        size = assay__volume(x, axis + 1);
        w.step[0][k] = size * attrs->step[k];
        start += size * attrs->begin[k];
    }
    assay__walk_begin(&w);
    w.at[0] = start;
    return w;
}

static void pick_reference(const struct assay__call *call)
{
    struct assay__walk w =
        walk_of(call->attrs, &call->in_shape[0], &call->out_shape[0]);
    double *y = call->out[0];
    int64_t r;
    int64_t i;

    for (r = 0; r < w.rows; r++) {
        for (i = 0; i < w.length; i++)
            *y++ = call->in[0][w.at[0] + i * assay__walk_step(&w, 0)];
        assay__walk_next_row(&w);
    }
}

static int pick_bwd_shape(const struct assay_attrs *attrs, int n_in,
                          const struct assay_shape *in, struct assay_shape *out,
                          struct assay_error *err)
{
    int code = assay__need_rank("pick_bwd", "the output", &attrs->shape, 0,
                                ASSAY_RANK_MAX, err);

    (void)n_in;
    out[0] = attrs->shape;
    if (code == ASSAY_OK)
        code = assay__need_size("pick_bwd", "the output", &out[0], err);
    if (code == ASSAY_OK)
        code = check_pick("pick_bwd", attrs, &out[0], &in[0], err);
    return code;
}

static void pick_bwd_reference(const struct assay__call *call)
{
    struct assay__walk w =
        walk_of(call->attrs, &call->out_shape[0], &call->in_shape[0]);
    const double *dy = call->in[0];
    int64_t r;
    int64_t i;

    memset(call->out[0], 0,
           (size_t)assay__volume(&call->out_shape[0], 0) * sizeof(double));
    for (r = 0; r < w.rows; r++) {
        for (i = 0; i < w.length; i++)
            call->out[0][w.at[0] + i * assay__walk_step(&w, 0)] += *dy++;
        assay__walk_next_row(&w);
    }
}

/* x and y are alike but for `axis`, which has y's length there. */
static int check_gather(const char *op, const struct assay_attrs *attrs,
                        const struct assay_shape *x,
                        const struct assay_shape *index,
                        const struct assay_shape *y, struct assay_error *err)
{
    struct assay_shape wanted = *y;
    int code = assay__need_rank(op, "x", x, 1, ASSAY_RANK_MAX, err);

    if (code == ASSAY_OK)
        code = assay__need_range(op, "axis", attrs->axis,
                                 x->dim[0] == ASSAY_BATCH, x->rank - 1, err);
    if (code != ASSAY_OK)
        return code;
    code =
        assay__need_row(op, "the index", index,
                        attrs->axis < y->rank ? y->dim[attrs->axis] : 0, err);
    if (code == ASSAY_OK)
        code = assay__need_size(op, "y", y, err);
    wanted.dim[attrs->axis] = x->dim[attrs->axis];
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "x", x, &wanted, err);
    return code;
}

static int gather_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    (void)n_in;
    out[0] = attrs->shape;
    return check_gather("gather", attrs, &in[0], &in[1], &out[0], err);
}

static void gather_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    attrs.shape = *assay_graph_shape(g, node->in[0]);
    if (want[0])
        d_in[0] = assay__node2(g, &assay__op_gather_bwd, &attrs, d_out[0],
                               node->in[1]);
}

/* The place, or -1 when the number is none of 0 .. n-1. */
static int64_t place_of(double index, int64_t n)
{
    if (!(index >= 0.0 && index < (double)n) || index != floor(index))
        return -1;
    return (int64_t)index;
}

/* x has `length` along the axis, y as many as there are indices. */
static void gather_rows(const struct assay__call *call,
                        const struct assay_shape *x, bool back)
{
    int axis = call->attrs->axis;
    int64_t inner = assay__volume(x, axis + 1);
    int64_t outer = assay__volume(x, 0) / inner / x->dim[axis];
    int64_t n = call->in_shape[1].dim[0];
    int64_t o;
    int64_t k;
    int64_t i;

    for (o = 0; o < outer; o++) {
        for (k = 0; k < n; k++) {
            int64_t from = place_of(call->in[1][k], x->dim[axis]);
            int64_t y_at = (o * n + k) * inner;
            int64_t x_at = (o * x->dim[axis] + from) * inner;

            for (i = 0; i < inner && (!back || from >= 0); i++) {
                if (back)
                    call->out[0][x_at + i] += call->in[0][y_at + i];
                else
                    call->out[0][y_at + i] =
                        from >= 0 ? call->in[0][x_at + i] : (double)NAN;
            }
        }
    }
}

static void gather_reference(const struct assay__call *call)
{
    gather_rows(call, &call->in_shape[0], false);
}

static int gather_bwd_shape(const struct assay_attrs *attrs, int n_in,
                            const struct assay_shape *in,
                            struct assay_shape *out, struct assay_error *err)
{
    int code = assay__need_rank("gather_bwd", "the output", &attrs->shape, 1,
                                ASSAY_RANK_MAX, err);

    (void)n_in;
    out[0] = attrs->shape;
    if (code == ASSAY_OK)
        code = assay__need_size("gather_bwd", "the output", &out[0], err);
    if (code == ASSAY_OK)
        code = check_gather("gather_bwd", attrs, &out[0], &in[1], &in[0], err);
    return code;
}

static void gather_bwd_reference(const struct assay__call *call)
{
    memset(call->out[0], 0,
           (size_t)assay__volume(&call->out_shape[0], 0) * sizeof(double));
    gather_rows(call, &call->out_shape[0], true);
}

/* clang-format off */
#define RANGE .low = -1.0, .high = 1.0
#define CASE(text, X, ...) \
    {.label = text, .n_in = 1, .in = {X}, .attrs = {__VA_ARGS__}, RANGE}

static const struct assay__op_case pick_cases[] = {
    CASE("to channels last", ASSAY__D4(2, 3, 4, 5), .axes = {0, 2, 3, 1},
         .step = {1, 1, 1, 1}, .shape = ASSAY__D4(2, 4, 5, 3)),
    CASE("last two", ASSAY__D3(2, 17, 4), .axes = {0, 2, 1},
         .step = {1, 1, 1}, .shape = ASSAY__D3(2, 4, 17)),
    CASE("every second, backwards", ASSAY__D4(2, 3, 4, 6), .axes = {0, 1, 2, 3},
         .begin = {0, 2, 1, 0}, .step = {1, -1, 1, 2},
         .shape = ASSAY__D4(2, 3, 2, 3)),
    CASE("repeated", ASSAY__D3(2, 1, 5), .axes = {0, -1, 2},
         .step = {1, 0, 1}, .shape = ASSAY__D3(2, 4, 5)),
    CASE("repeated by a step of 0", ASSAY__D3(2, 3, 1), .axes = {0, 1, 2},
         .step = {1, 1, 0}, .shape = ASSAY__D3(2, 3, 4)),
    CASE("fewer axes", ASSAY__D4(2, 3, 1, 1), .axes = {0, 1},
         .step = {1, 1}, .shape = ASSAY__D2(2, 3)),
    {.label = NULL},
};

static const struct assay__op_case pick_bwd_cases[] = {
    CASE("transposed", ASSAY__D3(2, 4, 3), .axes = {0, 2, 1},
         .step = {1, 1, 1}, .shape = ASSAY__D3(2, 3, 4)),
    CASE("repeated", ASSAY__D3(2, 4, 5), .axes = {0, -1, 2},
         .step = {1, 0, 1}, .shape = ASSAY__D3(2, 1, 5)),
    {.label = NULL},
};

static const struct assay__op_case gather_cases[] = {
    {.label = "channels", .n_in = 2, .in = {ASSAY__D4(2, 3, 4, 5),
     ASSAY__D1(4)}, .integer_inputs = 2, .low = 0.0, .high = 3.0,
     .attrs = {.axis = 1, .shape = ASSAY__D4(2, 4, 4, 5)}},
    {.label = "columns", .n_in = 2, .in = {ASSAY__D2(3, 7), ASSAY__D1(9)},
     .integer_inputs = 2, .low = 0.0, .high = 7.0,
     .attrs = {.axis = 1, .shape = ASSAY__D2(3, 9)}},
    {.label = NULL},
};

static const struct assay__op_case gather_bwd_cases[] = {
    {.label = "channels", .n_in = 2, .in = {ASSAY__D3(2, 4, 5), ASSAY__D1(4)},
     .integer_inputs = 2, .low = 0.0, .high = 3.0,
     .attrs = {.axis = 1, .shape = ASSAY__D3(2, 3, 5)}},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_pick = {
    .name = "pick",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = pick_cases,
    .shape = pick_shape,
    .backward = pick_backward,
    .reference = pick_reference,
};

const struct assay_op assay__op_pick_bwd = {
    .name = "pick_bwd",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-13,
    .cases = pick_bwd_cases,
    .shape = pick_bwd_shape,
    .reference = pick_bwd_reference,
};

const struct assay_op assay__op_gather = {
    .name = "gather",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = gather_cases,
    .shape = gather_shape,
    .backward = gather_backward,
    .reference = gather_reference,
    .fixed = 1U << 1,
};

const struct assay_op assay__op_gather_bwd = {
    .name = "gather_bwd",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-13,
    .cases = gather_bwd_cases,
    .shape = gather_bwd_shape,
    .reference = gather_bwd_reference,
    .fixed = 1U << 1,
};
