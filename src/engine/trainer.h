/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_TRAINER_H
#define ASSAY_ENGINE_TRAINER_H

/*
 * The inside of a trainer, shared by the loop (train.c), checkpoints
 * (checkpoint.c) and the measurement of side-by-side training (measure.c).
 *
 * Order of calls: prepare (graph, derivative); compile (plans, optimizer,
 * parameters loaded); then steps; release at any time after prepare,
 * whatever it returned.
 */

#include "assay/train.h"
#include "engine/feed.h"

struct assay_trainer {
    const struct assay_context *ctx;
    const struct assay_program *program;
    const struct assay_source *source;
    const struct assay_params *initial;
    struct assay_train_options options; /* batch and threads made definite */

    assay_graph *graph; /* the program's, with the derivative */
    struct assay_gradient *gradients;
    int n_gradients;
    size_t *width;        /* numbers per record of each input */
    assay_tuning *tuning; /* the caller's, or own_tuning */
    assay_tuning *own_tuning;

    assay_plan *plan; /* whole batches */
    assay_plan *rest; /* the last, smaller one of an epoch; may be NULL */
    assay_optimizer *optimizer;
    double *record; /* a monitor's values, options.batch of them */

    struct assay_epoch *epoch; /* options.epochs */
    size_t n_done;
    size_t resumed_at;
};

int assay__trainer_prepare(struct assay_trainer *t,
                           const struct assay_context *ctx,
                           const struct assay_program *program,
                           const struct assay_source *source,
                           const struct assay_train_options *options,
                           const struct assay_params *initial,
                           struct assay_error *err) ASSAY_MUST_CHECK;
int assay__trainer_compile(struct assay_trainer *t,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* Initial parameters and a fresh optimizer; compile() ends with it. */
int assay__trainer_restart(struct assay_trainer *t,
                           struct assay_error *err) ASSAY_MUST_CHECK;
void assay__trainer_release(struct assay_trainer *t);

/* Forward, backward and, when the loss is finite, update of one batch. */
int assay__trainer_step(struct assay_trainer *t, float *const *inputs, size_t n,
                        uint64_t step, double lr, double *loss,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* Sum over the last batch's n records of monitor i. */
int assay__trainer_monitor(struct assay_trainer *t, int i, size_t n,
                           double *sum,
                           struct assay_error *err) ASSAY_MUST_CHECK;
size_t assay__trainer_batches(const struct assay_trainer *t);

/*
 * Checkpoints. find() reads the file, when there is one of this very run,
 * into `list` (empty otherwise: log lines say why) and takes the choices of
 * algorithm; it comes before compile(). restore() comes after it and does
 * nothing for an empty list. A damaged file is a warning, not an error.
 */
int assay__checkpoint_find(struct assay_trainer *t, struct assay_tensors *list,
                           struct assay_error *err) ASSAY_MUST_CHECK;
int assay__checkpoint_restore(struct assay_trainer *t,
                              const struct assay_tensors *list,
                              struct assay_error *err) ASSAY_MUST_CHECK;
int assay__checkpoint_write(struct assay_trainer *t,
                            struct assay_error *err) ASSAY_MUST_CHECK;

#endif
