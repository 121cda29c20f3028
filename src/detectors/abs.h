/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DETECTORS_ABS_H
#define ASSAY_DETECTORS_ABS_H

/* The two parts of ABS: abs_stimulate.c finds neurons, abs.c triggers. */

#include "assay/detector.h"

enum {
    ABS_SEEDS,
    ABS_LEVELS,
    ABS_REACH,
    ABS_NEURONS,
    ABS_CANDIDATES,
    ABS_ROUNDS,
    ABS_BATCHES,
    ABS_SIZE,
    ABS_OTHERS,
    ABS_RECORDS
};

struct assay__abs_neuron {
    size_t layer; /* index of `value` */
    int channel;
    int label;
    double score;
};

struct assay__abs {
    const struct assay_detector_input *in;
    size_t image; /* numbers of one */
    assay_predictor *predictor;
    float *x;        /* all records */
    int32_t *called; /* what the model calls each */
    const float *seed;
    size_t n_seeds;
    const float *held; /* those that REASR is measured on */
    const int32_t *held_called;
    size_t n_held;
    assay_value *value; /* what layers read */
    double *largest;    /* activation of each on the seeds */
    size_t n_values;
    struct assay__abs_neuron *neuron; /* candidates, by layer */
    size_t n_neurons;
    size_t cap_neurons;
};

int assay__abs_open(struct assay__abs *a,
                    struct assay_error *err) ASSAY_MUST_CHECK;
int assay__abs_stimulate(struct assay__abs *a,
                         struct assay_error *err) ASSAY_MUST_CHECK;
void assay__abs_close(struct assay__abs *a);
/* The first of the largest. */
int assay__abs_argmax(const float *x, size_t n);

#endif
