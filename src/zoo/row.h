/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_ROW_H
#define ASSAY_ZOO_ROW_H

/*
 * What a source says of one model. Importers fill a row and hand it to a
 * sink; they know no database, the sink knows no file formats. Text is
 * borrowed until the sink returns.
 */

#include <stdbool.h>
#include <stddef.h>

#include "zoo/columns.h"

enum {
    ASSAY__ZOO_NAME_MAX = 512,   /* bytes of a name */
    ASSAY__ZOO_TEXT_MAX = 65536, /* of any other text */
    ASSAY__ZOO_EXTRAS_MAX = 64,
    ASSAY__ZOO_URLS_MAX = 16
};

struct assay__zoo_value {
    const char *raw;  /* as the source writes it; NULL: it does not say */
    bool missing;     /* raw means that there is no value */
    const char *note; /* or NULL */
    double real;      /* of both kinds of number */
};

/* A fact that columns.def does not name. */
struct assay__zoo_extra {
    const char *name;
    const char *unit;
    bool is_number;
    struct assay__zoo_value value;
};

/* What one attack of an audit came to. NaN is missing. */
struct assay__zoo_finding {
    const char *attack;
    const char *metric;
    double value;
    double low;
    double high;
    double n;
    double baseline;
};

/* An audit of the model. */
struct assay__zoo_run {
    const char *key;     /* equal for equal findings */
    const char *tool;    /* "assay 0.1.0" */
    const char *verdict; /* or NULL */
    const char *folder;  /* name of the run's folder, or NULL */
    const struct assay__zoo_finding *finding;
    size_t n;
};

struct assay__zoo_row {
    const char *name;
    const char *key;                  /* instead of name and dataset; or NULL */
    const struct assay__zoo_run *run; /* or NULL */
    const char *dataset;              /* or NULL */
    const char *data_category;        /* or NULL */
    const char *training_size;        /* of the dataset, digits; or NULL */
    const char *urls;                 /* with blanks between; or NULL */
    struct assay__zoo_value value[ASSAY__ZOO_STORED];
    struct assay__zoo_extra extra[ASSAY__ZOO_EXTRAS_MAX];
    size_t n_extras;
};

typedef int assay__zoo_sink(void *user, const struct assay__zoo_row *row,
                            struct assay_error *err);

/*
 * Set a value from text, which is checked: a number must be one, a whole
 * number whole, a fraction within 0 to 1 after `scale`. NULL and empty text
 * set nothing; "nan", "none" and "null" as a number mean missing.
 * Errors: _FORMAT, _LIMIT, naming the column.
 */
int assay__zoo_row_set(struct assay__zoo_row *row, size_t column,
                       const char *raw, double scale,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* A further fact, a number when the text is one. Names that are not of
 * [a-z0-9_./:-] and those over the limit of a row are left out. */
int assay__zoo_row_add(struct assay__zoo_row *row, const char *name,
                       const char *unit, const char *raw,
                       struct assay_error *err) ASSAY_MUST_CHECK;
/* Say of a value that is set that it means missing, and why. */
void assay__zoo_row_void(struct assay__zoo_row *row, size_t column,
                         const char *note);

/* The whole text as a number: sign, digits, a point, an exponent. */
bool assay__zoo_number(const char *text, double *x);

#endif
