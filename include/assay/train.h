/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TRAIN_H
#define ASSAY_TRAIN_H

/*
 * The training loop: batches prepared ahead by a background thread, one
 * forward, backward and update per batch, a checkpoint per epoch. Equal
 * program, options, seed and thread count give equal bytes, also when the
 * run was killed and resumed any number of times.
 *
 * Streams: order of epoch e from (seed, "batch-order", e); dropout from
 * (seed, step); those of private training are told there; what a source
 * draws is its own affair, by epoch and row.
 */

#include "assay/context.h"
#include "assay/graph.h"
#include "assay/params.h"
#include "assay/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A batch to prepare: rows of the source into the program's inputs. */
struct assay_batch {
    const uint32_t *rows; /* [n] */
    size_t n;
    uint64_t epoch;       /* from 0 */
    float *const *inputs; /* one array per program input, n rows each */
};

/* Where batches come from. fill() is called from a background thread, never
 * twice at once. */
struct assay_source {
    void *self;
    size_t n;
    int (*fill)(void *self, const struct assay_batch *batch,
                struct assay_error *err);
};

/* Arrays in memory: array i is [n, width[i]] f32. All borrowed. */
struct assay_memory_source {
    const float *const *array;
    const size_t *width;
    int n_arrays;
};
/* `source` refers to `memory`, which must outlive it. */
void assay_memory_source(struct assay_source *source,
                         const struct assay_memory_source *memory, size_t n);

enum { ASSAY_MONITORS_MAX = 4 };

/* What is trained: a graph with its loss. All borrowed. */
struct assay_program {
    const assay_graph *graph;
    const assay_value *inputs; /* in the order in which a source fills them */
    int n_inputs;
    assay_value loss; /* scalar, mean over the batch */
    /* Values [N] whose mean over each epoch is recorded (correctness). */
    assay_value monitor[ASSAY_MONITORS_MAX];
    int n_monitors;
    const assay_value *wrt; /* parameters to train; NULL: all trainable */
    int n_wrt;
};

enum assay_schedule {
    ASSAY_SCHEDULE_CONSTANT,
    ASSAY_SCHEDULE_MULTISTEP, /* times gamma at each milestone epoch */
    ASSAY_SCHEDULE_COSINE     /* to 0 over the schedule's epochs, per epoch */
};

/* One epoch of a history. */
struct assay_epoch {
    double loss; /* mean over records */
    double monitor[ASSAY_MONITORS_MAX];
    double lr;
    double seconds;
};
struct assay_history {
    struct assay_epoch *epoch;
    size_t n;
    size_t resumed_at; /* epochs that came from a checkpoint */
};
void assay_history_release(struct assay_history *h);

typedef struct assay_trainer assay_trainer;

/* How checkpoints are stored: assay_tensors_write and _read (format.h);
 * passed in, so that the engine knows no file formats. */
struct assay_checkpoint_io {
    int (*write)(const struct assay_tensors *list, const char *path,
                 struct assay_error *err);
    int (*read)(struct assay_tensors *list, const char *path,
                struct assay_error *err);
};

/*
 * Private training: DP-SGD (Abadi et al., CCS 2016, algorithm 1) with the
 * sampling that its accountants assume.
 *
 * Each step takes every record with probability q = batch / n, independently
 * of all else, from the stream (seed, "poisson", step); an epoch is
 * ceil(n / batch) steps. The gradient of each record's loss by all trained
 * parameters together is scaled down to the norm C where it is longer, the
 * sum gets Gaussian noise of deviation sigma C in each parameter, fresh per
 * step from (seed, "dp-noise", step), and is divided by `batch`, also where
 * more or fewer records were taken, or none. What the optimizer does with
 * that costs no privacy. All records taken count, however many: a step that
 * takes more than fit into one pass sums several.
 *
 * The program's loss must be the mean (assay_op_mean) of one number per
 * record, and its graph as assay_differentiate_clipped() wants it: no batch
 * norm. Losses and monitors of an epoch are means over the records taken;
 * NaN when it took none.
 *
 * The noise comes from a statistical generator (xoshiro256++), not from a
 * cryptographic one, and in floating point: whoever knows the seed knows the
 * noise, draws end at 6.66 deviations, and attacks on the last bits of
 * floating-point noise (Mironov, CCS 2012) are not defended against. The
 * guarantee holds for who sees the model, not the seed, and as far as these
 * are told from real Gaussians.
 */
struct assay_privacy_options {
    double clip_norm;        /* C > 0; 0: ordinary training */
    double noise_multiplier; /* sigma >= 0, in units of C */
    size_t rows; /* records computed at once, at most; 0: so many that few
                    steps take more. A matter of memory: results differ in
                    rounding only */
};

struct assay_train_options {
    size_t epochs;
    size_t batch; /* private training: the expected number */
    struct assay_privacy_options privacy;
    struct assay_optimizer_options optimizer;
    double lr;
    enum assay_schedule schedule;
    size_t milestones[8];
    int n_milestones;
    double gamma;
    size_t warmup_epochs; /* linear from lr / (warmup + 1) */
    /* Epochs that the schedule is made for, where training is to end before
     * it does; 0: `epochs`. */
    size_t schedule_epochs;
    uint64_t seed;

    const char *backend; /* NULL: "onednn" */
    int threads;         /* 0: the context's */
    enum assay_algorithms algorithms;
    enum assay_dtype compute;
    assay_tuning *tuning;

    const char *task;       /* for progress and messages */
    const char *checkpoint; /* file, or NULL: none */
    /* What else determines the result (data, split, seed of the initial
     * values ...), as text: a checkpoint of another key is not used, and a
     * log line says so. May be NULL. */
    const char *key;
    struct assay_checkpoint_io io;

    /* Called after each epoch (1-based), before its checkpoint; a non-zero
     * return ends training with that code. */
    int (*on_epoch)(void *user, assay_trainer *t, size_t epoch,
                    struct assay_error *err);
    void *user;
};

/* Defaults: batch 64, SGD .01, momentum .9, constant. */
void assay_train_options_init(struct assay_train_options *o, size_t epochs);
/* Steps of one epoch over n records; and the probability with which private
 * training takes a record, both as an accountant wants them. */
size_t assay_train_steps(const struct assay_train_options *o, size_t n);
double assay_train_sample_rate(const struct assay_train_options *o, size_t n);
/* The rate of an epoch (from 0). */
double assay_train_rate(const struct assay_train_options *o, size_t epoch);

/*
 * Train. `params` holds the initial values and receives the trained ones
 * (also on failure after at least one batch: unspecified then). `history`
 * may be NULL. Errors: _NUMERIC when the loss is not finite (names epoch,
 * batch and rate), _CANCELED, and those of the source and of files.
 */
int assay_train(const struct assay_context *ctx,
                const struct assay_program *program,
                const struct assay_source *source,
                const struct assay_train_options *options,
                struct assay_params *params, struct assay_history *history,
                struct assay_error *err) ASSAY_MUST_CHECK;

/* For on_epoch: the training plan (to share its store with an evaluation
 * plan), and room for numbers per epoch that are kept in checkpoints and
 * histories as monitor[slot], where the program leaves that one free. A
 * monitor that nobody sets is NaN. */
assay_plan *assay_trainer_plan(assay_trainer *t);
void assay_trainer_note(assay_trainer *t, int slot, double value);

/* A training of many: all borrowed; `params` are in and out, `history` (may
 * be NULL) is out. */
struct assay_train_job {
    const struct assay_program *program;
    const struct assay_source *source;
    const struct assay_train_options *options;
    struct assay_params *params;
    struct assay_history *history;
};

/*
 * Run independent trainings, `workers` at once with `threads` each
 * (options->threads is overridden). Results are the same for any number of
 * workers as long as `threads` is. ctx's callbacks are called from one
 * thread at a time.
 */
int assay_train_many(const struct assay_context *ctx,
                     const struct assay_train_job *jobs, size_t n_jobs,
                     int workers, int threads,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Which is faster for many models of this program: ctx->threads workers of
 * one thread, or one worker with all threads? Times a few steps of each;
 * the answer is kept in options->tuning under the program's shape.
 */
int assay_train_measure(const struct assay_context *ctx,
                        const struct assay_program *program,
                        const struct assay_source *source,
                        const struct assay_train_options *options,
                        const struct assay_params *params, int *workers,
                        int *threads, struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
