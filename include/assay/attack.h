/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_ATTACK_H
#define ASSAY_ATTACK_H

/*
 * Attacks, as tables say them. An attack has a goal under a threat model
 * (access to the model, and auxiliary data), declares what it needs, and
 * turns evidence into scores. Every attack is one file in attacks/<goal>/
 * and one row in attacks/attacks.def; help, report and tests follow from
 * its struct.
 *
 * Attacks are here to measure one's own models and public research models.
 */

#include "assay/context.h"
#include "assay/generator.h"
#include "assay/model.h"
#include "assay/setting.h"

#ifdef __cplusplus
extern "C" {
#endif

enum assay_goal {
    ASSAY_GOAL_MEMBERSHIP,
    ASSAY_GOAL_INVERSION,
    ASSAY_GOAL_ATTRIBUTE,
    ASSAY_GOAL_STEALING,
    ASSAY_GOAL_REUSE,
    ASSAY_GOAL_BACKDOOR
};
enum assay_access {
    ASSAY_ACCESS_LABEL_ONLY,
    ASSAY_ACCESS_BLACK_BOX, /* posteriors */
    ASSAY_ACCESS_WHITE_BOX
};
enum assay_auxiliary {
    ASSAY_AUX_NONE,
    ASSAY_AUX_PARTIAL, /* some true members and non-members */
    ASSAY_AUX_SHADOW   /* same distribution, disjoint; shadow models */
};
const char *assay_goal_name(enum assay_goal goal);          /* "membership" */
const char *assay_access_name(enum assay_access access);    /* "black-box" */
const char *assay_auxiliary_name(enum assay_auxiliary aux); /* "shadow" */

/* What an attack cannot run without. */
enum assay_needs {
    ASSAY_NEED_SHADOW = 1 << 0,         /* one shadow model's own evidence */
    ASSAY_NEED_EMBEDDING = 1 << 1,      /* white-box: last layer's input */
    ASSAY_NEED_REFERENCES = 1 << 2,     /* reference models, some trained with
                                           each record and some without */
    ASSAY_NEED_REFERENCES_OUT = 1 << 3, /* such as never saw the record */
    ASSAY_NEED_POPULATION = 1 << 4,     /* records that no model trained on */
    ASSAY_NEED_QUERIES = 1 << 5,        /* answers on altered copies */
    ASSAY_NEED_MODEL = 1 << 6,          /* the target itself, and the records'
                                           pixels: not for predictions alone */
    ASSAY_NEED_AUXILIARY = 1 << 7,      /* the target's word on the shadow
                                           quarters */
    ASSAY_NEED_ATTRIBUTE = 1 << 8,      /* a sensitive attribute is named */
    ASSAY_NEED_EVALUATOR = 1 << 9,      /* a classifier to judge pictures by */
    ASSAY_NEED_GENERATOR = 1 << 10,     /* a GAN of the shadow records */
    ASSAY_NEED_POOL = 1 << 11           /* records of another distribution */
};

/* A reference model's word on the audited records. */
struct assay_reference {
    const struct assay_evidence *members;    /* same records and order as */
    const struct assay_evidence *nonmembers; /* the target's */
    const struct assay_evidence *population; /* NULL when there is none */
    const uint8_t *trained_on_member;    /* [members->n], 1: was trained on */
    const uint8_t *trained_on_nonmember; /* [nonmembers->n] */
};

/*
 * What lies behind the answers: models and pixels. Views hold the records of
 * the evidence of the same name, in its order. All borrowed; NULL where
 * there is none.
 */
struct assay_attack_world {
    const assay_model *target; /* white-box; black-box attacks only ask it */
    const assay_model *shadow;
    const assay_model *evaluator;
    const assay_generator *generator;
    const assay_view *members;
    const assay_view *nonmembers;
    const assay_view *auxiliary;       /* shadow-train, then shadow-test */
    const assay_view *pool;            /* records of another distribution */
    const char *copy_arch;             /* architecture of stolen copies */
    const struct assay_recipe *recipe; /* the target's; of a stranger's model
                                          what the audit trains others by;
                                          NULL: none is known */
    const char *folder; /* where trainings keep checkpoints; NULL:
                           they keep none. Emptied afterwards */
    int attribute;      /* the sensitive attribute; -1: none */
    int n_values;       /* its cardinality */
};

/*
 * All borrowed. Members and non-members are the audited records; which is
 * which may be used for scoring only in attacks whose auxiliary data are
 * partial, and there never on the records that are scored. Attribute and
 * stealing attacks are tested on the non-members alone.
 */
struct assay_attack_input {
    const struct assay_context *ctx; /* its seed drives the attack */
    const struct assay_compute *compute;
    const struct assay_evidence *members;        /* the target on its members */
    const struct assay_evidence *nonmembers;     /* and on non-members */
    const struct assay_evidence *shadow_members; /* the shadow model on */
    const struct assay_evidence *shadow_nonmembers; /* its own; or NULL */
    const struct assay_evidence *population; /* the target on these; or NULL */
    const struct assay_evidence *auxiliary;  /* the target on the shadow
                                                quarters, train then test; or
                                                NULL */
    const struct assay_evidence *pool;       /* the target on records of another
                                                distribution; or NULL */
    const struct assay_reference *reference;
    int n_references;
    const struct assay_attack_world *world; /* NULL: predictions alone */
    const double *param; /* values in the order of attack->params; NULL:
                            the defaults */
};

/*
 * How an attacker trains a model of his own: with the optimizer of the target's
 * recipe and its weight decay, for so many epochs, at the rate `lr` (0: that of
 * the recipe) falling along a cosine; batches of 64 and flips are as in
 * assay_recipe_init(). Where no recipe is known, all is.
 */
void assay_attack_recipe(const struct assay_attack_input *in, size_t epochs,
                         double lr, struct assay_recipe *out);

/* Scores of the records that were attacked (partial attacks leave some
 * out). Owned. */
struct assay_membership_scores {
    size_t n;
    double *score;    /* larger: more likely a member; finite */
    uint8_t *member;  /* the truth, for metrics only */
    uint32_t *row;    /* row in members, or members->n + row in nonmembers */
    double threshold; /* fitted on records not scored here, or NaN: fit by
                         two-fold cross-fitting */
};
void assay_membership_scores_release(struct assay_membership_scores *s);

enum { ASSAY_BUDGETS_MAX = 16 };

/*
 * What an attribute attack says of the non-members, or a stolen copy. A
 * stealing attack may give a copy for each of several query budgets.
 */
struct assay_guesses {
    size_t n;      /* records */
    int n_budgets; /* 1 for attribute attacks */
    size_t
        budget[ASSAY_BUDGETS_MAX]; /* queries asked, or records learnt from */
    int32_t *guess;                /* [n_budgets, n] value or class, owned */
};
void assay_guesses_release(struct assay_guesses *g);

/* Pictures that an inversion attack made. */
struct assay_pictures {
    size_t n;
    int channels, height, width;
    int32_t *wanted; /* [n] class whose records they should resemble, owned */
    float *x;        /* [n, C, H, W] as the target's input, owned */
};
void assay_pictures_release(struct assay_pictures *p);

/* How much there is to work on, for estimates. */
struct assay_attack_sizes {
    size_t n_members;
    size_t n_auxiliary;
    size_t n_pool;
    int n_classes;
    size_t epochs; /* of the target's recipe */
};

struct assay_attack {
    const char *name;    /* "lira-online": stable, for flags and files */
    const char *title;   /* "LiRA, online" */
    const char *summary; /* one sentence for people */
    const char *cites;   /* "Carlini et al., S&P 2022" */
    enum assay_goal goal;
    enum assay_access access;
    enum assay_auxiliary auxiliary;
    unsigned needs; /* assay_needs */
    int baseline;   /* 1: a baseline that the others must beat */
    const struct assay_setting *params; /* ends with name NULL */
    /* Records that models are trained on, in all, in units of the target's
     * training step per record: for plans. NULL: next to none. */
    double (*work)(const struct assay_attack_sizes *sizes, const double *param);
    /* The one of its goal: membership; attribute and stealing; inversion. */
    int (*membership)(const struct assay_attack_input *in,
                      struct assay_membership_scores *out,
                      struct assay_error *err);
    int (*guess)(const struct assay_attack_input *in, struct assay_guesses *out,
                 struct assay_error *err);
    int (*picture)(const struct assay_attack_input *in,
                   struct assay_pictures *out, struct assay_error *err);
};

/* The table, in the order of attacks.def; ends with NULL. */
const struct assay_attack *const *assay_attack_table(void);
const struct assay_attack *assay_attack_find(const char *name);

/*
 * NULL when `in` has all that the attack needs, else what is missing, in
 * words ("no reference models").
 */
const char *assay_attack_missing(const struct assay_attack *a,
                                 const struct assay_attack_input *in);

/*
 * Check the needs and the input (equal record counts, classes, orders), run,
 * check the output (finite scores, guesses and classes in range). One for
 * each kind of outcome; the attack must be of that kind.
 */
int assay_attack_membership(const struct assay_attack *a,
                            const struct assay_attack_input *in,
                            struct assay_membership_scores *out,
                            struct assay_error *err) ASSAY_MUST_CHECK;
int assay_attack_guess(const struct assay_attack *a,
                       const struct assay_attack_input *in,
                       struct assay_guesses *out,
                       struct assay_error *err) ASSAY_MUST_CHECK;
int assay_attack_picture(const struct assay_attack *a,
                         const struct assay_attack_input *in,
                         struct assay_pictures *out,
                         struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
