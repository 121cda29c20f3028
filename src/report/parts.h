/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_PARTS_H
#define ASSAY_REPORT_PARTS_H

/*
 * What several sections share: footnotes that explain missing numbers,
 * badges, table frames, values of any JSON type.
 */

#include "assay/metrics.h"
#include "core/buf.h"
#include "core/json.h"
#include "report/number.h"

/* Footnotes of one table: equal reasons share a letter. */
enum { ASSAY__NOTES_MAX = 26 };
struct assay__notes {
    const char *id;                     /* unique on the page */
    const char *text[ASSAY__NOTES_MAX]; /* borrowed */
    size_t n;
};
/* A dash that says why: in its title, and in the note it points to. */
void assay__part_missing(struct assay__buf *b, struct assay__notes *notes,
                         const char *why);
void assay__part_notes(struct assay__buf *b, const struct assay__notes *notes);

/* <div class="scroll"><table class=...><caption>...: wide tables scroll by
 * themselves, the page never does. */
void assay__part_table_begin(struct assay__buf *b, const char *class_name,
                             const char *caption);
void assay__part_table_end(struct assay__buf *b);

/* A value and, smaller, its interval. */
void assay__part_estimate(struct assay__buf *b, const struct assay_estimate *e,
                          enum assay__number_kind kind);

/* "passed", "failed", "warning", "unknown" with a sign and a word. */
void assay__part_badge(struct assay__buf *b, const char *state,
                       const char *word);

/* A row of a description list; nothing when `value` is empty. */
void assay__part_fact(struct assay__buf *b, const char *name,
                      const char *value);
/* The same for a hash, cut for the eye, whole for the clipboard. */
void assay__part_hash(struct assay__buf *b, const char *name,
                      const char *value);

/* Any JSON value on one line. */
void assay__part_value(struct assay__buf *b, const json_t *v);
/* An object as rows of a description list, in the order of its keys. */
void assay__part_facts(struct assay__buf *b, const json_t *object);

/* "TPR at 0.1 % FPR" for ("tpr_at_fpr", .001); "" for a name that is not
 * known, to be shown as it is. */
struct assay__text assay__part_metric(const char *metric, double fpr);

/* "Correctness" for "correctness"; the name itself when unknown. */
struct assay__view;
const char *assay__part_attack_title(const struct assay__view *view,
                                     const char *name);

#endif
