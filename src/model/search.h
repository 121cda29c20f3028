/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_MODEL_SEARCH_H
#define ASSAY_MODEL_SEARCH_H

/*
 * Many searches by gradient in one plan: rows in slots (inversion.c).
 *
 * Order of calls: open; the caller appends to `graph` what leads from `x` to
 * logits, `loss` and `total`; compile; parameters into `params`, then load;
 * run; release at any time after open, whatever it returned.
 */

#include <stdbool.h>

#include "assay/inversion.h"

struct assay__search;

/* One row in its slot after an evaluation. Returns whether it goes on, from
 * the x that was changed. */
struct assay__iterate {
    size_t slot;
    size_t row;
    size_t step; /* updates made so far */
    double loss; /* as the plan gives it; may be changed */
    float *x;    /* to be updated */
    float *d;    /* d total / d x */
};
typedef bool assay__advance(void *user, struct assay__iterate *it);

struct assay__search {
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    const struct assay_inversion_rows *rows;
    const char *task;
    size_t batch;
    size_t width; /* numbers of a row of x */
    int n_classes;

    assay_graph *graph;
    struct assay_params params;
    assay_value x;      /* what is searched for: [N, ...] */
    assay_value labels; /* [N] */
    assay_value onehot; /* [N, K] */

    /* The caller's: the target's logits, [N, K]; what is least in the end,
     * [N]; what is descended, [N]; the image, where x is none. */
    assay_value logits;
    assay_value loss;
    assay_value total;
    assay_value image;

    assay_value d; /* d total / d x */
    assay_value posterior;
    assay_plan *plan;
    struct assay_inversion *found;

    /* Per slot. */
    size_t *row;
    size_t *step;
    float *at; /* [batch, width], x */
    float *slope;
    float *picture; /* [batch, image_size]; NULL where x is the image */
    float *wanted;  /* labels, then onehot */
    float *value;   /* losses, then posteriors */
};

/* The caller has set ctx, compute, rows, task, batch and n_classes. x is of
 * the given shape [N, ...]: images, or latents when its rank is 2. `out` gets
 * its arrays. */
int assay__search_open(struct assay__search *s, const struct assay_shape *x,
                       const assay_model *target, struct assay_inversion *out,
                       struct assay_error *err) ASSAY_MUST_CHECK;
int assay__search_compile(struct assay__search *s,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* Start: rows->start, else `draw` (may be NULL: zeros). */
typedef void assay__draw(void *user, size_t row, size_t slot, float *x);
int assay__search_run(struct assay__search *s, assay__advance *advance,
                      assay__draw *draw, void *user,
                      struct assay_error *err) ASSAY_MUST_CHECK;
void assay__search_release(struct assay__search *s);

/* A model behind `image` in the graph, its parameters after `prefix`. */
int assay__search_model(struct assay__search *s, const assay_model *m,
                        assay_value image, const char *prefix,
                        assay_value *logits, assay_value *embedding,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* The wanted class's entry of [N, K], as [N]. */
assay_value assay__search_pick(struct assay__search *s, assay_value rows);

#endif
