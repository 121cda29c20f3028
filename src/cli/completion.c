/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay completion: a script for bash, printed from the tables of commands
 * and options, so that it never lags behind them.
 */

#include <string.h>

#include "assay/attack.h"
#include "assay/defense.h"
#include "commands.h"
#include "session.h"

static const struct assay__option_group no_groups[] = {
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_completion = {
    .name = "completion",
    .summary = "Print a completion script for bash.",
    .usage = "bash",
    .examples = "assay completion bash > "
                "~/.local/share/bash-completion/completions/assay",
    .groups = no_groups,
    .max_args = 1,
    .run = run,
};

static void print_choices(const struct assay__command *command)
{
    int g;

    for (g = 0; command->groups[g].title != NULL; g++) {
        const struct assay__option *o = command->groups[g].option;

        for (; o->name != NULL; o++) {
            const char *p = o->choices;

            if (p == NULL)
                continue;
            printf("    %s:--%s) words=\"", command->name, o->name);
            for (; *p != '\0'; p++)
                putchar(*p == '|' ? ' ' : *p);
            printf("\" ;;\n");
        }
    }
}

static void print_options(const struct assay__command *command)
{
    int g;

    printf("        %s) words=\"--help", command->name);
    for (g = 0; command->groups[g].title != NULL; g++) {
        const struct assay__option *o = command->groups[g].option;

        for (; o->name != NULL; o++)
            printf(" --%s", o->name);
    }
    printf("\" ;;\n");
}

/* "rmia.gamma= rmia.a= " */
static void print_params(const struct assay_attack *attack)
{
    int i;

    for (i = 0; i < assay_settings_count(attack->params); i++)
        printf("%s.%s= ", attack->name, attack->params[i].name);
}

static void print_attacks(void)
{
    const struct assay_attack *const *table = assay_attack_table();
    size_t i;

    printf("    audit:--attacks) words=\"");
    for (i = 0; table[i] != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", table[i]->name);
    printf("\" ;;\n    audit:--attack-param) words=\"");
    for (i = 0; table[i] != NULL; i++)
        print_params(table[i]);
    printf("\" ;;\n");
}

/* Two defences may have a parameter of one name: it is offered once. */
static int is_first(const struct assay_defense *const *table, size_t defense,
                    const char *param)
{
    size_t i;

    for (i = 0; i < defense; i++) {
        if (assay_settings_index(table[i]->params, param) >= 0)
            return 0;
    }
    return 1;
}

static void print_defenses(void)
{
    const struct assay_defense *const *table = assay_defense_table();
    size_t i;
    int p;

    printf("    audit:--defense|train:--defense) words=\"none");
    for (i = 0; table[i] != NULL; i++)
        printf(" %s", table[i]->name);
    printf("\" ;;\n    audit:--defense-param|train:--defense-param) "
           "words=\"");
    for (i = 0; table[i] != NULL; i++) {
        for (p = 0; p < assay_settings_count(table[i]->params); p++) {
            if (is_first(table, i, table[i]->params[p].name))
                printf("%s= ", table[i]->params[p].name);
        }
    }
    printf("\" ;;\n");
}

static void print_zoo(void)
{
    printf("    zoo:zoo) words=\""
#define ASSAY_ZOO_COMMAND(name) #name " "
#include "zoo.def"
#undef ASSAY_ZOO_COMMAND
           "\" ;;\n");
}

static void print_bash(void)
{
    size_t i;

    printf("# bash completion for assay; from `assay completion bash`\n"
           "_assay()\n{\n"
           "    local words= now=${COMP_WORDS[COMP_CWORD]}\n"
           "    local before=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local command=${COMP_WORDS[1]}\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W \"");
    for (i = 0; assay__commands[i] != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", assay__commands[i]->name);
    printf("\" -- \"$now\"))\n        return\n    fi\n"
           "    case $command:$before in\n");
    print_attacks();
    print_defenses();
    print_zoo();
    for (i = 0; assay__commands[i] != NULL; i++)
        print_choices(assay__commands[i]);
    printf("    *) case $now in\n    -*) case $command in\n");
    for (i = 0; assay__commands[i] != NULL; i++)
        print_options(assay__commands[i]);
    printf("        esac ;;\n    esac ;;\n    esac\n"
           "    if [ -n \"$words\" ]; then\n"
           "        COMPREPLY=($(compgen -W \"$words\" -- \"$now\"))\n"
           "    else\n"
           "        COMPREPLY=($(compgen -f -- \"$now\"))\n"
           "    fi\n}\ncomplete -o filenames -F _assay assay\n");
}

static int run(int argc, char **argv)
{
    struct assay__parsed parsed;
    char values;
    int status;

    if (!assay__session_parse(&assay__command_completion, argc, argv, &values,
                              &parsed, &status))
        return status;
    if (parsed.n_args == 1 && strcmp(parsed.arg[0], "bash") == 0) {
        print_bash();
        return 0;
    }
    fprintf(stderr, "assay completion: usage: assay completion bash\n");
    return assay_error_exit_status(ASSAY_ARG);
}
