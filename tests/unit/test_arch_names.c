/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State dicts under names that others give: they find their architecture and
 * compute what PyTorch computes with them (tests/golden/make_names.py). What
 * could be two things is refused, and all other names are left alone.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch_values.h"
#include "assay/arch.h"
#include "assay/params.h"
#include "assay/plan.h"
#include "check.h"
#include "core/fs.h"

enum { CLASSES = 10, NAME_MAX_ = 128 };

struct golden_names {
    const char *arch;
    int size;
    const char *sha256;
    double logits[CLASSES];
};

#include "../golden/names.h"

static struct assay_error err;

struct net {
    assay_graph *g;
    assay_value x;
    struct assay_arch_values v;
};

static struct net open_net(const char *name, int size)
{
    struct assay_arch_options o = {.n_classes = CLASSES};
    struct assay_shape in = assay_shape_make(
        4, (int64_t)ASSAY_BATCH, (int64_t)3, (int64_t)size, (int64_t)size);
    struct net n = {0};

    CHECK_OK(assay_graph_new(&n.g, &err), err);
    n.x = assay_graph_input(n.g, "input", &in);
    CHECK_OK(assay_arch_build(assay_arch_find(name), n.g, n.x, &o, &n.v), err);
    return n;
}

/* torchvision's DenseNet before 0.3. */
static void older(const char *name, char *out)
{
    const char *layer = strstr(name, ".denselayer");
    const char *part = layer ? strchr(layer + 1, '.') : NULL;
    int n = part ? (int)(part - name) + 5 : 0;

    if (n > 0)
        snprintf(out, NAME_MAX_, "%.*s.%s", n, name, name + n);
    else
        snprintf(out, NAME_MAX_, "%s", name);
}

/* pytorchcv's ResNet; its first block is `stem`. */
static void theirs(const char *name, const char *stem, char *out)
{
    int stage = 0, unit = 0, index = 0, at = 0;

    if (strncmp(name, "fc.", 3) == 0)
        snprintf(out, NAME_MAX_, "output.%s", name + 3);
    else if (strncmp(name, "conv1.", 6) == 0)
        snprintf(out, NAME_MAX_, "%sconv.%s", stem, name + 6);
    else if (strncmp(name, "bn1.", 4) == 0)
        snprintf(out, NAME_MAX_, "%sbn.%s", stem, name + 4);
    else if (sscanf(name, "layer%d.%d.conv%d.%n", &stage, &unit, &index, &at) ==
             3)
        snprintf(out, NAME_MAX_, "features.stage%d.unit%d.body.conv%d.conv.%s",
                 stage, unit + 1, index, name + at);
    else if (sscanf(name, "layer%d.%d.bn%d.%n", &stage, &unit, &index, &at) ==
             3)
        snprintf(out, NAME_MAX_, "features.stage%d.unit%d.body.conv%d.bn.%s",
                 stage, unit + 1, index, name + at);
    else if (sscanf(name, "layer%d.%d.downsample.%d.%n", &stage, &unit, &index,
                    &at) == 3)
        snprintf(out, NAME_MAX_, "features.stage%d.unit%d.identity_conv.%s.%s",
                 stage, unit + 1, index ? "bn" : "conv", name + at);
}

static void foreign(const char *arch, const char *name, char *out)
{
    out[0] = '\0';
    if (strncmp(arch, "densenet", 8) == 0)
        older(name, out);
    else if (strcmp(arch, "resnet18") == 0)
        theirs(name, "features.init_block.conv.", out);
    else
        theirs(name, "features.init_block.", out);
}

/* The state dict with its numbers, in that library's names. */
static void make_state(struct assay_tensors *list, const assay_graph *g,
                       const char *arch)
{
    assay_tensors_init(list);
    for (int i = 0; i < assay_graph_n_params(g); i++) {
        assay_value p = assay_graph_param_at(g, i);
        struct assay_tensor *t = NULL;
        char name[NAME_MAX_];

        foreign(arch, assay_graph_value_name(g, p), name);
        CHECK_OK(assay_tensors_add(list, name, ASSAY_DTYPE_F32,
                                   assay_graph_shape(g, p), &t, &err),
                 err);
        arch_fill(name, assay_graph_shape(g, p), t->data);
    }
}

static int up(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names and shapes are those of PyTorch's state dict. */
static void check_hash(const struct assay_tensors *list, const char *sha256)
{
    static char line[1024][NAME_MAX_ + 80];
    struct assay__sha256 hash;
    char got[ASSAY__SHA256_TEXT];

    CHECK(list->n_items <= 1024);
    for (size_t i = 0; i < list->n_items; i++) {
        const struct assay_tensor *t = &list->item[i];
        int n = snprintf(line[i], sizeof(line[i]), "%s ", t->name);

        for (int d = 0; d < t->shape.rank; d++)
            n += snprintf(line[i] + n, sizeof(line[i]) - (size_t)n, "%s%lld",
                          d ? "x" : "", (long long)t->shape.dim[d]);
        snprintf(line[i] + n, sizeof(line[i]) - (size_t)n, "\n");
    }
    qsort(line, list->n_items, sizeof(line[0]), up);
    CHECK_INT_EQ(assay__sha256_begin(&hash), ASSAY_OK);
    for (size_t i = 0; i < list->n_items; i++)
        assay__sha256_add(&hash, line[i], strlen(line[i]));
    assay__sha256_end(&hash, got);
    CHECK_STR_EQ(got, sha256);
}

static void run(const struct net *n, const struct assay_tensors *list,
                double *logits)
{
    struct assay_plan_options o = {.batch = 1,
                                   .threads = 1,
                                   .algorithms = ASSAY_ALGORITHMS_DIRECT,
                                   .outputs = &n->v.logits,
                                   .n_outputs = 1};
    struct assay_shape picture = *assay_graph_shape(n->g, n->x);
    struct assay_params params = {0};
    assay_plan *plan = NULL;
    float *x;

    picture.dim[0] = 1;
    x = calloc(assay_shape_count(&picture, 1), sizeof(*x));
    CHECK(x != NULL);
    arch_fill("picture", &picture, x);
    CHECK_OK(assay_params_make(&params, n->g, &err), err);
    CHECK_OK(assay_params_from_tensors(&params, "", list, &err), err);
    CHECK_OK(assay_plan_new(&plan, n->g, &o, &err), err);
    CHECK_OK(assay_plan_load(plan, &params, &err), err);
    CHECK_OK(assay_plan_write(plan, n->x, x, &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read_f64(plan, n->v.logits, logits, &err), err);
    assay_plan_free(plan);
    assay_params_release(&params);
    free(x);
}

static void test_foreign_names_compute_what_pytorch_does(void)
{
    for (size_t k = 0; k < sizeof(golden_names) / sizeof(*golden_names); k++) {
        const struct golden_names *golden = &golden_names[k];
        struct net n = open_net(golden->arch, golden->size);
        struct assay_arch_match m;
        struct assay_tensors list;
        double logits[CLASSES];
        double largest = 0;

        make_state(&list, n.g, golden->arch);
        check_hash(&list, golden->sha256);
        CHECK_OK(assay_arch_rename(&list, &err), err);
        CHECK_OK(assay_arch_identify(&m, &list, NULL, 0, &err), err);
        CHECK_STR_EQ(m.arch->name, golden->arch);
        run(&n, &list, logits);
        for (int i = 0; i < CLASSES; i++)
            largest = fmax(largest, fabs(golden->logits[i]));
        for (int i = 0; i < CLASSES; i++)
            CHECK_NEAR(logits[i], golden->logits[i], 1e-4 * largest);
        assay_tensors_release(&list);
        assay_graph_free(n.g);
    }
}

static void add(struct assay_tensors *list, const char *name)
{
    struct assay_shape one = {0};

    CHECK_OK(assay_tensors_add(list, name, ASSAY_DTYPE_F32, &one, NULL, &err),
             err);
}

static void test_two_names_of_one_tensor_are_refused(void)
{
    struct assay_tensors list;

    assay_tensors_init(&list);
    add(&list, "features.denseblock1.denselayer1.norm.1.weight");
    add(&list, "features.denseblock1.denselayer1.norm1.weight");
    CHECK_FAILS(assay_arch_rename(&list, &err), ASSAY_FORMAT, err);
    CHECK_STR_HAS(err.msg, "names of one tensor");
    CHECK_STR_EQ(list.item[0].name,
                 "features.denseblock1.denselayer1.norm.1.weight");
    assay_tensors_release(&list);
}

static void test_bottlenecks_of_pytorchcv_are_refused(void)
{
    struct assay_tensors list;

    assay_tensors_init(&list);
    add(&list, "features.init_block.conv.conv.weight");
    add(&list, "features.stage1.unit1.body.conv3.conv.weight");
    add(&list, "output.weight");
    CHECK_FAILS(assay_arch_rename(&list, &err), ASSAY_UNSUPPORTED, err);
    CHECK_STR_HAS(err.msg, "which weights do not tell");
    assay_tensors_release(&list);
}

static void test_other_names_stay(void)
{
    static const char *const names[] = {
        "features.init_block.conv.weight",
        "features.stage0.unit1.body.conv1.conv.weight",
        "features.stage1.unit0.body.conv1.conv.weight",
        "features.stage1.unit99999999999.body.conv1.conv.weight",
        "features.stage1.unit-1.body.conv1.conv.weight",
        "features.stage1.unit1",
        "features.stage1.unit1.",
        "features.stage1.unit1.body.conv1.",
        "features.stage1.unit1.body.conv1.other",
        "features.stage1.unit1.identity_conv.weight",
        "a.denselayer1",
        "a.denselayer1.norm",
        "a.denselayer1.norm.",
        "a.denselayer1.norm.3.weight",
        "a.denselayer1.norm.1",
        "layer1.0.conv1.weight",
        ""};
    struct assay_tensors list;
    size_t n = sizeof(names) / sizeof(names[0]);

    assay_tensors_init(&list);
    for (size_t i = 0; i < n; i++)
        add(&list, names[i]);
    CHECK_OK(assay_arch_rename(&list, &err), err);
    for (size_t i = 0; i < n; i++)
        CHECK_STR_EQ(list.item[i].name, names[i]);
    /* With its last layer it is pytorchcv's, but for what is odd in it. */
    add(&list, "output.weight");
    CHECK_OK(assay_arch_rename(&list, &err), err);
    CHECK_STR_EQ(list.item[0].name, "conv1.weight");
    CHECK_STR_EQ(list.item[n].name, "fc.weight");
    for (size_t i = 1; i < n; i++)
        CHECK_STR_EQ(list.item[i].name, names[i]);
    assay_tensors_release(&list);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_foreign_names_compute_what_pytorch_does),
    CHECK_TEST(test_two_names_of_one_tensor_are_refused),
    CHECK_TEST(test_bottlenecks_of_pytorchcv_are_refused),
    CHECK_TEST(test_other_names_stay),
};

CHECK_MAIN(tests)
