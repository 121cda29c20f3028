/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_MODEL_OPTIONS_H
#define ASSAY_CLI_MODEL_OPTIONS_H

/*
 * Two groups of options that several commands share: what is done to
 * pixels, and how a model is trained.
 */

#include "assay/audit.h"
#include "options.h"

struct assay__pixel_values {
    int resize[2];
    int64_t channels;
    double scale;
    struct assay__reals mean;
    struct assay__reals std;
    const char *label;
    int64_t max_records;
};
extern const struct assay__option assay__pixel_options[];

struct assay__recipe_values {
    const char *arch;
    int64_t epochs;
    int64_t batch;
    double lr;
    const char *optimizer;
    double momentum;
    double weight_decay;
    const char *schedule;
    struct assay__reals milestones;
    double gamma;
    struct assay__words augment;
    int64_t evaluate_every;
};
extern const struct assay__option assay__recipe_options[];

int assay__pixel_values_take(const struct assay__pixel_values *values,
                             struct assay_pixel_options *pixels,
                             struct assay_dataset_options *dataset,
                             struct assay_error *err) ASSAY_MUST_CHECK;

/* The assay_recipe_fields whose options the user gave. */
unsigned assay__recipe_fields_given(const struct assay__command *command,
                                    const struct assay__parsed *parsed);

int assay__recipe_values_take(const struct assay__recipe_values *values,
                              struct assay_recipe *recipe,
                              struct assay_error *err) ASSAY_MUST_CHECK;

#endif
