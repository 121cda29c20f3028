/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_SECTIONS_H
#define ASSAY_REPORT_SECTIONS_H

/*
 * The sections of a report, one function each: it writes what stands below
 * the section's heading. They cannot fail: what is missing is said in the
 * text, and memory is the buffer's affair. The order is page.c's table.
 */

#include "assay/context.h"
#include "core/buf.h"
#include "report/view.h"

void assay__section_verdict(const struct assay__view *view,
                            struct assay__buf *b);
void assay__section_policy(const struct assay__view *view,
                           struct assay__buf *b);
void assay__section_scope(const struct assay__view *view, struct assay__buf *b);
void assay__section_attacks(const struct assay__view *view,
                            struct assay__buf *b);
void assay__section_roc(const struct assay__view *view, struct assay__buf *b);
void assay__section_scores(const struct assay__view *view,
                           struct assay__buf *b);
void assay__section_training(const struct assay__view *view,
                             struct assay__buf *b);
void assay__section_exposed(const struct assay__view *view,
                            struct assay__buf *b);
void assay__section_attribute(const struct assay__view *view,
                              struct assay__buf *b);
void assay__section_stealing(const struct assay__view *view,
                             struct assay__buf *b);
void assay__section_inversion(const struct assay__view *view,
                              struct assay__buf *b);
void assay__section_trust(const struct assay__view *view, struct assay__buf *b);
void assay__section_controls(const struct assay__view *view,
                             struct assay__buf *b);
void assay__section_advice(const struct assay__view *view,
                           struct assay__buf *b);
void assay__section_reproduce(const struct assay__view *view,
                              struct assay__buf *b);
void assay__section_taxonomy(const struct assay__view *view,
                             struct assay__buf *b);
void assay__section_limits(const struct assay__view *view,
                           struct assay__buf *b);
void assay__section_glossary(const struct assay__view *view,
                             struct assay__buf *b);

/* What a goal's attacks came to, in one or two sentences without a frame:
 * for the goal's section and the verdict. */
void assay__say_attribute(const struct assay__view *view, struct assay__buf *b);
void assay__say_stealing(const struct assay__view *view, struct assay__buf *b);
void assay__say_inversion(const struct assay__view *view, struct assay__buf *b);
void assay__say_trust(const struct assay__view *view, struct assay__buf *b);

/* Detectors that looked into the model; 0 without any. */
struct assay__trust_tally {
    size_t ran; /* and decided */
    size_t undecided;
    size_t accuse;
    size_t calibrated;
};
struct assay__trust_tally assay__trust_count(const struct assay__view *view);

#endif
