/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ONNX_FILE_H
#define ASSAY_ONNX_FILE_H

/*
 * A file in memory: its nodes, tensors and ports, checked. Names and data
 * are places in the file's bytes, which live as long. All else is in blocks
 * that the file owns.
 *
 * Messages (onnx.proto; number: meaning), what is not listed is skipped:
 *   Model      1 IR version, 7 graph, 8 operator sets, 25 functions
 *   Graph      1 nodes, 5 initializers, 11 inputs, 12 outputs, 15 sparse ones
 *   Node       1 inputs, 2 outputs, 3 name, 4 operator, 5 attributes, 7 domain
 *   Attribute  1 name, 2 f, 3 i, 4 s, 5 t, 6 g, 7 floats, 8 ints, 9 strings,
 *              10 tensors, 11 graphs, 20 type, 21 reference
 *   Tensor     1 dims, 2 type, 4 f32, 5 i32, 6 strings, 7 i64, 8 name, 9 raw,
 *              10 f64, 11 u64, 13 external data, 14 where the data is
 *   ValueInfo  1 name, 2 type; Type 1 tensor (1 type, 2 shape of 1 dims)
 */

#include "assay/onnx.h"
#include "formats/wire.h"

/* Limits on what a file may hold. */
enum {
    ASSAY__ONNX_NODES = 1 << 16,
    ASSAY__ONNX_TENSORS = 1 << 16,
    ASSAY__ONNX_NODE_PORTS = 256, /* inputs, or outputs, of one node */
    ASSAY__ONNX_ATTRIBUTES = 64,
    ASSAY__ONNX_LIST = 1 << 20, /* numbers of an attribute's list */
    ASSAY__ONNX_NAME = 1024,
    ASSAY__ONNX_RANK = ASSAY_RANK_MAX
};

/* Element types of the standard. */
enum {
    ASSAY__ONNX_F32 = 1,
    ASSAY__ONNX_U8,
    ASSAY__ONNX_I8,
    ASSAY__ONNX_U16,
    ASSAY__ONNX_I16,
    ASSAY__ONNX_I32,
    ASSAY__ONNX_I64,
    ASSAY__ONNX_STRING,
    ASSAY__ONNX_BOOL,
    ASSAY__ONNX_F16,
    ASSAY__ONNX_F64,
    ASSAY__ONNX_U32,
    ASSAY__ONNX_U64,
    ASSAY__ONNX_C64,
    ASSAY__ONNX_C128,
    ASSAY__ONNX_BF16
};

struct assay__onnx_tensor {
    struct assay__span name;
    int type;
    struct assay_shape shape; /* dimensions may be 0 */
    size_t count;
    /* Its numbers: raw little-endian bytes, or a field of the message. */
    const unsigned char *raw;
    struct assay__wire message;
    uint32_t field;
};

struct assay__onnx_attribute {
    struct assay__span name;
    int type; /* 1 f, 2 i, 3 s, 4 t, 5 g, 6 floats, 7 ints, 8 strings ... */
    double f;
    int64_t i;
    struct assay__span s;
    const struct assay__onnx_tensor *t;
    int64_t *ints; /* of type 7 */
    double *reals; /* of type 6 */
    size_t n;
};

struct assay__onnx_node {
    struct assay__span name;
    struct assay__span op;
    struct assay__span domain;
    struct assay__span *in; /* an absent one has size 0 */
    int n_in;
    struct assay__span *out;
    int n_out;
    struct assay__onnx_attribute *attribute;
    int n_attributes;
    size_t at; /* byte, for messages */
};

struct assay__onnx_port {
    char *name;
    int type; /* 0: not told */
    struct assay_shape shape;
    bool shaped;
};

struct assay_onnx {
    unsigned char *data;
    size_t size;
    char *folder; /* NULL: no external data */
    char sha256[65];
    int opset;
    struct assay__onnx_node *node;
    int n_nodes;
    struct assay__onnx_tensor *tensor; /* initializers */
    int n_tensors;
    struct assay__onnx_port *input;
    int n_inputs;
    struct assay__onnx_port *output;
    int n_outputs;
    void *blocks; /* of assay__onnx_keep */
    size_t external_bytes;
    struct assay__onnx_source *source; /* external files, read once */
};

/* Zeroed memory that lives as long as the file; NULL: out of memory. */
void *assay__onnx_keep(assay_onnx *o, size_t n, size_t size);

/* tensor.c: read the message into *t; external data is fetched. */
int assay__onnx_read_tensor(assay_onnx *o, const struct assay__wire *message,
                            struct assay__onnx_tensor *t,
                            struct assay_error *err) ASSAY_MUST_CHECK;
/* All its numbers as double, into dst[count]. */
int assay__onnx_tensor_values(const struct assay__onnx_tensor *t, double *dst,
                              struct assay_error *err) ASSAY_MUST_CHECK;
const char *assay__onnx_type_name(int type);
/* Bytes of an element; 0: a type that has no numbers here. */
size_t assay__onnx_type_size(int type);

/* external.c: `length` bytes at `offset` of the file called `location` in
 * the model's folder, kept. */
int assay__onnx_external(assay_onnx *o, struct assay__span location,
                         uint64_t offset, uint64_t length,
                         const unsigned char **bytes,
                         struct assay_error *err) ASSAY_MUST_CHECK;
void assay__onnx_external_release(assay_onnx *o);
/* node.c: a node of the graph. */
int assay__onnx_read_node(assay_onnx *o, const struct assay__wire *message,
                          struct assay__onnx_node *node,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#endif
