/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DEFENSES_MEMGUARD_H
#define ASSAY_DEFENSES_MEMGUARD_H

/*
 * MemGuard in two: memguard.c has the defender's classifier and what is
 * answered in the end, memguard_noise.c looks for the noise.
 */

#include "assay/plan.h"

enum { ASSAY__GUARD_BATCH = 256 };

/* The classifier as it is asked: for logits z [batch, K], sorted downwards,
 * its own logit (positive: a member) and the derivative of that by z. */
struct assay__guard {
    assay_graph *graph;
    assay_value z;
    assay_value member; /* [batch] */
    assay_value d_z;    /* of the batch's mean, [batch, K] */
    assay_plan *plan;
    int k;
};

/*
 * Phase I: for each of n rows of sorted log-posteriors z [n, K] noisy ones
 * of the same class, to which the classifier says about 0, into `noisy`
 * [n, K]; the same as z where none is found within `iterations`. before[n]
 * and after[n] are what the classifier says to either.
 */
int assay__guard_search(struct assay__guard *g, const double *z, size_t n,
                        int iterations, double *noisy, double *before,
                        double *after,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#endif
