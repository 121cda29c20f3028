/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ML-Doctor's four membership attacks (Liu et al., USENIX Security 2022,
 * after Salem et al., NDSS 2019, and Nasr et al., S&P 2019): a network
 * learns to tell members from non-members by what a model says of them.
 *
 * Threat models: black-box or white-box, with
 *   shadow   trained on a shadow model's own members and non-members, tested
 *            on all audited records
 *   partial  trained on a random third of the target's members and as many
 *            non-members, tested on another third of each; the last third
 *            is left out, as in the published code
 *
 * Features and networks: network_features.c, network_graph.c. Both sides
 * are balanced to the smaller when training. Score: member logit less
 * non-member logit, so 0 is the decision.
 *
 * Deviations from the published code, whose gradients are never zeroed and
 * whose black-box loss applies softmax twice: Adam runs on fresh gradients
 * of the plain cross-entropy, in a new order each epoch, at a larger rate
 * for fewer epochs (its 1e-5 suits gradients that pile up). White-box networks
 * also get the model's confidence on altered copies of the record, which a
 * holder of the model may ask for at will; with the parameter `queries` 0 they
 * keep to the published features.
 */

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "assay/train.h"
#include "attacks/membership/network.h"
#include "attacks/membership/scores.h"
#include "core/mem.h"

enum {
    PARAM_EPOCHS,
    PARAM_LR,
    PARAM_BATCH,
    PARAM_QUERIES,            /* white-box */
    PARAM_TOP = PARAM_QUERIES /* black-box */
};

/* clang-format off */
#define COMMON_PARAMS                                                   \
    {"epochs", 20, 1, 10000, "training epochs of the attack network"},  \
    {"lr", 1e-3, 1e-8, 1, "Adam's learning rate"},                      \
    {"batch", 64, 1, 65536, "batch size"}
/* clang-format on */

static const struct assay_setting black_params[] = {
    COMMON_PARAMS,
    {"top", 0, 0, 65536, "posteriors that are heard, the largest; 0: all"},
    {NULL, 0, 0, 0, NULL}};

static const struct assay_setting white_params[] = {
    COMMON_PARAMS,
    {"queries", 1, 0, 1, "1: hear answers on altered copies, too"},
    {NULL, 0, 0, 0, NULL}};

enum { SCORE_BATCH = 256 };

/* A training or scoring set: rows, their features' scale, the network. */
struct attack {
    const struct assay_attack_input *in;
    int white_box;
    struct assay__row *train;
    size_t n_train;
    struct assay__row *test;
    size_t n_test;
    struct assay__feature_scale scale;
    struct assay__network net;
    struct assay_params weights;
    double *scratch;
};

static void add_rows(struct assay__row *rows, size_t *n,
                     const struct assay_evidence *e, const uint32_t *order,
                     size_t first, size_t count, int member)
{
    for (size_t i = 0; i < count; i++) {
        struct assay__row *row = &rows[(*n)++];

        row->evidence = e;
        row->index = order ? order[first + i] : (uint32_t)(first + i);
        row->member = (float)member;
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int rows_alloc(struct attack *a, size_t n_train, size_t n_test,
                      struct assay_error *err)
{
    a->train = assay__calloc(n_train, sizeof(*a->train));
    a->test = assay__calloc(n_test, sizeof(*a->test));
    if (a->train && a->test)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_NOMEM, "attack network: out of memory");
}

static int shadow_rows(struct attack *a, struct assay_error *err)
{
    const struct assay_attack_input *in = a->in;
    size_t half = smaller(in->shadow_members->n, in->shadow_nonmembers->n);
    int rc = rows_alloc(a, 2 * half, in->members->n + in->nonmembers->n, err);

    if (rc)
        return rc;
    add_rows(a->train, &a->n_train, in->shadow_members, NULL, 0, half, 1);
    add_rows(a->train, &a->n_train, in->shadow_nonmembers, NULL, 0, half, 0);
    add_rows(a->test, &a->n_test, in->members, NULL, 0, in->members->n, 1);
    add_rows(a->test, &a->n_test, in->nonmembers, NULL, 0, in->nonmembers->n,
             0);
    return ASSAY_OK;
}

/* A random order of 0..n-1. */
static uint32_t *draw_order(const struct assay_attack_input *in, size_t n,
                            uint64_t index)
{
    uint32_t *order = assay__calloc(n, sizeof(*order));
    struct assay_rng rng;

    if (!order)
        return NULL;
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, in->ctx->seed, "partial", index);
    assay_rng_shuffle(&rng, order, n);
    return order;
}

static int partial_rows(struct attack *a, struct assay_error *err)
{
    const struct assay_attack_input *in = a->in;
    size_t m = in->members->n / 3;
    size_t u = in->nonmembers->n / 3;
    size_t half = smaller(m, u);
    uint32_t *mo = draw_order(in, in->members->n, 0);
    uint32_t *uo = draw_order(in, in->nonmembers->n, 1);
    int rc;

    if (half == 0)
        rc = assay_error_set(err, ASSAY_NOTHING,
                             "attack network: %zu members and %zu "
                             "non-members; at least 3 of each are needed",
                             in->members->n, in->nonmembers->n);
    else if (!mo || !uo)
        rc = assay_error_set(err, ASSAY_NOMEM, "attack network: out of memory");
    else
        rc = rows_alloc(a, 2 * half, m + u, err);
    if (!rc) {
        add_rows(a->train, &a->n_train, in->members, mo, 0, half, 1);
        add_rows(a->train, &a->n_train, in->nonmembers, uo, 0, half, 0);
        add_rows(a->test, &a->n_test, in->members, mo, m, m, 1);
        add_rows(a->test, &a->n_test, in->nonmembers, uo, u, u, 0);
    }
    assay__free(mo);
    assay__free(uo);
    return rc;
}

/* Features of rows[i] into the network's inputs at position i. */
static void fill_row(const struct attack *a, const struct assay__row *row,
                     float *const *inputs, size_t i)
{
    float *feature[ASSAY__FEATURES] = {NULL};

    for (int f = 0; f < a->net.n_features; f++)
        feature[a->net.kind[f]] = inputs[f] + i * a->net.width[f];
    assay__features(&a->scale, row, feature, a->scratch);
}

static int fill(void *self, const struct assay_batch *b,
                struct assay_error *err)
{
    const struct attack *a = self;

    (void)err;
    for (size_t i = 0; i < b->n; i++) {
        fill_row(a, &a->train[b->rows[i]], b->inputs, i);
        b->inputs[a->net.n_features][i] = a->train[b->rows[i]].member;
    }
    return ASSAY_OK;
}

static int train(struct attack *a, const char *name, struct assay_error *err)
{
    const struct assay_attack_input *in = a->in;
    struct assay_program program = {0};
    struct assay_train_options o;
    struct assay_source source = {a, a->n_train, fill};
    int rc;

    rc = assay_params_make(&a->weights, a->net.graph, err);
    if (!rc)
        rc = assay_params_init(&a->weights, a->net.graph, in->ctx->seed, err);
    if (rc)
        return rc;
    program.graph = a->net.graph;
    program.inputs = a->net.input;
    program.n_inputs = a->net.n_features + 1;
    program.loss = a->net.loss;
    assay_train_options_init(&o, (size_t)in->param[PARAM_EPOCHS]);
    o.batch = (size_t)in->param[PARAM_BATCH];
    o.optimizer.kind = ASSAY_OPTIMIZER_ADAM;
    o.lr = in->param[PARAM_LR];
    o.schedule = ASSAY_SCHEDULE_COSINE;
    o.seed = in->ctx->seed;
    o.backend = in->compute->backend;
    o.threads = in->compute->threads;
    o.algorithms = in->compute->algorithms;
    o.tuning = in->compute->tuning;
    o.task = name;
    return assay_train(in->ctx, &program, &source, &o, &a->weights, NULL, err);
}

/* Buffers and plan for scoring. */
struct scoring {
    assay_plan *plan;
    float *inputs[ASSAY__FEATURES];
    float logits[SCORE_BATCH * 2];
};

static int scoring_init(struct scoring *s, const struct attack *a,
                        struct assay_error *err)
{
    const struct assay_compute *compute = a->in->compute;
    struct assay_plan_options o = {0};
    int rc;

    memset(s, 0, sizeof(*s));
    for (int f = 0; f < a->net.n_features; f++) {
        s->inputs[f] =
            assay__calloc(SCORE_BATCH * a->net.width[f], sizeof(float));
        if (!s->inputs[f])
            return assay_error_set(err, ASSAY_NOMEM,
                                   "attack network: out of memory");
    }
    o.backend = compute->backend;
    o.batch = SCORE_BATCH;
    o.mode = ASSAY_MODE_EVAL;
    o.threads = compute->threads ? compute->threads : a->in->ctx->threads;
    o.algorithms = compute->algorithms;
    o.tuning = compute->tuning;
    o.outputs = &a->net.logits;
    o.n_outputs = 1;
    rc = assay_plan_new(&s->plan, a->net.graph, &o, err);
    if (!rc)
        rc = assay_plan_load(s->plan, &a->weights, err);
    return rc;
}

static void scoring_release(struct scoring *s)
{
    assay_plan_free(s->plan);
    for (int f = 0; f < ASSAY__FEATURES; f++)
        assay__free(s->inputs[f]);
}

static int score_batch(struct scoring *s, const struct attack *a, size_t first,
                       size_t n, double *score, struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < SCORE_BATCH; i++)
        fill_row(a, &a->test[first + (i < n ? i : 0)], s->inputs, i);
    for (int f = 0; !rc && f < a->net.n_features; f++)
        rc = assay_plan_write(s->plan, a->net.input[f], s->inputs[f], err);
    if (!rc)
        rc = assay_plan_run(s->plan, err);
    if (!rc)
        rc = assay_plan_read(s->plan, a->net.logits, s->logits, err);
    for (size_t i = 0; !rc && i < n; i++)
        score[i] = (double)s->logits[2 * i + 1] - (double)s->logits[2 * i];
    return rc;
}

static int score(const struct attack *a, struct assay_membership_scores *out,
                 struct assay_error *err)
{
    struct scoring s;
    int rc;

    rc = assay__scores_make(out, a->n_test, err);
    if (rc)
        return rc;
    rc = scoring_init(&s, a, err);
    for (size_t i = 0; !rc && i < a->n_test; i += SCORE_BATCH) {
        rc = assay_context_check(a->in->ctx, err);
        if (!rc)
            rc = score_batch(&s, a, i, smaller(SCORE_BATCH, a->n_test - i),
                             out->score + i, err);
    }
    for (size_t i = 0; i < a->n_test; i++) {
        const struct assay__row *row = &a->test[i];

        out->member[i] = row->member > 0;
        out->row[i] =
            row->index + (row->member > 0 ? 0 : (uint32_t)a->in->members->n);
    }
    out->threshold = 0;
    scoring_release(&s);
    return rc;
}

static void attack_release(struct attack *a)
{
    assay__free(a->train);
    assay__free(a->test);
    assay__free(a->scratch);
    assay__feature_scale_release(&a->scale);
    assay__network_release(&a->net);
    assay_params_release(&a->weights);
}

static int run(const struct assay_attack_input *in, int white_box, int partial,
               const char *name, struct assay_membership_scores *out,
               struct assay_error *err)
{
    struct attack a = {0};
    int k = in->members->n_classes;
    int h = white_box ? in->members->embedding_dim : 0;
    int q =
        white_box && in->param[PARAM_QUERIES] > 0 ? in->members->n_queries : 0;
    int top = white_box ? 0 : (int)in->param[PARAM_TOP];
    int rc;

    a.in = in;
    a.white_box = white_box;
    a.scratch = assay__calloc((size_t)k + 2 + (size_t)q, sizeof(double));
    if (!a.scratch)
        return assay_error_set(err, ASSAY_NOMEM,
                               "attack network: out of memory");
    rc = partial ? partial_rows(&a, err) : shadow_rows(&a, err);
    if (!rc)
        rc = assay__feature_scale_fit(&a.scale, a.train, a.n_train, white_box,
                                      q, err);
    if (!rc && top > 0 && top < k)
        a.scale.n_top = top;
    if (!rc)
        rc = assay__network_build(&a.net, &a.scale, h, err);
    if (!rc)
        rc = train(&a, name, err);
    if (!rc)
        rc = score(&a, out, err);
    attack_release(&a);
    return rc;
}

static int run_black_shadow(const struct assay_attack_input *in,
                            struct assay_membership_scores *out,
                            struct assay_error *err)
{
    return run(in, 0, 0, "network-black-shadow", out, err);
}

static int run_black_partial(const struct assay_attack_input *in,
                             struct assay_membership_scores *out,
                             struct assay_error *err)
{
    return run(in, 0, 1, "network-black-partial", out, err);
}

static int run_white_shadow(const struct assay_attack_input *in,
                            struct assay_membership_scores *out,
                            struct assay_error *err)
{
    return run(in, 1, 0, "network-white-shadow", out, err);
}

static int run_white_partial(const struct assay_attack_input *in,
                             struct assay_membership_scores *out,
                             struct assay_error *err)
{
    return run(in, 1, 1, "network-white-partial", out, err);
}

#define NETWORK_ROW(id, word, long_title, text, box, aux, need, rows, \
                    function)                                         \
    const struct assay_attack assay_attack_##id = {                   \
        .name = (word),                                               \
        .title = (long_title),                                        \
        .summary = (text),                                            \
        .cites = "Liu et al. (ML-Doctor), USENIX Security 2022",      \
        .goal = ASSAY_GOAL_MEMBERSHIP,                                \
        .access = (box),                                              \
        .auxiliary = (aux),                                           \
        .needs = (need),                                              \
        .params = (rows),                                             \
        .membership = (function)}

NETWORK_ROW(network_black_shadow, "network-black-shadow",
            "Network, black-box, shadow",
            "a network on sorted posteriors and correctness, trained on a "
            "shadow model",
            ASSAY_ACCESS_BLACK_BOX, ASSAY_AUX_SHADOW, ASSAY_NEED_SHADOW,
            black_params, run_black_shadow);
NETWORK_ROW(network_black_partial, "network-black-partial",
            "Network, black-box, partial",
            "the same network, trained on some true members",
            ASSAY_ACCESS_BLACK_BOX, ASSAY_AUX_PARTIAL, 0, black_params,
            run_black_partial);
NETWORK_ROW(network_white_shadow, "network-white-shadow",
            "Network, white-box, shadow",
            "a network on posteriors, loss, last-layer gradient, label and "
            "answers on altered copies, trained on a shadow model",
            ASSAY_ACCESS_WHITE_BOX, ASSAY_AUX_SHADOW,
            ASSAY_NEED_SHADOW | ASSAY_NEED_EMBEDDING | ASSAY_NEED_QUERIES,
            white_params, run_white_shadow);
NETWORK_ROW(network_white_partial, "network-white-partial",
            "Network, white-box, partial",
            "the same network, trained on some true members",
            ASSAY_ACCESS_WHITE_BOX, ASSAY_AUX_PARTIAL,
            ASSAY_NEED_EMBEDDING | ASSAY_NEED_QUERIES, white_params,
            run_white_partial);
