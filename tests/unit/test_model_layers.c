/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks that a sidecar spells out: the same as the built network of those
 * layers, lies told by the layer's number, and public models as good as
 * PyTorch found them.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "core/fs.h"
#include "small_data.h"

static struct assay_error err;

#define PRE(c, side)                                                   \
    "\"preprocess\": {\"channels\": " #c ", \"height\": " #side ", "   \
    "\"width\": " #side ", \"scale\": 0.00392156862745098, \"mean\": " \
    "[0.3], \"std\": [0.25]}"
#define SIMPLECNN                                                         \
    "{\"conv\": \"features.0\"}, \"relu\", {\"maxpool\": 2}, {\"conv\": " \
    "\"features.3\"}, \"relu\", {\"maxpool\": 2}, \"flatten\", "          \
    "{\"linear\": \"classifier.0\"}, \"relu\", {\"linear\": "             \
    "\"classifier.2\"}"

/* A SimpleCNN's weights beside this sidecar. */
static int open_beside(assay_model **out, const assay_model *weights,
                       const char *sidecar)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/w.safetensors", check_temp_dir());
    CHECK_OK(assay_model_save(weights, path, &err), err);
    check_write_file(check_temp_path("w.json"), sidecar, strlen(sidecar));
    return assay_model_open(out, path, &err);
}

static void collect(struct assay_evidence *e, const assay_model *m)
{
    struct assay_compute compute = {.threads = 1,
                                    .algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_context ctx;
    assay_dataset *ds = small_records(20, 1);
    assay_view *view = NULL;

    assay_context_init(&ctx);
    CHECK_OK(
        assay_view_new(&view, ds, NULL, 20, assay_model_preprocess(m), &err),
        err);
    CHECK_OK(assay_evidence_collect(e, &ctx, m, view, ASSAY_EVIDENCE_EMBEDDING,
                                    &compute, "layers", &err),
             err);
    assay_view_free(view);
    assay_dataset_free(ds);
}

static void test_layers_compute_what_the_architecture_does(void)
{
    char sidecar[800];
    assay_model *built = small_model(3);
    assay_model *spelt = NULL;
    struct assay_evidence want;
    struct assay_evidence got;
    int side = SMALL_SIDE;

    snprintf(sidecar, sizeof(sidecar),
             "{\"layers\": [" SIMPLECNN "], \"preprocess\": {\"channels\": 1, "
             "\"height\": %d, \"width\": %d, \"scale\": %.17g, \"mean\": "
             "[0.3], \"std\": [0.25]}}",
             side, side, 1 / 255.0);
    CHECK_OK(open_beside(&spelt, built, sidecar), err);
    CHECK_STR_EQ(assay_model_arch(spelt), "layers");
    CHECK_INT_EQ(assay_model_n_classes(spelt), SMALL_CLASSES);
    collect(&want, built);
    collect(&got, spelt);
    CHECK_INT_EQ(got.embedding_dim, want.embedding_dim);
    CHECK_MEM_EQ(got.logits, want.logits,
                 20 * SMALL_CLASSES * sizeof(*got.logits));
    CHECK_MEM_EQ(got.embedding, want.embedding,
                 20 * (size_t)want.embedding_dim * sizeof(*got.embedding));
    CHECK_FAILS(assay_model_save(spelt, check_temp_path("x.safetensors"), &err),
                ASSAY_UNSUPPORTED, err);
    assay_evidence_release(&want);
    assay_evidence_release(&got);
    assay_model_free(spelt);
    assay_model_free(built);
}

static void test_wrong_layers_are_told_by_number(void)
{
    static const struct {
        const char *layers;
        const char *part;
    } table[] = {
        {"[\"rely\"]", "layer 1: 'rely' is not known"},
        {"[\"relu\", {\"conf\": \"a\"}]", "layer 2: it is of no known kind"},
        {"[{\"conv\": \"features.9\"}]", "no 'features.9.weight' of 4"},
        {"[{\"conv\": \"classifier.0\"}]", "no 'classifier.0.weight' of 4"},
        {"[{\"conv\": 3}]", "name must be a text"},
        {"[{\"conv\": \"features.0\", \"stride\": 0}]",
         "'stride' must be a whole number from 1"},
        {"[{\"conv\": \"features.0\", \"colour\": 1}]", "'colour'"},
        {"[{\"maxpool\": 900}]", "layer 1"},
        {"[{\"leaky_relu\": 2}]", "slope must be between"},
        {"[{\"add\": \"relu\"}]", "a list of layers is needed"},
        {"[[\"relu\"]]", "of no known kind"},
        {"{\"conv\": 1}", "a list of layers is needed"},
        {"[]", "the last layer must be linear"},
        {"[" SIMPLECNN ", \"relu\"]", "the last layer must be linear"},
        {"[{\"add\": [{\"add\": [{\"add\": [{\"add\": [{\"add\": [{\"add\": "
         "[{\"add\": [{\"add\": [{\"add\": [\"relu\"]}]}]}]}]}]}]}]}]}]",
         "at most 8 deep"},
    };
    assay_model *weights = small_model(3);

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char sidecar[1200];
        assay_model *m = NULL;

        snprintf(sidecar, sizeof(sidecar), "{\"layers\": %s, " PRE(1, 12) "}",
                 table[i].layers);
        if (open_beside(&m, weights, sidecar) == ASSAY_OK)
            CHECK_STR_EQ(table[i].layers, "refused");
        CHECK_STR_HAS(err.msg, table[i].part);
        CHECK(m == NULL);
    }
    assay_model_free(weights);
}

static void test_layers_exclude_an_architecture(void)
{
    assay_model *weights = small_model(3);
    assay_model *m = NULL;

    CHECK_INT_EQ(open_beside(&m, weights,
                             "{\"layers\": [\"relu\"], \"arch\": "
                             "\"simplecnn\", " PRE(1, 12) "}"),
                 ASSAY_FORMAT);
    CHECK_STR_HAS(err.msg, "takes the place of 'arch'");
    CHECK_INT_EQ(open_beside(&m, weights, "{\"layers\": [\"relu\"]}"),
                 ASSAY_FORMAT);
    CHECK_STR_HAS(err.msg, "must say the size of images");
    assay_model_free(weights);
}

/* Right answers of 10,000 as ../shared/data/README.md has them. */
static const struct {
    const char *file; /* under models/ */
    const char *data;
    int right;
} models[] = {
    {"cifar10/vnncomp21_resnet_2b_model_best.pth", "cifar10", 6924},
    {"cifar10/oval21_cifar_base_kw.pth", "cifar10", 5853},
    {"backdoored/badnet-MNIST.pth", "mnist", 9808},
    {"mnist/locuslab_mnist.pth", "mnist", 9820},
    {"mnist/denograd_mnist.safetensors", "mnist", 9916},
    {"mnist/jqcnn_mnist_cnn.safetensors", "mnist", 9695},
};

static int right_answers(const assay_model *m, const char *spec)
{
    struct assay_compute compute = {.algorithms = ASSAY_ALGORITHMS_DIRECT};
    struct assay_evidence e;
    struct assay_context ctx;
    assay_dataset *ds = NULL;
    assay_view *view = NULL;
    int right;

    assay_context_init(&ctx);
    CHECK_OK(assay_dataset_open(&ds, spec, NULL, &err), err);
    CHECK_OK(
        assay_view_new(&view, ds, NULL, 0, assay_model_preprocess(m), &err),
        err);
    CHECK_OK(
        assay_evidence_collect(&e, &ctx, m, view, 0, &compute, "test", &err),
        err);
    CHECK_UINT_EQ(e.n, 10000);
    right = (int)lround(assay_evidence_accuracy(&e).value * 10000);
    assay_evidence_release(&e);
    assay_view_free(view);
    assay_dataset_free(ds);
    return right;
}

static void test_shipped_sidecars_fit_public_models(void)
{
    const char *source = getenv("ASSAY_SOURCE");
    int run = 0;

    if (!source)
        SKIP("ASSAY_SOURCE is not set");
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        const char *base = strrchr(models[i].file, '/') + 1;
        const char *dot = strrchr(base, '.');
        char path[3][600];
        char link[600];
        assay_model *m = NULL;

        snprintf(path[0], sizeof(path[0]), "%s/../shared/data/models/%s",
                 source, models[i].file);
        snprintf(path[1], sizeof(path[1]), "%s/examples/sidecars/%.*s.json",
                 source, (int)(dot - base), base);
        /* The images of CIFAR-10 come packed there: MNIST is read. */
        snprintf(path[2], sizeof(path[2]), "mnist:%s/../shared/data/mnist",
                 source);
        CHECK(assay__exists(path[1]));
        if (!assay__exists(path[0]))
            SKIP("../shared/data/models is not there");
        snprintf(link, sizeof(link), "%s/%s", check_temp_dir(), base);
        CHECK_INT_EQ(symlink(path[0], link), 0);
        snprintf(link, sizeof(link), "%s/%.*s.json", check_temp_dir(),
                 (int)(dot - base), base);
        CHECK_INT_EQ(symlink(path[1], link), 0);
        snprintf(link, sizeof(link), "%s/%s", check_temp_dir(), base);
        CHECK_OK(assay_model_open(&m, link, &err), err);
        if (strcmp(models[i].data, "mnist") == 0) {
            /* Sums differ in their last digits between machines. */
            CHECK_NEAR(right_answers(m, path[2]), models[i].right, 3);
            run++;
        }
        assay_model_free(m);
    }
    CHECK_INT_EQ(run, 4);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_layers_compute_what_the_architecture_does),
    CHECK_TEST(test_wrong_layers_are_told_by_number),
    CHECK_TEST(test_layers_exclude_an_architecture),
    CHECK_TEST(test_shipped_sidecars_fit_public_models),
};

CHECK_MAIN(tests)
