/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_STUDY_FILE_H
#define ASSAY_STUDY_FILE_H

/*
 * A study file (docs/study.md) as it is written: what was not given is NULL.
 * Names are checked here, against each other and against the tables of
 * architectures and attacks; what they mean together is grid.h's.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/error.h"

enum {
    ASSAY__STUDY_NAME_MAX = 40,  /* of datasets and defences */
    ASSAY__STUDY_LIST_MAX = 256, /* entries of any list */
    ASSAY__STUDY_EPOCHS_MAX = 100000
};

/* How models are trained: the same keys for the whole study, for a dataset,
 * and for an override. */
struct assay__study_set {
    unsigned *records;
    unsigned *epochs;
    unsigned *batch;
    double *lr;
    char *optimizer;
    double *momentum;
    double *weight_decay;
    char *schedule;
    unsigned *milestones;
    unsigned milestones_count;
    double *gamma;
    char **augment;
    unsigned augment_count;
    unsigned *evaluate_every;
    unsigned *references;
    char *size; /* "32x32" */
    unsigned *channels;
    double *scale;
    double *mean;
    unsigned mean_count;
    double *std;
    unsigned std_count;
};

struct assay__study_dataset {
    char *name;
    char *data;
    char *label;
    char *attribute;
    unsigned *max_records;
    struct assay__study_set set;
};

struct assay__study_defense {
    char *name; /* of the row */
    char *kind; /* of the table of defences; NULL: the name */
    char **params;
    unsigned params_count;
    char **architectures; /* NULL: for all */
    unsigned architectures_count;
    char **datasets;
    unsigned datasets_count;
};

/* Settings for the cells that it names. */
struct assay__study_override {
    char *dataset;
    char *architecture;
    char *defense;
    struct assay__study_set set;
};

struct assay__study_sweep {
    unsigned *epochs;
    unsigned epochs_count;
    char **architectures; /* NULL: all */
    unsigned architectures_count;
    char **datasets;
    unsigned datasets_count;
};

struct assay__study_file {
    char *name;
    char *preset;
    uint64_t *seeds;
    unsigned seeds_count;
    struct assay__study_set set;
    struct assay__study_dataset *datasets;
    unsigned datasets_count;
    char **architectures;
    unsigned architectures_count;
    struct assay__study_defense *defenses;
    unsigned defenses_count;
    struct assay__study_override *overrides;
    unsigned overrides_count;
    char **attacks; /* NULL: the preset's; "all" alone: the whole table */
    unsigned attacks_count;
    char **attack_params;
    unsigned attack_params_count;
    char *controls;
    char *surrogate;
    char *policy;
    unsigned *exposed;
    unsigned *generator_epochs;
    unsigned *generator_width;
    struct assay__study_sweep *sweep;
};

/*
 * From YAML text of `size` bytes with a NUL behind them; `path` is its name
 * in messages. Unknown keys and wrong types: ASSAY_FORMAT with line and
 * column. Names that are used twice, or that nothing has: ASSAY_FORMAT with
 * the name. Freed with assay__study_file_free().
 */
int assay__study_file_parse(struct assay__study_file **out, const char *text,
                            size_t size, const char *path,
                            struct assay_error *err) ASSAY_MUST_CHECK;
int assay__study_file_read(struct assay__study_file **out, const char *path,
                           struct assay_error *err) ASSAY_MUST_CHECK;
void assay__study_file_free(struct assay__study_file *file);

#endif
