/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running attacks: as many at once as there are threads, one thread each.
 * Attack networks are small; side by side they keep all cores busy, while
 * one of them on all cores mostly waits for the others. The costly ones
 * start first. Which runs when changes no result.
 *
 * A file of scores that is there under the same inputs is read instead of
 * running the attack again. The index of the folder and the caller's
 * callbacks are used by one worker at a time.
 */

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "core/fs.h"
#include "core/mem.h"
#include "core/thread.h"

void assay__scores_path(const struct assay_attack *attack, const char *prefix,
                        char path[96])
{
    snprintf(path, 96, "scores/%s%s.safetensors", prefix, attack->name);
}

static json_t *make_inputs(const assay_audit *a,
                           const struct assay_attack *attack,
                           const char *prefix, const char *evidence_sha256)
{
    const struct assay_compute *c = &a->options.compute;
    char seed[24];

    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)a->ctx.seed);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "kind", "scores",
        "tool", assay_version(), "attack", attack->name, "scene", prefix,
        "backend", c->backend != NULL ? c->backend : "onednn", "algorithms",
        c->algorithms == ASSAY_ALGORITHMS_DIRECT ? "direct" : "tuned", "dtype",
        assay_dtype_name(c->dtype), "evidence", evidence_sha256, "seed", seed,
        "params", assay__params_json(attack, assay__audit_params(a, attack)));
}

bool assay__scores_there(const assay_audit *a,
                         const struct assay_attack *attack, const char *prefix)
{
    json_t *inputs = make_inputs(a, attack, prefix, a->scene.evidence_sha256);
    char path[96];
    bool there;

    assay__scores_path(attack, prefix, path);
    there = inputs != NULL && assay__cache_peek(&a->cache, path, inputs);
    json_decref(inputs);
    return there;
}

/* What the workers share. */
struct pool {
    assay_audit *audit;
    struct assay__score_job *const *job; /* in the order of starting */
    size_t n_jobs;
    size_t n_done;
    const char *task;
    /* Guards n_done and the cache. Taken before the lock of callbacks
     * (core/context.c), never inside one. */
    pthread_mutex_t lock;
    struct assay_compute compute;
};

/* One attack's own context: one thread, tasks named by the scene too, as the
 * control runs the same attacks. */
struct worker {
    struct pool *pool;
    const struct assay__score_job *job;
    struct assay_context ctx;
};

static void pass_log(void *user, enum assay_log_level level, const char *text)
{
    const struct worker *worker = user;

    assay_log(&worker->pool->audit->ctx, level, "%s", text);
}

static void pass_progress(void *user, const struct assay_progress *step)
{
    const struct worker *worker = user;
    struct assay_progress named = *step;
    char task[96];

    snprintf(task, sizeof(task), "%s%s", worker->job->prefix, step->task);
    named.task = task;
    assay_progress(&worker->pool->audit->ctx, &named);
}

static void worker_init(struct worker *worker, struct pool *pool,
                        const struct assay__score_job *job)
{
    worker->pool = pool;
    worker->job = job;
    worker->ctx = pool->audit->ctx;
    worker->ctx.threads = 1;
    worker->ctx.log = pass_log;
    worker->ctx.progress = pass_progress;
    worker->ctx.user = worker;
}

/* One attack is done (or a negative answer counts as done). */
static void count_done(struct pool *pool)
{
    struct assay_progress step = {
        .task = pool->task,
        .unit = "attacks",
        .total = (uint64_t)pool->n_jobs,
    };

    pthread_mutex_lock(&pool->lock);
    step.done = (uint64_t)++pool->n_done;
    assay_progress(&pool->audit->ctx, &step);
    pthread_mutex_unlock(&pool->lock);
}

static bool is_there(struct pool *pool, const char *path, json_t *inputs)
{
    bool there;

    pthread_mutex_lock(&pool->lock);
    there = assay__cache_has(&pool->audit->cache, path, inputs);
    pthread_mutex_unlock(&pool->lock);
    return there;
}

static int record(struct pool *pool, const char *path, const json_t *inputs,
                  double started, struct assay_error *err)
{
    int code;

    pthread_mutex_lock(&pool->lock);
    code = assay__cache_record(&pool->audit->cache, path, inputs,
                               assay__clock_seconds() - started, err);
    pthread_mutex_unlock(&pool->lock);
    return code;
}

/* By its goal. */
static int make(struct assay__score_job *job,
                const struct assay_attack_input *in, struct assay_error *err)
{
    if (job->attack->guess != NULL)
        return assay_attack_guess(job->attack, in, &job->made.guesses, err);
    if (job->attack->picture != NULL)
        return assay_attack_picture(job->attack, in, &job->made.pictures, err);
    return assay_attack_membership(job->attack, in, &job->made.scores, err);
}

/* A folder for the attack's own checkpoints, "work/control-steal-shadow". */
static int folder_open(struct pool *pool, const struct assay__score_job *job,
                       struct assay_attack_world *world,
                       struct assay_attack_input *in, char **folder,
                       struct assay_error *err)
{
    if (in->world == NULL)
        return ASSAY_OK;
    *folder = assay__format("%s/work/%s%s", pool->audit->cache.dir, job->prefix,
                            job->attack->name);
    if (*folder == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "folder of %s",
                               job->attack->name);
    *world = *in->world;
    world->folder = *folder;
    in->world = world;
    return assay__make_dir(*folder, err);
}

static int run_attack(struct pool *pool, struct assay__score_job *job,
                      const char *full, const char *path, const json_t *inputs,
                      struct assay_error *err)
{
    struct assay_attack_input in = *job->in;
    struct assay_attack_world world;
    char *folder = NULL;
    double started = assay__clock_seconds();
    struct worker worker;
    int code;

    worker_init(&worker, pool, job);
    in.ctx = &worker.ctx;
    in.compute = &pool->compute;
    in.param = assay__audit_params(pool->audit, job->attack);
    code = folder_open(pool, job, &world, &in, &folder, err);
    if (code == ASSAY_OK)
        code = make(job, &in, err);
    if (code == ASSAY_OK)
        code = assay__made_write(&job->made, &in, job->attack, full, err);
    if (code == ASSAY_OK)
        code = record(pool, path, inputs, started, err);
    if (code == ASSAY_OK && folder != NULL)
        assay__remove_dir(folder);
    assay__free(folder);
    return code;
}

/* Too little to work with is an answer, no failure; so is a model of the
 * attacker's own whose training diverged: the others go on. */
static int settle(struct assay__score_job *job, int code,
                  struct assay_error *err)
{
    if (code == ASSAY_NOTHING || code == ASSAY_NUMERIC) {
        snprintf(job->why, sizeof(job->why), "%.150s", err->msg);
        return ASSAY_OK;
    }
    return code;
}

static int run_job(void *user, size_t index, struct assay_error *err)
{
    struct pool *pool = user;
    struct assay__score_job *job = pool->job[index];
    json_t *inputs = make_inputs(pool->audit, job->attack, job->prefix,
                                 job->evidence_sha256);
    char path[96];
    char *full;
    int code = assay_context_check(&pool->audit->ctx, err);

    assay__scores_path(job->attack, job->prefix, path);
    full = assay__cache_path(&pool->audit->cache, path);
    if (code != ASSAY_OK)
        goto out;
    if (full == NULL || inputs == NULL)
        code = assay_error_set(err, ASSAY_NOMEM, "%s", path);
    else if (is_there(pool, path, inputs))
        code = assay__made_read(&job->made, job->attack, full, err);
    else
        code = run_attack(pool, job, full, path, inputs, err);
    code = settle(job, code, err);
    if (code == ASSAY_OK)
        count_done(pool);

out:
    json_decref(inputs);
    assay__free(full);
    return code;
}

static int compare_cost(const void *a, const void *b)
{
    const struct assay__score_job *x = *(struct assay__score_job *const *)a;
    const struct assay__score_job *y = *(struct assay__score_job *const *)b;

    if (x->cost != y->cost)
        return x->cost < y->cost ? 1 : -1;
    return (x > y) - (x < y);
}

int assay__score_jobs_run(assay_audit *a, struct assay__score_job *jobs,
                          size_t n, const char *task, struct assay_error *err)
{
    struct assay__score_job **order = assay__malloc(n * sizeof(*order));
    struct pool pool;
    int threads = a->options.compute.threads > 0 ? a->options.compute.threads
                                                 : a->ctx.threads;
    size_t i;
    int code;

    if (order == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "%zu attacks", n);
    for (i = 0; i < n; i++) {
        jobs[i].cost = assay__attack_seconds(a, jobs[i].attack);
        order[i] = &jobs[i];
    }
    qsort(order, n, sizeof(*order), compare_cost);
    memset(&pool, 0, sizeof(pool));
    pool.audit = a;
    pool.job = order;
    pool.n_jobs = n;
    pool.task = task;
    pool.compute = a->options.compute;
    pool.compute.threads = 1;
    pthread_mutex_init(&pool.lock, NULL);
    code = assay__thread_run(threads, n, run_job, &pool, err);
    pthread_mutex_destroy(&pool.lock);
    assay__free(order);
    return code;
}

void assay__score_jobs_release(struct assay__score_job *jobs, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        assay__made_release(&jobs[i].made);
}
