/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: parsing, defaults, refusals, suggestions, help. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/progress.h"

struct values {
    int flag;
    int64_t count;
    double rate;
    double time;
    const char *name;
    const char *how;
    int size[2];
    struct assay__reals list;
    struct assay__words words;
    struct assay__texts texts;
};

/* clang-format off */
static const struct assay__option rows[] = {
    {"flag", 'f', ASSAY__OPTION_FLAG, NULL, NULL, 0, 0, NULL, "a flag",
     offsetof(struct values, flag)},
    {"count", 'n', ASSAY__OPTION_INT, "N", "7", 1, 100, NULL, "a count",
     offsetof(struct values, count)},
    {"rate", 0, ASSAY__OPTION_REAL, "X", "0.5", 0, 1, NULL, "a rate",
     offsetof(struct values, rate)},
    {"time", 0, ASSAY__OPTION_TIME, "TIME", "0", 0, 0, NULL, "a time",
     offsetof(struct values, time)},
    {"name", 0, ASSAY__OPTION_TEXT, "TEXT", NULL, 0, 0, NULL, "a name",
     offsetof(struct values, name)},
    {"how", 0, ASSAY__OPTION_CHOICE, "HOW", "fast", 0, 0, "fast|slow",
     "a choice", offsetof(struct values, how)},
    {"size", 0, ASSAY__OPTION_SIZE, "HxW", NULL, 1, 64, NULL, "a size",
     offsetof(struct values, size)},
    {"list", 0, ASSAY__OPTION_REALS, "A,B", "1,2", -9, 9, NULL, "numbers",
     offsetof(struct values, list)},
    {"words", 0, ASSAY__OPTION_WORDS, "A,B", "one", 0, 0, NULL, "words",
     offsetof(struct values, words)},
    {"text", 0, ASSAY__OPTION_TEXTS, "TEXT", NULL, 0, 0, NULL, "texts",
     offsetof(struct values, texts)},
    {.name = NULL},
};
/* clang-format on */

static const struct assay__option_group row_groups[] = {
    {"Options", rows, 0},
    {.title = NULL},
};
static const struct assay__command command = {
    .name = "try",
    .summary = "Try options.",
    .usage = "FILE",
    .examples = "assay try file --count 3",
    .groups = row_groups,
    .values_size = sizeof(struct values),
    .max_args = 1,
};

static struct values v;
static struct assay__parsed parsed;
static struct assay_error err;

/* Words with one space between, parsed. */
static int parse(const char *line)
{
    static char text[256];
    char *argv[32];
    int argc = 0;
    char *word;

    snprintf(text, sizeof(text), "try %s", line);
    for (word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    err.msg[0] = '\0';
    return assay__options_parse(&command, argc, argv, &v, &parsed, &err);
}

static void test_defaults_come_from_the_table(void)
{
    CHECK_OK(parse(""), err);
    CHECK_INT_EQ(v.flag, 0);
    CHECK_INT_EQ(v.count, 7);
    CHECK_NEAR(v.rate, 0.5, 0);
    CHECK(v.name == NULL);
    CHECK_STR_EQ(v.how, "fast");
    CHECK_INT_EQ(v.list.n, 2);
    CHECK_INT_EQ(v.words.n, 1);
    CHECK_STR_EQ(v.words.word[0], "one");
    CHECK(!assay__option_given(&command, &parsed, "count"));
}

static void test_values_are_taken_in_every_form(void)
{
    CHECK_OK(parse("--count 3 --rate=0.25 -f --size 8x16 file"), err);
    CHECK_INT_EQ(v.flag, 1);
    CHECK_INT_EQ(v.count, 3);
    CHECK_NEAR(v.rate, 0.25, 0);
    CHECK_INT_EQ(v.size[0], 8);
    CHECK_INT_EQ(v.size[1], 16);
    CHECK_INT_EQ(parsed.n_args, 1);
    CHECK_STR_EQ(parsed.arg[0], "file");
    CHECK(assay__option_given(&command, &parsed, "count"));
    CHECK_OK(parse("-n5 --size 9"), err);
    CHECK_INT_EQ(v.count, 5);
    CHECK_INT_EQ(v.size[1], 9);
    CHECK_OK(parse("-n 6 -- --count"), err);
    CHECK_STR_EQ(parsed.arg[0], "--count");
}

static void test_times_have_units(void)
{
    CHECK_OK(parse("--time 10m"), err);
    CHECK_NEAR(v.time, 600, 0);
    CHECK_OK(parse("--time 1.5h"), err);
    CHECK_NEAR(v.time, 5400, 0);
    CHECK_OK(parse("--time 90"), err);
    CHECK_NEAR(v.time, 90, 0);
    CHECK_FAILS(parse("--time 10minutes"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--time -5"), ASSAY_ARG, err);
}

static void test_lists_replace_their_default_and_add_up(void)
{
    CHECK_OK(parse("--text a,b --text c"), err);
    CHECK_INT_EQ(v.texts.n, 2);
    CHECK_STR_EQ(v.texts.text[0], "a,b");
    CHECK_STR_EQ(v.texts.text[1], "c");
    CHECK_OK(parse("--words two,three --words four --list 3"), err);
    CHECK_INT_EQ(v.words.n, 3);
    CHECK_STR_EQ(v.words.word[0], "two");
    CHECK_STR_EQ(v.words.word[2], "four");
    CHECK_INT_EQ(v.list.n, 1);
    CHECK_NEAR(v.list.value[0], 3, 0);
}

static void test_wrong_values_are_refused_with_the_limit(void)
{
    CHECK_FAILS(parse("--count 0"), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "1 to 100");
    CHECK_FAILS(parse("--count 101"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--count 3x"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--count 99999999999999999999"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--rate nan"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--rate 1.5"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--how slo"), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "fast|slow");
    CHECK_FAILS(parse("--size 8x"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--size 8x65"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--list 1,,2"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--words a,,b"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--count"), ASSAY_ARG, err);
    CHECK_FAILS(parse("--flag=1"), ASSAY_ARG, err);
    CHECK_FAILS(parse("a b"), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "\"b\"");
}

static void test_unknown_options_get_a_suggestion(void)
{
    CHECK_FAILS(parse("--cuont 3"), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "did you mean --count");
    CHECK_FAILS(parse("--counts=3"), ASSAY_ARG, err);
    CHECK_STR_HAS(err.msg, "did you mean --count");
    CHECK_FAILS(parse("--elephant"), ASSAY_ARG, err);
    CHECK(strstr(err.msg, "did you mean") == NULL);
    CHECK_FAILS(parse("-x"), ASSAY_ARG, err);
    CHECK_STR_EQ(assay__command_near("audti"), "audit");
    CHECK(assay__command_near("elephant") == NULL);
}

static void test_help_shows_examples_first_and_defaults(void)
{
    char text[4096];
    FILE *out = fmemopen(text, sizeof(text), "w");
    const char *examples;

    CHECK(out != NULL);
    assay__options_help(&command, out);
    fclose(out);
    examples = strstr(text, "Examples:");
    CHECK(examples != NULL && examples < strstr(text, "Usage:"));
    CHECK_STR_HAS(text, "-n, --count N");
    CHECK_STR_HAS(text, "(default: 7)");
    CHECK_STR_HAS(text, "fast|slow");
}

/* Every default of every command parses, and no line of help is too long. */
static void test_all_commands_parse_and_help(void)
{
    size_t i;

    for (i = 0; assay__commands[i] != NULL; i++) {
        const struct assay__command *c = assay__commands[i];
        char *argv[] = {NULL, NULL};
        char name[32];
        char line[512];
        void *values = calloc(1, c->values_size + 1);
        FILE *out = tmpfile();

        snprintf(name, sizeof(name), "%s", c->name);
        argv[0] = name;
        CHECK(values != NULL && out != NULL);
        CHECK_OK(assay__options_parse(c, 1, argv, values, &parsed, &err), err);
        assay__options_help(c, out);
        rewind(out);
        while (fgets(line, sizeof(line), out) != NULL)
            CHECK(strlen(line) <= 101);
        fclose(out);
        free(values);
    }
}

static void test_recipe_defaults_are_the_librarys(void)
{
    const struct assay__command *c = assay__command_find("train");
    struct assay__recipe_values recipe;
    struct assay__option_group only[2] = {{"Recipe", assay__recipe_options, 0},
                                          {.title = NULL}};
    struct assay__command train = *c;
    struct assay_recipe from_options;
    struct assay_recipe of_library;
    char *text;
    char *other;
    char name[] = "train";
    char *argv[] = {name, NULL};

    train.groups = only;
    train.values_size = sizeof(recipe);
    CHECK_OK(assay__options_parse(&train, 1, argv, &recipe, &parsed, &err),
             err);
    CHECK_OK(assay__recipe_values_take(&recipe, &from_options, &err), err);
    assay_recipe_init(&of_library, from_options.epochs);
    from_options.evaluate_every = of_library.evaluate_every;
    text = assay_recipe_text(&from_options);
    other = assay_recipe_text(&of_library);
    CHECK_STR_EQ(text, other);
    assay_bytes_free(text);
    assay_bytes_free(other);
}

static void test_quantities_read_well(void)
{
    char text[24];

    CHECK_STR_EQ(assay__duration_text(3.14, text), "3.1 s");
    CHECK_STR_EQ(assay__duration_text(200, text), "3 min 20 s");
    CHECK_STR_EQ(assay__duration_text(3900, text), "1 h 05 min");
    CHECK_STR_EQ(assay__quantity_text(12345, text), "12.3 k");
}

static const struct check_test tests[] = {
    CHECK_TEST(test_defaults_come_from_the_table),
    CHECK_TEST(test_values_are_taken_in_every_form),
    CHECK_TEST(test_times_have_units),
    CHECK_TEST(test_lists_replace_their_default_and_add_up),
    CHECK_TEST(test_wrong_values_are_refused_with_the_limit),
    CHECK_TEST(test_unknown_options_get_a_suggestion),
    CHECK_TEST(test_help_shows_examples_first_and_defaults),
    CHECK_TEST(test_all_commands_parse_and_help),
    CHECK_TEST(test_recipe_defaults_are_the_librarys),
    CHECK_TEST(test_quantities_read_well),
};
CHECK_MAIN(tests)
