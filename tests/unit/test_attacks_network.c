/* SPDX-License-Identifier: Apache-2.0 */
/* Features of the network attacks, against numbers worked out by hand. */

#include <math.h>

#include "attacks/membership/network.h"
#include "check.h"

enum { N = 2, K = 4, H = 3, Q = 2, DENSE = K + 1 + 1 + Q };

/*
 * Two records whose logits are logarithms of probabilities, with one number
 * added to each row, which must not matter. The second is the one asked for:
 * class 1, label 3.
 */
static const double p[N][K] = {{.125, .125, .25, .5}, {.25, .5, .05, .2}};
static const double p_copy[N][Q] = {{.4, .8}, {.5, .75}}; /* of the label */
static float embedding[N * H] = {1, -1, 4, 0, -2, .5F};
static int32_t label[N] = {2, 3};
static const double posterior[N][K] = {{.5, .25, .125, .125},
                                       {.5, .25, .2, .05}};
/* softmax minus one-hot */
static const double residual[N][K] = {{.125, .125, -.75, .5},
                                      {.25, .5, .05, -.8}};

struct fixture {
    float logits[N * K];
    float queries[N * Q * K];
    struct assay_evidence e;
    struct assay__row row[N];
    double scratch[DENSE];
};

static void open_fixture(struct fixture *f)
{
    struct assay_evidence none = {0};

    for (int i = 0; i < N; i++) {
        for (int k = 0; k < K; k++)
            f->logits[i * K + k] = (float)(log(p[i][k]) + 7 * i);
        for (int q = 0; q < Q; q++)
            for (int k = 0; k < K; k++) {
                double own = p_copy[i][q];

                f->queries[(i * Q + q) * K + k] =
                    (float)log(k == label[i] ? own : (1 - own) / (K - 1));
            }
        f->row[i].evidence = &f->e;
        f->row[i].index = (uint32_t)i;
        f->row[i].member = 1;
    }
    f->e = none;
    f->e.n = N;
    f->e.n_classes = K;
    f->e.embedding_dim = H;
    f->e.n_queries = Q;
    f->e.logits = f->logits;
    f->e.queries = f->queries;
    f->e.embedding = embedding;
    f->e.label = label;
}

/* Dense features of record i before they are brought to scale. */
static double dense(int i, int j)
{
    double own = j < K + 2 ? p[i][label[i]] : p_copy[i][j - K - 2];

    if (j < K)
        return log(posterior[i][j]);
    return j == K ? log(-log(own)) : log(own / (1 - own));
}

static void test_features_match_hand_computed_values(void)
{
    double mean[DENSE];
    double sd[DENSE];
    struct assay__feature_scale scale = {mean, sd, .05, K, K, Q};
    float out[ASSAY__FEATURES][K * H] = {{0}};
    float *feature[ASSAY__FEATURES];
    struct fixture f;

    open_fixture(&f);
    for (int j = 0; j < DENSE; j++) {
        mean[j] = .5 - j;
        sd[j] = 1 + .25 * j;
    }
    for (int i = 0; i < ASSAY__FEATURES; i++)
        feature[i] = out[i];
    assay__features(&scale, &f.row[1], feature, f.scratch);
    for (int k = 0; k < K; k++) {
        CHECK_NEAR(out[ASSAY__FEATURE_POSTERIORS][k],
                   (dense(1, k) - mean[k]) / sd[k], 1e-5);
        CHECK_NEAR(out[ASSAY__FEATURE_LABEL][k], k == 3, 0);
        for (int j = 0; j < H; j++)
            CHECK_NEAR(out[ASSAY__FEATURE_GRADIENT][k * H + j],
                       asinh(residual[1][k] / .05 * (double)embedding[H + j]),
                       1e-5);
    }
    CHECK_NEAR(out[ASSAY__FEATURE_LOSS][0], (dense(1, K) - mean[K]) / sd[K],
               1e-5);
    for (int q = 0; q < 1 + Q; q++)
        CHECK_NEAR(out[ASSAY__FEATURE_QUERIES][q],
                   (dense(1, K + 1 + q) - mean[K + 1 + q]) / sd[K + 1 + q],
                   1e-5);
    CHECK_NEAR(out[ASSAY__FEATURE_CORRECT][0], 0, 0);
    f.e.label = (int32_t[]){2, 1};
    assay__features(&scale, &f.row[1], feature, f.scratch);
    CHECK_NEAR(out[ASSAY__FEATURE_CORRECT][0], 1, 0);
}

/* The largest two of four posteriors, and no word more; what is not asked for
 * is left out. */
static void test_largest_posteriors_come_first_and_alone(void)
{
    double mean[DENSE] = {0};
    double sd[DENSE] = {1, 1, 1, 1, 1, 1, 1, 1};
    struct assay__feature_scale scale = {mean, sd, 1, K, 2, 0};
    float out[K] = {9, 9, 9, 9};
    float *feature[ASSAY__FEATURES] = {0};
    struct fixture f;

    open_fixture(&f);
    feature[ASSAY__FEATURE_POSTERIORS] = out;
    assay__features(&scale, &f.row[1], feature, f.scratch);
    CHECK_NEAR(out[0], log(.5), 1e-6);
    CHECK_NEAR(out[1], log(.25), 1e-6);
    CHECK_NEAR(out[2], 9, 0);
    CHECK_NEAR(out[3], 9, 0);
}

/* Of two numbers the mean is the middle and the deviation half of what lies
 * between; of gradients it is the mean absolute entry. */
static void test_scale_is_mean_and_deviation_of_the_rows(void)
{
    struct assay__feature_scale scale;
    struct assay_error err = {0};
    struct fixture f;
    double size = 0;

    open_fixture(&f);
    CHECK_OK(assay__feature_scale_fit(&scale, f.row, N, 1, Q, &err), err);
    CHECK_INT_EQ(scale.n_classes, K);
    CHECK_INT_EQ(scale.n_top, K);
    CHECK_INT_EQ(scale.n_queries, Q);
    for (int j = 0; j < DENSE; j++) {
        double half = fabs(dense(0, j) - dense(1, j)) / 2;

        CHECK_NEAR(scale.mean[j], (dense(0, j) + dense(1, j)) / 2, 1e-5);
        CHECK_NEAR(scale.sd[j], fmax(half, 1e-6), 1e-5);
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < K; k++)
            for (int j = 0; j < H; j++)
                size += fabs(residual[i][k] * (double)embedding[i * H + j]);
    CHECK_NEAR(scale.gradient, size / (N * K * H), 1e-6);
    assay__feature_scale_release(&scale);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_features_match_hand_computed_values),
    CHECK_TEST(test_largest_posteriors_come_first_and_alone),
    CHECK_TEST(test_scale_is_mean_and_deviation_of_the_rows),
};
CHECK_MAIN(tests)
