/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_ZOO_H
#define ASSAY_CLI_ZOO_H

/* What the commands of the zoo share (zoo.def lists them). */

#include <jansson.h>

#include "assay/zoo.h"
#include "options.h"

#define ASSAY_ZOO_COMMAND(name) \
    extern const struct assay__command assay__zoo_command_##name;
#include "zoo.def"
#undef ASSAY_ZOO_COMMAND

struct assay__zoo_values {
    const char *zoo;
    int json;
    int quiet;
};

extern const struct assay__option assay__zoo_options[];

/* Conditions that choose models. */
struct assay__zoo_choice {
    struct assay__texts where;
    int64_t limit;
};

extern const struct assay__option assay__zoo_choice_options[];

/* Groups of options of a command whose `struct values` has them as `choice`
 * and `common`. */
#define ASSAY__ZOO_MODELS                                                    \
    {                                                                        \
        "Models", assay__zoo_choice_options, offsetof(struct values, choice) \
    }
#define ASSAY__ZOO_GENERAL                                             \
    {                                                                  \
        "General", assay__zoo_options, offsetof(struct values, common) \
    }

/*
 * Do `visit` to each file that a command names, in one zoo; the first that is
 * refused ends it. What was done is appended to `list`, or printed when that
 * is NULL. Errors: also _ARG when no file is named.
 */
struct assay__zoo_file {
    assay_zoo *zoo;
    const char *path;
    json_t *list;
    int quiet; /* print nothing */
};
typedef int assay__zoo_visit(const void *user,
                             const struct assay__zoo_file *file,
                             struct assay_error *err);
int assay__zoo_each_file(const struct assay__command *command,
                         const struct assay__parsed *parsed,
                         const struct assay__zoo_values *values,
                         assay__zoo_visit *visit, const void *user,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* Open what --zoo names, else $XDG_DATA_HOME/assay/zoo.db. */
int assay__zoo_open(assay_zoo **zoo, const struct assay__zoo_values *values,
                    enum assay_zoo_mode mode,
                    struct assay_error *err) ASSAY_MUST_CHECK;
/* An assay_zoo_scan: the scan's verdict with its worst reason. A dangerous
 * file is refused when `user` is not NULL, else noted as such. */
int assay__zoo_scan(void *user, const char *path, char verdict[160],
                    struct assay_error *err) ASSAY_MUST_CHECK;
/* Print "assay zoo NAME: message" unless `code` is ASSAY_OK; the status. */
int assay__zoo_status(const struct assay__command *command, int code,
                      const struct assay_error *err);

/* To stdout: aligned columns, without control characters, or JSON. */
int assay__zoo_print(const struct assay_zoo_table *table, int as_json,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* A cell as people read it; what is missing is "-". */
void assay__zoo_cell_text(const struct assay_zoo_cell *cell, char *text,
                          size_t size);

#endif
