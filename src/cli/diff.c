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

static int work(struct assay__call *call, struct assay_error *err)
{
    const struct assay__parsed *p = &call->parsed;

    if (p->n_args != 2)
        return assay__call_misused(call, "two run folders are needed", err);
    return assay_report_diff(p->arg[0], p->arg[1], stdout, call->session.json,
                             err);
}

static int run(int argc, char **argv)
{
    struct values values;
    struct assay__call call = {.command = &assay__command_diff,
                               .argc = argc,
                               .argv = argv,
                               .values = &values,
                               .common = &values.common};

    return assay__call_run(&call, work);
}
