/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training a tiny classifier: it learns, its seed alone decides its bytes,
 * company changes nothing, and an interrupted training goes on to the bytes
 * of one that was not.
 */

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "assay/format.h"
#include "assay/layers.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "small_data.h"

enum { RECORDS = 48, EPOCHS = 4, BATCH = 20, STEPS = 3 };

/* Data, recipe and one training; run() may be called again and again. */
struct work {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_dataset *data;
    assay_view *view;
    struct assay_recipe recipe;
    struct assay_training t;
};

static void work_open(struct work *w)
{
    struct assay_error err = {0};

    memset(w, 0, sizeof(*w));
    assay_context_init(&w->ctx);
    w->ctx.threads = 1;
    w->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    CHECK_OK(assay_tuning_new(&w->compute.tuning, &err), err);
    w->data = small_records(RECORDS, 1);
    w->view = small_view(w->data);
    assay_recipe_init(&w->recipe, EPOCHS);
    w->recipe.batch = BATCH;
    w->recipe.lr = .05;
    w->recipe.augment.crop_pad = 1;
    w->t.train = w->view;
    w->t.recipe = &w->recipe;
    w->t.seed = 5;
    w->t.task = "bands";
    w->t.model = small_model(5);
}

static void work_close(struct work *w)
{
    assay_curve_release(&w->t.curve);
    assay_model_free(w->t.model);
    assay_view_free(w->view);
    assay_dataset_free(w->data);
    assay_tuning_free(w->compute.tuning);
}

/* From fresh parameters. */
static int run(struct work *w, struct assay_error *err)
{
    assay_model_free(w->t.model);
    w->t.model = small_model(5);
    assay_curve_release(&w->t.curve);
    return assay_models_train(&w->ctx, &w->compute, &w->t, 1, err);
}

/* The parameters of an undisturbed training, a fresh array. */
static float *straight(const struct assay_recipe *recipe)
{
    struct assay_error err = {0};
    const struct assay_params *p;
    struct work w;
    float *copy;

    work_open(&w);
    w.recipe = *recipe;
    CHECK_OK(run(&w, &err), err);
    p = assay_model_params(w.t.model);
    copy = assay__malloc(p->size * sizeof(float));
    CHECK(copy != NULL);
    memcpy(copy, p->data, p->size * sizeof(float));
    work_close(&w);
    return copy;
}

static void check_params(assay_model *m, const float *want)
{
    const struct assay_params *p = assay_model_params(m);

    CHECK_MEM_EQ(p->data, want, p->size * sizeof(float));
}

static void test_classifier_learns(void)
{
    struct assay_error err = {0};
    const struct assay_curve_point *p;
    struct assay_evidence e;
    struct work w;

    work_open(&w);
    w.recipe.epochs = 20;
    w.recipe.augment.flip = 0;
    w.recipe.augment.crop_pad = 0;
    w.recipe.milestones[0] = 15;
    w.recipe.n_milestones = 1;
    w.recipe.evaluate_every = 8;
    w.t.test = w.view;
    CHECK_OK(run(&w, &err), err);
    CHECK_UINT_EQ(w.t.curve.n, 20);
    CHECK_UINT_EQ(w.t.resumed_at, 0);
    CHECK(w.t.seconds > 0);
    p = w.t.curve.point;
    for (size_t i = 0; i < 20; i++) {
        CHECK_UINT_EQ(p[i].epoch, i + 1);
        CHECK_NEAR(p[i].lr, i < 15 ? .05 : .005, 1e-15);
        CHECK(isnan(p[i].test_accuracy) == (i != 7 && i != 15 && i != 19));
    }
    CHECK(p[19].loss < .2 * p[0].loss);
    CHECK(p[19].train_accuracy > .95);
    CHECK_OK(assay_evidence_collect(&e, &w.ctx, w.t.model, w.view, 0,
                                    &w.compute, "test", &err),
             err);
    CHECK_NEAR(assay_evidence_accuracy(&e).value, p[19].test_accuracy, 0);
    CHECK(p[19].test_accuracy > .95);
    assay_evidence_release(&e);
    work_close(&w);
}

static void test_seed_decides_alone(void)
{
    struct assay_error err = {0};
    struct work w;
    float *want;

    work_open(&w);
    want = straight(&w.recipe);
    CHECK_OK(run(&w, &err), err);
    check_params(w.t.model, want);
    w.t.test = w.view; /* looking at it changes nothing */
    w.recipe.evaluate_every = 1;
    CHECK_OK(run(&w, &err), err);
    check_params(w.t.model, want);
    w.t.seed = 6;
    CHECK_OK(run(&w, &err), err);
    CHECK(memcmp(assay_model_params(w.t.model)->data, want,
                 RECORDS * sizeof(float)) != 0);
    assay__free(want);
    work_close(&w);
}

/* What is called after each epoch: how often, and with which model. */
struct look {
    const struct work *work;
    size_t calls;
    size_t last; /* epoch */
    size_t stop; /* fail after this one; 0: never */
    float *params;
    size_t size;
};

static int look(void *user, const assay_model *m, size_t epoch,
                struct assay_error *err)
{
    struct look *l = user;
    const struct assay_params *p = assay_model_params(l->work->t.model);

    CHECK(m == l->work->t.model);
    l->calls++;
    CHECK_UINT_EQ(epoch, l->last + 1);
    l->last = epoch;
    l->size = p->size;
    l->params = assay__realloc(l->params, p->size, sizeof(float));
    CHECK(l->params != NULL);
    memcpy(l->params, p->data, p->size * sizeof(float));
    return l->stop == epoch
               ? assay_error_set(err, ASSAY_LIMIT, "enough of epoch %zu", epoch)
               : ASSAY_OK;
}

static void test_each_epoch_can_be_looked_at(void)
{
    struct assay_error err = {0};
    struct look l = {0};
    struct work w;
    float *want;
    float *half;

    work_open(&w);
    want = straight(&w.recipe);
    w.recipe.epochs = EPOCHS / 2;
    half = straight(&w.recipe);
    w.recipe.epochs = EPOCHS;
    w.t.on_epoch = look;
    w.t.user = &l;
    l.work = &w;
    CHECK_OK(run(&w, &err), err);
    CHECK_UINT_EQ(l.calls, EPOCHS);
    CHECK_MEM_EQ(l.params, want, l.size * sizeof(float));
    check_params(w.t.model, want); /* looking at it changes nothing */
    l.calls = l.last = 0;
    l.stop = EPOCHS / 2;
    CHECK_FAILS(run(&w, &err), ASSAY_LIMIT, err);
    CHECK_UINT_EQ(l.calls, EPOCHS / 2);
    CHECK_MEM_EQ(l.params, half, l.size * sizeof(float));
    assay__free(l.params);
    assay__free(want);
    assay__free(half);
    work_close(&w);
}

enum { CROWD = 3 };

static const char *crowd_checkpoint(int i)
{
    static const char *const name[CROWD] = {"a.ckpt", "b.ckpt", "c.ckpt"};

    return check_temp_path(name[i]);
}

static struct assay_training member(const struct work *w, int i)
{
    struct assay_training t = w->t;

    t.model = small_model((uint64_t)(20 + i));
    t.seed = (uint64_t)(20 + i);
    t.checkpoint = crowd_checkpoint(i);
    return t;
}

/* CROWD trainings at once; models differ in their seeds. */
static void train_crowd(struct work *w, struct assay_training t[CROWD])
{
    struct assay_error err = {0};

    for (int i = 0; i < CROWD; i++) {
        t[i] = member(w, i);
        (void)unlink(t[i].checkpoint);
    }
    CHECK_OK(assay_models_train(&w->ctx, &w->compute, t, CROWD, &err), err);
}

static void free_crowd(struct assay_training t[CROWD])
{
    for (int i = 0; i < CROWD; i++) {
        assay_model_free(t[i].model);
        assay_curve_release(&t[i].curve);
    }
}

/* What was measured (workers of one thread, or threads of one worker) is
 * overruled where the key has `part`: both ways are to be tried. */
static void choose(struct work *w, const char *part, const char *how)
{
    const char *path = check_temp_path("tuning.json");
    struct assay_error err = {0};
    json_t *root = NULL;
    const char *key;
    json_t *value;
    int found = 0;

    CHECK_OK(assay_tuning_write(w->compute.tuning, path, &err), err);
    CHECK_OK(assay__json_read(path, 1 << 20, &root, &err), err);
    json_object_foreach(root, key, value)
    {
        if (strncmp(key, "parallel|", 9) != 0 || !strstr(key, part))
            continue;
        CHECK_OK(assay_tuning_put(w->compute.tuning, key, how, &err), err);
        found++;
    }
    json_decref(root);
    CHECK_INT_EQ(found, 1);
}

/* The threads that a checkpoint says it was made with. */
static void check_threads(const char *path, const char *threads)
{
    struct assay_error err = {0};
    struct assay_tensors list;

    assay_tensors_init(&list);
    CHECK_OK(assay_tensors_read(&list, path, &err), err);
    CHECK_STR_EQ(assay_tensors_meta(&list, "assay.threads"), threads);
    assay_tensors_release(&list);
}

/* The crowd; then half of it, each of which goes on alone. */
static void check_crowd(struct work *w, const char *threads)
{
    struct assay_error err = {0};
    struct assay_training crowd[CROWD];
    struct assay_training half[CROWD];

    train_crowd(w, crowd);
    w->recipe.epochs = EPOCHS / 2;
    train_crowd(w, half);
    w->recipe.epochs = EPOCHS;
    for (int i = 0; i < CROWD; i++) {
        struct assay_training alone = member(w, i);

        check_threads(alone.checkpoint, threads);
        CHECK_OK(assay_models_train(&w->ctx, &w->compute, &alone, 1, &err),
                 err);
        CHECK_UINT_EQ(alone.resumed_at, EPOCHS / 2);
        check_threads(alone.checkpoint, threads);
        check_params(crowd[i].model, assay_model_params(alone.model)->data);
        CHECK_UINT_EQ(crowd[i].curve.n, EPOCHS);
        CHECK_NEAR(crowd[i].curve.point[EPOCHS - 1].loss,
                   alone.curve.point[EPOCHS - 1].loss, 0);
        assay_model_free(alone.model);
        assay_curve_release(&alone.curve);
    }
    free_crowd(crowd);
    free_crowd(half);
}

static void test_company_changes_nothing(void)
{
    struct assay_error err = {0};
    struct work w;

    work_open(&w);
    w.ctx.threads = 2;
    CHECK_OK(assay_models_measure(&w.ctx, &w.compute, &w.t, 1, &err), err);
    choose(&w, "batch 20|", "workers");
    check_crowd(&w, "1");
    choose(&w, "batch 20|", "threads");
    check_crowd(&w, "2");
    work_close(&w);
}

/* Two problems at once, each with its own number of threads. */
static void test_each_problem_has_its_choice(void)
{
    struct assay_error err = {0};
    struct assay_training t[CROWD];
    struct assay_recipe small;
    struct work w;

    work_open(&w);
    w.ctx.threads = 2;
    small = w.recipe;
    small.batch = 10;
    for (int i = 0; i < CROWD; i++) {
        t[i] = member(&w, i);
        (void)unlink(t[i].checkpoint);
    }
    t[1].recipe = &small;
    CHECK_OK(assay_models_measure(&w.ctx, &w.compute, t, CROWD, &err), err);
    choose(&w, "batch 20|", "workers");
    choose(&w, "batch 10|", "threads");
    CHECK_OK(assay_models_train(&w.ctx, &w.compute, t, CROWD, &err), err);
    check_threads(crowd_checkpoint(0), "1");
    check_threads(crowd_checkpoint(1), "2");
    check_threads(crowd_checkpoint(2), "1");
    for (int i = 0; i < CROWD; i++)
        CHECK_UINT_EQ(t[i].curve.n, EPOCHS);
    free_crowd(t);
    work_close(&w);
}

/* A number of threads that is asked for is not measured. */
static void test_given_threads_are_kept(void)
{
    struct assay_training t[CROWD];
    struct assay_error err = {0};
    struct work w;

    work_open(&w);
    w.ctx.threads = 2;
    CHECK_OK(assay_models_measure(&w.ctx, &w.compute, &w.t, 1, &err), err);
    choose(&w, "batch 20|", "threads");
    w.compute.threads = 1;
    train_crowd(&w, t);
    check_threads(crowd_checkpoint(2), "1");
    free_crowd(t);
    work_close(&w);
}

/* A flag raised at the n-th report of progress. */
struct stop {
    volatile sig_atomic_t cancel;
    long at;
    long reports;
};

static void stop_progress(void *user, const struct assay_progress *step)
{
    struct stop *s = user;

    (void)step;
    if (++s->reports == s->at)
        s->cancel = 1;
}

static int run_until(struct work *w, long at, struct assay_error *err)
{
    struct stop s = {.at = at};
    int code;

    w->ctx.progress = stop_progress;
    w->ctx.user = &s;
    w->ctx.cancel = &s.cancel;
    code = run(w, err);
    w->ctx.progress = NULL;
    w->ctx.cancel = NULL;
    return code;
}

/* Ended at reports of its progress (one before the first step, one after
 * each; a flag may be seen a report later), then given again. */
static void test_canceled_training_goes_on_to_the_same_bytes(void)
{
    const char *path = check_temp_path("bands.ckpt");
    struct work w;
    float *want;

    work_open(&w);
    w.t.test = w.view;
    w.recipe.evaluate_every = 1;
    want = straight(&w.recipe);
    w.t.checkpoint = path;
    for (long at = 1; at < EPOCHS * STEPS; at += 2) {
        struct assay_error err = {0};
        bool kept;

        (void)unlink(path);
        CHECK_FAILS(run_until(&w, at, &err), ASSAY_CANCELED, err);
        kept = assay__exists(path);
        CHECK_OK(run(&w, &err), err);
        CHECK(w.t.resumed_at == (size_t)(at / STEPS) ||
              w.t.resumed_at == (size_t)((at - 1) / STEPS));
        CHECK(kept == (w.t.resumed_at > 0));
        check_params(w.t.model, want);
        CHECK_UINT_EQ(w.t.curve.n, EPOCHS);
        for (size_t i = 0; i < EPOCHS; i++)
            CHECK(!isnan(w.t.curve.point[i].test_accuracy));
    }
    assay__free(want);
    work_close(&w);
}

/* Cut short in the middle, a checkpoint serves a longer training too. */
static void test_checkpoint_carries_a_longer_training(void)
{
    struct assay_error err = {0};
    struct work w;
    float *want;

    work_open(&w);
    want = straight(&w.recipe);
    w.t.checkpoint = check_temp_path("half.ckpt");
    w.recipe.epochs = EPOCHS / 2;
    CHECK_OK(run(&w, &err), err);
    w.recipe.epochs = EPOCHS;
    CHECK_OK(run(&w, &err), err);
    CHECK_UINT_EQ(w.t.resumed_at, EPOCHS / 2);
    check_params(w.t.model, want);
    assay__free(want);
    work_close(&w);
}

struct ear {
    char text[512];
};

static void listen(void *user, enum assay_log_level level, const char *text)
{
    struct ear *ear = user;

    (void)level;
    strncpy(ear->text, text, sizeof(ear->text) - 1);
}

/* Other records, other augmentation, other initial parameters: the
 * checkpoint is another training's. */
static void test_checkpoint_of_other_data_is_not_used(void)
{
    struct assay_error err = {0};
    struct ear ear = {""};
    uint32_t index[RECORDS];
    struct work w;

    work_open(&w);
    w.t.checkpoint = check_temp_path("other.ckpt");
    CHECK_OK(run(&w, &err), err);
    w.ctx.log = listen;
    w.ctx.user = &ear;
    w.recipe.augment.flip = 0;
    CHECK_OK(run(&w, &err), err);
    CHECK_UINT_EQ(w.t.resumed_at, 0);
    CHECK_STR_HAS(ear.text, "flip 0");
    for (uint32_t i = 0; i < RECORDS; i++)
        index[i] = RECORDS - 1 - i;
    assay_view_free(w.view);
    w.view = NULL;
    CHECK_OK(assay_view_new(&w.view, w.data, index, RECORDS,
                            assay_model_preprocess(w.t.model), &err),
             err);
    w.t.train = w.view;
    ear.text[0] = '\0';
    CHECK_OK(run(&w, &err), err);
    CHECK_UINT_EQ(w.t.resumed_at, 0);
    CHECK_STR_HAS(ear.text, "records");
    CHECK_OK(run(&w, &err), err);
    CHECK_UINT_EQ(w.t.resumed_at, EPOCHS);
    work_close(&w);
}

/* Pixels that were put right, under the labels and numbers of before. */
static void test_checkpoint_of_other_pixels_is_not_used(void)
{
    struct assay_error err = {0};
    struct ear ear = {""};
    assay_dataset *before;
    struct work w;

    work_open(&w);
    w.t.checkpoint = check_temp_path("pixels.ckpt");
    CHECK_OK(run(&w, &err), err);
    assay_view_free(w.view);
    before = w.data;
    w.data = small_records(RECORDS, 2);
    for (size_t i = 0; i < RECORDS; i++)
        CHECK_INT_EQ(assay_dataset_label(w.data, i),
                     assay_dataset_label(before, i));
    assay_dataset_free(before);
    w.t.train = w.view = small_view(w.data);
    w.ctx.log = listen;
    w.ctx.user = &ear;
    CHECK_OK(run(&w, &err), err);
    CHECK_UINT_EQ(w.t.resumed_at, 0);
    CHECK_STR_HAS(ear.text, "data");
    work_close(&w);
}

static void test_unusable_data_are_refused(void)
{
    struct assay_error err = {0};
    struct assay_model_spec spec = small_spec();
    struct work w;

    work_open(&w);
    assay_model_free(w.t.model);
    w.t.model = NULL;
    spec.n_classes = 2;
    CHECK_OK(assay_model_new(&w.t.model, &spec, 1, &err), err);
    CHECK_FAILS(assay_models_train(&w.ctx, &w.compute, &w.t, 1, &err),
                ASSAY_DATA, err);
    CHECK_STR_HAS(err.msg, "bands: record 2 has label 2");
    CHECK_STR_HAS(err.msg, "0 to 1");
    w.recipe.lr = 1e30;
    CHECK_FAILS(run(&w, &err), ASSAY_NUMERIC, err);
    CHECK_STR_HAS(err.msg, "bands");
    work_close(&w);
}

/* The number of the epoch, and of soft targets nothing. */
static assay_value epoch_alone(const void *self, assay_graph *g,
                               const struct assay_loss_values *v)
{
    assay_value loss = assay_op_softmax_xent(g, v->logits, v->labels);

    (void)self;
    if (v->soft != ASSAY_NO_VALUE)
        loss =
            assay_op_add(g, loss, assay_op_kl_logits(g, v->logits, v->soft, 1));
    return assay_op_add(g, assay_op_affine(g, loss, 0, 0), v->epoch);
}

/* Beside soft targets of either kind, and alone. */
static void test_an_objective_is_told_the_epoch(void)
{
    static const float soft[RECORDS * SMALL_CLASSES];
    struct assay_objective o = {
        .text = "epoch", .loss = epoch_alone, .wants_epoch = 1};
    struct assay_error err = {0};
    struct work w;

    for (int kind = 0; kind < 3; kind++) {
        o.soft = kind == 1 ? soft : NULL;
        o.variants = kind == 1;
        o.mixup = kind == 2;
        work_open(&w);
        w.t.objective = &o;
        CHECK_OK(run(&w, &err), err);
        for (size_t i = 0; i < EPOCHS; i++)
            CHECK_NEAR(w.t.curve.point[i].loss, i, 1e-6);
        work_close(&w);
    }
}

/* Soft targets that are as sure as labels train as labels do. */
static void test_soft_targets_without_a_loss_mean_cross_entropy(void)
{
    static float soft[RECORDS * SMALL_CLASSES];
    struct assay_objective o = {.text = "sure", .soft = soft, .variants = 1};
    struct assay_error err = {0};
    double hard[EPOCHS];
    struct work w;

    work_open(&w);
    CHECK_OK(run(&w, &err), err);
    for (size_t i = 0; i < EPOCHS; i++)
        hard[i] = w.t.curve.point[i].loss;
    for (size_t i = 0; i < RECORDS * SMALL_CLASSES; i++)
        soft[i] = -100;
    for (size_t i = 0; i < RECORDS; i++)
        soft[i * SMALL_CLASSES + (size_t)assay_view_label(w.view, i)] = 0;
    w.t.objective = &o;
    CHECK_OK(run(&w, &err), err);
    for (size_t i = 0; i < EPOCHS; i++)
        CHECK_NEAR(w.t.curve.point[i].loss, hard[i], 1e-4);
    CHECK(hard[EPOCHS - 1] < hard[0]);
    work_close(&w);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_classifier_learns),
    CHECK_TEST(test_seed_decides_alone),
    CHECK_TEST(test_each_epoch_can_be_looked_at),
    CHECK_TEST(test_company_changes_nothing),
    CHECK_TEST(test_each_problem_has_its_choice),
    CHECK_TEST(test_given_threads_are_kept),
    CHECK_TEST(test_canceled_training_goes_on_to_the_same_bytes),
    CHECK_TEST(test_checkpoint_carries_a_longer_training),
    CHECK_TEST(test_checkpoint_of_other_data_is_not_used),
    CHECK_TEST(test_checkpoint_of_other_pixels_is_not_used),
    CHECK_TEST(test_unusable_data_are_refused),
    CHECK_TEST(test_an_objective_is_told_the_epoch),
    CHECK_TEST(test_soft_targets_without_a_loss_mean_cross_entropy),
};

CHECK_MAIN(tests)
