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

int assay__params_choose(assay_audit *a, struct assay_error *err)
{
    const struct assay_audit_options *o = &a->options;
    struct assay_setting_owner owner[ASSAY__ATTACKS_MAX];
    int code = set_defaults(a, err);
    int i;

    for (i = 0; i < a->n_attacks; i++)
        owner[i] = (struct assay_setting_owner){
            a->attack[i]->name, a->attack[i]->params, a->param[i]};
    return code != ASSAY_OK
               ? code
               : assay_settings_assign_all(o->attack_params, o->n_attack_params,
                                           owner, (size_t)a->n_attacks,
                                           "attack", err);
}
