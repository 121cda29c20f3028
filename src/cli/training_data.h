/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_TRAINING_DATA_H
#define ASSAY_CLI_TRAINING_DATA_H

/*
 * The records of a command that trains one model: the dataset, the quarter
 * that is trained on and the one that stays unseen beside it, and what the
 * model's sidecar says of them, so that an audit finds the same quarters.
 */

#include "model_options.h"

struct assay__training_choice {
    const char *data; /* KIND:PATH */
    const struct assay__pixel_values *pixels;
    enum assay_quarter quarter;
    int all;        /* instead: on all records, none stay unseen */
    size_t records; /* per quarter; 0: a quarter of them all */
    uint64_t seed;  /* of the split */
};

struct assay__training_data {
    struct assay__training_choice choice;
    assay_dataset *data;
    struct assay_split split; /* empty with `all` */
    assay_view *train;
    assay_view *test; /* NULL with `all` */
};

/* Zeroes `d` first: release it whatever comes back. */
int assay__training_data_open(struct assay__training_data *d,
                              const struct assay__training_choice *choice,
                              struct assay_error *err) ASSAY_MUST_CHECK;
void assay__training_data_release(struct assay__training_data *d);

/* Recipe, curve (NULL: none is kept), seed, dataset and quarter as notes. */
int assay__training_data_note(const struct assay__training_data *d,
                              assay_model *model,
                              const struct assay_recipe *recipe,
                              const struct assay_curve *curve,
                              struct assay_error *err) ASSAY_MUST_CHECK;

#endif
