/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of settings: looked up, read from text, held to their limits. */

#include "assay/setting.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int assay_settings_count(const struct assay_setting *rows)
{
    int n = 0;

    while (rows != NULL && rows[n].name != NULL)
        n++;
    return n;
}

int assay_settings_index(const struct assay_setting *rows, const char *name)
{
    int i;

    for (i = 0; i < assay_settings_count(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return i;
    }
    return -1;
}

void assay_settings_init(const struct assay_setting *rows, double *value)
{
    int i;

    for (i = 0; i < assay_settings_count(rows); i++)
        value[i] = rows[i].value;
}

int assay_setting_parse(const struct assay_setting *row, const char *text,
                        const char *what, double *out, struct assay_error *err)
{
    char *end = NULL;
    double x = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(x))
        return assay_error_set(err, ASSAY_ARG,
                               "%.90s: \"%.40s\" is not a number; %g to %g "
                               "are possible",
                               what, text, row->min, row->max);
    if (x < row->min || x > row->max)
        return assay_error_set(err, ASSAY_ARG, "%.90s: %g is outside %g to %g",
                               what, x, row->min, row->max);
    *out = x;
    return ASSAY_OK;
}

int assay_settings_check(const struct assay_setting *rows, const double *value,
                         const char *owner, struct assay_error *err)
{
    int i;

    for (i = 0; i < assay_settings_count(rows); i++) {
        if (!(value[i] >= rows[i].min && value[i] <= rows[i].max))
            return assay_error_set(err, ASSAY_ARG,
                                   "%s: parameter %s is %g; %g to %g are "
                                   "possible",
                                   owner, rows[i].name, value[i], rows[i].min,
                                   rows[i].max);
    }
    return ASSAY_OK;
}

static int refuse_name(const struct assay_setting *rows, const char *what,
                       const char *owner, struct assay_error *err)
{
    char names[96] = "none";
    size_t used = 0;
    int i;

    for (i = 0; i < assay_settings_count(rows) && used < sizeof(names); i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                 i > 0 ? ", " : "", rows[i].name);
    return assay_error_set(err, ASSAY_ARG,
                           "%.90s: the parameters of %.30s are: %.80s", what,
                           owner, names);
}

int assay_settings_assign(const struct assay_setting *rows, const char *text,
                          const char *prefix, const char *owner, double *value,
                          struct assay_error *err)
{
    const char *equals = strchr(text, '=');
    char what[128];
    char name[48];
    int i;

    snprintf(what, sizeof(what), "%s %.30s.%.60s", prefix, owner, text);
    if (equals == NULL)
        return assay_error_set(err, ASSAY_ARG, "%.90s: not NAME=VALUE", what);
    snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
    i = assay_settings_index(rows, name);
    if (i < 0)
        return refuse_name(rows, what, owner, err);
    return assay_setting_parse(&rows[i], equals + 1, what, &value[i], err);
}

static int assign_to_owner(const char *text,
                           const struct assay_setting_owner *owner,
                           size_t n_owners, const char *kind,
                           struct assay_error *err)
{
    const char *dot = strchr(text, '.');
    const char *equals = strchr(text, '=');
    char prefix[48];
    size_t length;
    size_t i;

    snprintf(prefix, sizeof(prefix), "%.30s parameter", kind);
    if (dot == NULL || equals == NULL || equals < dot)
        return assay_error_set(err, ASSAY_ARG,
                               "%s \"%.80s\" is not NAME.SETTING=VALUE, such "
                               "as rmia.gamma=2",
                               prefix, text);
    length = (size_t)(dot - text);
    for (i = 0; i < n_owners; i++) {
        if (strlen(owner[i].name) == length &&
            strncmp(owner[i].name, text, length) == 0)
            return assay_settings_assign(owner[i].rows, dot + 1, prefix,
                                         owner[i].name, owner[i].value, err);
    }
    return assay_error_set(err, ASSAY_ARG,
                           "%s %.80s: %.*s is not among the %ss to run; `assay "
                           "%ss` lists all",
                           prefix, text, (int)(length < 40 ? length : 40), text,
                           kind, kind);
}

int assay_settings_assign_all(const char *const *text, size_t n,
                              const struct assay_setting_owner *owner,
                              size_t n_owners, const char *kind,
                              struct assay_error *err)
{
    int code = ASSAY_OK;
    size_t i;

    for (i = 0; i < n && code == ASSAY_OK; i++)
        code = assign_to_owner(text[i], owner, n_owners, kind, err);
    return code;
}
