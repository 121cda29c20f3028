/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_STUDY_H
#define ASSAY_STUDY_H

/*
 * Studies: a grid of datasets x architectures x defences x seeds, each cell
 * an audit with all attacks, and tables over all of them (docs/study.md).
 *
 * Order of calls: assay_study_open (reads the study file and the data, and
 * looks what is there already), assay_study_plan and assay_study_cell to show
 * it, assay_study_run, assay_study_free.
 *
 * The folder holds a run folder for each cell, cells/NAME, in which a cell
 * that is done has cell.json: the key of all that determines it. Running
 * again in the same folder goes on where it stopped, and does anew only what
 * is new or has changed. Tables are made of the cells' findings.json alone
 * and have no times in them: equal cells give equal bytes, however often the
 * study was killed. Times are in timings.json. From open to free the folder
 * is locked, but for a plan.
 */

#include "assay/audit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All pointers are borrowed until assay_study_free(). */
struct assay_study_options {
    const char *file; /* the study file, YAML */
    const char *out;  /* folder, made when missing */
    int plan_only;    /* 1: write nothing; assay_study_run() is ASSAY_ARG */
    int no_estimates; /* 1: the plan has no times; it is there at once */
    /*
     * Cells that run side by side, 0: one. Each uses the context's threads,
     * so that cells have the same key and the same bytes whatever this is.
     * Of the cells of one dataset and seed, which have models in common, one
     * runs at a time.
     */
    int jobs;
    struct assay_compute compute; /* as for audits */
};

typedef struct assay_study assay_study;

enum assay_study_state {
    ASSAY_STUDY_NEW,
    ASSAY_STUDY_STARTED, /* something is there; it goes on from that */
    ASSAY_STUDY_DONE,
    ASSAY_STUDY_IMPOSSIBLE /* cannot be planned, and why says why */
};

/* A cell as the plan has it. Text lives as long as the study. */
struct assay_study_cell {
    const char *name; /* of its folder under cells/ */
    const char *dataset;
    const char *architecture;
    const char *defense;
    uint64_t seed;
    size_t epochs;
    int sweep; /* for the figure of epochs alone */
    enum assay_study_state state;
    const char *why; /* it is not done though it was, or impossible; or "" */
    int n_models;    /* to train */
    double seconds;  /* expected; NaN when not known */
};

struct assay_study_plan {
    size_t n_cells;
    size_t n_done;
    size_t n_impossible;
    size_t n_models;     /* to train, in all */
    double seconds;      /* expected, cell after cell; NaN when not known */
    size_t memory_bytes; /* expected peak of one cell; 0 when not known */
};

/*
 * Errors: _FORMAT (the study file, with line and column or the name), _IO,
 * those of data, _NOMEM, _CANCELED. A cell that cannot be is no failure.
 */
int assay_study_open(assay_study **out,
                     const struct assay_study_options *options,
                     const struct assay_context *ctx,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay_study_free(assay_study *study);
const struct assay_study_plan *assay_study_plan(const assay_study *study);
/* i < n_cells of the plan, in the order in which they run. */
void assay_study_cell(const assay_study *study, size_t i,
                      struct assay_study_cell *cell);
/* The study file's name for itself. */
const char *assay_study_name(const assay_study *study);

struct assay_study_result {
    size_t n_done;   /* cells whose findings are in the tables */
    size_t n_failed; /* study.json says why */
    int judged;      /* the study file names a policy */
    size_t n_broken; /* cells whose verdict is neither pass nor warning */
};

/*
 * Run what is not done, then write study.json, the CSV tables
 * and study.html. A cell that fails is recorded and the others go on.
 * Errors: _CANCELED and _NOMEM (a rerun goes on from there), _IO, _NOTHING
 * when no cell has findings.
 */
int assay_study_run(assay_study *study, struct assay_study_result *result,
                    struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
