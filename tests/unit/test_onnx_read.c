/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that lie: each with the words that it must be refused with; cut at
 * every byte; and external data that points elsewhere.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assay/onnx.h"
#include "onnx_bytes.h"

static const int64_t rows[2] = {0, 3};
static const int64_t square[2] = {2, 3};
static const float six[6] = {1, 2, 3, 4, 5, 6};

/* y = x w^T of a w that is given. */
static void graph_around(struct onnx_bytes *graph, const struct onnx_bytes *w)
{
    struct onnx_bytes node = {.n = 0};

    ob_port(graph, 11, "x", 2, rows);
    ob_port(graph, 12, "y", 2, rows);
    if (w)
        ob_put(graph, 5, w);
    else
        ob_tensor(graph, "w", 2, square, six, 6);
    ob_node(&node, "Gemm", "x w", "y");
    ob_attr_int(&node, "transB", 1);
    ob_put(graph, 1, &node);
}

static void good_model(struct onnx_bytes *model)
{
    struct onnx_bytes graph = {.n = 0};

    graph_around(&graph, NULL);
    ob_model(model, 13, &graph);
}

/* Both steps: reading, and import as a graph for any batch. */
static int read_all(const void *data, size_t size, const char *folder,
                    struct assay_error *err)
{
    struct assay_onnx_options options = {1, NULL};
    struct assay_onnx_program p;
    assay_onnx *o = NULL;
    int code = assay_onnx_parse(&o, data, size, folder, err);

    if (code != ASSAY_OK)
        return code;
    code = assay_onnx_import(&p, o, &options, err);
    if (code == ASSAY_OK)
        assay_onnx_program_release(&p);
    assay_onnx_free(o);
    return code;
}

static void refused(const struct onnx_bytes *model, const char *words)
{
    struct assay_error err = {0, ""};
    int code = read_all(model->data, model->n, NULL, &err);

    CHECK(code != ASSAY_OK);
    CHECK_STR_HAS(err.msg, words);
}

static void test_a_model_runs(void)
{
    static const float x[6] = {1, 0, 0, 0, 1, 1};
    struct assay_shape s = {2, {2, 3}};
    struct onnx_bytes model = {.n = 0};
    struct assay_tensors in;
    struct assay_tensors out;
    struct assay_error err = {0, ""};
    assay_onnx *o = NULL;
    double *y;

    good_model(&model);
    CHECK_OK(assay_onnx_parse(&o, model.data, model.n, NULL, &err), err);
    CHECK_INT_EQ(assay_onnx_opset(o), 13);
    CHECK_STR_EQ(assay_onnx_input_name(o, 0), "x");
    CHECK_INT_EQ(assay_onnx_input_shape(o, 0)->dim[0], ASSAY_BATCH);
    assay_tensors_init(&in);
    assay_tensors_init(&out);
    CHECK_OK(assay_tensors_add_f32(&in, "x", &s, x, &err), err);
    CHECK_OK(assay_onnx_run(&out, o, &in, NULL, &err), err);
    y = out.item[0].data;
    CHECK_NEAR(y[0], 1, 1e-6);
    CHECK_NEAR(y[1], 4, 1e-6);
    CHECK_NEAR(y[2], 5, 1e-6);
    CHECK_NEAR(y[3], 11, 1e-6);
    assay_tensors_release(&in);
    assay_tensors_release(&out);
    assay_onnx_free(o);
}

/* Some cuts leave a smaller model; none may do harm. */
static void test_a_cut_at_any_byte_is_an_error_or_a_model(void)
{
    struct onnx_bytes model = {.n = 0};

    good_model(&model);
    for (size_t n = 0; n < model.n; n++) {
        struct assay_error err = {0, ""};
        void *exact = malloc(n + 1);

        CHECK(exact != NULL);
        memcpy(exact, model.data, n);
        if (read_all(exact, n, NULL, &err) != ASSAY_OK)
            CHECK(err.msg[0] != '\0');
        free(exact);
    }
}

/* Every bit of the file turned: an error or a model. */
static void test_a_changed_byte_is_an_error_or_a_model(void)
{
    struct onnx_bytes model = {.n = 0};

    good_model(&model);
    for (size_t i = 0; i < 8 * model.n; i++) {
        struct assay_error err = {0, ""};

        model.data[i / 8] ^= (unsigned char)(1 << i % 8);
        if (read_all(model.data, model.n, NULL, &err) != ASSAY_OK)
            CHECK(err.msg[0] != '\0');
        model.data[i / 8] ^= (unsigned char)(1 << i % 8);
    }
}

static void test_files_that_are_no_models(void)
{
    struct onnx_bytes b = {.n = 0};
    struct onnx_bytes graph = {.n = 0};

    refused(&b, "not an ONNX model");
    ob_text(&b, 3, "text");
    refused(&b, "not an ONNX model");
    b.n = 0;
    ob_raw(&b, "\x0b", 1);
    refused(&b, "of kind 3; 0, 1, 2 and 5 are known");
    b.n = 0;
    ob_raw(&b, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11);
    refused(&b, "byte 1: a number has over 64 bits");
    b.n = 0;
    ob_raw(&b, "\x3a\x7f", 2);
    refused(&b, "byte 0: field 7 of 127 bytes, 0 are left");
    b.n = 0;
    graph_around(&graph, NULL);
    ob_put(&b, 7, &graph);
    refused(&b, "names no operator set");
    b.n = 0;
    ob_model(&b, 99, &graph);
    refused(&b, "operator set 99; 6 to 21 are supported");
    b.n = 0;
    ob_model(&b, 13, &graph);
    ob_put(&b, 7, &graph);
    refused(&b, "the file has 2 graphs");
    b.n = 0;
    ob_model(&b, 13, &graph);
    ob_put(&b, 25, &graph);
    refused(&b, "functions of a model are not supported");
    b.n = 0;
    ob_put(&graph, 15, &graph);
    ob_model(&b, 13, &graph);
    refused(&b, "sparse initializers are not supported");
}

/* A weight of its own making. */
static void refused_weight(const struct onnx_bytes *w, const char *words)
{
    struct onnx_bytes graph = {.n = 0};
    struct onnx_bytes model = {.n = 0};

    graph_around(&graph, w);
    ob_model(&model, 13, &graph);
    refused(&model, words);
}

static void weight(struct onnx_bytes *w, int64_t a, int64_t b, int64_t type)
{
    w->n = 0;
    ob_int(w, 1, a);
    ob_int(w, 1, b);
    ob_int(w, 2, type);
    ob_text(w, 8, "w");
}

static void test_tensors_that_lie(void)
{
    struct onnx_bytes w = {.n = 0};

    weight(&w, 2, 3, 1);
    ob_bytes(&w, 9, six, 20);
    refused_weight(&w, "tensor 'w' has 20 bytes, its shape 24");
    weight(&w, 2, 3, 1);
    ob_bytes(&w, 4, six, 20);
    refused_weight(&w, "tensor 'w' has 5 numbers, its shape 6");
    weight(&w, 2, 3, 1);
    ob_bytes(&w, 4, six, 23);
    refused_weight(&w, "23 bytes are no whole numbers of 4");
    weight(&w, 2, 3, 8);
    refused_weight(&w, "tensor 'w' holds string (type 8)");
    weight(&w, 2, 3, 77);
    refused_weight(&w, "holds an unknown type (type 77)");
    weight(&w, -2, 3, 1);
    refused_weight(&w, "dimension 0 is -2, must be 0 to");
    weight(&w, INT32_MAX, INT32_MAX, 1);
    refused_weight(&w, "has over 2^40 numbers");
    weight(&w, 1 << 20, 1 << 10, 1);
    refused_weight(&w, "tensor 'w' has 0 numbers, its shape 1073741824");
    for (int i = 0; i < 5; i++)
        ob_int(&w, 1, 1);
    refused_weight(&w, "over 6 dimensions");
    weight(&w, 2, 3, 1);
    ob_text(&w, 8, "a\nb");
    refused_weight(&w, "a tensor's name holds a control character");
    weight(&w, 2, 3, 1);
    ob_bytes(&w, 9, "\0\0\xc0\x7f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    refused_weight(&w, "'w': number 0 is not finite");
    weight(&w, 2, 4, 1);
    ob_bytes(&w, 9,
             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
             "\0\0",
             32);
    refused_weight(&w, "linear: dimension 1 of the weight is 4");
}

/* A graph of one node; the words of its refusal. */
static void refused_node(const char *op, const char *inputs, int attribute,
                         const char *words)
{
    struct onnx_bytes graph = {.n = 0};
    struct onnx_bytes model = {.n = 0};
    struct onnx_bytes node = {.n = 0};

    ob_port(&graph, 11, "x", 2, rows);
    ob_port(&graph, 12, "y", 2, rows);
    ob_tensor(&graph, "w", 2, square, six, 6);
    ob_node(&node, op, inputs, "y");
    if (attribute == 1)
        ob_attr_text(&node, "axis", "one");
    if (attribute == 2)
        ob_attr_int(&node, "axis", 7);
    if (attribute == 3) {
        for (int i = 0; i < 65; i++)
            ob_attr_int(&node, "axis", 0);
    }
    if (attribute == 4)
        ob_text(&node, 7, "com.other");
    ob_put(&graph, 1, &node);
    ob_model(&model, 13, &graph);
    refused(&model, words);
}

static void test_nodes_that_cannot_be(void)
{
    refused_node("Teleport", "x", 0,
                 "node 0 '' (Teleport): the operator is not supported");
    refused_node("Relu", "x", 4,
                 "(Relu): the operator is not supported: domain com.other");
    refused_node("Relu", "z", 0, "input 'z' is made by no node before it");
    refused_node("Relu", "", 0, "(Relu): input 0 is missing");
    refused_node("Softmax", "x", 1, "attribute 'axis' has type 3, must have 2");
    refused_node("Softmax", "x", 2, "axis 7 of a value of rank 2");
    refused_node("Softmax", "x", 3, "a node has over 64 attributes");
    refused_node("", "x", 0, "a node has no operator");
    refused_node("Add", "x w", 0, "cannot be broadcast to one shape");
    refused_node("Flatten", "x", 2, "axis 7 of a value of rank 2");
    refused_node("Concat", "x", 2, "axis 7 of a value of rank 2");
    refused_node("ReduceSum", "x", 0, "records of the batch would be mixed");
    refused_node("Concat", "x x", 0, "records of the batch would be joined");
    refused_node("Reshape", "x x", 0, "the shape is computed from the input");
    refused_node("Gelu", "x", 0, "of set 13 is not supported (20 to 21 are)");
}

/* x reshaped to two dimensions, then one more node. */
static void refused_reshape(const int64_t *to, const char *op,
                            const char *inputs, const char *words)
{
    static const int64_t wide[2] = {0, 6};
    struct onnx_bytes graph = {.n = 0};
    struct onnx_bytes model = {.n = 0};

    ob_port(&graph, 11, "x", 2, wide);
    ob_port(&graph, 12, "y", 2, wide);
    ob_integers(&graph, "to", 2, to);
    ob_add_node(&graph, "Reshape", "x to", "r");
    ob_add_node(&graph, op, inputs, "y");
    ob_model(&model, 13, &graph);
    refused(&model, words);
}

static void test_numbers_stay_with_their_record(void)
{
    static const int64_t mixed[2] = {4, -1};
    static const int64_t windows[2] = {-1, 3};

    refused_reshape(mixed, "Relu", "r",
                    "would move between records of the batch");
    refused_reshape(windows, "Relu", "r",
                    "output 'y' has windows folded into its batch");
    refused_reshape(windows, "ArgMax", "r",
                    "input 0 has 2 windows per record folded into its batch");
    refused_reshape(windows, "MatMul", "x r", "matmul");
    refused_reshape(windows, "ReduceSum", "r",
                    "the records of the batch would be mixed");
}

/* A weight whose data lies at `location`. */
static int external(const char *location, const char *offset,
                    struct assay_error *err)
{
    struct onnx_bytes w = {.n = 0};
    struct onnx_bytes graph = {.n = 0};
    struct onnx_bytes model = {.n = 0};
    const char *pair[2][2] = {{"location", location}, {"offset", offset}};

    weight(&w, 2, 3, 1);
    ob_int(&w, 14, 1);
    for (int i = 0; i < 2; i++) {
        struct onnx_bytes entry = {.n = 0};

        ob_text(&entry, 1, pair[i][0]);
        ob_text(&entry, 2, pair[i][1]);
        ob_put(&w, 13, &entry);
    }
    graph_around(&graph, &w);
    ob_model(&model, 13, &graph);
    return read_all(model.data, model.n, check_temp_dir(), err);
}

static void refused_external(const char *location, const char *offset,
                             const char *words)
{
    struct assay_error err = {0, ""};

    CHECK(external(location, offset, &err) != ASSAY_OK);
    CHECK_STR_HAS(err.msg, words);
}

static void test_external_data_stays_in_the_folder(void)
{
    struct assay_error err = {0, ""};

    check_write_file(check_temp_path("w.bin"), six, sizeof six);
    CHECK(mkdir(check_temp_path("inner"), 0700) == 0);
    check_write_file(check_temp_path("inner/w.bin"), six, sizeof six);
    CHECK(symlink("w.bin", check_temp_path("link.bin")) == 0);
    CHECK(symlink("/", check_temp_path("root")) == 0);
    CHECK(mkfifo(check_temp_path("pipe"), 0600) == 0);
    CHECK_OK(external("w.bin", "0", &err), err);
    CHECK_OK(external("inner/w.bin", "0", &err), err);
    refused_external("/etc/passwd", "0", "the path is absolute");
    refused_external("../w.bin", "0", "leaves the model's folder");
    refused_external("inner/../../w.bin", "0", "leaves the model's folder");
    refused_external("./w.bin", "0", "leaves the model's folder");
    refused_external("inner//w.bin", "0", "has an empty part");
    refused_external("inner\\w.bin", "0", "holds a backslash");
    refused_external("", "0", "no location is given");
    refused_external("link.bin", "0", "is a symbolic link");
    refused_external("root/etc/passwd", "0", "external data 'root/etc");
    refused_external("none.bin", "0", "No such file");
    refused_external("inner", "0", "is no plain file");
    refused_external("inner/", "0", "is no plain file");
    refused_external("pipe", "0", "is no plain file");
    refused_external("w.bin", "4", "bytes 4 to 28 of 24");
    refused_external("w.bin", "-4", "the offset of external data is '-4'");
    refused_external("w.bin", "99999999999999999999", "no number");
}

static void test_in_memory_there_is_no_external_data(void)
{
    struct onnx_bytes w = {.n = 0};
    struct onnx_bytes entry = {.n = 0};

    weight(&w, 2, 3, 1);
    ob_int(&w, 14, 1);
    ob_text(&entry, 1, "location");
    ob_text(&entry, 2, "w.bin");
    ob_put(&w, 13, &entry);
    refused_weight(&w, "a model in memory has none");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_a_model_runs),
    CHECK_TEST(test_a_cut_at_any_byte_is_an_error_or_a_model),
    CHECK_TEST(test_a_changed_byte_is_an_error_or_a_model),
    CHECK_TEST(test_files_that_are_no_models),
    CHECK_TEST(test_tensors_that_lie),
    CHECK_TEST(test_nodes_that_cannot_be),
    CHECK_TEST(test_numbers_stay_with_their_record),
    CHECK_TEST(test_external_data_stays_in_the_folder),
    CHECK_TEST(test_in_memory_there_is_no_external_data),
};
CHECK_MAIN(tests)
