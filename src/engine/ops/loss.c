/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses between two tensors of equal shape [N, ...], one number per record
 * (the mean over the rest), and the reductions of [N] to a scalar.
 */

#include <math.h>

#include "engine/ops/common.h"

static int need_pair(const char *op, const struct assay_shape *a,
                     const struct assay_shape *b, struct assay_error *err)
{
    int code = assay__need_rank(op, "the input", a, 1, ASSAY_RANK_MAX, err);

    if (code == ASSAY_OK)
        code = assay__need_shape(op, "the other input", b, a, err);
    return code;
}

/* dloss [N], then a pair; out[0] is of the pair's shape. */
static int need_bwd(const char *op, const struct assay_shape *in,
                    struct assay_shape *out, struct assay_error *err)
{
    int code = need_pair(op, &in[1], &in[2], err);

    if (code == ASSAY_OK)
        code = assay__need_row(op, "dloss", &in[0], in[1].dim[0], err);
    out[0] = in[1];
    return code;
}

static int bce_logits_shape(const struct assay_attrs *attrs, int n_in,
                            const struct assay_shape *in,
                            struct assay_shape *out, struct assay_error *err)
{
    (void)attrs;
    (void)n_in;
    out[0] = assay_shape_make(1, in[0].dim[0]);
    return need_pair("bce_logits", &in[0], &in[1], err);
}

static void bce_logits_backward(assay_graph *g, const struct assay__node *node,
                                const assay_value *d_out, const bool *want,
                                assay_value *d_in)
{
    if (want[1]) {
        assay_graph_fail(g, ASSAY_UNSUPPORTED,
                         "bce_logits has no derivative by targets");
        return;
    }
    d_in[0] = assay__node3(g, &assay__op_bce_logits_bwd, NULL, d_out[0],
                           node->in[0], node->in[1]);
}

static void bce_logits_reference(const struct assay__call *call)
{
    int64_t size = assay__volume(&call->in_shape[0], 1);
    int64_t n;
    int64_t i;

    for (n = 0; n < call->in_shape[0].dim[0]; n++) {
        const double *x = call->in[0] + n * size;
        const double *t = call->in[1] + n * size;
        double sum = 0.0;

        for (i = 0; i < size; i++)
            sum += (x[i] > 0.0 ? x[i] : 0.0) - x[i] * t[i] +
                   log1p(exp(-fabs(x[i])));
        call->out[0][n] = sum / (double)size;
    }
}

static int bce_logits_bwd_shape(const struct assay_attrs *attrs, int n_in,
                                const struct assay_shape *in,
                                struct assay_shape *out,
                                struct assay_error *err)
{
    (void)attrs;
    (void)n_in;
    return need_bwd("bce_logits_bwd", in, out, err);
}

static void bce_logits_bwd_reference(const struct assay__call *call)
{
    int64_t size = assay__volume(&call->in_shape[1], 1);
    int64_t all = assay__volume(&call->in_shape[1], 0);
    const double *x = call->in[1];
    const double *t = call->in[2];
    int64_t i;

    for (i = 0; i < all; i++)
        call->out[0][i] = call->in[0][i / size] / (double)size *
                          (1.0 / (1.0 + exp(-x[i])) - t[i]);
}

static int mse_shape(const struct assay_attrs *attrs, int n_in,
                     const struct assay_shape *in, struct assay_shape *out,
                     struct assay_error *err)
{
    (void)attrs;
    (void)n_in;
    out[0] = assay_shape_make(1, in[0].dim[0]);
    return need_pair("mse", &in[0], &in[1], err);
}

static void mse_backward(assay_graph *g, const struct assay__node *node,
                         const assay_value *d_out, const bool *want,
                         assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;
    int i;

    for (i = 0; i < 2; i++) {
        attrs.index = i;
        if (want[i])
            d_in[i] = assay__node3(g, &assay__op_mse_bwd, &attrs, d_out[0],
                                   node->in[0], node->in[1]);
    }
}

static void mse_reference(const struct assay__call *call)
{
    int64_t size = assay__volume(&call->in_shape[0], 1);
    int64_t n;
    int64_t i;

    for (n = 0; n < call->in_shape[0].dim[0]; n++) {
        const double *a = call->in[0] + n * size;
        const double *b = call->in[1] + n * size;
        double sum = 0.0;

        for (i = 0; i < size; i++)
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        call->out[0][n] = sum / (double)size;
    }
}

static int mse_bwd_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    int code = assay__need_range("mse_bwd", "side", attrs->index, 0, 1, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = need_bwd("mse_bwd", in, out, err);
    return code;
}

static void mse_bwd_reference(const struct assay__call *call)
{
    int64_t size = assay__volume(&call->in_shape[1], 1);
    int64_t all = assay__volume(&call->in_shape[1], 0);
    double scale = (call->attrs->index == 0 ? 2.0 : -2.0) / (double)size;
    int64_t i;

    for (i = 0; i < all; i++)
        call->out[0][i] =
            call->in[0][i / size] * scale * (call->in[1][i] - call->in[2][i]);
}

static int mean_shape(const struct assay_attrs *attrs, int n_in,
                      const struct assay_shape *in, struct assay_shape *out,
                      struct assay_error *err)
{
    (void)attrs;
    (void)n_in;
    out[0] = assay_shape_make(0);
    return assay__need_rank("mean", "x", &in[0], 1, 1, err);
}

static void mean_backward(assay_graph *g, const struct assay__node *node,
                          const assay_value *d_out, const bool *want,
                          assay_value *d_in)
{
    struct assay_attrs attrs = node->attrs;

    (void)want;
    attrs.shape = *assay_graph_shape(g, node->in[0]);
    d_in[0] = assay__node1(g, &assay__op_mean_bwd, &attrs, d_out[0]);
}

static void mean_reference(const struct assay__call *call)
{
    int64_t n = call->in_shape[0].dim[0];
    double sum = 0.0;
    int64_t i;

    for (i = 0; i < n; i++)
        sum += call->in[0][i];
    call->out[0][0] = sum / (double)n;
}

static int mean_bwd_shape(const struct assay_attrs *attrs, int n_in,
                          const struct assay_shape *in, struct assay_shape *out,
                          struct assay_error *err)
{
    int code = assay__need_rank("mean_bwd", "ds", &in[0], 0, 0, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code =
            assay__need_rank("mean_bwd", "its shape", &attrs->shape, 1, 1, err);
    out[0] = attrs->shape;
    return code;
}

static void mean_bwd_reference(const struct assay__call *call)
{
    int64_t n = call->out_shape[0].dim[0];
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[0][0] / (double)n;
}

static int weighted_sum_shape(const struct assay_attrs *attrs, int n_in,
                              const struct assay_shape *in,
                              struct assay_shape *out, struct assay_error *err)
{
    int code = assay__need_rank("weighted_sum", "x", &in[0], 1, 1, err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_shape("weighted_sum", "w", &in[1], &in[0], err);
    out[0] = assay_shape_make(0);
    return code;
}

static void weighted_sum_backward(assay_graph *g,
                                  const struct assay__node *node,
                                  const assay_value *d_out, const bool *want,
                                  assay_value *d_in)
{
    if (want[0])
        d_in[0] = assay__node2(g, &assay__op_weighted_sum_bwd, NULL, d_out[0],
                               node->in[1]);
}

static void weighted_sum_reference(const struct assay__call *call)
{
    int64_t n = call->in_shape[0].dim[0];
    double sum = 0.0;
    int64_t i;

    for (i = 0; i < n; i++)
        sum += call->in[0][i] * call->in[1][i];
    call->out[0][0] = sum;
}

static int weighted_sum_bwd_shape(const struct assay_attrs *attrs, int n_in,
                                  const struct assay_shape *in,
                                  struct assay_shape *out,
                                  struct assay_error *err)
{
    const char *op = "weighted_sum_bwd";
    int code = assay__need_rank(op, "ds", &in[0], 0, 0, err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_rank(op, "w", &in[1], 1, 1, err);
    out[0] = in[1];
    return code;
}

static void weighted_sum_bwd_reference(const struct assay__call *call)
{
    int64_t n = call->in_shape[1].dim[0];
    int64_t i;

    for (i = 0; i < n; i++)
        call->out[0][i] = call->in[0][0] * call->in[1][i];
}

/* clang-format off */
#define PAIR(text, S, skip) \
    {.label = (text), .n_in = 2, .in = {S, S}, .low = -2.0, .high = 2.0, \
     .away = 0.01, .no_grad = (skip)}
#define BWD(text, S, n, ...) \
    {.label = (text), .n_in = 3, .in = {ASSAY__D1(n), S, S}, .low = -2.0, \
     .high = 2.0, .attrs = {__VA_ARGS__}}
#define VECTORS(text, n, skip) \
    {.label = (text), .n_in = 2, .in = {ASSAY__D1(n), ASSAY__D1(n)}, \
     .low = -1.0, .high = 1.0, .no_grad = (skip)}

static const struct assay__op_case bce_cases[] = {
    PAIR("rows", ASSAY__D2(4, 5), 1u << 1),
    PAIR("one per record", ASSAY__D1(6), 1u << 1),
    PAIR("maps", ASSAY__D4(2, 3, 2, 2), 1u << 1),
    {.label = NULL},
};

static const struct assay__op_case mse_cases[] = {
    PAIR("rows", ASSAY__D2(4, 5), 0),
    PAIR("one per record", ASSAY__D1(6), 0),
    PAIR("maps", ASSAY__D4(2, 3, 4, 4), 0),
    {.label = NULL},
};

static const struct assay__op_case bce_bwd_cases[] = {
    BWD("rows", ASSAY__D2(4, 5), 4, .index = 0),
    {.label = NULL},
};

static const struct assay__op_case mse_bwd_cases[] = {
    BWD("side 0", ASSAY__D2(4, 5), 4, .index = 0),
    BWD("side 1", ASSAY__D4(2, 3, 4, 4), 2, .index = 1),
    {.label = NULL},
};

static const struct assay__op_case mean_cases[] = {
    {.label = "7", .n_in = 1, .in = {ASSAY__D1(7)}, .low = -1.0, .high = 1.0},
    {.label = "1", .n_in = 1, .in = {ASSAY__D1(1)}, .low = -1.0, .high = 1.0},
    {.label = NULL},
};

static const struct assay__op_case mean_bwd_cases[] = {
    {.label = "7", .n_in = 1, .in = {{0}}, .low = -1.0, .high = 1.0,
     .attrs = {.shape = ASSAY__D1(7)}},
    {.label = NULL},
};

static const struct assay__op_case weighted_sum_cases[] = {
    VECTORS("7", 7, 1u << 1),
    VECTORS("1", 1, 1u << 1),
    {.label = NULL},
};

static const struct assay__op_case weighted_sum_bwd_cases[] = {
    {.label = "7", .n_in = 2, .in = {{0}, ASSAY__D1(7)}, .low = -1.0,
     .high = 1.0},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_bce_logits = {
    .name = "bce_logits",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = bce_cases,
    .shape = bce_logits_shape,
    .backward = bce_logits_backward,
    .reference = bce_logits_reference,
};

const struct assay_op assay__op_bce_logits_bwd = {
    .name = "bce_logits_bwd",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = bce_bwd_cases,
    .shape = bce_logits_bwd_shape,
    .reference = bce_logits_bwd_reference,
};

const struct assay_op assay__op_mse = {
    .name = "mse",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = mse_cases,
    .shape = mse_shape,
    .backward = mse_backward,
    .reference = mse_reference,
};

const struct assay_op assay__op_mse_bwd = {
    .name = "mse_bwd",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = mse_bwd_cases,
    .shape = mse_bwd_shape,
    .reference = mse_bwd_reference,
};

const struct assay_op assay__op_mean = {
    .name = "mean",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = mean_cases,
    .shape = mean_shape,
    .backward = mean_backward,
    .reference = mean_reference,
};

const struct assay_op assay__op_mean_bwd = {
    .name = "mean_bwd",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .fixed = 1u << 0,
    .tolerance = 1e-12,
    .cases = mean_bwd_cases,
    .shape = mean_bwd_shape,
    .reference = mean_bwd_reference,
};

const struct assay_op assay__op_weighted_sum = {
    .name = "weighted_sum",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = weighted_sum_cases,
    .shape = weighted_sum_shape,
    .backward = weighted_sum_backward,
    .reference = weighted_sum_reference,
};

const struct assay_op assay__op_weighted_sum_bwd = {
    .name = "weighted_sum_bwd",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .fixed = 1u << 0,
    .tolerance = 1e-12,
    .cases = weighted_sum_bwd_cases,
    .shape = weighted_sum_bwd_shape,
    .reference = weighted_sum_bwd_reference,
};
