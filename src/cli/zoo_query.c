/* SPDX-License-Identifier: Apache-2.0 */
/* assay zoo list, query, leaderboard, columns and check. */

#include <string.h>

#include "session.h"
#include "json_output.h"
#include "zoo.h"

struct values {
    struct assay__zoo_values common;
    struct assay__zoo_choice choice;
    const char *sort;
    struct assay__words columns;
    const char *sql;
    double timeout;
    const char *metric;
};

/* clang-format off */
static const struct assay__option order_options[] = {
    {"sort", 's', ASSAY__OPTION_TEXT, "NAMES", NULL, 0, 0, NULL,
     "by these, with commas between; -NAME for falling order",
     offsetof(struct values, sort)},
    {"columns", 'c', ASSAY__OPTION_WORDS, "NAMES", NULL, 0, 0, NULL,
     "what to show of each model (assay zoo columns)",
     offsetof(struct values, columns)},
    {.name = NULL},
};

static const struct assay__option sql_options[] = {
    {"sql", 0, ASSAY__OPTION_TEXT, "SELECT", NULL, 0, 0, NULL,
     "one statement that reads, in the place of conditions",
     offsetof(struct values, sql)},
    {"timeout", 0, ASSAY__OPTION_TIME, "TIME", "10s", 0.01, 86400, NULL,
     "an end to the statement's work",
     offsetof(struct values, timeout)},
    {.name = NULL},
};

static const struct assay__option metric_options[] = {
    {"metric", 'm', ASSAY__OPTION_TEXT, "NAME", "test_accuracy", 0, 0, NULL,
     "column or fact to order by; of attacks, less is better",
     offsetof(struct values, metric)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group list_groups[] = {
    ASSAY__ZOO_MODELS,
    {"Table", order_options, 0},
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static const struct assay__option_group query_groups[] = {
    ASSAY__ZOO_MODELS,       {"Table", order_options, 0},
    {"SQL", sql_options, 0}, ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static const struct assay__option_group leaderboard_groups[] = {
    ASSAY__ZOO_MODELS,
    {"Leaderboard", metric_options, 0},
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static const struct assay__option_group columns_groups[] = {
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static int run_list(int argc, char **argv);
static int run_query(int argc, char **argv);
static int run_leaderboard(int argc, char **argv);
static int run_columns(int argc, char **argv);
static int run_check(int argc, char **argv);

const struct assay__command assay__zoo_command_list = {
    .name = "zoo list",
    .summary = "List models.",
    .usage = "[options]",
    .examples = "assay zoo list\nassay zoo list --where dataset=cifar10",
    .groups = list_groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run_list,
};

const struct assay__command assay__zoo_command_query = {
    .name = "zoo query",
    .summary = "Choose models by conditions or SQL.",
    .usage = "[options]",
    .examples =
        "assay zoo query --where family=resnet --where 'test_accuracy>0.9' "
        "--sort -year\n"
        "assay zoo query --where mia_mentropy_auc!= --columns "
        "name,gap,mia_mentropy_auc\n"
        "assay zoo query --sql 'SELECT family, count(*) FROM models GROUP BY "
        "family'",
    .groups = query_groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run_query,
};

const struct assay__command assay__zoo_command_leaderboard = {
    .name = "zoo leaderboard",
    .summary = "Tell the best models of each dataset.",
    .usage = "[options]",
    .examples = "assay zoo leaderboard --where dataset=cifar10 --limit 10\n"
                "assay zoo leaderboard --metric robust_accuracy --where "
                "threat=Linf",
    .notes = "--limit counts for each dataset.",
    .groups = leaderboard_groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run_leaderboard,
};

const struct assay__command assay__zoo_command_columns = {
    .name = "zoo columns",
    .summary = "Tell what can be asked for.",
    .usage = "[options]",
    .examples = "assay zoo columns",
    .notes = "Any other fact of a source can be asked for by its name as well "
             "(assay zoo show).",
    .groups = columns_groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run_columns,
};

const struct assay__command assay__zoo_command_check = {
    .name = "zoo check",
    .summary = "Read the whole database and tell whether it is sound.",
    .usage = "[options]",
    .examples = "assay zoo check",
    .groups = columns_groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run_check,
};

static int select_models(assay_zoo *zoo, const struct values *v,
                         const char *metric, struct assay_zoo_table *table,
                         struct assay_error *err)
{
    const char *column[ASSAY__WORDS_MAX];
    struct assay_zoo_query q = {0};
    int i;

    for (i = 0; i < v->columns.n; i++)
        column[i] = v->columns.word[i];
    q.where = v->choice.where.text;
    q.n_where = (size_t)v->choice.where.n;
    q.column = column;
    q.n_columns = (size_t)v->columns.n;
    q.sort = v->sort;
    q.limit = (size_t)v->choice.limit;
    return metric != NULL ? assay_zoo_leaderboard(zoo, metric, &q, table, err)
                          : assay_zoo_select(zoo, &q, table, err);
}

static int answer(const struct values *v, const char *metric,
                  struct assay_error *err)
{
    struct assay_zoo_table table = {0};
    assay_zoo *zoo = NULL;
    int code;

    if (v->sql != NULL &&
        (v->choice.where.n > 0 || v->sort != NULL || v->columns.n > 0))
        return assay_error_set(err, ASSAY_ARG,
                               "--sql stands for itself, without --where, "
                               "--sort and --columns");
    code = assay__zoo_open(&zoo, &v->common, ASSAY_ZOO_READ, err);
    if (code == ASSAY_OK && v->sql != NULL)
        code = assay_zoo_sql(zoo, v->sql, v->timeout, (size_t)v->choice.limit,
                             &table, err);
    else if (code == ASSAY_OK)
        code = select_models(zoo, v, metric, &table, err);
    if (code == ASSAY_OK)
        code = assay__zoo_print(&table, v->common.json, err);
    assay_zoo_table_release(&table);
    assay_zoo_close(zoo);
    return code;
}

static int run_table(const struct assay__command *command, int argc,
                     char **argv)
{
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    if (command == &assay__zoo_command_leaderboard) {
        if (!assay__option_given(command, &parsed, "limit"))
            v.choice.limit = 5;
        return assay__zoo_status(command, answer(&v, v.metric, &err), &err);
    }
    return assay__zoo_status(command, answer(&v, NULL, &err), &err);
}

static int run_list(int argc, char **argv)
{
    return run_table(&assay__zoo_command_list, argc, argv);
}

static int run_query(int argc, char **argv)
{
    return run_table(&assay__zoo_command_query, argc, argv);
}

static int run_leaderboard(int argc, char **argv)
{
    return run_table(&assay__zoo_command_leaderboard, argc, argv);
}

static int print_columns(int as_json, struct assay_error *err)
{
    static const char *const types[] = {"", "integer", "real", "text"};
    const struct assay_zoo_column *c;
    json_t *list = as_json ? json_array() : NULL;
    size_t i;

    for (i = 0; (c = assay_zoo_column(i)) != NULL; i++) {
        if (as_json)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:i, s:s}", "name", c->name,
                                "type", types[c->type], "unit", c->unit,
                                "sense", c->sense, "help", c->help));
        else
            printf("%-25s %-8s %-9s %s\n", c->name, types[c->type], c->unit,
                   c->help);
    }
    return as_json ? assay__print_json(list, "the result", err) : ASSAY_OK;
}

static int run_columns(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_columns;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    return assay__zoo_status(command, print_columns(v.common.json, &err), &err);
}

static int check(const struct values *v, struct assay_error *err)
{
    assay_zoo *zoo = NULL;
    int code = assay__zoo_open(&zoo, &v->common, ASSAY_ZOO_READ, err);

    if (code == ASSAY_OK)
        code = assay_zoo_check(zoo, err);
    assay_zoo_close(zoo);
    if (code == ASSAY_OK && v->common.json)
        return assay__print_json(json_pack("{s:b}", "sound", 1), "the result",
                                 err);
    if (code == ASSAY_OK && !v->common.quiet)
        puts("sound");
    return code;
}

static int run_check(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_check;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    return assay__zoo_status(command, check(&v, &err), &err);
}
