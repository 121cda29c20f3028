/* SPDX-License-Identifier: Apache-2.0 */
/* assay diff: two runs in one table, as without and with a defence. */

#include "assay/report.h"
#include "commands.h"
#include "session.h"

struct values {
    struct assay__common_values common;
};

static const struct assay__option_group groups[] = {
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_diff = {
    .name = "diff",
    .summary = "Compare two runs: accuracy, each attack, cost.",
    .usage = "BEFORE AFTER [options]",
    .examples = "assay diff runs/plain runs/private\n"
                "assay diff runs/plain runs/private --json",
    .notes = "The changes' intervals take the runs as independent.",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 2,
    .run = run,
};

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__command_diff;
    struct values values;
    struct assay__parsed parsed;
    struct assay__session s;
    struct assay_error err;
    int status;
    int code;

    if (!assay__session_parse(command, argc, argv, &values, &parsed, &status))
        return status;
    code = assay__session_open(&s, command, &values.common, &err);
    if (code == ASSAY_OK && parsed.n_args != 2)
        code = assay_error_set(&err, ASSAY_ARG,
                               "two run folders are needed; usage: assay diff "
                               "%s",
                               command->usage);
    if (code == ASSAY_OK)
        code = assay_report_diff(parsed.arg[0], parsed.arg[1], stdout, s.json,
                                 &err);
    status = assay__session_end(&s, code, &err);
    assay__session_close(&s);
    return status;
}
