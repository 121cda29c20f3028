/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DETECTORS_REVERSE_H
#define ASSAY_DETECTORS_REVERSE_H

/*
 * Triggers searched by gradient, many side by side (reverse.c). Each job is
 * one mask [H, W] and one pattern [C, H, W] that minimise
 *
 *   mean over a mini-batch of loss((1 - m) x + m p, wanted) + c |m|_1
 *
 * with m = (1 + tanh a) / 2 and p = 255 (1 + tanh b) / 2 pixels, by Adam.
 *
 * Order of calls: the caller fills what is marked so, and builds the graph;
 * open; run; release at any time after open, whatever it returned.
 */

#include "assay/detector.h"

struct assay__reverse_options {
    size_t rounds;    /* at most; after each one c is adapted */
    size_t per_round; /* mini-batches of a round */
    size_t batch;     /* records of a mini-batch */
    size_t at_once;   /* jobs side by side, at most */
    double rate;      /* Adam's, with beta .5 and .9 */
    double weight;    /* c when it first is not 0 */
    double factor;    /* c times this, or divided by its 1.5th power */
    double enough;    /* share of a round's rows that must hit */
    double limit;     /* c counts only where |m|_1 is above this; larger masks
                         by a tenth are not kept */
    size_t patience;  /* rounds in a row before c changes; 0: it is not
                         moved by hits, but rises after each round whose mask
                         is above the limit, and falls after others */
    size_t stop;      /* rounds without a better one that end a job; 0: none */
};

/* What a job found; mask and pattern (pixels, 0..255) are borrowed. */
struct assay__reversed {
    size_t job;
    int reached;    /* a round hit enough: the smallest mask of those. Else
                       the last one */
    double l1;      /* |m|_1 */
    double success; /* of its round */
    size_t rounds;
    const float *mask;    /* [H, W] */
    const float *pattern; /* [C, H, W] */
};

struct assay__reverse {
    /* The caller's. */
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    const struct assay_preprocess *pre;
    const struct assay_params *params; /* of the graph's */
    const char *task;                  /* the detector's name; names streams */
    struct assay__reverse_options o;
    const float *x; /* [n, C, H, W] clean images, preprocessed */
    size_t n;
    size_t n_jobs;
    const float *wanted; /* [n_jobs, width]: each row of a job gets its own */
    size_t width;
    int (*ended)(void *user, const struct assay__reversed *r,
                 struct assay_error *err);
    void *user;
    /* Made by the caller, freed by release. */
    assay_graph *graph;
    assay_value image; /* input [N, C, H, W] */
    assay_value want;  /* input [N] or [N, width] */
    assay_value loss;  /* [N] */
    assay_value hit;   /* [N], 1 where a row does as wanted; or NO_VALUE */

    /* reverse.c's. */
    assay_value slope;
    assay_plan *first; /* holds the parameters */
    assay_plan *plan;  /* the one in use, may be `first` */
    size_t slots;      /* of the plan in use */
    struct assay__reverse_slot *slot;
    float *rows;   /* [slots, batch, C, H, W], what the plan reads */
    float *slopes; /* the same, d sum of losses / d rows */
    float *asked;  /* [slots, batch, width] */
    float *answer; /* [2, slots, batch]: losses, hits */
    size_t next;   /* job */
    size_t active;
};

int assay__reverse_open(struct assay__reverse *r,
                        struct assay_error *err) ASSAY_MUST_CHECK;
int assay__reverse_run(struct assay__reverse *r,
                       struct assay_error *err) ASSAY_MUST_CHECK;
void assay__reverse_release(struct assay__reverse *r);

/*
 * Up to `most` records of a view, shuffled by the stream (seed, task, 0), as
 * preprocessed images into *x [*n, C, H, W] (the caller's, assay__free), their
 * labels into *label, unless NULL.
 */
int assay__gather_images(const assay_view *view, size_t most, uint64_t seed,
                         const char *task, float **x, int32_t **label,
                         size_t *n, struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * Which of n numbers (NaN: left out) is too small to be one of the rest.
 * outlier.c has the formulas.
 */
struct assay__outlier {
    int at;       /* the smallest; -1 when fewer than 2 numbers are there */
    size_t n;     /* numbers that are there */
    double index; /* anomaly index of the smallest, by the MAD; 0 when there
                     are fewer than 3 */
    double p;     /* that n exchangeable log-normal ones have one as small;
                     NaN when fewer than ASSAY__OUTLIER_LEAST */
};
enum { ASSAY__OUTLIER_LEAST = 5 };
struct assay__outlier assay__outlier_small(const double *x, size_t n,
                                           double *work);

#endif
