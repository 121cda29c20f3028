/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options: text to int64_t, double, seconds, choices, sizes and
 * lists, each checked against the row's range. A message names the option,
 * the text that was given and what would have been right. Nothing is stored
 * on failure.
 */

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

static int refuse(const struct assay__option *option, const char *text,
                  const char *expected, struct assay_error *err)
{
    return assay_error_set(err, ASSAY_ARG, "--%s: \"%.60s\" is not %s",
                           option->name, text, expected);
}

static int out_of_range(const struct assay__option *option, const char *text,
                        struct assay_error *err)
{
    return assay_error_set(err, ASSAY_ARG,
                           "--%s: %.60s is outside %.15g to %.15g",
                           option->name, text, option->min, option->max);
}

static int store_int(const struct assay__option *option, const char *text,
                     int64_t *out, struct assay_error *err)
{
    char *end;
    long long x;

    errno = 0;
    x = strtoll(text, &end, 10);
    if (end == text || *end != '\0')
        return refuse(option, text, "a whole number", err);
    if (errno == ERANGE || (double)x < option->min || (double)x > option->max)
        return out_of_range(option, text, err);
    *out = x;
    return ASSAY_OK;
}

/* A finite number at the start of text; *end is where it stops. */
static int parse_real(const char *text, char **end, double *out)
{
    double x;

    errno = 0;
    x = strtod(text, end);
    if (*end == text || !isfinite(x))
        return 0;
    *out = x;
    return 1;
}

static int store_real(const struct assay__option *option, const char *text,
                      double *out, struct assay_error *err)
{
    char *end;
    double x;

    if (!parse_real(text, &end, &x) || *end != '\0')
        return refuse(option, text, "a number", err);
    if (x < option->min || x > option->max)
        return out_of_range(option, text, err);
    *out = x;
    return ASSAY_OK;
}

static int store_time(const struct assay__option *option, const char *text,
                      double *out, struct assay_error *err)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    double x;
    size_t i;

    if (!parse_real(text, &end, &x) || x < 0)
        return refuse(option, text, "a time such as 90s, 10m or 2h", err);
    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *out = x * units[i].seconds;
            return ASSAY_OK;
        }
    }
    return refuse(option, text, "a time such as 90s, 10m or 2h", err);
}

static int store_choice(const struct assay__option *option, const char *text,
                        const char **out, struct assay_error *err)
{
    const char *p = option->choices;
    size_t n = strlen(text);

    while (n > 0 && *p != '\0') {
        size_t word = strcspn(p, "|");

        if (word == n && memcmp(p, text, n) == 0) {
            *out = text;
            return ASSAY_OK;
        }
        p += word;
        p += *p == '|';
    }
    return assay_error_set(err, ASSAY_ARG, "--%s: \"%.40s\" is not one of %s",
                           option->name, text, option->choices);
}

static int store_size(const struct assay__option *option, const char *text,
                      int *out, struct assay_error *err)
{
    long size[2];
    char *end;

    size[0] = strtol(text, &end, 10);
    size[1] = size[0];
    if (end == text)
        return refuse(option, text, "HEIGHTxWIDTH, such as 32x32", err);
    if (*end == 'x') {
        const char *second = end + 1;

        size[1] = strtol(second, &end, 10);
        if (end == second)
            return refuse(option, text, "HEIGHTxWIDTH, such as 32x32", err);
    }
    if (*end != '\0')
        return refuse(option, text, "HEIGHTxWIDTH, such as 32x32", err);
    if ((double)size[0] < option->min || (double)size[0] > option->max ||
        (double)size[1] < option->min || (double)size[1] > option->max)
        return out_of_range(option, text, err);
    out[0] = (int)size[0];
    out[1] = (int)size[1];
    return ASSAY_OK;
}

static int store_reals(const struct assay__option *option, const char *text,
                       struct assay__reals *out, struct assay_error *err)
{
    struct assay__reals list;
    const char *p = text;

    memset(&list, 0, sizeof(list));
    for (;;) {
        char *end;
        double x;

        if (list.n == ASSAY__REALS_MAX || !parse_real(p, &end, &x) ||
            (*end != ',' && *end != '\0'))
            return refuse(option, text, "up to 8 numbers with commas", err);
        if (x < option->min || x > option->max)
            return out_of_range(option, text, err);
        list.value[list.n++] = x;
        if (*end == '\0')
            break;
        p = end + 1;
    }
    *out = list;
    return ASSAY_OK;
}

static int store_words(const struct assay__option *option, const char *text,
                       struct assay__words *out, struct assay_error *err)
{
    const char *p = text;
    int n = out->n;

    for (;;) {
        size_t length = strcspn(p, ",");

        if (length == 0 || length >= ASSAY__WORD_SIZE)
            return refuse(option, text, "words with commas between", err);
        if (n == ASSAY__WORDS_MAX)
            return assay_error_set(err, ASSAY_ARG, "--%s: more than %d words",
                                   option->name, (int)ASSAY__WORDS_MAX);
        memcpy(out->word[n], p, length);
        out->word[n][length] = '\0';
        n++;
        if (p[length] == '\0')
            break;
        p += length + 1;
    }
    out->n = n;
    return ASSAY_OK;
}

static int store_text(const struct assay__option *option, const char *text,
                      const char **out, struct assay_error *err)
{
    if (*text == '\0')
        return assay_error_set(err, ASSAY_ARG, "--%s: the value is empty",
                               option->name);
    *out = text;
    return ASSAY_OK;
}

static int store_texts(const struct assay__option *option, const char *text,
                       struct assay__texts *out, struct assay_error *err)
{
    if (out->n == ASSAY__TEXTS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "--%s is given more than %d times", option->name,
                               (int)ASSAY__TEXTS_MAX);
    return store_text(option, text, &out->text[out->n++], err);
}

int assay__option_store(const struct assay__option *option, const char *text,
                        void *value, struct assay_error *err)
{
    switch (option->type) {
    case ASSAY__OPTION_FLAG:
        *(int *)value = 1;
        return ASSAY_OK;
    case ASSAY__OPTION_INT:
        return store_int(option, text, value, err);
    case ASSAY__OPTION_REAL:
        return store_real(option, text, value, err);
    case ASSAY__OPTION_TIME:
        return store_time(option, text, value, err);
    case ASSAY__OPTION_TEXT:
        return store_text(option, text, value, err);
    case ASSAY__OPTION_CHOICE:
        return store_choice(option, text, value, err);
    case ASSAY__OPTION_SIZE:
        return store_size(option, text, value, err);
    case ASSAY__OPTION_REALS:
        return store_reals(option, text, value, err);
    case ASSAY__OPTION_WORDS:
        return store_words(option, text, value, err);
    case ASSAY__OPTION_TEXTS:
        return store_texts(option, text, value, err);
    }
    return assay_error_set(err, ASSAY_INTERNAL, "--%s: unknown type %d",
                           option->name, (int)option->type);
}
