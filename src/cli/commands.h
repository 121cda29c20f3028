/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_CLI_COMMANDS_H
#define ASSAY_CLI_COMMANDS_H

/*
 * The table of commands, in the order of commands.def. A command parses its
 * own arguments, prints its result to stdout and its messages to stderr,
 * and returns the exit status of the program.
 */

#include "options.h"

#define ASSAY_COMMAND(name) \
    extern const struct assay__command assay__command_##name;
#include "commands.def"
#undef ASSAY_COMMAND

/* Ends with NULL. */
extern const struct assay__command *const assay__commands[];

/* NULL when there is none of that name. */
const struct assay__command *assay__command_find(const char *name);
/* The nearest command's name, or NULL. */
const char *assay__command_near(const char *name);
/* The overview that `assay` and `assay help` print. */
void assay__commands_overview(FILE *out);

/* Run what argv names: options of the program itself, then a command. */
int assay__main(int argc, char **argv);

#endif
