/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_AUDIT_JUDGE_H
#define ASSAY_AUDIT_JUDGE_H

/* Rules of a policy against what was found; words for it are verdict.c's. */

#include "audit/audit.h"

/* What a rule found. */
struct assay__judged {
    struct assay_estimate worst;
    const struct assay_attack *attack; /* NULL for the gap and for detectors */
    size_t among;                      /* the interval holds for so many */
    int known;                         /* some attack had the metric */
    int broken;
    char why[160]; /* it is not known */
};

/* Errors are those of the metric; one that nobody has is no error. */
int assay__judge_rule(const assay_audit *a,
                      const struct assay__policy_rule *rule,
                      struct assay__judged *j,
                      struct assay_error *err) ASSAY_MUST_CHECK;

#endif
