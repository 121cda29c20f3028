/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_STUDY_GRID_H
#define ASSAY_STUDY_GRID_H

/*
 * From a study file to cells: every seed x dataset x architecture x defence
 * that belongs together, then the cells of the sweep over epochs. Seeds turn
 * slowest, so that a study that is stopped early has whole grids of fewer
 * seeds. Settings come from the preset, over it the file's own, over those
 * the dataset's, over those the overrides that name the cell, in their
 * order.
 */

#include "assay/audit.h"
#include "study/file.h"

struct assay__study_settings {
    size_t records; /* per quarter; 0: all */
    int references;
    struct assay_recipe recipe;
    struct assay_pixel_options pixels;
};

struct assay__study_cell {
    char name[160]; /* "fashion-simplecnn-none-s0": of its folder */
    unsigned dataset;
    unsigned architecture;
    unsigned defense;
    uint64_t seed;
    int sweep; /* for the figure of epochs alone */
    struct assay__study_settings settings;
};

/* Attacks' parameters that a preset sets where the attack is run. */
struct assay__study_preset {
    const char *name;
    size_t epochs;
    size_t milestones[2];
    int side; /* images are resized to so many pixels */
    int references;
    const char *controls;
    const char *const *attack_params; /* ends with NULL */
};
/* The file's preset, `corrected` when it names none; NULL when there is none
 * of that name. */
const struct assay__study_preset *assay__study_preset(
    const struct assay__study_file *file);

/* Rows of defences: the file's, or the one row "none". */
unsigned assay__study_n_defenses(const struct assay__study_file *file);
const char *assay__study_defense_name(const struct assay__study_file *file,
                                      unsigned i);
/* The defence of that row, by its name in the table of defences. */
const char *assay__study_defense_kind(const struct assay__study_file *file,
                                      unsigned i);

/* The cells, fresh (assay__free). ASSAY_FORMAT for settings out of range and
 * for two cells of one name, ASSAY_LIMIT over 4096 cells. */
int assay__study_grid(const struct assay__study_file *file,
                      struct assay__study_cell **cells, size_t *n,
                      struct assay_error *err) ASSAY_MUST_CHECK;

#endif
