/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_AUDIT_H
#define ASSAY_AUDIT_H

/*
 * Audits: one model, all applicable attacks, one folder.
 *
 * Order of calls: assay_audit_options_init; set fields; assay_audit_open
 * (reads data and model, draws the split, checks that the folder can be
 * written, times a few steps, makes the plan); assay_audit_plan to show it;
 * assay_audit_run; assay_audit_free.
 *
 * The run folder holds manifest.json (what was run, on what, and the key of
 * every artefact), models/, evidence/, scores/, exposed/, split.safetensors,
 * trust/, tuning.json, findings.json (docs/findings.md) and report.html. An
 * artefact is keyed by the SHA-256 of all that determines it. Running again in
 * the same folder reuses what matches, and logs for each artefact that it does
 * not reuse which input changed. A killed run loses at most the epoch in
 * progress of the models that were training. From open to free the folder
 * is locked: opening it once more is ASSAY_IO.
 */

#include "assay/attack.h"
#include "assay/context.h"
#include "assay/dataset.h"
#include "assay/defense.h"
#include "assay/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What to change in the preprocessing that a dataset suggests. */
struct assay_pixel_options {
    int channels, height, width; /* 0: the dataset's own */
    double scale;                /* 0: 1/255 for u8, 1 for f32 */
    int n_mean, n_std;           /* 0: .5 for all; 1: for all channels */
    double mean[ASSAY_CHANNELS_MAX];
    double std[ASSAY_CHANNELS_MAX];
};

/* The dataset's preprocessing with the options applied. A number of means or
 * deviations other than 0, 1 or the channels is ASSAY_ARG. */
int assay_pixel_options_apply(const struct assay_pixel_options *options,
                              const assay_dataset *ds,
                              struct assay_preprocess *pre,
                              struct assay_error *err) ASSAY_MUST_CHECK;

/* A recipe as one line of JSON, the same text for the same recipe; fresh
 * (assay_bytes_free), NULL when out of memory. And back: ASSAY_FORMAT names
 * the field that is missing or wrong. */
char *assay_recipe_text(const struct assay_recipe *recipe);
int assay_recipe_from_text(struct assay_recipe *recipe, const char *text,
                           struct assay_error *err) ASSAY_MUST_CHECK;

/* Parts of a recipe. */
enum assay_recipe_fields {
    ASSAY_RECIPE_EPOCHS = 1 << 0,
    ASSAY_RECIPE_BATCH = 1 << 1,
    ASSAY_RECIPE_LR = 1 << 2,
    ASSAY_RECIPE_OPTIMIZER = 1 << 3, /* its kind, betas and eps */
    ASSAY_RECIPE_MOMENTUM = 1 << 4,
    ASSAY_RECIPE_WEIGHT_DECAY = 1 << 5,
    ASSAY_RECIPE_SCHEDULE = 1 << 6,
    ASSAY_RECIPE_MILESTONES = 1 << 7,
    ASSAY_RECIPE_GAMMA = 1 << 8,
    ASSAY_RECIPE_AUGMENT = 1 << 9,
    ASSAY_RECIPE_EVALUATE_EVERY = 1 << 10
};

/* Notes in a model's sidecar that say what it was trained on; written by
 * `assay train` and by audits, read when such a model is audited. */
#define ASSAY_NOTE_DATA_SHA256 "data.sha256"
#define ASSAY_NOTE_DATA_NAME "data.name"
#define ASSAY_NOTE_QUARTER "quarter"
#define ASSAY_NOTE_SPLIT_SEED "split.seed"
#define ASSAY_NOTE_SPLIT_N "split.n"
#define ASSAY_NOTE_SPLIT_SHA256 "split.sha256"
#define ASSAY_NOTE_RECIPE "recipe"
#define ASSAY_NOTE_SEED "train.seed"
#define ASSAY_NOTE_CURVE "curve"
#define ASSAY_NOTE_TRAINED_ON "train.n" /* records */

/* A training curve as JSON text ([[epoch, loss, train, test, lr], ...],
 * null where not measured), and back. */
char *assay_curve_text(const struct assay_curve *curve);
int assay_curve_from_text(struct assay_curve *curve, const char *text,
                          struct assay_error *err) ASSAY_MUST_CHECK;

enum assay_controls {
    ASSAY_CONTROLS_NONE,
    ASSAY_CONTROLS_NEGATIVE, /* attack a model that never saw the records */
    ASSAY_CONTROLS_FULL      /* and one that knows 500 records by heart */
};

/* Predictions of models that are not loaded: files as
 * assay_evidence_import() reads them. Reference files hold `logits` or
 * `probs` [S, n, K], records in the order of the target's file, and
 * `trained_on` [S, n] (1: model s was trained on record i); that of the
 * population needs no `trained_on`. NULL: not there. */
struct assay_predictions {
    const char *members;
    const char *nonmembers;
    const char *population;
    const char *shadow_members;
    const char *shadow_nonmembers;
    const char *reference_members;
    const char *reference_nonmembers;
    const char *reference_population;
};

/* All pointers are borrowed until assay_audit_free(). */
struct assay_audit_options {
    const char *out; /* run folder, made when missing */
    /* Folder of models that audits have in common, made when missing: what
     * is there under the same key is not trained again. NULL: none. */
    const char *library;

    const char *data; /* DATA, NULL when predictions are given */
    struct assay_dataset_options dataset;
    /* DATA that the model was not trained on, beside `data` that it was: for a
     * trained model without notes. Non-members and the shadow quarters are
     * drawn from it. NULL: `data` is split. */
    const char *nonmember_data;
    struct assay_pixel_options pixels; /* for models trained by the run; of a
                                          trained one scale, mean and
                                          deviation win over its own */
    const char *model; /* a trained model's file; NULL: the run trains one */
    const char *arch;  /* of the models that the run trains */
    struct assay_recipe recipe;
    unsigned recipe_given; /* assay_recipe_fields of `recipe` that win over
                              the recipe in a model's own notes */
    size_t n_each;         /* records per quarter; 0: all */
    int assume_split;      /* 1: a model without notes was trained on
                              target-train of this seed's split */
    struct assay_predictions predictions;

    int n_references;           /* even; 0: none */
    const char *const *attacks; /* names; NULL: all of the goals */
    size_t n_attacks;
    unsigned goals;          /* bit 1 << enum assay_goal each, when no
                                attacks are named; 0: membership, and
                                attribute when one is named. That of
                                ASSAY_GOAL_BACKDOOR brings no attack; see
                                `detect` */
    const char *attribute;   /* sensitive attribute of the data, or NULL */
    const char *layer;       /* whose output attribute attacks read, such as
                                "classifier.0"; NULL: the last layer's input */
    const char *copy_arch;   /* of stolen copies; NULL: the target's */
    size_t generator_epochs; /* of the GAN for inversion */
    int generator_width;     /* and its maps at full size */
    const char *defense;     /* of target, shadow and references, or NULL */
    const char *const *defense_params; /* "noise=0.9" of it */
    size_t n_defense_params;
    const char *query_data; /* DATA of another distribution that stealing
                               may ask about, or NULL */
    const char *const *attack_params; /* "rmia.gamma=2": ATTACK.NAME=VALUE of
                                         chosen attacks; else the defaults */
    size_t n_attack_params;
    /* Whether the model can be built on: detectors of backdoors and of altered
     * weights, and repairs (assay/trust.h). Asked for by `detect`, or by the
     * bit of ASSAY_GOAL_BACKDOOR in `goals`; by that bit alone nothing else
     * is: a trained model is examined on clean records, no model is trained
     * and no record split off. Clean records are those of `nonmember_data`
     * or, without it, of `data`. The fields below are ASSAY_ARG without. */
    int detect;
    const char *upstream; /* file: what the model is said to be made from */
    const char *suspects; /* DATA: records that detectors are to judge */
    const char *const *clean_models; /* files of the same family: false alarms
                                        are counted on them */
    size_t n_clean_models;
    size_t n_clean;               /* records for detectors; 0: half of all */
    const char *const *detectors; /* names; NULL: all that can run */
    size_t n_detectors;
    const char *const *detector_params; /* "neural-cleanse.epochs=5" */
    size_t n_detector_params;
    const char *const *repairs; /* names; "none" alone: none; NULL: all, when a
                                   detector accuses the model */
    size_t n_repairs;
    const char *const *repair_params; /* "fine-tuning.epochs=5" */
    size_t n_repair_params;

    enum assay_controls controls;
    double budget_seconds; /* to aim at, by estimates; 0: as long as it takes */
    const char *policy;    /* YAML file; NULL: the built-in one */
    int n_exposed;         /* most exposed records to show */

    int no_estimates; /* 1: the plan has no times, as no steps are timed for
                         it; not with a budget */
    int plan_only;    /* 1: write nothing, make no folder; only a plan can be
                         had then, and assay_audit_run() is ASSAY_ARG */

    struct assay_compute compute; /* with a tuning, please: it is kept in
                                     the folder */
    const char *const *command;   /* words, for findings and manifest */
    int n_command;
};

/* Defaults: 8 references, all attacks, negative control, 12 exposed. */
void assay_audit_options_init(struct assay_audit_options *options);

typedef struct assay_audit assay_audit;

/* A piece of work. */
struct assay_audit_item {
    char what[100]; /* "train 8 reference models" */
    size_t n;       /* models, records or attacks */
    double seconds; /* expected; NaN when not known */
    int dropped;    /* 1: left out to keep to the budget */
    int reused;     /* of n: found in the folder */
};

enum { ASSAY_AUDIT_ITEMS_MAX = 16, ASSAY_AUDIT_NOTES_MAX = 8 };

struct assay_audit_plan {
    struct assay_audit_item item[ASSAY_AUDIT_ITEMS_MAX];
    int n_items;
    int n_references;    /* to use: after the budget, 0 when no attack does */
    int n_models;        /* to train */
    size_t n_scored;     /* records whose membership is guessed */
    double step_seconds; /* of training, per batch and model; NaN */
    double seconds;      /* expected in all; NaN when not known */
    size_t memory_bytes; /* expected peak; 0 when not known */
    char note[ASSAY_AUDIT_NOTES_MAX]
             [160]; /* what a budget or a defence changed */
    int n_notes;
};

int assay_audit_open(assay_audit **out,
                     const struct assay_audit_options *options,
                     const struct assay_context *ctx,
                     struct assay_error *err) ASSAY_MUST_CHECK;
void assay_audit_free(assay_audit *audit);
const struct assay_audit_plan *assay_audit_plan(const assay_audit *audit);
/* The run folder. */
const char *assay_audit_folder(const assay_audit *audit);

enum assay_verdict {
    ASSAY_VERDICT_PASS,
    ASSAY_VERDICT_WARNING,
    ASSAY_VERDICT_FAIL,
    ASSAY_VERDICT_INCONCLUSIVE
};
const char *assay_verdict_name(enum assay_verdict verdict); /* "pass" */

/*
 * Do the work, write findings.json and report.html.
 * Errors: _CANCELED (a rerun goes on from there), _NOTHING when no attack
 * could run, and those of training, files and data.
 */
int assay_audit_run(assay_audit *audit, enum assay_verdict *verdict,
                    struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
