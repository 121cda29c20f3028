/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators whose meaning differs between operator sets, and those newer
 * than the standard's vectors that Debian has: a node on a few numbers, with
 * results worked out by hand from the standard's text.
 */

#include <math.h>
#include <stdio.h>

#include "assay/onnx.h"
#include "onnx_bytes.h"

enum { NUMBERS = 16 };

struct node_case {
    const char *op;
    const char *label;
    int opset;
    /* Attributes and initializers; further inputs of the node. */
    void (*more)(struct onnx_bytes *node, struct onnx_bytes *graph);
    const char *inputs;
    struct assay_shape in;
    float x[NUMBERS];
    struct assay_shape out; /* of output 0 */
    double want[NUMBERS];
    const char *outputs; /* NULL: "y" */
};

static void nothing(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)node;
    (void)graph;
}

static void by_tanh(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)graph;
    ob_attr_text(node, "approximate", "tanh");
}

static void row(struct onnx_bytes *graph, const char *name, int64_t n,
                const float *x)
{
    ob_tensor(graph, name, 1, &n, x, (size_t)n);
}

/* Scale and bias of two groups, or of four channels. */
static void groups(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    row(graph, "s", 2, (const float[]){1, 2});
    row(graph, "b", 2, (const float[]){0, 1});
    ob_attr_int(node, "num_groups", 2);
}

static void groups_by_channel(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    row(graph, "s", 4, (const float[]){1, 1, 2, 3});
    row(graph, "b", 4, (const float[]){0, 0, 1, 1});
    ob_attr_int(node, "num_groups", 2);
}

static void axis_attribute(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)graph;
    ob_attr_ints(node, "axes", 1, (const int64_t[]){-1});
}

static void axis_input(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)node;
    ob_integers(graph, "a", 1, (const int64_t[]){-1});
}

static void axis_input_or_none(struct onnx_bytes *node,
                               struct onnx_bytes *graph)
{
    (void)graph;
    ob_attr_int(node, "noop_with_empty_axes", 1);
}

static void two_outputs(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)graph;
    ob_attr_int(node, "num_outputs", 2);
    ob_attr_int(node, "axis", 1);
}

static void split_attribute(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)graph;
    ob_attr_ints(node, "split", 2, (const int64_t[]){2, 3});
    ob_attr_int(node, "axis", 1);
}

static void pad_axes(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)node;
    ob_integers(graph, "p", 2, (const int64_t[]){1, 2});
    ob_integers(graph, "a", 1, (const int64_t[]){1});
}

static void pad_wrap(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    ob_integers(graph, "p", 4, (const int64_t[]){0, 2, 0, 1});
    ob_attr_text(node, "mode", "wrap");
}

static void pad_attributes(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    struct onnx_bytes a = {.n = 0};

    (void)graph;
    ob_attr_ints(node, "pads", 4, (const int64_t[]){0, 1, 0, -1});
    ob_text(&a, 1, "value");
    ob_float(&a, 2, 9);
    ob_int(&a, 20, 1);
    ob_put(node, 5, &a);
}

static void resize_axes(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    row(graph, "s", 1, (const float[]){2});
    ob_attr_ints(node, "axes", 1, (const int64_t[]){3});
    ob_attr_text(node, "mode", "linear");
}

static void resize_symmetric(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    row(graph, "s", 4, (const float[]){1, 1, 1, 0.6F});
    ob_attr_text(node, "mode", "linear");
    ob_attr_text(node, "coordinate_transformation_mode",
                 "half_pixel_symmetric");
}

static void resize_old(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)node;
    row(graph, "s", 4, (const float[]){1, 1, 1, 2});
}

static void upsample_attribute(struct onnx_bytes *node,
                               struct onnx_bytes *graph)
{
    struct onnx_bytes a = {.n = 0};

    (void)graph;
    ob_text(&a, 1, "scales");
    for (int i = 0; i < 4; i++)
        ob_float(&a, 7, i == 3 ? 2.0F : 1.0F);
    ob_int(&a, 20, 6);
    ob_put(node, 5, &a);
}

static void slice_attributes(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)graph;
    ob_attr_ints(node, "axes", 1, (const int64_t[]){1});
    ob_attr_ints(node, "starts", 1, (const int64_t[]){-3});
    ob_attr_ints(node, "ends", 1, (const int64_t[]){INT64_MAX});
}

static void slice_inputs(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)node;
    ob_integers(graph, "b", 1, (const int64_t[]){INT64_MAX});
    ob_integers(graph, "e", 1, (const int64_t[]){INT64_MIN});
    ob_integers(graph, "a", 1, (const int64_t[]){1});
    ob_integers(graph, "t", 1, (const int64_t[]){-2});
}

static void clip_attributes(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    struct onnx_bytes a = {.n = 0};

    (void)graph;
    ob_text(&a, 1, "max");
    ob_float(&a, 2, 6);
    ob_int(&a, 20, 1);
    ob_put(node, 5, &a);
}

static void axis_one(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)graph;
    ob_attr_int(node, "axis", 1);
}

/* Constants in, a constant out: x is not read. */
static void scatter_rows(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    struct onnx_bytes t = {.n = 0};

    (void)node;
    row(graph, "d", 4, (const float[]){1, 2, 3, 4});
    row(graph, "u", 2, (const float[]){8, 9});
    ob_dims(&t, 2, (const int64_t[]){2, 1});
    ob_int(&t, 2, 7);
    ob_text(&t, 8, "i");
    ob_int(&t, 7, -1);
    ob_int(&t, 7, 1);
    ob_put(graph, 5, &t);
}

static void gather_rows(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    scatter_rows(node, graph);
}

static void elements(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)node;
    row(graph, "d", 4, (const float[]){1, 2, 3, 4});
    ob_integers(graph, "i", 3, (const int64_t[]){3, 0, -2});
}

static void no_zeros(struct onnx_bytes *node, struct onnx_bytes *graph)
{
    (void)node;
    row(graph, "d", 4, (const float[]){0, 2, 0, 4});
}

#define LN3 1.0986122886681098F

/* clang-format off */
static const struct node_case cases[] = {
    {"Gelu", "exact", 20, nothing, "x", {1, {3}}, {0, 1, -1},
     {1, {3}}, {0, 0.84134475, -0.15865525}, NULL},
    {"Gelu", "by tanh", 20, by_tanh, "x", {1, {2}}, {1, -1},
     {1, {2}}, {0.84119199, -0.15880801}, NULL},
    {"Mish", "of 0 and 1", 18, nothing, "x", {1, {2}}, {0, 1},
     {1, {2}}, {0, 0.86509839}, NULL},
    {"GroupNormalization", "scales by group", 18, groups, "x s b",
     {3, {1, 4, 1}}, {1, 3, 10, 20}, {3, {1, 4, 1}},
     {-0.999995, 0.999995, -0.9999998, 2.9999998}, NULL},
    {"GroupNormalization", "scales by channel", 21, groups_by_channel, "x s b",
     {3, {1, 4, 1}}, {1, 3, 10, 20}, {3, {1, 4, 1}},
     {-0.999995, 0.999995, -0.9999998, 3.9999997}, NULL},
    {"ReduceMean", "axes attribute", 17, axis_attribute, "x", {2, {2, 2}},
     {1, 3, 5, 9}, {2, {2, 1}}, {2, 7}, NULL},
    {"ReduceMean", "axes input", 18, axis_input, "x a", {2, {2, 2}},
     {1, 3, 5, 9}, {2, {2, 1}}, {2, 7}, NULL},
    {"ReduceSum", "axes attribute", 11, axis_attribute, "x", {2, {2, 2}},
     {1, 3, 5, 9}, {2, {2, 1}}, {4, 14}, NULL},
    {"ReduceMax", "nothing to do", 18, axis_input_or_none, "x", {1, {2}},
     {1, 3}, {1, {2}}, {1, 3}, NULL},
    {"ReduceMax", "all", 18, nothing, "x", {2, {2, 2}}, {1, 3, 9, 5},
     {2, {1, 1}}, {9}, NULL},
    {"Split", "number of outputs", 18, two_outputs, "x", {2, {1, 5}},
     {1, 2, 3, 4, 5}, {2, {1, 2}}, {4, 5}, "z y"},
    {"Split", "attribute", 11, split_attribute, "x", {2, {1, 5}},
     {1, 2, 3, 4, 5}, {2, {1, 3}}, {3, 4, 5}, "z y"},
    {"Pad", "axes", 18, pad_axes, "x p - a", {2, {1, 2}}, {7, 8},
     {2, {1, 5}}, {0, 7, 8, 0, 0}, NULL},
    {"Pad", "wrap", 19, pad_wrap, "x p", {2, {1, 3}}, {1, 2, 3},
     {2, {1, 6}}, {2, 3, 1, 2, 3, 1}, NULL},
    {"Pad", "attributes, one cut", 10, pad_attributes, "x", {2, {1, 3}},
     {1, 2, 3}, {2, {1, 3}}, {9, 1, 2}, NULL},
    {"Resize", "axes", 18, resize_axes, "x - s", {4, {1, 1, 1, 2}}, {0, 4},
     {4, {1, 1, 1, 4}}, {0, 1, 3, 4}, NULL},
    {"Resize", "symmetric", 19, resize_symmetric, "x - s", {4, {1, 1, 1, 4}},
     {1, 2, 3, 4}, {4, {1, 1, 1, 2}}, {5 / 3.0, 10 / 3.0}, NULL},
    {"Resize", "set 10", 10, resize_old, "x s", {4, {1, 1, 1, 2}}, {1, 2},
     {4, {1, 1, 1, 4}}, {1, 1, 2, 2}, NULL},
    {"Upsample", "set 9", 9, resize_old, "x s", {4, {1, 1, 1, 2}}, {1, 2},
     {4, {1, 1, 1, 4}}, {1, 1, 2, 2}, NULL},
    {"Upsample", "set 7", 7, upsample_attribute, "x", {4, {1, 1, 1, 2}}, {1, 2},
     {4, {1, 1, 1, 4}}, {1, 1, 2, 2}, NULL},
    {"Slice", "attributes", 9, slice_attributes, "x", {2, {1, 5}},
     {1, 2, 3, 4, 5}, {2, {1, 3}}, {3, 4, 5}, NULL},
    {"Slice", "backwards by two", 13, slice_inputs, "x b e a t", {2, {1, 5}},
     {1, 2, 3, 4, 5}, {2, {1, 3}}, {5, 3, 1}, NULL},
    {"Clip", "attributes", 6, clip_attributes, "x", {1, {3}}, {-9, 5, 7},
     {1, {3}}, {-9, 5, 6}, NULL},
    {"Softmax", "set 12: all from the axis on", 12, axis_one, "x",
     {3, {1, 2, 2}}, {0, 0, LN3, LN3}, {3, {1, 2, 2}},
     {0.125, 0.125, 0.375, 0.375}, NULL},
    {"Softmax", "set 13: the axis alone", 13, axis_one, "x", {3, {1, 2, 2}},
     {0, 0, LN3, LN3}, {3, {1, 2, 2}}, {0.25, 0.25, 0.75, 0.75}, NULL},
    {"ScatterND", "two of four", 13, scatter_rows, "d i u", {1, {1}}, {0},
     {1, {4}}, {1, 9, 3, 8}, NULL},
    {"GatherND", "two of four", 13, gather_rows, "d i", {1, {1}}, {0},
     {1, {2}}, {4, 2}, NULL},
    {"GatherElements", "three of four", 13, elements, "d i", {1, {1}}, {0},
     {1, {3}}, {4, 1, 3}, NULL},
    {"NonZero", "two of four", 13, no_zeros, "d", {1, {1}}, {0},
     {2, {1, 2}}, {1, 3}, NULL},
    {"Unsqueeze", "attribute", 11, axis_attribute, "x", {1, {2}}, {1, 2},
     {2, {2, 1}}, {1, 2}, NULL},
    {"Unsqueeze", "input", 13, axis_input, "x a", {1, {2}}, {1, 2},
     {2, {2, 1}}, {1, 2}, NULL},
};
/* clang-format on */

static void make_model(const struct node_case *c, struct onnx_bytes *model)
{
    struct onnx_bytes graph = {.n = 0};
    struct onnx_bytes node = {.n = 0};

    ob_port(&graph, 11, "x", c->in.rank, c->in.dim);
    ob_port(&graph, 12, "y", c->out.rank, c->out.dim);
    ob_node(&node, c->op, c->inputs, c->outputs ? c->outputs : "y");
    c->more(&node, &graph);
    ob_put(&graph, 1, &node);
    ob_model(model, c->opset, &graph);
}

static void check_case(const struct node_case *c, const char *backend)
{
    struct onnx_bytes model = {.n = 0};
    struct assay_tensors in;
    struct assay_tensors out;
    struct assay_error err = {0, ""};
    assay_onnx *o = NULL;
    const double *y;

    make_model(c, &model);
    assay_tensors_init(&in);
    assay_tensors_init(&out);
    CHECK_OK(assay_onnx_parse(&o, model.data, model.n, NULL, &err), err);
    CHECK_OK(assay_tensors_add_f32(&in, "x", &c->in, c->x, &err), err);
    if (assay_onnx_run(&out, o, &in, backend, &err) != ASSAY_OK) {
        printf("%s, %s: %s\n", c->op, c->label, err.msg);
        FAIL("it does not run");
    }
    CHECK(assay_shape_equal(&out.item[0].shape, &c->out));
    y = out.item[0].data;
    for (size_t i = 0; i < assay_shape_count(&c->out, 1); i++) {
        if (fabs(y[i] - c->want[i]) <= 2e-6 * (1 + fabs(c->want[i])))
            continue;
        printf("%s, %s, number %zu: %.9g, should be %.9g\n", c->op, c->label, i,
               y[i], c->want[i]);
        FAIL("a value is wrong");
    }
    assay_tensors_release(&in);
    assay_tensors_release(&out);
    assay_onnx_free(o);
}

static void test_known_values(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_case(&cases[i], "reference");
        check_case(&cases[i], "onednn");
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_known_values),
};
CHECK_MAIN(tests)
