/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inversion in a generator's latent space. The generator is an untrained one
 * whose weights are made loud, so that its images differ; the classifier is
 * softmax regression, whose losses can be worked out from an image.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/inversion.h"
#include "linear_model.h"

enum { SIDE = 16, PIXELS = SIDE * SIDE, CLASSES = 3, Z = 6 };

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_generator *gen;
    assay_model *target;
    assay_model *other;
    struct assay_latent_descent o;
};

static void desk_open(struct desk *d, const char *backend)
{
    struct assay_generator_options o;
    struct assay_params *p;
    struct assay_error err = {0};

    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.backend = backend;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->target = linear_model(SIDE, CLASSES, .1, 1);
    d->other = linear_model(SIDE, CLASSES, .1, 2);
    assay_generator_options_init(&o, 1);
    o.z_dim = Z;
    o.width = 4;
    CHECK_OK(assay_generator_new(&d->gen, assay_model_preprocess(d->target), &o,
                                 &err),
             err);
    p = assay_generator_params(d->gen);
    for (int i = 0; i < p->n_slots; i++) {
        if (p->slot[i].shape.rank == 1)
            continue;
        for (size_t k = 0; k < p->slot[i].count; k++)
            p->data[p->slot[i].offset + k] *= 8;
    }
    assay_latent_descent_init(&d->o);
}

static void desk_close(struct desk *d)
{
    assay_generator_free(d->gen);
    assay_model_free(d->target);
    assay_model_free(d->other);
}

static struct assay_inversion invert(struct desk *d, int n_models,
                                     const struct assay_inversion_rows *rows)
{
    const assay_model *models[2] = {d->target, d->other};
    struct assay_latent_nets nets = {d->gen, models, n_models};
    struct assay_inversion found = {0};
    struct assay_error err = {0};

    CHECK_OK(assay_inversion_latent(&found, &d->ctx, &d->compute, &nets, rows,
                                    &d->o, &err),
             err);
    CHECK_UINT_EQ(found.n, rows->n);
    CHECK_INT_EQ(found.z_dim, Z);
    return found;
}

static void logits_of(assay_model *m, const float *image, double *logits)
{
    const struct assay_params *p = assay_model_params(m);
    const float *w = p->data + assay_params_find(p, "fc.weight")->offset;
    const float *b = p->data + assay_params_find(p, "fc.bias")->offset;

    for (size_t k = 0; k < CLASSES; k++) {
        logits[k] = (double)b[k];
        for (size_t i = 0; i < PIXELS; i++)
            logits[k] += (double)w[k * PIXELS + i] * (double)image[i];
    }
}

static double xent(assay_model *m, const float *image, int32_t wanted)
{
    double logits[CLASSES];
    double sum = 0;

    logits_of(m, image, logits);
    for (int k = 0; k < CLASSES; k++)
        sum += exp(logits[k] - logits[wanted]);
    return log(sum);
}

/* The discriminator's logit of G(z). */
static double realism(struct desk *d, const float *z)
{
    struct assay_shape shape =
        assay_shape_make(2, (int64_t)ASSAY_BATCH, (int64_t)Z);
    struct assay_generator_values v;
    struct assay_plan_options o = {.backend = "reference",
                                   .batch = 1,
                                   .threads = 1,
                                   .outputs = &v.realism,
                                   .n_outputs = 1};
    struct assay_params params = {0};
    struct assay_error err = {0};
    assay_graph *g = NULL;
    assay_plan *plan = NULL;
    assay_value in;
    double x;

    CHECK_OK(assay_graph_new(&g, &err), err);
    in = assay_graph_input(g, "z", &shape);
    assay_generator_append(d->gen, g, in, "", &v);
    CHECK_OK(assay_params_make(&params, g, &err), err);
    CHECK_OK(assay_generator_fill(d->gen, "", &params, &err), err);
    CHECK_OK(assay_plan_new(&plan, g, &o, &err), err);
    CHECK_OK(assay_plan_load(plan, &params, &err), err);
    CHECK_OK(assay_plan_write(plan, in, z, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, v.realism, &x, &err), err);
    assay_plan_free(plan);
    assay_params_release(&params);
    assay_graph_free(g);
    return x;
}

/* -D(G(z)) + weight * cross-entropy, from the public pieces alone. */
static double total(struct desk *d, const float *z, int32_t wanted)
{
    float image[PIXELS];
    struct assay_error err = {0};

    CHECK_OK(
        assay_generator_sample(d->gen, &d->ctx, &d->compute, z, 1, image, &err),
        err);
    return d->o.identity_weight * xent(d->target, image, wanted) -
           realism(d, z);
}

static void slope_at(struct desk *d, const float *at, int32_t wanted,
                     double *slope)
{
    enum { PLUS, MINUS };
    const double h = 2e-3;

    for (int k = 0; k < Z; k++) {
        float z[2][Z];

        for (int side = 0; side < 2; side++) {
            memcpy(z[side], at, sizeof(z[side]));
            z[side][k] += (float)(side == PLUS ? h : -h);
        }
        slope[k] =
            (total(d, z[PLUS], wanted) - total(d, z[MINUS], wanted)) / (2 * h);
    }
}

/* Three updates by hand, with the slope from differences. */
static void test_updates_are_the_papers(void)
{
    float start[Z] = {.3F, -.2F, .5F, .1F, -.4F, .2F};
    int32_t wanted = 2;
    struct assay_inversion_rows rows = {
        .n = 1, .wanted = &wanted, .start = start};

    for (int b = 0; b < 2; b++) {
        struct assay_inversion found;
        float z[Z];
        double v[Z] = {0};
        struct desk d;

        desk_open(&d, b ? "onednn" : "reference");
        d.o.identity_weight = 3;
        d.o.rate = .02;
        d.o.steps = 3;
        found = invert(&d, 1, &rows);
        memcpy(z, start, sizeof(z));
        for (int step = 0; step < 3; step++) {
            double slope[Z];

            slope_at(&d, z, wanted, slope);
            for (int k = 0; k < Z; k++) {
                double before = v[k];

                v[k] = .9 * before - d.o.rate * slope[k];
                z[k] += (float)(-.9 * before + 1.9 * v[k]);
                z[k] = z[k] > 1 ? 1 : z[k] < -1 ? -1 : z[k];
            }
        }
        CHECK_UINT_EQ(found.steps[0], 3);
        for (int k = 0; k < Z; k++) {
            CHECK(fabsf(z[k] - start[k]) > 1e-3F);
            CHECK_NEAR(found.latent[k], z[k], 2e-3);
        }
        CHECK_NEAR(found.loss[0], xent(d.target, found.image, wanted), 1e-4);
        CHECK_NEAR(found.posterior[0], exp(-found.loss[0]), 1e-5);
        assay_inversion_release(&found);
        desk_close(&d);
    }
}

static void test_rows_improve_and_stay_within_the_clamp(void)
{
    enum { ROWS = 9 };
    int32_t wanted[ROWS] = {0, 1, 2, 0, 1, 2, 0, 1, 2};
    struct assay_inversion_rows rows = {.n = ROWS, .wanted = wanted};
    struct assay_inversion before;
    struct assay_inversion after;
    size_t better = 0;
    struct desk d;

    desk_open(&d, "onednn");
    d.o.steps = 0;
    before = invert(&d, 1, &rows);
    d.o.steps = 200;
    d.o.rate = 1e-3;
    d.o.clamp = 2;
    after = invert(&d, 1, &rows);
    for (size_t i = 0; i < ROWS; i++) {
        CHECK(after.loss[i] <= before.loss[i]);
        CHECK_UINT_EQ(after.steps[i], 200);
        if (after.loss[i] >= before.loss[i])
            continue;
        better++;
        for (size_t k = 0; k < Z; k++)
            CHECK(fabsf(after.latent[i * Z + k]) <= 2);
    }
    CHECK(better >= ROWS - 1);
    assay_inversion_release(&before);
    assay_inversion_release(&after);
    desk_close(&d);
}

/* The loss that is reported, from the image that is. */
static void test_losses_are_those_of_the_papers(void)
{
    enum { ROWS = 3 };
    static float mean[PIXELS];
    int32_t wanted[ROWS] = {0, 1, 2};
    struct assay_inversion_rows rows = {.n = ROWS, .wanted = wanted};

    for (size_t i = 0; i < PIXELS; i++)
        mean[i] = (float)i / PIXELS;
    for (int variant = 0; variant < 4; variant++) {
        bool logit = variant > 0;
        bool features = variant > 1;
        int n_models = variant == 3 || variant == 0 ? 2 : 1;
        struct assay_inversion found;
        struct desk d;

        desk_open(&d, "onednn");
        d.o.steps = 5;
        d.o.identity =
            logit ? ASSAY_IDENTITY_LOGIT : ASSAY_IDENTITY_CROSS_ENTROPY;
        d.o.feature_weight = .7;
        d.o.feature_mean = features ? mean : NULL;
        found = invert(&d, n_models, &rows);
        for (size_t i = 0; i < ROWS; i++) {
            const float *image = found.image + i * PIXELS;
            assay_model *models[2] = {d.target, d.other};
            double want = 0;
            double term = 0;

            for (int m = 0; m < n_models; m++) {
                double logits[CLASSES];

                logits_of(models[m], image, logits);
                want += (logit ? -logits[wanted[i]]
                               : xent(models[m], image, wanted[i])) /
                        n_models;
            }
            for (size_t k = 0; k < PIXELS; k++)
                term += pow((double)image[k] - (double)mean[k], 2) / PIXELS;
            CHECK_NEAR(found.loss[i], want + (features ? .7 * term : 0), 1e-3);
            CHECK_NEAR(found.posterior[i],
                       exp(-xent(d.target, image, wanted[i])), 1e-4);
        }
        assay_inversion_release(&found);
        desk_close(&d);
    }
}

static void test_rows_do_not_see_each_other(void)
{
    enum { ROWS = 7 };
    int32_t wanted[ROWS] = {0, 1, 2, 0, 1, 2, 0};
    uint64_t stream[ROWS] = {10, 11, 12, 13, 14, 15, 16};
    struct assay_inversion_rows rows = {
        .n = ROWS, .wanted = wanted, .stream = stream};

    for (int b = 0; b < 2; b++) {
        struct assay_inversion all;
        struct desk d;

        desk_open(&d, b ? "onednn" : "reference");
        d.o.batch = 3;
        d.o.steps = 12;
        rows.n = ROWS;
        rows.wanted = wanted;
        rows.stream = stream;
        all = invert(&d, 2, &rows);
        for (size_t i = 0; i < ROWS; i += 2) {
            struct assay_inversion one;

            rows.n = 1;
            rows.wanted = wanted + i;
            rows.stream = stream + i;
            one = invert(&d, 2, &rows);
            CHECK_MEM_EQ(all.image + i * PIXELS, one.image,
                         PIXELS * sizeof(float));
            CHECK_MEM_EQ(all.latent + i * Z, one.latent, Z * sizeof(float));
            assay_inversion_release(&one);
        }
        CHECK(memcmp(all.latent, all.latent + 3 * Z, Z * sizeof(float)) != 0);
        assay_inversion_release(&all);
        desk_close(&d);
    }
}

static void test_wrong_calls_are_refused(void)
{
    int32_t wanted = 1;
    struct assay_inversion_rows rows = {.n = 1, .wanted = &wanted};
    struct assay_inversion found = {0};
    struct assay_error err = {0};
    const assay_model *models[2];
    struct assay_latent_nets nets = {.models = models};
    assay_model *wide = linear_model(SIDE, CLASSES + 1, .1, 1);
    struct desk d;

    desk_open(&d, "onednn");
    models[0] = d.target;
    models[1] = wide;
    nets.generator = d.gen;
    nets.n_models = 0;
    CHECK_FAILS(assay_inversion_latent(&found, &d.ctx, &d.compute, &nets, &rows,
                                       &d.o, &err),
                ASSAY_ARG, err);
    nets.n_models = 2;
    CHECK_FAILS(assay_inversion_latent(&found, &d.ctx, &d.compute, &nets, &rows,
                                       &d.o, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "4 classes");
    d.o.momentum = 1;
    nets.n_models = 1;
    CHECK_FAILS(assay_inversion_latent(&found, &d.ctx, &d.compute, &nets, &rows,
                                       &d.o, &err),
                ASSAY_ARG, err);
    d.o.momentum = .9;
    d.target->preprocess.mean[0] = .4;
    nets.n_models = 1;
    CHECK_FAILS(assay_inversion_latent(&found, &d.ctx, &d.compute, &nets, &rows,
                                       &d.o, &err),
                ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "preprocess differently");
    assay_model_free(wide);
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_updates_are_the_papers),
    CHECK_TEST(test_rows_improve_and_stay_within_the_clamp),
    CHECK_TEST(test_losses_are_those_of_the_papers),
    CHECK_TEST(test_rows_do_not_see_each_other),
    CHECK_TEST(test_wrong_calls_are_refused),
};

CHECK_MAIN(tests)
