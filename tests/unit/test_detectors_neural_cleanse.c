/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neural Cleanse: a trigger planted by hand is found, its class, place and
 * colour with it, and none in a clean model; gradients of the search against
 * differences; the test of the smallest norm against what it promises.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/reverse.h"
#include "planted.h"

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_detector_input in;
    assay_dataset *data;
    assay_view *view;
    assay_model *m;
    double param[ASSAY_SETTINGS_MAX];
};

static void set(struct desk *d, const char *name, double value)
{
    const struct assay_detector *nc = assay_detector_find("neural-cleanse");
    int at = assay_settings_index(nc->params, name);

    CHECK(at >= 0);
    d->param[at] = value;
}

static void desk_open(struct desk *d, const char *backend, double strength,
                      uint64_t seed)
{
    const struct assay_detector *nc = assay_detector_find("neural-cleanse");

    memset(d, 0, sizeof(*d));
    CHECK(nc != NULL);
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->ctx.seed = 3;
    d->compute.backend = backend;
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->m = planted_model(strength, seed);
    d->data = planted_records(128, 0, 7);
    d->view = planted_view(d->data, d->m);
    assay_settings_init(nc->params, d->param);
    set(d, "batches", 4);
    set(d, "rounds", 60);
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
    struct assay_detection found;
    struct assay_error err = {0};

    CHECK_OK(assay_detector_run(assay_detector_find("neural-cleanse"), &d->in,
                                &found, &err),
             err);
    return found;
}

static void print(const struct assay_detection *f)
{
    printf("# index %.2f p %.3g target %d:", f->score, f->p_value, f->target);
    for (size_t k = 0; k < f->n_classes; k++)
        printf(" %.2f", f->per_class[k]);
    printf("\n");
}

static void test_a_planted_trigger_is_found(void)
{
    static const char *const backends[] = {"reference", "onednn"};

    for (int b = 0; b < 2; b++) {
        struct assay_detection f;
        double inside = 0;
        struct desk d;

        desk_open(&d, backends[b], 12, 1);
        f = detect(&d);
        print(&f);
        CHECK_INT_EQ(f.target, PLANTED_CLASS);
        CHECK(f.score >= f.threshold);
        CHECK(f.p_value < .01);
        CHECK_UINT_EQ(f.n_classes, PLANTED_CLASSES);
        for (size_t i = 0; i < PLANTED_PIXELS; i++) {
            inside += planted_pixel(i) ? (double)f.trigger.mask[i] : 0;
            CHECK(f.trigger.mask[i] >= 0 && f.trigger.mask[i] <= 1);
            CHECK(f.trigger.pattern[i] >= 0 && f.trigger.pattern[i] <= 255);
            /* Bright pixels, in the pixels' own range, drive the class. */
            if (f.trigger.mask[i] > .3F)
                CHECK(f.trigger.pattern[i] > 200);
        }
        CHECK(inside > .8 * assay_trigger_l1(&f.trigger));
        CHECK_NEAR(assay_trigger_l1(&f.trigger), f.per_class[PLANTED_CLASS],
                   1e-4);
        assay_detection_release(&f);
        desk_close(&d);
    }
}

/* The reversed trigger does in the model's pixels what the search says. */
static void test_the_trigger_works_when_it_is_stamped(void)
{
    struct assay_backdoor_effect effect;
    struct assay_detection f;
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d, "onednn", 12, 1);
    f = detect(&d);
    CHECK_OK(assay_backdoor_measure(&effect, &d.ctx, &d.compute, d.m, d.view,
                                    &f.trigger, f.target, &err),
             err);
    CHECK(effect.success.value >= .97);
    assay_detection_release(&f);
    desk_close(&d);
}

static void test_clean_models_are_not_called(void)
{
    int called = 0;

    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct assay_detection f;
        struct desk d;

        desk_open(&d, "onednn", 0, seed);
        f = detect(&d);
        print(&f);
        called += f.p_value < .01;
        assay_detection_release(&f);
        desk_close(&d);
    }
    CHECK_INT_EQ(called, 0);
}

static void test_equal_seeds_give_equal_bytes(void)
{
    struct assay_detection f[2];
    struct desk d;

    desk_open(&d, "onednn", 12, 2);
    set(&d, "rounds", 10);
    for (int i = 0; i < 2; i++)
        f[i] = detect(&d);
    CHECK_MEM_EQ(f[0].per_class, f[1].per_class,
                 PLANTED_CLASSES * sizeof(double));
    CHECK_MEM_EQ(f[0].trigger.mask, f[1].trigger.mask,
                 PLANTED_PIXELS * sizeof(float));
    CHECK_MEM_EQ(f[0].trigger.pattern, f[1].trigger.pattern,
                 PLANTED_PIXELS * sizeof(float));
    for (int i = 0; i < 2; i++)
        assay_detection_release(&f[i]);
    desk_close(&d);
}

/* How many stand side by side changes rounding at most: on the reference
 * backend, where rows do not see the batch, nothing. */
static void test_classes_do_not_see_each_other(void)
{
    struct assay_detection f[2];
    struct desk d;

    desk_open(&d, "reference", 12, 2);
    set(&d, "rounds", 25);
    for (int i = 0; i < 2; i++) {
        set(&d, "at-once", i == 0 ? 8 : 3);
        f[i] = detect(&d);
    }
    for (size_t k = 0; k < PLANTED_CLASSES; k++)
        CHECK_NEAR(f[0].per_class[k], f[1].per_class[k], 1e-12);
    for (int i = 0; i < 2; i++)
        assay_detection_release(&f[i]);
    desk_close(&d);
}

static void test_few_classes_are_not_judged(void)
{
    assay_model *m = linear_model(PLANTED_SIDE, 3, .3, 1);
    struct assay_detection f;
    struct desk d;

    desk_open(&d, "onednn", 0, 1);
    set(&d, "rounds", 10);
    d.in.model = m;
    f = detect(&d);
    CHECK_INT_EQ(f.target, -1);
    CHECK(isnan(f.threshold) && isnan(f.p_value));
    CHECK(isfinite(f.score));
    CHECK_STR_HAS(f.note, "nothing is called");
    assay_detection_release(&f);
    assay_model_free(m);
    desk_close(&d);
}

/* One update turns nobody: there is no norm to compare, and no score. */
static void test_without_triggers_there_is_no_score(void)
{
    struct assay_detection f;
    struct desk d;

    desk_open(&d, "onednn", 0, 1);
    set(&d, "rounds", 1);
    set(&d, "batches", 1);
    f = detect(&d);
    CHECK(isnan(f.score) && isnan(f.threshold) && isnan(f.p_value));
    CHECK_STR_HAS(f.note, "0 of 8 classes have a trigger");
    assay_detection_release(&f);
    desk_close(&d);
}

static void test_two_classes_are_refused(void)
{
    static const char *const names[] = {"neural-cleanse", "freeeagle"};
    assay_model *m = linear_model(PLANTED_SIDE, 2, .3, 1);
    struct assay_detection f;
    struct assay_error err;
    char why[160];
    struct desk d;

    desk_open(&d, "onednn", 0, 1);
    d.in.model = m;
    d.in.param = NULL;
    for (int i = 0; i < 2; i++) {
        const struct assay_detector *detector = assay_detector_find(names[i]);

        CHECK(!assay_detector_fits(detector, &d.in, why));
        CHECK_STR_HAS(why, "2 of them are too few");
        CHECK_INT_EQ(assay_detector_run(detector, &d.in, &f, &err), ASSAY_ARG);
        CHECK_STR_HAS(err.msg, "it takes 3");
    }
    assay_model_free(m);
    desk_close(&d);
}

/* A search that is set up by hand, on four images. */
struct probe {
    struct assay__reverse r;
    float x[4 * PLANTED_PIXELS];
    float want;
    struct assay__reversed last;
    float mask[PLANTED_PIXELS];
    float pattern[PLANTED_PIXELS];
};

static int take(void *user, const struct assay__reversed *f,
                struct assay_error *err)
{
    struct probe *p = user;

    (void)err;
    p->last = *f;
    memcpy(p->mask, f->mask, sizeof(p->mask));
    memcpy(p->pattern, f->pattern, sizeof(p->pattern));
    return ASSAY_OK;
}

/* The loss of a trigger on the probe's images, in double. */
static double loss_at(const struct probe *p, const assay_model *m,
                      const double *value)
{
    const float *w =
        m->params.data + assay_params_find(&m->params, "fc.weight")->offset;
    double sum = 0;

    for (size_t i = 0; i < 4; i++) {
        double logit[PLANTED_CLASSES] = {0};
        double total = 0;

        for (size_t j = 0; j < PLANTED_PIXELS; j++) {
            double a = value[j];
            double pixel = 127.5 * (1 + tanh(value[PLANTED_PIXELS + j]));
            double share = .5 + .5 * tanh(a);
            double x = (double)p->x[i * PLANTED_PIXELS + j];

            x += share * ((pixel / 255 - .3) / .25 - x);
            for (size_t k = 0; k < PLANTED_CLASSES; k++)
                logit[k] += x * (double)w[k * PLANTED_PIXELS + j];
        }
        for (size_t k = 0; k < PLANTED_CLASSES; k++)
            total += exp(logit[k]);
        sum += (log(total) - logit[(int)p->want]) / 4;
    }
    return sum;
}

static void probe_open(struct probe *p, struct desk *d)
{
    struct assay_shape shape = *assay_graph_shape(d->m->graph, d->m->input);
    struct assay_shape each = assay_shape_make(1, (int64_t)ASSAY_BATCH);
    assay_value logits = d->m->logits;
    struct assay_error err = {0};
    struct assay_rng rng;

    memset(p, 0, sizeof(*p));
    assay_rng_init(&rng, 5, "test", 0);
    for (size_t i = 0; i < 4 * PLANTED_PIXELS; i++)
        p->x[i] = (float)(.5 * assay_rng_normal(&rng));
    p->want = 2;
    p->r.ctx = &d->ctx;
    p->r.compute = &d->compute;
    p->r.pre = &d->m->preprocess;
    p->r.params = &d->m->params;
    p->r.task = "probe";
    p->r.x = p->x;
    p->r.n = 4;
    p->r.n_jobs = 1;
    p->r.wanted = &p->want;
    p->r.width = 1;
    p->r.ended = take;
    p->r.user = p;
    p->r.o.rounds = 1;
    p->r.o.per_round = 1;
    p->r.o.batch = 4;
    p->r.o.at_once = 1;
    p->r.o.rate = .1;
    p->r.o.enough = .99;
    p->r.o.factor = 2;
    CHECK_OK(assay_graph_new(&p->r.graph, &err), err);
    p->r.image = assay_graph_input(p->r.graph, "x", &shape);
    p->r.want = assay_graph_input(p->r.graph, "labels", &each);
    CHECK_OK(assay_graph_append(p->r.graph, d->m->graph, "", &p->r.image,
                                &logits, 1, &err),
             err);
    p->r.loss = assay_op_softmax_xent(p->r.graph, logits, p->r.want);
    p->r.hit = assay_op_correct(p->r.graph, logits, p->r.want);
    CHECK_OK(assay__reverse_open(&p->r, &err), err);
}

/*
 * Of Adam's first step, rate x g / (|g| + eps), only the sign of g is left.
 * The second one has both gradients in it: from where a number stands after
 * one step and after two, g2 / g1 follows, and that is compared with the
 * ratio of central differences.
 */
static void test_the_search_follows_the_gradient(void)
{
    enum { N = 2 * PLANTED_PIXELS };
    double at[3][N];
    struct desk d;
    int compared = 0;

    for (size_t rounds = 1; rounds <= 3; rounds++) {
        struct assay_error err = {0};
        struct probe p;

        desk_open(&d, "reference", 0, 4);
        probe_open(&p, &d);
        p.r.o.rounds = rounds;
        CHECK_OK(assay__reverse_run(&p.r, &err), err);
        for (size_t j = 0; j < PLANTED_PIXELS; j++) {
            at[rounds - 1][j] = atanh(2 * (double)p.mask[j] - 1);
            at[rounds - 1][PLANTED_PIXELS + j] =
                atanh((double)p.pattern[j] / 127.5 - 1);
        }
        for (size_t i = 0; rounds == 3 && i < N; i += 3) {
            double g[2];
            double m;
            double v;
            double want;

            for (size_t s = 0; s < 2; s++) {
                double value[N];

                memcpy(value, at[s], sizeof(value));
                value[i] += 1e-4;
                g[s] = loss_at(&p, d.m, value);
                value[i] -= 2e-4;
                g[s] = (g[s] - loss_at(&p, d.m, value)) / 2e-4;
            }
            if (fabs(g[0]) < 1e-4 || fabs(at[0][i]) > 1.5)
                continue;
            m = (.5 * .5 * g[0] + .5 * g[1]) / .75;
            v = (.9 * .1 * g[0] * g[0] + .1 * g[1] * g[1]) / .19;
            want = -.1 * m / (sqrt(v) + 1e-8);
            CHECK_NEAR(at[1][i] - at[0][i], g[0] > 0 ? -.1 : .1, 2e-4);
            CHECK_NEAR(at[2][i] - at[1][i], want, 1e-3);
            compared++;
        }
        assay__reverse_release(&p.r);
        desk_close(&d);
    }
    CHECK(compared > 20);
}

/* A residual network with running statistics drawn at random: what the folded
 * one says is what the network says. */
static void test_folded_networks_say_the_same(void)
{
    enum { N = 4, PIXELS = 3 * 32 * 32, K = 6 };
    struct assay_model_spec spec = {.arch = "resnet18", .n_classes = K};
    struct assay_compute compute = {.backend = "onednn",
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_plan_options o = {.batch = N, .threads = 1, .n_outputs = 1};
    struct assay_params params = {0};
    struct assay_error err = {0};
    struct assay_params *p;
    struct assay_rng rng;
    assay_predictor *predictor = NULL;
    assay_model *m = NULL;
    assay_graph *g = NULL;
    assay_plan *plan = NULL;
    assay_value logits;
    assay_value x;
    float *image = calloc(N * PIXELS, sizeof(*image));
    float said[2][N * K];

    CHECK(image != NULL);
    assay_rng_init(&rng, 1, "test", 0);
    spec.preprocess.channels = 3;
    spec.preprocess.height = spec.preprocess.width = 32;
    spec.preprocess.scale = 1;
    for (int c = 0; c < 3; c++)
        spec.preprocess.std[c] = 1;
    CHECK_OK(assay_model_new(&m, &spec, 1, &err), err);
    p = assay_model_params(m);
    for (int i = 0; i < p->n_slots; i++) {
        float *at = p->data + p->slot[i].offset;

        for (size_t k = 0; k < p->slot[i].count; k++) {
            if (strstr(p->slot[i].name, "running_var") ||
                strstr(p->slot[i].name, "bn"))
                at[k] = (float)(.5 + assay_rng_uniform(&rng));
            else if (strstr(p->slot[i].name, "running_mean"))
                at[k] = (float)assay_rng_normal(&rng);
        }
    }
    for (size_t i = 0; i < N * PIXELS; i++)
        image[i] = (float)assay_rng_normal(&rng);
    CHECK_OK(assay_predictor_new(&predictor, m, &compute, 1, &err), err);
    CHECK_OK(assay_predictor_run(predictor, image, N, said[0], NULL, &err),
             err);
    CHECK_OK(assay_graph_new(&g, &err), err);
    x = assay_graph_input(
        g, "x", assay_graph_shape(assay_model_graph(m), assay_model_input(m)));
    logits = assay_model_logits(m);
    CHECK_OK(assay_graph_append_folded(g, assay_model_graph(m), &x, &logits, 1,
                                       &err),
             err);
    CHECK_INT_EQ(assay_graph_find(g, "bn1.bias.folded") != ASSAY_NO_VALUE, 1);
    CHECK_OK(assay_params_fold(&params, g, assay_model_graph(m), p, &err), err);
    o.algorithms = ASSAY_ALGORITHMS_DIRECT;
    o.outputs = &logits;
    CHECK_OK(assay_plan_new(&plan, g, &o, &err), err);
    CHECK_OK(assay_plan_load(plan, &params, &err), err);
    CHECK_OK(assay_plan_write(plan, x, image, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, logits, said[1], &err), err);
    for (size_t i = 0; i < N * K; i++)
        CHECK_NEAR(said[1][i], said[0][i], 1e-4 * (1 + fabs(said[0][i])));
    CHECK(fabs(said[0][0] - said[0][1]) > 1e-3);
    assay_plan_free(plan);
    assay_params_release(&params);
    assay_graph_free(g);
    assay_predictor_free(predictor);
    assay_model_free(m);
    free(image);
}

/* Norms of iid log-normals: p <= alpha as often as alpha, for any K. */
static void test_p_values_hold_their_level(void)
{
    static const size_t classes[] = {5, 10, 43, 100};
    static const double level[] = {.01, .05, .2};
    enum { DRAWS = 4000 };

    for (size_t c = 0; c < 4; c++) {
        size_t below[3] = {0};
        size_t flagged = 0;
        struct assay_rng rng;

        assay_rng_init(&rng, 1, "test", c);
        for (int i = 0; i < DRAWS; i++) {
            double x[100];
            double work[100];
            struct assay__outlier o;

            for (size_t k = 0; k < classes[c]; k++)
                x[k] = exp(3 + .2 * assay_rng_normal(&rng));
            o = assay__outlier_small(x, classes[c], work);
            for (size_t a = 0; a < 3; a++)
                below[a] += o.p <= level[a];
            flagged += o.index >= 2;
        }
        for (size_t a = 0; a < 3; a++) {
            double share = (double)below[a] / DRAWS;
            double sd = sqrt(level[a] * (1 - level[a]) / DRAWS);

            printf("# K %zu: p <= %.2f in %.4f; index >= 2 in %.3f\n",
                   classes[c], level[a], share, (double)flagged / DRAWS);
            CHECK(share < level[a] + 3.5 * sd);
            CHECK(share > .85 * level[a] - 3.5 * sd);
        }
    }
}

static void test_the_smallest_is_judged_by_hand(void)
{
    double x[] = {exp(1), exp(5), exp(6), exp(7), exp(6)};
    double work[5];
    struct assay__outlier o = assay__outlier_small(x, 5, work);
    /* The logs of the others: mean 6, deviation sqrt(2 / 3). */
    double t = 5 / (sqrt(2.0 / 3) * sqrt(1.25));
    double angle = atan(t / sqrt(3));
    /* Student's with 3 degrees in closed form. */
    double p = .5 - (angle + .5 * sin(2 * angle)) / acos(-1);

    CHECK_INT_EQ(o.at, 0);
    CHECK_NEAR(o.p, 5 * p, 1e-9);
    CHECK_NEAR(o.index, (exp(6) - exp(1)) / (1.4826 * (exp(6) - exp(5))), 1e-9);
}

static void test_norms_that_are_missing_are_left_out(void)
{
    double x[] = {(double)NAN, 4, (double)NAN, 3};
    double work[4];
    struct assay__outlier o = assay__outlier_small(x, 4, work);

    CHECK_INT_EQ(o.at, 3);
    CHECK_UINT_EQ(o.n, 2);
    CHECK(isnan(o.p));
    CHECK_NEAR(o.index, 0, 0);
    o = assay__outlier_small(x, 1, work);
    CHECK_INT_EQ(o.at, -1);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_planted_trigger_is_found),
    CHECK_TEST(test_the_trigger_works_when_it_is_stamped),
    CHECK_TEST(test_clean_models_are_not_called),
    CHECK_TEST(test_equal_seeds_give_equal_bytes),
    CHECK_TEST(test_classes_do_not_see_each_other),
    CHECK_TEST(test_few_classes_are_not_judged),
    CHECK_TEST(test_without_triggers_there_is_no_score),
    CHECK_TEST(test_two_classes_are_refused),
    CHECK_TEST(test_the_search_follows_the_gradient),
    CHECK_TEST(test_folded_networks_say_the_same),
    CHECK_TEST(test_p_values_hold_their_level),
    CHECK_TEST(test_the_smallest_is_judged_by_hand),
    CHECK_TEST(test_norms_that_are_missing_are_left_out),
};
CHECK_MAIN(tests)
