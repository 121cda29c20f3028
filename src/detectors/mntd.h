/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DETECTORS_MNTD_H
#define ASSAY_DETECTORS_MNTD_H

/* MNTD's meta-network (mntd_meta.c): numbers to one score, in double. */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

enum { ASSAY__META_HIDDEN = 20 };

struct assay__meta {
    size_t width;   /* of the input */
    size_t n;       /* weights */
    double *weight; /* [hidden, width], then biases, then the last layer */
    double *grad;   /* of the last assay__meta_slopes() */
    double *moment; /* [2, n], Adam's */
    double *d_x;    /* [width] */
    double hidden[ASSAY__META_HIDDEN]; /* of the last score */
    size_t steps;
};

/* Weights from U(-k, k), k = 1 / sqrt(inputs), of the stream (seed,
 * "mntd-meta", 0). */
int assay__meta_init(struct assay__meta *m, size_t width, uint64_t seed,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay__meta_release(struct assay__meta *m);
/* The score of x [width]: the logit of "has a backdoor". */
double assay__meta_score(struct assay__meta *m, const double *x);
/* Gradients of the cross-entropy with `truth` (0 or 1) after
 * assay__meta_score(x) gave `score`: into grad and d_x. */
void assay__meta_slopes(struct assay__meta *m, const double *x, double score,
                        int truth);
/* A step of Adam (.9, .999) of n numbers. */
void assay__meta_adam(double *x, const double *grad, double *moment, size_t n,
                      size_t step, double rate);

#endif
