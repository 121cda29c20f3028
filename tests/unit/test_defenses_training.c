/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defences that change training: their losses against formulas in double,
 * what they make of a recipe, and what the trained model shows.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "assay/defense.h"
#include "assay/layers.h"
#include "assay/privacy.h"
#include "assay/rng.h"
#include "small_data.h"

enum { N = 6, K = SMALL_CLASSES };

static struct assay_error err;

/* A training to defend: records in memory, nothing trained yet. */
struct work {
    assay_dataset *data;
    assay_view *view;
    struct assay_recipe recipe;
    struct assay_objective objective;
    struct assay_privacy_options privacy;
    struct assay_defense_training t;
    const struct assay_defense *defense;
    double param[ASSAY_SETTINGS_MAX];
};

static void work_open(struct work *w, const char *name, size_t records,
                      size_t epochs)
{
    memset(w, 0, sizeof(*w));
    w->data = small_records(records, 1);
    w->view = small_view(w->data);
    assay_recipe_init(&w->recipe, epochs);
    w->defense = assay_defense_find(name);
    CHECK(w->defense != NULL);
    assay_settings_init(w->defense->params, w->param);
    w->t.param = w->param;
    w->t.train = w->view;
    w->t.n_classes = K;
    w->t.recipe = &w->recipe;
    w->t.objective = &w->objective;
    w->t.privacy = &w->privacy;
}

static void work_close(struct work *w)
{
    if (w->defense->release)
        w->defense->release(w->t.state);
    assay_view_free(w->view);
    assay_dataset_free(w->data);
}

static double log_softmax(const double *z, int k, double t)
{
    double sum = 0;

    for (int i = 0; i < K; i++)
        sum += exp(z[i] / t);
    return z[k] / t - log(sum);
}

/* The objective's losses of N records, by the reference backend. */
static void run_loss(const struct assay_objective *o, const double *logits,
                     const double *labels, const double *soft, double epoch,
                     double *loss)
{
    struct assay_shape rows = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    struct assay_shape table = assay_shape_make(2, (int64_t)ASSAY_BATCH, K);
    struct assay_loss_values v = {0, 0, ASSAY_NO_VALUE, ASSAY_NO_VALUE};
    struct assay_plan_options options = {
        .backend = "reference", .batch = N, .threads = 1, .n_outputs = 1};
    double epochs[N];
    assay_graph *g = NULL;
    assay_plan *plan = NULL;
    assay_value out;

    CHECK_OK(assay_graph_new(&g, &err), err);
    v.logits = assay_graph_input(g, "logits", &table);
    v.labels = assay_graph_input(g, "labels", &rows);
    if (soft)
        v.soft = assay_graph_input(g, "soft", &table);
    if (o->wants_epoch)
        v.epoch = assay_graph_input(g, "epoch", &rows);
    out = o->loss ? o->loss(o->self, g, &v)
                  : assay_op_kl_logits(g, v.logits, v.soft, 1);
    CHECK_OK(assay_graph_check(g, &err), err);
    options.outputs = &out;
    CHECK_OK(assay_plan_new(&plan, g, &options, &err), err);
    CHECK_OK(assay_plan_write_f64(plan, v.logits, logits, &err), err);
    if (labels)
        CHECK_OK(assay_plan_write_f64(plan, v.labels, labels, &err), err);
    if (soft)
        CHECK_OK(assay_plan_write_f64(plan, v.soft, soft, &err), err);
    for (int i = 0; i < N; i++)
        epochs[i] = epoch;
    if (o->wants_epoch)
        CHECK_OK(assay_plan_write_f64(plan, v.epoch, epochs, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, out, loss, &err), err);
    assay_plan_free(plan);
    assay_graph_free(g);
}

static void draw_rows(double *logits, double *labels, uint64_t stream)
{
    struct assay_rng rng;

    assay_rng_init(&rng, 3, "test-losses", stream);
    for (int i = 0; i < N * K; i++)
        logits[i] = 2 * assay_rng_normal(&rng);
    for (int i = 0; labels && i < N; i++)
        labels[i] = (double)assay_rng_below(&rng, K);
}

static void test_distillation_is_hintons_loss(void)
{
    static float teacher[2 * N * K];
    double logits[N * K];
    double soft[N * K];
    double labels[N];
    double loss[N];
    struct work w;

    work_open(&w, "distillation", N, 1);
    CHECK_FAILS(w.defense->train(&w.t, &err), ASSAY_ARG, err);
    w.t.teacher = teacher;
    CHECK_OK(w.defense->train(&w.t, &err), err);
    CHECK(w.objective.soft == teacher);
    CHECK_INT_EQ(w.objective.variants, 2);
    draw_rows(logits, labels, 1);
    draw_rows(soft, NULL, 2);
    run_loss(&w.objective, logits, labels, soft, 0, loss);
    for (int i = 0; i < N; i++) {
        const double *z = logits + i * K;
        const double *by = soft + i * K;
        double kl = 0;

        for (int k = 0; k < K; k++)
            kl += exp(log_softmax(by, k, 2)) *
                  (log_softmax(by, k, 2) - log_softmax(z, k, 2));
        CHECK_NEAR(loss[i],
                   .95 * 4 * kl - .05 * log_softmax(z, (int)labels[i], 1),
                   1e-12);
    }
    work_close(&w);
}

/* Divergence from the smoothed label: its cross-entropy but for a
 * constant. */
static void test_label_smoothing_spreads_the_label(void)
{
    double logits[N * K];
    double soft[N * K];
    double loss[N];
    struct work w;

    work_open(&w, "label-smoothing", N, 1);
    CHECK_OK(w.defense->train(&w.t, &err), err);
    draw_rows(logits, NULL, 3);
    for (int i = 0; i < N * K; i++)
        soft[i] = (double)w.objective.soft[i];
    run_loss(&w.objective, logits, NULL, soft, 0, loss);
    for (int i = 0; i < N; i++) {
        double want = 0;

        for (int k = 0; k < K; k++) {
            double q = .1 / K + (k == assay_view_label(w.view, (size_t)i)) * .9;

            want += q * (log(q) - log_softmax(logits + i * K, k, 1));
        }
        CHECK_NEAR(loss[i], want, 1e-6);
    }
    work_close(&w);
}

static double relaxed(const double *logits, const double *labels, double level,
                      int odd)
{
    double xent[N];
    double mean = 0;
    double sum = 0;

    for (int i = 0; i < N; i++) {
        xent[i] = -log_softmax(logits + i * K, (int)labels[i], 1);
        mean += xent[i] / N;
    }
    if (!odd)
        return fabs(mean - level);
    if (mean > level)
        return mean;
    for (int i = 0; i < N; i++) {
        const double *z = logits + i * K;
        int label = (int)labels[i];
        double own = exp(-xent[i]);
        int best = 0;

        for (int k = 1; k < K; k++)
            best = z[k] > z[best] ? k : best;
        sum -= xent[i];
        for (int k = 0; k < K && best != label; k++)
            sum -=
                (k == label ? own : (1 - own) / (K - 1)) * log_softmax(z, k, 1);
    }
    return sum / N;
}

static void test_relaxloss_is_the_papers(void)
{
    static const double levels[] = {.25, 20};
    double logits[N * K];
    double labels[N];
    double loss[N];
    struct work w;

    work_open(&w, "relaxloss", N, 1);
    CHECK_OK(w.defense->train(&w.t, &err), err);
    CHECK(w.objective.wants_epoch);
    for (int i = 0; i < 8; i++) {
        double mean = 0;

        w.param[0] = levels[i % 2];
        draw_rows(logits, labels, 10 + (uint64_t)i / 2);
        run_loss(&w.objective, logits, labels, NULL, i / 2, loss);
        for (int k = 0; k < N; k++)
            mean += loss[k] / N;
        CHECK_NEAR(mean, relaxed(logits, labels, w.param[0], i / 2 % 2), 1e-12);
    }
    work_close(&w);
}

static void test_mixup_asks_for_mixed_records(void)
{
    struct work w;

    work_open(&w, "mixup", N, 1);
    CHECK_OK(w.defense->train(&w.t, &err), err);
    CHECK_NEAR(w.objective.mixup, 1, 0);
    CHECK_INT_EQ(w.objective.variants, 0);
    work_close(&w);
}

/* The rate of each trained epoch is that of the whole recipe. */
static void test_early_stopping_keeps_the_schedule(void)
{
    static const enum assay_schedule schedules[] = {ASSAY_SCHEDULE_CONSTANT,
                                                    ASSAY_SCHEDULE_MULTISTEP,
                                                    ASSAY_SCHEDULE_COSINE};

    for (size_t s = 0; s < 3; s++) {
        struct assay_train_options whole;
        struct assay_train_options part;
        struct work w;

        work_open(&w, "early-stopping", N, 100);
        CHECK_OK(w.defense->train(&w.t, &err), err);
        CHECK_UINT_EQ(w.recipe.epochs, 20);
        assay_train_options_init(&whole, 100);
        whole.schedule = schedules[s];
        whole.milestones[0] = 10;
        whole.n_milestones = 1;
        whole.gamma = .1;
        part = whole;
        part.epochs = w.recipe.epochs;
        part.schedule_epochs = w.recipe.schedule_epochs;
        for (size_t e = 0; e < 20; e++)
            CHECK_NEAR(assay_train_rate(&part, e), assay_train_rate(&whole, e),
                       0);
        work_close(&w);
    }
}

static void test_dp_sgd_claims_what_it_trains(void)
{
    struct assay_privacy_claim c;
    struct assay_train_options o;
    struct assay_dpsgd m;
    struct work w;
    double epsilon;

    work_open(&w, "dp-sgd", 130, 5);
    w.param[1] = 4;
    CHECK_OK(w.defense->train(&w.t, &err), err);
    CHECK_OK(w.defense->claim(w.param, &w.recipe, 130, &c, &err), err);
    assay_train_options_init(&o, 5);
    o.batch = w.recipe.batch;
    CHECK_NEAR(c.noise_multiplier, w.privacy.noise_multiplier, 0);
    CHECK_NEAR(w.privacy.clip_norm, 1.5, 0);
    CHECK_UINT_EQ(c.steps, 5 * assay_train_steps(&o, 130));
    CHECK_NEAR(c.sample_rate, assay_train_sample_rate(&o, 130), 1e-15);
    m.rate = c.sample_rate;
    m.noise = c.noise_multiplier;
    m.steps = c.steps;
    CHECK_OK(
        assay_privacy_epsilon(&epsilon, &m, 1e-5, ASSAY_ACCOUNTANT_PRV, &err),
        err);
    CHECK_NEAR(c.epsilon_prv, epsilon, 1e-9);
    CHECK(c.epsilon_prv <= 4 && c.epsilon_prv > 3.95);
    CHECK(c.epsilon_rdp >= c.epsilon_prv);
    work_close(&w);
}

/* The mean cross-entropy of a model trained with the objective. */
static double trained_loss(const char *name, double value)
{
    struct assay_context ctx;
    struct assay_compute compute = {.threads = 1,
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_training t;
    struct assay_evidence e = {0};
    struct work w;
    double *log_prob;
    double sum = 0;

    work_open(&w, name, 48, 30);
    w.param[0] = value;
    CHECK_OK(w.defense->train(&w.t, &err), err);
    assay_context_init(&ctx);
    ctx.threads = 1;
    memset(&t, 0, sizeof(t));
    w.recipe.batch = 16;
    w.recipe.lr = .05;
    w.recipe.augment.flip = 0;
    w.objective.text = name;
    t.model = small_model(5);
    t.train = w.view;
    t.recipe = &w.recipe;
    t.objective = &w.objective;
    t.seed = 5;
    t.task = name;
    CHECK_OK(assay_models_train(&ctx, &compute, &t, 1, &err), err);
    CHECK_OK(assay_evidence_collect(&e, &ctx, t.model, w.view, 0, &compute,
                                    name, &err),
             err);
    log_prob = calloc(e.n, sizeof(*log_prob));
    CHECK(log_prob != NULL);
    assay_evidence_log_prob(&e, log_prob);
    for (size_t i = 0; i < e.n; i++)
        sum -= log_prob[i] / (double)e.n;
    free(log_prob);
    assay_evidence_release(&e);
    assay_curve_release(&t.curve);
    assay_model_free(t.model);
    work_close(&w);
    return sum;
}

/* What it promises of training: the loss stays about the level, below that of
 * a model that learnt nothing, log 3, where level 0 learns the records by
 * heart. */
static void test_relaxloss_holds_the_loss(void)
{
    double free_fall = trained_loss("relaxloss", 0);
    double held = trained_loss("relaxloss", .7);

    printf("# loss %.4f, held at 0.7: %.4f\n", free_fall, held);
    CHECK(free_fall < .1);
    CHECK(held > .35 && held < .95);
}

/* Mixed and smoothed labels never ask for certainty. */
static void test_soft_labels_leave_some_loss(void)
{
    double plain = trained_loss("early-stopping", 1);
    double smooth = trained_loss("label-smoothing", .3);
    double mixed = trained_loss("mixup", 1);

    printf("# loss %.4f, smoothed %.4f, mixed %.4f\n", plain, smooth, mixed);
    CHECK(smooth > .1);
    CHECK(mixed > 10 * plain);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_distillation_is_hintons_loss),
    CHECK_TEST(test_label_smoothing_spreads_the_label),
    CHECK_TEST(test_relaxloss_is_the_papers),
    CHECK_TEST(test_mixup_asks_for_mixed_records),
    CHECK_TEST(test_early_stopping_keeps_the_schedule),
    CHECK_TEST(test_dp_sgd_claims_what_it_trains),
    CHECK_TEST(test_relaxloss_holds_the_loss),
    CHECK_TEST(test_soft_labels_leave_some_loss),
};

CHECK_MAIN(tests)
