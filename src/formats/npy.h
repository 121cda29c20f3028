/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_NPY_H
#define ASSAY_FORMATS_NPY_H

/*
 * The header of a NumPy array file, for npy.c (one array) and npz.c (a zip
 * of them). Order of calls when reading: assay__npy_prefix() on the first
 * bytes tells how long the header is, assay__npy_header() parses it, the
 * data is copied into a tensor of that shape, assay__npy_settle() turns it
 * into Assay's order of bytes and elements.
 */

#include <stdbool.h>
#include <stddef.h>

#include "assay/tensor.h"
#include "core/buf.h"

enum {
    ASSAY__NPY_PREFIX = 12, /* what assay__npy_prefix() wants to see */
    ASSAY__NPY_HEADER_MAX = 1 << 16
};

struct assay__npy {
    enum assay_dtype dtype;
    struct assay_shape shape;
    bool swap;           /* big-endian elements */
    bool fortran;        /* first dimension fastest */
    size_t header_bytes; /* offset of the data */
    size_t data_bytes;   /* what dtype and shape ask for */
};

int assay__npy_prefix(const unsigned char *data, size_t size,
                      size_t *header_bytes,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* `data` holds at least the header_bytes that the prefix announced. */
int assay__npy_header(struct assay__npy *out, const unsigned char *data,
                      size_t header_bytes,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* t->data holds the file's bytes; afterwards little-endian and row-major. */
int assay__npy_settle(struct assay_tensor *t, const struct assay__npy *npy,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* Append the header (version 1.0, padded to 64 bytes) of t to b. */
int assay__npy_describe(struct assay__buf *b, const struct assay_tensor *t,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#endif
