/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_STUDY_INTERNAL_H
#define ASSAY_STUDY_INTERNAL_H

/*
 * The inside of a study, for this folder alone.
 *
 *   file.c        the YAML file
 *   settings.c, grid.c   cells and what they are trained with
 *   cell.c        a cell as the options of an audit, and its key
 *   open.c        what is there, what is to do, how long
 *   run.c         doing it
 *   times.c       how long it took
 *   collect.c     study.json from the cells' findings
 *   summary.c     means over seeds, defences before and after, correlations
 *   csv.c         the same as tables
 */

#include <jansson.h>

#include "assay/study.h"
#include "study/grid.h"

/* A dataset as it was found when the study was opened. */
struct assay__study_data {
    char *spec; /* with the path as seen from here */
    char sha256[65];
};

/* What is known of a cell before and after its run. */
struct assay__study_work {
    json_t *inputs; /* owned: all that determines it */
    char key[65];
    enum assay_study_state state;
    int n_models;
    double seconds;
    char why[240];    /* why it is not done though it was, or impossible */
    char failed[240]; /* why its run failed */
};

struct assay_study {
    struct assay_study_options options;
    struct assay_context ctx;
    struct assay__study_file *file;
    struct assay__study_data *data; /* [file->datasets_count] */
    char *policy;                   /* path, or NULL */
    char policy_sha256[65];
    char *library;       /* folder of models that cells have in common */
    const char **attack; /* chosen; NULL: all */
    const char **attack_param;
    size_t n_attack_params;
    struct assay__study_cell *cell;
    struct assay__study_work *work;
    size_t n_cells;
    struct assay_study_plan plan;
    int lock; /* -1: none */
};

/* open.c: choices of algorithm are kept in the folder, so that cells which
 * run later in a killed study make the same. Nothing without a tuning. */
int assay__study_keep_tuning(const assay_study *s,
                             struct assay_error *err) ASSAY_MUST_CHECK;

/* cell.c */
/* The attacks' parameters: the preset's and the file's. */
int assay__study_choose(assay_study *s,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/*
 * The audit that the cell is. `out` is its folder, borrowed as all else.
 * ASSAY_UNSUPPORTED for what audits cannot do.
 */
int assay__study_cell_options(const assay_study *s,
                              const struct assay__study_cell *cell,
                              const char *out,
                              struct assay_audit_options *options,
                              struct assay_error *err) ASSAY_MUST_CHECK;
/* Inputs and key of cell i into its work. */
int assay__study_cell_key(assay_study *s, size_t i,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* Fresh, NULL when out of memory: cells/NAME, and a file in it. */
char *assay__study_cell_folder(const assay_study *s, size_t i);
char *assay__study_cell_path(const assay_study *s, size_t i, const char *name);
/* Whether cell.json says that it is done; else why not goes into its work,
 * when it was done before. */
int assay__study_cell_look(assay_study *s, size_t i,
                           struct assay_error *err) ASSAY_MUST_CHECK;
int assay__study_cell_mark(const assay_study *s, size_t i,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* times.c: timings.json. What the folder has (a file that is not one is taken
 * as empty), new reference, NULL when out of memory. */
json_t *assay__study_times_read(const assay_study *s);
/* Add to cell i's entry and write the file; seconds < 0: it starts. */
int assay__study_times_note(const assay_study *s, json_t *times, size_t i,
                            double seconds,
                            struct assay_error *err) ASSAY_MUST_CHECK;

/* collect.c: new reference; every cell's findings are read. */
int assay__study_collect(const assay_study *s, json_t **out,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* What one document of findings says, in the form of study.json. Borrows. */
json_t *assay__study_digest(const json_t *findings);

/* summary.c: what is computed from "cells" is added to the document. */
int assay__study_summarise(json_t *study, const struct assay_context *ctx,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* csv.c: the tables of a document into a folder. */
int assay__study_write_csv(const json_t *study, const char *folder,
                           struct assay_error *err) ASSAY_MUST_CHECK;

#endif
