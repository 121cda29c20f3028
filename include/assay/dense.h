/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DENSE_H
#define ASSAY_DENSE_H

/*
 * Small fully connected classifiers of feature rows: the heads that attacks
 * put on what a model says. Features are standardised by the mean and the
 * deviation of the training rows.
 */

#include "assay/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows to learn from or to judge; all borrowed. */
struct assay_dense_rows {
    const float *x; /* [n, width], finite */
    size_t n;
    size_t width;
    const int32_t *label; /* [n], 0..n_values-1; not read where it is judged */
};

struct assay_dense_options {
    int n_values;
    int hidden; /* units of a layer of ReLU in between; 0: linear */
    size_t epochs;
    size_t batch;
    double lr; /* Adam's, falling to 0 along a cosine */
    uint64_t seed;
    const char *task;
};

/*
 * Train on `train` with cross-entropy and write the most likely value of
 * each row of `judge` to guess[judge->n]. Equal seeds and threads give equal
 * guesses. Errors: _DATA without rows, _NOMEM, _NUMERIC, _CANCELED.
 */
int assay_dense_guess(const struct assay_context *ctx,
                      const struct assay_compute *compute,
                      const struct assay_dense_rows *train,
                      const struct assay_dense_rows *judge,
                      const struct assay_dense_options *options, int32_t *guess,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* The same, but what it gives is each row's logits, [judge->n, n_values]. */
int assay_dense_logits(const struct assay_context *ctx,
                       const struct assay_compute *compute,
                       const struct assay_dense_rows *train,
                       const struct assay_dense_rows *judge,
                       const struct assay_dense_options *options, float *logits,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
