/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MNTD on models with a trigger planted by hand and without one: models that
 * it did not learn from are told apart; the meta-network's gradients against
 * differences; shadow models of another kind are refused.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "detectors/mntd.h"
#include "planted.h"

enum { SHADOWS = 32, MANY = 92, JUDGED = 6 };

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_detector_input in;
    struct assay_detector_shadow shadow[SHADOWS];
    assay_model *model[SHADOWS];
};

static void desk_open(struct desk *d, const char *backend)
{
    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->ctx.seed = 5;
    d->compute.backend = backend;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    for (size_t i = 0; i < SHADOWS; i++) {
        d->model[i] = planted_model(i % 2 ? 8 : 0, 100 + i);
        d->shadow[i].model = d->model[i];
        d->shadow[i].backdoored = (int)(i % 2);
    }
    d->in.ctx = &d->ctx;
    d->in.compute = &d->compute;
    d->in.shadow = d->shadow;
    d->in.n_shadows = SHADOWS;
}

static void desk_close(struct desk *d)
{
    for (size_t i = 0; i < SHADOWS; i++)
        assay_model_free(d->model[i]);
}

static struct assay_detection detect(struct desk *d, const assay_model *m)
{
    struct assay_detection f;
    struct assay_error err = {0};

    d->in.model = m;
    CHECK_OK(assay_detector_run(assay_detector_find("mntd"), &d->in, &f, &err),
             err);
    printf("# score %.3f threshold %.3f p %.3f: %s\n", f.score, f.threshold,
           f.p_value, f.note);
    return f;
}

static void test_backdoors_are_told_from_none(void)
{
    struct desk d;
    int right = 0;

    desk_open(&d, "onednn");
    for (uint64_t i = 0; i < JUDGED; i++) {
        assay_model *m = planted_model(i % 2 ? 8 : 0, 1 + i);
        struct assay_detection f = detect(&d, m);

        right += (f.score >= f.threshold) == (i % 2 != 0);
        CHECK(isnan(f.p_value)); /* of four held out .2 is the least */
        assay_detection_release(&f);
        assay_model_free(m);
    }
    CHECK_INT_EQ(right, JUDGED);
    desk_close(&d);
}

/* 76 clean ones leave 19 to rank among. */
static void test_many_shadows_give_a_p_value(void)
{
    static struct assay_detector_shadow many[MANY];
    static assay_model *model[MANY];
    assay_model *judged[2] = {planted_model(0, 1), planted_model(8, 2)};
    struct assay_detection f;
    struct desk d;

    desk_open(&d, "onednn");
    for (size_t i = 0; i < MANY; i++) {
        many[i].model = model[i] = planted_model(i < 16 ? 8 : 0, 300 + i);
        many[i].backdoored = i < 16;
    }
    d.in.shadow = many;
    d.in.n_shadows = MANY;
    f = detect(&d, judged[1]);
    CHECK_NEAR(f.p_value, 1 / 20.0, 1e-12);
    assay_detection_release(&f);
    f = detect(&d, judged[0]);
    CHECK(f.p_value > 1.5 / 20);
    assay_detection_release(&f);
    for (size_t i = 0; i < MANY; i++)
        assay_model_free(model[i]);
    for (int i = 0; i < 2; i++)
        assay_model_free(judged[i]);
    desk_close(&d);
}

static void test_few_shadows_are_not_held_out(void)
{
    struct assay_detection f;
    struct desk d;

    desk_open(&d, "onednn");
    d.in.n_shadows = 6;
    f = detect(&d, d.model[9]);
    CHECK(isnan(f.p_value));
    CHECK_NEAR(f.threshold, 0, 0);
    CHECK_STR_HAS(f.note, "none held out");
    assay_detection_release(&f);
    desk_close(&d);
}

static void test_equal_seeds_give_equal_bytes(void)
{
    struct desk d;
    double score[2];

    desk_open(&d, "onednn");
    for (int i = 0; i < 2; i++) {
        struct assay_detection f = detect(&d, d.model[1]);

        score[i] = f.score;
        assay_detection_release(&f);
    }
    CHECK_MEM_EQ(&score[0], &score[1], sizeof(double));
    desk_close(&d);
}

static void refuse(struct desk *d, int code, const char *why)
{
    struct assay_detection f;
    struct assay_error err = {0};

    CHECK_FAILS(
        assay_detector_run(assay_detector_find("mntd"), &d->in, &f, &err), code,
        err);
    CHECK_STR_HAS(err.msg, why);
}

static void test_other_shadows_are_refused(void)
{
    assay_model *other = linear_model(PLANTED_SIDE, 3, .3, 1);
    struct desk d;

    desk_open(&d, "onednn");
    d.in.model = d.model[0];
    d.shadow[2].model = other;
    refuse(&d, ASSAY_SHAPE, "shadow model 2");
    d.shadow[2].model = d.model[2];
    for (int i = 0; i < SHADOWS; i++)
        d.shadow[i].backdoored = i == 1;
    refuse(&d, ASSAY_DATA, "1 shadow models with a backdoor");
    d.in.n_shadows = 3;
    refuse(&d, ASSAY_ARG, "fewer than 4");
    assay_model_free(other);
    desk_close(&d);
}

static double loss_of(struct assay__meta *m, const double *x, int truth)
{
    double s = assay__meta_score(m, x);

    return log1p(exp(truth ? -s : s));
}

static void test_meta_gradients_match_differences(void)
{
    enum { WIDTH = 7 };
    struct assay__meta m;
    struct assay_error err = {0};
    struct assay_rng rng;
    double x[WIDTH];

    CHECK_OK(assay__meta_init(&m, WIDTH, 1, &err), err);
    assay_rng_init(&rng, 1, "test", 0);
    for (int k = 0; k < WIDTH; k++)
        x[k] = assay_rng_normal(&rng);
    for (int truth = 0; truth < 2; truth++) {
        assay__meta_slopes(&m, x, assay__meta_score(&m, x), truth);
        for (size_t i = 0; i < m.n; i++) {
            double before = m.weight[i];
            double d;

            m.weight[i] = before + 1e-5;
            d = loss_of(&m, x, truth);
            m.weight[i] = before - 1e-5;
            d -= loss_of(&m, x, truth);
            m.weight[i] = before;
            CHECK_NEAR(m.grad[i], d / 2e-5, 1e-7);
        }
        for (int k = 0; k < WIDTH; k++) {
            double before = x[k];
            double d;

            x[k] = before + 1e-5;
            d = loss_of(&m, x, truth);
            x[k] = before - 1e-5;
            d -= loss_of(&m, x, truth);
            x[k] = before;
            CHECK_NEAR(m.d_x[k], d / 2e-5, 1e-7);
        }
    }
    assay__meta_release(&m);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_backdoors_are_told_from_none),
    CHECK_TEST(test_many_shadows_give_a_p_value),
    CHECK_TEST(test_few_shadows_are_not_held_out),
    CHECK_TEST(test_equal_seeds_give_equal_bytes),
    CHECK_TEST(test_other_shadows_are_refused),
    CHECK_TEST(test_meta_gradients_match_differences),
};
CHECK_MAIN(tests)
