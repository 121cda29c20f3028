/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers, cores and clocks (thread.h). Jobs are handed out in order under
 * a lock: they are whole trainings or files, so the lock costs nothing. Of
 * several jobs that fail, the one with the lowest index is reported: the
 * message is then the same in nearly every rerun.
 */

#include "core/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/mem.h"

struct pool {
    pthread_mutex_t lock;
    assay__job *job;
    void *user;
    size_t n_jobs;
    size_t next;
    bool failed;
    size_t failed_index;
    struct assay_error first; /* of job failed_index */
};

static bool take(struct pool *pool, size_t *index)
{
    bool taken;

    pthread_mutex_lock(&pool->lock);
    taken = !pool->failed && pool->next < pool->n_jobs;
    if (taken)
        *index = pool->next++;
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

static void report(struct pool *pool, size_t index,
                   const struct assay_error *failure)
{
    pthread_mutex_lock(&pool->lock);
    if (!pool->failed || index < pool->failed_index) {
        pool->failed = true;
        pool->failed_index = index;
        pool->first = *failure;
    }
    pthread_mutex_unlock(&pool->lock);
}

static void *work(void *arg)
{
    struct pool *pool = arg;
    size_t index;

    while (take(pool, &index)) {
        struct assay_error failure = {0};
        int code = pool->job(pool->user, index, &failure);

        if (code) {
            failure.code = code;
            report(pool, index, &failure);
        }
    }
    return NULL;
}

/* The caller works itself; a job may set OpenMP's count for its thread,
 * which must not outlive the call. */
static void work_here(struct pool *pool)
{
#ifdef _OPENMP
    int threads = omp_get_max_threads();

    work(pool);
    omp_set_num_threads(threads);
#else
    work(pool);
#endif
}

int assay__thread_run(int n_workers, size_t n_jobs, assay__job *job, void *user,
                      struct assay_error *err)
{
    struct pool pool = {.job = job, .user = user, .n_jobs = n_jobs};
    pthread_t *thread = NULL;
    size_t n_threads = n_workers > 1 ? (size_t)n_workers : 1;
    size_t started = 0;

    if (n_threads > n_jobs)
        n_threads = n_jobs;
    pthread_mutex_init(&pool.lock, NULL);
    if (n_threads > 1) {
        thread = assay__calloc(n_threads, sizeof *thread);
        if (!thread) {
            pthread_mutex_destroy(&pool.lock);
            return assay_error_set(err, ASSAY_NOMEM,
                                   "no memory for %zu workers", n_threads);
        }
        while (started < n_threads &&
               pthread_create(&thread[started], NULL, work, &pool) == 0)
            started++;
    }
    /* One worker, or a system that grants no thread: do it here. */
    if (started == 0)
        work_here(&pool);
    while (started > 0)
        pthread_join(thread[--started], NULL);
    assay__free(thread);
    pthread_mutex_destroy(&pool.lock);
    if (pool.failed)
        return assay_error_set(err, pool.first.code, "%s", pool.first.msg);
    return ASSAY_OK;
}

int assay__thread_cores(void)
{
    cpu_set_t set;
    long n;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    else
        n = sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1)
        return 1;
    return n < 1024 ? (int)n : 1024;
}

void assay__thread_set_omp(int n)
{
#ifdef _OPENMP
    omp_set_num_threads(n);
#else
    (void)n;
#endif
}

double assay__clock_seconds(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

size_t assay__peak_memory(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0 || usage.ru_maxrss < 0)
        return 0;
    return (size_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}
