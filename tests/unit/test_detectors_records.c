/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detectors that give a score per record: inputs with a trigger that was
 * planted by hand, and training records whose embeddings are known, for the
 * embedding of the linear model is the image itself.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/embed.h"
#include "planted.h"

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay_detector_input in;
    const struct assay_detector *detector;
    assay_dataset *clean_data, *data;
    assay_view *clean, *view;
    assay_model *m;
    double param[ASSAY_SETTINGS_MAX];
};

static void set(struct desk *d, const char *name, double value)
{
    int at = assay_settings_index(d->detector->params, name);

    CHECK(at >= 0);
    d->param[at] = value;
}

/* `data` becomes the desk's. */
static void desk_open(struct desk *d, const char *detector, double strength,
                      assay_dataset *data)
{
    memset(d, 0, sizeof(*d));
    d->detector = assay_detector_find(detector);
    CHECK(d->detector != NULL);
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->ctx.seed = 3;
    d->compute.backend = "onednn";
    d->compute.algorithms = ASSAY_ALGORITHMS_DIRECT;
    d->m = planted_model(strength, 1);
    d->clean_data = planted_records(200, 0, 7);
    d->clean = planted_view(d->clean_data, d->m);
    d->data = data;
    d->view = planted_view(data, d->m);
    assay_settings_init(d->detector->params, d->param);
    d->in.ctx = &d->ctx;
    d->in.compute = &d->compute;
    d->in.model = d->m;
    d->in.clean = d->clean;
    d->in.suspects = d->view;
    d->in.param = d->param;
}

static void desk_close(struct desk *d)
{
    assay_view_free(d->view);
    assay_view_free(d->clean);
    assay_dataset_free(d->data);
    assay_dataset_free(d->clean_data);
    assay_model_free(d->m);
}

static struct assay_detection detect(struct desk *d)
{
    struct assay_detection f;
    struct assay_error err = {0};

    CHECK_OK(assay_detector_run(d->detector, &d->in, &f, &err), err);
    printf("# %s: %s\n", d->detector->name, f.note);
    return f;
}

/* The AUC of scores whose last `n_bad` records are bad. */
static double auc_of(const struct assay_detection *f, size_t n_bad)
{
    uint8_t *bad = calloc(f->n_records, 1);
    struct assay_estimate auc;
    struct assay_error err = {0};

    CHECK(bad != NULL);
    for (size_t i = f->n_records - n_bad; i < f->n_records; i++)
        bad[i] = 1;
    CHECK_OK(assay_auc(&auc, f->record, bad, f->n_records, &err), err);
    free(bad);
    return auc.value;
}

static size_t flagged(const struct assay_detection *f, size_t from, size_t to)
{
    size_t n = 0;

    for (size_t i = from; i < to; i++)
        n += f->record[i] >= f->threshold;
    return n;
}

/* NEO cannot see those that are of the class without their trigger, too. */
static void test_inputs_with_a_trigger_are_found(void)
{
    static const char *const names[] = {"strip", "neo"};

    for (int n = 0; n < 2; n++) {
        struct assay_detection f;
        struct desk d;

        desk_open(&d, names[n], n ? 2 : 12,
                  planted_noise(60, 20, n ? 150 : 256, 9));
        f = detect(&d);
        printf("# AUC %.3f; flagged %zu of 20, %zu of 40\n", auc_of(&f, 20),
               flagged(&f, 40, 60), flagged(&f, 0, 40));
        CHECK_UINT_EQ(f.n_records, 60);
        CHECK(auc_of(&f, 20) > .85);
        CHECK(flagged(&f, 40, 60) >= 16);
        CHECK(flagged(&f, 0, 40) <= 5);
        assay_detection_release(&f);
        desk_close(&d);
    }
}

/* A model without a backdoor: stamped inputs are inputs. */
static void test_without_a_backdoor_few_are_flagged(void)
{
    static const char *const names[] = {"strip", "neo"};

    for (int n = 0; n < 2; n++) {
        struct assay_detection f;
        struct desk d;

        desk_open(&d, names[n], 0, planted_records(60, 20, 9));
        if (n == 0)
            set(&d, "frr", .05);
        f = detect(&d);
        CHECK(flagged(&f, 0, 60) <= 8);
        assay_detection_release(&f);
        desk_close(&d);
    }
}

/* Blends of equal images are that image: H is its own entropy. */
static void test_strip_on_one_image_is_its_entropy(void)
{
    struct assay_dataset_source source = {.name = "one",
                                          .n = 8,
                                          .channels = 1,
                                          .height = PLANTED_SIDE,
                                          .width = PLANTED_SIDE,
                                          .n_classes = PLANTED_CLASSES};
    uint8_t pixels[8 * PLANTED_PIXELS];
    int32_t labels[8] = {0};
    struct assay_error err = {0};
    struct assay_detection f;
    assay_dataset *same = NULL;
    assay_view *view;
    assay_predictor *p = NULL;
    uint32_t row = 0;
    float x[PLANTED_PIXELS];
    float logits[PLANTED_CLASSES];
    double sum = 0;
    double h = 0;
    struct desk d;

    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i % PLANTED_PIXELS + 40);
    source.pixels = pixels;
    source.labels = labels;
    CHECK_OK(assay_dataset_new(&same, &source, &err), err);
    desk_open(&d, "strip", 0, same);
    view = planted_view(same, d.m);
    d.in.clean = view;
    f = detect(&d);
    assay_view_fill(view, &row, 1, NULL, 0, 0, x);
    CHECK_OK(assay_predictor_new(&p, d.m, &d.compute, 1, &err), err);
    CHECK_OK(assay_predictor_run(p, x, 1, logits, NULL, &err), err);
    for (size_t k = 0; k < PLANTED_CLASSES; k++)
        sum += exp((double)logits[k]);
    for (size_t k = 0; k < PLANTED_CLASSES; k++)
        h -= exp((double)logits[k]) / sum * log2(exp((double)logits[k]) / sum);
    CHECK_NEAR(f.record[0], -h, 1e-4);
    CHECK_NEAR(f.threshold, -h, 1e-4);
    assay_predictor_free(p);
    assay_view_free(view);
    assay_detection_release(&f);
    desk_close(&d);
}

/*
 * 60 records of each of four classes, noise about a centre of the class's own
 * and of its own width. The last `bad` records, of class 2, lie elsewhere.
 */
static assay_dataset *clusters(size_t bad)
{
    enum { CLASSES = 4, EACH = 60 };
    size_t n = CLASSES * EACH + bad;
    struct assay_dataset_source source = {.name = "clusters",
                                          .n = n,
                                          .channels = 1,
                                          .height = PLANTED_SIDE,
                                          .width = PLANTED_SIDE,
                                          .n_classes = PLANTED_CLASSES};
    uint8_t *pixels = calloc(n, PLANTED_PIXELS);
    int32_t *labels = calloc(n, sizeof(*labels));
    struct assay_error err = {0};
    assay_dataset *ds = NULL;
    struct assay_rng rng;

    CHECK(pixels && labels);
    assay_rng_init(&rng, 11, "test-clusters", 0);
    for (size_t i = 0; i < n; i++) {
        int poisoned = i >= CLASSES * EACH;
        size_t k = poisoned ? 2 : i % CLASSES;

        labels[i] = (int32_t)k;
        for (size_t j = 0; j < PLANTED_PIXELS; j++) {
            double v = 60 + 30 * (double)k +
                       (3 + 3 * (double)k) * assay_rng_normal(&rng) +
                       (poisoned && j < 20 ? 40 : 0);

            pixels[i * PLANTED_PIXELS + j] = (uint8_t)fmax(0, fmin(255, v));
        }
    }
    source.pixels = pixels;
    source.labels = labels;
    CHECK_OK(assay_dataset_new(&ds, &source, &err), err);
    free(pixels);
    free(labels);
    return ds;
}

static void test_poisoned_records_are_found(void)
{
    static const char *const names[] = {"activation-clustering",
                                        "spectral-signatures"};

    for (int n = 0; n < 2; n++) {
        struct assay_detection f;
        struct desk d;

        desk_open(&d, names[n], 0, clusters(15));
        d.in.clean = NULL;
        f = detect(&d);
        CHECK_UINT_EQ(f.n_records, 255);
        CHECK(auc_of(&f, 15) > .99);
        CHECK(isnan(f.per_class[6]));
        for (size_t k = 0; k < 4; k++)
            CHECK(f.per_class[2] >= f.per_class[k]);
        if (n == 0) {
            CHECK_INT_EQ(f.target, 2);
            CHECK_UINT_EQ(flagged(&f, 240, 255), 15);
            CHECK_UINT_EQ(flagged(&f, 0, 240), 0);
        }
        assay_detection_release(&f);
        desk_close(&d);
    }
}

/* Classes of other widths and no poison: none is suspicious, and scores are
 * of one size. */
static void test_clean_data_are_not_called(void)
{
    struct assay_detection f;
    struct desk d;

    desk_open(&d, "activation-clustering", 0, clusters(0));
    f = detect(&d);
    CHECK_INT_EQ(f.target, -1);
    CHECK_UINT_EQ(flagged(&f, 0, 240), 0);
    assay_detection_release(&f);
    desk_close(&d);
    desk_open(&d, "spectral-signatures", 0, clusters(0));
    f = detect(&d);
    for (size_t k = 0; k < 4; k++)
        CHECK(f.per_class[k] > .5 && f.per_class[k] < 2);
    assay_detection_release(&f);
    desk_close(&d);
}

/* Rows a u + b w of two orthogonal directions: the first is the one with the
 * larger sum of squares. */
static void test_principal_directions_by_hand(void)
{
    double m[4 * 3] = {3, 0, 0, -3, 0, 0, 0, 1, 1, 0, -1, -1};
    double work[4];
    double v[2 * 3];
    struct assay__class_rows c = {.n = 4, .width = 3, .m = m};

    assay__principal(&c, 2, 1, work, v);
    CHECK_NEAR(fabs(v[0]), 1, 1e-9);
    CHECK_NEAR(v[1], 0, 1e-9);
    CHECK_NEAR(fabs(v[4]), sqrt(.5), 1e-9);
    CHECK_NEAR(v[4], v[5], 1e-9);
}

static void test_equal_seeds_give_equal_bytes(void)
{
    static const char *const names[] = {"strip", "neo", "activation-clustering",
                                        "spectral-signatures"};

    for (int n = 0; n < 4; n++) {
        struct assay_detection f[2];
        struct desk d;

        desk_open(&d, names[n], 12,
                  n < 2 ? planted_records(12, 4, 9) : clusters(9));
        for (int i = 0; i < 2; i++)
            f[i] = detect(&d);
        CHECK_MEM_EQ(f[0].record, f[1].record, f[0].n_records * sizeof(double));
        for (int i = 0; i < 2; i++)
            assay_detection_release(&f[i]);
        desk_close(&d);
    }
}

static void test_missing_needs_are_refused(void)
{
    assay_model *other = linear_model(6, PLANTED_CLASSES, .3, 1);
    struct assay_detection f;
    struct assay_error err = {0};
    struct desk d;

    desk_open(&d, "strip", 0, planted_records(12, 4, 9));
    d.in.clean = NULL;
    CHECK_FAILS(assay_detector_run(d.detector, &d.in, &f, &err), ASSAY_ARG,
                err);
    CHECK_STR_HAS(err.msg, "no clean records");
    d.in.clean = d.clean;
    d.in.suspects = NULL;
    CHECK_FAILS(assay_detector_run(d.detector, &d.in, &f, &err), ASSAY_ARG,
                err);
    CHECK_STR_HAS(err.msg, "no records to judge");
    d.in.suspects = d.view;
    d.in.model = other;
    CHECK_FAILS(assay_detector_run(d.detector, &d.in, &f, &err), ASSAY_SHAPE,
                err);
    CHECK_STR_HAS(err.msg, "records of 1x10x10 for a model of 1x6x6");
    assay_model_free(other);
    desk_close(&d);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_inputs_with_a_trigger_are_found),
    CHECK_TEST(test_without_a_backdoor_few_are_flagged),
    CHECK_TEST(test_strip_on_one_image_is_its_entropy),
    CHECK_TEST(test_poisoned_records_are_found),
    CHECK_TEST(test_clean_data_are_not_called),
    CHECK_TEST(test_principal_directions_by_hand),
    CHECK_TEST(test_equal_seeds_give_equal_bytes),
    CHECK_TEST(test_missing_needs_are_refused),
};
CHECK_MAIN(tests)
