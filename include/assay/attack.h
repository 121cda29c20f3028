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
#include "assay/model.h"

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
    ASSAY_NEED_QUERIES = 1 << 5         /* answers on altered copies */
};

/* A parameter: the only place its default is written. */
struct assay_attack_param {
    const char *name;
    double value; /* default */
    double min, max;
    const char *help;
};

/* A reference model's word on the audited records. */
struct assay_reference {
    const struct assay_evidence *members;    /* same records and order as */
    const struct assay_evidence *nonmembers; /* the target's */
    const struct assay_evidence *population; /* NULL when there is none */
    const uint8_t *trained_on_member;    /* [members->n], 1: was trained on */
    const uint8_t *trained_on_nonmember; /* [nonmembers->n] */
};

/* All borrowed. Members and non-members are the audited records; which is
 * which may be used for scoring only in attacks whose auxiliary data are
 * partial, and there never on the records that are scored. */
struct assay_membership_input {
    const struct assay_context *ctx; /* its seed drives the attack */
    const struct assay_compute *compute;
    const struct assay_evidence *members;        /* the target on its members */
    const struct assay_evidence *nonmembers;     /* and on non-members */
    const struct assay_evidence *shadow_members; /* the shadow model on */
    const struct assay_evidence *shadow_nonmembers; /* its own; or NULL */
    const struct assay_evidence *population; /* the target on these; or NULL */
    const struct assay_reference *reference;
    int n_references;
    const double *param; /* values in the order of attack->params; NULL:
                            the defaults */
};

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
    const struct assay_attack_param *params; /* ends with name NULL */
    int (*membership)(const struct assay_membership_input *in,
                      struct assay_membership_scores *out,
                      struct assay_error *err);
};

/* The table, in the order of attacks.def; ends with NULL. */
const struct assay_attack *const *assay_attack_table(void);
const struct assay_attack *assay_attack_find(const char *name);
/* Number of its parameters, and index by name or -1. */
int assay_attack_n_params(const struct assay_attack *a);
int assay_attack_param_index(const struct assay_attack *a, const char *name);

/*
 * NULL when `in` has all that the attack needs, else what is missing, in
 * words ("no reference models").
 */
const char *assay_attack_missing(const struct assay_attack *a,
                                 const struct assay_membership_input *in);

/*
 * Check the needs and the input (equal record counts, classes, orders), run,
 * check the output (finite scores).
 */
int assay_attack_membership(const struct assay_attack *a,
                            const struct assay_membership_input *in,
                            struct assay_membership_scores *out,
                            struct assay_error *err) ASSAY_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
