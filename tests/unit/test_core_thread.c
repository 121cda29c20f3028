/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: each job once, the first failure wins, OpenMP left alone. */

#include <stdatomic.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "check.h"
#include "core/thread.h"

enum { N_JOBS = 200 };

struct tally {
    atomic_int runs[N_JOBS];
    atomic_int total;
    atomic_size_t fails_from;
};

static int run_job(void *user, size_t index, struct assay_error *err)
{
    struct tally *tally = user;

    atomic_fetch_add(&tally->runs[index], 1);
    atomic_fetch_add(&tally->total, 1);
    if (index >= atomic_load(&tally->fails_from))
        return assay_error_set(err, ASSAY_DATA, "job %zu", index);
    return ASSAY_OK;
}

static void reset(struct tally *tally)
{
    memset(tally, 0, sizeof *tally);
    atomic_store(&tally->fails_from, SIZE_MAX);
}

static void test_each_job_runs_once(void)
{
    static const int workers[] = {-1, 0, 1, 2, 7, 300};
    struct assay_error err = {0};
    struct tally tally;
    size_t i;
    size_t k;

    for (i = 0; i < sizeof workers / sizeof workers[0]; i++) {
        reset(&tally);
        CHECK_OK(assay__thread_run(workers[i], N_JOBS, run_job, &tally, &err),
                 err);
        for (k = 0; k < N_JOBS; k++)
            CHECK_INT_EQ(atomic_load(&tally.runs[k]), 1);
    }
}

static void test_no_jobs_is_success(void)
{
    struct assay_error err = {0};
    struct tally tally;

    reset(&tally);
    CHECK_OK(assay__thread_run(4, 0, run_job, &tally, &err), err);
    CHECK_INT_EQ(atomic_load(&tally.total), 0);
}

static void test_failure_stops_new_jobs_and_is_reported(void)
{
    struct assay_error err = {0};
    struct tally tally;
    int workers;

    for (workers = 1; workers <= 8; workers *= 2) {
        reset(&tally);
        atomic_store(&tally.fails_from, 10);
        CHECK_FAILS(assay__thread_run(workers, N_JOBS, run_job, &tally, &err),
                    ASSAY_DATA, err);
        /* Jobs are handed out in order: job 10 runs, and fails, always. */
        CHECK_STR_EQ(err.msg, "job 10");
        CHECK(atomic_load(&tally.total) <= 10 + workers);
    }
}

static int fail_silently(void *user, size_t index, struct assay_error *err)
{
    (void)user;
    (void)index;
    (void)err;
    return ASSAY_NUMERIC;
}

static void test_code_without_message_still_counts(void)
{
    struct assay_error err = {0};

    CHECK_INT_EQ(assay__thread_run(1, 1, fail_silently, NULL, &err),
                 ASSAY_NUMERIC);
    CHECK_INT_EQ(err.code, ASSAY_NUMERIC);
    CHECK_INT_EQ(assay__thread_run(3, 9, fail_silently, NULL, NULL),
                 ASSAY_NUMERIC);
}

#ifdef _OPENMP
static int set_three(void *user, size_t index, struct assay_error *err)
{
    (void)user;
    (void)index;
    (void)err;
    assay__thread_set_omp(3);
    return omp_get_max_threads() == 3 ? ASSAY_OK : ASSAY_INTERNAL;
}
#endif

static void test_jobs_leave_the_callers_openmp_alone(void)
{
#ifdef _OPENMP
    struct assay_error err = {0};
    int before;

    assay__thread_set_omp(5);
    before = omp_get_max_threads();
    CHECK_INT_EQ(before, 5);
    CHECK_INT_EQ(assay__thread_run(1, 2, set_three, NULL, &err), ASSAY_OK);
    CHECK_INT_EQ(omp_get_max_threads(), before);
    CHECK_INT_EQ(assay__thread_run(2, 4, set_three, NULL, &err), ASSAY_OK);
    CHECK_INT_EQ(omp_get_max_threads(), before);
#else
    SKIP("built without OpenMP");
#endif
}

static void test_machine_is_measured(void)
{
    double start = assay__clock_seconds();

    CHECK(assay__thread_cores() >= 1);
    CHECK(assay__thread_cores() <= 1024);
    CHECK(assay__clock_seconds() >= start);
    CHECK(assay__peak_memory() > 100000);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_each_job_runs_once),
    CHECK_TEST(test_no_jobs_is_success),
    CHECK_TEST(test_failure_stops_new_jobs_and_is_reported),
    CHECK_TEST(test_code_without_message_still_counts),
    CHECK_TEST(test_jobs_leave_the_callers_openmp_alone),
    CHECK_TEST(test_machine_is_measured),
};

CHECK_MAIN(tests)
