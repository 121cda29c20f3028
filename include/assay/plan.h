/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_PLAN_H
#define ASSAY_PLAN_H

/*
 * Plans: a graph compiled for one batch size, mode and backend.
 *
 * Order of calls: assay_plan_new; assay_plan_load (parameters); then any
 * number of { write inputs, run, read outputs }. Nothing is allocated after
 * assay_plan_new. A plan is used by one thread at a time; several plans may
 * run in several threads, also such as share parameters, provided none of
 * them changes these meanwhile. Making and running a plan sets the calling
 * thread's OpenMP threads to the plan's.
 *
 * Parameters live in a store in the backend's layouts. A plan made with
 * `share` uses the store of another plan (the remainder batch of an epoch,
 * evaluation after training): what one plan's optimizer changes, the other
 * sees.
 */

#include "assay/context.h"
#include "assay/graph.h"
#include "assay/params.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_plan assay_plan;
typedef struct assay_tuning assay_tuning;
typedef struct assay_optimizer assay_optimizer;

enum assay_mode { ASSAY_MODE_EVAL, ASSAY_MODE_TRAIN };

enum assay_algorithms {
    ASSAY_ALGORITHMS_TUNED, /* the fastest by timing, remembered in `tuning` */
    /* Without timing: our own kernels for outputs of 2x2 and less (where
     * the CPU has AVX-512), direct convolutions for all others. */
    ASSAY_ALGORITHMS_DIRECT
};

/* A parameter and the value that holds its gradient. */
struct assay_gradient {
    assay_value param;
    assay_value gradient;
};

struct assay_plan_options {
    const char *backend; /* "onednn" (NULL means it) or "reference" */
    int64_t batch;       /* >= 1 */
    enum assay_mode mode;
    int threads; /* >= 1 */
    enum assay_algorithms algorithms;
    enum assay_dtype compute;   /* F32 (0), or BF16 where the CPU has it */
    assay_tuning *tuning;       /* borrowed; may be NULL: a private one */
    const assay_value *outputs; /* values to read after a run */
    int n_outputs;
    const struct assay_gradient *gradients; /* for an optimizer; may be none */
    int n_gradients;
    assay_plan *share; /* borrowed until this plan is freed; may be NULL */
    /* Keep inputs, outputs and all between them in the memory of `share`
     * where they fit: a run of either plan, or a write of an input, spoils
     * what the other holds. For plans with gradients that take turns. */
    int in_its_memory;
};

/* Only what outputs and gradients need is compiled. `g` is borrowed. */
int assay_plan_new(assay_plan **out, const assay_graph *g,
                   const struct assay_plan_options *options,
                   struct assay_error *err) ASSAY_MUST_CHECK;
void assay_plan_free(assay_plan *plan);

/* Host parameters to the store and back. Slots are matched by name; a
 * parameter of the plan that `p` lacks is an error, extra slots are not. */
int assay_plan_load(assay_plan *plan, const struct assay_params *p,
                    struct assay_error *err) ASSAY_MUST_CHECK;
int assay_plan_save(assay_plan *plan, struct assay_params *p,
                    struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Copy a whole input in (row-major, shape with the plan's batch), or an
 * output, parameter or gradient out. f32; the _f64 forms convert, and are
 * exact with the reference backend.
 */
int assay_plan_write(assay_plan *plan, assay_value v, const float *src,
                     struct assay_error *err) ASSAY_MUST_CHECK;
int assay_plan_read(assay_plan *plan, assay_value v, float *dst,
                    struct assay_error *err) ASSAY_MUST_CHECK;
int assay_plan_write_f64(assay_plan *plan, assay_value v, const double *src,
                         struct assay_error *err) ASSAY_MUST_CHECK;
int assay_plan_read_f64(assay_plan *plan, assay_value v, double *dst,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* The stream that dropout masks of the next run are drawn from. */
void assay_plan_set_stream(assay_plan *plan, uint64_t seed, uint64_t step);
int assay_plan_run(assay_plan *plan, struct assay_error *err) ASSAY_MUST_CHECK;

int64_t assay_plan_batch(const assay_plan *plan);
/* Bytes of the activation slab, of the parameter store, of scratch. */
struct assay_plan_memory {
    size_t activations;
    size_t parameters;
    size_t scratch;
};
void assay_plan_memory(const assay_plan *plan, struct assay_plan_memory *out);
/* One line per step: op, layer, implementation. Fresh text
 * (assay_bytes_free), NULL when out of memory. */
char *assay_plan_describe(const assay_plan *plan);
/* Mean seconds per step over the runs since profiling was switched on, into
 * the text of assay_plan_describe. */
void assay_plan_profile(assay_plan *plan, int on);

/*
 * Choices of algorithm, by a text key that names the problem (shapes,
 * direction, threads, CPU, library version). Kept by the caller, so that a
 * rerun repeats the choices and so gives the same bytes. Thread-safe.
 */
int assay_tuning_new(assay_tuning **out,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay_tuning_free(assay_tuning *t);
/* JSON object {key: choice}. Reading a missing file is no error and leaves
 * `t` as it was. */
int assay_tuning_read(assay_tuning *t, const char *path,
                      struct assay_error *err) ASSAY_MUST_CHECK;
int assay_tuning_write(const assay_tuning *t, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* Borrowed until the next put; NULL when unknown. */
const char *assay_tuning_get(assay_tuning *t, const char *key);
int assay_tuning_put(assay_tuning *t, const char *key, const char *choice,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/* X(name, text) */
#define ASSAY_OPTIMIZERS(X) \
    X(SGD, "sgd")           \
    X(ADAM, "adam")         \
    X(ADAMW, "adamw")

enum assay_optimizer_kind {
#define ASSAY_X(name, text) ASSAY_OPTIMIZER_##name,
    ASSAY_OPTIMIZERS(ASSAY_X)
#undef ASSAY_X
};

/* PyTorch's meaning of each. SGD: buf = momentum * buf + (g + wd * w);
 * w -= lr * buf, the first buf being the gradient itself. */
struct assay_optimizer_options {
    enum assay_optimizer_kind kind;
    double momentum;
    double weight_decay;
    double beta1, beta2, eps; /* Adam, AdamW: .9, .999, 1e-8 when 0 */
};

/*
 * An optimizer over the gradients a plan was made with. Its state lives
 * beside the plan's store; plans that share the store may run before
 * assay_optimizer_step(), which then uses the gradients of `plan`.
 */
int assay_optimizer_new(assay_optimizer **out, assay_plan *plan,
                        const struct assay_optimizer_options *options,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay_optimizer_free(assay_optimizer *o);
/* One step from the gradients that `plan` computed last. */
int assay_optimizer_step(assay_optimizer *o, assay_plan *plan, double lr,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* Step count and moments as tensors "optimizer.<moment>.<parameter>" in
 * plain layout, for checkpoints; and back, bit for bit. */
int assay_optimizer_to_tensors(assay_optimizer *o, struct assay_tensors *list,
                               struct assay_error *err) ASSAY_MUST_CHECK;
int assay_optimizer_from_tensors(assay_optimizer *o,
                                 const struct assay_tensors *list,
                                 struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
