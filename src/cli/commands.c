/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands, and the choice among them. `assay --help` and
 * `assay --version` are understood as the commands of those names.
 */

#include "commands.h"

#include <string.h>

#include "assay/context.h"

const struct assay__command *const assay__commands[] = {
#define ASSAY_COMMAND(name) &assay__command_##name,
#include "commands.def"
#undef ASSAY_COMMAND
    NULL};

const struct assay__command *assay__command_find(const char *name)
{
    size_t i;

    for (i = 0; assay__commands[i] != NULL; i++) {
        if (strcmp(assay__commands[i]->name, name) == 0)
            return assay__commands[i];
    }
    return NULL;
}

const char *assay__command_near(const char *name)
{
    const char *names[32];
    size_t n = 0;

    while (n < 32 && assay__commands[n] != NULL) {
        names[n] = assay__commands[n]->name;
        n++;
    }
    return assay__nearest(name, names, n);
}

void assay__commands_overview(FILE *out)
{
    size_t i;

    fprintf(out, "Assay %s: how much does a model give away?\n\n",
            assay_version());
    fputs("Examples:\n"
          "  assay audit fashion-mnist --out runs/first\n"
          "  assay audit model.safetensors --data cifar10:data/cifar10\n"
          "  assay audit --members in.npz --nonmembers out.npz\n\n"
          "Usage: assay COMMAND [arguments]\n\nCommands:\n",
          out);
    for (i = 0; assay__commands[i] != NULL; i++)
        fprintf(out, "  %-12s%s\n", assay__commands[i]->name,
                assay__commands[i]->summary);
    fputs("\n`assay COMMAND --help` tells the options of each.\n"
          "Exit status: 0 passed, 1 findings over the policy, 2 error, "
          "3 nothing to test,\n4 usage, 130 interrupted.\n",
          out);
}

int assay__main(int argc, char **argv)
{
    const struct assay__command *command;
    const char *name = argc > 1 ? argv[1] : "";
    const char *near;

    if (argc < 2) {
        assay__commands_overview(stderr);
        return assay_error_exit_status(ASSAY_ARG);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    command = assay__command_find(name);
    if (command != NULL)
        return command->run(argc - 1, argv + 1);
    near = assay__command_near(name);
    if (near != NULL)
        fprintf(stderr, "assay: no command \"%.40s\"; did you mean \"%s\"?\n",
                name, near);
    else
        fprintf(stderr, "assay: no command \"%.40s\"; see assay --help\n",
                name);
    return assay_error_exit_status(ASSAY_ARG);
}
