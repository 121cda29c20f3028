/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_ONEDNN_LOWER_H
#define ASSAY_ENGINE_ONEDNN_LOWER_H

/*
 * Lowering: how a graph becomes oneDNN primitives and kernels of our own.
 *
 * The walk visits the live nodes in order and calls each op's function of
 * lower.def; an op without one is run by its reference kernel (fallback.c).
 * A value may exist in several memory layouts at once, its forms; whoever
 * needs another layout asks assay__dnn_want(), which appends a reorder the
 * first time and shares it afterwards. A form may have other dimensions
 * than its value (a flattened image, a weight split into groups), as long
 * as it holds the same numbers in the same row-major order.
 *
 * Errors stick: after the first failure every call here does nothing, ids
 * come back as -1 and descriptors as NULL, and the walk ends.
 */

#include <stdbool.h>

#include "engine/backend.h"
#include "engine/onednn/compat.h"

/* A value in one memory layout. */
struct assay__form {
    const_dnnl_memory_desc_t md; /* interned: equal layouts, equal pointers */
    int buffer;
};

struct assay__forms {
    struct assay__form *item;
    int n, cap;
    /* What a private output holds, for the gradient op: owned by the
     * lowering, NULL when the reference kernel made it. */
    void *secret;
};

/* What is to be done when the plan is closed. */
struct assay__closing {
    void (*release)(void *what);
    void *what;
};

/* What plan->self points to. */
struct assay__dnn {
    assay_plan *plan;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct assay__forms *value; /* per value */
    bool *done;                 /* per node: lowered */
    bool *waiting; /* per node: lowered when its output is first asked for,
                      unless a reader computes it in passing */
    int *reader;   /* per value: the only node that reads it, or -1 */
    int *left;     /* per value: reads that are not lowered yet */
    int *gradient; /* per value: slot of the gradient it is, or -1 */
    bool frozen;   /* no optimizer runs on this plan: what is derived from
                      parameters alone is computed when they change */
    int lanes;     /* channels per block of the preferred layout */
    bool half;     /* weighted layers compute in bf16 */
    bool untimed;  /* take the first way, whatever the options say */
    dnnl_memory_desc_t *md; /* the interned ones */
    int n_md, cap_md;
    bool *pinned;   /* per buffer: never overwritten in place */
    bool *constant; /* per buffer: derived from parameters alone */
    int cap_pinned, cap_constant;
    void **kept; /* blocks of assay__dnn_keep */
    int n_kept, cap_kept;
    struct assay__closing *closing;
    int n_closing, cap_closing;
    void *scratch;
    size_t scratch_bytes;
    bool scratch_borrowed; /* the scratch is that of options.share */
    int asked; /* the node being lowered because it was asked for, or -1 */
    int code;
    struct assay_error *err;
};

/* An argument of a primitive. */
struct assay__arg {
    int arg; /* DNNL_ARG_... */
    const_dnnl_memory_desc_t md;
    int buffer;
};

enum {
    ASSAY__TASK_ARGS = 13,
    ASSAY__TASK_NUMBERS = 16,
    ASSAY__TASK_REALS = 4,
    ASSAY__PRIMITIVE_ARGS = 8
};

/*
 * A run of one of our own kernels: what `p`, `n` and `f` mean is said where
 * the kernel is. Buffers that are absent are -1 and their pointer NULL.
 */
struct assay__task {
    void (*run)(const struct assay__task *t);
    const char *name;
    int buffer[ASSAY__TASK_ARGS];
    void *p[ASSAY__TASK_ARGS];
    int64_t n[ASSAY__TASK_NUMBERS];
    float f[ASSAY__TASK_REALS];
    const void *table; /* from assay__dnn_keep */
    int threads;
    const assay_plan *plan;
    int node;
};

/*
 * A layout as our kernels see it: records, blocks of `lanes` channels, and
 * places in the map; strides in elements. Channels beyond the last block's
 * end (padding) are zero and must stay so.
 */
struct assay__view {
    int64_t n, blocks, h, w;
    int64_t channels; /* without padding */
    int64_t stride_n, stride_b, stride_s;
    int lanes;
};

/* --- lower.c: errors, layouts, buffers ------------------------------- */

/* Fail with a message; the first one stays. */
void assay__dnn_fail(struct assay__dnn *d, int code, const char *fmt, ...)
    ASSAY_PRINTF(3, 4);
/* True when `status` is success; fails otherwise. */
bool assay__dnn_ok(struct assay__dnn *d, dnnl_status_t status,
                   const char *what);
/* Zeroed memory that lives as long as the plan. */
void *assay__dnn_keep(struct assay__dnn *d, size_t size);

/* Call release(what) when the plan is closed; at once after a failure. */
void assay__dnn_on_close(struct assay__dnn *d, void (*release)(void *what),
                         void *what);

/* The kept descriptor that equals md, as the library compares: it may have
 * other strides in dimensions of one. */
const_dnnl_memory_desc_t assay__dnn_intern(struct assay__dnn *d,
                                           const_dnnl_memory_desc_t md);
/* By dimensions and tag, exactly (dnnl_format_tag_any: not interned forms, only
 * to ask with). */
const_dnnl_memory_desc_t assay__dnn_md(struct assay__dnn *d, int rank,
                                       const dnnl_dims_t dims,
                                       dnnl_format_tag_t tag);
/* To ask a weighted layer's primitive with: any layout, in the type that
 * the plan computes in. */
const_dnnl_memory_desc_t assay__dnn_any(struct assay__dnn *d, int rank,
                                        const dnnl_dims_t dims);
/* Row-major. */
const_dnnl_memory_desc_t assay__dnn_plain(struct assay__dnn *d, int rank,
                                          const dnnl_dims_t dims);
const_dnnl_memory_desc_t assay__dnn_plain_of(struct assay__dnn *d,
                                             assay_value v);
/* Channels in blocks of d->lanes; [N, C] is taken as [N, C, 1, 1]. */
const_dnnl_memory_desc_t assay__dnn_blocked_of(struct assay__dnn *d,
                                               assay_value v);
/* Dimensions of a value, the batch filled in; rank 0 becomes {1}. Returns
 * the rank. */
int assay__dnn_dims(const struct assay__dnn *d, assay_value v,
                    dnnl_dims_t dims);
/* Elements of a value. */
int64_t assay__dnn_count(const struct assay__dnn *d, assay_value v);
/* Whether two layouts put the same numbers at the same places. */
bool assay__dnn_same_memory(const_dnnl_memory_desc_t a,
                            const_dnnl_memory_desc_t b);
/* False when our kernels cannot walk it so. */
bool assay__dnn_view(const_dnnl_memory_desc_t md, struct assay__view *view);
/* Whether the layout holds padding. */
bool assay__dnn_padded(const_dnnl_memory_desc_t md);

int assay__dnn_buffer(struct assay__dnn *d, size_t bytes);
/* The same for what is derived from parameters alone: in a frozen plan it is
 * kept, and made again only when these have changed. */
int assay__dnn_derived(struct assay__dnn *d, size_t bytes);
/* The value's first form; NULL md when it has none. */
struct assay__form assay__dnn_form(struct assay__dnn *d, assay_value v);
/* The buffer that holds `v` as `md`; reorders when need be. */
int assay__dnn_want(struct assay__dnn *d, assay_value v,
                    const_dnnl_memory_desc_t md);
/* A form that our kernels can walk: the first one, if it serves, or the
 * blocked one. */
struct assay__form assay__dnn_want_view(struct assay__dnn *d, assay_value v,
                                        struct assay__view *view);
/* A place for a value that is made now, as `md`. */
int assay__dnn_result(struct assay__dnn *d, assay_value v,
                      const_dnnl_memory_desc_t md);
/* The same, over the buffer that holds `from`, when the read of `from` by
 * the node being lowered is the last. */
int assay__dnn_result_over(struct assay__dnn *d, assay_value v,
                           const_dnnl_memory_desc_t md, assay_value from,
                           int from_buffer);
/* Lay `buffer` over that of `from`, under the same condition. */
void assay__dnn_over(struct assay__dnn *d, int buffer, assay_value from,
                     int from_buffer);
/* Say that `v` exists as `md` in `buffer`. */
void assay__dnn_add_form(struct assay__dnn *d, assay_value v,
                         const_dnnl_memory_desc_t md, int buffer);
/* `to` is `from`, and takes all its forms. */
void assay__dnn_pass_on(struct assay__dnn *d, assay_value from, assay_value to);
/* Layout of the slot of the parameter whose gradient `v` is; NULL when `v`
 * is none. */
const_dnnl_memory_desc_t assay__dnn_gradient_md(struct assay__dnn *d,
                                                assay_value v);
const_dnnl_memory_desc_t assay__dnn_slot_md(struct assay__dnn *d, int slot);

/* The node has been lowered; also said of each node fused into another. */
void assay__dnn_done(struct assay__dnn *d, int node);
/* Whether the node's output may wait for a reader that computes it in
 * passing. False once it is asked for as it is. */
bool assay__dnn_may_wait(const struct assay__dnn *d, int node);
/* The waiting node that makes `v`, or -1. */
int assay__dnn_waiting(const struct assay__dnn *d, assay_value v);
/* The node's op; NULL for -1. */
const struct assay_op *assay__dnn_op(const struct assay__dnn *d, int node);
/* Append the steps of a node (backend.c). */
void assay__dnn_lower_node(struct assay__dnn *d, int node);
/* Threads worth starting for a loop over so many numbers. */
int assay__dnn_threads(const struct assay__dnn *d, int64_t count);

/* --- step.c: steps ---------------------------------------------------- */

/* The argument `arg` of pd, laid out as pd's `query` says: a value that is
 * read (reordered when need be), or one that is made. */
struct assay__arg assay__dnn_reads(struct assay__dnn *d,
                                   const_dnnl_primitive_desc_t pd, int arg,
                                   dnnl_query_t query, assay_value v);
struct assay__arg assay__dnn_makes(struct assay__dnn *d,
                                   const_dnnl_primitive_desc_t pd, int arg,
                                   dnnl_query_t query, assay_value v);
/* The same for arrays that every layout leaves plain (biases). */
struct assay__arg assay__dnn_reads_plain(struct assay__dnn *d, int arg,
                                         assay_value v);
struct assay__arg assay__dnn_makes_plain(struct assay__dnn *d, int arg,
                                         assay_value v);
/* Append a primitive of `pd` (taken). */
void assay__dnn_primitive(struct assay__dnn *d, int node,
                          dnnl_primitive_desc_t pd,
                          const struct assay__arg *args, int n_args);
void assay__dnn_reorder(struct assay__dnn *d, const_dnnl_memory_desc_t from,
                        int from_buffer, const_dnnl_memory_desc_t to,
                        int to_buffer);
/* A task with all buffers absent. */
struct assay__task assay__dnn_task(struct assay__dnn *d, int node,
                                   const char *name,
                                   void (*run)(const struct assay__task *t));
void assay__dnn_append(struct assay__dnn *d, const struct assay__task *t);
int assay__dnn_bind(assay_plan *plan, struct assay_error *err);

/* --- tune.c: the fastest of several ways ------------------------------- */

enum { ASSAY__KEY_MAX = 320, ASSAY__WAYS_MAX = 8 };

/* A way to compute something: a primitive, or a task of our own with the
 * bytes of its buffers, and the primitives that must be run beside
 * (reorders). Neither: not possible here. */
struct assay__way {
    const char *name;
    dnnl_primitive_desc_t pd;
    const struct assay__task *task;
    size_t bytes[ASSAY__TASK_ARGS];
    dnnl_primitive_desc_t beside;
};

/*
 * The index of the way to take: what the tuning remembers for `like` (a
 * problem so similar that its choice will do; may be NULL) or for `key`,
 * else the fastest, which is then remembered. Without tuning the first.
 * Threads, ISA and library version are added to the keys.
 */
int assay__dnn_choose(struct assay__dnn *d, const char *key, const char *like,
                      const struct assay__way *way, int n);
/* A reorder to time, or NULL when there is none or no need. */
dnnl_primitive_desc_t assay__dnn_reorder_pd(struct assay__dnn *d,
                                            const_dnnl_memory_desc_t from,
                                            const_dnnl_memory_desc_t to);

/* --- transfer.c: the backend's write, read, slot_write, slot_read ------ */

int assay__dnn_write(assay_plan *plan, assay_value v, const void *src,
                     enum assay_dtype type, struct assay_error *err);
int assay__dnn_read(assay_plan *plan, assay_value v, void *dst,
                    enum assay_dtype type, struct assay_error *err);
int assay__dnn_slot_write(struct assay__store *store, int slot, void *base,
                          const void *src, enum assay_dtype type,
                          struct assay_error *err);
int assay__dnn_slot_read(struct assay__store *store, int slot, const void *base,
                         void *dst, enum assay_dtype type,
                         struct assay_error *err);

/* --- fallback.c ------------------------------------------------------- */

/* The op's reference kernel on plain copies in double. */
void assay__dnn_fallback(struct assay__dnn *d, int node);

/* --- the rows --------------------------------------------------------- */

#define ASSAY_LOWER(op, function) void function(struct assay__dnn *d, int node);
#include "engine/onednn/lower.def"
#undef ASSAY_LOWER

/* The layout that the weights of this node (conv, deconv, or their
 * gradients) should be kept in; NULL: plain. */
const_dnnl_memory_desc_t assay__dnn_conv_layout(struct assay__dnn *d, int node);

#endif
