/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_FEED_H
#define ASSAY_ENGINE_FEED_H

/*
 * Batches prepared ahead: a background thread fills one of two buffers
 * while the trainer uses the other. Order of calls: open; then { next,
 * done } for each batch of each epoch; close at any time, which waits for
 * the fill in progress only.
 */

#include "assay/train.h"

typedef struct assay__feed assay__feed;

struct assay__feed_options {
    const struct assay_source *source;
    const size_t *width; /* numbers per record of each input */
    int n_inputs;
    size_t batch; /* 1 .. source->n; the last of an epoch may be smaller */
    size_t first_epoch;
    size_t n_epochs; /* epochs first_epoch .. n_epochs - 1 are fed */
    uint64_t seed;
};

struct assay__fed {
    float **inputs;
    size_t n;
};

int assay__feed_open(assay__feed **out, const struct assay__feed_options *o,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay__feed_close(assay__feed *feed);
/* Wait for the next batch; the source's error when filling it failed. */
int assay__feed_next(assay__feed *feed, const struct assay__fed **batch,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* The batch that next() gave is used up. */
void assay__feed_done(assay__feed *feed);

#endif
