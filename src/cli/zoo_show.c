/* SPDX-License-Identifier: Apache-2.0 */
/* assay zoo show: all that is known of one model, and from where. */

#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "core/printable.h"
#include "session.h"
#include "zoo.h"

struct values {
    struct assay__zoo_values common;
};

static const struct assay__option_group groups[] = {
    ASSAY__ZOO_GENERAL,
    {.title = NULL},
};

static int run(int argc, char **argv);

const struct assay__command assay__zoo_command_show = {
    .name = "zoo show",
    .summary = "Tell all that is known of one model, and from where.",
    .usage = "ID|NAME [options]",
    .examples = "assay zoo show 17\nassay zoo show resnet20_cifar10 --json",
    .groups = groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};

/* A value on one line, in `text`. */
static const char *plain(const json_t *value, char text[256])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        snprintf(text, 256, "%s", json_string_value(value));
        break;
    case JSON_INTEGER:
        snprintf(text, 256, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(text, 256, "%.6g", json_real_value(value));
        break;
    default:
        snprintf(text, 256, "-");
    }
    assay__make_printable(text);
    return text;
}

static const char *member(const json_t *object, const char *key, char text[256])
{
    return plain(json_object_get(object, key), text);
}

/* Value, the source's own text where it differs, unit, source, note. */
static void print_fact(const json_t *fact)
{
    char value[256];
    char raw[256];
    char other[256];

    printf("  %-26s %s", member(fact, "name", other),
           member(fact, "value", value));
    if (strcmp(member(fact, "raw", raw), value) != 0)
        printf(" (\"%s\")", raw);
    if (*member(fact, "unit", other) != '\0')
        printf(" %s", other);
    printf("  [%s, ", member(fact, "source", other));
    printf("%.10s]", member(fact, "recorded_at", other));
    if (json_is_string(json_object_get(fact, "note")))
        printf(" %s", member(fact, "note", other));
    putchar('\n');
}

static void print_file(const json_t *file)
{
    char a[256];
    char b[256];
    char c[256];

    if (json_is_string(json_object_get(file, "sha256")))
        printf("  %s\n    %s bytes, SHA-256 %s\n", member(file, "path", a),
               member(file, "size_bytes", b), member(file, "sha256", c));
    if (json_is_string(json_object_get(file, "url")))
        printf("  %s\n", member(file, "url", a));
}

static void print_run(const json_t *run)
{
    char a[256];
    char b[256];
    char c[256];

    printf("  run %s  %s  %s, ", member(run, "id", a),
           member(run, "verdict", b), member(run, "tool", c));
    printf("in %s  [%.10s]\n", member(run, "folder", a),
           member(run, "recorded_at", b));
}

static void print_finding(const json_t *finding)
{
    char a[256];
    char b[256];
    char c[256];
    char d[256];

    printf("  run %s  %-20s %-18s %s", member(finding, "run", a),
           member(finding, "attack", b), member(finding, "metric", c),
           member(finding, "value", d));
    printf("  [%s, ", member(finding, "low", a));
    printf("%s]  n %s\n", member(finding, "high", b), member(finding, "n", c));
}

static void print_list(const json_t *model, const char *key, const char *title,
                       void (*print)(const json_t *item))
{
    const json_t *list = json_object_get(model, key);
    size_t i;

    if (json_array_size(list) == 0)
        return;
    printf("\n%s\n", title);
    for (i = 0; i < json_array_size(list); i++)
        print(json_array_get(list, i));
}

static int print_model(const char *text, struct assay_error *err)
{
    json_t *model = json_loads(text, 0, NULL);
    char a[256];
    char b[256];

    if (model == NULL)
        return assay_error_set(err, ASSAY_NOMEM, "no memory for a model");
    printf("%s  (model %s", member(model, "name", a), member(model, "id", b));
    if (json_is_string(json_object_get(model, "dataset")))
        printf(", %s", member(model, "dataset", b));
    printf(", from %s)\n", member(model, "source", b));
    print_list(model, "facts", "Facts", print_fact);
    print_list(model, "files", "Files", print_file);
    print_list(model, "runs", "Audits", print_run);
    print_list(model, "findings", "Findings", print_finding);
    json_decref(model);
    return ASSAY_OK;
}

static int show(const struct values *v, const struct assay__parsed *parsed,
                struct assay_error *err)
{
    assay_zoo *zoo = NULL;
    char *text = NULL;
    int code;

    if (parsed->n_args != 1)
        return assay_error_set(err, ASSAY_ARG,
                               "no model is named; usage: assay zoo show %s",
                               assay__zoo_command_show.usage);
    code = assay__zoo_open(&zoo, &v->common, ASSAY_ZOO_READ, err);
    if (code == ASSAY_OK)
        code = assay_zoo_show(zoo, parsed->arg[0], &text, err);
    if (code == ASSAY_OK && v->common.json)
        fputs(text, stdout);
    else if (code == ASSAY_OK)
        code = print_model(text, err);
    assay_zoo_text_free(text);
    assay_zoo_close(zoo);
    return code;
}

static int run(int argc, char **argv)
{
    const struct assay__command *command = &assay__zoo_command_show;
    struct values v;
    struct assay__parsed parsed;
    struct assay_error err;
    int status;

    if (!assay__session_parse(command, argc, argv, &v, &parsed, &status))
        return status;
    return assay__zoo_status(command, show(&v, &parsed, &err), &err);
}
