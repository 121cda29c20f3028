/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The noise of private training: that it is standard normal (moments, the
 * whole distribution, tails, no dependence between neighbours), fresh for
 * each key and piece, the same for any number of threads, and absent from
 * padding. Bounds are five deviations of what is measured; keys are fixed.
 */

#include "engine/noise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/mem.h"

enum { PIECES = 256, PIECE = ASSAY__NOISE_PIECE, N = PIECES * PIECE };

static float *draw(uint64_t a, uint64_t b)
{
    struct assay__noise noise = {.key = {a, b}, .deviation = 1.0};
    float *z = malloc((size_t)N * sizeof *z);

    CHECK(z != NULL);
    for (int p = 0; p < PIECES; p++)
        assay__noise_fill(z + (size_t)p * PIECE, PIECE, &noise, (uint64_t)p);
    return z;
}

static void test_moments_are_those_of_a_normal(void)
{
    static const double want[7] = {1.0, 0.0, 1.0, 0.0, 3.0, 0.0, 15.0};
    /* Of z^2k: (4k - 1)!! - (2k - 1)!!^2, and for odd powers (2k - 1)!!. */
    static const double variance[7] = {1.0,  1.0,   2.0,    15.0,
                                       96.0, 945.0, 10170.0};
    float *z = draw(1, 2);
    double sum[7] = {0};

    for (int i = 0; i < N; i++) {
        double power = 1.0;

        for (int k = 1; k <= 6; k++) {
            power *= (double)z[i];
            sum[k] += power;
        }
    }
    for (int k = 1; k <= 6; k++)
        CHECK_NEAR(sum[k] / N, want[k], 5.0 * sqrt(variance[k] / N));
    free(z);
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;

    return x < y ? -1 : x > y;
}

static double upper_tail(double x)
{
    return 0.5 * erfc(x / sqrt(2.0));
}

/* Kolmogorov and Smirnov's largest distance; 1.95 / sqrt(N) is passed by
 * one sample in a thousand. */
static void test_distribution_is_normal(void)
{
    float *z = draw(3, 4);
    double most = 0.0;

    qsort(z, N, sizeof *z, ascending);
    for (int i = 0; i < N; i++) {
        double below = upper_tail(-(double)z[i]);

        most = fmax(most, fabs(below - (double)i / N));
        most = fmax(most, fabs(below - (double)(i + 1) / N));
    }
    CHECK(most < 1.95 / sqrt((double)N));
    free(z);
}

static void test_tails_are_as_heavy_as_they_should(void)
{
    enum { DRAWS = 12 };
    static const double limit[4] = {3.0, 4.0, 4.5, 5.0};
    double above[4] = {0};
    double below[4] = {0};
    double largest = 0.0;

    for (int k = 0; k < DRAWS; k++) {
        float *z = draw(5, (uint64_t)k);

        for (int i = 0; i < N; i++) {
            double x = (double)z[i];

            for (int l = 0; l < 4; l++) {
                above[l] += x > limit[l];
                below[l] += x < -limit[l];
            }
            largest = fmax(largest, fabs(x));
        }
        free(z);
    }
    for (int l = 0; l < 4; l++) {
        double want = upper_tail(limit[l]) * N * DRAWS;

        CHECK_NEAR(above[l], want, 5.0 * sqrt(want));
        CHECK_NEAR(below[l], want, 5.0 * sqrt(want));
    }
    /* 50 million draws reach 5.3 but for a chance in a hundred. */
    CHECK(largest > 5.3);
    CHECK(largest < 6.7);
}

/* Correlation of z, and of z^2, with itself some places on: neighbours,
 * the other of a pair, the next round of a lane, the next piece. */
static void test_draws_do_not_depend_on_each_other(void)
{
    static const int apart[] = {1, 2, 8, 16, 32, 256, 512, PIECE};
    float *z = draw(6, 7);

    for (size_t k = 0; k < sizeof apart / sizeof apart[0]; k++) {
        double product = 0.0;
        double squares = 0.0;
        int n = N - apart[k];

        for (int i = 0; i < n; i++) {
            double x = (double)z[i];
            double y = (double)z[i + apart[k]];

            product += x * y;
            squares += (x * x - 1.0) * (y * y - 1.0);
        }
        CHECK_NEAR(product / n, 0.0, 5.0 / sqrt((double)n));
        CHECK_NEAR(squares / n, 0.0, 5.0 * 2.0 / sqrt((double)n));
    }
    free(z);
}

static void test_keys_and_pieces_have_their_own(void)
{
    struct assay__noise noise = {.key = {1, 2}, .deviation = 1.0};
    static float a[PIECE];
    static float b[PIECE];
    int equal = 0;

    assay__noise_fill(a, PIECE, &noise, 5);
    assay__noise_fill(b, 100, &noise, 5);
    CHECK_MEM_EQ(b, a, 100 * sizeof *a);
    assay__noise_fill(b, PIECE, &noise, 6);
    for (int i = 0; i < PIECE; i++)
        equal += a[i] == b[i];
    noise.key[1] = 3;
    assay__noise_fill(b, PIECE, &noise, 5);
    for (int i = 0; i < PIECE; i++)
        equal += a[i] == b[i];
    CHECK(equal < 10);
}

/* A store of one slot without padding and one of 5 in 16. */
static void open_store(struct assay__store *store,
                       struct assay__store_slot slot[2], size_t first)
{
    memset(store, 0, sizeof *store);
    memset(slot, 0, 2 * sizeof *slot);
    store->backend = &assay__backend_onednn;
    store->slot = slot;
    store->n_slots = 2;
    store->n_trained = store->n_elements = first + 16;
    slot[0].shape = assay_shape_make(1, (int64_t)first);
    slot[0].count = first;
    slot[1].shape = assay_shape_make(1, (int64_t)5);
    slot[1].count = 16;
    slot[1].offset = first;
    slot[0].trained = slot[1].trained = true;
    store->gradients = assay__slab(store->n_trained * sizeof(float));
    CHECK(store->gradients != NULL);
}

static void test_update_adds_noise_beside_padding_on_any_threads(void)
{
    enum { FIRST = 3 * PIECE + 160, ALL = FIRST + 16 };
    struct assay__store_slot slot[2];
    struct assay__store store;
    struct assay_error err = {0};
    struct assay__noise noise = {
        .store = &store, .key = {8, 9}, .deviation = 0.5, .factor = 0.25};
    struct assay__update u = {.kind = ASSAY_OPTIMIZER_SGD, .noise = &noise};
    float *w[2];
    float *g = malloc(ALL * sizeof *g);
    float *z = malloc(ALL * sizeof *z);

    CHECK(g != NULL && z != NULL);
    open_store(&store, slot, FIRST);
    CHECK_OK(assay__noise_open(&store, &err), err);
    CHECK(slot[0].mask == NULL && slot[1].mask != NULL);
    u.lr = 1.0;
    for (int k = 0; k < 2; k++) {
        w[k] = calloc(ALL, sizeof *w[k]);
        CHECK(w[k] != NULL);
        for (int i = 0; i < ALL; i++)
            g[i] = i < FIRST + 5 ? (float)i * 1e-3F : 0.0F;
        assay__update_f32(w[k], g, ALL, &u, 1 + 2 * k);
    }
    CHECK_MEM_EQ(w[1], w[0], ALL * sizeof *g);
    for (size_t at = 0; at < ALL; at += PIECE)
        assay__noise_fill(z + at, ALL - at < PIECE ? ALL - at : PIECE, &noise,
                          at / PIECE);
    for (int i = 0; i < ALL; i++)
        CHECK_NEAR(w[0][i],
                   i < FIRST + 5 ? -0.25F * ((float)i * 1e-3F + 0.5F * z[i])
                                 : 0.0F,
                   1e-5);
    assay__free(store.gradients);
    assay__free(slot[1].mask);
    free(w[0]);
    free(w[1]);
    free(g);
    free(z);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_moments_are_those_of_a_normal),
    CHECK_TEST(test_distribution_is_normal),
    CHECK_TEST(test_tails_are_as_heavy_as_they_should),
    CHECK_TEST(test_draws_do_not_depend_on_each_other),
    CHECK_TEST(test_keys_and_pieces_have_their_own),
    CHECK_TEST(test_update_adds_noise_beside_padding_on_any_threads),
};
CHECK_MAIN(tests)
