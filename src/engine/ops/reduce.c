/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reduction over any axes, by kind (assay/layers.h), and the index of an
 * extreme along one. Reduced axes stay, with length 1. The gradient of an
 * extreme is shared by all that are equal to it.
 */

#include <math.h>
#include <string.h>

#include "assay/layers.h"
#include "engine/ops/common.h"

static int out_shape(const char *op, const struct assay_attrs *attrs,
                     const struct assay_shape *x, struct assay_shape *out,
                     struct assay_error *err)
{
    int code = assay__need_range(op, "kind", attrs->index, 0,
                                 ASSAY_REDUCE_COUNT - 1, err);
    int i;

    *out = *x;
    for (i = 0; i < ASSAY_RANK_MAX && code == ASSAY_OK; i++) {
        code = assay__need_range(op, "flag of an axis", attrs->axes[i], 0,
                                 i < x->rank, err);
        if (attrs->axes[i] != 0 && i < x->rank)
            out->dim[i] = 1;
    }
    return code;
}

static int reduce_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    (void)n_in;
    return out_shape("reduce", attrs, &in[0], &out[0], err);
}

static void reduce_backward(assay_graph *g, const struct assay__node *node,
                            const assay_value *d_out, const bool *want,
                            assay_value *d_in)
{
    (void)want;
    d_in[0] = assay__node3(g, &assay__op_reduce_bwd, &node->attrs, d_out[0],
                           node->in[0], node->out);
}

/* A walk over x, with the places of its reduced value beside it. */
static struct assay__walk walk_of(const struct assay_shape *x,
                                  const struct assay_shape *y)
{
    struct assay__walk w = {.shape = *x};

    assay__broadcast_steps(y, x, w.step[0]);
    assay__walk_begin(&w);
    return w;
}

static double start_of(int kind)
{
    switch (kind) {
    case ASSAY_REDUCE_MAX:
    case ASSAY_REDUCE_LOG_SUM_EXP:
        return -(double)INFINITY;
    case ASSAY_REDUCE_MIN:
        return (double)INFINITY;
    case ASSAY_REDUCE_PROD:
        return 1.0;
    default:
        return 0.0;
    }
}

/* log(exp(a) + exp(b)), for infinite ones too. */
static double log_add(double a, double b)
{
    double top = a > b ? a : b;

    if (isnan(a) || isnan(b))
        return a + b;
    if (isinf(top))
        return top;
    return top + log1p(exp(-fabs(a - b)));
}

static double joined(int kind, double so_far, double x)
{
    switch (kind) {
    case ASSAY_REDUCE_MAX:
        return x > so_far || isnan(x) ? x : so_far;
    case ASSAY_REDUCE_MIN:
        return x < so_far || isnan(x) ? x : so_far;
    case ASSAY_REDUCE_PROD:
        return so_far * x;
    case ASSAY_REDUCE_LOG_SUM_EXP:
        return log_add(so_far, x);
    default:
        return so_far + x;
    }
}

static void reduce_reference(const struct assay__call *call)
{
    int kind = call->attrs->index;
    struct assay__walk w = walk_of(&call->in_shape[0], &call->out_shape[0]);
    int64_t n = assay__volume(&call->out_shape[0], 0);
    int64_t each = assay__volume(&call->in_shape[0], 0) / n;
    const double *x = call->in[0];
    double *y = call->out[0];
    int64_t i;
    int64_t r;

    for (i = 0; i < n; i++)
        y[i] = start_of(kind);
    for (r = 0; r < w.rows; r++) {
        double *to = y + w.at[0];

        for (i = 0; i < w.length; i++, to += assay__walk_step(&w, 0))
            *to = joined(kind, *to, *x++);
        assay__walk_next_row(&w);
    }
    for (i = 0; kind == ASSAY_REDUCE_MEAN && i < n; i++)
        y[i] /= (double)each;
}

static int bwd_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    struct assay_shape y;
    int code = out_shape("reduce_bwd", attrs, &in[1], &y, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_shape("reduce_bwd", "dy", &in[0], &y, err);
    if (code == ASSAY_OK)
        code = assay__need_shape("reduce_bwd", "y", &in[2], &y, err);
    out[0] = in[1];
    return code;
}

/* The product of all but x. */
static double others(const struct assay__call *call, int64_t at, int64_t skip)
{
    struct assay__walk w = walk_of(&call->in_shape[1], &call->in_shape[0]);
    const double *x = call->in[1];
    double product = 1.0;
    int64_t place = 0;
    int64_t r;
    int64_t i;

    for (r = 0; r < w.rows; r++) {
        for (i = 0; i < w.length; i++, place++) {
            if (w.at[0] + i * assay__walk_step(&w, 0) == at && place != skip)
                product *= x[place];
        }
        assay__walk_next_row(&w);
    }
    return product;
}

static double slope(const struct assay__call *call, int64_t at, int64_t place,
                    double each)
{
    double x = call->in[1][place];
    double y = call->in[2][at];

    switch (call->attrs->index) {
    case ASSAY_REDUCE_MEAN:
        return 1.0 / each;
    case ASSAY_REDUCE_MAX:
    case ASSAY_REDUCE_MIN:
        return x == y ? 1.0 : 0.0;
    case ASSAY_REDUCE_PROD:
        return x != 0.0 && isfinite(x) ? y / x : others(call, at, place);
    case ASSAY_REDUCE_LOG_SUM_EXP:
        return exp(x - y);
    default:
        return 1.0;
    }
}

/* How many of x are equal to their extreme; only then is it asked for. */
static double equals(const struct assay__call *call, int64_t at)
{
    struct assay__walk w = walk_of(&call->in_shape[1], &call->in_shape[0]);
    const double *x = call->in[1];
    double n = 0.0;
    int64_t r;
    int64_t i;

    for (r = 0; r < w.rows; r++) {
        for (i = 0; i < w.length; i++, x++) {
            if (w.at[0] + i * assay__walk_step(&w, 0) == at &&
                *x == call->in[2][at])
                n += 1.0;
        }
        assay__walk_next_row(&w);
    }
    return n;
}

static void bwd_reference(const struct assay__call *call)
{
    bool extreme = call->attrs->index == ASSAY_REDUCE_MAX ||
                   call->attrs->index == ASSAY_REDUCE_MIN;
    struct assay__walk w = walk_of(&call->in_shape[1], &call->in_shape[0]);
    int64_t each = assay__volume(&call->in_shape[1], 0) /
                   assay__volume(&call->in_shape[0], 0);
    int64_t place = 0;
    int64_t r;
    int64_t i;

    for (r = 0; r < w.rows; r++) {
        for (i = 0; i < w.length; i++, place++) {
            int64_t at = w.at[0] + i * assay__walk_step(&w, 0);
            double s = slope(call, at, place, (double)each);

            if (extreme && s != 0.0)
                s /= equals(call, at);
            call->out[0][place] = call->in[0][at] * s;
        }
        assay__walk_next_row(&w);
    }
}

static int argmax_shape(const struct assay_attrs *attrs, int n_in,
                        const struct assay_shape *in, struct assay_shape *out,
                        struct assay_error *err)
{
    int code = assay__need_rank("argmax", "x", &in[0], 1, ASSAY_RANK_MAX, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code =
            assay__need_range("argmax", "axis", attrs->axis,
                              in[0].dim[0] == ASSAY_BATCH, in[0].rank - 1, err);
    if (code == ASSAY_OK)
        code = assay__need_range("argmax", "flags", attrs->index, 0, 3, err);
    out[0] = in[0];
    if (code == ASSAY_OK)
        out[0].dim[attrs->axis] = 1;
    return code;
}

static int64_t best_of(const double *x, int64_t n, int64_t step, int flags)
{
    double sign = (flags & 2) != 0 ? -1.0 : 1.0;
    int64_t best = 0;
    int64_t i;

    for (i = 1; i < n; i++) {
        double lead = sign * (x[i * step] - x[best * step]);

        if (lead > 0.0 || (lead == 0.0 && (flags & 1) != 0))
            best = i;
    }
    return best;
}

static void argmax_reference(const struct assay__call *call)
{
    const struct assay_shape *s = &call->in_shape[0];
    int axis = call->attrs->axis;
    int64_t inner = assay__volume(s, axis + 1);
    int64_t outer = assay__volume(s, 0) / inner / s->dim[axis];
    int64_t o;
    int64_t i;

    for (o = 0; o < outer; o++) {
        for (i = 0; i < inner; i++)
            call->out[0][o * inner + i] =
                (double)best_of(call->in[0] + o * inner * s->dim[axis] + i,
                                s->dim[axis], inner, call->attrs->index);
    }
}

/* clang-format off */
#define MAPS ASSAY__D4(2, 3, 4, 5)
#define CASE(kind, X, lo, hi, ...) \
    {.label = #kind, .n_in = 1, .in = {X}, .low = (lo), .high = (hi), \
     .attrs = {.index = ASSAY_REDUCE_##kind, .axes = {__VA_ARGS__}}}

static const struct assay__op_case reduce_cases[] = {
    CASE(SUM, MAPS, -1.0, 1.0, 0, 0, 1, 1),
    CASE(SUM, MAPS, -1.0, 1.0, 0, 1, 0, 1),
    CASE(SUM, MAPS, -1.0, 1.0, 0), CASE(SUM, ASSAY__D4(2, 17, 3, 3), -1.0, 1.0,
                                        0, 0, 1, 1),
    CASE(MEAN, MAPS, -1.0, 1.0, 0, 1), CASE(MEAN, ASSAY__D2(3, 7), -1.0, 1.0,
                                            0, 1),
    CASE(MAX, MAPS, -1.0, 1.0, 0, 0, 1, 1), CASE(MIN, MAPS, -1.0, 1.0, 0, 1),
    CASE(PROD, MAPS, 0.5, 1.5, 0, 0, 0, 1), CASE(PROD, MAPS, -1.5, 1.5, 0, 1),
    CASE(LOG_SUM_EXP, MAPS, -3.0, 3.0, 0, 1, 0, 1),
    {.label = NULL},
};

static const struct assay__op_case bwd_cases[] = {
    {.label = "sum", .n_in = 3, .in = {ASSAY__D4(2, 3, 1, 1), MAPS,
     ASSAY__D4(2, 3, 1, 1)}, .low = -1.0, .high = 1.0,
     .attrs = {.index = ASSAY_REDUCE_SUM, .axes = {0, 0, 1, 1}}},
    {.label = NULL},
};

static const struct assay__op_case argmax_cases[] = {
    {.label = "maps", .n_in = 1, .in = {MAPS}, .low = -1.0, .high = 1.0,
     .attrs = {.axis = 1}},
    {.label = "last of equals", .n_in = 1, .in = {ASSAY__D2(3, 7)},
     .low = 0.0, .high = 2.0, .integer_inputs = 1,
     .attrs = {.axis = 1, .index = 1}},
    {.label = "smallest", .n_in = 1, .in = {ASSAY__D2(3, 7)}, .low = 0.0,
     .high = 2.0, .attrs = {.axis = 1, .index = 2}},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_reduce = {
    .name = "reduce",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = reduce_cases,
    .shape = reduce_shape,
    .backward = reduce_backward,
    .reference = reduce_reference,
};

const struct assay_op assay__op_reduce_bwd = {
    .name = "reduce_bwd",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .tolerance = 1e-12,
    .cases = bwd_cases,
    .shape = bwd_shape,
    .reference = bwd_reference,
};

const struct assay_op assay__op_argmax = {
    .name = "argmax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = argmax_cases,
    .shape = argmax_shape,
    .reference = argmax_reference,
};
