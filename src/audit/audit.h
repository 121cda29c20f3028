/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_AUDIT_INTERNAL_H
#define ASSAY_AUDIT_INTERNAL_H

/*
 * The inside of an audit, for this folder alone.
 *
 *   run.c          assay_audit_run: the order of everything
 *   open.c         data, model, split, folder, options that do not fit
 *   plan.c         what will be done, how long, what a budget leaves out
 *   jobs.c         models to train, reused or trained side by side
 *   scene.c        who is attacked with whose help: records and models
 *   witness.c      what the models say of the records
 *   predictions.c  the same from files, without models
 *   defended.c     the defence of what is audited
 *   generator.c    the GAN that inversion searches in
 *   claim.c        what it proves, beside what the attacks show
 *   world.c        models and pixels, for attacks beyond membership
 *   attacks.c      what attacks are run, on what
 *   params.c       with which values of their parameters
 *   scores.c       running them side by side; score_file.c their files
 *   control.c      negative and positive controls
 *   policy.c, verdict.c, advice.c, taxonomy.c   what it means
 *   findings.c, findings_*.c                    findings.json
 *   trust.c        detectors and repairs; detection.h what they found
 *   exposed.c      pictures of the most exposed records
 *   sweep.c        none of them left from earlier results
 *   cache.c        the folder's index; library.c models in common with others
 */

#include <jansson.h>

#include "assay/audit.h"
#include "assay/metrics.h"
#include "assay/privacy.h"
#include "audit/cache.h"
#include "audit/policy.h"

enum assay__subset {
    ASSAY__MEMBERS,
    ASSAY__NONMEMBERS,
    ASSAY__POPULATION,
    ASSAY__SUBSETS
};
const char *assay__subset_name(enum assay__subset subset);

/* A list of records and the SHA-256 of the list. */
struct assay__rows {
    const uint32_t *index; /* borrowed */
    size_t n;
    char sha256[65];
};
int assay__rows_set(struct assay__rows *rows, const uint32_t *index, size_t n,
                    struct assay_error *err) ASSAY_MUST_CHECK;

/* A model to train. */
struct assay__job {
    char name[40];  /* "reference-03": in file names */
    char title[40]; /* "reference 4/8": in progress */
    char path[80];  /* "models/reference-03.safetensors" */
    struct assay__rows train;
    const struct assay__rows *test; /* for the curve, or NULL */
    const struct assay_recipe *recipe;
    const char *arch;
    enum assay_norm norm;
    int defended; /* trained with the audit's defence */
    int teacher;  /* job of the scene that taught it, or -1 */
    int teaches;  /* it is undefended, and only taught */
    uint64_t seed;
    const char *quarter; /* noted in the sidecar */
    json_t *inputs;      /* owned */
    char key[65];
};

enum { ASSAY__REFERENCES_MAX = 256 };

/*
 * A target, its audited records, and who helps to attack it. The audit
 * proper is one scene; the positive control is another, smaller one.
 */
struct assay__scene {
    const char *prefix; /* of artefact names: "" or "overfitted-" */
    struct assay__rows audited[ASSAY__SUBSETS];
    struct assay__rows shadow[2]; /* the shadow model's own quarters */
    struct assay_recipe recipe;
    int defended; /* its models are trained with the audit's defence */
    int with_shadow;
    int with_control; /* collect the shadow model's word on the audited */
    int with_population;
    int n_references;

    struct assay__job *job; /* target (unless opened), shadow, references */
    int n_jobs;
    int n_taught;   /* jobs that found their teacher */
    int target_job; /* index in job, or -1: the opened model */
    int shadow_job; /* or -1 */
    int first_reference;
    uint32_t **half;      /* [n_references] records, owned */
    uint8_t **trained_on; /* [n_references] flags, members then others */

    /* Beyond membership. */
    int with_auxiliary;
    int with_evaluator;
    uint32_t *auxiliary_index; /* owned: shadow-train, then shadow-test */
    struct assay__rows auxiliary;
    uint32_t *evaluator_index; /* owned: target-train, then shadow-train */
    struct assay__rows evaluator_rows;
    struct assay_recipe evaluator_recipe;
    int evaluator_job; /* or -1 */
    struct assay_evidence target_auxiliary;
    struct assay_evidence target_pool;
    struct assay_evidence evaluator_evidence[ASSAY__SUBSETS];
    int with_generator;

    struct assay_evidence target[ASSAY__SUBSETS];
    struct assay_evidence shadow_own[2];
    struct assay_evidence control[ASSAY__SUBSETS]; /* shadow on audited */
    struct assay_evidence *reference_evidence;     /* [S * SUBSETS] */
    struct assay_reference *reference;             /* [S] */
    struct assay_curve target_curve;
    struct assay_curve shadow_curve;
    size_t target_parameters;
    char target_sha256[65];
    char evidence_sha256[65]; /* of all that attacks see, by its inputs */
};

/* What an attack gave: one of the three, by its goal. */
struct assay__made {
    struct assay_membership_scores scores;
    struct assay_guesses guesses;
    struct assay_pictures pictures;
};
void assay__made_release(struct assay__made *made);

/* Models and views, opened for attacks that need more than answers. */
enum { ASSAY__MIXED = 4 }; /* members, auxiliary, pool, non-members */
struct assay__world {
    int there;
    assay_model *target; /* NULL: the audit's `opened` */
    assay_model *shadow;
    assay_model *evaluator;
    assay_model *untrained;
    assay_generator *generator;
    assay_view *members;
    assay_view *nonmembers;
    assay_view *auxiliary;
    assay_view *pool;
    struct assay_evidence mixed[ASSAY__MIXED]; /* for the control */
    struct assay_evidence shadow_auxiliary;    /* the shadow model on its own */
    struct assay_attack_world plain;
    struct assay_attack_world control; /* for goals beyond membership */
    struct assay_attack_world swapped; /* the shadow model as the target */
};

/* One attack's outcome. */
struct assay__outcome {
    const struct assay_attack *attack;
    const double *param; /* borrowed from the audit */
    char why[160];       /* not empty: it was not run */
    struct assay__made made;
    json_t *measured; /* its metrics, as findings.json has them; owned */
    struct assay_estimate auc;
    struct assay_estimate accuracy;
};

/* What a private training promises, and what its attacks show of it. */
struct assay__claim {
    int there;
    struct assay_privacy_claim promised;
    const struct assay_attack *attack; /* NULL: none could bound it */
    size_t among;                      /* attacks that share the 5 % */
    struct assay_one_run bound;
};

struct assay__control_result {
    const struct assay_attack *attack;
    struct assay_estimate found; /* AUC of scores, else the excess of right
                                    guesses; with its 95 % interval, */
    int degrees;                 /* of freedom in that; 0: it is a normal's */
    double low, high;            /* widened for the number of attacks */
    int passed;
};

enum { ASSAY__ATTACKS_MAX = 96 };

struct assay__control {
    int ran;
    int positive;
    char what[480];
    struct assay__control_result result[ASSAY__ATTACKS_MAX];
    int n_results;
    int passed;
};

struct assay_audit {
    struct assay_audit_options options;
    struct assay_context ctx;
    struct assay__cache cache;
    struct assay__policy policy;
    struct assay_defense_choice defense;
    struct assay__claim claim;

    assay_dataset *data; /* NULL: from predictions */
    assay_dataset *pool; /* of options.query_data, or NULL */
    int attribute;       /* in data, or -1 */
    struct assay_split split;
    struct assay_preprocess preprocess;
    char *preprocess_text;
    struct assay_recipe recipe;
    const char *arch;
    assay_model *opened; /* the model to audit, when it was not trained here */
    char opened_sha256[65];
    int assumed_split;
    size_t n_members; /* first records of data, which the opened model was
                         trained on; 0: the split says */

    const struct assay_attack *attack[ASSAY__ATTACKS_MAX]; /* the chosen */
    double param[ASSAY__ATTACKS_MAX][ASSAY_SETTINGS_MAX];  /* of each */
    char left_out[ASSAY__ATTACKS_MAX][160]; /* not empty: why not */
    int n_attacks;

    struct assay_audit_plan plan;
    struct assay__scene scene;
    struct assay__world world;
    struct assay__outcome outcome[ASSAY__ATTACKS_MAX];
    struct assay__control negative;
    struct assay__control positive;
    json_t *trust;         /* findings.trust, or NULL; owned */
    json_t *trust_seconds; /* how long what took; owned */
    enum assay_verdict verdict;
    int over;    /* broken rules about attacks, and broken claims */
    int accused; /* broken rules about detectors, and what a scan found */
};

/* trust.c: whether the options ask for detectors, and for nothing else;
 * whether they fit each other; the work. */
int assay__detection_wanted(const struct assay_audit_options *o);
int assay__detection_alone(const assay_audit *a);
int assay__detection_check(const struct assay_audit_options *o,
                           struct assay_error *err) ASSAY_MUST_CHECK;
int assay__detection_run(assay_audit *a,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* open.c */
unsigned assay__audit_needs(const assay_audit *a);
/* Whether some chosen attack has another goal than membership, or needs the
 * model itself. */
int assay__audit_wants_world(const assay_audit *a);
/* Inputs that all artefacts of the run share. New reference, or NULL. */
json_t *assay__audit_inputs(const assay_audit *a);

/* params.c: the chosen attacks' parameters, checked; then their values in
 * the order of the attack's rows, and the same as {"gamma": 2}. */
int assay__params_choose(assay_audit *a,
                         struct assay_error *err) ASSAY_MUST_CHECK;
const double *assay__audit_params(const assay_audit *a,
                                  const struct assay_attack *attack);
json_t *assay__params_json(const struct assay_attack *attack,
                           const double *param);

/* recipe.c: those fields of one recipe into another. */
void assay__recipe_overlay(struct assay_recipe *to,
                           const struct assay_recipe *from, unsigned fields);

/* jobs.c */
int assay__job_init(struct assay__job *job, const assay_audit *a,
                    const struct assay__scene *scene, const char *role,
                    int index, struct assay_error *err) ASSAY_MUST_CHECK;
void assay__job_release(struct assay__job *job);
int assay__jobs_train(assay_audit *a, struct assay__job *job, int n,
                      struct assay_error *err) ASSAY_MUST_CHECK;
/* A model of the scene's kind with initial values from `seed`. */
int assay__job_model(assay_model **out, const assay_audit *a, const char *arch,
                     enum assay_norm norm, uint64_t seed,
                     struct assay_error *err) ASSAY_MUST_CHECK;
/* A model of the folder, "models/target.safetensors", that must still be what
 * was written there. */
int assay__folder_model(const assay_audit *a, const char *path, assay_model **m,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* What normalises in the audited models. */
enum assay_norm assay__audit_norm(const assay_audit *a);

/* open.c: a note of the opened model that must be a number. */
int assay__note_number(const assay_audit *a, const char *key, uint64_t *out,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* defended.c: the defence named by the options, if any. */
int assay__defense_choose(assay_audit *a,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* The defence that the opened model says it was trained with, which its
 * helpers are then trained with too. */
int assay__defense_of_model(assay_audit *a,
                            struct assay_error *err) ASSAY_MUST_CHECK;
int assay__defense_trains(const assay_audit *a);
int assay__defense_answers(const assay_audit *a);
/* Put the scene's answers through an answer-side defence. */
int assay__defense_answer(struct assay__scene *scene, const assay_audit *a,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* Whether it puts group norm where the architecture has batch norm. */
int assay__defense_replaces_norm(const assay_audit *a, int *replaces,
                                 struct assay_error *err) ASSAY_MUST_CHECK;
/* findings.defense: new reference. */
json_t *assay__defense_json(const assay_audit *a);

/*
 * library.c: models by key. Taking one makes it the folder's artefact `path`;
 * giving one leaves it there. Without a library both do nothing.
 */
bool assay__library_peek(const struct assay__cache *cache, const char *key);
int assay__library_take(struct assay__cache *cache, const char *path,
                        const json_t *inputs, const char *key, bool *taken,
                        struct assay_error *err) ASSAY_MUST_CHECK;
int assay__library_give(const struct assay__cache *cache, const char *path,
                        const char *key, double seconds,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* claim.c: once the attacks are measured, and before the verdict. */
/* What an opened model's training promised, by its notes alone; nothing where
 * they do not say. */
int assay__claim_of_model(assay_audit *a,
                          struct assay_error *err) ASSAY_MUST_CHECK;
int assay__claim_measure(assay_audit *a,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* Whether the measured bound exceeds the promised one; why, in words. */
int assay__claim_refuted(const assay_audit *a);
void assay__claim_words(const assay_audit *a, char *text, size_t size);
/* findings.defense.claim: new reference. */
json_t *assay__claim_json(const assay_audit *a);

/* scene.c: rows and flags set by the caller; then jobs; then the work. */
int assay__scene_prepare(struct assay__scene *scene, const assay_audit *a,
                         struct assay_error *err) ASSAY_MUST_CHECK;
int assay__scene_collect(struct assay__scene *scene, assay_audit *a,
                         struct assay_error *err) ASSAY_MUST_CHECK;
void assay__scene_release(struct assay__scene *scene);
/* What attacks see; as_control: the shadow model in the target's place. */
void assay__scene_input(const struct assay__scene *scene, const assay_audit *a,
                        int as_control, struct assay_attack_input *in);
/* The scenes of an audit and of its positive control. */
int assay__scene_main(struct assay__scene *scene, const assay_audit *a,
                      struct assay_error *err) ASSAY_MUST_CHECK;
int assay__scene_overfitted(struct assay__scene *scene, const assay_audit *a,
                            struct assay_error *err) ASSAY_MUST_CHECK;

/* witness.c: only what the target is: its size and hash. */
int assay__scene_look(struct assay__scene *scene, const assay_audit *a,
                      struct assay_error *err) ASSAY_MUST_CHECK;

/* generator.c: whether it need not be made; make sure that it is in the
 * folder; open it. */
bool assay__generator_there(const assay_audit *a,
                            const struct assay__scene *scene);
int assay__generator_ready(assay_audit *a, const struct assay__scene *scene,
                           struct assay_error *err) ASSAY_MUST_CHECK;
int assay__generator_open(const assay_audit *a, assay_generator **out,
                          struct assay_error *err) ASSAY_MUST_CHECK;
/* Whether some chosen attack has another goal than membership. */
int assay__audit_beyond_membership(const assay_audit *a);

/* world.c: what the scene's models and records are, for attacks that need
 * them; nothing when no chosen attack does. */
int assay__world_open(struct assay__world *w, const assay_audit *a,
                      const struct assay__scene *scene,
                      struct assay_error *err) ASSAY_MUST_CHECK;
void assay__world_close(struct assay__world *w);
/* What an attack's input says of the world, if there is one. */
enum assay__world_of {
    ASSAY__WORLD_PLAIN,
    ASSAY__WORLD_CONTROL, /* beyond membership: answers that tell nothing */
    ASSAY__WORLD_SWAPPED  /* membership: the shadow model as the target, and
                             itself as its own shadow */
};
void assay__world_input(const struct assay__world *w,
                        const struct assay__scene *scene,
                        enum assay__world_of which,
                        struct assay_attack_input *in);

/* predictions.c: fill the evidence of a scene from files. */
int assay__predictions_read(struct assay__scene *scene,
                            const struct assay_predictions *files,
                            struct assay_error *err) ASSAY_MUST_CHECK;

/* One attack to run on one scene. */
struct assay__score_job {
    const struct assay_attack *attack;
    const struct assay_attack_input *in; /* borrowed */
    const char *prefix; /* of the file: "", "control-", "overfitted-" */
    const char *evidence_sha256;
    double cost;             /* expected seconds */
    struct assay__made made; /* out, owned */
    char why[160]; /* out; not empty: it found too little to work with */
};

/* scores.c */
int assay__score_jobs_run(assay_audit *a, struct assay__score_job *jobs,
                          size_t n, const char *task,
                          struct assay_error *err) ASSAY_MUST_CHECK;
void assay__score_jobs_release(struct assay__score_job *jobs, size_t n);
/* Whether the audit's scores of that attack can be reused, for plans. */
bool assay__scores_there(const assay_audit *a,
                         const struct assay_attack *attack, const char *prefix);
/* "scores/lira-online.safetensors" */
void assay__scores_path(const struct assay_attack *attack, const char *prefix,
                        char path[96]);

/* made_file.c: by the attack's goal; `in` names the records. */
int assay__made_write(const struct assay__made *made,
                      const struct assay_attack_input *in,
                      const struct assay_attack *attack, const char *path,
                      struct assay_error *err) ASSAY_MUST_CHECK;
int assay__made_read(struct assay__made *made,
                     const struct assay_attack *attack, const char *path,
                     struct assay_error *err) ASSAY_MUST_CHECK;

/* score_file.c */
int assay__scores_write(const struct assay_membership_scores *s,
                        const struct assay_attack_input *in,
                        const struct assay_attack *attack, const char *path,
                        struct assay_error *err) ASSAY_MUST_CHECK;
int assay__scores_read(struct assay_membership_scores *s, const char *path,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* attacks.c: the chosen attacks and the negative control, then measures. */
int assay__attacks_run(assay_audit *a,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* control.c: jobs that ran, in the order of the attacks, into a control. */
int assay__control_negative(assay_audit *a, const struct assay__score_job *jobs,
                            size_t n, struct assay_error *err) ASSAY_MUST_CHECK;
int assay__control_positive(assay_audit *a,
                            struct assay_error *err) ASSAY_MUST_CHECK;
/* Whether it is asked for, and any attack is there that it can judge. */
int assay__control_wants_positive(const assay_audit *a);
/* An AUC's 95 % interval widened so that m such hold together. */
void assay__widen(const struct assay_estimate *auc, int m, double *low,
                  double *high);

/* plan.c */
int assay__plan_make(assay_audit *a, struct assay_error *err) ASSAY_MUST_CHECK;
/* Expected, on one core. */
double assay__attack_seconds(const assay_audit *a,
                             const struct assay_attack *attack);

/* Ran, and gave scores for membership. */
int assay__outcome_scored(const struct assay__outcome *outcome);
/* findings_attack.c: what was made measured into outcome, by its goal.
 * Outcomes before it in the audit have been measured. */
int assay__outcome_measure(assay_audit *a, struct assay__outcome *outcome,
                           struct assay_error *err) ASSAY_MUST_CHECK;
/* Balanced accuracy with an interval for the largest of `among` attacks. */
int assay__outcome_accuracy(const assay_audit *a,
                            const struct assay__outcome *outcome, size_t among,
                            struct assay_estimate *out,
                            struct assay_error *err) ASSAY_MUST_CHECK;
/* New reference, NULL when out of memory. */
json_t *assay__outcome_json(const assay_audit *a,
                            const struct assay__outcome *outcome);
json_t *assay__estimate_json(const struct assay_estimate *e);

/* findings_guess.c, findings_picture.c: the same of these. */
int assay__guesses_measure(const assay_audit *a, struct assay__outcome *outcome,
                           struct assay_error *err) ASSAY_MUST_CHECK;
int assay__guesses_excess(const assay_audit *a,
                          const struct assay_attack *attack,
                          const struct assay_guesses *g,
                          struct assay_estimate *out, int *degrees,
                          struct assay_error *err) ASSAY_MUST_CHECK;
int assay__pictures_measure(assay_audit *a, struct assay__outcome *outcome,
                            struct assay_error *err) ASSAY_MUST_CHECK;
/* Right guesses beyond chance, for controls: of the largest budget, or of
 * the evaluator on pictures. `degrees` as in assay__control_result. */
int assay__made_excess(const assay_audit *a, const struct assay_attack *attack,
                       const struct assay__made *made,
                       struct assay_estimate *out, int *degrees,
                       struct assay_error *err) ASSAY_MUST_CHECK;

/* exposed.c: new reference to findings.exposed; pictures are written. */
int assay__exposed_make(assay_audit *a, json_t **out,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* A picture in the folder: bytes of a PNG, or a record of the data. */
int assay__write_png(const assay_audit *a, const char *path,
                     const unsigned char *png, size_t size,
                     struct assay_error *err) ASSAY_MUST_CHECK;
int assay__write_record(const assay_audit *a, uint32_t record, const char *path,
                        struct assay_error *err) ASSAY_MUST_CHECK;

/* sweep.c: pictures that findings.json does not list. */
int assay__sweep_exposed(const assay_audit *a,
                         struct assay_error *err) ASSAY_MUST_CHECK;

/* The delta at which epsilon is bounded. */
#define ASSAY__EPSILON_DELTA 1e-5

/* verdict.c */
/* Attacks that ran: the best of so many is judged. */
size_t assay__verdict_among(const assay_audit *a);
/* Training minus test accuracy; NaN when not known. */
struct assay_estimate assay__verdict_gap(const assay_audit *a);
/* The attack did not fail the negative control. */
int assay__verdict_trusts(const assay_audit *a,
                          const struct assay_attack *attack);
int assay__verdict_make(assay_audit *a, json_t **policy, json_t **verdict,
                        struct assay_error *err) ASSAY_MUST_CHECK;
/* advice.c, taxonomy.c: new references, NULL when out of memory. */
json_t *assay__advice_make(const assay_audit *a);
json_t *assay__taxonomy_make(const assay_audit *a);
json_t *assay__limits_make(const assay_audit *a);

/* findings.c */
int assay__findings_write(assay_audit *a,
                          struct assay_error *err) ASSAY_MUST_CHECK;

#endif
