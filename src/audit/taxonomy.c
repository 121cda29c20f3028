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
    int access; /* an assay_access, or what it applies to: */
};
enum { ANY = -1, DETECTORS = -2, FILES = -3 };

/* clang-format off */
static const struct row rows[] = {
    {"MITRE ATLAS", "5.6.1", "AML.T0024.000",
     "Infer Training Data Membership", ANY},
    {"MITRE ATLAS", "5.6.1", "AML.T0040",
     "AI Model Inference API Access", ASSAY_ACCESS_BLACK_BOX},
    {"MITRE ATLAS", "5.6.1", "AML.T0044",
     "Full AI Model Access", ASSAY_ACCESS_WHITE_BOX},
    {"NIST AI 100-2", "E2025", "NISTAML.033", "Membership Inference", ANY},
    {"OWASP ML Top 10", "2023", "ML04:2023",
     "Membership Inference Attack", ANY},
    {"MITRE ATLAS", "5.6.1", "AML.T0018.000", "Poison AI Model", DETECTORS},
    {"MITRE ATLAS", "5.6.1", "AML.T0043.004", "Insert Backdoor Trigger",
     DETECTORS},
    {"MITRE ATLAS", "5.6.1", "AML.T0010.003",
     "AI Supply Chain Compromise: Model", FILES},
    {"MITRE ATLAS", "5.6.1", "AML.T0018.002", "Embed Malware", FILES},
    {"NIST AI 100-2", "E2025", "NISTAML.023", "Backdoor Poisoning", DETECTORS},
    {"NIST AI 100-2", "E2025", "NISTAML.051", "Model Poisoning", DETECTORS},
    {"OWASP ML Top 10", "2023", "ML10:2023", "Model Poisoning", DETECTORS},
    {"OWASP ML Top 10", "2023", "ML06:2023", "AI Supply Chain Attacks", FILES},
};
/* clang-format on */

static int applies(const assay_audit *a, const struct row *row)
{
    int i;

    if (row->access == DETECTORS)
        return a->trust != NULL;
    if (row->access == FILES)
        return a->trust != NULL && a->opened != NULL;
    for (i = 0; i < a->n_attacks; i++) {
        const struct assay__outcome *o = &a->outcome[i];

        if (o->attack == NULL || o->why[0] != '\0')
            continue;
        if (row->access == ANY || (int)o->attack->access == row->access)
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
