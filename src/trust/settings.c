/* SPDX-License-Identifier: Apache-2.0 */
/* What detectors and repairs were run with and said, as JSON. */

#include "core/json.h"
#include "trust/trust.h"

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
    return assay__json_estimate(e->value, e->low, e->high, e->n);
}
