/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch normalisation of [N,C] or [N,C,H,W], per channel over M = N H W
 * numbers. Training uses the batch's own mean and biased variance and moves
 * the running ones; evaluation uses the running ones.
 *
 * With xhat = (x - mean) rstd the gradients are dbeta = sum dy,
 * dgamma = sum dy xhat, and in training
 *   dx = gamma rstd (dy - (dbeta + xhat dgamma) / M),
 * in evaluation dx = gamma rstd dy.
 */

#include <math.h>

#include "engine/ops/common.h"

enum { X, GAMMA, BETA, MEAN, VAR };                    /* inputs */
enum { BWD_X, BWD_DY, BWD_GAMMA, BWD_MEAN, BWD_RSTD }; /* of the gradient */

static int check(const char *op, const struct assay_attrs *attrs,
                 const struct assay_shape *x, const struct assay_shape *rows,
                 int n_rows, struct assay_error *err)
{
    int code = ASSAY_OK;
    int i;

    if (x->rank != 2)
        code = assay__need_rank(op, "x", x, 4, 4, err);
    for (i = 0; i < n_rows && code == ASSAY_OK; i++)
        code = assay__need_row(op, "a parameter per channel", &rows[i],
                               x->dim[1], err);
    if (code == ASSAY_OK && !(attrs->eps > 0.0 && attrs->eps < 1.0))
        code = assay_error_set(err, ASSAY_SHAPE,
                               "%s: eps is %g, must lie between 0 and 1", op,
                               attrs->eps);
    if (code == ASSAY_OK && !(attrs->momentum >= 0.0 && attrs->momentum <= 1.0))
        code = assay_error_set(err, ASSAY_SHAPE,
                               "%s: momentum is %g, must be 0 to 1", op,
                               attrs->momentum);
    return code;
}

static int batchnorm_shape(const struct assay_attrs *attrs, int n_in,
                           const struct assay_shape *in,
                           struct assay_shape *out, struct assay_error *err)
{
    int code = check("batchnorm", attrs, &in[X], &in[GAMMA], n_in - 1, err);

    out[0] = in[X];
    out[1] = in[GAMMA];
    out[2] = in[GAMMA];
    return code;
}

static void batchnorm_backward(assay_graph *g, const struct assay__node *node,
                               const assay_value *d_out, const bool *want,
                               assay_value *d_in)
{
    assay_value in[5];
    assay_value d;

    if (want[MEAN] || want[VAR]) {
        assay_graph_fail(g, ASSAY_UNSUPPORTED,
                         "batchnorm has no derivative by running statistics");
        return;
    }
    in[BWD_X] = node->in[X];
    in[BWD_DY] = d_out[0];
    in[BWD_GAMMA] = node->in[GAMMA];
    in[BWD_MEAN] = node->out + 1;
    in[BWD_RSTD] = node->out + 2;
    d = assay_graph_node(g, "batchnorm_bwd", in, 5, &node->attrs);
    if (d == ASSAY_NO_VALUE)
        return;
    d_in[X] = d;
    d_in[GAMMA] = d + 1;
    d_in[BETA] = d + 2;
}

/* Sum over a channel of (x - shift)^power, power 1 or 2. */
static double channel_sum(const struct assay_shape *s, const double *x,
                          int64_t c, double shift, int power)
{
    int64_t plane = assay__volume(s, 2);
    double sum = 0.0;
    int64_t n;
    int64_t i;

    for (n = 0; n < s->dim[0]; n++) {
        const double *p = x + (n * s->dim[1] + c) * plane;

        for (i = 0; i < plane; i++)
            sum += power == 1 ? p[i] : (p[i] - shift) * (p[i] - shift);
    }
    return sum;
}

/* The batch's mean and biased variance; the running ones are moved. */
static void batch_statistics(const struct assay__call *call, int64_t c,
                             double *mean, double *var)
{
    const struct assay_shape *s = &call->in_shape[X];
    double count = (double)(s->dim[0] * assay__volume(s, 2));
    double momentum = call->attrs->momentum;
    double square;

    *mean = channel_sum(s, call->in[X], c, 0.0, 1) / count;
    square = channel_sum(s, call->in[X], c, *mean, 2);
    *var = square / count;
    call->in[MEAN][c] += momentum * (*mean - call->in[MEAN][c]);
    if (count > 1.0)
        square /= count - 1.0;
    call->in[VAR][c] += momentum * (square - call->in[VAR][c]);
}

static void batchnorm_reference(const struct assay__call *call)
{
    const struct assay_shape *s = &call->in_shape[X];
    int64_t plane = assay__volume(s, 2);
    double mean;
    double var;
    double rstd;
    int64_t c;
    int64_t n;
    int64_t i;

    for (c = 0; c < s->dim[1]; c++) {
        mean = call->in[MEAN][c];
        var = call->in[VAR][c];
        if (call->mode == ASSAY_MODE_TRAIN)
            batch_statistics(call, c, &mean, &var);
        rstd = 1.0 / sqrt(var + call->attrs->eps);
        for (n = 0; n < s->dim[0]; n++) {
            int64_t first = (n * s->dim[1] + c) * plane;

            for (i = first; i < first + plane; i++)
                call->out[0][i] =
                    (call->in[X][i] - mean) * rstd * call->in[GAMMA][c] +
                    call->in[BETA][c];
        }
        call->out[1][c] = mean;
        call->out[2][c] = rstd;
    }
}

static int bwd_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    int code = check("batchnorm_bwd", attrs, &in[BWD_X], &in[BWD_GAMMA],
                     n_in - BWD_GAMMA, err);

    if (code == ASSAY_OK)
        code = assay__need_shape("batchnorm_bwd", "dy", &in[BWD_DY], &in[BWD_X],
                                 err);
    out[0] = in[BWD_X];
    out[1] = in[BWD_GAMMA];
    out[2] = in[BWD_GAMMA];
    return code;
}

static void bwd_channel(const struct assay__call *call, int64_t c)
{
    const struct assay_shape *s = &call->in_shape[BWD_X];
    int64_t plane = assay__volume(s, 2);
    const double *x = call->in[BWD_X];
    const double *dy = call->in[BWD_DY];
    double mean = call->in[BWD_MEAN][c];
    double rstd = call->in[BWD_RSTD][c];
    double share = 0.0; /* 1 / M where the statistics depend on x */
    double sum = 0.0;
    double dot = 0.0;
    int64_t n;
    int64_t i;

    for (n = 0; n < s->dim[0]; n++) {
        int64_t first = (n * s->dim[1] + c) * plane;

        for (i = first; i < first + plane; i++) {
            sum += dy[i];
            dot += dy[i] * (x[i] - mean) * rstd;
        }
    }
    call->out[1][c] = dot;
    call->out[2][c] = sum;
    if (call->mode == ASSAY_MODE_TRAIN)
        share = 1.0 / (double)(s->dim[0] * plane);
    for (n = 0; n < s->dim[0]; n++) {
        int64_t first = (n * s->dim[1] + c) * plane;

        for (i = first; i < first + plane; i++)
            call->out[0][i] =
                call->in[BWD_GAMMA][c] * rstd *
                (dy[i] - share * (sum + (x[i] - mean) * rstd * dot));
    }
}

static void bwd_reference(const struct assay__call *call)
{
    int64_t c;

    for (c = 0; c < call->in_shape[BWD_X].dim[1]; c++)
        bwd_channel(call, c);
}

/* clang-format off */
#define CASE(text, c, ...) \
    {.label = text, .n_in = 5, \
     .in = {__VA_ARGS__, ASSAY__D1(c), ASSAY__D1(c), ASSAY__D1(c), \
            ASSAY__D1(c)}, \
     .attrs = {.eps = 1e-5, .momentum = 0.1}, .low = 0.5, .high = 2.5, \
     .no_grad = 1u << MEAN | 1u << VAR}

static const struct assay__op_case batchnorm_cases[] = {
    CASE("maps", 3, ASSAY__D4(2, 3, 4, 4)),
    CASE("16 channels", 16, ASSAY__D4(3, 16, 3, 2)),
    CASE("rows", 5, ASSAY__D2(8, 5)),
    CASE("batch 1", 4, ASSAY__D4(1, 4, 3, 5)),
    CASE("1x1 maps", 17, ASSAY__D4(6, 17, 1, 1)),
    {.label = NULL},
};

static const struct assay__op_case bwd_cases[] = {
    {.label = "maps", .n_in = 5,
     .in = {ASSAY__D4(2, 3, 4, 4), ASSAY__D4(2, 3, 4, 4), ASSAY__D1(3),
            ASSAY__D1(3), ASSAY__D1(3)},
     .attrs = {.eps = 1e-5}, .low = 0.5, .high = 2.5},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_batchnorm = {
    .name = "batchnorm",
    .min_in = 5,
    .max_in = 5,
    .n_out = 3,
    .mutates = 1u << MEAN | 1u << VAR,
    .fixed = 1u << GAMMA | 1u << BETA | 1u << MEAN | 1u << VAR,
    .private_out = 1u << 1 | 1u << 2,
    .tolerance = 1e-10, /* differences of near numbers */
    .cases = batchnorm_cases,
    .shape = batchnorm_shape,
    .backward = batchnorm_backward,
    .reference = batchnorm_reference,
};

const struct assay_op assay__op_batchnorm_bwd = {
    .name = "batchnorm_bwd",
    .min_in = 5,
    .max_in = 5,
    .n_out = 3,
    .fixed = 1u << BWD_GAMMA | 1u << BWD_MEAN | 1u << BWD_RSTD,
    .private_in = 1u << BWD_MEAN | 1u << BWD_RSTD,
    .tolerance = 1e-10,
    .cases = bwd_cases,
    .shape = bwd_shape,
    .reference = bwd_reference,
};
