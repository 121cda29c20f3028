/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a file of weights takes to open, and its first tensor to be
 * checked and read from end to end; to be opened with all of its checksums
 * compared; and to be scanned. Medians of ROUNDS with the middle half, in
 * milliseconds. Called by load.sh.
 *
 * usage: bench_load FILE...
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "assay/format.h"
#include "assay/scan.h"

enum { ROUNDS = 11 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int up(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void need(int rc, const char *path, const struct assay_error *err)
{
    if (rc) {
        fprintf(stderr, "%s: %s\n", path, err->msg);
        exit(2);
    }
}

static double sum_of(const struct assay_tensor *t)
{
    size_t n = assay_shape_count(&t->shape, 1);
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += assay_tensor_value(t, i);
    return sum;
}

static double first(const char *path, double *sum)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    double started = now();

    assay_tensors_init(&list);
    need(assay_tensors_open(&list, path, &err), path, &err);
    need(assay_tensors_check(&list, &list.item[0], &err), path, &err);
    *sum += sum_of(&list.item[0]);
    started = now() - started;
    assay_tensors_release(&list);
    return started;
}

static double whole(const char *path, double *sum)
{
    struct assay_error err = {0};
    struct assay_tensors list;
    double started = now();

    assay_tensors_init(&list);
    need(assay_tensors_read(&list, path, &err), path, &err);
    *sum += sum_of(&list.item[0]);
    started = now() - started;
    assay_tensors_release(&list);
    return started;
}

static double scan(const char *path, double *sum)
{
    struct assay_error err = {0};
    struct assay_scan result;
    double started = now();

    need(assay_scan_file(&result, path, &err), path, &err);
    started = now() - started;
    *sum += result.verdict;
    assay_scan_release(&result);
    return started;
}

static void report(const char *what, double *took)
{
    qsort(took, ROUNDS, sizeof(double), up);
    printf("  %-42s %7.1f ms (%.1f to %.1f)\n", what, took[ROUNDS / 2],
           took[ROUNDS / 4], took[ROUNDS - 1 - ROUNDS / 4]);
}

int main(int argc, char **argv)
{
    for (int k = 1; k < argc; k++) {
        double took[3][ROUNDS];
        double sum = 0;

        for (int i = 0; i < ROUNDS; i++) {
            took[0][i] = first(argv[k], &sum);
            took[1][i] = whole(argv[k], &sum);
            took[2][i] = scan(argv[k], &sum);
        }
        printf("%s (sum %g)\n", argv[k], sum);
        report("opened, first tensor read", took[0]);
        report("opened, all checksums compared, the same", took[1]);
        report("scanned", took[2]);
    }
    return 0;
}
