/* SPDX-License-Identifier: Apache-2.0 */
/* Reconstructed pictures in findings.json. */

#include "audit/audit.h"

int assay__pictures_measure(assay_audit *a, struct assay__outcome *o,
                            struct assay_error *err)
{
    (void)a;
    return assay_error_set(err, ASSAY_UNSUPPORTED, "%s: pictures",
                           o->attack->name);
}

int assay__made_excess(const assay_audit *a, const struct assay_attack *attack,
                       const struct assay__made *made,
                       struct assay_estimate *out, struct assay_error *err)
{
    if (attack->guess != NULL)
        return assay__guesses_excess(a, attack, &made->guesses, out, err);
    return assay_error_set(err, ASSAY_UNSUPPORTED, "%s: pictures",
                           attack->name);
}
