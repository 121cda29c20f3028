/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX files as models: what a sidecar may say of one, and the accuracy of
 * public models on public test sets, where these lie beside the repository.
 */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "assay/context.h"
#include "assay/model.h"
#include "assay/plan.h"
#include "check.h"
#include "core/fs.h"
#include "onnx_bytes.h"

/* y = softmax(x w), x of two channels of 2x3. */
static void write_model(const char *path)
{
    static const int64_t image[4] = {1, 2, 2, 3};
    static const int64_t rows[2] = {1, 4};
    static const int64_t square[2] = {12, 4};
    static float w[48];
    struct onnx_bytes graph = {.n = 0};
    struct onnx_bytes model = {.n = 0};

    for (int i = 0; i < 48; i++)
        w[i] = (float)(i % 7) - 3.0F;
    ob_port(&graph, 11, "x", 4, image);
    ob_port(&graph, 12, "y", 2, rows);
    ob_tensor(&graph, "w", 2, square, w, 48);
    ob_add_node(&graph, "Flatten", "x", "f");
    ob_add_node(&graph, "MatMul", "f w", "m");
    ob_add_node(&graph, "Softmax", "m", "y");
    ob_model(&model, 13, &graph);
    check_write_file(path, model.data, model.n);
}

static void test_without_a_sidecar(void)
{
    struct assay_error err = {0, ""};
    const struct assay_preprocess *pre;
    const assay_graph *g;
    assay_model *m = NULL;
    char sha[65];

    write_model(check_temp_path("bare.onnx"));
    CHECK_OK(assay_model_open(&m, check_temp_path("bare.onnx"), &err), err);
    pre = assay_model_preprocess(m);
    g = assay_model_graph(m);
    CHECK_INT_EQ(pre->channels, 2);
    CHECK_INT_EQ(pre->height, 2);
    CHECK_INT_EQ(pre->width, 3);
    CHECK_NEAR(pre->scale, 1 / 255.0, 1e-12);
    CHECK_INT_EQ(assay_model_n_classes(m), 4);
    CHECK_STR_EQ(assay_model_arch(m), "onnx");
    CHECK_INT_EQ(assay_graph_find(g, "logits"), assay_model_logits(m));
    CHECK_INT_EQ(assay_graph_find(g, "embedding"), assay_model_embedding(m));
    CHECK_INT_EQ(assay_graph_shape(g, assay_model_embedding(m))->dim[1], 12);
    /* Weights may be trained, though they are stored the other way round. */
    CHECK_INT_EQ(assay_model_params(m)->n_slots, 1);
    CHECK_STR_EQ(assay_model_params(m)->slot[0].name, "w");
    CHECK(assay_model_params(m)->slot[0].flags & ASSAY_PARAM_TRAINABLE);
    CHECK_OK(assay_model_sha256(m, sha, &err), err);
    CHECK_FAILS(assay_model_save(m, check_temp_path("s.safetensors"), &err),
                ASSAY_UNSUPPORTED, err);
    assay_model_free(m);
}

/* A softmax is taken off: logits are what it reads. */
static void test_logits_are_before_the_softmax(void)
{
    struct assay_compute compute = {.backend = "reference"};
    struct assay_error err = {0, ""};
    assay_predictor *p = NULL;
    assay_model *m = NULL;
    float x[12] = {1};
    float logits[4];

    write_model(check_temp_path("soft.onnx"));
    CHECK_OK(assay_model_open(&m, check_temp_path("soft.onnx"), &err), err);
    CHECK_OK(assay_predictor_new(&p, m, &compute, 1, &err), err);
    CHECK_OK(assay_predictor_run(p, x, 1, logits, NULL, &err), err);
    CHECK_NEAR(logits[0], -3, 1e-6);
    CHECK_NEAR(logits[3], 0, 1e-6);
    assay_predictor_free(p);
    assay_model_free(m);
}

/* Images of 5x6 with 2 channels last, turned by `perm`; score k is number k
 * of what comes of it. */
static void write_last_channels(const char *path, const int64_t *perm)
{
    static const int64_t image[4] = {1, 5, 6, 2};
    static const int64_t rows[2] = {1, 60};
    static const int64_t square[2] = {60, 60};
    static float w[60 * 60];
    struct onnx_bytes graph = {.n = 0};
    struct onnx_bytes model = {.n = 0};
    struct onnx_bytes turn = {.n = 0};

    for (int i = 0; i < 60; i++)
        w[i * 61] = 1;
    ob_port(&graph, 11, "x", 4, image);
    ob_port(&graph, 12, "y", 2, rows);
    ob_tensor(&graph, "w", 2, square, w, 3600);
    ob_node(&turn, "Transpose", "x", "t");
    ob_attr_ints(&turn, "perm", 4, perm);
    ob_put(&graph, 1, &turn);
    ob_add_node(&graph, "Flatten", "t", "f");
    ob_add_node(&graph, "MatMul", "f w", "y");
    ob_model(&model, 13, &graph);
    check_write_file(path, model.data, model.n);
}

/* Does the plan of the logits move numbers about? */
static bool moves(const assay_model *m)
{
    assay_value logits = assay_model_logits(m);
    struct assay_plan_options o = {
        .batch = 1, .threads = 1, .backend = "onednn"};
    struct assay_error err = {0, ""};
    assay_plan *plan = NULL;
    char *text;
    bool found;

    o.outputs = &logits;
    o.n_outputs = 1;
    CHECK_OK(assay_plan_new(&plan, assay_model_graph(m), &o, &err), err);
    text = assay_plan_describe(plan);
    CHECK(text != NULL);
    found = strstr(text, "pick") != NULL;
    assay_bytes_free(text);
    assay_plan_free(plan);
    return found;
}

/* Images come with channels first: a file that puts its last ones first
 * takes them as they are, any other order is made. */
static void test_transposes_that_undo_each_other_vanish(void)
{
    static const int64_t first[] = {0, 3, 1, 2};
    static const int64_t other[] = {0, 3, 2, 1};
    struct assay_compute compute = {.backend = "onednn"};
    struct assay_error err = {0, ""};

    for (int k = 0; k < 2; k++) {
        const char *path = check_temp_path("last.onnx");
        assay_predictor *p = NULL;
        assay_model *m = NULL;
        float x[60];
        float y[60];

        for (int i = 0; i < 60; i++)
            x[i] = (float)i;
        write_last_channels(path, k == 0 ? first : other);
        CHECK_OK(assay_model_open(&m, path, &err), err);
        CHECK_OK(assay_predictor_new(&p, m, &compute, 1, &err), err);
        CHECK_OK(assay_predictor_run(p, x, 1, y, NULL, &err), err);
        for (int c = 0; c < 2; c++)
            for (int i = 0; i < 5; i++)
                for (int j = 0; j < 6; j++)
                    CHECK_NEAR(y[30 * c + (k == 0 ? 6 * i + j : 5 * j + i)],
                               x[30 * c + 6 * i + j], 1e-6);
        CHECK_INT_EQ(moves(m), k);
        assay_predictor_free(p);
        assay_model_free(m);
    }
}

static void expect_sidecar(const char *text, int code, const char *words)
{
    struct assay_error err = {0, ""};
    assay_model *m = NULL;

    write_model(check_temp_path("side.onnx"));
    check_write_file(check_temp_path("side.json"), text, strlen(text));
    if (code == ASSAY_OK) {
        CHECK_OK(assay_model_open(&m, check_temp_path("side.onnx"), &err), err);
        assay_model_free(m);
        return;
    }
    CHECK_FAILS(assay_model_open(&m, check_temp_path("side.onnx"), &err), code,
                err);
    CHECK_STR_HAS(err.msg, words);
}

#define PIXELS(c, h, w, stats)                                                \
    "\"preprocess\": {\"channels\": " #c ", \"height\": " #h                  \
    ", \"width\": " #w ", \"scale\": 1, \"mean\": " stats ", \"std\": " stats \
    "}"

static void test_sidecars(void)
{
    expect_sidecar("{}", ASSAY_OK, "");
    expect_sidecar("{\"arch\": \"onnx\", \"classes\": 4, \"notes\": {\"a\": "
                   "\"b\"}, " PIXELS(2, 2, 3, "[1, 1]") "}",
                   ASSAY_OK, "");
    expect_sidecar("{\"scores\": \"probabilities\", \"output\": \"y\"}",
                   ASSAY_OK, "");
    expect_sidecar("{\"classes\": 5}", ASSAY_SHAPE,
                   "'classes' is 5, the model's scores are 4");
    expect_sidecar("{" PIXELS(3, 2, 3, "[1, 1, 1]") "}", ASSAY_SHAPE,
                   "images of width 3, the model takes 2");
    expect_sidecar("{" PIXELS(2, 8, 3, "[1, 1]") "}", ASSAY_SHAPE,
                   "images of height 8, the model takes 2");
    expect_sidecar("{\"output\": \"z\"}", ASSAY_ARG, "no output is called 'z'");
    expect_sidecar("{\"output\": 1}", ASSAY_FORMAT, "'output' must be a text");
    expect_sidecar("{\"scores\": \"odds\"}", ASSAY_FORMAT,
                   "'scores' must be \"logits\"");
    expect_sidecar("{\"arch\": \"resnet18\"}", ASSAY_FORMAT,
                   "'arch' of an ONNX file must be \"onnx\"");
    expect_sidecar("{\"norm\": \"batch\"}", ASSAY_FORMAT, "unknown key 'norm'");
}

/* A public model: file, data, pixels, and its right answers of 10,000. */
struct public_model {
    const char *file;
    const char *data;
    double scale;
    double mean[3], std[3];
    int right;
};

static const struct public_model models[] = {
    {"mnist/cntk_opt-mnist", "mnist:mnist", 1, {0}, {1}, 9891},
    {"mnist/vnncomp21_mnist-net_256x4", "mnist:mnist", 0, {0}, {1}, 9764},
    {"mnist/verivital_Convnet_maxpool", "mnist:mnist", 0, {0}, {1}, 9792},
    {"fashion-mnist/edwin_fashion_mnist",
     "fashion-mnist:fashion-mnist",
     0,
     {0},
     {1},
     9015},
    {"cifar10/marabou_cifar10_medium", NULL, 0, {0}, {1, 1, 1}, 7021},
    {"cifar10/oval21_cifar_base_kw",
     NULL,
     0,
     {.485, .456, .406},
     {.225, .225, .225},
     5853},
    {"cifar10/vnncomp21_resnet_2b",
     NULL,
     0,
     {.4914, .4822, .4465},
     {.2470, .2435, .2616},
     6924},
};

/* CIFAR-10 is kept packed; ASSAY_CIFAR10 says where it is unpacked. */
static const char *data_of(const struct public_model *p, const char *shared)
{
    static char spec[600];
    const char *colon;

    if (!p->data) {
        const char *unpacked = getenv("ASSAY_CIFAR10");

        snprintf(spec, sizeof spec, "cifar10:%s", unpacked ? unpacked : "");
        return unpacked ? spec : NULL;
    }
    colon = strchr(p->data, ':');
    snprintf(spec, sizeof spec, "%.*s:%s/%s", (int)(colon - p->data), p->data,
             shared, colon + 1);
    return spec;
}

static int right_answers(const struct public_model *p, const assay_model *m,
                         const char *spec)
{
    struct assay_compute compute = {.algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_dataset_options options = {NULL, 0};
    struct assay_preprocess pre = *assay_model_preprocess(m);
    struct assay_context ctx;
    struct assay_evidence e;
    struct assay_error err = {0, ""};
    assay_dataset *data = NULL;
    assay_view *view = NULL;
    int right;

    memset(&e, 0, sizeof e);
    assay_context_init(&ctx);
    pre.scale = p->scale > 0 ? p->scale : pre.scale;
    for (int i = 0; i < pre.channels; i++) {
        pre.mean[i] = p->mean[i];
        pre.std[i] = p->std[i];
    }
    CHECK_OK(assay_dataset_open(&data, spec, &options, &err), err);
    CHECK_OK(assay_view_new(&view, data, NULL, assay_dataset_count(data), &pre,
                            &err),
             err);
    CHECK_OK(
        assay_evidence_collect(&e, &ctx, m, view, 0, &compute, "test", &err),
        err);
    CHECK_UINT_EQ(e.n, 10000);
    right = (int)lround(assay_evidence_accuracy(&e).value * 10000);
    assay_evidence_release(&e);
    assay_view_free(view);
    assay_dataset_free(data);
    return right;
}

/* Those of CIFAR-10, or all others; how many. */
static int check_models(bool of_cifar)
{
    const char *source = getenv("ASSAY_SOURCE");
    char shared[400];
    char path[600];
    int run = 0;

    snprintf(shared, sizeof shared, "%s/../shared/data", source ? source : ".");
    if (!assay__is_dir(shared))
        SKIP("../shared/data is not there");
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        const struct public_model *p = &models[i];
        struct assay_error err = {0, ""};
        assay_model *m = NULL;

        if (!p->data != of_cifar)
            continue;
        snprintf(path, sizeof path, "%s/models/%s.onnx", shared, p->file);
        CHECK_OK(assay_model_open(&m, path, &err), err);
        /* Sums differ in their last digits between machines. */
        CHECK_NEAR(right_answers(p, m, data_of(p, shared)), p->right, 3);
        assay_model_free(m);
        run++;
    }
    return run;
}

static void test_public_models_are_as_good_as_they_were(void)
{
    CHECK_INT_EQ(check_models(false), 4);
}

static void test_public_models_of_cifar10_are_as_good_as_they_were(void)
{
    if (!getenv("ASSAY_CIFAR10"))
        SKIP("ASSAY_CIFAR10 does not name CIFAR-10's unpacked test batch");
    CHECK_INT_EQ(check_models(true), 3);
}

/* What PyTorch computes by a network written by hand from the same weights:
 * tests/golden/make_onnx.py FILE. */
static void test_resnet_2b_gives_what_pytorch_gives(void)
{
    static const float want[20] = {
        -0.1595696F, -1.733764F, 2.871386F,  -0.1092606F, 1.182808F,
        -1.199701F,  5.839498F,  -2.314075F, -1.434189F,  -2.943092F,
        -0.5370585F, -1.82811F,  2.898426F,  0.100795F,   1.232215F,
        -1.15052F,   5.931257F,  -2.477234F, -1.710271F,  -2.459474F};
    static float x[2 * 3 * 32 * 32];
    struct assay_compute compute = {.algorithms = ASSAY_ALGORITHMS_DIRECT};
    const char *source = getenv("ASSAY_SOURCE");
    struct assay_error err = {0, ""};
    assay_predictor *p = NULL;
    assay_model *m = NULL;
    float logits[20];
    char path[600];

    snprintf(path, sizeof path,
             "%s/../shared/data/models/cifar10/vnncomp21_resnet_2b.onnx",
             source ? source : ".");
    if (!assay__exists(path))
        SKIP("../shared/data is not there");
    for (int i = 0; i < 2 * 3 * 32 * 32; i++)
        x[i] = (float)(i * 37 % 101) / 50.0F - 1.0F;
    CHECK_OK(assay_model_open(&m, path, &err), err);
    CHECK_OK(assay_predictor_new(&p, m, &compute, 1, &err), err);
    CHECK_OK(assay_predictor_run(p, x, 2, logits, NULL, &err), err);
    for (int i = 0; i < 20; i++)
        CHECK_NEAR(logits[i], want[i], 1e-4);
    assay_predictor_free(p);
    assay_model_free(m);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_without_a_sidecar),
    CHECK_TEST(test_logits_are_before_the_softmax),
    CHECK_TEST(test_transposes_that_undo_each_other_vanish),
    CHECK_TEST(test_sidecars),
    CHECK_TEST(test_resnet_2b_gives_what_pytorch_gives),
    CHECK_TEST(test_public_models_are_as_good_as_they_were),
    CHECK_TEST(test_public_models_of_cifar10_are_as_good_as_they_were),
};
CHECK_MAIN(tests)
