/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MemGuard (Jia et al., CCS 2019): answers with noise that misleads a
 * membership classifier.
 *
 * The defender trains a classifier on the model's sorted posteriors of its
 * own members and non-members: K inputs, 256, 128 and 64 units of ReLU, one
 * logit. Phase I (memguard_noise.c) finds for each answer one of the same
 * class and little L1 distortion that this classifier cannot place. Phase
 * II answers with it with probability min(1, budget / distortion), if it is
 * nearer to the classifier's 1/2, so that the expected distortion keeps to
 * the budget. Whether it does is drawn from the stream (seed, "memguard",
 * hash of the posteriors): asked again, it answers the same, so that nothing
 * can be averaged away.
 *
 * Differs from the authors' code: the classifier is trained with Adam, a
 * cosine and fewer epochs; the noisy answers are used with phase II's
 * probability, where the code reports the attack's expected accuracy.
 *
 * Known to fall short: against attacks that do not read the posteriors'
 * shape, such as label-only ones (Choquette-Choo et al., ICML 2021) or
 * thresholds per class (Song and Mittal, USENIX Security 2021).
 */

#include "defenses/memguard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/attack.h"
#include "assay/defense.h"
#include "assay/layers.h"
#include "assay/rng.h"
#include "core/mem.h"
#include "defenses/answers.h"

enum { PARAM_BUDGET, PARAM_ITERATIONS, PARAM_EPOCHS };

static const struct assay_setting params[] = {
    {"budget", 1, 0, 2, "L1 distortion of an answer, in expectation"},
    {"iterations", 300, 1, 10000, "steps of each search for noise"},
    {"epochs", 50, 1, 10000, "of the defender's classifier"},
    {NULL, 0, 0, 0, NULL}};

/* log 1e-30: of a posterior that is nothing. */
static const double floor_log = -69.0775527898213705;
static const double learning_rate = .001;

struct guard {
    struct assay__guard net;
    assay_value labels; /* [batch] */
    assay_value loss;
    struct assay_params weights;
    uint64_t seed;
};

static void release(void *state)
{
    struct guard *g = state;

    assay_plan_free(g->net.plan);
    assay_params_release(&g->weights);
    assay_graph_free(g->net.graph);
    assay__free(g);
}

static int build(struct guard *g, struct assay_error *err)
{
    static const char *const names[] = {"hidden1", "hidden2", "hidden3"};
    static const int units[] = {256, 128, 64};
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_shape answers =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)g->net.k);
    assay_value x;
    int code = assay_graph_new(&g->net.graph, err);

    if (code != ASSAY_OK)
        return code;
    g->net.z = assay_graph_input(g->net.graph, "answers", &answers);
    g->labels = assay_graph_input(g->net.graph, "members", &rows);
    x = assay_op_softmax(g->net.graph, g->net.z);
    for (int i = 0; i < 3; i++)
        x = assay_op_relu(g->net.graph, assay_layer_linear(g->net.graph, x,
                                                           names[i], units[i]));
    x = assay_layer_linear(g->net.graph, x, "member", 1);
    g->net.member = assay_op_reshape(g->net.graph, x, &rows);
    g->loss = assay_op_mean(
        g->net.graph,
        assay_op_bce_logits(g->net.graph, g->net.member, g->labels));
    x = assay_op_mean(g->net.graph, g->net.member);
    code = assay_graph_check(g->net.graph, err);
    if (code == ASSAY_OK)
        code = assay_differentiate(g->net.graph, x, &g->net.z, 1, &g->net.d_z,
                                   err);
    return code;
}

static int downwards(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x < y) - (x > y);
}

/* Sorted log-posteriors of the evidence into z [n, K]. */
static void sort_evidence(const struct assay_evidence *e, double *p, float *z)
{
    size_t k = (size_t)e->n_classes;

    for (size_t i = 0; i < e->n; i++) {
        assay_evidence_probs(e, i, p);
        qsort(p, k, sizeof(*p), downwards);
        for (size_t j = 0; j < k; j++)
            z[i * k + j] = (float)fmax(log(p[j]), floor_log);
    }
}

/* Answers of members, then of others, and which is which. */
struct lessons {
    float *z;
    float *member;
    double *p;
    size_t n;
};

static void lessons_release(struct lessons *l)
{
    assay__free(l->z);
    assay__free(l->member);
    assay__free(l->p);
}

static int lessons_make(struct lessons *l,
                        const struct assay_defense_answers *in,
                        struct assay_error *err)
{
    size_t k = (size_t)in->members->n_classes;

    memset(l, 0, sizeof(*l));
    l->n = in->members->n + in->others->n;
    l->z = assay__calloc(l->n * k, sizeof(*l->z));
    l->member = assay__calloc(l->n, sizeof(*l->member));
    l->p = assay__calloc(k, sizeof(*l->p));
    if (!l->z || !l->member || !l->p)
        return assay_error_set(err, ASSAY_NOMEM,
                               "memguard: out of memory for %zu answers", l->n);
    sort_evidence(in->members, l->p, l->z);
    sort_evidence(in->others, l->p, l->z + in->members->n * k);
    for (size_t i = 0; i < in->members->n; i++)
        l->member[i] = 1;
    return ASSAY_OK;
}

static int learn(struct guard *g, const struct assay_defense_answers *in,
                 const struct lessons *l, int threads, struct assay_error *err)
{
    const struct assay_compute *compute = in->compute;
    const float *array[2] = {l->z, l->member};
    size_t width[2] = {(size_t)g->net.k, 1};
    struct assay_memory_source memory = {array, width, 2};
    assay_value inputs[2] = {g->net.z, g->labels};
    struct assay_program program = {.graph = g->net.graph,
                                    .inputs = inputs,
                                    .n_inputs = 2,
                                    .loss = g->loss};
    struct assay_source source;
    struct assay_train_options o;
    int code = assay_params_make(&g->weights, g->net.graph, err);

    if (code == ASSAY_OK)
        code = assay_params_init(&g->weights, g->net.graph, g->seed, err);
    if (code != ASSAY_OK)
        return code;
    assay_memory_source(&source, &memory, l->n);
    assay_train_options_init(&o, (size_t)in->param[PARAM_EPOCHS]);
    o.optimizer.kind = ASSAY_OPTIMIZER_ADAM;
    o.lr = learning_rate;
    o.schedule = ASSAY_SCHEDULE_COSINE;
    o.seed = g->seed;
    o.backend = compute->backend;
    o.threads = threads;
    o.algorithms = compute->algorithms;
    o.tuning = compute->tuning;
    o.task = "memguard";
    return assay_train(in->ctx, &program, &source, &o, &g->weights, NULL, err);
}

static int make_plan(struct guard *g, const struct assay_compute *compute,
                     int threads, struct assay_error *err)
{
    const assay_value outputs[2] = {g->net.member, g->net.d_z};
    struct assay_plan_options o = {0};
    int code;

    o.backend = compute->backend;
    o.batch = ASSAY__GUARD_BATCH;
    o.mode = ASSAY_MODE_EVAL;
    o.threads = threads;
    o.algorithms = compute->algorithms;
    o.tuning = compute->tuning;
    o.outputs = outputs;
    o.n_outputs = 2;
    code = assay_plan_new(&g->net.plan, g->net.graph, &o, err);
    if (code == ASSAY_OK)
        code = assay_plan_load(g->net.plan, &g->weights, err);
    return code;
}

static int prepare(const struct assay_defense_answers *in, void **state,
                   struct assay_error *err)
{
    int threads =
        in->compute->threads > 0 ? in->compute->threads : in->ctx->threads;
    struct lessons lessons;
    struct guard *g;
    int code;

    if (in->members->n_classes < 2)
        return assay_error_set(err, ASSAY_DATA, "memguard: %d class",
                               in->members->n_classes);
    if (in->members->n == 0 || in->others->n == 0)
        return assay_error_set(err, ASSAY_DATA,
                               "memguard: %zu members and %zu others to learn "
                               "from",
                               in->members->n, in->others->n);
    code = lessons_make(&lessons, in, err);
    g = code == ASSAY_OK ? assay__calloc(1, sizeof(*g)) : NULL;
    if (code == ASSAY_OK && !g)
        code = assay_error_set(err, ASSAY_NOMEM, "memguard: out of memory");
    if (code == ASSAY_OK) {
        g->net.k = in->members->n_classes;
        g->seed = in->ctx->seed;
        code = build(g, err);
    }
    if (code == ASSAY_OK)
        code = learn(g, in, &lessons, threads, err);
    if (code == ASSAY_OK)
        code = make_plan(g, in->compute, threads, err);
    lessons_release(&lessons);
    if (code == ASSAY_OK)
        *state = g;
    else if (g)
        release(g);
    return code;
}

/* Whether phase II answers with noise. */
static int takes_noise(const struct guard *g, const double *p, int k,
                       double distortion, double budget)
{
    uint64_t hash = 0;
    struct assay_rng rng;

    for (int i = 0; i < k; i++) {
        uint64_t bits;

        memcpy(&bits, &p[i], sizeof(bits));
        hash = assay_rng_hash(hash, bits, (uint64_t)i);
    }
    assay_rng_init(&rng, g->seed, "memguard", hash);
    return assay_rng_uniform(&rng) * distortion < budget;
}

/* Room for n answers. */
struct room {
    double *z;     /* [n, K], sorted */
    double *noisy; /* [n, K] */
    double *before;
    double *after;
    double *p;       /* [K] */
    uint32_t *order; /* [n, K]: class at each place of z */
};

static void room_release(struct room *r)
{
    assay__free(r->z);
    assay__free(r->noisy);
    assay__free(r->before);
    assay__free(r->after);
    assay__free(r->p);
    assay__free(r->order);
}

static int room_make(struct room *r, size_t n, size_t k,
                     struct assay_error *err)
{
    r->z = assay__calloc(n * k, sizeof(*r->z));
    r->noisy = assay__calloc(n * k, sizeof(*r->noisy));
    r->before = assay__calloc(n, sizeof(*r->before));
    r->after = assay__calloc(n, sizeof(*r->after));
    r->p = assay__calloc(k, sizeof(*r->p));
    r->order = assay__calloc(n * k, sizeof(*r->order));
    if (r->z && r->noisy && r->before && r->after && r->p && r->order)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_NOMEM,
                           "memguard: out of memory for %zu answers", n);
}

struct place {
    double p;
    uint32_t class;
};

static int by_posterior(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    int order = (x->p < y->p) - (x->p > y->p);

    return order ? order : (x->class > y->class) - (x->class < y->class);
}

static void sort_row(const double *p, int k, struct place *place, double *z,
                     uint32_t *order)
{
    for (int i = 0; i < k; i++) {
        place[i].p = p[i];
        place[i].class = (uint32_t)i;
    }
    qsort(place, (size_t)k, sizeof(*place), by_posterior);
    for (int i = 0; i < k; i++) {
        order[i] = place[i].class;
        z[i] = fmax(log(place[i].p), floor_log);
    }
}

/* Phase II for one answer. */
static void settle(const struct guard *g, const struct room *r, size_t row,
                   double *p, double budget)
{
    int k = g->net.k;
    const double *noisy = r->noisy + row * (size_t)k;
    const uint32_t *order = r->order + row * (size_t)k;
    double distortion = 0;
    double sum = 0;

    if (!(fabs(r->after[row]) < fabs(r->before[row])))
        return;
    for (int i = 0; i < k; i++)
        sum += exp(noisy[i] - noisy[0]);
    for (int i = 0; i < k; i++) {
        r->p[order[i]] = exp(noisy[i] - noisy[0]) / sum;
        distortion += fabs(r->p[order[i]] - p[order[i]]);
    }
    if (!takes_noise(g, p, k, distortion, budget))
        return;
    memcpy(p, r->p, (size_t)k * sizeof(*p));
    assay__keep_class(p, k, (int)order[0]);
}

static int answers(const double *param, void *state, double *p, size_t n, int k,
                   struct assay_error *err)
{
    struct guard *g = state;
    size_t width = (size_t)k;
    struct room r = {0};
    struct place *place = assay__calloc(width, sizeof(*place));
    int code = room_make(&r, n, width, err);

    if (code == ASSAY_OK && !place)
        code = assay_error_set(err, ASSAY_NOMEM, "memguard: %d classes", k);
    for (size_t i = 0; i < n && code == ASSAY_OK; i++)
        sort_row(p + i * width, k, place, r.z + i * width, r.order + i * width);
    if (code == ASSAY_OK)
        code =
            assay__guard_search(&g->net, r.z, n, (int)param[PARAM_ITERATIONS],
                                r.noisy, r.before, r.after, err);
    for (size_t i = 0; i < n && code == ASSAY_OK; i++)
        settle(g, &r, i, p + i * width, param[PARAM_BUDGET]);
    assay__free(place);
    room_release(&r);
    return code;
}

const struct assay_defense assay_defense_memguard = {
    .name = "memguard",
    .title = "MemGuard",
    .summary = "Answers get noise that misleads a membership classifier, "
               "within a budget of distortion.",
    .cites = "Jia et al., CCS 2019",
    .stage = ASSAY_DEFENSE_ANSWERS,
    .protects = 1U << ASSAY_GOAL_MEMBERSHIP,
    .params = params,
    .prepare = prepare,
    .release = release,
    .answers = answers,
};
