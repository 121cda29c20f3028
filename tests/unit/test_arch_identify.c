/* SPDX-License-Identifier: Apache-2.0 */
/* State dicts find their architecture, or are told what is in the way. */

#include <string.h>

#include "assay/arch.h"
#include "check.h"

static struct assay_error err;

/* The state dict of a network, all zero, with PyTorch's counters. */
static void make_state(struct assay_tensors *list, const char *arch,
                       int channels, int size, int classes)
{
    struct assay_arch_options o = {.n_classes = classes};
    struct assay_arch_values v;
    struct assay_shape in =
        assay_shape_make(4, (int64_t)ASSAY_BATCH, (int64_t)channels,
                         (int64_t)size, (int64_t)size);
    struct assay_shape one = {0};
    assay_graph *g = NULL;

    assay_tensors_init(list);
    CHECK_OK(assay_graph_new(&g, &err), err);
    CHECK_OK(assay_arch_build(assay_arch_find(arch), g,
                              assay_graph_input(g, "input", &in), &o, &v),
             err);
    for (int i = 0; i < assay_graph_n_params(g); i++) {
        assay_value p = assay_graph_param_at(g, i);

        CHECK_OK(assay_tensors_add(list, assay_graph_value_name(g, p),
                                   ASSAY_DTYPE_F32, assay_graph_shape(g, p),
                                   NULL, &err),
                 err);
    }
    CHECK_OK(assay_tensors_add(list, "bn1.num_batches_tracked", ASSAY_DTYPE_I64,
                               &one, NULL, &err),
             err);
    assay_graph_free(g);
}

static void test_networks_are_known_by_their_tensors(void)
{
    static const struct {
        const char *arch;
        int channels, size, classes;
        int found_size;
    } cases[] = {
        {"simplecnn", 1, 32, 10, 32},
        {"resnet18", 3, 224, 7, 224},
        {"seresnet18", 3, 224, 1000, 224},
        {"resnet20-cifar-a", 3, 32, 10, 32},
        {"resnet20-cifar-b", 3, 32, 100, 32},
        {"preact18-cifar", 3, 32, 10, 32},
        {"wrn-16-4", 3, 32, 10, 32},
        {"vgg11-bn", 3, 32, 10, 32}, /* the small head */
        {"vgg11-cifar", 3, 32, 10, 32},
        {"densenet121", 3, 224, 5, 224},
        {"mobilenet-v3-small", 1, 224, 2, 224},
        {"efficientnet-b0", 3, 224, 11, 224},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct assay_tensors list;
        struct assay_arch_match m;

        make_state(&list, cases[i].arch, cases[i].channels, cases[i].size,
                   cases[i].classes);
        CHECK_OK(assay_arch_identify(&m, &list, NULL, 0, &err), err);
        CHECK_STR_EQ(m.arch->name, cases[i].arch);
        CHECK_INT_EQ(m.channels, cases[i].channels);
        CHECK_INT_EQ(m.n_classes, cases[i].classes);
        CHECK_INT_EQ(m.size, cases[i].found_size);
        assay_tensors_release(&list);
    }
}

static void test_a_tensor_more_or_less_is_told(void)
{
    const struct assay_shape odd = assay_shape_make(1, (int64_t)3);
    struct assay_tensors list;
    struct assay_arch_match m;

    make_state(&list, "resnet18", 3, 224, 10);
    CHECK_OK(assay_tensors_add(&list, "layer9.weight", ASSAY_DTYPE_F32, &odd,
                               NULL, &err),
             err);
    CHECK_FAILS(assay_arch_identify(&m, &list, NULL, 0, &err), ASSAY_FORMAT,
                err);
    CHECK_STR_HAS(err.msg, "resnet18 comes nearest (102 of 102): it has no "
                           "layer9.weight");
    assay_tensors_release(&list);

    make_state(&list, "resnet18", 3, 224, 10);
    assay_tensors_find(&list, "layer2.0.bn1.bias")->name[0] = 'x';
    CHECK_FAILS(assay_arch_identify(&m, &list, NULL, 0, &err), ASSAY_FORMAT,
                err);
    CHECK_STR_HAS(err.msg, "(101 of 102)");
    assay_tensors_release(&list);

    make_state(&list, "resnet18", 3, 224, 10);
    assay_tensors_find(&list, "layer2.0.bn1.bias")->shape.dim[0] = 64;
    CHECK_FAILS(assay_arch_identify(&m, &list, NULL, 0, &err), ASSAY_FORMAT,
                err);
    CHECK_STR_HAS(err.msg, "layer2.0.bn1.bias is [128] there, not [64]");
    assay_tensors_release(&list);
}

static void test_a_named_architecture_alone_is_tried(void)
{
    struct assay_tensors list;
    struct assay_arch_match m;

    make_state(&list, "resnet20-cifar-a", 3, 32, 10);
    CHECK_FAILS(assay_arch_identify(&m, &list,
                                    assay_arch_find("resnet18-cifar"), 0, &err),
                ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "resnet18-cifar comes nearest");
    assay_tensors_release(&list);
    assay_tensors_init(&list);
    CHECK_FAILS(assay_arch_identify(&m, &list, NULL, 0, &err), ASSAY_FORMAT,
                err);
    CHECK_STR_HAS(err.msg, "no known architecture has the layers");
    assay_tensors_release(&list);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_networks_are_known_by_their_tensors),
    CHECK_TEST(test_a_tensor_more_or_less_is_told),
    CHECK_TEST(test_a_named_architecture_alone_is_tried),
};

CHECK_MAIN(tests)
