/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of the attacks: the rows' defaults, and what the caller sets
 * instead ("rmia.gamma=2"). All are settled and checked before anything is
 * trained; from then on an attack's values are read with
 * assay__audit_params() alone.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "core/buf.h"
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

    for (i = 0; i < assay_attack_n_params(attack); i++)
        json_object_set_new(params, attack->params[i].name,
                            assay__json_real(param[i]));
    return params;
}

static int set_defaults(assay_audit *a, struct assay_error *err)
{
    int i;
    int p;

    for (i = 0; i < a->n_attacks; i++) {
        const struct assay_attack *t = a->attack[i];

        if (assay_attack_n_params(t) > ASSAY__PARAMS_MAX)
            return assay_error_set(
                err, ASSAY_LIMIT, "%s: %d parameters; at most %d", t->name,
                assay_attack_n_params(t), (int)ASSAY__PARAMS_MAX);
        for (p = 0; p < assay_attack_n_params(t); p++)
            a->param[i][p] = t->params[p].value;
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

static int refuse_name(const struct assay_attack *t, const char *text,
                       struct assay_error *err)
{
    struct assay__buf names = ASSAY__BUF_INIT;
    int p;
    int code;

    for (p = 0; p < assay_attack_n_params(t); p++)
        assay__buf_printf(&names, "%s%s", p > 0 ? ", " : "", t->params[p].name);
    code = assay_error_set(err, ASSAY_ARG,
                           "attack parameter %.80s: the parameters of %s are: "
                           "%.80s",
                           text, t->name,
                           names.data != NULL ? names.data : "none");
    assay__buf_release(&names);
    return code;
}

/* The value's text, within the limits of its row. */
static int set_value(const struct assay_attack_param *row, const char *text,
                     const char *value, double *out, struct assay_error *err)
{
    char *end = NULL;
    double x = strtod(value, &end);

    if (end == value || *end != '\0' || !isfinite(x))
        return assay_error_set(err, ASSAY_ARG,
                               "attack parameter %.80s: \"%.40s\" is not a "
                               "number; %g to %g are possible",
                               text, value, row->min, row->max);
    if (x < row->min || x > row->max)
        return assay_error_set(err, ASSAY_ARG,
                               "attack parameter %.80s: %g is outside %g to "
                               "%g",
                               text, x, row->min, row->max);
    *out = x;
    return ASSAY_OK;
}

/* "rmia.gamma=2" */
static int set_one(assay_audit *a, const char *text, struct assay_error *err)
{
    const char *dot = strchr(text, '.');
    const char *equals = strchr(text, '=');
    const struct assay_attack *t;
    char name[48];
    int i;
    int p;

    if (dot == NULL || equals == NULL || equals < dot)
        return assay_error_set(err, ASSAY_ARG,
                               "attack parameter \"%.80s\" is not "
                               "ATTACK.NAME=VALUE, such as rmia.gamma=2",
                               text);
    i = find_chosen(a, text, (size_t)(dot - text), err);
    if (i < 0)
        return ASSAY_ARG;
    t = a->attack[i];
    snprintf(name, sizeof(name), "%.*s", (int)(equals - dot - 1), dot + 1);
    p = assay_attack_param_index(t, name);
    if (p < 0)
        return refuse_name(t, text, err);
    return set_value(&t->params[p], text, equals + 1, &a->param[i][p], err);
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
