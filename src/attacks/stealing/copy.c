/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stolen copies: a fresh model trained to the target's answers (Tramer et
 * al., USENIX Security 2016; Orekondy et al., CVPR 2019).
 *
 * The targets of a copy's training are log-probabilities: those of the
 * posteriors heard, or of the one class heard, so one loss serves both. A
 * mirrored record is trained to the answer to the record itself.
 */

#include "attacks/stealing/copy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"

/* log 1e-30: the logarithm of nothing. */
static const float floor_log = -69.0F;

uint32_t *assay__query_order(const struct assay_attack_input *in, size_t n,
                             const char *purpose, struct assay_error *err)
{
    uint32_t *order = assay__calloc(n, sizeof(*order));
    struct assay_rng rng;

    if (!order) {
        (void)assay_error_set(err, ASSAY_NOMEM, "order of %zu queries", n);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    assay_rng_init(&rng, in->ctx->seed, purpose, 0);
    assay_rng_shuffle(&rng, order, n);
    return order;
}

/* Posteriors of which only the `top` largest are heard, made to sum to 1. */
static void keep_top(double *p, size_t k, int top)
{
    double sum = 0;

    for (size_t i = 0; i < k; i++) {
        int larger = 0;

        for (size_t j = 0; j < k; j++)
            larger += fabs(p[j]) > fabs(p[i]) || (p[j] == p[i] && j < i);
        if (larger >= top)
            p[i] = -p[i]; /* marked, and still comparable */
    }
    for (size_t i = 0; i < k; i++) {
        p[i] = p[i] < 0 ? 0 : p[i];
        sum += p[i];
    }
    for (size_t i = 0; i < k; i++)
        p[i] /= sum;
}

/* The answer about row i of the evidence, as the training wants it. */
static void put_answer(const struct assay__queries *q, size_t i, double *p,
                       float *out)
{
    const struct assay_evidence *e = q->evidence;
    size_t k = (size_t)e->n_classes;

    if (q->answers == ASSAY__ANSWERS_LABELS) {
        memset(p, 0, k * sizeof(*p));
        p[assay_evidence_class(e, i)] = 1;
    } else {
        assay_evidence_probs(e, i, p);
        if (q->top > 0 && (size_t)q->top < k)
            keep_top(p, k, q->top);
    }
    for (size_t c = 0; c < k; c++)
        out[c] = q->loss > 0 ? (float)p[c]
                 : p[c] > 0  ? (float)fmax(log(p[c]), (double)floor_log)
                             : floor_log;
}

static float *make_answers(const struct assay__queries *q, size_t n,
                           struct assay_error *err)
{
    size_t k = (size_t)q->evidence->n_classes;
    float *answer = assay__calloc(n * k, sizeof(*answer));
    double *p = assay__calloc(k, sizeof(*p));

    if (!answer || !p) {
        (void)assay_error_set(err, ASSAY_NOMEM, "answers to %zu queries", n);
        assay__free(answer);
        answer = NULL;
    }
    for (size_t i = 0; answer && i < n; i++)
        put_answer(q, q->order[i], p, answer + i * k);
    assay__free(p);
    return answer;
}

static assay_value squares(const void *self, assay_graph *g,
                           const struct assay_loss_values *v)
{
    (void)self;
    return assay_op_mse(g, assay_op_softmax(g, v->logits), v->soft);
}

static assay_value squares_of_logits(const void *self, assay_graph *g,
                                     const struct assay_loss_values *v)
{
    (void)self;
    return assay_op_mse(g, v->logits, v->soft);
}

/* One copy, and all that its training borrows. */
struct copy {
    struct assay_recipe recipe;
    struct assay_objective objective;
    char text[96];
    char checkpoint[512];
    float *answer;
    uint32_t *record;
    assay_view *view;
    assay_model *model;
    struct assay_training training;
};

static int make_view(struct copy *c, const struct assay_attack_input *in,
                     const struct assay__queries *q, size_t n,
                     struct assay_error *err)
{
    c->record = assay__calloc(n, sizeof(*c->record));
    if (!c->record)
        return assay_error_set(err, ASSAY_NOMEM, "%zu queries", n);
    for (size_t i = 0; i < n; i++)
        c->record[i] = q->evidence->record[q->order[i]];
    return assay_view_new(&c->view, q->data, c->record, n,
                          assay_model_preprocess(in->world->target), err);
}

static void set_objective(struct copy *c, const struct assay__queries *q)
{
    static assay_value (*const loss[])(const void *, assay_graph *,
                                       const struct assay_loss_values *) = {
        NULL /* cross-entropy */, squares, squares_of_logits};
    uint64_t hash = 0;
    size_t n = assay_view_count(c->view) * (size_t)q->evidence->n_classes;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, &c->answer[i], sizeof(bits));
        hash = assay_rng_hash(hash, bits, i);
    }
    snprintf(c->text, sizeof(c->text), "copy, loss %d, answers %016llx",
             q->loss, (unsigned long long)hash);
    c->objective.text = c->text;
    c->objective.loss = loss[q->loss];
    c->objective.soft = c->answer;
    c->objective.variants = 1;
    c->training.objective = &c->objective;
}

static void set_recipe(struct copy *c, const struct assay_attack_input *in)
{
    const double *param = in->param;

    assay_attack_recipe(in, (size_t)param[ASSAY__COPY_EPOCHS],
                        param[ASSAY__COPY_LR], &c->recipe);
    c->recipe.batch = (size_t)param[ASSAY__COPY_BATCH];
    c->recipe.augment.flip = param[ASSAY__COPY_FLIP] > 0;
    c->recipe.optimizer.weight_decay = 0;
}

static int copy_init(struct copy *c, const struct assay_attack_input *in,
                     const struct assay__queries *q, int budget, size_t n,
                     struct assay_error *err)
{
    struct assay_model_spec spec = {
        .arch = in->world->copy_arch,
        .n_classes = in->members->n_classes,
        .preprocess = *assay_model_preprocess(in->world->target)};
    struct assay_rng rng;
    int rc = make_view(c, in, q, n, err);

    assay_rng_init(&rng, in->ctx->seed, "copy", (uint64_t)budget);
    if (!rc)
        rc = assay_model_new(&c->model, &spec, assay_rng_u64(&rng), err);
    if (rc)
        return rc;
    if (q->answers != ASSAY__ANSWERS_TRUTH) {
        c->answer = make_answers(q, n, err);
        if (!c->answer)
            return ASSAY_NOMEM;
        set_objective(c, q);
    }
    set_recipe(c, in);
    c->training.model = c->model;
    c->training.train = c->view;
    c->training.recipe = &c->recipe;
    c->training.seed = assay_rng_u64(&rng);
    c->training.task = "stolen copy";
    if (in->world->folder) {
        snprintf(c->checkpoint, sizeof(c->checkpoint), "%.480s/copy-%d.ckpt",
                 in->world->folder, budget);
        c->training.checkpoint = c->checkpoint;
    }
    return ASSAY_OK;
}

static void copy_release(struct copy *c)
{
    assay_curve_release(&c->training.curve);
    assay_model_free(c->model);
    assay_view_free(c->view);
    assay__free(c->record);
    assay__free(c->answer);
}

static int judge(const struct assay_attack_input *in, const assay_model *m,
                 int32_t *guess, struct assay_error *err)
{
    struct assay_evidence e = {0};
    int rc = assay_evidence_collect(&e, in->ctx, m, in->world->nonmembers, 0,
                                    in->compute, "stolen copy", err);

    for (size_t i = 0; i < e.n && !rc; i++)
        guess[i] = assay_evidence_class(&e, i);
    assay_evidence_release(&e);
    return rc;
}

static int make_one(const struct assay_attack_input *in,
                    const struct assay__queries *q, int budget,
                    struct assay_guesses *out, struct assay_error *err)
{
    struct copy *c = assay__calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return assay_error_set(err, ASSAY_NOMEM, "stolen copy");
    rc = copy_init(c, in, q, budget, out->budget[budget], err);
    if (!rc)
        rc = assay_models_train(in->ctx, in->compute, &c->training, 1, err);
    if (!rc)
        rc = judge(in, c->model, out->guess + (size_t)budget * out->n, err);
    copy_release(c);
    assay__free(c);
    return rc;
}

int assay__copy_ask(const struct assay_attack_input *in,
                    const struct assay__queries *q, size_t n, size_t epochs,
                    int stage, const assay_view *view,
                    struct assay_evidence *out, struct assay_error *err)
{
    struct copy *c = assay__calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return assay_error_set(err, ASSAY_NOMEM, "stolen copy");
    rc = copy_init(c, in, q, ASSAY_BUDGETS_MAX + stage, n, err);
    c->recipe.epochs = epochs;
    if (!rc)
        rc = assay_models_train(in->ctx, in->compute, &c->training, 1, err);
    if (!rc)
        rc = assay_evidence_collect(out, in->ctx, c->model, view,
                                    ASSAY_EVIDENCE_FOREIGN, in->compute,
                                    "stolen copy", err);
    copy_release(c);
    assay__free(c);
    return rc;
}

int assay__copies_make(const struct assay_attack_input *in,
                       const struct assay__queries *q,
                       struct assay_guesses *out, struct assay_error *err)
{
    int wanted = (int)in->param[ASSAY__COPY_BUDGETS];
    int rc = ASSAY_OK;

    out->n = in->nonmembers->n;
    while (out->n_budgets < wanted && q->n >> out->n_budgets > 0) {
        out->budget[out->n_budgets] = q->n >> out->n_budgets;
        out->n_budgets++;
    }
    if (out->n_budgets == 0)
        return assay_error_set(err, ASSAY_NOTHING, "no records to ask about");
    out->guess =
        assay__calloc((size_t)out->n_budgets * out->n, sizeof(*out->guess));
    if (!out->guess)
        return assay_error_set(err, ASSAY_NOMEM, "%zu guesses", out->n);
    for (int i = 0; i < out->n_budgets && !rc; i++)
        rc = make_one(in, q, i, out, err);
    return rc;
}
