/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The training loop on a tiny network: what is fed, what is recorded, how
 * it ends, and that an interrupted or killed run goes on to the same bytes.
 */

#include "assay/train.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/mem.h"
#include "tiny_run.h"

/* The parameters an undisturbed run ends with. */
static float *straight(const struct assay_train_options *o)
{
    struct assay_error err = {0};
    struct run r;
    float *data;

    run_open(&r);
    r.options = *o;
    r.options.checkpoint = NULL;
    r.options.on_epoch = NULL;
    CHECK_OK(run(&r, &err), err);
    data = r.params.data;
    r.params.data = NULL;
    run_close(&r);
    return data;
}

static void check_same(const struct run *r, const float *want)
{
    CHECK_MEM_EQ(r->params.data, want, r->params.size * sizeof(float));
}

static void test_network_learns(void)
{
    struct assay_error err = {0};
    struct run r;

    run_open(&r);
    r.options.epochs = 60;
    CHECK_OK(run(&r, &err), err);
    CHECK_UINT_EQ(r.history.n, 60);
    CHECK_UINT_EQ(r.history.resumed_at, 0);
    CHECK(r.history.epoch[59].loss < 0.5 * r.history.epoch[0].loss);
    CHECK(r.history.epoch[59].monitor[0] > 0.8);
    CHECK(r.history.epoch[59].monitor[0] <= 1.0);
    CHECK(isnan(r.history.epoch[59].monitor[1]));
    CHECK_NEAR(r.history.epoch[0].lr, 0.1, 0.0);
    CHECK(r.history.epoch[0].seconds > 0.0);
    run_close(&r);
}

static void test_seed_decides_alone(void)
{
    struct assay_error err = {0};
    struct run r;
    float *first;

    run_open(&r);
    first = straight(&r.options);
    CHECK_OK(run(&r, &err), err);
    check_same(&r, first);
    start_over(&r);
    r.options.seed++;
    CHECK_OK(run(&r, &err), err);
    CHECK(memcmp(r.params.data, first, r.params.size * sizeof(float)) != 0);
    assay__free(first);
    run_close(&r);
}

/* A source that counts rows and may fail or give NaN at one fill. */
struct watch {
    struct assay_source inner;
    int seen[N];
    size_t fills;
    size_t short_fills;
    size_t fail_at; /* 0: never */
    size_t nan_at;
    uint64_t last_epoch;
};

static int watch_fill(void *self, const struct assay_batch *b,
                      struct assay_error *err)
{
    struct watch *w = self;

    w->fills++;
    w->short_fills += b->n < BATCH;
    w->last_epoch = b->epoch;
    for (size_t i = 0; i < b->n; i++)
        w->seen[b->rows[i]]++;
    if (w->fills == w->fail_at)
        return assay_error_set(err, ASSAY_DATA, "picture 17 is torn");
    if (w->inner.fill(w->inner.self, b, err) != ASSAY_OK)
        return ASSAY_INTERNAL;
    if (w->fills == w->nan_at)
        b->inputs[0][0] = NAN;
    return ASSAY_OK;
}

static void watch_open(struct watch *w, struct run *r)
{
    memset(w, 0, sizeof(*w));
    w->inner = r->source;
    r->source.self = w;
    r->source.fill = watch_fill;
}

static void test_each_record_is_seen_once_per_epoch(void)
{
    struct assay_error err = {0};
    struct watch w;
    struct run r;

    run_open(&r);
    watch_open(&w, &r);
    CHECK_OK(run(&r, &err), err);
    for (int i = 0; i < N; i++)
        CHECK_INT_EQ(w.seen[i], EPOCHS);
    CHECK_UINT_EQ(w.fills, EPOCHS * BATCHES);
    CHECK_UINT_EQ(w.short_fills, EPOCHS);
    CHECK_UINT_EQ(w.last_epoch, EPOCHS - 1);
    run_close(&r);
}

static void test_batch_may_exceed_the_records(void)
{
    struct assay_error err = {0};
    struct watch w;
    struct run r;

    run_open(&r);
    watch_open(&w, &r);
    r.options.batch = 1000;
    CHECK_OK(run(&r, &err), err);
    CHECK_UINT_EQ(w.fills, EPOCHS);
    run_close(&r);
}

static void test_source_error_ends_training(void)
{
    for (size_t at = 1; at <= EPOCHS * BATCHES; at += 2) {
        struct assay_error err = {0};
        struct watch w;
        struct run r;

        run_open(&r);
        watch_open(&w, &r);
        w.fail_at = at;
        CHECK_FAILS(run(&r, &err), ASSAY_DATA, err);
        CHECK_STR_HAS(err.msg, "picture 17");
        CHECK(r.history.epoch == NULL);
        run_close(&r);
    }
}

static void test_infinite_loss_is_named(void)
{
    struct assay_error err = {0};
    struct watch w;
    struct run r;

    run_open(&r);
    watch_open(&w, &r);
    w.nan_at = BATCHES + 2;
    CHECK_FAILS(run(&r, &err), ASSAY_NUMERIC, err);
    CHECK_STR_HAS(err.msg, "tiny");
    CHECK_STR_HAS(err.msg, "epoch 2, batch 2");
    CHECK_STR_HAS(err.msg, "0.1");
    run_close(&r);
}

/* One batch only: no later loss tells that the update ran away. */
static void test_runaway_of_the_last_update_is_told(void)
{
    struct assay_error err = {0};
    struct run r;

    run_open(&r);
    r.options.batch = N;
    r.options.epochs = 1;
    r.options.lr = 1e300;
    CHECK_FAILS(run(&r, &err), ASSAY_NUMERIC, err);
    CHECK_STR_HAS(err.msg, "fc1.weight");
    run_close(&r);
}

/* A flag raised at the n-th progress report. */
struct stop {
    volatile sig_atomic_t cancel;
    long at;
    long reports;
    uint64_t done;
    uint64_t total;
};

static void stop_progress(void *user, const struct assay_progress *step)
{
    struct stop *s = user;

    if (++s->reports == s->at)
        s->cancel = 1;
    CHECK(step->done >= s->done);
    s->done = step->done;
    s->total = step->total;
}

static void stop_open(struct stop *s, struct run *r, long at)
{
    memset(s, 0, sizeof(*s));
    s->at = at;
    r->ctx.progress = stop_progress;
    r->ctx.user = s;
    r->ctx.cancel = &s->cancel;
}

static void test_progress_reaches_the_total(void)
{
    struct assay_error err = {0};
    struct stop s;
    struct run r;

    run_open(&r);
    stop_open(&s, &r, 0);
    CHECK_OK(run(&r, &err), err);
    CHECK_UINT_EQ(s.done, N * EPOCHS);
    CHECK_UINT_EQ(s.total, N * EPOCHS);
    CHECK_INT_EQ(s.reports, 1 + EPOCHS * BATCHES);
    run_close(&r);
}

static const struct assay_optimizer_options optimizers[] = {
    {ASSAY_OPTIMIZER_SGD, 0.0, 0.0, 0.0, 0.0, 0.0},
    {ASSAY_OPTIMIZER_SGD, 0.9, 0.001, 0.0, 0.0, 0.0},
    {ASSAY_OPTIMIZER_ADAM, 0.0, 0.0, 0.0, 0.0, 0.0},
    {ASSAY_OPTIMIZER_ADAMW, 0.0, 0.01, 0.0, 0.0, 0.0},
};

/* Stopped at every possible batch, resumed each time, to the same bytes. */
static void check_interruptions(const char *backend,
                                struct assay_optimizer_options optimizer,
                                const struct assay_privacy_options *privacy)
{
    const char *path = check_temp_path("interrupted");
    struct run r;
    float *want;

    run_open(&r);
    r.options.backend = backend;
    r.options.optimizer = optimizer;
    if (privacy)
        r.options.privacy = *privacy;
    r.options.schedule = ASSAY_SCHEDULE_COSINE;
    want = straight(&r.options);
    r.options.checkpoint = path;
    for (long at = 1; at <= 1 + EPOCHS * BATCHES; at++) {
        struct assay_error err = {0};
        struct stop s;
        int code;

        unlink(path);
        start_over(&r);
        stop_open(&s, &r, at);
        code = run(&r, &err);
        CHECK(code == ASSAY_OK || code == ASSAY_CANCELED);
        start_over(&r);
        stop_open(&s, &r, 0);
        CHECK_OK(run(&r, &err), err);
        check_same(&r, want);
        CHECK_UINT_EQ(r.history.n, EPOCHS);
        CHECK_UINT_EQ(r.history.resumed_at,
                      (size_t)(at > 1 ? (at - 1) / BATCHES : 0));
    }
    assay__free(want);
    run_close(&r);
}

static void test_interrupted_run_goes_on_to_the_same_bytes(void)
{
    for (size_t k = 0; k < sizeof(optimizers) / sizeof(optimizers[0]); k++)
        check_interruptions("reference", optimizers[k], NULL);
}

static void test_interrupted_onednn_run_too(void)
{
    check_interruptions("onednn", optimizers[1], NULL);
    check_interruptions("onednn", optimizers[3], NULL);
}

/* In plans of several sizes, and in parts of at most 3 rows. */
static const struct assay_privacy_options privacies[] = {{1.0, 0.5, 0},
                                                         {1.0, 0.5, 3}};

static void test_interrupted_private_run_too(void)
{
    check_interruptions("reference", optimizers[1], &privacies[0]);
    check_interruptions("reference", optimizers[2], &privacies[1]);
    check_interruptions("onednn", optimizers[1], &privacies[0]);
    check_interruptions("onednn", optimizers[2], &privacies[1]);
}

static int slow_fill(void *self, const struct assay_batch *b,
                     struct assay_error *err)
{
    const struct assay_source *inner = self;

    usleep(500);
    return inner->fill(inner->self, b, err);
}

/* kill -9 at any moment, also while a checkpoint is being written. */
static void check_kills(const struct assay_privacy_options *privacy)
{
    const char *path = check_temp_path("killed");
    struct assay_error err = {0};
    struct assay_source inner;
    struct run r;
    float *want;

    run_open(&r);
    if (privacy)
        r.options.privacy = *privacy;
    want = straight(&r.options);
    r.options.checkpoint = path;
    inner = r.source;
    r.source.self = &inner;
    r.source.fill = slow_fill;
    for (useconds_t delay = 1000; delay < 12000; delay += 1700) {
        pid_t child;
        int status;

        unlink(path);
        start_over(&r);
        child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(run(&r, &err) == ASSAY_OK ? 0 : 1);
        usleep(delay);
        kill(child, SIGKILL);
        CHECK_INT_EQ(waitpid(child, &status, 0), child);
        CHECK_OK(run(&r, &err), err);
        check_same(&r, want);
    }
    assay__free(want);
    run_close(&r);
}

static void test_killed_run_goes_on_to_the_same_bytes(void)
{
    check_kills(NULL);
}

static void test_killed_private_run_too(void)
{
    check_kills(&privacies[1]);
}

/* The last log line. */
struct ear {
    enum assay_log_level level;
    char text[512];
};

static void ear_log(void *user, enum assay_log_level level, const char *text)
{
    struct ear *e = user;

    e->level = level;
    snprintf(e->text, sizeof(e->text), "%s", text);
}

static void test_checkpoint_of_another_run_is_not_used(void)
{
    const char *path = check_temp_path("other");
    struct assay_error err = {0};
    struct ear ear = {ASSAY_LOG_DEBUG, ""};
    struct run r;
    float *want;

    run_open(&r);
    r.options.checkpoint = path;
    r.options.key = "data one";
    CHECK_OK(run(&r, &err), err);
    r.ctx.log = ear_log;
    r.ctx.user = &ear;
    r.options.key = "data two";
    start_over(&r);
    CHECK_OK(run(&r, &err), err);
    CHECK_UINT_EQ(r.history.resumed_at, 0);
    CHECK_STR_HAS(ear.text, "assay.key");
    CHECK_STR_HAS(ear.text, "data one");
    r.options.lr = 0.05;
    want = straight(&r.options);
    start_over(&r);
    CHECK_OK(run(&r, &err), err);
    check_same(&r, want);
    CHECK_STR_HAS(ear.text, "assay.rate");
    CHECK_INT_EQ(ear.level, ASSAY_LOG_INFO);
    assay__free(want);
    run_close(&r);
}

static void test_damaged_checkpoint_is_a_warning(void)
{
    const char *path = check_temp_path("damaged");
    struct assay_error err = {0};
    struct ear ear = {ASSAY_LOG_DEBUG, ""};
    unsigned char *whole;
    size_t size;
    struct run r;
    float *want;

    run_open(&r);
    want = straight(&r.options);
    r.options.checkpoint = path;
    CHECK_OK(run(&r, &err), err);
    CHECK_OK(assay__read_file(path, 1 << 20, &whole, &size, &err), err);
    r.ctx.log = ear_log;
    r.ctx.user = &ear;
    for (size_t cut = 0; cut < size; cut += 97) {
        check_write_file(path, whole, cut);
        ear.level = ASSAY_LOG_DEBUG;
        start_over(&r);
        CHECK_OK(run(&r, &err), err);
        check_same(&r, want);
        CHECK_INT_EQ(ear.level, ASSAY_LOG_WARNING);
    }
    assay__free(whole);
    assay__free(want);
    run_close(&r);
}

/* A checkpoint that reads well but lacks a moment: found out only after
 * parameters were taken from it. */
static void test_incomplete_checkpoint_starts_anew(void)
{
    const char *path = check_temp_path("incomplete");
    struct assay_error err = {0};
    struct ear ear = {ASSAY_LOG_DEBUG, ""};
    struct assay_tensors list;
    struct assay_tensor *t;
    struct run r;
    float *want;

    run_open(&r);
    want = straight(&r.options);
    r.options.checkpoint = path;
    r.options.epochs = 2;
    CHECK_OK(run(&r, &err), err);
    assay_tensors_init(&list);
    CHECK_OK(test_io_read(&list, path, &err), err);
    t = assay_tensors_find(&list, "optimizer.momentum.fc2.bias");
    CHECK(t != NULL);
    t->name[0] = 'O';
    CHECK_OK(test_io_write(&list, path, &err), err);
    assay_tensors_release(&list);
    r.options.epochs = EPOCHS;
    r.ctx.log = ear_log;
    r.ctx.user = &ear;
    start_over(&r);
    CHECK_OK(run(&r, &err), err);
    check_same(&r, want);
    CHECK_UINT_EQ(r.history.resumed_at, 0);
    CHECK_INT_EQ(ear.level, ASSAY_LOG_WARNING);
    assay__free(want);
    run_close(&r);
}

static void test_finished_run_can_be_made_longer(void)
{
    const char *path = check_temp_path("longer");
    struct assay_error err = {0};
    struct run r;
    float *want;

    run_open(&r);
    want = straight(&r.options);
    r.options.checkpoint = path;
    r.options.epochs = 2;
    CHECK_OK(run(&r, &err), err);
    start_over(&r);
    CHECK_OK(run(&r, &err), err);
    CHECK_UINT_EQ(r.history.resumed_at, 2);
    start_over(&r);
    r.options.epochs = EPOCHS;
    CHECK_OK(run(&r, &err), err);
    CHECK_UINT_EQ(r.history.resumed_at, 2);
    check_same(&r, want);
    /* A shorter one cannot come from it. */
    start_over(&r);
    r.options.epochs = 1;
    CHECK_OK(run(&r, &err), err);
    CHECK_UINT_EQ(r.history.resumed_at, 0);
    CHECK_UINT_EQ(r.history.n, 1);
    assay__free(want);
    run_close(&r);
}

static int no_space(const struct assay_tensors *list, const char *path,
                    struct assay_error *err)
{
    (void)list;
    return assay_error_set(err, ASSAY_IO, "%s: no space left", path);
}

static void test_unwritable_checkpoint_ends_training(void)
{
    struct assay_error err = {0};
    struct run r;

    run_open(&r);
    r.options.checkpoint = check_temp_path("unwritable");
    r.options.io.write = no_space;
    CHECK_FAILS(run(&r, &err), ASSAY_IO, err);
    CHECK_STR_HAS(err.msg, "no space left");
    run_close(&r);
}

/* What on_epoch saw. */
struct visitor {
    const struct run *r;
    size_t calls;
    size_t last;
    size_t stop_at;
    double loss; /* of the training records, in evaluation mode */
};

static void evaluate(struct visitor *v, assay_plan *share)
{
    const struct run *r = v->r;
    struct assay_error err = {0};
    struct assay_plan_options o = tiny_options(N, &r->net.loss, 1);
    assay_plan *plan;

    o.mode = ASSAY_MODE_EVAL;
    o.share = share;
    CHECK_OK(assay_plan_new(&plan, r->net.graph, &o, &err), err);
    CHECK_OK(assay_plan_write(plan, r->net.x, r->x, &err), err);
    CHECK_OK(assay_plan_write(plan, r->net.labels, r->labels, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, r->net.loss, &v->loss, &err), err);
    assay_plan_free(plan);
}

static int visit(void *user, assay_trainer *t, size_t epoch,
                 struct assay_error *err)
{
    struct visitor *v = user;

    v->calls++;
    v->last = epoch;
    evaluate(v, assay_trainer_plan(t));
    assay_trainer_note(t, 2, v->loss);
    assay_trainer_note(t, 0, -1.0); /* the program's: stays */
    assay_trainer_note(t, 99, -1.0);
    if (epoch == v->stop_at)
        return assay_error_set(err, ASSAY_CANCELED, "enough");
    return ASSAY_OK;
}

static void test_epochs_are_visited_and_noted(void)
{
    struct assay_error err = {0};
    struct visitor v;
    struct run r;
    float *want;

    run_open(&r);
    want = straight(&r.options);
    memset(&v, 0, sizeof(v));
    v.r = &r;
    r.options.on_epoch = visit;
    r.options.user = &v;
    r.options.checkpoint = check_temp_path("visited");
    v.stop_at = 3;
    CHECK_FAILS(run(&r, &err), ASSAY_CANCELED, err);
    CHECK_STR_HAS(err.msg, "enough");
    CHECK_UINT_EQ(v.calls, 3);
    v.stop_at = 0;
    start_over(&r);
    CHECK_OK(run(&r, &err), err);
    CHECK_UINT_EQ(r.history.resumed_at, 2);
    CHECK_UINT_EQ(v.last, EPOCHS);
    for (int i = 0; i < EPOCHS; i++) {
        CHECK(r.history.epoch[i].monitor[0] >= 0.0);
        CHECK(r.history.epoch[i].monitor[2] > 0.0);
        CHECK(isnan(r.history.epoch[i].monitor[3]));
    }
    CHECK_NEAR(r.history.epoch[EPOCHS - 1].monitor[2], v.loss, 0.0);
    check_same(&r, want);
    assay__free(want);
    run_close(&r);
}

static void test_only_what_is_named_is_trained(void)
{
    struct assay_error err = {0};
    struct run r;
    float *before;
    assay_value last;
    size_t end;

    run_open(&r);
    last = assay_graph_find(r.net.graph, "fc2.bias");
    r.program.wrt = &last;
    r.program.n_wrt = 1;
    end = r.params.slot[3].offset;
    before = assay__malloc(r.params.size * sizeof(float));
    memcpy(before, r.params.data, r.params.size * sizeof(float));
    CHECK_OK(run(&r, &err), err);
    CHECK_MEM_EQ(r.params.data, before, end * sizeof(float));
    CHECK(memcmp(r.params.data + end, before + end, 3 * sizeof(float)) != 0);
    assay__free(before);
    run_close(&r);
}

static void test_rates_follow_the_schedule(void)
{
    struct assay_train_options o;

    assay_train_options_init(&o, 10);
    o.lr = 1.0;
    CHECK_NEAR(assay_train_rate(&o, 0), 1.0, 0.0);
    CHECK_NEAR(assay_train_rate(&o, 9), 1.0, 0.0);
    o.schedule = ASSAY_SCHEDULE_MULTISTEP;
    o.milestones[0] = 3;
    o.milestones[1] = 6;
    o.n_milestones = 2;
    o.gamma = 0.1;
    CHECK_NEAR(assay_train_rate(&o, 2), 1.0, 0.0);
    CHECK_NEAR(assay_train_rate(&o, 3), 0.1, 1e-16);
    CHECK_NEAR(assay_train_rate(&o, 6), 0.01, 1e-16);
    o.schedule = ASSAY_SCHEDULE_COSINE;
    CHECK_NEAR(assay_train_rate(&o, 0), 1.0, 0.0);
    CHECK_NEAR(assay_train_rate(&o, 5), 0.5, 1e-15);
    CHECK(assay_train_rate(&o, 9) > 0.0 && assay_train_rate(&o, 9) < 0.03);
    o.warmup_epochs = 3;
    CHECK_NEAR(assay_train_rate(&o, 0), 0.25, 0.0);
    CHECK_NEAR(assay_train_rate(&o, 2), 0.75, 0.0);
    CHECK_NEAR(assay_train_rate(&o, 3), 1.0, 0.0);
}

static void test_bad_programs_and_options_are_refused(void)
{
    struct assay_error err = {0};
    struct run r;

    run_open(&r);
    r.source.n = 0;
    CHECK_FAILS(run(&r, &err), ASSAY_DATA, err);
    r.source.n = N;
    r.options.batch = 0;
    CHECK_FAILS(run(&r, &err), ASSAY_ARG, err);
    r.options.batch = BATCH;
    r.options.lr = -1.0;
    CHECK_FAILS(run(&r, &err), ASSAY_ARG, err);
    r.options.lr = 0.1;
    r.options.n_milestones = 9;
    CHECK_FAILS(run(&r, &err), ASSAY_ARG, err);
    r.options.n_milestones = 0;
    r.options.checkpoint = check_temp_path("no-functions");
    r.options.io.read = NULL;
    CHECK_FAILS(run(&r, &err), ASSAY_ARG, err);
    r.options.checkpoint = NULL;
    r.program.n_inputs = 1;
    CHECK_FAILS(run(&r, &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "labels");
    r.program.n_inputs = 2;
    r.program.monitor[0] = r.net.logits;
    CHECK_FAILS(run(&r, &err), ASSAY_SHAPE, err);
    r.program.monitor[0] = r.net.correct;
    r.program.loss = r.net.losses;
    CHECK_FAILS(run(&r, &err), ASSAY_SHAPE, err);
    r.program.loss = r.net.loss;
    r.program.wrt = r.inputs;
    r.program.n_wrt = 0;
    CHECK_FAILS(run(&r, &err), ASSAY_ARG, err);
    run_close(&r);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_network_learns),
    CHECK_TEST(test_seed_decides_alone),
    CHECK_TEST(test_each_record_is_seen_once_per_epoch),
    CHECK_TEST(test_batch_may_exceed_the_records),
    CHECK_TEST(test_source_error_ends_training),
    CHECK_TEST(test_infinite_loss_is_named),
    CHECK_TEST(test_runaway_of_the_last_update_is_told),
    CHECK_TEST(test_progress_reaches_the_total),
    CHECK_TEST(test_interrupted_run_goes_on_to_the_same_bytes),
    CHECK_TEST(test_interrupted_onednn_run_too),
    CHECK_TEST(test_interrupted_private_run_too),
    CHECK_TEST(test_killed_run_goes_on_to_the_same_bytes),
    CHECK_TEST(test_killed_private_run_too),
    CHECK_TEST(test_checkpoint_of_another_run_is_not_used),
    CHECK_TEST(test_damaged_checkpoint_is_a_warning),
    CHECK_TEST(test_incomplete_checkpoint_starts_anew),
    CHECK_TEST(test_finished_run_can_be_made_longer),
    CHECK_TEST(test_unwritable_checkpoint_ends_training),
    CHECK_TEST(test_epochs_are_visited_and_noted),
    CHECK_TEST(test_only_what_is_named_is_trained),
    CHECK_TEST(test_rates_follow_the_schedule),
    CHECK_TEST(test_bad_programs_and_options_are_refused),
};

CHECK_MAIN(tests)
