/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of detectors and repairs, from text and to JSON. */

#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "trust/trust.h"

static int set_one(const char *text, assay__rows_of *rows, void *user,
                   const char *what, struct assay_error *err)
{
    const char *dot = strchr(text, '.');
    const char *equal = dot ? strchr(dot, '=') : NULL;
    const struct assay_setting *row;
    char name[64];
    char setting[64];
    char full[128];
    double *value = NULL;
    int index;

    if (!equal || dot - text >= (int)sizeof(name) ||
        equal - dot > (int)sizeof(setting))
        return assay_error_set(err, ASSAY_ARG,
                               "%s parameter \"%.80s\" is not NAME.SETTING="
                               "VALUE",
                               what, text);
    snprintf(name, sizeof(name), "%.*s", (int)(dot - text), text);
    snprintf(setting, sizeof(setting), "%.*s", (int)(equal - dot - 1), dot + 1);
    snprintf(full, sizeof(full), "%s parameter %.80s", what, text);
    row = rows(user, name, &value);
    if (!value)
        return assay_error_set(
            err, ASSAY_ARG, "%s: no such %s is among those to run", full, what);
    index = assay_settings_index(row, setting);
    if (index < 0)
        return assay_error_set(err, ASSAY_ARG, "%s: %s has no setting \"%s\"",
                               full, name, setting);
    return assay_setting_parse(&row[index], equal + 1, full, &value[index],
                               err);
}

int assay__trust_settings(const char *const *text, size_t n,
                          assay__rows_of *rows, void *user, const char *what,
                          struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (size_t i = 0; i < n && !rc; i++)
        rc = set_one(text[i], rows, user, what, err);
    return rc;
}

json_t *assay__trust_params_json(const struct assay_setting *rows,
                                 const double *value)
{
    json_t *out = json_object();

    for (int i = 0; i < assay_settings_count(rows); i++)
        json_object_set_new(out, rows[i].name, assay__json_real(value[i]));
    return out;
}

json_t *assay__trust_estimate_json(const struct assay_estimate *e)
{
    return json_pack("{s:o, s:o, s:o, s:I}", "value",
                     assay__json_real(e->value), "low",
                     assay__json_real(e->low), "high",
                     assay__json_real(e->high), "n", (json_int_t)e->n);
}
