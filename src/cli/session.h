/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_SESSION_H
#define ASSAY_CLI_SESSION_H

/*
 * What every working command shares: the options --json, --seed, --threads
 * and so on; the context they make; progress on stderr; the first Ctrl-C
 * (or SIGTERM) asks for an end, the second one ends; choices of algorithm
 * kept between programs in $XDG_CACHE_HOME/assay/tuning.json.
 */

#include "assay/context.h"
#include "assay/model.h"
#include "options.h"
#include "progress.h"

struct assay__common_values {
    int json;
    int quiet;
    int no_color;
    int64_t seed;
    int64_t threads;
    const char *backend;
    const char *algorithms;
    const char *dtype;
};

extern const struct assay__option assay__common_options[];

struct assay__session {
    const char *command; /* for messages */
    struct assay_context ctx;
    struct assay_compute compute;
    struct assay__progress progress;
    int json;
    int quiet;
    int color; /* stdout may carry colours */
    int width; /* of stdout's terminal, else 80 */
    char *tuning_path;
    assay_tuning *tuning;
};

/*
 * Parse the command line; on --help print the help, on a mistake print it.
 * True when the command should go on; else *status is its exit status.
 */
int assay__session_parse(const struct assay__command *command, int argc,
                         char **argv, void *values,
                         struct assay__parsed *parsed, int *status);

/* Closed with assay__session_close() whether or not opening failed. */
int assay__session_open(struct assay__session *s,
                        const struct assay__command *command,
                        const struct assay__common_values *values,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay__session_close(struct assay__session *s);
/* Keep the choices of algorithm now: what is computed next may be computed
 * again by another process, which is to choose alike. */
void assay__session_keep_tuning(struct assay__session *s);

/* Clear the progress line, print "assay COMMAND: message" and return the
 * exit status of `code`; 0 and silence for ASSAY_OK. */
int assay__session_end(struct assay__session *s, int code,
                       const struct assay_error *err);

/* One call of a command. The command fills in the first part. */
struct assay__call {
    const struct assay__command *command;
    int argc;
    char **argv;
    void *values;                              /* of command->values_size */
    const struct assay__common_values *common; /* among them */
    const void *user;

    struct assay__parsed parsed;
    struct assay__session session;
    int status;      /* the work sets it: the exit status when nothing failed */
    char kept[4200]; /* and this: what is said after Ctrl-C; "": nothing */
};
typedef int assay__work_fn(struct assay__call *call, struct assay_error *err);

/* Parse, open a session, work, end and close it; returns the exit status. */
int assay__call_run(struct assay__call *call, assay__work_fn *work);
/* ASSAY_ARG: what is missing, and how the command is used. */
int assay__call_misused(const struct assay__call *call, const char *what,
                        struct assay_error *err);

/* A line to stderr unless --quiet. */
void assay__session_say(struct assay__session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
