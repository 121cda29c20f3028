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

enum { ASSAY__SIZES_MAX = 16 };

struct assay__private;

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

    /* Plans of falling sizes, which share a store and its memory. Ordinary
     * training: whole batches, and the last of an epoch where it is smaller.
     * Private training: sizes that drawn batches are filled up to. */
    struct assay__sized {
        size_t rows;
        assay_plan *plan;
    } sized[ASSAY__SIZES_MAX];
    int n_sizes;
    assay_plan *plan; /* the largest */
    assay_optimizer *optimizer;
    double *record;                /* a value of each row of the largest plan */
    struct assay__private *secret; /* private training's own, or NULL */

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

/* Forward, backward and, when the loss is finite and the part its batch's
 * last, update. `loss` is the sum over the part's records. */
int assay__trainer_step(struct assay_trainer *t, const struct assay__fed *fed,
                        uint64_t step, double lr, double *loss,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* Sum over the last part's n records of the value `v`, [N]. */
int assay__trainer_sum(struct assay_trainer *t, assay_value v, size_t n,
                       double *sum, struct assay_error *err) ASSAY_MUST_CHECK;
size_t assay__trainer_batches(const struct assay_trainer *t);
/* The smallest plan for n rows. */
struct assay__sized *assay__trainer_plan_for(struct assay_trainer *t, size_t n);

/*
 * Private training (private.c), where options.privacy asks for it: the
 * derivative with its clip; the plans' sizes; what comes after the plans;
 * the step; the end. `loss` is the program's per record, an output of the
 * plans.
 */
int assay__private_differentiate(struct assay_trainer *t,
                                 const assay_value *wrt, int n, assay_value *d,
                                 struct assay_error *err) ASSAY_MUST_CHECK;
void assay__private_sizes(struct assay_trainer *t);
assay_value assay__private_loss(const struct assay_trainer *t);
assay_value assay__private_weights(const struct assay_trainer *t);
int assay__private_open(struct assay_trainer *t,
                        struct assay_error *err) ASSAY_MUST_CHECK;
int assay__private_step(struct assay_trainer *t, const struct assay__fed *fed,
                        uint64_t step, double lr, double *loss,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay__private_close(struct assay_trainer *t);

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
