/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_ONNX_BYTES_H
#define ASSAY_TESTS_ONNX_BYTES_H

/*
 * ONNX files written field by field, so that a test can tell any lie. A
 * message is bytes; putting one into another is a field. Texts of messages
 * are at most a few kilobytes.
 */

#include <stdint.h>
#include <string.h>

#include "check.h"

enum { ONNX_BYTES_MAX = 1 << 14 };

struct onnx_bytes {
    unsigned char data[ONNX_BYTES_MAX];
    size_t n;
};

static inline void ob_raw(struct onnx_bytes *b, const void *data, size_t n)
{
    CHECK(n <= ONNX_BYTES_MAX - b->n);
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static inline void ob_number(struct onnx_bytes *b, uint64_t x)
{
    unsigned char byte;

    do {
        byte = (unsigned char)((x & 0x7f) | (x > 0x7f ? 0x80 : 0));
        ob_raw(b, &byte, 1);
        x >>= 7;
    } while (x != 0);
}

static inline void ob_int(struct onnx_bytes *b, unsigned field, int64_t x)
{
    ob_number(b, field << 3);
    ob_number(b, (uint64_t)x);
}

static inline void ob_bytes(struct onnx_bytes *b, unsigned field,
                            const void *data, size_t n)
{
    ob_number(b, field << 3 | 2);
    ob_number(b, n);
    ob_raw(b, data, n);
}

static inline void ob_text(struct onnx_bytes *b, unsigned field,
                           const char *text)
{
    ob_bytes(b, field, text, strlen(text));
}

static inline void ob_put(struct onnx_bytes *b, unsigned field,
                          const struct onnx_bytes *inner)
{
    ob_bytes(b, field, inner->data, inner->n);
}

static inline void ob_float(struct onnx_bytes *b, unsigned field, float x)
{
    ob_number(b, field << 3 | 5);
    ob_raw(b, &x, sizeof x);
}

/* --- tensors, ports, nodes ----------------------------------------------- */

static inline void ob_dims(struct onnx_bytes *t, int rank, const int64_t *dim)
{
    for (int i = 0; i < rank; i++)
        ob_int(t, 1, dim[i]);
}

/* Initializer `name` of f32, raw. */
static inline void ob_tensor(struct onnx_bytes *graph, const char *name,
                             int rank, const int64_t *dim, const float *x,
                             size_t n)
{
    struct onnx_bytes t = {.n = 0};

    ob_dims(&t, rank, dim);
    ob_int(&t, 2, 1);
    ob_text(&t, 8, name);
    ob_bytes(&t, 9, x, n * sizeof *x);
    ob_put(graph, 5, &t);
}

/* Initializer of i64, typed. */
static inline void ob_integers(struct onnx_bytes *graph, const char *name,
                               int64_t n, const int64_t *x)
{
    struct onnx_bytes t = {.n = 0};

    ob_int(&t, 1, n);
    ob_int(&t, 2, 7);
    ob_text(&t, 8, name);
    for (int64_t i = 0; i < n; i++)
        ob_int(&t, 7, x[i]);
    ob_put(graph, 5, &t);
}

/* Input (field 11) or output (12) of f32; a dimension of 0 is free. */
static inline void ob_port(struct onnx_bytes *graph, unsigned field,
                           const char *name, int rank, const int64_t *dim)
{
    struct onnx_bytes shape = {.n = 0};
    struct onnx_bytes tensor = {.n = 0};
    struct onnx_bytes type = {.n = 0};
    struct onnx_bytes port = {.n = 0};

    for (int i = 0; i < rank; i++) {
        struct onnx_bytes d = {.n = 0};

        if (dim[i] > 0)
            ob_int(&d, 1, dim[i]);
        else
            ob_text(&d, 2, "N");
        ob_put(&shape, 1, &d);
    }
    ob_int(&tensor, 1, 1);
    ob_put(&tensor, 2, &shape);
    ob_put(&type, 1, &tensor);
    ob_text(&port, 1, name);
    ob_put(&port, 2, &type);
    ob_put(graph, field, &port);
}

static inline void ob_attr_int(struct onnx_bytes *node, const char *name,
                               int64_t x)
{
    struct onnx_bytes a = {.n = 0};

    ob_text(&a, 1, name);
    ob_int(&a, 3, x);
    ob_int(&a, 20, 2);
    ob_put(node, 5, &a);
}

static inline void ob_attr_ints(struct onnx_bytes *node, const char *name,
                                int n, const int64_t *x)
{
    struct onnx_bytes a = {.n = 0};

    ob_text(&a, 1, name);
    for (int i = 0; i < n; i++)
        ob_int(&a, 8, x[i]);
    ob_int(&a, 20, 7);
    ob_put(node, 5, &a);
}

static inline void ob_attr_text(struct onnx_bytes *node, const char *name,
                                const char *text)
{
    struct onnx_bytes a = {.n = 0};

    ob_text(&a, 1, name);
    ob_text(&a, 4, text);
    ob_int(&a, 20, 3);
    ob_put(node, 5, &a);
}

/* A node of inputs "a b c" to outputs "y z", with attributes to follow. */
static inline void ob_node(struct onnx_bytes *node, const char *op,
                           const char *inputs, const char *outputs)
{
    const char *lists[2];

    lists[0] = inputs;
    lists[1] = outputs;
    for (unsigned k = 0; k < 2; k++) {
        const char *at = lists[k];

        while (*at != '\0') {
            size_t n = strcspn(at, " ");

            /* "-" is an input that is absent. */
            ob_bytes(node, 1 + k, at, n == 1 && *at == '-' ? 0 : n);
            at += n + (at[n] == ' ');
        }
    }
    ob_text(node, 4, op);
}

static inline void ob_add_node(struct onnx_bytes *graph, const char *op,
                               const char *inputs, const char *outputs)
{
    struct onnx_bytes node = {.n = 0};

    ob_node(&node, op, inputs, outputs);
    ob_put(graph, 1, &node);
}

/* The file: version, operator set, graph. */
static inline void ob_model(struct onnx_bytes *model, int64_t opset,
                            const struct onnx_bytes *graph)
{
    struct onnx_bytes set = {.n = 0};

    ob_int(model, 1, 8);
    ob_put(model, 7, graph);
    ob_int(&set, 2, opset);
    ob_put(model, 8, &set);
}

#endif
