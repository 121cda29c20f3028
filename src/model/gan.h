/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_MODEL_GAN_H
#define ASSAY_MODEL_GAN_H

/*
 * The training of a generator while it runs, shared by its loop
 * (generator_train.c) and its checkpoints (generator_checkpoint.c).
 *
 * Each network is trained by a side: a plan over the one graph, whose store
 * trains that network's parameters, and its optimizer. The other network's
 * parameters in that store are copies, renewed after each of its steps.
 */

#include <stdbool.h>

#include "model/generator.h"

enum { ASSAY__GAN_D, ASSAY__GAN_G, ASSAY__GAN_SIDES };

struct assay__gan_side {
    const char *net; /* "discriminator.": what its parameters begin with */
    assay_value loss;
    assay_value *param; /* of this network, buffers too */
    int n_params;
    struct assay_gradient *gradient;
    int n_gradients;
    assay_plan *plan;
    assay_optimizer *optimizer;
};

struct assay__gan {
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    const assay_view *view;
    struct assay_generator_options options; /* batch, task made definite */
    assay_generator *gen;
    struct assay__range range;
    char *key;
    size_t n_steps; /* of an epoch */

    assay_graph *graph;
    assay_value z;    /* [N, Z] */
    assay_value real; /* [N, C, H, W] in -1..1 */
    struct assay__gan_side side[ASSAY__GAN_SIDES];
    assay_tuning *tuning; /* the caller's or own; NULL: one per plan */
    assay_tuning *own_tuning;

    size_t pixels;   /* of one record */
    float *noise;    /* [batch, Z] */
    float *images;   /* [batch, C, H, W] */
    double *staging; /* the largest parameter */
    uint32_t *order; /* all rows of the view */

    struct assay_generator_epoch *epoch; /* [options.epochs] */
    size_t n_done;
    size_t resumed_at;
};

/*
 * As engine/trainer.h has it: find() fills `list` when there is a checkpoint
 * of this very run, and takes its choices of algorithm; it comes before the
 * plans. restore() comes after them; a list that is empty is no checkpoint.
 * What is damaged is told in the log and not used: *used says.
 */
int assay__gan_find(struct assay__gan *t, struct assay_tensors *list,
                    struct assay_error *err) ASSAY_MUST_CHECK;
int assay__gan_restore(struct assay__gan *t, const struct assay_tensors *list,
                       bool *used, struct assay_error *err) ASSAY_MUST_CHECK;
int assay__gan_checkpoint(struct assay__gan *t,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* The choices of algorithm beside the checkpoint. */
int assay__gan_keep_choices(struct assay__gan *t,
                            struct assay_error *err) ASSAY_MUST_CHECK;

#endif
