/* SPDX-License-Identifier: Apache-2.0 */
/* assay defenses: the table of defences, for people or as JSON. */

#include <jansson.h>
#include <string.h>

#include "assay/attack.h"
#include "assay/defense.h"
#include "commands.h"
#include "json_output.h"
#include "listing.h"
#include "session.h"

struct values {
    struct assay__common_values common;
};

static const struct assay__option_group groups[] = {
    {"General", assay__common_options, offsetof(struct values, common)},
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__command_defenses = {
    .name = "defenses",
    .summary = "List the defences: what each changes, claims and cites.",
    .usage = "[NAME] [options]",
    .examples = "assay defenses\nassay defenses dp-sgd\n"
                "assay defenses --json",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

static json_t *defense_json(const struct assay_defense *d)
{
    json_t *protects = json_array();
    int i;

    for (i = 0; i <= ASSAY_GOAL_BACKDOOR; i++) {
        if (d->protects & 1U << i)
            json_array_append_new(
                protects, json_string(assay_goal_name((enum assay_goal)i)));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:b, s:o}",
                     "name", d->name, "title", d->title, "summary", d->summary,
                     "cites", d->cites, "stage",
                     assay_defense_stage_name(d->stage), "protects", protects,
                     "needs_teacher", d->needs_teacher != 0, "group_norm",
                     d->group_norm != 0, "proves_epsilon", d->claim != NULL,
                     "params", assay__listing_settings(d->params));
}

static json_t *table_json(void)
{
    const struct assay_defense *const *table = assay_defense_table();
    json_t *list = json_array();
    size_t i;

    for (i = 0; table[i] != NULL; i++)
        json_array_append_new(list, defense_json(table[i]));
    return list;
}

/* "membership, stealing" */
static void print_goals(unsigned goals)
{
    const char *comma = "";
    int i;

    for (i = 0; i <= ASSAY_GOAL_BACKDOOR; i++) {
        if ((goals & 1U << i) == 0)
            continue;
        printf("%s%s", comma, assay_goal_name((enum assay_goal)i));
        comma = ", ";
    }
}

static void print_one(const struct assay_defense *d)
{
    printf("%s: %s (%s)\n", d->name, d->title, d->cites);
    printf("  %s\n", d->summary);
    printf("  changes %s; meant against ", assay_defense_stage_name(d->stage));
    print_goals(d->protects);
    printf("\n");
    if (d->needs_teacher)
        printf("  needs an undefended model besides, which teaches it\n");
    if (d->group_norm)
        printf("  puts group norm in the place of batch norm\n");
    if (d->claim != NULL)
        printf("  proves an epsilon, which findings.json holds\n");
    assay__listing_print_settings(d->params);
}

static void print_table(void)
{
    const struct assay_defense *const *table = assay_defense_table();
    size_t i;

    printf("%-18s %-10s %s\n", "NAME", "CHANGES", "MEANT AGAINST");
    for (i = 0; table[i] != NULL; i++) {
        printf("%-18s %-10s ", table[i]->name,
               assay_defense_stage_name(table[i]->stage));
        print_goals(table[i]->protects);
        printf("\n");
    }
    printf("\n`assay defenses NAME` tells more of one, `assay audit DATA "
           "--defense NAME`\nwhat attacks still find behind it.\n");
}

static int refuse(const char *name, struct assay_error *err)
{
    const struct assay_defense *const *table = assay_defense_table();
    const char *names[64];
    size_t n = 0;

    for (; table[n] != NULL && n < 64; n++)
        names[n] = table[n]->name;
    return assay__listing_refuse("defence", name, names, n, err);
}

static int list(const char *name, int as_json, struct assay_error *err)
{
    const struct assay_defense *d = NULL;

    if (name != NULL) {
        d = assay_defense_find(name);
        if (d == NULL)
            return refuse(name, err);
    }
    if (as_json)
        return assay__print_json(d != NULL ? defense_json(d) : table_json(),
                                 "defences", err);
    if (d != NULL)
        print_one(d);
    else
        print_table();
    return ASSAY_OK;
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__command_defenses;
    struct values values;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;
    int code;

    if (!assay__session_parse(command, argc, argv, &values, &parsed, &status))
        return status;
    code = list(parsed.n_args > 0 ? parsed.arg[0] : NULL, values.common.json,
                &err);
    if (code != ASSAY_OK)
        fprintf(stderr, "assay defenses: %s\n", err.msg);
    return assay_error_exit_status(code);
}
