/* SPDX-License-Identifier: Apache-2.0 */
/* assay zoo add, export and pages: files into the zoo, and out of it. */

#include <string.h>

#include "assay/report.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "json_output.h"
#include "session.h"
#include "zoo.h"

struct values {
    struct assay__zoo_values common;
    struct assay__zoo_choice choice;
    const char *model;
    const char *name;
    const char *form;
    const char *out;
};

/* clang-format off */
static const struct assay__option add_options[] = {
    {"model", 0, ASSAY__OPTION_TEXT, "ID|NAME", NULL, 0, 0, NULL,
     "the model that the file is of; not given: the one that has these bytes, "
     "else a new one",
     offsetof(struct values, model)},
    {"name", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "of a new model; not given: the file's",
     offsetof(struct values, name)},
    {.name = NULL},
};

static const struct assay__option export_options[] = {
    {"format", 'f', ASSAY__OPTION_CHOICE, "FORMAT", "json", 0, 0,
     "csv|json|cyclonedx|model-index", "what to write",
     offsetof(struct values, form)},
    {"out", 'o', ASSAY__OPTION_TEXT, "FILE", NULL, 0, 0, NULL,
     "not given: standard output", offsetof(struct values, out)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group add_groups[] = {
    {"File", add_options, 0},
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static const struct assay__option_group export_groups[] = {
    {"Export", export_options, 0},
    ASSAY__ZOO_MODELS,
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static const struct assay__option pages_options[] = {
    {"out", 'o', ASSAY__OPTION_TEXT, "FOLDER", NULL, 0, 0, NULL,
     "where the pages go; not given: zoo-pages", offsetof(struct values, out)},
    {.name = NULL},
};

static const struct assay__option_group pages_groups[] = {
    {"Pages", pages_options, 0},
    ASSAY__ZOO_MODELS,
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static int run_add(int argc, char **argv);
static int run_export(int argc, char **argv);
static int run_pages(int argc, char **argv);

const struct assay__command assay__zoo_command_add = {
    .name = "zoo add",
    .summary = "Note files of models: size, SHA-256, format.",
    .usage = "FILE... [options]",
    .examples = "assay zoo add model.safetensors\n"
                "assay zoo add resnet20.th --model resnet20",
    .notes = "The bytes are read and never loaded. A file is not moved.",
    .groups = add_groups,
    .values_size = sizeof(struct values),
    .max_args = ASSAY__ARGS_MAX,
    .run = run_add,
};

const struct assay__command assay__zoo_command_export = {
    .name = "zoo export",
    .summary = "Write models for other programs.",
    .usage = "[options]",
    .examples = "assay zoo export --format csv --out models.csv\n"
                "assay zoo export --format cyclonedx --where 'sha256!=' --out "
                "bom.json",
    .notes = "csv: the columns. json: all, with provenance. cyclonedx: a bill "
             "of materials\n(1.6). model-index: the head of a model card. All "
             "models, unless --limit is\ngiven.",
    .groups = export_groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run_export,
};

const struct assay__command assay__zoo_command_pages = {
    .name = "zoo pages",
    .summary = "Write HTML pages: an index with filters, one for each model.",
    .usage = "[options]",
    .examples = "assay zoo pages --out pages\n"
                "assay zoo pages --where source=securitynet",
    .notes = "Pages need no network and no scripts. All models, unless "
             "--limit is given.",
    .groups = pages_groups,
    .values_size = sizeof(struct values),
    .max_args = 0,
    .run = run_pages,
};

static json_t *file_json(const char *path, const struct assay_zoo_file *f)
{
    return json_pack("{s:o, s:I, s:b, s:I, s:s, s:s}", "file",
                     assay__json_string(path), "model", (json_int_t)f->model_id,
                     "new", f->is_new, "size_bytes", (json_int_t)f->size_bytes,
                     "sha256", f->sha256, "format", f->format);
}

static int add_file(const void *user, const struct assay__zoo_file *file,
                    struct assay_error *err)
{
    const struct values *v = user;
    const struct assay_zoo_add how = {
        .model = v->model, .name = v->name, .scan = assay__zoo_scan};
    struct assay_zoo_file f;
    int code = assay_zoo_add_file(file->zoo, file->path, &how, &f, err);

    if (code == ASSAY_OK && file->list != NULL)
        json_array_append_new(file->list, file_json(file->path, &f));
    else if (code == ASSAY_OK && !file->quiet)
        printf("%s: model %lld%s, %llu bytes, %s, SHA-256 %s\n", file->path,
               (long long)f.model_id, f.is_new ? " (new)" : "",
               (unsigned long long)f.size_bytes, f.format, f.sha256);
    return code;
}

static int run_add(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_add;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;
    int code;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    code =
        assay__zoo_each_file(command, &parsed, &v.common, add_file, &v, &err);
    return assay__zoo_status(command, code, &err);
}

static int export_models(const struct values *v, struct assay_error *err)
{
    const struct assay_zoo_query q = {.where = v->choice.where.text,
                                      .n_where = (size_t)v->choice.where.n,
                                      .limit = (size_t)v->choice.limit};
    assay_zoo *zoo = NULL;
    char *text = NULL;
    int code = assay__zoo_open(&zoo, &v->common, ASSAY_ZOO_READ, err);

    if (code == ASSAY_OK)
        code = assay_zoo_export(zoo, v->form, &q, &text, err);
    if (code == ASSAY_OK && v->out != NULL)
        code = assay__write_file(v->out, text, strlen(text), err);
    else if (code == ASSAY_OK)
        fputs(text, stdout);
    assay_zoo_text_free(text);
    assay_zoo_close(zoo);
    return code;
}

static int run_export(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_export;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    if (!assay__option_given(command, &parsed, "limit"))
        v.choice.limit = 0;
    return assay__zoo_status(command, export_models(&v, &err), &err);
}

/* zoo.json first; the pages are made of it. */
static int write_pages(const struct values *v, struct assay_error *err)
{
    const char *folder = v->out != NULL ? v->out : "zoo-pages";
    struct values json = *v;
    char *path = assay__path_join(folder, "zoo.json");
    int code = path != NULL ? assay__make_dir(folder, err)
                            : assay_error_set(err, ASSAY_NOMEM, "%s", folder);

    json.form = "json";
    json.out = path;
    if (code == ASSAY_OK)
        code = export_models(&json, err);
    if (code == ASSAY_OK)
        code = assay_zoo_report_write(folder, NULL, err);
    assay__free(path);
    if (code == ASSAY_OK && v->common.json)
        return assay__print_json(
            json_pack("{s:o}", "folder", assay__json_string(folder)),
            "the result", err);
    if (code == ASSAY_OK && !v->common.quiet)
        printf("Pages   %s/index.html\n", folder);
    return code;
}

static int run_pages(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_pages;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    if (!assay__option_given(command, &parsed, "limit"))
        v.choice.limit = 0;
    return assay__zoo_status(command, write_pages(&v, &err), &err);
}
