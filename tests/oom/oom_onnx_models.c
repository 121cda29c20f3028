/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX models while memory runs out: whichever allocation fails, reading,
 * import and running say ASSAY_NOMEM and leak nothing; the first round
 * without a failure is whole.
 */

#include <stdio.h>
#include <stdlib.h>

#include "assay/onnx.h"
#include "fail_alloc.h"
#include "onnx_bytes.h"

static const int64_t image[4] = {0, 1, 4, 4};
static const float six[6] = {1, 2, 3, 4, 5, 6};

/* Shape arithmetic, a constant that is computed, a layer, a softmax. */
static void make_model(struct onnx_bytes *model)
{
    static const int64_t kernel[4] = {3, 1, 2, 2};
    static const int64_t zero[1] = {0};
    static const int64_t rest[1] = {-1};
    static const int64_t wide[2] = {27, 2};
    static float weight[54];
    static const float row[12] = {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6};
    struct onnx_bytes graph = {.n = 0};

    ob_port(&graph, 11, "x", 4, image);
    ob_port(&graph, 12, "y", 2, image);
    ob_tensor(&graph, "k", 4, kernel, row, 12);
    ob_tensor(&graph, "w", 2, wide, weight, 54);
    ob_tensor(&graph, "b", 1, wide + 1, six, 2);
    ob_integers(&graph, "zero", 1, zero);
    ob_integers(&graph, "rest", 1, rest);
    ob_add_node(&graph, "Conv", "x k", "c");
    ob_add_node(&graph, "Shape", "c", "s");
    ob_add_node(&graph, "Gather", "s zero", "n");
    ob_add_node(&graph, "Concat", "n rest", "to");
    ob_add_node(&graph, "Reshape", "c to", "f");
    ob_add_node(&graph, "MatMul", "f w", "m");
    ob_add_node(&graph, "Add", "m b", "a");
    ob_add_node(&graph, "Softmax", "a", "y");
    ob_model(model, 13, &graph);
}

static int classify(const struct onnx_bytes *model, struct assay_error *err)
{
    struct assay_onnx_roles roles = {0};
    struct assay_onnx_classifier c;
    assay_onnx *o = NULL;
    int code = assay_onnx_parse(&o, model->data, model->n, ".", err);

    if (code != ASSAY_OK)
        return code;
    code = assay_onnx_classify(&c, o, &roles, err);
    assay_onnx_free(o);
    if (code == ASSAY_OK) {
        CHECK_INT_EQ(c.n_classes, 2);
        assay_onnx_classifier_release(&c);
    }
    return code;
}

static int run(const struct onnx_bytes *model, const struct assay_tensors *in,
               struct assay_error *err)
{
    struct assay_tensors out;
    assay_onnx *o = NULL;
    int code = assay_onnx_parse(&o, model->data, model->n, ".", err);

    if (code != ASSAY_OK)
        return code;
    assay_tensors_init(&out);
    code = assay_onnx_run(&out, o, in, "reference", err);
    CHECK_UINT_EQ(out.n_items, code == ASSAY_OK);
    assay_tensors_release(&out);
    assay_onnx_free(o);
    return code;
}

static void test_classifiers(void)
{
    struct onnx_bytes model = {.n = 0};
    int failures = 0;

    make_model(&model);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0, ""};
        int code = classify(&model, &err);

        fail_alloc_off();
        if (!fail_alloc_hit()) {
            CHECK_OK(code, err);
            continue;
        }
        CHECK_INT_EQ(code, ASSAY_NOMEM);
        CHECK(err.msg[0] != '\0');
        failures++;
    }
    CHECK(failures >= 40);
}

static void test_runs(void)
{
    struct assay_shape s = {4, {2, 1, 4, 4}};
    struct onnx_bytes model = {.n = 0};
    struct assay_tensors in;
    struct assay_error none = {0, ""};
    float x[32] = {1, 2, 3};
    int failures = 0;

    make_model(&model);
    assay_tensors_init(&in);
    CHECK_OK(assay_tensors_add_f32(&in, "x", &s, x, &none), none);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0, ""};
        int code = run(&model, &in, &err);

        fail_alloc_off();
        if (!fail_alloc_hit()) {
            CHECK_OK(code, err);
            continue;
        }
        CHECK_INT_EQ(code, ASSAY_NOMEM);
        failures++;
    }
    CHECK(failures >= 60);
    assay_tensors_release(&in);
}

static void test_external_data(void)
{
    struct onnx_bytes w = {.n = 0};
    struct onnx_bytes entry = {.n = 0};
    struct onnx_bytes graph = {.n = 0};
    struct onnx_bytes model = {.n = 0};

    check_write_file(check_temp_path("w.bin"), six, sizeof six);
    ob_int(&w, 1, 6);
    ob_int(&w, 2, 1);
    ob_text(&w, 8, "w");
    ob_int(&w, 14, 1);
    ob_text(&entry, 1, "location");
    ob_text(&entry, 2, "w.bin");
    ob_put(&w, 13, &entry);
    ob_put(&graph, 5, &w);
    ob_port(&graph, 12, "w", 0, NULL);
    ob_model(&model, 13, &graph);
    for (long n = 1; fail_alloc_next(n); n++) {
        struct assay_error err = {0, ""};
        assay_onnx *o = NULL;
        int code =
            assay_onnx_parse(&o, model.data, model.n, check_temp_dir(), &err);

        fail_alloc_off();
        CHECK_INT_EQ(code, fail_alloc_hit() ? ASSAY_NOMEM : ASSAY_OK);
        assay_onnx_free(o);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_classifiers),
    CHECK_TEST(test_runs),
    CHECK_TEST(test_external_data),
};
CHECK_MAIN(tests)
