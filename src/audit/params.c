/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of the attacks: the rows' defaults, and what the caller sets
 * instead ("rmia.gamma=2"). All are settled and checked before anything is
 * trained; from then on an attack's values are read with
 * assay__audit_params() alone.
 */

#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "core/json.h"

const double *assay__audit_params(const assay_audit *a,
                                  const struct assay_attack *attack)
{
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        if (a->attack[i] == attack)
            return a->param[i];
    }
    return NULL;
}

json_t *assay__params_json(const struct assay_attack *attack,
                           const double *param)
{
    json_t *params = json_object();
    int i;

    for (i = 0; i < assay_settings_count(attack->params); i++)
        json_object_set_new(params, attack->params[i].name,
                            assay__json_real(param[i]));
    return params;
}

static int set_defaults(assay_audit *a, struct assay_error *err)
{
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        const struct assay_attack *t = a->attack[i];

        if (assay_settings_count(t->params) > ASSAY_SETTINGS_MAX)
            return assay_error_set(
                err, ASSAY_LIMIT, "%s: %d parameters; at most %d", t->name,
                assay_settings_count(t->params), (int)ASSAY_SETTINGS_MAX);
        assay_settings_init(t->params, a->param[i]);
    }
    return ASSAY_OK;
}

/* "ATTACK" of n letters among the chosen, by index; -1 with a message. */
static int find_chosen(const assay_audit *a, const char *text, size_t n,
                       struct assay_error *err)
{
    char name[48];
    int i;

    snprintf(name, sizeof(name), "%.*s", (int)n, text);
    for (i = 0; i < a->n_attacks; i++) {
        if (strcmp(a->attack[i]->name, name) == 0)
            return i;
    }
    if (assay_attack_find(name) != NULL)
        (void)assay_error_set(err, ASSAY_ARG,
                              "attack parameter %.80s: %s is not among the "
                              "attacks to run",
                              text, name);
    else
        (void)assay_error_set(err, ASSAY_ARG,
                              "attack parameter %.80s: no attack \"%s\"; "
                              "`assay attacks` lists them",
                              text, name);
    return -1;
}

/* "rmia.gamma=2" */
static int set_one(assay_audit *a, const char *text, struct assay_error *err)
{
    const char *dot = strchr(text, '.');
    const char *equals = strchr(text, '=');
    int i;

    if (dot == NULL || equals == NULL || equals < dot)
        return assay_error_set(err, ASSAY_ARG,
                               "attack parameter \"%.80s\" is not "
                               "ATTACK.NAME=VALUE, such as rmia.gamma=2",
                               text);
    i = find_chosen(a, text, (size_t)(dot - text), err);
    if (i < 0)
        return ASSAY_ARG;
    return assay_settings_assign(a->attack[i]->params, dot + 1,
                                 "attack parameter", a->attack[i]->name,
                                 a->param[i], err);
}

int assay__params_choose(assay_audit *a, struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    int code = set_defaults(a, err);
    size_t i;

    for (i = 0; i < o->n_attack_params && code == ASSAY_OK; i++)
        code = set_one(a, o->attack_params[i], err);
    return code;
}
