/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_OPTIONS_H
#define ASSAY_CLI_OPTIONS_H

/*
 * Options as tables say them. A table row holds name, letter, type, default
 * as text, range or choices, help, and where the value goes; parsing,
 * --help, the manual page and shell completion all read the same rows, so a
 * default is written once.
 *
 * A command has several groups of rows ("common", "training"), each behind
 * an offset in the command's one struct of values. Text values are borrowed
 * from argv or from the table.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "assay/error.h"

enum assay__option_type {
    ASSAY__OPTION_FLAG,   /* int, 0 or 1; takes no value */
    ASSAY__OPTION_INT,    /* int64_t */
    ASSAY__OPTION_REAL,   /* double */
    ASSAY__OPTION_TIME,   /* double, seconds: "90", "90s", "10m", "2h" */
    ASSAY__OPTION_TEXT,   /* const char *, NULL when not given */
    ASSAY__OPTION_CHOICE, /* const char *, one of `choices` */
    ASSAY__OPTION_SIZE,   /* int[2], "HxW" or "N" for both */
    ASSAY__OPTION_REALS,  /* struct assay__reals, "a,b,c" */
    ASSAY__OPTION_WORDS,  /* struct assay__words, "a,b"; may be repeated */
    ASSAY__OPTION_TEXTS   /* struct assay__texts, one each time */
};

enum { ASSAY__REALS_MAX = 8, ASSAY__WORDS_MAX = 32, ASSAY__WORD_SIZE = 80 };

struct assay__reals {
    double value[ASSAY__REALS_MAX];
    int n;
};

struct assay__words {
    char word[ASSAY__WORDS_MAX][ASSAY__WORD_SIZE];
    int n;
};

enum { ASSAY__TEXTS_MAX = 32 };

struct assay__texts {
    const char *text[ASSAY__TEXTS_MAX];
    int n;
};

struct assay__option {
    const char *name; /* without dashes; NULL ends a table */
    char letter;      /* 0: none */
    enum assay__option_type type;
    const char *value;   /* what help calls the value: "N", "FILE" */
    const char *text;    /* default, parsed like an argument; NULL: none */
    double min, max;     /* for numbers, inclusive */
    const char *choices; /* "tuned|direct" */
    const char *help;
    size_t offset; /* of the value, from the group's start */
};

struct assay__option_group {
    const char *title; /* NULL ends the list */
    const struct assay__option *option;
    size_t offset; /* of the group, from the start of the values */
};

struct assay__command {
    const char *name;
    const char *summary;  /* one line */
    const char *usage;    /* after "assay NAME " */
    const char *examples; /* lines, each a whole command */
    const char *notes;    /* NULL or text after the options */
    const struct assay__option_group *groups;
    size_t values_size; /* of the struct of values */
    int max_args;       /* positional arguments */
    int (*run)(int argc, char **argv);
};

enum { ASSAY__ARGS_MAX = 4096, ASSAY__GROUPS_MAX = 8 };

struct assay__parsed {
    const char *arg[ASSAY__ARGS_MAX];
    int n_args;
    uint64_t given[ASSAY__GROUPS_MAX]; /* bit i: row i of the group */
    int help;                          /* -h or --help was there */
};

/*
 * Parse argv[1..argc) (argv[0] is the command's name) into `values`, zeroed
 * and filled with defaults first. `--name value`, `--name=value`, `-nvalue`
 * and `-n value`; `--` ends options. Parsing stops at --help.
 * Errors: ASSAY_ARG, with the option, the value and what was expected, and
 * the nearest name when the option is not known.
 */
int assay__options_parse(const struct assay__command *command, int argc,
                         char **argv, void *values,
                         struct assay__parsed *parsed,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* Whether the user gave the option, in any group. */
int assay__option_given(const struct assay__command *command,
                        const struct assay__parsed *parsed, const char *name);

/* Help: summary, examples, usage, options with their defaults. */
void assay__options_help(const struct assay__command *command, FILE *out);

/* The nearest of `n` names by edit distance, or NULL when none is near. */
const char *assay__nearest(const char *word, const char *const *names,
                           size_t n);

/* One row's value from text; used for defaults and arguments alike. */
int assay__option_store(const struct assay__option *option, const char *text,
                        void *value, struct assay_error *err) ASSAY_MUST_CHECK;

#endif
