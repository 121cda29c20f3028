/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TRUST_INTERNAL_H
#define ASSAY_TRUST_INTERNAL_H

/*
 * The inside, for this folder alone.
 *
 *   trust.c     the order of everything, and the document
 *   cases.c     data and models, opened one at a time
 *   settings.c  parameters and estimates as JSON
 *   detect.c    one detector on one model, kept in the folder
 *   kept.c      what is kept there, by key
 *   judge.c     what a score means beside the references'
 *   repair.c    repairs of one model; repair_kept.c what is kept of them
 */

#include <jansson.h>

#include "assay/detector.h"
#include "assay/metrics.h"
#include "assay/repair.h"
#include "assay/trust.h"

enum { ASSAY__DETECTORS_MAX = 32 };

/* A detector that was chosen, with its parameters. */
struct assay__chosen {
    const struct assay_detector *detector;
    double param[ASSAY_SETTINGS_MAX];
};

/* Clean records of all models; suspects, if any. */
struct assay__trust_data {
    assay_dataset *clean;
    assay_dataset *suspects; /* or NULL */
    uint32_t *order;         /* a permutation of the clean records */
    size_t n_each;           /* for detectors; as many again held out */
};

/* A model, opened, and the records as it sees them. */
struct assay__case {
    const char *path;
    const char *name; /* the path's last part */
    assay_model *model;
    char sha256[65];
    assay_view *clean;
    assay_view *held_out;
    assay_view *suspects; /* or NULL */
};

struct assay__trust {
    const struct assay_trust_options *o;
    const struct assay_context *ctx;
    struct assay__chosen chosen[ASSAY__DETECTORS_MAX];
    size_t n_chosen;
    struct assay__trust_data data;
    assay_model *upstream;
    char upstream_sha256[65];
    struct assay_detector_shadow *shadow;
    assay_model **shadow_model; /* owned, as many */
    size_t n_shadows;
    char shadows_sha256[65];
    size_t n_reused;
};

/* settings.c: {"epochs": 5} */
json_t *assay__trust_params_json(const struct assay_setting *rows,
                                 const double *value);
json_t *assay__trust_estimate_json(const struct assay_estimate *e);

/* kept.c: the key of a text that says all that determines a result; the
 * result under a path, NULL when it is not there or of another key. */
int assay__kept_key(const char *text, char key[65],
                    struct assay_error *err) ASSAY_MUST_CHECK;
json_t *assay__kept_read(const char *path, const char *key);
int assay__kept_write(const char *path, const char *key, json_t *found,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* Whether what was read has the shape of what is written: a text that is
 * `want`; a number or null; an estimate, null or nothing; a detection whose
 * files are there. */
int assay__kept_says(const json_t *object, const char *key, const char *want);
int assay__kept_number(const json_t *object, const char *key);
int assay__kept_share(const json_t *object, const char *key);
int assay__kept_detection(const json_t *found, const struct assay_detector *d,
                          const char *folder, const char *stem, int *fits,
                          struct assay_error *err) ASSAY_MUST_CHECK;

/* cases.c */
int assay__trust_data_open(struct assay__trust_data *d, const char *clean,
                           const char *suspects,
                           const struct assay_dataset_options *dataset,
                           size_t n_each, uint64_t seed,
                           struct assay_error *err) ASSAY_MUST_CHECK;
void assay__trust_data_release(struct assay__trust_data *d);
int assay__case_open(struct assay__case *c, const char *path,
                     const struct assay_trust_pixels *pixels,
                     const struct assay__trust_data *data,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay__case_release(struct assay__case *c);
int assay__case_pixels(assay_model *m, const struct assay_trust_pixels *p,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* detect.c: what the detector finds in the case, as JSON; from the folder
 * where it is there. New reference. */
int assay__trust_detect(struct assay__trust *t, const struct assay__case *c,
                        const struct assay__chosen *chosen, json_t **out,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* judge.c: add to a model's detection what it means beside those of the
 * references; and a detector's summary over all. */
int assay__trust_judge(json_t *detection, json_t *const *reference,
                       size_t n_references,
                       struct assay_error *err) ASSAY_MUST_CHECK;
json_t *assay__trust_verdict(const json_t *detections);
int assay__trust_summary(const struct assay__trust *t, json_t *const *models,
                         size_t n_models, json_t *const *references,
                         size_t n_references, json_t **out,
                         struct assay_error *err) ASSAY_MUST_CHECK;

#endif
