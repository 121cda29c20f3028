/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TENSOR_H
#define ASSAY_TENSOR_H

/*
 * Shapes, and named host tensors as files hold them.
 *
 * A shape has up to ASSAY_RANK_MAX dimensions, row-major, last fastest. In
 * a graph, dimension 0 may be ASSAY_BATCH (symbolic); on the host all are
 * known. `struct assay_tensors` is an ordered list of named tensors plus
 * text metadata: what a safetensors or NPZ file contains, a state dict, a
 * checkpoint, evidence. It owns names and data.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ASSAY_RANK_MAX = 6, ASSAY_BATCH = -1 };

struct assay_shape {
    int rank; /* 0 .. ASSAY_RANK_MAX; 0 is a scalar */
    int64_t dim[ASSAY_RANK_MAX];
};

/* X(name, bytes, safetensors name) */
#define ASSAY_DTYPES(X) \
    X(F32, 4, "F32")    \
    X(F64, 8, "F64")    \
    X(F16, 2, "F16")    \
    X(BF16, 2, "BF16")  \
    X(I64, 8, "I64")    \
    X(I32, 4, "I32")    \
    X(I16, 2, "I16")    \
    X(I8, 1, "I8")      \
    X(U64, 8, "U64")    \
    X(U32, 4, "U32")    \
    X(U16, 2, "U16")    \
    X(U8, 1, "U8")      \
    X(BOOL, 1, "BOOL")

enum assay_dtype {
#define ASSAY_X(name, bytes, text) ASSAY_DTYPE_##name,
    ASSAY_DTYPES(ASSAY_X)
#undef ASSAY_X
        ASSAY_DTYPE_COUNT
};

size_t assay_dtype_size(enum assay_dtype dtype);
const char *assay_dtype_name(enum assay_dtype dtype);

/* Shorthand: assay_shape_make(4, n, c, h, w); each dimension an int64_t. */
struct assay_shape assay_shape_make(int rank, ...);
/* Product of the dimensions; a symbolic batch counts as `batch`. */
size_t assay_shape_count(const struct assay_shape *shape, int64_t batch);
int assay_shape_equal(const struct assay_shape *a, const struct assay_shape *b);
/* "[N, 3, 32, 32]" into buf; returns buf. 80 bytes always suffice. */
char *assay_shape_text(const struct assay_shape *shape, char *buf, size_t size);

struct assay_tensor {
    char *name;
    enum assay_dtype dtype;
    struct assay_shape shape;
    void *data; /* count * size bytes, little-endian, 64-byte aligned; in a
                   file that is mapped, aligned to the size */
};

/* The checksum (CRC-32) that a file states of some of its mapped bytes. */
struct assay_tensor_sum {
    const unsigned char *at;
    size_t size;
    uint32_t crc;
    int passed;       /* they have it */
    const char *name; /* what the file calls them; mapped too, no NUL */
    size_t n_name;
};

struct assay_tensors {
    struct assay_tensor *item;
    size_t n_items;
    size_t cap_items;
    char **meta; /* key, value, key, value ... */
    size_t n_meta;
    void *map; /* a file's bytes that tensors may lie in; owned, or NULL */
    size_t map_bytes;
    struct assay_tensor_sum *sum; /* see assay_tensors_check() */
    size_t n_sums;
    size_t cap_sums;
};

void assay_tensors_init(struct assay_tensors *list);
void assay_tensors_release(struct assay_tensors *list);

/*
 * Append a tensor with zeroed data; `*out` (may be NULL) points into the
 * list until the next append. A name that is already there is ASSAY_ARG.
 */
int assay_tensors_add(struct assay_tensors *list, const char *name,
                      enum assay_dtype dtype, const struct assay_shape *shape,
                      struct assay_tensor **out,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* The same with the data that lie at `bytes` in the list's mapped file, where
 * they stay when they are aligned; else, and from anywhere else, a copy. */
int assay_tensors_add_bytes(struct assay_tensors *list, const char *name,
                            enum assay_dtype dtype,
                            const struct assay_shape *shape, const void *bytes,
                            struct assay_error *err) ASSAY_MUST_CHECK;
/* The same for f32 data that is copied in. */
int assay_tensors_add_f32(struct assay_tensors *list, const char *name,
                          const struct assay_shape *shape, const float *data,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* Borrowed, or NULL when no tensor has that name. */
struct assay_tensor *assay_tensors_find(const struct assay_tensors *list,
                                        const char *name);
/*
 * Element `i` of any dtype as a double; i64 above 2^53 loses low bits.
 * `i` must be below the tensor's count.
 */
double assay_tensor_value(const struct assay_tensor *t, size_t i);

/* Keep a copy under the key; `value` NULL takes out what is there. */
int assay_tensors_set_meta(struct assay_tensors *list, const char *key,
                           const char *value,
                           struct assay_error *err) ASSAY_MUST_CHECK;
const char *assay_tensors_meta(const struct assay_tensors *list,
                               const char *key);

#ifdef __cplusplus
}
#endif
#endif
