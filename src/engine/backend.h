/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_BACKEND_H
#define ASSAY_ENGINE_BACKEND_H

/*
 * The wall between plans and devices. plan.c knows graphs, liveness and
 * order; a backend knows layouts, kernels and memory. Nothing above this
 * header may assume a CPU.
 *
 * Making a plan:
 *   1. plan.c marks the live nodes; what is constant a backend may fold.
 *   2. backend->lower() walks live nodes and appends steps and buffers
 *      (assay__plan_step, assay__plan_buffer), fusing as it likes, choosing
 *      layouts, making reorders steps of their own, and creating the store
 *      when the plan shares none.
 *   3. plan.c computes each buffer's life from the steps that use it and
 *      gives offsets in one slab (backend->alloc).
 *   4. backend->bind() puts addresses into its primitives.
 * Running: each step's run(), in order. plan.c sets the calling thread's
 * OpenMP threads to options.threads before lower() and before the first step.
 *
 * A gradient in options.gradients may be any value of the graph, also one
 * that serves two parameters or is read as an output; what the backend must
 * see to is that after a run plan->gradients holds it at the offset (and in
 * the layout) of its parameter's slot. options.gradients of a plan has no
 * entry without a gradient: plan.c drops those.
 */

#include "engine/graph.h"

struct assay__backend;

/* A piece of memory in the plan's slab. */
struct assay__buffer {
    size_t bytes;
    int first, last; /* steps; filled by plan.c from the steps' lists; -1
                        when no step uses it */
    size_t offset;   /* in the slab; filled by plan.c */
    bool keep;       /* lives through the whole run (inputs, outputs) */
    void *fixed;     /* not in the slab: this address (parameters) */
    int alias;       /* >= 0: same memory as that buffer (in place, views),
                        -1: none */
};

struct assay__step {
    /* Run once. `arg` is the backend's. */
    int (*run)(assay_plan *plan, void *arg, struct assay_error *err);
    void (*release)(void *arg); /* may be NULL */
    void *arg;
    const int *use; /* buffers read or written, n_use */
    int *own_use;   /* plan.c's copy of it */
    int n_use;
    int node;         /* graph node it serves, -1: a reorder */
    const char *impl; /* implementation name for describe, borrowed */
    double seconds;   /* profiling */
    long runs;
};

/*
 * Parameters as a backend holds them: `weights`, and for those that an
 * optimizer changes `gradients` of the same layout and offsets, so that an
 * update is one loop over [0, n_trained) elements. Trained parameters come
 * first. Shared by plans and counted.
 */
struct assay__store_slot {
    char *name;
    struct assay_shape shape;
    size_t offset; /* elements */
    size_t count;  /* elements with the layout's padding, multiple of 16 */
    void *layout;  /* the backend's; NULL: plain */
    float *mask;   /* count numbers: 0 at padding, else 1; NULL: no padding,
                      or not asked for (assay__noise_open) */
    bool trained;
};

struct assay__store {
    const struct assay__backend *backend;
    struct assay__store_slot *slot;
    int n_slots;
    void *weights;
    void *gradients; /* n_trained elements; NULL when n_trained is 0 */
    size_t n_elements;
    size_t n_trained; /* elements of the trained slots */
    int references;   /* plans and optimizers; atomic */
    uint64_t version; /* a backend may count changes of weights here */
};

struct assay_plan {
    const assay_graph *graph;
    const struct assay__backend *backend;
    void *self; /* the backend's own */
    struct assay_plan_options options;
    bool *live; /* per node */
    bool *kept; /* per value: input or output that the caller reads */
    int *uses;  /* per value: number of reads by live nodes (outputs and
                   gradients count one more each) */
    struct assay__store *store;
    void *gradients; /* the store's; NULL when the plan has none */
    struct assay__buffer *buffer;
    int n_buffers, cap_buffers;
    struct assay__step *step;
    int n_steps, cap_steps;
    void *slab;
    size_t slab_bytes;
    bool slab_borrowed; /* the slab is options.share's */
    size_t scratch_bytes;
    uint64_t seed, stream_step;
    bool profile;
    assay_tuning *own_tuning;
    assay_value *own_outputs; /* what options.outputs points to */
    struct assay_gradient *own_gradients;
};

/*
 * What an update does to gradients before it uses them, in private training:
 * g = factor (g + deviation z), z standard normal, of its own for each key
 * and parameter.
 */
struct assay__noise {
    const struct assay__store *store; /* assay__noise_open() done */
    uint64_t key[2];
    double deviation; /* 0: no noise */
    double factor;
};

/* One optimizer step over all trained elements. */
struct assay__update {
    enum assay_optimizer_kind kind;
    double lr, momentum, weight_decay, beta1, beta2, eps;
    uint64_t step; /* 1 on the first */
    void *moment1; /* n_trained elements of the backend's type */
    void *moment2;
    const struct assay__noise *noise; /* NULL: gradients as they are, and
                                         kept; else they are used up */
};

struct assay__backend {
    const char *name;
    enum assay_dtype element; /* of store, gradients, moments: F32 or F64 */

    int (*lower)(assay_plan *plan, struct assay_error *err);
    int (*bind)(assay_plan *plan, struct assay_error *err);
    void (*close)(assay_plan *plan); /* also after a failed lower */

    /* Device memory, 64-byte aligned, zeroed. */
    void *(*alloc)(size_t bytes);
    void (*dealloc)(void *p);

    /* Whole inputs, outputs; host side row-major f32 or f64. */
    int (*write)(assay_plan *plan, assay_value v, const void *src,
                 enum assay_dtype type, struct assay_error *err);
    int (*read)(assay_plan *plan, assay_value v, void *dst,
                enum assay_dtype type, struct assay_error *err);
    /* A slot-shaped array (weights, gradients or moments: `base`) from or
     * to plain row-major f32 (or f64 for an F64 backend). */
    int (*slot_write)(struct assay__store *store, int slot, void *base,
                      const void *src, enum assay_dtype type,
                      struct assay_error *err);
    int (*slot_read)(struct assay__store *store, int slot, const void *base,
                     void *dst, enum assay_dtype type, struct assay_error *err);
    void (*layout_free)(void *layout);

    int (*update)(assay_plan *plan, const struct assay__update *u,
                  struct assay_error *err);
    /* For sums over several runs: to += from, n_trained elements each; and
     * to = 0. */
    int (*add)(assay_plan *plan, void *to, const void *from,
               struct assay_error *err);
    int (*clear)(assay_plan *plan, void *to, struct assay_error *err);
    /* Before the first update with noise. */
    int (*noise_open)(struct assay__store *store, struct assay_error *err);
};

extern const struct assay__backend assay__backend_reference;
extern const struct assay__backend assay__backend_onednn;

/*
 * For backends: append; the returned index, or a negative code. A buffer
 * starts with keep false, fixed NULL and alias -1; change plan->buffer[i]
 * until lower() returns. A step is copied with its list `use`; its `arg` is
 * the plan's (released through `release`) on success, still the caller's on
 * failure.
 */
int assay__plan_buffer(assay_plan *plan, size_t bytes, struct assay_error *err);
int assay__plan_step(assay_plan *plan, const struct assay__step *step,
                     struct assay_error *err);
/* Address of a buffer, after offsets are known. */
void *assay__plan_address(const assay_plan *plan, int buffer);

/*
 * Make the plan's store: one slot per live parameter, `count` and `layout`
 * asked from `layout_of` (layouts are taken). Trained slots (those in
 * options.gradients) first. Slots for parameters of the graph that this
 * plan does not use are made too, plain, so that any plan of the graph can
 * share the store. Sets plan->store and plan->gradients; a plan that shares
 * finds them set when lower() begins, and must not call this.
 */
typedef int assay__layout_of(assay_plan *plan, assay_value param, size_t *count,
                             void **layout, struct assay_error *err);
int assay__plan_make_store(assay_plan *plan, assay__layout_of *layout_of,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* Slot of a parameter in a store, or -1. */
int assay__store_find(const struct assay__store *store, const char *name);
void assay__store_hold(struct assay__store *store);
void assay__store_drop(struct assay__store *store); /* NULL is nothing */

/*
 * Lives and offsets of n buffers under the steps that use them: fills first,
 * last and offset, and the bytes the slab needs. Buffers alive at the same
 * step do not overlap; offsets are multiples of 64.
 */
int assay__place_buffers(struct assay__buffer *buffer, int n,
                         const struct assay__step *step, int n_steps,
                         size_t *slab_bytes,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * All slots of a store (or, with `trained`, only these) at `base` (weights,
 * gradients or moments) as tensors "<prefix><name>" in plain layout and the
 * backend's element type, and back, bit for bit.
 */
int assay__store_to_tensors(struct assay__store *store, const void *base,
                            bool trained, const char *prefix,
                            struct assay_tensors *list,
                            struct assay_error *err) ASSAY_MUST_CHECK;
int assay__store_from_tensors(struct assay__store *store, void *base,
                              bool trained, const char *prefix,
                              const struct assay_tensors *list,
                              struct assay_error *err) ASSAY_MUST_CHECK;

/* The update rules for memory the host can touch (both CPU backends). */
void assay__update_f32(float *w, float *g, size_t n,
                       const struct assay__update *u, int threads);
void assay__update_f64(double *w, double *g, size_t n,
                       const struct assay__update *u, int threads);
void assay__add_f32(float *to, const float *from, size_t n, int threads);
void assay__add_f64(double *to, const double *from, size_t n, int threads);

/* An optimizer's step with noise (NULL: as assay_optimizer_step). */
int assay__optimizer_step(assay_optimizer *o, assay_plan *plan, double lr,
                          const struct assay__noise *noise,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#endif
