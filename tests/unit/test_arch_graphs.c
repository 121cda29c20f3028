/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Architectures against what is published of them: parameter counts at
 * stock size, layer names, shapes at every size that is promised.
 */

#include <string.h>

#include "assay/arch.h"
#include "assay/params.h"
#include "assay/plan.h"
#include "check.h"

/* Trainable parameters, buffers left out. */
static size_t count_params(const char *name, int channels, int size,
                           int classes)
{
    struct assay_arch_options o = {.n_classes = classes};
    struct assay_arch_values v;
    struct assay_error err = {0};
    struct assay_shape in =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)channels,
                         (int64_t)size, (int64_t)size);
    const struct assay_arch *arch = assay_arch_find(name);
    assay_graph *g = NULL;
    size_t n = 0;

    CHECK(arch != NULL);
    CHECK_OK(assay_graph_new(&g, &err), err);
    assay_arch_build(arch, g, assay_graph_input(g, "input", &in), &o, &v);
    CHECK_OK(assay_graph_check(g, &err), err);
    CHECK_INT_EQ(assay_graph_shape(g, v.logits)->dim[1], classes);
    CHECK_INT_EQ(assay_graph_shape(g, v.embedding)->rank, 2);
    for (int i = 0; i < assay_graph_n_params(g); i++) {
        assay_value p = assay_graph_param_at(g, i);

        if (assay_graph_param_flags(g, p) & ASSAY_PARAM_TRAINABLE)
            n += assay_shape_count(assay_graph_shape(g, p), 1);
    }
    assay_graph_free(g);
    return n;
}

static void test_stock_networks_have_their_published_size(void)
{
    CHECK_UINT_EQ(count_params("alexnet", 3, 224, 1000), 61100840);
    CHECK_UINT_EQ(count_params("resnet18", 3, 224, 1000), 11689512);
    CHECK_UINT_EQ(count_params("vgg19", 3, 224, 1000), 143667240);
    CHECK_UINT_EQ(count_params("vgg19-bn", 3, 224, 1000), 143678248);
    CHECK_UINT_EQ(count_params("xception", 3, 299, 1000), 22855952);
}

/* Networks for 32x32 pixels, ten classes: the counts that their public
 * repositories and the papers on them give. */
static void test_small_networks_have_their_published_size(void)
{
    static const struct {
        const char *name;
        size_t n;
    } nets[] = {
        {"resnet20-cifar-a", 269722},   {"resnet56-cifar-a", 853018},
        {"resnet110-cifar-a", 1727962}, {"resnet20-cifar-b", 272474},
        {"resnet56-cifar-b", 855770},   {"resnet18-cifar", 11173962},
        {"resnet50-cifar", 23520842},   {"preact18-cifar", 11171146},
        {"wrn-28-10", 36479194},        {"wrn-34-10", 46160474},
        {"wrn-40-2", 2243546},          {"vgg16-cifar", 14728266},
        {"vgg19-cifar", 20040522},
    };

    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
        CHECK_UINT_EQ(count_params(nets[i].name, 3, 32, 10), nets[i].n);
    CHECK_UINT_EQ(count_params("seresnet50", 3, 224, 1000), 28088024);
    CHECK_UINT_EQ(count_params("deit-tiny", 3, 224, 1000), 5717416);
    CHECK_UINT_EQ(count_params("deit-small", 3, 224, 1000), 22050664);
    CHECK_UINT_EQ(count_params("deit-base", 3, 224, 1000), 86567656);
}

static void test_simplecnn_has_the_papers_size(void)
{
    CHECK_UINT_EQ(count_params("simplecnn", 3, 32, 10), 314432 + 129 * 10);
    CHECK_UINT_EQ(count_params("simplecnn3", 3, 64, 10), 2453056 + 513 * 10);
}

/* Every network as evaluation runs it, at sizes where maps shrink to one
 * place early: each convolution and what is added to it must have a way. */
static void test_small_maps_can_be_evaluated(void)
{
    static const int sizes[] = {8, 12, 16, 20};
    const struct assay_arch *arch = assay_arch_find("resnet18");
    struct assay_arch_options o = {.n_classes = 3};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct assay_shape in =
            assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)1,
                             (int64_t)sizes[i], (int64_t)sizes[i]);
        struct assay_plan_options p = {.batch = 4,
                                       .threads = 1,
                                       .algorithms = ASSAY_ALGORITHMS_DIRECT,
                                       .n_outputs = 1};
        struct assay_arch_values v;
        struct assay_error err = {0};
        assay_graph *g = NULL;
        assay_plan *plan = NULL;

        CHECK_OK(assay_graph_new(&g, &err), err);
        assay_arch_build(arch, g, assay_graph_input(g, "input", &in), &o, &v);
        p.outputs = &v.logits;
        CHECK_OK(assay_plan_new(&plan, g, &p, &err), err);
        assay_plan_free(plan);
        assay_graph_free(g);
    }
}

static void test_every_network_takes_small_inputs(void)
{
    static const int sizes[] = {28, 32, 48, 64, 96};

    for (size_t a = 0; assay_arch_table()[a]; a++)
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
            if (sizes[s] >= assay_arch_table()[a]->min_size)
                CHECK(count_params(assay_arch_table()[a]->name, s % 2 ? 3 : 1,
                                   sizes[s], 7) > 1000);
}

/* Floating-point operations of one forward pass of one image. */
static double cost(const char *name, int size)
{
    struct assay_arch_options o = {.n_classes = 10};
    struct assay_arch_values v;
    struct assay_error err = {0};
    struct assay_shape in = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)3, (int64_t)size, (int64_t)size);
    assay_graph *g = NULL;
    double flops;

    CHECK_OK(assay_graph_new(&g, &err), err);
    assay_arch_build(assay_arch_find(name), g,
                     assay_graph_input(g, "input", &in), &o, &v);
    CHECK_OK(assay_graph_check(g, &err), err);
    flops = assay_graph_flops(g, v.logits);
    assay_graph_free(g);
    return flops;
}

/* The networks whose speed is published with Assay are these. */
static void test_small_variants_cost_what_was_measured(void)
{
    CHECK_NEAR(cost("resnet18", 32) * 1e-9, 0.0740, 5e-5);
    CHECK_NEAR(cost("resnet18", 64) * 1e-9, 0.296, 5e-4);
    CHECK_NEAR(cost("vgg19", 64) * 1e-9, 3.19, 6e-3);
}

static void check_names(const char *arch, const char *const *names)
{
    struct assay_arch_options o = {.n_classes = 10};
    struct assay_arch_values v;
    struct assay_error err = {0};
    struct assay_shape in = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)3, (int64_t)224, (int64_t)224);
    assay_graph *g = NULL;

    CHECK_OK(assay_graph_new(&g, &err), err);
    assay_arch_build(assay_arch_find(arch), g,
                     assay_graph_input(g, "input", &in), &o, &v);
    for (int i = 0; names[i]; i++)
        if (assay_graph_find(g, names[i]) == ASSAY_NO_VALUE)
            CHECK_STR_EQ(names[i], "a parameter of the network");
    assay_graph_free(g);
}

static void test_parameters_carry_published_names(void)
{
    static const char *const alexnet[] = {
        "features.0.weight", "features.10.bias", "classifier.1.weight",
        "classifier.6.bias", NULL};
    static const char *const resnet18[] = {"conv1.weight",
                                           "bn1.running_var",
                                           "layer1.0.conv1.weight",
                                           "layer4.0.downsample.0.weight",
                                           "layer4.0.downsample.1.bias",
                                           "layer4.1.bn2.running_mean",
                                           "fc.bias",
                                           NULL};
    static const char *const vgg19[] = {
        "features.0.weight", "features.34.weight", "classifier.0.weight",
        "classifier.6.weight", NULL};
    static const char *const vgg19_bn[] = {
        "features.1.running_mean", "features.49.weight", "features.50.weight",
        "classifier.3.bias", NULL};
    static const char *const xception[] = {"conv1.weight",
                                           "bn2.weight",
                                           "block1.rep.0.conv1.weight",
                                           "block1.rep.3.pointwise.weight",
                                           "block2.rep.1.conv1.weight",
                                           "block4.rep.8.running_var",
                                           "block12.skip.weight",
                                           "block12.skipbn.bias",
                                           "conv4.pointwise.weight",
                                           "bn4.bias",
                                           "fc.weight",
                                           NULL};

    check_names("alexnet", alexnet);
    check_names("resnet18", resnet18);
    check_names("vgg19", vgg19);
    check_names("vgg19-bn", vgg19_bn);
    check_names("xception", xception);
}

static void test_too_small_input_is_named(void)
{
    struct assay_arch_options o = {.n_classes = 10};
    struct assay_arch_values v;

    for (size_t a = 0; assay_arch_table()[a]; a++) {
        const struct assay_arch *arch = assay_arch_table()[a];
        struct assay_error err = {0};
        struct assay_shape in =
            assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)1,
                             (int64_t)arch->min_size - 1, (int64_t)64);
        assay_graph *g = NULL;

        CHECK_OK(assay_graph_new(&g, &err), err);
        CHECK_INT_EQ(assay_arch_build(
                         arch, g, assay_graph_input(g, "input", &in), &o, &v),
                     ASSAY_SHAPE);
        CHECK_FAILS(assay_graph_check(g, &err), ASSAY_SHAPE, err);
        CHECK_STR_HAS(err.msg, "too small");
        assay_graph_free(g);
    }
}

/* With group norm: the same names, without running statistics. */
static void test_group_norm_takes_the_place_of_batch_norm(void)
{
    static const char *const archs[] = {"resnet18", "vgg19-bn", "xception"};
    struct assay_error err = {0};
    enum assay_norm norm;

    for (size_t k = 0; k < sizeof archs / sizeof archs[0]; k++) {
        struct assay_shape in = assay_shape_make(
            4, (int64_t)ASSAY_BATCH, (int64_t)3, (int64_t)32, (int64_t)32);
        struct assay_arch_options o = {.n_classes = 10};
        struct assay_arch_values v;
        assay_graph *g[2] = {NULL, NULL};
        int at = 0;

        for (int i = 0; i < 2; i++) {
            o.norm = i == 0 ? ASSAY_NORM_BATCH : ASSAY_NORM_GROUP;
            CHECK_OK(assay_graph_new(&g[i], &err), err);
            CHECK_OK(assay_arch_build(assay_arch_find(archs[k]), g[i],
                                      assay_graph_input(g[i], "input", &in), &o,
                                      &v),
                     err);
        }
        for (int i = 0; i < assay_graph_n_params(g[0]); i++) {
            assay_value p = assay_graph_param_at(g[0], i);
            assay_value q;

            if (!(assay_graph_param_flags(g[0], p) & ASSAY_PARAM_TRAINABLE))
                continue;
            q = assay_graph_param_at(g[1], at++);
            CHECK_STR_EQ(assay_graph_value_name(g[1], q),
                         assay_graph_value_name(g[0], p));
            CHECK(assay_shape_equal(assay_graph_shape(g[1], q),
                                    assay_graph_shape(g[0], p)));
        }
        CHECK_INT_EQ(assay_graph_n_params(g[1]), at);
        assay_graph_free(g[0]);
        assay_graph_free(g[1]);
    }
    CHECK_OK(assay_norm_parse(&norm, "group", &err), err);
    CHECK_INT_EQ(norm, ASSAY_NORM_GROUP);
    CHECK_STR_EQ(assay_norm_name(norm), "group");
    CHECK_FAILS(assay_norm_parse(&norm, "layer", &err), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "layer");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_stock_networks_have_their_published_size),
    CHECK_TEST(test_small_networks_have_their_published_size),
    CHECK_TEST(test_simplecnn_has_the_papers_size),
    CHECK_TEST(test_every_network_takes_small_inputs),
    CHECK_TEST(test_small_maps_can_be_evaluated),
    CHECK_TEST(test_small_variants_cost_what_was_measured),
    CHECK_TEST(test_parameters_carry_published_names),
    CHECK_TEST(test_too_small_input_is_named),
    CHECK_TEST(test_group_norm_takes_the_place_of_batch_norm),
};
CHECK_MAIN(tests)
