/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay scan: is this model file safe to open? It opens no other file than
 * those named (and looks at links beside an ONNX model), writes none, and
 * needs no context: nothing is computed.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assay/scan.h"
#include "commands.h"
#include "core/mem.h"
#include "json_output.h"
#include "scan_output.h"
#include "session.h"

struct values {
    int json;
    int sarif;
    int quiet;
    int no_color;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"json", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "print the result as JSON", offsetof(struct values, json)},
    {"sarif", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "print the result as SARIF 2.1.0", offsetof(struct values, sarif)},
    {"quiet", 'q', ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "do not name clean files", offsetof(struct values, quiet)},
    {"no-color", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "no colours; so does a non-empty NO_COLOR",
     offsetof(struct values, no_color)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Output", own_options, 0},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_scan = {
    .name = "scan",
    .summary = "Tell whether model files are safe to open.",
    .usage = "FILE... [options]",
    .examples = "assay scan model.pth\n"
                "assay scan --sarif downloads/model.onnx",
    .notes = "Exit status: 0 all clean, 1 something suspicious or dangerous, "
             "2 a file that\ncannot be read, 3 no file of a kind that is "
             "scanned, 4 usage.\n",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = ASSAY__ARGS_MAX,
    .run = run,
};

static int exit_status(const struct assay__scanned *s, size_t n)
{
    enum assay_severity worst = ASSAY_SEVERITY_CLEAN;
    size_t n_unknown = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        enum assay_severity verdict = assay__scanned_verdict(&s[i]);

        if (verdict > worst)
            worst = verdict;
        n_unknown +=
            s[i].code == ASSAY_OK && strcmp(s[i].scan.kind, "unknown") == 0;
    }
    if (worst >= ASSAY_SEVERITY_SUSPICIOUS)
        return 1;
    if (n_unknown == n)
        return assay_error_exit_status(ASSAY_NOTHING);
    return worst == ASSAY_SEVERITY_UNREADABLE
               ? assay_error_exit_status(ASSAY_IO)
               : 0;
}

static int print_all(const struct assay__scanned *s, size_t n,
                     const struct values *v, struct assay_error *err)
{
    const char *variable = getenv("NO_COLOR");
    int color = isatty(STDOUT_FILENO) && !v->no_color &&
                (variable == NULL || *variable == '\0');
    int code = ASSAY_OK;

    if (v->sarif)
        code = assay__print_json(assay__scan_sarif(s, n), "the result", err);
    else if (v->json)
        code = assay__print_json(assay__scan_json(s, n), "the result", err);
    else
        assay__scan_print(stdout, s, n, v->quiet, color);
    if (code == ASSAY_OK && (fflush(stdout) != 0 || ferror(stdout)))
        code =
            assay_error_set(err, ASSAY_IO, "standard output cannot be written");
    return code;
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__command_scan;
    struct values values;
    struct assay__parsed parsed;
    struct assay__scanned *scanned;
    struct assay_error err = {0};
    size_t n, i;
    int status;
    int code;

    if (!assay__session_parse(command, argc, argv, &values, &parsed, &status))
        return status;
    if (parsed.n_args == 0 || (values.json && values.sarif)) {
        fprintf(stderr, "assay scan: %s; usage: assay scan %s\n",
                parsed.n_args == 0 ? "no FILE given"
                                   : "--json and --sarif exclude each other",
                command->usage);
        return assay_error_exit_status(ASSAY_ARG);
    }
    n = (size_t)parsed.n_args;
    scanned = assay__calloc(n, sizeof(*scanned));
    if (scanned == NULL) {
        fprintf(stderr, "assay scan: no memory for %zu results\n", n);
        return assay_error_exit_status(ASSAY_NOMEM);
    }
    for (i = 0; i < n; i++) {
        scanned[i].path = parsed.arg[i];
        scanned[i].code =
            assay_scan_file(&scanned[i].scan, parsed.arg[i], &scanned[i].err);
    }
    status = exit_status(scanned, n);
    code = print_all(scanned, n, &values, &err);
    if (code != ASSAY_OK) {
        fprintf(stderr, "assay scan: %s\n", err.msg);
        status = assay_error_exit_status(code);
    }
    for (i = 0; i < n; i++) {
        if (scanned[i].code == ASSAY_OK)
            assay_scan_release(&scanned[i].scan);
    }
    assay__free(scanned);
    return status;
}
