/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ENGINE_FEED_H
#define ASSAY_ENGINE_FEED_H

/*
 * Batches prepared ahead: a background thread fills one of two buffers
 * while the trainer uses the other. Order of calls: open; then { next,
 * done } for each part of each batch of each epoch; close at any time, which
 * waits for the fill in progress only.
 *
 * A batch is one part, unless it was drawn (steps > 0) and is larger than
 * `batch`; a drawn one may also be empty: a part of no rows.
 */

#include <stdbool.h>

#include "assay/train.h"

typedef struct assay__feed assay__feed;

struct assay__feed_options {
    const struct assay_source *source;
    const size_t *width; /* numbers per record of each input */
    int n_inputs;
    size_t batch; /* 1 .. source->n; the last of an epoch may be smaller */
    size_t steps; /* 0, or batches per epoch: each takes every record with
                     probability `share`, and `batch` is a part's largest */
    double share;
    size_t first_epoch;
    size_t n_epochs; /* epochs first_epoch .. n_epochs - 1 are fed */
    uint64_t seed;
};

struct assay__fed {
    float **inputs; /* room for `batch` rows */
    size_t n;       /* rows that are records */
    size_t part;    /* of its batch, from 0 */
    bool last;      /* part of its batch */
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
