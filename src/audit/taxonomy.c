/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the measured goals are called in public taxonomies. Names change
 * between editions, so each row carries the edition it was taken from: MITRE
 * ATLAS 5.6.1 (2026-05-05), NIST AI 100-2 E2025 (March 2025), OWASP Machine
 * Learning Security Top 10 of 2023 (draft).
 */

#include "audit/audit.h"

struct row {
    const char *scheme;
    const char *version;
    const char *id;
    const char *name;
    int access; /* an assay_access, or -1: whatever the access */
};

/* clang-format off */
static const struct row rows[] = {
    {"MITRE ATLAS", "5.6.1", "AML.T0024.000",
     "Infer Training Data Membership", -1},
    {"MITRE ATLAS", "5.6.1", "AML.T0040",
     "AI Model Inference API Access", ASSAY_ACCESS_BLACK_BOX},
    {"MITRE ATLAS", "5.6.1", "AML.T0044",
     "Full AI Model Access", ASSAY_ACCESS_WHITE_BOX},
    {"NIST AI 100-2", "E2025", "NISTAML.033", "Membership Inference", -1},
    {"OWASP ML Top 10", "2023", "ML04:2023",
     "Membership Inference Attack", -1},
};
/* clang-format on */

static int applies(const assay_audit *a, const struct row *row)
{
    int i;

    for (i = 0; i < a->n_attacks; i++) {
        const struct assay__outcome *o = &a->outcome[i];

        if (o->attack == NULL || o->why[0] != '\0')
            continue;
        if (row->access < 0 || (int)o->attack->access == row->access)
            return 1;
    }
    return 0;
}

json_t *assay__taxonomy_make(const assay_audit *a)
{
    json_t *list = json_array();
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (applies(a, &rows[i]))
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:s}", "scheme",
                                rows[i].scheme, "version", rows[i].version,
                                "id", rows[i].id, "name", rows[i].name));
    }
    return list;
}
