/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ZOO_H
#define ASSAY_ZOO_H

/*
 * The zoo: one SQLite file of models, what is known of them and from where
 * (docs/zoo.md). A model has a number of its own, as names are not unique.
 * What a source does not state is missing (NULL), never 0.
 *
 * Order of calls: assay_zoo_open, any of the others, assay_zoo_close. A
 * handle belongs to one thread at a time; several processes may use one file,
 * and a writer waits for another up to 30 seconds. Every change is one
 * transaction: killed at any moment it is there as a whole or not at all.
 *
 * Errors of all: _IO (the file, a full disk, another writer that does not
 * end), _FORMAT (no zoo, or a damaged one), _NOMEM.
 */

#include <stddef.h>
#include <stdint.h>

#include "assay/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_zoo assay_zoo;

enum assay_zoo_mode {
    ASSAY_ZOO_READ, /* the file must be there */
    ASSAY_ZOO_WRITE /* made when missing, with its folders */
};

/*
 * Open `path`; an older version is brought up to date first. Also:
 * _UNSUPPORTED for a file of a newer version, _NOTHING when ASSAY_ZOO_READ
 * finds no file.
 */
int assay_zoo_open(assay_zoo **out, const char *path, enum assay_zoo_mode mode,
                   struct assay_error *err) ASSAY_MUST_CHECK;
/* NULL is accepted. */
void assay_zoo_close(assay_zoo *zoo);
/* Read all of it: _FORMAT, with what is wrong, when it is damaged. */
int assay_zoo_check(assay_zoo *zoo, struct assay_error *err) ASSAY_MUST_CHECK;

/* --- tables ------------------------------------------------------------ */

enum assay_zoo_type {
    ASSAY_ZOO_NULL,
    ASSAY_ZOO_INTEGER,
    ASSAY_ZOO_REAL,
    ASSAY_ZOO_TEXT
};

struct assay_zoo_column {
    const char *name;
    enum assay_zoo_type type;
    const char *unit; /* "fraction", "pixels" or "" */
    int sense;        /* 1 more is better, -1 less is better, 0 neither */
    const char *help;
};

/* The i-th column that a query may name; NULL behind the last. */
const struct assay_zoo_column *assay_zoo_column(size_t i);

struct assay_zoo_cell {
    enum assay_zoo_type type;
    int64_t integer; /* of ASSAY_ZOO_INTEGER */
    double real;     /* of both kinds of number */
    char *text;      /* of ASSAY_ZOO_TEXT, any bytes up to a NUL */
};

/* A result, all of it in memory. */
struct assay_zoo_table {
    size_t n_columns;
    size_t n_rows;
    size_t n_matching; /* rows without the limit; of assay_zoo_select() */
    char **name;       /* [n_columns] */
    struct assay_zoo_cell *cell; /* [n_rows * n_columns] */
};

/* NULL and a released table are accepted. */
void assay_zoo_table_release(struct assay_zoo_table *table);

/* --- questions --------------------------------------------------------- */

/*
 * where    each "NAME OP VALUE", all of which must hold. OP: = != < <= > >=
 *          and ~ (contains). Text is compared without regard to case, names
 *          of datasets without regard to punctuation. "NAME=" asks for
 *          models of which NAME is missing, "NAME!=" for the others; nothing
 *          else holds for what is missing. NAME is a column, any fact, or
 *          ATTACK.METRIC of the model's newest audit ("lira-online.auc").
 * columns  to return; none: id, name, source, dataset, family, year,
 *          test_accuracy
 * sort     names with commas between, "-" before one for falling order;
 *          what is missing comes last. NULL: by id
 * limit    0: all
 */
struct assay_zoo_query {
    const char *const *where;
    size_t n_where;
    const char *const *column;
    size_t n_columns;
    const char *sort;
    size_t limit;
};

/* Errors: _ARG for a condition or name that cannot be, _LIMIT for a result
 * over 8,388,608 cells or 512 MiB. */
int assay_zoo_select(assay_zoo *zoo, const struct assay_zoo_query *query,
                     struct assay_zoo_table *table,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * The best `limit` models of each dataset by one column or fact: rank,
 * dataset, name, family, year, the metric, id, source. Less is better where
 * the column's sense says so. `query` gives conditions and limit alone.
 * _ARG for a metric that is no number.
 */
int assay_zoo_leaderboard(assay_zoo *zoo, const char *metric,
                          const struct assay_zoo_query *query,
                          struct assay_zoo_table *table,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * How two numbers go together over models.
 *
 * x, y   columns or facts; both NULL: SecurityNet's relations (stolen copies
 *        and test accuracy, membership inference and gap, ...) for each of
 *        its datasets and purposes, from the models of source `securitynet`
 * by     a column or fact to group by, or NULL
 * where  as in struct assay_zoo_query
 *
 * The table: group, x, y, n, then value and 95 % interval of Pearson's and
 * Spearman's correlation (assay/metrics.h), and intercept and slope of the
 * line of least squares. Numbers that cannot be are missing. _NOTHING when
 * no model has both.
 */
struct assay_zoo_relation {
    const char *x;
    const char *y;
    const char *by;
    const char *const *where;
    size_t n_where;
};

int assay_zoo_relate(assay_zoo *zoo, const struct assay_zoo_relation *relation,
                     struct assay_zoo_table *table,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * One SELECT in SQL on a connection of its own that can do nothing else: no
 * write, no attached file, no pragma, no extension.
 *
 * timeout_s  of its work, more than 0; _LIMIT afterwards
 * limit      rows; 0: all
 *
 * _ARG for what is no SELECT, with SQLite's words.
 */
int assay_zoo_sql(assay_zoo *zoo, const char *sql, double timeout_s,
                  size_t limit, struct assay_zoo_table *table,
                  struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * All that is known of one model, as JSON text (assay_zoo_text_free): its
 * columns, every fact with value, raw text, unit, source and date, its files,
 * runs and findings. `what` is a number or a name. _NOTHING when there is
 * none, _ARG when several have the name, with their numbers.
 */
int assay_zoo_show(assay_zoo *zoo, const char *what, char **json,
                   struct assay_error *err) ASSAY_MUST_CHECK;
void assay_zoo_text_free(char *text);

/* --- imports ----------------------------------------------------------- */

struct assay_zoo_import {
    const char *kind;   /* NULL: by content; else of assay_zoo_import_kind */
    const char *source; /* NULL: the kind's own */
    const char *model;  /* number or name of the model that a run's findings
                         * are of; NULL: one of its own. Other kinds: _ARG */
};

struct assay_zoo_imported {
    const char *kind;
    size_t n_rows;
    size_t n_added;
    size_t n_updated;
    size_t n_unchanged;
    size_t n_missing; /* values that the source writes and that mean missing */
};

/* Name of the i-th kind ("models", "securitynet", ...); NULL behind the
 * last. */
const char *assay_zoo_import_kind(size_t i);

/*
 * Take in a file of at most 256 MiB: a table of models, SecurityNet's table,
 * a RobustBench entry, a timm table, a model card, an audit's findings.json. A
 * row is known by source
 * and key: importing a file again changes nothing, importing a newer one
 * changes what it states. Nothing is taken in when one row is refused.
 * Errors: _FORMAT with row and column, _UNSUPPORTED, _LIMIT, _ARG.
 */
int assay_zoo_import_file(assay_zoo *zoo, const char *path,
                          const struct assay_zoo_import *how,
                          struct assay_zoo_imported *done,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/* --- files ------------------------------------------------------------- */

/*
 * Looks at a file before it becomes a model's: writes a line about it into
 * `verdict` (kept as the fact `scan`) and returns ASSAY_OK, or refuses it.
 */
typedef int assay_zoo_scan(void *user, const char *path, char verdict[160],
                           struct assay_error *err);

struct assay_zoo_add {
    const char *model;    /* number or name; NULL: the one that has these
                           * bytes, else a new one */
    const char *name;     /* of a new model; NULL: the file's */
    assay_zoo_scan *scan; /* or NULL */
    void *user;
};

struct assay_zoo_file {
    int64_t model_id;
    int is_new; /* the model was not there before */
    uint64_t size_bytes;
    char sha256[65];
    char format[24]; /* by content: "safetensors", "torch-zip", "onnx", ... */
};

/* Note a file: its absolute path, size, SHA-256 and format. It is read, never
 * loaded. Also _NOTHING: no such model. */
int assay_zoo_add_file(assay_zoo *zoo, const char *path,
                       const struct assay_zoo_add *how,
                       struct assay_zoo_file *file,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/*
 * url        of the model's links, the one to take; NULL: the only one
 * sha256     what the file must have, in hex; NULL: what the zoo knows of it,
 *            else it is noted
 * max_bytes  the largest file that is taken
 * allow_local  1: also from addresses of this machine and of local networks,
 *            through proxies of the environment
 */
struct assay_zoo_fetch {
    const char *url;
    const char *sha256;
    uint64_t max_bytes;
    int allow_local;
    assay_zoo_scan *scan; /* or NULL; before the file gets its name */
    void *user;
};

/*
 * Download the file of a model (number or name) into the folder `files`
 * beside the zoo, under its SHA-256, and note it. Over https or http alone,
 * never from https to http; at most ten redirects; each address that is
 * connected to is judged. What was cut off goes on from there; a file that
 * is here with the right bytes is not fetched again.
 *
 * Errors: _ARG (several links and none chosen, no http link), _NOTHING (no
 * such model, no link), _LIMIT (over max_bytes), _DATA (another SHA-256), _IO
 * (the network, with the reason), _CANCELED (goes on later), those of scan.
 */
int assay_zoo_fetch_file(assay_zoo *zoo, const char *model,
                         const struct assay_zoo_fetch *how,
                         const struct assay_context *ctx,
                         struct assay_zoo_file *file,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* Name of the i-th form of export ("csv", "json", "cyclonedx",
 * "model-index"); NULL behind the last. */
const char *assay_zoo_export_form(size_t i);

/*
 * Models as text (assay_zoo_text_free): those that the query's conditions and
 * limit choose, in the order of their numbers. Equal zoos give equal bytes.
 */
int assay_zoo_export(assay_zoo *zoo, const char *form,
                     const struct assay_zoo_query *query, char **text,
                     struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
