/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dropout. Whether an element is kept is a function of the run's stream,
 * the node and the element alone, so every backend and any number of
 * threads drops the same ones; the kept ones are divided by 1 - p.
 */

#include "assay/rng.h"
#include "engine/ops/common.h"

static int need_probability(const char *op, const struct assay_attrs *attrs,
                            struct assay_error *err)
{
    if (attrs->p >= 0.0 && attrs->p < 1.0)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_SHAPE,
                           "%s: p is %g, must be at least 0 and below 1", op,
                           attrs->p);
}

static int dropout_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    (void)n_in;
    out[0] = in[0];
    out[1] = in[0];
    return need_probability("dropout", attrs, err);
}

static void dropout_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in)
{
    (void)want;
    d_in[0] = assay__node2(g, &assay__op_dropout_bwd, &node->attrs, d_out[0],
                           node->out + 1);
}

static void dropout_reference(const struct assay__call *call)
{
    uint64_t stream = call->step << 16 | (uint64_t)call->node;
    uint64_t n = (uint64_t)assay__volume(&call->in_shape[0], 0);
    double p = call->attrs->p;
    double draw;
    uint64_t e;

    for (e = 0; e < n; e++) {
        call->out[1][e] = 1.0;
        if (call->mode == ASSAY_MODE_TRAIN) {
            draw =
                (double)(assay_rng_hash(call->seed, stream, e) >> 11) * 0x1p-53;
            call->out[1][e] = draw >= p ? 1.0 / (1.0 - p) : 0.0;
        }
        call->out[0][e] = call->in[0][e] * call->out[1][e];
    }
}

static int bwd_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    int code = need_probability("dropout_bwd", attrs, err);

    if (code != ASSAY_OK)
        return code;
    return assay__need_alike("dropout_bwd", n_in, in, out, err);
}

static void bwd_reference(const struct assay__call *call)
{
    int64_t n = assay__volume(&call->in_shape[0], 0);
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[0][i] * call->in[1][i];
}

/* clang-format off */
static const struct assay__op_case dropout_cases[] = {
    {.label = "rows", .n_in = 1, .in = {ASSAY__D2(4, 33)},
     .attrs = {.p = 0.5}, .low = -1.0, .high = 1.0},
    {.label = "maps", .n_in = 1, .in = {ASSAY__D4(2, 16, 3, 3)},
     .attrs = {.p = 0.2}, .low = -1.0, .high = 1.0},
    {.label = "p of 0", .n_in = 1, .in = {ASSAY__D2(4, 5)},
     .attrs = {.p = 0.0}, .low = -1.0, .high = 1.0},
    {.label = NULL},
};

static const struct assay__op_case bwd_cases[] = {
    {.label = "rows", .n_in = 2, .in = {ASSAY__D2(4, 7), ASSAY__D2(4, 7)},
     .attrs = {.p = 0.5}, .low = -1.0, .high = 1.0},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_dropout = {
    .name = "dropout",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .private_out = 1u << 1,
    .tolerance = 1e-13,
    .cases = dropout_cases,
    .shape = dropout_shape,
    .backward = dropout_backward,
    .reference = dropout_reference,
};

const struct assay_op assay__op_dropout_bwd = {
    .name = "dropout_bwd",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .private_in = 1u << 1,
    .tolerance = 1e-13,
    .cases = bwd_cases,
    .shape = bwd_shape,
    .reference = bwd_reference,
};
