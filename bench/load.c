/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a file of weights takes to open, and its first tensor to be read
 * from end to end: median of five, in milliseconds. Called by load.sh.
 *
 * usage: bench_load FILE...
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "assay/format.h"
#include "assay/scan.h"

enum { ROUNDS = 5 };

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

static double load(const char *path, double *sum, struct assay_error *err)
{
    struct assay_tensors list;
    double started = now();
    size_t n;

    assay_tensors_init(&list);
    if (assay_tensors_read(&list, path, err) || list.n_items == 0) {
        fprintf(stderr, "%s: %s\n", path, err->msg);
        exit(2);
    }
    n = assay_shape_count(&list.item[0].shape, 1);
    for (size_t i = 0; i < n; i++)
        *sum += assay_tensor_value(&list.item[0], i);
    started = now() - started;
    assay_tensors_release(&list);
    return started;
}

static double scan(const char *path, struct assay_error *err)
{
    struct assay_scan result;
    double started = now();

    if (assay_scan_file(&result, path, err)) {
        fprintf(stderr, "%s: %s\n", path, err->msg);
        exit(2);
    }
    assay_scan_release(&result);
    return now() - started;
}

int main(int argc, char **argv)
{
    for (int k = 1; k < argc; k++) {
        struct assay_error err;
        double took[2][ROUNDS];
        double sum = 0;

        for (int i = 0; i < ROUNDS; i++) {
            took[0][i] = load(argv[k], &sum, &err);
            took[1][i] = scan(argv[k], &err);
        }
        qsort(took[0], ROUNDS, sizeof(double), up);
        qsort(took[1], ROUNDS, sizeof(double), up);
        printf("%s: opened in %.1f ms, scanned in %.1f ms (sum %g)\n", argv[k],
               took[0][ROUNDS / 2], took[1][ROUNDS / 2], sum);
    }
    return 0;
}
