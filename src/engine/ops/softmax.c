/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops over rows of class scores [N,K]: softmax, its cross-entropy with a
 * label, the divergence of two rows at a temperature, and whether the
 * largest score is the label's. All by log-sum-exp, so that scores of any
 * size overflow nothing.
 *
 * A label is a class index held as a number; one that is no integer in
 * 0 .. K-1 makes its record's loss NaN and its gradient 0, so that bad data
 * is seen and nothing is read out of bounds.
 */

#include <math.h>
#include <string.h>

#include "engine/ops/common.h"

static int need_rows(const char *op, const struct assay_shape *x,
                     struct assay_error *err)
{
    return assay__need_rank(op, "the input", x, 2, 2, err);
}

/* out = softmax(x * scale); returns log sum exp(x * scale). */
static double softmax_row(const double *x, int64_t k, double scale, double *out)
{
    double top = -(double)INFINITY;
    double sum = 0.0;
    int64_t i;

    for (i = 0; i < k; i++)
        if (x[i] * scale > top)
            top = x[i] * scale;
    for (i = 0; i < k; i++) {
        out[i] = exp(x[i] * scale - top);
        sum += out[i];
    }
    for (i = 0; i < k; i++)
        out[i] /= sum;
    return top + log(sum);
}

static double log_sum_exp(const double *x, int64_t k, double scale)
{
    double top = -(double)INFINITY;
    double sum = 0.0;
    int64_t i;

    for (i = 0; i < k; i++)
        if (x[i] * scale > top)
            top = x[i] * scale;
    for (i = 0; i < k; i++)
        sum += exp(x[i] * scale - top);
    return top + log(sum);
}

/* The class index, or -1 when it is none of 0 .. k-1. */
static int64_t label_of(double label, int64_t k)
{
    if (!(label >= 0.0 && label < (double)k) || label != floor(label))
        return -1;
    return (int64_t)label;
}

static int softmax_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    (void)attrs;
    (void)n_in;
    out[0] = in[0];
    return need_rows("softmax", &in[0], err);
}

static void softmax_backward(assay_graph *g, const struct assay__node *node,
                             const assay_value *d_out, const bool *want,
                             assay_value *d_in)
{
    (void)want;
    d_in[0] =
        assay__node2(g, &assay__op_softmax_bwd, NULL, d_out[0], node->out);
}

static void softmax_reference(const struct assay__call *call)
{
    int64_t k = call->in_shape[0].dim[1];
    int64_t n;

    for (n = 0; n < call->in_shape[0].dim[0]; n++)
        softmax_row(call->in[0] + n * k, k, 1.0, call->out[0] + n * k);
}

static int softmax_bwd_shape(const struct assay_attrs *attrs, int n_in,
                             const struct assay_shape *in,
                             struct assay_shape *out, struct assay_error *err)
{
    int code = need_rows("softmax_bwd", &in[0], err);

    (void)attrs;
    if (code != ASSAY_OK)
        return code;
    return assay__need_alike("softmax_bwd", n_in, in, out, err);
}

static void softmax_bwd_reference(const struct assay__call *call)
{
    int64_t k = call->in_shape[0].dim[1];
    int64_t n;
    int64_t i;

    for (n = 0; n < call->in_shape[0].dim[0]; n++) {
        const double *dy = call->in[0] + n * k;
        const double *y = call->in[1] + n * k;
        double dot = 0.0;

        for (i = 0; i < k; i++)
            dot += dy[i] * y[i];
        for (i = 0; i < k; i++)
            call->out[0][n * k + i] = y[i] * (dy[i] - dot);
    }
}

static int softmax_xent_shape(const struct assay_attrs *attrs, int n_in,
                              const struct assay_shape *in,
                              struct assay_shape *out, struct assay_error *err)
{
    int code = need_rows("softmax_xent", &in[0], err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_row("softmax_xent", "labels", &in[1], in[0].dim[0],
                               err);
    out[0] = in[1];
    out[1] = in[0];
    return code;
}

static void softmax_xent_backward(assay_graph *g,
                                  const struct assay__node *node,
                                  const assay_value *d_out, const bool *want,
                                  assay_value *d_in)
{
    assay_value d_prob;

    if (want[1]) {
        assay_graph_fail(g, ASSAY_UNSUPPORTED,
                         "softmax_xent has no derivative by labels");
        return;
    }
    if (d_out[0] != ASSAY_NO_VALUE)
        d_in[0] = assay__node3(g, &assay__op_softmax_xent_bwd, NULL, d_out[0],
                               node->out + 1, node->in[1]);
    if (d_out[1] == ASSAY_NO_VALUE)
        return;
    d_prob =
        assay__node2(g, &assay__op_softmax_bwd, NULL, d_out[1], node->out + 1);
    if (d_in[0] != ASSAY_NO_VALUE)
        d_prob = assay__node2(g, &assay__op_add, NULL, d_in[0], d_prob);
    d_in[0] = d_prob;
}

static void softmax_xent_reference(const struct assay__call *call)
{
    int64_t k = call->in_shape[0].dim[1];
    double all;
    int64_t label;
    int64_t n;

    for (n = 0; n < call->in_shape[0].dim[0]; n++) {
        const double *x = call->in[0] + n * k;

        all = softmax_row(x, k, 1.0, call->out[1] + n * k);
        label = label_of(call->in[1][n], k);
        call->out[0][n] = label < 0 ? (double)NAN : all - x[label];
    }
}

static int softmax_xent_bwd_shape(const struct assay_attrs *attrs, int n_in,
                                  const struct assay_shape *in,
                                  struct assay_shape *out,
                                  struct assay_error *err)
{
    const char *op = "softmax_xent_bwd";
    int code = need_rows(op, &in[1], err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_row(op, "dloss", &in[0], in[1].dim[0], err);
    if (code == ASSAY_OK)
        code = assay__need_row(op, "labels", &in[2], in[1].dim[0], err);
    out[0] = in[1];
    return code;
}

static void softmax_xent_bwd_reference(const struct assay__call *call)
{
    int64_t k = call->in_shape[1].dim[1];
    int64_t n;
    int64_t i;

    for (n = 0; n < call->in_shape[1].dim[0]; n++) {
        const double *prob = call->in[1] + n * k;
        double *dx = call->out[0] + n * k;
        double scale = call->in[0][n];
        int64_t label = label_of(call->in[2][n], k);

        if (label < 0) {
            memset(dx, 0, (size_t)k * sizeof *dx);
            continue;
        }
        for (i = 0; i < k; i++)
            dx[i] = scale * (prob[i] - (i == label ? 1.0 : 0.0));
    }
}

static int need_temperature(const char *op, const struct assay_attrs *attrs,
                            struct assay_error *err)
{
    if (attrs->alpha > 0.0 && isfinite(attrs->alpha))
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_SHAPE,
                           "%s: temperature is %g, must be finite and above 0",
                           op, attrs->alpha);
}

static int kl_logits_shape(const struct assay_attrs *attrs, int n_in,
                           const struct assay_shape *in,
                           struct assay_shape *out, struct assay_error *err)
{
    int code = need_temperature("kl_logits", attrs, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = need_rows("kl_logits", &in[0], err);
    if (code == ASSAY_OK)
        code =
            assay__need_shape("kl_logits", "the teacher", &in[1], &in[0], err);
    out[0] = assay_shape_make(1, in[0].dim[0]);
    return code;
}

static void kl_logits_backward(assay_graph *g, const struct assay__node *node,
                               const assay_value *d_out, const bool *want,
                               assay_value *d_in)
{
    if (want[0])
        d_in[0] = assay__node3(g, &assay__op_kl_logits_bwd, &node->attrs,
                               d_out[0], node->in[0], node->in[1]);
}

static void kl_logits_reference(const struct assay__call *call)
{
    int64_t k = call->in_shape[0].dim[1];
    double t = call->attrs->alpha;
    double log_s;
    double log_t;
    double lp;
    double lq;
    int64_t n;
    int64_t i;

    for (n = 0; n < call->in_shape[0].dim[0]; n++) {
        const double *s = call->in[0] + n * k;
        const double *u = call->in[1] + n * k;
        double sum = 0.0;

        log_s = log_sum_exp(s, k, 1.0 / t);
        log_t = log_sum_exp(u, k, 1.0 / t);
        for (i = 0; i < k; i++) {
            lp = u[i] / t - log_t;
            lq = s[i] / t - log_s;
            sum += exp(lp) * (lp - lq);
        }
        call->out[0][n] = t * t * sum;
    }
}

static int kl_logits_bwd_shape(const struct assay_attrs *attrs, int n_in,
                               const struct assay_shape *in,
                               struct assay_shape *out, struct assay_error *err)
{
    const char *op = "kl_logits_bwd";
    int code = need_temperature(op, attrs, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = need_rows(op, &in[1], err);
    if (code == ASSAY_OK)
        code = assay__need_row(op, "dloss", &in[0], in[1].dim[0], err);
    if (code == ASSAY_OK)
        code = assay__need_shape(op, "the teacher", &in[2], &in[1], err);
    out[0] = in[1];
    return code;
}

static void kl_logits_bwd_reference(const struct assay__call *call)
{
    int64_t k = call->in_shape[1].dim[1];
    double t = call->attrs->alpha;
    int64_t n;
    int64_t i;

    for (n = 0; n < call->in_shape[1].dim[0]; n++) {
        const double *s = call->in[1] + n * k;
        const double *u = call->in[2] + n * k;
        double *dx = call->out[0] + n * k;
        double scale = call->in[0][n] * t;
        double log_t = log_sum_exp(u, k, 1.0 / t);

        softmax_row(s, k, 1.0 / t, dx);
        for (i = 0; i < k; i++)
            dx[i] = scale * (dx[i] - exp(u[i] / t - log_t));
    }
}

static int correct_shape(const struct assay_attrs *attrs, int n_in,
                         const struct assay_shape *in, struct assay_shape *out,
                         struct assay_error *err)
{
    int code = need_rows("correct", &in[0], err);

    (void)attrs;
    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_row("correct", "labels", &in[1], in[0].dim[0], err);
    out[0] = in[1];
    return code;
}

static void correct_reference(const struct assay__call *call)
{
    int64_t k = call->in_shape[0].dim[1];
    int64_t best;
    int64_t n;
    int64_t i;

    for (n = 0; n < call->in_shape[0].dim[0]; n++) {
        const double *x = call->in[0] + n * k;

        best = 0;
        for (i = 1; i < k; i++)
            if (x[i] > x[best])
                best = i;
        call->out[0][n] = best == label_of(call->in[1][n], k) ? 1.0 : 0.0;
    }
}

/* clang-format off */
#define ROWS(n, k) ASSAY__D2(n, k)

static const struct assay__op_case softmax_cases[] = {
    {.label = "rows", .n_in = 1, .in = {ROWS(4, 7)}, .low = -3.0, .high = 3.0},
    {.label = "two classes", .n_in = 1, .in = {ROWS(3, 2)}, .low = -30.0,
     .high = 30.0},
    {.label = "batch 1", .n_in = 1, .in = {ROWS(1, 100)}, .low = -3.0,
     .high = 3.0},
    {.label = NULL},
};

static const struct assay__op_case softmax_bwd_cases[] = {
    {.label = "rows", .n_in = 2, .in = {ROWS(4, 7), ROWS(4, 7)}, .low = 0.0,
     .high = 1.0},
    {.label = NULL},
};

static const struct assay__op_case label_cases[] = {
    {.label = "7 classes", .n_in = 2, .in = {ROWS(5, 7), ASSAY__D1(5)},
     .low = 0.0, .high = 7.0, .integer_inputs = 1u << 1,
     .no_grad = 1u << 1},
    {.label = "2 classes, batch 1", .n_in = 2, .in = {ROWS(1, 2),
     ASSAY__D1(1)}, .low = -2.0, .high = 2.0, .integer_inputs = 1u << 1,
     .no_grad = 1u << 1},
    {.label = "scores far apart", .n_in = 2, .in = {ROWS(9, 16),
     ASSAY__D1(9)}, .low = -40.0, .high = 16.0, .integer_inputs = 1u << 1,
     .no_grad = 1u << 1},
    {.label = NULL},
};

static const struct assay__op_case xent_bwd_cases[] = {
    {.label = "7 classes", .n_in = 3,
     .in = {ASSAY__D1(5), ROWS(5, 7), ASSAY__D1(5)}, .low = 0.0, .high = 7.0,
     .integer_inputs = 1u << 2},
    {.label = NULL},
};

static const struct assay__op_case kl_cases[] = {
    {.label = "T of 1", .n_in = 2, .in = {ROWS(4, 7), ROWS(4, 7)},
     .attrs = {.alpha = 1.0}, .low = -3.0, .high = 3.0, .no_grad = 1u << 1},
    {.label = "T of 4", .n_in = 2, .in = {ROWS(2, 10), ROWS(2, 10)},
     .attrs = {.alpha = 4.0}, .low = -9.0, .high = 9.0, .no_grad = 1u << 1},
    {.label = NULL},
};

static const struct assay__op_case kl_bwd_cases[] = {
    {.label = "T of 2", .n_in = 3,
     .in = {ASSAY__D1(4), ROWS(4, 7), ROWS(4, 7)}, .attrs = {.alpha = 2.0},
     .low = -3.0, .high = 3.0},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_softmax = {
    .name = "softmax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = softmax_cases,
    .shape = softmax_shape,
    .backward = softmax_backward,
    .reference = softmax_reference,
};

const struct assay_op assay__op_softmax_bwd = {
    .name = "softmax_bwd",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = softmax_bwd_cases,
    .shape = softmax_bwd_shape,
    .reference = softmax_bwd_reference,
};

const struct assay_op assay__op_softmax_xent = {
    .name = "softmax_xent",
    .min_in = 2,
    .max_in = 2,
    .n_out = 2,
    .tolerance = 1e-11,
    .cases = label_cases,
    .shape = softmax_xent_shape,
    .backward = softmax_xent_backward,
    .reference = softmax_xent_reference,
};

const struct assay_op assay__op_softmax_xent_bwd = {
    .name = "softmax_xent_bwd",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .tolerance = 1e-11,
    .cases = xent_bwd_cases,
    .shape = softmax_xent_bwd_shape,
    .reference = softmax_xent_bwd_reference,
};

const struct assay_op assay__op_kl_logits = {
    .name = "kl_logits",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-10, /* terms cancel */
    .cases = kl_cases,
    .shape = kl_logits_shape,
    .backward = kl_logits_backward,
    .reference = kl_logits_reference,
};

const struct assay_op assay__op_kl_logits_bwd = {
    .name = "kl_logits_bwd",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .tolerance = 1e-10,
    .cases = kl_bwd_cases,
    .shape = kl_logits_bwd_shape,
    .reference = kl_logits_bwd_reference,
};

const struct assay_op assay__op_correct = {
    .name = "correct",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .tolerance = 1e-14,
    .cases = label_cases,
    .shape = correct_shape,
    .reference = correct_reference,
};
