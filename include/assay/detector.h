/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DETECTOR_H
#define ASSAY_DETECTOR_H

/*
 * Detectors of backdoors and of altered weights: in a model, among the
 * inputs that it is given, or in data that one would train on. One file in
 * detectors/ and one row in detectors/detectors.def each; help, reports and
 * tests follow from its struct.
 *
 * A detector gives scores, larger meaning more suspicious, and the threshold
 * of its paper where there is one. How often that threshold calls a clean
 * model bad is another matter: it is measured on clean models of the same
 * family, and no threshold is set on what it judges.
 */

#include "assay/context.h"
#include "assay/model.h"
#include "assay/setting.h"
#include "assay/trigger.h"

#ifdef __cplusplus
extern "C" {
#endif

enum assay_detector_subject {
    ASSAY_DETECT_MODEL, /* one score for the model */
    ASSAY_DETECT_INPUT, /* one for each record that the model is given */
    ASSAY_DETECT_DATA   /* one for each record of a training set */
};
const char *assay_detector_subject_name(enum assay_detector_subject subject);

/* What a detector cannot run without. */
enum assay_detector_needs {
    ASSAY_DETECTOR_NEEDS_CLEAN = 1 << 0,    /* some clean records */
    ASSAY_DETECTOR_NEEDS_UPSTREAM = 1 << 1, /* the model it is said to be made
                                               from */
    ASSAY_DETECTOR_NEEDS_SHADOWS = 1 << 2   /* models with and without
                                               backdoors, to learn from */
};

/* A model that a detector may learn from (MNTD). */
struct assay_detector_shadow {
    const assay_model *model;
    int backdoored;
};

/* All borrowed; NULL where there is none. */
struct assay_detector_input {
    const struct assay_context *ctx; /* its seed drives the detector */
    const struct assay_compute *compute;
    const assay_model *model;
    const assay_view *clean;    /* correctly labelled, free of triggers, not
                                   trained on if possible */
    const assay_view *suspects; /* the records to judge: inputs, or the data
                                   that the model was trained on */
    const assay_model *upstream;
    const struct assay_detector_shadow *shadow;
    size_t n_shadows;
    const double *param; /* in the order of the rows; NULL: defaults */
};

/* A tensor that differs from the upstream copy's. */
struct assay_tensor_change {
    char name[128];
    size_t n;        /* weights */
    size_t changed;  /* of them */
    double largest;  /* |difference| */
    double relative; /* |difference| / |upstream|, Euclidean norms */
    double p_value;  /* of such a pattern under fine-tuning; NaN */
};

/* What was found. Owned arrays; NULL where the detector has none. */
struct assay_detection {
    /* For a model: its score; NaN with a note where there was too little to
     * judge it by. For records: NaN. */
    double score;
    double threshold; /* of the paper: score >= it is a finding; NaN: none */
    double p_value;   /* the detector's own, that counts in the number of
                         classes; NaN: none */
    int target;       /* the class that is suspected; -1: none */
    const char *statistic; /* what a class's number is: "L1 norm of the
                              mask"; static */
    size_t n_classes;
    double *per_class;            /* [n_classes] */
    struct assay_trigger trigger; /* reversed, of the suspected class or, when
                                     none is, of the one nearest to it */
    size_t n_records;
    double *record; /* [n_records] scores of the suspects, in their order */
    size_t n_changes;
    struct assay_tensor_change *change; /* the least probable first */
    char note[200];                     /* for people; may be empty */
    double seconds;
};
void assay_detection_release(struct assay_detection *d);

struct assay_detector {
    const char *name;    /* "neural-cleanse": stable, for flags and files */
    const char *title;   /* "Neural Cleanse" */
    const char *summary; /* one sentence for people */
    const char *cites;
    enum assay_detector_subject subject;
    unsigned needs;    /* assay_detector_needs */
    int least_classes; /* it compares classes with one another, and takes so
                          many of them; 0: any number */
    const struct assay_setting *params; /* ends with name NULL; or NULL */
    /* `out` is zero with NaN scores and target -1 on entry. */
    int (*run)(const struct assay_detector_input *in,
               struct assay_detection *out, struct assay_error *err);
};

/* The table, in the order of detectors.def; ends with NULL. */
const struct assay_detector *const *assay_detector_table(void);
const struct assay_detector *assay_detector_find(const char *name);

/* Whether it can run on this; the reason why not into text[160]. */
int assay_detector_fits(const struct assay_detector *d,
                        const struct assay_detector_input *in, char text[160]);

/* Run it: checks needs (_ARG), parameters and what it gave, takes the time.
 */
int assay_detector_run(const struct assay_detector *d,
                       const struct assay_detector_input *in,
                       struct assay_detection *out,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
