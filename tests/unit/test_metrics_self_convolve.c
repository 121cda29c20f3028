/* SPDX-License-Identifier: Apache-2.0 */
/* Powers by FFT against the sums that define them. */

#include "metrics/self_convolve.h"

#include <math.h>

#include "check.h"
#include "core/mem.h"

enum { N = 30 };

static void fill(double *x)
{
    double sum = 0.0;

    for (int i = 0; i < N; i++) {
        x[i] = 1.0 / (1.0 + i * i) + (i == 7 ? 0.5 : 0.0);
        sum += x[i];
    }
    for (int i = 0; i < N; i++)
        x[i] /= sum;
}

static void test_power_is_repeated_convolution(void)
{
    double *x = assay__slab(assay__self_convolve_room(N) * sizeof(*x));
    double one[N];
    double want[N];
    struct assay_error err = {0};

    CHECK(x != NULL);
    fill(one);
    fill(want);
    for (uint64_t times = 1; times <= 9; times++) {
        double next[N] = {0};

        fill(x);
        CHECK_OK(assay__self_convolve(x, N, times, &err), err);
        for (int i = 0; i < N; i++)
            CHECK_NEAR(x[i], want[i], 1e-15);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                next[(i + j) % N] += want[i] * one[j];
        for (int i = 0; i < N; i++)
            want[i] = next[i];
    }
    assay__free(x);
}

static void test_many_times_is_nearly_even(void)
{
    double *x = assay__slab(assay__self_convolve_room(N) * sizeof(*x));
    struct assay_error err = {0};

    CHECK(x != NULL);
    fill(x);
    CHECK_OK(assay__self_convolve(x, N, UINT64_C(1000000000), &err), err);
    for (int i = 0; i < N; i++)
        CHECK_NEAR(x[i], 1.0 / N, 1e-6);
    assay__free(x);
}

static void test_sizes_are_even_and_not_far_above(void)
{
    for (size_t n = 1; n < 100000; n += 1 + n / 17) {
        size_t size = assay__self_convolve_size(n);
        size_t odd = size;

        CHECK(size >= n && size % 2 == 0);
        CHECK(n < 1000 || (double)size <= 1.15 * (double)n);
        for (size_t f = 2; f <= 5; f++)
            while (odd % f == 0)
                odd /= f;
        CHECK_UINT_EQ(odd, 1);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_power_is_repeated_convolution),
    CHECK_TEST(test_many_times_is_nearly_even),
    CHECK_TEST(test_sizes_are_even_and_not_far_above),
};
CHECK_MAIN(tests)
