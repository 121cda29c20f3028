/* SPDX-License-Identifier: Apache-2.0 */
/* assay help and assay version. */

#include "assay/context.h"
#include "commands.h"
#include "session.h"

static const struct assay__option_group no_groups[] = {
    {.title = NULL},
};

static int run_help(int argc, char **argv);
static int run_version(int argc, char **argv);

const struct assay__command assay__command_help = {
    .name = "help",
    .summary = "Tell what a command does, or list them.",
    .usage = "[COMMAND]",
    .examples = "assay help\nassay help audit",
    .groups = no_groups,
    .max_args = 1,
    .run = run_help,
};

const struct assay__command assay__command_version = {
    .name = "version",
    .summary = "Print the version.",
    .usage = "",
    .examples = "assay version",
    .groups = no_groups,
    .run = run_version,
};

static int run_help(int argc, char **argv)
{
    const struct assay__command *command;
    struct assay__parsed parsed;
    char values;
    int status;

    if (!assay__session_parse(&assay__command_help, argc, argv, &values,
                              &parsed, &status))
        return status;
    if (parsed.n_args == 0) {
        assay__commands_overview(stdout);
        return 0;
    }
    command = assay__command_find(parsed.arg[0]);
    if (command == NULL) {
        fprintf(stderr, "assay help: no command \"%.40s\"; see assay --help\n",
                parsed.arg[0]);
        return assay_error_exit_status(ASSAY_ARG);
    }
    assay__options_help(command, stdout);
    return 0;
}

static int run_version(int argc, char **argv)
{
    struct assay__parsed parsed;
    char values;
    int status;

    if (!assay__session_parse(&assay__command_version, argc, argv, &values,
                              &parsed, &status))
        return status;
    printf("assay %s\n", assay_version());
    return 0;
}
