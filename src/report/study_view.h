/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_STUDY_VIEW_H
#define ASSAY_REPORT_STUDY_VIEW_H

/*
 * A study opened for reading: study.json (docs/study.md), checked as far as
 * its parts go, and an index of its means. Nothing is computed here but what
 * a drawing needs.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "report/view.h"

struct assay__study_attack {
    const char *name;
    const char *title;
    const char *goal;
    const char *access;
    const char *auxiliary;
    const char *headline; /* "": it ran nowhere */
    bool baseline;
};

struct assay__study_view {
    json_t *doc;
    json_t *timings; /* or NULL */
    json_t *index;   /* of the means that are not of the sweep */
    const char **dataset;
    size_t n_datasets;
    const char **architecture;
    size_t n_architectures;
    const char **defense;
    size_t n_defenses;
    const char *plain; /* the row of no defence, else "" */
    struct assay__study_attack *attack;
    size_t n_attacks;
};

int assay__study_view_open(struct assay__study_view *view, const char *dir,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* From a document at hand, which is the view's from here on, also on
 * failure; no timings. */
int assay__study_view_take(struct assay__study_view *view, json_t *doc,
                           struct assay_error *err) ASSAY_MUST_CHECK;
void assay__study_view_release(struct assay__study_view *view);

/* A mean over seeds; NaN where there is none. */
struct assay__moments {
    double mean;
    double sd;
    struct assay_estimate interval; /* of the mean; n: seeds */
    double baseline;
};
struct assay__moments assay__moments_of(const json_t *row);

/* A cell's place in the grid. */
struct assay__study_place {
    const char *dataset;
    const char *architecture;
    const char *defense;
};
struct assay__moments assay__study_moments(const struct assay__study_view *view,
                                           const struct assay__study_place *at,
                                           const char *attack,
                                           const char *metric);

/* The attacks of a goal that figures show: those that ran, the papers' first,
 * at most `max`. */
size_t assay__study_shown(const struct assay__study_view *view,
                          const char *goal,
                          const struct assay__study_attack **out, size_t max);
/* Goals but "utility" that some attack has, in the order of the attacks. */
size_t assay__study_goals(const struct assay__study_view *view,
                          const char **goal, size_t max);

/* "0.713 ± 0.012", or without what is missing. */
struct assay__text assay__moments_text(const struct assay__moments *m,
                                       const char *metric);
/* "test accuracy" for "test_accuracy"; the name itself when unknown. */
const char *assay__study_metric(const char *metric);

/* study_page.c, study_figures.c, study_tables.c: what stands below the
 * heading of a section. */
void assay__study_page_write(const struct assay__study_view *view,
                             struct assay__buf *b);
void assay__study_overview(const struct assay__study_view *view,
                           struct assay__buf *b);
void assay__study_bars(const struct assay__study_view *view,
                       struct assay__buf *b);
void assay__study_overfitting(const struct assay__study_view *view,
                              struct assay__buf *b);
void assay__study_pairs(const struct assay__study_view *view,
                        struct assay__buf *b);
void assay__study_epochs(const struct assay__study_view *view,
                         struct assay__buf *b);
void assay__study_complexity(const struct assay__study_view *view,
                             struct assay__buf *b);
void assay__study_defenses(const struct assay__study_view *view,
                           struct assay__buf *b);
void assay__study_means(const struct assay__study_view *view,
                        struct assay__buf *b);
void assay__study_cost(const struct assay__study_view *view,
                       struct assay__buf *b);
void assay__study_missing(const struct assay__study_view *view,
                          struct assay__buf *b);
void assay__study_method(const struct assay__study_view *view,
                         struct assay__buf *b);

#endif
