/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loss of RelaxLoss (Chen, Yu and Fritz, ICLR 2022, algorithm 1): the
 * mean cross-entropy m of the batch is driven to a level alpha, not to 0.
 *
 *   even epochs           |m - alpha|: descent above the level, ascent below
 *   odd epochs, m > alpha m
 *   odd epochs else       posterior flattening: cross-entropy is raised, and
 *                         of records that are misclassified the posteriors of
 *                         all other classes are drawn together
 *
 * Records see each other only through the sign of m - alpha, which has no
 * derivative, so the result is still one number per record, whose mean is
 * the paper's loss.
 */

#include <math.h>

#include "engine/ops/common.h"

/* What a batch does at a record. */
enum turn { DESCEND, ASCEND, STAY, FLATTEN };

/* A record's posteriors, as far as the loss needs them. */
struct posterior {
    double top;       /* largest logit */
    double norm;      /* log sum exp */
    int64_t label;    /* or -1: none of 0 .. k-1 */
    int64_t argmax;   /* the first of equals */
    double log_label; /* log p[label] */
    double log_rest;  /* mean of log p over the other classes */
};

static struct posterior read_row(const double *x, int64_t k, double label)
{
    struct posterior r = {.top = -(double)INFINITY, .label = -1};
    double sum = 0.0;
    double rest = 0.0;
    int64_t i;

    for (i = 0; i < k; i++) {
        if (x[i] > r.top) {
            r.top = x[i];
            r.argmax = i;
        }
    }
    for (i = 0; i < k; i++)
        sum += exp(x[i] - r.top);
    r.norm = r.top + log(sum);
    if (!(label >= 0.0 && label < (double)k) || label != floor(label))
        return r;
    r.label = (int64_t)label;
    for (i = 0; i < k; i++)
        if (i != r.label)
            rest += x[i] - r.norm;
    r.log_label = x[r.label] - r.norm;
    r.log_rest = rest / (double)(k - 1);
    return r;
}

/* The mean cross-entropy; NaN when a label is none. */
static double mean_loss(const double *logits, const double *labels, int64_t n,
                        int64_t k)
{
    double sum = 0.0;
    int64_t i;

    for (i = 0; i < n; i++) {
        struct posterior r = read_row(logits + i * k, k, labels[i]);

        sum -= r.label < 0 ? (double)NAN : r.log_label;
    }
    return sum / (double)n;
}

static enum turn turn_of(double mean, double alpha, double epoch)
{
    if (mean > alpha)
        return DESCEND;
    if (fmod(epoch, 2.0) != 0.0)
        return FLATTEN;
    return mean < alpha ? ASCEND : STAY;
}

static int need_batch(const char *op, const struct assay_attrs *attrs,
                      const struct assay_shape *in, struct assay_error *err)
{
    int code = assay__need_rank(op, "logits", &in[0], 2, 2, err);

    if (code == ASSAY_OK)
        code =
            assay__need_range(op, "classes", in[0].dim[1], 2, INT32_MAX, err);
    if (code == ASSAY_OK)
        code = assay__need_row(op, "labels", &in[1], in[0].dim[0], err);
    if (code == ASSAY_OK)
        code = assay__need_row(op, "epoch", &in[2], in[0].dim[0], err);
    if (code == ASSAY_OK && !(attrs->alpha >= 0.0 && isfinite(attrs->alpha)))
        code = assay_error_set(err, ASSAY_ARG,
                               "%s: the level is %g, from 0 on is possible", op,
                               attrs->alpha);
    return code;
}

static int relax_shape(const struct assay_attrs *attrs, int n_in,
                       const struct assay_shape *in, struct assay_shape *out,
                       struct assay_error *err)
{
    (void)n_in;
    out[0] = in[1];
    return need_batch("relax", attrs, in, err);
}

static void relax_backward(assay_graph *g, const struct assay__node *node,
                           const assay_value *d_out, const bool *want,
                           assay_value *d_in)
{
    assay_value in[4] = {d_out[0], node->in[0], node->in[1], node->in[2]};

    if (want[1] || want[2]) {
        assay_graph_fail(g, ASSAY_UNSUPPORTED,
                         "relax has no derivative by labels or epochs");
        return;
    }
    d_in[0] =
        assay_graph_node(g, assay__op_relax_bwd.name, in, 4, &node->attrs);
}

/* Cross-entropy of the row with its own flattened posteriors: p[label] for
 * the label, the rest of it in equal shares. */
static double flat_loss(const struct posterior *r)
{
    double own = exp(r->log_label);

    return -own * r->log_label - (1.0 - own) * r->log_rest;
}

static double record_loss(const struct posterior *r, enum turn turn,
                          double epoch, double alpha)
{
    double loss = -r->log_label;

    if (r->label < 0)
        return (double)NAN;
    switch (turn) {
    case DESCEND:
        return fmod(epoch, 2.0) != 0.0 ? loss : loss - alpha;
    case ASCEND:
        return alpha - loss;
    case STAY:
        return 0.0;
    case FLATTEN:
        break;
    }
    return (r->argmax != r->label ? flat_loss(r) : 0.0) - loss;
}

static void relax_reference(const struct assay__call *call)
{
    int64_t n = call->in_shape[0].dim[0];
    int64_t k = call->in_shape[0].dim[1];
    double alpha = call->attrs->alpha;
    double mean = mean_loss(call->in[0], call->in[1], n, k);
    int64_t i;

    for (i = 0; i < n; i++) {
        double epoch = call->in[2][i];
        struct posterior r = read_row(call->in[0] + i * k, k, call->in[1][i]);

        call->out[0][i] =
            record_loss(&r, turn_of(mean, alpha, epoch), epoch, alpha);
    }
}

static int relax_bwd_shape(const struct assay_attrs *attrs, int n_in,
                           const struct assay_shape *in,
                           struct assay_shape *out, struct assay_error *err)
{
    int code = need_batch("relax_bwd", attrs, in + 1, err);

    (void)n_in;
    if (code == ASSAY_OK)
        code = assay__need_row("relax_bwd", "dloss", &in[0], in[1].dim[0], err);
    out[0] = in[1];
    return code;
}

/* d[] = factor (softmax - onehot): that of cross-entropy. */
static void entropy_gradient(const double *x, int64_t k,
                             const struct posterior *r, double factor,
                             double *d)
{
    int64_t i;

    for (i = 0; i < k; i++)
        d[i] = factor * (exp(x[i] - r->norm) - (i == r->label));
}

/*
 * d[] += factor d flat_loss. The flattened posteriors t are a function of
 * the logits too: by the product rule, with sum t = 1,
 *   p_i - t_i + p_label ([i = label] - p_i) (log_rest - log_label).
 */
static void flat_gradient(const double *x, int64_t k, const struct posterior *r,
                          double factor, double *d)
{
    double own = exp(r->log_label);
    double rest = (1.0 - own) / (double)(k - 1);
    double pull = own * (r->log_rest - r->log_label);
    int64_t i;

    for (i = 0; i < k; i++) {
        double p = exp(x[i] - r->norm);
        double is_label = i == r->label;

        d[i] +=
            factor * (p - (i == r->label ? own : rest) + pull * (is_label - p));
    }
}

static void relax_bwd_reference(const struct assay__call *call)
{
    int64_t n = call->in_shape[1].dim[0];
    int64_t k = call->in_shape[1].dim[1];
    double alpha = call->attrs->alpha;
    double mean = mean_loss(call->in[1], call->in[2], n, k);
    int64_t i;

    for (i = 0; i < n; i++) {
        static const double sign[] = {
            [DESCEND] = 1.0, [ASCEND] = -1.0, [STAY] = 0.0, [FLATTEN] = -1.0};
        const double *x = call->in[1] + i * k;
        double *d = call->out[0] + i * k;
        struct posterior r = read_row(x, k, call->in[2][i]);
        enum turn turn = turn_of(mean, alpha, call->in[3][i]);
        double dloss = r.label < 0 ? 0.0 : call->in[0][i];

        entropy_gradient(x, k, &r, dloss * sign[turn], d);
        if (turn == FLATTEN && r.label >= 0 && r.argmax != r.label)
            flat_gradient(x, k, &r, dloss, d);
    }
}

/* clang-format off */
#define BATCH(text, N, K, level) \
    {.label = (text), .n_in = 3, \
     .in = {ASSAY__D2(N, K), ASSAY__D1(N), ASSAY__D1(N)}, \
     .attrs = {.alpha = (level)}, .low = 0.0, .high = (K), \
     .integer_inputs = 1u << 1 | 1u << 2}

static const struct assay__op_case relax_cases[] = {
    BATCH("above the level", 6, 5, 0.125),
    BATCH("below the level", 9, 5, 50.0),
    BATCH("two classes", 7, 2, 50.0),
    {.label = NULL},
};

static const struct assay__op_case relax_bwd_cases[] = {
    {.label = "below the level", .n_in = 4,
     .in = {ASSAY__D1(5), ASSAY__D2(5, 7), ASSAY__D1(5), ASSAY__D1(5)},
     .attrs = {.alpha = 50.0}, .low = 0.0, .high = 7.0,
     .integer_inputs = 1u << 2 | 1u << 3},
    {.label = NULL},
};
/* clang-format on */

const struct assay_op assay__op_relax = {
    .name = "relax",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .tolerance = 1e-10, /* terms cancel */
    .cases = relax_cases,
    .shape = relax_shape,
    .backward = relax_backward,
    .reference = relax_reference,
};

const struct assay_op assay__op_relax_bwd = {
    .name = "relax_bwd",
    .min_in = 4,
    .max_in = 4,
    .n_out = 1,
    .tolerance = 1e-10,
    .cases = relax_bwd_cases,
    .shape = relax_bwd_shape,
    .reference = relax_bwd_reference,
};
