/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DETECTORS_EMBED_H
#define ASSAY_DETECTORS_EMBED_H

/* Embeddings of a training set, class by class (embed.c). */

#include "assay/detector.h"

/* The records of one class. */
struct assay__class_rows {
    int label;
    size_t n;
    size_t width;
    const size_t *row; /* [n], of the suspects */
    double *m;         /* [n, width], centred */
};

/*
 * Collect the embeddings of in->suspects and call each() for every label that
 * has at least `least` records. out->record and out->per_class are made, of
 * zeros; classes without such a call are NaN there. `task` is for messages.
 */
int assay__each_class(const struct assay_detector_input *in, const char *task,
                      size_t least, struct assay_detection *out,
                      int (*each)(void *user, struct assay__class_rows *c,
                                  struct assay_error *err),
                      void *user, struct assay_error *err) ASSAY_MUST_CHECK;

/* The first d right singular vectors of m, [d, width], by orthogonal
 * iteration from the stream (seed, "principal", 0); d <= width. `work` is
 * [n]. */
void assay__principal(const struct assay__class_rows *c, size_t d,
                      uint64_t seed, double *work, double *v);

/* The median of n numbers, which are sorted. */
double assay__median(double *x, size_t n);

#endif
