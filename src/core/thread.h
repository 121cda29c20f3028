/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CORE_THREAD_H
#define ASSAY_CORE_THREAD_H

/*
 * Threads, thinly over pthreads. assay__thread_run() starts n workers that
 * each take the next job index until none is left; the first failing job's
 * code and message win, and no new jobs start after it. Which worker runs
 * which job is not determined: jobs must not depend on it.
 */

#include <stddef.h>

#include "assay/error.h"

typedef int assay__job(void *user, size_t index, struct assay_error *err);

int assay__thread_run(int n_workers, size_t n_jobs, assay__job *job, void *user,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* Cores this process may use (affinity mask respected). */
int assay__thread_cores(void);

/*
 * OpenMP regions started from the calling thread use `n` threads from now
 * on (omp_set_num_threads: a setting of the thread, not of the process).
 */
void assay__thread_set_omp(int n);

/* Seconds on a monotonic clock. */
double assay__clock_seconds(void);

/* Peak resident set of this process in bytes; 0 when unknown. */
size_t assay__peak_memory(void);

#endif
