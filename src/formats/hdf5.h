/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_FORMATS_HDF5_H
#define ASSAY_FORMATS_HDF5_H

/*
 * HDF5 files in memory: the part of the format that Keras and h5py write.
 *
 *   superblock (versions 0 to 3) -> header of the root group
 *   object header (versions 1 and 2): a row of messages
 *     symbol table -> B-tree -> nodes of names and headers; or link messages
 *     dataspace, datatype, layout, filters: a dataset
 *     attributes, whose long texts lie in global heaps
 *
 * Addresses count from byte 0 of the file: a user block is refused, as are
 * offsets of other than 8 bytes, shared messages, soft and external links,
 * dense storage (fractal heaps), external files, virtual datasets and all
 * but numbers and texts. Checksums of newer headers are not verified: what
 * a header says is held against the file in any case.
 *
 * The tree is walked once, when it is opened. Each header, tree node and heap
 * is visited once, or the file is refused, so that nothing goes in circles;
 * and what is visited may not be longer in all than the file, nor may what
 * datasets store. Nothing is copied but names.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"
#include "assay/tensor.h"
#include "formats/wire.h"

enum {
    ASSAY__HDF5_NODES_MAX = 1 << 16,
    ASSAY__HDF5_DEPTH_MAX = 32,
    ASSAY__HDF5_TREE_MAX = 8, /* levels of a B-tree */
    ASSAY__HDF5_FILTERS_MAX = 4
};

/* Types of messages. */
enum {
    ASSAY__HDF5_DATASPACE = 1,
    ASSAY__HDF5_LINK_INFO = 2,
    ASSAY__HDF5_DATATYPE = 3,
    ASSAY__HDF5_LINK = 6,
    ASSAY__HDF5_EXTERNAL = 7,
    ASSAY__HDF5_LAYOUT = 8,
    ASSAY__HDF5_FILTERS = 11,
    ASSAY__HDF5_ATTRIBUTE = 12,
    ASSAY__HDF5_CONTINUED = 16,
    ASSAY__HDF5_SYMBOLS = 17,
    ASSAY__HDF5_ATTRIBUTE_INFO = 21
};

struct assay__hdf5_message {
    unsigned type;
    unsigned flags;
    size_t at; /* its body */
    size_t size;
};

/* A group or a dataset. */
struct assay__hdf5_node {
    char *name; /* of its link; "" of the root, which is node 0 */
    int parent; /* -1 of the root */
    int depth;
    size_t header_at;
    size_t first; /* of its messages */
    size_t n_messages;
};

struct assay__hdf5 {
    const unsigned char *data;
    size_t size;
    struct assay__hdf5_node *node;
    int n_nodes, cap_nodes;
    int *order; /* nodes by parent and name */
    struct assay__hdf5_message *message;
    size_t n_messages, cap_messages;
    size_t *seen; /* places that were visited, a hash set; 0 is none */
    size_t n_seen, cap_seen;
    size_t walked; /* bytes of headers and trees so far */
    size_t stored; /* bytes of datasets that were read so far */
    size_t steps;  /* objects of global heaps that were passed so far */
};

/* --- hdf5.c --------------------------------------------------------------- */

bool assay__hdf5_probe(const unsigned char *data, size_t size);
/* `data` is borrowed until the close. Errors: _FORMAT, _LIMIT, _UNSUPPORTED,
 * _NOMEM. Close it after a failure too. */
int assay__hdf5_open(struct assay__hdf5 *h, const unsigned char *data,
                     size_t size, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__hdf5_close(struct assay__hdf5 *h);
/* The node at a path of names and slashes below `from`, or -1. */
int assay__hdf5_find(const struct assay__hdf5 *h, int from,
                     struct assay__span path);
int assay__hdf5_find_text(const struct assay__hdf5 *h, int from,
                          const char *path);
bool assay__hdf5_is_dataset(const struct assay__hdf5 *h, int node);
/* "a/b/c" in `out`, cut to `size`. */
char *assay__hdf5_path(const struct assay__hdf5 *h, int node, char *out,
                       size_t size);
const struct assay__hdf5_message *assay__hdf5_message_of(
    const struct assay__hdf5 *h, int node, unsigned type);

/* Visit bytes at..at+size of the structure for the first and only time. */
int assay__hdf5_visit(struct assay__hdf5 *h, size_t at, size_t size,
                      const char *what,
                      struct assay_error *err) ASSAY_MUST_CHECK;
int assay__hdf5_add_node(struct assay__hdf5 *h, int parent,
                         struct assay__span name, size_t name_at,
                         uint64_t header_at,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* Numbers from the bytes at..end; `bad` once there were too few. */
struct assay__hdf5_cursor {
    const unsigned char *data;
    size_t at;
    size_t end;
    bool bad;
};

struct assay__hdf5_cursor assay__hdf5_at(const struct assay__hdf5 *h,
                                         uint64_t at, size_t size);
uint64_t assay__hdf5_take(struct assay__hdf5_cursor *c, size_t width);
void assay__hdf5_skip(struct assay__hdf5_cursor *c, size_t size);
/* FORMAT, with the place and "WHAT ends too early", if it is bad. */
int assay__hdf5_check(const struct assay__hdf5_cursor *c, const char *what,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* --- hdf5_header.c: messages of an object --------------------------------- */

int assay__hdf5_header(struct assay__hdf5 *h, int node,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* --- hdf5_group.c: links of a group, as further nodes --------------------- */

int assay__hdf5_group(struct assay__hdf5 *h, int node,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* For each child of a B-tree's leaves `leaf` is called, with where its key
 * is. `kind` 0: groups, 1: chunks; a key has `key_size` bytes. */
struct assay__hdf5_tree {
    unsigned kind;
    size_t key_size;
    int (*leaf)(struct assay__hdf5 *h, void *user, size_t key_at,
                uint64_t child, struct assay_error *err);
    void *user;
};
int assay__hdf5_walk(struct assay__hdf5 *h, const struct assay__hdf5_tree *tree,
                     uint64_t root, struct assay_error *err) ASSAY_MUST_CHECK;

/* --- hdf5_type.c: dataspaces and datatypes -------------------------------- */

enum assay__hdf5_class {
    ASSAY__HDF5_NUMBER,    /* of `dtype` */
    ASSAY__HDF5_TEXT,      /* `size` bytes */
    ASSAY__HDF5_LONG_TEXT, /* 16 bytes that say where in a global heap */
    ASSAY__HDF5_OTHER      /* named by `what` */
};

struct assay__hdf5_type {
    enum assay__hdf5_class class;
    enum assay_dtype dtype;
    size_t size;      /* bytes of an element */
    const char *what; /* "big-endian number", "compound" ... */
};

/* Reads at the cursor; a scalar has rank 0, a null dataspace one dimension
 * of 0. */
int assay__hdf5_dataspace(struct assay__hdf5_cursor *c,
                          struct assay_shape *shape,
                          struct assay_error *err) ASSAY_MUST_CHECK;
int assay__hdf5_datatype(struct assay__hdf5_cursor *c,
                         struct assay__hdf5_type *type,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* --- hdf5_attribute.c ----------------------------------------------------- */

/*
 * An attribute of texts: a scalar is one, an empty array none. *n is -1 and
 * *out NULL where there is no such attribute; else *out (assay__free) are
 * places in the file, without what fills them up.
 */
int assay__hdf5_texts(struct assay__hdf5 *h, int node, const char *name,
                      struct assay__span **out, int *n,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* Call `see` for each text of each attribute of texts of a node, until it
 * returns a code. Attributes of other types are passed over. */
typedef int assay__hdf5_see(void *user, struct assay__span name,
                            struct assay__span text, struct assay_error *err);
int assay__hdf5_each_text(struct assay__hdf5 *h, int node, assay__hdf5_see *see,
                          void *user, struct assay_error *err) ASSAY_MUST_CHECK;
/* One text; *out is empty with text NULL where there is none. */
int assay__hdf5_text(struct assay__hdf5 *h, int node, const char *name,
                     struct assay__span *out,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/* --- hdf5_data.c ---------------------------------------------------------- */

/* A dataset of numbers, appended to the list under a name. */
int assay__hdf5_read(struct assay__hdf5 *h, int node, const char *name,
                     struct assay_tensors *list,
                     struct assay_error *err) ASSAY_MUST_CHECK;

#endif
