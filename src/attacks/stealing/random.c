/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ML-Doctor's model stealing (Liu et al., USENIX Security 2022, after Tramer
 * et al., USENIX Security 2016), and copies that hear less or more.
 *
 * Threat models: black-box (posteriors, or the largest `top` of them) or
 * label-only, with
 *   shadow   asks about the shadow quarters, in random order
 *   partial  asks about a random half of the target's training records
 *   none     asks about records of another distribution
 * Baselines: the same training on the same records with true labels, without
 * the target. A copy that does not beat its baseline stole nothing.
 *
 * Deviations from the published code: cross-entropy with the posteriors
 * instead of the squared error between the copy's logits and the target's
 * posteriors (`loss` 2 is that one), and a rate that falls to 0.
 * Expected on Fashion-MNIST with the paper's target: docs/attacks/stealing.md
 */

#include "attacks/stealing/copy.h"
#include "core/mem.h"

enum { PARAM_TOP = ASSAY__COPY_PARAMS, PARAM_LOSS };

static const struct assay_setting plain_params[] = {ASSAY__COPY_SETTINGS,
                                                    {NULL, 0, 0, 0, NULL}};
static const struct assay_setting posterior_params[] = {
    ASSAY__COPY_SETTINGS,
    {"top", 0, 0, 65536, "posteriors that are heard, the largest; 0: all"},
    {"loss", 0, 0, 2,
     "0: cross-entropy with the posteriors; 1: squared error between "
     "posteriors; 2: between the copy's logits and the posteriors"},
    {NULL, 0, 0, 0, NULL}};

/* Records trained on by copies of n, n/2 ... queries. */
static double copies(const double *param, size_t n)
{
    double sum = 0;

    for (int i = 0; i < (int)param[ASSAY__COPY_BUDGETS]; i++)
        sum += (double)(n >> i);
    return sum * param[ASSAY__COPY_EPOCHS];
}

static double work_shadow(const struct assay_attack_sizes *s,
                          const double *param)
{
    return copies(param, s->n_auxiliary);
}

static double work_partial(const struct assay_attack_sizes *s,
                           const double *param)
{
    return copies(param, s->n_members / 2);
}

static double work_pool(const struct assay_attack_sizes *s, const double *param)
{
    return copies(param, s->n_pool);
}

static int steal(const struct assay_attack_input *in, enum assay_auxiliary aux,
                 enum assay__answers answers, struct assay_guesses *out,
                 struct assay_error *err)
{
    static const char *const purpose[] = {"queries of another distribution",
                                          "partial queries", "shadow queries"};
    struct assay__queries q = {.answers = answers};
    uint32_t *order;
    int rc;

    q.evidence = aux == ASSAY_AUX_SHADOW    ? in->auxiliary
                 : aux == ASSAY_AUX_PARTIAL ? in->members
                                            : in->pool;
    q.data = assay_view_dataset(aux == ASSAY_AUX_NONE ? in->world->pool
                                                      : in->world->members);
    q.n = aux == ASSAY_AUX_PARTIAL ? q.evidence->n / 2 : q.evidence->n;
    if (answers == ASSAY__ANSWERS_POSTERIORS) {
        q.top = (int)in->param[PARAM_TOP];
        q.loss = (int)in->param[PARAM_LOSS];
    }
    order = assay__query_order(in, q.evidence->n, purpose[aux], err);
    if (!order)
        return ASSAY_NOMEM;
    q.order = order;
    rc = assay__copies_make(in, &q, out, err);
    assay__free(order);
    return rc;
}

#define STEAL(id, aux, answers)                                       \
    static int id(const struct assay_attack_input *in,                \
                  struct assay_guesses *out, struct assay_error *err) \
    {                                                                 \
        return steal(in, aux, answers, out, err);                     \
    }

STEAL(scratch_shadow, ASSAY_AUX_SHADOW, ASSAY__ANSWERS_TRUTH)
STEAL(scratch_partial, ASSAY_AUX_PARTIAL, ASSAY__ANSWERS_TRUTH)
STEAL(steal_shadow, ASSAY_AUX_SHADOW, ASSAY__ANSWERS_POSTERIORS)
STEAL(steal_partial, ASSAY_AUX_PARTIAL, ASSAY__ANSWERS_POSTERIORS)
STEAL(steal_pool, ASSAY_AUX_NONE, ASSAY__ANSWERS_POSTERIORS)
STEAL(labels_shadow, ASSAY_AUX_SHADOW, ASSAY__ANSWERS_LABELS)
STEAL(labels_partial, ASSAY_AUX_PARTIAL, ASSAY__ANSWERS_LABELS)

#define ROW(id, name_, title_, summary_, access_, aux, need, base, params_, \
            work_)                                                          \
    const struct assay_attack assay_attack_##id = {                         \
        .name = (name_),                                                    \
        .title = (title_),                                                  \
        .summary = (summary_),                                              \
        .cites = "Liu et al., USENIX Security 2022; Tramer et al., USENIX " \
                 "Security 2016",                                           \
        .goal = ASSAY_GOAL_STEALING,                                        \
        .access = (access_),                                                \
        .auxiliary = (aux),                                                 \
        .needs = ASSAY_NEED_MODEL | (need),                                 \
        .baseline = (base),                                                 \
        .params = (params_),                                                \
        .work = (work_),                                                    \
        .guess = (id),                                                      \
    }

ROW(scratch_shadow, "scratch-shadow", "From scratch, shadow data",
    "A model of its own, trained on the shadow records with true labels; the "
    "target is not asked.",
    ASSAY_ACCESS_LABEL_ONLY, ASSAY_AUX_SHADOW, ASSAY_NEED_AUXILIARY, 1,
    plain_params, work_shadow);
ROW(scratch_partial, "scratch-partial", "From scratch, partial data",
    "A model of its own, trained on half of the target's records with true "
    "labels; the target is not asked.",
    ASSAY_ACCESS_LABEL_ONLY, ASSAY_AUX_PARTIAL, 0U, 1, plain_params,
    work_partial);
ROW(steal_shadow, "steal-shadow", "Copy from posteriors, shadow data",
    "A copy trained to the target's posteriors on the shadow records.",
    ASSAY_ACCESS_BLACK_BOX, ASSAY_AUX_SHADOW, ASSAY_NEED_AUXILIARY, 0,
    posterior_params, work_shadow);
ROW(steal_partial, "steal-partial", "Copy from posteriors, partial data",
    "A copy trained to the target's posteriors on half of its own training "
    "records.",
    ASSAY_ACCESS_BLACK_BOX, ASSAY_AUX_PARTIAL, 0U, 0, posterior_params,
    work_partial);
ROW(steal_pool, "steal-other", "Copy from posteriors, other data",
    "A copy trained to the target's posteriors on records of another "
    "distribution.",
    ASSAY_ACCESS_BLACK_BOX, ASSAY_AUX_NONE, ASSAY_NEED_POOL, 0,
    posterior_params, work_pool);
ROW(labels_shadow, "steal-labels-shadow", "Copy from labels, shadow data",
    "A copy trained to the target's classes on the shadow records.",
    ASSAY_ACCESS_LABEL_ONLY, ASSAY_AUX_SHADOW, ASSAY_NEED_AUXILIARY, 0,
    plain_params, work_shadow);
ROW(labels_partial, "steal-labels-partial", "Copy from labels, partial data",
    "A copy trained to the target's classes on half of its own training "
    "records.",
    ASSAY_ACCESS_LABEL_ONLY, ASSAY_AUX_PARTIAL, 0U, 0, plain_params,
    work_partial);
