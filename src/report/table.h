/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_REPORT_TABLE_H
#define ASSAY_REPORT_TABLE_H

/*
 * The table of one goal's attacks. Every number comes with its interval as
 * text and as a bar; all bars of a column share one scale, on which the
 * baseline and guessing are marked, so that the eye sees which attacks beat
 * them. Attacks that did not run stand in it with their reason.
 */

#include "core/buf.h"
#include "report/number.h"
#include "report/view.h"

/* What one attack has in one column. */
struct assay__cell {
    struct assay_estimate e;
    struct assay_estimate base; /* what it is held against; NaN: nothing */
    double guess;               /* NaN: not marked */
    const char *why;            /* a missing number's reason, or NULL */
};

enum assay__column_sense {
    ASSAY__COLUMN_MORE, /* more than guessing and the baseline is a leak */
    ASSAY__COLUMN_LESS, /* less than what it is held against is one */
    ASSAY__COLUMN_PLAIN /* neither: not coloured */
};

struct assay__column {
    const char *title;
    const char *sub; /* small, below the title; or NULL */
    enum assay__number_kind kind;
    enum assay__column_sense sense;
    double zero; /* a value that the scale has to hold; NaN: none */
    double at;   /* the reader's own, such as an FPR */
    void (*read)(const struct assay__view *view,
                 const struct assay__attack_view *attack,
                 const struct assay__column *column, struct assay__cell *cell);
};

enum { ASSAY__COLUMNS_MAX = 5 };

struct assay__table {
    enum assay__goal goal;
    const char *class_name;
    const char *caption;
    const char *notes; /* id of its footnotes */
    const struct assay__column *columns;
    size_t n_columns;
    /* More words below an attack's name; or NULL. */
    void (*sub)(struct assay__buf *b, const struct assay__attack_view *attack);
    bool with_baseline; /* something marks a baseline */
};

/* The key to the bars, the table and its footnotes. */
void assay__table_write(const struct assay__table *table,
                        const struct assay__view *view, struct assay__buf *b);

/* "What each attack does": summary, source, parameters, path of the result. */
void assay__table_descriptions(enum assay__goal goal,
                               const struct assay__view *view,
                               struct assay__buf *b);

/* A cell without a value, for readers to fill. */
struct assay__cell assay__cell_empty(void);

#endif
