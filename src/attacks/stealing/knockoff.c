/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knockoff Nets with adaptive queries (Orekondy et al., CVPR 2019): which
 * records are asked about is learnt on the way. Actions are the classes of
 * the records at hand; a gradient bandit moves its preferences H towards
 * actions whose answers were worth more than those before:
 *
 *   H(z)  += lr (r - mean r) (1 - pi(z))
 *   H(z') -= lr (r - mean r) pi(z')          pi = softmax(H)
 *
 * The reward r of an answer p is the mean of three numbers in 0..1, each
 * divided by the largest so far:
 *   certainty  the largest posterior less the second
 *   diversity  sum over classes of max(0, p[k] - mean p[k] of answers so far)
 *   loss       cross-entropy of the copy with p: what it does not know yet
 * At the end a fresh copy is trained on all answers.
 *
 * Threat models: black-box, with shadow records, or with records of another
 * distribution (auxiliary none). `share` of the records at hand are asked
 * about; with all of them there would be nothing to choose.
 *
 * Deviations: the copy whose loss is rewarded is trained anew after each of
 * `rounds` rounds instead of after each query; actions are classes alone,
 * not a tree of them.
 */

#include <math.h>
#include <string.h>

#include "assay/rng.h"
#include "attacks/stealing/copy.h"
#include "core/mem.h"

enum { PARAM_SHARE = ASSAY__COPY_PARAMS, PARAM_ROUNDS, PARAM_STEP };

static const struct assay_setting params[] = {
    ASSAY__COPY_SETTINGS,
    {"share", .25, .001, 1, "of the records at hand that are asked about"},
    {"rounds", 4, 1, 100, "after which the copy is trained anew"},
    {"step", 1, 0, 100, "the bandit's learning rate; 0: random queries"},
    {NULL, 0, 0, 0, NULL}};

enum { REWARDS = 3, ROUND_EPOCHS = 5 };

struct bandit {
    const struct assay_attack_input *in;
    const struct assay_evidence *evidence; /* the answers there are */
    const assay_view *view;                /* the records' pixels */
    struct assay_rng rng;
    int n_actions;
    double *preference; /* [n_actions] */
    double *chance;     /* [n_actions] */
    uint32_t *stack;    /* rows not asked yet, by action */
    size_t *first;      /* [n_actions + 1] where an action's rows begin */
    size_t *left;       /* [n_actions] rows of it not asked yet */
    uint32_t *asked;    /* rows in the order of asking */
    size_t n_asked;
    double *mean; /* [K] of the answers so far */
    double *p;    /* [K] an answer of the target, */
    double *q;    /* [K] and of the copy */
    double most[REWARDS];
    double mean_reward;
    struct assay_evidence copy; /* what the copy says of all rows */
};

static int action_of(const struct bandit *b, size_t row)
{
    return (int)assay_view_label(b->view, row);
}

/* Rows by action, in a random order within each. */
static int sort_rows(struct bandit *b, struct assay_error *err)
{
    size_t n = b->evidence->n;
    uint32_t *order = assay__query_order(b->in, n, "knockoff", err);

    if (!order)
        return ASSAY_NOMEM;
    for (size_t i = 0; i < n; i++)
        b->first[action_of(b, i) + 1]++;
    for (int z = 0; z < b->n_actions; z++)
        b->first[z + 1] += b->first[z];
    for (size_t i = 0; i < n; i++) {
        int z = action_of(b, order[i]);

        b->stack[b->first[z] + b->left[z]++] = order[i];
    }
    assay__free(order);
    return ASSAY_OK;
}

static int bandit_init(struct bandit *b, const struct assay_attack_input *in,
                       const struct assay_evidence *evidence,
                       const assay_view *view, struct assay_error *err)
{
    size_t n = evidence->n;
    size_t k = (size_t)evidence->n_classes;
    size_t actions = (size_t)assay_view_n_classes(view);

    memset(b, 0, sizeof(*b));
    b->in = in;
    b->evidence = evidence;
    b->view = view;
    b->n_actions = (int)actions;
    assay_rng_init(&b->rng, in->ctx->seed, "knockoff", 1);
    b->preference = assay__calloc(actions, sizeof(double));
    b->chance = assay__calloc(actions, sizeof(double));
    b->first = assay__calloc(actions + 1, sizeof(size_t));
    b->left = assay__calloc(actions, sizeof(size_t));
    b->stack = assay__calloc(n, sizeof(uint32_t));
    b->asked = assay__calloc(n, sizeof(uint32_t));
    b->mean = assay__calloc(k, sizeof(double));
    b->p = assay__calloc(k, sizeof(double));
    b->q = assay__calloc(k, sizeof(double));
    if (!b->preference || !b->chance || !b->first || !b->left || !b->stack ||
        !b->asked || !b->mean || !b->p || !b->q)
        return assay_error_set(err, ASSAY_NOMEM, "knockoff: %zu records", n);
    return sort_rows(b, err);
}

static void bandit_release(struct bandit *b)
{
    assay__free(b->preference);
    assay__free(b->chance);
    assay__free(b->first);
    assay__free(b->left);
    assay__free(b->stack);
    assay__free(b->asked);
    assay__free(b->mean);
    assay__free(b->p);
    assay__free(b->q);
    assay_evidence_release(&b->copy);
}

/* Softmax of the preferences over the actions that have rows left. */
static void set_chances(struct bandit *b)
{
    double top = -(double)INFINITY;
    double sum = 0;

    for (int z = 0; z < b->n_actions; z++)
        if (b->left[z] > 0)
            top = fmax(top, b->preference[z]);
    for (int z = 0; z < b->n_actions; z++) {
        b->chance[z] = b->left[z] > 0 ? exp(b->preference[z] - top) : 0;
        sum += b->chance[z];
    }
    for (int z = 0; z < b->n_actions; z++)
        b->chance[z] /= sum;
}

static int draw_action(struct bandit *b)
{
    double u = assay_rng_uniform(&b->rng);
    int last = 0;

    for (int z = 0; z < b->n_actions; z++) {
        if (b->left[z] == 0)
            continue;
        last = z;
        if (u < b->chance[z])
            return z;
        u -= b->chance[z];
    }
    return last;
}

/* Cross-entropy of the copy's answer about the row with p; 0 before there
 * is a copy. */
static double copy_loss(const struct bandit *b, uint32_t row)
{
    double sum = 0;

    if (b->copy.n == 0)
        return 0;
    assay_evidence_probs(&b->copy, row, b->q);
    for (int i = 0; i < b->evidence->n_classes; i++)
        sum -= b->p[i] * log(fmax(b->q[i], 1e-30));
    return sum;
}

static double reward_of(struct bandit *b, uint32_t row)
{
    double part[REWARDS] = {0, 0, 0};
    double first = 0;
    double second = 0;
    double sum = 0;
    int k = b->evidence->n_classes;
    int counted = b->copy.n > 0 ? REWARDS : REWARDS - 1;

    assay_evidence_probs(b->evidence, row, b->p);
    for (int i = 0; i < k; i++) {
        second = fmax(second, fmin(first, b->p[i]));
        first = fmax(first, b->p[i]);
        part[1] += fmax(0, b->p[i] - b->mean[i]);
        b->mean[i] += (b->p[i] - b->mean[i]) / (double)(b->n_asked + 1);
    }
    part[0] = first - second;
    part[2] = copy_loss(b, row);
    for (int i = 0; i < counted; i++) {
        b->most[i] = fmax(b->most[i], part[i]);
        sum += b->most[i] > 0 ? part[i] / b->most[i] : 0;
    }
    return sum / counted;
}

static void learn(struct bandit *b, int action, double reward)
{
    double step = b->in->param[PARAM_STEP];
    double better = b->n_asked > 0 ? reward - b->mean_reward : 0;

    for (int z = 0; z < b->n_actions; z++)
        b->preference[z] -= step * better * b->chance[z];
    b->preference[action] += step * better;
    b->mean_reward += (reward - b->mean_reward) / (double)(b->n_asked + 1);
}

static void ask(struct bandit *b, size_t until)
{
    while (b->n_asked < until) {
        int z;
        uint32_t row;

        set_chances(b);
        z = draw_action(b);
        row = b->stack[b->first[z] + --b->left[z]];
        learn(b, z, reward_of(b, row));
        b->asked[b->n_asked++] = row;
    }
}

static int look(struct bandit *b, const struct assay__queries *q, int stage,
                struct assay_error *err)
{
    assay_evidence_release(&b->copy);
    return assay__copy_ask(b->in, q, b->n_asked, ROUND_EPOCHS, stage, b->view,
                           &b->copy, err);
}

static int choose(struct bandit *b, struct assay__queries *q,
                  struct assay_error *err)
{
    int rounds = (int)b->in->param[PARAM_ROUNDS];
    size_t budget =
        (size_t)fmax(1, b->in->param[PARAM_SHARE] * (double)b->evidence->n);
    int rc = ASSAY_OK;

    for (int r = 0; r < rounds && !rc; r++) {
        ask(b, budget * (size_t)(r + 1) / (size_t)rounds);
        if (r + 1 < rounds && b->n_asked > 0 && b->in->param[PARAM_STEP] > 0)
            rc = look(b, q, r, err);
    }
    q->n = b->n_asked;
    return rc;
}

static int knock_off(const struct assay_attack_input *in,
                     const struct assay_evidence *evidence,
                     const assay_view *view, struct assay_guesses *out,
                     struct assay_error *err)
{
    struct assay__queries q = {.answers = ASSAY__ANSWERS_POSTERIORS,
                               .evidence = evidence,
                               .data = assay_view_dataset(view)};
    struct bandit b;
    int rc = bandit_init(&b, in, evidence, view, err);

    q.order = b.asked;
    if (!rc)
        rc = choose(&b, &q, err);
    if (!rc)
        rc = assay__copies_make(in, &q, out, err);
    bandit_release(&b);
    return rc;
}

static int knockoff_shadow(const struct assay_attack_input *in,
                           struct assay_guesses *out, struct assay_error *err)
{
    return knock_off(in, in->auxiliary, in->world->auxiliary, out, err);
}

static int knockoff_other(const struct assay_attack_input *in,
                          struct assay_guesses *out, struct assay_error *err)
{
    return knock_off(in, in->pool, in->world->pool, out, err);
}

static double work_of(size_t n, const double *param)
{
    double asked = (double)n * param[PARAM_SHARE];

    return asked * (param[ASSAY__COPY_EPOCHS] +
                    .5 * ROUND_EPOCHS * param[PARAM_ROUNDS]);
}

static double work_shadow(const struct assay_attack_sizes *s,
                          const double *param)
{
    return work_of(s->n_auxiliary, param);
}

static double work_other(const struct assay_attack_sizes *s,
                         const double *param)
{
    return work_of(s->n_pool, param);
}

#define ROW(id, name_, title_, summary_, aux, need, work_) \
    const struct assay_attack assay_attack_##id = {        \
        .name = (name_),                                   \
        .title = (title_),                                 \
        .summary = (summary_),                             \
        .cites = "Orekondy et al., CVPR 2019",             \
        .goal = ASSAY_GOAL_STEALING,                       \
        .access = ASSAY_ACCESS_BLACK_BOX,                  \
        .auxiliary = (aux),                                \
        .needs = ASSAY_NEED_MODEL | (need),                \
        .params = params,                                  \
        .work = (work_),                                   \
        .guess = (id),                                     \
    }

ROW(knockoff_shadow, "knockoff-shadow", "Knockoff, adaptive, shadow data",
    "A copy from posteriors on shadow records that are chosen on the way.",
    ASSAY_AUX_SHADOW, ASSAY_NEED_AUXILIARY, work_shadow);
ROW(knockoff_other, "knockoff-other", "Knockoff, adaptive, other data",
    "A copy from posteriors on records of another distribution that are "
    "chosen on the way.",
    ASSAY_AUX_NONE, ASSAY_NEED_POOL, work_other);
