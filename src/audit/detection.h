/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_AUDIT_DETECTION_H
#define ASSAY_AUDIT_DETECTION_H

/*
 * What was found about the question whether one can build on a model, on
 * its way into findings.json, and what the policy makes of it.
 */

#include <jansson.h>

#include "assay/scan.h"
#include "audit/audit.h"

/* Of one run. */
struct assay__detected {
    json_t *scan;
    json_t *accuracy; /* or null */
    json_t *document; /* assay-trust/1, of one model */
    json_t *repairs;  /* assay-repairs/1, or NULL: */
    char why[240];    /* none were tried, because */
    size_t n_given;   /* clean models: of the caller, and of the run */
    size_t n_own;
};

/* The model's detections in the document; borrowed. */
const json_t *assay__detected_list(const struct assay__detected *d);
/* findings.trust, and how long what took: for the manifest, as times are no
 * findings. New references. */
int assay__detected_json(const struct assay__detected *d, json_t **findings,
                         json_t **seconds,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* NULL: out of memory. */
json_t *assay__detected_scan(const struct assay_scan *s);

/* What detectors of models say, taken together. */
struct assay__accusations {
    size_t ran;        /* detectors that decided */
    size_t undecided;  /* that ran and could not tell */
    size_t calibrated; /* of them: how often they accuse clean models is known,
                          or their own p-value decides */
    size_t sure;       /* calibrated ones that accuse */
    size_t unsure;     /* others that do */
};
void assay__accusations_count(const json_t *trust,
                              struct assay__accusations *n);
/* A sentence for each that accuses, with its false alarms; and what the scan
 * of the file found. */
void assay__accusations_words(const json_t *trust, json_t *reasons);
/* Which detectors were asked, where none accuses. */
void assay__silence_words(const json_t *trust, json_t *reasons);
/* "clean", "suspicious", ...; "" without a scan. */
const char *assay__detection_scan(const json_t *trust);

#endif
