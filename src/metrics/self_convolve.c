/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A distribution's convolution with itself, many times over, by FFTW: the
 * power of its transform. This file alone knows FFTW.
 *
 * FFTW's planner keeps state of its own and may run in one thread at a time,
 * hence the lock. Plans are estimated, never timed: the same input gives the
 * same numbers.
 */

#include "self_convolve.h"

#include <fftw3.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>

#define NOTHING (-100.0) /* the logarithm of what is rounded to 0 */

static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

static size_t round_up(size_t n, size_t factor)
{
    while (factor < n)
        factor *= 2;
    return factor;
}

size_t assay__self_convolve_size(size_t n)
{
    static const size_t odd[] = {3, 5, 9, 15, 25, 27, 45, 75, 81, 125};
    size_t best = round_up(n, 2);
    size_t i;

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        size_t size = round_up(n, 2 * odd[i]);

        if (size < best)
            best = size;
    }
    return best;
}

/* z^times by squaring. */
static void raise(fftw_complex z, uint64_t times)
{
    double re = 1.0;
    double im = 0.0;
    double a = z[0];
    double b = z[1];
    double was;

    if ((double)times * 0.5 * log(a * a + b * b) < NOTHING) {
        z[0] = 0.0;
        z[1] = 0.0;
        return;
    }
    for (;; times >>= 1) {
        if (times & 1) {
            was = re;
            re = re * a - im * b;
            im = was * b + im * a;
        }
        if (times <= 1)
            break;
        was = a;
        a = a * a - b * b;
        b = 2.0 * was * b;
    }
    z[0] = re;
    z[1] = im;
}

static void destroy(fftw_plan there, fftw_plan back)
{
    (void)pthread_mutex_lock(&planner);
    if (there != NULL)
        fftw_destroy_plan(there);
    if (back != NULL)
        fftw_destroy_plan(back);
    (void)pthread_mutex_unlock(&planner);
}

int assay__self_convolve(double *x, size_t n, uint64_t times,
                         struct assay_error *err)
{
    fftw_complex *f = (fftw_complex *)(void *)x;
    fftw_plan there = NULL;
    fftw_plan back = NULL;
    size_t i;

    if (n > INT_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "convolution of %zu points: more than %d", n,
                               INT_MAX);
    (void)pthread_mutex_lock(&planner);
    there = fftw_plan_dft_r2c_1d((int)n, x, f, FFTW_ESTIMATE);
    back = fftw_plan_dft_c2r_1d((int)n, f, x, FFTW_ESTIMATE);
    (void)pthread_mutex_unlock(&planner);
    if (there == NULL || back == NULL) {
        destroy(there, back);
        return assay_error_set(err, ASSAY_NOMEM, "convolution of %zu points",
                               n);
    }
    fftw_execute(there);
    for (i = 0; i <= n / 2; i++)
        raise(f[i], times);
    fftw_execute(back);
    for (i = 0; i < n; i++)
        x[i] /= (double)n;
    destroy(there, back);
    return ASSAY_OK;
}
