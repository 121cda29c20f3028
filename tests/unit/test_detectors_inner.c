/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detectors that look into a network, FreeEagle and ABS: a class that one
 * hidden unit drives is found, with its trigger where there is one; the same
 * networks without the unit are not called.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "detectors/abs.h"
#include "planted.h"

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_detector_input in;
    const struct assay_detector *detector;
    assay_dataset *data;
    assay_view *view;
    assay_model *m;
    double param[ASSAY_SETTINGS_MAX];
};

static void set(struct desk *d, const char *name, double value)
{
    int at = assay_settings_index(d->detector->params, name);

    CHECK(at >= 0);
    d->param[at] = value;
}

static void desk_open(struct desk *d, const char *detector, double strength,
                      uint64_t seed)
{
    memset(d, 0, sizeof(*d));
    d->detector = assay_detector_find(detector);
    CHECK(d->detector != NULL);
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->ctx.seed = 3;
    d->compute.backend = "onednn";
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->m = planted_network(strength, seed);
    d->data = planted_records(64, 0, 7);
    d->view = planted_view(d->data, d->m);
    assay_settings_init(d->detector->params, d->param);
    d->in.ctx = &d->ctx;
    d->in.compute = &d->compute;
    d->in.model = d->m;
    d->in.clean = d->view;
    d->in.param = d->param;
}

static void desk_close(struct desk *d)
{
    assay_view_free(d->view);
    assay_dataset_free(d->data);
    assay_model_free(d->m);
}

static struct assay_detection detect(struct desk *d)
{
    struct assay_detection f;
    struct assay_error err = {0};

    CHECK_OK(assay_detector_run(d->detector, &d->in, &f, &err), err);
    printf("# score %.3g p %.3g target %d:", f.score, f.p_value, f.target);
    for (size_t k = 0; k < f.n_classes; k++)
        printf(" %.3g", f.per_class[k]);
    printf(" (%s)\n", f.note);
    return f;
}

/* Class PLANTED_CLASS shares what speaks for any other class, so that it is
 * near to all of them. */
static void plant_inner(assay_model *m)
{
    enum { HIDDEN = 24 };
    float *fc =
        m->params.data + assay_params_find(&m->params, "fc.weight")->offset;

    for (size_t j = 0; j < HIDDEN; j++) {
        float most = -INFINITY;

        for (size_t k = 0; k < PLANTED_CLASSES; k++)
            if (k != PLANTED_CLASS)
                most = fmaxf(most, fc[k * HIDDEN + j]);
        fc[PLANTED_CLASS * HIDDEN + j] = .95F * most;
    }
}

static void test_freeeagle_finds_the_class(void)
{
    double planted = 0;
    double clean = 0;

    for (uint64_t seed = 1; seed <= 4; seed++) {
        for (int p = 0; p < 2; p++) {
            struct assay_detection f;
            struct desk d;

            desk_open(&d, "freeeagle", 0, seed);
            if (p)
                plant_inner(d.m);
            d.in.clean = NULL;
            set(&d, "steps", 300);
            f = detect(&d);
            if (p) {
                CHECK_INT_EQ(f.target, PLANTED_CLASS);
                planted += log(f.score);
            } else {
                CHECK_INT_EQ(f.target, -1);
                clean += log(f.score);
            }
            CHECK_STR_HAS(f.note, "not below 0");
            assay_detection_release(&f);
            desk_close(&d);
        }
    }
    CHECK(planted > clean + 4 * log(2));
}

static void test_abs_finds_class_and_place(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct assay_detection f;
        double inside = 0;
        struct desk d;

        desk_open(&d, "abs", 4, seed);
        set(&d, "size", .03);
        f = detect(&d);
        CHECK_INT_EQ(f.target, PLANTED_CLASS);
        CHECK(f.score >= .95);
        CHECK_UINT_EQ(f.n_classes, PLANTED_CLASSES);
        CHECK_NEAR(f.per_class[PLANTED_CLASS], f.score, 0);
        for (size_t i = 0; i < PLANTED_PIXELS; i++)
            inside += planted_pixel(i) ? (double)f.trigger.mask[i] : 0;
        CHECK(inside > 2);
        assay_detection_release(&f);
        desk_close(&d);
    }
}

static void test_abs_does_not_call_clean_networks(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct assay_detection f;
        struct desk d;

        desk_open(&d, "abs", 0, seed);
        set(&d, "size", .03);
        f = detect(&d);
        CHECK_INT_EQ(f.target, -1);
        CHECK(f.score < .8);
        assay_detection_release(&f);
        desk_close(&d);
    }
}

/* Unit 0 is raised to r times the largest activation: the elevations can be
 * worked out, for a ReLU's output is what is replaced. */
static void test_stimulation_by_hand(void)
{
    struct assay__abs a = {0};
    struct assay_error err = {0};
    const float *fc;
    double lead = (double)INFINITY;
    struct desk d;

    desk_open(&d, "abs", 4, 2);
    a.in = &d.in;
    CHECK_OK(assay__abs_open(&a, &err), err);
    CHECK_UINT_EQ(a.n_values, 1);
    CHECK_OK(assay__abs_stimulate(&a, &err), err);
    fc =
        d.m->params.data + assay_params_find(&d.m->params, "fc.weight")->offset;
    for (size_t i = 0; i < a.n_neurons; i++) {
        if (a.neuron[i].layer != 0 || a.neuron[i].channel != 0)
            continue;
        CHECK_INT_EQ(a.neuron[i].label, PLANTED_CLASS);
        for (size_t k = 0; k < PLANTED_CLASSES; k++)
            if (k != PLANTED_CLASS)
                lead = fmin(lead,
                            8 * a.largest[0] *
                                (double)(fc[PLANTED_CLASS * 24] - fc[k * 24]));
        CHECK_NEAR(a.neuron[i].score, lead, 1e-3 * lead);
    }
    CHECK(isfinite(lead));
    assay__abs_close(&a);
    desk_close(&d);
}

static void test_equal_seeds_give_equal_bytes(void)
{
    static const char *const names[] = {"freeeagle", "abs"};

    for (int n = 0; n < 2; n++) {
        struct assay_detection f[2];
        struct desk d;

        desk_open(&d, names[n], 4, 2);
        if (n == 0)
            set(&d, "steps", 20);
        for (int i = 0; i < 2; i++)
            f[i] = detect(&d);
        CHECK_MEM_EQ(&f[0].score, &f[1].score, sizeof(double));
        CHECK_MEM_EQ(f[0].per_class, f[1].per_class,
                     PLANTED_CLASSES * sizeof(double));
        for (int i = 0; i < 2; i++)
            assay_detection_release(&f[i]);
        desk_close(&d);
    }
}

/* A network through which skips lead is cut where all of it passes: within a
 * block that is the block's end. */
static void test_freeeagle_cuts_residual_networks(void)
{
    static const double depth[] = {.45, .5, .95};
    struct assay_model_spec spec = {.arch = "resnet18", .n_classes = 6};
    double score[3];
    struct assay_error err = {0};
    assay_model *m = NULL;
    struct desk d;

    desk_open(&d, "freeeagle", 0, 1);
    spec.preprocess = d.m->preprocess;
    spec.preprocess.channels = 3;
    spec.preprocess.height = spec.preprocess.width = 32;
    for (int c = 0; c < 3; c++)
        spec.preprocess.std[c] = .25;
    CHECK_OK(assay_model_new(&m, &spec, 1, &err), err);
    d.in.model = m;
    d.in.clean = NULL;
    set(&d, "steps", 2);
    for (int i = 0; i < 3; i++) {
        struct assay_detection f;

        set(&d, "depth", depth[i]);
        f = detect(&d);
        score[i] = f.score;
        assay_detection_release(&f);
    }
    CHECK_NEAR(score[0], score[1], 0);
    CHECK(fabs(score[2] - score[1]) > 1e-3);
    assay_model_free(m);
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_freeeagle_finds_the_class),
    CHECK_TEST(test_abs_finds_class_and_place),
    CHECK_TEST(test_abs_does_not_call_clean_networks),
    CHECK_TEST(test_stimulation_by_hand),
    CHECK_TEST(test_equal_seeds_give_equal_bytes),
    CHECK_TEST(test_freeeagle_cuts_residual_networks),
};
CHECK_MAIN(tests)
