/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_DEFENSE_H
#define ASSAY_DEFENSE_H

/*
 * Defences, as a table says them: one file in defenses/ and one row in
 * defenses/defenses.def each; help, reports and tests follow from its
 * struct. A defence changes how a model is trained, or what it answers.
 *
 * An audit of a defended model gives the attacker what the defence does not
 * take away: shadow and reference models are defended in the same way, as
 * an attacker who knows the defence would do it.
 */

#include "assay/context.h"
#include "assay/model.h"
#include "assay/setting.h"

#ifdef __cplusplus
extern "C" {
#endif

enum assay_defense_stage {
    ASSAY_DEFENSE_TRAINING, /* another objective, other steps */
    ASSAY_DEFENSE_ANSWERS   /* the same model says less */
};
const char *assay_defense_stage_name(enum assay_defense_stage stage);

/* One training that is to be defended. */
struct assay_defense_training {
    const double *param;     /* borrowed, in the order of the rows */
    const assay_view *train; /* borrowed */
    int n_classes;
    uint64_t seed;
    /* Logits of a model that was trained on the same records without the
     * defence, [n, 2, K]: of the record and of its mirror image. Borrowed;
     * NULL unless the defence needs a teacher. */
    const float *teacher;
    /* In: the recipe as it would be. Out: as it is to be. */
    struct assay_recipe *recipe;
    /* Out; zero on entry, and where nothing changes. `text` is the
     * caller's. */
    struct assay_objective *objective;
    struct assay_privacy_options *privacy;
    void *state; /* out: what the objective borrows, for release() */
};

/* What an answer-side defence gets ready from. All borrowed. */
struct assay_defense_answers {
    const struct assay_context *ctx;
    const struct assay_compute *compute;
    const double *param;
    /* The model's own answers on records that it was trained on, and on some
     * that it was not; the defender knows both. */
    const struct assay_evidence *members;
    const struct assay_evidence *others;
};

/* What a private training promises. */
struct assay_privacy_claim {
    double noise_multiplier;
    double clip_norm;
    double sample_rate;
    size_t steps;
    double delta;
    double epsilon_rdp;
    double epsilon_prv; /* upper bound */
};

struct assay_defense {
    const char *name;    /* "dp-sgd": stable, for flags and files */
    const char *title;   /* "DP-SGD" */
    const char *summary; /* one sentence for people */
    const char *cites;
    enum assay_defense_stage stage;
    unsigned protects; /* 1 << enum assay_goal each: what it claims to lessen */
    const struct assay_setting *params; /* ends with name NULL; or NULL */
    int needs_teacher;
    int group_norm; /* batch norm does not go with it */

    /* Training side. */
    int (*train)(struct assay_defense_training *t, struct assay_error *err);
    void (*release)(void *state);
    /* For private training alone: what the recipe over n records promises. */
    int (*claim)(const double *param, const struct assay_recipe *recipe,
                 size_t n, struct assay_privacy_claim *out,
                 struct assay_error *err);

    /* Answer side: prepare() may make a state, or be NULL. Then one of two,
     * both of which change probabilities in place, and never which is the
     * largest (of equals the first): answer() the p[K] of one record, or
     * answers() the p[n, K] of n records, for what is worked out for many
     * at once. Equal rows get equal answers but for rounding, whatever n
     * and their place. */
    int (*prepare)(const struct assay_defense_answers *in, void **state,
                   struct assay_error *err);
    void (*answer)(const double *param, const void *state, double *p, int k);
    int (*answers)(const double *param, void *state, double *p, size_t n, int k,
                   struct assay_error *err);
};

/* The table, in the order of defenses.def; ends with NULL. */
const struct assay_defense *const *assay_defense_table(void);
const struct assay_defense *assay_defense_find(const char *name);

/*
 * A defence with its parameters as one line of text, the same for the same:
 * "distillation alpha=0.95 temperature=2". `text` has room for `size`.
 */
void assay_defense_text(const struct assay_defense *d, const double *param,
                        char *text, size_t size);

/* A defence and its parameters, checked; row NULL: none. */
struct assay_defense_choice {
    const struct assay_defense *row;
    double param[ASSAY_SETTINGS_MAX];
    char text[240]; /* assay_defense_text(); "" */
};

/* `name` NULL or "none": none. Each of `assign` is "epsilon=4". Errors: _ARG,
 * when there is no such defence or parameter, or a value is out of range. */
int assay_defense_choose(struct assay_defense_choice *out, const char *name,
                         const char *const *assign, size_t n,
                         struct assay_error *err) ASSAY_MUST_CHECK;
/* The same from assay_defense_text(), as a model's note keeps it. Errors:
 * _DATA, when it is none of ours. */
int assay_defense_choose_text(struct assay_defense_choice *out,
                              const char *text,
                              struct assay_error *err) ASSAY_MUST_CHECK;

/* A training that is defended: what it borrows, until it is released. */
struct assay_defended {
    struct assay_recipe recipe;
    struct assay_objective objective;
    float *teacher;
    void *state;
    void (*release)(void *state);
    char text[320];
};

/*
 * Make a training a defended one. `out` must stay where it is until the
 * training is over. `teacher` is a model of the same records without the
 * defence, NULL unless the row needs one; `teacher_key` names it in the
 * training's checkpoint, "" without. On failure `out` is to be released too.
 */
int assay_defense_apply(struct assay_defended *out,
                        const struct assay_defense_choice *choice,
                        const struct assay_context *ctx,
                        const struct assay_compute *compute,
                        const assay_model *teacher, const char *teacher_key,
                        struct assay_training *training,
                        struct assay_error *err) ASSAY_MUST_CHECK;
void assay_defended_release(struct assay_defended *d);

/*
 * Put answers through an answer-side defence: logits and queries of `e`
 * become logarithms of the altered probabilities, floored at 1e-30. No row
 * changes its class: where two logarithms round to one float, that of the
 * class is the next larger float. Embeddings stay: whoever holds the weights
 * is not answered. On failure some rows may be altered.
 */
int assay_defense_alter(const struct assay_defense *d, const double *param,
                        void *state, struct assay_evidence *e,
                        struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
