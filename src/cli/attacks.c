/* SPDX-License-Identifier: Apache-2.0 */
/* assay attacks: the table of attacks, for people or as JSON. */

#include <jansson.h>
#include <string.h>

#include "assay/attack.h"
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

const struct assay__command assay__command_attacks = {
    .name = "attacks",
    .summary = "List the attacks: what each assumes, needs and cites.",
    .usage = "[NAME] [options]",
    .examples = "assay attacks\nassay attacks lira-online\n"
                "assay attacks --json",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

static const struct {
    unsigned bit;
    const char *name;
} need_names[] = {
    {ASSAY_NEED_SHADOW, "a shadow model"},
    {ASSAY_NEED_EMBEDDING, "the last layer's input"},
    {ASSAY_NEED_QUERIES, "answers on altered copies of the records"},
    {ASSAY_NEED_REFERENCES, "reference models, with and without each record"},
    {ASSAY_NEED_REFERENCES_OUT, "reference models that never saw the record"},
    {ASSAY_NEED_POPULATION, "records that no model was trained on"},
    {ASSAY_NEED_MODEL, "the model itself and the records, not predictions"},
    {ASSAY_NEED_AUXILIARY, "the model's answers on shadow records"},
    {ASSAY_NEED_ATTRIBUTE, "a sensitive attribute (--attribute)"},
    {ASSAY_NEED_EVALUATOR, "a classifier to judge pictures by"},
    {ASSAY_NEED_GENERATOR, "a GAN of the shadow records"},
    {ASSAY_NEED_POOL, "records of another distribution (--query-data)"},
};
enum { N_NEEDS = sizeof(need_names) / sizeof(need_names[0]) };

static json_t *attack_json(const struct assay_attack *a)
{
    json_t *needs = json_array();
    size_t i;

    for (i = 0; i < N_NEEDS; i++) {
        if (a->needs & need_names[i].bit)
            json_array_append_new(needs, json_string(need_names[i].name));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o}",
                     "name", a->name, "title", a->title, "summary", a->summary,
                     "cites", a->cites, "goal", assay_goal_name(a->goal),
                     "access", assay_access_name(a->access), "auxiliary",
                     assay_auxiliary_name(a->auxiliary), "baseline",
                     a->baseline != 0, "needs", needs, "params",
                     assay__listing_settings(a->params));
}

static json_t *table_json(void)
{
    const struct assay_attack *const *table = assay_attack_table();
    json_t *list = json_array();
    size_t i;

    for (i = 0; table[i] != NULL; i++)
        json_array_append_new(list, attack_json(table[i]));
    return list;
}

static void print_one(const struct assay_attack *a)
{
    size_t i;

    printf("%s: %s (%s)\n", a->name, a->title, a->cites);
    printf("  %s\n", a->summary);
    printf("  goal %s, access %s, auxiliary data %s%s\n",
           assay_goal_name(a->goal), assay_access_name(a->access),
           assay_auxiliary_name(a->auxiliary), a->baseline ? ", baseline" : "");
    for (i = 0; i < N_NEEDS; i++) {
        if (a->needs & need_names[i].bit)
            printf("  needs %s\n", need_names[i].name);
    }
    assay__listing_print_settings(a->params);
}

static void print_table(void)
{
    const struct assay_attack *const *table = assay_attack_table();
    size_t i;

    printf("%-24s %-11s %-10s %s\n", "NAME", "GOAL", "ACCESS",
           "AUXILIARY DATA");
    for (i = 0; table[i] != NULL; i++)
        printf("%-24s %-11s %-10s %s%s\n", table[i]->name,
               assay_goal_name(table[i]->goal),
               assay_access_name(table[i]->access),
               assay_auxiliary_name(table[i]->auxiliary),
               table[i]->baseline ? "  (baseline)" : "");
    printf("\n`assay attacks NAME` tells more of one.\n");
}

static int refuse(const char *name, struct assay_error *err)
{
    const struct assay_attack *const *table = assay_attack_table();
    const char *names[64];
    size_t n = 0;

    for (; table[n] != NULL && n < 64; n++)
        names[n] = table[n]->name;
    return assay__listing_refuse("attack", name, names, n, err);
}

static int list(const char *name, int as_json, struct assay_error *err)
{
    const struct assay_attack *a = NULL;

    if (name != NULL) {
        a = assay_attack_find(name);
        if (a == NULL)
            return refuse(name, err);
    }
    if (as_json)
        return assay__print_json(a != NULL ? attack_json(a) : table_json(),
                                 "attacks", err);
    if (a != NULL)
        print_one(a);
    else
        print_table();
    return ASSAY_OK;
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__command_attacks;
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
        fprintf(stderr, "assay attacks: %s\n", err.msg);
    return assay_error_exit_status(code);
}
