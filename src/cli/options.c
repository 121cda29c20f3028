/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of a command line against tables, and the help that the same
 * tables give. One pass over argv, no allocation; names are matched in
 * full (an abbreviation that works today would break a script tomorrow).
 */

#include "options.h"

#include <string.h>

/* Where an option was found. */
struct place {
    const struct assay__option *option;
    int group;
    int row;
};

static int find(const struct assay__command *command, const char *name,
                size_t length, char letter, struct place *place)
{
    int g;

    for (g = 0; command->groups[g].title != NULL; g++) {
        const struct assay__option *o = command->groups[g].option;
        int row;

        for (row = 0; o[row].name != NULL; row++) {
            int same = letter != 0 ? o[row].letter == letter
                                   : strlen(o[row].name) == length &&
                                         memcmp(o[row].name, name, length) == 0;

            if (same) {
                place->option = &o[row];
                place->group = g;
                place->row = row;
                return 1;
            }
        }
    }
    return 0;
}

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;

    return m < c ? m : c;
}

/* Levenshtein distance; words longer than the row are called far apart. */
static int distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    int row[LONGEST + 1];
    int n = (int)strlen(b);
    int i;
    int j;

    if (strlen(a) > LONGEST || n > LONGEST)
        return LONGEST;
    for (j = 0; j <= n; j++)
        row[j] = j;
    for (i = 1; a[i - 1] != '\0'; i++) {
        int diagonal = row[0];

        row[0] = i;
        for (j = 1; j <= n; j++) {
            int up = row[j];

            row[j] =
                min3(up + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = up;
        }
    }
    return row[n];
}

const char *assay__nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    int limit = (int)(strlen(word) / 3) + 1;
    size_t i;

    if (limit > 3)
        limit = 3;
    for (i = 0; i < n; i++) {
        int d = distance(word, names[i]);

        if (d <= limit) {
            best = names[i];
            limit = d - 1;
        }
    }
    return best;
}

static int unknown(const struct assay__command *command, const char *word,
                   struct assay_error *err)
{
    const char *names[128];
    size_t n = 0;
    char clean[64];
    const char *near;
    int g;

    for (g = 0; command->groups[g].title != NULL; g++) {
        const struct assay__option *o = command->groups[g].option;

        for (; o->name != NULL && n < 128; o++)
            names[n++] = o->name;
    }
    snprintf(clean, sizeof(clean), "%s", word);
    clean[strcspn(clean, "=")] = '\0';
    near = assay__nearest(clean, names, n);
    if (near != NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "unknown option --%s; did you mean --%s?", clean,
                               near);
    return assay_error_set(err, ASSAY_ARG,
                           "unknown option --%s; see assay %s --help", clean,
                           command->name);
}

static int store_defaults(const struct assay__command *command, char *values,
                          struct assay_error *err)
{
    int g;

    memset(values, 0, command->values_size);
    for (g = 0; command->groups[g].title != NULL; g++) {
        const struct assay__option *o = command->groups[g].option;

        for (; o->name != NULL; o++) {
            char *to = values + command->groups[g].offset + o->offset;
            int code;

            if (o->text == NULL || o->type == ASSAY__OPTION_FLAG)
                continue;
            code = assay__option_store(o, o->text, to, err);
            if (code != ASSAY_OK)
                return code;
        }
    }
    return ASSAY_OK;
}

/* Find what argv[i] names and its value's text, which may be argv[i + 1];
 * *used is the number of words taken. */
static int locate(const struct assay__command *command, int argc, char **argv,
                  int i, struct place *place, const char **text, int *used,
                  struct assay_error *err)
{
    const char *word = argv[i];
    const char *inlined = NULL;

    *used = 1;
    if (word[1] == '-') {
        size_t length = strcspn(word + 2, "=");

        if (!find(command, word + 2, length, 0, place))
            return unknown(command, word + 2, err);
        if (word[2 + length] == '=')
            inlined = word + 3 + length;
    } else {
        if (!find(command, NULL, 0, word[1], place))
            return assay_error_set(err, ASSAY_ARG,
                                   "unknown option -%c; see assay %s --help",
                                   word[1], command->name);
        if (word[2] != '\0')
            inlined = word + 2;
    }
    if (place->option->type == ASSAY__OPTION_FLAG) {
        if (inlined != NULL)
            return assay_error_set(err, ASSAY_ARG, "--%s takes no value",
                                   place->option->name);
        *text = "";
    } else if (inlined != NULL) {
        *text = inlined;
    } else if (i + 1 < argc) {
        *text = argv[i + 1];
        *used = 2;
    } else {
        return assay_error_set(err, ASSAY_ARG, "--%s needs a value (%s)",
                               place->option->name, place->option->value);
    }
    return ASSAY_OK;
}

static int take_argument(const struct assay__command *command, const char *word,
                         struct assay__parsed *parsed, struct assay_error *err)
{
    if (parsed->n_args >= command->max_args)
        return assay_error_set(err, ASSAY_ARG,
                               "unexpected argument \"%.60s\"; usage: assay "
                               "%s %s",
                               word, command->name, command->usage);
    parsed->arg[parsed->n_args++] = word;
    return ASSAY_OK;
}

/* A list option forgets its default when the user first gives it. */
static void forget_default(const struct place *place, void *to,
                           const struct assay__parsed *parsed)
{
    if (place->option->type == ASSAY__OPTION_WORDS &&
        !(parsed->given[place->group] >> place->row & 1))
        memset(to, 0, sizeof(struct assay__words));
}

int assay__options_parse(const struct assay__command *command, int argc,
                         char **argv, void *values,
                         struct assay__parsed *parsed, struct assay_error *err)
{
    int options_ended = 0;
    int i;
    int code;

    memset(parsed, 0, sizeof(*parsed));
    code = store_defaults(command, values, err);
    for (i = 1; i < argc && code == ASSAY_OK;) {
        const char *word = argv[i];
        struct place place = {0};
        const char *text = NULL;
        int used = 1;
        char *to;

        if (!options_ended && strcmp(word, "--") == 0) {
            options_ended = 1;
        } else if (options_ended || word[0] != '-' || word[1] == '\0') {
            code = take_argument(command, word, parsed, err);
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            parsed->help = 1;
            return ASSAY_OK;
        } else {
            code = locate(command, argc, argv, i, &place, &text, &used, err);
            if (code != ASSAY_OK)
                break;
            to = (char *)values + command->groups[place.group].offset +
                 place.option->offset;
            forget_default(&place, to, parsed);
            code = assay__option_store(place.option, text, to, err);
            parsed->given[place.group] |= (uint64_t)1 << place.row;
        }
        i += used;
    }
    return code;
}

int assay__option_given(const struct assay__command *command,
                        const struct assay__parsed *parsed, const char *name)
{
    struct place place;

    if (!find(command, name, strlen(name), 0, &place))
        return 0;
    return (int)(parsed->given[place.group] >> place.row & 1);
}

/* Text wrapped at 79 columns behind `indent` spaces; the first line starts
 * at column `at`. */
static void wrap(FILE *out, const char *text, int at, int indent)
{
    int column = at;

    while (*text != '\0') {
        int length = (int)strcspn(text, " ");

        if (column > indent && column + 1 + length > 79) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", length, text);
        column += length;
        text += length;
        text += *text == ' ';
    }
    fputc('\n', out);
}

static void help_row(FILE *out, const struct assay__option *o)
{
    enum { INDENT = 28 };
    char left[64];
    char help[512];
    int used;

    used = snprintf(
        left, sizeof(left), "  %c%c%s --%s%s%s", o->letter != 0 ? '-' : ' ',
        o->letter != 0 ? o->letter : ' ', o->letter != 0 ? "," : " ", o->name,
        o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
    snprintf(help, sizeof(help), "%s%s%s%s%s%s", o->help,
             o->choices != NULL ? ": " : "",
             o->choices != NULL ? o->choices : "",
             o->text != NULL ? " (default: " : "",
             o->text != NULL ? o->text : "", o->text != NULL ? ")" : "");
    fputs(left, out);
    if (used >= INDENT - 1)
        fprintf(out, "\n%*s", INDENT, "");
    else
        fprintf(out, "%*s", INDENT - used, "");
    wrap(out, help, INDENT, INDENT);
}

void assay__options_help(const struct assay__command *command, FILE *out)
{
    const char *line = command->examples;
    int g;

    wrap(out, command->summary, 0, 0);
    fputs("\nExamples:\n", out);
    while (*line != '\0') {
        int length = (int)strcspn(line, "\n");

        fprintf(out, "  %.*s\n", length, line);
        line += length;
        line += *line == '\n';
    }
    fprintf(out, "\nUsage: assay %s %s\n", command->name, command->usage);
    for (g = 0; command->groups[g].title != NULL; g++) {
        const struct assay__option *o = command->groups[g].option;

        fprintf(out, "\n%s:\n", command->groups[g].title);
        for (; o->name != NULL; o++)
            help_row(out, o);
    }
    if (command->notes != NULL)
        fprintf(out, "\n%s\n", command->notes);
}
