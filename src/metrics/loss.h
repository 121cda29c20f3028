/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_METRICS_LOSS_H
#define ASSAY_METRICS_LOSS_H

/*
 * The privacy loss of one step of DP-SGD as a random variable: Y = log of
 * the ratio of two neighbours' densities at what the first of them gives.
 * "Removed": the first has the record. Its range is cut where it is left
 * with probability `tail` at most; all below speaks of Y within the range.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/privacy.h"

struct assay__loss {
    double rate;
    double noise;
    int removed;
    double t_low; /* range of the noisy sum */
    double t_high;
    double low; /* and of the loss */
    double high;
    double mean;
    /* Y at points of the trapezoid rule, and their probabilities; to find
     * out where to look, not for bounds. */
    size_t n;
    double *y;
    double *weight;
};

/* Give back with assay__loss_release(). Errors: ASSAY_NOMEM. */
int assay__loss_make(struct assay__loss *loss, const struct assay_dpsgd *m,
                     int removed, double tail,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay__loss_release(struct assay__loss *loss);

/* log E[e^(s Y)], about. */
double assay__loss_log_moment(const struct assay__loss *loss, double s);

/* Bins (i - 1/2, i + 1/2] * mesh, i = first .. last, cover the range. */
int64_t assay__loss_bin(const struct assay__loss *loss, double mesh, int last);

/* Probabilities of bins first .. first + n - 1 before the division by their
 * sum. */
void assay__loss_fill(const struct assay__loss *loss, double mesh,
                      int64_t first, size_t n, double *out);

#endif
