/* SPDX-License-Identifier: Apache-2.0 */
/* assay zoo import: facts from files. Each file is taken in as a whole or
 * not at all; the first that is refused ends the command. */

#include <string.h>

#include "core/json.h"
#include "session.h"
#include "zoo.h"

struct values {
    struct assay__zoo_values common;
    const char *kind;
    const char *source;
    const char *model;
};

/* clang-format off */
static const struct assay__option own_options[] = {
    {"kind", 0, ASSAY__OPTION_TEXT, "KIND", NULL, 0, 0, NULL,
     "what the files are; not given: seen from their content. models, "
     "securitynet, timm, robustbench, card, findings",
     offsetof(struct values, kind)},
    {"source", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "whom the facts are from; not given: the kind's own name",
     offsetof(struct values, source)},
    {"model", 0, ASSAY__OPTION_TEXT, "ID|NAME", NULL, 0, 0, NULL,
     "the model that a run's findings are of; not given: one of its own",
     offsetof(struct values, model)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group groups[] = {
    {"Import", own_options, 0},
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__zoo_command_import = {
    .name = "zoo import",
    .summary = "Take in facts of models from files.",
    .usage = "FILE... [options]",
    .examples = "assay zoo import models.csv securitynet.csv\n"
                "assay zoo import robustbench/model_info/cifar10/Linf/*.json\n"
                "assay zoo import my-model/README.md",
    .notes = "A table of models, SecurityNet's table, timm's result tables, "
             "RobustBench entries,\nHugging Face model cards, an audit's "
             "findings.json. Importing a file "
             "again changes nothing (docs/zoo.md).",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = ASSAY__ARGS_MAX,
    .run = run,
};

static void print_done(const char *path, const struct assay_zoo_imported *done)
{
    printf("%s: %s, %zu models (%zu new, %zu changed, %zu as before)", path,
           done->kind, done->n_rows, done->n_added, done->n_updated,
           done->n_unchanged);
    if (done->n_missing > 0)
        printf("; %zu values taken as missing", done->n_missing);
    putchar('\n');
}

static json_t *done_json(const char *path,
                         const struct assay_zoo_imported *done)
{
    return json_pack(
        "{s:o, s:s, s:I, s:I, s:I, s:I, s:I}", "file", assay__json_string(path),
        "kind", done->kind, "models", (json_int_t)done->n_rows, "added",
        (json_int_t)done->n_added, "updated", (json_int_t)done->n_updated,
        "unchanged", (json_int_t)done->n_unchanged, "missing",
        (json_int_t)done->n_missing);
}

static int import_file(const void *user, const struct assay__zoo_file *file,
                       struct assay_error *err)
{
    const struct values *v = user;
    const struct assay_zoo_import how = {v->kind, v->source, v->model};
    struct assay_zoo_imported done;
    int code = assay_zoo_import_file(file->zoo, file->path, &how, &done, err);

    if (code == ASSAY_OK && file->list != NULL)
        json_array_append_new(file->list, done_json(file->path, &done));
    else if (code == ASSAY_OK && !file->quiet)
        print_done(file->path, &done);
    return code;
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_import;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;
    int code;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    code = assay__zoo_each_file(command, &parsed, &v.common, import_file, &v,
                                &err);
    return assay__zoo_status(command, code, &err);
}
