/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trainings side by side: the same bytes as one after another, failures
 * and interruption of all, and the measurement that chooses the way.
 */

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tiny_run.h"

enum { N_JOBS = 5 };

struct crew {
    struct run run[N_JOBS];
    struct assay_train_job job[N_JOBS];
};

static void crew_open(struct crew *c)
{
    for (int i = 0; i < N_JOBS; i++) {
        struct run *r = &c->run[i];

        run_open(r);
        r->options.seed = 100 + (uint64_t)i;
        /* The source copied by run_open() refers to this very struct. */
        c->job[i].program = &r->program;
        c->job[i].source = &r->source;
        c->job[i].options = &r->options;
        c->job[i].params = &r->params;
        c->job[i].history = &r->history;
    }
}

static void crew_close(struct crew *c)
{
    for (int i = 0; i < N_JOBS; i++)
        run_close(&c->run[i]);
}

static void test_workers_give_the_bytes_of_one(void)
{
    static struct crew one;
    static struct crew four;
    struct assay_error err = {0};

    crew_open(&one);
    crew_open(&four);
    CHECK_OK(assay_train_many(&one.run[0].ctx, one.job, N_JOBS, 1, 1, &err),
             err);
    CHECK_OK(assay_train_many(&four.run[0].ctx, four.job, N_JOBS, 4, 1, &err),
             err);
    for (int i = 0; i < N_JOBS; i++) {
        CHECK_MEM_EQ(four.run[i].params.data, one.run[i].params.data,
                     one.run[i].params.size * sizeof(float));
        CHECK_UINT_EQ(four.run[i].history.n, EPOCHS);
    }
    CHECK(memcmp(one.run[0].params.data, one.run[1].params.data,
                 one.run[0].params.size * sizeof(float)) != 0);
    crew_close(&one);
    crew_close(&four);
}

/* Counts reports, and those that came while another was in here. */
struct door {
    atomic_int inside;
    int crowded;
    int reports;
    int logs;
    volatile sig_atomic_t cancel;
    int cancel_at;
};

static void enter(struct door *d, int *count)
{
    if (atomic_fetch_add(&d->inside, 1) != 0)
        d->crowded++;
    if (++*count == d->cancel_at)
        d->cancel = 1;
    atomic_fetch_sub(&d->inside, 1);
}

static void door_progress(void *user, const struct assay_progress *step)
{
    struct door *d = user;

    (void)step;
    enter(d, &d->reports);
}

static void door_log(void *user, enum assay_log_level level, const char *text)
{
    struct door *d = user;

    (void)level;
    (void)text;
    enter(d, &d->logs);
}

static void door_open(struct door *d, struct assay_context *ctx)
{
    memset(d, 0, sizeof(*d));
    ctx->progress = door_progress;
    ctx->log = door_log;
    ctx->cancel = &d->cancel;
    ctx->user = d;
}

static void test_callbacks_come_one_at_a_time(void)
{
    static struct crew c;
    struct assay_error err = {0};
    struct door d;

    crew_open(&c);
    door_open(&d, &c.run[0].ctx);
    CHECK_OK(assay_train_many(&c.run[0].ctx, c.job, N_JOBS, 4, 1, &err), err);
    CHECK_INT_EQ(d.crowded, 0);
    CHECK_INT_EQ(d.reports, N_JOBS * (1 + EPOCHS * BATCHES));
    crew_close(&c);
}

static void test_cancel_stops_all(void)
{
    static struct crew c;
    struct assay_error err = {0};
    struct door d;

    crew_open(&c);
    door_open(&d, &c.run[0].ctx);
    d.cancel_at = 4;
    CHECK_FAILS(assay_train_many(&c.run[0].ctx, c.job, N_JOBS, 2, 1, &err),
                ASSAY_CANCELED, err);
    CHECK(d.reports < 12);
    crew_close(&c);
}

static int torn(void *self, const struct assay_batch *b,
                struct assay_error *err)
{
    (void)self;
    (void)b;
    return assay_error_set(err, ASSAY_DATA, "record 5 is torn");
}

/* The reason is the failing job's, not that the others were stopped. */
static void test_failure_of_one_is_told(void)
{
    for (int bad = 0; bad < N_JOBS; bad += 2) {
        static struct crew c;
        struct assay_error err = {0};

        crew_open(&c);
        for (int i = 0; i < N_JOBS; i++)
            c.run[i].options.epochs = 300;
        c.run[bad].source.fill = torn;
        CHECK_FAILS(
            assay_train_many(&c.run[0].ctx, c.job, N_JOBS, N_JOBS, 1, &err),
            ASSAY_DATA, err);
        CHECK_STR_HAS(err.msg, "record 5");
        crew_close(&c);
    }
}

static void test_bad_counts_are_refused(void)
{
    struct assay_context ctx;
    struct assay_error err = {0};

    assay_context_init(&ctx);
    CHECK_FAILS(assay_train_many(&ctx, NULL, 0, 0, 1, &err), ASSAY_ARG, err);
    CHECK_FAILS(assay_train_many(&ctx, NULL, 0, 1, 0, &err), ASSAY_ARG, err);
    CHECK_OK(assay_train_many(&ctx, NULL, 0, 2, 1, &err), err);
}

static int measure(struct run *r, int *workers, int *threads,
                   struct assay_error *err)
{
    return assay_train_measure(&r->ctx, &r->program, &r->source, &r->options,
                               &r->params, workers, threads, err);
}

static void test_measurement_is_remembered(void)
{
    struct assay_error err = {0};
    struct door d;
    struct run r;
    int workers = 0;
    int threads = 0;
    int again_workers;
    int again_threads;

    run_open(&r);
    door_open(&d, &r.ctx);
    r.ctx.threads = 2;
    CHECK_OK(assay_tuning_new(&r.options.tuning, &err), err);
    CHECK_OK(measure(&r, &workers, &threads, &err), err);
    CHECK((workers == 2 && threads == 1) || (workers == 1 && threads == 2));
    CHECK_INT_EQ(d.logs, 1);
    CHECK_OK(measure(&r, &again_workers, &again_threads, &err), err);
    CHECK_INT_EQ(d.logs, 1);
    CHECK_INT_EQ(again_workers, workers);
    CHECK_INT_EQ(again_threads, threads);
    assay_tuning_free(r.options.tuning);
    run_close(&r);
}

static void test_one_core_needs_no_measurement(void)
{
    struct assay_error err = {0};
    struct door d;
    struct run r;
    int workers = 0;
    int threads = 0;

    run_open(&r);
    door_open(&d, &r.ctx);
    r.source.fill = torn;
    CHECK_OK(measure(&r, &workers, &threads, &err), err);
    CHECK_INT_EQ(workers, 1);
    CHECK_INT_EQ(threads, 1);
    CHECK_INT_EQ(d.logs, 0);
    r.ctx.threads = 2;
    CHECK_FAILS(measure(&r, &workers, &threads, &err), ASSAY_DATA, err);
    run_close(&r);
}

static void test_measurement_changes_no_parameter(void)
{
    struct assay_error err = {0};
    struct run r;
    struct run untouched;
    int workers;
    int threads;

    run_open(&r);
    run_open(&untouched);
    r.ctx.threads = 2;
    CHECK_OK(measure(&r, &workers, &threads, &err), err);
    CHECK_MEM_EQ(r.params.data, untouched.params.data,
                 r.params.size * sizeof(float));
    run_close(&r);
    run_close(&untouched);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_workers_give_the_bytes_of_one),
    CHECK_TEST(test_callbacks_come_one_at_a_time),
    CHECK_TEST(test_cancel_stops_all),
    CHECK_TEST(test_failure_of_one_is_told),
    CHECK_TEST(test_bad_counts_are_refused),
    CHECK_TEST(test_measurement_is_remembered),
    CHECK_TEST(test_one_core_needs_no_measurement),
    CHECK_TEST(test_measurement_changes_no_parameter),
};

CHECK_MAIN(tests)
