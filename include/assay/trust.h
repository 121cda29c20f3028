/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TRUST_H
#define ASSAY_TRUST_H

/*
 * Can one build on this model? All detectors that apply to one or several
 * models, each verdict beside how often the same detector accuses clean
 * models of the same family; and all repairs of one model, before and after.
 *
 * Results are JSON documents (docs/trust.md). What a detector found in a
 * model is kept in the folder under the hash of all that determines it, so a
 * run that was killed goes on where it was, and a further model or detector
 * costs only itself.
 */

#include "assay/context.h"
#include "assay/dataset.h"
#include "assay/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pixels otherwise than the models' files say; zeros: as they say. */
struct assay_trust_pixels {
    double scale;
    int n_mean, n_std; /* 0, 1 or the models' channels */
    double mean[ASSAY_CHANNELS_MAX];
    double std[ASSAY_CHANNELS_MAX];
};

/* A list of model files. */
struct assay_trust_models {
    const char *const *path;
    size_t n;
};

/* All pointers are borrowed. */
struct assay_trust_options {
    struct assay_trust_models models;        /* to judge */
    struct assay_trust_models references;    /* known to be clean: what a false
                                                alarm is measured on */
    struct assay_trust_models clean_shadows; /* to learn from, MNTD */
    struct assay_trust_models bad_shadows;
    const char *upstream; /* what the models are said to be made from */
    const char *data;     /* DATA: clean records */
    const char *suspects; /* DATA: records to judge, or NULL */
    struct assay_dataset_options dataset;
    struct assay_trust_pixels pixels;
    size_t n_clean; /* records that detectors may use; as many again tell
                       false alarms among records. 0: half of all */
    const char *const *detectors; /* names; NULL: all that can run */
    size_t n_detectors;
    const char *const *params; /* "neural-cleanse.epochs=5" */
    size_t n_params;
    const char *out;  /* folder, made when missing; NULL: nothing is kept */
    int even_nothing; /* 1: that no detector could run is a result too */
    struct assay_compute compute;
};
void assay_trust_options_init(struct assay_trust_options *o);

/*
 * Run detectors on references, then on models. *findings is the document,
 * fresh (assay_bytes_free); with a folder it is trust.json there, with
 * pictures and files of reversed triggers beside it. Errors: those of files,
 * data and detectors, _ARG for options, _NOTHING when no detector can run
 * (unless even_nothing), _CANCELED.
 */
int assay_trust_run(const struct assay_trust_options *o,
                    const struct assay_context *ctx, char **findings,
                    struct assay_error *err) ASSAY_MUST_CHECK;

/* Repairs of one model. All borrowed. */
struct assay_trust_repair_options {
    const char *model;
    const char *data; /* DATA: clean records, of which a quarter sets
                         thresholds and half measures */
    struct assay_dataset_options dataset;
    struct assay_trust_pixels pixels;
    size_t n_clean;             /* records to tune on; 0: a quarter of all */
    const char *trigger;        /* file: the true or the reversed one, by which
                                   success is measured. NULL: it is reversed by the
                                   detector `reverse` */
    const char *known;          /* another file, given to repairs that need a
                                   trigger in the place of the above; NULL: that */
    int target;                 /* its class; -1 with no trigger */
    const char *reverse;        /* "neural-cleanse" */
    const char *const *repairs; /* names; NULL: all */
    size_t n_repairs;
    const char *const *params; /* "fine-tuning.epochs=5" */
    size_t n_params;
    struct assay_recipe recipe; /* of tunings; epochs are the repairs' own */
    const char *out;            /* folder of repaired models, or NULL; what it
                                   holds of the same repairs is not done again */
    struct assay_compute compute;
};
void assay_trust_repair_options_init(struct assay_trust_repair_options *o);
/*
 * Measure the model, and each repair of a copy of it. *findings is the
 * document, fresh (assay_bytes_free); with a folder it is repairs.json there.
 * A repair that cannot work with the model is in it with the reason. Errors:
 * as above.
 */
int assay_trust_repair(const struct assay_trust_repair_options *o,
                       const struct assay_context *ctx, char **findings,
                       struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
