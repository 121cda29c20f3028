/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay zoo: a database of models. A word after it says what to do; each
 * such command has options and a help of its own.
 */

#include "zoo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/scan.h"
#include "commands.h"
#include "core/mem.h"
#include "core/printable.h"
#include "json_output.h"

/* clang-format off */
const struct assay__option assay__zoo_options[] = {
    {"zoo", 0, ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "the database; not given: $XDG_DATA_HOME/assay/zoo.db",
     offsetof(struct assay__zoo_values, zoo)},
    {"json", 0, ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "print the result as JSON",
     offsetof(struct assay__zoo_values, json)},
    {"quiet", 'q', ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL,
     "no messages but errors",
     offsetof(struct assay__zoo_values, quiet)},
    {.name = NULL},
};

const struct assay__option assay__zoo_choice_options[] = {
    {"where", 'w', ASSAY__OPTION_TEXTS, "COND", NULL, 0, 0, NULL,
     "models of which this holds: NAME OP VALUE, OP one of = != < <= > >= ~ "
     "(contains); may be repeated, all must hold; NAME= asks for missing ones",
     offsetof(struct assay__zoo_choice, where)},
    {"limit", 'n', ASSAY__OPTION_INT, "N", "50", 0, 100000000, NULL,
     "at most so many; 0: all",
     offsetof(struct assay__zoo_choice, limit)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__command *const table[] = {
#define ASSAY_ZOO_COMMAND(name) &assay__zoo_command_##name,
#include "zoo.def"
#undef ASSAY_ZOO_COMMAND
};

enum { N_COMMANDS = sizeof(table) / sizeof(table[0]) };

static const struct assay__option_group no_groups[] = {
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_zoo = {
    .name = "zoo",
    .summary = "Keep and ask a database of models and what is known of them.",
    .usage = "COMMAND [arguments]",
    .examples =
        "assay zoo import models.csv\n"
        "assay zoo query --where family=resnet --where 'test_accuracy>0.9' "
        "--sort -year\n"
        "assay zoo show 17",
    .notes = "Commands:"
#define ASSAY_ZOO_COMMAND(name) " " #name
#include "zoo.def"
#undef ASSAY_ZOO_COMMAND
             ".\n`assay zoo` tells what each does, `assay zoo COMMAND --help` "
             "its options;\ndocs/zoo.md describes the database.",
    .groups = no_groups,
    .max_args = 0,
    .run = run,
};

static void overview(FILE *out)
{
    struct assay__command command = assay__command_zoo;
    size_t i;

    command.notes = NULL; /* the list below says more */
    assay__options_help(&command, out);
    fputs("\nCommands:\n", out);
    for (i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-12s%s\n", table[i]->name + strlen("zoo "),
                table[i]->summary);
    fputs("\n`assay zoo COMMAND --help` tells the options of each; docs/zoo.md "
          "describes the\ndatabase.\n",
          out);
}

static int refuse(const char *name)
{
    const char *names[N_COMMANDS];
    const char *near;
    size_t i;

    for (i = 0; i < N_COMMANDS; i++)
        names[i] = table[i]->name + strlen("zoo ");
    near = assay__nearest(name, names, N_COMMANDS);
    if (near != NULL)
        fprintf(stderr,
                "assay zoo: no command \"%.40s\"; did you mean "
                "\"%s\"?\n",
                name, near);
    else
        fprintf(stderr,
                "assay zoo: no command \"%.40s\"; see assay zoo "
                "--help\n",
                name);
    return assay_error_exit_status(ASSAY_ARG);
}

static int run(int argc, char **argv)
{
    size_t i;

    if (argc < 2) {
        overview(stderr);
        return assay_error_exit_status(ASSAY_ARG);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        overview(stdout);
        return 0;
    }
    for (i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], table[i]->name + strlen("zoo ")) == 0)
            return table[i]->run(argc - 1, argv + 1);
    }
    return refuse(argv[1]);
}

/* Fresh; NULL without a home or memory. */
static char *default_path(void)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");

    if (data != NULL && data[0] == '/')
        return assay__format("%s/assay/zoo.db", data);
    if (home != NULL && home[0] == '/')
        return assay__format("%s/.local/share/assay/zoo.db", home);
    return NULL;
}

int assay__zoo_open(assay_zoo **zoo, const struct assay__zoo_values *values,
                    enum assay_zoo_mode mode, struct assay_error *err)
{
    char *path =
        values->zoo != NULL ? assay__strdup(values->zoo) : default_path();
    int code;

    if (path == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "no place for the zoo: name one (--zoo)");
    code = assay_zoo_open(zoo, path, mode, err);
    if (code == ASSAY_NOTHING)
        code = assay_error_set(err, code,
                               "%.150s: no zoo is there yet; `assay zoo "
                               "import` or `add` makes it",
                               path);
    assay__free(path);
    return code;
}

int assay__zoo_each_file(const struct assay__command *command,
                         const struct assay__parsed *parsed,
                         const struct assay__zoo_values *values,
                         assay__zoo_visit *visit, const void *user,
                         struct assay_error *err)
{
    struct assay__zoo_file file = {.list = values->json ? json_array() : NULL,
                                   .quiet = values->quiet};
    int code = ASSAY_OK;
    int i;

    if (parsed->n_args == 0)
        code = assay_error_set(err, ASSAY_ARG,
                               "no file is named; usage: assay %s %s",
                               command->name, command->usage);
    if (code == ASSAY_OK)
        code = assay__zoo_open(&file.zoo, values, ASSAY_ZOO_WRITE, err);
    for (i = 0; i < parsed->n_args && code == ASSAY_OK; i++) {
        file.path = parsed->arg[i];
        code = visit(user, &file, err);
    }
    assay_zoo_close(file.zoo);
    if (code == ASSAY_OK && file.list != NULL)
        return assay__print_json(file.list, "the result", err);
    json_decref(file.list);
    return code;
}

int assay__zoo_scan(void *user, const char *path, char verdict[160],
                    struct assay_error *err)
{
    struct assay_scan scan;
    const struct assay_scan_reason *worst;
    int code;

    if (user != NULL) {
        code = assay_scan_gate(path, err);
        if (code != ASSAY_OK)
            return code;
    }
    code = assay_scan_file(&scan, path, err);
    if (code != ASSAY_OK)
        return code;
    worst = scan.n_reasons > 0 ? &scan.reason[0] : NULL;
    if (worst == NULL)
        snprintf(verdict, 160, "%s", assay_severity_name(scan.verdict));
    else
        snprintf(verdict, 160, "%s: %s%s%.60s",
                 assay_severity_name(scan.verdict), worst->rule->id,
                 worst->what != NULL ? " " : "",
                 worst->what != NULL ? worst->what : "");
    assay__make_printable(verdict);
    assay_scan_release(&scan);
    return ASSAY_OK;
}

int assay__zoo_status(const struct assay__command *command, int code,
                      const struct assay_error *err)
{
    if (code != ASSAY_OK) {
        fprintf(stderr, "assay %s: %s\n", command->name, err->msg);
    } else if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "assay %s: standard output cannot be written: %s\n",
                command->name, strerror(errno));
        code = ASSAY_IO;
    }
    return assay_error_exit_status(code);
}
