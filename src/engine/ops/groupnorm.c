/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group normalisation of [N,C] or [N,C,H,W]: mean and biased variance of
 * each record's groups of C / groups neighbouring channels, M numbers each.
 *
 * With xhat = (x - mean) rstd and e = gamma dy the gradients are
 *   dbeta = sum over N, H, W of dy, dgamma = the same of dy xhat,
 *   dx = rstd (e - (sum e + xhat sum(e xhat)) / M), sums over the group.
 */

#include <math.h>
#include <string.h>

#include "engine/ops/common.h"

enum { X, GAMMA, BETA };
enum { BWD_X, BWD_DY, BWD_GAMMA, BWD_MEAN, BWD_RSTD };

static int check(const char *op, const struct assay_attrs *attrs,
                 const struct assay_shape *x, const struct assay_shape *gamma,
                 struct assay_error *err)
{
    int code = ASSAY_OK;

    if (x->rank != 2)
        code = assay__need_rank(op, "x", x, 4, 4, err);
    if (code == ASSAY_OK)
        code = assay__need_row(op, "gamma", gamma, x->dim[1], err);
    if (code == ASSAY_OK)
        code =
            assay__need_range(op, "groups", attrs->groups, 1, x->dim[1], err);
    if (code == ASSAY_OK && x->dim[1] % attrs->groups != 0)
        code = assay_error_set(err, ASSAY_SHAPE,
                               "%s: %lld channels are not a multiple of %d "
                               "groups",
                               op, (long long)x->dim[1], attrs->groups);
    if (code == ASSAY_OK && !(attrs->eps > 0.0 && attrs->eps < 1.0))
        code = assay_error_set(err, ASSAY_SHAPE,
                               "%s: eps is %g, must lie between 0 and 1", op,
                               attrs->eps);
    return code;
}

static int groupnorm_shape(const struct assay_attrs *attrs, int n_in,
                           const struct assay_shape *in,
                           struct assay_shape *out, struct assay_error *err)
{
    int code = check("groupnorm", attrs, &in[X], &in[GAMMA], err);

    (void)n_in;
    if (code == ASSAY_OK)
        code =
            assay__need_shape("groupnorm", "beta", &in[BETA], &in[GAMMA], err);
    out[0] = in[X];
    out[1] = assay_shape_make(2, in[X].dim[0], (int64_t)attrs->groups);
    out[2] = out[1];
    return code;
}

static void groupnorm_backward(assay_graph *g, const struct assay__node *node,
                               const assay_value *d_out, const bool *want,
                               assay_value *d_in)
{
    assay_value in[5];
    assay_value d;

    (void)want;
    in[BWD_X] = node->in[X];
    in[BWD_DY] = d_out[0];
    in[BWD_GAMMA] = node->in[GAMMA];
    in[BWD_MEAN] = node->out + 1;
    in[BWD_RSTD] = node->out + 2;
    d = assay_graph_node(g, "groupnorm_bwd", in, 5, &node->attrs);
    if (d == ASSAY_NO_VALUE)
        return;
    d_in[X] = d;
    d_in[GAMMA] = d + 1;
    d_in[BETA] = d + 2;
}

static void groupnorm_reference(const struct assay__call *call)
{
    const struct assay_shape *s = &call->in_shape[X];
    int64_t plane = assay__volume(s, 2);
    int64_t per_group = s->dim[1] / call->attrs->groups;
    int64_t size = per_group * plane;
    int64_t blocks = s->dim[0] * call->attrs->groups;
    const double *x = call->in[X];
    double *y = call->out[0];
    int64_t b;
    int64_t i;

    for (b = 0; b < blocks; b++, x += size, y += size) {
        int64_t first = b % call->attrs->groups * per_group;
        double mean = 0.0;
        double var = 0.0;
        double rstd;

        for (i = 0; i < size; i++)
            mean += x[i];
        mean /= (double)size;
        for (i = 0; i < size; i++)
            var += (x[i] - mean) * (x[i] - mean);
        rstd = 1.0 / sqrt(var / (double)size + call->attrs->eps);
        for (i = 0; i < size; i++)
            y[i] = (x[i] - mean) * rstd * call->in[GAMMA][first + i / plane] +
                   call->in[BETA][first + i / plane];
        call->out[1][b] = mean;
        call->out[2][b] = rstd;
    }
}

static int bwd_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    const char *op = "groupnorm_bwd";
    struct assay_shape rows;
    int code = check(op, attrs, &in[BWD_X], &in[BWD_GAMMA], err);

    (void)n_in;
    rows = assay_shape_make(2, in[BWD_X].dim[0], (int64_t)attrs->groups);
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "dy", &in[BWD_DY], &in[BWD_X], err);
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "the mean", &in[BWD_MEAN], &rows, err);
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "rstd", &in[BWD_RSTD], &rows, err);
    out[0] = in[BWD_X];
    out[1] = in[BWD_GAMMA];
    out[2] = in[BWD_GAMMA];
    return code;
}

/* Block b is one record's group; its first channel is `first`, and its sums
 * begin at `at` of dgamma and dbeta. */
static void bwd_block(const struct assay__call *call, int64_t b, int64_t first,
                      int64_t at, int64_t size, int64_t plane)
{
    const double *x = call->in[BWD_X] + b * size;
    const double *dy = call->in[BWD_DY] + b * size;
    const double *gamma = call->in[BWD_GAMMA] + first;
    double *dx = call->out[0] + b * size;
    double mean = call->in[BWD_MEAN][b];
    double rstd = call->in[BWD_RSTD][b];
    double sum = 0.0;
    double dot = 0.0;
    double hat;
    int64_t i;

    for (i = 0; i < size; i++) {
        hat = (x[i] - mean) * rstd;
        sum += gamma[i / plane] * dy[i];
        dot += gamma[i / plane] * dy[i] * hat;
        call->out[1][at + i / plane] += dy[i] * hat;
        call->out[2][at + i / plane] += dy[i];
    }
    for (i = 0; i < size; i++) {
        hat = (x[i] - mean) * rstd;
        dx[i] = rstd *
                (gamma[i / plane] * dy[i] - (sum + hat * dot) / (double)size);
    }
}

static void bwd_reference(const struct assay__call *call)
{
    const struct assay_shape *s = &call->in_shape[BWD_X];
    int64_t groups = call->attrs->groups;
    int64_t plane = assay__volume(s, 2);
    int64_t per_group = s->dim[1] / groups;
    int64_t b;

    memset(call->out[1], 0, (size_t)s->dim[1] * sizeof(double));
    memset(call->out[2], 0, (size_t)s->dim[1] * sizeof(double));
    for (b = 0; b < s->dim[0] * groups; b++)
        bwd_block(call, b, b % groups * per_group, b % groups * per_group,
                  per_group * plane, plane);
}

/* --- record by record ------------------------------------------------- */

enum { DGAMMA = 1, DBETA = 2 }; /* what is counted */

static int records_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    const char *op = "groupnorm_bwd_records";
    struct assay_shape rows;
    int code = check(op, attrs, &in[BWD_X], &in[BWD_GAMMA], err);

    (void)n_in;
    rows = assay_shape_make(2, in[BWD_X].dim[0], (int64_t)attrs->groups);
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "dy", &in[BWD_DY], &in[BWD_X], err);
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "the mean", &in[BWD_MEAN], &rows, err);
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "rstd", &in[BWD_RSTD], &rows, err);
    if (code == ASSAY_OK)
        code = assay__need_range(op, "index", attrs->index, 1, DGAMMA + DBETA,
                                 err);
    out[0] = in[BWD_X];
    out[1] = out[2] = assay_shape_make(2, in[BWD_X].dim[0], in[BWD_X].dim[1]);
    out[3] = assay_shape_make(1, in[BWD_X].dim[0]);
    return code;
}

static void records_reference(const struct assay__call *call)
{
    const struct assay_shape *s = &call->in_shape[BWD_X];
    int64_t groups = call->attrs->groups;
    int64_t plane = assay__volume(s, 2);
    int64_t per_group = s->dim[1] / groups;

    memset(call->out[1], 0, (size_t)(s->dim[0] * s->dim[1]) * sizeof(double));
    memset(call->out[2], 0, (size_t)(s->dim[0] * s->dim[1]) * sizeof(double));
    for (int64_t b = 0; b < s->dim[0] * groups; b++)
        bwd_block(call, b, b % groups * per_group, b * per_group,
                  per_group * plane, plane);
    for (int64_t n = 0; n < s->dim[0]; n++) {
        double sum = 0.0;

        for (int64_t c = n * s->dim[1]; c < (n + 1) * s->dim[1]; c++) {
            if (call->attrs->index & DGAMMA)
                sum += call->out[1][c] * call->out[1][c];
            if (call->attrs->index & DBETA)
                sum += call->out[2][c] * call->out[2][c];
        }
        call->out[3][n] = sum;
    }
}

/* kept: squares, dgamma and dbeta of each record. */
static void records_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in, assay_value *kept)
{
    struct assay_attrs attrs = node->attrs;
    assay_value in[5];
    assay_value d;

    in[BWD_X] = node->in[X];
    in[BWD_DY] = d_out[0];
    in[BWD_GAMMA] = node->in[GAMMA];
    in[BWD_MEAN] = node->out + 1;
    in[BWD_RSTD] = node->out + 2;
    attrs.index = (want[GAMMA] ? DGAMMA : 0) | (want[BETA] ? DBETA : 0);
    d = assay_graph_node(g, "groupnorm_bwd_records", in, 5, &attrs);
    if (d == ASSAY_NO_VALUE)
        return;
    d_in[X] = d;
    kept[0] = d + 3;
    kept[1] = d + 1;
    kept[2] = d + 2;
}

static void records_gather(assay_graph *g, const struct assay__node *node,
                           const assay_value *kept, assay_value factor,
                           const bool *want, assay_value *d_in)
{
    (void)node;
    if (want[GAMMA])
        d_in[GAMMA] =
            assay__node2(g, &assay__op_weighted_rows, NULL, kept[1], factor);
    if (want[BETA])
        d_in[BETA] =
            assay__node2(g, &assay__op_weighted_rows, NULL, kept[2], factor);
}

static const struct assay__record_rule records = {
    .params = 1u << GAMMA | 1u << BETA,
    .backward = records_backward,
    .gather = records_gather,
};

/* clang-format off */
#define CASE(text, c, g, ...) \
    {.label = text, .n_in = 3, \
     .in = {__VA_ARGS__, ASSAY__D1(c), ASSAY__D1(c)}, \
     .attrs = {.eps = 1e-5, .groups = g}, .low = -1.5, .high = 1.5}

static const struct assay__op_case groupnorm_cases[] = {
    CASE("2 groups", 4, 2, ASSAY__D4(2, 4, 3, 3)),
    CASE("1 group", 3, 1, ASSAY__D4(2, 3, 2, 4)),
    CASE("a group per channel", 3, 3, ASSAY__D4(1, 3, 3, 3)),
    CASE("rows", 6, 2, ASSAY__D2(4, 6)),
    CASE("32 channels", 32, 8, ASSAY__D4(2, 32, 2, 2)),
    {.label = NULL},
};

static const struct assay__op_case bwd_cases[] = {
    {.label = "2 groups", .n_in = 5,
     .in = {ASSAY__D4(2, 4, 3, 3), ASSAY__D4(2, 4, 3, 3), ASSAY__D1(4),
            ASSAY__D2(2, 2), ASSAY__D2(2, 2)},
     .attrs = {.eps = 1e-5, .groups = 2}, .low = 0.5, .high = 2.0},
    {.label = NULL},
};

static const struct assay__op_case records_cases[] = {
    {.label = "2 groups", .n_in = 5,
     .in = {ASSAY__D4(2, 4, 3, 3), ASSAY__D4(2, 4, 3, 3), ASSAY__D1(4),
            ASSAY__D2(2, 2), ASSAY__D2(2, 2)},
     .attrs = {.eps = 1e-5, .groups = 2, .index = 3}, .low = 0.5,
     .high = 2.0},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_groupnorm = {
    .name = "groupnorm",
    .min_in = 3,
    .max_in = 3,
    .n_out = 3,
    .fixed = 1u << GAMMA | 1u << BETA,
    .private_out = 1u << 1 | 1u << 2,
    .tolerance = 1e-10,
    .cases = groupnorm_cases,
    .shape = groupnorm_shape,
    .backward = groupnorm_backward,
    .reference = groupnorm_reference,
    .records = &records,
};

const struct assay_op assay__op_groupnorm_bwd = {
    .name = "groupnorm_bwd",
    .min_in = 5,
    .max_in = 5,
    .n_out = 3,
    .fixed = 1u << BWD_GAMMA,
    .private_in = 1u << BWD_MEAN | 1u << BWD_RSTD,
    .tolerance = 1e-10,
    .cases = bwd_cases,
    .shape = bwd_shape,
    .reference = bwd_reference,
};

const struct assay_op assay__op_groupnorm_bwd_records = {
    .name = "groupnorm_bwd_records",
    .min_in = 5,
    .max_in = 5,
    .n_out = 4,
    .fixed = 1u << BWD_GAMMA,
    .private_in = 1u << BWD_MEAN | 1u << BWD_RSTD,
    .tolerance = 1e-10,
    .cases = records_cases,
    .shape = records_shape,
    .reference = records_reference,
};
