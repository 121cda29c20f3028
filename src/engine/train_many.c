/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many trainings side by side.
 *
 * Workers take job after job; each job is assay_train() with the same
 * number of threads, so results do not depend on the number of workers. A
 * job sees a context of its own: callbacks pass through, one thread at a time
 * (`talk`), and its cancel flag, which only its own thread touches, is
 * raised when the caller's is or when another job has failed. Both are
 * looked at whenever the job reports progress, once per batch.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "assay/train.h"
#include "core/thread.h"

struct crowd {
    const struct assay_context *ctx;
    const struct assay_train_job *jobs;
    int threads;
    atomic_bool failed;
    pthread_mutex_t talk; /* held while one of ctx's callbacks runs */
    pthread_mutex_t lock; /* guards the two below */
    int code;
    struct assay_error first;
};

/* A job's side of it. */
struct member {
    struct crowd *crowd;
    struct assay_context ctx;
    volatile sig_atomic_t cancel;
};

static void pass_log(void *user, enum assay_log_level level, const char *text)
{
    struct crowd *c = ((struct member *)user)->crowd;

    pthread_mutex_lock(&c->talk);
    c->ctx->log(c->ctx->user, level, text);
    pthread_mutex_unlock(&c->talk);
}

static void pass_progress(void *user, const struct assay_progress *step)
{
    struct member *m = user;
    const struct assay_context *ctx = m->crowd->ctx;

    if ((ctx->cancel && *ctx->cancel) || atomic_load(&m->crowd->failed))
        m->cancel = 1;
    if (!ctx->progress)
        return;
    pthread_mutex_lock(&m->crowd->talk);
    ctx->progress(ctx->user, step);
    pthread_mutex_unlock(&m->crowd->talk);
}

/* The first failure is everybody's: a job that was stopped because another
 * one failed tells that one's reason. */
static int fail(struct crowd *c, int code, struct assay_error *err)
{
    pthread_mutex_lock(&c->lock);
    if (c->code == ASSAY_OK) {
        c->code = code;
        c->first = *err;
        atomic_store(&c->failed, true);
    }
    *err = c->first;
    code = c->code;
    pthread_mutex_unlock(&c->lock);
    return code;
}

static int run_job(void *user, size_t index, struct assay_error *err)
{
    struct crowd *c = user;
    const struct assay_train_job *job = &c->jobs[index];
    struct assay_train_options options = *job->options;
    struct assay_error why = {ASSAY_OK, ""};
    struct member m;
    int code;

    memset(&m, 0, sizeof(m));
    m.crowd = c;
    m.ctx = *c->ctx;
    m.ctx.threads = c->threads;
    m.ctx.user = &m;
    m.ctx.log = c->ctx->log ? pass_log : NULL;
    m.ctx.progress = pass_progress;
    m.ctx.cancel = &m.cancel;
    options.threads = c->threads;
    code = assay_train(&m.ctx, job->program, job->source, &options, job->params,
                       job->history, &why);
    if (code == ASSAY_OK)
        return ASSAY_OK;
    code = fail(c, code, &why);
    return assay_error_set(err, code, "%s", why.msg);
}

int assay_train_many(const struct assay_context *ctx,
                     const struct assay_train_job *jobs, size_t n_jobs,
                     int workers, int threads, struct assay_error *err)
{
    struct crowd c = {.ctx = ctx, .jobs = jobs, .threads = threads};
    int code;

    if (workers < 1 || threads < 1)
        return assay_error_set(err, ASSAY_ARG,
                               "%d workers of %d threads; both must be at "
                               "least 1",
                               workers, threads);
    atomic_init(&c.failed, false);
    pthread_mutex_init(&c.talk, NULL);
    pthread_mutex_init(&c.lock, NULL);
    code = assay__thread_run(workers, n_jobs, run_job, &c, err);
    pthread_mutex_destroy(&c.lock);
    pthread_mutex_destroy(&c.talk);
    return code;
}
