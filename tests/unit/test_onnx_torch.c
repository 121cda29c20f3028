/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks that PyTorch exported (tests/golden/make_onnx.py), imported for
 * any batch: logits and the gradient of the mean cross-entropy by the pixels
 * are PyTorch's, on both backends.
 *
 * Where a last softmax was taken off, logits are the same up to a number per
 * record; both sides are compared with their mean taken off.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "assay/format.h"
#include "assay/layers.h"
#include "assay/onnx.h"
#include "assay/plan.h"
#include "check.h"
#include "core/fs.h"

enum { RECORDS = 3, PIXELS = 3 * 16 * 16, CLASSES = 5 };

struct network {
    struct assay_onnx_classifier c;
    struct assay_tensors golden;
    assay_value labels;
    assay_value gradient; /* by the pixels */
};

static const char *golden_path(const char *name, const char *suffix)
{
    static char path[2][512];
    static int turn;
    const char *source = getenv("ASSAY_SOURCE");

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/tests/golden/onnx/%s.%s",
             source ? source : ".", name, suffix);
    return path[turn];
}

static void network_open(struct network *n, const char *model,
                         const char *golden)
{
    struct assay_shape row = {1, {ASSAY_BATCH}};
    struct assay_onnx_roles roles = {0};
    struct assay_error err = {0, ""};
    assay_onnx *o = NULL;
    assay_value loss;

    CHECK_OK(assay_onnx_open(&o, golden_path(model, "onnx"), &err), err);
    CHECK_OK(assay_onnx_classify(&n->c, o, &roles, &err), err);
    assay_onnx_free(o);
    CHECK_INT_EQ(n->c.n_classes, CLASSES);
    assay_tensors_init(&n->golden);
    CHECK_OK(assay_tensors_read(&n->golden, golden_path(golden, "npz"), &err),
             err);
    n->labels = assay_graph_input(n->c.graph, "labels", &row);
    loss = assay_op_softmax_xent(n->c.graph, n->c.logits, n->labels);
    loss = assay_op_mean(n->c.graph, loss);
    CHECK_OK(assay_differentiate(n->c.graph, loss, &n->c.input, 1, &n->gradient,
                                 &err),
             err);
}

static void network_close(struct network *n)
{
    assay_onnx_classifier_release(&n->c);
    assay_tensors_release(&n->golden);
}

static const float *golden(const struct network *n, const char *name)
{
    const struct assay_tensor *t = assay_tensors_find(&n->golden, name);

    CHECK(t != NULL);
    return t->data;
}

static void expect_near(const char *what, const float *got, const float *want,
                        size_t n)
{
    double most = 0.0;
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)got[i] - (double)want[i]);

        if (!(off <= most)) {
            most = off;
            at = i;
        }
    }
    if (!(most <= 1e-4))
        printf("%s, number %zu: %.7g, PyTorch %.7g\n", what, at,
               (double)got[at], (double)want[at]);
    CHECK(most <= 1e-4);
}

static void centre(float *logits)
{
    for (size_t r = 0; r < RECORDS; r++) {
        float mean = 0.0F;

        for (size_t k = 0; k < CLASSES; k++)
            mean += logits[r * CLASSES + k] / CLASSES;
        for (size_t k = 0; k < CLASSES; k++)
            logits[r * CLASSES + k] -= mean;
    }
}

static void run_on(const struct network *n, const char *backend)
{
    assay_value wanted[3] = {n->c.logits, n->c.embedding, n->gradient};
    struct assay_plan_options options = {.backend = backend,
                                         .batch = RECORDS,
                                         .threads = 2,
                                         .outputs = wanted,
                                         .n_outputs = 3};
    static float logits[RECORDS * CLASSES];
    static float gradient[RECORDS * PIXELS];
    struct assay_error err = {0, ""};
    assay_plan *plan = NULL;

    CHECK_OK(assay_plan_new(&plan, n->c.graph, &options, &err), err);
    CHECK_OK(assay_plan_load(plan, &n->c.params, &err), err);
    CHECK_OK(assay_plan_write(plan, n->c.input, golden(n, "x"), &err), err);
    CHECK_OK(assay_plan_write(plan, n->labels, golden(n, "labels"), &err), err);
    CHECK_OK(assay_plan_run(plan, &err), err);
    CHECK_OK(assay_plan_read(plan, n->c.logits, logits, &err), err);
    CHECK_OK(assay_plan_read(plan, n->gradient, gradient, &err), err);
    centre(logits);
    expect_near("logits", logits, golden(n, "scores"), RECORDS * CLASSES);
    expect_near("gradient", gradient, golden(n, "gradient"), RECORDS * PIXELS);
    assay_plan_free(plan);
}

static void compare(const char *model, const char *golden_name, int embedding)
{
    struct network n;

    network_open(&n, model, golden_name);
    CHECK_INT_EQ(assay_graph_shape(n.c.graph, n.c.embedding)->dim[1],
                 embedding);
    run_on(&n, "reference");
    run_on(&n, "onednn");
    network_close(&n);
}

static void test_squeeze(void)
{
    compare("squeeze", "squeeze", 12);
    compare("squeeze13", "squeeze", 12);
}

static void test_attention(void)
{
    compare("attention", "attention", 16);
    compare("attention16", "attention", 16);
}

static void test_blocks(void)
{
    compare("blocks", "blocks", 8);
}

static void test_shapes(void)
{
    compare("shapes", "shapes", 64);
    compare("shapes16", "shapes", 64);
}

static void test_windows(void)
{
    compare("windows", "windows", 8);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_squeeze), CHECK_TEST(test_attention),
    CHECK_TEST(test_blocks),  CHECK_TEST(test_shapes),
    CHECK_TEST(test_windows),
};
CHECK_MAIN(tests)
