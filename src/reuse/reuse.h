/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REUSE_REUSE_H
#define ASSAY_REUSE_REUSE_H

/* The inside of crafting, for this folder and its tests. */

#include <stdbool.h>
#include <stdint.h>

#include "assay/reuse.h"
#include "assay/rng.h"

enum { ASSAY__REUSE_BATCH = 32 };

/*
 * Features of inputs, and one loss of them with its gradient by one
 * parameter: sum over rows and features of
 *     weight (z_i(x) - target)^2 + probe f_i(x).
 * With weights it is the distance D, with probes a directional derivative.
 * z are the features f or, where f ends in a ReLU (`rectified`), what goes
 * into it: a feature that the ReLU holds at 0 would have no gradient. A
 * target of 0 or less is then one for f: weight f^2. In evaluation mode;
 * other parameters get no gradient.
 */
struct assay__reuse_lab {
    const assay_model *model; /* parameters are read from it */
    assay_graph *graph;
    assay_plan *plan;
    size_t batch;
    size_t pixels;
    size_t dim;  /* features */
    size_t size; /* of the parameter */
    bool rectified;
    assay_value input, target, weight, above, probe, features, loss, gradient;
    const struct assay_param_slot *slot;
    double *rows;  /* [batch, dim], scratch */
    double *upper; /* the same */
    double *chunk; /* [size], scratch */
    double *x;     /* [batch, pixels], scratch */
    double *zero;  /* [batch, dim] */
};

/* Rows to compute on; target or targets and weight, or probe, or none of
 * them. `target` and `weight` are one row for all. */
struct assay__reuse_rows {
    const float *x; /* [n, pixels] */
    size_t n;
    const double *target;  /* [dim] */
    const double *targets; /* or [n, dim] */
    const double *weight;  /* [dim] */
    const double *probe;   /* [n, dim] */
};

int assay__reuse_lab_open(struct assay__reuse_lab *lab, const assay_model *m,
                          const struct assay_param_slot *slot, size_t batch,
                          const struct assay_context *ctx,
                          const struct assay_compute *compute,
                          struct assay_error *err) ASSAY_MUST_CHECK;
void assay__reuse_lab_close(struct assay__reuse_lab *lab);
/* Parameters as the model has them now. */
int assay__reuse_lab_load(struct assay__reuse_lab *lab,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* Each of loss, features z [n, dim] and gradient [size] may be NULL. */
int assay__reuse_lab_run(struct assay__reuse_lab *lab,
                         const struct assay__reuse_rows *rows, double *loss,
                         double *features, double *gradient,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* The parameter that options->layer names. */
int assay__reuse_layer(const struct assay_param_slot **out,
                       const assay_model *m, const char *layer,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* Mean and deviation of each feature over n rows. */
void assay__reuse_moments(const double *features, size_t n, size_t dim,
                          double *mean, double *deviation);
/* Mark the ceil(keep dim) features with the largest |mean| / (deviation +
 * 1e-6), the lower of equal ones; marks that are there stay. */
int assay__reuse_salient(uint8_t *mark, const double *mean,
                         const double *deviation, size_t dim, double keep,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* The value below which `percent` of x lies: element floor(percent / 100
 * (n - 1)) in order. x is put out of order. */
double assay__reuse_percentile(double *x, size_t n, double percent);
/* mark[i] stays 1 where x[i] is not below (`above`) or not above that
 * percentile, taken over those i where among[i] is not 0; where it is, the
 * mark goes. `among` may be NULL: all. `scratch` [n]. */
void assay__reuse_pass(uint8_t *mark, const double *x, const double *among,
                       size_t n, double percent, bool above, double *scratch);

/* The negative impact of each weight, as the options say, on the inputs of
 * `rows`; `draw` tells this measurement's random signs from others. */
int assay__reuse_impact(double *impact, struct assay__reuse_lab *lab,
                        const float *x, size_t n,
                        const struct assay_reuse_options *o, uint64_t draw,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* One candidate: psi(x; m) with mask and substitute from `rng`. */
void assay__reuse_blend(float *out, const float *x, const int shape[3],
                        struct assay_rng *rng, float *scratch);

#endif
