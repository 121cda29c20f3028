/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_MODEL_TARGETS_H
#define ASSAY_MODEL_TARGETS_H

/* The batches of a classifier's training: pixels, labels and, where the
 * objective wants them, soft targets or the epoch. For this folder alone. */

#include "assay/model.h"

struct assay__targets {
    const struct assay_training *t; /* borrowed */
    size_t n_classes;
    size_t pixels;   /* of one record */
    float *partner;  /* [batch, C, H, W], with mixup */
    uint32_t *order; /* [batch]: whom each is mixed with */
    int soft;        /* the input of soft targets, or -1 */
    int epoch;       /* that of the epoch's number, or -1 */
};

enum { ASSAY__INPUTS_MAX = 4 };

/* Whether the objective has an input of soft targets. */
int assay__targets_wanted(const struct assay_objective *o);
int assay__targets_init(struct assay__targets *s,
                        const struct assay_training *t,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay__targets_release(struct assay__targets *s);
/* assay_source's fill() with an assay__targets as self. */
int assay__targets_fill(void *self, const struct assay_batch *b,
                        struct assay_error *err);

#endif
