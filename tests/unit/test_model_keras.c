/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keras files as models: logits and embeddings are those that
 * tests/golden/make_keras.py computes from the same files, on both backends;
 * what a sidecar may say; and two public models, where they lie beside the
 * repository.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/context.h"
#include "assay/model.h"
#include "check.h"
#include "core/fs.h"
#include "core/mem.h"

enum { RECORDS = 2, NUMBERS_MAX = 64, PIXELS_MAX = 3 * 64 * 64 };

static const char *const backends[] = {"reference", "onednn"};

static const char *path_of(const char *name)
{
    static char path[512];
    const char *source = getenv("ASSAY_SOURCE");

    snprintf(path, sizeof(path), "%s/tests/golden/keras/%s",
             source ? source : ".", name);
    return path;
}

/* The line of expected.txt about `what` of a file: how many per record. */
static int expected(const char *file, const char *what, float *out)
{
    char name[64], kind[64];
    FILE *f = fopen(path_of("expected.txt"), "r");
    int n = 0;

    CHECK(f != NULL);
    while (fscanf(f, "%63s %63s %d", name, kind, &n) == 3) {
        CHECK(n * RECORDS <= NUMBERS_MAX);
        for (int i = 0; i < n * RECORDS; i++)
            CHECK_INT_EQ(fscanf(f, "%f", &out[i]), 1);
        if (strcmp(name, file) == 0 && strcmp(kind, what) == 0)
            break;
        n = 0;
    }
    fclose(f);
    CHECK(n > 0);
    return n;
}

/* The pictures of make_keras.py, as x times factor plus shift. */
static void pictures(float *x, int pixels, double factor, double shift)
{
    for (int r = 0; r < RECORDS; r++) {
        for (int i = 0; i < pixels; i++) {
            int byte = (i * 31 + r * 17 + i * i % 97) % 256;

            x[r * pixels + i] = (float)(byte / 255.0 * factor + shift);
        }
    }
}

static void compare(const float *got, const float *want, int n)
{
    for (int i = 0; i < n; i++)
        CHECK_NEAR(got[i], want[i], 2e-5);
}

static void check_model(const assay_model *m, const char *file,
                        const char *backend)
{
    static float x[RECORDS * PIXELS_MAX];
    struct assay_compute compute = {.backend = backend};
    const struct assay_preprocess *pre = assay_model_preprocess(m);
    int pixels = pre->channels * pre->height * pre->width;
    float logits[NUMBERS_MAX], embedding[NUMBERS_MAX], want[NUMBERS_MAX];
    struct assay_error err = {0, ""};
    assay_predictor *p = NULL;
    int n = expected(file, "logits", want);

    CHECK_INT_EQ(assay_model_n_classes(m), n);
    pictures(x, pixels, 1, 0);
    CHECK_OK(assay_predictor_new(&p, m, &compute, RECORDS, &err), err);
    CHECK_OK(assay_predictor_run(p, x, RECORDS, logits, embedding, &err), err);
    compare(logits, want, n * RECORDS);
    n = expected(file, "embedding", want);
    compare(embedding, want, n * RECORDS);
    assay_predictor_free(p);
}

static void test_models_say_what_keras_would(void)
{
    static const char *const files[] = {"sequential.h5",    "functional.h5",
                                        "sequential.keras", "functional.keras",
                                        "transfer.h5",      "transfer.keras"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct assay_error err = {0, ""};
        assay_model *m = NULL;

        CHECK_OK(assay_model_open(&m, path_of(files[i]), &err), err);
        CHECK_STR_EQ(assay_model_arch(m), "keras");
        for (int k = 0; k < 2; k++)
            check_model(m, files[i], backends[k]);
        CHECK_FAILS(assay_model_save(m, check_temp_path("s.safetensors"), &err),
                    ASSAY_UNSUPPORTED, err);
        assay_model_free(m);
    }
}

static void test_parameters_are_the_engines(void)
{
    struct assay_error err = {0, ""};
    const struct assay_param_slot *slot;
    assay_model *m = NULL;
    char sha[65];

    CHECK_OK(assay_model_open(&m, path_of("sequential.h5"), &err), err);
    slot = assay_params_find(assay_model_params(m), "conv.weight");
    CHECK(slot != NULL);
    CHECK_INT_EQ(slot->shape.dim[0], 4);
    CHECK_INT_EQ(slot->shape.dim[1], 2);
    CHECK_INT_EQ(slot->shape.dim[2], 3);
    CHECK(slot->flags & ASSAY_PARAM_TRAINABLE);
    slot = assay_params_find(assay_model_params(m), "norm.running_mean");
    CHECK(slot != NULL && (slot->flags & ASSAY_PARAM_BUFFER));
    CHECK_OK(assay_model_sha256(m, sha, &err), err);
    assay_model_free(m);
    CHECK_OK(assay_model_open(&m, path_of("transfer.h5"), &err), err);
    CHECK(assay_params_find(assay_model_params(m), "base.conv.weight"));
    CHECK(assay_params_find(assay_model_params(m), "conv.weight"));
    assay_model_free(m);
}

/* --- sidecars ------------------------------------------------------------- */

static void copy_model(const char *name, const char *to)
{
    struct assay_error err = {0, ""};
    unsigned char *data = NULL;
    size_t size = 0;

    CHECK_OK(assay__read_file(path_of(name), 1 << 20, &data, &size, &err), err);
    check_write_file(to, data, size);
    assay__free(data);
}

static void expect_sidecar(const char *model, const char *text, int code,
                           const char *words)
{
    struct assay_error err = {0, ""};
    assay_model *m = NULL;

    copy_model(model, check_temp_path("side.h5"));
    check_write_file(check_temp_path("side.json"), text, strlen(text));
    if (code == ASSAY_OK) {
        CHECK_OK(assay_model_open(&m, check_temp_path("side.h5"), &err), err);
        assay_model_free(m);
        return;
    }
    CHECK_FAILS(assay_model_open(&m, check_temp_path("side.h5"), &err), code,
                err);
    CHECK_STR_HAS(err.msg, words);
}

#define PIXELS(c, h, w, stats)                                                \
    "\"preprocess\": {\"channels\": " #c ", \"height\": " #h                  \
    ", \"width\": " #w ", \"scale\": 1, \"mean\": " stats ", \"std\": " stats \
    "}"

static void test_sidecars(void)
{
    expect_sidecar("sequential.h5", "{}", ASSAY_OK, "");
    expect_sidecar(
        "sequential.h5",
        "{\"arch\": \"keras\", \"classes\": 3, "
        "\"scores\": \"probabilities\", " PIXELS(2, 7, 6, "[1, 1]") "}",
        ASSAY_OK, "");
    expect_sidecar("functional.h5", "{\"scores\": \"logits\"}", ASSAY_OK, "");
    expect_sidecar("functional.h5", "{\"classes\": 1}", ASSAY_FORMAT,
                   "'classes' must be an integer from 2");
    expect_sidecar("sequential.h5", "{\"classes\": 2}", ASSAY_SHAPE,
                   "'classes' is 2, the model's scores are 3");
    expect_sidecar("sequential.h5", "{" PIXELS(2, 8, 6, "[1, 1]") "}",
                   ASSAY_SHAPE, "images of height 8, the model takes 7");
    expect_sidecar("sequential.h5", "{\"arch\": \"onnx\"}", ASSAY_FORMAT,
                   "'arch' of a Keras file must be \"keras\"");
    expect_sidecar("sequential.h5", "{\"output\": \"y\"}", ASSAY_FORMAT,
                   "unknown key 'output'");
}

/* --- public models -------------------------------------------------------- */

static const char *public_model(const char *name)
{
    static char path[600];
    const char *source = getenv("ASSAY_SOURCE");

    snprintf(path, sizeof(path), "%s/../shared/data/models/%s",
             source ? source : ".", name);
    if (!assay__exists(path))
        SKIP("../shared/data/models is not there");
    return path;
}

/* Mini-Xception: what make_keras.py prints when it is given this file. */
static void test_a_public_face_model(void)
{
    static const float want[4] = {-0.88525177F, 0.954014501F, -0.7359183F,
                                  0.812703949F};
    static float x[RECORDS * 64 * 64];
    float logits[4];
    struct assay_error err = {0, ""};
    assay_model *m = NULL;

    CHECK_OK(
        assay_model_open(
            &m, public_model("face/oarriaga_gender_mini_XCEPTION.21-0.95.hdf5"),
            &err),
        err);
    CHECK_INT_EQ(assay_model_n_classes(m), 2);
    CHECK_INT_EQ(assay_model_preprocess(m)->channels, 1);
    CHECK_INT_EQ(
        assay_graph_shape(assay_model_graph(m), assay_model_embedding(m))
            ->dim[1],
        128);
    pictures(x, 64 * 64, 2, -1);
    for (int k = 0; k < 2; k++) {
        struct assay_compute compute = {.backend = backends[k]};
        assay_predictor *p = NULL;

        CHECK_OK(assay_predictor_new(&p, m, &compute, RECORDS, &err), err);
        CHECK_OK(assay_predictor_run(p, x, RECORDS, logits, NULL, &err), err);
        compare(logits, want, 4);
        assay_predictor_free(p);
    }
    assay_model_free(m);
}

/* 70.96 % of CIFAR-10's test batch elsewhere; the data is where ASSAY_CIFAR10
 * says, as for ONNX. */
static void test_a_public_cifar_model(void)
{
    const char *path = public_model("cifar10/sufiyan_cifar10_model.keras");
    const char *folder = getenv("ASSAY_CIFAR10");
    struct assay_compute compute = {.algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_dataset_options options = {NULL, 0};
    struct assay_context ctx;
    struct assay_evidence e;
    struct assay_error err = {0, ""};
    assay_dataset *data = NULL;
    assay_view *view = NULL;
    assay_model *m = NULL;
    char spec[600];

    CHECK_OK(assay_model_open(&m, path, &err), err);
    CHECK_INT_EQ(assay_model_n_classes(m), 10);
    if (!folder) {
        assay_model_free(m);
        SKIP("ASSAY_CIFAR10 does not say where CIFAR-10's test batch is");
    }
    snprintf(spec, sizeof(spec), "cifar10:%s", folder);
    memset(&e, 0, sizeof(e));
    assay_context_init(&ctx);
    CHECK_OK(assay_dataset_open(&data, spec, &options, &err), err);
    CHECK_OK(assay_view_new(&view, data, NULL, assay_dataset_count(data),
                            assay_model_preprocess(m), &err),
             err);
    CHECK_OK(
        assay_evidence_collect(&e, &ctx, m, view, 0, &compute, "test", &err),
        err);
    CHECK_UINT_EQ(e.n, 10000);
    CHECK_NEAR(assay_evidence_accuracy(&e).value, 0.7096, 0.001);
    assay_evidence_release(&e);
    assay_view_free(view);
    assay_dataset_free(data);
    assay_model_free(m);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_models_say_what_keras_would),
    CHECK_TEST(test_parameters_are_the_engines),
    CHECK_TEST(test_sidecars),
    CHECK_TEST(test_a_public_face_model),
    CHECK_TEST(test_a_public_cifar_model),
};
CHECK_MAIN(tests)
