/* SPDX-License-Identifier: Apache-2.0 */
/* assay help and assay version. */

#include "assay/context.h"
#include "commands.h"

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

    if (argc < 2) {
        assay__commands_overview(stdout);
        return 0;
    }
    command = assay__command_find(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "assay help: no command \"%.40s\"; see assay --help\n",
                argv[1]);
        return assay_error_exit_status(ASSAY_ARG);
    }
    assay__options_help(command, stdout);
    return 0;
}

static int run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("assay %s\n", assay_version());
    return 0;
}
